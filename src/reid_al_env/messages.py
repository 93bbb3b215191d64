"""Messages that keep their template, so that they can be shown in another language."""

from __future__ import annotations

from typing import Any


class Message(str):
    """A sentence made from a template; elsewhere an ordinary text.

    Args:
        template: English, with gaps as :meth:`str.format` fills them. It names the sentence in tables of
            translations.
        values: What fills the gaps; messages among them can be translated, too.

    Attributes:
        template: The template.
        values: The values.
    """

    template: str
    values: dict[str, Any]

    def __new__(cls, template: str, **values: Any) -> Message:
        """Fill in the gaps; without values, the template is the sentence."""
        made = super().__new__(cls, template.format(**values) if values else template)
        made.template, made.values = template, values
        return made

    def replaced(self, old: str, new: str) -> Message:
        """The message with a part of its values replaced, such as a path by a name."""
        return Message(
            self.template, **{name: _replaced(value, old, new) for name, value in self.values.items()}
        )


def message_of(error: BaseException) -> Message:
    """The sentence that an error says, with its template if it has one."""
    said = error.args[0] if len(error.args) == 1 else str(error)
    return said if isinstance(said, Message) else Message(str(said))


def _replaced(value: Any, old: str, new: str) -> Any:
    if isinstance(value, Message):
        return value.replaced(old, new)
    return value if isinstance(value, int | float) else str(value).replace(old, new)

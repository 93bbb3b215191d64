"""Settings: each field of a dataclass says its default, what it is, its unit and its range.

One check serves all of them.
Nothing here imports numpy, so that a command line can be built from settings at no cost.
"""

from __future__ import annotations

import dataclasses
import math
import numbers
from collections.abc import Mapping
from dataclasses import MISSING, Field, dataclass
from types import NoneType, UnionType
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints, overload

from reid_al_env.errors import InputError

T = TypeVar("T")
_KEY = "setting"


@dataclass(frozen=True)
class Setting:
    """What one field of a settings dataclass is.

    Args:
        help: What it does, as a user reads it on the command line; without the default, unit and range.
        unit: Unit of the number, such as ``seconds``.
        at_least: Smallest value.
        more_than: Bound that the value exceeds.
        at_most: Largest value.
        less_than: Bound that the value stays under.
        choices: Values that a text may have; empty for any.
        default_help: What the default is, in words, where it is worked out from other settings.
        panel: Heading under which a command line lists it.
        research: Whether it is for experiments, and listed after everything else.
        option: Name on the command line; empty is the field's name. In capitals it is a positional argument.
        metavar: What stands for its value there, such as ``FILE``.
    """

    help: str = ""
    unit: str = ""
    at_least: float | None = None
    more_than: float | None = None
    at_most: float | None = None
    less_than: float | None = None
    choices: tuple[str, ...] = ()
    default_help: str = ""
    panel: str = ""
    research: bool = False
    option: str = ""
    metavar: str = ""

    def holds(self, number: float) -> bool:
        """Whether a number is finite and within the bounds."""
        return (
            math.isfinite(number)
            and (self.at_least is None or number >= self.at_least)
            and (self.more_than is None or number > self.more_than)
            and (self.at_most is None or number <= self.at_most)
            and (self.less_than is None or number < self.less_than)
        )

    @property
    def allowed(self) -> str:
        """The bounds and the unit in words; empty where there are none."""
        if self.at_least is not None and self.at_most is not None:
            words = f"{plain(self.at_least)} to {plain(self.at_most)}"
        else:
            bounds = (
                ("at least", self.at_least),
                ("more than", self.more_than),
                ("at most", self.at_most),
                ("less than", self.less_than),
            )
            words = ", ".join(f"{name} {plain(bound)}" for name, bound in bounds if bound is not None)
        return f"{words}, in {self.unit}" if words and self.unit else words


@dataclass(frozen=True)
class Described:
    """One field of a settings dataclass.

    Args:
        name: Its name.
        hint: Its type, resolved.
        default: Its default; :data:`dataclasses.MISSING` where a value must be given.
        setting: What it is.
    """

    name: str
    hint: Any
    default: Any
    setting: Setting

    @property
    def option(self) -> str:
        """What is typed for it on a command line: ``--pool-size``; ``DATA`` is an argument without a name."""
        name = self.setting.option or self.name
        return name if name.isupper() else "--" + name.replace("_", "-")

    @property
    def optional(self) -> bool:
        """Whether ``None`` is a value."""
        return NoneType in _members(self.hint)

    @property
    def type(self) -> Any:
        """Its type apart from ``None``, such as ``int`` or ``tuple[int, int]``; ``str`` for a ``Literal``."""
        members = [member for member in _members(self.hint) if member is not NoneType]
        return str if get_origin(members[0]) is Literal else members[0]

    @property
    def choices(self) -> tuple[str, ...]:
        """Values that a text may have; empty for any."""
        literals = [value for member in _members(self.hint) for value in _literals(member)]
        return self.setting.choices or tuple(literals)


@overload
def setting(default: T, **about: Any) -> T: ...
@overload
def setting(**about: Any) -> Any: ...
def setting(default: Any = MISSING, **about: Any) -> Any:
    """A field of a settings dataclass.

    Args:
        default: Its default; without one a value must be given.
        **about: What :class:`Setting` takes.
    """
    return dataclasses.field(default=default, metadata={_KEY: Setting(**about)})


def same_as(settings: type, name: str, **changes: Any) -> Any:
    """A field that is described as one of another dataclass, so that nothing is written twice.

    Args:
        settings: The other dataclass.
        name: The field there.
        **changes: What :class:`Setting` takes and differs here; ``default`` changes the default.
    """
    described = field_of(settings, name)
    default = changes.pop("default", described.default)
    return dataclasses.field(
        default=default, metadata={_KEY: dataclasses.replace(described.setting, **changes)}
    )


def fields_of(settings: type) -> tuple[Described, ...]:
    """The fields of a settings dataclass, in order."""
    if settings not in _described:
        hints = get_type_hints(settings)
        fields: tuple[Field[Any], ...] = dataclasses.fields(settings)
        _described[settings] = tuple(
            Described(field.name, hints[field.name], field.default, field.metadata.get(_KEY, Setting()))
            for field in fields
        )
    return _described[settings]


_described: dict[type, tuple[Described, ...]] = {}  # settings are checked often, type hints resolved slowly


def field_of(settings: type, name: str) -> Described:
    """One field of a settings dataclass by its name."""
    return next(field for field in fields_of(settings) if field.name == name)


def check(settings: object) -> None:
    """Check the type and the range of every field of a settings dataclass; for its ``__post_init__``.

    Raises:
        InputError: Names the first field that cannot be used, the value found, and what is allowed.
    """
    for field in fields_of(type(settings)):
        check_value(field, getattr(settings, field.name))


def check_value(field: Described, value: object) -> None:
    """Check one value of a field.

    Raises:
        InputError: As :func:`check`.
    """
    if not any(_is(value, member) for member in _members(field.hint)):
        raise InputError(f"{field.name}: {value!r} is not {_expected(field)}")
    if isinstance(value, str) and field.choices and value not in field.choices:
        raise InputError(f"{field.name}: {value!r} is unknown; choose one of {', '.join(field.choices)}")
    for part in value if isinstance(value, tuple) else (value,):
        if _is_number(part) and not field.setting.holds(part):
            allowed = field.setting.allowed or "a finite number"
            raise InputError(f"{field.name}: {plain(value)} is out of range; expected {allowed}")


def from_mapping(settings: type[T], values: Mapping[str, Any]) -> T:
    """Settings from plain values by name, as JSON holds them: lists become tuples, other names are left out.

    Raises:
        InputError: A value cannot be used, or one that must be given is not there.
    """
    fields = fields_of(settings)
    kept = {field.name: values[field.name] for field in fields if field.name in values}
    for field in fields:
        if field.default is MISSING and field.name not in kept:
            raise InputError(f"{field.name}: is not there")
    return settings(**{name: tuple(v) if isinstance(v, list) else v for name, v in kept.items()})


def _members(hint: Any) -> tuple[Any, ...]:
    """The types that a union joins; of any other type, that type."""
    return get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,)


def _literals(hint: Any) -> tuple[Any, ...]:
    return get_args(hint) if get_origin(hint) is Literal else ()


def _is_number(value: object) -> bool:
    return isinstance(value, numbers.Real) and not isinstance(value, bool)


def _is(value: object, hint: Any) -> bool:
    """Whether a value has a type; of types that are not those of plain settings, any value has it."""
    if hint is float:
        return _is_number(value)
    if hint is int:
        return _is_number(value) and isinstance(value, numbers.Integral)
    if hint in (bool, str, NoneType):
        return isinstance(value, hint)
    if get_origin(hint) is Literal:
        return isinstance(value, str)
    if get_origin(hint) is tuple:
        return isinstance(value, tuple) and _are(value, get_args(hint))
    return True


def _are(values: tuple[object, ...], hints: tuple[Any, ...]) -> bool:
    if len(hints) == 2 and hints[1] is Ellipsis:
        return all(_is(value, hints[0]) for value in values)
    return len(values) == len(hints) and all(map(_is, values, hints))


def _expected(field: Described) -> str:
    one = {int: "a whole number", float: "a number", bool: "true or false", str: "text"}
    several = {int: "whole numbers", float: "numbers", str: "texts"}
    if get_origin(field.type) is tuple:
        hints = get_args(field.type)
        count = "a list of" if Ellipsis in hints else len(hints)
        return f"{count} {several[hints[0]]}"
    return one.get(field.type, "of the right kind")


def plain(value: object) -> str:
    """A bound or value as one writes it: 86400 rather than 86400.0."""
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    return str(value)

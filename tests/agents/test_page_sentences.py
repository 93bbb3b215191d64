"""What the server says reaches the page with its template, and the page has German words for it."""

import ast
import json
import pickle
import string
from pathlib import Path

import pytest

pytest.importorskip("fastapi")

import reid_al_agents
from reid_al_agents.annotate.messages import Conflict, as_json
from reid_al_env.messages import Message, message_of

PACKAGE = Path(reid_al_agents.__file__).parent
GERMAN = json.loads((PACKAGE / "annotate/server/page/sentences/de.json").read_text("utf-8"))
READERS = [
    PACKAGE / name
    for name in (
        *("log/reading.py", "log/known_identities.py", "log/event_lines.py", "log/label_studio.py"),
        *("log/pairs_csv.py", "log/validation.py", "data/rows.py", "data/damage.py", "data/spec.py"),
        *("data/layouts/folder.py", "data/listing.py", "files.py"),
    )
]
"""What the page reads files by, beside its own package."""


SAYING = ("Conflict", "Unknown", "Message", "HTTPException")


def calls(paths):
    """The calls with arguments: where, the name of what is called, and the argument that is a sentence."""
    for path in paths:
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.args:
                first = node.args[-1 if node.func.id == "HTTPException" else 0]
                yield f"{path.relative_to(PACKAGE)}:{node.lineno}", node.func.id, first


def said_by_the_server():
    """Each sentence that a person at the page can be told: where, and its template."""
    for where, name, first in calls([*(PACKAGE / "annotate").rglob("*.py"), *READERS]):
        constant = isinstance(first, ast.Constant) and isinstance(first.value, str)
        if constant and name in SAYING:
            yield where, first.value


def gaps(template):
    return {name for _, name, _, _ in string.Formatter().parse(template) if name is not None}


def test_every_sentence_has_german_words_with_values_that_there_are():
    sentences = dict(said_by_the_server())
    assert len(sentences) > 60
    lacking = {template for template in sentences.values() if template not in GERMAN}
    assert lacking == set()
    for template, words in GERMAN.items():
        assert gaps(words) <= gaps(template), template
        assert template in sentences.values(), f"{template}: is said nowhere"


def test_no_sentence_of_the_page_hides_its_template():
    for where, name, first in calls((PACKAGE / "annotate").rglob("*.py")):
        assert not (name in ("Conflict", "Unknown", "Message") and isinstance(first, ast.JoinedStr)), where


def test_a_message_is_its_sentence_and_keeps_how_it_was_made():
    where = Message("{file}: line {line}", file="/tmp/x/a.csv", line=3)
    message = Message(
        "{where}: image {image!r} is none of the {count} images", where=where, image="b", count=9
    )
    assert message == "/tmp/x/a.csv: line 3: image 'b' is none of the 9 images"
    assert message.replaced("/tmp/x/", "") == "a.csv: line 3: image 'b' is none of the 9 images"
    assert message.replaced("/tmp/x/", "").values["where"].template == "{file}: line {line}"
    error = pickle.loads(pickle.dumps(Conflict(message)))
    assert message_of(error) == message
    assert message_of(error).template == message.template
    assert message_of(ValueError("{odd} words")) == "{odd} words"
    assert as_json(message)["said"]["values"]["where"] == {
        "text": "/tmp/x/a.csv: line 3",
        "template": "{file}: line {line}",
        "values": {"file": "/tmp/x/a.csv", "line": 3},
    }

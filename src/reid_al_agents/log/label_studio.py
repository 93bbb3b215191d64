"""Answers as tasks of Label Studio: each pair a task with two images, each answer an annotation of it.

Source: https://labelstud.io/guide/task_format (tasks with annotations) and https://labelstud.io/tags/choices
(whether two things are alike is a choice there; its tag Pairwise is for which of two is better).
"""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import Any
from urllib.parse import quote

from reid_al_agents.log.events import ANSWERS, Event
from reid_al_agents.log.tables import about_pairs
from reid_al_agents.log.validation import check_plausible
from reid_al_env.errors import InputError
from reid_al_env.messages import Message

LOCAL_FILES = "/data/local-files/?d="
"""Where Label Studio serves files of its own machine."""

_CHOICES = "".join(f'<Choice value="{answer}"/>' for answer in ANSWERS)

LABEL_STUDIO_CONFIG = f"""<View>
  <Header value="Same one?"/>
  <View style="display: flex">
    <Image name="query" value="$query"/>
    <Image name="candidate" value="$candidate"/>
  </View>
  <Choices name="verdict" toName="query" choice="single" required="true">{_CHOICES}</Choices>
</View>
"""
"""The labelling interface that the tasks belong to; paste it into the project's settings."""

_SWAPPED = {"bad_query": "bad_candidate", "bad_candidate": "bad_query"}


def label_studio_json(events: Iterable[Event], *, prefix: str = LOCAL_FILES) -> str:
    """Write the answers about pairs as Label Studio's tasks, to be imported into a project.

    Label Studio has user numbers of its own, so the names of the annotators are in the task's `annotators`,
    in the order of its annotations, and in `probabilities` that of a match before each answer. By `keys` and
    `run` the answers are recognised when the tasks come back with others.

    Args:
        events: Effective events in order; those of other kinds are left out.
        prefix: Put before each image's percent-encoded name to make its address.

    Returns:
        A JSON list of tasks, one for each pair of images whichever was the query first, in order of their
        first answers.
    """
    tasks: dict[tuple[str, str], dict[str, Any]] = {}
    for event in about_pairs(events):
        pair = (event.query_name, event.candidate_name)
        swapped = pair[::-1] in tasks
        key = pair[::-1] if swapped else pair
        task = tasks.setdefault(key, _task(event, prefix))
        answer = event.answer or ""
        task["data"]["annotators"].append(event.annotator)
        task["data"]["probabilities"].append(event.probability)
        task["data"]["keys"].append(event.key)
        task["annotations"].append(_annotation(event, _SWAPPED.get(answer, answer) if swapped else answer))
    return json.dumps(list(tasks.values()), ensure_ascii=False, indent=1)


def read_label_studio(path: Path, index: Mapping[str, int], *, run: str) -> list[Event]:
    """Read the tasks that :func:`label_studio_json` wrote, as they are or after more work in Label Studio.

    Annotations that were cancelled or are empty are passed over. Who answered is the task's `annotators`; of
    annotations that were added in Label Studio, its user.

    Args:
        path: The file, UTF-8.
        index: Dataset index of each image by its name.
        run: The run it is read into.

    Returns:
        Events of kind `import`, in the order in which they were answered.

    Raises:
        InputError: The file is no list of such tasks, or names an image that is not there.
    """
    try:
        tasks = json.loads(path.read_text(encoding="utf-8-sig"))
        if not isinstance(tasks, list):
            raise ValueError("it is no list of tasks")
    except (OSError, ValueError, RecursionError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise InputError(
            Message(
                "{file}: cannot be read ({reason}); expected tasks of Label Studio", file=path, reason=reason
            )
        ) from error
    events: list[Event] = []
    for number, task in enumerate(tasks, start=1):
        where = Message("{file}: task {number}", file=path, number=number)
        try:
            answers = list(_answers(where, task, index, run, path.name))
            for event in answers:
                check_plausible(where, event)
            events += answers
        except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
            raise InputError(
                Message(
                    "{where}: is none of ours ({reason}); export the project as JSON, with query_name and "
                    "candidate_name in its data",
                    where=where,
                    reason=f"{type(error).__name__}: {error}",
                )
            ) from error
    return sorted(events, key=lambda event: event.at)


def _answers(
    where: str, task: Mapping[str, Any], index: Mapping[str, int], run: str, file: str
) -> Iterator[Event]:
    data = task["data"]
    names = str(data["query_name"]), str(data["candidate_name"])
    for name in names:
        if name not in index:
            raise InputError(
                Message(
                    "{where}: image {image!r} is none of the {count} images",
                    where=where,
                    image=name,
                    count=len(index),
                )
            )
    annotators, likely, keys = (data.get(name, []) for name in ("annotators", "probabilities", "keys"))
    for place, annotation in enumerate(task["annotations"]):
        if annotation.get("was_cancelled") or not annotation["result"]:
            continue
        answer = str(annotation["result"][0]["value"]["choices"][0])
        if answer not in ANSWERS:
            raise InputError(
                Message(
                    "{where}: choice {answer!r}; expected one of {answers}",
                    where=where,
                    answer=answer,
                    answers=", ".join(ANSWERS),
                )
            )
        user = annotators[place] if place < len(annotators) else str(annotation.get("completed_by", ""))
        at, seconds = str(annotation["created_at"]), annotation.get("lead_time")
        key = keys[place] if place < len(keys) else json.dumps([names, answer, user, at])
        digest = hashlib.sha256(f"{data.get('run')}\0{key}".encode()).hexdigest()[:32]
        own = data.get("run") == run and place < len(keys)
        yield Event(
            key=str(key) if own else f"import/{digest}",
            run=run,
            kind="import",
            annotator=str(user),
            at=datetime.fromisoformat(at.replace("Z", "+00:00")).timestamp(),
            seconds=None if seconds is None else float(seconds),
            query=index[names[0]],
            candidate=index[names[1]],
            query_name=names[0],
            candidate_name=names[1],
            answer=answer,
            probability=likely[place] if place < len(likely) else None,
            payload={"file": file},
        )


def _task(event: Event, prefix: str) -> dict[str, Any]:
    data = {
        "query": prefix + quote(event.query_name),
        "candidate": prefix + quote(event.candidate_name),
        "query_name": event.query_name,
        "candidate_name": event.candidate_name,
        "annotators": [],
        "probabilities": [],
        "keys": [],
        "run": event.run,
    }
    return {"data": data, "annotations": []}


def _annotation(event: Event, answer: str) -> dict[str, Any]:
    choice = {
        "id": f"event{event.id}",
        "from_name": "verdict",
        "to_name": "query",
        "type": "choices",
        "value": {"choices": [answer]},
    }
    at = datetime.fromtimestamp(event.at, timezone.utc).isoformat().replace("+00:00", "Z")
    return {
        "result": [choice],
        "was_cancelled": False,
        "ground_truth": False,
        "created_at": at,
        "lead_time": event.seconds,
    }

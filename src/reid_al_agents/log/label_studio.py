"""Answers as tasks of Label Studio: each pair a task with two images, each answer an annotation of it.

Source: https://labelstud.io/guide/task_format (tasks with annotations) and https://labelstud.io/tags/choices
(whether two things are alike is a choice there; its tag Pairwise is for which of two is better).
"""

import json
from collections.abc import Iterable
from datetime import datetime, timezone
from typing import Any
from urllib.parse import quote

from reid_al_agents.log.events import ANSWERS, Event
from reid_al_agents.log.tables import about_pairs

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
    in the order of its annotations.

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
        task["annotations"].append(_annotation(event, _SWAPPED.get(answer, answer) if swapped else answer))
    return json.dumps(list(tasks.values()), ensure_ascii=False, indent=1)


def _task(event: Event, prefix: str) -> dict[str, Any]:
    data = {
        "query": prefix + quote(event.query_name),
        "candidate": prefix + quote(event.candidate_name),
        "query_name": event.query_name,
        "candidate_name": event.candidate_name,
        "annotators": [],
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

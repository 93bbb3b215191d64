"""Identities that a table gives beforehand: weighed by how far it is trusted, and contradicted by answers."""

import json
import math

import numpy as np
import pytest

pytest.importorskip("fastapi")

from command_line import succeeded
from living_world import NAMES, anna_answers, image_table

from reid_al_agents.annotate.begin import open_session
from reid_al_agents.annotate.settings import AnnotationSettings
from reid_al_agents.beliefs.beliefs import Beliefs
from reid_al_agents.beliefs.contradictions import find_contradictions
from reid_al_agents.log.events import Event
from reid_al_agents.workspace.settings import RunConfig
from reid_al_env import ConstraintGraph


def known(number, images, name="", source="s", trust=0.98, **changes):
    payload = {"images": images, "name": name, "trust": trust, "source": source}
    return Event(f"k{number}", "run", "identity", "", 0.0, payload=payload, id=number, **changes)


def answer(number, query, candidate, said, probability=0.5):
    return Event(
        f"k{number}", "run", "answer", "anna", 1.0, query=query, candidate=candidate, answer=said,
        probability=probability, id=number,
    )  # fmt: skip


def believe(*events, size=8, error_rate=0.05):
    return Beliefs.replay(lambda _: ConstraintGraph(size), events, error_rate)


def test_links_weigh_the_log_odds_of_the_trust():
    beliefs = believe(known(1, [0, 1, 2], "Mo"), known(2, [3, 4], "Zoë"), known(3, [5]), known(4, [6, 7]))
    said = {(item.i, item.j, item.sign) for item in beliefs.evidence}
    assert said == {
        (0, 1, 1), (0, 2, 1), (3, 4, 1), (6, 7, 1),
        (0, 3, -1), (0, 5, -1), (3, 5, -1), (0, 6, -1), (3, 6, -1), (5, 6, -1),
    }  # fmt: skip
    assert [item.weight for item in beliefs.evidence] == pytest.approx([math.log(49)] * 10)
    assert beliefs.names == {0: "Mo", 3: "Zoë"}


def test_individuals_of_two_sources_are_not_known_to_differ():
    beliefs = believe(known(1, [0, 1], source="a"), known(2, [2, 3], source="b"))
    assert beliefs.constraints.cannot_links == []


def test_one_answer_is_a_contradiction_and_two_outweigh():
    start = [known(1, [0, 1]), known(2, [2, 3])]
    once = believe(*start, answer(3, 0, 1, "different"))  # log 19 against log 49
    assert once.constraints.relation(0, 1) == 1
    assert once.constraints.contradictions == [(0, 1, -1)]
    twice = believe(*start, answer(3, 0, 1, "different"), answer(4, 0, 1, "different"))
    assert twice.constraints.relation(0, 1) == -1
    assert [item.kind for item in find_contradictions(twice)] == ["people"]
    merged = believe(*start, answer(3, 0, 2, "same"), answer(4, 0, 2, "same"))
    assert merged.constraints.relation(0, 2) == 1


def test_a_likely_answer_outweighs_at_once():
    beliefs = believe(known(1, [0, 1]), answer(2, 0, 2, "same", 0.9), answer(3, 1, 2, "different", 0.02))
    assert beliefs.constraints.relation(0, 2) == 1
    assert beliefs.constraints.relation(0, 1) == -1


def test_a_retracted_identity_says_nothing_any_more():
    gone = Event("r", "run", "retract", "anna", 2.0, target=1, id=9)
    beliefs = believe(known(1, [0, 1], "Mo"), known(2, [2, 3], "Zoë"), gone)
    assert beliefs.names == {2: "Zoë"}
    assert beliefs.constraints.groups().tolist() == [0, 1, 2, 2, 3, 4, 5, 6]


def test_an_unusable_image_is_not_what_others_hang_on():
    beliefs = believe(known(1, [0, 1, 2], "Mo"), known(2, [3]), answer(3, 0, 5, "bad_query"))
    assert {(item.i, item.j, item.sign) for item in beliefs.evidence} == {(1, 2, 1), (1, 3, -1)}
    assert beliefs.names == {1: "Mo"}


@pytest.fixture
def table(tmp_path):
    """Half of the images have names."""
    return image_table(tmp_path / "data", known=lambda identity, number: number < 2)


def begin(table, folder, **settings):
    everyone = np.tile(np.arange(len(NAMES)), 4)
    rng = np.random.default_rng(2)
    centres = rng.normal(size=(len(NAMES), 8))
    np.save(folder / "own.npy", (centres[everyone] + 0.4 * rng.normal(size=(24, 8))).astype(np.float32))
    config = RunConfig(data=table.source, features=str(folder / "own.npy"), evaluate_on="none")
    return open_session(config, AnnotationSettings(gold_share=0.0, **settings), folder / "out")


def test_a_session_begins_with_the_names_of_the_table(table, tmp_path):
    with begin(table, tmp_path, trust=0.98) as opened:
        session = opened.session
        groups = session.state.beliefs.constraints.groups()
        assert sorted(session.state.beliefs.names.values()) == sorted(NAMES)
        for identity in range(len(NAMES)):  # image 6 * number + identity
            assert groups[identity] == groups[6 + identity]
        assert len(set(groups[: len(NAMES)].tolist())) == len(NAMES)
        assert len(session.state.beliefs.constraints.cannot_links) == 15
        assert session.state.beliefs.answers == 0
        pairs = anna_answers(opened, 10, truth=np.tile(np.arange(len(NAMES)), 4))
        assert pairs
        assert all(query >= 12 or candidate >= 12 for query, candidate, _ in pairs)  # the rest is known
        before = len(session.state.keys)
    with begin(table, tmp_path, trust=0.98) as opened:  # nothing is taken in twice
        assert len(opened.session.state.keys) == before
    exported = succeeded("export", tmp_path / "out", "--out", tmp_path / "files")
    assert exported["answers"] == len(pairs)
    labels = (tmp_path / "files" / "identities.csv").read_text(encoding="utf-8")
    assert all(name in labels for name in NAMES)


def test_without_trust_the_names_say_nothing(table, tmp_path):
    with begin(table, tmp_path) as opened:
        assert opened.session.state.beliefs.evidence == []
        assert opened.session.state.beliefs.names == {}


def test_they_come_in_later_from_the_same_table(table, tmp_path):
    with begin(table, tmp_path):
        pass
    file = table.source.removeprefix("csv:")
    assert succeeded("import", tmp_path / "out", file)["new"] == {file: len(NAMES)}
    log = succeeded("export", tmp_path / "out", "--out", tmp_path / "files")
    assert log["identities"] >= len(NAMES) - 1
    lines = (tmp_path / "files" / "events.jsonl").read_text(encoding="utf-8").splitlines()
    told = [line for line in map(json.loads, lines) if line["kind"] == "identity"]
    assert [line["payload"]["trust"] for line in told] == [0.98] * len(NAMES)

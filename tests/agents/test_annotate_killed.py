"""A person answers while the server is killed again and again: nothing is lost, nothing counts twice."""

import http.client
import threading
import time
import urllib.error

import numpy as np
import pytest

pytest.importorskip("fastapi")

from live_world import pool, session
from served import Person, Server, new_key

from reid_al_agents.beliefs.beliefs import Beliefs
from reid_al_agents.log.store import EventStore
from reid_al_env import ConstraintGraph

GONE = (urllib.error.URLError, http.client.HTTPException, ConnectionError, OSError, ValueError)


@pytest.mark.slow
@pytest.mark.parametrize(("answers", "kills"), [(2000, 20)])
def test_no_answer_is_lost_and_none_counts_twice(tmp_path, answers, kills):
    run_killed(tmp_path, answers, kills)


@pytest.mark.slow
def test_two_kills_lose_nothing(tmp_path):
    run_killed(tmp_path, 60, 2, identities=25)


def run_killed(folder, answers, kills, url="", identities=240):
    features = pool(identities, 6, noise=0.7)
    rng = np.random.default_rng(0)
    moments = sorted(rng.choice(np.arange(5, answers - 5), kills, replace=False).tolist())
    acknowledged = []  # (key, event) of every answer whose reply arrived
    given = {}
    up = threading.Event()
    up.set()
    with Server(folder, url, identities) as server:
        person = Person(server, "anna")

        def kill_soon():
            # In the middle of whatever request is under way.
            time.sleep(float(rng.uniform(0, 0.02)))
            server.kill()
            server.start()
            up.set()

        def insist(request):
            while True:
                up.wait()
                try:
                    return request()
                except urllib.error.HTTPError:
                    raise
                except GONE:
                    continue

        while len(acknowledged) < answers:
            got = insist(lambda: person.post("/api/questions", {"count": 4}))
            if got["waiting"] == "finished" and not got["questions"]:
                break
            for question in got["questions"]:
                if len(acknowledged) >= answers:
                    break
                pair = question["query"]["id"], question["candidate"]["id"]
                same = features.identities[pair[0]] == features.identities[pair[1]]
                key = new_key()
                body = {"question": question["id"], "answer": "same" if same else "different", "key": key}
                if moments and len(acknowledged) >= moments[0]:
                    moments.pop(0)
                    up.clear()
                    threading.Thread(target=kill_soon).start()
                    try:
                        person.post("/api/answers", body)  # the reply may never come
                    except urllib.error.HTTPError:
                        raise
                    except GONE:
                        pass
                reply = insist(lambda body=body: person.post("/api/answers", body))
                acknowledged.append((key, reply["event"]))
                given[key] = (*pair, 1 if same else -1)
        assert not moments
        before = insist(lambda: person.get("/api/status"))
    with EventStore(url or folder / "events.sqlite") as store:
        events = [event for event in store.events("run") if event.kind == "answer"]
        assert {event.key: event.id for event in events} == dict(acknowledged)
        assert (
            len(events)
            == len({event.key for event in events})
            == len(acknowledged)
            == before["answers_total"]
        )
        assert len({(event.question, event.annotator) for event in events}) == len(events)
        live = session(store, features).state
        assert live.beliefs.answers == len(acknowledged)
        answers_only = Beliefs.replay(
            lambda excluded: ConstraintGraph(len(features)), events, live.grouping.error_rate
        )
        for beliefs in (live.beliefs, answers_only):
            for i, j, sign in given.values():
                assert beliefs.constraints.relation(i, j) == sign
        assert np.array_equal(live.beliefs.constraints.groups(), answers_only.constraints.groups())

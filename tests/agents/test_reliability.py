"""How much an annotator's answers count."""

import itertools
import math

import numpy as np
import pytest
from live_world import pool, session, truth
from scipy.optimize import approx_fprime
from scipy.stats import beta

from reid_al_agents.annotate.reliability import table
from reid_al_agents.beliefs.beliefs import Beliefs
from reid_al_agents.beliefs.reliability import PRIOR, Reliability, _loss
from reid_al_agents.log.events import Event
from reid_al_agents.log.store import EventStore
from reid_al_env import ConstraintGraph

ASSUMED = 0.05


def answer(number, annotator, said, pair=(0, 1), kind="policy", probability=0.5):
    return Event(
        f"key-{number}", "run", "answer", annotator, 1e9 + number, query=pair[0], candidate=pair[1],
        answer=said, question_kind=kind, question=f"q{number}", probability=probability,
        id=number + 1,
    )  # fmt: skip


def word(sign):
    return "same" if sign > 0 else "different"


def answers(error_rates, seed, count=600, repeats=0.05, spread=2.0, overconfident=1.0):
    """Answers in turn about pairs of a world whose match model is right, or too sure of itself."""
    rng = np.random.default_rng(seed)
    odds = rng.normal(0, spread, count)
    match = rng.random(count) < 1 / (1 + np.exp(-odds))
    said = []
    for number in range(count):
        old = number > 60 and rng.random() < repeats
        pair = int(rng.integers(number - 50)) if old else number
        name, rate = list(error_rates.items())[number % len(error_rates)]
        right = 1 if match[pair] else -1
        sign = -right if rng.random() < rate else right
        guess = 1 / (1 + math.exp(-overconfident * odds[pair]))
        said.append(
            answer(number, name, word(sign), (2 * pair, 2 * pair + 1), "hidden" if old else "policy", guess)
        )
    return said


def estimated(events):
    found = Reliability(ASSUMED)
    for event in events:
        found.add(event)
    return found


def wrong_by(events, name, seed, **world):
    """Of the answers of an annotator, the share that differs from that of one who never errs."""
    names = dict.fromkeys(dict.fromkeys(event.annotator for event in events), 0.0)
    right = {event.key: event.answer for event in answers(names, seed, **world)}
    mine = [event for event in events if event.annotator == name]
    return np.mean([event.answer != right[event.key] for event in mine])


def weights(error_rates, seeds=range(20), **world):
    """Weight of each annotator, (seeds, annotators)."""
    found = [estimated(answers(error_rates, seed, **world)) for seed in seeds]
    return np.array([[each.weight(name) for name in error_rates] for each in found])


@pytest.mark.parametrize("overconfident", [0.5, 1.0, 2.0])
def test_a_careful_annotator_keeps_their_weight_beside_one_who_guesses(overconfident):
    found = weights({"careful": 0.03, "guesser": 0.5}, overconfident=overconfident)
    assert found[:, 0].min() >= 0.85
    assert found[:, 1].max() < 0.5


def test_two_careful_annotators_outweigh_one_who_guesses():
    found = weights({"anna": 0.03, "ben": 0.03, "guesser": 0.5})
    assert found[:, :2].min() >= 0.85
    assert found[:, 2].max() < 0.5


def test_one_careful_annotator_outweighs_two_who_guess():
    found = weights({"careful": 0.03, "one": 0.5, "two": 0.5}, count=900)
    assert found[:, 0].min() >= 0.85
    assert found[:, 1:].max() < 0.5


def test_two_annotators_who_err_alike_keep_their_weight():
    found = weights({"anna": 0.06, "ben": 0.06})
    assert np.abs(np.median(found, axis=0) - 1).max() < 0.1
    assert np.quantile(found, 0.1) >= 0.85
    assert found.min() >= 0.8  # the estimate follows the errors that an annotator happened to make


def test_repeated_pairs_tell_who_guesses_where_the_model_knows_nothing():
    found = weights({"careful": 0.02, "guesser": 0.5}, spread=0.0, repeats=0.4)
    assert found[:, 0].min() >= 0.85
    assert found[:, 1].max() < 0.5


def test_rates_approach_the_shares_of_wrong_answers():
    rates = {"anna": 0.02, "ben": 0.12, "cleo": 0.3}
    for seed in range(5):
        events = answers(rates, seed, count=6000, repeats=0.5)
        found = estimated(events)
        for name in rates:
            wrong = wrong_by(events, name, seed, count=6000, repeats=0.5)
            assert found.error_rate(name) == pytest.approx(wrong, abs=0.02)


def test_with_certain_truth_the_rate_is_the_mode_of_its_posterior():
    """Twelve annotators who agree make a pair's truth certain; the thirteenth errs in 4 of 30."""
    known = [f"known-{number}" for number in range(12)]
    events, numbers = [], itertools.count()
    for pair in range(30):
        images = (2 * pair, 2 * pair + 1)
        events += [answer(next(numbers), name, "same", images) for name in known]
        events.append(answer(next(numbers), "anna", "different" if pair < 4 else "same", images))
    found = Reliability(ASSUMED)
    for event in events[:-1]:
        found.add(event)
    found._due = 0  # the last estimate may be a tenth of the answers old
    found.add(events[-1])
    rates = np.linspace(0.001, 0.5, 5000)
    usual, unusual = beta(PRIOR * ASSUMED, PRIOR * (1 - ASSUMED)), beta(1, 1)
    prior = 0.95 * usual.pdf(rates) + 0.05 * unusual.pdf(rates)
    prior *= rates * (1 - rates)  # as a density of the log-odds
    for name, wrong in (("anna", 4), ("known-0", 0)):
        posterior = prior * rates**wrong * (1 - rates) ** (30 - wrong)
        assert found.error_rate(name) == pytest.approx(rates[posterior.argmax()], abs=2e-3)


def test_the_posterior_is_the_sum_over_both_relations_and_its_gradient_fits():
    rng = np.random.default_rng(0)
    pair, who = rng.integers(0, 6, 20), rng.integers(0, 3, 20)
    sign, odds = rng.choice([-1.0, 1.0], 20), rng.normal(size=6)
    at = np.array([2.0, 1.0, 0.5, 1.3, -0.2])
    rates = 1 / (1 + np.exp(at[:3]))
    prior = 1 / (1 + np.exp(-(at[3] * odds + at[4])))
    usual = beta(PRIOR * ASSUMED, PRIOR * (1 - ASSUMED)).pdf(rates)
    total = float(np.log((0.95 * usual + 0.05) * rates * (1 - rates)).sum())
    total -= ((at[3] - 1) ** 2 + at[4] ** 2) / (2 * 0.5**2)
    for item in range(6):
        by_relation = []
        for relation, chance in ((1, prior[item]), (-1, 1 - prior[item])):
            given = zip(who[pair == item], sign[pair == item], strict=True)
            likely = [1 - rates[name] if said == relation else rates[name] for name, said in given]
            by_relation.append(chance * math.prod(likely))
        total += math.log(sum(by_relation))
    loss, gradient = _loss(at, pair, who, sign, odds, ASSUMED)
    assert loss == pytest.approx(-total)
    numeric = approx_fprime(at, lambda x: _loss(x, pair, who, sign, odds, ASSUMED)[0], 1e-7)
    assert gradient == pytest.approx(numeric, abs=1e-4)


def test_one_annotator_alone_has_the_assumed_rate_and_rates_are_bounded():
    assert estimated(answers({"anna": 0.5}, 0)).error_rate("anna") == ASSUMED
    found = estimated(answers({"anna": 0.0, "liar": 0.9}, 0, count=3000))
    assert found.error_rate("liar") == 0.4
    assert 0 < found.weight("liar") < 0.2 < 1 < found.weight("anna")
    assert found.weight("who never answered") == 1


def test_cannot_tell_rechecks_and_screens_say_nothing():
    events = answers({"anna": 0.05, "guesser": 0.5}, 1)
    silent = [
        answer(1000 + number, "anna", said, (2 * number, 2 * number + 1), kind)
        for number in range(100)
        for said, kind in (
            ("cannot_tell", "policy"), ("different", "repeat"), ("same", "dispute"), ("same", "screen")
        )
    ]  # fmt: skip
    assert estimated([*silent, *events, *silent]).rates == estimated(events).rates


def beliefs(events):
    return Beliefs.replay(lambda _: ConstraintGraph(2000), events, ASSUMED)


def test_answers_weigh_by_the_rate_estimated_when_they_were_given():
    events = answers({"anna": 0.03, "guesser": 0.5}, 2)
    last = [answer(900 + n, name, "same", (1500 + n, 1600 + n)) for n, name in enumerate(("anna", "guesser"))]
    found = beliefs([*events, *last])
    weighed = {item.event.id: item.weight for item in found.evidence}
    for event in last:
        rate = found.reliability.error_rate(event.annotator)
        assert weighed[event.id] == pytest.approx(math.log((1 - rate) / rate))
    assert weighed[last[0].id] > 2 * weighed[last[1].id]


def test_what_is_applied_one_by_one_and_what_is_replayed_agree():
    events = answers({"anna": 0.03, "guesser": 0.5}, 3, count=150)
    grown = beliefs([])
    for event in events:
        grown.apply(event)
    assert grown.reliability == beliefs(events).reliability
    assert [item.weight for item in grown.evidence] == [item.weight for item in beliefs(events).evidence]
    grown.apply(Event("undo", "run", "undo", "anna", 2e9, target=events[4].id, id=999))
    assert grown.reliability == beliefs([*events[:4], *events[5:]]).reliability


@pytest.mark.parametrize("seed", range(2))
def test_in_a_session_a_guesser_beside_a_careful_annotator_counts_less(tmp_path, seed):
    rng = np.random.default_rng(seed)
    with EventStore(tmp_path / "events.sqlite") as store:
        live = session(store, pool(30, 5, seed=seed), gold_share=0.1, seed=seed)
        for number in range(120):
            for name in ("anna", "guesser"):
                served = live.questions(name, 1).questions
                if served:
                    said = truth(live.state.features, served[0])
                    said = word(rng.choice([-1, 1])) if name == "guesser" else said
                    live.answer(name, served[0].id, said, f"{name}-{number}")
        found = live.state.beliefs.reliability
        assert found.weight("guesser") < 0.5
        assert found.weight("anna") >= 0.85
        lines = table(live.state.beliefs.events.values(), live.state.clock(), found)
        assert [line["weight"] for line in lines] == [
            round(found.weight(name), 4) for name in ("anna", "guesser")
        ]
        assert [line["error_rate"] for line in lines] == [round(rate, 4) for rate in found.rates.values()]

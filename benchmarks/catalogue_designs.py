"""Designs of the learned agent beside each other: each trained small, scored on tasks of training families.

All networks have the shipped size and learn from the same states: a quarter of the episodes is played by
rules, the others by the design that learned from states of rules only. Tasks are of the six training
families, with seeds that training does not draw: as they are, and with cosines changed by one increasing
function for each task, as features of another network might have them. ``score`` is F1 at the end, where
nearest first is 0 and the label-seeing order is 1 in the mean over tasks; ``area`` is the same of the mean F1
over all answers; ``above`` are paired differences of scores, over all tasks, to the design ``gain``. There is
one seed of training, so intervals are over tasks.

``OMP_NUM_THREADS=1 python benchmarks/catalogue_designs.py --out FILE`` (about 20 minutes on one core)
"""

from __future__ import annotations

import argparse
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import gymnasium as gym
import numpy as np
import torch
from designs import (
    CHANGED,
    ApartNetwork,
    Calibration,
    GainNetwork,
    MemoryNetwork,
    PrioritisedDQN,
    PrioritisedReplay,
    StandardisedNetwork,
    changed_cosines,
    draw_changes,
    expit,
    latest,
    values_apart,
    with_some_changed,
)
from gymnasium.wrappers.vector import TransformReward
from numpy.typing import NDArray
from recording import new_table, run, show, write_result

from reid_al_agents.cli.console import progress
from reid_al_agents.dqn.catalogue_settings import DQNLearning, catalogue_settings
from reid_al_agents.dqn.imitation import GAIN_SCALE
from reid_al_agents.dqn.masked_dqn import MaskedDQN
from reid_al_agents.dqn.masking import greedy_actions
from reid_al_agents.dqn.vec_env import SB3VecEnv
from reid_al_agents.report.summary import estimate
from reid_al_env import InputError
from reid_al_env.catalogue.env import observation_space
from reid_al_env.catalogue.game import SUMMARY, CatalogueGame, GameSettings
from reid_al_env.catalogue.pool import Pool
from reid_al_env.catalogue.questions import QUESTION_FEATURES
from reid_al_env.catalogue.references import label_seeing, nearest_first
from reid_al_env.catalogue.rules import RULES, Choose, one_check_in_four
from reid_al_env.catalogue.tasks import TRAIN_FAMILIES, Task, draw_training_task

IDS = ("ReIDCatalogue-v0", "ReIDCatalogueSmall-v0", "ReIDCatalogueNoisy-v0")
SETTINGS = catalogue_settings("dqn", IDS[0])
PLACES = GameSettings().questions
_WIDTH = len(QUESTION_FEATURES) + len(SUMMARY)
UNSEEN = 900_000
"""First seed of the tasks; training draws lower ones."""
GAIN, RULED = "gain", "gain, states of rules only"
EPISODES, KEPT, BATCH = 24, 0.5, 64
"""Episodes side by side, share of their states that is kept, and states in a gradient step."""

Report = Callable[[str, int, int], None]
States = dict[str, NDArray[Any]]


class Design(NamedTuple):
    """A way of learning to choose questions; see :data:`DESIGNS`."""

    network: type[GainNetwork]
    changed: bool = False
    fitted: str = ""
    ruled: bool = False
    reinforced: str = ""


OFFSET, LAYER = "offset and slope", "last layer"
PRECISION = {OFFSET: (3.0, 20.0), LAYER: (100.0,)}
"""Of the priors of what is fitted to an episode's answers, the best of a few on these tasks."""
UNIFORM, PRIORITISED = "Q-learning", "Q-learning, prioritised replay"
DESIGNS = {
    GAIN: Design(GainNetwork),
    RULED: Design(GainNetwork, ruled=True),
    "gain, cosines standardised": Design(StandardisedNetwork),
    "gain, cosines changed": Design(GainNetwork, changed=True),
    "gain, then Q-learning": Design(GainNetwork, reinforced=UNIFORM),
    "gain, then Q-learning with prioritised replay": Design(GainNetwork, reinforced=PRIORITISED),
    "match and gains apart": Design(ApartNetwork),
    "match and gains apart; offset and slope by the answers": Design(ApartNetwork, fitted=OFFSET),
    "match and gains apart; last layer by the answers": Design(ApartNetwork, fitted=LAYER),
    "match and gains apart, cosines changed": Design(ApartNetwork, changed=True),
    "match and gains apart, cosines changed; offset and slope by the answers": Design(
        ApartNetwork, changed=True, fitted=OFFSET
    ),
    "match and gains apart, cosines changed; last layer by the answers": Design(
        ApartNetwork, changed=True, fitted=LAYER
    ),
    "attention to the answers, cosines changed": Design(MemoryNetwork, changed=True),
}


class Memory:
    """What an agent keeps of one episode.

    Args:
        calibration: Of the match; ``None`` where nothing is fitted.

    Attributes:
        asked: Features and summary of each question that was asked, (F,) each.
        answers: Their answers.
        seen: What the match's last layer saw of the last question, (hidden,).
        logit: Of the match, for the last question.
        rule: What chooses, if it is not a network.
    """

    def __init__(self, calibration: Calibration | None) -> None:
        self.asked: list[NDArray[np.float32]] = []
        self.answers: list[int] = []
        self.seen, self.logit = np.zeros(0), 0.0
        self.calibration = calibration
        self.rule: Choose | None = None

    def hear(self, answer: int, fitted: str) -> None:
        """Take an answer to the last question in."""
        self.answers.append(answer)
        if answer and self.calibration is not None:
            seen = np.array([1.0, self.logit]) if fitted == OFFSET else np.append(self.seen, 1.0)
            self.calibration.learn(seen, answer > 0)


def main() -> None:
    """Train, play, show and keep."""
    options = _parse()
    if min(options.states, options.steps, options.answers, options.tasks) < 1:
        raise InputError("expected --states, --steps, --answers and --tasks of 1 or more")
    torch.set_num_threads(1)
    with progress() as report:
        rows = compared(options, report)
    write_result(options.out, (options.seed,), vars(options), {"rows": rows})
    table = new_table("Designs", ("design",), ("score", "changed", "area", "changed ", "above gain", "±"))
    for row in rows:
        above = row.get("above", {"mean": 0.0, "half_width": 0.0})
        means = [float(np.mean(row[part])) for part in ("score", "score changed", "area", "area changed")]
        table.add_row(row["design"], *(f"{number:.3f}" for number in (*means, *above.values())))
    show(table)


def compared(options: argparse.Namespace, report: Report) -> list[dict[str, Any]]:
    """A row for each rule and design: scores and areas by id, as they are and with changed cosines."""
    ruled = gathered(options.states, None, options.seed, report)
    first = _trained(DESIGNS[RULED], ruled, None, options, RULED, report)
    states = {True: ruled, False: gathered(options.states, first, options.seed, report)}
    worlds = [(name, changed) for changed in (False, True) for name in IDS]
    played: dict[str, list[NDArray[np.float64]]] = {}
    for name in ("nearest", "label-seeing", "random", "one-check-in-four", "expected-change"):
        played[name] = [_played(_Rules(name), *world, options.tasks) for world in worlds]
    trained = {DESIGNS[RULED]: first}
    for name, design in DESIGNS.items():
        key = design._replace(fitted="")
        if key not in trained:
            base = trained.get(design._replace(reinforced=""))
            trained[key] = _trained(design, states[design.ruled], base, options, name, report)
        played[name] = [
            _played(_Network(trained[key], design.fitted), *world, options.tasks) for world in worlds
        ]
    return [_row(name, played) for name in played if name not in ("nearest", "label-seeing")]


def gathered(count: int, network: GainNetwork | None, seed: int, report: Report) -> States:
    """States with gains, matches and the answers before them, of a network's play and of rules'."""
    rng, found = np.random.default_rng([seed, int(network is None)]), list[States]()
    ruled = 1.0 if network is None else 0.25
    episodes = [_begun(number, ruled, rng) for number in range(EPISODES)]
    while len(found) < count:
        seen = [_observed(game, None) for game, _, _ in episodes]
        greedy = [0] * len(episodes) if network is None else _greedy(network, seen)
        for place, (game, kind, memory) in enumerate(episodes):
            if rng.random() < KEPT:
                found.append(_state(game, seen[place], memory))
            action = _chosen(game, kind, greedy[place], SETTINGS.imitation.explore, rng)
            memory.asked.append(np.append(seen[place]["questions"][action], seen[place]["summary"]))
            memory.hear(game.step(action).answer, "")
            if game.over:
                episodes[place] = _begun(place, ruled, rng)
        report("gather states", min(len(found), count), count)
    return {key: np.stack([each[key] for each in found]) for key in found[0]}


@torch.no_grad()
def _greedy(network: GainNetwork, seen: Sequence[States]) -> list[int]:
    batch = _tensors(seen)
    actions: list[int] = greedy_actions(network(batch), batch["action_mask"]).tolist()
    return actions


def _begun(place: int, ruled: float, rng: np.random.Generator) -> tuple[CatalogueGame, str, Memory]:
    settings, identities = _settings(IDS[place % len(IDS)])
    task = draw_training_task(rng, identities)
    rules = ("nearest", "random", "one-check-in-four", "label-seeing")
    kind = str(rng.choice(rules)) if rng.random() < ruled else "policy"
    return CatalogueGame(Pool.of(task), settings, task.noise_seed), kind, Memory(None)


def _settings(name: str) -> tuple[GameSettings, int]:
    """Settings of the episodes of an id, and the identities of its tasks."""
    settings = dict(gym.spec(name).kwargs)
    settings.pop("tasks", None)
    return GameSettings(**{key: value for key, value in settings.items() if key != "identities"}), int(
        settings.get("identities", 60)
    )


def _chosen(game: CatalogueGame, kind: str, greedy: int, explore: float, rng: np.random.Generator) -> int:
    if kind == "random" or rng.random() < explore:
        return int(rng.integers(len(game.slots)))
    if kind == "one-check-in-four":
        return one_check_in_four(game.together(), game.spent)
    return {"policy": lambda _: greedy, "nearest": nearest_first, "label-seeing": label_seeing}[kind](game)


def _observed(game: CatalogueGame, changes: tuple[float, float] | None) -> States:
    """The observation, padded to :data:`PLACES` questions, and with changed cosines where that is wanted."""
    seen: States = dict(game.observation())
    if changes is not None:
        scale, power = (np.array([value]) for value in changes)
        open_ = (seen["action_mask"] > 0)[:, None]
        changed = changed_cosines(seen["questions"][None].astype(np.float32), scale, power)[0]
        seen["questions"] = np.where(open_, changed, seen["questions"])
    for key, fill in (("questions", 0), ("groups", -1), ("action_mask", 0)):
        widths = [(0, PLACES - len(seen[key])), *[(0, 0)] * (seen[key].ndim - 1)]
        seen[key] = np.pad(seen[key], widths, constant_values=fill)
    seen["groups"] = seen["groups"].astype(np.int16)
    return seen


def _state(game: CatalogueGame, seen: States, memory: Memory) -> States:
    gains, matches = np.zeros(PLACES, dtype=np.float32), np.zeros(PLACES, dtype=np.int8)
    count = len(game.slots)
    gains[:count], matches[:count] = game.gains()[:count], game.matches()
    asked, answers = latest(memory.asked, memory.answers, _WIDTH)
    return {**seen, "gains": gains, "matches": matches, "asked": asked, "answers": answers}


def _tensors(seen: Sequence[States]) -> dict[str, torch.Tensor]:
    return {key: torch.as_tensor(np.stack([each[key] for each in seen])) for key in seen[0]}


def _trained(
    design: Design,
    states: States,
    base: GainNetwork | None,
    options: argparse.Namespace,
    name: str,
    report: Report,
) -> GainNetwork:
    if design.reinforced:
        assert base is not None
        return _reinforced(base, design.reinforced == PRIORITISED, options.answers, options.seed)
    torch.manual_seed(options.seed)
    space, sizes = observation_space(GameSettings()), SETTINGS.network
    network = design.network(space, gym.spaces.Discrete(PLACES), sizes.hidden, sizes.rounds)
    rng, rate = np.random.default_rng(options.seed), SETTINGS.imitation.learning_rate
    optimizer = torch.optim.AdamW(network.parameters(), lr=rate, weight_decay=1e-5)
    cycle = torch.optim.lr_scheduler.OneCycleLR(optimizer, rate, total_steps=options.steps)
    for step in range(options.steps):
        rows = rng.integers(len(states["gains"]), size=BATCH)
        batch = {key: column[rows] for key, column in states.items()}
        if design.changed:
            _change(batch, rng)
        loss = network.loss({key: torch.as_tensor(column) for key, column in batch.items()})
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        cycle.step()
        report(f"train: {name}", step + 1, options.steps)
    return network.eval()


def _change(batch: States, rng: np.random.Generator) -> None:
    """Change the cosines of most states, those of the answered questions likewise."""
    both = np.concatenate([batch["questions"], batch["asked"][:, :, : batch["questions"].shape[2]]], axis=1)
    mask = np.concatenate([batch["action_mask"], batch["answers"] != 0], axis=1)
    changed = with_some_changed(both, mask, CHANGED, rng)
    batch["questions"] = changed[:, :PLACES]
    rest = batch["asked"][:, :, batch["questions"].shape[2] :]
    batch["asked"] = np.concatenate([changed[:, PLACES:], rest], axis=2)


def _reinforced(base: GainNetwork, prioritised: bool, answers: int, seed: int) -> GainNetwork:
    """Q-learning in the first id from what was imitated, with the shipped settings."""
    learning = SETTINGS.learning
    assert isinstance(learning, DQNLearning)
    env = gym.make_vec(
        IDS[0],
        num_envs=SETTINGS.environments,
        vectorization_mode="vector_entry_point",
        autoreset_mode="SameStep",
    )
    returns: dict[str, Any] = {"n_steps": learning.n_steps, "gamma": learning.gamma}
    drawn: dict[str, Any] = {"replay_buffer_class": PrioritisedReplay} if prioritised else {}
    model = (PrioritisedDQN if prioritised else MaskedDQN)(
        "questions",
        SB3VecEnv(TransformReward(env, lambda reward: reward * GAIN_SCALE)),
        **returns,
        **({**drawn, "replay_buffer_kwargs": {**returns, "seed": seed}} if prioritised else {}),
        learning_rate=learning.learning_rate,
        learning_starts=answers // 8,
        batch_size=learning.batch_size,
        train_freq=1,
        gradient_steps=SETTINGS.environments // 4,
        buffer_size=learning.buffer_size,
        exploration_initial_eps=learning.explore,
        exploration_final_eps=learning.explore,
        target_update_interval=SETTINGS.environments,
        tau=learning.tau,
        policy_kwargs=dict(base.sizes),
        device="cpu",
        seed=seed,
    )
    for part in (model.q_net, model.q_net_target):
        part.load_state_dict(base.state_dict())
    model.learn(answers)
    network = GainNetwork(base.observation_space, base.action_space, **base.sizes)  # type: ignore[arg-type]
    network.load_state_dict(model.q_net.state_dict())
    return network.eval()


class _Rules:
    """Plays a rule, or a reference policy that sees the episode itself.

    Args:
        name: Of the rule.
    """

    fitted = ""

    def __init__(self, name: str) -> None:
        self._name = name

    def begin(self) -> Memory:
        """At the start of an episode."""
        memory = Memory(None)
        memory.rule = RULES[self._name](0) if self._name in RULES else None
        return memory

    def choose(self, games: list[CatalogueGame], seen: list[States], memories: list[Memory]) -> list[int]:
        """The actions in all episodes."""
        return [self._one(*each) for each in zip(games, seen, memories, strict=True)]

    def _one(self, game: CatalogueGame, seen: States, memory: Memory) -> int:
        if memory.rule is None:
            return label_seeing(game)
        told = {"answer": memory.answers[-1], "invalid_action": False} if memory.answers else {}
        return memory.rule(seen, {"images": len(game.pool.groups), **told})


class _Network:
    """Plays by a network, and by what is fitted to the answers of each episode.

    Args:
        network: The network.
        fitted: A key of :data:`PRECISION`, or nothing.
    """

    def __init__(self, network: GainNetwork, fitted: str) -> None:
        self._network, self.fitted = network, fitted

    def begin(self) -> Memory:
        """At the start of an episode."""
        if not self.fitted:
            return Memory(None)
        assert isinstance(self._network, ApartNetwork)
        mean = np.array([0.0, 1.0])
        if self.fitted == LAYER:
            last = self._network.match
            mean = torch.cat([last.weight[0], last.bias]).detach().numpy().astype(np.float64)
        return Memory(Calibration(mean, np.resize(PRECISION[self.fitted], len(mean))))

    def choose(self, games: list[CatalogueGame], seen: list[States], memories: list[Memory]) -> list[int]:
        """The actions in all episodes."""
        batch = _tensors(
            [{**each, **self._told(memory)} for each, memory in zip(seen, memories, strict=True)]
        )
        with torch.no_grad():
            if isinstance(self._network, ApartNetwork):
                values = self._apart(self._network, batch, memories)
            else:
                values = self._network(batch)
        actions: list[int] = greedy_actions(values, batch["action_mask"]).tolist()
        for memory, each, action, row in zip(memories, seen, actions, range(len(seen)), strict=True):
            memory.asked.append(np.append(each["questions"][action], each["summary"]))
            if self.fitted:
                memory.seen, memory.logit = self._seen[row, action], float(self._logits[row, action])
        return actions

    def _told(self, memory: Memory) -> States:
        asked, answers = latest(memory.asked, memory.answers, _WIDTH)
        return {"asked": asked, "answers": answers}

    def _apart(
        self, network: ApartNetwork, batch: dict[str, torch.Tensor], memories: list[Memory]
    ) -> torch.Tensor:
        found, _ = network.apart(batch)
        self._seen, self._logits = found.seen.double().numpy(), found.logits.double().numpy()
        fitted = np.stack([self._fitted(row, memory) for row, memory in enumerate(memories)])
        return values_apart(found.gains.double(), torch.as_tensor(expit(fitted)))

    def _fitted(self, row: int, memory: Memory) -> NDArray[np.float64]:
        """Logits of an episode's questions, (M,)."""
        if memory.calibration is None:
            return np.asarray(self._logits[row])
        weights = memory.calibration.weights
        if self.fitted == OFFSET:
            return np.asarray(weights[0] + weights[1] * self._logits[row])
        return np.asarray(self._seen[row] @ weights[:-1] + weights[-1])


def _played(player: _Rules | _Network, name: str, changed: bool, tasks: int) -> NDArray[np.float64]:
    """F1 at the end and its mean over all answers, of each task, (T, 2)."""
    settings, identities = _settings(name)
    each = [Task(family.name, UNSEEN + n, identities) for family in TRAIN_FAMILIES for n in range(tasks)]
    games = [CatalogueGame(Pool.of(task), settings, task.noise_seed) for task in each]
    changes = [_changes(task) if changed else None for task in each]
    memories = [player.begin() for _ in games]
    heights = [[game.score.f1] for game in games]
    while live := [number for number, game in enumerate(games) if not game.over]:
        seen = [_observed(games[number], changes[number]) for number in live]
        actions = player.choose([games[n] for n in live], seen, [memories[n] for n in live])
        for number, action in zip(live, actions, strict=True):
            memories[number].hear(games[number].step(action).answer, player.fitted)
            heights[number].append(games[number].score.f1)
    return np.array([(height[-1], np.mean(height)) for height in heights])


def _changes(task: Task) -> tuple[float, float]:
    """How a task's cosines are changed."""
    rng = np.random.default_rng([5, task.seed, zlib.crc32(task.family.encode())])
    scale, power = draw_changes(rng, 1)
    return float(scale[0]), float(power[0])


def _row(name: str, played: dict[str, list[NDArray[np.float64]]]) -> dict[str, Any]:
    """Scores of one design in all worlds, as they are first, and its paired difference to :data:`GAIN`."""
    near, labels = ([each.mean(axis=0) for each in played[end]] for end in ("nearest", "label-seeing"))
    scores = [(own - low) / (high - low) for own, low, high in zip(played[name], near, labels, strict=True)]
    row: dict[str, Any] = {"design": name}
    for place, part in enumerate(("score", "area")):
        means = [round(float(each[:, place].mean()), 3) for each in scores]
        row[part], row[f"{part} changed"] = means[: len(IDS)], means[len(IDS) :]
    if name != GAIN:
        zero = zip(played[name], played[GAIN], near, labels, strict=True)
        above = np.concatenate([((a - b) / (high - low))[:, 0] for a, b, low, high in zero])
        found = estimate(above.tolist())
        assert found is not None
        row["above"] = {"mean": round(found.mean, 3), "half_width": round(found.half_width or 0.0, 3)}
    return row


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--states", type=int, default=16_000, help="states that the networks learn from")
    parser.add_argument("--steps", type=int, default=2500, help="gradient steps of imitation")
    parser.add_argument("--answers", type=int, default=6000, help="of Q-learning after it")
    parser.add_argument("--tasks", type=int, default=4, help="of each family and id")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, required=True, help="JSON")
    return parser.parse_args()


if __name__ == "__main__":
    run(main)

"""Beam search that sees the labels: how good an order of questions can be, with hindsight."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from reid_al_env.catalogue.env import ReIDCatalogueEnv
from reid_al_env.catalogue.references import label_seeing
from reid_al_env.snapshots import Snapshot

WIDTH = 32
"""States kept after each answer; 200 answers take some seconds."""


class _Branch(NamedTuple):
    """A state that the search has come to.

    Args:
        state: The environment there; ``None`` once the episode is over.
        actions: The actions that led to it.
        asked: The pairs that they asked about.
        f1: F1 there.
        gains: Gain of each open question, by the labels.
        slots: The pair that each open question is about.
        choice: The action of the label-seeing order.
        greedy: Whether all its actions are those of the label-seeing order.
    """

    state: Snapshot | None
    actions: tuple[int, ...]
    asked: frozenset[int]
    f1: float
    gains: list[float]
    slots: list[int]
    choice: int
    greedy: bool


class _Move(NamedTuple):
    """One more question after a branch, and the F1 that it leads to by the labels."""

    branch: _Branch
    action: int
    f1: float
    asked: frozenset[int]
    greedy: bool


def beam_search(env: ReIDCatalogueEnv, width: int = WIDTH) -> tuple[int, ...]:
    """The best actions found for the rest of an episode, by the F1 at its end.

    After each answer, the ``width`` states of highest F1 are kept, of several that asked about the same
    pairs one. The state that the label-seeing order (:func:`.label_seeing`) leads to always stays, so that
    the end is never worse than that order's. States are tried in the environment itself, by ``clone_state()``
    and ``restore_state()``: the search knows the answers that will come, wrong ones included.

    Args:
        env: In an episode; afterwards in the same state as before.
        width: Number of states kept; 1 is the label-seeing order.
    """
    begin = env.clone_state()
    beam, ended = [_look(env, (), frozenset(), greedy=True)], list[_Branch]()
    while beam:
        reached = [_play(env, move) for move in _best_moves(beam, width)]
        ended += [branch for branch in reached if branch.state is None]
        beam = [branch for branch in reached if branch.state is not None]
    env.restore_state(begin)
    return max(ended, key=lambda branch: branch.f1).actions


def _look(env: ReIDCatalogueEnv, actions: tuple[int, ...], asked: frozenset[int], *, greedy: bool) -> _Branch:
    """The state of the environment as a branch."""
    game = env.game
    if game.over:
        return _Branch(None, actions, asked, game.score.f1, [], [], 0, greedy)
    gains = game.gains()[: len(game.slots)].tolist()
    slots, choice = game.slots.tolist(), label_seeing(game)
    return _Branch(env.clone_state(), actions, asked, game.score.f1, gains, slots, choice, greedy)


def _play(env: ReIDCatalogueEnv, move: _Move) -> _Branch:
    assert move.branch.state is not None
    env.restore_state(move.branch.state)
    env.step(move.action)
    return _look(env, (*move.branch.actions, move.action), move.asked, greedy=move.greedy)


def _best_moves(beam: list[_Branch], width: int) -> list[_Move]:
    """The ``width`` moves of highest F1, the label-seeing one first, each set of pairs once."""
    moves = [move for branch in beam for move in _moves(branch, width)]
    moves.sort(key=lambda move: (not move.greedy, -move.f1))
    once: dict[frozenset[int], _Move] = {}
    for move in moves:
        once.setdefault(move.asked, move)
    return list(once.values())[:width]


def _moves(branch: _Branch, width: int) -> Iterator[_Move]:
    best = np.argsort(-np.array(branch.gains), kind="stable")[:width].tolist()
    for action in dict.fromkeys([branch.choice, *best]):
        asked = branch.asked | {branch.slots[action]}
        greedy = branch.greedy and action == branch.choice
        yield _Move(branch, action, branch.f1 + branch.gains[action], asked, greedy)

"""Which tensor of a checkpoint belongs where in a backbone, whatever the trainer called it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from reid_al_agents.vision.catalogue import Backbone

BATCH_COUNTER = "num_batches_tracked"
"""Batch normalisation's counter, which older checkpoints lack and which inference does not use."""

ENOUGH = 0.9
"""Share of a backbone that has to load, and share of the file's network that has to find a place."""

_WRAPPERS = re.compile(r"\b(_orig_mod|_fsdp_wrapped_module|_checkpoint_wrapped_module)\.")
"""What ``torch.compile`` and sharding add to names, wherever they stand."""

_CLASSIFIER = re.compile(
    r"(^|\.)(_?fc|classifiers?|heads?(_dist)?|logits|last_linear|final|arcface)(\.|$)", re.I
)
"""Parts of a name that mark a classifier, which features do not need."""

_NECK = re.compile(r"bottleneck|neck|pool", re.I)
"""Parts of a name that mark a neck or a pooling, even inside a trainer's head."""

_INPUT_STATISTICS = ("pixel_mean", "pixel_std")
"""fast-reid keeps the normalisation of its input with the weights."""

_POOL = ("pool.", "pooling.", "pool_layer.", "heads.pool_layer.", "global_pool.")
"""What trainers call a generalised mean."""


@dataclass(frozen=True)
class Match:
    """Where the tensors of a checkpoint go.

    Attributes:
        source: Name in the checkpoint, by name in the backbone.
        prefix: What was taken off the names of the checkpoint.
        missing: Names in the backbone that the checkpoint lacks.
        misshapen: Names in the backbone whose tensor has another shape in the checkpoint, and both shapes.
        classifier: Names in the checkpoint that belong to a classifier or to its input's statistics.
        left_over: Names in the checkpoint without a place in the backbone.
        loaded_share: Share of the backbone that loads, by tensors or by numbers, whichever is less.
        used_share: Share of the checkpoint's network that has a place in the backbone, by tensors.
    """

    source: dict[str, str]
    prefix: str
    missing: tuple[str, ...]
    misshapen: tuple[str, ...]
    classifier: tuple[str, ...]
    left_over: tuple[str, ...]
    loaded_share: float
    used_share: float

    @property
    def fits(self) -> bool:
        """Whether enough loads."""
        return min(self.loaded_share, self.used_share) >= ENOUGH


def match(given: Mapping[str, Tensor], expected: Mapping[str, Tensor], backbone: Backbone) -> Match:
    """Find the place of each tensor of a checkpoint.

    Names are compared without the prefix that most of them share, and shapes have to be equal.

    Args:
        given: The checkpoint's tensors.
        expected: The state dict of the backbone's ``trunk``; shapes are enough.
        backbone: What is known of its names.
    """
    names = {_our_name(name, backbone): name for name in given}
    body = _body(expected, backbone)
    prefix = _best_prefix(names, given, body, expected)
    source: dict[str, str] = {}
    misshapen: dict[str, str] = {}
    for short, ours in body.items():
        theirs = names.get(prefix + short)
        if theirs is None:
            continue
        if given[theirs].shape == expected[ours].shape:
            source[ours] = theirs
        elif not ours.endswith(BATCH_COUNTER):
            misshapen[ours] = theirs
    if backbone.neck:
        source |= _neck(names, given, expected, backbone, prefix)
    placed = {*source.values(), *misshapen.values()}
    rest = {ours: theirs for ours, theirs in names.items() if theirs not in placed}
    return Match(
        source,
        prefix,
        missing=tuple(k for k in _needed(expected, backbone) if k not in source and k not in misshapen),
        misshapen=tuple(
            f"'{ours}' {tuple(given[theirs].shape)} instead of {tuple(expected[ours].shape)}"
            for ours, theirs in misshapen.items()
        ),
        classifier=tuple(theirs for ours, theirs in rest.items() if _is_classifier(ours, prefix)),
        left_over=tuple(theirs for ours, theirs in rest.items() if _is_network(ours, prefix)),
        loaded_share=_loaded_share(source, expected, backbone),
        used_share=_used_share(source, rest, prefix),
    )


def has_mark(given: Mapping[str, Tensor], backbone: Backbone) -> bool:
    """Whether a checkpoint has the tensor that every checkpoint of the backbone has, under any prefix."""
    mark = backbone.mark
    return any(f".{_our_name(name, backbone)}".endswith(f".{mark}" if mark else "") for name in given)


def _our_name(name: str, backbone: Backbone) -> str:
    name = _WRAPPERS.sub("", name)
    for pattern, replacement in backbone.renames:
        name = re.sub(pattern, replacement, name)
    return name


def _body(expected: Mapping[str, Tensor], backbone: Backbone) -> dict[str, str]:
    """Our names of what trainers keep under one prefix, by their names without that prefix."""
    if not backbone.neck:
        return {name: name for name in expected}
    return {name.removeprefix("body."): name for name in expected if name.startswith("body.")}


def _best_prefix(
    names: Mapping[str, str],
    given: Mapping[str, Tensor],
    body: Mapping[str, str],
    expected: Mapping[str, Tensor],
) -> str:
    """The prefix under which most of the backbone's tensors are found; the shortest of equal ones."""
    counts: Counter[str] = Counter()
    for name, theirs in names.items():
        for prefix, short in _splits(name):
            if short in body and given[theirs].shape == expected[body[short]].shape:
                counts[prefix] += 1
    return min(counts, key=lambda prefix: (-counts[prefix], len(prefix)), default="")


def _splits(name: str) -> Iterator[tuple[str, str]]:
    """Each way to cut a dotted name in two; the first part is empty or ends with a dot."""
    yield "", name
    for dot in re.finditer(r"\.", name):
        yield name[: dot.end()], name[dot.end() :]


def _neck(
    names: Mapping[str, str],
    given: Mapping[str, Tensor],
    expected: Mapping[str, Tensor],
    backbone: Backbone,
    prefix: str,
) -> dict[str, str]:
    """Places of the pooling and of the neck, which trainers keep beside the network or around it."""
    outer = [part for part, _ in _splits(prefix)] if prefix else [""]
    found: dict[str, str] = {}
    for ours in expected:
        part, _, short = ours.partition(".")
        aliases = {"neck": ("neck.", *backbone.neck), "pool": _POOL}.get(part, ())
        for place in (f"{start}{alias}{short}" for start in outer for alias in aliases):
            theirs = names.get(place)
            if theirs is not None and given[theirs].shape == expected[ours].shape:
                found.setdefault(ours, theirs)
    return found


def _needed(expected: Mapping[str, Tensor], backbone: Backbone) -> list[str]:
    """Tensors without which the network is partly random; a neck and a pooling start as if absent."""
    neutral = ("neck.", "pool.") if backbone.neck else ()
    return [k for k in expected if not k.endswith(BATCH_COUNTER) and not k.startswith(neutral)]


def _loaded_share(source: Mapping[str, str], expected: Mapping[str, Tensor], backbone: Backbone) -> float:
    """Share of what is needed that loads, by tensors or by numbers, whichever is less."""
    needed = _needed(expected, backbone)
    loaded = [name for name in needed if name in source]
    if not needed:
        return 1.0
    numbers = sum(expected[name].numel() for name in loaded) / sum(expected[k].numel() for k in needed)
    return min(len(loaded) / len(needed), numbers)


def _used_share(source: Mapping[str, str], rest: Mapping[str, str], prefix: str) -> float:
    """Share of the tensors under the prefix, the classifier apart, that have a place in the backbone."""
    used = sum(not name.endswith(BATCH_COUNTER) for name in source)
    inside = sum(ours.startswith(prefix) and _is_network(ours, prefix) for ours in rest)
    return used / (used + inside) if used or inside else 1.0


def _is_network(name: str, prefix: str) -> bool:
    return not name.endswith(BATCH_COUNTER) and not _is_classifier(name, prefix)


def _is_classifier(name: str, prefix: str) -> bool:
    name = name.removeprefix(prefix)
    if name.endswith(BATCH_COUNTER):
        return False
    return name in _INPUT_STATISTICS or (bool(_CLASSIFIER.search(name)) and not _NECK.search(name))


def input_statistics(given: Mapping[str, Tensor]) -> tuple[list[float], list[float]] | None:
    """Mean and standard deviation of the pixels that fast-reid kept with the weights, in [0, 1]."""
    found = []
    for wanted in _INPUT_STATISTICS:
        values = next((x.flatten() for name, x in given.items() if name.split(".")[-1] == wanted), None)
        if values is None or len(values) != 3:
            return None
        found.append(values.to(torch.float64))
    scale = 1.0 if float(found[0].max()) <= 1 else 255.0
    mean, std = ([round(x, 6) for x in (values / scale).tolist()] for values in found)
    return mean, std

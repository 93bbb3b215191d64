"""Cheap snapshots of a running environment, for planning and for trying out several continuations."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from reid_al_env.errors import InputError

if TYPE_CHECKING:
    from typing_extensions import Self

Part: TypeAlias = "tuple[object, Sequence[str] | None]"
"""An object and the names of its attributes that change; ``None`` is all attributes."""


class Parts(NamedTuple):
    """What a snapshot consists of.

    Args:
        fits: Equal for environments between which snapshots can be exchanged; the first entry is a name.
        changing: Objects with the attributes that are copied.
        shared: Objects that never change and are not copied, such as arrays of features.
    """

    fits: tuple[Any, ...]
    changing: Sequence[Part]
    shared: Sequence[object]


@dataclass(frozen=True, eq=False, repr=False)
class Snapshot:
    """State of an environment at one moment, from ``clone_state()``; opaque, and it can be pickled.

    It does not contain the features: its size depends on the episode and the answers, not on the images.

    Args:
        fits: See :class:`Parts`.
        values: Copied attributes, a mapping for each part.
    """

    fits: tuple[Any, ...]
    values: Sequence[Mapping[str, Any]]

    def __repr__(self) -> str:
        return f"Snapshot of {self.fits[0]}"


class CopiedByState:
    """Gives an object a ``deepcopy`` that copies only the attributes in ``STATE`` and shares the others.

    Those in ``SHALLOW`` are containers whose entries are replaced but never changed in place: of these, only
    the container is copied.
    """

    STATE: tuple[str, ...]
    SHALLOW: tuple[str, ...] = ()

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        twin = memo[id(self)] = copy.copy(self)
        for name in self.STATE:
            value = getattr(self, name)
            setattr(twin, name, copy.copy(value) if name in self.SHALLOW else copy.deepcopy(value, memo))
        return twin


class Cloneable:
    """Gives an environment ``clone_state()`` and ``restore_state()``."""

    def clone_state(self) -> Snapshot:
        """Copy everything that later steps depend on: episode, shuffle, answers, random numbers.

        Features are shared, not copied. After restoring a snapshot, any number of times, the same actions
        give the same steps to the byte. A custom oracle is included if its state is in its attributes.
        """
        parts = self._snapshot_parts()
        values = [
            dict(vars(part)) if names is None else {name: getattr(part, name) for name in names}
            for part, names in parts.changing
        ]
        return Snapshot(parts.fits, copy.deepcopy(values, _memo(parts)))

    def restore_state(self, state: Snapshot) -> None:
        """Return to a snapshot.

        The objects given as ``constraints`` and ``oracle`` stay the same objects and are rolled back.

        Raises:
            InputError: If the snapshot was made with other settings or another number of images.
        """
        parts = self._snapshot_parts()
        if not isinstance(state, Snapshot) or state.fits != parts.fits:
            raise InputError(
                f"restore_state: {state!r} does not fit this {parts.fits[0]}; "
                "expected clone_state() of an environment made with the same arguments"
            )
        values = copy.deepcopy(list(state.values), _memo(parts))
        for (part, names), saved in zip(parts.changing, values, strict=True):
            if names is None:
                vars(part).clear()
            vars(part).update(saved)

    def _snapshot_parts(self) -> Parts:
        raise NotImplementedError


def _memo(parts: Parts) -> dict[int, Any]:
    """A memo for ``deepcopy`` under which the shared objects are their own copies."""
    return {id(each): each for each in parts.shared}

"""Gymnasium's specification of environments whose episodes end by themselves."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from gymnasium.envs.registration import EnvSpec


class EndsByItself:
    """Gives ``spec.max_episode_steps`` a limit that no episode reaches.

    ``TimeAwareObservation`` needs a limit. With ``budget + 1``, an environment that is made again from the
    specification still ends its episodes by ``terminated`` alone.
    """

    _budget: int
    _spec: EnvSpec | None = None

    if TYPE_CHECKING:
        spec: EnvSpec | None
    else:

        @property
        def spec(self) -> EnvSpec | None:
            """Gymnasium's specification."""
            return self._spec

        @spec.setter
        def spec(self, spec: EnvSpec | None) -> None:
            if spec is not None and spec.max_episode_steps is None:
                spec = dataclasses.replace(spec, max_episode_steps=self._budget + 1)
            self._spec = spec

"""The single environment, ``ReIDCatalogue-v0``."""

from __future__ import annotations

from typing import Any, cast

import gymnasium as gym
import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from reid_al_env.catalogue.game import SUMMARY, CatalogueGame, GameSettings
from reid_al_env.catalogue.questions import QUESTION_FEATURES
from reid_al_env.catalogue.run import CatalogueRun, Tasks
from reid_al_env.errors import InputError
from reid_al_env.indices import as_index
from reid_al_env.masks import MaskedPicks
from reid_al_env.snapshots import Cloneable, Parts
from reid_al_env.step_limit import EndsByItself

Observation = dict[str, NDArray[Any]]
RENDER_MODES = ("ansi",)


class ReIDCatalogueEnv(EndsByItself, Cloneable, gym.Env[Observation, np.int64]):
    """Choose questions to an annotator so that a catalogue of identities is right after few answers.

    ## Description
    A pool of images is to be sorted into identities. Images that are very similar form groups, which are
    assumed to show one identity each, and similar groups are joined automatically. Both go wrong. An
    annotator can be asked whether two groups show the same identity, ``budget`` times for the whole pool. A
    match joins the two groups for good; a non-match keeps them apart for good; both close transitively. The
    *delivered identities* follow from answers first and from similarity where there are none
    (:func:`reid_al_env.catalogue.specification.deliver`). The reward is what an answer improves in them.

    Two kinds of question pay: *merges* of groups that are delivered apart, and *checks* of groups that are
    delivered together without an answer. Which pays more depends on the pool, and an answer can pay later
    only: groups that grow have better means, and a wrong join that is found frees others.

    ## Action Space
    ``Discrete(questions)``: action ``a`` asks open question ``a``. The annotator sees the image of each group
    that is nearest to the group's mean. Choosing a masked action asks nothing, spends an answer, earns 0 and
    sets ``info["invalid_action"]``.

    ## Observation Space
    A ``Dict``; M is ``questions``. The order of the questions carries no more than their features do:

    | key | space | meaning |
    | --- | --- | --- |
    | ``questions`` | ``Box(-1, 1, (M, 9), float32)`` | features of each question, 0 for padding |
    | ``groups`` | ``Box(-1, 2 M − 1, (M, 2), int64)`` | the two groups of each question, −1 for padding |
    | ``summary`` | ``Box(0, 1, (4,), float32)`` | numbers about the whole catalogue |
    | ``action_mask`` | ``MultiBinary(M)`` | 1 for open questions |

    Questions that share a group have the same number in ``groups``; numbers follow the order of the
    catalogue and mean nothing else. The columns of ``questions`` (:data:`.QUESTION_FEATURES`): cosine of the
    groups' means; largest cosine between an image of one and an image of the other (of the nearest parts);
    mean cosine of all such pairs; log of the images in the smaller and in the larger group; log of the images
    in the smaller and in the larger of their delivered identities (logs divided by that of the pool's
    size); 1 if the two groups are delivered together; 1 if a camera saw both. With ``match_model`` a column
    with the probability of a match is added.

    ``summary`` (:data:`.SUMMARY`): share of the budget left; groups per image; delivered identities per
    image; share of matches among the last 20 answers (0.5 before the first).

    ## Starting State
    A new pool without answers. ``tasks="train"`` draws a pool from the training families at every reset.
    ``tasks="test"`` goes through 20 fixed pools of other families in a seeded shuffle. With own features the
    pool is always the same. ``reset(options={"task": "crowd:3"})`` chooses a family and a seed.

    ## Rewards
    The gain in B-cubed F1 of the delivered identities, by the labels: above 0 if an answer improves them,
    below if it harms them (as a wrong answer does), mostly 0. Rewards are in [−1, 1]; those of an episode
    add up to the final F1 minus the first, and so does the return, in [−1, 1].

    ## Episode End
    ``terminated`` after ``budget`` actions or when no question is open; never ``truncated``.
    ``spec.max_episode_steps`` is ``budget + 1``, a limit that no episode reaches.

    ## Information
    At reset: ``action_mask`` int8; ``f1``, ``precision`` and ``recall`` of the delivered identities;
    ``images``, the size of the pool; ``family`` (its place in :data:`reid_al_env.catalogue.tasks.FAMILIES`,
    −1 for own features) and ``task_seed``. At a step also ``left`` and ``right``, dataset indices of the two
    images shown; ``answer`` (+1, −1, 0); ``invalid_action``. :meth:`action_masks` gives the mask as bool, as
    sb3-contrib expects. With ``tasks="test"`` (or ``scored=True``), ``score`` is the normalised score: F1
    on a scale where the end of asking the most similar groups first is 0 and the end of an order that sees
    the labels is 1 (:mod:`reid_al_env.catalogue.references`). An agent's score is the one at the end of the
    episode. ``clone_state()`` and ``restore_state(state)`` branch and rewind an environment.

    ## Variants
    | id | settings |
    | --- | --- |
    | ``ReIDCatalogue-v0`` | the defaults: 60 identities, about 150 to 600 images, 200 answers, 64 questions |
    | ``ReIDCatalogueSmall-v0`` | 20 identities, 40 answers, 24 questions |
    | ``ReIDCatalogueNoisy-v0`` | 5 % of the answers wrong, 3 % "can't tell" |
    | ``ReIDCatalogueTest-v0`` and so on | the same with ``tasks="test"``, for scores only |

    Mean return, and in brackets mean score, over the 20 fixed tasks. *Random* chooses among the open
    questions; *one check in four* asks the first check at every fourth answer, else the most similar merge;
    *expected change* (:class:`reid_al_env.catalogue.rules.ExpectedChange`) is the best rule; *learned* is
    the policy that comes with ``reid_al_agents``; *label-seeing* is ``spec.reward_threshold``; *beam* is the
    search of :mod:`reid_al_env.catalogue.beam`, which also knows the wrong answers that will come.
    ``reid-al score POLICY --on ID`` scores any policy:

    | policy | ``ReIDCatalogueTest-v0`` | ``ReIDCatalogueSmallTest-v0`` | ``ReIDCatalogueNoisyTest-v0`` |
    | --- | --- | --- | --- |
    | nearest | 0.100 (0) | 0.070 (0) | 0.060 (0) |
    | random | 0.160 (0.46) | 0.099 (0.20) | 0.097 (0.32) |
    | one check in four | 0.166 (0.48) | 0.121 (0.36) | 0.104 (0.36) |
    | expected change | 0.188 (0.68) | 0.121 (0.41) | 0.117 (0.54) |
    | learned | 0.196 (0.81) | 0.147 (0.70) | 0.146 (0.93) |
    | label-seeing | 0.215 (1) | 0.175 (1) | 0.151 (1) |
    | beam | 0.219 (1.04) | 0.183 (1.11) | 0.178 (1.34) |

    ``gym.make_vec(id, vectorization_mode="vector_entry_point")`` gives the batched twin of each,
    :class:`reid_al_env.catalogue.vector_env.ReIDCatalogueVectorEnv`.

    ## Arguments
    Args:
        tasks: ``"train"``, ``"test"``, a :class:`~reid_al_env.FeatureSet` with identities, or a path to one.
        budget: Answers of an episode.
        questions: M, open questions to choose from.
        identities: Identities of a synthetic pool.
        false_match: Probability that a non-match is answered "match".
        false_non_match: Probability that a match is answered "no match".
        cannot_tell: Probability of "can't tell"; the question is then closed.
        match_model: Function that gives the probability of a match, (Q,), for question features, (Q, 9);
            ``None``: no such column.
        scored: Whether ``info`` holds ``score``; ``None``: with ``tasks="test"`` only. It makes the first
            reset to each task as long as two episodes.
        render_mode: ``"ansi"`` (one line about the last answer) or ``None``.

    Raises:
        InputError: If a setting is out of range or the features have no identities. ``reset`` and ``step``
            raise it if a task or an action is not usable.

    ## References
    [1] Bagga, A., Baldwin, B., "Entity-Based Cross-Document Coreferencing Using the Vector Space Model",
    COLING-ACL 1998, for B-cubed scores.

    ## Version History
    * v0: first version.
    """

    metadata = {"render_modes": list(RENDER_MODES), "render_fps": 4}  # noqa: RUF012 -- as in Gymnasium

    def __init__(
        self,
        tasks: Tasks = "train",
        budget: int = 200,
        questions: int = 64,
        identities: int = 60,
        false_match: float = 0.0,
        false_non_match: float = 0.0,
        cannot_tell: float = 0.0,
        match_model: Any = None,
        scored: bool | None = None,
        render_mode: str | None = None,
    ) -> None:
        check_render_mode(render_mode)
        settings = GameSettings(budget, questions, false_match, false_non_match, cannot_tell, match_model)
        self.render_mode = render_mode
        self._budget, self._questions = budget, questions
        self._run = CatalogueRun(tasks, identities, settings, scored)
        self._over = True
        self._masked = MaskedPicks()
        self.observation_space = cast("spaces.Space[Observation]", observation_space(settings))
        self.action_space = spaces.Discrete(questions)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """Begin the next pool; see the class for ``options["task"]``."""
        super().reset(seed=seed)
        if seed is not None or self._run.game is None:
            self._run.seed(self.np_random)
        self._run.begin((options or {}).get("task"))
        self._over = self.game.over
        return self.game.observation(), self._run.standing()

    def step(self, action: np.int64 | int) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        """Ask one question; see the class."""
        if self._over:
            raise gym.error.ResetNeeded("Call reset() first: no episode has begun, or the last one is over.")
        reward, self._over = self._run.step(as_index(action, "action", self._questions))
        infos = {**self._run.standing(), **self._run.answered()}
        self._masked.add(int(infos["invalid_action"]))
        return self.game.observation(), reward, self._over, False, infos

    @property
    def game(self) -> CatalogueGame:
        """The running episode, for reference policies (:mod:`reid_al_env.catalogue.references`)."""
        if self._run.game is None:
            raise gym.error.ResetNeeded("Call reset() first: no episode has begun.")
        return self._run.game

    def action_masks(self) -> NDArray[np.bool_]:
        """Which questions are open, shape (questions,), bool."""
        return self.game.action_mask().astype(bool)

    def render(self) -> Any:
        """One line about the last answer (``"ansi"``)."""
        return None if self.render_mode is None else self.game and self._run.line()

    def _snapshot_parts(self) -> Parts:
        own = (self, ("_np_random", "_np_random_seed", "_over"))
        return Parts((type(self).__name__, *self._run.fits()), [own, *self._run.parts()], ())


def observation_space(settings: GameSettings) -> spaces.Dict:
    """Observation space of a catalogue with these settings."""
    return question_space(settings.questions, len(QUESTION_FEATURES) + (settings.match_model is not None))


def question_space(places: int, width: int) -> spaces.Dict:
    """Space of observations with so many questions and so many features of each."""
    return spaces.Dict(
        {
            "action_mask": spaces.MultiBinary(places),
            "groups": spaces.Box(-1, 2 * places - 1, (places, 2), np.int64),
            "questions": spaces.Box(-1.0, 1.0, (places, width), np.float32),
            "summary": spaces.Box(0.0, 1.0, (len(SUMMARY),), np.float32),
        }
    )


def check_render_mode(mode: str | None) -> None:
    """Raise :class:`InputError` unless the catalogue renders so."""
    if mode is not None and mode not in RENDER_MODES:
        raise InputError(f"render_mode: {mode!r} is unknown; choose 'ansi' or None")

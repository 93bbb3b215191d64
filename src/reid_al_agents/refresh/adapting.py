"""Adapting a model to a place in stages, without any answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from reid_al_agents.datasets.images import ImageSet
from reid_al_agents.embedding.backbones import EmbeddingNet
from reid_al_agents.refresh.cluster import ClusterRefresher
from reid_al_agents.refresh.cluster_settings import ClusterSettings
from reid_al_agents.refresh.report import Progress, RefreshReport
from reid_al_agents.refresh.session import restored_on_failure
from reid_al_env.constraints import ConstraintGraph


class StagedRefresher:
    """Cluster refreshes one after the other, each with its own settings and a learning rate that starts anew.

    A model that has never seen the place finds few look-alikes, so the first stage has to be bold; what it
    learns makes a careful second stage possible.

    Args:
        stages: Settings of each stage, in order.
    """

    def __init__(self, stages: Sequence[ClusterSettings]) -> None:
        self.stages = tuple(stages)

    def refresh(
        self,
        model: EmbeddingNet,
        images: ImageSet,
        constraints: ConstraintGraph,
        *,
        seed: int,
        progress: Progress | None = None,
    ) -> RefreshReport:
        """Train ``model`` in place; see ``Refresher.refresh``. If a stage fails, all are taken back."""
        total = sum(stage.steps for stage in self.stages)
        reports: list[RefreshReport] = []
        done = 0
        with restored_on_failure(model):
            for number, stage in enumerate(self.stages):
                bar = None if progress is None else _later(progress, done, total)
                refresher = ClusterRefresher(stage)
                reports.append(
                    refresher.refresh(model, images, constraints, seed=seed + number, progress=bar)
                )
                done += stage.steps
        return _joined(reports)


def _later(progress: Progress, before: int, total: int) -> Progress:
    return lambda done, _: progress(before + done, total)


def _joined(reports: list[RefreshReport]) -> RefreshReport:
    """The figures of all stages together; the loss is the last one's."""
    return replace(
        reports[-1],
        steps=sum(report.steps for report in reports),
        losses=tuple(loss for report in reports for loss in report.losses),
        images=max(report.images for report in reports),
        seconds=sum(report.seconds for report in reports),
    )

"""The folder of a comparison's results, as ``benchmark`` writes it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from reid_al_agents.cli.options import typed_command

if TYPE_CHECKING:
    from reid_al_agents.experiment.benchmark import Comparison, Plan


class ResultsFolder:
    """Where a comparison's results go; rows are written as they come, so that a long one loses nothing.

    Args:
        path: The folder; it is made if it is missing.
        plan: What is compared.

    Raises:
        InputError: The folder cannot be written.
    """

    def __init__(self, path: Path, plan: Plan) -> None:
        from reid_al_agents.files import make_folder
        from reid_al_agents.report.machine import Provenance
        from reid_al_agents.workspace.uses_of_test import log_test_use

        settings = {**plan.base.as_dict(), "selectors": plan.selectors, "budgets": plan.budgets}
        settings["quick_every"] = plan.quick_every
        self.path = make_folder(path)
        self.provenance = Provenance.of_this_process(typed_command(), plan.seeds, settings)
        if plan.base.evaluate_on == "test":
            log_test_use(path, self.provenance.command)

    def write_rows(self, comparison: Comparison) -> None:
        """Write the rows so far."""
        from reid_al_agents.report.rows import write_csv, write_json

        write_json(self.path / "results.json", comparison.rows, self.provenance)
        write_csv(self.path / "results.csv", comparison.rows)

    def write_all(self, comparison: Comparison, title: str) -> None:
        """Write rows, plot and page."""
        from reid_al_agents.report.pages import write_comparison_page
        from reid_al_agents.report.plots import headline, plot_by_answers, save_figure

        self.write_rows(comparison)
        save_figure(plot_by_answers(comparison.rows, headline(comparison.rows)), self.path / "results.png")
        write_comparison_page(
            self.path / "report.html",
            comparison.rows,
            self.provenance,
            title=title,
            returns=comparison.returns,
        )

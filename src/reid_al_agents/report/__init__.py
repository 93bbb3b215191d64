"""Results for people and programs: rows, tables, figures and pages that hold everything themselves."""

from reid_al_agents.report.machine import Provenance, current_commit, describe_machine, package_versions
from reid_al_agents.report.pages import write_comparison_page, write_run_page
from reid_al_agents.report.plots import (
    plot_by_answers,
    plot_overview,
    plot_return_by_query,
    plot_run,
    save_figure,
)
from reid_al_agents.report.rows import ResultRow, read_json, results_object, write_csv, write_json
from reid_al_agents.report.summary import Estimate, Summary, estimate, summarise
from reid_al_agents.report.table import TextTable, as_rich, results_table, rounds_table

__all__ = [
    "Estimate",
    "Provenance",
    "ResultRow",
    "Summary",
    "TextTable",
    "as_rich",
    "current_commit",
    "describe_machine",
    "estimate",
    "package_versions",
    "plot_by_answers",
    "plot_overview",
    "plot_return_by_query",
    "plot_run",
    "read_json",
    "results_object",
    "results_table",
    "rounds_table",
    "save_figure",
    "summarise",
    "write_comparison_page",
    "write_csv",
    "write_json",
    "write_run_page",
]

"""Imports between packages run downward, and the page that says so is up to date."""

import importlib.util
import logging
from pathlib import Path

import pytest

pytest.importorskip("importlinter", reason="import-linter is in the extra dev")

from importlinter.cli import lint_imports

_ROOT = Path(__file__).resolve().parents[2]
_SPEC = importlib.util.spec_from_file_location("draw_architecture", _ROOT / "docs" / "draw_architecture.py")
draw_architecture = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(draw_architecture)


@pytest.fixture(autouse=True)
def _loggers_stay_on():
    """import-linter turns off every logger that others made, and later tests read what is logged."""
    found = logging.Logger.manager.loggerDict.values()
    on = [logger for logger in found if isinstance(logger, logging.Logger) and not logger.disabled]
    yield
    for logger in on:
        logger.disabled = False


def test_no_import_runs_upward(capsys):
    code = lint_imports(config_filename=str(_ROOT / "pyproject.toml"), no_cache=True, no_logo=True)
    assert code == 0, capsys.readouterr().out


def test_an_upward_import_is_seen(tmp_path, monkeypatch, capsys):
    for name, text in (("high", ""), ("low", "from toy import high"), ("__init__", "")):
        (tmp_path / "toy").mkdir(exist_ok=True)
        (tmp_path / "toy" / f"{name}.py").write_text(text)
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "pyproject.toml").write_text(
        '[tool.importlinter]\nroot_packages = ["toy"]\n[[tool.importlinter.contracts]]\nname = "down"\n'
        'type = "layers"\ncontainers = ["toy"]\nlayers = ["high", "low"]\n'
    )
    assert lint_imports(config_filename=str(tmp_path / "pyproject.toml"), no_cache=True, no_logo=True) == 1
    assert "toy.low is not allowed to import toy.high" in capsys.readouterr().out


def test_the_page_is_up_to_date():
    text = draw_architecture.PAGE.read_text(encoding="utf-8")
    assert draw_architecture.page(text) == text, "run python docs/draw_architecture.py"


def test_the_table_says_what_is_imported():
    imported = draw_architecture.imports()
    source = (_ROOT / "src" / "reid_al_agents" / "report").glob("*.py")
    text = "\n".join(path.read_text(encoding="utf-8") for path in source)
    said = {
        name for layer in draw_architecture.layers() for name in layer if f"reid_al_agents.{name}" in text
    }
    assert imported["report"] - {"reid_al_env"} == said - {"report"}
    assert not imported["reid_al_env"]

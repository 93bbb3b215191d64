"""axe-core, fetched by npm once and kept in pytest's cache."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

AXE = "axe-core@4.14.1"
_TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
_RUN = """async tags => (await axe.run(document, {runOnly: tags})).violations.flatMap(
    rule => rule.nodes.map(node => `${rule.id}: ${node.target} (${node.failureSummary})`))"""


def axe_source(config: pytest.Config) -> str:
    """The source of axe-core; skips the test where it cannot be had."""
    folder = Path(config.cache.mkdir("axe-core"))
    source = folder / "node_modules" / "axe-core" / "axe.min.js"
    if not source.is_file():
        if shutil.which("npm") is None:
            pytest.skip("npm is not installed, and axe-core comes from there")
        command = ["npm", "install", "--no-save", "--prefix", str(folder), AXE]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
        if done.returncode:
            pytest.skip(f"npm cannot fetch {AXE}: {done.stderr.strip()[-200:]}")
    return source.read_text("utf-8")


def broken_rules(page: object, source: str) -> list[str]:
    """Rules of WCAG 2.2 AA that a page breaks as it is."""
    page.evaluate(source)
    return page.evaluate(_RUN, _TAGS)

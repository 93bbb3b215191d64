"""Draw the layers and the table of imports in ``docs/architecture.md``: ``python docs/draw_architecture.py``.

The layers are those of the import-linter contract in ``pyproject.toml``. grimp reads the imports from the
source. What a package holds is the first line of its docstring.
"""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import Any

import grimp

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "architecture.md"
AGENTS = "reid_al_agents"
ENVIRONMENT = "reid_al_env"


def layers() -> list[list[str]]:
    """Packages by layer, from the highest, as the import contract names them, down to the environment."""
    (contract,) = (one for one in _contracts() if one["type"] == "layers")
    named = [re.findall(r"\w+", layer) for layer in contract["layers"]]
    existing = [[name for name in layer if _source(name).exists()] for layer in named]
    return [*(layer for layer in existing if layer), [ENVIRONMENT]]


def imports() -> dict[str, set[str]]:
    """Packages that each package imports from directly, itself left out."""
    graph = grimp.build_graph(AGENTS, ENVIRONMENT, cache_dir=None)
    found: dict[str, set[str]] = {}
    for module in graph.modules - {AGENTS}:
        own = _package(module)
        imported = {_package(other) for other in graph.find_modules_directly_imported_by(module)}
        found.setdefault(own, set()).update(imported - {own})
    return found


def drawing() -> str:
    """The layers as a text drawing; a package may import from its own layer and from those below."""
    rows = ["   ".join(layer) for layer in layers()]
    width = max(map(len, rows)) + 4
    boxes = [f"│{row.center(width)}│" for row in rows]
    ruler = "─" * width
    inner = f"\n├{'▼'.center(width, '─')}┤\n".join(boxes)
    return f"```text\n┌{ruler}┐\n{inner}\n└{ruler}┘\n```"


def table() -> str:
    """The table of packages: what each holds and what it imports, from the highest layer to the lowest."""
    order = [name for layer in layers() for name in layer]
    found = imports()
    lines = ["| package | holds | imports |", "| --- | --- | --- |"]
    for name in order:
        imported = ", ".join(f"`{other}`" for other in order if other in found.get(name, set()))
        lines.append(f"| `{name}` | {_summary(name)} | {imported or 'none'} |")
    return "\n".join(lines)


def page(text: str) -> str:
    """The page with its drawing and its table as they are now.

    Args:
        text: The page, which marks the two by ``<!-- layers -->`` and ``<!-- imports -->``, each up to
            ``<!-- end -->``.
    """
    for mark, content in (("layers", drawing()), ("imports", table())):
        block = re.compile(rf"(<!-- {mark} -->\n).*?(<!-- end -->)", re.DOTALL)
        text, count = block.subn(lambda found, new=content: f"{found[1]}{new}\n{found[2]}", text)
        if count != 1:
            raise SystemExit(f"{PAGE}: expected one block <!-- {mark} --> ... <!-- end -->, found {count}")
    return text


def _contracts() -> list[dict[str, Any]]:
    from importlinter.api import read_configuration

    contracts: list[dict[str, Any]] = read_configuration(str(ROOT / "pyproject.toml"))["contracts_options"]
    return contracts


def _package(module: str) -> str:
    root, *inner = module.split(".")
    return inner[0] if root == AGENTS and inner else root


def _source(package: str) -> Path:
    folder = ROOT / "src" / (package if package == ENVIRONMENT else f"{AGENTS}/{package}")
    return folder / "__init__.py" if folder.is_dir() else folder.with_suffix(".py")


def _summary(package: str) -> str:
    docstring = ast.get_docstring(ast.parse(_source(package).read_text(encoding="utf-8"))) or ""
    return docstring.partition("\n")[0].replace("``", "`")


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")

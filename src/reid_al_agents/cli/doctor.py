"""``reid-al doctor``: versions, devices and what else a report of a fault has to say."""

from __future__ import annotations

from typing import Any

from reid_al_agents.cli import options as opt
from reid_al_agents.cli.console import emit_json


def doctor(json: opt.Json = False) -> None:
    """Report what is installed and whether it works: versions, threads, devices, FAISS, disk and extras."""
    from reid_al_agents.cli.diagnosis import examine

    found = examine()
    if json:
        emit_json(found)
        return
    print("\n".join(as_lines(found)))


def as_lines(found: dict[str, Any]) -> list[str]:
    """What :func:`~reid_al_agents.cli.diagnosis.examine` found, as text."""
    lines = ["versions", *_pairs(found["versions"]), f"  commit {found['commit']}"]
    lines += ["machine", *_pairs(found["machine"]), "threads", *_pairs(found["threads"])]
    lines += ["devices", *_pairs(found["devices"]), "FAISS", *_pairs(found["faiss"]), "disk"]
    for name, place in found["disk"].items():
        lines.append(f"  {name}: {place['free_gib']} of {place['total_gib']} GiB free at {place['path']}")
    lines.append("extras")
    for name, missing in found["extras"].items():
        lines.append(f"  {name}: {'lacks ' + ', '.join(missing) if missing else 'installed'}")
    lines.append("problems" if found["problems"] else "no problems found")
    return lines + [f"  {problem}" for problem in found["problems"]]


def _pairs(values: dict[str, Any]) -> list[str]:
    return [
        f"  {name} {str(value).lower() if isinstance(value, bool) else value}"
        for name, value in values.items()
    ]

"""What a report of a fault has to say about the machine and the installation."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

from reid_al_agents.report.machine import current_commit, describe_machine, package_versions

PACKAGE = "reid-active-learning"
_GIB = 2**30
_LITTLE = 2.0  # GiB under which disk space is a problem


def short_block() -> list[str]:
    """Lines about versions and machine that cost nothing to make; for the hint of an unexpected error."""
    versions = ", ".join(f"{name} {version}" for name, version in package_versions().items())
    machine = ", ".join(f"{name} {value}" for name, value in describe_machine().items())
    return [versions, machine, f"commit {current_commit()}"]


def examine() -> dict[str, Any]:
    """Everything that ``reid-al doctor`` says, by topic, as plain values.

    ``problems`` lists in words what will not work, or hardly.
    """
    requirements = _requirements()
    found: dict[str, Any] = {
        "versions": {**package_versions(), **_versions(sorted(map(_name, requirements)))},
        "commit": current_commit(),
        "threads": _threads(),
        "devices": _devices(),
        "faiss": _faiss(),
        "disk": {name: _disk(path) for name, path in _places().items()},
        "extras": extras(requirements),
    }
    found["machine"] = describe_machine()  # once torch is loaded, it names the accelerator
    return {**found, "problems": list(_problems(found))}


def examine_folder(path: Path) -> dict[str, Any]:
    """What ``reid-al doctor FOLDER`` says of a run or session, as plain values; it is left as it is.

    ``separation`` is that of :func:`~reid_al_agents.vision.quality.separation` under the last model, ``None``
    where its features were not kept. ``problems`` lists what speaks against asking like this.

    Args:
        path: The folder.

    Raises:
        InputError: It holds no run and no session, or is damaged.
    """
    from reid_al_agents.log.store import EventStore
    from reid_al_agents.vision.quality import separation, warnings_about_features
    from reid_al_agents.workspace.features import stored_features
    from reid_al_agents.workspace.folder import Folder
    from reid_al_agents.workspace.folder_identities import believe
    from reid_al_agents.workspace.settled_images import settled_pool

    folder = Folder(path)
    kept = folder.kept()
    pool = settled_pool(folder, kept.settings)
    with EventStore(kept.store or folder.events) as log:
        beliefs = believe(pool, folder.read_log(log, kept), kept.settings)
    features = stored_features(folder, pool, beliefs)
    problems = [] if features is None else warnings_about_features(features, pool.cameras)
    return {
        "path": str(path),
        "data": kept.settings.data,
        "images": len(pool),
        "left_out": len(beliefs.excluded),
        "answers": beliefs.answers,
        "contradictions": len(beliefs.constraints.contradictions),
        "separation": None if features is None else round(separation(features, pool.cameras), 2),
        "problems": [f"{path}: {problem}" for problem in problems],
    }


def extras(requirements: Sequence[str]) -> dict[str, list[str]]:
    """Packages that each extra of this package lacks; an empty list where nothing is missing.

    Args:
        requirements: As :func:`importlib.metadata.requires` gives them.
    """
    wanted: dict[str, list[str]] = {}
    for requirement in requirements:
        if (extra := re.search(r"""extra == ['"]([^'"]+)['"]""", requirement)) is not None:
            wanted.setdefault(extra[1], []).append(requirement.split(";")[0].strip())
    return {extra: sorted(_missing(extra, wanted)) for extra in wanted}


def _missing(extra: str, wanted: Mapping[str, Sequence[str]]) -> set[str]:
    """Packages of an extra, and of the extras that it includes, that are not installed."""
    missing: set[str] = set()
    for requirement in wanted.get(extra, ()):
        name = _name(requirement)
        if name == PACKAGE:
            included = re.search(r"\[([^\]]*)\]", requirement)
            for other in included[1].split(",") if included else ():
                missing |= _missing(other.strip(), wanted)
        elif not _versions((name,)):
            missing.add(name)
    return missing


def _requirements() -> list[str]:
    """Those of the installed package; none where it runs from its source alone."""
    try:
        return metadata.requires(PACKAGE) or []
    except metadata.PackageNotFoundError:
        return []


def _name(requirement: str) -> str:
    return re.split(r"[^\w.-]", requirement, maxsplit=1)[0]


def _versions(names: Iterable[str]) -> dict[str, str]:
    versions = {}
    for name in names:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return versions


def _threads() -> dict[str, Any]:
    named = {name: os.environ[name] for name in ("OMP_NUM_THREADS", "OMP_WAIT_POLICY") if name in os.environ}
    try:
        import torch
    except ImportError:
        return named
    return {"torch": torch.get_num_threads(), **named}


def _devices() -> dict[str, str]:
    """What each device that torch finds is, or why it cannot be used."""
    try:
        import torch
    except ImportError as error:
        return {"none": f"torch cannot be loaded ({error})"}
    found = {"cpu": "usable"}
    for index in range(torch.cuda.device_count()):
        card = torch.cuda.get_device_properties(index)
        found[f"cuda:{index}"] = f"{card.name}, {card.total_memory / _GIB:.0f} GiB, "
    if torch.backends.mps.is_available():
        found["mps"] = ""
    if torch.xpu.is_available():
        found |= {f"xpu:{index}": "" for index in range(torch.xpu.device_count())}
    for name, about in found.items():
        if name != "cpu":
            found[name] = about + _tried(torch, name)
    return found


def _tried(torch: Any, device: str) -> str:
    """Whether a device multiplies: one that is found may be out of memory, or too old for this torch."""
    try:
        ones = torch.ones(8, 8, device=device)
        return "usable" if (ones @ ones).sum().item() == 512 else "computes wrongly"
    except (RuntimeError, NotImplementedError) as error:
        return f"cannot be used ({str(error).strip().splitlines()[0]})"


def _faiss() -> dict[str, Any]:
    """FAISS as it was built, and whether it finds a nearest neighbour."""
    try:
        import faiss
        import numpy as np
    except ImportError as error:
        return {"works": False, "reason": str(error)}
    points = np.eye(4, dtype=np.float32)
    index = faiss.IndexFlatL2(4)
    index.add(points)
    nearest = index.search(points, 1)[1].ravel()
    return {
        "works": nearest.tolist() == [0, 1, 2, 3],
        "options": faiss.get_compile_options().strip(),
        "threads": faiss.omp_get_max_threads(),
    }


def _places() -> dict[str, Path]:
    return {"this folder": Path.cwd(), "temporary files": Path(tempfile.gettempdir())}


def _disk(path: Path) -> dict[str, Any]:
    usage = shutil.disk_usage(path)
    free, total = round(usage.free / _GIB, 1), round(usage.total / _GIB, 1)
    return {"path": str(path), "free_gib": free, "total_gib": total, "writable": os.access(path, os.W_OK)}


def _problems(found: dict[str, Any]) -> list[str]:
    problems = [
        f"{name}: {about}" for name, about in found["devices"].items() if not about.endswith("usable")
    ]
    if not found["faiss"]["works"]:
        problems.append(f"FAISS: {found['faiss'].get('reason', 'does not find nearest neighbours')}")
    for name, place in found["disk"].items():
        if not place["writable"]:
            problems.append(f"{name}: {place['path']} cannot be written")
        elif place["free_gib"] < _LITTLE:
            problems.append(f"{name}: {place['free_gib']} GiB are free at {place['path']}")
    if found["extras"].get("agents"):
        problems.append(f"the extra agents lacks {', '.join(found['extras']['agents'])}")
    return problems

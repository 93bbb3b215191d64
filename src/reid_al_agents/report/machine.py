"""Where a result is from: the command, the commit, the machine and the versions of what ran."""

import os
import platform
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

_PACKAGES = {
    "torch": "torch",
    "numpy": "numpy",
    "gymnasium": "gymnasium",
    "stable-baselines3": "stable-baselines3",
    "faiss": "faiss-cpu",
    "reid-active-learning": "reid-active-learning",
}


@dataclass(frozen=True)
class Provenance:
    """What someone needs to know to get the same result again.

    Attributes:
        command: The command line as typed.
        seeds: Every seed that was used.
        settings: Settings by name; values are plain (text, numbers, lists, mappings).
        commit: Commit of this program, or `unknown`.
        machine: Processor, cores, memory and so on, as `describe_machine` gives them.
        versions: Versions by package, as `package_versions` gives them.
    """

    command: str
    seeds: tuple[int, ...]
    settings: Mapping[str, object]
    commit: str
    machine: Mapping[str, str]
    versions: Mapping[str, str]

    @classmethod
    def of_this_process(
        cls, command: str, seeds: tuple[int, ...], settings: Mapping[str, object]
    ) -> "Provenance":
        """Describe the running program on this machine.

        Args:
            command: The command line as typed.
            seeds: Every seed that was used.
            settings: Settings by name.

        Returns:
            The description.
        """
        return cls(command, seeds, settings, current_commit(), describe_machine(), package_versions())


def describe_machine() -> dict[str, str]:
    """Describe the machine in words.

    Returns:
        `system`, `processor`, `cores` (those this process may use), `memory` and, where torch has been
        loaded and sees one, `accelerator`.
    """
    described = {
        "system": f"{platform.system()} {platform.release()}",
        "processor": _processor(),
        "cores": str(_usable_cores()),
        "memory": _memory(),
    }
    torch = sys.modules.get("torch")  # a machine can be described without loading torch for it
    if torch is not None and torch.cuda.is_available():
        described["accelerator"] = str(torch.cuda.get_device_name())
    return described


def package_versions() -> dict[str, str]:
    """List the versions of Python and of the packages that decide a result.

    Returns:
        Version by package name, those that are not installed left out.
    """
    versions = {"python": platform.python_version()}
    for name, distribution in _PACKAGES.items():
        try:
            versions[name] = metadata.version(distribution)
        except metadata.PackageNotFoundError:
            continue
    return versions


def current_commit() -> str:
    """Find the commit of the program that is running.

    Returns:
        The full hash, with `-dirty` where tracked files differ from it; `unknown` where the program does not
        run from a checkout.
    """
    # An installed package may lie inside a checkout of something else: only a file that is tracked counts.
    if _git("ls-files", "--error-unmatch", Path(__file__).name) is None:
        return "unknown"
    return _git("describe", "--always", "--dirty", "--abbrev=40", "--exclude=*") or "unknown"


def _git(*arguments: str) -> str | None:
    command = ["git", "-C", str(Path(__file__).parent), *arguments]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    models = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.processor() or platform.machine() or "unknown"


def _usable_cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _memory() -> str:
    try:
        total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return "unknown"
    return f"{total / 2**30:.0f} GiB"

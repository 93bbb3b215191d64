"""The command line, ``reid-al``: one file per command."""

from __future__ import annotations

import os
import sys
from typing import Any, NoReturn

from reid_al_env import InputError


def main() -> None:
    """Run ``reid-al``; bad input gives one line on standard error and exit code 2."""
    # How long waiting threads spin before they sleep; it is read when torch is first imported. Where other
    # work wants one of two cores, a training step takes 13 times as long if they spin as long as they would;
    # alone it takes 1.8 times as long if they never do. This costs a tenth alone, and otherwise as sleep.
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ["OMP_WAIT_POLICY"] = "PASSIVE"
        os.environ.setdefault("GOMP_SPINCOUNT", "5000")
    try:
        from reid_al_agents.cli.app import app
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("reid_al"):
            raise
        _fail(f'{error.name} is not installed; pip install "reid-active-learning[agents]"')
    import typer

    # Typer's own errors (a missing option, a word where a number belongs) are one line here, too.
    usage_error: Any = typer.BadParameter.__bases__[0]
    try:
        sys.exit(app(sys.argv[1:] or ["--help"], standalone_mode=False) or 0)
    except usage_error as error:
        _fail(f"{error.format_message()} (see reid-al --help)")
    except InputError as error:
        _fail(str(error))
    except OSError as error:
        _fail(f"{error.filename or 'system'}: {error.strerror or error}")
    except MemoryError as error:
        _fail(f"not enough memory ({error}); choose a smaller --pool-size, --size or data set")
    except (KeyboardInterrupt, typer.Abort):
        print("reid-al: stopped; a run goes on with --resume, its answers are kept", file=sys.stderr)
        sys.exit(130)


def _fail(message: str) -> NoReturn:
    print(f"reid-al: error: {' '.join(message.split())}", file=sys.stderr)
    sys.exit(2)

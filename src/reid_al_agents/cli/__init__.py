"""The command line, ``reid-al``: one file per command.

Nothing is imported here before it is needed, so that an interrupt during the start finds :func:`main` ready.
"""

from __future__ import annotations

import os
import sys
from typing import Any, NoReturn

from reid_al_agents.cli.stopping import Stops

DEBUG = "REID_AL_DEBUG"
"""Environment variable with which an unexpected error shows its traceback."""


def main() -> None:
    """Run ``reid-al`` and exit.

    Exit codes: 0 done; 1 an error of the program itself; 2 bad input, with one line on standard error; 130
    and 143 stopped by SIGINT and SIGTERM, with one line.
    """
    stops = Stops()
    stops.install()
    try:
        _run(stops)
    except BaseException as error:
        if stops.signal is not None or isinstance(error, KeyboardInterrupt):
            stops.leave()  # whatever a library made of it; or the Ctrl-C of a person at the terminal
        _exit_for(error)


def _run(stops: Stops) -> None:
    # How long waiting threads spin before they sleep; it is read when torch is first imported. Where other
    # work wants one of two cores, a training step takes 13 times as long if they spin as long as they would;
    # alone it takes 1.8 times as long if they never do. This costs a tenth alone, and otherwise as sleep.
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ["OMP_WAIT_POLICY"] = "PASSIVE"
        os.environ.setdefault("GOMP_SPINCOUNT", "5000")
    try:
        import typer

        from reid_al_agents.cli.app import app
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("reid_al"):
            raise
        _fail(f'{error.name} is not installed; pip install "reid-active-learning[agents]"')
    _show_notes()
    command = typer.main.get_command(app)
    with command.make_context("reid-al", sys.argv[1:] or ["--help"]) as context:
        stops.call(lambda: command.invoke(context))
    sys.exit(0)


def _exit_for(error: BaseException) -> NoReturn:
    """Say in one line what went wrong, and exit with the code for it."""
    if isinstance(error, SystemExit):
        raise error
    import typer

    from reid_al_env.errors import InputError

    usage_error: Any = typer.BadParameter.__bases__[0]  # of which a missing option is one, too
    if isinstance(error, typer.Exit):
        sys.exit(error.exit_code)
    if isinstance(error, usage_error):
        command = "reid-al" if error.ctx is None else error.ctx.command_path
        _fail(f"{error.format_message()} (see {command} --help)")
    if isinstance(error, InputError):
        _fail(str(error))
    if isinstance(error, BrokenPipeError):  # the reader of the output has closed it
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    if isinstance(error, OSError):
        _fail(f"{error.filename or 'system'}: {error.strerror or error}")
    if isinstance(error, MemoryError):
        _fail(f"not enough memory ({error}); choose a smaller --pool-size, --size or data set")
    _fail_unexpectedly(error)


def _fail(message: str) -> NoReturn:
    print(f"reid-al: error: {' '.join(message.split())}", file=sys.stderr)
    sys.exit(2)


def _fail_unexpectedly(error: BaseException) -> NoReturn:
    """Say what happened and what a report of it needs; the traceback only where it is asked for."""
    if os.environ.get(DEBUG):
        raise error
    what = " ".join(f"{type(error).__name__}: {error}".split())
    print(f"reid-al: a fault of this program: {what}", file=sys.stderr)
    print(
        f"Please report it to the maintainers with these lines; {DEBUG}=1 before the command shows more.",
        file=sys.stderr,
    )
    for line in (f"command {' '.join(['reid-al', *sys.argv[1:]])}", *_short_block()):
        print(f"  {line}", file=sys.stderr)
    sys.exit(1)


def _short_block() -> list[str]:
    try:
        from reid_al_agents.cli.diagnosis import short_block

        return short_block()
    except Exception as error:  # whatever broke the command may break this, too
        return [f"(no versions: {type(error).__name__}: {error})"]


def _show_notes() -> None:
    """Print what the packages log about data and models, such as images left out; each line once."""
    import logging

    printed: set[str] = set()

    class Notes(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            from reid_al_agents.cli.console import messages

            if record.getMessage() in printed:  # data that are loaded again, for another seed
                return
            printed.add(record.getMessage())
            messages.print(f"note: {record.getMessage()}", markup=False, highlight=False, soft_wrap=True)

    logger = logging.getLogger("reid_al_agents")
    logger.setLevel(logging.INFO)
    logger.handlers = [Notes()]

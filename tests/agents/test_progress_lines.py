"""Progress where there is no terminal, by a clock that the test sets."""

import contextlib
import io

import pytest
from rich.console import Console

from reid_al_agents.cli import console
from reid_al_agents.cli.progress_lines import ProgressLines


class Clock:
    now = 100.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def lines():
    return []


@pytest.fixture
def show(clock, lines):
    """Progress lines whose thread is not started: the test ticks."""
    return ProgressLines(lines.append, clock)


def after(clock, seconds):
    clock.now += seconds


def test_a_line_after_thirty_seconds_says_what_how_far_and_how_long(show, clock, lines):
    show("embed", 0, 8400)
    after(clock, 10)
    show("embed", 400, 8400)
    assert lines == []
    after(clock, 20)
    show("embed", 1200, 8400)
    assert lines == ["embed: 1200/8400 (14 %), about 3 min 0 s left"]
    after(clock, 29)
    show("embed", 2400, 8400)
    assert len(lines) == 1


def test_a_step_that_reports_nothing_is_not_silent(show, clock, lines):
    show("train", 0, 800)
    for _ in range(90):
        after(clock, 1)
        show.tick()
    assert lines == [f"train: 0/800 (0 %), {span} so far" for span in ("30 s", "1 min 0 s", "1 min 30 s")]


def test_time_left_counts_from_the_first_report(show, clock, lines):
    show("ask", 500, 1000)  # a resumed run
    after(clock, 30)
    show("ask", 600, 1000)
    assert lines == ["ask: 600/1000 (60 %), about 2 min 0 s left"]


def test_the_end_of_a_stage_is_said_if_it_took_over_five_seconds(show, clock, lines):
    show("short", 0, 2)
    after(clock, 5)
    show("short", 2, 2)
    show("long", 0, 2)
    after(clock, 6)
    show("long", 2, 2)
    assert lines == ["long: 2/2, done in 6 s"]


def test_of_several_stages_the_one_reported_last_is_shown(show, clock, lines):
    show("rounds", 1, 6)
    show("train", 0, 100)
    after(clock, 31)
    show.tick()
    show("train", 100, 100)
    after(clock, 31)
    show.tick()
    assert [line.split(":")[0] for line in lines] == ["train", "train", "rounds"]


def test_between_stages_it_says_that_work_goes_on(show, clock, lines):
    after(clock, 30)
    show.tick()
    show("embed", 3, 3)
    after(clock, 7300)
    show.tick()
    assert lines == ["working, 30 s so far", "working after embed, 2 h 1 min so far"]


def test_a_stage_of_nothing_ends_at_once(show, lines):
    show("ask", 0, 0)
    assert lines == []


def test_its_thread_ends_with_it(clock, lines):
    with ProgressLines(lines.append, clock) as show:
        show("embed", 0, 3)
    assert not any(thread.name == "progress" and thread.is_alive() for thread in _threads())


def _threads():
    import threading

    return threading.enumerate()


@pytest.mark.parametrize(("terminal", "kind"), [(True, console.Bars), (False, ProgressLines)])
def test_bars_on_a_terminal_and_lines_elsewhere(monkeypatch, terminal, kind):
    shown = io.StringIO()
    monkeypatch.setattr(console, "messages", Console(file=shown, force_terminal=terminal))
    with console.progress() as show:
        assert type(show) is kind
        show("embed [0/1]", 0, 2)
        show("embed [0/1]", 2, 2)


def test_a_refresh_beside_the_asking_is_shown_while_it_runs(tmp_path):
    pytest.importorskip("fastapi")
    from live_world import opened, pool

    calls, shown = [], []

    @contextlib.contextmanager
    def display():
        shown.append("begins")
        try:
            yield lambda *call: calls.append(call)
        finally:
            shown.append("ends")

    with opened(tmp_path, pool(8, 4)) as made:
        made.refreshing.display = display
        made.refreshing.start()
        made.refreshing.wait()
    assert calls == [("refresh: train", 1, 2)]
    assert shown == ["begins", "ends"]

"""Settings of all tests here."""

import os

import pytest

# Gymnasium's checker opens a window for every render mode that has one; this one is not seen.
os.environ.setdefault("SDL_VIDEODRIVER", "dummy")


@pytest.fixture(autouse=True)
def _windows_do_not_wait(monkeypatch):
    """A window shows two frames a second; here no test waits for it."""
    monkeypatch.setattr("reid_al_env.render.rendering.RENDER_FPS", 10_000)

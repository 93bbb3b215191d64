"""Settings of all tests here."""

import pytest


@pytest.fixture(autouse=True)
def _windows_do_not_wait(monkeypatch):
    """A window shows two frames a second; here no test waits for it."""
    monkeypatch.setattr("reid_al_env.render.rendering.RENDER_FPS", 10_000)

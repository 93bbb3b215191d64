"""Settings of all tests here."""

import os

# Gymnasium's checker opens a window for every render mode that has one; this one is not seen.
os.environ.setdefault("SDL_VIDEODRIVER", "dummy")

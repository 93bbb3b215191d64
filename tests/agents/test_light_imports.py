"""Settings are read by the command line's help, so that importing them must not load heavy libraries."""

import json
import subprocess
import sys

MODULES = (
    "training.settings",
    "training.triplet.settings",
    "training.cluster.settings",
    "dqn.settings",
    "asking.settings",
    "clustering",
    "dqn",
    "evaluation",
    "evaluation.grouping",
    "selection",
    "training",
    "vision",
    "vision.catalogue",
    "vision.quality",
)
HEAVY = ("torch", "torchvision", "sklearn", "stable_baselines3", "matplotlib", "fastapi", "sqlalchemy")


def test_settings_and_packages_load_no_heavy_library():
    program = f"""
import importlib, json, sys
loaded = {{}}
for name in {MODULES!r}:
    importlib.import_module("reid_al_agents." + name)
    loaded[name] = [heavy for heavy in {HEAVY!r} if heavy in sys.modules]
print(json.dumps(loaded))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == {name: [] for name in MODULES}

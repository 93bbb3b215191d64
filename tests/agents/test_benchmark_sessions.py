"""The drawn animals of the sessions."""

import importlib.util
from pathlib import Path

import numpy as np
from PIL import Image

_FILE = Path(__file__).resolve().parents[2] / "benchmarks" / "drawn_animals.py"
_SPEC = importlib.util.spec_from_file_location("drawn_animals", _FILE)
animals = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(animals)


def test_the_same_seed_draws_the_same_pictures_of_all_animals_in_mixed_order(tmp_path):
    labels = [animals.draw_pool(tmp_path / name, 3, 9, seed) for name, seed in (("a", 1), ("b", 1), ("c", 2))]
    files = {name: sorted((tmp_path / name).iterdir()) for name in "abc"}
    content = {name: [path.read_bytes() for path in paths] for name, paths in files.items()}
    assert labels[0] == labels[1] != sorted(labels[0])
    assert content["a"] == content["b"]
    assert not set(content["a"]) & set(content["c"])
    assert len(set(content["a"])) == len(labels[0]) == 9
    assert {labels[0].count(animal) for animal in labels[0]} == {3}
    for path in files["a"]:
        with Image.open(path) as picture:
            assert picture.size == animals.SIZE
            assert np.asarray(picture).std() > 10

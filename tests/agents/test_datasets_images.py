"""Image sets: what they hold, how they read, what they refuse."""

import numpy as np
import pytest
from PIL import Image

from reid_al_agents.data import ImageSet
from reid_al_env.errors import InputError


def _pixels(count=10, size=(16, 8), seed=0):
    return np.random.default_rng(seed).integers(0, 256, size=(count, *size, 3), dtype=np.uint8)


def _files(folder, pixels):
    paths = []
    for row, image in enumerate(pixels):
        paths.append(str(folder / f"{row}.png"))
        Image.fromarray(image).save(paths[-1])
    return paths


def _names(count):
    return [f"{row}.png" for row in range(count)]


@pytest.fixture
def on_disk(tmp_path):
    pixels = _pixels()
    paths = _files(tmp_path, pixels)
    images = ImageSet(_names(10), np.arange(10) // 2, np.arange(10) % 2, source="test", paths=paths)
    return images, pixels


def test_files_read_in_the_order_asked_with_repeats(on_disk):
    images, pixels = on_disk
    wanted = [7, 0, 7, 3]
    assert np.array_equal(images.read(wanted, (16, 8)), pixels[wanted])


def test_threads_keep_the_order(on_disk):
    images, pixels = on_disk
    wanted = np.random.default_rng(1).integers(0, 10, size=200)
    assert np.array_equal(images.read(wanted, (16, 8)), pixels[wanted])


@pytest.mark.parametrize("size", [(32, 16), (7, 5), (16, 9)])
def test_resizing_is_pillows_bilinear_from_files_memory_and_cache(on_disk, size):
    images, pixels = on_disk
    height, width = size
    expected = [
        np.asarray(Image.fromarray(p).resize((width, height), Image.Resampling.BILINEAR)) for p in pixels
    ]
    in_memory = ImageSet(_names(10), np.arange(10), source="test", pixels=pixels)
    for variant in (images, images.cached((16, 8)), images.cached(size), in_memory):
        assert np.array_equal(variant.read(np.arange(10), size), expected)


def test_grey_palette_and_transparent_files_become_rgb(tmp_path):
    modes = ("L", "P", "RGBA", "LA", "1")
    for mode in modes:
        Image.fromarray(_pixels(1)[0]).convert(mode).save(tmp_path / f"{mode}.png")
    images = ImageSet(modes, range(5), source="test", paths=[str(tmp_path / f"{mode}.png") for mode in modes])
    assert images.read(np.arange(5), (16, 8)).shape == (5, 16, 8, 3)


def test_what_is_read_is_the_callers_own(on_disk):
    images, pixels = on_disk
    cached = images.cached((16, 8))
    cached.read([0], (16, 8))[:] = 0
    assert np.array_equal(cached.read([0], (16, 8))[0], pixels[0])


def test_cache_reports_progress_and_needs_the_files_no_more(tmp_path):
    pixels = _pixels(3)
    paths = _files(tmp_path, pixels)
    images = ImageSet(_names(3), range(3), source="test", paths=paths)
    calls = []
    cached = images.cached((16, 8), progress=lambda done, total: calls.append((done, total)))
    for path in paths:
        (tmp_path / path).unlink()
    assert calls == [(0, 3), (3, 3)]
    assert np.array_equal(cached.read([2, 1], (16, 8)), pixels[[2, 1]])
    assert list(cached.paths) == paths


@pytest.mark.parametrize("variant", ["files", "cached"])
def test_subsets_of_subsets_keep_names_people_cameras_and_pixels(on_disk, variant):
    images, pixels = on_disk
    images = images if variant == "files" else images.cached((16, 8))
    part = images.subset([9, 4, 2, 0]).subset([2, 0])
    assert len(part) == 2
    assert list(part.names) == ["2.png", "9.png"]
    assert part.identities.tolist() == [1, 4]
    assert part.cameras.tolist() == [0, 1]
    assert np.array_equal(part.read([0, 1], (16, 8)), pixels[[2, 9]])
    assert np.array_equal(part.cached((16, 8)).read([1], (16, 8)), pixels[[9]])


def test_arrays_cannot_be_written_and_do_not_follow_their_source():
    identities = np.arange(3)
    images = ImageSet(_names(3), identities, source="test", pixels=_pixels(3))
    identities[:] = 9
    assert images.identities.tolist() == [0, 1, 2]
    assert images.identities.dtype == np.int64
    with pytest.raises(ValueError, match="read-only"):
        images.identities[0] = 1


def test_repr_names_source_and_size():
    assert repr(ImageSet(["a"], [0], source="csv:x", pixels=_pixels(1))) == "ImageSet('csv:x', 1 images)"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"names": [], "identities": []}, "no images"),
        ({"names": ["a", "b"], "identities": [1]}, "1 identities for 2 images"),
        ({"names": ["a"], "identities": [1], "cameras": [1, 2]}, "2 cameras for 1 images"),
        ({"names": ["a", "b", "b"], "identities": [1, 2, 3]}, "image b is listed twice"),
        ({"names": ["a"], "identities": [1], "pixels": None}, "neither files nor pixels"),
        ({"names": ["a"], "identities": [1], "pixels": np.zeros((2, 4, 4, 3), np.uint8)}, "pixels of shape"),
    ],
)
def test_bad_arrays(arguments, message):
    given = {"pixels": _pixels(len(arguments["names"])), **arguments}
    with pytest.raises(InputError, match=message) as error:
        ImageSet(source="test", **given)
    assert "\n" not in str(error.value)


def test_an_image_that_does_not_decode_is_named(tmp_path):
    paths = _files(tmp_path, _pixels(12))
    (tmp_path / "5.png").write_bytes(b"not an image")
    images = ImageSet(_names(12), range(12), source="test", paths=paths)
    for wanted in ([5], range(12)):  # alone, and among others in the thread pool
        with pytest.raises(InputError, match=r"5\.png: not an image that decodes") as error:
            images.read(wanted, (16, 8))
        assert "\n" not in str(error.value)
    with pytest.raises(InputError, match=r"5\.png"):
        images.cached((16, 8))


@pytest.mark.parametrize("suffix", ["png", "jpg"])
def test_a_truncated_image_is_named(tmp_path, suffix):
    path = tmp_path / f"cut.{suffix}"
    Image.fromarray(_pixels(1, (64, 64))[0]).save(path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(InputError, match="cut"):
        ImageSet(["cut"], [1], source="test", paths=[str(path)]).read([0], (64, 64))


def test_a_file_that_vanished_is_named(tmp_path):
    images = ImageSet(["gone.jpg"], [1], source="test", paths=[str(tmp_path / "gone.jpg")])
    with pytest.raises(InputError, match=r"gone\.jpg: no such image"):
        images.read([0], (16, 8))

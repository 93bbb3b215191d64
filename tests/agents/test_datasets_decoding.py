"""Decoding: the model sees what a person sees, whatever wrote the file."""

import base64
import io
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from pictures import browser_files, clear_scene, file_of, orientation, scene
from PIL import Image

from reid_al_agents.data import ImageSet
from reid_al_agents.data.colour import BACKGROUND, scale_greys
from reid_al_agents.data.decoding import (
    Box,
    browser_type,
    find_damage,
    image_size,
    open_image,
    suffixes,
)
from reid_al_env.errors import InputError
from reid_al_env.image_formats import NOT_READ, formats

FILES = browser_files()
CHROMIUM = Path("/usr/bin/chromium")
DRAW = """async ({ bytes, colour }) => {
  const image = new Image();
  image.src = bytes;
  await image.decode();
  const canvas = new OffscreenCanvas(image.naturalWidth, image.naturalHeight);
  const context = canvas.getContext("2d");
  context.fillStyle = colour;
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.drawImage(image, 0, 0);
  const pixels = context.getImageData(0, 0, canvas.width, canvas.height).data;
  return { width: canvas.width, height: canvas.height, pixels: Array.from(pixels) };
}"""


def _decode(content):
    return np.asarray(open_image(io.BytesIO(content))).astype(int)


def _apart(content, expected):
    return np.abs(_decode(content) - np.asarray(expected).astype(int)).max()


@pytest.fixture(scope="module")
def browser():
    """A page of a headless Chromium."""
    playwright = pytest.importorskip("playwright.sync_api")
    if not CHROMIUM.exists():
        pytest.skip("needs /usr/bin/chromium")
    with playwright.sync_playwright() as started:
        chromium = started.chromium.launch(
            executable_path=str(CHROMIUM), args=["--no-sandbox", "--force-color-profile=srgb"]
        )
        yield chromium.new_page()
        chromium.close()


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(FILES))
def test_a_browser_shows_what_the_model_sees(browser, name):
    kind = {"jpg": "jpeg"}.get(name.rpartition(".")[2], name.rpartition(".")[2])
    encoded = f"data:image/{kind};base64,{base64.b64encode(FILES[name]).decode()}"
    colour = "rgb({},{},{})".format(*BACKGROUND)
    shown = browser.evaluate(DRAW, {"bytes": encoded, "colour": colour})
    pixels = np.array(shown["pixels"], dtype=int).reshape(shown["height"], shown["width"], 4)[..., :3]
    ours = _decode(FILES[name])
    assert ours.shape == pixels.shape
    apart = np.abs(ours - pixels)
    assert apart.mean() < 1.0
    assert apart.max() <= 6
    assert image_size(io.BytesIO(FILES[name])) == pixels.shape[:2]


@pytest.mark.parametrize("value", range(1, 9))
def test_every_orientation_is_upright(value):
    turns = {
        1: [],
        2: [Image.Transpose.FLIP_LEFT_RIGHT],
        3: [Image.Transpose.ROTATE_180],
        4: [Image.Transpose.FLIP_TOP_BOTTOM],
        5: [Image.Transpose.TRANSPOSE],
        6: [Image.Transpose.ROTATE_90],
        7: [Image.Transpose.TRANSVERSE],
        8: [Image.Transpose.ROTATE_270],
    }
    stored = scene()
    for turn in turns[value]:  # as the sensor saw it
        stored = stored.transpose(turn)
    for kind in ("PNG", "WEBP"):  # Chromium leaves WebP as it is stored: the page re-encodes it
        content = file_of(stored, kind, exif=orientation(value), lossless=True)
        assert np.array_equal(_decode(content), np.asarray(scene()))
        assert image_size(io.BytesIO(content)) == (64, 48)


def test_a_turned_image_is_read_measured_and_opened_alike(tmp_path):
    paths = [str(tmp_path / "upright.png"), str(tmp_path / "phone.png")]
    scene().save(paths[0])
    scene().rotate(90, expand=True).save(paths[1], exif=orientation(6))
    images = ImageSet(["a", "b"], [0, 0], source="test", paths=paths)
    upright, phone = images.read([0, 1], (32, 24))
    assert np.array_equal(upright, phone)
    assert images.size(0) == images.size(1) == (64, 48)
    assert images.open(0).tobytes() == images.open(1).tobytes()


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "TIFF"])
def test_transparency_lies_on_the_documented_colour(kind):
    clear = clear_scene()
    expected = Image.new("RGBA", clear.size, (*BACKGROUND, 255))
    expected.alpha_composite(clear)
    options = {"lossless": True, "exact": True} if kind == "WEBP" else {}
    assert _apart(file_of(clear, kind, **options), expected.convert("RGB")) <= 1


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "PPM"])
def test_16_bit_greys_are_the_8_bit_ones(kind):
    grey = np.asarray(scene().convert("L"))
    content = file_of(Image.fromarray(grey.astype(np.uint16) * 257), kind)
    assert _apart(content, np.stack([grey] * 3, axis=-1)) == 0


def test_fractional_greys_are_scaled_by_their_range():
    grey = np.asarray(scene().convert("L"))
    shares = file_of(Image.fromarray((grey / 255).astype(np.float32)), "TIFF")
    assert _apart(shares, np.stack([grey] * 3, axis=-1)) == 0
    degrees = file_of(Image.fromarray((20 + grey / 10).astype(np.float32)), "TIFF")
    low, high = grey.min(), grey.max()
    spread = np.rint((grey - low) / (high - low) * 255)
    assert _apart(degrees, np.stack([spread] * 3, axis=-1)) <= 1


@given(arrays.arrays(np.float32, (3, 4), elements=st.floats(width=32, allow_nan=True, allow_infinity=True)))
def test_any_fractions_keep_their_order(values):
    scaled = scale_greys(values)
    finite = np.isfinite(values)
    assert (scaled[~finite] == 0).all()
    order = np.argsort(values[finite], kind="stable")
    assert np.all(np.diff(scaled[finite][order].astype(int)) >= 0)


@given(arrays.arrays(np.uint16, (3, 4)))
def test_16_bits_are_divided_by_257(values):
    assert np.array_equal(scale_greys(values), np.rint(values / 257).astype(np.uint8))


def test_an_animation_is_its_first_frame():
    for name in ("moving.gif", "moving.webp", "moving.png", "moving_with_poster.png"):
        assert np.abs(_decode(FILES[name]) - np.asarray(scene()).astype(int)).mean() < 12, name


def test_palettes_cmyk_and_bits():
    rgb = scene()
    assert _apart(FILES["palette.png"], rgb.quantize(64).convert("RGB")) == 0
    assert _apart(FILES["bits.png"], rgb.convert("1").convert("RGB")) == 0
    assert np.abs(_decode(FILES["cmyk.jpg"]) - np.asarray(rgb).astype(int)).mean() < 3


def test_a_colour_profile_is_converted_to_srgb_and_a_damaged_one_passed_over():
    red, green, blue = np.moveaxis(np.asarray(scene()), -1, 0)
    swapped = np.stack([blue, green, red], axis=-1)
    assert _apart(FILES["profile.png"], swapped) <= 2
    damaged = file_of(scene(), "PNG", icc_profile=b"no profile")
    assert _apart(damaged, scene()) == 0


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_a_reduced_image_is_upright_and_looks_the_same(tmp_path, kind):
    large = scene().resize((480, 640), Image.Resampling.BICUBIC)
    content = file_of(large.rotate(90, expand=True), kind, exif=orientation(6))
    small = open_image(io.BytesIO(content), longest=64)
    assert small.size == (48, 64)
    assert np.abs(np.asarray(small).astype(int) - np.asarray(scene()).astype(int)).mean() < 3
    assert open_image(io.BytesIO(content), longest=1000).size == (480, 640)
    box = open_image(io.BytesIO(content), Box(0, 0, 240, 320), longest=64)
    assert box.size == (48, 64)
    images = ImageSet(["a"], [0], source="test", pixels=np.asarray(large)[None])
    assert images.open(0, longest=64).size == (48, 64)
    assert images.open(0).size == (480, 640)


def test_files_that_browsers_show_otherwise_are_to_be_encoded_anew():
    as_they_are = {name for name, content in FILES.items() if browser_type(io.BytesIO(content))}
    others = {name for name in FILES if "clear" in name or "moving" in name or "alpha" in name}
    assert set(FILES) - as_they_are == others | {"plain.bmp", "rgba.png", "rgba.webp"}
    assert browser_type(io.BytesIO(file_of(scene(), "WEBP"))) == "image/webp"
    assert browser_type(io.BytesIO(file_of(scene(), "WEBP", exif=orientation(6)))) is None
    assert browser_type(io.BytesIO(FILES["exif_6.jpg"])) == "image/jpeg"
    with pytest.raises(InputError, match="not an image"):
        browser_type(io.BytesIO(b"no image"))


# Boxes


def test_a_box_is_cut_out_of_the_upright_photograph(tmp_path):
    path = str(tmp_path / "phone.png")
    scene().rotate(90, expand=True).save(path, exif=orientation(6))
    boxes = [Box(10, 20, 15, 30), Box(10 / 48, 20 / 64, 15 / 48, 30 / 64, relative=True)]
    images = ImageSet(["a", "b"], [-1, -1], source="test", paths=[path, path], boxes=boxes)
    expected = scene().crop((10, 20, 25, 50))
    assert images.open(0).tobytes() == images.open(1).tobytes() == expected.tobytes()
    assert images.size(0) == images.size(1) == (30, 15)
    assert images.paths is None  # the files are not the images
    assert images.files.tolist() == [path, path]


def test_a_box_over_the_edge_is_cut_and_one_outside_refused(tmp_path):
    path = str(tmp_path / "a.png")
    scene().save(path)
    assert open_image(path, Box(40, 60, 100, 100)).size == (8, 4)
    assert open_image(path, Box(-5, -5, 10, 10)).size == (5, 5)
    assert open_image(path, Box(3.2, 3.2, 0.1, 0.1)).size == (1, 1)
    with pytest.raises(InputError, match=r"a\.png: box 50, 0, 5, 5 lies outside the photograph of 48 x 64"):
        open_image(path, Box(50, 0, 5, 5))


@given(st.tuples(*[st.floats(-2, 2, width=32)] * 2), st.tuples(*[st.floats(0.125, 2, width=32)] * 2))
def test_corners_lie_within_and_hold_a_pixel(corner, sides):
    try:
        left, top, right, bottom = Box(*corner, *sides, relative=True).corners((40, 30))
    except InputError:
        assert corner[0] + sides[0] <= 0.05 or corner[1] + sides[1] <= 0.05 or max(corner) >= 0.95
        return
    assert 0 <= left < right <= 30
    assert 0 <= top < bottom <= 40


# Formats and damage


def test_all_formats_of_pillow_but_those_documented_are_read():
    Image.init()
    assert set(formats()) == set(Image.OPEN) - NOT_READ
    assert {".tif", ".jfif", ".gif", ".webp", ".bmp", ".jp2"} <= suffixes()
    assert not {".eps", ".pdf", ".wmf", ".mpg", ".h5"} & suffixes()


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "TIFF", "BMP", "WEBP"])
def test_a_file_cut_short_is_found_without_decoding_it_whole(tmp_path, kind):
    path = tmp_path / f"a.{kind.lower()}"
    path.write_bytes(file_of(scene(), kind))
    assert find_damage(path) is None
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])
    assert find_damage(path)
    assert "\n" not in find_damage(path)
    with pytest.raises(InputError):
        open_image(path)


def test_what_is_wrong_is_said_in_words(tmp_path):
    (tmp_path / "a.png").write_text("no picture")
    assert find_damage(tmp_path / "a.png") == "its content is of no image format that is read"
    assert find_damage(tmp_path / "none.png") == "missing"
    (tmp_path / "eps.png").write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n")
    assert find_damage(tmp_path / "eps.png") == "its content is of no image format that is read"

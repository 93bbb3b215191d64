"""Synthetic pedestrians: their geometry, their cameras, and how hard they are."""

from dataclasses import replace
from math import cos, dist, hypot, pi, sin

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageDraw

from reid_al_agents.data import load_data, make_split
from reid_al_agents.data.synthetic import DOMAINS, DomainSettings, render_pedestrians
from reid_al_agents.data.synthetic.camera import expose, sample_camera
from reid_al_agents.data.synthetic.figure import draw_person
from reid_al_agents.data.synthetic.person import sample_appearance
from reid_al_agents.data.synthetic.pose import Gait, arm_joints, leg_joints
from reid_al_agents.data.synthetic.trunk import half_width
from reid_al_agents.data.synthetic.view import View
from reid_al_env.errors import InputError

STANDING = Gait(phase=0.0, stride=0.0)
BAG = (250, 0, 250)
PRINT = (0, 250, 250)


def _view(yaw=0.0, **changes):
    level = View(
        cosine=cos(yaw),
        sine=sin(yaw),
        scale=100.0,
        x=50.0,
        y=110.0,
        tilt=0.0,
        perspective=0.0,
        shear=0.0,
        stretch=1.0,
    )
    return replace(level, **changes)


def _person(**changes):
    plain = {
        "pattern": "plain",
        "jacket": False,
        "carried": "nothing",
        "top": (20, 20, 20),
        "bag": BAG,
        "accent": PRINT,
        "girth": 1.0,
    }
    return replace(sample_appearance(np.random.default_rng(0)), **{**plain, **changes})


def _seen(person, yaw, colour):
    """Number of the canvas's pixels in a colour when the person is seen at a yaw."""
    image = Image.new("RGB", (100, 120), (200, 200, 200))
    draw_person(ImageDraw.Draw(image), _view(yaw), person, STANDING)
    return int(np.all(np.asarray(image) == colour, axis=-1).sum())


def _all_pixels(images):
    return images.read(np.arange(len(images)), (64, 32))


# Geometry


def test_a_view_by_hand():
    assert _view().point(0.1, 0.0, 0.5) == pytest.approx((60.0, 60.0))  # facing: their left is on our right
    assert _view(pi).point(0.1, 0.0, 0.5) == pytest.approx((40.0, 60.0))
    assert _view(pi / 2).point(0.0, 0.1, 0.0) == pytest.approx((60.0, 110.0))  # walks to our right
    assert _view().towards(0.0, 0.1) == pytest.approx(0.1)
    assert _view(tilt=0.5).point(0.0, 0.1, 0.0) == pytest.approx(
        (50.0, 115.0)
    )  # nearer is lower, seen from above
    assert _view(shear=0.1).point(0.0, 0.0, 1.0) == pytest.approx((60.0, 10.0))
    assert _view(perspective=0.4, stretch=2.0).point(0.1, 0.0, 1.0) == pytest.approx((50 + 24.0, 10.0))


@given(st.floats(0, 2 * pi), st.floats(0, 0.6), st.sampled_from([-1, 1]), st.floats(0.8, 1.3))
def test_bones_keep_their_length_and_feet_stay_above_the_ground(phase, stride, side, girth):
    hip, knee, ankle = leg_joints(Gait(phase, stride), side, girth)
    assert dist(hip, knee) == pytest.approx(0.245)
    assert dist(knee, ankle) == pytest.approx(0.225)
    assert ankle[2] > 0.02
    shoulder, elbow, hand = arm_joints(Gait(phase, stride), side, girth)
    assert dist(shoulder[1:], elbow[1:]) == pytest.approx(0.165)
    assert dist(elbow[1:], hand[1:]) == pytest.approx(0.150)


@given(st.floats(0.01, 2 * pi), st.floats(0.1, 0.6))
def test_half_a_cycle_later_the_legs_have_changed_places(phase, stride):
    left, right = leg_joints(Gait(phase, stride), 1, 1.0), leg_joints(Gait(phase + pi, stride), -1, 1.0)
    for a, b in zip(left, right, strict=True):
        assert a[0] == -b[0]
        assert a[1:] == pytest.approx(b[1:], abs=1e-9)


@given(st.floats(0, 2 * pi), st.floats(0.5, 0.8))
def test_the_trunk_is_broadest_from_the_front(yaw, z):
    front, side = half_width(_view(0.0), 1.0, z), half_width(_view(pi / 2), 1.0, z)
    assert side - 1e-12 <= half_width(_view(yaw), 1.0, z) <= front + 1e-12
    # The silhouette of an ellipse, re-derived: the largest projection of its points.
    turns = np.linspace(0, 2 * pi, 2001)
    points = front * np.sin(turns) * cos(yaw) + side * np.cos(turns) * sin(yaw)
    assert half_width(_view(yaw), 1.0, z) == pytest.approx(points.max(), abs=1e-5)


# What is seen from where


def test_a_backpack_is_seen_from_behind_and_its_straps_from_the_front():
    person = _person(carried="backpack")
    front, side, back = (_seen(person, yaw, BAG) for yaw in (0.0, pi / 2, pi))
    assert back > side > front > 0
    assert _seen(_person(), pi, BAG) == 0


@pytest.mark.parametrize("what", [{"pattern": "logo"}, {"jacket": True}])
def test_a_logo_and_an_open_jacket_are_seen_from_the_front_only(what):
    assert _seen(_person(**what), 0.0, PRINT) > 30
    assert _seen(_person(**what), pi, PRINT) == 0


@pytest.mark.parametrize("pattern", ["bands", "stripes", "checks", "block"])
def test_other_patterns_go_all_around(pattern):
    for yaw in (0.0, pi / 2, pi):
        assert _seen(_person(pattern=pattern), yaw, PRINT) > 30
    assert _seen(_person(), 0.0, PRINT) == 0


@pytest.mark.parametrize("carried", ["handbag", "sling"])
def test_side_bags_are_seen_more_from_their_side(carried):
    person = _person(carried=carried, left_handed=True)
    near, far = _seen(person, -pi / 2, BAG), _seen(person, pi / 2, BAG)
    assert near > far


def test_a_suitcase_trails_behind_and_hides_no_body():
    person = _person(carried="suitcase", left_handed=True)
    assert all(_seen(person, yaw, BAG) > 100 for yaw in (0.0, pi / 2, pi, -pi / 2))


@pytest.mark.parametrize("legwear", ["trousers", "shorts", "skirt"])
def test_longer_legwear_hides_more_skin(legwear):
    skin = (250, 120, 0)
    seen = _seen(_person(legwear=legwear, skin=skin, bottom=(1, 1, 1)), 0.0, skin)
    longest = _seen(_person(legwear="trousers", skin=skin, bottom=(1, 1, 1)), 0.0, skin)
    assert (seen > longest) == (legwear != "trousers")


# Cameras


def _camera(**changes):
    neutral = {
        "gains": np.ones(3, np.float32),
        "saturation": 1.0,
        "gamma": 1.0,
        "contrast": 1.0,
        "brightness": 0.0,
        "blur": 1e-3,
        "noise": 0.0,
        "light": 0.0,
    }
    base = sample_camera(DOMAINS["tiny"].look, (64, 32), np.random.default_rng(0))
    return replace(base, **{**neutral, **changes})


class _SteadyLight:
    """Stands in for the generator: exposure 1, noise 0."""

    def normal(self, mean, deviation, size):
        return np.zeros(size)

    def standard_normal(self, shape, dtype):
        return np.zeros(shape, dtype)


def _exposed(drawn, **changes):
    return expose(_camera(**changes), drawn, _SteadyLight())


def test_a_neutral_camera_records_what_is_there():
    drawn = np.random.default_rng(0).integers(0, 256, (3, 64, 32, 3), dtype=np.uint8)
    assert np.array_equal(_exposed(drawn), drawn)


def test_colour_and_tone_by_hand():
    drawn = np.full((1, 8, 8, 3), (100, 50, 200), np.uint8)
    assert _exposed(drawn, gains=np.array([1.2, 1.0, 0.5], np.float32))[0, 4, 4].tolist() == [120, 50, 100]
    grey = round(0.299 * 100 + 0.587 * 50 + 0.114 * 200)
    assert _exposed(drawn, saturation=0.0)[0, 4, 4].tolist() == [grey] * 3
    assert _exposed(drawn, gamma=2.0)[0, 4, 4].tolist() == [round(v * v / 255) for v in (100, 50, 200)]
    assert _exposed(drawn, contrast=0.5, brightness=0.1)[0, 4, 4].tolist() == [
        round(0.5 * v + 0.25 * 255 + 25.5) for v in (100, 50, 200)
    ]


def test_light_from_the_right_brightens_the_right():
    row = _exposed(np.full((1, 8, 33, 3), 100, np.uint8), light=0.4)[0, 0, :, 0]
    assert (row[0], row[16], row[32]) == (80, 100, 120)
    assert np.all(np.diff(row.astype(int)) >= 0)


def test_blur_is_a_gaussian_that_keeps_flat_areas_and_total_light():
    drawn = np.zeros((1, 64, 65, 3), np.uint8)
    drawn[0, :, 32] = 255
    row = _exposed(drawn, blur=1.5)[0, 30, :, 1] / 255
    offsets = np.arange(-32, 33)
    expected = np.exp(-0.5 * (offsets / 1.5) ** 2)
    assert np.abs(row - expected / expected.sum()).max() < 0.01
    flat = np.full((1, 64, 32, 3), 77, np.uint8)
    assert np.array_equal(_exposed(flat, blur=1.5), flat)


def test_noise_has_the_deviation_it_should():
    drawn = np.full((4, 64, 32, 3), 128, np.uint8)
    recorded = expose(_camera(noise=0.05), drawn, np.random.default_rng(0)) / 255
    assert np.std(recorded - recorded.mean((1, 2), keepdims=True)) == pytest.approx(0.05, rel=0.05)


# Whole data sets


def test_same_seed_same_bytes_and_other_seed_other_people():
    first, again, other = (load_data(f"synthetic:tiny?seed={seed}") for seed in (3, 3, 4))
    assert np.array_equal(_all_pixels(first), _all_pixels(again))
    assert first.names.tolist() == again.names.tolist()
    assert not np.array_equal(_all_pixels(first)[0], _all_pixels(other)[0])


def test_domains_with_equal_settings_but_streams_differ():
    one = render_pedestrians(DOMAINS["tiny"], 0)
    two = render_pedestrians(replace(DOMAINS["tiny"], stream=99), 0)
    assert not np.array_equal(_all_pixels(one), _all_pixels(two))


def test_names_people_and_cameras_agree():
    images = load_data("synthetic:tiny")
    assert len(images) == 8 * 2 * 2
    assert images.names[0] == "0001_c1_0000.png"
    assert images.names.tolist() == sorted(images.names)
    for name, identity, camera in zip(images.names, images.identities, images.cameras, strict=True):
        assert name.startswith(f"{identity:04d}_c{camera}_")
    assert images.paths is None
    assert images.source == "synthetic:tiny?seed=0"


@pytest.mark.parametrize("name", ["pedestrians-source", "pedestrians-target"])
def test_everybody_is_seen_by_enough_cameras(name):
    domain = DOMAINS[name]
    images = load_data(f"synthetic:{name}?identities=12&seed=5")
    assert len(np.unique(images.identities)) == 12
    for identity in range(1, 13):
        cameras, counts = np.unique(images.cameras[images.identities == identity], return_counts=True)
        assert len(cameras) >= domain.cameras_per_identity
        assert set(counts) == {domain.images_per_camera}


@pytest.mark.parametrize("size", [(128, 64), (48, 48), (8, 8)])
def test_any_size_is_rendered(size):
    images = render_pedestrians(replace(DOMAINS["tiny"], size=size), 0)
    pixels = images.read([0, 1], size)
    assert pixels.shape == (2, *size, 3)
    assert pixels.std() > 5


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("pedestrian", "known are pedestrians-source, pedestrians-target, tiny"),
        ("tiny?people=3", "option 'people=3'; expected seed=, identities=, cameras="),
        ("tiny?seed=x", "option 'seed=x'"),
        ("tiny?seed=-1", "option 'seed=-1'"),
        ("tiny?identities=0", "identities=0; expected at least 1"),
        ("tiny?cameras=0", "cameras=0"),
    ],
)
def test_unknown_names_and_options(name, part):
    with pytest.raises(InputError) as error:
        load_data(f"synthetic:{name}")
    assert part in str(error.value)
    assert "\n" not in str(error.value)


def test_images_too_small_to_draw():
    with pytest.raises(InputError, match="8 rows"):
        replace(DOMAINS["tiny"], size=(64, 4))


# How hard it is


def _rank1(features, images, query, gallery):
    """Rank-1 by plain loops, in percent; the same identity in the same camera does not count."""
    hits = []
    for q in query:
        distances = [
            np.inf
            if images.identities[g] == images.identities[q] and images.cameras[g] == images.cameras[q]
            else hypot(*(features[q] - features[g]))
            for g in gallery
        ]
        hits.append(images.identities[gallery[int(np.argmin(distances))]] == images.identities[q])
    return 100.0 * np.mean(hits)


@pytest.mark.parametrize("name", ["pedestrians-source", "pedestrians-target"])
@pytest.mark.parametrize("seed", [0, 1])
def test_raw_pixels_do_badly(name, seed):
    images = load_data(f"synthetic:{name}?identities=60&seed={seed}")
    test = make_split(images, 0).test(images)
    pixels = images.read(np.arange(len(images)), (16, 8)).reshape(len(images), -1).astype(float)
    normalised = (pixels - pixels.mean(1, keepdims=True)) / pixels.std(1, keepdims=True)
    for features in (pixels, normalised):
        assert _rank1(features, images, test.query, test.gallery) < 40


def test_within_a_walk_images_resemble_each_other_more_than_across_cameras():
    images = load_data("synthetic:pedestrians-target?identities=15")
    pixels = images.read(np.arange(len(images)), (16, 8)).reshape(len(images), -1).astype(float)
    distances = np.linalg.norm(pixels[:, None] - pixels[None], axis=-1)
    same_person = images.identities[:, None] == images.identities[None]
    same_camera = images.cameras[:, None] == images.cameras[None]
    apart = ~np.eye(len(images), dtype=bool)
    assert (
        distances[same_person & same_camera & apart].mean()
        < 0.8 * distances[same_person & ~same_camera].mean()
    )


def test_domains_are_settings_one_can_make():
    assert isinstance(DOMAINS["tiny"], DomainSettings)
    assert len({domain.stream for domain in DOMAINS.values()}) == len(DOMAINS)
    assert all(domain.name == name for name, domain in DOMAINS.items())

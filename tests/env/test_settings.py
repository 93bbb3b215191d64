"""Settings say what they are beside each field, and one check holds for all of them."""

from dataclasses import MISSING, dataclass
from typing import Literal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reid_al_env import EpisodeSettings, InputError
from reid_al_env.settings import check, field_of, fields_of, from_mapping, same_as, setting


@dataclass(frozen=True)
class Oven:
    """Every kind of field."""

    name: str
    degrees: float = setting(180.0, help="Heat", unit="°C", at_least=0, less_than=300)
    minutes: int = setting(20, unit="minutes", at_least=1, at_most=600)
    share: float | None = setting(None, more_than=0, at_most=1)
    fan: bool = setting(False)
    mode: str = setting("top", choices=("top", "bottom"))
    kind: Literal["gas", "electric"] = setting("gas")
    tray: tuple[int, int] = setting((40, 30), unit="cm", at_least=1)
    steps: tuple[float, ...] = setting((), at_least=0)
    maker: object = setting(None)

    def __post_init__(self) -> None:
        check(self)


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("name", 3, "name: 3 is not text"),
        ("degrees", 300, "degrees: 300 is out of range; expected at least 0, less than 300, in °C"),
        ("degrees", float("nan"), "degrees: nan is out of range; expected at least 0, less than 300, in °C"),
        ("degrees", float("inf"), "degrees: inf is out of range; expected at least 0, less than 300, in °C"),
        ("degrees", "hot", "degrees: 'hot' is not a number"),
        ("degrees", True, "degrees: True is not a number"),
        ("minutes", 0, "minutes: 0 is out of range; expected 1 to 600, in minutes"),
        ("minutes", 2.0, "minutes: 2.0 is not a whole number"),
        ("minutes", True, "minutes: True is not a whole number"),
        ("minutes", None, "minutes: None is not a whole number"),
        ("share", 0.0, "share: 0 is out of range; expected more than 0, at most 1"),
        ("share", 1.5, "share: 1.5 is out of range; expected more than 0, at most 1"),
        ("fan", 1, "fan: 1 is not true or false"),
        ("mode", "side", "mode: 'side' is unknown; choose one of top, bottom"),
        ("kind", "wood", "kind: 'wood' is unknown; choose one of gas, electric"),
        ("tray", (40, 0), "tray: (40, 0) is out of range; expected at least 1, in cm"),
        ("tray", (40,), "tray: (40,) is not 2 whole numbers"),
        ("tray", 40, "tray: 40 is not 2 whole numbers"),
        ("steps", ("a",), "steps: ('a',) is not a list of numbers"),
    ],
    ids=str,
)
def test_what_cannot_be_used_is_named_with_what_is_allowed(field, value, words):
    with pytest.raises(InputError) as refused:
        Oven(**{"name": "aga", field: value})
    assert str(refused.value) == words


def test_what_can_be_used_passes_numbers_of_numpy_too():
    usual = {"name": "aga", "degrees": np.float32(20), "minutes": np.int64(3), "share": 0.5}
    made = Oven(**usual, steps=(1, 2.5), kind="electric", maker=object())
    assert (made.degrees, made.minutes) == (20, 3)


@given(st.floats(), st.none() | st.integers(-5, 5), st.none() | st.integers(-5, 5), st.booleans())
def test_bounds_are_those_of_comparison(value, low, high, strict):
    bounds = {"more_than": low, "less_than": high} if strict else {"at_least": low, "at_most": high}

    @dataclass(frozen=True)
    class Bounded:
        x: float = setting(0.0, **bounds)

    described = field_of(Bounded, "x").setting
    above = low is None or (value > low if strict else value >= low)
    below = high is None or (value < high if strict else value <= high)
    assert described.holds(value) == (np.isfinite(value) and above and below)


def test_fields_are_described_once_and_inherited():
    @dataclass(frozen=True)
    class Small(Oven):
        degrees: float = same_as(Oven, "degrees", default=100.0, help="Low heat")

    field = field_of(Small, "degrees")
    assert (field.default, field.setting.help, field.setting.unit) == (100.0, "Low heat", "°C")
    assert field_of(Oven, "degrees").setting.help == "Heat"
    assert [field.name for field in fields_of(Small)] == [field.name for field in fields_of(Oven)]
    assert field_of(Small, "name").default is MISSING
    assert (field_of(Oven, "share").type, field_of(Oven, "share").optional) == (float, True)
    with pytest.raises(InputError, match="degrees: 400 is out of range"):
        Small("aga", degrees=400)


def test_plain_values_become_settings_again():
    kept = {"name": "aga", "tray": [20, 10], "minutes": 5, "written_by": "someone"}
    assert from_mapping(Oven, kept) == Oven("aga", tray=(20, 10), minutes=5)
    with pytest.raises(InputError, match="name: is not there"):
        from_mapping(Oven, {})


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"pool_size": 0}, "pool_size: 0 is out of range"),
        ({"budget": 1.5}, "budget: 1.5 is not a whole number"),
        ({"k": -1}, "k: -1 is out of range"),
        ({"margin": float("nan")}, "margin: nan is out of range"),
        ({"metric": "l3"}, "metric: 'l3' is unknown; choose one of euclidean, cosine"),
        ({"shrinkage": 0.0}, "shrinkage: 0 is out of range; expected more than 0, at most 1"),
        ({"empty_negatives": "mean"}, "empty_negatives: 'mean' is unknown"),
        ({"reward": "cubic"}, "reward: 'cubic' is unknown"),
        ({"cross_camera": "yes"}, "cross_camera: 'yes' is not true or false"),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, dict) else "",
)
def test_episode_settings_out_of_range_are_named(change, words):
    with pytest.raises(InputError, match=words):
        EpisodeSettings(**change)

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from transferkit import _keras
from transferkit.backbones.info import MODES, Preprocessing, preprocessing
from transferkit.errors import SpecError

PIXEL = np.array([[10.0, 20.0, 30.0]])  # red, green, blue


def values(rule: Preprocessing, pixel: Any = PIXEL) -> list[float]:
    return [float(value) for value in rule(np.asarray(pixel))[0]]


def test_a_pixel_is_scaled_and_then_shifted() -> None:
    assert values(Preprocessing((2.0,), (-1.0,))) == [19.0, 39.0, 59.0]
    assert values(Preprocessing((2.0, 3.0, 4.0), (1.0, 0.0, -1.0))) == [21.0, 60.0, 119.0]


def test_bgr_turns_the_channels_round_before_they_are_scaled() -> None:
    rule = Preprocessing((1.0, 10.0, 100.0), (1.0, 2.0, 3.0), "bgr")
    assert values(rule) == [30 + 1, 200 + 2, 1000 + 3]


@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        ("none", [10.0, 20.0, 30.0]),
        ("unit", [10 / 255, 20 / 255, 30 / 255]),
        ("tf", [10 / 127.5 - 1, 20 / 127.5 - 1, 30 / 127.5 - 1]),
        ("caffe", [30 - 103.939, 20 - 116.779, 10 - 123.68]),
        (
            "torch",
            [
                (10 / 255 - 0.485) / 0.229,
                (20 / 255 - 0.456) / 0.224,
                (30 / 255 - 0.406) / 0.225,
            ],
        ),
    ],
)
def test_a_mode_does_what_it_says_to_a_pixel(mode: str, expected: list[float]) -> None:
    np.testing.assert_allclose(values(MODES[mode]), expected, rtol=1e-6)


def test_every_mode_has_a_case_above() -> None:
    assert set(MODES) == {"none", "unit", "tf", "caffe", "torch"}


@pytest.mark.parametrize("mode", ["tf", "caffe", "torch"])
def test_the_modes_of_keras_are_those_of_keras(mode: str) -> None:
    pixels = np.random.default_rng(0).uniform(0, 255, (2, 5, 4, 3)).astype(np.float32)
    utils = _keras.keras().applications.imagenet_utils
    expected = utils.preprocess_input(pixels.copy(), mode=mode)
    np.testing.assert_allclose(MODES[mode](pixels), expected, rtol=1e-5, atol=1e-5)


def test_whole_pixels_come_out_as_float32_and_stay_as_they_were() -> None:
    pixels = np.full((1, 2, 2, 3), 255, np.uint8)
    given = MODES["tf"](pixels)
    assert given.dtype == np.float32
    assert given.shape == (1, 2, 2, 3)
    assert np.array_equal(given, np.ones((1, 2, 2, 3)))
    assert pixels.dtype == np.uint8
    assert pixels.min() == 255


def test_only_doing_nothing_is_the_identity() -> None:
    assert Preprocessing().is_identity
    assert MODES["none"].is_identity
    assert not Preprocessing((2.0,)).is_identity
    assert not Preprocessing((1.0,), (1.0,)).is_identity
    assert not Preprocessing((1.0,), (0.0,), "bgr").is_identity


def test_a_rule_is_uniform_if_it_treats_every_channel_alike() -> None:
    assert Preprocessing((2.0, 2.0, 2.0), (1.0, 1.0, 1.0)).is_uniform
    assert Preprocessing((2.0,), (1.0, 1.0, 1.0)).is_uniform
    assert not Preprocessing((2.0, 2.0, 3.0), (1.0,)).is_uniform
    assert not Preprocessing((2.0,), (1.0, 1.0, 0.0)).is_uniform
    assert not Preprocessing((2.0,), (1.0,), "bgr").is_uniform


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_a_uniform_rule_is_the_same_for_any_number_of_channels(channels: int) -> None:
    rule = Preprocessing((2.0, 2.0, 2.0), (1.0, 1.0, 1.0)).for_channels(channels)
    assert rule == Preprocessing((2.0,), (1.0,))
    assert values(rule, np.full((1, channels), 7.0)) == [15.0] * channels


@pytest.mark.parametrize(
    ("channels", "scale", "offset"),
    [
        (1, (2.0,), (10.0,)),
        (2, (2.0, 3.0), (10.0, 20.0)),
        (3, (2.0, 3.0, 4.0), (10.0, 20.0, 30.0)),
        (4, (2.0, 3.0, 4.0, 2.0), (10.0, 20.0, 30.0, 10.0)),
        (7, (2.0, 3.0, 4.0, 2.0, 3.0, 4.0, 2.0), (10.0, 20.0, 30.0, 10.0, 20.0, 30.0, 10.0)),
    ],
)
def test_for_other_channels_the_three_are_repeated_in_a_circle(
    channels: int, scale: tuple[float, ...], offset: tuple[float, ...]
) -> None:
    rule = Preprocessing((2.0, 3.0, 4.0), (10.0, 20.0, 30.0))
    assert rule.for_channels(channels) == Preprocessing(scale, offset)


def test_one_scale_with_three_offsets_is_spread_over_the_channels() -> None:
    rule = Preprocessing((2.0,), (1.0, 2.0, 3.0)).for_channels(4)
    assert rule == Preprocessing((2.0,) * 4, (1.0, 2.0, 3.0, 1.0))


@pytest.mark.parametrize(("channels", "order"), [(1, "rgb"), (2, "rgb"), (3, "bgr"), (4, "bgr")])
def test_three_channels_or_more_can_be_turned_round(channels: int, order: str) -> None:
    assert MODES["caffe"].for_channels(channels).order == order


@pytest.mark.parametrize("mode", sorted(MODES))
def test_a_rule_comes_back_from_json_unchanged(mode: str) -> None:
    text = json.dumps(MODES[mode].to_config())
    again = Preprocessing.from_config(json.loads(text))
    assert again == MODES[mode]
    assert hash(again) == hash(MODES[mode])


def test_the_config_says_everything() -> None:
    rule = Preprocessing((1.0, 2.0), (3.0, 4.0), "bgr")
    assert rule.to_config() == {"scale": [1.0, 2.0], "offset": [3.0, 4.0], "order": "bgr"}


@pytest.mark.parametrize(
    ("rule", "text"),
    [
        (Preprocessing(), "none"),
        (MODES["tf"], "x * [0.00784314] + [-1]"),
        (MODES["unit"], "x * [0.00392157] + [0]"),
        (MODES["caffe"], "BGR, x * [1] + [-103.939, -116.779, -123.68]"),
        (Preprocessing((1.0, 2.0, 4.0), (0.5,)), "x * [1, 2, 4] + [0.5]"),
    ],
)
def test_a_rule_reads_as_its_formula(rule: Preprocessing, text: str) -> None:
    assert str(rule) == text


def test_a_mode_or_a_rule_may_be_passed() -> None:
    assert preprocessing("caffe", verb="from_keras") is MODES["caffe"]
    rule = Preprocessing((3.0,))
    assert preprocessing(rule, verb="from_keras") is rule


@pytest.mark.parametrize(
    ("typed", "near"), [("cafe", "caffe"), ("Torch", "torch"), ("non", "none")]
)
def test_a_mistyped_mode_gets_the_nearest(typed: str, near: str) -> None:
    with pytest.raises(SpecError) as caught:
        preprocessing(typed, verb="from_keras")
    assert str(caught.value) == (
        "from_keras: that is no preprocessing. Expected a known name "
        f"(did you mean {near!r}?). Received: preprocessing={typed!r}. "
        "preprocessing='tf' scales 0..255 to -1..1."
    )


def test_a_mode_like_no_other_gets_all_of_them() -> None:
    with pytest.raises(SpecError, match="one of 'caffe', 'none', 'tf', 'torch', 'unit'"):
        preprocessing("imagenet-21k", verb="from_keras")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"scale": ()}, "scale is out of range"),
        ({"scale": (float("nan"),)}, "scale is out of range"),
        ({"offset": "0"}, "offset is out of range"),
        ({"order": "gbr"}, "the order is unknown. Expected 'rgb' or 'bgr'"),
    ],
)
def test_a_rule_that_cannot_be_is_refused(arguments: Any, message: str) -> None:
    with pytest.raises(SpecError, match=message):
        Preprocessing(**arguments)


def test_what_is_no_mode_at_all_is_refused() -> None:
    with pytest.raises(SpecError, match="that is no preprocessing"):
        preprocessing([1], verb="from_keras")  # type: ignore[arg-type]

"""XLA: what `auto` chooses against on and off, and what shifted depthwise convolutions cost."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import doors
import drawn_pictures
import numpy as np
from measuring import Figure, Result, Seconds, in_turn, median_ratio
from turns import epochs_in_turn

from rows import Setting, Target, at_least, row
from rows.forward import frozen, looped
from rows.step import CLASSES, by_transferkit

BACKBONES = (
    "VGG16",
    "ResNet50",
    "ResNet50V2",
    "InceptionV3",
    "Xception",
    "MobileNet",
    "MobileNetV2",
    "DenseNet121",
    "EfficientNetB0",
    "EfficientNetV2B0",
)
DEPTHWISE = ("MobileNetV2", "MobileNetV3Large", "EfficientNetB0")
SETTINGS: dict[str, Any] = {"auto": "auto", "on": True, "off": False}
LOST = "comparisons that auto loses"
NONE_LOST = {LOST: Target(0, most=True, unit="cases")}


def side_of(name: str) -> int:
    return 128 if name in ("InceptionV3", "Xception") else 96


def forward_in_turn(
    name: str, settings: Mapping[str, Any], rounds: int, *, side: int, count: int, batch_size: int
) -> Seconds:
    """A network's forward pass in float32 under each of these settings of XLA."""
    pixels: Any = drawn_pictures.array(count, side, classes=2)[0].astype(np.float32)
    network = frozen(name, side)
    arms = {}
    for word, xla in settings.items():
        run, _ = doors.compiled_forward(network, pixels, precision="float32", xla=xla)
        arms[word] = looped(run, pixels, batch_size)
    return in_turn(arms, rounds)


def forward_seconds(setting: Setting, name: str) -> Seconds:
    side, count, batch_size = (32, 2, 2) if setting.small else (side_of(name), 32, 16)
    sizes = {"side": side, "count": count, "batch_size": batch_size}
    return forward_in_turn(name, SETTINGS, setting.many(9), **sizes)


def step_seconds(setting: Setting, name: str) -> Seconds:
    side, batch_size = (32, 2) if setting.small else (side_of(name), 8)
    steps = 1 if setting.small else 2
    pixels, labels = drawn_pictures.array(steps * batch_size, side, classes=CLASSES)
    epochs = 1 + setting.many(9, least=1)
    arms = {
        each: by_transferkit(name, pixels, labels, epochs=epochs, batch_size=batch_size, xla=xla)
        for each, xla in SETTINGS.items()
    }
    return epochs_in_turn(arms, epochs)


def judged(found: Iterator[tuple[str, Seconds]]) -> Result:
    """How often another setting than `auto` is faster by more than chance, and all ratios."""
    details: list[Figure] = []
    for name, seconds in found:
        for other in ("on", "off"):
            label = f"{name}, auto against {other}"
            details.append(
                median_ratio(label, seconds["auto"], seconds[other], unit="ms", detail=True)
            )
    lost = [each.label for each in details if each.high is not None and each.high < 1]
    seen = "; ".join(lost) or f"none of {len(details)}"
    return Result((Figure(LOST, float(len(lost)), pairs=details[0].pairs, seen=seen), *details))


def chosen(setting: Setting) -> tuple[str, ...]:
    return ("VGG16",) if setting.small else BACKBONES


@row(
    "xla-forward",
    'Ten backbones forward in float32 (96 or 128, batch 16): `xla="auto"` against on and off; lost '
    "is a comparison whose whole interval says that the other is faster.",
    minutes=12,
    targets=NONE_LOST,
    reasons={
        LOST: "ResNet50V2 is 9 % faster with XLA (6 to 13 %), probably because its norms stand "
        "before convolutions, where they cannot be folded. DenseNet121, built alike, gains 6 % "
        "within an interval that holds 1, InceptionV3 loses 45 %. No rule on kinds of layers tells "
        "these apart, and what is gained, about a millisecond a picture, is less than compiling "
        "costs below some ten thousand pictures. No rule on the graph was tried."
    },
)
def xla_forward(setting: Setting) -> Result:
    return judged((name, forward_seconds(setting, name)) for name in chosen(setting))


@row(
    "xla-step",
    'Training steps of the same ten whole networks (96 or 128, batch 8): `xla="auto"` against on '
    "and off, judged in the same way.",
    minutes=45,
    targets=NONE_LOST,
    reasons={
        LOST: "VGG16 and ResNet50V2 train faster with XLA here (auto takes 1.25 and 1.47 "
        "times as long), ResNet50 and InceptionV3 within an interval that holds 1. EfficientNetB0, "
        "Xception and the MobileNets are 1.2 to 4.2 times slower with it. The rule has XLA off for "
        "every convolution's gradient, as was right for all ten where it was set. A rule of on for "
        "networks without depthwise convolutions would win these two, and DenseNet121 neither way; "
        "it was not tried with the compile time of XLA counted in, which a fine-tuning of some "
        "hundred steps has to earn back."
    },
)
def xla_step(setting: Setting) -> Result:
    return judged((name, step_seconds(setting, name)) for name in chosen(setting))


@row(
    "xla-depthwise",
    "Networks of depthwise convolutions forward in float32 (224, batch 16): `xla=True` against "
    "`xla=False`.",
    minutes=5,
    targets={name: at_least(0.9) for name in DEPTHWISE},
)
def xla_depthwise(setting: Setting) -> Result:
    side, count, batch_size = (32, 2, 2) if setting.small else (224, 32, 16)
    sizes = {"side": side, "count": count, "batch_size": batch_size}
    figures = []
    for name in DEPTHWISE[:1] if setting.small else DEPTHWISE:
        arms = {"on": True, "off": False}
        seconds = forward_in_turn(name, arms, setting.many(9), **sizes)
        figures.append(median_ratio(name, seconds["on"], seconds["off"], unit="ms"))
    return Result(tuple(figures))

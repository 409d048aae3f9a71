"""How the two parts of a network are run, as values of engine, machine and kinds of layers."""

from __future__ import annotations

from typing import Any

import pytest

import transferkit as tk
from transferkit.engine.choices import PrefixChoice, TailChoice, choose_prefix, choose_tail
from transferkit.engine.machine import Machine
from transferkit.engine.rules import MANY_STEPS

NEW = Machine("cpu", bfloat16=True, name="new", cores=2)
OLD = Machine("cpu", bfloat16=False, name="old", cores=2)
DENSE = {"Conv2D", "BatchNormalization", "ReLU", "Dense"}
DEPTHWISE = DENSE | {"DepthwiseConv2D"}
HEAD = {"Dense", "Dropout"}


@pytest.mark.parametrize(
    ("engine", "machine", "expected"),
    [
        (tk.Engine(), NEW, PrefixChoice("bfloat16", "tensorflow", False)),
        (tk.Engine(), OLD, PrefixChoice("float32", "tensorflow", False)),
        (tk.Engine(precision="float32"), NEW, PrefixChoice("float32", "tensorflow", False)),
        (tk.Engine(precision="bfloat16"), OLD, PrefixChoice("bfloat16", "tensorflow", False)),
        (tk.Engine(prefix="openvino", xla=True), NEW, PrefixChoice("bfloat16", "openvino", False)),
        (tk.Engine(xla=True), NEW, PrefixChoice("bfloat16", "tensorflow", True)),
    ],
)
def test_frozen_layers(engine: tk.Engine, machine: Machine, expected: PrefixChoice) -> None:
    assert choose_prefix(engine, machine, DENSE, images=20) == expected


def test_what_is_kept_in_bfloat16_takes_half_the_room() -> None:
    assert PrefixChoice("bfloat16", "tensorflow", False).itemsize == 2
    assert PrefixChoice("float32", "openvino", False).itemsize == 4


def tail(kinds: set[str], machine: Machine = NEW, **more: Any) -> TailChoice:
    options = {"cached": True, "steps": 10, **more}
    return choose_tail(options.pop("engine", tk.Engine()), machine, kinds, **options)


def test_dense_convolutions_train_in_bfloat16_and_depthwise_ones_in_float32() -> None:
    norms = ("fold_batch_norm", "fuse_batch_norm")
    assert tail(DENSE) == TailChoice("bfloat16", False, (*norms, "compute_in_bfloat16"))
    assert tail(DENSE, OLD) == TailChoice("float32", False, norms)
    assert tail(DEPTHWISE) == TailChoice("float32", False, norms)


def test_a_head_goes_through_xla_if_it_makes_many_steps_on_cached_features() -> None:
    assert tail(HEAD, steps=MANY_STEPS).xla
    assert not tail(HEAD, steps=MANY_STEPS - 1).xla
    assert not tail(HEAD, steps=MANY_STEPS, cached=False).xla
    assert not tail(HEAD, steps=MANY_STEPS, engine=tk.Engine(xla=False)).xla
    assert tail(HEAD, steps=1, engine=tk.Engine(xla=True)).xla


def test_depthwise_convolutions_are_lowered_for_xla_alone() -> None:
    assert "lower_depthwise" in tail(DEPTHWISE, engine=tk.Engine(xla=True)).rewrites
    assert "lower_depthwise" not in tail(DEPTHWISE).rewrites

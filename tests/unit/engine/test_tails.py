"""The tail of a phase: the rest of the network, in bfloat16 only where pictures allow it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import transferkit as tk
from transferkit import _keras, build
from transferkit.engine import tails
from transferkit.engine.choices import TailChoice
from transferkit.engine.cut import candidates
from transferkit.engine.forward.check import TOLERANCES
from transferkit.engine.program import Program, read
from transferkit.engine.tails import Tail, make_tail
from transferkit.spec import ModelSpec, Target

keras = _keras.keras()
HALF = TailChoice("bfloat16", False, ("compute_in_bfloat16",))
HEAD = frozenset({"head_average", "head_logits"})
PIXELS = np.random.default_rng(0).uniform(0, 255, (6, 12, 12, 3)).astype(np.float32)


@pytest.fixture(scope="module")
def program() -> Program:
    keras.utils.set_random_seed(0)
    pixels = keras.Input((12, 12, 3))
    x = keras.layers.Conv2D(8, 3, name="one")(pixels)
    x = keras.layers.Conv2D(8, 3, activation="relu", name="two")(x)
    backbone = tk.backbones.from_keras(keras.Model(pixels, x), preprocessing="unit")
    spec = ModelSpec(backbone, "pretrained")
    made = build.assemble(spec, Target("classes", ("a", "b")), input_shape=(12, 12, 3), seed=0)
    made.network.get_layer("head_logits").kernel.assign(np.ones((8, 2)))
    build.freeze(made.network, made.table, tk.freeze.only(tk.select.where("one")))
    return read(build.logits_of(made.network))


def made(program: Program, starts: tuple[int, ...], given: Any) -> Tail:
    samples = None if given is None else lambda: given
    return make_tail(program, starts, HALF, head=HEAD, samples=samples)


def logits(tail: Tail, given: Any) -> np.ndarray[Any, Any]:
    return np.asarray(tail.model(given, training=False))


@pytest.mark.parametrize("cut", [False, True])
def test_bfloat16_stays_where_features_do(program: Program, cut: bool) -> None:
    starts: tuple[int, ...] = (0,)
    given = PIXELS
    if cut:
        starts = list(candidates(program))[-1].tensors
        given = np.random.default_rng(1).normal(size=(6, 10, 10, 8)).astype(np.float32)
    tail = made(program, starts, [given])
    assert (tail.choice, tail.notes) == (HALF, ())
    plain = make_tail(
        program, starts, TailChoice("float32", False, ()), head=HEAD, samples=lambda: [given]
    )
    difference = np.linalg.norm(logits(tail, given) - logits(plain, given))
    assert 0 < difference < 1e-2 * np.linalg.norm(logits(plain, given))


def test_it_gives_way_to_float32_and_says_why(
    program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(TOLERANCES, "bfloat16", 1e-6)
    tail = made(program, (0,), [PIXELS])
    assert tail.choice == TailChoice("float32", False, ())
    (note,) = tail.notes
    assert note.startswith("the tail computes in float32: bfloat16 by tensorflow is not used: feat")


def test_what_was_asked_for_is_not_questioned(
    program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tails, "_problem", lambda *given: pytest.fail("it was"))
    assert made(program, (0,), None).choice == HALF

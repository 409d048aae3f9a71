"""What is decided for each phase before anything is trained."""

from __future__ import annotations

from typing import Any

import pytest

import transferkit as tk
from transferkit import _keras, build
from transferkit.augment import Pipeline
from transferkit.engine.stages import Budget, Stage, later_cuts, stages
from transferkit.plan import Plan
from transferkit.spec import ModelSpec, Target

keras = _keras.keras()
SHAPE = (16, 16, 3)
TURNED = Pipeline((tk.augment.rotate(20),))
PLENTY = Budget(train=10, val=5, room=1e9)


@pytest.fixture(scope="module")
def made() -> build.Assembled:
    pixels = keras.Input(SHAPE)
    x = keras.layers.Conv2D(16, 9, 2, padding="same", name="one")(pixels)
    x = keras.layers.Conv2D(16, 5, 2, padding="same", name="two")(x)
    x = keras.layers.Conv2D(16, 3, padding="same", name="three")(x)
    backbone = tk.backbones.from_keras(keras.Model(pixels, x), preprocessing="unit")
    return build.assemble(
        ModelSpec(backbone, "pretrained"), Target("classes", ("a", "b")), input_shape=SHAPE, seed=0
    )


def settled(
    made: build.Assembled, plan: Any, pipeline: Pipeline = TURNED, budget: Budget = PLENTY
) -> list[Stage]:
    policy = tk.freeze.backbone()
    return stages(made.network, made.table, policy, Plan(plan), pipeline, budget)[1]


def only(made: build.Assembled, phase: tk.Phase, *rest: Any) -> Stage:
    (stage,) = settled(made, (phase,), *rest)
    return stage


def test_clean_pictures_have_one_view_whatever_the_phase_says(made: Any) -> None:
    for views in ("fresh", "auto", 3):
        stage = only(made, tk.Phase(2, views=views), Pipeline(()))
        assert (stage.views, stage.cached) == (1, True)
        assert stage.cut is not None
        assert stage.cut.names == ("head_average",)


def test_fresh_pixels_are_not_kept_but_the_network_is_cut(made: Any) -> None:
    stage = only(made, tk.Phase(20, views="fresh"))
    assert (stage.views, stage.cached) == (0, False)
    assert stage.cut is not None
    assert stage.why == "views='fresh': every epoch has new pixels"


def test_as_many_views_are_kept_as_were_asked_for(made: Any) -> None:
    stage = only(made, tk.Phase(2, views=6))
    assert (stage.views, stage.cached) == (6, True)


def test_auto_is_four_views_in_a_plan_of_eight_epochs(made: Any) -> None:
    stage = only(made, tk.Phase(8, views="auto"))
    assert (stage.phase.views, stage.cached) == (4, True)
    first, second = settled(made, (tk.Phase(4, views="auto"), tk.Phase(4, views="auto")))
    assert first.views == second.views == 4
    stage = only(made, tk.Phase(7, views="auto"))
    assert (stage.phase.views, stage.cached) == ("fresh", False)
    assert "fewer than 8 epochs" in stage.why


def test_what_does_not_fit_is_not_kept_and_the_views_stay_what_they_were(made: Any) -> None:
    one = 16 * 4  # the pooled vector
    rows = 4 * 10 + 5
    fits = Budget(10, 5, room=rows * one)
    short = Budget(10, 5, room=rows * one - 1)
    assert only(made, tk.Phase(8, views=4), TURNED, fits).cached
    stage = only(made, tk.Phase(8, views=4), TURNED, short)
    assert (stage.views, stage.cached) == (4, False)
    assert stage.why == "the features of 45 views take 2.88 kB, and the cache has room for 2.88 kB"
    stage = only(made, tk.Phase(8, views="auto"), TURNED, short)
    assert (stage.phase.views, stage.cached) == ("fresh", False)
    assert stage.why.startswith("fresh pixels, as the features of 45 views take 2.88 kB")


def test_no_room_at_all_is_a_cache_that_is_switched_off(made: Any) -> None:
    stage = only(made, tk.Phase(8, views=4), TURNED, Budget(10, 5, room=0))
    assert (stage.views, stage.cached) == (4, False)
    assert "the cache is switched off" in stage.why


def test_bfloat16_takes_half_the_room(made: Any) -> None:
    room = 45 * 16 * 2
    assert only(made, tk.Phase(8, views=4), TURNED, Budget(10, 5, room, itemsize=2)).cached
    assert not only(made, tk.Phase(8, views=4), TURNED, Budget(10, 5, room, itemsize=4)).cached


def test_without_frozen_layers_at_the_beginning_there_is_no_cut(made: Any) -> None:
    for policy in (tk.freeze.nothing(), tk.freeze.all_but(tk.select.first(2))):
        stage = only(made, tk.Phase(8, freeze=policy, views=4))
        assert stage.cut is None
        assert not stage.cached
        assert stage.why == "no layer at the beginning is frozen"
        assert stage.views == 4


def fine_tune(layer: str, **more: Any) -> tk.Phase:
    return tk.Phase(8, freeze=tk.freeze.all_but(tk.select.where(layer)), **more)


def test_what_a_later_phase_will_read_is_kept_in_passing(made: Any) -> None:
    found = settled(made, (tk.Phase(8), fine_tune("three"), fine_tune("two")), Pipeline(()))
    names = [stage.cut and stage.cut.names for stage in found]
    assert names == [("head_average",), ("two",), ("one",)]
    assert [cut.names for cut in later_cuts(found, 0)] == [("two",), ("one",)]
    assert [cut.names for cut in later_cuts(found, 1)] == [("one",)]
    assert later_cuts(found, 2) == []


def test_features_that_will_have_changed_by_then_are_not_kept(made: Any) -> None:
    """The second phase trains what lies before the third one's cut."""
    found = settled(made, (tk.Phase(8), fine_tune("two"), fine_tune("three")), Pipeline(()))
    assert [cut.names for cut in later_cuts(found, 0)] == [("one",)]


def test_phases_of_other_views_share_nothing(made: Any) -> None:
    found = settled(made, (tk.Phase(8, views=4), fine_tune("three", views=2)))
    assert later_cuts(found, 0) == []

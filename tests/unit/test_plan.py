from __future__ import annotations

import copy
import json
import pickle
from typing import Any, cast

import numpy as np
import pytest

import transferkit as tk
from transferkit import _keras
from transferkit.engine.optimizers import make_optimizer
from transferkit.errors import SpecError, UnknownNameError
from transferkit.plan import OPTIMIZERS, Optimizer, Phase, Plan, as_plan
from transferkit.schedules import Constant


def test_a_phase_has_the_defaults_that_its_signature_says() -> None:
    phase = Phase(3)
    assert (phase.epochs, phase.freeze, phase.batch_size, phase.views) == (3, None, 32, "fresh")
    assert (phase.optimizer.name, phase.learning_rate) == ("adam", Constant(1e-3))


def test_a_bare_selector_means_only() -> None:
    selector = tk.select.top_blocks(1)
    assert Phase(1, selector).freeze == tk.freeze.only(selector)


def test_plans_join_in_order() -> None:
    plan = tk.plans.feature_extraction(2).then(Phase(3, name="mine")).then(tk.plans.fine_tune(4))
    assert [phase.name for phase in plan] == ["feature extraction", "mine", "fine-tuning"]
    assert (len(plan), plan.epochs) == (3, 9)
    assert "Plan of 3 phases, 9 epochs" in repr(plan)
    assert "2. mine: 3 epochs, the model's policy, adam" in repr(plan)


def test_plans_are_values() -> None:
    assert tk.plans.tutorial() == tk.plans.tutorial()
    assert hash(tk.plans.tutorial()) == hash(tk.plans.tutorial())
    assert tk.plans.tutorial() != tk.plans.tutorial(epochs=3)


def test_feature_extraction_freezes_the_backbone() -> None:
    (phase,) = tk.plans.feature_extraction(5, batch_size=8)
    assert phase.freeze == tk.freeze.backbone()
    assert phase.learning_rate == Constant(1e-3)
    assert phase.batch_size == 8


def test_fine_tuning_uses_the_models_policy_unless_told_otherwise() -> None:
    top = tk.select.top_blocks(2)
    assert tk.plans.fine_tune().phases[0].freeze is None
    assert tk.plans.fine_tune(unfreeze=top).phases[0].freeze == tk.freeze.all_but(top)
    nothing = tk.freeze.nothing()
    assert tk.plans.fine_tune(freeze=nothing).phases[0].freeze == nothing
    with pytest.raises(SpecError, match="the same thing twice"):
        tk.plans.fine_tune(unfreeze=top, freeze=nothing)


def test_the_default_plan_fits_the_data() -> None:
    counts = [tk.plans.default(pretrained=True, images=n).epochs for n in (1999, 2000, 20_000)]
    assert counts == [11, 6, 4]
    (random,) = tk.plans.default(pretrained=False, images=10)
    assert (random.epochs, random.freeze) == (20, None)


def test_the_default_plan_is_a_probe_and_fine_tuning_that_makes_nothing_worse() -> None:
    few, many = (tk.plans.default(pretrained=True, images=count) for count in (1999, 2000))
    for plan, rate in ((few, 1e-5), (many, 1e-4)):
        probe, tuned = plan
        assert (probe,) == tk.plans.linear_probe().phases
        assert tuned.freeze == tk.freeze.all_but(tk.select.top_blocks(2))
        assert tuned.learning_rate == Constant(rate)
        assert tuned.averaging == tk.averaging.wise_ft()
    assert tk.plans.default(pretrained=True, images=9, validation=False) == tk.plans.linear_probe()
    deep = tk.plans.default(pretrained=True, images=9, linear=False)
    assert [phase.name for phase in deep] == ["feature extraction", "fine-tuning"]
    (alone,) = tk.plans.default(
        pretrained=True, images=9, linear=False, policy=tk.freeze.backbone()
    )
    assert alone.name == "feature extraction"


@pytest.mark.parametrize(
    "plan",
    [
        tk.plans.tutorial(),
        Plan(
            (
                Phase(
                    2,
                    tk.freeze.all_but(tk.select.up_to("conv1")),
                    "sgd",
                    tk.schedules.cosine(0.1, warmup=0.1),
                    views=4,
                    sampling="balanced",
                    early_stopping=2,
                    restore_best=True,
                    monitor="val_accuracy",
                ),
            )
        ),
    ],
)
def test_plans_survive_json(plan: Plan) -> None:
    assert Plan.from_config(json.loads(json.dumps(plan.to_config()))) == plan


def test_a_phase_of_an_older_file_is_shuffled() -> None:
    config = Phase(2).to_config()
    del config["sampling"]
    assert Phase.from_config(config) == Phase(2)
    assert Phase(2).sampling == "shuffled"


def test_balanced_sampling_is_taken_by_the_recipes_and_shown() -> None:
    plan = tk.plans.fine_tune(3, sampling="balanced").then(tk.plans.feature_extraction(1))
    assert [phase.sampling for phase in plan] == ["balanced", "shuffled"]
    first, second = repr(plan).splitlines()[1:]
    assert first.endswith("batches of 32, balanced")
    assert second.endswith("batches of 32")
    assert plan._repr_html_().count("32, balanced") == 1


def test_only_the_configuration_of_a_keras_optimizer_is_kept() -> None:
    keras = _keras.keras()
    given = keras.optimizers.AdamW(3e-4, weight_decay=0.07, clipnorm=1.0)
    phase = Phase(1, optimizer=given)
    assert phase.optimizer.name == "adamw"
    assert phase.optimizer.config["weight_decay"] == 0.07
    assert phase.learning_rate(0, 1) == pytest.approx(3e-4)
    made = make_optimizer(phase)
    assert made is not given
    assert (made.weight_decay, made.clipnorm) == (0.07, 1.0)
    assert float(made.learning_rate) == pytest.approx(3e-4)
    again = Phase.from_config(json.loads(json.dumps(phase.to_config())))
    assert make_optimizer(again).weight_decay == 0.07
    assert Phase(1, optimizer=given, learning_rate=1.0).learning_rate == Constant(1.0)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_optimizer_that_is_named_can_be_made(name: str) -> None:
    made = make_optimizer(Phase(1, optimizer=name, learning_rate=0.5))
    assert type(made).__name__.lower() == name
    assert float(np.asarray(made.learning_rate)) == 0.5


def test_an_optimizer_class_of_the_user_is_made_afresh() -> None:
    class Mine(_keras.keras().optimizers.SGD):  # type: ignore[misc]
        pass

    made = make_optimizer(Phase(1, optimizer=Mine(0.1, momentum=0.5), learning_rate=0.2))
    assert type(made) is Mine
    assert made.momentum == 0.5


def test_a_plan_that_was_read_from_a_file_does_not_bring_the_users_class() -> None:
    with pytest.raises(SpecError, match="'mine' is none of Keras' own"):
        make_optimizer(Phase(1, optimizer=Optimizer("mine")))


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"epochs": 0}, "epochs is out of range"),
        ({"epochs": 1.5}, "epochs is out of range"),
        ({"epochs": True}, "epochs is out of range"),
        ({"epochs": 1, "batch_size": 0}, "batch_size is out of range"),
        ({"epochs": 1, "views": 0}, "views is out of range"),
        ({"epochs": 1, "views": "stale"}, "views is out of range"),
        ({"epochs": 1, "sampling": "balance"}, "the sampling is unknown.*'balanced'"),
        ({"epochs": 1, "sampling": ["balanced"]}, "the sampling is unknown"),
        ({"epochs": 1, "early_stopping": 0}, "early_stopping is out of range"),
        ({"epochs": 1, "learning_rate": -1}, "learning_rate is no learning rate"),
        ({"epochs": 1, "optimizer": 3}, "that is no optimizer"),
        ({"epochs": 1, "freeze": "backbone"}, "Phase"),
    ],
)
def test_a_phase_that_cannot_be_is_refused(arguments: dict[str, Any], text: str) -> None:
    with pytest.raises(SpecError, match=text):
        Phase(**arguments)


def test_a_mistyped_optimizer_gets_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match=r"no optimizer called 'adamm'.*'adam'"):
        Phase(1, optimizer="adamm")


def test_a_plan_is_made_of_phases() -> None:
    with pytest.raises(SpecError, match="a plan is made of phases"):
        Plan(())
    with pytest.raises(SpecError, match="a plan is made of phases"):
        Plan((tk.plans.fine_tune(),))  # type: ignore[arg-type]


def test_numbers_of_numpy_become_plain_ones() -> None:
    two, four, rate = cast("Any", (np.int64(2), np.int32(4), np.float32(1)))
    phase = Phase(two, batch_size=four, early_stopping=two, learning_rate=rate)
    assert json.loads(json.dumps(phase.to_config())) == phase.to_config()
    assert phase == Phase(2, batch_size=4, early_stopping=2, learning_rate=1.0)


@pytest.mark.parametrize("epochs", [True, 1.0, "3", np.array([3])])
def test_epochs_that_are_no_whole_number_are_refused(epochs: Any) -> None:
    with pytest.raises(SpecError, match="epochs is out of range"):
        Phase(epochs)


def test_a_plan_reads_as_a_table_and_its_names_are_escaped() -> None:
    plan = tk.plans.feature_extraction(1).then(Phase(2, name="<b>all</b>", optimizer="sgd"))
    assert repr(plan).splitlines() == [
        "Plan of 2 phases, 3 epochs",
        "  1. feature extraction: 1 epoch, freeze backbone(), adam 0.001, batches of 32",
        "  2. <b>all</b>: 2 epochs, the model's policy, sgd 0.001, batches of 32",
    ]
    page = plan._repr_html_()
    assert "&lt;b&gt;all&lt;/b&gt;" in page
    assert "<b>" not in page
    assert page.count("<tr>") == 3


def test_a_row_of_phases_and_a_phase_are_plans() -> None:
    phases = [Phase(1), Phase(2)]
    assert as_plan(phases) == Plan(tuple(phases)) == as_plan(Plan(tuple(phases)))
    assert as_plan(phases[0]) == Plan((phases[0],))
    assert as_plan(None) is None
    for wrong in (5, "adam", [Phase(1), 3], []):
        with pytest.raises(SpecError, match="a plan is made of phases"):
            as_plan(wrong)


def test_the_class_of_an_optimizer_is_no_optimizer() -> None:
    with pytest.raises(SpecError, match="that is no optimizer"):
        Phase(1, optimizer=_keras.keras().optimizers.Adam)


def test_a_mode_is_min_or_max() -> None:
    assert Phase(1, mode="max").mode == "max"
    with pytest.raises(SpecError, match="the mode is unknown"):
        Phase(1, mode="up")  # type: ignore[arg-type]


def test_an_optimizers_configuration_stays_as_it_is_and_is_pickled() -> None:
    phase = Phase(1, optimizer=_keras.keras().optimizers.SGD(0.1, momentum=0.9))
    with pytest.raises(TypeError, match="make another value"):
        phase.optimizer.config["momentum"] = 0.1  # type: ignore[index]
    assert pickle.loads(pickle.dumps(phase)) == phase
    assert copy.deepcopy(phase) == phase


def test_recipes_say_what_does_not_belong_into_them() -> None:
    with pytest.raises(SpecError, match=r"feature_extraction: it freezes the whole.*fine_tune"):
        tk.plans.feature_extraction(freeze=tk.freeze.nothing())
    with pytest.raises(SpecError, match=r"fine_tune: unfreeze is no selector.*top_blocks"):
        tk.plans.fine_tune(unfreeze=2)  # type: ignore[arg-type]


def test_a_phase_prints_as_its_line_in_a_plan() -> None:
    phase = tk.Phase(2, tk.freeze.backbone(), learning_rate=1e-4, name="top")
    assert repr(phase) == "Phase: top: 2 epochs, freeze backbone(), adam 0.0001, batches of 32"
    with pytest.raises(SpecError, match=r"early_stopping=3\)"):
        tk.Phase(2, early_stopping=True)


def test_a_solved_phase_says_so() -> None:
    (phase,) = tk.plans.linear_probe(penalty=0.25)
    assert (phase.epochs, phase.freeze, phase.solver) == (1, tk.freeze.backbone(), "auto")
    assert repr(phase) == "Phase: linear probe: freeze backbone(), head solved, penalty 0.25"
    (ridge,) = tk.plans.linear_probe(solver="ridge", sampling="balanced")
    assert repr(ridge).endswith("head solved by ridge, balanced")
    assert "head solved by ridge" in Plan((ridge,))._repr_html_()
    assert Phase.from_config(json.loads(json.dumps(ridge.to_config()))) == ridge


def test_a_phase_of_an_older_file_has_no_solver() -> None:
    config = {k: v for k, v in Phase(2).to_config().items() if k not in ("solver", "penalty")}
    assert Phase.from_config(config) == Phase(2)


def test_what_a_solver_cannot_do_is_refused() -> None:
    with pytest.raises(SpecError, match=r"solver is unknown.*lbfgs"):
        tk.plans.linear_probe(solver="lbgfs")  # type: ignore[arg-type]
    with pytest.raises(SpecError, match=r"solved at once.*epochs=1"):
        Phase(3, solver="lbfgs")
    for penalty in (0, -1.0, float("nan"), float("inf"), "much"):
        with pytest.raises(SpecError, match=r"penalty belongs to a solved head, and is above 0"):
            tk.plans.linear_probe(penalty=penalty)  # type: ignore[arg-type]
    with pytest.raises(SpecError, match="belongs to a solved head"):
        Phase(3, penalty=0.1)


def test_lp_ft_is_a_probe_and_then_fine_tuning() -> None:
    top = tk.select.top_blocks(2)
    probe, tuned = tk.plans.linear_probe_then_fine_tune(
        4, unfreeze=top, learning_rate=1e-4, solver="ridge", penalty=2.0, batch_size=8
    )
    assert (probe,) == tk.plans.linear_probe(solver="ridge", penalty=2.0).phases
    expected = tk.plans.fine_tune(4, unfreeze=top, learning_rate=1e-4, batch_size=8)
    assert (tuned,) == expected.phases


def test_gradual_unfreezing_thaws_from_the_top() -> None:
    plan = tk.plans.gradual_unfreezing(2, epochs=4, blocks=3, decay=0.5, batch_size=8)
    assert [phase.name for phase in plan] == ["linear probe", "top 3 blocks", "top 6 blocks"]
    assert [phase.epochs for phase in plan] == [1, 4, 4]
    for phase, count in zip(plan.phases[1:], (3, 6), strict=True):
        assert phase.freeze == tk.freeze.all_but(tk.select.top_blocks(count))
        assert phase.layer_rates == tk.schedules.layer_decay(0.5)
        assert phase.batch_size == 8


@pytest.mark.parametrize("count", [0, -1, 1.5, "two"])
def test_nothing_to_thaw_is_refused(count: Any) -> None:
    for arguments in ({"stages": count}, {"blocks": count}):
        with pytest.raises(SpecError, match=r"nothing to thaw.*stages=3, blocks=2"):
            tk.plans.gradual_unfreezing(**arguments)

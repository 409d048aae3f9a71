"""What a trained model owes to its source, and that its file keeps the answer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from check_cases import LABELS, OFF, edges, network

import transferkit as tk
from transferkit.check import TransferCheck
from transferkit.errors import DataError, SpecError, UnknownNameError


def checked(trained: tk.TrainedModel, photos: tk.data.Data, **more: Any) -> TransferCheck:
    return trained.check_transfer(photos, engine=OFF, verbose=0, **more)


@pytest.fixture(scope="module")
def trained(held_out: tk.data.Data) -> tk.TrainedModel:
    model = tk.TransferModel(network(edges(), "edges"))
    return model.fit(held_out, tk.plans.linear_probe(), engine=OFF, verbose=0)


def test_what_a_source_gave_is_found_without_its_file(
    trained: tk.TrainedModel, held_out: tk.data.Data, tmp_path: Path
) -> None:
    before = trained.network.get_weights()
    found = checked(trained, held_out)
    assert (found.verdict, found.tier, found.images) == ("positive", "probe", 48)
    assert found.risk_with < 0.2 < 0.35 < found.risk_without
    assert (found.backbone, found.weights) == ("edges", "pretrained")
    for old, new in zip(before, trained.network.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)

    trained.save(tmp_path / "edges.tkm")
    again = checked(tk.load(tmp_path / "edges.tkm"), held_out)
    assert again == found


@pytest.mark.slow
def test_a_check_by_training_is_of_this_models_own_errors(
    trained: tk.TrainedModel, held_out: tk.data.Data
) -> None:
    found = checked(trained, held_out, tier="full", inits=2)
    assert (found.tier, found.images) == ("full", 48)
    assert held_out.val is not None
    evaluation: Any = trained.evaluate(held_out.val)
    assert found.risk_with == pytest.approx(1 - evaluation.accuracy)
    assert len(found.risks_without) == 2
    assert found.risk_of_pixels is None


def test_the_control_is_random_and_has_learned_nothing(trained: tk.TrainedModel) -> None:
    control, same, other = (trained.untrained(seed) for seed in (1, 1, 2))
    assert control.about["weights"] == "random weights"
    assert (len(control.history), control.transfer) == (0, None)
    assert control.policy == trained.policy
    kernels = [each.network.get_layer("conv").kernel.numpy() for each in (control, same, other)]
    np.testing.assert_array_equal(kernels[0], kernels[1])
    assert np.abs(kernels[0] - kernels[2]).max() > 0.01
    assert np.abs(kernels[0] - edges()).max() > 0.1


def test_the_answer_is_kept_printed_and_forgotten_with_the_weights(
    trained: tk.TrainedModel, held_out: tk.data.Data, tmp_path: Path
) -> None:
    found = checked(trained, held_out, inits=2)
    told = trained.with_transfer(found)
    assert trained.transfer is None
    assert told.transfer == found
    assert f"{found.verdict} by probe: gap in risk" in repr(told)
    told.save(tmp_path / "edges.tkm")
    assert tk.load(tmp_path / "edges.tkm").transfer == found
    trained.save(tmp_path / "edges.tkm")
    assert tk.load(tmp_path / "edges.tkm").transfer is None
    more = told.fit(held_out, tk.plans.linear_probe(), engine=OFF, verbose=0)
    assert more.transfer is None
    assert told.with_transfer(None).transfer is None


def test_a_check_before_training_can_be_kept_as_well(
    trained: tk.TrainedModel, held_out: tk.data.Data
) -> None:
    before = tk.check_transfer(network(edges(), "edges"), held_out, engine=OFF, verbose=0, inits=2)
    assert trained.with_transfer(before).transfer == before


def test_what_is_no_check_of_this_model_is_refused(
    trained: tk.TrainedModel, held_out: tk.data.Data
) -> None:
    given: Any = "positive"
    with pytest.raises(SpecError, match=r"str is no check.*a check of edges.*check_transfer"):
        trained.with_transfer(given)
    other = network(edges(), "other")
    foreign = tk.check_transfer(other, held_out, engine=OFF, verbose=0, inits=2)
    with pytest.raises(SpecError, match=r"the check is of other.*a check of edges"):
        trained.with_transfer(foreign)


def test_what_cannot_be_checked_is_refused(
    trained: tk.TrainedModel, held_out: tk.data.Data, stripes: tk.data.Data
) -> None:
    with pytest.raises(UnknownNameError, match=r"no tier called 'curve'.*'full', 'probe'"):
        checked(trained, held_out, tier="curve")
    with pytest.raises(DataError, match=r"of which there are 0.*hold_out\(0.2\)"):
        checked(trained, stripes)
    with pytest.raises(SpecError, match="nothing can be compared"):
        checked(trained, held_out, inits=1)
    with pytest.raises(SpecError, match="edges was trained from random weights"):
        checked(trained.untrained(), held_out)
    pixels = np.asarray(stripes.train.pixels())
    named = tk.data.from_arrays(pixels, ["down", "across"] * (len(LABELS) // 2), val=0.4)
    with pytest.raises(SpecError, match="other classes than the model"):
        checked(trained, named)

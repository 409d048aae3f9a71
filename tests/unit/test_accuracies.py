"""The harness of the accuracies: trials in a file, paired differences, the page."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from accuracy import afterwards, command, planted, ranks, recipes, report
from accuracy.digit_nets import all_digits, untrained
from accuracy.material import Drawn, digits, digits_source
from accuracy.pairs import gap, level, shift
from accuracy.tables import Table, all_tables
from accuracy.trials import Store, Trial
from accuracy.ways import by_logistic, joined
from rows import SkippedError
from scipy import special

import transferkit as tk
from transferkit.ranking.random_networks import set_statistics


def trial(right: Any, told: str = "", **numbers: float) -> Trial:
    return Trial.of(np.asarray(right), told, numbers)


def table(rows: dict[str, Any], kind: str = "recipes", **more: Any) -> Table:
    return Table("a table", kind, rows, **more)


# ------------------------------------------------------------------------------- trials


@pytest.mark.parametrize("images", [0, 1, 8, 13])
def test_what_was_right_survives_its_file(images: int, tmp_path: Path) -> None:
    right = np.random.default_rng(0).integers(0, 2, images)
    store = Store(tmp_path / "figures.json")
    store.add("a table", "a row", 3, trial(right, "in words", alpha=0.5))
    store.add("a table", "a row", 10, trial(right))
    again = Store(tmp_path / "figures.json")
    assert again.tables == store.tables
    assert list(again.trials("a table", "a row")) == [3, 10]
    found = again.trials("a table", "a row")[3]
    np.testing.assert_array_equal(found.bits(), right)
    assert (found.told, found.numbers) == ("in words", {"alpha": 0.5})
    assert again.has("a table", "a row", 3)
    assert not again.has("a table", "a row", 4)
    assert again.trials("a table", "another") == {}


def test_a_new_trial_changes_one_line(tmp_path: Path) -> None:
    store = Store(tmp_path / "figures.json")
    for seed in range(3):
        store.add("a table", "a row", seed, trial([1, 0, 1]))
    before = store.path.read_text().splitlines()
    store.add("a table", "a row", 1, trial([1, 1, 1]))
    after = store.path.read_text().splitlines()
    assert sum(old != new for old, new in zip(before, after, strict=True)) == 1
    assert [each.name for each in tmp_path.iterdir()] == ["figures.json"]


# ------------------------------------------------------------------------------- pairs


def test_a_gap_is_over_the_seeds_that_both_have() -> None:
    one = {0: trial([1, 1, 1, 0]), 1: trial([1, 1, 0, 0]), 2: trial([0, 0, 0, 0])}
    other = {0: trial([1, 0, 0, 0]), 1: trial([1, 1, 0, 0]), 7: trial([1, 1, 1, 1])}
    found = gap(one, other)
    assert found is not None
    assert found.value == pytest.approx(0.25)
    assert found.low < 0.25 < found.high
    assert gap(one, {9: trial([1, 1, 1, 1])}) is None


def test_a_gap_of_one_seed_has_the_bootstraps_spread() -> None:
    """Of one seed only pictures are drawn: a binomial mean's standard error."""
    rng = np.random.default_rng(1)
    right = rng.random(400) < 0.3
    found = level({0: trial(right)})
    share = right.mean()
    assert found.value == pytest.approx(share)
    reach = 1.96 * np.sqrt(share * (1 - share) / 400)
    assert (found.high - found.low) / 2 == pytest.approx(reach, rel=0.05)


def test_seeds_that_differ_widen_the_interval() -> None:
    rng = np.random.default_rng(2)
    alike = {seed: trial(rng.random(200) < 0.5) for seed in range(5)}
    apart = {seed: trial(rng.random(200) < 0.1 + 0.2 * seed) for seed in range(5)}
    widths = [found.high - found.low for found in (level(alike), level(apart))]
    assert widths[1] > 2 * widths[0]


def test_a_clear_difference_is_said_to_be_one() -> None:
    good, bad = ({s: trial([v] * 50) for s in range(5)} for v in (1, 0))
    found = gap(good, bad)
    assert found is not None
    assert found.better
    assert not found.worse
    assert str(found) == "+1.000 (+1.000 to +1.000)"


# ------------------------------------------------------------------------------- running


def options(*only: str, **more: Any) -> argparse.Namespace:
    return argparse.Namespace(**{"only": list(only), "again": False, "seeds": None, **more})


def test_only_what_is_missing_is_run(tmp_path: Path) -> None:
    store = Store(tmp_path / "figures.json")
    tables = [table({"a": trial, "b": trial}, seeds=(0, 1))]
    store.add("a table", "a", 0, trial([1]))

    def asked(*only: str, **more: Any) -> list[tuple[str, int]]:
        chosen = options(*only, **more)
        return [(row, seed) for _, row, seed, _ in command.missing(tables, store, chosen)]

    assert asked() == [("b", 0), ("a", 1), ("b", 1)]
    assert asked("b") == [("b", 0), ("b", 1)]
    assert asked("a table", seeds=1) == [("b", 0)]
    assert asked("nothing") == []
    assert asked("a", again=True) == [("a", 0), ("b", 0), ("a", 1), ("b", 1)]


def test_a_trial_that_fails_is_told_and_the_others_go_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = Store(tmp_path / "figures.json")

    def fails(seed: int) -> Trial:
        raise RuntimeError("no luck")

    def lacks(seed: int) -> Trial:
        raise SkippedError("no photos")

    rows = table({})
    assert not command.kept(store, rows, "fails", 0, fails)
    assert command.kept(store, rows, "lacks", 0, lacks)
    assert command.kept(store, rows, "works", 0, lambda seed: trial([1, 0]))
    assert [store.has("a table", row, 0) for row in ("fails", "lacks", "works")] == [
        False,
        False,
        True,
    ]
    told = capsys.readouterr()
    assert "a table | fails | 0: FAILED" in told.out
    assert "left out, no photos" in told.out
    assert "works | 0: 0.5000" in told.out
    assert "no luck" in told.err


def test_the_command_line_names_every_table(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    where: dict[str, Any] = {"assets": None, "figures": tmp_path / "f.json"}
    assert command.main(["--list"], page=tmp_path / "page.md", **where) == 0
    told = capsys.readouterr().out
    names = [each.name for each in all_tables(tmp_path)]
    assert len(set(names)) == len(names)
    assert all(f"{name} (about" in told for name in names)
    assert command.main(["--page"], page=tmp_path / "page.md", **where) == 0
    assert "not measured" in (tmp_path / "page.md").read_text()


# ------------------------------------------------------------------------------- the page


def test_rows_stand_beside_their_base(tmp_path: Path) -> None:
    store = Store(tmp_path / "figures.json")
    rows = table({"base": trial, "better": trial, "unseen": trial}, base="base")
    for seed in range(2):
        store.add("a table", "base", seed, trial([0, 0, 1, 1]))
        store.add("a table", "better", seed, trial([1, 1, 1, 1]))
    lines = list(report._compared([rows], store))
    assert lines[0] == "### A table\n"
    header, _, *cells = lines[1].splitlines()
    assert header == "|  | accuracy | lowest to highest | seeds | minus base |"
    assert cells[0] == "| base | 0.500 | 0.500 to 0.500 | 2 |  |"
    assert cells[1].startswith("| better | 1.000 | 1.000 to 1.000 | 2 | +0.500 (")
    assert cells[2] == "| unseen | not measured |  |  |  |"


def test_numbers_stand_beside_those_of_the_first_row(tmp_path: Path) -> None:
    store = Store(tmp_path / "figures.json")
    rows = table({"first": trial, "second": trial, "unseen": trial}, "afterwards", base="first")
    for seed, error in enumerate([0.3, 0.2, 0.4]):
        store.add("a table", "first", seed, trial([1, 0], error=error))
        store.add("a table", "second", seed, trial([1, 1], error=error - 0.1 - seed / 100))
    lines = list(report._numbers([rows], store))
    header, _, *cells = lines[1].splitlines()
    assert header == "|  | accuracy | error | minus the first | seeds |"
    assert cells[0] == "| first | 0.500 | 0.300 |  | 3 |"
    # Student's t of -0.10, -0.11 and -0.12: 4.303 times 0.01 over the root of 3 around the mean.
    assert cells[1] == "| second | 1.000 | 0.190 | -0.110 (-0.135 to -0.085) | 3 |"
    assert cells[2] == "| unseen | not measured |  |  |  |"
    empty = report._numbers([rows], Store(tmp_path / "nothing.json"))
    assert list(empty)[1].splitlines()[2] == "| first | not measured |  |"


def drawn(wrong_with: float, wrong_without: float, seed: int, images: int = 100) -> Trial:
    """A drawing in which two trainings of each arm were wrong on so many pictures."""
    rng = np.random.default_rng(seed)
    shares = np.repeat([wrong_with, wrong_without], planted.TRAININGS)
    return trial((rng.random((images, len(shares))) >= shares).T.ravel(), gap=0.0)


def test_verdicts_are_counted_against_the_true_sign(tmp_path: Path) -> None:
    store = Store(tmp_path / "figures.json")
    signs, verdicts, null = (
        Table(name, "planted", {row: trial})
        for name, row in (("signs", "case"), ("verdicts", "case"), ("null", "draws"))
    )
    cells = "\n".join(report._planted([signs, verdicts, null], store))
    assert "| case | 0 of 5 drawings measured |" in cells
    assert "not measured." in cells.splitlines()[-1]

    for seed in signs.seeds:
        store.add("signs", "case", seed, drawn(0.1, 0.4, seed))
    for seed, told in enumerate(["positive"] * 18 + ["undecided", "negative"]):
        store.add("verdicts", "case", seed, trial([], told))
    for seed in range(400):
        told = "negative" if seed < 12 else "undecided"
        store.add("null", "draws", seed, trial([], told))
    text = "\n".join(report._planted([signs, verdicts, null], store))
    _, gap = planted.pooled(store.trials("signs", "case").values())
    assert f"| case | positive | {gap} | 18 of 20 | 1 of 20 | 1 negative," in text
    # Clopper and Pearson: the chance of 12 or fewer of 400 is 5 % there.
    assert "12 of them (3.0%)" in text
    assert "at most 4.8% in the long run" in text


def test_the_gaps_of_drawings_vary_from_drawing_to_drawing_and_from_picture_to_picture() -> None:
    drawings = [drawn(0.1, 0.4, seed) for seed in range(4)]
    lost = np.stack([1 - each.bits().reshape(4, 100) for each in drawings])
    apart = lost[:, :2].mean(axis=1) - lost[:, 2:].mean(axis=1)
    sign, gap = planted.pooled(drawings)
    assert sign == "positive"
    assert gap.value == pytest.approx(apart.mean())
    parts = {3: apart.mean(axis=1).var(ddof=1) / 4, 99: apart.mean(axis=0).var(ddof=1) / 100}
    freedom = sum(parts.values()) ** 2 / sum(part**2 / free for free, part in parts.items())
    reach = special.stdtrit(freedom, 0.975) * np.sqrt(sum(parts.values()))
    assert (gap.low, gap.high) == pytest.approx((gap.value - reach, gap.value + reach))


def test_what_both_arms_of_a_drawing_share_is_not_counted_twice() -> None:
    """A gap that is the same in every drawing is sure, however hard the drawings are."""
    rng = np.random.default_rng(0)
    drawings = []
    for wrong in (5, 20, 35, 50):  # on the same pictures, and the source's on ten fewer
        order = rng.permutation(100)
        arms = np.ones((4, 100))
        arms[:2, order[10 : 10 + wrong]] = 0
        arms[2:, order[: 10 + wrong]] = 0
        drawings.append(trial(arms.ravel(), gap=0.0))
    sign, gap = planted.pooled(drawings)
    assert sign == "positive"
    assert gap.value == pytest.approx(-0.1)


def test_a_sign_keeps_what_both_arms_came_to(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []
    lost = np.zeros((planted.TRAININGS, 50)), np.zeros((planted.TRAININGS, 50))
    lost[1][:, :20] = 1  # without the source 20 of 50 are wrong

    def trained(model: Any, data: Any, plan: Any, tier: str, **how: Any) -> Any:
        asked.append((model, data, plan, tier, how["runs"], how["seed"]))
        return lost

    def made(what: str) -> Any:
        return lambda assets, seed: f"{what} {seed}"

    monkeypatch.setattr(planted, "lost_by_training", trained)
    case = planted.Case(made("a model"), made("data"))
    trials = [planted.sign(Path(), case, seed) for seed in range(3)]
    assert asked[1][:5] == ("a model 1001", "data 1001", None, "full", planted.TRAININGS)
    runs = [set(range(seed, seed + planted.TRAININGS)) for *_, seed in asked]
    assert len(set.union(*runs)) == 3 * planted.TRAININGS, "no training of two drawings is the same"
    assert trials[0].told == "positive"
    assert trials[0].numbers["gap"] == -0.4
    sign, gap = planted.pooled(trials)
    assert sign == "positive"
    assert gap.value == pytest.approx(-0.4)


def test_a_sign_is_told_when_every_drawing_is_measured() -> None:
    against = {seed: drawn(0.5, 0.2, seed) for seed in range(3)}
    assert report._sign(against, 3)[:2] == ("negative", "negative")
    assert report._sign(against, 4) == ("", "3 of 4 drawings measured", "")
    mixed = {0: drawn(0.5, 0.2, 0), 1: drawn(0.2, 0.5, 1), 2: drawn(0.3, 0.3, 2)}
    assert report._sign(mixed, 3)[:2] == ("", "none that is clear (undecided)")
    assert report._counted(["none"], "") == ("not counted", "", "1 none")


def test_one_seed_says_nothing_of_a_shift() -> None:
    one, other = {0: trial([1], error=0.1)}, {0: trial([1], error=0.2), 1: trial([1], error=0.2)}
    assert shift(one, other, "error") is None


def test_a_recipe_may_find_its_rate() -> None:
    asked: list[Any] = []

    def found(*given: Any) -> float:
        asked.append(given)
        return 0.02

    recipe = recipes.Recipe(recipes.tuned(), rate=found)
    model: Any = "a model"
    data: Any = "photos"
    *before, last = recipe.plan_for(model, data)
    assert asked == [("a model", "photos")]
    assert last.learning_rate == tk.schedules.constant(0.02)
    assert tuple(before) == recipe.plan.phases[:-1]
    assert recipes.Recipe(recipes.tuned()).plan_for(model, data) == recipes.tuned()


def test_pairs_count_where_intervals_lie_apart() -> None:
    stats = pytest.importorskip("scipy.stats")
    trained = {"a": (0.9, 0.85, 0.95), "b": (0.88, 0.8, 0.92), "c": (0.5, 0.4, 0.6)}
    right, total, tau = ranks.ordered(trained, {"a": 3.0, "b": 1.0, "c": 2.0})
    assert (right, total) == (1, 2)  # a before c; b, which is above c, is not
    assert tau == pytest.approx(stats.weightedtau([0.9, 0.88, 0.5], [3, 1, 2]).statistic)
    assert ranks.ordered(trained, {"a": 3.0, "b": 2.0, "c": 1.0})[0] == 2
    assert ranks.ordered(trained, {"a": 1.0, "b": 1.0, "c": 1.0})[0] == 0
    assert ranks.ordered(trained, {"a": 1 + 2e-15, "b": 1 + 1e-15, "c": 1.0})[0] == 0


# ------------------------------------------------------------------------------- material


def test_digits_are_enlarged_and_divided() -> None:
    pixels, labels = all_digits(32)
    assert pixels.shape == (1797, 32, 32, 3)
    np.testing.assert_array_equal(pixels[:, ::4, ::4], pixels[:, 3::4, 3::4])
    assert (pixels.min(), pixels.max()) == (0, 255)
    train, test = digits(None, 32)
    assert train.class_names == ("5", "6", "7", "8", "9")
    assert len(train.train) + len(test) == (labels >= 5).sum()


def test_a_certain_mistake_is_unlikely_and_not_impossible() -> None:
    outputs = np.array([[0.5, 0.5], [0.25, 0.75], [1.0, 0.0]], np.float32)
    assert afterwards.unlikelihood(outputs[:2], np.array([0, 0])) == pytest.approx(np.log(8) / 2)
    assert afterwards.unlikelihood(outputs[2:], np.array([1])) == pytest.approx(np.log(1e7))


def test_digits_with_several_labels_are_drawn_to_train_and_to_choose_on() -> None:
    data, test = digits(None, 32)
    nothing: Any = None
    found = afterwards.in_labels(data, test, nothing, few=3, seed=0)
    assert found.data.val is not None
    assert (len(found.data.train), len(found.data.val), len(found.test)) == (15, 15, len(test))
    assert found.data.class_names == ("a loop", "even", "a seven")
    sixes = test.labels == data.class_names.index("6")
    np.testing.assert_array_equal(found.test.labels[sixes], np.tile([1, 1, 0], (sixes.sum(), 1)))
    assert found.test.labels[:, 2].sum() == (test.labels == data.class_names.index("7")).sum()


def test_few_of_one_class_and_many_of_the_other() -> None:
    pixels = np.zeros((60, 8, 8, 3), np.uint8)
    data = tk.data.from_arrays(pixels, [0, 1] * 30, val=0)
    found = recipes.rare(data, often=20, seldom=3, seed=1)
    assert dict(found.counts()["train"]) == {"0": 3, "1": 20}


def test_a_network_without_knowledge_is_calibrated_for_the_null_draws() -> None:
    rng = np.random.default_rng(0)
    pixels = rng.normal(size=(32, 32, 32, 3)).astype(np.float32)
    network = untrained(0)
    set_statistics(network, pixels)
    first = network.layers[2]
    np.testing.assert_allclose(
        first.moving_variance, np.var(network.layers[1](pixels), (0, 1, 2)), rtol=1e-4
    )
    assert all(layer.momentum == 0.99 for layer in network.layers if hasattr(layer, "momentum"))


@pytest.mark.exhaustive
def test_the_logistic_regression_learns_the_digits() -> None:
    train, test = digits(None, 32)
    drawn = Drawn(train.few(10, seed=0), test, digits_source())
    assert by_logistic(drawn, 0).bits().mean() > 0.6
    held = train.hold_out(0.2, seed=0)
    assert len(joined(held).train) == len(train.train)
    assert by_logistic(Drawn(held, test, digits_source()), 0).bits().mean() > 0.8

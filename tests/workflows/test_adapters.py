"""Whole trainings with adapters: what moved, what it predicts, what a killed run goes on with."""

from __future__ import annotations

import importlib
import io
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import transferkit as tk
from transferkit import TransferModel, _keras
from transferkit.adapt import Adapter
from transferkit.errors import SpecError
from transferkit.spec import BackboneNetwork

keras, tf = _keras.keras(), _keras.tf()
L = keras.layers
Callback: Any = keras.callbacks.Callback
COUNT, SIDE, BATCH, RATE = 26, 16, 8, 0.02
PIXELS = np.random.default_rng(0).integers(0, 256, (COUNT, SIDE, SIDE, 3), dtype=np.uint8)
PLAIN = tk.Engine(precision="float32", prefix="tensorflow", xla=False, cache=False)
TOP = tk.select.top_blocks(1)
Array = np.ndarray[Any, Any]


def tiny() -> BackboneNetwork:
    keras.utils.set_random_seed(3)
    pixels = keras.Input((SIDE, SIDE, 3))
    x = L.Conv2D(8, 9, 2, padding="same", name="one")(pixels)
    x = L.BatchNormalization(name="one_norm")(x)
    x = L.DepthwiseConv2D(3, padding="same", activation="relu", name="two_deep")(x)
    x = L.BatchNormalization(name="two_norm", momentum=0.5)(x)
    x = L.Conv2D(8, 3, 2, groups=2, activation="relu", name="two_grouped")(x)
    x = L.Dropout(0.5, name="two_drop")(x)
    x = L.Conv2D(12, 3, padding="same", use_bias=False, name="three")(x)
    x = L.BatchNormalization(name="three_norm")(x)
    x = L.Dense(9, activation="relu", name="three_dense")(x)
    made = keras.Model(pixels, x)
    rng = np.random.default_rng(4)  # statistics as of a network that has seen pictures
    made.set_weights([each + 0.1 * rng.random(each.shape) for each in made.get_weights()])
    return tk.backbones.from_keras(made, preprocessing="unit", blocks=r"(one|two|three)(_|$)")


def photos(val: float = 0.25) -> tk.data.Data:
    return tk.data.from_arrays(PIXELS, np.arange(COUNT) % 2, val=val, seed=0)


MODEL = TransferModel(tiny()).freeze(tk.freeze.nothing(batch_norm="train"))


def plan(adapter: Adapter, epochs: int = 2, **more: Any) -> tk.Plan:
    more = {"learning_rate": RATE, "batch_size": BATCH, **more}
    return tk.plans.fine_tune(epochs, adapt=adapter, **more)


def fit(given: tk.Plan, engine: tk.Engine = PLAIN, **more: Any) -> tk.TrainedModel:
    return MODEL.fit(photos(), given, engine=engine, **{"verbose": 0, **more})


def start() -> Any:
    """The network as a fit finds it."""
    return MODEL.build(classes=2, image_size=SIDE)


def moved(trained: Any, since: Any = None) -> dict[str, Array]:
    """What changed in a model or network, by the path of its variable."""
    network = getattr(trained, "network", trained)
    before = {each.path: np.asarray(each) for each in (since or start()).weights}
    after = {each.path: np.asarray(each) for each in network.weights}
    assert list(after) == list(before), "other variables than before"
    found = {path: after[path] - before[path] for path in before}
    return {path: by for path, by in found.items() if by.any()}


HEAD = {"head_logits/kernel", "head_logits/bias"}
NORMS = {f"{block}_norm/{name}" for block in ("one", "two", "three") for name in ("gamma", "beta")}


def rank(by: Array) -> int:
    matrix = by.reshape(-1, by.shape[-1])
    return int(np.linalg.matrix_rank(matrix, tol=1e-4 * np.linalg.norm(matrix)))


@dataclass(frozen=True)
class Watched:
    """A training with LoRA, and what was seen of it on the way.

    Attributes:
        trained: What it ends with.
        outputs: What the callbacks' network predicts at the end of each epoch.
        files: What `ModelCheckpoint` wrote then.
        told: What was printed.
    """

    trained: tk.TrainedModel
    outputs: list[Array]
    files: list[Path]
    told: str


LORA = tk.adapt.lora(2, TOP, alpha=8)


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Watched:
    folder, seen, told = tmp_path_factory.mktemp("watched"), [], io.StringIO()

    class Watcher(Callback):
        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            seen.append(self.model.predict(PIXELS, verbose=0))

    saving = keras.callbacks.ModelCheckpoint(str(folder / "{epoch}.keras"))
    with redirect_stdout(told), redirect_stderr(told):
        trained = fit(plan(LORA), callbacks=[Watcher(), saving], verbose=2)
    return Watched(trained, seen, sorted(folder.iterdir()), told.getvalue())


def test_lora_moves_the_kernels_it_adapts_by_its_rank(watched: Watched) -> None:
    found = moved(watched.trained)
    assert found.keys() == {"three/kernel", "three_dense/kernel", *HEAD}
    assert rank(found["three/kernel"]) == rank(found["three_dense/kernel"]) == LORA.rank


def test_it_tells_how_many_parameters_train(watched: Watched) -> None:
    moving = 2 * (3 * 3 * 8 + 12) + 2 * (12 + 9) + (9 * 2 + 2)
    total = watched.trained.network.count_params()
    assert f"{moving:,} of {total:,} parameters train" in watched.told
    told = f"{LORA!r}: {moving} parameters train"
    assert told in repr(watched.trained.engine_report)
    assert told in repr(MODEL.explain_engine(photos(), plan(LORA)))


def test_it_leaves_plain_layers_that_a_file_predicts_with(watched: Watched, tmp_path: Path) -> None:
    trained = watched.trained
    assert {each.path for each in trained.network.trainable_variables} == HEAD
    trained.save(tmp_path / "adapted.tkm")
    again = tk.load(tmp_path / "adapted.tkm")
    assert again.plan == trained.plan
    outputs = trained.network.predict(PIXELS, verbose=0)
    np.testing.assert_allclose(again.network.predict(PIXELS, verbose=0), outputs, rtol=1e-5)


def test_callbacks_and_their_files_see_merged_kernels_within_the_phase(watched: Watched) -> None:
    first, last = watched.outputs
    assert np.abs(last - first).max() > 1e-4
    for path, expected in zip(watched.files, watched.outputs, strict=True):
        with pytest.warns(UserWarning, match="Skipping variable loading for optimizer"):
            stored = keras.models.load_model(path)
        np.testing.assert_allclose(stored.predict(PIXELS, verbose=0), expected, rtol=1e-4)
    np.testing.assert_allclose(watched.trained.network.predict(PIXELS, verbose=0), last, rtol=1e-5)


@pytest.mark.parametrize(
    ("adapter", "names"),
    [
        (tk.adapt.norm_only(TOP), {"three_norm/gamma", "three_norm/beta"}),
        (tk.adapt.biases_only(TOP), {"three_norm/beta", "three_dense/bias"}),
    ],
    ids=repr,
)
def test_norms_and_biases_move_and_statistics_stay_to_the_bit(
    adapter: Adapter, names: set[str]
) -> None:
    # The average is of what moved, and none of what did not: 0.3 x + 0.7 x need not be x.
    trained = fit(plan(adapter, averaging=tk.averaging.wise_ft(0.3)))
    assert moved(trained).keys() == names | HEAD


def test_steps_are_taken_with_the_statistics_of_the_pretraining() -> None:
    steps = 2  # in the first one only the head moves, which starts from zeros
    trained = fit(plan(tk.adapt.norm_only(), steps, optimizer="sgd", batch_size=COUNT))
    network, train = start(), photos().train
    x, y = np.asarray(train.pixels()), np.array([int(each) for each in train.labels])
    variables = [each for each in network.weights if each.path in NORMS | HEAD]
    for step in range(steps):
        with tf.GradientTape() as tape:
            outputs = network(x, training=False)
            loss = tf.reduce_mean(keras.losses.sparse_categorical_crossentropy(y, outputs))
        assert trained.history.epochs[step].metrics["loss"] == pytest.approx(float(loss), rel=1e-5)
        for variable, gradient in zip(variables, tape.gradient(loss, variables), strict=True):
            variable.assign_sub(RATE * gradient)
    found, expected = moved(trained), moved(network)
    assert found.keys() == expected.keys() == NORMS | HEAD
    for path, by in found.items():
        np.testing.assert_allclose(by, expected[path], rtol=1e-3, atol=1e-6, err_msg=path)


class Graphs(Callback):
    """Keeps the graphs that the first epoch ran, as TensorFlow's own optimizer left them."""

    def on_train_begin(self, logs: Any = None) -> None:
        self.context = importlib.import_module("tensorflow.python.eager.context").context()
        self.context.enable_run_metadata()

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        ran = self.context.export_run_metadata().function_graphs
        self.seen = [each.post_optimization_graph for each in ran]
        self.context.disable_run_metadata()


def before(graph: Any, name: str) -> set[str]:
    """The names of all nodes that have run when a node begins."""
    inputs = {node.name: node.input for node in graph.node}
    found, left = set[str](), [name]
    while left:
        given = {each.lstrip("^").split(":")[0] for each in inputs[left.pop()]}
        left += given - found
        found |= given
    return found


def test_no_factor_moves_while_it_is_read_in_the_graph_that_runs() -> None:
    graphs = Graphs()
    fit(plan(tk.adapt.lora(2, TOP), epochs=1), callbacks=[graphs])
    pairs = [
        (graph, read.name, move.name)
        for graph in graphs.seen
        for read in graph.node
        for move in graph.node
        if (read.op, move.op) == ("ReadVariableOp", "AssignSubVariableOp")
        and read.input[0] == move.input[0]
    ]
    assert len(pairs) >= 10, "four factors before and behind the step, and the head's two variables"
    assert [
        (read, move)
        for graph, read, move in pairs
        if read not in before(graph, move) and move not in before(graph, read)
    ] == []


def test_cached_training_is_training_without_a_cut(tmp_path: Path) -> None:
    given = plan(tk.adapt.lora(2, TOP)).then(plan(tk.adapt.norm_only(TOP)))
    engine = tk.Engine(precision="float32", prefix="tensorflow", xla=False, cache=tmp_path)
    mine, theirs = fit(given, engine), fit(given)
    assert [phase.cached for phase in mine.engine_report.phases] == [True, True]
    assert mine.engine_report.phases[0].cut == ("two_drop",)
    assert not any(phase.cached for phase in theirs.engine_report.phases)
    ours, other = ([each.metrics["loss"] for each in done.history] for done in (mine, theirs))
    np.testing.assert_allclose(ours, other, rtol=1e-5)
    expected = moved(theirs)
    for path, by in moved(mine).items():
        np.testing.assert_allclose(by, expected[path], rtol=2e-3, atol=2e-5, err_msg=path)


def test_a_run_that_was_killed_goes_on_exactly(tmp_path: Path) -> None:
    more = {"optimizer": "adamw", "averaging": tk.averaging.ema(0.8)}
    head = tk.plans.feature_extraction(1, batch_size=BATCH)
    given = head.then(plan(tk.adapt.lora(2, TOP), 3, **more))

    def crash(epoch: int, logs: Any) -> None:
        if epoch == 2:
            raise KeyboardInterrupt

    def backup() -> Any:
        return keras.callbacks.BackupAndRestore(str(tmp_path))

    bomb = keras.callbacks.LambdaCallback(on_epoch_begin=crash)
    with pytest.raises(KeyboardInterrupt):
        fit(given, callbacks=[backup(), bomb])
    resumed = fit(given, callbacks=[backup()])
    assert [record.epoch for record in resumed.history] == [2, 3]
    expected = fit(given)
    pairs = zip(resumed.network.get_weights(), expected.network.get_weights(), strict=True)
    for ours, theirs in pairs:
        np.testing.assert_array_equal(ours, theirs)


def test_averages_are_of_merged_kernels() -> None:
    trained = fit(plan(tk.adapt.lora(1, TOP), 2, averaging=tk.averaging.swa(0.9)))
    ranks = {path: rank(by) for path, by in moved(trained).items() if path not in HEAD}
    assert ranks["three/kernel"] == 2, "of a mean of two products"


def test_other_phases_go_on_from_what_an_adapter_leaves(watched: Watched) -> None:
    once = watched.trained
    deep = plan(tk.adapt.norm_only(TOP), 1).then(
        tk.plans.fine_tune(1, unfreeze=tk.select.where("two_deep"), batch_size=BATCH)
    )
    on = once.fit(photos(), deep, engine=PLAIN, verbose=0)
    expected = {"two_deep/kernel", "two_deep/bias", "three_norm/gamma", "three_norm/beta"}
    assert moved(on, once.network).keys() == expected | HEAD


def test_what_keras_trains_afterwards_knows_of_no_factors(watched: Watched) -> None:
    before = keras.models.clone_model(watched.trained.network)
    before.set_weights(watched.trained.network.get_weights())
    watched.trained.network.train_on_batch(PIXELS, np.eye(2)[np.arange(COUNT) % 2])
    assert moved(watched.trained, before).keys() == HEAD


def test_what_an_adapter_cannot_do_is_said_before_the_first_step() -> None:
    for run in (MODEL.fit, MODEL.explain_engine):
        with pytest.raises(SpecError, match="lora: of the 1 layers"):
            run(photos(), plan(tk.adapt.lora(where=tk.select.where("two_grouped"))))
    with pytest.raises(SpecError, match="lora moves them by the product"):
        fit(plan(tk.adapt.lora(), objectives=tk.objectives.l2_sp(0.1)))

"""What needs a process of its own: the same weights there as here, and what two devices do.

The runs stand in this file, which the other process runs as a program, so that TensorFlow is
started once and not for each of them.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import transferkit as tk
from transferkit import _keras
from transferkit.engine.rewrites import fuse_batch_norm

DEVICES = 2


class Size:
    """A term of the loss, of someone else: how large embeddings are."""

    def __call__(self, seen: Any) -> Any:
        tf = _keras.tf()
        return 5.0 * tf.reduce_mean(tf.square(seen.embedding))

    def to_config(self) -> dict[str, str]:
        return {"objective": "size"}


def backbone() -> Any:
    keras = _keras.keras()
    keras.utils.set_random_seed(0)
    layers = keras.layers
    pixels = keras.Input((16, 16, 3))
    x = layers.Conv2D(4, 3, strides=2, name="first_conv")(pixels)
    x = layers.BatchNormalization(name="first_norm")(x)
    x = layers.ReLU(name="first_relu")(x)
    x = layers.Conv2D(8, 3, strides=2, name="second_conv")(x)
    network = keras.Model(pixels, x, name="tiny")
    rng = np.random.default_rng(0)
    network.set_weights([w + rng.normal(0, 0.1, w.shape) for w in network.get_weights()])
    return tk.backbones.from_keras(network, preprocessing="unit", blocks="(first|second)_")


def pictures() -> tk.data.Data:
    """The last batch of 8 holds one picture: fewer than there are devices."""
    labels = np.arange(33) % 3
    rng = np.random.default_rng(1)
    images = rng.integers(0, 160, (33, 16, 16, 3)) + 40 * labels[:, None, None, None]
    return tk.data.from_arrays(images.astype(np.uint8), labels, val=0.2, seed=0)


def plan(folder: str) -> tk.Plan:
    """A phase of each kind, with every kind of term in one of them."""
    top = Path(folder) / "top.npz"
    kernel = np.random.default_rng(2).normal(size=(8, 5))
    np.savez(top, kernel=kernel, bias=np.zeros(5))
    unfreeze = tk.select.top_blocks(1)
    tuned = tk.plans.fine_tune(
        2,
        unfreeze=unfreeze,
        learning_rate=1e-2,
        batch_size=8,
        sampling="balanced",
        objectives=[tk.objectives.l2_sp(20.0), Size(), tk.objectives.co_tuning(0.5, head=top)],
        layer_rates=tk.schedules.layer_decay(0.5),
    )
    adapted = tk.plans.fine_tune(
        1, adapt=tk.adapt.lora(2, unfreeze), learning_rate=1e-2, batch_size=8
    )
    return tk.plans.feature_extraction(2, batch_size=8).then(tuned).then(adapted)


AUGMENTED = (
    tk.augment.flip(),
    tk.augment.hue(0.1),
    tk.augment.mixup(0.4),
    tk.augment.rotate(20),
    tk.augment.cutmix(),
)


def trained_with(dropout: float, **engine: Any) -> tuple[tk.TrainedModel, dict[str, Any]]:
    """A model, and the facts of it by which two are compared."""
    model = tk.TransferModel(backbone(), weights="pretrained").augment(*AUGMENTED)
    model = model.head(tk.heads.classification(dropout=dropout)).freeze(tk.freeze.backbone())
    exact = tk.Engine(precision="float32", **engine)
    with tempfile.TemporaryDirectory() as folder:
        trained = model.fit(pictures(), plan(folder), seed=7, engine=exact, verbose=0)
    weights = trained.network.get_weights()
    val = pictures().val
    assert val is not None
    return trained, {
        "digest": hashlib.sha256(b"".join(w.tobytes() for w in weights)).hexdigest(),
        "metrics": [record.metrics for record in trained.history],
        "head": np.asarray(trained.network.get_layer("head_logits").kernel).tolist(),
        "predicted": trained.evaluate(val).metrics,
    }


def random() -> dict[str, Any]:
    """Everything that draws numbers, on the first device."""
    return trained_with(0.5)[1]


def shared() -> dict[str, Any]:
    """What draws nothing but by the picture, on all devices; and one phase further."""
    tf = _keras.tf()
    strategy = tf.distribute.MirroredStrategy(
        [device.name for device in tf.config.list_logical_devices("CPU")]
    )
    assert strategy.num_replicas_in_sync == DEVICES
    trained, found = trained_with(0.0, strategy=strategy)
    engine = tk.Engine(precision="float32", strategy=strategy)
    further = trained.fit(pictures(), tk.Phase(1, batch_size=8), engine=engine, verbose=0)
    return {**found, "further": len(further.history)}


def norms() -> dict[str, Any]:
    """What a step of all devices makes of the statistics of a norm that trains, in each of them."""
    keras, tf = _keras.keras(), _keras.tf()
    strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
    halves = np.split(pixels_of_norms(), DEVICES)
    with strategy.scope():
        entry = keras.Input((3, 3, 2))
        norm = keras.layers.BatchNormalization(momentum=0.5)
        model = keras.Model(entry, norm(entry))

    def moved(network: Any) -> list[Any]:
        norm.moving_mean.assign([0.0, 1.0])
        norm.moving_variance.assign([1.0, 2.0])
        parts = strategy.experimental_distribute_values_from_function(
            lambda context: tf.constant(halves[context.replica_id_in_sync_group])
        )
        step = tf.function(
            lambda part: strategy.run(lambda x: network(x, training=True), args=(part,))
        )
        step(parts)
        held = (norm.moving_mean._value, norm.moving_variance._value)
        local = strategy.experimental_local_results
        return [[part.numpy().tolist() for part in local(each)] for each in held]

    with strategy.scope():
        return {"keras": moved(model), "fused": moved(fuse_batch_norm(model))}


def pixels_of_norms() -> np.ndarray[Any, Any]:
    return np.random.default_rng(0).normal(1, 2, (6, 3, 3, 2)).astype("float32")


RUNS: dict[str, Callable[[], dict[str, Any]]] = {
    "random": random,
    "shared": shared,
    "norms": norms,
}


def main(wanted: Sequence[str]) -> None:
    """The program of the other process, which has two devices."""
    tf = _keras.tf()
    one = tf.config.LogicalDeviceConfiguration()
    (processor,) = tf.config.list_physical_devices("CPU")
    tf.config.set_logical_device_configuration(processor, [one] * DEVICES)
    print("RESULTS " + json.dumps({name: RUNS[name]() for name in wanted}))


@pytest.fixture(scope="module")
def elsewhere() -> Any:
    """What the other process finds."""
    root = str(Path(__file__).resolve().parents[2])
    path = os.pathsep.join([root, *filter(None, [os.environ.get("PYTHONPATH")])])
    quiet = {"TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1"}
    environment = {**os.environ, **quiet, "KERAS_BACKEND": "tensorflow", "PYTHONPATH": path}
    command = [sys.executable, __file__, *RUNS]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    (line,) = (line for line in done.stdout.splitlines() if line.startswith("RESULTS "))
    return json.loads(line.removeprefix("RESULTS "))


def test_one_seed_gives_one_set_of_weights_in_two_processes(elsewhere: Any) -> None:
    here = random()
    assert elsewhere["random"]["digest"] == here["digest"]
    assert elsewhere["random"]["metrics"] == here["metrics"]


def test_two_devices_train_as_one_does(elsewhere: Any) -> None:
    ours, (_, theirs) = elsewhere["shared"], trained_with(0.0)
    assert ours["digest"] != elsewhere["random"]["digest"]
    assert len(ours["metrics"]) == 5
    for mine, other in zip(ours["metrics"], theirs["metrics"], strict=True):
        assert mine == pytest.approx(other, rel=1e-4)
    for row, twin in zip(ours["head"], theirs["head"], strict=True):
        assert row == pytest.approx(twin, abs=1e-4)
    assert ours["predicted"] == pytest.approx(theirs["predicted"], rel=1e-4)
    assert ours["further"] == 6


def test_two_replicas_move_their_statistics_as_keras_does(elsewhere: Any) -> None:
    """Keras gives these variables no aggregation: each replica keeps those of its own pictures."""
    results = elsewhere["norms"]
    means = [half.mean((0, 1, 2)) for half in np.split(pixels_of_norms(), DEVICES)]
    wanted = [(np.array([0.0, 1.0]) + mean) / 2 for mean in means]
    np.testing.assert_allclose(results["keras"][0], wanted, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(results["fused"], results["keras"], rtol=1e-5, atol=1e-5)


if __name__ == "__main__":
    main(sys.argv[1:])

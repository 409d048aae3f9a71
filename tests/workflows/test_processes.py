"""What needs processes of its own: two that end with one set of weights, and one with two devices.

One program does all of it, so that TensorFlow is started three times and not seven.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

PROGRAM = """
import hashlib, json, sys, tempfile
import numpy as np
import transferkit as tk
from transferkit import _keras

keras, tf = _keras.keras(), _keras.tf()
devices, wanted = int(sys.argv[1]), sys.argv[2:]
if devices > 1:
    one = tf.config.LogicalDeviceConfiguration()
    tf.config.set_logical_device_configuration(tf.config.list_physical_devices("CPU")[0],
                                               [one] * devices)

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
backbone = tk.backbones.from_keras(network, preprocessing="unit", blocks="(first|second)_")


class Size:
    def __call__(self, seen):
        return 5.0 * tf.reduce_mean(tf.square(seen.embedding))

    def to_config(self):
        return {"objective": "size"}


labels = np.arange(33) % 3  # the last batch of 8 holds one picture: fewer than there are devices
images = rng.integers(0, 160, (33, 16, 16, 3)) + 40 * labels[:, None, None, None]
photos = tk.data.from_arrays(images.astype(np.uint8), labels, val=0.2, seed=0)
top = tempfile.mkdtemp() + "/top.npz"
np.savez(top, kernel=rng.normal(size=(8, 5)), bias=np.zeros(5))
terms = [tk.objectives.l2_sp(20.0), Size(), tk.objectives.co_tuning(0.5, head=top)]
plan = tk.plans.feature_extraction(2, batch_size=8).then(
    tk.plans.fine_tune(2, unfreeze=tk.select.top_blocks(1), learning_rate=1e-2, batch_size=8,
                       sampling="balanced", objectives=terms,
                       layer_rates=tk.schedules.layer_decay(0.5))).then(
    tk.plans.fine_tune(1, adapt=tk.adapt.lora(2, tk.select.top_blocks(1)), learning_rate=1e-2,
                       batch_size=8))
mixing = (tk.augment.hue(0.1), tk.augment.mixup(0.4), tk.augment.rotate(20), tk.augment.cutmix())


def run(engine, dropout, *more):
    model = (
        tk.TransferModel(backbone, weights="pretrained").augment(tk.augment.flip(), *more)
        .head(tk.heads.classification(dropout=dropout)).freeze(tk.freeze.backbone())
    )
    trained = model.fit(photos, plan, seed=7, engine=engine, verbose=0)
    weights = trained.network.get_weights()
    digest = hashlib.sha256(b"".join(w.tobytes() for w in weights)).hexdigest()
    losses = [record.metrics for record in trained.history]
    head = trained.network.get_layer("head_logits").kernel
    found = {
        "digest": digest, "metrics": losses, "head": np.asarray(head).tolist(),
        "predicted": trained.evaluate(photos.val).metrics,
    }
    if not (dropout or more):
        again = trained.fit(photos, tk.Phase(1, batch_size=8), seed=7, engine=engine, verbose=0)
        found["further"] = len(again.history)
    return found


exact = {"precision": "float32"}
if devices > 1:
    names = [device.name for device in tf.config.list_logical_devices("CPU")]
    exact["strategy"] = tf.distribute.MirroredStrategy(names)
    assert exact["strategy"].num_replicas_in_sync == devices
runs = {
    "plain": lambda: run(tk.Engine(**exact), 0.0),
    "mixed": lambda: run(tk.Engine(**exact), 0.0, *mixing),
    "random": lambda: run(tk.Engine(**exact), 0.5, *mixing),
}
print("RESULTS " + json.dumps({name: runs[name]() for name in wanted}))
"""


def run(devices: int, *wanted: str) -> Any:
    """What a process of its own with that many devices finds in some of its runs."""
    quiet = {"TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1"}
    environment = {**os.environ, **quiet, "KERAS_BACKEND": "tensorflow"}
    command = [sys.executable, "-c", PROGRAM, str(devices), *wanted]
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run(
        command, env=environment, cwd=root, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    (line,) = (line for line in done.stdout.splitlines() if line.startswith("RESULTS "))
    return json.loads(line.removeprefix("RESULTS "))


@pytest.fixture(scope="module")
def alone() -> Any:
    return run(1, "plain", "mixed", "random")


def test_one_seed_gives_one_set_of_weights_in_two_processes(alone: Any) -> None:
    again = run(1, "plain", "random")
    for name in again:
        assert again[name]["digest"] == alone[name]["digest"]
        assert again[name]["metrics"] == alone[name]["metrics"]
    assert len({alone[name]["digest"] for name in ("plain", "random", "mixed")}) == 3


def test_two_devices_train_as_one_does(alone: Any) -> None:
    shared, expected = run(2, "plain", "mixed"), alone["plain"]
    assert_alike(shared["plain"], expected, tolerance=1e-4)
    assert_alike(shared["mixed"], alone["mixed"], tolerance=1e-4)
    assert shared["plain"]["further"] == 6


def assert_alike(ours: Any, theirs: Any, *, tolerance: float) -> None:
    assert len(ours["metrics"]) == 5
    for mine, other in zip(ours["metrics"], theirs["metrics"], strict=True):
        assert mine == pytest.approx(other, rel=tolerance)
    for row, twin in zip(ours["head"], theirs["head"], strict=True):
        assert row == pytest.approx(twin, abs=tolerance)
    assert ours["predicted"] == pytest.approx(theirs["predicted"], rel=tolerance)

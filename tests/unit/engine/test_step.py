"""The steps: as plain Keras makes them, however many to a call, on one device and on two."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import training_lab as lab

SHARED = ("clipnorm", "accumulation", "ema, overwriting", "all")
HERE = Path(__file__).parent

TWO_DEVICES = """
import json, sys
import numpy as np
import tensorflow as tf

(cpu,) = tf.config.list_physical_devices("CPU")
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
import training_lab as lab

strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])


def by_engine(optimizer, feed):
    made = lab.make(optimizer, strategy=strategy, xla=feed == "xla")
    chosen = made.stream(3) if feed == "stream" else made.rows(1 if feed == "single" else 3)
    logs = lab.train(made, chosen)
    return {"weights": [w.tolist() for w in lab.finished(made)], "loss": logs[-1]["loss"]}


def by_keras(optimizer):  # the optimizer applied in each replica, as Keras' own step does it
    made = lab.make(optimizer, strategy=strategy)
    network, own = made.network, made.network.trainable_variables

    def one(x, y):
        with tf.GradientTape() as tape:
            each = lab.keras.losses.categorical_crossentropy(y, network(x))
            loss = tf.reduce_sum(each) / lab.BATCH
        network.optimizer.apply(tape.gradient(loss, own), own)

    step = tf.function(lambda batch: strategy.run(one, args=batch))
    try:
        for batch in lab.dealt(made):
            step(batch)
            break
    except Exception as error:
        return type(error).__name__
    return [w.tolist() for w in network.get_weights()]


print("RESULTS " + json.dumps({
    **{name: by_engine(lab.OPTIMIZERS[name], "whole") for name in sys.argv[1:]},
    "stream": by_engine(lab.OPTIMIZERS["all"], "stream"),
    "single": by_engine(lab.OPTIMIZERS["all"], "single"),
    "xla": by_engine(lab.OPTIMIZERS["all"], "xla"),
    "keras": {name: by_keras(lab.OPTIMIZERS[name]) for name in sys.argv[1:]},
}))
"""


@pytest.fixture(scope="module")
def two_devices() -> Any:
    """A process of its own: devices are divided before anything else."""
    paths = os.pathsep.join([str(HERE), str(HERE.parents[2])])
    quiet = {"TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1", "PYTHONPATH": paths}
    command = [sys.executable, "-c", TWO_DEVICES, *SHARED]
    environment = {**os.environ, **quiet}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    (line,) = (line for line in done.stdout.splitlines() if line.startswith("RESULTS "))
    return json.loads(line.removeprefix("RESULTS "))


@pytest.fixture(scope="module")
def expected() -> dict[str, lab.Weights]:
    """What plain Keras makes of the same batches."""
    return {name: lab.trained_by_keras(lab.OPTIMIZERS[name]()) for name in lab.OPTIMIZERS}


@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=[pytest.mark.slow] * (n not in SHARED)) for n in lab.OPTIMIZERS]
)
def test_whatever_keras_optimizers_can_do_comes_out_as_in_kerass_fit(
    name: str, expected: dict[str, lab.Weights]
) -> None:
    found = []
    for per_call in (1, 3):
        made = lab.make(lab.OPTIMIZERS[name])
        lab.train(made, made.rows(per_call))
        found.append(lab.finished(made))
        assert lab.distance(found[-1], expected[name]) < 1e-5
    assert lab.distance(*found) == 0.0


def test_the_optimizers_of_the_lab_differ(expected: dict[str, lab.Weights]) -> None:
    others = (weights for name, weights in expected.items() if name != "adam")
    assert all(lab.distance(expected["adam"], other) > 1e-3 for other in others)


@pytest.mark.slow
@pytest.mark.parametrize("name", SHARED)
def test_two_devices_end_where_one_does(
    name: str, two_devices: Any, expected: dict[str, lab.Weights]
) -> None:
    found = [np.array(weight) for weight in two_devices[name]["weights"]]
    assert lab.distance(found, expected[name]) < 1e-5


@pytest.mark.slow
@pytest.mark.parametrize("way", ["stream", "single", "xla"])
def test_two_devices_do_not_care_where_batches_come_from(way: str, two_devices: Any) -> None:
    """Nor how many there are to a call; XLA is left alone there."""
    assert two_devices[way] == two_devices["all"]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["accumulation", "ema, overwriting"])
def test_keras_cannot_do_it_in_each_replica(name: str, two_devices: Any) -> None:
    """Why the optimizer is applied once for all devices: TensorFlow refuses it in each of them."""
    assert two_devices["keras"][name] in ("RuntimeError", "ValueError"), two_devices["keras"][name]


@pytest.mark.slow
def test_keras_would_clip_what_each_replica_found(two_devices: Any) -> None:
    """The same reason: a norm of parts is none of the whole, so two devices would end elsewhere."""
    made = lab.make(lab.OPTIMIZERS["clipnorm"])
    made.rows(1).run(0, 0, 1, None)
    found = [np.array(weight) for weight in two_devices["keras"]["clipnorm"]]
    assert lab.distance(found, made.network.get_weights()) > 1e-4


def test_xla_ends_where_oneDNN_does() -> None:  # noqa: N802
    plain, fast = (lab.make(lab.OPTIMIZERS["all"], xla=xla) for xla in (False, True))
    logs = [lab.train(made, made.rows(3)) for made in (plain, fast)]
    assert fast.steps.xla
    assert lab.distance(lab.finished(plain), lab.finished(fast)) < 1e-6
    for one, other in zip(*logs, strict=True):
        assert one == pytest.approx(other, rel=1e-5)


@pytest.mark.parametrize("xla", [False, True])
@pytest.mark.parametrize("kind", ["rows", "stream"])
def test_dropout_draws_the_same_whatever_a_call_holds(
    kind: str, xla: bool, expected: dict[str, lab.Weights]
) -> None:
    found = []
    for per_call in (1, 3):
        made = lab.make(lab.OPTIMIZERS["adam"], dropout=0.5, xla=xla)
        lab.train(made, getattr(made, kind)(per_call))
        found.append(made.network.get_weights())
    assert lab.distance(*found) <= 1e-6 * xla
    assert lab.distance(found[0], expected["adam"]) > 1e-3


@pytest.mark.parametrize("kind", ["rows", "stream"])
def test_every_step_has_its_own_learning_rate(kind: str) -> None:
    rates = np.linspace(0.0, 0.5, 9, dtype=np.float32)
    network, _ = lab.networks()
    network.compile(lab.keras.optimizers.SGD(9.0), "categorical_crossentropy", run_eagerly=True)
    for rate, batch in zip(rates, lab.dealt(lab.make(lab.OPTIMIZERS["adam"])), strict=True):
        network.optimizer.learning_rate = float(rate)
        network.train_on_batch(*batch)
    for per_call in (1, 3):
        made = lab.make(lambda: lab.keras.optimizers.SGD(9.0))
        lab.train(made, getattr(made, kind)(per_call), rates)
        assert lab.distance(made.network.get_weights(), network.get_weights()) < 1e-5
        assert float(made.network.optimizer.learning_rate) == 0.5


def test_the_metrics_are_those_of_all_rows_of_the_epoch() -> None:
    made = lab.make(lambda: lab.keras.optimizers.SGD(0.0))
    (logs, *_) = lab.train(made, made.rows(3))
    outputs = np.asarray(made.network(lab.X))
    assert logs["accuracy"] == pytest.approx(np.mean(outputs.argmax(1) == lab.Y.argmax(1)))
    assert logs["loss"] == pytest.approx(-np.mean(np.log((outputs * lab.Y).sum(1))), rel=1e-5)


def test_a_variable_that_the_loss_does_not_reach_stays(recwarn: Any) -> None:
    keras, tf = lab.keras, lab.tf
    features = keras.Input((lab.WIDTH,))
    hidden = keras.layers.Dense(4, name="unreached")(features)
    step = keras.ops.stop_gradient(hidden)
    logits = keras.layers.Dense(lab.CLASSES)(step)
    network = keras.Model(features, keras.layers.Activation("softmax")(logits))
    network.optimizer = keras.optimizers.SGD(0.1)
    steps = lab.over(network, keras.Model(features, logits)).steps
    before = network.get_weights()
    steps.train((tf.constant(lab.X), tf.constant(lab.Y)))
    moved = [not np.array_equal(a, b) for a, b in zip(before, network.get_weights(), strict=True)]
    assert moved == [False, False, True, True]
    assert any("Gradients do not exist" in str(warning.message) for warning in recwarn)

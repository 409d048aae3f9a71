"""Two worker processes on one machine: they train as one does, and one notices that one is gone."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from transferkit import _keras

PROGRAM = """
import hashlib, json, sys, time
from pathlib import Path
import numpy as np
import transferkit as tk
from transferkit import _keras

keras, tf = _keras.keras(), _keras.tf()
mode, worker, folder = sys.argv[1], int(sys.argv[2]), Path(sys.argv[3])
if mode == "alone":
    engine = tk.Engine(precision="float32", prefix="tensorflow", shards=2)
else:
    strategy = tf.distribute.MultiWorkerMirroredStrategy()
    engine = tk.Engine(precision="float32", prefix="tensorflow", strategy=strategy)

keras.utils.set_random_seed(worker)  # what workers draw for themselves must not matter
layers = keras.layers
pixels = keras.Input((8, 8, 3))
x = layers.Conv2D(4, 3, name="first_conv")(pixels)
x = layers.BatchNormalization(name="first_norm")(x)
x = layers.ReLU(name="first_relu")(x)
x = layers.Conv2D(8, 3, name="second_conv")(x)
network = keras.Model(pixels, x, name="tiny")
rng = np.random.default_rng(0)
network.set_weights([w + rng.normal(0, 0.1, w.shape) for w in network.get_weights()])
backbone = tk.backbones.from_keras(network, preprocessing="unit", blocks="(first|second)_")

labels = np.arange(35) % 3
images = rng.integers(0, 160, (35, 8, 8, 3)) + 40 * labels[:, None, None, None]
photos = tk.data.from_arrays(images.astype(np.uint8), labels, val=0.2, seed=0)
plan = tk.plans.feature_extraction(2, batch_size=8).then(
    tk.plans.fine_tune(2, unfreeze=tk.select.top_blocks(1), learning_rate=1e-2, batch_size=8,
                       sampling="balanced", views=2,
                       objectives=tk.objectives.co_tuning(0.5, head=folder / "top.npz")))
model = (
    tk.TransferModel(backbone, weights="pretrained").freeze(tk.freeze.backbone())
    .augment(tk.augment.flip(), tk.augment.rotate(20), tk.augment.mixup(0.4))
)
Callback = keras.callbacks.Callback


class Slow(Callback):
    def on_epoch_end(self, epoch, logs=None):
        print("EPOCH", epoch, flush=True)
        time.sleep(0.3)


class StopOnSecond(Callback):  # only one of the workers says so
    def on_train_batch_end(self, batch, logs=None):
        if worker == 1:
            self.model.stop_training = True


def facts(trained):
    weights = [np.asarray(w) for w in trained.network.get_weights()]
    return {
        "digest": hashlib.sha256(b"".join(w.tobytes() for w in weights)).hexdigest(),
        "weights": [w.ravel().tolist() for w in weights],
        "metrics": [record.metrics for record in trained.history],
        "predicted": repr(trained.predict(photos.val.pixels()[np.arange(2)])[0]),
        "evaluated": trained.evaluate(photos.val).metrics,
    }


def error_of(**changes):
    try:
        model.fit(**{"data": photos, "plan": tk.Phase(1, batch_size=8), "engine": engine,
                     "verbose": 0, **changes})
    except Exception as error:
        return f"{type(error).__name__}: {error}"


if mode in ("alone", "together"):
    own = folder / str(worker)
    own.mkdir()
    backup = keras.callbacks.BackupAndRestore(str(own / "backup"), delete_checkpoint=False)
    writers = [keras.callbacks.CSVLogger(str(own / "log.csv")), backup,
               keras.callbacks.ModelCheckpoint(str(own / "best.keras"), save_best_only=True)]
    trained = model.fit(photos, plan, seed=7, engine=engine, callbacks=writers, verbose=2)
    trained.save(own / "model.tkm")
    results = {**facts(trained), "files": sorted(path.name for path in own.iterdir())}
    longer = plan.then(tk.plans.fine_tune(1, unfreeze=tk.select.top_blocks(1), batch_size=8))
    again = model.fit(photos, longer, seed=7, engine=engine, callbacks=[backup], verbose=0)
    results["resumed"] = {**facts(again), "epochs": [r.epoch for r in again.history]}
    solved = tk.plans.linear_probe_then_fine_tune(
        1, unfreeze=tk.select.top_blocks(1), learning_rate=1e-2, batch_size=8,
        averaging=tk.averaging.wise_ft())
    results["solved"] = facts(model.fit(photos, solved, seed=7, engine=engine, verbose=0))
    if mode == "together":
        stopped = model.fit(photos, tk.Phase(5, batch_size=8), seed=7, engine=engine,
                            callbacks=[StopOnSecond()], verbose=0)
        results["stopped"] = len(stopped.history)
        results["seeds"] = error_of(seed=worker)
        results["odd"] = error_of(plan=tk.Phase(1, batch_size=7))
        results["dropout"] = facts(model.head(tk.heads.classification(dropout=0.5)).fit(
            photos, tk.Phase(1, batch_size=8), seed=7, engine=engine, verbose=0))["digest"]
        further = trained.fit(photos, tk.Phase(1, batch_size=8), engine=engine, verbose=0)
        results["further"] = facts(further)["digest"]
    print("RESULTS " + json.dumps(results), flush=True)
else:
    checkpoint = keras.callbacks.ModelCheckpoint(str(folder / "last.keras"))
    backup = keras.callbacks.BackupAndRestore(str(folder / "backup"))
    print("ERROR " + str(error_of(plan=tk.Phase(10_000, batch_size=8),
                                  callbacks=[backup, checkpoint, Slow()])), flush=True)
"""
ROOT = Path(__file__).resolve().parents[2]


def ports(count: int) -> list[int]:
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


@contextmanager
def started(mode: str, folder: Path, workers: int) -> Iterator[list[subprocess.Popen[str]]]:
    """Worker processes that write into files of `folder`, ended with the block."""
    quiet = {"TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1"}
    cluster = {"worker": [f"127.0.0.1:{port}" for port in ports(workers)]}
    running = []
    try:
        for worker in range(workers):
            task = {"type": "worker", "index": worker}
            environment = {**os.environ, **quiet, "KERAS_BACKEND": "tensorflow"}
            if workers > 1:
                environment["TF_CONFIG"] = json.dumps({"cluster": cluster, "task": task})
            with open(folder / f"{mode}{worker}.log", "w") as log:
                command = [sys.executable, "-c", PROGRAM, mode, str(worker), str(folder)]
                process = subprocess.Popen(
                    command, env=environment, cwd=ROOT, stdout=log, stderr=log, text=True
                )
            running.append(process)
        yield running
    finally:
        for process in running:
            process.kill()
            process.wait()


def run(mode: str, folder: Path, workers: int) -> list[Any]:
    folder.mkdir()
    kernel = np.random.default_rng(0).normal(size=(8, 5))
    np.savez(folder / "top.npz", kernel=kernel, bias=np.zeros(5))
    with started(mode, folder, workers) as running:
        found = []
        for worker, process in enumerate(running):
            code = process.wait(timeout=300)
            told = (folder / f"{mode}{worker}.log").read_text()
            assert code == 0, told[-5000:]
            (line,) = (line for line in told.splitlines() if line.startswith("RESULTS "))
            found.append({**json.loads(line.removeprefix("RESULTS ")), "told": told})
    return found


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return run("together", tmp_path_factory.mktemp("workers") / "together", 2)


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return run("alone", tmp_path_factory.mktemp("workers") / "alone", 1)[0]


def test_two_workers_end_with_one_set_of_weights(pair: Any) -> None:
    first, second = pair
    assert first["digest"] == second["digest"]
    assert first["metrics"] == second["metrics"]
    assert first["predicted"] == second["predicted"]
    assert first["evaluated"] == second["evaluated"]
    for name in ("dropout", "further", "solved"):
        assert first[name] == second[name]


def test_two_workers_train_as_one_process_with_two_shards(pair: Any, alone: Any) -> None:
    for mine, its in ((pair[1], alone), (pair[1]["resumed"], alone["resumed"])):
        for own, other in zip(mine["weights"], its["weights"], strict=True):
            np.testing.assert_allclose(own, other, rtol=1e-5, atol=1e-5)
        assert len(mine["metrics"]) == len(its["metrics"])
        for record, twin in zip(mine["metrics"], its["metrics"], strict=True):
            assert record == pytest.approx(twin, rel=1e-4)
        assert mine["evaluated"] == pytest.approx(its["evaluated"], rel=1e-4)


def test_a_head_is_solved_on_the_pictures_of_all_workers(pair: Any, alone: Any) -> None:
    mine, its = pair[0]["solved"], alone["solved"]
    for own, other in zip(mine["weights"], its["weights"], strict=True):
        # As far as L-BFGS goes in float32.
        np.testing.assert_allclose(own, other, rtol=1e-3, atol=1e-3)
    for record, twin in zip(mine["metrics"], its["metrics"], strict=True):
        assert record == pytest.approx(twin, rel=1e-2)


def test_only_the_chief_writes_and_prints(pair: Any, alone: Any) -> None:
    first, second = pair
    assert first["files"] == alone["files"] == ["backup", "best.keras", "log.csv", "model.tkm"]
    assert second["files"] == []
    assert "Epoch 4/4" in first["told"]
    assert "Epoch" not in second["told"]


def test_a_backup_that_only_the_chief_has_is_taken_up_by_all(pair: Any, alone: Any) -> None:
    digests = {each["resumed"]["digest"] for each in pair}
    assert len(digests) == 1
    assert [each["resumed"]["epochs"] for each in (*pair, alone)] == [[4]] * 3
    assert digests != {pair[0]["digest"]}


def test_all_stop_behind_the_epoch_in_which_one_wants_to(pair: Any) -> None:
    assert [each["stopped"] for each in pair] == [1, 1]


def test_workers_that_were_told_different_things_all_say_so(pair: Any) -> None:
    for each in pair:
        assert each["seeds"].startswith("SpecError: fit: worker 1 (127.0.0.1:")
        assert "has other seed than the chief; differing: seed. Expected the same" in each["seeds"]
        assert "a batch of 7 cannot be shared by 2 shards on 2 devices" in each["odd"]


@pytest.mark.slow
@pytest.mark.parametrize("victim", [0, 1])
def test_when_a_worker_dies_the_other_says_so_and_the_last_checkpoint_is_whole(
    victim: int, tmp_path: Path
) -> None:
    with started("killed", tmp_path, 2) as running:
        wait_for("EPOCH 3", tmp_path / "killed0.log", running)
        running[victim].send_signal(signal.SIGKILL)
        killed = time.monotonic()
        assert running[1 - victim].wait(timeout=180) == 0
        assert time.monotonic() - killed < 180
    told = (tmp_path / f"killed{1 - victim}.log").read_text()
    (line,) = (line for line in told.splitlines() if line.startswith("ERROR "))
    assert line.startswith("ERROR TrainingError: fit: ")
    assert f"worker {victim} (127.0.0.1:" in line
    assert "BackupAndRestore" in line
    network = _keras.keras().models.load_model(tmp_path / "last.keras", compile=False)
    network.load_weights(tmp_path / "backup" / "latest.weights.h5")
    notes = json.loads((tmp_path / "backup" / "training_metadata.json").read_text())
    assert notes["epoch"] >= 3


def wait_for(word: str, log: Path, running: list[subprocess.Popen[str]]) -> None:
    end = time.monotonic() + 200
    while word not in log.read_text():
        assert time.monotonic() < end, log.read_text()[-3000:]
        assert all(process.poll() is None for process in running), log.read_text()[-3000:]
        time.sleep(0.2)

"""Two worker processes on one machine: they train as one does, and one notices that one is gone.

What they do stands in this file, which they run as a program; "alone" is done here.
"""

from __future__ import annotations

import hashlib
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

import keras
import numpy as np
import pytest

import transferkit as tk
from transferkit.errors import TransferKitError

pytestmark = pytest.mark.slow
Callback: Any = keras.callbacks.Callback


class Slow(Callback):
    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        print("EPOCH", epoch, flush=True)
        time.sleep(0.3)


class StopOnSecond(Callback):
    """Only one of the workers says so."""

    def __init__(self, worker: int) -> None:
        super().__init__()
        self.worker = worker

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        if self.worker == 1:
            self.model.stop_training = True


class Worker:
    """What each worker has, and what it does with it.

    Attributes:
        number: Its place among the workers.
        folder: What all of them share.
        engine: How it trains.
    """

    def __init__(self, number: int, folder: Path, **engine: Any) -> None:
        keras.utils.set_random_seed(number)  # what workers draw for themselves must not matter
        self.number, self.folder = number, folder
        self.engine = tk.Engine(precision="float32", prefix="tensorflow", **engine)
        rng = np.random.default_rng(0)
        network = tiny()
        network.set_weights([w + rng.normal(0, 0.1, w.shape) for w in network.get_weights()])
        backbone = tk.backbones.from_keras(network, preprocessing="unit", blocks="(first|second)_")
        labels = np.arange(35) % 3
        images = rng.integers(0, 160, (35, 8, 8, 3)) + 40 * labels[:, None, None, None]
        self.photos = tk.data.from_arrays(images.astype(np.uint8), labels, val=0.2, seed=0)
        self.model = (
            tk.TransferModel(backbone, weights="pretrained")
            .freeze(tk.freeze.backbone())
            .augment(tk.augment.flip(), tk.augment.rotate(20), tk.augment.mixup(0.4))
        )

    def fit(self, plan: Any, model: Any = None, **more: Any) -> tk.TrainedModel:
        given = {"seed": 7, "engine": self.engine, "verbose": 0, **more}
        trained: tk.TrainedModel = (model or self.model).fit(self.photos, plan, **given)
        return trained

    def error_of(self, plan: Any, **more: Any) -> str:
        with pytest.raises(TransferKitError) as caught:
            self.fit(plan, **more)
        return f"{type(caught.value).__name__}: {caught.value}"

    def facts(self, trained: tk.TrainedModel) -> dict[str, Any]:
        assert self.photos.val is not None
        pixels: Any = self.photos.val.pixels()
        return {
            "digest": digest(trained),
            "weights": [np.ravel(w).tolist() for w in trained.network.get_weights()],
            "metrics": [record.metrics for record in trained.history],
            "predicted": repr(trained.predict(pixels[np.arange(2)])[0]),
            "evaluated": trained.evaluate(self.photos.val).metrics,
        }

    def plan(self) -> tk.Plan:
        tuned = tk.plans.fine_tune(
            2,
            unfreeze=tk.select.top_blocks(1),
            learning_rate=1e-2,
            batch_size=8,
            sampling="balanced",
            views=2,
            objectives=tk.objectives.co_tuning(0.5, head=self.folder / "top.npz"),
        )
        return tk.plans.feature_extraction(2, batch_size=8).then(tuned)

    def everything(self) -> tuple[tk.TrainedModel, dict[str, Any]]:
        """What one process does as well as two: a whole run, one that goes on, a solved head."""
        own = self.folder / str(self.number)
        own.mkdir()
        backup = keras.callbacks.BackupAndRestore(str(own / "backup"), delete_checkpoint=False)
        best = keras.callbacks.ModelCheckpoint(str(own / "best.keras"), save_best_only=True)
        writers = [keras.callbacks.CSVLogger(str(own / "log.csv")), backup, best]
        trained = self.fit(self.plan(), callbacks=writers, verbose=2)
        trained.save(own / "model.tkm")
        results = {**self.facts(trained), "files": sorted(path.name for path in own.iterdir())}
        top = tk.select.top_blocks(1)
        longer = self.plan().then(tk.plans.fine_tune(1, unfreeze=top, batch_size=8))
        again = self.fit(longer, callbacks=[backup])
        epochs = [record.epoch for record in again.history]
        results["resumed"] = {**self.facts(again), "epochs": epochs}
        solved = tk.plans.linear_probe_then_fine_tune(
            1,
            unfreeze=top,
            learning_rate=1e-2,
            batch_size=8,
            averaging=tk.averaging.wise_ft(),
        )
        results["solved"] = self.facts(self.fit(solved))
        return trained, results

    def together(self) -> dict[str, Any]:
        """The same, and what takes two."""
        trained, results = self.everything()
        noisy = self.model.head(tk.heads.classification(dropout=0.5))
        stop = StopOnSecond(self.number)
        stopped = self.fit(tk.Phase(5, batch_size=8), noisy, callbacks=[stop])
        results["stopped"], results["dropout"] = len(stopped.history), digest(stopped)
        one = tk.Phase(1, batch_size=8)
        further = trained.fit(self.photos, one, engine=self.engine, verbose=0)
        results["further"] = digest(further)
        results["seeds"] = self.error_of(one, seed=self.number)
        results["odd"] = self.error_of(tk.Phase(1, batch_size=7))
        return results

    def killed(self) -> str:
        """A run that never ends by itself."""
        checkpoint = keras.callbacks.ModelCheckpoint(str(self.folder / "last.keras"))
        backup = keras.callbacks.BackupAndRestore(str(self.folder / "backup"))
        return self.error_of(tk.Phase(10_000, batch_size=8), callbacks=[backup, checkpoint, Slow()])


def tiny() -> Any:
    layers = keras.layers
    pixels = keras.Input((8, 8, 3))
    x = layers.Conv2D(4, 3, name="first_conv")(pixels)
    x = layers.BatchNormalization(name="first_norm")(x)
    x = layers.ReLU(name="first_relu")(x)
    x = layers.Conv2D(8, 3, name="second_conv")(x)
    return keras.Model(pixels, x, name="tiny")


def digest(trained: tk.TrainedModel) -> str:
    weights = trained.network.get_weights()
    return hashlib.sha256(b"".join(w.tobytes() for w in weights)).hexdigest()


def main(mode: str, number: int, folder: Path) -> None:
    """The program of a worker."""
    import tensorflow as tf

    worker = Worker(number, folder, strategy=tf.distribute.MultiWorkerMirroredStrategy())
    if mode == "together":
        print("RESULTS " + json.dumps(worker.together()), flush=True)
    else:
        print("ERROR " + worker.killed(), flush=True)


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
    path = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    cluster = {"worker": [f"127.0.0.1:{port}" for port in ports(workers)]}
    running = []
    try:
        for worker in range(workers):
            task = {"type": "worker", "index": worker}
            environment = {**os.environ, **quiet, "KERAS_BACKEND": "tensorflow", "PYTHONPATH": path}
            if workers > 1:
                environment["TF_CONFIG"] = json.dumps({"cluster": cluster, "task": task})
            with open(folder / f"{mode}{worker}.log", "w") as log:
                command = [sys.executable, __file__, mode, str(worker), str(folder)]
                process = subprocess.Popen(
                    command, env=environment, stdout=log, stderr=log, text=True
                )
            running.append(process)
        yield running
    finally:
        for process in running:
            process.kill()
            process.wait()


def shared_folder(factory: pytest.TempPathFactory) -> Path:
    """With the head of the network's source, which co-tuning reads."""
    folder = factory.mktemp("workers")
    kernel = np.random.default_rng(0).normal(size=(8, 5))
    np.savez(folder / "top.npz", kernel=kernel, bias=np.zeros(5))
    return folder


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = shared_folder(tmp_path_factory)
    with started("together", folder, 2) as running:
        found = []
        for worker, process in enumerate(running):
            code = process.wait(timeout=300)
            told = (folder / f"together{worker}.log").read_text()
            assert code == 0, told[-5000:]
            (line,) = (line for line in told.splitlines() if line.startswith("RESULTS "))
            found.append({**json.loads(line.removeprefix("RESULTS ")), "told": told})
    return found


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return Worker(0, shared_folder(tmp_path_factory), shards=2).everything()[1]


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
    network = keras.models.load_model(tmp_path / "last.keras", compile=False)
    network.load_weights(tmp_path / "backup" / "latest.weights.h5")
    notes = json.loads((tmp_path / "backup" / "training_metadata.json").read_text())
    assert notes["epoch"] >= 3


def wait_for(word: str, log: Path, running: list[subprocess.Popen[str]]) -> None:
    end = time.monotonic() + 200
    while word not in log.read_text():
        assert time.monotonic() < end, log.read_text()[-3000:]
        assert all(process.poll() is None for process in running), log.read_text()[-3000:]
        time.sleep(0.2)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), Path(sys.argv[3]))

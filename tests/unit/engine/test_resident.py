"""Rows in memory and in mapped files, and what is read ahead of them."""

from __future__ import annotations

import itertools
import mmap
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import training_lab as lab
from hypothesis import given
from hypothesis import strategies as st

import transferkit as tk
from transferkit.engine import calls, readahead, resident, shards
from transferkit.engine.resident import Resident, Rows
from transferkit.engine.rows import shared
from transferkit.errors import DataError

SGD = lab.OPTIMIZERS["global_clipnorm"]


def after(made: lab.Lab, feed: Any) -> lab.Weights:
    lab.train(made, feed)
    weights: lab.Weights = made.network.get_weights()
    return weights


@pytest.fixture(scope="module")
def expected() -> lab.Weights:
    return lab.trained_by_keras(SGD())


def mapped(folder: Path, array: np.ndarray[Any, Any]) -> Any:
    np.save(folder / "rows.npy", array)
    return np.load(folder / "rows.npy", mmap_mode="c")


def test_rows_of_a_mapped_file_are_the_rows(tmp_path: Path, expected: lab.Weights) -> None:
    made = lab.make(SGD)
    rows = Rows((mapped(tmp_path, lab.X),), lab.Y)
    assert lab.distance(after(made, made.rows(3, rows)), expected) < 1e-5


def test_rows_that_tensorflow_cannot_share_are_copied(expected: lab.Weights) -> None:
    room = np.zeros(lab.X.size + 32, np.float32)
    start = next(i for i in range(32) if room[i:].ctypes.data % 64 == 4)
    askew = room[start : start + lab.X.size].reshape(lab.X.shape)
    askew[:] = lab.X
    made = lab.make(SGD)
    assert lab.distance(after(made, made.rows(3, Rows((askew,), lab.Y))), expected) < 1e-5


def test_a_mapped_file_is_shared_and_not_copied(tmp_path: Path) -> None:
    array = mapped(tmp_path, lab.X)
    tensor = shared(array)
    array[3] = 7.0  # mode "c": in memory only
    assert np.asarray(tensor)[3].tolist() == [7.0] * lab.WIDTH


def test_packed_rows_are_bfloat16() -> None:
    tf = lab.tf
    short = tf.cast(lab.X, tf.bfloat16)
    as_float = np.asarray(tf.cast(short, tf.float32))
    packed = np.asarray(tf.bitcast(short, tf.uint16))
    first, second = lab.make(SGD), lab.make(SGD)
    found = after(first, first.rows(3, Rows((packed,), lab.Y, packed=(True,))))
    assert lab.distance(found, after(second, second.rows(3, Rows((as_float,), lab.Y)))) == 0
    assert not np.array_equal(as_float, lab.X)


def test_a_tail_may_read_several_tensors() -> None:
    keras = lab.keras
    one, other = keras.Input((4,)), keras.Input((2,))
    joined = keras.layers.Concatenate()([one, other])
    made = lab.make(SGD)
    hidden, last = made.tail.layers[1], made.tail.layers[-1]
    tail = keras.Model([one, other], last(hidden(joined)))
    made.network.optimizer = SGD()
    both = lab.over(made.network, tail)
    parts = Rows((lab.X[:, :4].copy(), lab.X[:, 4:].copy()), lab.Y)
    found = after(both, both.rows(3, parts))
    assert lab.distance(found, lab.trained_by_keras(SGD())) < 1e-5


def test_views_share_their_targets(expected: lab.Weights) -> None:
    """Rows of the second of two views, whose targets are stored once."""
    made = lab.make(SGD)
    rows = Rows((np.concatenate([lab.X * 0, lab.X]),), lab.Y)

    def second(epoch: int) -> Any:
        return lab.ROWS + lab.order(epoch)

    feed = Resident(made.steps, made.tail, rows, second, lab.bounds(made), per_call=3)
    assert lab.distance(after(made, feed), expected) < 1e-5


def test_validation_moves_nothing_and_sees_every_row_once() -> None:
    made = lab.make(SGD)
    before = made.network.get_weights()
    rows, in_turn = Rows((lab.X,), lab.Y), resident.in_turn(lab.ROWS, lab.BATCH)
    feed = Resident(made.steps, made.tail, rows, in_turn, lab.bounds(made), per_call=3, train=False)
    (logs,) = lab.train(made, feed, epochs=1)
    outputs = np.asarray(made.network(lab.X))
    assert logs["accuracy"] == pytest.approx(np.mean(outputs.argmax(1) == lab.Y.argmax(1)))
    assert logs["loss"] == pytest.approx(-np.mean(np.log((outputs * lab.Y).sum(1))), rel=1e-5)
    assert lab.distance(before, made.network.get_weights()) == 0


@pytest.mark.parametrize(("count", "batch"), [(16, 8), (3, 8), (8, 8), (9, 8)])
def test_epochs_of_any_length_take_every_row_once(count: int, batch: int) -> None:
    made = lab.make(SGD)
    bounds = shards.bounds(count, batch)
    seen = []
    rows = Rows((lab.X[:count].copy(),), lab.Y[:count])
    feed = Resident(made.steps, made.tail, rows, resident.in_turn(count, batch), bounds, per_call=9)
    plain = feed._block.step

    def noted(batch: Any, number: Any, rates: Any) -> None:
        lab.tf.py_function(lambda each: seen.append(len(each)), [batch[1]], [])
        plain(batch, number, rates)

    feed._block.step = noted
    lab.train(made, feed, epochs=1)
    assert seen == [stop - start for start, stop in bounds]


def test_the_order_of_an_epoch_is_that_of_the_pictures_and_their_views() -> None:
    phase = tk.Phase(6, batch_size=4, views=3)
    order = resident.order_of(phase, 10, None, seed=1, views=3, before=2)
    for epoch in range(4):
        views, pictures = np.divmod(order(epoch), 10)
        assert sorted(pictures) == list(range(10))
        assert set(views) == {(epoch + 2) % 3}
    alone = resident.order_of(tk.Phase(6), 10, None, seed=1, views=1, before=2)
    assert np.array_equal(alone(1), order(1) % 10)


def test_a_balanced_order_sees_a_picture_that_comes_again_in_another_view() -> None:
    classes = np.array([0] * 9 + [1])
    phase = tk.Phase(6, views=4, sampling="balanced")
    order = resident.order_of(phase, 10, classes, seed=1, views=4)(0)
    views, pictures = np.divmod(order, 10)
    assert sorted(views[pictures == 9]) == [0, 0, 1, 2, 3]


@pytest.mark.parametrize(("rows", "targets"), [((20, 19), 20), ((20,), 19), ((20,), 0)])
def test_arrays_that_do_not_fit_are_refused(rows: tuple[int, ...], targets: int) -> None:
    arrays = tuple(np.zeros((count, 2), np.float32) for count in rows)
    with pytest.raises(DataError, match=r"do not fit each other.*multiple of the targets"):
        Rows(arrays, np.zeros((targets, 3), np.float32))


def test_the_rule_decides_how_many_rows_a_call_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    made = lab.make(SGD)
    parts = (made.steps, made.tail, Rows((lab.X,), lab.Y), lab.order, lab.bounds(made))
    assert resident.resident(*parts, callbacks=[], work=1e3).calls == [(0, 3)]
    nan = lab.keras.callbacks.TerminateOnNaN()
    assert len(resident.resident(*parts, callbacks=[nan], work=1e3).calls) == 3
    assert len(resident.resident(*parts, callbacks=[nan], work=1e3, train=False).calls) == 1
    monkeypatch.setattr(calls, "BYTES", 2 * lab.X[: lab.BATCH].nbytes)
    assert resident.resident(*parts, callbacks=[], work=1e3).calls == [(0, 2), (2, 3)]


def test_rows_of_the_next_call_are_read_ahead_where_memory_is_short(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, expected: lab.Weights
) -> None:
    asked: list[Any] = []
    monkeypatch.setattr(readahead, "SHARE", 0.0)
    monkeypatch.setattr(resident, "read_ahead", lambda arrays, rows=None: asked.append(rows))
    made = lab.make(SGD)
    array = mapped(tmp_path, lab.X)
    found = after(made, made.rows(1, Rows((array,), lab.Y)))
    assert lab.distance(found, expected) < 1e-5
    first = [asked[index].tolist() for index in range(2)]
    assert first == [lab.order(0)[8:16].tolist(), lab.order(0)[16:].tolist()]


def test_asking_for_rows_reads_them_in_the_order_of_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    array = mapped(tmp_path, np.zeros((64, 64 * 1024), np.float32))
    given: list[tuple[int, int]] = []
    advise = readahead._advise()
    assert advise is not None

    def noted(address: int, length: int, advice: int) -> int:
        given.append((address - array.ctypes.data, length))
        return advise(address, length, advice)

    monkeypatch.setattr(readahead, "_advise", lambda: noted)
    asking = readahead.read_ahead([array[:32], np.zeros(3)], np.array([9, 4, 8]))
    assert asking is not None
    asking.join()
    row, page = array[0].nbytes, mmap.PAGESIZE
    ends = [start + length for start, length in given]
    assert ends == [5 * row, 10 * row]  # of row 4, and of 8 and 9 together
    assert all(
        0 <= wanted * row - start < page for wanted, (start, _) in zip((4, 8), given, strict=True)
    )
    assert readahead.read_ahead([np.zeros(3)]) is None


def test_the_kernel_has_the_rows_that_were_asked_for(tmp_path: Path) -> None:
    array = mapped(tmp_path, np.arange(6.0).reshape(3, 2))
    asking = readahead.read_ahead([array])
    assert asking is not None
    asking.join()
    assert array.tolist() == [[0, 1], [2, 3], [4, 5]]


@given(st.lists(st.integers(0, 50), max_size=30), st.integers(1, 9), st.integers(0, 30))
def test_runs_cover_the_rows_and_little_else(rows: list[int], row_bytes: int, gap: int) -> None:
    found = readahead.runs(np.array(rows, np.int64), row_bytes, gap)
    wanted = {row * row_bytes + byte for row in rows for byte in range(row_bytes)}
    covered = [byte for start, stop in found for byte in range(start, stop)]
    assert len(covered) == len(set(covered))
    assert wanted <= set(covered)
    for (_, stop), (start, _) in itertools.pairwise(found):
        assert start - stop > gap
    assert all({start, stop - 1} <= wanted for start, stop in found)


MEMORY = """
import sys
import numpy as np
import training_lab as lab
from transferkit.engine import readahead, resident, shards
from transferkit.engine.resident import Rows

readahead.SHARE = float(sys.argv[2])
rows = Rows((np.load(sys.argv[1], mmap_mode="c"),), np.resize(lab.Y, (8000, lab.CLASSES)))
features = lab.keras.Input(rows.arrays[0].shape[1:])
logits = lab.keras.layers.Dense(lab.CLASSES)(features)
network = lab.keras.Model(features, lab.keras.layers.Activation("softmax")(logits))
network.optimizer = lab.keras.optimizers.Adam(1e-3)
made = lab.over(network, lab.keras.Model(features, logits), xla=True)


def anonymous():
    with open("/proc/self/status") as status:
        (line,) = (line for line in status if line.startswith("RssAnon"))
    return int(line.split()[1]) / 1024


def after(count):
    def order(epoch):
        return np.random.default_rng(epoch).permutation(8000)[:count]

    bounds = shards.bounds(count, 32)
    feed = resident.resident(made.steps, made.tail, rows, order, bounds, callbacks=[], work=0)
    lab.train(made, feed, epochs=2)
    return anonymous()


print("RESULT", after(1600), after(8000), rows.arrays[0].nbytes / 2**20)
"""


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory is read as Linux has it")
@pytest.mark.parametrize("share", ["0.25", "0"])  # read at once, and piece by piece
def test_training_on_a_large_file_leaves_it_in_the_page_cache(tmp_path: Path, share: str) -> None:
    """Five times the rows take hardly more memory of the process."""
    file = np.lib.format.open_memmap(
        tmp_path / "rows.npy", mode="w+", dtype=np.float32, shape=(8000, 16384)
    )
    file[:] = 0.5
    file.flush()
    here = Path(__file__).parent
    quiet = {"TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1"}
    paths = os.pathsep.join([str(here), str(here.parents[2])])
    command = [sys.executable, "-c", MEMORY, str(tmp_path / "rows.npy"), share]
    environment = {**os.environ, **quiet, "PYTHONPATH": paths}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    (line,) = (line for line in done.stdout.splitlines() if line.startswith("RESULT "))
    few, all_of_them, size = map(float, line.split()[1:])
    assert size > 490
    assert all_of_them - few < 0.5 * size, line
    assert all_of_them < 1500, line

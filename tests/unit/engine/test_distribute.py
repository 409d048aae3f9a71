"""Who shares the pictures, and what is said where they cannot be shared."""

from __future__ import annotations

import re
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import transferkit as tk
from transferkit import _keras
from transferkit.engine import distribute, workers
from transferkit.engine.distribute import Team, check_shares
from transferkit.engine.shards import Shards
from transferkit.errors import SpecError, TrainingError

tf = _keras.tf()
ADDRESSES = ("a:1", "b:2", "c:3")


def member(worker: int, shards: int = 3, devices: int = 1) -> Team:
    """One of three workers, whose strategy only tells where the others are."""
    cluster = tf.train.ClusterSpec({"chief": ["a:1"], "worker": ["b:2", "c:3"]})
    resolver = SimpleNamespace(cluster_spec=lambda: cluster)
    strategy = SimpleNamespace(cluster_resolver=resolver)
    return Team(strategy, ADDRESSES, worker, Shards(shards, 3 * devices))


def test_one_process_has_all_shards_and_all_pictures() -> None:
    alone = distribute.team(tk.Engine(shards=3))
    assert (alone.workers, alone.several, alone.chief, alone.devices) == (1, False, True, 1)
    assert list(alone.own_shards) == [0, 1, 2]
    np.testing.assert_array_equal(distribute.own(5, tk.Engine(shards=3)), np.arange(5))


def test_workers_share_the_shards_and_the_first_is_the_chief() -> None:
    team = [member(worker, shards=6, devices=2) for worker in range(3)]
    assert [list(each.own_shards) for each in team] == [[0, 3], [1, 4], [2, 5]]
    assert [each.chief for each in team] == [True, False, False]
    assert {each.devices for each in team} == {2}


def test_a_strategy_that_does_not_train_in_step_is_named_with_those_that_do() -> None:
    central = tf.distribute.experimental.CentralStorageStrategy()
    network = tk.TransferModel("keras:MobileNetV2", weights=None)
    photos = tk.data.from_arrays(np.zeros((4, 32, 32, 3), np.uint8), [0, 1, 0, 1])
    for call in (
        lambda engine: distribute.team(engine),
        lambda engine: network.fit(photos, tk.Phase(1), engine=engine),
    ):
        with pytest.raises(SpecError) as caught:
            call(tk.Engine(strategy=central))
        assert "fit: CentralStorageStrategy does not train replicas in step." in str(caught.value)
        assert "MirroredStrategy, MultiWorkerMirroredStrategy or TPUStrategy" in str(caught.value)


def test_shards_that_workers_cannot_share_are_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(distribute, "_workers", lambda strategy: (ADDRESSES, 1))
    with pytest.raises(SpecError, match="fit: 3 workers cannot share 4 shards") as caught:
        distribute.team(tk.Engine(shards=4))
    assert "tk.Engine(shards=3), or leave shards out" in str(caught.value)
    np.testing.assert_array_equal(distribute.own(8, tk.Engine(shards=6)), [1, 4, 7])


@pytest.mark.parametrize(
    ("size", "train", "val", "said"),
    [
        (7, 20, 20, "a batch of 7 cannot be shared by 3 shards on 6 devices. Expected a multiple "
         "of 3, 6 or more. Received: batch_size=7. Phase(..., batch_size=9)"),
        (3, 20, 20, "a batch of 3 cannot be shared by 3 shards on 6 devices. Expected a multiple "
         "of 3, 6 or more. Received: batch_size=3. Phase(..., batch_size=6)"),
        (6, 5, 20, "5 training pictures cannot be shared by 3 shards on 6 devices. Expected 6"),
        (6, 20, 1, "1 validation picture cannot be shared by 3 shards on 6 devices. Expected 6"),
    ],
)  # fmt: skip
def test_what_leaves_a_device_without_a_picture_is_an_error(
    size: int, train: int, val: int, said: str
) -> None:
    plan = tk.Plan((tk.Phase(1, batch_size=size),))
    with pytest.raises(SpecError, match=re.escape(said)):
        check_shares(member(0, devices=2), plan, train, val)
    check_shares(member(0, devices=2), tk.Plan((tk.Phase(1, batch_size=6),)), 6, None)


def test_a_batch_is_spread_over_devices_as_evenly_as_can_be() -> None:
    places = range(3)

    def values(part: Any) -> list[Any]:
        return [part(SimpleNamespace(replica_id_in_sync_group=3 + place)) for place in places]

    strategy = SimpleNamespace(
        num_replicas_in_sync=3,
        experimental_distribute_values_from_function=values,
    )
    parts = distribute.spread((np.arange(7), np.arange(14).reshape(7, 2)), strategy)
    assert [part[0].numpy().tolist() for part in parts] == [[0, 1], [2, 3], [4, 5, 6]]
    np.testing.assert_array_equal(np.concatenate([p[1] for p in parts]).ravel(), np.arange(14))


@pytest.mark.parametrize(
    ("message", "said"),
    [
        ("stopped sending heartbeats:\n/job:worker/replica:0/task:1\n", r"worker 2 \(c:3\) does"),
        ("Error reported from /job:chief/task:0: gone", r"worker 0 \(a:1\) does"),
        ("/job:worker/task:0 lost /job:worker/task:1", r"fit: worker 2 \(c:3\) does"),
        ("Socket closed", "another worker does"),
    ],
)
def test_what_tensorflow_raises_of_a_worker_that_is_gone_says_which(
    message: str, said: str
) -> None:
    with pytest.raises(TrainingError, match=said) as caught, workers.watched(member(1)):
        raise tf.errors.UnavailableError(None, None, message)
    assert "start all workers again" in str(caught.value)
    assert "BackupAndRestore" in str(caught.value)


def test_errors_that_are_no_workers_pass_unchanged() -> None:
    with pytest.raises(tf.errors.UnavailableError), workers.watched(distribute.team(tk.Engine())):
        raise tf.errors.UnavailableError(None, None, "alone")
    with pytest.raises(tf.errors.InvalidArgumentError), workers.watched(member(1)):
        raise tf.errors.InvalidArgumentError(None, None, "shapes differ")


def test_only_the_chief_keeps_the_callbacks_that_write() -> None:
    callbacks = _keras.keras().callbacks
    given = [callbacks.CSVLogger("x.csv"), callbacks.EarlyStopping(), callbacks.TensorBoard()]
    assert workers.callbacks_for(member(0), given) == given
    assert workers.callbacks_for(member(2), given) == [given[1]]


def test_a_callback_may_say_that_it_is_the_chiefs_alone() -> None:
    callback = _keras.keras().callbacks.Callback()
    assert workers.callbacks_for(member(2), [callback]) == [callback]
    callback.chief_only = True
    assert workers.callbacks_for(member(2), [callback]) == []
    assert workers.callbacks_for(member(0), [callback]) == [callback]


def test_what_the_workers_differ_in_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def everyone(team: Team, row: Any) -> Any:
        other = row.copy()
        other[1:] += 1
        return np.stack([row, row, other])

    monkeypatch.setattr(workers, "_everyone", everyone)
    facts = {"seed": 3, "labels": b"abc", "plan": []}
    with pytest.raises(SpecError) as caught:
        workers.check_alike(member(1), facts)
    assert str(caught.value) == (
        "fit: worker 2 (c:3) has other labels than the chief; differing: labels, plan. Expected "
        "the same program on the same files for all workers. Received: worker=1, labels='...'. "
        "Read the data with one seed from one folder that all workers see."
    )


def test_the_chiefs_values_come_over_bit_for_bit(monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[Any] = []
    monkeypatch.setattr(workers, "_AT_ONCE", 2)
    values: list[np.ndarray[Any, Any]] = [
        np.array([np.nan, -0.0, 1e-40], np.float32),
        np.array(2**40 + 1, np.int64),
        np.arange(5, dtype=np.uint8).reshape(1, 5),
    ]

    def noted(team: Team, part: Any) -> Any:
        sent.append(part.copy())
        return part

    monkeypatch.setattr(workers, "_summed", noted)
    workers.from_chief(member(0), values)
    queue = iter(sent)

    def received(team: Team, part: Any) -> Any:
        assert not part.any()
        return next(queue)

    monkeypatch.setattr(workers, "_summed", received)
    got = workers.from_chief(member(1), [np.zeros_like(value) for value in values])
    for mine, its in zip(got, values, strict=True):
        assert (mine.dtype, mine.shape) == (its.dtype, its.shape)
        assert mine.tobytes() == its.tobytes()

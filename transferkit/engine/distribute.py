"""Devices and machines that train together: which strategy, whose pictures, which device.

One step function serves them all (`transferkit.engine.step`). What differs is here: how many
workers there are, which of the shards each one computes, and how its part of a batch is spread over
its devices. What the workers say to each other is in `transferkit.engine.workers`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from transferkit import _keras
from transferkit._text import counted
from transferkit.engine.shards import Shards, members
from transferkit.errors import SpecError, explain
from transferkit.plan import Plan
from transferkit.running import Engine

__all__ = ["Team", "check_shares", "own", "spread", "strategy_of", "team"]

tf = _keras.tf()


@dataclass(frozen=True)
class Team:
    """Who trains together, and which of them this process is.

    Attributes:
        strategy: The ``tf.distribute`` strategy; TensorFlow's default one for one device.
        addresses: ``host:port`` of each worker, the chief first; () for one process.
        worker: This process' place among them, from 0.
        shards: In how many parts the pictures are dealt out, on how many devices.
    """

    strategy: Any
    addresses: tuple[str, ...]
    worker: int
    shards: Shards

    @property
    def workers(self) -> int:
        """How many processes there are."""
        return max(len(self.addresses), 1)

    @property
    def several(self) -> bool:
        """Whether there are other processes to agree with."""
        return self.workers > 1

    @property
    def chief(self) -> bool:
        """Whether this is the process that writes files and prints."""
        return self.worker == 0

    @property
    def devices(self) -> int:
        """The devices of this process."""
        return self.shards.replicas // self.workers

    @property
    def own_shards(self) -> range:
        """The shards that this process computes."""
        return range(self.worker, self.shards.number, self.workers)


def strategy_of(engine: Engine) -> Any:
    """The engine's strategy, or TensorFlow's default one.

    Raises:
        SpecError: If it is one that the step cannot run under.
    """
    strategy = engine.strategy if engine.strategy is not None else tf.distribute.get_strategy()
    distribute = tf.distribute
    kinds = (
        distribute.MirroredStrategy,
        distribute.MultiWorkerMirroredStrategy,
        distribute.TPUStrategy,
        distribute.experimental.TPUStrategy,
        distribute.OneDeviceStrategy,
    )
    if engine.strategy is None or isinstance(strategy, kinds):
        return strategy
    raise SpecError(
        explain(
            "fit",
            f"{type(strategy).__name__} does not train replicas in step",
            expected="MirroredStrategy, MultiWorkerMirroredStrategy or TPUStrategy",
            received={"strategy": strategy},
            mend="tk.Engine(strategy=tf.distribute.MirroredStrategy())",
        )
    )


def team(engine: Engine) -> Team:
    """Who trains together under an engine.

    Raises:
        SpecError: If the strategy cannot run here, or the shards cannot be shared by the workers.
    """
    strategy = strategy_of(engine)
    addresses, worker = _workers(strategy)
    number = engine.shards or max(len(addresses), 1)
    if number % max(len(addresses), 1):
        raise SpecError(
            explain(
                "fit",
                f"{counted(len(addresses), 'worker')} cannot share {counted(number, 'shard')}",
                expected="as many shards for one worker as for another",
                received={"shards": engine.shards},
                mend=f"tk.Engine(shards={len(addresses)}), or leave shards out",
            )
        )
    return Team(strategy, addresses, worker, Shards(number, strategy.num_replicas_in_sync))


def own(count: int, engine: Engine) -> np.ndarray[Any, Any]:
    """The pictures whose rows this process computes and keeps, in order; int64.

    With one process all of them. They hang on the workers and not on the shards: what a worker
    kept in one run serves in every run of as many workers.

    Args:
        count: All pictures of the split.
        engine: How it is run.
    """
    mine = team(engine)
    return members(count, mine.worker, mine.workers)


def spread(batch: Any, strategy: Any) -> Any:
    """A process' part of a batch, shared by its devices as evenly as can be.

    Args:
        batch: Tensors, or tuples of such, with as many rows each.
        strategy: Whose devices.

    Returns:
        What ``strategy.run`` takes as `args`.
    """
    if strategy.num_replicas_in_sync == 1:
        return batch
    addresses, _ = _workers(strategy)  # TensorFlow counts the devices of all workers
    devices = strategy.num_replicas_in_sync // max(len(addresses), 1)

    def part(context: Any) -> Any:
        place = context.replica_id_in_sync_group % devices
        return tf.nest.map_structure(lambda rows: _share(rows, place, devices), batch)

    return strategy.experimental_distribute_values_from_function(part)


def check_shares(team: Team, plan: Plan, train: int, val: int | None) -> None:
    """Refuse batches and splits that leave a shard or a device without a picture.

    Args:
        team: Who shares them.
        plan: The phases, for their batch sizes.
        train: Training pictures.
        val: Validation pictures, or None.

    Raises:
        SpecError: If it is so.
    """
    shards, replicas = team.shards.number, team.shards.replicas
    shared = f"{counted(shards, 'shard')} on {counted(replicas, 'device')}"
    for size in (phase.batch_size for phase in plan):
        if size % shards or size < replicas:
            best = -(-max(size, replicas) // shards) * shards
            raise SpecError(
                explain(
                    "fit",
                    f"a batch of {size} cannot be shared by {shared}",
                    expected=f"a multiple of {shards}, {replicas} or more",
                    received={"batch_size": size},
                    mend=f"Phase(..., batch_size={best})",
                )
            )
    needed = team.shards.least * shards
    for name, count in (("training", train), ("validation", val)):
        if count is not None and count < needed:
            raise SpecError(
                explain(
                    "fit",
                    f"{counted(count, f'{name} picture')} cannot be shared by {shared}",
                    expected=f"{needed} or more",
                    received={name: count},
                    mend="Train on fewer devices, or on more pictures.",
                )
            )


def _workers(strategy: Any) -> tuple[tuple[str, ...], int]:
    """The addresses of all workers, and which one this is; of a single process () and 0."""
    if not isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy):
        return (), 0
    resolver = strategy.cluster_resolver
    jobs = resolver.cluster_spec().as_dict()
    chiefs, workers = tuple(jobs.get("chief", ())), tuple(jobs.get("worker", ()))
    before = len(chiefs) if resolver.task_type == "worker" else 0
    return chiefs + workers, before + int(resolver.task_id or 0)


def _share(rows: Any, place: int, shares: int) -> Any:
    count = int(rows.shape[0])
    return tf.convert_to_tensor(rows[count * place // shares : count * (place + 1) // shares])

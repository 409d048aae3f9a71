"""What the processes of one training say to each other, and what is said when one falls silent.

All of it is one sum over whole numbers: each worker puts in zeros but for its own row, so that the
sum holds everybody's, exact to the bit. For a team of one nothing is computed.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from transferkit import _keras
from transferkit.engine.distribute import Team
from transferkit.errors import SpecError, TrainingError, explain

__all__ = [
    "any_worker",
    "callbacks_for",
    "check_alike",
    "from_chief",
    "is_chief",
    "joined",
    "level",
    "number_from_chief",
    "watched",
]

keras, tf = _keras.keras(), _keras.tf()
Array = np.ndarray[Any, Any]
_AT_ONCE = 1 << 21  # 16 MB of int64 in one message

_WRITERS = (
    "BackupAndRestore",
    "CSVLogger",
    "ModelCheckpoint",
    "OrbaxCheckpoint",
    "ProgbarLogger",
    "RemoteMonitor",
    "TensorBoard",
)
"""Keras' callbacks that write, print or send: the chief's alone."""


def check_alike(team: Team, facts: Mapping[str, Any]) -> None:
    """Refuse to train together on what is not the same for all workers.

    Args:
        team: Who has to agree.
        facts: What has to be equal, by the name that an error calls it: bytes, or anything whose
            ``repr`` says what it is.

    Raises:
        SpecError: If a worker has another value than the chief; on all workers.
    """
    if not team.several:
        return
    rows = _everyone(team, np.array([_digest(fact) for fact in facts.values()]))
    apart = [
        (name, worker)
        for name, column in zip(facts, rows.T, strict=True)
        for worker in np.flatnonzero(column != column[0])
    ]
    if apart:
        name, worker = apart[0]
        received = {name: "..." if isinstance(facts[name], bytes) else facts[name]}
        raise SpecError(
            explain(
                "fit",
                f"{_called(team, int(worker))} has other {name} than the chief; differing: "
                + ", ".join(dict.fromkeys(name for name, _ in apart)),
                expected="the same program on the same files for all workers",
                received={"worker": team.worker, **received},
                mend="Read the data with one seed from one folder that all workers see.",
            )
        )


def from_chief(team: Team, values: Sequence[Array]) -> list[Array]:
    """The chief's values for all workers, bit for bit.

    Args:
        team: Who gets them.
        values: Arrays of the same shapes and dtypes for all workers.
    """
    if not team.several:
        return list(values)
    flat = b"".join(np.ascontiguousarray(value).tobytes() for value in values)
    words = np.frombuffer(flat + bytes(-len(flat) % 8), np.int64)
    parts = [words[start : start + _AT_ONCE] for start in range(0, len(words), _AT_ONCE)]
    got = [_summed(team, part if team.chief else np.zeros_like(part)) for part in parts]
    whole, place, found = b"".join(part.tobytes() for part in got), 0, []
    for value in values:
        found.append(np.frombuffer(whole, value.dtype, value.size, place).reshape(value.shape))
        place += value.nbytes
    return found


def joined(team: Team, rows: Array, own: Array, count: int) -> Array:
    """The rows of all workers in the order of the pictures, bit for bit.

    Args:
        team: Who has them.
        rows: float32 (own pictures, channels) of this worker.
        own: The numbers of its pictures; each picture is one worker's.
        count: Pictures of all workers.
    """
    if not team.several:
        return rows
    channels = rows.shape[1]
    whole = np.zeros((count, channels + channels % 2), np.float32)  # pairs make a whole number
    whole[own, :channels] = rows
    words = whole.view(np.int64)
    at_once = max(_AT_ONCE // words.shape[1], 1)
    parts = [_summed(team, words[at : at + at_once]) for at in range(0, count, at_once)]
    return np.ascontiguousarray(np.concatenate(parts).view(np.float32)[:, :channels])


def number_from_chief(team: Team, number: int) -> int:
    """The chief's whole number for all workers."""
    return int(from_chief(team, [np.array(number, np.int64)])[0])


def level(team: Team, variables: Sequence[Any]) -> None:
    """Give the chief's values to the variables of all workers.

    What a callback loads when training begins (a backup, weights of another run) lies on the
    chief's disk, and need not lie on another's.
    """
    if team.several:
        arrays = [np.asarray(variable) for variable in variables]
        for variable, value in zip(variables, from_chief(team, arrays), strict=True):
            variable.assign(value)


def any_worker(team: Team, said: bool) -> bool:
    """Whether one of the workers says so; the same answer for all."""
    return bool(_everyone(team, np.array([said], np.int64)).any()) if team.several else said


def callbacks_for(team: Team, callbacks: Sequence[Any]) -> list[Any]:
    """The callbacks that run here.

    Those of Keras that write or print are the chief's alone, and so are others with an attribute
    ``chief_only = True``.
    """
    kinds = tuple(getattr(keras.callbacks, name) for name in _WRITERS)
    return [
        each
        for each in callbacks
        if team.chief or not (isinstance(each, kinds) or getattr(each, "chief_only", False))
    ]


def is_chief(network: Any) -> bool:
    """Whether the process that holds a network is the one that writes files for its team."""
    strategy = network.distribute_strategy
    return bool(getattr(strategy.extended, "should_save_summary", True))


@contextmanager
def watched(team: Team) -> Iterator[None]:
    """Within it, what TensorFlow raises when a worker is gone is a `TrainingError` that says so.

    TensorFlow's coordination service notices a silent worker after about ten seconds and ends the
    sums that wait for it.

    Raises:
        TrainingError: If a worker does not answer.
    """
    try:
        yield
    except tf.errors.OpError as error:
        if not team.several or not isinstance(error, _gone()):
            raise
        raise TrainingError(
            explain(
                "fit",
                f"{_silent(team, str(error))} does not answer, so the others cannot go on",
                expected=f"{team.workers} workers that run until the end",
                received={"error": type(error).__name__},
                mend="See in its log why it ended, and start all workers again: with "
                "callbacks=[keras.callbacks.BackupAndRestore(folder)] they go on from the last "
                "epoch that was finished.",
            )
        ) from error


def _gone() -> tuple[type[Any], ...]:
    errors = tf.errors
    return (
        errors.UnavailableError,
        errors.AbortedError,
        errors.CancelledError,
        errors.DeadlineExceededError,
        errors.FailedPreconditionError,
        errors.InternalError,
    )


def _silent(team: Team, message: str) -> str:
    """The worker that an error of TensorFlow's names, other than this one."""
    cluster = team.strategy.cluster_resolver.cluster_spec()
    chiefs = len(cluster.as_dict().get("chief", ()))
    named = {
        int(number) + (chiefs if job == "worker" else 0)
        for job, number in re.findall(r"/job:(chief|worker)(?:/replica:\d+)?/task:(\d+)", message)
    } - {team.worker}
    return " or ".join(_called(team, worker) for worker in sorted(named)) or "another worker"


def _called(team: Team, worker: int) -> str:
    return f"worker {worker} ({team.addresses[worker]})"


def _digest(fact: Any) -> int:
    data = fact if isinstance(fact, bytes) else repr(fact).encode()
    return int.from_bytes(hashlib.sha256(data).digest()[:7], "little")


def _everyone(team: Team, row: Array) -> Array:
    """The rows of all workers, int64 ``(workers, n)``."""
    rows = np.zeros((team.workers, len(row)), np.int64)
    rows[team.worker] = row
    return _summed(team, rows)


def _summed(team: Team, numbers: Array) -> Array:
    """The sum over all workers of int64 numbers of one shape."""

    def part(context: Any) -> Any:
        first = context.replica_id_in_sync_group % team.devices == 0
        return tf.constant(numbers if first else np.zeros_like(numbers))

    values = team.strategy.experimental_distribute_values_from_function(part)
    return np.asarray(team.strategy.reduce(tf.distribute.ReduceOp.SUM, values, axis=None))

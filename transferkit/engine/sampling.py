"""Which pictures an epoch has, and in which order: a pure function of seed and epoch."""

from __future__ import annotations

from typing import Any

import numpy as np

from transferkit.plan import Phase

__all__ = ["balanced", "drawn", "repetitions", "shuffled", "views"]

Array = np.ndarray[Any, Any]


def drawn(
    phase: Phase,
    count: int,
    classes: Array | None,
    *,
    seed: int,
    epoch: int,
    salt: tuple[int, ...] = (),
) -> Array:
    """The pictures of an epoch as the phase samples them; int64 ``(count,)``.

    Args:
        phase: How it samples.
        count: Training pictures.
        classes: The class of each, for balanced sampling.
        seed: The run's seed.
        epoch: Counted over all phases.
        salt: Further numbers that the order hangs on, such as the shard's.
    """
    if phase.sampling == "balanced" and classes is not None:
        return balanced(classes, seed=seed, epoch=epoch, salt=salt)
    return shuffled(count, seed=seed, epoch=epoch, salt=salt)


def shuffled(count: int, *, seed: int, epoch: int, salt: tuple[int, ...] = ()) -> Array:
    """Every picture once."""
    return np.random.default_rng((seed, epoch, *salt)).permutation(count)


def balanced(classes: Array, *, seed: int, epoch: int, salt: tuple[int, ...] = ()) -> Array:
    """As many pictures as there are, of every class equally many to within one.

    The places of all epochs in a row are dealt out to the classes in turn. A class fills those that
    it was dealt with its pictures in an order that is drawn anew when it has been through, so that
    none comes again, in this epoch or a later one, before all of its class were seen. The places of
    an epoch are then shuffled.

    Args:
        classes: The class of each picture ``(n,)``. A class without pictures takes no part.
        seed: The run's seed.
        epoch: Counted over all phases.
        salt: Further numbers that the order hangs on, such as the shard's.
    """
    members = [np.flatnonzero(classes == each) for each in np.unique(classes)]
    places = np.arange(epoch * len(classes), (epoch + 1) * len(classes))
    order = np.empty(len(classes), np.int64)
    for number, own in enumerate(members):
        mine = places % len(members) == number
        rounds, steps = np.divmod(places[mine] // len(members), len(own))
        decks = {
            turn: np.random.default_rng((seed, number, turn, *salt)).permutation(own)
            for turn in np.unique(rounds)
        }
        order[mine] = [decks[turn][step] for turn, step in zip(rounds, steps, strict=True)]
    return order[shuffled(len(order), seed=seed, epoch=epoch, salt=salt)]


def views(phase: Phase, indices: Array, epoch: int) -> Array:
    """The view of each picture of an epoch; int64 ``(n,)``.

    A picture that comes again in the same epoch is seen in another view: with fresh views in one
    that no epoch has, with k views in the next of its k.

    Args:
        phase: Its views.
        indices: The pictures in their order.
        epoch: Counted over all phases.
    """
    again = repetitions(indices)
    if isinstance(phase.views, str):
        return epoch + (again << 32)
    return (epoch + again) % int(phase.views)


def repetitions(indices: Array) -> Array:
    """How often each picture came before in the row; int64 ``(n,)``."""
    by_picture = np.argsort(indices, kind="stable")
    ordered = indices[by_picture]
    starts = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]])
    within = np.arange(len(ordered)) - np.repeat(starts, np.diff(np.r_[starts, len(ordered)]))
    again = np.empty(len(ordered), np.int64)
    again[by_picture] = within
    return again

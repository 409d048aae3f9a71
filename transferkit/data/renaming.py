"""Labels that count in the order of one class list, brought into that of another, by name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from transferkit.data.composed import composed
from transferkit.data.labels import check_width, outside
from transferkit.errors import DataError, explain

__all__ = ["by_name"]


def by_name(
    verb: str,
    labels: np.ndarray[Any, Any],
    found: Sequence[str],
    wanted: Sequence[str],
    mend: str,
) -> np.ndarray[Any, Any]:
    """The labels as `wanted` counts them; text is returned as it is.

    Args:
        verb: The function that the user called, for the errors.
        labels: Ids ``(n,)`` or ``(n, 1)``, or rows with a column for each class.
        found: The names that they have where they come from.
        wanted: The class list that they are to follow.
        mend: What to do where a name is not among `wanted`.

    Raises:
        DataError: If a name is not among `wanted`, or a label is of no name.
    """
    names = tuple(map(composed, found))
    if labels.dtype.kind in "US" or names == tuple(wanted):
        return labels
    strange = [name for name in names if name not in wanted]
    if strange:
        raise DataError(
            explain(
                verb,
                f"the dataset has class_names of its own, and {strange[0]!r} is not asked for",
                expected=f"its names, in any order: {names[:20]}",
                received={"class_names": tuple(wanted)},
                mend=mend,
            )
        )
    places = np.asarray([list(wanted).index(name) for name in names])
    if labels.ndim == 2 and not (labels.shape[1] == 1 < len(names)):
        check_width(verb, labels, names)
        rows = np.zeros((len(labels), len(wanted)), labels.dtype)
        rows[:, places] = labels
        return rows
    if not np.isin(labels, np.arange(len(names))).all():
        raise outside(verb, sorted(set(labels.ravel().tolist()) - set(range(len(names)))), names)
    return places[labels.ravel().astype(np.int64)]

"""LEEP and NCE: what a source network's own classes say of the new ones."""

from __future__ import annotations

from typing import Any

import numpy as np

from transferkit.errors import DataError, explain
from transferkit.transferability.taking import classes_of, probabilities_of

__all__ = ["leep", "nce"]

Array = np.ndarray[Any, Any]


def leep(probabilities: Any, labels: Any) -> float:
    """The mean log likelihood of the labels by way of the source's classes (LEEP). At most 0.

        mean_i log sum_z P(y_i | z) theta_iz,

    theta_iz being the source head's probability of its class z for image i, and P(y | z) what the
    images themselves say: the mass of z on images of y over all its mass. A source class without
    any mass takes no part. A source that knows nothing gets minus the entropy of the labels.

    Args:
        probabilities: The source head's outputs (images, source classes), each row with the sum 1.
        labels: The new classes, whole numbers or names (images,).

    Raises:
        DataError: If rows are no distributions (logits), or labels are no classes.

    Example:
        >>> from transferkit import transferability
        >>> theta = [[0.9, 0.1], [0.8, 0.2], [0.3, 0.7], [0.2, 0.8]]
        >>> round(transferability.leep(theta, [0, 0, 1, 1]), 6)
        -0.383981

    References:
        Cuong Nguyen et al., LEEP: A New Measure to Evaluate Transferability of Learned
        Representations, ICML 2020.
    """
    theta = probabilities_of("leep", probabilities)
    ids = _labels("leep", labels, len(theta))
    joint = np.zeros((int(ids.max()) + 1, theta.shape[1]))
    np.add.at(joint, ids, theta)
    mass = joint.sum(axis=0)
    given = np.divide(joint, mass, out=np.zeros_like(joint), where=mass > 0)
    return float(np.log((given[ids] * theta).sum(axis=1)).mean())


def nce(source_labels: Any, labels: Any) -> float:
    """Minus the entropy of the labels once the source's class is known (NCE). At most 0.

        -H(Y | Z) = 1/N sum_{y, z} n_yz log(n_yz / n_z)

    Args:
        source_labels: The source's class of each image, such as the arg-max of its outputs.
        labels: The new classes, whole numbers or names (images,).

    Raises:
        DataError: If either are no classes, or their counts differ.

    Example:
        >>> from transferkit import transferability
        >>> round(transferability.nce([0, 0, 0, 1, 1, 1], [0, 0, 1, 1, 1, 0]), 6)
        -0.636514

    References:
        Anh Tran, Cuong Nguyen and Tal Hassner, Transferability and Hardness of Supervised
        Classification Tasks, ICCV 2019.
    """
    _, source = classes_of("nce", source_labels, least=1)
    ids = _labels("nce", labels, len(source))
    table = np.zeros((int(ids.max()) + 1, int(source.max()) + 1))
    np.add.at(table, (ids, source), 1.0)
    seen = table > 0
    shares = (table / table.sum(axis=0))[seen]
    return float((table[seen] * np.log(shares)).sum() / len(ids))


def _labels(verb: str, labels: Any, count: int) -> Array:
    _, ids = classes_of(verb, labels)
    if len(ids) != count:
        raise DataError(
            explain(
                verb,
                f"there are {count} images and {len(ids)} labels",
                expected="one label for each image",
                mend=f"{verb}(source, labels)",
            )
        )
    return ids

"""The elements of a ``tf.data.Dataset``: where the picture is, where the label, and how many."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from transferkit._text import counted
from transferkit.errors import DataError, did_you_mean, explain

__all__ = ["checked_parts", "pictures_of"]

_INFINITE = -1  # tf.data.INFINITE_CARDINALITY
_PAIR = "pairs (image, label)"


def checked_parts(
    verb: str, dataset: Any, keys: tuple[str, str]
) -> Callable[[Any], tuple[Any, Any]]:
    """How picture and label are taken out of an element.

    Args:
        verb: The function that the user called, for the errors.
        dataset: A ``tf.data.Dataset``.
        keys: The keys of picture and label, where elements are dictionaries.

    Raises:
        DataError: If it is no dataset, has no end, or its elements are of another form; with the
            call that mends it.
    """
    if not hasattr(dataset, "element_spec") or not hasattr(dataset, "cardinality"):
        raise DataError(
            explain(
                verb,
                f"{type(dataset).__name__} is no dataset",
                expected="a tf.data.Dataset",
                mend="tk.data.from_arrays takes arrays, tf.data.Dataset.from_generator makes one.",
            )
        )
    if int(dataset.cardinality()) == _INFINITE:
        raise DataError(
            explain(
                verb,
                "the dataset has no end",
                expected="a finite dataset, which is read once",
                mend="Leave .repeat() out, or take some: dataset.take(1000)",
            )
        )
    parts = _parts(verb, dataset.element_spec, keys)
    for name, spec in zip(("image", "label"), parts(dataset.element_spec), strict=True):
        if type(spec).__name__ != "TensorSpec":
            ragged = "dataset.unbatch().map(lambda x, y: (x.to_tensor(), y))"
            raise DataError(
                explain(
                    verb,
                    f"the {name} of an element is {type(spec).__name__}",
                    expected="one plain tensor",
                    received={"element_spec": dataset.element_spec},
                    mend=f"For ragged pictures: {ragged}" if name == "image" else None,
                )
            )
    return parts


def _parts(verb: str, spec: Any, keys: tuple[str, str]) -> Callable[[Any], tuple[Any, Any]]:
    if isinstance(spec, Mapping):
        return _keyed(verb, spec, keys)
    if isinstance(spec, tuple) and len(spec) == 2:
        return lambda element: (element[0], element[1])
    happened, mend = "the elements are no pairs", "dataset.map(lambda ...: (image, label))"
    if isinstance(spec, tuple):
        happened = f"the elements have {len(spec)} parts"
        mend = "dataset.map(lambda image, label, *rest: (image, label)), without sample weights"
    elif hasattr(spec, "shape"):
        happened = "the elements are pictures without labels"
        mend = "tf.data.Dataset.zip((pictures, labels))"
    raise DataError(
        explain(verb, happened, expected=_PAIR, received={"element_spec": spec}, mend=mend)
    )


def _keyed(
    verb: str, spec: Mapping[str, Any], keys: tuple[str, str]
) -> Callable[[Any], tuple[Any, Any]]:
    for argument, key in zip(("image_key", "label_key"), keys, strict=True):
        if key not in spec:
            raise DataError(
                explain(
                    verb,
                    f"the elements have no {key!r}",
                    expected=did_you_mean(str(key), spec),
                    received={argument: key, "keys": sorted(spec)},
                    mend=f"{verb}(..., {argument}={sorted(spec)[0]!r}), or what it is called",
                )
            )
    return lambda element: (element[keys[0]], element[keys[1]])


def pictures_of(
    verb: str,
    image: np.ndarray[Any, Any],
    label: np.ndarray[Any, Any],
    image_spec: Any,
    label_spec: Any,
) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """One element as a batch: pictures ``(n, height, width, channels)`` and labels ``(n, ...)``.

    Four axes are a batch, two are a grey picture. Three are a picture with channels, unless the
    specification leaves the first open, and that of the labels as well, as it does for a batch of
    grey pictures.

    Raises:
        DataError: If it is no picture, or may be both.
    """
    _check_pixels(verb, image)
    if image.ndim == 3:
        batch = _is_grey_batch(verb, image, label, image_spec, label_spec)
        image = image[..., None] if batch else image[None]
    elif image.ndim == 2:
        batch, image = False, image[None, ..., None]
    else:
        batch = True
    labels = label if batch else label[None]
    if batch and (not label.ndim or len(label) != len(image)):
        raise DataError(
            explain(
                verb,
                f"a batch of {counted(len(image), 'picture')} has labels of shape {label.shape}",
                expected="a label for each picture",
                received={"label": label_spec},
            )
        )
    if image.shape[3] > 4 and image.shape[1] in (1, 3):
        raise DataError(
            explain(
                verb,
                "the channels stand before height and width",
                expected="(height, width, channels)",
                received={"shape": image.shape},
                mend="tf.transpose in a map: dataset.map(lambda x, y: (tf.transpose(x, ...), y))",
            )
        )
    return image, labels


def _check_pixels(verb: str, image: np.ndarray[Any, Any]) -> None:
    if image.dtype.kind not in "uif" or image.ndim not in (2, 3, 4) or not image.size:
        packed = "dataset.map(lambda x, y: (tf.io.decode_image(x, channels=3), y))"
        raise DataError(
            explain(
                verb,
                "the elements hold no pictures",
                expected="numbers (height, width, channels), one by one or in batches",
                received={"shape": image.shape, "dtype": str(image.dtype)},
                mend=f"Pictures as files hold them: {packed}" if image.dtype == object else None,
            )
        )


def _is_grey_batch(
    verb: str, image: np.ndarray[Any, Any], label: np.ndarray[Any, Any], spec: Any, label_spec: Any
) -> bool:
    axes = (None,) * 3 if spec.shape.rank is None else tuple(spec.shape)
    open_labels = label.ndim > 0 and (not label_spec.shape.rank or label_spec.shape[0] is None)
    if axes[0] is None and axes[1] is not None and open_labels:
        return True
    if image.shape[2] > 4 and label.ndim and len(label) == len(image):
        raise DataError(
            explain(
                verb,
                "an element may be one picture with many channels, or a batch of grey ones",
                expected="pictures with an axis for their channels",
                received={"image": image.shape, "label": label.shape},
                mend="dataset.batch(32), or dataset.map(lambda x, y: (x[..., None], y)) for grey.",
            )
        )
    return False

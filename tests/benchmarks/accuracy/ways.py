"""From some pictures to a classifier: the default, and what people write by hand today."""

from __future__ import annotations

import functools
from typing import Any

import keras
import numpy as np
import plain_keras
import tensorflow as tf

import transferkit as tk
from accuracy.digit_nets import scaled
from accuracy.material import Drawn, Source
from accuracy.trials import Trial
from transferkit.data import Data, Split

__all__ = ["by_default", "by_logistic", "by_plain_keras", "by_tutorial", "right_of"]

Array = np.ndarray[Any, Any]
EPOCHS = 10
PENALTIES = tuple(10.0**power for power in range(-4, 3))


def by_default(drawn: Drawn, seed: int, *, everything: bool = False) -> Trial:
    """``fit(photos)``.

    Args:
        drawn: The pictures.
        seed: Of the fit.
        everything: Whether the validation pictures are trained on instead of chosen on.
    """
    data = drawn.data
    if everything:
        data = joined(data)
    trained = drawn.source.model.fit(data, seed=seed, verbose=0)
    notes = [note for phase in trained.engine_report.phases for note in phase.notes]
    chosen = [note for note in notes if "alpha" in note]
    return Trial.of(right_of(trained, drawn.test), "; ".join(chosen))


def right_of(trained: tk.TrainedModel, split: Split) -> Array:
    """Whether each picture of a split is predicted right."""
    evaluation: Any = trained.evaluate(split)
    found: Array = evaluation.predicted == evaluation.truths
    return found


def by_logistic(drawn: Drawn, seed: int, *, everything: bool = False) -> Trial:
    """scikit-learn's logistic regression on standardised pooled features, its penalty tuned.

    It is chosen on the validation pictures, or by cross-validation where there are none.

    Args:
        drawn: The pictures.
        seed: Of the folds.
        everything: Whether validation pictures are trained on, at the penalty of 100.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import GridSearchCV, StratifiedKFold
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    def classifier(inverse: float) -> Any:
        return make_pipeline(StandardScaler(), LogisticRegression(C=inverse, max_iter=5000))

    data = joined(drawn.data) if everything else drawn.data
    known = features(drawn.source, data.train), data.train.labels
    if everything:
        best = classifier(0.01).fit(*known)
    elif data.val is not None:
        held = features(drawn.source, data.val), data.val.labels
        fitted = [classifier(inverse).fit(*known) for inverse in PENALTIES]
        best = max(fitted, key=lambda each: float(each.score(*held)))
    else:
        folds = StratifiedKFold(5, shuffle=True, random_state=seed)
        grid = {"logisticregression__C": PENALTIES}
        best = GridSearchCV(classifier(1.0), grid, cv=folds).fit(*known)
    found = best.predict(features(drawn.source, drawn.test))
    return Trial.of(found == drawn.test.labels)


def by_plain_keras(drawn: Drawn, seed: int) -> Trial:
    """Keras' guide: right pixels, batch normalisation kept frozen, no augmentation; 10 + 10 epochs.

    Adam at 1e-3 on the frozen network, then SGD at 1e-4 on its last layers.
    """
    return _by_keras(drawn, seed)


def by_tutorial(drawn: Drawn, seed: int) -> Trial:
    """The tutorial as it is written: pixels / 255, turns, shifts and flips, all layers thawed.

    Batch normalisation behind the first thawed layer trains and moves.
    """
    augment = plain_keras.augmentation()
    return _by_keras(drawn, seed, augment=augment, scaling=(1 / 255, 0.0), batch_norm=True)


def _by_keras(
    drawn: Drawn,
    seed: int,
    *,
    augment: Any = None,
    scaling: tuple[float, float] = (1 / 127.5, -1.0),
    batch_norm: bool = False,
) -> Trial:
    keras.utils.set_random_seed(seed)
    base, classes = drawn.source.base(), len(drawn.data.class_names)
    network = plain_keras.with_head(base, classes, scaling=scaling, in_inference=not batch_norm)
    plain_keras.two_phases(
        network,
        base,
        _batches(drawn.data.train, seed, augment),
        epochs=EPOCHS,
        first=drawn.source.first,
        optimizer=keras.optimizers.SGD(1e-4),
        batch_norm=batch_norm,
    )
    logits = network.predict(np.asarray(drawn.test.pixels(), np.float32), verbose=0)
    return Trial.of(logits.argmax(axis=1) == drawn.test.labels)


def joined(data: Data) -> Data:
    """Training and validation pictures together, as the training split."""
    if data.val is None:
        return data
    pixels = np.concatenate([np.asarray(each.pixels()) for each in (data.train, data.val)])
    labels = np.concatenate([data.train.labels, data.val.labels])
    names = data.class_names
    return tk.data.from_arrays(pixels, [names[n] for n in labels], val=0, class_names=names)


def features(source: Source, split: Split) -> Array:
    """The pooled vectors of a split (images, channels)."""
    base = _frozen(source)
    pixels = np.asarray(split.pixels(), np.float32)
    maps = base.predict(scaled(pixels), verbose=0)
    return np.asarray(maps.mean(axis=(1, 2)))


@functools.lru_cache(maxsize=1)
def _frozen(source: Source) -> Any:
    return source.base()


def _batches(split: Split, seed: int, augment: Any) -> Any:
    pixels = np.asarray(split.pixels(), np.float32)
    pictures = tf.data.Dataset.from_tensor_slices((pixels, split.labels))
    batches = pictures.shuffle(len(split), seed=seed).batch(32)
    if augment is not None:
        batches = batches.map(lambda images, labels: (augment(images, training=True), labels))
    return batches.prefetch(2)

"""Hyperparameter search over models and plans.

    >>> import transferkit as tk
    >>> def space(t):
    ...     rate = t.uniform("rate", 1e-4, 1e-2, log=True)
    ...     return tk.TransferModel("keras:MobileNetV2"), tk.plans.feature_extraction(
    ...         learning_rate=rate
    ...     )

``tk.tune(space, photos, max_trials=20)`` searches it and gives a `Tuning`: a table, a plot, and the
best `TrainedModel`. The search is that of Keras Tuner, an extra: ``pip install
'transferkit[tune]'``. A space is any function of a `Trial`; `transferkit.spaces` has a ready one.
"""

from __future__ import annotations

from transferkit.tuning.results import TrialResult
from transferkit.tuning.search import tune
from transferkit.tuning.table import Tuning
from transferkit.tuning.trial import Space, Trial

__all__ = ["Space", "Trial", "TrialResult", "Tuning", "tune"]

"""Hyperparameter search over models and plans: what a space asks a `Trial`, and what was found."""

from __future__ import annotations

from transferkit.tuning.results import TrialResult
from transferkit.tuning.table import Tuning
from transferkit.tuning.trial import Space, Trial

__all__ = ["Space", "Trial", "TrialResult", "Tuning"]

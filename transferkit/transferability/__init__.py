"""Transferability: how well frozen features suit new labels, without training a network.

    >>> from transferkit import transferability

Features and labels go in, a number comes out; NumPy alone. Each score takes ``(features, labels)``
or one `Statistics` that several share. Scores compare backbones on one data set, never data sets
with each other, and none wins everywhere: see `transferkit.rank`.
"""

from __future__ import annotations

from transferkit.transferability.evidence import logme as logme
from transferkit.transferability.gbc import gbc as gbc
from transferkit.transferability.h_score import h_score as h_score
from transferkit.transferability.h_score import regularized_h_score as regularized_h_score
from transferkit.transferability.neighbours import knn as knn
from transferkit.transferability.parc import parc as parc
from transferkit.transferability.probe import RidgeProbe as RidgeProbe
from transferkit.transferability.probe import ridge_probe as ridge_probe
from transferkit.transferability.source_head import leep as leep
from transferkit.transferability.source_head import nce as nce
from transferkit.transferability.statistics import Statistics as Statistics
from transferkit.transferability.transrate import transrate as transrate

__all__ = [
    "RidgeProbe",
    "Statistics",
    "gbc",
    "h_score",
    "knn",
    "leep",
    "logme",
    "nce",
    "parc",
    "regularized_h_score",
    "ridge_probe",
    "transrate",
]

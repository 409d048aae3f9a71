"""Transfer learning on TensorFlow and Keras, from a folder of pictures to a model that predicts.

    >>> import transferkit as tk

Importing this package imports neither TensorFlow nor Keras: its names are looked up when they are
first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from transferkit import adapt as adapt
    from transferkit import augment as augment
    from transferkit import averaging as averaging
    from transferkit import backbones as backbones
    from transferkit import cache as cache
    from transferkit import data as data
    from transferkit import errors as errors
    from transferkit import freeze as freeze
    from transferkit import heads as heads
    from transferkit import objectives as objectives
    from transferkit import plans as plans
    from transferkit import schedules as schedules
    from transferkit import select as select
    from transferkit import spaces as spaces
    from transferkit import track as track
    from transferkit import transferability as transferability
    from transferkit.check import check_transfer as check_transfer
    from transferkit.loading import load as load
    from transferkit.model import TransferModel as TransferModel
    from transferkit.plan import Phase as Phase
    from transferkit.plan import Plan as Plan
    from transferkit.ranking import rank as rank
    from transferkit.ranking import rank_layers as rank_layers
    from transferkit.recommend import recommend_plan as recommend_plan
    from transferkit.running import Engine as Engine
    from transferkit.trained import TrainedModel as TrainedModel
    from transferkit.tuning import tune as tune

__all__ = [
    "Engine",
    "Phase",
    "Plan",
    "TrainedModel",
    "TransferModel",
    "adapt",
    "augment",
    "averaging",
    "backbones",
    "cache",
    "check_transfer",
    "data",
    "errors",
    "freeze",
    "heads",
    "load",
    "objectives",
    "plans",
    "rank",
    "rank_layers",
    "recommend_plan",
    "schedules",
    "select",
    "spaces",
    "track",
    "transferability",
    "tune",
]

_HOME = {
    "Engine": "transferkit.running",
    "Phase": "transferkit.plan",
    "Plan": "transferkit.plan",
    "TrainedModel": "transferkit.trained",
    "TransferModel": "transferkit.model",
    "check_transfer": "transferkit.check",
    "load": "transferkit.loading",
    "rank": "transferkit.ranking",
    "rank_layers": "transferkit.ranking",
    "recommend_plan": "transferkit.recommend",
    "tune": "transferkit.tuning",
}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'transferkit' has no attribute {name!r}")
    if name in _HOME:
        value = getattr(importlib.import_module(_HOME[name]), name)
    else:
        value = importlib.import_module(f"transferkit.{name}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])

"""Experiment trackers: a run of `fit` written down where it can be looked at beside others.

    >>> import transferkit as tk
    >>> tk.track.names()
    ('mlflow', 'tensorboard', 'wandb')

Each is a callback of `fit`, ``model.fit(photos, plan, callbacks=[tk.track.tensorboard("log")])``,
and an extra of its own: ``pip install 'transferkit[tensorboard]'``. What is written is the same for
all of them: the config (model, plan, seed, engine, data), the plan and the data report; for each
epoch what the history has, and the learning rates of the layers' groups; where phases begin; at the
end scores, confusion matrix and sample predictions on the validation pictures, the engine's report,
and the model's file. All curves are drawn over one running number of optimizer steps.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from transferkit._registry import Registry
from transferkit._types import PathLike
from transferkit.errors import SpecError, explain
from transferkit.spec import Tracker
from transferkit.track.mlflow import MLflow
from transferkit.track.tensorboard import TensorBoard
from transferkit.track.tracking import Tracking
from transferkit.track.wandb import WeightsAndBiases

__all__ = [
    "MLflow",
    "TensorBoard",
    "Tracking",
    "WeightsAndBiases",
    "get",
    "mlflow",
    "names",
    "register",
    "tensorboard",
    "to",
    "wandb",
]


_METHODS = ("begin", "end", "log_file", "log_numbers", "log_pictures", "log_table", "log_text")


def _is_tracker(thing: object) -> bool:
    return isinstance(thing, type) and all(hasattr(thing, name) for name in ("name", *_METHODS))


_TRACKERS: Registry[type[Any]] = Registry(
    "tracker",
    group="transferkit.trackers",
    fits=_is_tracker,
    expected=f"a class with a name and the methods {', '.join(_METHODS)}",
)
_TRACKERS.add("mlflow", MLflow)
_TRACKERS.add("tensorboard", TensorBoard)
_TRACKERS.add("wandb", WeightsAndBiases)


def tensorboard(folder: PathLike, *, samples: int = 16, bundle: bool = True) -> Tracking:
    """Write a fit for TensorBoard: ``tensorboard --logdir FOLDER`` shows it.

    A folder holds one run. A fit that goes on from a backup goes on in it; a new one takes the
    place of the old curves, whose files stay.

    Args:
        folder: Where to; it is made. The model's file, ``model.tkm``, lies there as well.
        samples: How many predictions of validation pictures are shown at the end, 0 or more.
        bundle: Whether the trained model is kept as a file.

    Raises:
        MissingExtraError: If tensorboard is not installed.
        SpecError: If `samples` is no whole number of 0 or more.

    Example:
        >>> import transferkit as tk
        >>> board = tk.track.tensorboard("logs/first")  # model.fit(photos, callbacks=[board])
    """
    return Tracking(TensorBoard(folder), samples=samples, bundle=bundle)


def wandb(
    project: str | None = None,
    *,
    name: str | None = None,
    tags: Sequence[str] = (),
    samples: int = 16,
    bundle: bool = True,
) -> Tracking:
    """Write a fit for Weights & Biases; with ``WANDB_MODE=offline`` to the disk, for later.

    What else W&B can be told stands in its environment variables: ``WANDB_ENTITY``, ``WANDB_DIR``,
    ``WANDB_RUN_GROUP``. If a run of yours is active when the fit begins, as in a sweep, it is
    written into that and left open. A fit that goes on from a backup resumes its run.

    Args:
        project: Where the run stands; None for what ``WANDB_PROJECT`` says.
        name: What the run is called; None lets W&B choose.
        tags: Words to find it by.
        samples: How many predictions of validation pictures are shown at the end, 0 or more.
        bundle: Whether the trained model is kept, as an artifact of the type "model".

    Raises:
        MissingExtraError: If wandb is not installed.
        SpecError: If `samples` is no whole number of 0 or more.
    """
    tracker = WeightsAndBiases(project, name=name, tags=tags)
    return Tracking(tracker, samples=samples, bundle=bundle)


def mlflow(
    experiment: str | None = None,
    *,
    name: str | None = None,
    samples: int = 16,
    bundle: bool = True,
) -> Tracking:
    """Write a fit for MLflow, wherever ``MLFLOW_TRACKING_URI`` points.

    If a run of yours is active when the fit begins, it is written into that and left open. A fit
    that goes on from a backup goes on in its run. MLflow tries a server that does not answer for
    minutes; ``MLFLOW_HTTP_REQUEST_MAX_RETRIES`` makes that shorter.

    Args:
        experiment: Where the run stands, made if there is none; None for MLflow's present one.
        name: What the run is called; None lets MLflow choose.
        samples: How many predictions of validation pictures are shown at the end, 0 or more.
        bundle: Whether the trained model is kept, as an artifact.

    Raises:
        MissingExtraError: If mlflow is not installed.
        SpecError: If `samples` is no whole number of 0 or more.
    """
    return Tracking(MLflow(experiment, name=name), samples=samples, bundle=bundle)


def to(tracker: Tracker, *, samples: int = 16, bundle: bool = True) -> Tracking:
    """Write a fit with a tracker of your own, or of another package.

    Args:
        tracker: What meets `transferkit.spec.Tracker`.
        samples: How many predictions of validation pictures are shown at the end, 0 or more.
        bundle: Whether the trained model is kept as a file.

    Raises:
        SpecError: If it does not meet it, or `samples` is no whole number of 0 or more.
    """
    return Tracking(tracker, samples=samples, bundle=bundle)


def names(glob: str = "*") -> tuple[str, ...]:
    """All registered trackers, sorted.

    Args:
        glob: A shell pattern over the name.
    """
    return _TRACKERS.names(glob)


def get(name: str) -> type[Any]:
    """The class of a registered tracker: ``tk.track.to(tk.track.get("acme")(...))``.

    Args:
        name: One of `names`.

    Raises:
        UnknownNameError: If nobody registered it; the nearest names are named.
        PluginError: If another package brings it and it cannot be used.
    """
    return _TRACKERS.get(name, verb="tk.track.get")


def register(name: str, tracker: type[Any], *, replace: bool = False) -> None:
    """Make a tracker's class known by name.

    Args:
        name: The name.
        tracker: A class that meets `transferkit.spec.Tracker`.
        replace: Whether a name that is taken may be given anew.

    Raises:
        SpecError: If it is no such class, or the name is taken.
    """
    if not _is_tracker(tracker):
        raise SpecError(
            explain(
                "register",
                "that is no tracker",
                expected=f"a class with a name and the methods {', '.join(_METHODS)}",
                received={"tracker": tracker},
            )
        )
    _TRACKERS.add(name, tracker, replace=replace)

"""MLflow: a run for each fit, wherever MLflow's tracking URI points."""

from __future__ import annotations

import csv
import io
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from transferkit._optional import require
from transferkit._text import shortened
from transferkit.track.facts import flat

__all__ = ["MLflow"]

_AT_ONCE = 100
"""Parameters in one call, as MLflow's servers take them."""
_LONGEST = 500
"""Letters of a parameter; the whole of it stands in ``config.json``."""


class MLflow:
    """Writes runs of MLflow; `Tracker` says what of.

    Where they go is said as always: ``mlflow.set_tracking_uri(...)`` or ``MLFLOW_TRACKING_URI``. If
    a run of yours is active when a fit begins, it is written into that and left open.

    Args:
        experiment: Where the run stands, made if there is none; None for MLflow's present one.
        name: What the run is called; None lets MLflow choose.

    Raises:
        MissingExtraError: If mlflow is not installed.
    """

    name = "mlflow"

    def __init__(self, experiment: str | None = None, *, name: str | None = None) -> None:
        self.experiment, self.run_name = experiment, name
        self._mlflow = require("mlflow", extra="mlflow", needed_for="tk.track.mlflow()")

    def begin(self, config: Mapping[str, Any], *, step: int, run_id: str | None) -> str | None:
        """Start a run with the config as its parameters, or open one again."""
        self._client = self._mlflow.MlflowClient()
        self._active = self._mlflow.active_run()
        run = self._active or self._mlflow.start_run(
            run_id=run_id,
            experiment_id=None if run_id else self._experiment_id(),
            run_name=self.run_name,
        )
        self._id = str(run.info.run_id)
        if run_id is None:
            self._log_config(config)
        return self._id

    def log_numbers(self, values: Mapping[str, float], step: int) -> None:
        """Metrics."""
        now, metric = int(time.time() * 1000), self._mlflow.entities.Metric
        metrics = [metric(name, value, now, step) for name, value in values.items()]
        self._client.log_batch(self._id, metrics=metrics)

    def log_text(self, name: str, text: str, step: int) -> None:
        """A text file."""
        self._client.log_text(self._id, text, f"{name}.txt")

    def log_table(
        self, name: str, header: Sequence[str], rows: Sequence[Sequence[Any]], step: int
    ) -> None:
        """A CSV file, which MLflow shows as a table."""
        buffer = io.StringIO()
        csv.writer(buffer).writerows([header, *rows])
        self._client.log_text(self._id, buffer.getvalue(), f"{name}.csv")

    def log_pictures(
        self, name: str, pictures: Sequence[tuple[np.ndarray[Any, Any], str]], step: int
    ) -> None:
        """A folder of PNG files, and their words in a table."""
        for place, (pixels, _) in enumerate(pictures):
            self._client.log_image(self._id, pixels, f"{name}/{place:02}.png")
        words = [[f"{place:02}.png", words] for place, (_, words) in enumerate(pictures)]
        self.log_table(f"{name}/captions", ["picture", "caption"], words, step)

    def log_file(self, path: Path, step: int) -> None:
        """An artifact."""
        self._client.log_artifact(self._id, str(path))

    def end(self, *, complete: bool) -> None:
        """End the run, as failed if it broke off; one of yours stays open."""
        if self._active is None:
            self._mlflow.end_run("FINISHED" if complete else "FAILED")

    def _experiment_id(self) -> str | None:
        if self.experiment is None:
            return None
        found = self._client.get_experiment_by_name(self.experiment)
        return str(
            found.experiment_id if found else self._client.create_experiment(self.experiment)
        )

    def _log_config(self, config: Mapping[str, Any]) -> None:
        self._client.log_dict(self._id, dict(config), "config.json")
        param = self._mlflow.entities.Param
        params = [param(name, shortened(value, _LONGEST)) for name, value in flat(config)]
        for first in range(0, len(params), _AT_ONCE):
            self._client.log_batch(self._id, params=params[first : first + _AT_ONCE])

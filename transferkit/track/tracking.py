"""The Keras callback between a training and a tracker: what is written, and at which step."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from transferkit import _keras
from transferkit._types import whole
from transferkit.data import Split
from transferkit.engine.resume import epochs_done
from transferkit.errors import SpecError, explain
from transferkit.evaluate import Evaluation
from transferkit.following import Run
from transferkit.spec import Tracker
from transferkit.track.facts import config_of, model_config
from transferkit.track.notes import noted_run, write_note
from transferkit.track.rates import learning_rates
from transferkit.track.results import evaluated, known, saved
from transferkit.track.session import Piece, Session, numbers, text
from transferkit.track.steps import steps_of
from transferkit.trained import TrainedModel

__all__ = ["SECONDS", "Tracking"]

Callback: Any = _keras.keras().callbacks.Callback
SECONDS = 1.0
"""How often numbers from within an epoch are written at most: a tracker may be far away."""


class Tracking(Callback):
    """Writes a `fit` down with a tracker: ``model.fit(photos, plan, callbacks=[tracking])``.

    Every fit is a run of its own; one that goes on from a backup goes on in the run that it was.
    Whatever the tracker raises, the training goes on: there is one warning, and a tracker that
    fails three times in a row is given up. Under several workers the chief alone writes.

    Args:
        tracker: Where to.
        samples: How many predictions of validation pictures are shown at the end, 0 or more.
        bundle: Whether the trained model is kept as a file.

    Raises:
        SpecError: If `tracker` is none, or `samples` is no whole number of 0 or more.
    """

    every_batch = False  # the end of each call is enough
    chief_only = True

    def __init__(self, tracker: Tracker, *, samples: int = 16, bundle: bool = True) -> None:
        super().__init__()
        self.tracker = _checked_tracker(tracker)
        self.samples = _checked_samples(samples)
        self.bundle = bundle
        self._run: Run | None = None
        self._session = Session(tracker)

    def on_run_begin(self, run: Run) -> None:
        """Open a run, a new one or that of the backup, and write down what it hangs on."""
        self._run, self._steps, self._phase = run, steps_of(run), -1
        self._session, self._written = Session(self.tracker), -SECONDS
        done = epochs_done(run.callbacks)
        self._session.step = self._steps.at(done or 0, 0)
        self._session.open(lambda: config_of(run), lambda: noted_run(run, self))
        self._session.write([("its note", lambda *_: write_note(run, self, self._session.run_id))])
        if done is None:
            self._session.write([text("plan", repr(run.plan))])
            self._session.write([text("data_report", str(run.data.report))])

    def on_train_begin(self, logs: Any = None) -> None:
        """Refuse a training that does not say what is trained on what.

        Raises:
            SpecError: If it is none of transferkit's.
        """
        self._running()

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Write down where a phase begins."""
        self._epoch, number = epoch, self._steps.phase(epoch)
        if number != self._phase:
            self._phase, self._session.step = number, self._steps.at(epoch, 0)
            phase = self._running().plan.phases[number]
            self._session.write([numbers("a phase", {"phase": number})])
            self._session.write([text(f"phase_{number}", repr(phase))])

    def on_train_batch_end(self, batch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Write down the means of the epoch so far, if the last time is a while ago."""
        if time.monotonic() - self._written >= SECONDS:
            self._written = time.monotonic()
            self._session.step = self._steps.at(self._epoch, batch + 1)
            means = {f"batch/{name}": value for name, value in _floats(logs).items()}
            self._session.write([numbers("a step", means)])

    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Write down an epoch, under the names that the history has."""
        phase, table = self._running().plan.phases[self._phase], self._running().model.table
        self._session.step = self._steps.end_of(epoch)
        rates = learning_rates(self.model, table, phase)
        values = {
            "epoch": epoch,
            "phase": self._phase,
            **_floats(logs),
            **{f"learning_rates/{name}": rate for name, rate in rates.items()},
        }
        self._session.write([numbers("an epoch", values)])

    def on_run_end(self, trained: TrainedModel | None) -> None:
        """Write down what came of it, and close the run."""
        if trained is not None:
            self._session.write(self._results(trained, self._evaluated(trained)))
        self._session.close(complete=trained is not None)
        self._run = None

    def log(self, trained: TrainedModel, split: Split | None = None) -> None:
        """Write a model down behind the last fit that was tracked; without one, as a new run.

        For what is known later: a check of the transfer, a temperature, scores on the test split.
        Unlike in a training, an error of the tracker is raised.

        Args:
            trained: The model.
            split: What it is measured on; None for nothing.
        """
        seen = None if split is None else trained.evaluate(split)
        config = {"model": model_config(trained), "plan": trained.plan.to_config()}
        with self._session.again(config) as step:
            for _, write in self._results(trained, seen):
                write(self.tracker, step)

    def _evaluated(self, trained: TrainedModel) -> Evaluation | None:
        val = self._running().data.val
        if val is None:
            return None
        return self._session.guard.attempt("the evaluation", lambda: trained.evaluate(val))

    def _results(self, trained: TrainedModel, seen: Evaluation | None) -> Iterator[Piece]:
        yield from known(trained)
        if seen is not None:
            yield from evaluated(seen, self.samples)
        if self.bundle:
            yield saved(trained)

    def _running(self) -> Run:
        if self._run is not None:
            return self._run
        raise SpecError(
            explain(
                "track",
                "this training does not say what is trained on what",
                expected="a fit of transferkit's models",
                received={"callback": type(self).__name__},
                mend="tk.TransferModel(name).fit(photos, callbacks=[tracking])",
            )
        )


def _floats(logs: Mapping[str, Any] | None) -> dict[str, float]:
    return {name: float(np.asarray(value)) for name, value in (logs or {}).items()}


def _checked_tracker(value: Any) -> Tracker:
    if isinstance(value, Tracker) and not isinstance(value, type):
        return value
    raise SpecError(
        explain(
            "track",
            f"{_kind(value)} is no tracker",
            expected="an object with the methods of transferkit.spec.Tracker",
            received={"tracker": value},
            mend="tk.track.to(MyTracker())",
        )
    )


def _kind(value: Any) -> str:
    return f"the class {value.__name__}" if isinstance(value, type) else type(value).__name__


def _checked_samples(value: Any) -> int:
    number = whole(value)
    if number is not None and number >= 0:
        return number
    raise SpecError(
        explain(
            "track",
            "that is no number of sample predictions",
            expected="a whole number of 0 or more",
            received={"samples": value},
            mend="tk.track.tensorboard('log', samples=16)",
        )
    )

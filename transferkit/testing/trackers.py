"""The contract of trackers: what holds for every one, whoever wrote it.

    >>> import transferkit as tk
    >>> from transferkit.testing import check_tracker
    >>> check_tracker(tk.track.TensorBoard("log"))

It says nothing: every rule holds. The rules are those of `TRACKERS.rules`, in that order. They
write two short runs to wherever the tracker writes, so let it be somewhere of no importance.
Whether all of it arrived is for the tracker's own tests: read it back.
"""

from __future__ import annotations

import math
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from transferkit.spec import Tracker
from transferkit.testing.contract import Breach, Contract
from transferkit.testing.values import refuse_class

__all__ = ["TRACKERS", "check_tracker", "write_all"]

TRACKERS = Contract[Any]("check_tracker")
_CONFIG = {"model": {"backbone": "tiny"}, "plan": [{"epochs": 2, "freeze": None}], "seed": 0}


def check_tracker(tracker: Tracker) -> None:
    """Look whether a tracker takes all that a run may bring.

    Args:
        tracker: The tracker; it writes two short runs.

    Raises:
        ContractError: Naming the first rule that is broken, what was seen, and how to mend it.
        SpecError: If it is a class or a function.
    """
    refuse_class("check_tracker", tracker)
    TRACKERS.check(tracker, called=type(tracker).__name__)


@TRACKERS.rule("has-its-methods", "a tracker has a name and all methods of its protocol")
def has_its_methods(tracker: Any) -> Breach | None:
    """Nothing is called yet."""
    if not isinstance(tracker, Tracker):
        return Breach("something is missing", "See transferkit.spec.Tracker for what there is.")
    if not isinstance(tracker.name, str) or not tracker.name:
        return Breach(f"its name is {tracker.name!r}", "Give it a name to stand in a warning.")
    return None


@TRACKERS.rule("keeps-a-run", "a run with numbers, words, tables, pictures and a file is taken")
def keeps_a_run(tracker: Any) -> Breach | None:
    """NaN, infinities, markup and letters of other scripts are among it."""
    run_id = tracker.begin(_CONFIG, step=0, run_id=None)
    write_all(tracker, step=3)
    tracker.end(complete=True)
    if run_id is not None and not isinstance(run_id, str):
        mend = "Give a text that finds the run again, or None."
        return Breach(f"begin gives {run_id!r}", mend)
    return None


@TRACKERS.rule("goes-on-with-a-run", "a run that was ended is opened again, and stays the same one")
def goes_on(tracker: Any) -> Breach | None:
    """A backup goes on at a step that was written before."""
    first = tracker.begin(_CONFIG, step=0, run_id=None)
    tracker.log_numbers({"loss": 1.0}, 4)
    tracker.end(complete=False)
    again = tracker.begin(_CONFIG, step=2, run_id=first)
    write_all(tracker, step=2)
    tracker.end(complete=True)
    if again != first:
        mend = "Give the run_id that came in."
        return Breach(f"the run was called {first!r} and then {again!r}", mend)
    return None


def write_all(tracker: Tracker, step: int) -> None:
    """Write one of each thing that a run may bring.

    Args:
        tracker: An open one.
        step: Where; some numbers follow a step later.
    """
    tracker.log_numbers({"loss": 0.5, "rates/head": 1e-3, "phase": 1}, step)
    tracker.log_numbers({"loss": math.nan, "val_loss": math.inf}, step + 1)
    tracker.log_text("report", "a  table\n<b>1</b>  ``` 蜂\n", step)
    tracker.log_table("confusion", ["is / predicted", "ant", "蜂"], [["<b>", 1, 2.5]], step)
    picture = np.zeros((4, 6, 3), np.uint8)
    tracker.log_pictures("predictions", [(picture, "is ant"), (picture + 9, "is 蜂 (5%)")], step)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "model.tkm")
        path.write_bytes(b"a model")
        tracker.log_file(path, step)

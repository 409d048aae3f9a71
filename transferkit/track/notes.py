"""Which run a training belongs to, written down beside its backup: it comes and goes with it.

`keras.callbacks.BackupAndRestore` keeps in its folder what a killed training goes on from, and
removes the folder when the training is done. A tracker's name for the run lies there as well.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from transferkit.engine.checkpoints import replacing
from transferkit.engine.resume import backup_folder, epochs_done
from transferkit.following import Run

__all__ = ["noted_run", "write_note"]


def noted_run(run: Run, tracking: Any) -> str | None:
    """What a tracker called the run that goes on here; None for a new run.

    Args:
        run: What is about to begin.
        tracking: The `Tracking` that asks: one of the run's callbacks.
    """
    path = _path(run, tracking)
    if path is None or not path.is_file() or epochs_done(run.callbacks) is None:
        return None
    note = json.loads(path.read_text(encoding="utf-8"))
    return str(note["run_id"]) if note["tracker"] == tracking.tracker.name else None


def write_note(run: Run, tracking: Any, run_id: str | None) -> None:
    """Write it down where there will be a backup; nothing, if there is nothing to find again."""
    path = _path(run, tracking)
    if path is None or run_id is None:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as beside:
        note = {"tracker": tracking.tracker.name, "run_id": run_id}
        beside.write_text(json.dumps(note), encoding="utf-8")


def _path(run: Run, tracking: Any) -> Path | None:
    folder = backup_folder(run.callbacks)
    place = next(place for place, each in enumerate(run.callbacks) if each is tracking)
    return None if folder is None else folder / f"tracker-{place}.json"

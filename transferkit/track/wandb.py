"""Weights & Biases: a run for each fit, online or, with ``WANDB_MODE=offline``, on the disk."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from transferkit._optional import require

__all__ = ["WeightsAndBiases"]


class WeightsAndBiases:
    """Writes runs of W&B; `Tracker` says what of.

    If a run of yours is active when a fit begins, as in a sweep, it is written into that and left
    open.

    Args:
        project: Where the run stands; None for what ``WANDB_PROJECT`` says.
        name: What the run is called; None lets W&B choose.
        tags: Words to find it by.

    Raises:
        MissingExtraError: If wandb is not installed.
    """

    name = "wandb"

    def __init__(
        self, project: str | None = None, *, name: str | None = None, tags: Sequence[str] = ()
    ) -> None:
        self.project, self.run_name, self.tags = project, name, tuple(tags)
        self._wandb = require("wandb", extra="wandb", needed_for="tk.track.wandb()")

    def begin(self, config: Mapping[str, Any], *, step: int, run_id: str | None) -> str | None:
        """Start a run, or resume one; all curves are drawn over ``step``."""
        self._active = self._wandb.run
        self._run = self._active or self._wandb.init(
            project=self.project,
            name=self.run_name,
            tags=list(self.tags),
            id=run_id,
            resume="allow" if run_id else None,
        )
        self._run.config.update(dict(config), allow_val_change=True)
        # W&B's own count goes up with every call and may never go back; ours may.
        self._run.define_metric("step", hidden=True)
        self._run.define_metric("*", step_metric="step")
        return str(self._run.id)

    def log_numbers(self, values: Mapping[str, float], step: int) -> None:
        """Numbers of the history."""
        self._run.log({**values, "step": step})

    def log_text(self, name: str, text: str, step: int) -> None:
        """Lines as they are, as a panel."""
        page = self._wandb.Html(f"<pre>{html.escape(text)}</pre>", inject=False)
        self._run.log({name: page, "step": step})

    def log_table(
        self, name: str, header: Sequence[str], rows: Sequence[Sequence[Any]], step: int
    ) -> None:
        """A table of W&B."""
        table = self._wandb.Table(columns=list(header), data=[list(row) for row in rows])
        self._run.log({name: table, "step": step})

    def log_pictures(
        self, name: str, pictures: Sequence[tuple[np.ndarray[Any, Any], str]], step: int
    ) -> None:
        """A panel of pictures with their captions."""
        shown = [self._wandb.Image(pixels, caption=words) for pixels, words in pictures]
        self._run.log({name: shown, "step": step})

    def log_file(self, path: Path, step: int) -> None:
        """An artifact of the type "model", called after the file and the run."""
        artifact = self._wandb.Artifact(f"{path.stem}-{self._run.id}", type="model")
        artifact.add_file(str(path))
        self._run.log_artifact(artifact)

    def end(self, *, complete: bool) -> None:
        """Finish the run, as failed if it broke off; one of yours stays open."""
        if self._active is None:
            self._run.finish(exit_code=0 if complete else 1)

"""The pictures that frozen layers run on: a split in order, clean or in fixed augmented views."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np

from transferkit.augment import Pipeline
from transferkit.cache import keys
from transferkit.engine import batches
from transferkit.engine.identity import source_of
from transferkit.engine.shards import members

__all__ = ["BATCH", "Pictures"]

BATCH = 32
"""Pictures that the frozen layers see at a time."""


@dataclass(frozen=True)
class Pictures:
    """A split as the prefix sees it: every picture in each of its views.

    Attributes:
        pixels: ``pixels[indices]`` gives ``(n, height, width, channels)``.
        targets: One row per picture.
        pipeline: The augmentation; empty for clean pictures.
        seed: The run's seed.
        views: How many fixed views; 1 for clean pictures.
        worker: Whose pictures: this worker's, of so many; its share is every so many-th picture.
        xla: Whether XLA compiles the augmentation, as the engine was told.
        digest: Gives the digest of the pixels, where somebody keeps it; else they are read for it.
    """

    pixels: Any
    targets: np.ndarray[Any, Any]
    pipeline: Pipeline
    seed: int = 0
    views: int = 1
    worker: tuple[int, int] = (0, 1)
    xla: bool | Literal["auto"] = "auto"
    digest: Callable[[], str] | None = None

    def __len__(self) -> int:
        return len(self.own)

    @cached_property
    def own(self) -> np.ndarray[Any, Any]:
        """The numbers of the pictures."""
        return members(len(self.targets), *self.worker)

    @property
    def rows(self) -> int:
        """Views of pictures; picture ``own[i]`` in view v is row ``v * len(self) + i``."""
        return self.views * len(self)

    @property
    def mixes(self) -> bool:
        """Whether a view has targets of its own."""
        return bool(self.pipeline.mixes)

    @cached_property
    def parts(self) -> dict[str, Any]:
        """What the features depend on besides the network, JSON-ready."""
        digest = self.digest() if self.digest else keys.digest(self.pixels)
        found: dict[str, Any] = {"data": digest}
        if self.worker != (0, 1):
            found["worker"] = list(self.worker)
        if self.pipeline.operations:
            kinds = {type(each) for each in self.pipeline.operations}
            own = sorted(source_of(kind) for kind in kinds if not _is_ours(kind))
            augmentation = [[repr(each) for each in self.pipeline.operations], own]
            found |= {"augmentation": augmentation, "views": self.views, "seed": self.seed}
        if self.mixes:
            found["targets"] = keys.digest(self.targets)
        return found

    def batches(self) -> Any:
        """All rows in order: a dataset of (images, targets)."""
        return batches.view_batches(
            self.pixels,
            self.targets,
            self.pipeline,
            seed=self.seed,
            views=self.views,
            batch_size=BATCH,
            own=self.own,
            xla=self.xla,
        )

    def row_targets(self) -> np.ndarray[Any, Any]:
        """The targets of all rows, where views have none of their own."""
        return np.tile(self.targets[self.own], (self.views, *(1,) * (self.targets.ndim - 1)))

    def first(self, count: int) -> np.ndarray[Any, Any]:
        """Some pictures, clean, float32: what a compiled prefix is checked on."""
        return np.asarray(self.pixels[self.own[:count]], np.float32)


def _is_ours(kind: type[Any]) -> bool:
    return kind.__module__.startswith("transferkit.")

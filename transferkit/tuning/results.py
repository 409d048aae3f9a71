"""What became of trials, as files: each trial has a folder whose name follows from its settings.

A search that was killed is begun again from these files alone. The search asks for the same
settings in the same order, as it follows from its seed and from the scores; those that are finished
are read, and the others trained.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from transferkit._text import json_number, printable
from transferkit.bundle.atomic import replacing
from transferkit.tuning.trial import Value

__all__ = ["MODEL", "Budget", "TrialResult", "Trials", "by_score", "name_of"]

MODEL = "model.tkm"
RESULT = "result.json"
Mode = Literal["min", "max"]


@dataclass(frozen=True)
class Budget:
    """How much of its plan a trial is given: ``epochs / of``; Hyperband gives less to most.

    Attributes:
        epochs: Of the plan's longest phase.
        of: How many epochs that phase has in full.
    """

    epochs: int = 1
    of: int = 1

    @property
    def share(self) -> float:
        """Above 0, at most 1."""
        return min(1.0, self.epochs / self.of)

    def of_phase(self, epochs: int) -> int:
        """How many of a phase's epochs are in the budget, 1 or more."""
        return max(1, min(epochs, -(-epochs * self.epochs // self.of)))


@dataclass(frozen=True)
class TrialResult:
    """One trial.

    Attributes:
        name: Its folder's name, which follows from its settings.
        values: The fields that the space asked for.
        share: Of the plan's epochs, how many it was given: 1 but under Hyperband.
        score: The objective; None if it failed.
        metrics: The history's epoch whose weights the model ended with.
        epochs: How many it trained for.
        seconds: How long it took.
        finished: When, in seconds since 1970.
        problem: Why there is no score.
    """

    name: str
    values: Mapping[str, Value] = field(hash=False)
    share: float = 1.0
    score: float | None = None
    metrics: Mapping[str, float] = field(default_factory=dict, hash=False)
    epochs: int = 0
    seconds: float = 0.0
    finished: float = 0.0
    problem: str | None = None

    def to_config(self) -> dict[str, Any]:
        """A JSON-ready form; `from_config` is the inverse."""
        numbers = {name: json_number(value) for name, value in self.metrics.items()}
        return {**vars(self), "values": dict(self.values), "metrics": numbers}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> TrialResult:
        """The inverse of `to_config`."""
        numbers = {name: float(value) for name, value in config["metrics"].items()}
        return cls(**{**config, "metrics": numbers})

    def __repr__(self) -> str:
        told = self.problem or f"{self.score:.4g}"
        settings = ", ".join(f"{name}={value!r}" for name, value in self.values.items())
        return printable(f"TrialResult({self.name}: {settings}: {told})")


@dataclass(frozen=True)
class Trials:
    """The folder in which trials lie.

    Attributes:
        folder: Where.
        mode: Whether less or more of a score is better.
    """

    folder: Path
    mode: Mode

    def finished(self) -> tuple[TrialResult, ...]:
        """All trials that have a result, in the order in which they ended."""
        found = (self._read(path.parent.name) for path in self.folder.glob(f"*/{RESULT}"))
        return tuple(sorted(filter(None, found), key=lambda each: (each.finished, each.name)))

    def scored(self, name: str) -> TrialResult | None:
        """A trial that was finished with a score, so that it need not be trained again."""
        found = self._read(name)
        return found if found is not None and found.score is not None else None

    def forget_failed(self) -> None:
        """Remove the results of trials that failed, so that they are tried again."""
        for each in self.finished():
            if each.score is None:
                (self.folder / each.name / RESULT).unlink(missing_ok=True)

    def write(self, result: TrialResult) -> None:
        """Keep a result, whole or not at all."""
        folder = self.folder_of(result.name)
        text = json.dumps(result.to_config(), ensure_ascii=True, indent=1).encode()
        with replacing(folder / RESULT, needed=len(text)) as file:
            file.write(text)

    def folder_of(self, name: str) -> Path:
        """Where a trial's files lie; it is made."""
        folder = self.folder / name
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def leads(self, score: float) -> bool:
        """Whether a score is better than all there are, so that its model is worth keeping."""
        best = by_score(self.finished(), self.mode)[:1]
        return not best or best[0].score is None or self._sign * score > self._sign * best[0].score

    def keep_best(self) -> None:
        """Remove the models of all trials but the best."""
        for each in by_score(self.finished(), self.mode)[1:]:
            (self.folder / each.name / MODEL).unlink(missing_ok=True)

    @property
    def _sign(self) -> int:
        return 1 if self.mode == "max" else -1

    def _read(self, name: str) -> TrialResult | None:
        try:
            text = (self.folder / name / RESULT).read_text(encoding="utf-8")
        except FileNotFoundError:
            return None
        return TrialResult.from_config(json.loads(text))


def by_score(results: Iterable[TrialResult], mode: Mode) -> list[TrialResult]:
    """The best first, equal ones in the order in which they ended; those that failed are last."""
    sign = -1 if mode == "max" else 1

    def key(each: TrialResult) -> tuple[bool, float]:
        return each.score is None, sign * (each.score or 0.0)

    return sorted(results, key=key)


def name_of(values: Mapping[str, Value], budget: Budget) -> str:
    """A trial's name: eight letters that follow from its settings and its share of the epochs."""
    text = json.dumps([sorted(values.items()), budget.share], ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()[:8]

"""What the engine chose and did, as a value: printed, compared, saved."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from transferkit._text import byte_size, counted, html_table, printable

__all__ = ["EngineReport", "PhaseReport"]


@dataclass(frozen=True)
class PhaseReport:
    """One phase as the engine runs it.

    Attributes:
        phase: The phase's name.
        cut: The layers with which the frozen prefix ends; () if there is none.
        cached: Whether what crosses the cut is computed once and kept, or in every epoch.
        why: Why, in words.
        bytes_per_image: What the cache holds of one view of one picture.
        images: Training and validation pictures together.
        views: Fixed views of each training picture; 0 if every epoch has new pixels.
        saved: Share of the multiply-adds of a step's forward pass that lie before the cut, 0 to 1.
        extracted: Pictures that the frozen layers were run on for this phase; what another phase or
            run had left is not among them. None before training.
        precision: What the stages compute in: ``{"prefix": "bfloat16", "tail": "float32"}``.
        backend: What runs the prefix.
        xla: Which stages are compiled with XLA.
        rewrites: What was put in place of the network's own layers while it trained.
        steps_per_call: Training steps in one call of the compiled function.
        notes: What else there is to know, such as a disk that was full.
    """

    phase: str
    cut: tuple[str, ...] = ()
    cached: bool = False
    why: str = ""
    bytes_per_image: int = 0
    images: int = 0
    views: int = 0
    saved: float = 0.0
    extracted: int | None = None
    precision: Mapping[str, str] | None = None
    backend: str = "tensorflow"
    xla: tuple[str, ...] = ()
    rewrites: tuple[str, ...] = ()
    steps_per_call: int = 1
    notes: tuple[str, ...] = ()

    def _row(self) -> list[str]:
        cut = " + ".join(self.cut) if self.cut else "none"
        size = byte_size(self.bytes_per_image) if self.cached else "not kept"
        precision = ", ".join(f"{part} {kind}" for part, kind in (self.precision or {}).items())
        xla = ", ".join(self.xla) or "none"
        return [self.phase, cut, size, f"{self.saved:.0%}", precision or "float32", xla]


@dataclass(frozen=True)
class EngineReport:
    """What the engine chose and did, phase by phase.

    Attributes:
        device: What it ran on, in words.
        phases: One entry for each phase.
    """

    device: str = ""
    phases: tuple[PhaseReport, ...] = ()

    def __iter__(self) -> Iterator[PhaseReport]:
        return iter(self.phases)

    def __len__(self) -> int:
        return len(self.phases)

    def extended(self, other: EngineReport) -> EngineReport:
        """The phases of both, those of `other` behind."""
        return EngineReport(other.device, self.phases + other.phases)

    def to_config(self) -> dict[str, Any]:
        """A JSON-ready form; `from_config` is the inverse."""
        return {"device": self.device, "phases": [asdict(phase) for phase in self.phases]}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> EngineReport:
        """The inverse of `to_config`; a file of an older version holds nothing."""
        lists = ("cut", "xla", "rewrites", "notes")
        phases = (
            PhaseReport(**{**entry, **{name: tuple(entry[name]) for name in lists}})
            for entry in config.get("phases", ())
        )
        return cls(str(config.get("device", "")), tuple(phases))

    def __repr__(self) -> str:
        lines = [self._caption()]
        for number, phase in enumerate(self.phases, start=1):
            _, cut, size, saved, precision, xla = phase._row()
            lines.append(f"  {number}. {phase.phase}: {phase.why}")
            if phase.cut:
                lines.append(f"     cut behind {cut} ({saved} of the work), {size} a picture")
            lines.append(f"     {precision}; XLA: {xla}; by {phase.backend}")
            lines += [f"     {note}" for note in phase.notes]
        return "\n".join(map(printable, lines))

    def _repr_html_(self) -> str:
        header = ["phase", "cut behind", "a picture", "work saved", "precision", "XLA"]
        return html_table(self._caption(), header, [phase._row() for phase in self.phases], left=2)

    def _caption(self) -> str:
        return f"Engine: {counted(len(self.phases), 'phase')} on {self.device or 'this machine'}"

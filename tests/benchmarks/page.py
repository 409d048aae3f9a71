"""The page of the figures: made of the rows' descriptions and the file of figures alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from measuring import Figure
from record import Entries, Entry
from rows import Row, Target

__all__ = ["HEADER", "bound", "markdown", "number", "table", "table_lines", "verdict"]

INTRODUCTION = """# Performance

Written by `nox -s bench`; do not edit it by hand. Every figure is a ratio: how many times less time
transferkit takes than what it is compared with, plain Keras if nothing else is said. Where *seen*
has two times, the first is ours.

## How it is measured

Both things run in one process, in turn (ours, theirs, ours, theirs, ...), so that whatever else the
machine does meets both. Trainings take turns epoch by epoch. What is shown is the median of the
ratios of these pairs. The interval comes from their order alone: of six pairs or more it holds the
true median in at least 95 of 100 repetitions, of fewer in as many as stand beside it. Each row has
a process of its own and begins with an empty cache, so that nothing is left from earlier runs;
within a row our cache is emptied before each round, unless the row is about what lies in it.

Plain Keras is written as its guide to transfer learning says, with care:
`image_dataset_from_directory`, decoded once and cached, Keras' layers for the augmentation,
prefetched; `compile`, `fit`, `predict`; float32, as it comes. It stands in
`tests/benchmarks/plain_keras.py`. Weights are random and pictures drawn from a seed, except for the
ants and bees. The machines are described below, with the fastest product of two matrices that was
seen in the same run.

## How to run it

```sh
nox -s bench -- --list          # the rows, what they compare, and how long each takes
nox -s bench                    # all of them, hours on two cores
nox -s bench -- tutorial head   # some of them
nox -s bench -- head --rounds 3 # with another number of pairs
nox -s bench -- --small         # tiny pictures, to test the harness; writes nothing here
```

A row that was run replaces its own figures of the same kind of machine in
`docs/performance.json`, and this page is made of that file anew. Rows that were not run, and those
of other machines, keep theirs, with their date and machine. A row that fails
says why, and the others go on. `TRANSFERKIT_ASSETS` names the folder with the ants and bees.
Accelerators are hidden unless `CUDA_VISIBLE_DEVICES` says otherwise.

## The figures
"""
HEADER = ("row", "figure of", "target", "ratio", "interval", "seen", "date", "machine")


def markdown(rows: Mapping[str, Row], entries: Entries) -> str:
    """The whole page.

    Args:
        rows: Every row, in the order of the table.
        entries: What is known of them; entries of rows that are no more are left out.
    """
    known = {name: entries.get(name, ()) for name in rows}
    machines = _machines(known)
    parts = [
        INTRODUCTION,
        table(HEADER, table_lines(rows, entries)),
        "\n## What is compared\n",
        "\n".join(f"- **{name}**: {row.compares}" for name, row in rows.items()),
        *_missed(rows, known, machines),
        *_failures(known),
        *_details(known, machines),
        *_machine_list(machines),
    ]
    return "\n".join(parts) + "\n"


def table_lines(rows: Mapping[str, Row], entries: Entries) -> list[tuple[str, ...]]:
    """The cells of the table, under `HEADER`."""
    known = {name: entries.get(name, ()) for name in rows}
    machines = _machines(known)
    return [
        cells
        for name, row in rows.items()
        for entry in known[name] or (Entry(),)
        for cells in _lines(row, entry, machines)
    ]


def number(value: float) -> str:
    """Three digits, or two behind the point."""
    return f"{value:.2f}" if abs(value) < 10 else f"{value:.3g}"


def bound(target: Target | None) -> str:
    """A target in words."""
    if target is None:
        return "-"
    return f"{'at most' if target.most else 'at least'} {target.bound:g} {target.unit}"


def verdict(target: Target | None, value: float) -> str:
    """A figure with its unit; one that misses its target is marked."""
    shown = f"{number(value)} {target.unit if target else 'x'}"
    return shown if target is None or target.met(value) else f"{shown} (missed)"


def _lines(row: Row, entry: Entry, machines: Sequence[Any]) -> Iterator[tuple[str, ...]]:
    """The lines of one row: each figure, and each target that has none yet."""
    shown = [figure for figure in entry.figures if not figure.detail]
    for figure in shown:
        target = row.targets.get(figure.label)
        machine = _letter(machines, entry.machine)
        value = verdict(target, figure.value)
        words = (_interval(figure), figure.seen, entry.date, machine)
        yield (f"`{row.name}`", figure.label, bound(target), value, *words)
    seen = {figure.label for figure in shown}
    for label, target in row.targets.items():
        if label not in seen:
            yield (f"`{row.name}`", label, bound(target), "not measured", "", "", "", "")


def _interval(figure: Figure) -> str:
    if figure.low is None or figure.high is None or figure.coverage is None:
        return "one pair" if figure.pairs == 1 else ""
    ends = f"{number(figure.low)} to {number(figure.high)}"
    return f"{ends} ({figure.coverage:.0%} of {figure.pairs})"


def _missed(rows: Mapping[str, Row], entries: Entries, machines: Sequence[Any]) -> Iterator[str]:
    found = []
    for name, entry in _each(entries):
        for figure in entry.figures:
            target = rows[name].targets.get(figure.label)
            if target is not None and not target.met(figure.value):
                where = f"`{name}`, {figure.label}, on {_letter(machines, entry.machine)}"
                seen = f"{number(figure.value)} instead of {bound(target)}"
                found.append(f"- {where}, {seen}: {_reason(rows[name], figure, entry)}")
    if found:
        yield "\n## Targets that were missed\n"
        yield "\n".join(found)


def _reason(row: Row, figure: Figure, entry: Entry) -> str:
    """Why a target was missed, as far as it is known."""
    known = row.reasons.get(figure.label, "")
    if figure.label in row.in_bfloat16 and not entry.machine["bfloat16"]:
        known = f"this processor has no bfloat16, in which the target was set. {known}".strip()
    return known or "no reason is known yet."


def _failures(entries: Entries) -> Iterator[str]:
    found = [f"- `{name}`, {each.failure}" for name, each in _each(entries) if each.failure]
    if found:
        yield "\n## Rows that could not be measured the last time\n"
        yield "\n".join(found)


def _details(entries: Entries, machines: Sequence[Any]) -> Iterator[str]:
    for name, entry in _each(entries):
        details = [figure for figure in entry.figures if figure.detail]
        if not details and not entry.remarks:
            continue
        yield f"\n## {name} in detail, on {_letter(machines, entry.machine)}\n"
        if details:
            cells = [(f.label, number(f.value), _interval(f), f.seen) for f in details]
            yield table(("figure of", "ratio", "interval", "seen"), cells)
        if entry.remarks:
            yield "\n```text\n" + "\n".join(entry.remarks) + "\n```"


def _each(entries: Entries) -> Iterator[tuple[str, Entry]]:
    return ((name, entry) for name, found in entries.items() for entry in found)


def _machines(entries: Entries) -> list[Any]:
    """The different machines; what is measured anew in every run does not tell them apart."""
    found: list[Any] = []
    for _, entry in _each(entries):
        if entry.machine and not any(_same(entry.machine, other) for other in found):
            found.append(entry.machine)
    return found


def _same(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    return {**one, "gflops": None} == {**other, "gflops": None}


def _letter(machines: Sequence[Any], machine: Mapping[str, Any]) -> str:
    places = (place for place, each in enumerate(machines) if _same(each, machine))
    return next((chr(ord("A") + place) for place in places), "")


def _machine_list(machines: Sequence[Any]) -> Iterator[str]:
    if not machines:
        return
    yield "\n## The machines\n"
    for place, machine in enumerate(machines):
        yield f"- **{chr(ord('A') + place)}**: {machine_in_words(machine)}"


def machine_in_words(machine: Mapping[str, Any]) -> str:
    """A machine as one sentence."""
    peak = ", ".join(f"{rate:.0f} GFLOP/s in {kind}" for kind, rate in machine["gflops"].items())
    versions = ", ".join(f"{name} {version}" for name, version in machine["versions"].items())
    bfloat16 = ", ".join(machine["bfloat16"]) or "none"
    devices = ", ".join(machine["accelerators"]) or "no accelerator"
    return (
        f"{machine['processor']}, {machine['cores']} cores, bfloat16 by {bfloat16}, {devices}, "
        f"{machine['memory_gb']} GB, {machine['system']}; Python {machine['python']}, {versions}; "
        f"matrix products at {peak}."
    )


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table in Markdown."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(map(_cell, cells)) + " |" for cells in lines)


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split())

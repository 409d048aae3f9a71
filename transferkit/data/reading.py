"""From lists of files with labels to `Data`: decoded once, divided, reported on."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

from transferkit._progress import check_verbose
from transferkit._text import counted, printable
from transferkit.data import store
from transferkit.data.bundle import Data, Split
from transferkit.data.decode import check_channels, check_file, read_file
from transferkit.data.division import divided, shares_of
from transferkit.data.findings import Findings, Summary
from transferkit.data.fitting import check_fit
from transferkit.data.formats import READ_NAMES
from transferkit.data.opening import UnreadableError
from transferkit.data.report import Report, contradictions, leaks, left_out
from transferkit.errors import DataError, DecodeError, SpecError, explain
from transferkit.spec import Task

__all__ = ["OnBad", "check_on_bad", "read_files"]

OnBad = Literal["raise", "skip"]


def check_on_bad(verb: str, on_bad: Any) -> None:
    """Refuse what is neither way of treating bad files.

    Raises:
        SpecError: Naming both.
    """
    if on_bad not in ("raise", "skip"):
        raise SpecError(
            explain(
                verb,
                "on_bad is unknown",
                expected="'raise' or 'skip'",
                received={"on_bad": on_bad},
            )
        )


def read_files(
    verb: str,
    splits: Mapping[str, Split],
    task: Task,
    *,
    val: float,
    test: float,
    seed: int,
    on_bad: OnBad,
    ignored: Mapping[str, Sequence[Path]],
    verbose: int = 0,
) -> Data:
    """Decode every file once, divide what is not divided, and report.

    Each file is opened once, and everything that the report says of it is found then.

    Args:
        verb: The function that the user called, for the errors.
        splits: The splits whose files are known, ``"train"`` among them, not decoded yet.
        task: What the labels are.
        val: Share of the training pictures that becomes the validation split, where there is none.
        test: The same for the test split.
        seed: Decides which.
        on_bad: What is done with files that cannot be decoded.
        ignored: Files that were left out, by reason, for the report.
        verbose: 0 silent, 1 or 2 shows how far it is, if it takes longer than a second.

    Raises:
        DecodeError: Naming every bad file, with ``on_bad="raise"``.
        DataError: If a split or a training class would be empty.
    """
    check_verbose(verb, verbose)
    read, findings = {}, []
    for name, split in splits.items():
        label = "decode" if len(splits) == 1 else f"decode {name}"
        read[name], found = _checked(verb, split, verbose, label)
        findings.append(found)
    bad = tuple(entry for found in findings for entry in found.bad_files())
    _report_bad(verb, bad, on_bad)
    asked = {n: s for n, s in (("val", val), ("test", test)) if n not in splits}
    made = {**read, **divided(verb, read["train"], asked, seed)}
    data = Data(made["train"], made.get("val"), made.get("test"), task, Report({}))
    _check_filled(verb, data, splits["train"].counts(), skipped=bool(bad))
    files = Summary(findings)
    groups = files.duplicates()
    report = Report(
        counts=data.counts(),
        sizes=files.sizes(),
        kinds=files.kinds(),
        ignored={reason: tuple(paths) for reason, paths in ignored.items()},
        bad=bad,
        mismatched=files.mismatched(),
        duplicates=groups,
        leaks=leaks(groups, {name: split.paths for name, split in data.splits.items()}),
        contradictions=contradictions(
            groups, {name: (split.paths, split.labels) for name, split in data.splits.items()}
        ),
        shares=shares_of(data.splits, asked),
    )
    return replace(data, report=report)


def _checked(verb: str, split: Split, verbose: int, label: str) -> tuple[Split, Findings]:
    """Decode every file once: into its place, or without a size only to see that it can be."""
    check_fit(verb, split.fit)
    check_channels(verb, split.channels)
    size, fit, files = split.image_size, split.fit or "crop", split.sources
    room = store.allocate((len(split), *size, split.channels)) if size else None
    findings = Findings(files)

    def read(index: int) -> None:
        try:
            if room is None:
                found = check_file(files[index], split.max_pixels)
            else:
                room[index], found = read_file(
                    files[index], size, fit, split.channels, split.max_pixels
                )
        except UnreadableError as error:
            findings.bad[index] = str(error)
        else:
            findings.note(index, found)

    store.each(len(split), read, into=room, verbose=verbose, label=label)
    whole = replace(split, decoded=room)
    return whole.taken(findings.good, split.name) if findings.bad else whole, findings


def _report_bad(verb: str, bad: Sequence[tuple[Path, str]], on_bad: str) -> None:
    if not bad:
        return
    listed = "; ".join(f"{file}: {reason}" for file, reason in bad[:10])
    more = f"; and {len(bad) - 10} more" if len(bad) > 10 else ""
    if on_bad == "skip":
        told = f"{verb}: {left_out(len(bad))}: {listed}{more}"
        warnings.warn(printable(told), stacklevel=4)
        return
    raise DecodeError(
        explain(
            verb,
            f"{counted(len(bad), 'file')} cannot be decoded: {listed}{more}",
            expected=f"whole {READ_NAMES} pictures",
            mend="Delete or replace them, or leave them out with on_bad='skip'.",
        )
    )


def _check_filled(verb: str, data: Data, before: Sequence[int], *, skipped: bool) -> None:
    """Refuse empty splits, and training without a class whose files were all skipped."""
    lost = [
        name
        for name, n, count in zip(data.class_names, before, data.train.counts(), strict=True)
        if n and not count
    ]
    for name, split in data.splits.items():
        if not len(split) or (name == "train" and lost):
            be = "no pictures are left" if skipped else "there are no pictures"
            raise DataError(
                explain(
                    verb,
                    f"{be} in the {name} split" + (f" for {lost[0]!r}" if len(split) else ""),
                    expected="pictures in every split, and of every class to train on",
                    received={"split": name},
                    mend="Mend the files that cannot be decoded." if skipped else None,
                )
            )

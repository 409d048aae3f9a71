"""`Data`: the splits, one class list for all of them, and a report of what was found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from transferkit import _figures
from transferkit._text import html_table, printable, shortened
from transferkit._types import ImageSize, checked_seed, real, whole
from transferkit.data.division import divided, shares_of
from transferkit.data.fitting import Fit
from transferkit.data.folds import Folds, fold_numbers, k_shot, strangers
from transferkit.data.pictures import Split
from transferkit.data.report import Report
from transferkit.errors import DataError, SpecError, did_you_mean, explain
from transferkit.spec import BackboneInfo, Target, Task

__all__ = ["Data", "Split", "check_data"]

_SHOWN = 20  # classes


@dataclass(frozen=True, eq=False, repr=False)
class Data:
    """Splits of one task with one class list.

    Attributes:
        train: What is trained on.
        val: What is watched while training, or None.
        test: What is looked at last, or None.
        task: ``"classes"``, ``"labels"`` or ``"values"``.
        report: What was found in the files.
    """

    train: Split
    val: Split | None
    test: Split | None
    task: Task
    report: Report

    @property
    def class_names(self) -> tuple[str, ...]:
        """The one class list, in the order of the labels."""
        return self.train.class_names

    @property
    def image_size(self) -> tuple[int, int] | None:
        """(height, width) in pixels, or None where `fit` is to decide."""
        return self.train.image_size

    @property
    def channels(self) -> int:
        """Channels of the pixels."""
        return self.train.channels

    @property
    def fit(self) -> Fit | None:
        """How a picture is brought to size, or None where the backbone is to decide."""
        return self.train.fit

    @property
    def splits(self) -> Mapping[str, Split]:
        """The splits there are, by name."""
        named = {"train": self.train, "val": self.val, "test": self.test}
        return {name: split for name, split in named.items() if split is not None}

    @property
    def target(self) -> Target:
        """What a head is to predict."""
        return self.train.target

    def resized(self, image_size: ImageSize, *, fit: Fit | None = None) -> Data:
        """The same pictures at another size, or fitted into it in another way; see `Split`."""
        made = {name: split.resized(image_size, fit=fit) for name, split in self.splits.items()}
        return replace(self, train=made["train"], val=made.get("val"), test=made.get("test"))

    def prepared_for(self, info: BackboneInfo) -> Data:
        """The same pictures as a backbone wants them, where no size was chosen; see `Split`."""
        made = {name: split.prepared_for(info) for name, split in self.splits.items()}
        return replace(self, train=made["train"], val=made.get("val"), test=made.get("test"))

    def hold_out(self, fraction: float = 0.2, *, seed: int = 0) -> Data:
        """Take a new validation split from the training pictures; the old one becomes `test`.

        Whatever is then selected, best weights or the epoch to stop at, is selected on pictures
        that the test split has not seen. Groups are not divided.

        Args:
            fraction: Share of the training pictures, stratified, in (0, 1).
            seed: Decides which.

        Raises:
            DataError: If `fraction` is no share, if there are val and test splits already, or if
                pictures or groups are too few.
        """
        share = real(fraction)
        if share is None or not 0 < share < 1:
            raise DataError(
                explain(
                    "hold_out",
                    "the fraction is no share of the training pictures",
                    expected="0 < fraction < 1",
                    received={"fraction": fraction},
                    mend="photos.hold_out(0.2)",
                )
            )
        test = self._old_validation("hold_out")
        # With a hash alone the same share again would find nothing: it was taken before.
        purpose = f"hold_out from {','.join(self.splits)}"
        seed = checked_seed("hold_out", seed)
        parts = divided("hold_out", self.train, {"val": share}, seed, purpose)
        data = self._of(parts["train"], parts["val"], test)
        return replace(data, report=replace(data.report, shares=shares_of(parts, {"val": share})))

    def folds(self, k: int = 5, *, seed: int = 0) -> Folds[Data]:
        """The training pictures divided in `k`: each fold is the validation split once.

        Folds are stratified, and groups are not divided. The test split is the same in all; a
        validation split that there is already becomes the test split. Each `Data` is made when its
        turn comes, since pictures in memory are copied.

        Args:
            k: How many folds.
            seed: Decides which.

        Returns:
            `k` times `Data`: something to go through as often as wanted, and to take `len` of.

        Raises:
            DataError: If there are val and test splits already, `k` is no number of folds, groups
                are fewer than folds, or a class is too small to be in every fold.

        Example:
            >>> import numpy as np
            >>> import transferkit as tk
            >>> pictures = np.zeros((6, 8, 8, 3), np.uint8)
            >>> photos = tk.data.from_arrays(pictures, [0, 1] * 3, val=0)
            >>> [(len(fold.train), len(fold.val)) for fold in photos.folds(3)]
            [(4, 2), (4, 2), (4, 2)]
        """
        test = self._old_validation("folds")
        numbers = fold_numbers(self.train, k, checked_seed("folds", seed))

        def made(number: int) -> Data:
            train = self.train.taken(np.flatnonzero(numbers != number), "train")
            val = self.train.taken(np.flatnonzero(numbers == number), "val")
            return self._of(train, val, test)

        return Folds(int(k), made)

    def few(self, k: int, *, seed: int = 0, rest: Literal["drop", "val", "test"] = "drop") -> Data:
        """Train on `k` pictures of each class only.

        With several labels per picture each label gets at least `k`: the rarest first, and pictures
        that were taken for one count for the others. Those of a smaller `k` are among those of a
        larger one, for classes.

        Args:
            k: Pictures of each class.
            seed: Decides which.
            rest: What becomes of the other training pictures: ``"drop"``, or the split that they
                make, without those that share a group with one that was taken.

        Raises:
            DataError: If a class has fewer, `k` is no number, the labels are numbers, or the split
                that the rest is to make is there already.
        """
        chosen = k_shot(self.train, k, checked_seed("few", seed))
        val, test = self.val, self.test
        if rest != "drop":
            self._check_rest(rest)
            others = self.train.taken(strangers("few", self.train, chosen), rest)
            val, test = (others, test) if rest == "val" else (val, others)
        return self._of(self.train.taken(chosen, "train"), val, test)

    def _check_rest(self, rest: str) -> None:
        known = rest in ("val", "test")
        if known and rest not in self.splits:
            return
        raise DataError(
            explain(
                "few",
                f"there is a {rest} split already" if known else "rest is unknown",
                expected="'drop', or 'val' or 'test' where there is no such split",
                received={"rest": rest, "splits": tuple(self.splits)},
                mend="photos.few(5, rest='drop')",
            )
        )

    def _old_validation(self, verb: str) -> Split | None:
        """The test split of data whose training pictures are divided anew."""
        if self.val is None or self.test is None:
            return self.test if self.val is None else replace(self.val, name="test")
        raise DataError(
            explain(
                verb,
                "the data has a validation and a test split already",
                expected="data with one of them at most",
                received={"splits": tuple(self.splits)},
                mend="Read it with val=0.",
            )
        )

    def _of(self, train: Split, val: Split | None, test: Split | None) -> Data:
        """The same data in other splits, counted anew."""
        data = replace(self, train=train, val=val, test=test)
        homes = {name: split.paths for name, split in data.splits.items()}
        before = sum(map(len, self.splits.values()))
        return replace(data, report=self.report.divided_anew(data.counts(), homes, before))

    def counts(self) -> Mapping[str, Mapping[str, int]]:
        """Pictures per class, per split."""
        if self.task == "values":
            return {name: {"pictures": len(split)} for name, split in self.splits.items()}
        return {
            name: dict(zip(self.class_names, split.counts(), strict=True))
            for name, split in self.splits.items()
        }

    def show(self, split: str = "train", n: int = 16) -> Any:
        """Draw some pictures, the same ones each time, with their labels.

        Args:
            split: Which split.
            n: How many pictures.

        Returns:
            A ``matplotlib.figure.Figure``.

        Raises:
            DataError: If there is no such split, or `n` is no number of pictures.
            MissingExtraError: If matplotlib is not installed.
        """
        if split not in self.splits:
            raise DataError(
                explain(
                    "show",
                    "there is no such split",
                    expected=did_you_mean(str(split), tuple(self.splits)),
                    received={"split": split},
                )
            )
        most = whole(n)
        if most is None or most < 1:
            raise DataError(
                explain(
                    "show",
                    "there is nothing to show",
                    expected="a whole number of pictures, 1 or more",
                    received={"n": n},
                    mend="photos.show(n=16)",
                )
            )
        chosen = self.splits[split]
        sized = chosen if chosen.image_size else chosen.resized(160)
        order = np.random.default_rng(0).permutation(len(sized))[:most]
        some = sized.taken(np.sort(order), split)
        titles = [self._title(label) for label in some.labels]
        return _figures.image_grid(list(some.pixels()), titles, needed_for="photos.show()")

    def _title(self, label: Any) -> str:
        if self.task == "classes":
            return self.class_names[int(label)]
        if self.task == "labels":
            return ", ".join(n for n, on in zip(self.class_names, label, strict=True) if on)
        return ", ".join(f"{value:g}" for value in np.atleast_1d(label))

    def __repr__(self) -> str:
        counts = ", ".join(f"{len(split)} {name}" for name, split in self.splits.items())
        names = ", ".join(self.class_names[:10]) + (" ..." if len(self.class_names) > 10 else "")
        what = f"{len(self.class_names)} {self.task} ({names})" if names else "values"
        return printable(f"Data: {counts} pictures, {what}, {self._form()}")

    def _form(self) -> str:
        """Size and channels, in words."""
        size = self.image_size
        shown = "each its own size" if size is None else "{} x {}".format(*size)
        return f"{shown}, {self.channels} channels"

    def _repr_html_(self) -> str:
        """A table of classes and splits; its colours are those of the page."""
        counts = self.counts()
        names = list(next(iter(counts.values())))
        rows = [
            [shortened(name, 40), *(str(split[name]) for split in counts.values())]
            for name in names[:_SHOWN]
        ]
        if len(names) > _SHOWN:
            rows.append([f"... and {len(names) - _SHOWN} more", *("" for _ in counts)])
        if self.task != "values":
            rows.append(["pictures", *(str(len(split)) for split in self.splits.values())])
        caption = [f"Data: {self._form()}", *self.report.warnings, "what was found: .report"]
        return html_table("\n".join(caption), ["", *counts], rows)


def check_data(value: object) -> None:
    """Refuse what a `fit` cannot train on.

    Raises:
        SpecError: If it is no `Data`.
    """
    if not isinstance(value, Data):
        raise SpecError(
            explain(
                "fit",
                f"{type(value).__name__} is no data",
                expected="what tk.data.from_directory or another reader of tk.data gives",
                received={"data": value},
                mend="fit(tk.data.from_directory('flowers/'))",
            )
        )

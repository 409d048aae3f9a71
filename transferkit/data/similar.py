"""Near-duplicates: pictures that look alike although their files differ.

A resized copy, the same photo saved again, the next frame of a burst. One of them in the training
split and one in the validation split makes scores too good, as a copy does.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from transferkit._progress import check_verbose
from transferkit._text import counted, html_table, printable, shortened, text_table
from transferkit._types import whole
from transferkit.data import store
from transferkit.data.bundle import Data, Split
from transferkit.data.decode import decode
from transferkit.data.hashing import BYTES, Hashes, difference_hash, grouped
from transferkit.errors import SpecError, explain

__all__ = ["NearDuplicates", "near_duplicates"]

_SHOWN = 10  # groups
_SIDE = 72  # pixels that files without a size are brought to, to be shrunk from
Place = tuple[str, int]


@dataclass(frozen=True)
class NearDuplicates:
    """Groups of pictures that look alike, the largest first.

    Attributes:
        groups: For each picture of a group its split and its index in it.
        paths: The files of those pictures; None for what came as an array.
        distance: How many of the 128 bits of two neighbours in a group may differ.
    """

    groups: tuple[tuple[Place, ...], ...]
    paths: Mapping[Place, Path | None]
    distance: int

    def __len__(self) -> int:
        return len(self.groups)

    @property
    def leaks(self) -> tuple[tuple[Place, ...], ...]:
        """Those of the groups that lie in more than one split."""
        return tuple(group for group in self.groups if len({split for split, _ in group}) > 1)

    def __str__(self) -> str:
        if not self.groups:
            return printable(self._headline())
        table = text_table(("pictures", "splits", "such as"), self._rows(60), left=3)
        return f"{printable(self._headline())}\n{table}{self._more()}"

    def _repr_html_(self) -> str:
        rows = self._rows(200)
        caption = self._headline() + self._more()
        return html_table(caption, ("pictures", "splits", "such as"), rows, left=3)

    def _headline(self) -> str:
        found = counted(len(self.groups), "group") + " of pictures that look alike"
        leaks = len(self.leaks)
        be = "lies" if leaks == 1 else "lie"
        return f"{found}, {leaks:,} of which {be} in more than one split" if self.groups else found

    def _more(self) -> str:
        left = len(self.groups) - _SHOWN
        return f"\n... and {left:,} more" if left > 0 else ""

    def _rows(self, most: int) -> list[tuple[str, str, str]]:
        """The groups, those in several splits before the others."""
        leaks = set(self.leaks)
        ordered = [*self.leaks, *(group for group in self.groups if group not in leaks)]
        return [
            (
                str(len(group)),
                ", ".join(sorted({split for split, _ in group})),
                " and ".join(shortened(self._name(place), most) for place in _two(group)),
            )
            for group in ordered[:_SHOWN]
        ]

    def _name(self, place: Place) -> str:
        path = self.paths[place]
        return f"{place[0]}[{place[1]}]" if path is None else str(path)


def near_duplicates(data: Data, *, distance: int = 8, verbose: int = 1) -> NearDuplicates:
    """Find pictures that look alike, within the splits and across them.

    Each picture has a difference hash of 128 bits: shrunk to 9 x 8 grey pixels, a bit says whether
    a pixel is darker than its right neighbour, and shrunk to 8 x 9, whether it is darker than the
    one below. Pictures whose hashes differ in `distance` bits or less look alike, and so do those
    that are joined by a chain of such pictures. Mirrored, turned or strongly cropped copies are not
    found; very plain pictures (a clear sky, a page of text) may be joined though they differ: look
    at the groups before anything is deleted.

    Pictures whose size is known are not decoded again; those without one are read once more.

    Args:
        data: What to look through.
        distance: Bits that may differ, 0 to 15. Of 150 photographs 8 found all copies of half and
            of a quarter of the size, 98 % of those saved with JPEG quality 20, and 75 % of those
            that had lost 2 % at each edge; no two of 396 different ones were nearer than 27.
        verbose: 0 silent, 1 or 2 shows how far it is, if it takes longer than a second.

    Returns:
        The groups; print it, or look at ``.groups`` and ``.leaks``.

    Raises:
        SpecError: If `data` is none, or `distance` is out of range.
        DecodeError: If a file cannot be decoded any more.

    References:
        N. Krawetz, "Kind of Like That", hackerfactor.com, 2013 (the hash along the rows). B. Hoyt,
        "Duplicate image detection with perceptual hashing in Python", 2017 (both directions).
    """
    check_verbose("near_duplicates", verbose)
    most = whole(distance)
    if most is None or not 0 <= most < BYTES:
        raise SpecError(
            explain(
                "near_duplicates",
                "the distance is out of range",
                expected="a whole number of bits, 0 to 15",
                received={"distance": distance},
                mend="tk.data.near_duplicates(photos, distance=8)",
            )
        )
    if not isinstance(data, Data):
        raise SpecError(
            explain(
                "near_duplicates",
                f"{type(data).__name__} is no data",
                expected="what a reader of tk.data gives, with all its splits",
                received={"data": data},
                mend="tk.data.near_duplicates(tk.data.from_directory('flowers/'))",
            )
        )
    splits = data.splits
    hashes = np.concatenate([_hashes(split, verbose) for split in splits.values()])
    places = [(name, index) for name, split in splits.items() for index in range(len(split))]
    groups = [tuple(places[i] for i in group) for group in grouped(hashes, most)]
    groups.sort(key=len, reverse=True)
    files = {name: split.paths for name, split in splits.items()}
    paths = {place: files[place[0]][place[1]] for group in groups for place in group}
    return NearDuplicates(tuple(groups), paths, most)


def _hashes(split: Split, verbose: int) -> Hashes:
    """One row of bytes for each picture."""
    known = isinstance(split.sources, np.ndarray) or split.image_size is not None
    pixels = split.pixels() if known else None
    made = np.zeros((len(split), BYTES), np.uint8)

    def one(index: int) -> None:
        if pixels is None:
            picture = decode(
                split.sources[index],
                image_size=_SIDE,
                fit="stretch",
                max_pixels=split.max_pixels,
            )
        else:
            picture = pixels[index]
        made[index] = difference_hash(picture)

    store.each(len(split), one, verbose=verbose, label=f"compare {split.name}")
    return made


def _two(group: tuple[Place, ...]) -> tuple[Place, ...]:
    """Two pictures of a group, of different splits if it lies in several."""
    first = group[0]
    other = next((place for place in group if place[0] != first[0]), group[1])
    return first, other

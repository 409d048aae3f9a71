"""The file that says what an entry is. It is written last: what has none is not there."""

from __future__ import annotations

import json
import math
import operator
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from transferkit.cache.keys import key, plain
from transferkit.errors import SpecError, explain

__all__ = ["MANIFEST", "ArrayRecord", "Manifest", "UnusableError", "record"]

MANIFEST = "manifest.json"
FORMAT = 1


class UnusableError(Exception):
    """An entry that is not to be believed. Never leaves this room.

    Args:
        reason: What is wrong with it, in words.
        damaged: Whether its bytes have changed; False if they are of another format.
    """

    def __init__(self, reason: str, *, damaged: bool = True) -> None:
        super().__init__(reason)
        self.damaged = damaged


@dataclass(frozen=True)
class ArrayRecord:
    """One array of an entry.

    Attributes:
        name: What the array is called.
        file: The file in the entry's folder, which holds its bytes and nothing else.
        shape: Its shape.
        dtype: Its type as NumPy writes it, with the byte order: ``"<f4"``.
        checksums: Of its blocks (`block_checksums`); empty until they are known.
    """

    name: str
    file: str
    shape: tuple[int, ...]
    dtype: str
    checksums: str = ""

    @property
    def nbytes(self) -> int:
        """The size of the file."""
        return np.dtype(self.dtype).itemsize * math.prod(self.shape)


@dataclass(frozen=True)
class Manifest:
    """What an entry is.

    Attributes:
        key: Its key, so that a folder that was renamed by hand is not believed.
        about: What it is for people; JSON-ready.
        arrays: What it holds.
    """

    key: str
    about: Mapping[str, Any]
    arrays: tuple[ArrayRecord, ...]

    def encode(self) -> bytes:
        """The one form of the file; its first entry is a checksum of the others."""
        version = str(vars(sys.modules["transferkit"])["__version__"])
        body = {"format": FORMAT, "transferkit": version, **asdict(self)}
        return _dump(body)

    @classmethod
    def decode(cls, raw: bytes) -> Manifest:
        """The inverse of `encode`.

        Raises:
            UnusableError: If not every byte is as it was written.
        """
        try:
            body = json.loads(raw)
            form = body["format"]
            again = _dump({name: part for name, part in body.items() if name != "checksum"})
        except (ValueError, LookupError, TypeError) as error:
            raise UnusableError("its manifest cannot be read") from error
        if form != FORMAT:
            raise UnusableError(f"its format is {form!r}, not {FORMAT}", damaged=False)
        if again != raw:
            raise UnusableError("its manifest has changed")
        records = (ArrayRecord(**{**r, "shape": tuple(r["shape"])}) for r in body["arrays"])
        return cls(body["key"], body["about"], tuple(records))


def record(name: str, number: int, shape: tuple[int, ...], dtype: Any) -> ArrayRecord:
    """The record of an array that is to be written.

    Raises:
        SpecError: If it is no array of plain numbers, or its shape is none.
    """
    kind = np.dtype(dtype)
    if kind.kind not in "biufc" or min(shape, default=0) < 0:
        raise SpecError(
            explain(
                "cache",
                f"the array {name!r} cannot lie in a file",
                expected="a shape of whole numbers from 0, and a type of plain numbers",
                received={"shape": shape, "dtype": str(kind)},
                mend="bfloat16 goes in as the np.uint16 of the same bytes: array.view('uint16').",
            )
        )
    return ArrayRecord(name, f"{number}.bin", tuple(map(operator.index, shape)), kind.str)


def _dump(body: Mapping[str, Any]) -> bytes:
    # As plain parts, so that tuples and lists, written or read back, give the same bytes.
    body = plain(body)
    return (json.dumps({"checksum": key(body), **body}, indent=1) + "\n").encode()

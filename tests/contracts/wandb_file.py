"""Reads what W&B keeps of an offline run: records in LevelDB's log format, behind a header."""

from __future__ import annotations

import importlib
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

__all__ = ["records"]

BLOCK = 32768
HEADER = 7  # of the file (":W&B", magic, version) as of each piece (checksum, length, kind)
PADDING, FULL, FIRST, MIDDLE, LAST = range(5)


def records(path: Path) -> Iterator[Any]:
    """Every record of a ``.wandb`` file, as W&B's own protocol buffer."""
    buffers = importlib.import_module("wandb.proto.wandb_internal_pb2")
    for data in _joined(path.read_bytes()):
        record = buffers.Record()
        record.ParseFromString(data)
        yield record


def _joined(data: bytes) -> Iterator[bytes]:
    whole = b""
    for kind, piece in _pieces(data):
        whole = piece if kind in (FULL, FIRST) else whole + piece
        if kind in (FULL, LAST):
            yield whole


def _pieces(data: bytes) -> Iterator[tuple[int, bytes]]:
    assert data[:4] == b":W&B"
    place = HEADER
    while place + HEADER <= len(data):
        left = BLOCK - place % BLOCK
        if left < HEADER:  # too little for a header: the rest of the block is empty
            place += left
            continue
        _, length, kind = struct.unpack("<IHB", data[place : place + HEADER])
        yield kind, data[place + HEADER : place + HEADER + length]
        place += HEADER + length

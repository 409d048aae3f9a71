"""Checksums of an array, block by block.

CRC-32 finds every change of up to 32 bits in a row with certainty, so one byte always, and others
but for one in four billion. It is there against broken disks, not against people. zlib's makes
3.8 GB/s on a core where SHA-256 makes 1.8 and BLAKE2b 0.8 (AMD EPYC), and lets other threads run.
"""

from __future__ import annotations

import os
import zlib
from concurrent.futures import ThreadPoolExecutor

import numpy as np

__all__ = ["block_checksums"]

BLOCK = 2**22
"""Bytes that one checksum is of."""


def block_checksums(array: np.ndarray) -> str:
    """The checksums of all blocks of an array's bytes, 8 hexadecimal digits each.

    Args:
        array: C-contiguous; it may be memory-mapped, and is read once.
    """
    flat = array.reshape(-1).view(np.uint8)
    blocks = [flat[start : start + BLOCK] for start in range(0, flat.size, BLOCK)]
    if len(blocks) < 2:
        return "".join(map(_checksum, blocks))
    with ThreadPoolExecutor(min(4, os.cpu_count() or 1)) as pool:
        return "".join(pool.map(_checksum, blocks))


def _checksum(block: np.ndarray) -> str:
    return f"{zlib.crc32(block.data):08x}"

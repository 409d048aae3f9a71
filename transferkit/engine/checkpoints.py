"""Files that callbacks let Keras write while it trains: there whole, or not at all.

Keras writes checkpoints in place, so that a process that is killed meanwhile leaves neither the old
one nor the new one.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from transferkit._types import KerasModel

__all__ = ["replacing", "whole"]

_SUFFIXES = (".weights.h5", ".h5", ".keras")


@contextmanager
def whole(network: KerasModel) -> Iterator[None]:
    """Within it, ``network.save`` and ``save_weights`` put a whole new file in place of the old.

    Args:
        network: The network that callbacks are handed.
    """
    for name in ("save", "save_weights"):
        setattr(network, name, _beside(getattr(network, name)))
    try:
        yield
    finally:
        del network.save, network.save_weights


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """The path of a new file beside `path`, which takes its place if the block ends well.

    If the block writes nothing, the old file stays. The new one's bytes are on the disk before the
    name changes hands. A process that is killed may leave a hidden file beside the old one.
    """
    suffix = next((each for each in _SUFFIXES if path.name.endswith(each)), path.suffix)
    beside = path.with_name(f".{secrets.token_hex(4)}{suffix}")
    try:
        yield beside
        if beside.exists():
            with open(beside, "rb+") as file:
                os.fsync(file.fileno())
            os.replace(beside, path)
    finally:
        beside.unlink(missing_ok=True)


def _beside(save: Callable[..., Any]) -> Callable[..., Any]:
    def saved(filepath: Any, overwrite: bool = True, **options: Any) -> Any:
        if options or not overwrite or not _is_plain_file(filepath):
            return save(filepath, overwrite=overwrite, **options)
        with replacing(Path(filepath)) as beside:
            return save(str(beside))

    return saved


def _is_plain_file(filepath: Any) -> bool:
    """Whether Keras would write one file there; what else there is, is left to Keras."""
    if not isinstance(filepath, str | os.PathLike):
        return False
    path = Path(filepath)
    return path.name.endswith(_SUFFIXES) and path.parent.is_dir() and not path.is_dir()

"""TensorBoard: one event file for each fit, in one folder."""

from __future__ import annotations

import io
import json
import os
import secrets
import shutil
import socket
import textwrap
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from transferkit._optional import require
from transferkit._text import text_table
from transferkit._types import PathLike
from transferkit.engine.checkpoints import replacing

__all__ = ["TensorBoard"]

_PROTO = "tensorboard.compat.proto"


class TensorBoard:
    """Writes the files that ``tensorboard --logdir FOLDER`` shows; `Tracker` says what of.

    They are written by plain Python and reach the disk with every call, so that a full disk is an
    error there and then.

    Args:
        folder: Of one run; it is made. The saved model lies there as well.

    Raises:
        MissingExtraError: If tensorboard is not installed.
    """

    name = "tensorboard"

    def __init__(self, folder: PathLike) -> None:
        self.folder = Path(folder)
        require("tensorboard", extra="tensorboard", needed_for="tk.track.tensorboard()")

    def begin(self, config: Mapping[str, Any], *, step: int, run_id: str | None) -> str | None:
        """Begin a file that takes the place of a run before it, or of what comes again."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self._events = _module(f"{_PROTO}.event_pb2")
        path = self.folder / _file_name()
        # Open for longer than this call: `end` closes it.
        self._records = _module("tensorboard.summary.writer.record_writer").RecordWriter(
            path.open("xb")
        )
        self._write(file_version="brain.Event:2")
        # TensorBoard drops what older files have of this step and later ones.
        started = self._events.SessionLog(status=self._events.SessionLog.START)
        self._write(step=step if run_id is None else step + 1, session_log=started)
        self.log_text("config", json.dumps(config, indent=2, ensure_ascii=False), step)
        return str(self.folder)

    def log_numbers(self, values: Mapping[str, float], step: int) -> None:
        """Scalars."""
        scalar = _module("tensorboard.plugins.scalar.summary_v2").scalar_pb
        for name, value in values.items():
            self._write(step=step, summary=scalar(name, value))

    def log_text(self, name: str, text: str, step: int) -> None:
        """Lines as they are: TensorBoard reads Markdown, in which an indented block is literal."""
        literal = _module("tensorboard.plugins.text.summary_v2").text_pb
        self._write(step=step, summary=literal(name, textwrap.indent(text, "    ")))

    def log_table(
        self, name: str, header: Sequence[str], rows: Sequence[Sequence[Any]], step: int
    ) -> None:
        """Aligned columns, as text."""
        self.log_text(name, text_table(header, [[str(cell) for cell in row] for row in rows]), step)

    def log_pictures(
        self, name: str, pictures: Sequence[tuple[np.ndarray[Any, Any], str]], step: int
    ) -> None:
        """Pictures side by side under one name, each with its words as the description."""
        for place, (pixels, words) in enumerate(pictures):
            tag = name if len(pictures) == 1 else f"{name}/{place:02}"
            self._write(step=step, summary=_picture(tag, pixels, words))

    def log_file(self, path: Path, step: int) -> None:
        """Put the file into the folder, in the place of the one that an earlier fit left."""
        with replacing(self.folder / path.name) as beside:
            shutil.copyfile(path, beside)

    def end(self, *, complete: bool) -> None:
        """Close the file."""
        self._records.close()

    def _write(self, **fields: Any) -> None:
        event = self._events.Event(wall_time=time.time(), **fields)
        self._records.write(event.SerializeToString())
        self._records.flush()


def _picture(tag: str, pixels: np.ndarray[Any, Any], words: str) -> Any:
    """An image as TensorBoard's plug-in reads it: width, height and PNG, as a row of strings."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format="PNG")
    height, width = pixels.shape[:2]
    about = _module("tensorboard.plugins.image.metadata").create_summary_metadata(
        display_name=None, description=words
    )
    row = np.array([str(width).encode(), str(height).encode(), buffer.getvalue()], dtype=object)
    tensor = _module("tensorboard.util.tensor_util").make_tensor_proto(row)
    summary = _module(f"{_PROTO}.summary_pb2").Summary()
    summary.value.add(tag=tag, metadata=about, tensor=tensor)
    return summary


def _file_name() -> str:
    """A new name that TensorBoard knows for one of its files; it reads them in this order."""
    host = socket.gethostname()
    return f"events.out.tfevents.{time.time():.6f}.{host}.{os.getpid()}.{secrets.token_hex(2)}"


def _module(name: str) -> Any:
    return require(name, extra="tensorboard", needed_for="tk.track.tensorboard()")

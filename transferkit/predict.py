"""Pictures in, activated outputs out: what every prediction and evaluation goes through."""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
from PIL import Image

from transferkit import _keras
from transferkit._types import KerasModel, Tensor, whole
from transferkit.data.files import READ, why_not_read
from transferkit.data.pixels import check_extremes, check_range, checked_range, scaled
from transferkit.engine.forward import Compiled, compile_forward
from transferkit.errors import DataError, DataNotFoundError, SpecError, explain
from transferkit.running import Engine

__all__ = ["WORTHWHILE", "Forward", "Run", "checked_batch_size", "outputs", "pictures"]

Run = Callable[[Tensor], Tensor]

_How = tuple[Literal["float32", "bfloat16"], Literal["tensorflow", "openvino"], bool]

WORTHWHILE = 64
"""Pictures in a call from which on constants pay.

They take 0.3 s (MobileNetV2) to 1 s (ResNet50) longer to compile, and save 6 to 20 ms a picture.
"""


def pictures(given: Any, pixel_range: tuple[float, float] = (0, 255)) -> tuple[bool, list[Any]]:
    """What a caller may hand to ``predict``, as a list of files, Pillow's pictures and arrays.

    Args:
        given: A path, a folder, a ``PIL.Image``, an array or tensor ``(height, width[, channels])``
            or ``(n, height, width, channels)`` of pixels 0..255, or an iterable of such things.
        pixel_range: What the darkest and the brightest value of arrays are.

    Returns:
        Whether one picture was given, and all of them; arrays are 0..255.

    Raises:
        DataNotFoundError: If there is no such file, or no picture in the folder.
        DataError: If something is no picture, or pixels are not in their range.
        SpecError: If `pixel_range` is none.
    """
    ends = checked_range("predict", pixel_range)
    if isinstance(given, str | os.PathLike):
        return _on_disk(Path(given))
    if isinstance(given, Image.Image):
        return True, [given]
    if hasattr(given, "__array__"):
        array = np.asarray(given)
        if array.ndim in (2, 3, 4):
            array = _in_range(array, ends)
            return array.ndim < 4, list(array) if array.ndim == 4 else [array]
    elif isinstance(given, Iterable) and not isinstance(given, bytes | bytearray | memoryview):
        return False, [picture for item in given for picture in pictures(item, ends)[1]]
    shape = getattr(given, "shape", None)
    raise DataError(
        explain(
            "predict",
            f"{type(given).__name__} is no picture" + (f" in shape {shape}" if shape else ""),
            expected="a path, a folder, a PIL image, an array (height, width, channels) or "
            "(n, height, width, channels) of pixels 0..255, or a list of such things",
            received={"pictures": given},
            mend="trained.predict(photos.val.pixels()) predicts a split, "
            "trained.predict(PIL.Image.open(io.BytesIO(data))) the bytes of a file.",
        )
    )


def _in_range(array: np.ndarray[Any, Any], ends: tuple[float, float]) -> np.ndarray[Any, Any]:
    if ends == (0, 255) or not array.size:
        check_range(array, verb="predict")
        return array
    check_extremes("predict", array.min(), array.max(), array.dtype, ends)
    return scaled(array, ends)


def _on_disk(path: Path) -> tuple[bool, list[Any]]:
    if not path.is_dir():
        if path.exists():
            return True, [path]
        raise DataNotFoundError(
            explain(
                "predict",
                f"there is no file {str(path)!r}",
                expected="a picture or a folder of pictures",
                received={"pictures": str(path)},
            )
        )
    found = sorted(entry for entry in path.iterdir() if why_not_read(entry) is None)
    if not found:
        raise DataNotFoundError(
            explain(
                "predict",
                f"there are no pictures in {str(path)!r}",
                expected=f"files that end in {', '.join(sorted(READ))}",
                received={"pictures": str(path)},
            )
        )
    return False, list(found)


def checked_batch_size(verb: str, value: Any) -> int:
    """A number of pictures at a time.

    Raises:
        SpecError: If it is no whole number above 0.
    """
    size = whole(value)
    if size is None or size < 1:
        raise SpecError(
            explain(
                verb,
                "batch_size is out of range",
                expected="a whole number of 1 or more",
                received={"batch_size": value},
                mend=f"trained.{verb}(..., batch_size=32)",
            )
        )
    return size


class Forward:
    """A network in inference mode, for batches of any size.

    Calls with few pictures run the network as it is; from `WORTHWHILE` pictures on its weights
    become constants of the graph, which takes longer to compile and is then up to twice as fast.
    Which of the two depends on nothing but the number of pictures in the call, so that the same
    call gives the same answer; they agree to 1e-5. Weights that are set later are noticed by the
    next call.

    Keras' own ``predict`` runs a network that was made under a distribution strategy once on every
    replica, and so answers each picture twice on two of them.

    Args:
        network: Raw pixels to activated outputs.
    """

    def __init__(self, network: KerasModel) -> None:
        self.network = network
        self._compiled: dict[_How, Compiled] = {}
        self._making = threading.Lock()

    def ready(self, count: int, engine: Engine | None = None) -> Run:
        """What runs a call.

        Args:
            count: The number of pictures in it.
            engine: With one the compiled network runs any number of pictures, in float32 on
                TensorFlow unless it says ``precision="bfloat16"`` or ``prefix="openvino"``.

        Raises:
            MissingExtraError: If OpenVINO is asked for and not installed.
            SpecError: If OpenVINO is asked for and cannot run the network.
        """
        if engine is None and count < WORTHWHILE:
            return self._plain
        how = _as_asked(engine or Engine())
        with self._making:
            run = self._compiled.get(how)
            if run is None or not run.unchanged():
                self._compiled.pop(how, None)  # its constants go before others come
                precision, backend, xla = how
                run = compile_forward(self.network, precision=precision, backend=backend, xla=xla)
                self._compiled[how] = run
            compiled = run
        return lambda pixels: compiled(pixels)[0]

    @cached_property
    def _plain(self) -> Run:
        def run(pixels: Tensor) -> Tensor:
            return self.network(pixels, training=False)

        compiled: Run = _keras.compiled(run)
        return compiled


def _as_asked(engine: Engine) -> _How:
    """Precision, backend and XLA; what is left to "auto" is float32, TensorFlow and none."""
    backend: Literal["tensorflow", "openvino"] = "tensorflow"
    if engine.prefix == "openvino":
        backend = "openvino"
    precision: Literal["float32", "bfloat16"] = "float32"
    if engine.precision == "bfloat16":
        precision = "bfloat16"
    return precision, backend, engine.xla is True and backend == "tensorflow"


def outputs(run: Run, pixels: Any, *, batch_size: int) -> np.ndarray[Any, Any]:
    """Run pictures through a network, a batch at a time, while the next batch is read.

    Args:
        run: What `Forward.ready` gave.
        pixels: ``(n, height, width, channels)``, 0..255; an array, or anything that gives one for
            ``pixels[indices]``.
        batch_size: Pictures at a time.

    Returns:
        float32 ``(n, outputs)``.
    """
    tf = _keras.tf()
    with ThreadPoolExecutor(1, thread_name_prefix="transferkit-read") as reader:
        waiting: deque[Future[Any]] = deque()
        rows = []
        for chosen in _places(len(pixels), batch_size):
            waiting.append(reader.submit(pixels.__getitem__, chosen))
            if len(waiting) > 1:
                rows.append(np.asarray(run(tf.constant(waiting.popleft().result(), tf.float32))))
        rows += [np.asarray(run(tf.constant(each.result(), tf.float32))) for each in waiting]
    return np.concatenate(rows).astype(np.float32, copy=False)


def _places(count: int, size: int) -> Iterator[np.ndarray[Any, Any]]:
    for start in range(0, count, size):
        yield np.arange(start, min(start + size, count))

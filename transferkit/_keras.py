"""The one border to Keras and TensorFlow, which ship no types.

Everything else in the package says ``from transferkit import _keras as k`` and then ``k.keras()``
or ``k.tf()`` where it is needed; so ``import transferkit`` stays light, and a wrong backend is
noticed at the first call and not as a crash inside it.
"""

from __future__ import annotations

import functools
import importlib
from typing import Any

from transferkit.errors import BackendError, explain


@functools.cache
def keras() -> Any:
    """The keras module.

    Raises:
        BackendError: If Keras was started on another backend than TensorFlow.
    """
    module = importlib.import_module("keras")
    backend = module.backend.backend()
    if backend != "tensorflow":
        raise BackendError(
            explain(
                "transferkit",
                f"Keras is running on {backend}",
                expected="the TensorFlow backend",
                received={"KERAS_BACKEND": backend},
                mend=(
                    "Start Python with KERAS_BACKEND=tensorflow, or set "
                    "os.environ['KERAS_BACKEND'] = 'tensorflow' before keras is imported."
                ),
            )
        )
    return module


@functools.cache
def tf() -> Any:
    """The tensorflow module, with Keras checked to run on it."""
    keras()
    return importlib.import_module("tensorflow")

"""The one border to Keras and TensorFlow, which ship no types.

Everything else in the package says ``from transferkit import _keras as k`` and then ``k.keras()``
or ``k.tf()`` where it is needed; so ``import transferkit`` stays light, and a wrong backend is
noticed at the first call and not as a crash inside it.
"""

from __future__ import annotations

import collections
import contextlib
import functools
import importlib
import os
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from transferkit.errors import BackendError, explain

_OTHERS = ("jax", "openvino", "torch")  # what keras.json may name as well


@functools.cache
def keras() -> Any:
    """The keras module.

    Raises:
        BackendError: If Keras was started on another backend than TensorFlow.
    """
    try:
        module = importlib.import_module("keras")
    except ImportError as error:
        # Another backend that is not installed (numpy's needs jax) fails inside Keras.
        wanted = os.environ.get("KERAS_BACKEND", "tensorflow")
        if wanted == "tensorflow" and error.name not in _OTHERS:
            raise
        raise _wrong_backend(wanted if wanted != "tensorflow" else str(error.name)) from error
    backend = module.backend.backend()
    if backend != "tensorflow":
        raise _wrong_backend(backend)
    return module


def _wrong_backend(backend: str) -> BackendError:
    return BackendError(
        explain(
            "transferkit",
            f"Keras is set to run on {backend}",
            expected="the TensorFlow backend",
            received={"KERAS_BACKEND": backend},
            mend=(
                "Start Python with KERAS_BACKEND=tensorflow, or set "
                "os.environ['KERAS_BACKEND'] = 'tensorflow' before keras is imported."
            ),
        )
    )


def set_weights(network: Any, values: Iterable[Any]) -> None:
    """``network.set_weights``, and what layers keep of their weights besides.

    Keras' ``Normalization`` computes with constants that it made of its statistics once, and takes
    no notice when they are set.

    Args:
        network: A built ``keras.Model``.
        values: One array for each of ``network.weights``, in their order.
    """
    for weight, value in zip(network.weights, values, strict=True):
        weight.assign(value)
    for layer in network._flatten_layers():
        if hasattr(layer, "finalize_state"):
            layer.finalize_state()


def reason_of(error: Exception) -> str:
    """What Keras or TensorFlow said, in one line: without the list of what was being called."""
    text = re.sub(r"\x1b\[\d+m", "", str(error))  # Keras sets what matters in bold
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    told = [line for line in lines if not line.startswith("Exception encountered when calling")]
    return told[0] if told else type(error).__name__


def parts(layer: Any) -> tuple[Any, ...]:
    """The layers in an opaque layer that have a row of their own in the layer table.

    What such a layer computes is not to be seen, and its weights are: it holds them in layers that
    it lists as `parts`, each of which can be frozen by itself.
    """
    return tuple(getattr(layer, "parts", ()))


def named_layers(network: Any) -> dict[str, Any]:
    """A network's layers by name, the parts of opaque ones among them; each behind its layer."""
    return {each.name: each for layer in network.layers for each in (layer, *parts(layer))}


def norms(layer: Any) -> list[Any]:
    """The BatchNormalization in a layer or a network, itself included."""
    kind = keras().layers.BatchNormalization
    return [part for part in layer._flatten_layers() if isinstance(part, kind)]


@contextlib.contextmanager
def fresh_names() -> Iterator[None]:
    """Within it, Keras names layers as it would in a process that has just begun.

    Keras counts the names that it makes (``activation_94``) for the whole process, so that a layer
    would be called otherwise in every run. Behind it each count goes on from where it is highest,
    before or within, so that no later layer gets a name that was given here.
    """
    keras()
    state = importlib.import_module("keras.src.backend.common.global_state")
    before = state.get_global_attribute("object_name_uids") or {}
    state.set_global_attribute("object_name_uids", collections.defaultdict(int))
    try:
        yield
    finally:
        after = collections.defaultdict(int, before)
        # Asked for anew: where this is nested, the inner one has put another table in its place.
        within = state.get_global_attribute("object_name_uids") or {}
        for name, count in within.items():
            after[name] = max(after[name], count)
        state.set_global_attribute("object_name_uids", after)


def compiled(function: Callable[..., Any], **options: Any) -> Any:
    """``tf.function`` for a function that is made once for each network.

    TensorFlow counts retracings by the line that a function stands on, and takes five networks for
    one that is traced again and again; whoever trains in a loop would get its long warning.

    Args:
        function: What is compiled.
        **options: Further arguments of ``tf.function``.
    """
    made = tf().function(function, reduce_retracing=True, **options)
    if hasattr(made, "_omit_frequent_tracing_warning"):
        made._omit_frequent_tracing_warning = True
    return made


def saved_model_proto() -> Any:
    """An empty protocol buffer of the kind that ``saved_model.pb`` holds."""
    tf()
    return importlib.import_module("tensorflow.core.protobuf.saved_model_pb2").SavedModel()


@functools.cache
def tf() -> Any:
    """The tensorflow module, with Keras checked to run on it."""
    keras()
    return importlib.import_module("tensorflow")

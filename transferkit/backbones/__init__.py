"""Backbones: networks that others trained, by name.

    >>> import transferkit as tk
    >>> tk.backbones.names("keras:VGG*")
    ('keras:VGG16', 'keras:VGG19')
    >>> tk.backbones.info("ResNet50").image_size
    (224, 224)

A name is ``source:name``; the bare name is enough where only one source has it. Some sources are
open: what they do not list is an address, of a folder or a file, as in ``source:folder/of/mine``.
"""

from __future__ import annotations

import dataclasses
import fnmatch
import inspect
import warnings
from typing import cast

from transferkit._registry import Registry
from transferkit._types import KerasModel, PathLike
from transferkit.backbones.arguments import checked_name, checked_shape, checked_weights
from transferkit.backbones.from_keras import KerasNetwork, from_keras
from transferkit.backbones.graph import rewire
from transferkit.backbones.info import Preprocessing
from transferkit.backbones.keras_applications import KerasApplications
from transferkit.backbones.keras_hub import KerasHub, TextBackbone, load_text
from transferkit.backbones.network import LoadedBackbone
from transferkit.backbones.tf_hub import HubNetwork, TFHub, from_tf_hub
from transferkit.backbones.torch_hub import TorchHub
from transferkit.errors import SpecError, UnknownNameError, did_you_mean, explain
from transferkit.spec import (
    Backbone,
    BackboneInfo,
    BackboneNetwork,
    BackboneSource,
    OpenSource,
)

__all__ = [
    "HubNetwork",
    "KerasNetwork",
    "LoadedBackbone",
    "Preprocessing",
    "TextBackbone",
    "classifier",
    "find",
    "from_keras",
    "from_tf_hub",
    "info",
    "is_network",
    "load",
    "load_text",
    "names",
    "network_at",
    "register",
    "rewire",
]

_SOURCES: Registry[BackboneSource] = Registry(
    "backbone source",
    group="transferkit.backbones",
    fits=lambda thing: is_source(thing),
    expected="an object with names(), info(name) and load(name, input_shape=, weights=)",
)
_USER: Registry[BackboneNetwork] = Registry("backbone")


class _UserSource:
    """``user:``: what was registered one network at a time."""

    def names(self) -> tuple[str, ...]:
        return _USER.names()

    def info(self, name: str) -> BackboneInfo:
        return dataclasses.replace(_USER.get(name, verb="backbones").info, name=f"user:{name}")

    def load(
        self, name: str, *, input_shape: tuple[int, int, int], weights: str | None
    ) -> Backbone:
        return _USER.get(name, verb="backbones").load(input_shape=input_shape, weights=weights)


_KERAS = KerasApplications()
_SOURCES.add("keras", _KERAS)
_SOURCES.add("hub", KerasHub())
_SOURCES.add("torch", TorchHub())
_SOURCES.add("tfhub", TFHub())
_SOURCES.add("user", _UserSource())


def names(glob: str = "*") -> tuple[str, ...]:
    """All backbones as ``source:name``, sorted.

    Args:
        glob: A shell pattern over the full name (``"keras:*Net*"``).
    """
    full = (name for source, things in _SOURCES.items() for name in _listed(source, things))
    return tuple(sorted(name for name in full if fnmatch.fnmatchcase(name, glob)))


def _listed(source: str, things: BackboneSource) -> tuple[str, ...]:
    """The full names of one source; a warning if it cannot say them, as the others still can."""
    try:
        return tuple(f"{source}:{name}" for name in things.names())
    except Exception as error:  # other people's code runs here
        happened = f"the source {source!r} cannot list its networks"
        package = _SOURCES.package_of(source)
        told = explain(
            "backbones.names",
            f"{happened} ({type(error).__name__}: {error}) and is left out",
            received={"source": source, "package": package},
            mend=f"pip install --upgrade {package}" if package else None,
        )
        warnings.warn(told, stacklevel=3)
        return ()


def find(name: str) -> tuple[str, str]:
    """The (source, name) that `name` means.

    Args:
        name: ``source:name``, ``source:address`` of an open source, or a bare name that only one
            source has.

    Raises:
        UnknownNameError: If there is none; the nearest names are named.
        SpecError: If `name` is no text, or several sources have a bare name.
    """
    name = checked_name(name, verb="backbones")
    if ":" in name:
        source, bare = name.split(":", 1)
        known = _SOURCES.get(source, verb="backbones")
        if not bare or (bare not in known.names() and not _is_open(known)):
            raise _unknown(name)
        return source, bare
    found = [full for full in names() if full.split(":", 1)[1] == name]
    if not found:
        raise _unknown(name)
    if len(found) > 1:
        raise SpecError(
            explain(
                "backbones",
                f"several sources have a backbone called {name!r}",
                expected="one of " + ", ".join(map(repr, found)),
                received={"name": name},
                mend=f"Say which: {found[0]!r}.",
            )
        )
    source, bare = found[0].split(":", 1)
    return source, bare


def network_at(name: str, *, trust: bool = False) -> BackboneNetwork | None:
    """The network at an address of an open source; None for what a source lists by name.

    Args:
        name: As for `find`.
        trust: Whether a program that lies there may be run: a SavedModel is one, and so is a
            repository's ``hubconf.py``. Say so only of what comes from someone you trust.

    Raises:
        UnknownNameError: If there is no such source or name.
        SpecError: If it cannot be an address of its source.
    """
    source, bare = find(name)
    known = _SOURCES.get(source, verb="backbones")
    if bare in known.names():
        return None
    return cast("OpenSource", known).network(bare, trust=trust)


def info(name: str) -> BackboneInfo:
    """What is known of a backbone; its weights are not loaded.

    Args:
        name: ``source:name``, ``source:address``, or a bare name that only one source has.

    Raises:
        UnknownNameError: If there is none.
    """
    source, bare = find(name)
    at = network_at(name)
    return _SOURCES.get(source, verb="backbones").info(bare) if at is None else at.info


def load(
    name: str | BackboneNetwork,
    *,
    input_shape: tuple[int, int, int] | None = None,
    weights: PathLike | None = "pretrained",
) -> Backbone:
    """Build a backbone and fill it with weights, with variables of its own each time.

    Args:
        name: ``source:name``, ``source:address``, a bare name, or what `from_keras` gave.
        input_shape: (height, width, channels) of the pixels; None for what it was trained at.
        weights: ``"pretrained"`` (the backbone's own), a name in `BackboneInfo.weights`, None
            (random), or a path to a ``.weights.h5``, ``.h5`` or ``.keras`` file.

    Raises:
        UnknownNameError: If there is no such backbone or no such weights.
        BackboneError: If it cannot take that shape.
        WeightsNotFoundError: If the weights cannot be found; says which file to put where.
        SpecError: If an argument is nothing of what it may be.
    """
    shape = None if input_shape is None else checked_shape(input_shape)
    chosen = checked_weights(weights, verb="backbones.load")
    at = name if is_network(name) else network_at(cast("str", name))
    if at is not None:
        network = cast("BackboneNetwork", at)
        return network.load(input_shape=shape or _own_shape(network.info), weights=chosen)
    source, bare = find(cast("str", name))
    known = _SOURCES.get(source, verb="backbones")
    shape = shape or _own_shape(known.info(bare))
    return known.load(bare, input_shape=shape, weights=chosen)


def _own_shape(about: BackboneInfo) -> tuple[int, int, int]:
    return (*about.image_size, about.channels)


def classifier(name: str, *, weights: PathLike | None = "imagenet") -> KerasModel:
    """A Keras Applications network with its own 1000-way top: raw pixels in, probabilities out.

    Args:
        name: ``keras:name`` or the bare name.
        weights: ``"imagenet"``, None, or a path to a file that holds the top as well.

    Returns:
        A ``keras.Model`` from ``(batch, height, width, 3)`` pixels 0..255 to ``(batch, 1000)``.

    Raises:
        UnknownNameError: If there is no such network.
        SpecError: If its source has no classifiers, or an argument is nothing of what it may be.
    """
    chosen = checked_weights(weights, verb="classifier")
    source, bare = find(name)
    if source != "keras":
        raise SpecError(
            explain(
                "classifier",
                f"{source}:{bare} has no top of its own",
                expected="a network of keras:",
                received={"name": name},
            )
        )
    return _KERAS.classifier(bare, weights=chosen)


def is_network(value: object) -> bool:
    """True for a `BackboneNetwork`; looks without asking, as some load themselves to say `info`."""
    return _has(value, "info", "load") and not is_source(value)


def is_source(value: object) -> bool:
    """True for a `BackboneSource`."""
    return _has(value, "names", "info", "load")


def _is_open(source: BackboneSource) -> bool:
    """True for an `OpenSource`."""
    return _has(source, "network")


def _has(value: object, *names: str) -> bool:
    nothing = object()
    given = (inspect.getattr_static(value, name, nothing) for name in names)
    return not isinstance(value, type) and all(each is not nothing for each in given)


def register(
    name: str, backbone: BackboneNetwork | BackboneSource, *, replace: bool = False
) -> None:
    """Make a backbone, or a whole source of them, known by name.

    Args:
        name: For one network, what stands behind ``user:``; for a source, its prefix.
        backbone: What `from_keras` gave, or any `BackboneNetwork` or `BackboneSource`.
        replace: Whether a name that is taken may be given anew.

    Raises:
        SpecError: If the name is no text, taken or holds a colon, or `backbone` is neither.
    """
    name = checked_name(name, verb="register")
    if ":" in name or not name:
        raise SpecError(
            explain(
                "register",
                "a name must not be empty or hold a colon",
                expected="a plain name, such as 'digits', which is then 'user:digits'",
                received={"name": name},
            )
        )
    if is_source(backbone):
        _SOURCES.add(name, cast("BackboneSource", backbone), replace=replace)
    elif is_network(backbone):
        _USER.add(name, cast("BackboneNetwork", backbone), replace=replace)
    else:
        raise SpecError(
            explain(
                "register",
                f"{type(backbone).__name__} is neither a backbone nor a source of them",
                expected="what tk.backbones.from_keras(model) gives",
                received={"backbone": backbone},
                mend=f"tk.backbones.register({name!r}, tk.backbones.from_keras(model))",
            )
        )


def _unknown(name: str) -> UnknownNameError:
    source, colon, own = name.partition(":")
    near = names(f"{source}:*" if colon else "*") or names()
    bare = tuple(full.split(":", 1)[1] for full in near)
    return UnknownNameError(
        explain(
            "backbones",
            f"there is no backbone called {name!r}",
            expected=did_you_mean(own or name, bare),
            received={"name": name},
            mend="tk.backbones.names() lists all.",
        )
    )

"""``keras:``: the networks of Keras Applications, each with the preprocessing of its weights.

Layers are named afresh for every network, so that tables, weight paths and saved files do not
depend on what else was built in the process.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence

from transferkit import _keras
from transferkit._types import KerasModel
from transferkit.backbones import network
from transferkit.backbones.channels import fit_channels
from transferkit.backbones.families import NETWORKS, Network
from transferkit.backbones.info import Preprocessing
from transferkit.backbones.weights import found, is_path, load_file, load_named
from transferkit.errors import UnknownNameError, WeightsError, did_you_mean, explain
from transferkit.spec import BackboneInfo

__all__ = ["KerasApplications"]

Shape = tuple[int, int, int]


class KerasApplications:
    """The source behind ``keras:``."""

    def names(self) -> Sequence[str]:
        """The networks it has."""
        return tuple(NETWORKS)

    def info(self, name: str) -> BackboneInfo:
        """What is known of one of them; nothing is loaded."""
        return _find(name).info(f"keras:{name}")

    def load(self, name: str, *, input_shape: Shape, weights: str | None) -> network.LoadedBackbone:
        """Build the network and fill it.

        Args:
            name: One of `names`.
            input_shape: (height, width, channels) of the pixels.
            weights: ``"pretrained"`` or ``"imagenet"``, None, or a path to a file that Keras or
                transferkit saved.

        Raises:
            BackboneError: If the network cannot take that shape.
            WeightsNotFoundError: If the weights are not on this machine and cannot be downloaded.
            WeightsError: If a file does not fit.
        """
        make = _Constructor(name)
        about = self.info(name)
        network.check_shape(about, input_shape, verb="load")
        with _keras.fresh_names():
            bare, rule = fit_channels(make.filled, input_shape, weights)
            divide = make.network.divide
            return network.assemble(bare, about, rule, input_shape=input_shape, divide=divide)

    def classifier(self, name: str, *, weights: str | None) -> KerasModel:
        """The whole network with its own top: raw pixels 0..255 in, class probabilities out.

        Args:
            name: One of `names`.
            weights: ``"imagenet"``, None, or a path to a file with the top in it.
        """
        shape = (*self.info(name).image_size, 3)
        with _keras.fresh_names():
            bare, rule = _Constructor(name, top=True).filled(shape, weights)
            pixels, wired = network.attach(bare, rule, input_shape=shape)
            return _keras.keras().Model(pixels, wired.features, name=bare.name)


class _Constructor:
    """A constructor of Keras Applications, and how what it gives is filled.

    Args:
        name: The constructor's name.
        top: Whether the network has its 1000-way top.
    """

    def __init__(self, name: str, *, top: bool = False) -> None:
        self.name = name
        self.network = _find(name)
        self.top = top

    def filled(self, shape: Shape, weights: str | None) -> tuple[KerasModel, Preprocessing]:
        """The flat network without preprocessing, and the preprocessing that its weights want."""
        family = self.network.family
        if weights is None:
            return family.bare(self._make(shape)), family.rule
        if is_path(weights):
            return self._from_file(shape, weights)
        model = load_named(
            lambda: self._make(shape, "imagenet"),
            name=f"keras:{self.name}",
            weights="imagenet" if weights == "pretrained" else weights,
            known=("imagenet",),
            file_name=self.network.file.name(shape, top=self.top),
        )
        rule = family.rule_in(model)
        return family.bare(model), rule

    def _from_file(self, shape: Shape, path: str) -> tuple[KerasModel, Preprocessing]:
        """A file that Keras saved from its network, or one that was saved from ours."""
        found(path)
        family = self.network.family
        model = self._make(shape)
        try:
            load_file(model, path)
        except WeightsError as error:
            if not family.is_changed:
                raise
            ours = family.bare(model)
            try:
                load_file(ours, path)
            except WeightsError:
                raise error from None
            return ours, family.rule
        rule = family.rule_in(model)
        return family.bare(model), rule

    def _make(self, shape: Shape, weights: str | None = None) -> KerasModel:
        make = getattr(_keras.keras().applications, self.name)
        given = {"include_top": self.top, "input_shape": shape, "weights": weights}
        with warnings.catch_warnings(), _keras.fresh_names():
            warnings.simplefilter("ignore", UserWarning)  # of channel counts other than 1 and 3
            return make(**given, **self.network.family.arguments)


def _find(name: str) -> Network:
    if name not in NETWORKS:
        raise UnknownNameError(
            explain(
                "backbones",
                f"keras has no network called {name!r} here",
                expected=did_you_mean(name, NETWORKS),
                received={"name": f"keras:{name}"},
                mend="tk.backbones.names() lists all.",
            )
        )
    return NETWORKS[name]

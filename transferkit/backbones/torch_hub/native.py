"""An architecture as a backbone: built by Keras, filled from a state dict or a file of Keras."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from transferkit import _keras
from transferkit._types import KerasModel
from transferkit.backbones import network as assembling
from transferkit.backbones.channels import fit_channels
from transferkit.backbones.info import Preprocessing
from transferkit.backbones.torch_hub import state as states
from transferkit.backbones.torch_hub.families import Network
from transferkit.backbones.torch_hub.filling import fill
from transferkit.backbones.torch_hub.published import published_file
from transferkit.backbones.weights import found, is_path, load_file
from transferkit.spec import BackboneInfo

__all__ = ["NativeNetwork"]

Shape = tuple[int, int, int]


@dataclass(frozen=True)
class NativeNetwork:
    """A network that can be loaded often, each time with variables of its own.

    Attributes:
        about: What is known of it.
        network: Its architecture and family.
        rule: What happens to raw pixels first.
        own: Reads the tensors of ``weights="pretrained"``; None for torchvision's published files.
    """

    about: BackboneInfo
    network: Network
    rule: Preprocessing
    own: Callable[[], states.StateDict] | None = None

    @classmethod
    def named(cls, name: str, network: Network) -> NativeNetwork:
        """One with the weights that torchvision publishes.

        Args:
            name: Its name in `families.NETWORKS`.
            network: What stands there.
        """
        return cls(network.info(f"torch:{name}"), network, network.family.rule)

    def with_own(self, tensors: states.StateDict, *, name: str) -> NativeNetwork:
        """The same network with weights that were read.

        Args:
            tensors: The state dict that ``weights="pretrained"`` means.
            name: Where it comes from.
        """
        about = replace(
            self.about,
            name=f"torch:{name}",
            weights=("pretrained",),
            editions={},
            licence="unknown",
            origin=name,
        )
        return replace(self, about=about, own=lambda: tensors)

    @property
    def info(self) -> BackboneInfo:
        """What is known of it; nothing is built."""
        return replace(self.about, preprocessing=str(self.rule))

    def load(self, *, input_shape: Shape, weights: str | None) -> assembling.LoadedBackbone:
        """Build the network and fill it.

        Args:
            input_shape: (height, width, channels) of the pixels.
            weights: ``"pretrained"``, a name in `info.weights`, None for random ones, or a path to
                a state dict or to a file that Keras saved from this network.

        Raises:
            BackboneError: If the network cannot take that shape.
            WeightsNotFoundError: If the weights are not on this machine.
            WeightsError: If they do not fit.
        """
        assembling.check_shape(self.about, input_shape, verb="load")
        divide = self.network.architecture.divide
        with _keras.fresh_names():
            bare, rule = fit_channels(self._with_rule, input_shape, weights)
            return assembling.assemble(
                bare, self.about, rule, input_shape=input_shape, divide=divide
            )

    def classifier(self, *, classes: int, weights: str | None) -> KerasModel:
        """The whole network with its own top: raw pixels 0..255 in, logits out.

        Args:
            classes: How many classes the top tells apart.
            weights: As for `load`; a file has to hold the top as well.
        """
        shape = (*self.about.image_size, 3)
        with _keras.fresh_names():
            bare = self._filled(shape, weights, classes=classes)
            pixels, wired = assembling.attach(bare, self.rule, input_shape=shape)
            return _keras.keras().Model(pixels, wired.features, name=bare.name)

    def _with_rule(self, shape: Shape, weights: str | None) -> tuple[KerasModel, Preprocessing]:
        return self._filled(shape, weights), self.rule

    def _filled(self, shape: Shape, weights: str | None, classes: int | None = None) -> KerasModel:
        """The network on preprocessed pixels, with its weights in it."""
        if weights is None:
            return self._bare(shape, classes)
        if is_path(weights):
            found(weights, expected="a .safetensors, .pth, .weights.h5, .h5 or .keras file")
            if not weights.endswith(states.ENDINGS):
                bare = self._bare(shape, classes)
                load_file(bare, weights)
                return bare
        state, of = self._state(weights)
        bare = self._bare(shape, classes)
        fill(bare, state, self.network.family, of=of, whole=classes is not None)
        return bare

    def _state(self, weights: str) -> tuple[states.StateDict, str]:
        """The tensors that `weights` names, and what they are called in errors."""
        if weights == "pretrained" and self.own is not None:
            return self.own(), self.about.name
        if not is_path(weights):
            files = self.network.published if self.own is None else {}
            weights = published_file(self.about.name, files, weights)
        return states.read(weights), weights

    def _bare(self, shape: Shape, classes: int | None = None) -> KerasModel:
        keras, architecture = _keras.keras(), self.network.architecture
        entry = keras.Input(shape, name="input")
        out = architecture.features(entry)
        if classes is not None:
            out = architecture.logits(out, classes)
        name = self.about.name.rpartition(":")[2].rpartition("/")[2]
        return keras.Model(entry, out, name=name)

"""A SavedModel as a backbone."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property

from transferkit import _keras
from transferkit._types import ImageSize, KerasModel, PathLike
from transferkit._types import image_size as as_size
from transferkit.backbones import network
from transferkit.backbones.graph import Rewired
from transferkit.backbones.info import Preprocessing, preprocessing
from transferkit.backbones.tf_hub.addresses import LIMIT, checked_address, folder_at
from transferkit.backbones.tf_hub.convention import Convention, read_convention
from transferkit.backbones.tf_hub.layer import SavedModelLayer
from transferkit.backbones.tf_hub.program import Program
from transferkit.backbones.weights import found, is_path, load_file, unknown_weights
from transferkit.errors import BackboneError, SpecError, explain
from transferkit.spec import BackboneInfo

__all__ = ["HubNetwork", "from_tf_hub"]

_PRETRAINED = "pretrained"
_UNKNOWN_SIZE = 224
_GREY, _COLOUR = 1, 3


@dataclass(frozen=True, eq=False)
class HubNetwork:
    """A SavedModel that can be loaded as a backbone, each time with variables of its own.

    Attributes:
        address: Where it lies.
        rule: What happens to raw pixels first.
        about: What is said of it; its program says the rest.
        image_size: (height, width) to take it at; None for what it says itself.
        output: The key of the output that is taken, where there are several.
        sha256: The digest of its archive, or None.
        limit: The most bytes of its archive.
    """

    address: str
    rule: Preprocessing
    about: BackboneInfo
    image_size: tuple[int, int] | None = None
    output: str | None = None
    sha256: str | None = None
    limit: int = LIMIT

    @cached_property
    def program(self) -> Program:
        """Its files; downloaded and unpacked where they have to be."""
        return Program.at(folder_at(self.address, sha256=self.sha256, limit=self.limit))

    @cached_property
    def info(self) -> BackboneInfo:
        """What is known of it, read off the program: it is loaded, and run on a black picture."""
        convention = read_convention(self.program.load(), output=self.output)
        size, channels = self._size(convention), convention.shape[2] or _COLOUR
        features = _features(convention, (*size, channels))
        stride = _stride(convention, (*size, channels), features)
        return replace(
            self.about,
            image_size=size,
            channels=channels,
            strides=(stride,) if stride else (),
            block_names=("all",),
            embedding=features[-1],
            params=sum(int(each.shape.num_elements()) for each in convention.variables),
        )

    def load(
        self, *, input_shape: tuple[int, int, int], weights: str | None
    ) -> network.LoadedBackbone:
        """The SavedModel as a backbone.

        Args:
            input_shape: (height, width, channels) of the pixels; one channel is shown to it three
                times.
            weights: ``"pretrained"`` for its own, None for random ones (see `drawing`), or a path
                to a ``.weights.h5`` file that was saved from it.

        Raises:
            BackboneError: If it cannot take that shape.
            WeightsNotFoundError: If there is no such file.
            UnknownNameError: If `weights` is another name.
        """
        network.check_shape(self.info, input_shape, verb="load")
        height, width, channels = input_shape
        if channels == _GREY and self.info.channels == _COLOUR:
            channels = _COLOUR
        self._check_channels(channels)
        _check_weights(weights, self.info.name)
        bare = self._bare((height, width, channels), pretrained=weights == _PRETRAINED)
        if weights is not None and is_path(weights):
            load_file(bare, weights)
        return network.assemble(
            bare, self.info, self.rule, input_shape=input_shape, divide=_one_block
        )

    def _bare(self, shape: tuple[int, int, int], *, pretrained: bool) -> KerasModel:
        keras = _keras.keras()
        picture = keras.Input(shape, name="picture")
        layer = SavedModelLayer(
            self.program, self.output, pretrained=pretrained, name="saved_model"
        )
        try:
            features = layer(picture)
        except BackboneError:
            raise
        except Exception as error:  # whatever TensorFlow says of a size that cannot be
            raise BackboneError(
                explain(
                    "load",
                    f"{self.info.name} cannot take pictures of {shape[0]} x {shape[1]} pixels "
                    f"({_keras.reason_of(error)})",
                    expected=f"pictures of {self.info.image_size} pixels",
                    received={"input_shape": shape},
                    mend=f"image_size={self.info.image_size}",
                )
            ) from error
        layer.strides = next(iter(self.info.strides), 0)
        return keras.Model(picture, features, name="saved_model_network")

    def _size(self, convention: Convention) -> tuple[int, int]:
        """What was asked for, what the program was saved for, or what most networks take."""
        height, width, _ = convention.shape
        wanted = self.image_size or (height or _UNKNOWN_SIZE, width or _UNKNOWN_SIZE)
        if wanted != (height or wanted[0], width or wanted[1]):
            raise BackboneError(
                explain(
                    "from_tf_hub",
                    f"{self.about.name} takes pictures of {height} x {width} pixels only",
                    expected=f"image_size=({height}, {width}), or none",
                    received={"image_size": self.image_size},
                )
            )
        return wanted

    def _check_channels(self, channels: int) -> None:
        if channels != self.info.channels:
            raise BackboneError(
                explain(
                    "load",
                    f"{self.info.name} takes pictures of {self.info.channels} channels, and its "
                    "kernels cannot be fitted to others: what is in it is not to be seen",
                    expected=f"{self.info.channels} channels"
                    + (", or 1" if self.info.channels == _COLOUR else ""),
                    received={"channels": channels},
                )
            )


def from_tf_hub(
    address: PathLike,
    *,
    trust: bool = False,
    sha256: str | None = None,
    limit: int = LIMIT,
    image_size: ImageSize | None = None,
    preprocessing: str | Preprocessing = "unit",
    output: str | None = None,
    name: str | None = None,
    licence: str = "unknown",
    origin: str = "a SavedModel of TensorFlow Hub's kind",
) -> HubNetwork:
    """Make a SavedModel of TensorFlow Hub's kind usable as a backbone.

    ``TransferModel("tfhub:address", trust=True)`` is the short form. The SavedModel ends in a
    vector ``(batch, channels)`` or in a map ``(batch, height, width, channels)``. Each scope of its
    variables has a row in the layer table: ``tk.select.where("^block_5")`` selects those whose
    names begin so, and policies, learning rates and weight decay go by them. What is between the
    scopes is not to be seen: the network is one block.

    A SavedModel is a program. It can read and write files like any other one, and it runs as soon
    as it is loaded: say ``trust=True`` only of what comes from someone you trust. Without
    it nothing is downloaded, read or run.

    Args:
        address: A folder; a ``.tar.gz`` file; a URL of one (``http``, ``https``, ``file``); or,
            with kagglehub installed, a handle of Kaggle's.
        trust: Whether the program may be run.
        sha256: The digest of the archive, in hexadecimal; another one is refused. None takes any.
        limit: The most bytes that a download, and what is in an archive, may have.
        image_size: A side in pixels, or (height, width). None for what the SavedModel was saved
            for; where it was saved for any, 224.
        preprocessing: What happens to pixels 0..255 first: ``"unit"`` (0..1, Hub's convention),
            and the others of `from_keras`.
        output: The key of the output to take, of a SavedModel that gives several; None takes the
            only one, or ``"default"``.
        name: What it is called in reports; ``tfhub:address`` by default.
        licence: Licence of the weights.
        origin: Where the weights come from.

    Raises:
        SpecError: If it is not trusted, or an argument is nothing of what it may be.

    Example:
        >>> import keras
        >>> import transferkit as tk
        >>> layers = [keras.layers.Conv2D(4, 3), keras.layers.GlobalAveragePooling2D()]
        >>> keras.Sequential([keras.Input((32, 32, 3)), *layers]).export("folder", verbose=False)
        >>> network = tk.backbones.from_tf_hub("folder", trust=True)
        >>> network.info.image_size, network.info.embedding
        ((32, 32), 4)

    References:
        TensorFlow Hub, Reusable SavedModels, and Common SavedModel APIs for Image Tasks,
        https://www.tensorflow.org/hub.
    """
    text = checked_address(address, sha256, limit, verb="from_tf_hub")
    if trust is not True:
        raise _untrusted(text)
    rule = _rule(preprocessing)
    size = None if image_size is None else as_size(image_size, verb="from_tf_hub")
    about = BackboneInfo(
        name=name or f"tfhub:{text}",
        image_size=size or (_UNKNOWN_SIZE, _UNKNOWN_SIZE),
        preprocessing=str(rule),
        weights=(_PRETRAINED,),
        licence=licence,
        origin=origin,
    )
    return HubNetwork(text, rule, about, size, output, sha256, limit)


def _rule(value: str | Preprocessing) -> Preprocessing:
    return preprocessing(value, verb="from_tf_hub")


def _untrusted(address: str) -> SpecError:
    return SpecError(
        explain(
            "from_tf_hub",
            f"the SavedModel {address!r} is a program, and it runs only if you say that you trust "
            "whoever made it",
            expected="trust=True",
            received={"trust": False},
            mend=f'TransferModel("tfhub:{address}", trust=True), or '
            f'tk.backbones.from_tf_hub("{address}", trust=True)',
        )
    )


def _check_weights(weights: str | None, name: str) -> None:
    if weights is None or weights == _PRETRAINED:
        return
    if is_path(weights):
        found(weights)
        return
    file = "a .weights.h5 file saved from it"
    raise unknown_weights(name, weights, expected="'pretrained' (its own)", file=file)


def _one_block(graph: Rewired) -> tuple[dict[str, int], tuple[str, ...]]:
    return {layer.name: 0 for layer in graph.layers}, ("all",)


def _features(convention: Convention, shape: tuple[int, ...]) -> tuple[int, ...]:
    """The shape of what comes out for one picture."""
    features = tuple(convention(_keras.tf().zeros((1, *shape))).shape[1:])
    if len(features) not in (1, 3):
        raise BackboneError(
            explain(
                "tfhub",
                "the SavedModel gives neither a vector nor a map",
                expected="(batch, channels) or (batch, height, width, channels)",
                received={"output": (None, *features)},
                mend="output='...' takes another one of its outputs, if it has several.",
            )
        )
    return features


def _stride(convention: Convention, shape: tuple[int, int, int], features: tuple[int, ...]) -> int:
    """The map's stride; 0 if there is no map, or nothing larger can be sent in to measure it."""
    if len(features) == 1 or any(convention.shape[:2]):
        return 0
    height, width, channels = shape
    stride = 2 ** round(math.log2(height / features[0]))
    grown = _features(convention, (height + stride, width + 2 * stride, channels))
    return stride if grown[:2] == (features[0] + 1, features[1] + 2) else 0

"""``keras:``: the networks of Keras Applications, each with the preprocessing of its weights."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from transferkit import _keras
from transferkit._types import KerasModel
from transferkit.backbones import network
from transferkit.backbones.info import MODES
from transferkit.backbones.weights import is_path, load_file, load_named
from transferkit.errors import UnknownNameError, did_you_mean, explain
from transferkit.spec import BackboneInfo

__all__ = ["KerasApplications"]


@dataclass(frozen=True)
class _Network:
    """What one constructor of Keras Applications needs beyond its name."""

    mode: str
    block_pattern: str
    file_name: Callable[[tuple[int, int, int]], str]
    info: BackboneInfo


def _fixed(name: str) -> Callable[[tuple[int, int, int]], str]:
    return lambda shape: name


def _mobilenet_v2_file(shape: tuple[int, int, int]) -> str:
    height, width, _ = shape
    side = height if height == width and height in (96, 128, 160, 192, 224) else 224
    return f"mobilenet_v2_weights_tf_dim_ordering_tf_kernels_1.0_{side}_no_top.h5"


_NETWORKS = {
    "VGG16": _Network(
        mode="caffe",
        block_pattern=r"(block\d+)_",
        file_name=_fixed("vgg16_weights_tf_dim_ordering_tf_kernels_notop.h5"),
        info=BackboneInfo(
            name="keras:VGG16",
            image_size=(224, 224),
            min_size=32,
            preprocessing=str(MODES["caffe"]),
            strides=(1, 2, 4, 8, 16, 32),
            block_names=("block1", "block2", "block3", "block4", "block5"),
            embedding=512,
            params=14_714_688,
            weights=("imagenet",),
            licence="CC-BY-4.0",
            origin="Visual Geometry Group, Oxford; ported by Keras Applications",
            paper="Simonyan & Zisserman, Very Deep Convolutional Networks, ICLR 2015",
        ),
    ),
    "ResNet50": _Network(
        mode="caffe",
        block_pattern=r"(conv1|conv[2-5]_block\d+)_",
        file_name=_fixed("resnet50_weights_tf_dim_ordering_tf_kernels_notop.h5"),
        info=BackboneInfo(
            name="keras:ResNet50",
            image_size=(224, 224),
            min_size=32,
            preprocessing=str(MODES["caffe"]),
            strides=(2, 4, 8, 16, 32),
            block_names=(
                "conv1",
                *(
                    f"conv{stage}_block{unit + 1}"
                    for stage, units in ((2, 3), (3, 4), (4, 6), (5, 3))
                    for unit in range(units)
                ),
            ),
            embedding=2048,
            params=23_587_712,
            weights=("imagenet",),
            licence="MIT",
            origin="Microsoft Research; ported by Keras Applications",
            paper="He et al., Deep Residual Learning for Image Recognition, CVPR 2016",
        ),
    ),
    "MobileNetV2": _Network(
        mode="tf",
        block_pattern=r"(?:bn_)?(Conv1|expanded_conv|block_\d+)",
        file_name=_mobilenet_v2_file,
        info=BackboneInfo(
            name="keras:MobileNetV2",
            image_size=(224, 224),
            min_size=32,
            preprocessing=str(MODES["tf"]),
            strides=(2, 4, 8, 16, 32),
            block_names=("Conv1", "expanded_conv", *(f"block_{i}" for i in range(1, 17))),
            embedding=1280,
            params=2_257_984,
            weights=("imagenet",),
            licence="Apache-2.0",
            origin="Google; Keras Applications",
            paper="Sandler et al., MobileNetV2: Inverted Residuals and Linear Bottlenecks, 2018",
        ),
    ),
}


class KerasApplications:
    """The source behind ``keras:``."""

    def names(self) -> Sequence[str]:
        """The networks it has."""
        return tuple(_NETWORKS)

    def info(self, name: str) -> BackboneInfo:
        """What is known of one of them; nothing is loaded."""
        return self._find(name).info

    def load(
        self, name: str, *, input_shape: tuple[int, int, int], weights: str | None
    ) -> network.LoadedBackbone:
        """Build the network and fill it.

        Args:
            name: One of `names`.
            input_shape: (height, width, channels) of the pixels.
            weights: ``"pretrained"`` or ``"imagenet"``, None, or a path.

        Raises:
            BackboneError: If the network cannot take that shape.
            WeightsNotFoundError: If the weights are not on this machine and cannot be downloaded.
            WeightsError: If a file does not fit.
        """
        found = self._find(name)
        network.check_shape(found.info, input_shape, verb="load")
        height, width, channels = input_shape
        if weights is None or channels == 3:
            bare = self._fill(name, (height, width, channels), weights)
        else:
            bare = self._fill(name, (height, width, 3), weights)
            if channels > 1 or MODES[found.mode].is_uniform:
                adapted = self._construct(name, (height, width, channels))
                network.copy_weights(bare, adapted)
                bare = adapted
        return network.assemble(
            bare,
            found.info,
            MODES[found.mode],
            input_shape=input_shape,
            block_pattern=found.block_pattern,
        )

    def classifier(self, name: str, *, weights: str | None) -> KerasModel:
        """The whole network with its own top: raw pixels 0..255 in, class probabilities out.

        Args:
            name: One of `names`.
            weights: ``"imagenet"``, None, or a path to a file with the top in it.
        """
        found = self._find(name)
        keras = _keras.keras()
        make = getattr(keras.applications, name)
        if weights is None or is_path(weights):
            bare = make(weights=None)
            if weights is not None:
                load_file(bare, weights)
        else:
            file_name = found.file_name((*found.info.image_size, 3))
            bare = load_named(
                lambda: make(weights="imagenet"),
                name=found.info.name,
                weights=_own_name(weights),
                known=found.info.weights,
                file_name=file_name.replace("_no_top", "").replace("_notop", ""),
            )
        return network.assemble(
            bare, found.info, MODES[found.mode], input_shape=(*found.info.image_size, 3)
        ).network

    def _fill(self, name: str, shape: tuple[int, int, int], weights: str | None) -> KerasModel:
        if weights is None:
            return self._construct(name, shape)
        if is_path(weights):
            bare = self._construct(name, shape)
            load_file(bare, weights)
            return bare
        found = self._find(name)
        return load_named(
            lambda: self._construct(name, shape, weights="imagenet"),
            name=found.info.name,
            weights=_own_name(weights),
            known=found.info.weights,
            file_name=found.file_name(shape),
        )

    def _construct(
        self, name: str, shape: tuple[int, int, int], weights: str | None = None
    ) -> KerasModel:
        make = getattr(_keras.keras().applications, name)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # of channel counts other than 1 and 3
            return make(include_top=False, input_shape=shape, weights=weights)

    def _find(self, name: str) -> _Network:
        if name not in _NETWORKS:
            raise UnknownNameError(
                explain(
                    "backbones",
                    f"keras has no network called {name!r} here",
                    expected=did_you_mean(name, _NETWORKS),
                    received={"name": f"keras:{name}"},
                    mend="tk.backbones.names() lists all.",
                )
            )
        return _NETWORKS[name]


def _own_name(weights: str) -> str:
    return "imagenet" if weights == "pretrained" else weights

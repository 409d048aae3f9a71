"""From a bare Keras network to a `Backbone`: preprocessing inside, channels fitted, taps found."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from transferkit import _keras
from transferkit._types import KerasModel, Tensor
from transferkit.backbones import graph
from transferkit.backbones.blocks import Division, by_shape
from transferkit.backbones.info import Preprocessing
from transferkit.errors import BackboneError, explain
from transferkit.select import LayerTable
from transferkit.spec import BackboneInfo, Taps

__all__ = ["LoadedBackbone", "assemble", "attach", "check_shape"]


@dataclass(frozen=True)
class LoadedBackbone:
    """A backbone with variables of its own; see `transferkit.spec.Backbone` for the attributes.

    Attributes:
        preprocessing: What the network does to pixels first.
    """

    info: BackboneInfo
    network: KerasModel
    table: LayerTable
    taps: Taps
    embedding: Tensor
    block_ends: tuple[Tensor, ...]
    preprocessing: Preprocessing


def assemble(
    bare: KerasModel,
    info: BackboneInfo,
    rule: Preprocessing,
    *,
    input_shape: tuple[int, int, int],
    divide: Division = by_shape,
    taps: Collection[str] = (),
) -> LoadedBackbone:
    """Put pixels, preprocessing and a bare network into one flat graph.

    Args:
        bare: A functional model on preprocessed pixels, weights already in it.
        info: What is known of it; strides, blocks and counts are filled in from the graph.
        rule: Its preprocessing.
        input_shape: (height, width, channels) of the raw pixels.
        divide: How its layers are divided into blocks.
        taps: As for `graph.Rewired.taps`.

    Raises:
        BackboneError: If a block is no unit.
    """
    keras = _keras.keras()
    pixels, wired = attach(bare, rule, input_shape=input_shape)
    block_of, block_names = divide(wired)
    table = wired.table(block_of.__getitem__, block_names)
    embedding = wired.features
    if len(embedding.shape) == 4:
        embedding = keras.layers.GlobalAveragePooling2D(name="embedding")(embedding)
    maps = Taps(wired.taps(taps), wired.features)
    known = replace(
        info,
        strides=tuple(maps),
        block_names=table.block_names,
        embedding=int(embedding.shape[-1]) if len(embedding.shape) == 2 else 0,
        params=sum(layer.count_params() for layer in wired.layers),
        preprocessing=str(rule),
    )
    return LoadedBackbone(
        info=known,
        network=keras.Model(pixels, wired.features, name=bare.name),
        table=table,
        taps=maps,
        embedding=embedding,
        block_ends=_block_ends(wired, block_of, block_names, info.name),
        preprocessing=rule,
    )


def attach(
    bare: KerasModel, rule: Preprocessing, *, input_shape: tuple[int, int, int]
) -> tuple[Tensor, graph.Rewired]:
    """Put pixels and preprocessing before a bare network, which is given up.

    Returns:
        The pixels, and the network's graph on what the preprocessing makes of them.
    """
    pixels = _keras.keras().Input(input_shape, name="pixels", dtype="float32")
    return pixels, graph.rewire(bare, _preprocess(pixels, rule, takes=bare.inputs[0].shape[-1]))


def check_shape(info: BackboneInfo, input_shape: tuple[int, int, int], *, verb: str) -> None:
    """Refuse a size or a channel count that the network cannot have.

    Raises:
        BackboneError: With the smallest size and the channel counts that are possible.
    """
    height, width, channels = input_shape
    if min(height, width) < info.min_size:
        raise BackboneError(
            explain(
                verb,
                f"{info.name} cannot take pictures of {height} x {width} pixels",
                expected=f"sides of at least {info.min_size} pixels",
                received={"image_size": (height, width)},
                mend=f"image_size={info.image_size} is what it was trained at.",
            )
        )
    if channels < 1:
        raise BackboneError(
            explain(
                verb,
                f"{info.name} cannot take pictures of {channels} channels",
                expected="1 (grey), 3 (RGB), or any other number of 1 or more",
                received={"channels": channels},
            )
        )


def _preprocess(pixels: Tensor, rule: Preprocessing, *, takes: int) -> Tensor:
    layers = _keras.keras().layers
    channels = int(pixels.shape[-1])
    if channels == 1 and takes == 3:
        # Means that differ by channel make a sum of kernels wrong at the zero-padded border, so the
        # one channel is shown three times instead: the same logits as the repeated picture,
        # exactly.
        pixels = layers.Concatenate(name="gray_to_rgb")([pixels, pixels, pixels])
        channels = 3
    rule = rule.for_channels(channels)
    if rule.is_identity:
        return pixels
    if rule.order == "bgr":
        turned, rest = pixels[..., 2::-1], channels - 3
        pixels = layers.Concatenate(name="bgr")([turned, pixels[..., 3:]]) if rest else turned
    alike = len(set(rule.scale)) == len(set(rule.offset)) == 1
    scale, offset = (values[0] if alike else list(values) for values in (rule.scale, rule.offset))
    return layers.Rescaling(scale, offset, name="preprocessing")(pixels)


def _block_ends(
    wired: graph.Rewired, block_of: Mapping[str, int], block_names: Sequence[str], name: str
) -> tuple[Tensor, ...]:
    """The last tensor of each block, a cut; what is no layer belongs to the block before it."""
    last: dict[int, str] = {}
    block = 0
    for operation in wired.order:
        block = block_of.get(operation, block)
        last[block] = operation
    cuts = frozenset(wired.cuts)
    ends = {block: wired.outputs[name] for block, name in last.items() if name in cuts}
    torn = [block_names[i] for i in range(len(block_names)) if i not in ends]
    if torn or len(set(block_names)) < len(block_names):
        raise BackboneError(
            explain(
                "load",
                f"the blocks of {name} are no units: "
                + (f"more than one tensor leaves {torn[0]!r}" if torn else "one comes back"),
                expected="blocks with one entry and one exit, each in one piece",
                received={"blocks": tuple(block_names)},
                mend="Leave blocks= out to have them read from the graph.",
            )
        )
    return tuple(ends[i] for i in sorted(ends))

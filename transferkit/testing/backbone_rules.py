"""The rules for what a backbone says of itself and how its graph is built."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import fields, replace
from typing import Any

import numpy as np

from transferkit import _keras
from transferkit._types import INTERPOLATIONS
from transferkit.backbones.from_keras import OURS
from transferkit.backbones.graph import rows_of
from transferkit.spec import Backbone, BackboneInfo
from transferkit.testing.contract import Breach, Contract
from transferkit.testing.subjects import BackboneSubject

__all__ = ["BACKBONE", "no_info"]

BACKBONE: Contract[BackboneSubject] = Contract("check_backbone")


@BACKBONE.rule("info-is-whole", "`info` is a BackboneInfo with a name, sizes, channels and weights")
def info_is_whole(subject: BackboneSubject) -> Breach | None:
    """What is known without loading can be used."""
    info: object = subject.info
    if not isinstance(info, BackboneInfo):
        return no_info(info)
    wrong = [
        name
        for name, holds in {
            "name": bool(info.name),
            "image_size": len(info.image_size) == 2 and min(info.image_size) >= info.min_size,
            "min_size": info.min_size >= 1,
            "channels": info.channels >= 1,
            "crop": 0 < info.crop <= 1,
            "interpolation": info.interpolation in INTERPOLATIONS,
            "weights": all(isinstance(name, str) for name in info.weights),
        }.items()
        if not holds
    ]
    seen = ", ".join(f"{name}={getattr(info, name)!r}" for name in wrong)
    return Breach(f"it has {seen}", mend="Correct it in BackboneInfo(...).") if wrong else None


def no_info(info: object) -> Breach:
    """What is said of an `info` that is none; the check cannot even begin with it."""
    return Breach(f"`info` is a {type(info).__name__}", mend="Return a BackboneInfo(...).")


@BACKBONE.rule("has-every-part", "`load` gives an object with all attributes of spec.Backbone")
def has_every_part(subject: BackboneSubject) -> Breach | None:
    """Nothing is missing from what `load` gives."""
    loaded: object = subject.loaded
    if isinstance(loaded, Backbone):
        return None
    parts = ("info", "network", "table", "taps", "embedding", "block_ends")
    missing = [part for part in parts if not hasattr(loaded, part)]
    return Breach(
        f"{type(loaded).__name__} has no {', '.join(missing)}",
        mend="tk.backbones.from_keras(model).load(...) gives an object that has all.",
    )


@BACKBONE.rule("info-is-true", "what `info` says before loading is what was built")
def info_is_true(subject: BackboneSubject) -> Breach | None:
    """Promised and loaded `info` agree, and both agree with the network."""
    loaded, promised = subject.first, subject.info
    embedding = loaded.embedding.shape
    measured = replace(
        loaded.info,
        strides=tuple(loaded.taps),
        block_names=loaded.table.block_names,
        embedding=int(embedding[-1]) if len(embedding) == 2 else 0,
        params=sum(row.params for row in loaded.table),
    )
    for field in fields(BackboneInfo):
        values = [getattr(info, field.name) for info in (promised, loaded.info, measured)]
        if values[0] != values[1] or values[1] != values[2]:
            return Breach(
                f"{field.name} is promised as {values[0]!r}, loaded as {values[1]!r} and in the "
                f"network {values[2]!r}",
                mend=f"Set {field.name}= of both `info` to what the network has.",
            )
    return None


@BACKBONE.rule("is-one-flat-graph", "the network is one functional graph without nested models")
def is_one_flat_graph(subject: BackboneSubject) -> Breach | None:
    """From one tensor of pixels to `taps.features`, no models inside."""
    network = subject.first.network
    if not hasattr(network, "_run_through_graph"):
        kind = type(network).__name__
        return Breach(f"it is a {kind}", mend="Build keras.Model(pixels, features).")
    models = _keras.keras().Model
    nested = [layer.name for layer in network.layers if isinstance(layer, models)]
    if nested:
        return Breach(f"it nests {nested}", mend="tk.backbones.rewire(model, pixels) opens them.")
    ends = [*network.outputs, subject.first.taps.features]
    if len(network.inputs) != 1 or len(ends) != 2 or ends[0] is not ends[1]:
        return Breach(
            f"it has {len(network.inputs)} inputs and {len(network.outputs)} outputs, and "
            "`taps.features` is to be its one output",
            mend="keras.Model(pixels, taps.features)",
        )
    return None


@BACKBONE.rule("takes-raw-pixels", "float32 pixels 0..255 of the size asked for go in at the door")
def takes_raw_pixels(subject: BackboneSubject) -> Breach | None:
    """The input is what was asked for, and no pixel makes a number that is none."""
    door = subject.first.network.inputs[0]
    if tuple(door.shape) != (None, *subject.shape) or door.dtype != "float32":
        return Breach(
            f"{subject.shape} was asked for, and it takes {door.shape} of {door.dtype}",
            mend="keras.Input(input_shape, dtype='float32')",
        )
    return None


@BACKBONE.rule("table-lists-its-layers", "the table has a row for each layer, in source order")
def table_lists_its_layers(subject: BackboneSubject) -> Breach | None:
    """Row 0 is the input layer; names, kinds and counts are those of the network's layers.

    An opaque layer has rows for its parts behind its own, since nothing else can be frozen in it.
    """
    table = subject.first.table
    if table.layers[0].kind != "InputLayer":
        return Breach(
            f"row 0 is {table.names[0]!r}, a {table.layers[0].kind}",
            mend="Begin it with Layer(name, 'InputLayer', 0, 0).",
        )
    rows = [(row.name, row.kind, row.params) for row in table][1:]
    listed = {name for name, _, _ in rows}
    layers = [layer for layer in subject.first.network.layers if layer.name in listed]
    found = [row for layer in layers for row in rows_of(layer)]
    if rows != found:
        odd = next((row for row, layer in _side_by_side(rows, found) if row != layer), None)
        return Breach(
            f"the row {odd} is not the layer at that place", mend="Read the rows off the network."
        )
    return None


@BACKBONE.rule("preprocessing-owns-no-weight", "every weight belongs to a layer of the table")
def preprocessing_owns_no_weight(subject: BackboneSubject) -> Breach | None:
    """A policy decides on every weight."""
    listed = set(subject.first.table.names)
    owners = [
        layer.name
        for layer in subject.first.network.layers
        if layer.weights and layer.name not in listed
    ]
    if not owners:
        return None
    return Breach(
        f"{owners} have weights and no row",
        mend="Use a Rescaling where that is preprocessing; else list them in the table.",
    )


@BACKBONE.rule("names-are-free", "no layer of the table has a name that transferkit gives")
def names_are_free(subject: BackboneSubject) -> Breach | None:
    """Heads and preprocessing find their names free."""
    taken = [name for name in subject.first.table.names[1:] if OURS.fullmatch(name)]
    return Breach(f"{taken} are taken", mend="Give them another name=...") if taken else None


@BACKBONE.rule("layers-are-in-the-graph", "`layer.output` of every layer is in this graph")
def layers_are_in_the_graph(subject: BackboneSubject) -> Breach | None:
    """A part can be built up to any layer by name."""
    network = subject.first.network
    layers = network.layers[1:]
    try:
        subject.model(network.inputs[0], [layer.output for layer in layers])
    except ValueError:
        strange = next(layer.name for layer in layers if not _leads_to(subject, layer))
        return Breach(
            f"the output of {strange!r} is in another graph",
            mend="tk.backbones.rewire(model, pixels) moves the layers.",
        )
    return None


@BACKBONE.rule("blocks-are-units", "one tensor leaves each block, and the rest follows from it")
def blocks_are_units(subject: BackboneSubject) -> Breach | None:
    """The stem is block 0, no number is left out, and `block_ends` are cuts."""
    loaded = subject.first
    table, ends = loaded.table, loaded.block_ends
    numbers = [row.block for row in table]
    names = table.block_names
    counts = {len(ends), len(names), len(set(names)), len(set(numbers)), table.block_count}
    if numbers != sorted(numbers) or numbers[0] != 0 or len(counts) > 1:
        return Breach(
            f"the rows' blocks are {sorted(set(numbers))}, their names {names}, and there are "
            f"{len(ends)} `block_ends`",
            mend="Number the blocks from 0 in source order, with one name and one end for each.",
        )
    listed = set(table.names)
    for block, end in enumerate(ends):
        after = {row.name for row in table if row.block > block}
        if end is loaded.taps.features and not after:
            continue
        behind = _names_behind(subject, end)
        if behind is None or behind & listed != after:
            return Breach(
                f"what follows from the end of block {names[block]!r} is not the blocks behind it",
                mend="Make one block of those that more than one tensor joins.",
            )
    return None


@BACKBONE.rule("taps-have-their-strides", "a tap is a map that is smaller by its stride")
def taps_have_their_strides(subject: BackboneSubject) -> Breach | None:
    """A picture that is larger by n strides gives a map that is larger by n."""
    taps = dict(subject.first.taps)
    flat = [stride for stride, tap in taps.items() if len(tap.shape) != 4]
    if flat:
        return Breach(f"the taps {flat} are no maps", mend="Leave them out of `taps`.")
    height, width, channels = subject.shape
    if not taps:
        return None
    step = 2 * max(taps)
    # Calling the network itself would refuse a picture of another size before it got in.
    part = subject.model(subject.first.network.inputs[0], list(taps.values()))
    grown = part.call(np.zeros((1, height + step, width + 2 * step, channels), np.float32))
    grown = _keras.keras().tree.flatten(grown)
    for (stride, tap), larger in zip(taps.items(), grown, strict=True):
        more = (larger.shape[1] - tap.shape[1], larger.shape[2] - tap.shape[2])
        if (more[0] * stride, more[1] * stride) != (step, 2 * step):
            return Breach(
                f"{step} more rows of pixels make {more[0]} more rows of the tap {stride}",
                mend="Name a tap by the product of the strides before it.",
            )
    return None


@BACKBONE.rule("taps-are-cuts", "`taps.features` follows from each tap alone")
def taps_are_cuts(subject: BackboneSubject) -> Breach | None:
    """A head on a tap and the rest of the network share one tensor."""
    features = subject.first.taps.features
    for stride, tap in subject.first.taps.items():
        if tap is not features and _names_behind(subject, tap) is None:
            return Breach(
                f"the tap of stride {stride} is gone round",
                mend="Take the last tensor of that stride which everything goes through.",
            )
    return None


@BACKBONE.rule("embedding-is-a-vector", "`embedding` is one vector for each picture, in the graph")
def embedding_is_a_vector(subject: BackboneSubject) -> Breach | None:
    """It can be computed from the pixels, and tells pictures apart."""
    loaded = subject.first
    if len(loaded.embedding.shape) != 2:
        return Breach(f"its shape is {loaded.embedding.shape}", mend="Pool it: (batch, channels).")
    network = subject.model(loaded.network.inputs[0], loaded.embedding)
    values = subject.run(network, subject.pictures)
    if (values == values[0]).all():
        return Breach("all pictures have the same", mend="See that the pixels reach it unclipped.")
    return None


def _side_by_side(rows: list[Any], found: list[Any]) -> Iterable[tuple[Any, Any]]:
    longest = max(len(rows), len(found))
    padded = [[*values, *[None] * (longest - len(values))] for values in (rows, found)]
    return zip(*padded, strict=True)


def _leads_to(subject: BackboneSubject, layer: Any) -> bool:
    try:
        subject.model(subject.first.network.inputs[0], layer.output)
    except ValueError:
        return False
    return True


def _names_behind(subject: BackboneSubject, start: Any) -> set[str] | None:
    """The layers between a tensor and the features; None if those need more than it."""
    try:
        rest = subject.model(start, subject.first.taps.features)
    except ValueError:
        return None
    return {layer.name for layer in rest.layers if type(layer).__name__ != "InputLayer"}

"""Does a backbone keep its contract? The check for people who write one.

    >>> from transferkit import testing
    >>> testing.check_backbone("keras:MobileNetV2", image_size=32)

The rules are those of ``docs/architecture.md``, looked at in order: first what the backbone says of
itself and how its graph is built, then what it does.
"""

from __future__ import annotations

import itertools
import tempfile
from pathlib import Path
from typing import cast

import numpy as np

from transferkit import backbones
from transferkit._types import ImageSize
from transferkit._types import image_size as as_size
from transferkit.errors import BackboneError, SpecError, TransferKitError, explain
from transferkit.loading import load
from transferkit.spec import BackboneInfo, BackboneNetwork, BackboneSource
from transferkit.testing.backbone_rules import BACKBONE, no_info
from transferkit.testing.contract import Breach
from transferkit.testing.subjects import BackboneSubject, OneOfASource, Registered

__all__ = ["check_backbone"]


def check_backbone(
    backbone: str | BackboneNetwork | BackboneSource,
    *,
    name: str | None = None,
    image_size: ImageSize | None = None,
    seed: int = 0,
) -> None:
    """Look at every rule of the backbone contract.

    The backbone is loaded a few times with random weights and trained for one epoch on four
    pictures of noise, in a temporary folder. Nothing is downloaded.

    Args:
        backbone: A registered name, a `BackboneNetwork` (what `tk.backbones.from_keras` gives), or
            a `BackboneSource`.
        name: Which of a source's networks; only with a source.
        image_size: A side in pixels, or (height, width). None for what it was trained at; a small
            size makes the check fast.
        seed: Decides pictures and weights.

    Raises:
        ContractError: At the first rule that is broken: which one, what was seen, how to mend it.
        SpecError: If `backbone` is none of these, or `name` is missing or too much.
    """
    network = _as_network(backbone, name)
    about: object = network.info
    called = backbone if isinstance(backbone, str) else name or type(backbone).__name__
    if not isinstance(about, BackboneInfo):
        rule = BACKBONE.rules[0]
        raise BACKBONE.broken(rule.name, rule.says, no_info(about), called=called)
    called = called if name or isinstance(backbone, str) else str(about.name)
    size = as_size(image_size or about.image_size, verb="check_backbone")
    with tempfile.TemporaryDirectory() as folder:
        BACKBONE.check(BackboneSubject(network, size, Path(folder), seed), called=called)


@BACKBONE.rule("inference-is-a-function", "in inference a picture's features follow from it alone")
def inference_is_a_function(subject: BackboneSubject) -> Breach | None:
    """Finite for every pixel, the same again, and the same in any batch."""
    network, expected = subject.first.network, subject.features
    extremes = np.stack([np.zeros(subject.shape), np.full(subject.shape, 255.0)])
    outputs = [expected, subject.run(network, extremes.astype(np.float32))]
    if not all(np.isfinite(values).all() for values in outputs):
        return Breach("they are not finite", mend="Scale pixels 0..255 inside the network.")
    if not np.array_equal(subject.run(network, subject.pictures), expected):
        return Breach("a second run gives others", mend="Draw nothing unless training=True.")
    alone = subject.run(network, subject.pictures[:1])
    if not np.allclose(alone, expected[:1], rtol=0, atol=1e-4 * np.abs(expected).max()):
        return Breach("a batch of one gives others", mend="Take statistics in training only.")
    return None


@BACKBONE.rule("weights-come-back-by-path", "a file saved from it gives the same features again")
def weights_come_back_by_path(subject: BackboneSubject) -> Breach | None:
    """`load` with a path fills every weight, and the preprocessing is the same."""
    given = subject.run(subject.second.network, subject.pictures)
    if np.array_equal(given, subject.features):
        return None
    return Breach(
        f"they differ by up to {np.abs(given - subject.features).max():.3g}",
        mend="Load the file into the same graph that `network.save_weights` writes.",
    )


@BACKBONE.rule("variables-are-its-own", "no two that were loaded share a variable")
def variables_are_its_own(subject: BackboneSubject) -> Breach | None:
    """Training one leaves the other as it was."""
    mine = {id(weight) for weight in subject.first.network.weights}
    shared = [w.path for w in subject.second.network.weights if id(w) in mine]
    if not shared:
        return None
    return Breach(f"{len(shared)} are shared", mend="Build the layers anew in every `load`.")


@BACKBONE.rule("names-stay-the-same", "tables and weights are named alike in every load")
def names_stay_the_same(subject: BackboneSubject) -> Breach | None:
    """What a selector or a saved file names is found again."""
    names = [
        [*loaded.table.names, *(weight.path for weight in loaded.network.weights)]
        for loaded in (subject.first, subject.second)
    ]
    changed = [(a, b) for a, b in itertools.zip_longest(*names) if a != b]
    if not changed:
        return None
    old, new = changed[0]
    return Breach(f"{old!r} became {new!r}", mend="Give every layer a name=...")


@BACKBONE.rule("refuses-what-it-cannot", "sizes and weights that it has not are refused")
def refuses_what_it_cannot(subject: BackboneSubject) -> Breach | None:
    """A `TransferKitError` says what would be right."""
    height, width, channels = subject.shape
    asked: list[tuple[tuple[int, int, int], str | None]] = [
        (subject.shape, "no such weights"),
        (subject.shape, "/no/such/file.weights.h5"),
        ((height, width, 0), None),
    ]
    if subject.info.min_size > 1:
        asked.append(((subject.info.min_size - 1, width, channels), None))
    for shape, weights in asked:
        try:
            subject.network.load(input_shape=shape, weights=weights)
        except TransferKitError:
            continue
        return Breach(
            f"input_shape={shape} with weights={weights!r} was taken",
            mend="Raise BackboneError, UnknownNameError or WeightsNotFoundError.",
        )
    return None


@BACKBONE.rule("other-shapes-work-or-are-refused", "another shape is built as asked, or refused")
def other_shapes_work(subject: BackboneSubject) -> Breach | None:
    """Grey pictures with odd sides that differ."""
    height, width, _ = subject.shape
    shape = (height + 1, width + 5, 1)
    try:
        network = subject.network.load(input_shape=shape, weights=None).network
    except BackboneError:
        return None
    if tuple(network.inputs[0].shape) == (None, *shape):
        return None
    return Breach(
        f"{shape} was asked for, and it takes {network.inputs[0].shape}",
        mend="Build for that shape, or raise BackboneError.",
    )


@BACKBONE.rule("only-the-head-trains", "a frozen backbone is the same after training")
def only_the_head_trains(subject: BackboneSubject) -> Breach | None:
    """No weight and no statistic moves, and all of them are in the model."""
    after = {weight.path: np.asarray(weight) for weight in subject.trained.network.weights}
    for weight in subject.first.network.weights:
        if weight.path not in after:
            return Breach(
                f"{weight.path!r} is not in the model",
                mend="Keep `network` and `taps` in one graph.",
            )
        if not np.array_equal(after[weight.path], np.asarray(weight)):
            return Breach(
                f"{weight.path!r} moved",
                mend="Change weights in `call` only where `training` is true.",
            )
    return None


@BACKBONE.rule("a-saved-model-predicts-the-same", "a model on it can be saved and loaded")
def a_saved_model_predicts_the_same(subject: BackboneSubject) -> Breach | None:
    """Its layers are classes that a saved file may name, and the file holds all of it."""
    trained = subject.trained
    trained.save(subject.folder / "model.tkm")
    again = load(subject.folder / "model.tkm", trust=True)  # it was written a line before
    before, after = (subject.run(model.network, subject.pictures) for model in (trained, again))
    if np.allclose(before, after, rtol=0, atol=1e-6):
        return None
    return Breach(
        f"the outputs differ by up to {np.abs(before - after).max():.3g}",
        mend="See that `get_config` of every layer says all that the layer needs.",
    )


def _as_network(backbone: object, name: str | None) -> BackboneNetwork:
    if isinstance(backbone, str) and name is None:
        return Registered(":".join(backbones.find(backbone)))
    if backbones.is_source(backbone) and name is not None:
        return OneOfASource(cast("BackboneSource", backbone), name)
    if backbones.is_network(backbone) and name is None:
        return cast("BackboneNetwork", backbone)
    raise SpecError(
        explain(
            "check_backbone",
            "that is no backbone to check",
            expected="a registered name, a BackboneNetwork, or a BackboneSource and name=",
            received={"backbone": backbone, "name": name},
            mend="testing.check_backbone(tk.backbones.from_keras(model))",
        )
    )

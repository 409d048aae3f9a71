"""`rank` and `rank_layers`: which network, and which of its layers, to start from."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from transferkit._types import PathLike, checked_seed
from transferkit.data import Data, Split
from transferkit.data.bundle import check_data
from transferkit.errors import SpecError, TransferKitError, explain
from transferkit.ranking.extracting import (
    Source,
    embedded,
    labels_of,
    layered,
    loaded,
    named,
    source_of,
    split_of,
)
from transferkit.ranking.scoring import checked, scored
from transferkit.ranking.table import Candidate, Ranking, ranking
from transferkit.running import Engine, as_engine

__all__ = ["rank", "rank_layers"]

Array = np.ndarray[Any, Any]


def rank(
    backbones: Iterable[Any],
    data: Data,
    *,
    weights: PathLike | None = "pretrained",
    scores: Sequence[str] | None = None,
    split: str = "train",
    seed: int = 0,
    engine: Engine | None = None,
    verbose: int = 1,
) -> Ranking:
    """Order backbones by how well their frozen features suit the data, without training one.

    Each candidate's pooled features are computed once, through the engine's cache, where a later
    `fit` of a head on that backbone finds them. A score says how the candidates compare on this
    data; none of them is right everywhere, so that the table shows the order by size and what each
    costs beside it, and how far chance may have moved a score. A network without weights has its
    BatchNormalization calibrated on 64 pictures: as it is drawn, its features are tiny and nearly
    linear in the pixels, so that a linear head does well on them and training does not.

    Args:
        backbones: Names, backbones, or models, whose own weights count.
        data: What `tk.data` read.
        weights: For candidates that are no models; as `TransferModel` takes them.
        scores: Of ``"knn"``, ``"ridge"``, ``"logme"``, ``"h_score"``, ``"regularized_h_score"``,
            ``"transrate"`` (normalised), ``"gbc"`` (its logarithm) and ``"parc"``; the first one
            decides the order. None for the first four, or for ``"ridge"`` and ``"logme"`` if each
            picture has numbers or several labels.
        split: Which pictures: ``"train"``, so that validation and test stay unseen.
        seed: Decides random weights, and the draws behind the intervals.
        engine: How features are computed.
        verbose: 0 silent, 1 or 2 shows how far it is.

    Returns:
        The candidates in order. One that fails (weights that are not there, a size that it cannot
        take) is a row with its reason.

    Raises:
        SpecError: If there are no candidates, or a score does not fit the labels.
        UnknownNameError: If there is no such score or split.

    Example:
        >>> import numpy as np
        >>> import transferkit as tk
        >>> pixels = np.random.default_rng(0).integers(0, 255, (12, 32, 32, 3), dtype=np.uint8)
        >>> pixels[::2] //= 4
        >>> photos = tk.data.from_arrays(pixels, ["dark", "light"] * 6, val=0)
        >>> found = tk.rank(["MobileNet", "VGG16"], photos, weights=None, scores=["knn"], verbose=0)
        >>> sorted(found.names)
        ['keras:MobileNet', 'keras:VGG16']

    References:
        Andrea Agostinelli et al., How stable are Transferability Metrics evaluations?, ECCV 2022.
    """
    check_data(data)
    chosen_split = split_of(data, split, verb="rank")
    labels = labels_of(chosen_split)
    names = checked(scores, verb="rank", classes=labels.dtype.kind != "f")
    seed = checked_seed("rank", seed)
    sources = [source_of(each, weights, verb="rank") for each in _several(backbones)]
    engine = as_engine(engine)
    rows = [
        _row(source, name, chosen_split, labels, names, seed, engine, verbose)
        for source, name in zip(sources, named(sources), strict=True)
    ]
    return ranking(rows, names, len(chosen_split))


def rank_layers(
    backbone: Any,
    data: Data,
    *,
    weights: PathLike | None = "pretrained",
    scores: Sequence[str] | None = None,
    split: str = "train",
    seed: int = 0,
    engine: Engine | None = None,
    verbose: int = 1,
) -> Ranking:
    """Order the blocks of a backbone by how well their pooled features suit the data.

    Where an early block is as good as the last one, what is behind it knows things that this data
    does not need: cut there (`tk.freeze.all_but`, `tk.select.top_blocks`) and train the rest.

    Args:
        backbone: A name, a backbone, or a model, whose own weights count.
        data: What `tk.data` read.
        weights: As for `rank`.
        scores: As for `rank`.
        split: As for `rank`.
        seed: As for `rank`.
        engine: As for `rank`.
        verbose: As for `rank`.

    Returns:
        A row for each block; its parameters are those up to it.

    Raises:
        SpecError: If a score does not fit the labels, or ``weights=None`` is said of a SavedModel
            with normalisation in it.
        BackboneError: If the backbone cannot take the pictures.
        WeightsNotFoundError: If its weights cannot be found.
    """
    check_data(data)
    chosen_split = split_of(data, split, verb="rank_layers")
    labels = labels_of(chosen_split)
    names = checked(scores, verb="rank_layers", classes=labels.dtype.kind != "f")
    seed = checked_seed("rank_layers", seed)
    source = source_of(backbone, weights, verb="rank_layers")
    body, sized = loaded(source, chosen_split, seed=seed, verb="rank_layers")
    found, places = layered(body, sized, as_engine(engine), verbose)
    sizes = np.zeros(len(places), np.int64)
    for layer in body.table:
        sizes[layer.block] += layer.params
    rows = [
        Candidate(
            name,
            scored(found.vectors[:, place], labels, names, seed=seed),
            parameters=int(sizes[: number + 1].sum()),
            channels=place.stop - place.start,
            place=number,
        )
        for number, (name, place) in enumerate(zip(body.table.block_names, places, strict=True))
    ]
    return ranking(rows, names, len(chosen_split))


def _row(
    source: Source,
    name: str,
    split: Split,
    labels: Array,
    scores: Sequence[str],
    seed: int,
    engine: Engine,
    verbose: int,
) -> Candidate:
    try:
        body, sized = loaded(source, split, seed=seed, verb="rank")
        (found,) = embedded(body, sized, engine=engine, verbose=verbose)
        values = scored(found.vectors, labels, scores, seed=seed)
    except TransferKitError as error:
        return Candidate(name, {}, parameters=source.info.params, problem=str(error))
    return Candidate(
        name,
        values,
        parameters=body.info.params,
        channels=found.vectors.shape[1],
        multiply_adds=found.work,
        seconds=found.seconds,
    )


def _several(backbones: Iterable[Any]) -> list[Any]:
    given = [backbones] if isinstance(backbones, str) else list(backbones)
    if given:
        return given
    raise SpecError(
        explain(
            "rank",
            "there is no candidate",
            expected="one or more",
            mend='tk.rank(["keras:MobileNetV2", "keras:ResNet50"], photos)',
        )
    )

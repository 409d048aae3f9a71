"""`load`: a saved file as the model that it was."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
import weakref
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from transferkit import build, bundle, heads
from transferkit._types import KerasModel, PathLike
from transferkit.augment import Pipeline
from transferkit.augment.layer import AugmentationLayer
from transferkit.backbones import keras_hub, torch_hub
from transferkit.backbones.tf_hub import Program
from transferkit.backbones.tf_hub.layer import SavedModelLayer
from transferkit.calibrate import Inference
from transferkit.check import TransferCheck
from transferkit.data.fitting import fit_from_config
from transferkit.engine.report import EngineReport
from transferkit.errors import UnknownNameError, UnsafeBundleError, explain
from transferkit.freeze import from_config as freeze_from_config
from transferkit.history import History
from transferkit.plan import Plan
from transferkit.select import LayerTable
from transferkit.spec import Target
from transferkit.trained import TrainedModel

__all__ = ["load"]


def load(
    path: PathLike,
    *,
    custom_objects: Mapping[str, type[Any]] | None = None,
    trust: bool = False,
) -> TrainedModel:
    """Open a model that `TrainedModel.save` wrote; it predicts what the saved one predicted.

    Safe with a file from a stranger: the network's configuration is compared with a list of known
    classes before Keras sees it, and nothing but tensors is read. A model on a SavedModel holds
    that as well, which is a program: such a file is refused unless `trust` says otherwise.

    Args:
        path: The file.
        custom_objects: Layer classes of your own, by class name, that the network needs.
        trust: Whether programs in the file may be run. Say so only of what comes from someone you
            trust.

    Raises:
        BundleNotFoundError: If there is no such file.
        BundleError: If it is damaged, foreign, newer, names a class outside the list, or holds a
            program and is not trusted.
        UnknownNameError: If it needs a head or an augmentation that nobody registered here.
    """
    programs = _programs(path, trust)  # layers are made from their digests: they have to be held
    read = bundle.read(path, custom_objects=custom_objects, own_objects=_own(bool(programs)))
    try:
        return _restored(read.network, read.facts)
    except UnknownNameError:  # of a head or an augmentation from another package
        raise
    except (
        ArithmeticError,
        AttributeError,
        LookupError,
        MemoryError,
        TypeError,
        ValueError,
    ) as error:
        raise bundle.damaged(
            str(path), f"its network and what is said of it do not fit ({error!r})"
        ) from error


def _own(runs_programs: bool) -> dict[str, Any]:
    own = {"transferkit>AugmentationLayer": AugmentationLayer}
    own |= torch_hub.own_layers() | keras_hub.own_layers()
    return own | ({"transferkit>SavedModelLayer": SavedModelLayer} if runs_programs else {})


def _programs(path: PathLike, trust: bool) -> list[Program]:
    """The programs in a file, unpacked for as long as somebody holds them."""
    inside = bundle.read_manifest(path).programs
    if inside and trust is not True:
        raise UnsafeBundleError(
            explain(
                "load",
                f"{str(path)!r} holds a SavedModel, which is a program, and it runs only if you "
                "say that you trust whoever made the file",
                expected="trust=True",
                received={"trust": trust},
                mend=f"tk.load({str(path)!r}, trust=True)",
            )
        )
    return _unpacked(path) if inside else []


def _unpacked(path: PathLike) -> list[Program]:
    folder = Path(tempfile.mkdtemp(prefix="transferkit-"))
    try:
        found = bundle.unpack_programs(path, folder)
        programs = [Program.at(each) for each in found.values()]
        if [program.digest for program in programs] != list(found):
            raise bundle.damaged(str(path), "a program in it is not what its digest says")
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    for program in programs:
        weakref.finalize(program, _remove, program.folder)
    return programs


def _remove(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    with contextlib.suppress(OSError):  # another program lies there still
        folder.parent.rmdir()


def _restored(network: KerasModel, facts: Mapping[str, Any]) -> TrainedModel:
    target = _target(facts["target"])
    table = LayerTable.from_config(facts["table"])
    policy = freeze_from_config(facts["freeze"])
    plan = Plan.from_config(facts["plan"])
    transfer = facts.get("transfer")
    build.freeze(network, table, plan.phases[-1].policy(policy))
    model = TrainedModel(
        network=network,
        bound=heads.from_config(facts["head"]).bind(target),
        table=table,
        policy=policy,
        pipeline=Pipeline.from_config(facts["augment"]),
        about=facts["about"],
        plan=plan,
        history=History.from_config(facts["history"]),
        engine_report=EngineReport.from_config(facts.get("engine", {})),
        inference=Inference.from_config(facts.get("inference", {})),
        transfer=None if transfer is None else TransferCheck.from_config(transfer),
    )
    _check_facts(model)
    build.compile_network(network, model.bound)
    return model


def _check_facts(model: TrainedModel) -> None:
    """Facts of another network would be noticed in use, and late.

    Raises:
        ValueError: If they do not fit; and whatever `decode` and `repr` raise of them.
    """
    shape = (*model.image_size, int(model.about["channels"]))
    takes = tuple(model.network.input_shape[1:])
    if any(side is not None and side != given for side, given in zip(takes, shape, strict=True)):
        raise ValueError(f"pictures of {shape} for a network that takes {takes}")
    names = model.class_names
    if len(set(names)) < len(names):
        raise ValueError(f"class_names={names}")
    fit_from_config(model.about["fit"])
    model._deciding.decode(np.zeros((1, *model.network.output_shape[1:]), np.float32))
    repr(model)


def _target(config: Mapping[str, Any]) -> Target:
    counts, strides = config["counts"], config["strides"]
    return Target(
        config["task"],
        tuple(config["class_names"]),
        int(config["outputs"]),
        counts if counts is None else tuple(counts),
        strides if strides is None else tuple(strides),
    )

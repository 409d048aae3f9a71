"""A SavedModel as files: what a layer runs, and what a saved file takes along."""

from __future__ import annotations

import hashlib
import weakref
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from transferkit import _keras
from transferkit.backbones.fetching import digest_of
from transferkit.errors import BackboneError, explain

__all__ = ["Program", "known_program"]

_GRAPH = "saved_model.pb"
_TF1_MARK = "tfhub_module.pb"


@dataclass(frozen=True, eq=False)
class Program:
    """A SavedModel's folder, and what lay in it when it was first looked at.

    Layers are made again from their configuration, which names a program by its digest alone: as
    long as somebody holds the program, `known_program` finds it.

    Attributes:
        folder: Where it lies.
        files: The SHA-256 of each file, by its path below the folder, written with slashes.
    """

    folder: Path
    files: Mapping[str, str]

    def __post_init__(self) -> None:
        _KNOWN.add(self)

    @classmethod
    def at(cls, folder: Path) -> Program:
        """The program in a folder; read, and not run.

        Raises:
            BackboneError: If there is no SavedModel in it, or one of TensorFlow 1.
        """
        root = _root(folder)
        _check_format(root)
        return cls(root, _digests(root))

    @cached_property
    def digest(self) -> str:
        """One digest of all its files and their names."""
        lines = "".join(f"{sha256} {name}\n" for name, sha256 in sorted(self.files.items()))
        return hashlib.sha256(lines.encode()).hexdigest()

    def check(self) -> None:
        """See that the folder holds what it held.

        Raises:
            BackboneError: If it is gone, or a file has changed.
        """
        if _digests(self.folder) != dict(self.files):
            raise BackboneError(
                explain(
                    "tfhub",
                    f"the SavedModel in {str(self.folder)!r} is gone, or is no longer what it was "
                    "when this model was made",
                    expected="the folder as it was: it is read again for every copy of the model, "
                    "and when the model is saved",
                    received={"folder": str(self.folder)},
                    mend="Put it back. A model that was saved before holds it inside.",
                )
            )

    def paths(self) -> dict[str, Path]:
        """Its files by their path below the folder, checked.

        Raises:
            BackboneError: See `check`.
        """
        self.check()
        return {name: self.folder / name for name in self.files}

    def load(self) -> Any:
        """Load it with TensorFlow, with variables of its own each time: this runs it.

        Raises:
            BackboneError: See `check`; or if it is to run on several devices at once.
        """
        _check_devices()
        self.check()
        tf = _keras.tf()
        with tf.init_scope(), tf.name_scope(""):  # its variables are to have their own names
            return tf.saved_model.load(str(self.folder))


_KNOWN: weakref.WeakSet[Program] = weakref.WeakSet()


def known_program(digest: str) -> Program:
    """The program with a digest, if anybody holds it.

    Raises:
        BackboneError: If nobody does.
    """
    found = [program for program in _KNOWN if program.digest == digest]
    if found:
        return max(found, key=lambda program: program.folder.is_dir())
    raise BackboneError(
        explain(
            "tfhub",
            "a layer runs a SavedModel that is not at hand",
            expected="a network whose SavedModel was loaded in this process",
            received={"program": digest},
            mend='trained.save("model.tkm") takes it along, and tk.load("model.tkm", trust=True) '
            "brings it back.",
        )
    )


def _check_devices() -> None:
    # Its functions hold on to the variables that they were loaded with, and find no mirrored ones.
    replicas = _keras.tf().distribute.get_strategy().num_replicas_in_sync
    if replicas > 1:
        raise BackboneError(
            explain(
                "tfhub",
                f"a SavedModel cannot train on {replicas} devices at once: its functions read the "
                "variables of one",
                expected="an engine without a strategy, or one with a single device",
                received={"devices": replicas},
                mend="tk.Engine(strategy=None)",
            )
        )


def _root(folder: Path) -> Path:
    """The folder itself, or the one folder in it: archives are packed either way."""
    inside = sorted(folder.iterdir()) if folder.is_dir() else []
    nested = [path for path in inside if (path / _GRAPH).is_file()]
    if (folder / _GRAPH).is_file():
        return folder
    if len(nested) == 1:
        return nested[0]
    raise BackboneError(
        explain(
            "tfhub",
            f"{str(folder)!r} is no SavedModel: there is no {_GRAPH} in it",
            expected=f"a folder with {_GRAPH} and variables/, as tf.saved_model.save writes it",
            received={"files": [path.name for path in inside[:8]]},
            mend="A .keras or .h5 file is loaded with tk.backbones.from_keras.",
        )
    )


def _check_format(root: Path) -> None:
    """Tell TensorFlow 1's modules, and what is none at all, before anything is run."""
    saved_model = _keras.saved_model_proto()
    try:
        saved_model.ParseFromString((root / _GRAPH).read_bytes())
    except Exception as error:  # protobuf's own, which is no public name
        raise _bad(root, f"its {_GRAPH} cannot be read ({error})", "a whole one") from error
    graphs = saved_model.meta_graphs
    if (root / _TF1_MARK).exists() or not any(g.HasField("object_graph_def") for g in graphs):
        tags = sorted(",".join(sorted(g.meta_info_def.tags)) for g in graphs)
        raise _bad(
            root,
            "it is a module of TensorFlow 1: graphs for sessions, from which no variable can be "
            f"had that trains (its graphs are {tags})",
            "a SavedModel of TensorFlow 2, which most of these networks were published as, too",
        )


def _digests(root: Path) -> dict[str, str]:
    files = sorted(path for path in root.rglob("*") if path.is_file())
    return {path.relative_to(root).as_posix(): digest_of(path) for path in files}


def _bad(root: Path, happened: str, expected: str) -> BackboneError:
    return BackboneError(
        explain(
            "tfhub",
            f"{str(root)!r} cannot be loaded: {happened}",
            expected=expected,
            received={"folder": str(root)},
        )
    )

"""Where a search lies, and whether it is the one that lay there before."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import weakref
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from transferkit._types import PathLike
from transferkit.bundle.atomic import replacing
from transferkit.data import Data
from transferkit.errors import SpecError, explain
from transferkit.tuning.oracles import Question

__all__ = ["check_same", "facts_of", "place"]

FACTS = "search.json"


def place(directory: PathLike | None) -> tuple[Any, Path]:
    """What keeps the folder alive, and the folder; without a directory one that goes with that.

    Raises:
        SpecError: If several processes search and there is no directory.
    """
    if directory is not None:
        folder = Path(directory)
        folder.mkdir(parents=True, exist_ok=True)
        return None, folder
    if "KERASTUNER_ORACLE_IP" in os.environ:
        raise SpecError(
            explain(
                "tune",
                "several processes search together, and each would have a folder of its own",
                expected="a directory that all of them reach",
                received={"directory": None},
                mend="tk.tune(space, photos, directory='search')",
            )
        )
    folder = Path(tempfile.mkdtemp(prefix="transferkit-tune-"))
    return _Kept(folder), folder


class _Kept:
    """A folder that goes when nothing holds this; the standard library's would warn of it."""

    def __init__(self, folder: Path) -> None:
        weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)


def facts_of(strategy: str, question: Question, data: Data) -> dict[str, Any]:
    """What two runs of one search have in common."""
    return {
        "strategy": strategy,
        "objective": question.objective,
        "mode": question.mode,
        "seed": question.seed,
        "images": [len(data.train), 0 if data.val is None else len(data.val)],
        "classes": list(data.class_names),
        "fields": question.fields.get_config()["space"],
    }


def check_same(folder: Path, facts: dict[str, Any]) -> None:
    """Note what is searched in a folder, or refuse another search.

    Raises:
        SpecError: Naming what differs.
    """
    text = json.dumps(facts, indent=1)
    path = folder / FACTS
    if not path.exists():
        with replacing(path, needed=len(text)) as file:
            file.write(text.encode())
        return
    before, now = json.loads(path.read_text(encoding="utf-8")), json.loads(text)
    differ = [name for name in now if before.get(name) != now[name]]
    if differ:
        raise SpecError(
            explain(
                "tune",
                f"the directory holds another search: {_listed(differ)} differ",
                expected=", ".join(f"{name}={before.get(name)!r}" for name in differ),
                received={name: now[name] for name in differ},
                mend="tk.tune(space, photos, directory='another')",
            )
        )


def _listed(names: Sequence[str]) -> str:
    return " and ".join(", ".join(names).rsplit(", ", 1))

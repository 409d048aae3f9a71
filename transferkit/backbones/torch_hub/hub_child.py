"""The process that runs a ``hubconf.py``: ``python hub_child.py FOLDER ENTRY FILE``.

It stands alone: nothing of ours is imported beside a stranger's program.
"""

from __future__ import annotations

import importlib
import inspect
import sys
from collections.abc import Callable
from typing import Any

PRETRAINED = {"pretrained": True, "weights": "DEFAULT"}
"""How entries are asked for their trained weights; the first that one takes."""


def main(folder: str, entry: str, file: str) -> None:
    """Call the entry and write the state dict of what it gives."""
    torch: Any = importlib.import_module("torch")
    sys.path.insert(0, folder)
    make = getattr(importlib.import_module("hubconf"), entry)
    torch.save(make(**asked(make)).state_dict(), file)


def asked(make: Callable[..., Any]) -> dict[str, Any]:
    """The argument that asks an entry for trained weights; none if it takes none."""
    takes = inspect.signature(make).parameters
    return dict([pair for pair in PRETRAINED.items() if pair[0] in takes][:1])


if __name__ == "__main__":
    main(*sys.argv[1:])

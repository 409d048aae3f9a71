"""The file of parity errors, from which docs/backbones.md is made: a part for each source."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

__all__ = ["keep"]


def keep(file: Path, source: str, found: Mapping[str, Mapping[str, Any]]) -> None:
    """Put in what was found of one source; the parts of others stay.

    Args:
        file: JSON; it is made if it is not there.
        source: As in front of the colon of a backbone's name.
        found: By family.
    """
    parts = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    parts[source] = {**parts.get(source, {}), **found}
    file.write_text(json.dumps(parts, indent=1, sort_keys=True) + "\n", encoding="utf-8")

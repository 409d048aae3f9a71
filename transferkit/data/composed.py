"""Names in Unicode's composed form: macOS hands out accents decomposed, and most else composed."""

from __future__ import annotations

import os
import unicodedata
from pathlib import Path

__all__ = ["composed", "found_file"]


def composed(name: object) -> str:
    """A name as text in composed form (NFC), in which names are compared."""
    return unicodedata.normalize("NFC", str(name))


def found_file(path: Path) -> Path:
    """The path in the form in which there is such a file; as it is where there is none."""
    text = str(path)
    if text.isascii() or os.path.exists(text):
        return path
    forms = (Path(unicodedata.normalize(form, text)) for form in ("NFC", "NFD"))
    return next((form for form in forms if os.path.exists(form)), path)

"""Packages that are asked for only where they are switched on."""

from __future__ import annotations

import importlib
from typing import Any

from transferkit.errors import MissingExtraError, explain


def require(module: str, *, extra: str, needed_for: str) -> Any:
    """Import an optional package, or say which line installs it.

    Args:
        module: The module's import name, dots included.
        extra: The extra of transferkit that brings it.
        needed_for: The call that needs it, as the user typed it.

    Returns:
        The imported module.

    Raises:
        MissingExtraError: If it is not installed, or cannot be imported.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        package = module.partition(".")[0]
        happened, how = f"{package} is not installed", "install"
        if not isinstance(error, ModuleNotFoundError) or error.name != package:
            # It is there; one of its own imports is not, as happens beside a newer setuptools.
            happened, how = f"{module} cannot be imported ({error})", "install --upgrade"
        raise MissingExtraError(
            explain(needed_for, happened, mend=f"pip {how} 'transferkit[{extra}]'")
        ) from error

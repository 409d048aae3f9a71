"""Everything that transferkit raises on purpose, and how a message is built.

    TransferKitError
    ├── SpecError (ValueError)                  a description that cannot be: model, head, ...
    │   ├── UnknownNameError (LookupError)      a name that nobody registered
    │   └── SelectionError                      a naming selector that matched nothing
    ├── BackboneError (ValueError)              a size or a graph that a backbone cannot have
    │   └── WeightsError                        weights that do not fit the network
    ├── WeightsNotFoundError (FileNotFoundError)
    ├── DataError (ValueError)                  pictures or labels that cannot be used
    │   └── DecodeError                         one picture that cannot be read
    ├── DataNotFoundError (FileNotFoundError)
    ├── TrainingError (RuntimeError)            a run that cannot go on
    ├── BundleError (ValueError)                a saved model that cannot be opened
    │   ├── DamagedBundleError                  truncated or edited
    │   ├── ForeignBundleError                  not a transferkit bundle
    │   ├── NewerBundleError                    written by a newer transferkit
    │   └── UnsafeBundleError                   names a class outside the allow-list
    ├── BundleNotFoundError (FileNotFoundError)
    ├── SaveError (OSError)                     a file that could not be written
    ├── CacheError (OSError)                    features that could not be kept on the disk
    ├── MissingExtraError (ImportError)         an optional package that is not installed
    ├── PluginError (ImportError)               a plug-in of another package that cannot be used
    ├── BackendError (RuntimeError)             Keras runs on something else than TensorFlow
    └── ContractError (AssertionError)          a plug-in that breaks a rule of its contract

Each is also the builtin error that a caller would expect, so ``except ValueError`` keeps working.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from typing import Any

from transferkit._text import printable

__all__ = [
    "BackboneError",
    "BackendError",
    "BundleError",
    "BundleNotFoundError",
    "CacheError",
    "ContractError",
    "DamagedBundleError",
    "DataError",
    "DataNotFoundError",
    "DecodeError",
    "ForeignBundleError",
    "MissingExtraError",
    "NewerBundleError",
    "PluginError",
    "SaveError",
    "SelectionError",
    "SpecError",
    "TrainingError",
    "TransferKitError",
    "UnknownNameError",
    "UnsafeBundleError",
    "WeightsError",
    "WeightsNotFoundError",
]


class TransferKitError(Exception):
    """The root: catches whatever transferkit raises on purpose."""


class SpecError(TransferKitError, ValueError):
    """A description that cannot be: a model, plan, head, policy or engine."""


class UnknownNameError(SpecError, LookupError):
    """A name that nobody registered."""


class SelectionError(SpecError):
    """A naming selector that matched no layer of the network."""


class BackboneError(TransferKitError, ValueError):
    """A size, a channel count or a graph that a backbone cannot have."""


class WeightsError(BackboneError):
    """Weights that do not fit the network they were given to."""


class WeightsNotFoundError(TransferKitError, FileNotFoundError):
    """A weight file that is not where it was looked for."""


class DataError(TransferKitError, ValueError):
    """Pictures or labels that cannot be used."""


class DecodeError(DataError):
    """One picture that cannot be read."""


class DataNotFoundError(TransferKitError, FileNotFoundError):
    """A folder or picture that does not exist."""


class TrainingError(TransferKitError, RuntimeError):
    """A run that cannot go on."""


class BundleError(TransferKitError, ValueError):
    """A saved model that cannot be opened."""


class DamagedBundleError(BundleError):
    """A bundle that was truncated or edited."""


class ForeignBundleError(BundleError):
    """A file that is not a transferkit bundle."""


class NewerBundleError(BundleError):
    """A bundle written by a newer transferkit."""


class UnsafeBundleError(BundleError):
    """A bundle whose network names a class outside the allow-list."""


class BundleNotFoundError(TransferKitError, FileNotFoundError):
    """A bundle that does not exist."""


class SaveError(TransferKitError, OSError):
    """A file that could not be written; the old one, if any, is untouched."""


class CacheError(TransferKitError, OSError):
    """Features that could not be kept on the disk; nothing half-written was left there."""


class MissingExtraError(TransferKitError, ImportError):
    """An optional package that is not installed."""


class PluginError(TransferKitError, ImportError):
    """A plug-in of another package that cannot be used; the error names the package."""


class BackendError(TransferKitError, RuntimeError):
    """Keras runs on another backend than TensorFlow."""


class ContractError(TransferKitError, AssertionError):
    """A plug-in that breaks a rule of its contract; raised by the checks of ``testing`` only."""


def explain(
    verb: str,
    happened: str,
    *,
    expected: str | None = None,
    received: Mapping[str, Any] | None = None,
    mend: str | None = None,
) -> str:
    """Build a message in the one order that every error here follows.

    Args:
        verb: What the user had asked for, as they typed it (``"fit"``, ``"from_directory"``).
        happened: What went wrong, to which object; no full stop.
        expected: What would have been right.
        received: The offending arguments by name; long values are cut at 200 characters.
        mend: How to mend it, as a call or a command.

    Returns:
        ``<verb>: <happened>. Expected <expected>. Received: <name>=<value>. <mend>``, one line
        in which whatever is not visible (a file's name may hold it) is written out.
    """
    parts = [f"{verb}: {happened}."]
    if expected is not None:
        parts.append(f"Expected {expected}.")
    if received:
        shown = ", ".join(f"{name}={_short(value)}" for name, value in received.items())
        parts.append(f"Received: {shown}.")
    if mend is not None:
        parts.append(mend)
    return printable(" ".join(parts))


def did_you_mean(name: str, known: Iterable[str], *, most: int = 3) -> str:
    """Name the nearest known names, or all of them where they are few.

    Returns:
        ``"a known name (did you mean 'ResNet50'?)"``, ready to stand behind "Expected".
    """
    names = sorted(set(known))
    near = difflib.get_close_matches(name, names, n=most, cutoff=0.5)
    if not near and name:  # upper and lower case, or a piece of the name
        low = name.lower()
        near = [n for n in names if low in n.lower() or n.lower() in low][:most]
    if near:
        return "a known name (did you mean " + " or ".join(repr(n) for n in near) + "?)"
    if not names:
        return "a known name, and none is known yet"
    listed = ", ".join(repr(n) for n in names[:12])
    more = f" and {len(names) - 12} more" if len(names) > 12 else ""
    return f"one of {listed}{more}"


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 200 else text[:197] + "..."

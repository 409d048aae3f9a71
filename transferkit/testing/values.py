"""What the contracts ask of every plug-in that is a value: frozen, hashable, written as JSON."""

from __future__ import annotations

import dataclasses
import inspect
import json
from typing import Any

from transferkit import augment
from transferkit.augment.operation import Operation
from transferkit.errors import SpecError, TransferKitError, explain
from transferkit.testing.contract import Breach

__all__ = ["frozen_breach", "json_breach", "refuse_class"]


def refuse_class(verb: str, thing: Any) -> None:
    """Refuse a class, or a function, where an object made by it was meant.

    Args:
        verb: The check, as it is typed.
        thing: What was passed to it.

    Raises:
        SpecError: If it is one of these.
    """
    if not (isinstance(thing, type) or inspect.isroutine(thing)):
        return
    name, kind = thing.__name__, "class" if isinstance(thing, type) else "function"
    made = f"{verb}({name}())" if name.isidentifier() else "@dataclass(frozen=True) above a class"
    raise SpecError(
        explain(
            verb,
            f"{name} is a {kind}",
            expected="an object of a frozen dataclass",
            received={"argument": thing},
            mend=made,
        )
    )


def frozen_breach(thing: Any) -> Breach | None:
    """None if a plug-in is a frozen dataclass whose equals have the same hash."""
    settings = getattr(type(thing), "__dataclass_params__", None)
    if settings is None or not settings.frozen:
        mend = "Write @dataclass(frozen=True) above the class."
        return Breach(f"{type(thing).__name__} is no frozen dataclass", mend)
    try:
        same = hash(dataclasses.replace(thing)) == hash(thing)
    except TypeError as error:
        return Breach(f"it has no hash ({error})", "Make tuples of lists in __post_init__.")
    if not same or dataclasses.replace(thing) != thing:
        return Breach("a copy of it is not equal to it", "Leave __eq__ to the dataclass.")
    return None


def json_breach(operation: Any) -> Breach | None:
    """None if an operation or mix is registered and JSON of its config gives it again."""
    if not hasattr(operation, "to_config"):
        mend = "Derive the class from transferkit.augment.operation.Operation."
        return Breach("it has no method to_config", mend)
    if isinstance(operation, Operation) and not hasattr(operation, "name"):
        return Breach("it has no name", "Give it what it is registered as: name: ClassVar[str].")
    try:
        text = json.dumps(operation.to_config())
    except TypeError as error:
        return Breach(f"its config is no JSON ({error})", "Keep numbers, flags and words only.")
    try:
        again: Any = augment.from_config(json.loads(text))
    except TransferKitError as error:
        mend = "Name it in the entry points 'transferkit.augmentations', or register it."
        return Breach(f"its config is not understood ({error})", mend)
    if again != operation or again.to_config() != operation.to_config():
        what = f"{again!r} comes back"
        return Breach(what, "Bring every argument to one form in __post_init__.")
    return None

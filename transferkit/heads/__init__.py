"""Heads: what stands on a backbone and answers the question.

>>> import transferkit as tk
>>> tk.heads.names()
('classification', 'multilabel', 'regression')
>>> tk.heads.classification(dropout=0.2).dropout
0.2
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, is_dataclass
from typing import Any

from transferkit._registry import Registry
from transferkit.errors import SpecError, explain
from transferkit.heads.classification import Classification, classification
from transferkit.heads.multilabel import Multilabel, multilabel
from transferkit.heads.regression import Regression, regression
from transferkit.heads.results import Labels, Prediction, Value
from transferkit.spec import Head, Target

__all__ = [
    "Classification",
    "Labels",
    "Multilabel",
    "Prediction",
    "Regression",
    "Value",
    "classification",
    "default",
    "from_config",
    "multilabel",
    "names",
    "register",
    "regression",
    "to_config",
]


def _is_head(thing: object) -> bool:
    return isinstance(thing, type) and is_dataclass(thing) and hasattr(thing, "bind")


_HEADS: Registry[type[Any]] = Registry(
    "head",
    group="transferkit.heads",
    fits=_is_head,
    expected="a frozen dataclass with a method bind(target)",
)
_HEADS.add("classification", Classification)
_HEADS.add("multilabel", Multilabel)
_HEADS.add("regression", Regression)

_PACKAGE = "from"
"""Where a head's config names the package; a word of Python's, so that no field is called so."""

_FOR_TASK: Mapping[str, Head] = {
    "classes": Classification(),
    "labels": Multilabel(),
    "values": Regression(),
}


def names(glob: str = "*") -> tuple[str, ...]:
    """All registered heads, sorted.

    Args:
        glob: A shell pattern over the name.
    """
    return _HEADS.names(glob)


def register(name: str, head: type[Any], *, replace: bool = False) -> None:
    """Make a head's class known by name, so that saved models can name it.

    Args:
        name: The name in saved files.
        head: A frozen dataclass that meets `transferkit.spec.Head`.
        replace: Whether a name that is taken may be given anew.

    Raises:
        SpecError: If it is no dataclass with a `bind` method, or the name is taken.
    """
    if not _is_head(head):
        raise SpecError(
            explain(
                "register",
                "that is no head",
                expected="a frozen dataclass with a method bind(target)",
                received={"head": head},
            )
        )
    _HEADS.add(name, head, replace=replace)


def default(target: Target) -> Head:
    """The plain head for a target's task, which a model without a head gets.

    Args:
        target: What is to be predicted, as ``photos.target`` says it.

    Returns:
        `Classification`, `Multilabel` or `Regression` with their defaults, for the tasks
        ``"classes"``, ``"labels"`` and ``"values"``.
    """
    return _FOR_TASK[target.task]


def to_config(head: Head) -> dict[str, Any]:
    """A JSON-ready form of a registered head; of one from a plug-in it names the package as well.

    Raises:
        SpecError: If its class is not registered.
    """
    name = _HEADS.name_of(type(head))
    if name is not None:
        package = _HEADS.package_of(name)
        origin = {} if package is None else {_PACKAGE: package}
        return {"name": name, **origin, **asdict(head)}  # type: ignore[call-overload]
    raise SpecError(
        explain(
            "save",
            f"the head {type(head).__name__} is not registered",
            expected="a head that a saved file can name",
            received={"head": head},
            mend=f"tk.heads.register('{type(head).__name__.lower()}', {type(head).__name__})",
        )
    )


def from_config(config: Mapping[str, Any]) -> Head:
    """The head whose `to_config` gave `config`.

    Raises:
        UnknownNameError: If nobody registered it here; the package that brought it is named.
        PluginError: If its package is there and cannot be used.
    """
    about = ("name", _PACKAGE)
    fields = {key: _tupled(value) for key, value in config.items() if key not in about}
    package = config.get(_PACKAGE)
    made: Head = _HEADS.get(config["name"], verb="load", package=package)(**fields)
    return made


def _tupled(value: Any) -> Any:
    return tuple(_tupled(item) for item in value) if isinstance(value, list) else value

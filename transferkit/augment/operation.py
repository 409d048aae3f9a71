"""What every augmentation of ours has in common: a value with a name, a config and a readable form.

The registry is open. A class of your own joins it, and its config is then understood everywhere:

    >>> import dataclasses
    >>> from transferkit.augment.operation import Operation, registry
    >>> @registry.registering("invert")
    ... @dataclasses.dataclass(frozen=True, repr=False)
    ... class Invert(Operation):
    ...     name = "invert"
    ...     def apply(self, images, labels, keys):
    ...         return 255.0 - images, labels
    >>> import transferkit as tk
    >>> tk.augment.from_config({"op": "invert"})
    invert()

Other packages bring theirs through the entry-point group ``transferkit.augmentations``.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Protocol, Self

from transferkit._registry import Registry
from transferkit._types import Tensor, real
from transferkit.errors import SpecError, did_you_mean, explain
from transferkit.spec import Augmentation, Mix

__all__ = ["Operation", "OperationKind", "from_config", "number", "registry", "span"]


class OperationKind(Protocol):
    """What is registered: a class, or anything else, that makes an operation from its config."""

    def from_config(self, config: Mapping[str, Any], /) -> Augmentation | Mix:
        """The operation whose `to_config` gave `config`."""
        ...


registry: Registry[OperationKind] = Registry(
    "augmentation operation",
    group="transferkit.augmentations",
    fits=lambda thing: callable(getattr(thing, "from_config", None)),
    expected="a class with from_config(config)",
)

_PACKAGE = "from"
"""Where a config names the package; a word of Python's, so that no argument is called so."""


class Operation:
    """An augmentation as a value; subclasses are frozen dataclasses of numbers, flags and words.

    Attributes:
        name: What it is registered as, and the function that makes it.
    """

    name: ClassVar[str]

    def apply(self, images: Tensor, labels: Tensor, keys: Tensor) -> tuple[Tensor, Tensor]:
        """Augment a batch; see `transferkit.spec.Augmentation`."""
        raise NotImplementedError

    def to_config(self) -> dict[str, Any]:
        """A JSON-ready form; `from_config` is the inverse. A plug-in's names its package, too."""
        package = registry.package_of(self.name)
        origin = {} if package is None else {_PACKAGE: package}
        fields = {name: _plain(value) for name, value in _values(self).items()}
        return {"op": self.name, **origin, **fields}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """The inverse of `to_config`.

        Raises:
            SpecError: If it holds an argument that this operation does not take, or lacks one.
        """
        arguments = {name: v for name, v in config.items() if name not in ("op", _PACKAGE)}
        fields = {f.name: f for f in dataclasses.fields(cls)}  # type: ignore[arg-type]
        for name in arguments:
            if name not in fields:
                raise SpecError(
                    explain(
                        "augment.from_config",
                        f"{cls.name} takes no argument called {name!r}",
                        expected=did_you_mean(name, fields),
                        received={"config": dict(config)},
                    )
                )
        for name, field in fields.items():
            if field.default is dataclasses.MISSING and name not in arguments:
                raise SpecError(
                    explain(
                        "augment.from_config",
                        f"{cls.name} lacks its argument {name!r}",
                        expected=f"values for {', '.join(fields)}",
                        received={"config": dict(config)},
                    )
                )
        return cls(**arguments)

    def __repr__(self) -> str:
        defaults = {f.name: f.default for f in dataclasses.fields(self)}  # type: ignore[arg-type]
        shown = [
            repr(value) if defaults[name] is dataclasses.MISSING else f"{name}={value!r}"
            for name, value in _values(self).items()
            if value != defaults[name]
        ]
        return f"{self.name}({', '.join(shown)})"


def from_config(config: Mapping[str, Any]) -> Augmentation | Mix:
    """The operation or pipeline whose `to_config` gave `config`.

    Example:
        >>> import transferkit as tk
        >>> tk.augment.from_config({"op": "rotate", "degrees": 20.0})
        rotate(20.0)

    Raises:
        UnknownNameError: If nobody registered the operation; the package that brought it is named.
        PluginError: If its package is there and cannot be used.
        SpecError: If it is no config, or its arguments do not fit.
    """
    if not isinstance(config, Mapping) or not isinstance(config.get("op"), str):
        raise SpecError(
            explain(
                "augment.from_config",
                "that is no config of an augmentation",
                expected="a mapping with the operation's name under 'op'",
                received={"config": config},
                mend="tk.augment.from_config(operation.to_config())",
            )
        )
    package = config.get(_PACKAGE)
    kind = registry.get(config["op"], verb="augment.from_config", package=package)
    return kind.from_config(config)


def number(verb: str, name: str, value: Any, low: float, high: float, *, mend: str) -> float:
    """`value` as a float, if it is a finite number in [low, high].

    Raises:
        SpecError: If it is not.
    """
    number = real(value)
    if number is None or not low <= number <= high:
        raise SpecError(
            explain(
                verb,
                f"{name} is not a number" if number is None else f"{name} is out of its range",
                expected=f"a number from {low:g} to {high:g}",
                received={name: value},
                mend=mend,
            )
        )
    return number


def span(
    verb: str,
    name: str,
    value: Any,
    low: float,
    high: float,
    *,
    mend: str,
    expected: str = "(low, high)",
) -> tuple[float, float]:
    """`value` as a pair of floats, if it is two numbers in [low, high], the smaller one first.

    Raises:
        SpecError: If it is not.
    """
    pair = isinstance(value, Sequence) and not isinstance(value, str)
    ends = [number(verb, name, end, low, high, mend=mend) for end in value] if pair else []
    if len(ends) != 2 or ends[0] > ends[1]:
        raise SpecError(
            explain(
                verb,
                f"the {name} is no range",
                expected=expected,
                received={name: value},
                mend=mend,
            )
        )
    return ends[0], ends[1]


def _values(operation: Any) -> dict[str, Any]:
    return {f.name: getattr(operation, f.name) for f in dataclasses.fields(operation)}


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value

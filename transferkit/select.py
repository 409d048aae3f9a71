"""Which layers: a table of a backbone's layers, and selectors over it.

A selector is a value. It says *which* layers, never what happens to them, and it meets a network
only when its names are asked for:

    >>> import transferkit as tk
    >>> table = tk.select.LayerTable.of(
    ...     ("pixels", "InputLayer", 0, 0),
    ...     ("conv", "Conv2D", 0, 28),
    ...     ("norm", "BatchNormalization", 1, 8),
    ... )
    >>> sorted(tk.select.first(2).names(table))
    ['conv', 'pixels']
    >>> sorted((tk.select.all() & ~tk.select.kind("BatchNormalization")).names(table))
    ['conv', 'pixels']

Selectors combine with ``&`` (both), ``|`` (either) and ``~`` (all others), and obey the laws of
sets.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from transferkit._text import counted, html_table, text_table
from transferkit._types import whole
from transferkit.errors import SelectionError, SpecError, did_you_mean, explain

__all__ = [
    "Layer",
    "LayerTable",
    "Selector",
    "all",
    "blocks",
    "first",
    "from_config",
    "kind",
    "top_blocks",
    "up_to",
    "where",
]


@dataclass(frozen=True)
class Layer:
    """One row of a `LayerTable`.

    Attributes:
        name: The layer's name, unique in its network.
        kind: The name of the layer's class (``"Conv2D"``).
        block: The index of the block it belongs to.
        params: How many parameters it holds.
    """

    name: str
    kind: str
    block: int
    params: int = 0


@dataclass(frozen=True)
class LayerTable:
    """A backbone's own layers in source order; index 0 is its input layer.

    Attributes:
        layers: The rows.
        block_names: A name for each block, the block's index being the position.
    """

    layers: tuple[Layer, ...]
    block_names: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        seen: set[str] = set()
        for layer in self.layers:
            if layer.name in seen:
                raise SpecError(
                    explain(
                        "LayerTable",
                        f"two layers are called {layer.name!r}",
                        expected="layer names that are unique",
                        received={"layers": [row.name for row in self.layers]},
                    )
                )
            seen.add(layer.name)
        count = 1 + max((layer.block for layer in self.layers), default=-1)
        if not self.block_names:
            object.__setattr__(self, "block_names", tuple(f"block_{i}" for i in range(count)))
        elif len(self.block_names) != count:
            raise SpecError(
                explain(
                    "LayerTable",
                    "block names and layers disagree",
                    expected=f"{count} block names",
                    received={"block_names": self.block_names},
                )
            )

    @classmethod
    def of(cls, *rows: tuple[str, str, int, int], block_names: tuple[str, ...] = ()) -> LayerTable:
        """A table from (name, kind, block, params) rows."""
        return cls(tuple(Layer(*row) for row in rows), block_names)

    @property
    def names(self) -> tuple[str, ...]:
        """Every layer's name, in order."""
        return tuple(layer.name for layer in self.layers)

    @property
    def block_count(self) -> int:
        """How many blocks there are."""
        return len(self.block_names)

    def __len__(self) -> int:
        return len(self.layers)

    def __iter__(self) -> Iterator[Layer]:
        return iter(self.layers)

    def __str__(self) -> str:
        return f"{self._caption()}\n{text_table(*self._by_blocks(), left=2)}"

    def _repr_html_(self) -> str:
        return html_table(self._caption(), *self._by_blocks(), left=2)

    def _caption(self) -> str:
        return f"{counted(len(self), 'layer')} in {counted(self.block_count, 'block')}"

    def _by_blocks(self) -> tuple[list[str], list[list[str]]]:
        """A row for each block: what one looks at to choose a selector."""
        rows = []
        for block, name in enumerate(self.block_names):
            own = [layer for layer in self.layers if layer.block == block]
            ends = f"{own[0].name} ... {own[-1].name}" if own else "-"
            params = sum(layer.params for layer in own)
            rows.append([str(block), name, str(len(own)), f"{params:,}", ends])
        return ["block", "name", "layers", "parameters", "from ... to"], rows

    def to_config(self) -> dict[str, Any]:
        """A JSON-ready form."""
        return {
            "layers": [[row.name, row.kind, row.block, row.params] for row in self.layers],
            "block_names": list(self.block_names),
        }

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> LayerTable:
        """The inverse of `to_config`."""
        return cls.of(*map(tuple, config["layers"]), block_names=tuple(config["block_names"]))


class Selector:
    """Which layers. Subclasses are frozen dataclasses with a `names` method."""

    def names(self, table: LayerTable) -> frozenset[str]:
        """The names of the selected layers: pure, total, never an error.

        Args:
            table: The layers to choose from.
        """
        raise NotImplementedError

    def resolve(self, table: LayerTable, *, verb: str = "select") -> frozenset[str]:
        """Like `names`, but a naming selector that matches nothing is an error.

        `where`, `up_to`, `kind` and `blocks` name something; if it is not there, that is a slip of
        the pen. An empty combination such as ``s & ~s`` is no error.

        Args:
            table: The layers to choose from.
            verb: The call the user typed, for the error.

        Raises:
            SelectionError: If a naming leaf matches nothing; the nearest names are named.
        """
        for leaf in self.leaves():
            leaf.check(table, verb=verb)
        return self.names(table)

    def leaves(self) -> tuple[Selector, ...]:
        """The selectors that this one is made of."""
        return (self,)

    def check(self, table: LayerTable, *, verb: str) -> None:
        """Raise `SelectionError` if this leaf names something that `table` has not."""

    def to_config(self) -> dict[str, Any]:
        """A JSON-ready form; `from_config` is the inverse."""
        raise NotImplementedError

    def __and__(self, other: Selector) -> Selector:
        return _Both(self, other) if isinstance(other, Selector) else NotImplemented

    def __or__(self, other: Selector) -> Selector:
        return _Either(self, other) if isinstance(other, Selector) else NotImplemented

    def __invert__(self) -> Selector:
        return self.inner if isinstance(self, _Not) else _Not(self)


@dataclass(frozen=True)
class _Both(Selector):
    left: Selector
    right: Selector

    def names(self, table: LayerTable) -> frozenset[str]:
        return self.left.names(table) & self.right.names(table)

    def leaves(self) -> tuple[Selector, ...]:
        return self.left.leaves() + self.right.leaves()

    def to_config(self) -> dict[str, Any]:
        return {"and": [self.left.to_config(), self.right.to_config()]}

    def __repr__(self) -> str:
        return f"({self.left!r} & {self.right!r})"


@dataclass(frozen=True)
class _Either(Selector):
    left: Selector
    right: Selector

    def names(self, table: LayerTable) -> frozenset[str]:
        return self.left.names(table) | self.right.names(table)

    def leaves(self) -> tuple[Selector, ...]:
        return self.left.leaves() + self.right.leaves()

    def to_config(self) -> dict[str, Any]:
        return {"or": [self.left.to_config(), self.right.to_config()]}

    def __repr__(self) -> str:
        return f"({self.left!r} | {self.right!r})"


@dataclass(frozen=True)
class _Not(Selector):
    inner: Selector

    def names(self, table: LayerTable) -> frozenset[str]:
        return frozenset(table.names) - self.inner.names(table)

    def leaves(self) -> tuple[Selector, ...]:
        return self.inner.leaves()

    def to_config(self) -> dict[str, Any]:
        return {"not": self.inner.to_config()}

    def __repr__(self) -> str:
        return f"~{self.inner!r}"


@dataclass(frozen=True)
class _All(Selector):
    def names(self, table: LayerTable) -> frozenset[str]:
        return frozenset(table.names)

    def to_config(self) -> dict[str, Any]:
        return {"all": True}

    def __repr__(self) -> str:
        return "all()"


@dataclass(frozen=True)
class _First(Selector):
    count: int

    def names(self, table: LayerTable) -> frozenset[str]:
        return frozenset(table.names[: self.count])

    def to_config(self) -> dict[str, Any]:
        return {"first": self.count}

    def __repr__(self) -> str:
        return f"first({self.count})"


@dataclass(frozen=True)
class _UpTo(Selector):
    name: str

    def names(self, table: LayerTable) -> frozenset[str]:
        if self.name not in table.names:
            return frozenset()
        return frozenset(table.names[: table.names.index(self.name) + 1])

    def check(self, table: LayerTable, *, verb: str) -> None:
        if self.name not in table.names:
            raise _no_match(verb, self, f"no layer is called {self.name!r}", self.name, table.names)

    def to_config(self) -> dict[str, Any]:
        return {"up_to": self.name}

    def __repr__(self) -> str:
        return f"up_to({self.name!r})"


@dataclass(frozen=True)
class _TopBlocks(Selector):
    count: int

    def names(self, table: LayerTable) -> frozenset[str]:
        lowest = table.block_count - self.count
        return frozenset(row.name for row in table if row.block >= lowest)

    def to_config(self) -> dict[str, Any]:
        return {"top_blocks": self.count}

    def __repr__(self) -> str:
        return f"top_blocks({self.count})"


@dataclass(frozen=True)
class _Blocks(Selector):
    start: int
    stop: int

    def names(self, table: LayerTable) -> frozenset[str]:
        return frozenset(row.name for row in table if self.start <= row.block < self.stop)

    def check(self, table: LayerTable, *, verb: str) -> None:
        if not self.names(table):
            raise SelectionError(
                explain(
                    verb,
                    f"{self!r} matches no block of this network",
                    expected=f"0 <= start < stop <= {table.block_count}",
                    received={"start": self.start, "stop": self.stop},
                    mend=f"tk.select.blocks(0, {table.block_count}) is all of it.",
                )
            )

    def to_config(self) -> dict[str, Any]:
        return {"blocks": [self.start, self.stop]}

    def __repr__(self) -> str:
        return f"blocks({self.start}, {self.stop})"


@dataclass(frozen=True)
class _Where(Selector):
    pattern: str

    def names(self, table: LayerTable) -> frozenset[str]:
        return frozenset(name for name in table.names if re.search(self.pattern, name))

    def check(self, table: LayerTable, *, verb: str) -> None:
        if not self.names(table):
            happened = f"no layer's name matches the pattern {self.pattern!r}"
            raise _no_match(verb, self, happened, self.pattern, table.names)

    def to_config(self) -> dict[str, Any]:
        return {"where": self.pattern}

    def __repr__(self) -> str:
        return f"where({self.pattern!r})"


@dataclass(frozen=True)
class _Kind(Selector):
    kind: str

    def names(self, table: LayerTable) -> frozenset[str]:
        return frozenset(row.name for row in table if row.kind == self.kind)

    def check(self, table: LayerTable, *, verb: str) -> None:
        if not self.names(table):
            kinds = {row.kind for row in table}
            raise _no_match(verb, self, f"no layer is a {self.kind}", self.kind, tuple(kinds))

    def to_config(self) -> dict[str, Any]:
        return {"kind": self.kind}

    def __repr__(self) -> str:
        return f"kind({self.kind!r})"


def all() -> Selector:
    """Every layer."""
    return _All()


def first(n: int) -> Selector:
    """The first `n` layers, the input layer counted: ``first(15)`` is Keras' ``layers[:15]``.

    Args:
        n: How many; 0 selects none, more than there are selects all.

    Raises:
        SpecError: If `n` is not a whole number of 0 or more.
    """
    return _First(_count("first", n))


def up_to(name: str) -> Selector:
    """Every layer up to and including the one called `name`.

    Args:
        name: A layer's name; one that the network has not is an error when it is resolved.

    Raises:
        SpecError: If `name` is not text.
    """
    return _UpTo(_text("up_to", name))


def top_blocks(k: int) -> Selector:
    """The last `k` blocks, those nearest the head.

    Args:
        k: How many; 0 selects none, more than there are selects all.

    Raises:
        SpecError: If `k` is not a whole number of 0 or more.
    """
    return _TopBlocks(_count("top_blocks", k))


def blocks(start: int, stop: int) -> Selector:
    """Blocks `start` to `stop` - 1, as ``range`` counts; block 0 is the stem.

    Args:
        start: The first block.
        stop: The first block that is no longer selected.

    Raises:
        SpecError: If either is not a whole number of 0 or more.
    """
    return _Blocks(_count("blocks", start), _count("blocks", stop))


def where(pattern: str) -> Selector:
    """Layers whose name contains a match of the regular expression `pattern`.

    Args:
        pattern: As ``re.search`` reads it; ``^`` and ``$`` anchor it.

    Raises:
        SpecError: If it is not a regular expression.
    """
    try:
        re.compile(_text("where", pattern))
    except re.error as error:
        raise SpecError(
            explain(
                "where",
                f"the pattern is no regular expression ({error})",
                expected="a pattern as re.search reads it",
                received={"pattern": pattern},
                mend="tk.select.where(re.escape(text)) matches text as it stands.",
            )
        ) from error
    return _Where(pattern)


def kind(name: str) -> Selector:
    """Layers of one class, as ``kind("BatchNormalization")``.

    Args:
        name: The class's own name, without its module; upper and lower case count.

    Raises:
        SpecError: If `name` is not text.
    """
    return _Kind(_text("kind", name))


def from_config(config: Mapping[str, Any]) -> Selector:
    """The selector whose `to_config` gave `config`.

    Raises:
        SpecError: If it names a selector that this version has not, or gives one the wrong
            arguments.
    """
    verb, value = _only_item(config)
    arguments = value if isinstance(value, list | tuple) else [value]
    if verb == "all" and value is True:
        return all()
    if verb in _COMBINED and len(arguments) == _COMBINED[verb][1]:
        return _COMBINED[verb][0](*map(from_config, arguments))
    if verb in _LEAVES and len(arguments) == _LEAVES[verb][1]:
        return _LEAVES[verb][0](*arguments)
    known = ["all", *_COMBINED, *_LEAVES]
    if verb in known:
        happened, expected = f"{verb!r} has the wrong arguments", "what to_config gave"
    else:
        happened, expected = f"there is no selector called {verb!r}", did_you_mean(verb, known)
    raise SpecError(
        explain("select.from_config", happened, expected=expected, received={"config": config})
    )


_COMBINED: Mapping[str, tuple[Callable[..., Selector], int]] = {
    "and": (_Both, 2),
    "or": (_Either, 2),
    "not": (_Not, 1),
}
_LEAVES: Mapping[str, tuple[Callable[..., Selector], int]] = {
    "first": (first, 1),
    "up_to": (up_to, 1),
    "top_blocks": (top_blocks, 1),
    "blocks": (blocks, 2),
    "where": (where, 1),
    "kind": (kind, 1),
}


def _only_item(config: Mapping[str, Any]) -> tuple[str, Any]:
    if isinstance(config, Mapping) and len(config) == 1:
        verb, value = next(iter(config.items()))
        if isinstance(verb, str):
            return verb, value
    raise SpecError(
        explain(
            "select.from_config",
            "that is not a selector's config",
            expected="a mapping with one entry, as to_config gives it",
            received={"config": config},
        )
    )


def _text(verb: str, value: object) -> str:
    if not isinstance(value, str):
        raise SpecError(
            explain(
                verb,
                "the argument is not text",
                expected="a text",
                received={"value": value},
                mend=f"tk.select.{verb}({_EXAMPLES[verb]!r})",
            )
        )
    return value


_EXAMPLES = {"kind": "BatchNormalization", "up_to": "block4_pool", "where": "^block5_"}


def _count(verb: str, value: object) -> int:
    count = whole(value)
    if count is None or count < 0:
        raise SpecError(
            explain(
                verb,
                "the argument is not a count",
                expected="a whole number of 0 or more",
                received={"value": value},
                mend=f"tk.select.{verb}(2)" if verb != "blocks" else "tk.select.blocks(0, 2)",
            )
        )
    return count


def _no_match(
    verb: str, leaf: Selector, happened: str, asked: str, known: tuple[str, ...]
) -> SelectionError:
    return SelectionError(
        explain(verb, happened, expected=did_you_mean(asked, known), received={"selector": leaf})
    )

"""Reads a network's configuration before Keras does, and lets through only what is on the lists.

Keras turns names in a configuration into classes, and has been talked into the wrong ones before.
So its own safe mode is the second wall here. This is the first: a walk over the whole
configuration, nested networks, wrapped layers and call arguments included, that happens before
Keras sees any of it. Every entry that names a class has to be one of `allowed.ALLOWED`, one of
transferkit's own layers, or one that the caller brings.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NoReturn, Protocol

from transferkit.bundle.allowed import ALLOWED, NETWORKS, POLICIES
from transferkit.bundle.tensors import DTYPES

__all__ = ["Rules", "clean"]

_NAMING = frozenset({"class_name", "module", "registered_name"})
_BUILT_BY_CALLING = frozenset({"build_config", "compile_config"})
_ENTRY = _NAMING | _BUILT_BY_CALLING | {"config", "name", "inbound_nodes"}
_DEEPEST = 100


class Rules(Protocol):
    """What becomes of an entry that names a class."""

    def registered_name(self, module: str | None, name: str, registered: str | None) -> str | None:
        """The registered name to write in the entry's place; refuses by raising."""
        ...

    def policy(self, name: str) -> str:
        """The dtype policy to write in the place of `name`."""
        ...

    def text(self, value: str) -> None:
        """Look at a plain text that stands in the configuration."""
        ...

    def refuse(
        self, what: str, received: Mapping[str, Any], *, name: str | None = None
    ) -> NoReturn:
        """Raise: `what` cannot be let through."""
        ...


def clean(config: Any, rules: Rules) -> dict[str, Any]:
    """Check a network's configuration and give back a cleaned copy.

    ``build_config`` and ``compile_config`` are left out: the layers of a functional network are
    built by calling them, and a loaded network is not compiled.

    Args:
        config: What ``keras.saving.serialize_keras_object(network)`` gave, through JSON or not.
        rules: What is let through.

    Raises:
        UnsafeBundleError: If an entry names what is not on the lists (`rules.ReadingRules`).
        SaveError: The same, when a network is written (`rules.WritingRules`).
    """
    walk = _Walk(rules)
    cleaned = walk.value(config, 0)
    entry = config if isinstance(config, dict) else {}
    module, name = entry.get("module"), entry.get("class_name")
    builtin = isinstance(module, str) and module.split(".")[0] == "keras"
    if not {"class_name", "module"} <= entry.keys() or (builtin and (module, name) not in NETWORKS):
        rules.refuse("something that is no network", {"class_name": name, "module": module})
    return dict(cleaned)


@dataclass(frozen=True)
class _Walk:
    rules: Rules

    def value(self, value: Any, depth: int) -> Any:
        if depth > _DEEPEST:
            self.rules.refuse(f"entries nested deeper than {_DEEPEST}", {})
        if isinstance(value, dict):
            return self.mapping(value, depth)
        if isinstance(value, list | tuple):
            return [self.value(item, depth + 1) for item in value]
        if isinstance(value, str):
            self.rules.text(value)
        return value

    def mapping(self, value: dict[Any, Any], depth: int) -> dict[str, Any]:
        if not _NAMING & value.keys():
            return {key: self.value(item, depth + 1) for key, item in value.items()}
        name = value.get("class_name")
        if not isinstance(name, str) or "config" not in value or not value.keys() <= _ENTRY:
            self.rules.refuse("an entry that Keras does not write", value)
        if name in _DATA:
            return self.data(name, value, depth)
        if name.startswith("__"):
            self.rules.refuse(f"the entry {name!r}", {"class_name": name})
        if not _is_text_or_none(value.get("module")) or "module" not in value:
            self.rules.refuse(f"the class {name!r} without its module", {"class_name": name})
        if not _is_text_or_none(value.get("registered_name")):
            self.rules.refuse("an entry that Keras does not write", value)
        return self.function(value) if name == "function" else self.entry(name, value, depth)

    def data(self, name: str, value: dict[str, Any], depth: int) -> dict[str, Any]:
        config = value["config"]
        if value.keys() != {"class_name", "config"} or not _DATA[name](config):
            self.rules.refuse(f"an entry {name!r} that Keras does not write", value)
        inner = {key: self.value(item, depth + 1) for key, item in config.items()}
        return {"class_name": name, "config": inner}

    def entry(self, name: str, value: dict[str, Any], depth: int) -> dict[str, Any]:
        module, registered, config = value["module"], value.get("registered_name"), value["config"]
        allowed = (module, name) in ALLOWED and registered in (None, name)
        key = None if allowed else self.rules.registered_name(module, name, registered)
        done = {"module": module, "class_name": name}
        if not isinstance(config, dict):
            self.rules.refuse(f"the class {name!r} with a config that is no mapping", value)
        elif (module, name) == ("keras", "DTypePolicy"):
            done["config"] = self.policy(config)
        else:
            done["config"] = {key_: self.value(item, depth + 2) for key_, item in config.items()}
        done["registered_name"] = key
        for extra in ("name", "inbound_nodes"):
            if extra in value:
                done[extra] = self.value(value[extra], depth + 1)
        return done

    def function(self, value: dict[str, Any]) -> dict[str, Any]:
        name = value["config"]
        if not isinstance(name, str) or not name:
            self.rules.refuse("a function without a name", value)
        # Keras looks a function up by its config, whatever its registered name says.
        key = self.rules.registered_name(value["module"], name, name)
        entry = {"module": value["module"], "class_name": "function", "config": key}
        return {**entry, "registered_name": value.get("registered_name")}

    def policy(self, config: dict[str, Any]) -> dict[str, Any]:
        name = config.get("name")
        if config.keys() != {"name"} or not isinstance(name, str) or name not in POLICIES:
            self.rules.refuse("a dtype policy that is not on the list", {"policy": config})
        return {"name": self.rules.policy(name)}


def _is_text_or_none(value: object) -> bool:
    return value is None or isinstance(value, str)


def _has(*keys: str) -> Callable[[Any], bool]:
    return lambda config: isinstance(config, dict) and config.keys() == set(keys)


def _is_numbers(config: Any) -> bool:
    return _has("value", "dtype")(config) and str(config["dtype"]) in DTYPES


_DATA: Mapping[str, Callable[[Any], bool]] = {
    "__ellipsis__": _has(),
    "__keras_tensor__": _has("shape", "dtype", "keras_history"),
    "__numpy__": _is_numbers,
    "__slice__": _has("start", "stop", "step"),
    "__tensor__": _is_numbers,
}
"""Entries that stand for data, and what their configuration has to look like."""

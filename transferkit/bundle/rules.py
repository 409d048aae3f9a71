"""Which names in a configuration pass, when a bundle is opened and when one is written."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, NoReturn

from transferkit.bundle.allowed import DENIED_LAYERS, POLICIES
from transferkit.errors import SaveError, UnsafeBundleError, explain

__all__ = ["ReadingRules", "WritingRules"]


@dataclass
class ReadingRules:
    """What a bundle that is opened may name.

    Each class of `own` and `custom` gets a private key of its own, under which Keras finds it and
    nothing else: a class that some other package registered under the same name does not come in.

    Attributes:
        source: The bundle's path, for the error.
        own: transferkit's own classes by registered name (``"transferkit>Name"``).
        custom: What the caller brings, by class name or registered name.
        registered: Names under which this process has registered objects with Keras. Where Keras
            meets one as plain text it may take the object for it, so such a text is refused.
        objects: Filled by the walk: the private keys and what they stand for.
    """

    source: str
    own: Mapping[str, Any] = field(default_factory=dict)
    custom: Mapping[str, Any] = field(default_factory=dict)
    registered: Collection[str] = ()
    objects: dict[str, Any] = field(default_factory=dict)

    def registered_name(self, module: str | None, name: str, registered: str | None) -> str | None:
        """The private key of the class, if `own` or `custom` has it."""
        key = self._key(name, registered)
        if key is None and _is_keras(module):
            why = DENIED_LAYERS.get(name, "is not on the list")
            self.refuse(f"Keras' own {name!r}, which {why}", {"class_name": name, "module": module})
        if key is None:
            received = {"class_name": name, "module": module, "registered_name": registered}
            self.refuse(f"the class or function {name!r} of {module!r}", received, name=name)
        return key

    def _key(self, name: str, registered: str | None) -> str | None:
        bare = (registered or "").rpartition(">")[2]
        places = [(self.own, registered), *((self.custom, n) for n in (registered, name, bare))]
        for known, asked in places:
            if asked and asked in known:
                key = f"transferkit.bundle>{asked}"
                self.objects[key] = known[asked]
                return key
        return None

    def policy(self, name: str) -> str:
        """float32 for half precision."""
        return POLICIES[name]

    def text(self, value: str) -> None:
        """Refuse a text that Keras could take for a registered object."""
        if value in self.registered and value not in self.custom and value not in self.own:
            self.refuse(f"the registered object {value!r}", {"text": value}, name=value)

    def refuse(
        self, what: str, received: Mapping[str, Any], *, name: str | None = None
    ) -> NoReturn:
        """Raise UnsafeBundleError."""
        mend = "It was not written by transferkit; ask where it came from."
        bare = (name or "").rpartition(">")[2]
        if bare.isidentifier():
            mend = (
                "If you know the class and trust the file: "
                f"tk.load(path, custom_objects={{{bare!r}: {bare}}})."
            )
        raise UnsafeBundleError(
            explain(
                "load",
                f"the network in {self.source!r} names {what}; a bundle may not bring that along",
                expected="layers of Keras and transferkit that neither run code nor read files",
                received=received,
                mend=mend,
            )
        )


@dataclass(frozen=True)
class WritingRules:
    """What a network that is saved may hold: whatever can be loaded again.

    Classes from outside Keras pass, as the caller can bring them when loading.

    Attributes:
        target: The path to write, for the error.
    """

    target: str

    def registered_name(self, module: str | None, name: str, registered: str | None) -> str | None:
        """What is already there, unless the class is Keras' own and not on the list."""
        if _is_keras(module):
            why = DENIED_LAYERS.get(name, "is not on the list of what a bundle may hold")
            self.refuse(f"{module}.{name}, which {why}", {"class_name": name, "module": module})
        return registered

    def policy(self, name: str) -> str:
        """What is already there."""
        return name

    def text(self, value: str) -> None:
        """Any text will do."""

    def refuse(
        self, what: str, received: Mapping[str, Any], *, name: str | None = None
    ) -> NoReturn:
        """Raise SaveError."""
        raise SaveError(
            explain(
                "save",
                f"the network holds {what}; that could not be loaded from a bundle again",
                expected="layers that neither run code from their configuration nor read files",
                received={**received, "path": self.target},
                mend="Write it as a keras.Layer subclass and load it with "
                "tk.load(path, custom_objects={'Name': Name}).",
            )
        )


def _is_keras(module: str | None) -> bool:
    return module is not None and module.split(".")[0] == "keras"

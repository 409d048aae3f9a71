"""How the rules of a contract are declared, run and reported.

    >>> from transferkit.testing.contract import Breach, Contract

A contract is the rules that a plug-in of one kind keeps. A rule has a name, one sentence that says
what holds, and a function that looks: it gives None, or a `Breach` that says what it saw and how
that is mended.

    >>> SCORERS = Contract[object]("check_scorer")

    >>> @SCORERS.rule("has-a-name", "a scorer has a name that can be printed")
    ... def has_a_name(scorer):
    ...     if not getattr(scorer, "name", ""):
    ...         return Breach("its name is empty", mend="Give it an attribute `name`.")

    >>> SCORERS.check(object(), called="mine")
    Traceback (most recent call last):
    transferkit.errors.ContractError: check_scorer: mine breaks the rule 'has-a-name': its name is
    empty. Expected that a scorer has a name that can be printed. Give it an attribute `name`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from transferkit.errors import ContractError, explain

__all__ = ["Breach", "Contract", "Rule"]

Subject = TypeVar("Subject")


@dataclass(frozen=True)
class Breach:
    """What a rule saw where it does not hold.

    Attributes:
        seen: What was seen, as the middle of a sentence; no full stop.
        mend: How the plug-in is mended, as whole sentences.
    """

    seen: str
    mend: str


@dataclass(frozen=True)
class Rule(Generic[Subject]):
    """One rule of a contract.

    Attributes:
        name: Words with hyphens, unique in its contract.
        says: What holds, to stand behind "Expected that"; no full stop.
        look: None if it holds for a subject, else the breach.
    """

    name: str
    says: str
    look: Callable[[Subject], Breach | None]


class Contract(Generic[Subject]):
    """The rules that every plug-in of one kind keeps, in the order in which they are looked at.

    Args:
        verb: The public function that checks it, as it is typed.
    """

    def __init__(self, verb: str) -> None:
        self.verb = verb
        self.rules: tuple[Rule[Subject], ...] = ()

    def rule(
        self, name: str, says: str
    ) -> Callable[[Callable[[Subject], Breach | None]], Callable[[Subject], Breach | None]]:
        """Declare the decorated function as a rule.

        Args:
            name: Words with hyphens, unique in this contract.
            says: What holds, to stand behind "Expected that"; no full stop.
        """

        def declare(
            look: Callable[[Subject], Breach | None],
        ) -> Callable[[Subject], Breach | None]:
            self.rules += (Rule(name, says, look),)
            return look

        return declare

    def check(self, subject: Subject, *, called: str) -> None:
        """Look at every rule in turn.

        Args:
            subject: What the rules look at.
            called: What the plug-in is called in the message.

        Raises:
            ContractError: At the first rule that is broken, or at which the plug-in raised an
                error of its own, which is then the cause.
        """
        for rule in self.rules:
            try:
                breach = rule.look(subject)
            except Exception as error:  # whatever a plug-in may raise is a breach of the rule
                raise self.broken(rule.name, rule.says, _raised(error), called=called) from error
            if breach is not None:
                raise self.broken(rule.name, rule.says, breach, called=called)

    def broken(self, name: str, says: str, breach: Breach, *, called: str) -> ContractError:
        """The error for a broken rule; for a check that cannot even begin as well."""
        happened = f"{called} breaks the rule {name!r}: {breach.seen}"
        return ContractError(
            explain(self.verb, happened, expected=f"that {says}", mend=breach.mend)
        )


def _raised(error: Exception) -> Breach:
    return Breach(
        f"{type(error).__name__} was raised ({error})", mend="The error above this one says where."
    )

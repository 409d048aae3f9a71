"""The contract of heads: what holds for every one, whoever wrote it.

    >>> import transferkit as tk
    >>> from transferkit.testing import check_head
    >>> check_head(tk.heads.classification(dropout=0.2))

It says nothing: every rule holds. The rules are those of `HEADS.rules`, in that order.
"""

from __future__ import annotations

from typing import Any

from transferkit.spec import Head, Target
from transferkit.testing.contract import Breach
from transferkit.testing.head_form import BINDS
from transferkit.testing.head_numbers import HEADS
from transferkit.testing.head_trial import TARGETS, HeadTrial, fitting_target
from transferkit.testing.values import refuse_class

__all__ = ["HEADS", "check_head"]


def check_head(head: Head, *, target: Target | None = None, labels: Any = None) -> None:
    """Look whether a head keeps the rules that the rest of the library relies on.

    Args:
        head: The head, with fields away from their defaults where they matter.
        target: What it is bound to; None for the first of some small targets that it takes.
        labels: Labels of a dozen pictures in the form that the head takes, where that is neither
            class ids, nor rows of noughts and ones, nor rows of numbers.

    Raises:
        ContractError: Naming the first rule that is broken, what was seen, and how to mend it.
        SpecError: If it is a class or a function.
    """
    refuse_class("check_head", head)
    called = type(head).__name__
    chosen = target or fitting_target(head)
    if isinstance(chosen, Exception):
        tasks = ", ".join(dict.fromkeys(each.task for each in TARGETS))
        seen = f"it refuses small targets of {tasks}; of the last it says: {chosen}"
        breach = Breach(seen, "Say check_head(head, target=...).")
        raise HEADS.broken("binds-to-a-target", BINDS, breach, called=called) from chosen
    HEADS.check(HeadTrial(head, chosen, labels), called=called)

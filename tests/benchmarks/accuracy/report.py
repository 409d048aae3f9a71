"""The page of accuracies: made of the file of trials alone."""

from __future__ import annotations

from collections.abc import Sequence

from accuracy.tables import Table
from accuracy.trials import Store


def markdown(tables: Sequence[Table], store: Store) -> str:
    """The whole page."""
    return "# Accuracy\n"

"""Accuracies, seed by seed: what recipes gain, what ranks foretell, what checks of transfer find.

``nox -s bench -- accuracy`` runs all that is missing in ``docs/accuracy.json`` and writes
``docs/accuracy.md``; ``nox -s bench -- accuracy --list`` names the tables.
"""

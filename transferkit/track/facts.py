"""What a run hangs on, as plain words and numbers that every tracker can keep."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from importlib import metadata
from typing import Any

from transferkit import _keras, heads
from transferkit.errors import TransferKitError
from transferkit.following import Run
from transferkit.running import Engine

__all__ = ["config_of", "flat", "model_config"]


def config_of(run: Run) -> dict[str, Any]:
    """Model, plan, seed, engine, data and versions of a run, JSON-ready and nested."""
    return {
        "model": model_config(run.model),
        "plan": _described(run.plan.to_config, run.plan),
        "seed": run.seed,
        "engine": _engine(run.engine),
        "data": {
            "task": run.data.task,
            "classes": list(run.data.class_names),
            "pictures": {name: len(split) for name, split in run.data.splits.items()},
        },
        "versions": {
            "transferkit": metadata.version("transferkit"),
            "keras": str(_keras.keras().__version__),
            "tensorflow": str(_keras.tf().__version__),
        },
    }


def model_config(model: Any) -> dict[str, Any]:
    """What a `TrainedModel` is: backbone, weights, preprocessing, head, policy, augmentation."""
    head = model.bound.head
    return {
        **model.about,
        "head": _described(lambda: heads.to_config(head), head),
        "freeze": _described(model.policy.to_config, model.policy),
        "augment": _described(model.pipeline.to_config, model.pipeline),
    }


def flat(config: Any, above: str = "") -> Iterator[tuple[str, str]]:
    """A nested config as pairs of a dotted name and a text; lists of mere words stay together.

    Example:
        >>> from transferkit.track.facts import flat
        >>> dict(flat({"classes": ["ant", "bee"], "plan": [{"epochs": 2}]}))
        {'classes': 'ant, bee', 'plan.0.epochs': '2'}
    """
    nested = (Mapping, list, tuple)
    if isinstance(config, Mapping):
        items = [(str(name), value) for name, value in config.items()]
    elif isinstance(config, list | tuple) and any(isinstance(each, nested) for each in config):
        items = [(str(place), value) for place, value in enumerate(config)]
    else:
        words = config if isinstance(config, list | tuple) else [config]
        yield above, ", ".join(map(str, words))
        return
    for name, value in items:
        yield from flat(value, f"{above}.{name}" if above else name)


def _described(to_config: Callable[[], Any], thing: object) -> Any:
    """Its config; of what nobody registered, which can be trained and not saved, its `repr`."""
    try:
        return to_config()
    except TransferKitError:
        return repr(thing)


def _engine(engine: Engine) -> dict[str, Any]:
    strategy = engine.strategy
    return {
        "precision": engine.precision,
        "xla": engine.xla,
        "prefix": engine.prefix,
        "cache": engine.cache if isinstance(engine.cache, bool) else str(engine.cache),
        "shards": engine.shards,
        "strategy": None if strategy is None else type(strategy).__name__,
    }

"""How a model is trained: a plan is an ordered tuple of phases. Both are values."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from transferkit import adapt as adapting
from transferkit import averaging, schedules
from transferkit import freeze as freezing
from transferkit._registry import Registry
from transferkit._text import counted, html_table
from transferkit._types import FrozenDict, real, whole
from transferkit.adapt import Adapter
from transferkit.averaging import Averaging
from transferkit.errors import SpecError, UnknownNameError, did_you_mean, explain
from transferkit.freeze import Freeze
from transferkit.schedules import Schedule
from transferkit.schedules.layer_rates import LayerRates
from transferkit.schedules.layer_rates import from_config as rates_from_config
from transferkit.select import Selector

__all__ = ["OBJECTIVES", "OPTIMIZERS", "Optimizer", "Phase", "Plan", "Solver", "as_plan"]

Views = Literal["fresh", "auto"] | int
"""New augmented pixels in every epoch, k fixed views of each picture, or what fits."""

Sampling = Literal["shuffled", "balanced"]
"""Every picture once in an epoch, or of every class equally many."""

Solver = Literal["auto", "lbfgs", "ridge"]
"""How a head that is one linear layer is solved instead of trained step by step."""

OBJECTIVES: Registry[Any] = Registry("objective")
"""What `tk.objectives` makes, by name, and what others add."""

OPTIMIZERS = (
    "adadelta",
    "adafactor",
    "adagrad",
    "adam",
    "adamax",
    "adamw",
    "ftrl",
    "lamb",
    "lion",
    "muon",
    "nadam",
    "rmsprop",
    "sgd",
)
"""Keras' optimizers by the names that Keras knows them by."""


@dataclass(frozen=True)
class Optimizer:
    """An optimizer as a configuration; a fresh one is made from it for every phase and every fit.

    Attributes:
        name: One of `OPTIMIZERS`, or the class's own name.
        config: The constructor's arguments, without the learning rate.
        cls: The class, where it is not one of Keras' own.
    """

    name: str
    config: Mapping[str, Any] = field(default_factory=dict, hash=False)
    cls: type[Any] | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "config", FrozenDict(self.config))

    def to_config(self) -> dict[str, Any]:
        """A JSON-ready form."""
        return {"name": self.name, "config": dict(self.config)}


@dataclass(frozen=True, init=False)
class Phase:
    """One stretch of training with one set of frozen layers.

    Attributes:
        epochs: How often each training picture is seen.
        freeze: The freeze policy, or None for the model's own.
        optimizer: The optimizer's configuration.
        learning_rate: The learning rate as a schedule over the phase's steps.
        batch_size: Pictures in a step, over all devices.
        views: ``"fresh"`` augments anew in every epoch; k cycles through k fixed augmentations of
            each picture, whose features can be cached; ``"auto"`` is 4 of them where they fit into
            the cache and the plan has 8 epochs or more, else fresh ones.
        sampling: ``"shuffled"`` has every picture once in an epoch; ``"balanced"`` has as many
            pictures, of every class equally many.
        early_stopping: Epochs without improvement of `monitor` after which the phase ends; None for
            never.
        restore_best: Whether the weights of the epoch with the best `monitor` are kept at the end.
        monitor: A name in the history (``"val_loss"``).
        mode: ``"min"`` if less of it is better, ``"max"`` if more is; None reads it from the name.
        objectives: What is minimised beside the head's loss, and what weights are drawn to.
        layer_rates: What the learning rate of each layer of the backbone is multiplied by; None for
            one rate everywhere.
        averaging: Which average of the weights on the way the phase ends with; None for the last.
        adapt: Which numbers of a backbone that is otherwise frozen move; None for a freeze policy.
        solver: How the head is solved on the frozen backbone's features instead of trained; None
            for steps of the optimizer.
        penalty: The penalty on a solved head's weights; None for the one that suits the data.
        name: What the phase is called in progress, history and pictures.
    """

    epochs: int
    freeze: Freeze | None
    optimizer: Optimizer
    learning_rate: Schedule
    batch_size: int
    views: Views
    sampling: Sampling
    early_stopping: int | None
    restore_best: bool
    monitor: str
    mode: Literal["min", "max"] | None
    objectives: tuple[Any, ...]
    layer_rates: LayerRates | None
    averaging: Averaging | None
    adapt: Adapter | None
    solver: Solver | None
    penalty: float | None
    name: str

    def __init__(
        self,
        epochs: int,
        freeze: Freeze | Selector | None = None,
        optimizer: Any = "adam",
        learning_rate: float | Schedule | None = None,
        batch_size: int = 32,
        views: Views = "fresh",
        *,
        sampling: Sampling = "shuffled",
        early_stopping: int | None = None,
        restore_best: bool = False,
        monitor: str = "val_loss",
        mode: Literal["min", "max"] | None = None,
        objectives: Any = (),
        layer_rates: LayerRates | None = None,
        averaging: Averaging | None = None,
        adapt: Adapter | None = None,
        solver: Solver | None = None,
        penalty: float | None = None,
        name: str = "training",
    ) -> None:
        """Describe a phase.

        Args:
            epochs: 1 or more.
            freeze: A policy, a bare selector (which means `only`), or None for the model's own.
            optimizer: A name of Keras' (``"adam"``), or a Keras optimizer, of which only the
                configuration is kept.
            learning_rate: A number, or a schedule of `tk.schedules`; None for the optimizer's own
                if an optimizer was given, else 1e-3.
            batch_size: 1 or more.
            views: ``"fresh"``, ``"auto"``, or a number of 1 or more.
            sampling: ``"shuffled"``, or ``"balanced"`` for data with one class per picture: rare
                classes come several times in an epoch, in other views, and common ones are spread
                over several epochs. Partners of a mix are drawn from all pictures, whatever their
                class. Instead of a head's ``class_weight="balanced"``, not with it:
                together they make rare classes count twice.
            early_stopping: 1 or more epochs, or None.
            restore_best: Keep the best weights instead of the last.
            monitor: What is compared for both.
            mode: ``"min"``, ``"max"``, or None to read it from the monitor's name.
            objectives: One or several of `tk.objectives`, or terms of your own, see
                `transferkit.spec.Term`.
            layer_rates: ``tk.schedules.layer_decay(0.8)`` and others.
            averaging: ``tk.averaging.wise_ft()`` and others; not with `restore_best`.
            adapt: ``tk.adapt.lora()`` and others, in the place of a policy: it freezes the rest of
                the backbone, whatever the model's policy is. Not with `freeze` or a solver.
            solver: ``"lbfgs"``, ``"ridge"`` or ``"auto"`` solve the head on clean pictures in the
                phase's one epoch; optimizer, learning rate and views play no part. See
                `tk.plans.linear_probe`.
            penalty: Above 0; only with a solver.
            name: The phase's name.

        Raises:
            SpecError: If an argument is out of its range.
            UnknownNameError: If the optimizer's name is unknown.
        """
        patience = early_stopping
        if patience is not None:
            patience = _at_least_one("early_stopping", patience)
        made, own_rate = _optimizer(optimizer)
        rate = learning_rate if learning_rate is not None else own_rate
        values = {
            "epochs": _at_least_one("epochs", epochs),
            "freeze": None if freeze is None else freezing.as_policy(freeze, verb="Phase"),
            "optimizer": made,
            "learning_rate": schedules.as_schedule(rate, verb="Phase"),
            "batch_size": _at_least_one("batch_size", batch_size),
            "views": views if views in ("fresh", "auto") else _at_least_one("views", views),
            "sampling": _sampling(sampling),
            "early_stopping": patience,
            "restore_best": bool(restore_best),
            "monitor": str(monitor),
            "mode": _mode(mode),
            "objectives": _objectives(objectives),
            "layer_rates": _of_kind("layer_rates", layer_rates, LayerRates),
            "averaging": _averaging(averaging, restore_best),
            "adapt": _adapt(adapt, freeze, solver),
            "solver": _solver(solver, epochs),
            "penalty": _penalty(penalty, solver),
            "name": str(name),
        }
        for key, value in values.items():
            object.__setattr__(self, key, value)

    def __repr__(self) -> str:
        return f"Phase: {self._line()}"

    def policy(self, otherwise: Freeze) -> Freeze:
        """The freeze policy of the phase; an adapter freezes the backbone but for what it adapts.

        Args:
            otherwise: That of phases with neither policy nor adapter: the model's.
        """
        if self.adapt is not None:
            return freezing.backbone()
        return self.freeze or otherwise

    def _line(self) -> str:
        policy = self._what_trains("freeze ", "adapt ")
        if self.solver is not None:
            return f"{self.name}: {policy}, {_solved(self)}"
        parts = (*self.objectives, self.layer_rates, self.averaging)
        more = [repr(each) for each in parts if each is not None]
        told = (
            f"{self.name}: {counted(self.epochs, 'epoch')}, {policy}, "
            f"{self.optimizer.name} {self.learning_rate}, batches of {_batches(self)}"
        )
        return ", ".join([told, *more])

    def _what_trains(self, freeze: str = "", adapt: str = "") -> str:
        if self.adapt is not None:
            return f"{adapt}{self.adapt!r}"
        return "the model's policy" if self.freeze is None else f"{freeze}{self.freeze!r}"

    def to_config(self) -> dict[str, Any]:
        """A JSON-ready form; `from_config` is the inverse."""
        return {
            "epochs": self.epochs,
            "freeze": None if self.freeze is None else self.freeze.to_config(),
            "optimizer": self.optimizer.to_config(),
            "learning_rate": self.learning_rate.to_config(),
            "batch_size": self.batch_size,
            "views": self.views,
            "sampling": self.sampling,
            "early_stopping": self.early_stopping,
            "restore_best": self.restore_best,
            "monitor": self.monitor,
            "mode": self.mode,
            "objectives": [each.to_config() for each in self.objectives],
            "layer_rates": None if self.layer_rates is None else self.layer_rates.to_config(),
            "averaging": None if self.averaging is None else self.averaging.to_config(),
            "adapt": None if self.adapt is None else self.adapt.to_config(),
            "solver": self.solver,
            "penalty": self.penalty,
            "name": self.name,
        }

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Phase:
        """The inverse of `to_config`; what an older version did not write has its default."""
        given = dict(config)
        policy = given.pop("freeze")
        made = given.pop("optimizer")
        rates, average = given.pop("layer_rates", None), given.pop("averaging", None)
        adapter = given.pop("adapt", None)
        objectives = [_objective(each) for each in given.pop("objectives", ())]
        phase = cls(
            freeze=None if policy is None else freezing.from_config(policy),
            objectives=objectives,
            layer_rates=None if rates is None else rates_from_config(rates),
            averaging=None if average is None else averaging.from_config(average),
            adapt=None if adapter is None else adapting.from_config(adapter),
            learning_rate=schedules.from_config(given.pop("learning_rate")),
            **given,
        )
        object.__setattr__(phase, "optimizer", Optimizer(made["name"], made["config"]))
        return phase


@dataclass(frozen=True)
class Plan:
    """An ordered tuple of phases.

    Attributes:
        phases: At least one.

    Raises:
        SpecError: If there is none, or one of them is no phase.
    """

    phases: tuple[Phase, ...]

    def __post_init__(self) -> None:
        given: Any = self.phases
        phases = tuple(given) if isinstance(given, list | tuple) else (given,)
        object.__setattr__(self, "phases", phases)
        if not phases or not all(isinstance(phase, Phase) for phase in phases):
            raise SpecError(
                explain(
                    "Plan",
                    "a plan is made of phases",
                    expected="at least one tk.Phase",
                    received={"phases": self.phases},
                    mend="tk.plans.feature_extraction(epochs=10)",
                )
            )

    @property
    def epochs(self) -> int:
        """Epochs of all phases together."""
        return sum(phase.epochs for phase in self.phases)

    def then(self, plan: Plan | Phase) -> Plan:
        """This plan, and behind it another plan or phase.

        Args:
            plan: What comes next. It starts from the weights that this plan ends with, with
                optimizers of its own.

        Returns:
            A new plan of the phases of both, in order.

        Raises:
            SpecError: If it is neither a plan nor a phase.
        """
        more = plan.phases if isinstance(plan, Plan) else (plan,)
        return Plan(self.phases + more)

    def __iter__(self) -> Iterator[Phase]:
        return iter(self.phases)

    def __len__(self) -> int:
        return len(self.phases)

    def to_config(self) -> list[dict[str, Any]]:
        """A JSON-ready form; `from_config` is the inverse."""
        return [phase.to_config() for phase in self.phases]

    @classmethod
    def from_config(cls, config: list[Mapping[str, Any]]) -> Plan:
        """The inverse of `to_config`."""
        return cls(tuple(Phase.from_config(phase) for phase in config))

    def __repr__(self) -> str:
        lines = [self._caption()]
        lines += [f"  {index}. {phase._line()}" for index, phase in enumerate(self.phases, start=1)]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        header = ["phase", "freeze", "optimizer", "learning rate", "epochs", "batch size"]
        rows = [
            [
                phase.name,
                phase._what_trains(),
                _solved(phase) if phase.solver else phase.optimizer.name,
                "" if phase.solver else str(phase.learning_rate),
                str(phase.epochs),
                "" if phase.solver else _batches(phase),
            ]
            for phase in self.phases
        ]
        return html_table(self._caption(), header, rows, left=4)

    def _caption(self) -> str:
        return f"Plan of {counted(len(self), 'phase')}, {counted(self.epochs, 'epoch')}"


def as_plan(value: Any) -> Plan | None:
    """A plan from what a caller may pass: a plan, a phase, a row of phases, or None.

    Raises:
        SpecError: If it is something else.
    """
    if value is None or isinstance(value, Plan):
        return value
    return Plan(value)


def _optimizer(value: Any) -> tuple[Optimizer, float]:
    """An optimizer's configuration, and its learning rate."""
    if isinstance(value, Optimizer):
        return value, 1e-3
    if isinstance(value, str):
        if value.lower() not in OPTIMIZERS:
            raise UnknownNameError(
                explain(
                    "Phase",
                    f"Keras has no optimizer called {value!r}",
                    expected=did_you_mean(value, OPTIMIZERS),
                    received={"optimizer": value},
                )
            )
        return Optimizer(value.lower()), 1e-3
    if hasattr(value, "get_config") and hasattr(value, "apply") and not isinstance(value, type):
        config = dict(value.get_config())
        rate = config.pop("learning_rate", 1e-3)
        own = type(value).__module__.startswith("keras.")
        made = Optimizer(type(value).__name__.lower(), config, None if own else type(value))
        return made, rate
    raise SpecError(
        explain(
            "Phase",
            "that is no optimizer",
            expected="a name of Keras' or a keras.optimizers.Optimizer",
            received={"optimizer": value},
            mend="Phase(epochs=5, optimizer='adam')",
        )
    )


def _solved(phase: Phase) -> str:
    by = "" if phase.solver == "auto" else f" by {phase.solver}"
    penalty = "" if phase.penalty is None else f", penalty {phase.penalty:g}"
    balanced = ", balanced" if phase.sampling == "balanced" else ""
    return f"head solved{by}{penalty}{balanced}"


def _batches(phase: Phase) -> str:
    balanced = ", balanced" if phase.sampling == "balanced" else ""
    return f"{phase.batch_size}{balanced}"


def _sampling(value: Any) -> Any:
    if value not in get_args(Sampling):
        raise SpecError(
            explain(
                "Phase",
                "the sampling is unknown",
                expected=did_you_mean(str(value), get_args(Sampling)),
                received={"sampling": value},
                mend="Phase(epochs=10, sampling='balanced')",
            )
        )
    return value


def _objectives(value: Any) -> tuple[Any, ...]:
    given = tuple(value) if isinstance(value, list | tuple) else (value,)
    for each in given:
        if isinstance(each, type) or not hasattr(each, "to_config"):
            raise SpecError(
                explain(
                    "Phase",
                    "that is no objective",
                    expected="what tk.objectives makes, or a term of your own",
                    received={"objectives": each},
                    mend="Phase(epochs=10, objectives=tk.objectives.l2_sp(0.01))",
                )
            )
    return given


def _objective(config: Mapping[str, Any]) -> Any:
    given = dict(config)
    return OBJECTIVES.get(str(given.pop("objective")), verb="Phase")(**given)


def _of_kind(name: str, value: Any, kind: type[Any]) -> Any:
    if value is None or isinstance(value, kind):
        return value
    raise SpecError(
        explain(
            "Phase",
            f"that is no value for {name}",
            expected=_MADE_BY[name],
            received={name: value},
            mend=f"Phase(epochs=10, {name}={_MADE_BY[name]})",
        )
    )


def _averaging(value: Any, restore_best: Any) -> Any:
    if value is not None and restore_best:
        raise SpecError(
            explain(
                "Phase",
                "averaging and restore_best both say which weights the phase ends with",
                expected="one of them",
                received={"averaging": value, "restore_best": restore_best},
                mend="Phase(epochs=10, averaging=tk.averaging.soup()) is never worse on validation",
            )
        )
    return _of_kind("averaging", value, Averaging)


def _adapt(value: Any, freeze: Any, solver: Any) -> Any:
    _of_kind("adapt", value, Adapter)
    if value is not None and solver is not None:
        raise SpecError(
            explain(
                "Phase",
                "a phase that solves the head trains nothing of the backbone",
                expected="no adapter in a phase with a solver",
                received={"adapt": value, "solver": solver},
                mend="tk.plans.linear_probe_then_fine_tune(adapt=tk.adapt.lora(rank=4))",
            )
        )
    if value is not None and freeze is not None:
        raise SpecError(
            explain(
                "Phase",
                "adapt and freeze both say what trains; an adapter freezes the rest of the "
                "backbone by itself",
                expected="one of them",
                received={"adapt": value, "freeze": freeze},
                mend="tk.plans.fine_tune(adapt=tk.adapt.lora(where=tk.select.top_blocks(2)))",
            )
        )
    return value


def _solver(value: Any, epochs: Any) -> Any:
    if value is None:
        return None
    if value not in get_args(Solver):
        raise SpecError(
            explain(
                "Phase",
                "the solver is unknown",
                expected=did_you_mean(str(value), get_args(Solver)),
                received={"solver": value},
                mend="tk.plans.linear_probe(solver='lbfgs')",
            )
        )
    if whole(epochs) != 1:
        raise SpecError(
            explain(
                "Phase",
                "a head is solved at once",
                expected="epochs=1 with a solver",
                received={"epochs": epochs, "solver": value},
                mend="tk.plans.linear_probe().then(tk.plans.feature_extraction(epochs=5))",
            )
        )
    return value


def _penalty(value: Any, solver: Any) -> float | None:
    if value is None:
        return None
    number = real(value)
    if solver is None or number is None or not 0 < number < math.inf:
        raise SpecError(
            explain(
                "Phase",
                "the penalty belongs to a solved head, and is above 0",
                expected="a number above 0 with a solver, or None",
                received={"penalty": value, "solver": solver},
                mend="tk.plans.linear_probe(penalty=0.1)",
            )
        )
    return number


def _mode(value: Any) -> Any:
    if value not in (None, "min", "max"):
        raise SpecError(
            explain(
                "Phase",
                "the mode is unknown",
                expected="'min', 'max' or None",
                received={"mode": value},
            )
        )
    return value


_MADE_BY = {
    "layer_rates": "tk.schedules.layer_decay(0.8)",
    "averaging": "tk.averaging.wise_ft()",
    "adapt": "tk.adapt.lora(rank=4)",
}
_EXAMPLES = {"batch_size": 32, "views": 4, "early_stopping": 3}


def _at_least_one(name: str, value: Any) -> int:
    count = whole(value)
    if count is None or count < 1:
        raise SpecError(
            explain(
                "Phase",
                f"{name} is out of range",
                expected="a whole number of 1 or more",
                received={name: value},
                mend=f"Phase(epochs=10{'' if name == 'epochs' else f', {name}={_EXAMPLES[name]}'})",
            )
        )
    return count

"""The terms of a phase, and what Co-Tuning learns of the training pictures before the fit."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from transferkit import _keras, build
from transferkit import freeze as freezing
from transferkit._types import KerasModel, Tensor
from transferkit.backbones.source_head import SourceHead, source_head
from transferkit.engine import workers
from transferkit.engine.distribute import Team
from transferkit.engine.extraction import extract_own
from transferkit.engine.forgetting import forgetting
from transferkit.engine.material import Material
from transferkit.engine.program import Program
from transferkit.engine.tails import handed_to
from transferkit.errors import SpecError, explain
from transferkit.objectives import CoTuned, CoTuning
from transferkit.objectives.co_tuning import relationship
from transferkit.plan import Phase, Plan
from transferkit.running import Engine
from transferkit.spec import Seen

__all__ = ["Start", "check_co_tuning", "co_tuned", "terms_of", "variables_of"]

keras = _keras.keras()
Array = np.ndarray[Any, Any]
Term = Callable[[Seen], Tensor]


def terms_of(phase: Phase, learnt: Mapping[CoTuning, CoTuned]) -> list[Term]:
    """What a phase minimises beside the head's loss.

    Args:
        phase: The phase.
        learnt: Of `co_tuned`.
    """
    found = [learnt[each] if isinstance(each, CoTuning) else each for each in phase.objectives]
    return [each for each in found if callable(each)]


def variables_of(terms: Sequence[Term]) -> list[Any]:
    """The variables that terms have and the network has not, each once."""
    own = (each for term in terms if isinstance(term, CoTuned) for each in term.variables)
    return list({id(variable): variable for variable in own}.values())


def check_co_tuning(phase: Phase, material: Material) -> None:
    """Refuse to co-tune what it says nothing of.

    Raises:
        SpecError: If pictures have not one class each, a class has no training picture, or nothing
            of the backbone trains.
    """
    if any(isinstance(each, CoTuning) for each in phase.objectives):
        _check_classes(phase, material)
        _check_moves(phase, material)


def _check_classes(phase: Phase, material: Material) -> None:
    target, classes = material.bound.target, material.classes
    if classes is None:
        raise SpecError(
            explain(
                "fit",
                f"phase {phase.name!r} co-tunes, and a picture here has {target.task}",
                expected="data with one class per picture",
                received={"task": target.task},
                mend="tk.objectives.bss() and l2_sp() fit any labels.",
            )
        )
    missing = sorted(set(range(target.outputs)) - set(np.unique(classes).tolist()))
    if missing:
        raise SpecError(
            explain(
                "fit",
                f"phase {phase.name!r} co-tunes, and there is no training picture from which to "
                "learn what a class looks like to the source",
                expected="a training picture of each class",
                received={"missing": [target.class_names[place] for place in missing]},
                mend="Leave the class out of class_names, or give a picture of it.",
            )
        )


def _check_moves(phase: Phase, material: Material) -> None:
    if phase.adapt is not None:  # it finds something to move, or says so
        return
    policy = phase.policy(material.policy)
    frozen = policy.resolve(material.table, verb="fit")
    if not any(layer.params for layer in material.table if layer.name not in frozen):
        raise SpecError(
            explain(
                "fit",
                f"phase {phase.name!r} co-tunes, and nothing of the backbone trains in it",
                expected="a phase that trains layers of the backbone",
                received={"freeze": policy},
                mend="tk.plans.fine_tune(unfreeze=tk.select.top_blocks(2), "
                "objectives=tk.objectives.co_tuning())",
            )
        )


def co_tuned(plan: Plan, start: Start) -> dict[CoTuning, CoTuned]:
    """The source heads that a plan asks for, and what they say of the classes; {} for none.

    Phases that name the same head go on training one.

    Args:
        plan: The phases.
        start: Where the fit begins.

    Raises:
        SpecError: If a source head is not known, or of another width than the features.
        WeightsError: If it cannot be read.
    """
    wanted = [each for phase in plan for each in phase.objectives if isinstance(each, CoTuning)]
    heads = {each.head: start.head(each) for each in wanted}
    layers = {name: _layer(head, start.team) for name, head in heads.items()}
    return {
        each: CoTuned(each.weight, start.relationship(heads[each.head], each), layers[each.head])
        for each in wanted
    }


@dataclass(frozen=True)
class Start:
    """Where a fit begins: the weights that the network has, and the training pictures.

    Attributes:
        material: Network and pictures.
        program: The network's calls.
        behind: The layers that are none of the backbone's.
        engine: How it is run.
        team: Who trains together: each runs its own pictures.
        verbose: 0 silent, 1 or 2 shows how far it is.
    """

    material: Material
    program: Program
    behind: frozenset[str]
    engine: Engine
    team: Team
    verbose: int

    def head(self, objective: CoTuning) -> SourceHead:
        """The source head that an objective names; that of the model's own weights by default."""
        weights = objective.head or self.material.weights
        if weights is None:
            raise SpecError(
                explain(
                    "co_tuning",
                    "the source head is not known: the model has random weights, or some of which "
                    "it is not said where they came from",
                    expected="the file of pretrained weights with their top",
                    received={"head": None, "backbone": self.material.backbone},
                    mend="tk.objectives.co_tuning(head='with_top.weights.h5')",
                )
            )
        found = source_head(self.material.backbone, weights, verb="co_tuning")
        width = int(self.program.tensors[self._end].shape[-1])
        if len(found.kernel) != width:
            raise SpecError(
                explain(
                    "co_tuning",
                    f"the source head reads {len(found.kernel)} channels, and the features of "
                    f"{self.material.backbone} have {width}",
                    expected="the source head of this backbone",
                    received={"head": weights, "kernel": found.kernel.shape},
                    mend="tk.objectives.co_tuning(head=...) names the file that the backbone's "
                    "weights are from.",
                )
            )
        return found

    def relationship(self, head: SourceHead, objective: CoTuning) -> Array:
        """What the source says of the classes (classes, source classes), the same for all."""
        classes, count = np.asarray(self.material.classes), self.material.bound.target.outputs
        given = (head.kernel, head.bias, objective.temperature)
        (found,) = workers.from_chief(
            self.team, [relationship(self._features, classes, count, *given)]
        )
        return found

    @cached_property
    def _end(self) -> int:
        """The backbone's last features, by their number in the program."""
        return handed_to(self.program, self.behind, ())[-1]

    @cached_property
    def _features(self) -> Array:
        """The averaged features of all training pictures, clean, in their order."""
        material = self.material
        build.freeze(material.network, material.table, freezing.backbone())
        pictures = material.clean_pictures(self.team)
        with forgetting(call.operation for call in self.program.calls):
            (own,) = extract_own(
                self._averaging(),
                pictures,
                kinds={layer.kind for layer in material.table},
                engine=self.engine,
                verbose=self.verbose,
            )
        return workers.joined(self.team, own.vectors, pictures.own, material.counts[0])

    def _averaging(self) -> KerasModel:
        """From the pixels to the averaged features."""
        features = self.program.tensors[self._end]
        if len(features.shape) == 4:
            features = keras.layers.GlobalAveragePooling2D(name="averaged")(features)
        return keras.Model(self.program.tensors[0], features, name=self.material.backbone)


def _layer(head: SourceHead, team: Team) -> Any:
    """A source head of its own variables, which trains."""
    channels, classes = head.kernel.shape
    with team.strategy.scope():
        layer = keras.layers.Dense(
            classes, kernel_initializer="zeros", dtype="float32", name="source_head"
        )
        layer.build((None, channels))
        layer.set_weights([head.kernel, head.bias])
    return layer

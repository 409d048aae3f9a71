"""`TransferModel`: what a model is, as an immutable value with verbs."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from transferkit import backbones, build
from transferkit import freeze as freezing
from transferkit._text import html_summary, text_summary
from transferkit._types import ImageSize, KerasModel, PathLike, checked_seed, whole
from transferkit._types import image_size as as_image_size
from transferkit.augment import Pipeline
from transferkit.backbones.arguments import checked_weights
from transferkit.build import Assembled
from transferkit.data import Data
from transferkit.data.bundle import check_data
from transferkit.data.fitting import fit_to_config
from transferkit.engine.phases import scope as engine_scope
from transferkit.engine.report import EngineReport
from transferkit.engine.setup import explained, settle
from transferkit.engine.solving import is_linear
from transferkit.errors import SpecError, TransferKitError, explain
from transferkit.freeze import Freeze
from transferkit.plan import Phase, Plan, as_plan
from transferkit.plans import FINE_TUNING
from transferkit.plans import default as default_plan
from transferkit.rate_search import RateSearch, found, rising
from transferkit.running import Engine, as_engine
from transferkit.select import Selector
from transferkit.spec import (
    Augmentation,
    Backbone,
    BackboneInfo,
    BackboneNetwork,
    Head,
    Mix,
    ModelSpec,
    Target,
    Task,
)
from transferkit.trained import TrainedModel, train

__all__ = ["TransferModel"]


class TransferModel:
    """Backbone, augmentation, head and freeze policy. Every verb returns a new model.

    Nothing is loaded before `build` or `fit`; only names are checked at once.

    Args:
        backbone: ``source:name``, ``source:address`` of an open source, a bare name that only one
            source has, or what `tk.backbones.from_keras` gives.
        weights: ``"pretrained"`` (the backbone's own; the default), ``"imagenet"``, None for random
            ones, or a path to a ``.weights.h5``, ``.h5`` or ``.keras`` file.
        trust: Whether a program that lies at an address may be run: a SavedModel is one, and so is
            a repository's ``hubconf.py``. Say so only of what comes from someone you trust.

    Raises:
        UnknownNameError: If there is no such backbone.
        SpecError: If it is no backbone, or weights are neither a name nor a path.

    Example:
        >>> import transferkit as tk
        >>> model = tk.TransferModel("keras:MobileNetV2", weights=None)
        >>> model.build(classes=3, image_size=32).output_shape
        (None, 3)
    """

    __slots__ = ("spec",)
    spec: ModelSpec

    def __init__(
        self,
        backbone: str | BackboneNetwork,
        weights: PathLike | None = "pretrained",
        *,
        trust: bool = False,
    ) -> None:
        if isinstance(backbone, str):
            at = backbones.network_at(backbone, trust=trust)
            backbone = ":".join(backbones.find(backbone)) if at is None else at
        elif not backbones.is_network(backbone):
            raise SpecError(
                explain(
                    "TransferModel",
                    f"{type(backbone).__name__} is no backbone",
                    expected="a name of tk.backbones.names(), or a backbone",
                    received={"backbone": backbone},
                    mend="TransferModel(tk.backbones.from_keras(model))",
                )
            )
        chosen = checked_weights(weights, verb="TransferModel")
        object.__setattr__(self, "spec", ModelSpec(backbone, chosen))

    def augment(self, *operations: Augmentation | Mix) -> TransferModel:
        """With these augmentations, in this order, instead of those before.

        Args:
            *operations: Operations, mixes or pipelines of `tk.augment`; none at all takes the
                augmentation away.

        Returns:
            A new model; `self` is unchanged.

        Raises:
            SpecError: If one of them is no augmentation.
        """
        return self._with(augment=Pipeline(operations).operations)

    def head(self, head: Head) -> TransferModel:
        """With this head instead of the one before.

        Args:
            head: A head of `tk.heads`, or anything that meets `transferkit.spec.Head`.

        Returns:
            A new model; `self` is unchanged.

        Raises:
            SpecError: If it is no head.
        """
        if isinstance(head, type) or not isinstance(head, Head):
            raise SpecError(
                explain(
                    "head",
                    f"{getattr(head, '__name__', type(head).__name__)} is no head",
                    expected="a head of tk.heads",
                    received={"head": head},
                    mend="model.head(tk.heads.classification(dropout=0.2))",
                )
            )
        return self._with(head=head)

    def weights(self, weights: PathLike | None) -> TransferModel:
        """With these initial weights instead of those before.

        Args:
            weights: As in the constructor; None for random ones, as an ablation needs.

        Returns:
            A new model; `self` is unchanged.

        Raises:
            SpecError: If it is neither a name nor a path.
        """
        return self._with(weights=checked_weights(weights, verb="weights"))

    def freeze(self, policy: Freeze | Selector) -> TransferModel:
        """With this freeze policy instead of the one before.

        Args:
            policy: A policy of `tk.freeze`; a bare selector means `tk.freeze.only`. It holds in
                every phase that has no policy of its own.

        Returns:
            A new model; `self` is unchanged.

        Raises:
            SpecError: If it is neither.
        """
        return self._with(freeze=freezing.as_policy(policy, verb="freeze"))

    def build(
        self,
        *,
        classes: int | Sequence[str] | None = None,
        outputs: int | None = None,
        image_size: ImageSize | None = None,
        augment: bool = False,
        channels: int | None = None,
        seed: int = 0,
    ) -> KerasModel:
        """A plain, compiled ``keras.Model``, for those who train it themselves.

        Args:
            classes: How many classes, or their names.
            outputs: How many numbers, for a regression head.
            image_size: A side or (height, width) in pixels; the backbone's own by default.
            augment: Whether the augmentation becomes a layer that acts in training only.
            channels: Channels of the pictures; the backbone's own by default.
            seed: Decides random initial weights.

        Returns:
            From pixels ``(batch, height, width, channels)``, 0..255, to ``(batch, classes)``,
            compiled with the head's loss and metrics and Adam 1e-3.

        Raises:
            SpecError: If neither or both of `classes` and `outputs` are given, or a mix is to be a
                layer.
            BackboneError: If the backbone cannot take that size.
        """
        target = self._target(classes, outputs)
        made = build.assemble(
            self.spec,
            target,
            input_shape=self._input_shape(image_size, channels),
            seed=seed,
            augment=augment,
        )
        build.compile_network(made.network, made.bound)
        return made.network

    def fit(
        self,
        data: Data,
        plan: Plan | Phase | Sequence[Phase] | None = None,
        *,
        seed: int = 0,
        engine: Engine | None = None,
        callbacks: Any = (),
        verbose: int = 1,
    ) -> TrainedModel:
        """Build a network and train it; `self` is unchanged.

        Args:
            data: What `tk.data` read.
            plan: The phases; one that fits the data by default, see `tk.plans.default`.
            seed: Decides initial weights, order and augmentation: on a CPU, the same seed gives the
                same weights.
            engine: How it is run.
            callbacks: Keras callbacks, one or several; each phase is a training of its own to them.
                `BackupAndRestore` takes a run up again, in whatever phase it was; what a phase knew
                besides its weights (the best ones, how long it had waited) is counted anew. An
                interrupted run returns nothing: it or `ModelCheckpoint` keeps what was learned.
            verbose: 0 silent, 1 also how far an epoch is, 2 a line per epoch.

        Raises:
            SpecError: If head, plan and data do not fit each other, or a phase of fine-tuning has
                nothing to tune, as neither it nor the model says what is to be unfrozen.
        """
        check_data(data)
        seed = checked_seed("fit", seed)
        size = data.image_size or self._info().image_size
        data = data.prepared_for(self._info())
        given = as_plan(plan)
        self._check_fine_tuning(given)
        engine = as_engine(engine)
        with engine_scope(engine):
            made = build.assemble(
                self.spec, data.target, input_shape=(*size, data.channels), seed=seed
            )
        chosen = given or self._default_plan(data, made)
        untrained = TrainedModel(
            network=made.network,
            bound=made.bound,
            table=made.table,
            policy=self.spec.policy,
            pipeline=Pipeline(self.spec.augment),
            about={
                "backbone": self._info().name,
                "weights": _weights_name(self.spec.weights),
                "preprocessing": made.preprocessing,
                "image_size": list(size),
                "channels": data.channels,
                "fit": fit_to_config(data.fit or "crop"),
            },
            plan=chosen,
        )
        return train(
            untrained,
            data,
            chosen,
            seed=seed,
            engine=engine,
            callbacks=callbacks,
            verbose=verbose,
            weights=self.spec.weights,
        )

    def find_learning_rate(
        self,
        data: Data,
        plan: Plan | Phase | Sequence[Phase] | None = None,
        *,
        low: float = 1e-7,
        high: float = 1.0,
        steps: int = 100,
        seed: int = 0,
        engine: Engine | None = None,
        verbose: int = 0,
    ) -> RateSearch:
        """A range test: train a network of its own while the rate rises, and see where it learns.

        The plan's last phase is searched, behind those before it; its rate rises geometrically
        until the loss runs away. `self` and its weights are untouched, and nothing is kept.

        Args:
            data: As for `fit`.
            plan: As for `fit`.
            low: The first step's rate, above 0.
            high: The last step's, above `low`.
            steps: How many there are, 10 or more; whole epochs are gone through.
            seed: As for `fit`.
            engine: As for `fit`.
            verbose: As for `fit`.

        Returns:
            The losses and the rate that they suggest; `plot` draws them. Read it as an order of
            magnitude: a third or three times of it is as good a guess.

        Raises:
            SpecError: If a number makes no sense, or the last phase is solved.
            TrainingError: If the loss runs away at once, or never falls.

        Example:
            >>> import numpy as np
            >>> import transferkit as tk
            >>> pixels = np.random.default_rng(0).integers(0, 255, (40, 32, 32, 3), dtype=np.uint8)
            >>> pixels[::2] //= 4
            >>> photos = tk.data.from_arrays(pixels, ["dark", "light"] * 20, val=0)
            >>> model = tk.TransferModel("keras:MobileNetV2")
            >>> search = model.find_learning_rate(photos, tk.plans.feature_extraction())
            >>> 1e-6 < search.suggestion < 1
            True
        """
        check_data(data)
        given = as_plan(plan) or self.default_plan(data)
        searched, watcher = rising(given, len(data.train), low, high, steps)
        self.fit(
            data,
            searched,
            seed=seed,
            engine=engine,
            callbacks=watcher,
            verbose=verbose,
        )
        return found(watcher)

    def explain_engine(
        self,
        data: Data,
        plan: Plan | Phase | Sequence[Phase] | None = None,
        *,
        engine: Engine | None = None,
    ) -> EngineReport:
        """How `fit` would run: where the network is cut, and what of it is kept.

        Nothing is read, computed or written but the network's graph; weights are not needed.

        Args:
            data: As for `fit`.
            plan: As for `fit`.
            engine: As for `fit`.

        Returns:
            For each phase the layers behind which it is cut, the bytes that a picture takes in the
            cache, the share of a step's forward work that lies before the cut, and why.

        Raises:
            SpecError: If head, plan and data do not fit each other.

        Example:
            >>> import numpy as np
            >>> import transferkit as tk
            >>> pixels = np.zeros((8, 32, 32, 3), np.uint8)
            >>> photos = tk.data.from_arrays(pixels, [0, 1] * 4, val=0.25)
            >>> model = tk.TransferModel("keras:VGG16").freeze(tk.freeze.backbone())
            >>> report = model.explain_engine(photos, tk.plans.feature_extraction(epochs=2))
            >>> report.phases[0].cut
            ('head_average',)
        """
        check_data(data)
        given = as_plan(plan)
        self._check_fine_tuning(given)
        made = self._graph(data)
        settled = settle(
            made.network,
            made.table,
            self.spec.policy,
            Pipeline(self.spec.augment),
            given or self._default_plan(data, made),
            as_engine(engine),
            (len(data.train), 0 if data.val is None else len(data.val)),
        )
        return explained(settled)

    def default_plan(self, data: Data) -> Plan:
        """What `fit` does with some data if it is given no plan; see `tk.plans.default`.

        Args:
            data: As for `fit`.
        """
        check_data(data)
        return self._default_plan(data, self._graph(data))

    def _default_plan(self, data: Data, made: Assembled) -> Plan:
        """The plan that fits data and head."""
        return default_plan(
            pretrained=self.spec.weights is not None,
            images=len(data.train),
            policy=self.spec.freeze,
            linear=is_linear(made.network, made.table),
            validation=data.val is not None,
        )

    def _graph(self, data: Data) -> Assembled:
        """The network for some data, without the weights."""
        size = data.image_size or self._info().image_size
        spec = replace(self.spec, weights=None, freeze=self.spec.policy)
        return build.assemble(spec, data.target, input_shape=(*size, data.channels), seed=0)

    def _info(self) -> BackboneInfo:
        backbone = self.spec.backbone
        info = backbones.info(backbone) if isinstance(backbone, str) else backbone.info
        return info.with_weights(self.spec.weights)

    def _check_fine_tuning(self, plan: Plan | None) -> None:
        """Refuse fine-tuning that has nothing to tune."""
        if plan is None or self.spec.freeze is not None or self.spec.weights is None:
            return
        if any(phase.name == FINE_TUNING and not (phase.freeze or phase.adapt) for phase in plan):
            raise SpecError(
                explain(
                    "fit",
                    "fine-tuning has nothing to tune: a pretrained backbone is frozen unless "
                    "something else is said",
                    expected="layers to unfreeze, in the plan or in the model",
                    received={"unfreeze": None, "freeze": None, "adapt": None},
                    mend="tk.plans.fine_tune(unfreeze=tk.select.top_blocks(2)), or "
                    "model.freeze(tk.freeze.nothing()) for all of them",
                )
            )

    def _input_shape(
        self, image_size: ImageSize | None, channels: int | None
    ) -> tuple[int, int, int]:
        info = self._info()
        size = info.image_size if image_size is None else as_image_size(image_size, verb="build")
        return (*size, info.channels if channels is None else channels)

    def _target(self, classes: int | Sequence[str] | None, outputs: int | None) -> Target:
        if (classes is None) == (outputs is None):
            raise SpecError(
                explain(
                    "build",
                    "what the network is to predict is not said, or said twice",
                    expected="one of classes= and outputs=",
                    received={"classes": classes, "outputs": outputs},
                    mend="model.build(classes=photos.class_names)",
                )
            )
        if outputs is not None:
            return Target("values", outputs=outputs)
        task: Task = getattr(self.spec.head, "task", "classes")
        return Target(task, _class_names(classes))

    def _with(self, **changes: Any) -> TransferModel:
        return _with_spec(replace(self.spec, **changes))

    def __reduce__(self) -> tuple[Any, ...]:
        return _with_spec, (self.spec,)

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError(
            f"TransferModel is a value: {name} cannot be set. Its verbs return a new model, as "
            "model.head(...) does."
        )

    def __eq__(self, other: object) -> bool:
        return isinstance(other, TransferModel) and self.spec == other.spec

    def __hash__(self) -> int:
        return hash(self.spec)

    def __repr__(self) -> str:
        return text_summary(self._summary())

    def _repr_html_(self) -> str:
        return html_summary(self._summary())

    def _summary(self) -> list[tuple[str, str]]:
        with build.seeded(0):  # a backbone may have to be made to be told of
            return self._told()

    def _told(self) -> list[tuple[str, str]]:
        spec = self.spec
        name = spec.backbone if isinstance(spec.backbone, str) else self._info().name
        return [
            ("TransferModel", f"{name} ({_weights_name(spec.weights)})"),
            ("augment", ", ".join(map(repr, spec.augment)) or "none"),
            ("head", repr(spec.head) if spec.head is not None else "one that fits the data"),
            ("freeze", repr(spec.policy)),
            ("parameters", _parameters(spec.backbone, spec.policy)),
        ]


def _with_spec(spec: ModelSpec) -> TransferModel:
    model = object.__new__(TransferModel)
    object.__setattr__(model, "spec", spec)
    return model


@functools.lru_cache(maxsize=1)
def _unfilled(backbone: str | BackboneNetwork, info: BackboneInfo) -> Backbone:
    """A backbone of random weights, for its counts; making one takes about a second.

    Its info is asked for because another backbone may have been registered under the name.
    """
    return backbones.load(backbone, weights=None)


def _parameters(backbone: str | BackboneNetwork, policy: Freeze) -> str:
    try:
        info = backbones.info(backbone) if isinstance(backbone, str) else backbone.info
        body: Backbone = _unfilled(backbone, info)  # type: ignore[arg-type]  # all are hashable
        build.freeze(body.network, body.table, policy)
    except TransferKitError as error:
        return f"unknown ({error})"
    moving, total = build.parameters(body.network)
    return f"{total:,} ({moving:,} trainable, {total - moving:,} frozen) and those of the head"


def _class_names(classes: int | Sequence[str] | None) -> tuple[str, ...]:
    count = whole(classes)
    if count is not None:
        return tuple(f"class_{index}" for index in range(count))
    names = () if not isinstance(classes, Sequence) or isinstance(classes, str) else tuple(classes)
    if not names or len(set(names)) < len(names) or not all(isinstance(n, str) for n in names):
        raise SpecError(
            explain(
                "build",
                "a class is named twice" if names else "that is no list of classes",
                expected="a number of classes, or a list of names, every class once",
                received={"classes": classes},
                mend="model.build(classes=['ants', 'bees'])",
            )
        )
    return names


def _weights_name(weights: str | None) -> str:
    return "random weights" if weights is None else weights.replace("\\", "/").rsplit("/", 1)[-1]

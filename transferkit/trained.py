"""`TrainedModel`: what `fit` returns. It fits on, predicts, evaluates, is calibrated and saved."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np

from transferkit import _keras, build, bundle, evaluate, heads, resizing
from transferkit._text import counted, html_summary, text_summary
from transferkit._types import FrozenDict, ImageSize, KerasModel, PathLike, checked_seed
from transferkit._types import image_size as as_image_size
from transferkit.augment import Pipeline
from transferkit.backbones.tf_hub.layer import programs_of
from transferkit.calibrate import Inference
from transferkit.calibrate.choosing import (
    calibrated,
    check_decides,
    check_has_logits,
    decided,
    deciding,
    viewed,
)
from transferkit.calibrate.predictor import Predictor
from transferkit.check import TransferCheck
from transferkit.check.of_trained import RANDOM, TrainedTier, check_trained
from transferkit.check.verdict import check_is_of
from transferkit.continuing import gently, once_more
from transferkit.data import Data, Split, decode
from transferkit.data.bundle import check_data
from transferkit.data.decode import resize_array
from transferkit.data.fitting import Fit, fit_from_config
from transferkit.engine import workers
from transferkit.engine.phases import Material, run_plan
from transferkit.engine.phases import scope as engine_scope
from transferkit.engine.report import EngineReport
from transferkit.errors import SpecError, explain
from transferkit.evaluate import Confused, Evaluation, TopLosses
from transferkit.following import Run, followed
from transferkit.freeze import Freeze
from transferkit.history import History
from transferkit.plan import Phase, Plan, as_plan
from transferkit.predict import checked_batch_size
from transferkit.predict import pictures as given_pictures
from transferkit.running import Engine, as_engine
from transferkit.schedules import Schedule
from transferkit.select import LayerTable
from transferkit.spec import Augmentation, BoundHead, Mix

__all__ = ["TrainedModel", "train"]

keras = _keras.keras()


@dataclass(frozen=True, eq=False, repr=False)
class TrainedModel:
    """A trained network with all that it needs to be used.

    Attributes:
        network: The plain ``keras.Model``: raw pixels 0..255 in, activated outputs out.
        bound: The head that knows its classes.
        table: The backbone's layers, for selectors and policies.
        policy: The freeze policy of the model.
        pipeline: The augmentation it was trained with.
        about: What it is, in JSON-ready words: backbone, weights, preprocessing, picture size.
        plan: How it was trained.
        history: One record per epoch.
        engine_report: How it was run: what was cut, cached and compiled.
        inference: How outputs become predictions: temperature, thresholds, views.
        transfer: What a check of the transfer came to, if one was taken up.
    """

    network: KerasModel
    bound: BoundHead
    table: LayerTable
    policy: Freeze
    pipeline: Pipeline
    about: Mapping[str, Any]
    plan: Plan
    history: History = field(default_factory=History)
    engine_report: EngineReport = field(default_factory=EngineReport)
    inference: Inference = field(default_factory=Inference)
    transfer: TransferCheck | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "about", FrozenDict(self.about))

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name != "_predictor"}

    @property
    def class_names(self) -> tuple[str, ...]:
        """The classes in the order of the outputs."""
        return self.bound.target.class_names

    @property
    def image_size(self) -> tuple[int, int]:
        """(height, width) of the pictures that the network takes."""
        height, width = self.about["image_size"]
        return int(height), int(width)

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
        """Train on from these weights; `self` keeps its own.

        This takes a plan of its own; `continue_training` goes on with the last phase as it was.
        Temperature, thresholds and a check of the transfer belong to these weights, and the result
        has none of them; views it keeps.

        Args:
            data: Pictures with the same classes; they are brought to size in the model's own way.
            plan: The phases; by default 5 epochs at 1e-5 of the layers that trained last. A phase
                without a policy has the model's, not that of the phase before it.
            seed: Decides order and augmentation, which go on from the epochs that were.
            engine: How it is run.
            callbacks: Keras callbacks, one or several.
            verbose: 0 silent, 1 also how far an epoch is, 2 a line per epoch.

        Raises:
            SpecError: If it is no data, or its classes, kind of labels or channels differ.
        """
        check_data(data)
        self._check_fits("fit", data.train)
        seed = checked_seed("fit", seed)
        engine = as_engine(engine)
        with engine_scope(engine), build.seeded(seed):
            twin = self._unsettled(build.copy(self.network))
        return train(
            twin,
            data.resized(self.image_size, fit=self._fit),
            as_plan(plan) or gently(self.plan.phases[-1]),
            seed=seed,
            engine=engine,
            callbacks=callbacks,
            verbose=verbose,
            weights=_published(self.about["weights"]),
        )

    def continue_training(
        self,
        data: Data,
        epochs: int | None = None,
        *,
        learning_rate: float | Schedule | None = None,
        seed: int = 0,
        engine: Engine | None = None,
        callbacks: Any = (),
        verbose: int = 1,
    ) -> TrainedModel:
        """Some epochs more of the last phase: the same layers, optimizer, batches and objectives.

        For a model that was still getting better when its plan ended. `fit` is for whatever is to
        be otherwise than it was: other layers, several phases. It is a phase of its own, and what
        a phase begins with begins anew: a schedule goes through its whole shape again, the
        optimizer's moments start from zero, and what draws weights to their start draws them to
        those of this model. `self` keeps its own weights, and temperature, thresholds and a check
        of the transfer are left behind, as by `fit`.

        Args:
            data: As for `fit`.
            epochs: How many more; None for as many as the phase had.
            learning_rate: A number or a schedule; None for that of the phase. Behind a schedule
                that fell, a constant of its lower end disturbs less.
            seed: As for `fit`: the same seed goes on where the epochs that were left off.
            engine: How it is run.
            callbacks: Keras callbacks, one or several.
            verbose: As for `fit`.

        Raises:
            SpecError: If the last phase solved its head, `epochs` is out of range, or the data does
                not fit.
        """
        plan = once_more(self.plan.phases[-1], epochs, learning_rate)
        return self.fit(data, plan, seed=seed, engine=engine, callbacks=callbacks, verbose=verbose)

    def resized(self, image_size: ImageSize) -> TrainedModel:
        """The same layers and weights, on pictures of another size: progressive resizing.

        Training begins on small pictures, where an epoch costs a fraction, and ends on large ones:
        ``trained.resized(224).fit(photos, plan)``. `fit`, `predict` and `evaluate` bring pictures
        to the new size from their files or arrays, and not from the smaller ones that were trained
        on. The result is a model of its own with copied weights. Temperature, thresholds and a
        check of the transfer belong to the old size and are left behind; views, plan and history
        are kept. Layers keep their configuration, so that from sides that are no multiples of 32
        a stride may be padded otherwise than in a network that is built at the new size.

        Args:
            image_size: A side or (height, width) in pixels; its own size gives the model itself.

        Raises:
            SpecError: If that is no size.
            BackboneError: If a layer of backbone or head cannot take it, or holds weights that
                belong to the old one.

        References:
            Tan & Le, EfficientNetV2: Smaller Models and Faster Training, ICML 2021.
        """
        size = as_image_size(image_size, verb="resized")
        if size == self.image_size:
            return self
        network = resizing.resized(self.network, size)
        build.freeze(network, self.table, self.plan.phases[-1].policy(self.policy))
        build.compile_network(network, self.bound)
        return replace(self._unsettled(network), about={**self.about, "image_size": list(size)})

    def predict(
        self,
        pictures: Any,
        *,
        batch_size: int = 32,
        pixel_range: tuple[float, float] = (0, 255),
        engine: Engine | None = None,
    ) -> Any:
        """Predict one picture, or many: by all views, at the temperature, above the thresholds.

        Args:
            pictures: A path, a folder, a ``PIL.Image``, an array or tensor ``(height, width,
                channels)`` or ``(n, height, width, channels)`` of pixels 0..255, or an iterable of
                such things. A folder's hidden files and what is no picture are left out.
            batch_size: Pictures at a time.
            pixel_range: What the darkest and the brightest value of arrays are: the same as in
                `from_arrays`, if the model was trained on such.
            engine: None computes in float32 and compiles the network when a call has 64 pictures or
                more. With an engine it is compiled for any number, as pays for a service, and
                ``tk.Engine(precision="bfloat16")`` or ``tk.Engine(prefix="openvino")`` are
                faster and agree with float32 to about 1e-2 and 1e-5.

        Returns:
            One result for one picture (see `transferkit.heads`), else a list of them; those of a
            folder are in the order of the file names.

        Raises:
            DataNotFoundError: If there is no such file, or no picture in the folder.
            DataError: If something is no picture, or pixels are not in their range.
            DecodeError: If a picture cannot be read.
            SpecError: If `batch_size` is no whole number above 0, `pixel_range` no range, or
                `engine` no engine.
        """
        batch_size = checked_batch_size("predict", batch_size)
        alone, items = given_pictures(pictures, pixel_range)
        if not items:
            return []
        pixels = _Decoded(items, self._decoded)
        given = self._predictor.outputs(pixels, batch_size=batch_size, engine=engine)
        results = self._deciding.decode(given)
        return results[0] if alone else results

    def evaluate(
        self, split: Split, *, batch_size: int = 32, engine: Engine | None = None
    ) -> Evaluation:
        """Measure the model on a split, as it predicts: temperature, thresholds, views and all.

        Args:
            split: ``photos.val``, say. Its pictures are brought to size in the model's own way.
            batch_size: Pictures at a time.
            engine: As in `predict`.

        Raises:
            SpecError: If it is no split, or its classes, kind of labels or channels differ.
        """
        pixels = self._pixels("evaluate", split)
        batch_size = checked_batch_size("evaluate", batch_size)
        given = self._predictor.outputs(pixels, batch_size=batch_size, engine=engine)
        targets = self.bound.targets(split.labels)
        loss = float(np.asarray(self.bound.loss(from_logits=False)(targets, given)))
        common: dict[str, Any] = {
            "loss": loss,
            "paths": None if None in split.paths else split.paths,
            "split": split.name,
            "images": pixels.__getitem__,
        }
        names = self.class_names
        if self.bound.target.task == "classes":
            if given.shape[1] == 1:
                given = np.concatenate([1 - given, given], axis=1)
            return evaluate.classification(given, split.labels, class_names=names, **common)
        if self.bound.target.task == "labels":
            threshold = getattr(self.bound, "threshold", 0.5)
            threshold = self.inference.thresholds or threshold
            return evaluate.multilabel(
                given, split.labels, class_names=names, threshold=threshold, **common
            )
        return evaluate.regression(given, targets, **common)

    def top_losses(
        self, split: Split, k: int = 9, *, batch_size: int = 32, engine: Engine | None = None
    ) -> TopLosses:
        """The pictures of a split with the largest loss; ``.plot()`` draws them.

        Whoever asks for more than this calls `evaluate` once, whose result has `top_losses` too.

        Args:
            split: ``photos.val``, say.
            k: How many at most.
            batch_size: Pictures at a time.
            engine: As in `predict`.

        Raises:
            SpecError: As for `evaluate`, or if `k` is no whole number above 0.
        """
        return self.evaluate(split, batch_size=batch_size, engine=engine).top_losses(k)

    def most_confused(
        self,
        split: Split,
        min_count: int = 1,
        *,
        batch_size: int = 32,
        engine: Engine | None = None,
    ) -> tuple[Confused, ...]:
        """The pairs of classes that are taken for each other, the most frequent first.

        Args:
            split: ``photos.val``, say.
            min_count: The fewest pictures that a pair has to have.
            batch_size: Pictures at a time.
            engine: As in `predict`.

        Raises:
            SpecError: As for `evaluate`, or if `min_count` is no whole number above 0, or the
                pictures have several labels or numbers.
        """
        found = self.evaluate(split, batch_size=batch_size, engine=engine)
        return found.most_confused(min_count)

    def calibrate(
        self, split: Split, *, batch_size: int = 32, engine: Engine | None = None
    ) -> TrainedModel:
        """The same model, its confidences as high as its predictions are right on a split.

        One temperature divides all logits, the one that fits the split best; see
        `transferkit.calibrate.temperature`. Classes keep their order, thresholds that were chosen
        move along, so that the same labels are given, and the network stays what it is.

        Args:
            split: Pictures that the model was not trained on, ``photos.val`` say: of those that it
                learned it is too sure.
            batch_size: Pictures at a time.
            engine: As in `predict`.

        Raises:
            SpecError: If it is no split, its classes, kind of labels or channels differ, or the
                model predicts no probabilities.

        Warns:
            UserWarning: If the model tells the pictures no better than by chance.

        References:
            Guo, Pleiss, Sun, Weinberger, On Calibration of Modern Neural Networks, ICML 2017.
        """
        check_has_logits(self.bound)
        pixels = self._pixels("calibrate", split)
        batch_size = checked_batch_size("calibrate", batch_size)
        logits = self._predictor.logits(pixels, batch_size=batch_size, engine=engine)
        return self._asking(calibrated(self.inference, logits, split))

    def choose_thresholds(
        self, split: Split, *, batch_size: int = 32, engine: Engine | None = None
    ) -> TrainedModel:
        """The same model, with the threshold for each label that has the best F1 on a split.

        Only for models with several labels. A label that no picture of the split has keeps the
        head's threshold, with a warning; see `transferkit.calibrate.thresholds`.

        Args:
            split: Pictures that the model was not trained on, ``photos.val`` say.
            batch_size: Pictures at a time.
            engine: As in `predict`.

        Raises:
            SpecError: If it is no split, its labels or channels differ, or the model's head decides
                by no threshold.

        Warns:
            UserWarning: If there are labels that no picture has.
        """
        check_decides(self.bound)
        pixels = self._pixels("choose_thresholds", split)
        batch_size = checked_batch_size("choose_thresholds", batch_size)
        given = self._predictor.outputs(pixels, batch_size=batch_size, engine=engine)
        return self._asking(decided(self.inference, given, split, self.bound))

    def with_views(self, *operations: Augmentation | Mix, views: int = 8) -> TrainedModel:
        """The same model, which looks at each picture in several views: test-time augmentation.

        A prediction is the mean of the probabilities (or numbers) of the clean picture and
        ``views - 1`` augmented ones. These are the same for every call and every picture, whatever
        stands beside it. Temperature and thresholds belong to the predictions without these views:
        the result has neither, so that views come first and `calibrate` after them.

        Args:
            *operations: Operations or pipelines of `tk.augment`, or your own, that leave a picture
                what it is: ``tk.augment.flip()``, say.
            views: In how many views each picture is seen, the clean one included, 2 or more: what
                predicting takes, so many times over.

        Raises:
            SpecError: If there is no operation, one of them mixes pictures or changes labels, or
                `views` is no whole number above 1.

        References:
            Krizhevsky, Sutskever, Hinton, ImageNet Classification with Deep Convolutional Neural
            Networks, NeurIPS 2012.
        """
        shape = (*self.image_size, int(self.about["channels"]))
        return self._asking(viewed(operations, views, shape, self.bound.target.outputs))

    def check_transfer(
        self,
        data: Data,
        *,
        tier: TrainedTier = "probe",
        inits: int = 5,
        margin: float = 0.02,
        seed: int = 0,
        engine: Engine | None = None,
        verbose: int = 1,
    ) -> TransferCheck:
        """Say whether this model is better for having started from a source.

        ``"probe"`` trains the same ridge probe on the features of this model's backbone and on
        those of random ones; ``"full"`` trains networks from random weights by this model's plan,
        or all of them for as many epochs, whichever is better on the other half of the pictures,
        and compares their errors with this model's. Both are measured on the validation pictures:
        of those that the model learned it knows too much. See `tk.check_transfer`, which asks
        before anything is trained; `with_transfer` keeps the answer in the saved file.

        Args:
            data: Pictures with the same classes, the training pictures among them.
            tier: ``"probe"`` or ``"full"``.
            inits: How many random networks, two or more.
            margin: How large a difference in risk is nothing to speak of, 0 or more.
            seed: Decides the random networks.
            engine: How features are computed, or networks trained.
            verbose: As for `fit`.

        Raises:
            SpecError: If this model was trained from random weights, it is other data, or a number
                makes no sense.
            DataError: If there are fewer than four validation pictures.
            UnknownNameError: If there is no such tier.

        References:
            Zirui Wang et al., Characterizing and Avoiding Negative Transfer, CVPR 2019.
        """
        check_data(data)
        self._check_fits("check_transfer", data.train)
        return check_trained(
            self,
            data,
            tier=tier,
            inits=inits,
            margin=margin,
            seed=seed,
            engine=engine,
            verbose=verbose,
        )

    def with_transfer(self, check: TransferCheck | None) -> TrainedModel:
        """The same model, with what is known of its transfer: printed, and kept in its file.

        Args:
            check: What `check_transfer` gave, here or before the training; None for nothing.

        Raises:
            SpecError: If it is no check, or one of another backbone.
        """
        check_is_of(check, str(self.about["backbone"]))
        made = replace(self, transfer=check)
        vars(made)["_predictor"] = self._predictor
        return made

    def untrained(self, seed: int = 0) -> TrainedModel:
        """The same model with random weights and nothing learned: a control for experiments.

        Args:
            seed: Decides the weights.
        """
        with build.seeded(checked_seed("untrained", seed)):
            network = keras.models.clone_model(self.network)
        build.quicken_norms(network, self.table)
        return replace(
            self,
            network=network,
            about={**self.about, "weights": RANDOM},
            history=History(),
            engine_report=EngineReport(),
            inference=Inference(),
            transfer=None,
        )

    def save(self, path: PathLike) -> None:
        """Write everything into one file; the old one stays until the new one is whole.

        Of several workers that trained it together, each may call this, and the chief alone writes.

        Args:
            path: Where to; ``.tkm`` by custom.

        Raises:
            SaveError: If it cannot be written.
            BackboneError: If the backbone is a SavedModel whose folder is gone, or has changed: its
                files go into the file.
        """
        if workers.is_chief(self.network):
            programs = {
                digest: program.paths() for digest, program in programs_of(self.network).items()
            }
            bundle.write(path, self.network, self._facts(), programs=programs)

    @cached_property
    def _predictor(self) -> Predictor:
        return Predictor(self.network, self.bound.activation, self.inference)

    def _unsettled(self, network: KerasModel) -> TrainedModel:
        """The same model with another network, and nothing that was found out of this one."""
        inference = replace(self.inference, temperature=1.0, thresholds=())
        return replace(self, network=network, inference=inference, transfer=None)

    def _asking(self, inference: Inference) -> TrainedModel:
        """The same model with another inference, and with what was compiled for its network."""
        made = replace(self, inference=inference)
        vars(made)["_predictor"] = self._predictor.asking(inference)
        return made

    @property
    def _fit(self) -> Fit:
        return fit_from_config(self.about["fit"])

    @property
    def _deciding(self) -> BoundHead:
        return deciding(self.bound, self.inference.thresholds)

    def _pixels(self, verb: str, split: Split) -> Any:
        """A split's pixels, brought to size as `predict` does."""
        self._check_fits(verb, split)
        return split.resized(self.image_size, fit=self._fit).pixels()

    def _decoded(self, picture: Any) -> np.ndarray[Any, Any]:
        channels = int(self.about["channels"])
        if isinstance(picture, np.ndarray):
            return resize_array(picture, self.image_size, self._fit, channels)
        return decode(picture, image_size=self.image_size, fit=self._fit, channels=channels)

    def _check_fits(self, verb: str, split: Split) -> None:
        if not isinstance(split, Split):
            raise SpecError(
                explain(
                    verb,
                    f"{type(split).__name__} is no split",
                    expected="a split of the data, as photos.val or photos.test",
                    received={"split": split},
                    mend="Data without a validation split has photos.val = None; "
                    "photos.hold_out(0.2) takes one from the training pictures.",
                )
            )
        mine, theirs = self.bound.target, split.target
        names = {"class_names": mine.class_names}, {"class_names": theirs.class_names}
        kinds: tuple[dict[str, Any], dict[str, Any]] = (
            {"task": mine.task, "outputs": mine.outputs, "channels": self.about["channels"]},
            {"task": theirs.task, "outputs": theirs.outputs, "channels": split.channels},
        )
        if names[0] != names[1]:
            happened, (expected, received) = "other classes", names
            mend = "Pass class_names=trained.class_names when the data is read."
        elif kinds[0] != kinds[1]:
            happened, (expected, received) = "other labels or channels", kinds
            mend = "Read the data as that which the model was trained on."
        else:
            return
        raise SpecError(
            explain(
                verb,
                f"the {split.name} split has {happened} than the model",
                expected=", ".join(f"{name}={value!r}" for name, value in expected.items()),
                received=received,
                mend=mend,
            )
        )

    def _facts(self) -> dict[str, Any]:
        target = self.bound.target
        return {
            "about": dict(self.about),
            "head": heads.to_config(self.bound.head),
            "target": {**asdict(target)},
            "table": self.table.to_config(),
            "freeze": self.policy.to_config(),
            "augment": self.pipeline.to_config(),
            "plan": self.plan.to_config(),
            "history": self.history.to_config(),
            "engine": self.engine_report.to_config(),
            "inference": self.inference.to_config(),
            "transfer": None if self.transfer is None else self.transfer.to_config(),
        }

    def __repr__(self) -> str:
        return text_summary(self._summary())

    def _repr_html_(self) -> str:
        return html_summary(self._summary())

    def _summary(self) -> list[tuple[str, str]]:
        height, width = self.image_size
        moving, total = build.parameters(self.network)
        last = self.history.epochs[-1].metrics if self.history.epochs else {}
        return [
            ("TrainedModel", f"{self.about['backbone']} ({self.about['weights']})"),
            ("classes", ", ".join(self.class_names) or counted(self.bound.target.outputs, "value")),
            ("pictures", f"{height} x {width} x {self.about['channels']}"),
            ("parameters", f"{total:,} ({moving:,} trainable, {total - moving:,} frozen)"),
            (
                "trained",
                f"{counted(len(self.history), 'epoch')} in {counted(len(self.plan), 'phase')}",
            ),
            ("last epoch", ", ".join(f"{k} {v:.4f}" for k, v in last.items())),
            *self.inference.told(self.class_names),
            *([("transfer", self.transfer.told())] if self.transfer else ()),
        ]


@dataclass(frozen=True)
class _Decoded:
    """Pictures that are decoded when their batch is asked for."""

    items: Sequence[Any]
    decode: Callable[[Any], np.ndarray[Any, Any]]

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, places: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        return np.stack([self.decode(self.items[place]) for place in places])


def train(
    model: TrainedModel,
    data: Data,
    plan: Plan,
    *,
    seed: int,
    engine: Engine,
    callbacks: Any,
    verbose: int,
    weights: str | None = None,
) -> TrainedModel:
    """Run a plan on a model's own network, and return the model with the plan and its history.

    Args:
        model: Its network is moved in place.
        data: The pictures, at the model's size.
        plan: The phases.
        seed: As in `TrainedModel.fit`.
        engine: As in `TrainedModel.fit`.
        callbacks: As in `TrainedModel.fit`.
        verbose: As in `TrainedModel.fit`.
        weights: Where the backbone's weights came from, a name or a path, if that is known.
    """
    shown = verbose if workers.is_chief(model.network) else 0
    listed = tuple(callbacks) if isinstance(callbacks, list | tuple) else (callbacks,)
    with followed(Run(model, data, plan, seed, engine, listed)) as end:
        history, report = run_plan(
            Material(
                network=model.network,
                table=model.table,
                bound=model.bound,
                policy=model.policy,
                pipeline=model.pipeline,
                train=_material(data.train, model.bound, shown),
                val=None if data.val is None else _material(data.val, model.bound, shown),
                classes=data.train.labels if data.task == "classes" else None,
                backbone=str(model.about["backbone"]),
                weights=weights,
            ),
            plan,
            seed=seed,
            engine=engine,
            callbacks=listed,
            verbose=verbose,
            epochs_before=len(model.history),
        )
        end(trained := _trained(model, plan, history, report))
    return trained


def _trained(
    model: TrainedModel, plan: Plan, history: History, report: EngineReport
) -> TrainedModel:
    """The model with what came of a run, behind what it had before."""
    before = model.history
    joined = before.extended(history) if before.epochs else history
    phases = model.plan.then(plan) if before.epochs else plan
    reports = model.engine_report.extended(report)
    return replace(model, plan=phases, history=joined, engine_report=reports)


def _published(weights: str) -> str | None:
    """Weights that a name is enough for; of a file a saved model knows the last part alone."""
    return weights if weights in ("imagenet", "pretrained") else None


def _material(split: Split, bound: BoundHead, verbose: int) -> tuple[Any, np.ndarray[Any, Any]]:
    return split.pixels(verbose=verbose), bound.targets(split.labels)

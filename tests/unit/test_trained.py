"""`TrainedModel`: every form of picture that it predicts, its scores, and how it shows itself."""

from __future__ import annotations

import copy
import html
import pickle
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageOps
from sklearn import metrics

import transferkit as tk
from transferkit import _keras, bundle
from transferkit.data import decode
from transferkit.errors import (
    BundleNotFoundError,
    DamagedBundleError,
    DataError,
    DataNotFoundError,
    DecodeError,
    SpecError,
    UnknownNameError,
)

Array = np.ndarray[Any, Any]

SIDE = 16
NAMES = ("<b>ants</b>", "bees & wasps", 'the "rest"')
NOISE = np.random.default_rng(0).integers(0, 256, (24, SIDE, SIDE, 3))
IMAGES = (NOISE * ((np.arange(24) * 7 % 24 + 1) / 24)[:, None, None, None]).astype(np.uint8)
IDS = np.arange(24) % 3
MULTI_HOT = np.stack([IDS == 0, IDS != 1, np.arange(24) % 2 == 0], axis=1).astype(np.int64)
NUMBERS = np.stack([np.arange(24) / 8, 1 - IDS.astype(float)], axis=1)


def tiny() -> Any:
    keras = _keras.keras()
    keras.utils.set_random_seed(0)
    pixels = keras.Input((SIDE, SIDE, 3))
    x = keras.layers.Conv2D(4, 3, strides=2, padding="same", name="first_conv")(pixels)
    x = keras.layers.BatchNormalization(name="first_norm")(x)
    x = keras.layers.ReLU(name="first_relu")(x)
    x = keras.layers.Conv2D(8, 3, strides=2, padding="same", name="second_conv")(x)
    x = keras.layers.ReLU(name="second_relu")(x)
    network = keras.Model(pixels, x, name="tiny")
    return tk.backbones.from_keras(network, preprocessing="unit", blocks=r"(first|second)_")


def fitted(data: tk.data.Data, head: Any = None) -> Any:
    """A model of one epoch, its last kernel drawn at random: every picture has its own outputs."""
    model = tk.TransferModel(tiny()).freeze(tk.freeze.backbone())
    model = model if head is None else model.head(head)
    trained = model.fit(data, tk.Phase(1, batch_size=8), verbose=0)
    last = trained.network.get_layer("head_logits")
    rng = np.random.default_rng(4)
    last.set_weights([rng.normal(0, 8, last.kernel.shape), np.zeros(last.bias.shape)])
    outputs = trained.network.predict_on_batch(IMAGES)
    assert np.ptp(outputs, axis=0).min() > 0.1, "predictions have to tell pictures apart"
    return trained


@pytest.fixture(scope="module")
def photos() -> tk.data.Data:
    return tk.data.from_arrays(IMAGES, IDS, class_names=NAMES, val=0.5)


@pytest.fixture(scope="module")
def trained(photos: tk.data.Data) -> Any:
    return fitted(photos)


def scores(result: Any) -> list[float]:
    return list(result.scores.values())


def by_hand(trained: Any, pixels: Array) -> list[float]:
    """What the network says of one picture of its own size."""
    return [float(p) for p in trained.network.predict_on_batch(pixels[None])[0]]


def close(results: Any, expected: Any) -> bool:
    return bool(np.allclose([scores(each) for each in results], expected, rtol=1e-4, atol=1e-6))


# -- pictures in many forms


def test_a_picture_gives_one_result_whatever_form_it_has(trained: Any, tmp_path: Path) -> None:
    path = tmp_path / "one.png"
    Image.fromarray(IMAGES[0]).save(path)
    expected = by_hand(trained, IMAGES[0])
    forms = {
        "text": str(path),
        "path": path,
        "PIL": Image.fromarray(IMAGES[0]),
        "bytes": IMAGES[0],
        "floats": IMAGES[0].astype(np.float32),
        "doubles": IMAGES[0].astype(np.float64),
        "whole numbers": IMAGES[0].astype(np.int64),
    }
    for form, picture in forms.items():
        result = trained.predict(picture)
        assert isinstance(result, tk.heads.Prediction), form
        assert scores(result) == pytest.approx(expected, rel=1e-4, abs=1e-6), form
        assert result.label == NAMES[int(np.argmax(expected))], form
        assert result.confidence == max(scores(result)), form


def test_many_pictures_give_a_list_in_their_order(trained: Any, tmp_path: Path) -> None:
    path = tmp_path / "one.png"
    Image.fromarray(IMAGES[3]).save(path)
    expected = trained.network.predict_on_batch(IMAGES[:6])
    mixed = [
        IMAGES[0],
        IMAGES[1].astype(np.float32),
        Image.fromarray(IMAGES[2]),
        path,
        IMAGES[4:6],
    ]
    nested = [[IMAGES[0], [IMAGES[1], (IMAGES[2],)]], [], [IMAGES[3:5]], IMAGES[5]]
    forms: Mapping[str, Any] = {
        "4-d": IMAGES[:6],
        "list": list(IMAGES[:6]),
        "tuple": tuple(IMAGES[:6]),
        "mixed": mixed,
        "nested": nested,
        "generator": (image for image in IMAGES[:6]),
    }
    for form, pictures in forms.items():
        results = trained.predict(pictures)
        assert isinstance(results, list), form
        assert len(results) == 6, form
        assert close(results, expected), form


@pytest.mark.parametrize("one", [IMAGES[:1], [IMAGES[0]], (IMAGES[0],), iter([IMAGES[0]])])
def test_a_list_of_one_is_still_a_list(trained: Any, one: Any) -> None:
    results = trained.predict(one)
    assert isinstance(results, list)
    assert close(results, [by_hand(trained, IMAGES[0])])


@pytest.mark.parametrize("none", [[], (), [[], []], IMAGES[:0]])
def test_no_pictures_give_no_results(trained: Any, none: Any) -> None:
    assert trained.predict(none) == []


def test_a_folder_is_read_in_the_order_of_its_file_names(trained: Any, tmp_path: Path) -> None:
    names = {"b.png": 1, "a.PNG": 0, "c10.bmp": 2, "c9.png": 3}
    for name, place in sorted(names.items(), key=lambda pair: -pair[1]):
        Image.fromarray(IMAGES[place]).save(tmp_path / name)
    (tmp_path / "notes.txt").write_text("no picture")
    (tmp_path / "more").mkdir()
    Image.fromarray(IMAGES[5]).save(tmp_path / "more" / "d.png")
    expected = trained.network.predict_on_batch(IMAGES[:4])
    for folder in (tmp_path, str(tmp_path), [tmp_path]):
        results = trained.predict(folder)
        assert len(results) == 4
        assert close(results, expected)


def test_a_grey_picture_is_taken_for_an_rgb_model(trained: Any) -> None:
    grey = Image.fromarray(IMAGES[0]).convert("L")
    plane = np.asarray(grey)
    expected = by_hand(trained, np.stack([plane] * 3, axis=-1))
    for picture in (grey, plane, plane[..., None]):
        assert scores(trained.predict(picture)) == pytest.approx(expected, rel=1e-4)


def test_a_transparent_picture_is_seen_on_white(trained: Any) -> None:
    alpha = np.where(np.arange(SIDE) < 8, 255, 0).astype(np.uint8)
    rgba = np.dstack([IMAGES[0], np.broadcast_to(alpha, (SIDE, SIDE))])
    seen = np.where(alpha[None, :, None] == 255, IMAGES[0], 255).astype(np.uint8)
    result = trained.predict(Image.fromarray(rgba))
    assert scores(result) == pytest.approx(by_hand(trained, seen), rel=1e-4)


def test_a_picture_of_another_size_goes_through_the_one_decoder(
    trained: Any, tmp_path: Path
) -> None:
    large = np.random.default_rng(1).integers(0, 256, (40, 24, 3), dtype=np.uint8)
    large[:20] //= 4
    path = tmp_path / "large.png"
    Image.fromarray(large).save(path)
    fitted_in = ImageOps.fit(Image.fromarray(large), (SIDE, SIDE), Image.Resampling.BILINEAR)
    np.testing.assert_array_equal(decode(path, image_size=SIDE), np.asarray(fitted_in))
    expected = by_hand(trained, np.asarray(fitted_in))
    assert expected != pytest.approx(by_hand(trained, large[:SIDE, :SIDE]), rel=1e-2)
    for picture in (path, str(path), Image.fromarray(large)):
        assert scores(trained.predict(picture)) == pytest.approx(expected, rel=1e-4)
    from_array = decode(large, image_size=SIDE)
    np.testing.assert_allclose(from_array, np.asarray(fitted_in), atol=1)  # one grey level
    assert scores(trained.predict(large)) == pytest.approx(by_hand(trained, from_array), rel=1e-4)


def test_a_model_that_crops_crops_what_it_predicts() -> None:
    wide = np.random.default_rng(1).integers(0, 256, (12, SIDE, 3 * SIDE, 3), dtype=np.uint8)
    wide[:, :, :SIDE] //= 8
    data = tk.data.from_arrays(wide, IDS[:12], image_size=SIDE, fit="crop", class_names=NAMES)
    trained = fitted(data)
    middle = wide[0][:, SIDE : 2 * SIDE]
    expected = by_hand(trained, middle)
    assert scores(trained.predict(Image.fromarray(wide[0]))) == pytest.approx(expected, rel=1e-4)


def test_a_model_that_crops_by_a_share_is_saved_with_it(tmp_path: Path) -> None:
    wide = np.random.default_rng(1).integers(0, 256, (12, SIDE + 8, 2 * SIDE, 3), dtype=np.uint8)
    wide[::3] //= 4
    crop = tk.data.Crop(0.5, "bicubic")
    data = tk.data.from_arrays(wide, IDS[:12], image_size=SIDE, fit=crop, class_names=NAMES)
    trained = fitted(data)
    trained.save(tmp_path / "m.tkm")
    again = tk.load(tmp_path / "m.tkm")
    assert again.about["fit"] == {"share": 0.5, "interpolation": "bicubic"}
    picture = Image.fromarray(wide[0])
    expected = by_hand(trained, decode(picture, image_size=SIDE, fit=crop))
    assert expected != pytest.approx(by_hand(trained, decode(picture, image_size=SIDE)), rel=1e-2)
    assert scores(again.predict(picture)) == pytest.approx(expected, rel=1e-4)
    assert data.val is not None
    assert again.evaluate(data.val).loss == pytest.approx(trained.evaluate(data.val).loss)
    of_other_fit = data.resized(SIDE, fit="stretch").val
    assert of_other_fit is not None
    assert again.evaluate(of_other_fit).loss == pytest.approx(trained.evaluate(data.val).loss)


def test_the_batch_size_changes_nothing(trained: Any, photos: tk.data.Data) -> None:
    assert photos.val is not None
    expected = [scores(each) for each in trained.predict(IMAGES, batch_size=32)]
    loss = trained.evaluate(photos.val).loss
    for batch_size in (1, 2, 5):
        results = trained.predict(IMAGES, batch_size=batch_size)
        assert len(results) == len(IMAGES)
        assert close(results, expected)
        found = trained.evaluate(photos.val, batch_size=batch_size)
        assert found.loss == pytest.approx(loss, rel=1e-5)


def test_the_saved_and_opened_twin_says_the_same(trained: Any, tmp_path: Path) -> None:
    trained.save(tmp_path / "model.tkm")
    twin = tk.load(tmp_path / "model.tkm")
    path = tmp_path / "large.png"
    large = np.random.default_rng(1).integers(0, 256, (40, 24, 3), dtype=np.uint8)
    Image.fromarray(large).save(path)
    for pictures in (IMAGES, path, Image.fromarray(large).convert("L"), [path, IMAGES[0]]):
        assert twin.predict(pictures) == trained.predict(pictures)
    assert twin.class_names == NAMES
    assert repr(twin) == repr(trained)


# -- what is refused


@pytest.mark.parametrize("pictures", [IMAGES[0] / 255, IMAGES[:2] / np.float32(255)])
def test_pixels_from_0_to_1_are_refused(trained: Any, pictures: Array) -> None:
    with pytest.raises(DataError, match=r"pixels look like 0\.\.1.*images \* 255"):
        trained.predict(pictures)


@pytest.mark.parametrize("low", [-1.0, -128.0])
def test_pixels_that_are_scaled_already_are_refused(trained: Any, low: float) -> None:
    with pytest.raises(DataError, match=r"outside 0\.\.255.*scales them itself"):
        trained.predict(IMAGES[0] / 127.5 + low)


def test_a_truncated_file_is_named(trained: Any, tmp_path: Path) -> None:
    whole, half = tmp_path / "whole.png", tmp_path / "half.png"
    Image.fromarray(IMAGES[0]).save(whole)
    half.write_bytes(whole.read_bytes()[:300])
    for pictures in (half, str(half), tmp_path, [IMAGES[0], half]):
        with pytest.raises(DecodeError, match=f"{re.escape(str(half))} cannot be read: .*truncat"):
            trained.predict(pictures)


def test_a_missing_file_is_named(trained: Any, tmp_path: Path) -> None:
    gone = tmp_path / "gone.jpg"
    for pictures in (gone, str(gone), [IMAGES[0], gone]):
        with pytest.raises(DataNotFoundError, match=re.escape(f"there is no file {str(gone)!r}")):
            trained.predict(pictures)


def test_a_folder_without_pictures_is_named(trained: Any, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("no picture")
    with pytest.raises(DataNotFoundError, match="no pictures in") as caught:
        trained.predict(tmp_path)
    assert repr(str(tmp_path)) in str(caught.value)
    assert ".png" in str(caught.value)
    with pytest.raises(DecodeError, match=r"notes\.txt cannot be read: it is text"):
        trained.predict(tmp_path / "notes.txt")


@pytest.mark.parametrize("channels", [2, 4, 5])
def test_arrays_of_other_channels_are_refused(trained: Any, channels: int) -> None:
    wrong = np.zeros((SIDE, SIDE, channels), np.uint8)
    with pytest.raises(DecodeError, match=rf"has {channels} channels\. Expected 3 channels"):
        trained.predict(wrong)


@pytest.mark.parametrize("shape", [(SIDE,), (1, 1, SIDE, SIDE, 3)])
def test_arrays_that_are_no_pictures_are_refused(trained: Any, shape: tuple[int, ...]) -> None:
    with pytest.raises(DataError, match="ndarray is no picture in shape") as caught:
        trained.predict(np.zeros(shape, np.uint8))
    assert str(shape) in str(caught.value)


# -- scores


def binary_cross_entropy(truths: Array, outputs: Array) -> float:
    return float(-np.mean(truths * np.log(outputs) + (1 - truths) * np.log(1 - outputs)))


def test_classes_are_scored_as_scikit_learn_scores_them(trained: Any, photos: Any) -> None:
    found = trained.evaluate(photos.val)
    outputs = trained.network.predict_on_batch(photos.val.pixels()).astype(np.float64)
    outputs /= outputs.sum(axis=1, keepdims=True)  # in double precision they sum to one exactly
    truths, predicted = photos.val.labels, outputs.argmax(axis=1)
    assert 0 < found.accuracy < 1, "a score of 0 or 1 would say little"
    assert found.accuracy == pytest.approx(metrics.accuracy_score(truths, predicted))
    assert found.loss == pytest.approx(metrics.log_loss(truths, outputs), rel=1e-4)
    np.testing.assert_array_equal(found.confusion, metrics.confusion_matrix(truths, predicted))
    expected = metrics.precision_recall_fscore_support(truths, predicted, zero_division=0)
    rows = [(s.precision, s.recall, s.f1, s.support) for s in found.per_class]
    np.testing.assert_allclose(rows, np.transpose(expected))
    assert [score.name for score in found.per_class] == list(NAMES)
    assert (found.split, found.count) == ("val", len(photos.val))
    worst = found.worst(1)[0]
    assert worst.loss == pytest.approx(-np.log(outputs[worst.index, truths[worst.index]]), rel=1e-4)
    np.testing.assert_array_equal(found.images(worst.index), photos.val.pixels()[worst.index])


def test_top_losses_and_confusions_are_those_of_the_evaluation(trained: Any, photos: Any) -> None:
    found = trained.evaluate(photos.val)
    assert list(trained.top_losses(photos.val, 3)) == list(found.top_losses(3))
    assert len(trained.top_losses(photos.val)) == 9
    pairs = trained.most_confused(photos.val)
    assert pairs == found.most_confused() != ()
    assert trained.most_confused(photos.val, 99) == ()
    figure = trained.top_losses(photos.val, 2).plot()
    first, second = (axes.images[0].get_array() for axes in figure.axes)
    drawn = [photos.val.pixels()[each.index] for each in found.top_losses(2)]
    np.testing.assert_array_equal([first, second], drawn)


def test_one_logit_is_scored_as_two_classes() -> None:
    labels = np.arange(24) % 2
    data = tk.data.from_arrays(IMAGES, labels, class_names=NAMES[:2], val=0.5)
    assert data.val is not None
    trained = fitted(data, tk.heads.classification(one_logit=True))
    found = trained.evaluate(data.val)
    outputs = trained.network.predict_on_batch(data.val.pixels()).astype(np.float64)
    assert outputs.shape == (len(data.val), 1)
    truths, predicted = data.val.labels, (outputs[:, 0] > 0.5).astype(int)
    assert found.accuracy == pytest.approx(metrics.accuracy_score(truths, predicted))
    assert found.loss == pytest.approx(metrics.log_loss(truths, outputs[:, 0]), rel=1e-4)
    np.testing.assert_array_equal(
        found.confusion, metrics.confusion_matrix(truths, predicted, labels=[0, 1])
    )
    np.testing.assert_allclose(found.outputs, np.hstack([1 - outputs, outputs]), rtol=1e-5)
    results = trained.predict(data.val.pixels())
    assert [NAMES.index(each.label) for each in results] == predicted.tolist()


def test_labels_are_scored_above_the_heads_threshold() -> None:
    data = tk.data.from_arrays(IMAGES, MULTI_HOT, class_names=NAMES, val=0.5)
    assert data.val is not None
    trained = fitted(data, tk.heads.multilabel(threshold=0.4))
    found = trained.evaluate(data.val)
    outputs = trained.network.predict_on_batch(data.val.pixels()).astype(np.float64)
    truths, predicted = data.val.labels.astype(int), (outputs > 0.4).astype(int)
    assert not np.array_equal(predicted, outputs > 0.5), "the threshold has to matter"
    assert found.loss == pytest.approx(binary_cross_entropy(truths, outputs), rel=1e-4)
    assert found.accuracy == pytest.approx(metrics.accuracy_score(truths, predicted))
    assert found.metrics["micro_f1"] == pytest.approx(
        metrics.f1_score(truths, predicted, average="micro", zero_division=0)
    )
    assert found.metrics["macro_f1"] == pytest.approx(
        metrics.f1_score(truths, predicted, average="macro", zero_division=0)
    )
    named = [tuple(name for name, on in zip(NAMES, row, strict=True) if on) for row in predicted]
    assert [each.labels for each in trained.predict(data.val.pixels())] == named


def test_numbers_are_scored_by_their_errors() -> None:
    data = tk.data.from_arrays(IMAGES, NUMBERS, val=0.5)
    assert data.val is not None
    trained = fitted(data)
    found = trained.evaluate(data.val)
    outputs = trained.network.predict_on_batch(data.val.pixels())
    truths = data.val.labels
    assert found.loss == pytest.approx(metrics.mean_squared_error(truths, outputs), rel=1e-4)
    expected = {
        "mae": metrics.mean_absolute_error(truths, outputs),
        "rmse": np.sqrt(metrics.mean_squared_error(truths, outputs)),
        "r2": metrics.r2_score(truths, outputs),
    }
    for name, score in expected.items():
        assert found.metrics[name] == pytest.approx(score, rel=1e-4), name
    values = [each.values for each in trained.predict(data.val.pixels())]
    np.testing.assert_allclose(values, outputs, rtol=1e-4, atol=1e-6)


def test_a_split_of_another_size_is_scored_at_the_models(trained: Any) -> None:
    large = IMAGES.repeat(2, axis=1).repeat(3, axis=2)
    data = tk.data.from_arrays(large, IDS, class_names=NAMES, val=0.5)
    assert data.val is not None
    found = trained.evaluate(data.val)
    sized = np.stack([decode(image, image_size=SIDE) for image in data.val.pixels()])
    outputs = trained.network.predict_on_batch(sized)
    np.testing.assert_allclose(found.outputs, outputs, rtol=1e-4, atol=1e-6)


def test_a_split_of_other_classes_is_refused(trained: Any) -> None:
    data = tk.data.from_arrays(IMAGES, IDS, class_names=NAMES[::-1])
    with pytest.raises(SpecError, match=r"evaluate: the \w+ split has other classes") as caught:
        trained.evaluate(data.train)
    assert "class_names=trained.class_names" in str(caught.value)


# -- how it shows itself


def counted(network: Any) -> tuple[int, int, int]:
    sizes = {weight.path: int(np.prod(weight.shape)) for weight in network.weights}
    trainable = sum(sizes[weight.path] for weight in network.trainable_weights)
    return sum(sizes.values()), trainable, sum(sizes.values()) - trainable


def test_repr_says_what_it_is_and_how_it_was_trained(trained: Any) -> None:
    shown = repr(trained)
    assert shown.startswith("TrainedModel: tiny (pretrained)\n")
    assert f"classes: {', '.join(NAMES)}\n" in shown
    assert f"pictures: {SIDE} x {SIDE} x 3\n" in shown
    assert "trained: 1 epoch in 1 phase\n" in shown
    last = trained.history.epochs[-1].metrics
    assert f"val_loss {last['val_loss']:.4f}" in shown
    # 8 channels to 3 classes and a bias train; 3 * 3 * 3 * 4 + 4, 4 * 4, 3 * 3 * 4 * 8 + 8 do not.
    assert counted(trained.network) == (8 * 3 + 3 + 112 + 16 + 296, 8 * 3 + 3, 112 + 16 + 296)
    assert "parameters: 451 (27 trainable, 424 frozen)\n" in shown


def test_counts_follow_the_policy_of_the_last_phase(trained: Any, photos: tk.data.Data) -> None:
    thawed = trained.fit(photos, tk.Phase(1, freeze=tk.freeze.nothing()), verbose=0)
    total, trainable, frozen = counted(thawed.network)
    assert (total, trainable, frozen) == (451, 451 - 16, 16)  # BatchNormalization stays frozen
    assert f"parameters: {total:,} ({trainable:,} trainable, {frozen:,} frozen)" in repr(thawed)
    assert "trained: 2 epochs in 2 phases" in repr(thawed)
    assert "(27 trainable, 424 frozen)" in repr(trained)


def test_html_escapes_class_names(trained: Any) -> None:
    shown = trained._repr_html_()
    assert "<b>" not in shown
    assert "&lt;b&gt;ants&lt;/b&gt;, bees &amp; wasps" in shown
    cells = re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", shown)
    pairs = zip(cells[::2], cells[1::2], strict=True)
    text = "\n".join(f"{html.unescape(name)}: {html.unescape(value)}" for name, value in pairs)
    assert text == repr(trained)


# -- fitting on


def test_fitting_on_without_a_plan_is_five_epochs_of_fine_tuning(
    trained: Any, photos: tk.data.Data
) -> None:
    further = trained.fit(photos, verbose=0)
    assert [phase.name for phase in further.plan] == ["training", "fine-tuning"]
    assert further.plan.phases[1] == tk.plans.fine_tune(5).phases[0]
    assert [(r.epoch, r.phase) for r in further.history.epochs] == [
        (0, 0),
        *((epoch, 1) for epoch in range(1, 6)),
    ]
    assert further.history.epochs[0] == trained.history.epochs[0]
    assert [r.learning_rate for r in further.history.epochs[1:]] == pytest.approx([1e-5] * 5)
    moved = _moved(trained, further)
    assert moved == ["head_logits/kernel", "head_logits/bias"]


def test_fitting_on_data_of_another_size_resizes_it(trained: Any, photos: tk.data.Data) -> None:
    large = IMAGES.repeat(2, axis=1).repeat(3, axis=2)
    data = tk.data.from_arrays(large, IDS, class_names=NAMES, val=0.5)
    phase = tk.Phase(2, learning_rate=0.1, batch_size=8)
    exact: Any = {"engine": tk.Engine(precision="float32"), "verbose": 0}
    further = trained.fit(data, phase, **exact)
    assert further.image_size == (SIDE, SIDE)
    assert data.image_size == (2 * SIDE, 3 * SIDE)
    assert _moved(trained, further)
    by_hand = trained.fit(data.resized(SIDE), phase, **exact)
    assert _moved(by_hand, further) == []
    assert further.evaluate(data.val).loss == pytest.approx(
        further.history.epochs[-1].metrics["val_loss"], rel=1e-4
    )


def test_fitting_on_starts_from_the_weights_there_are(trained: Any, photos: Any) -> None:
    phase = tk.Phase(1, learning_rate=1e-12, batch_size=8)
    exact = tk.Engine(precision="float32")
    still = trained.fit(photos, phase, engine=exact, verbose=0)
    loss = still.history.epochs[-1].metrics["val_loss"]
    assert loss == pytest.approx(trained.evaluate(photos.val).loss, rel=1e-4)
    assert loss != pytest.approx(trained.history.epochs[0].metrics["val_loss"], rel=1e-2)


def _moved(first: Any, second: Any) -> list[str]:
    pairs: Iterator[Any] = zip(first.network.weights, second.network.weights, strict=True)
    return [a.path for a, b in pairs if not np.array_equal(a.numpy(), b.numpy())]


# -- what cannot be predicted, evaluated or trained on


@pytest.mark.parametrize("batch_size", [0, -1, 1.5, None, True])
def test_a_batch_size_that_is_none_is_refused(trained: Any, photos: Any, batch_size: Any) -> None:
    with pytest.raises(SpecError, match="predict: batch_size is out of range"):
        trained.predict(IMAGES, batch_size=batch_size)
    with pytest.raises(SpecError, match="evaluate: batch_size is out of range"):
        trained.evaluate(photos.val, batch_size=batch_size)


@pytest.mark.parametrize(
    "what",
    [None, 3, b"\xff\xd8", [1, 2], IMAGES[0].tolist(), object()],
    ids=["None", "int", "bytes", "numbers", "nested numbers", "object"],
)
def test_what_is_no_picture_is_refused_with_what_is_one(trained: Any, what: Any) -> None:
    with pytest.raises(DataError, match=r"predict: \w+ is no picture.*a path, a folder, a PIL"):
        trained.predict(what)


def test_data_is_no_picture_and_the_error_says_what_to_type(trained: Any, photos: Any) -> None:
    for what in (photos, photos.val):
        with pytest.raises(DataError, match=r"trained\.predict\(photos\.val\.pixels\(\)\)"):
            trained.predict(what)


def test_tensors_are_pictures_too(trained: Any) -> None:
    tf = _keras.tf()
    expected = trained.predict(IMAGES[:2])
    assert trained.predict(tf.constant(IMAGES[:2])) == expected
    assert trained.predict(tf.constant(IMAGES[0])) == expected[0]
    assert trained.predict(tf.data.Dataset.from_tensor_slices(IMAGES[:2])) == expected


def test_a_folder_leaves_out_what_from_directory_leaves_out(trained: Any, tmp_path: Path) -> None:
    Image.fromarray(IMAGES[0]).save(tmp_path / "a.png")
    (tmp_path / "._a.png").write_bytes(b"what macOS leaves behind")
    (tmp_path / "b.png").mkdir()
    assert len(trained.predict(tmp_path)) == 1


def test_an_array_predicts_what_its_file_predicts(trained: Any, tmp_path: Path) -> None:
    large = np.random.default_rng(1).integers(0, 256, (40, 24, 3), dtype=np.uint8)
    Image.fromarray(large).save(tmp_path / "a.png")
    assert trained.predict(large) == trained.predict(tmp_path / "a.png")


def test_a_dark_picture_among_others_is_predicted(trained: Any) -> None:
    floats = IMAGES.astype(np.float32)
    floats[3] /= 300
    assert len(trained.predict(floats)) == len(floats)
    with pytest.raises(DataError, match=r"predict: pixels look like 0\.\.1"):
        trained.predict(floats[3])


@pytest.mark.parametrize("what", [None, "val", IMAGES])
def test_what_is_no_split_is_refused(trained: Any, what: Any) -> None:
    with pytest.raises(SpecError, match=r"evaluate: \w+ is no split.*photos\.val"):
        trained.evaluate(what)


def test_data_is_no_split(trained: Any, photos: Any) -> None:
    with pytest.raises(SpecError, match="evaluate: Data is no split"):
        trained.evaluate(photos)


def test_labels_of_another_kind_are_refused(trained: Any, photos: Any) -> None:
    rows = tk.data.from_arrays(IMAGES, MULTI_HOT, class_names=NAMES, task="labels", val=0.5)
    with pytest.raises(SpecError, match=r"fit: .*other labels.*task='classes'.*task='labels'"):
        trained.fit(rows, verbose=0)
    several = fitted(rows)
    with pytest.raises(SpecError, match=r"evaluate: .*other labels.*task='labels'"):
        several.evaluate(photos.val)


def test_another_number_of_outputs_is_refused() -> None:
    one = tk.data.from_arrays(IMAGES, NUMBERS[:, 0], val=0.5)
    two = fitted(tk.data.from_arrays(IMAGES, NUMBERS, val=0.5))
    with pytest.raises(SpecError, match=r"evaluate: .*outputs=2.*outputs=1"):
        two.evaluate(one.val)
    with pytest.raises(SpecError, match=r"fit: .*outputs=2.*outputs=1"):
        two.fit(one, verbose=0)


def test_other_channels_are_refused(trained: Any) -> None:
    grey = tk.data.from_arrays(IMAGES[..., :1], IDS, class_names=NAMES, val=0.5)
    with pytest.raises(SpecError, match=r"evaluate: .*channels=3.*channels=1"):
        trained.evaluate(grey.val)


def test_names_add_no_line_of_their_own() -> None:
    evil = "x\x1b]0;title\x07\x1b[2J\ntrained: 999 epochs\r\u202e"
    data = tk.data.from_arrays(IMAGES, IDS, class_names=(evil, "b", "c"), val=0.5)
    shown = repr(fitted(data))
    assert len(shown.splitlines()) == 6
    assert all(char.isprintable() or char == "\n" for char in shown)


def test_the_output_of_a_layer_belongs_to_the_network(trained: Any) -> None:
    keras, network = _keras.keras(), trained.network
    inner = keras.Model(network.inputs, network.get_layer("first_relu").output)
    assert inner.predict_on_batch(IMAGES[:2]).shape == (2, SIDE // 2, SIDE // 2, 4)
    built = tk.TransferModel("keras:MobileNetV2", weights=None).build(classes=2, image_size=32)
    keras.Model(built.inputs, built.get_layer("block_16_project").output)


# -- a file whose facts do not fit its network


@pytest.mark.parametrize(
    "spoil",
    [
        lambda facts: facts["head"].update(nope=1),
        lambda facts: facts["head"].pop("name"),
        lambda facts: facts["head"].update(dropout="x"),
        lambda facts: facts["target"].pop("task"),
        lambda facts: facts["target"].update(task="nope"),
        lambda facts: facts["target"].update(class_names=["only"]),
        lambda facts: facts["target"].update(class_names=["a", "b"], outputs=2),
        lambda facts: facts.pop("plan"),
        lambda facts: facts["about"].pop("image_size"),
        lambda facts: facts["about"].update(channels=4),
        lambda facts: facts["about"].update(image_size=[10**6, 10**6]),
        lambda facts: facts["about"].update(fit="evil"),
        lambda facts: facts["about"].update(fit=None),
        lambda facts: facts["about"].update(fit={"share": 2.0}),
        lambda facts: facts["about"].update(fit={"scale": 0.5}),
        lambda facts: facts["target"].update(class_names=["a", "a", "b"]),
    ],
)
def test_facts_that_do_not_fit_are_a_damaged_bundle(
    trained: Any, tmp_path: Path, spoil: Any
) -> None:
    facts = copy.deepcopy(trained._facts())
    spoil(facts)
    bundle.write(tmp_path / "m.tkm", trained.network, facts)
    with pytest.raises(DamagedBundleError, match="its network and what is said of it do not fit"):
        tk.load(tmp_path / "m.tkm")


def test_a_head_that_nobody_registered_here_is_named(trained: Any, tmp_path: Path) -> None:
    facts = copy.deepcopy(trained._facts())
    facts["head"]["name"] = "classificaton"
    bundle.write(tmp_path / "m.tkm", trained.network, facts)
    with pytest.raises(UnknownNameError, match=r"'classificaton'.*did you mean 'classification'"):
        tk.load(tmp_path / "m.tkm")


def test_a_class_name_of_bytes_that_are_no_text_is_saved_and_loaded(tmp_path: Path) -> None:
    names = ("a\udcff", "b", "\u82b1")
    fitted(tk.data.from_arrays(IMAGES, IDS, class_names=names, val=0.5)).save(tmp_path / "m.tkm")
    assert tk.load(tmp_path / "m.tkm").class_names == names


def test_a_model_is_copied_and_pickled_after_it_predicted(trained: Any) -> None:
    expected = trained.predict(IMAGES[:2])
    for twin in (copy.deepcopy(trained), pickle.loads(pickle.dumps(trained))):
        assert close(twin.predict(IMAGES[:2]), [list(each.scores.values()) for each in expected])


def test_what_a_model_says_of_itself_cannot_be_changed(trained: Any) -> None:
    with pytest.raises(TypeError, match="make another value"):
        trained.about["fit"] = "pad"


def test_a_loaded_network_is_compiled_as_a_trained_one_is(trained: Any, tmp_path: Path) -> None:
    trained.save(tmp_path / "m.tkm")
    again = tk.load(tmp_path / "m.tkm")
    rows = np.eye(3)[IDS]
    assert again.network.evaluate(IMAGES, rows, verbose=0) == pytest.approx(
        trained.network.evaluate(IMAGES, rows, verbose=0)
    )


def test_a_split_is_brought_to_size_in_the_models_way(trained: Any) -> None:
    wide = np.repeat(IMAGES, 2, axis=2)
    for fit in ("crop", "stretch", "pad"):
        data = tk.data.from_arrays(wide, IDS, class_names=NAMES, val=0.5, fit=fit)
        assert data.val is not None
        outputs = trained.evaluate(data.val).outputs
        assert close(trained.predict(data.val.sources), outputs)


def test_a_file_below_a_file_is_not_there(tmp_path: Path) -> None:
    (tmp_path / "m.tkm").write_bytes(b"PK")
    with pytest.raises(BundleNotFoundError, match="there is no file"):
        tk.load(tmp_path / "m.tkm" / "x")


def test_arrays_of_another_range_are_predicted_with_it(trained: Any) -> None:
    wide = IMAGES[:3].astype(np.float32) * 16
    expected = trained.predict(IMAGES[:3])
    given = trained.predict(wide, pixel_range=(0, 4080))
    assert [each.label for each in given] == [each.label for each in expected]
    assert given[0].confidence == pytest.approx(expected[0].confidence, abs=1e-4)
    (listed,) = trained.predict([wide[0]], pixel_range=(0, 4080))
    assert listed.confidence == pytest.approx(expected[0].confidence, abs=1e-4)
    with pytest.raises(DataError, match=r"predict: pixels lie outside pixel_range"):
        trained.predict(wide, pixel_range=(0, 100))
    with pytest.raises(DataError, match=r"predict\(\.\.\., pixel_range=\(low, high\)\)"):
        trained.predict(wide)
    with pytest.raises(SpecError, match="pixel_range is no range"):
        trained.predict(wide, pixel_range=(1, 0))

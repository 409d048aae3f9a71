from __future__ import annotations

import copy
import dataclasses
import io
import json
import subprocess
import sys
from typing import Any

import numpy as np
import pytest

import transferkit as tk
from transferkit.augment import keys, warp
from transferkit.augment.operation import Operation, registry
from transferkit.augment.pipeline import Pipeline
from transferkit.errors import DataError, MissingExtraError, SpecError, UnknownNameError
from transferkit.spec import Augmentation

EVERY: tuple[Any, ...] = (
    tk.augment.flip(),
    tk.augment.flip(False, True),
    tk.augment.rotate(20),
    tk.augment.rotate(7.5, fill="nearest"),
    tk.augment.shift(0.2),
    tk.augment.shift(0.1, 0.3, fill="constant"),
    tk.augment.zoom(0.2),
    tk.augment.zoom((0.5, 1.0)),
    tk.augment.brightness(0.2),
    tk.augment.contrast(0.3),
    tk.augment.shear(10),
    tk.augment.shear(10, 5, fill="constant"),
    tk.augment.crop(),
    tk.augment.crop((0.5, 1.0), (1, 1)),
    tk.augment.saturation(0.2),
    tk.augment.hue(0.1),
    tk.augment.grayscale(),
    tk.augment.grayscale(0.3),
    tk.augment.noise(0.1),
    tk.augment.blur(2),
    tk.augment.blur((0.1, 2.0), probability=0.5),
    tk.augment.erase(),
    tk.augment.erase(0.25, scale=(0.1, 0.2), ratio=(1, 1), value="noise"),
    tk.augment.rand_augment(),
    tk.augment.rand_augment(3, 12, fill="nearest"),
    tk.augment.mixup(),
    tk.augment.mixup(0.4, probability=0.5),
    tk.augment.cutmix(),
    tk.augment.pipeline(),
    tk.augment.pipeline(tk.augment.flip(), tk.augment.contrast(0.1)),
)


@dataclasses.dataclass(frozen=True)
class Stranger:
    """An augmentation of someone who only read the protocol; it changes labels as well."""

    def apply(self, images: Any, labels: Any, keys: Any) -> tuple[Any, Any]:
        return images / 2.0, None if labels is None else labels + 1.0


def pictures(count: int = 3, channels: int = 3) -> np.ndarray[Any, Any]:
    rng = np.random.default_rng(0)
    return rng.uniform(0, 255, (count, 12, 16, channels)).astype(np.float32)


def run(augmentation: Any, images: Any, **more: Any) -> np.ndarray[Any, Any]:
    places = range(len(images))
    arguments: dict[str, Any] = {"seed": 0, "view": 0, "indices": places, **more}
    return np.asarray(augmentation(images, **arguments))


@pytest.mark.parametrize("operation", EVERY, ids=repr)
def test_every_operation_is_a_value_that_survives_its_config_and_its_repr(operation: Any) -> None:
    assert hash(operation) == hash(copy.deepcopy(operation))
    written = json.loads(json.dumps(operation.to_config()))
    assert tk.augment.from_config(written) == operation
    assert eval(repr(operation), vars(tk.augment)) == operation
    with pytest.raises(dataclasses.FrozenInstanceError):
        operation.fresh = 1


def test_every_registered_operation_is_among_those_tested() -> None:
    assert set(registry.names()) >= {op.name for op in EVERY}
    ours = {name for name in registry.names() if not name.startswith("test_")}
    assert ours == {op.name for op in EVERY}


def test_a_range_may_be_a_list_and_becomes_plain_numbers() -> None:
    lists: Any = [np.float32(0.5), 1]
    assert tk.augment.crop(lists).scale == (0.5, 1.0)
    assert tk.augment.blur(lists).sigma == (0.5, 1.0)
    assert all(type(end) is float for end in tk.augment.blur(lists).sigma)


def test_neighbouring_movements_are_one_product_of_matrices() -> None:
    operations = (
        tk.augment.rotate(40),
        tk.augment.shift(0.3),
        tk.augment.flip(),
        tk.augment.zoom(0.3),
    )
    made = keys.image_keys(0, 0, range(3))
    product = np.eye(3)
    for number, operation in enumerate(operations):
        matrices = operation.matrix(keys.fold(made, number), 12, 16).numpy().astype(np.float64)
        product = product @ matrices
    images = pictures()
    expected = warp.resample(images, product.astype(np.float32), "reflect")
    np.testing.assert_allclose(run(tk.augment.pipeline(*operations), images), expected, atol=0.05)


def test_the_product_is_what_one_operation_after_the_other_does() -> None:
    first, second = tk.augment.shift(0.2, fill="constant"), tk.augment.flip(True, True)
    made = keys.image_keys(4, 0, range(8))
    images = pictures(8)
    step, _ = first.apply(images, None, keys.fold(made, 0))
    expected, _ = second.apply(step, None, keys.fold(made, 1))
    together = run(tk.augment.pipeline(first, second), images, seed=4)
    np.testing.assert_allclose(together, expected, atol=0.02)


def resamplings(monkeypatch: pytest.MonkeyPatch, *operations: Augmentation) -> list[str | None]:
    fills = []
    original = warp.resample

    def counted(images: Any, matrices: Any, fill: Any) -> Any:
        fills.append(fill)
        return original(images, matrices, fill)

    monkeypatch.setattr(warp, "resample", counted)
    run(tk.augment.pipeline(*operations), pictures())
    return fills


def test_movements_cost_one_resampling(monkeypatch: pytest.MonkeyPatch) -> None:
    moving = (tk.augment.flip(), tk.augment.rotate(20), tk.augment.shift(0.2), tk.augment.zoom(0.1))
    assert resamplings(monkeypatch, *moving) == ["reflect"]


def test_a_flip_joins_any_fill_and_other_fills_stay_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    mirrored = tk.augment.rotate(20, fill="constant")
    fills = resamplings(
        monkeypatch, tk.augment.flip(), mirrored, tk.augment.flip(), tk.augment.shift(0.2), mirrored
    )
    assert fills == ["constant", "reflect", "constant"]


def test_an_operation_on_values_stands_between_two_resamplings(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    operations = (tk.augment.flip(), tk.augment.contrast(0.1), tk.augment.flip())
    assert resamplings(monkeypatch, *operations) == [None, None]


def test_operations_on_values_keep_their_order() -> None:
    made = keys.image_keys(0, 0, range(3))
    dark, flat = tk.augment.brightness(0.9), tk.augment.contrast(0.9)
    images = pictures()
    step, _ = dark.apply(images, None, keys.fold(made, 0))
    expected, _ = flat.apply(step, None, keys.fold(made, 1))
    np.testing.assert_array_equal(run(tk.augment.pipeline(dark, flat), images), expected)
    assert not np.allclose(run(tk.augment.pipeline(flat, dark), images), expected)


def test_equal_operations_draw_different_numbers() -> None:
    twice = tk.augment.pipeline(tk.augment.brightness(0.1), tk.augment.brightness(0.1))
    flat = np.full((100, 2, 2, 1), 128, np.float32)
    once = run(tk.augment.pipeline(tk.augment.brightness(0.1)), flat) - 128
    both = run(twice, flat) - 128
    assert np.abs(both - 2 * once).max() > 5


def test_a_pipeline_in_a_pipeline_is_written_out() -> None:
    a, b, c = tk.augment.flip(), tk.augment.rotate(20), tk.augment.contrast(0.1)
    nested = tk.augment.pipeline(a, tk.augment.pipeline(b, tk.augment.pipeline(c)))
    assert nested == tk.augment.pipeline(a, b, c) == Pipeline([a, b, c])  # type: ignore[arg-type]
    assert nested.operations == (a, b, c)


def test_a_pipeline_of_nothing_changes_nothing() -> None:
    images = pictures()
    np.testing.assert_array_equal(run(tk.augment.pipeline(), images), images)


@pytest.mark.parametrize("channels", [1, 4])
def test_pictures_of_other_channels_and_bytes_are_taken(channels: int) -> None:
    images = pictures(channels=channels).astype(np.uint8)
    augment = tk.augment.pipeline(tk.augment.rotate(20), tk.augment.contrast(0.1))
    assert run(augment, images).shape == images.shape
    assert run(augment, images).dtype == np.float32


def test_labels_come_back_where_they_were_given() -> None:
    augment = tk.augment.pipeline(tk.augment.flip(), Stranger())
    images, labels = augment(pictures(), np.zeros(3), seed=0, view=0, indices=range(3))
    assert images.shape == (3, 12, 16, 3)
    np.testing.assert_array_equal(labels, np.ones(3))


def test_the_graph_draws_what_eager_mode_draws() -> None:
    import tensorflow as tf

    augment = tk.augment.pipeline(
        tk.augment.flip(), tk.augment.rotate(20), tk.augment.contrast(0.1)
    )

    @tf.function(  # type: ignore[untyped-decorator]
        input_signature=[tf.TensorSpec((None, None, None, 3)), tf.TensorSpec((None,), tf.int64)]
    )
    def graph(images: Any, indices: Any) -> Any:
        return augment(images, seed=0, view=3, indices=indices)

    inside = graph(pictures(), np.arange(3))
    np.testing.assert_allclose(inside, run(augment, pictures(), view=3), atol=1e-3)


def test_it_maps_over_a_dataset() -> None:
    import tensorflow as tf

    augment = tk.augment.pipeline(tk.augment.flip(), tk.augment.shift(0.2))
    batches = tf.data.Dataset.from_tensor_slices((pictures(4), np.arange(4))).batch(2)
    mapped = batches.map(lambda images, places: augment(images, seed=0, view=0, indices=places))
    assert mapped.element_spec.shape == (None, 12, 16, 3)
    made = np.concatenate([batch.numpy() for batch in mapped])
    np.testing.assert_array_equal(made, run(augment, pictures(4)))


def test_show_draws_the_original_and_then_views() -> None:
    picture = pictures(1)[0]
    augment = tk.augment.pipeline(tk.augment.rotate(20), tk.augment.brightness(0.2))
    figure = augment.show(picture, n=5, seed=1)
    titles = [axes.get_title() for axes in figure.axes if axes.images]
    assert titles == ["original", "view 0", "view 1", "view 2", "view 3"]
    drawn = [np.asarray(axes.images[0].get_array()) for axes in figure.axes if axes.images]
    np.testing.assert_array_equal(drawn[0], np.rint(picture))
    third = run(augment, picture[None], seed=1, view=2)
    np.testing.assert_array_equal(drawn[3], np.rint(third[0]))
    figure.savefig(io.BytesIO())


def test_show_without_matplotlib_names_the_line_that_installs_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(MissingExtraError, match=r"pipeline\.show\(\).*transferkit\[plots\]"):
        tk.augment.pipeline().show(pictures(1)[0])


@pytest.mark.parametrize("n", [1, 0, 2.5])
def test_show_of_no_view_is_refused(n: Any) -> None:
    with pytest.raises(SpecError, match=r"pipeline\.show: there is no view to draw.*n="):
        tk.augment.pipeline().show(pictures(1)[0], n=n)


def test_show_of_a_batch_is_refused() -> None:
    with pytest.raises(
        DataError, match=r"pipeline\.show: the pictures have the wrong shape.*one pict"
    ):
        tk.augment.pipeline().show(pictures())


def test_one_picture_instead_of_a_batch_is_refused() -> None:
    with pytest.raises(
        DataError, match=r"pipeline: the pictures have the wrong shape.*\(12, 16, 3\)"
    ):
        run(tk.augment.pipeline(), pictures(1)[0])


def test_indices_of_another_number_are_refused() -> None:
    with pytest.raises(
        DataError, match=r"indices and pictures differ in number\. Expected one index fo"
    ):
        run(tk.augment.pipeline(), pictures(3), indices=[0, 1])


@pytest.mark.parametrize(
    "operations",
    [(tk.augment.flip,), ("flip",), (type(tk.augment.flip()),), tk.augment.flip(), "flip"],
    ids=["a function", "a word in a tuple", "a class", "no sequence", "a word"],
)
def test_what_is_no_augmentation_is_refused(operations: Any) -> None:
    with pytest.raises(
        SpecError, match=r"pipeline: that is no augmentation\. Expected operations of tk"
    ):
        Pipeline(operations)


def test_an_operation_without_a_config_works_but_cannot_be_written_down() -> None:
    augment = tk.augment.pipeline(Stranger())
    np.testing.assert_array_equal(run(augment, pictures()), pictures() / 2)
    with pytest.raises(
        SpecError, match=r"an operation cannot be written down.*Stranger\(\).*Operation"
    ):
        augment.to_config()


def test_a_registered_operation_of_ones_own_is_read_back() -> None:
    @dataclasses.dataclass(frozen=True, repr=False)
    class Fade(Operation):
        by: tuple[float, ...]
        name = "test_fade"

        def apply(self, images: Any, labels: Any, keys: Any) -> tuple[Any, Any]:
            return images * self.by[0], labels

        def __post_init__(self) -> None:
            object.__setattr__(self, "by", tuple(self.by))

    registry.add("test_fade", Fade)
    augment = tk.augment.pipeline(tk.augment.flip(), Fade((0.5, 1.0)))
    assert tk.augment.from_config(json.loads(json.dumps(augment.to_config()))) == augment
    assert repr(augment) == "pipeline(flip(), test_fade((0.5, 1.0)))"


def test_a_config_of_an_unknown_operation_names_the_nearest() -> None:
    with pytest.raises(
        UnknownNameError, match=r"no augmentation operation called 'rotat'.*'rotate'"
    ):
        tk.augment.from_config({"op": "rotat"})


def test_a_config_with_an_unknown_argument_names_the_nearest() -> None:
    with pytest.raises(SpecError, match=r"rotate takes no argument called 'degree'.*'degrees'"):
        tk.augment.from_config({"op": "rotate", "degree": 3})


def test_a_config_that_lacks_an_argument_says_which() -> None:
    with pytest.raises(
        SpecError, match=r"shift lacks its argument 'width'\. Expected values for heig"
    ):
        tk.augment.from_config({"op": "shift", "height": 0.1})


@pytest.mark.parametrize("config", [{}, {"op": 3}, "flip", None])
def test_what_is_no_config_is_refused(config: Any) -> None:
    with pytest.raises(
        SpecError, match=r"augment\.from_config: that is no config of an augmentation"
    ):
        tk.augment.from_config(config)


def test_a_pipeline_config_without_a_list_is_refused() -> None:
    with pytest.raises(
        SpecError, match=r"that is no config of a pipeline\. Expected a list of configs"
    ):
        tk.augment.from_config({"op": "pipeline", "operations": "flip"})


def test_importing_the_room_imports_no_framework() -> None:
    code = (
        "import sys, transferkit.augment as a; a.pipeline(a.flip(), a.zoom(0.1)).to_config();"
        "print([m for m in ('tensorflow', 'keras', 'matplotlib') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"

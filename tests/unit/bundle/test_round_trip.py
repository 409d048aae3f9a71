from __future__ import annotations

import math
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from transferkit import _keras, bundle
from transferkit.bundle import tensors
from transferkit.errors import SaveError, UnsafeBundleError

keras = _keras.keras()
Layer: Any = keras.layers.Layer
Model: Any = keras.Model
PIXELS = np.random.default_rng(0).uniform(0, 255, (3, 8, 8, 3)).astype("float32")


def outputs(network: Any, pixels: Any = PIXELS) -> Any:
    return np.asarray(network(pixels, training=False))


def test_a_loaded_network_predicts_the_same(network: Any, saved: Path) -> None:
    again = bundle.read(saved).network
    np.testing.assert_array_equal(outputs(again), outputs(network))
    assert again is not network
    assert [w.path for w in again.weights] == [w.path for w in network.weights]
    assert not again.get_layer("norm").trainable
    assert again.get_layer("conv").trainable


def test_every_weight_comes_back_bit_for_bit(network: Any, saved: Path) -> None:
    for old, new in zip(network.weights, bundle.read(saved).network.weights, strict=True):
        np.testing.assert_array_equal(np.asarray(new), np.asarray(old), err_msg=old.path)


def test_facts_and_versions_come_back(saved: Path) -> None:
    read = bundle.read(saved)
    assert read.facts == {"class_names": ["daisy", "rose"], "history": [{"loss": 0.5}]}
    assert read.versions["keras"] == keras.__version__
    assert set(read.versions) == {"transferkit", "keras", "tensorflow", "numpy", "python"}


def test_a_loss_that_was_not_a_number_comes_back_as_one(network: Any, tmp_path: Path) -> None:
    bundle.write(tmp_path / "a.tkm", network, {"loss": [math.nan, math.inf]})
    loss = bundle.read(tmp_path / "a.tkm").facts["loss"]
    assert math.isnan(loss[0])
    assert math.isinf(loss[1])


def test_the_same_network_and_facts_give_the_same_bytes(network: Any, tmp_path: Path) -> None:
    for name in ("a.tkm", "b.tkm"):
        bundle.write(tmp_path / name, network, {"seed": 0})
    assert (tmp_path / "a.tkm").read_bytes() == (tmp_path / "b.tkm").read_bytes()
    bundle.write(tmp_path / "c.tkm", bundle.read(tmp_path / "a.tkm").network, {"seed": 0})
    assert (tmp_path / "c.tkm").read_bytes() == (tmp_path / "a.tkm").read_bytes()


def test_the_manifest_lists_the_weights_in_order(network: Any, saved: Path) -> None:
    manifest = bundle.read_manifest(saved)
    assert [t.path for t in manifest.tensors] == [w.path for w in network.weights]
    assert [t.shape for t in manifest.tensors] == [tuple(w.shape) for w in network.weights]
    assert {t.dtype for t in manifest.tensors} == {"float32"}
    assert manifest.members["tensors/00000.npy"].size > 0


def test_the_tensors_are_what_np_load_reads(network: Any, saved: Path) -> None:
    with np.load(saved) as members:
        np.testing.assert_array_equal(members["tensors/00000"], network.weights[0].numpy())


def test_a_bundle_can_be_looked_into_without_tensorflow(saved: Path) -> None:
    program = textwrap.dedent(
        f"""
        import sys
        from transferkit import bundle
        print(bundle.read_manifest({str(saved)!r}).facts["class_names"])
        print(sorted({{"tensorflow", "keras"}} & set(sys.modules)))
        """
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout == "['daisy', 'rose']\n[]\n", done.stderr


def test_seeds_optimizer_and_metrics_are_not_stored(network: Any, tmp_path: Path) -> None:
    twin = keras.models.clone_model(network)
    twin.compile("adam", "mse", metrics=["accuracy"])
    twin.fit(PIXELS, np.zeros((3, 2)), verbose=0)
    assert len(twin.variables) > len(twin.weights)
    bundle.write(tmp_path / "a.tkm", twin, {})
    again = bundle.read(tmp_path / "a.tkm").network
    assert len(bundle.read_manifest(tmp_path / "a.tkm").tensors) == len(twin.weights)
    assert not again.compiled
    np.testing.assert_array_equal(outputs(again), outputs(twin))


def test_a_sequential_network_comes_back(tmp_path: Path) -> None:
    made = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2, activation="relu")])
    bundle.write(tmp_path / "a.tkm", made, {})
    vector = PIXELS[:, 0, :1, :].reshape(3, 3)
    vector = np.concatenate([vector, vector[:, :1]], axis=1)
    again = bundle.read(tmp_path / "a.tkm").network
    np.testing.assert_array_equal(outputs(again, vector), outputs(made, vector))


def test_wrapped_and_recurrent_layers_come_back(tmp_path: Path) -> None:
    layers = keras.layers
    pixels = keras.Input((8, 8, 3))
    inner = layers.Dense(2)
    inner.build((None, 8, 3))  # so that its variables' paths do not begin with the wrapper's
    x = layers.TimeDistributed(inner)(pixels)
    x = layers.Bidirectional(layers.LSTM(2, dropout=0.1))(layers.Reshape((-1, 2))(x))
    made = keras.Model(pixels, layers.Dense(1, kernel_constraint="non_neg")(x))
    bundle.write(tmp_path / "a.tkm", made, {})
    np.testing.assert_array_equal(outputs(bundle.read(tmp_path / "a.tkm").network), outputs(made))


def test_the_layers_that_keras_applications_bring_come_back(tmp_path: Path) -> None:
    convnext = keras.src.applications.convnext
    scale = keras.src.applications.inception_resnet_v2.CustomScaleLayer
    pixels = keras.Input((8, 8, 3))
    x = convnext.LayerScale(0.5, 3, name="scale")(pixels)
    x = scale(0.25)([x, convnext.StochasticDepth(0.5)(x)])
    made = keras.Model(pixels, x)
    bundle.write(tmp_path / "a.tkm", made, {})
    np.testing.assert_array_equal(outputs(bundle.read(tmp_path / "a.tkm").network), outputs(made))


def test_a_network_that_trained_in_half_precision_computes_in_float32(tmp_path: Path) -> None:
    pixels = keras.Input((8, 8, 3))
    x = keras.layers.Conv2D(2, 3, dtype="mixed_bfloat16", name="conv")(pixels)
    x = keras.layers.Dense(2, dtype="bfloat16", name="dense")(keras.layers.Flatten()(x))
    made = keras.Model(pixels, x)
    bundle.write(tmp_path / "a.tkm", made, {})
    again = bundle.read(tmp_path / "a.tkm").network
    assert {layer.compute_dtype for layer in again.layers} == {"float32"}
    stored = bundle.read_manifest(tmp_path / "a.tkm").tensors
    assert {t.dtype for t in stored} == {"float32", "bfloat16"}
    for old, new in zip(made.weights, again.weights, strict=True):
        assert new.dtype == "float32"
        np.testing.assert_array_equal(np.asarray(new), np.asarray(old).astype("float32"))


class Doubled(Layer):
    """A user's layer with a layer of its own, which has no name that lasts."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.inner = keras.layers.Dense(3)
        self.steps = self.add_weight(shape=(2,), dtype="int8", initializer="ones", name="steps")

    def call(self, x: Any) -> Any:
        return self.inner(x) * 2


def custom_network() -> Any:
    pixels = keras.Input((8, 8, 3))
    return keras.Model(pixels, Doubled(name="doubled")(pixels))


def test_a_users_class_comes_back_when_it_is_brought(tmp_path: Path) -> None:
    made = custom_network()
    bundle.write(tmp_path / "a.tkm", made, {})
    again = bundle.read(tmp_path / "a.tkm", custom_objects={"Doubled": Doubled}).network
    assert type(again.get_layer("doubled")) is Doubled
    assert again.weights[-1].path != made.weights[-1].path, "Keras numbers the inner layer anew"
    np.testing.assert_array_equal(outputs(again), outputs(made))


def test_a_users_class_that_is_not_brought_is_named_with_the_call_that_helps(
    tmp_path: Path,
) -> None:
    bundle.write(tmp_path / "a.tkm", custom_network(), {})
    with pytest.raises(UnsafeBundleError) as caught:
        bundle.read(tmp_path / "a.tkm")
    assert "tk.load(path, custom_objects={'Doubled': Doubled})" in str(caught.value)
    assert "class or function 'Doubled'" in str(caught.value)


def test_own_classes_are_looked_up_by_their_registered_name(tmp_path: Path) -> None:
    registered = keras.saving.get_custom_objects()
    keras.saving.register_keras_serializable("transferkit")(Doubled)
    try:
        bundle.write(tmp_path / "a.tkm", custom_network(), {})
        with pytest.raises(UnsafeBundleError):
            bundle.read(tmp_path / "a.tkm")
        own = {"transferkit>Doubled": Doubled}
        again = bundle.read(tmp_path / "a.tkm", own_objects=own).network
    finally:
        registered.pop("transferkit>Doubled")
        keras.src.saving.object_registration.GLOBAL_CUSTOM_NAMES.pop(Doubled)
    assert type(again.get_layer("doubled")) is Doubled


def swish_of_mine(x: Any) -> Any:
    return x * keras.ops.sigmoid(2.0 * x)


def test_a_users_function_comes_back_when_it_is_brought(tmp_path: Path) -> None:
    pixels = keras.Input((8, 8, 3))
    made = keras.Model(pixels, keras.layers.Dense(2, activation=swish_of_mine)(pixels))
    bundle.write(tmp_path / "a.tkm", made, {})
    with pytest.raises(UnsafeBundleError, match="class or function 'swish_of_mine'"):
        bundle.read(tmp_path / "a.tkm")
    again = bundle.read(tmp_path / "a.tkm", custom_objects={"swish_of_mine": swish_of_mine})
    np.testing.assert_array_equal(outputs(again.network), outputs(made))


def test_what_could_not_be_loaded_again_is_not_saved(tmp_path: Path) -> None:
    pixels = keras.Input((8, 8, 3))
    made = keras.Model(pixels, keras.layers.Lambda(abs, output_shape=(8, 8, 3))(pixels))
    with pytest.raises(
        SaveError, match=r"save: the network holds keras\.layers\.Lambda, which runs"
    ):
        bundle.write(tmp_path / "a.tkm", made, {})
    assert list(tmp_path.iterdir()) == []


def test_a_network_without_a_graph_is_not_saved(tmp_path: Path) -> None:
    class Subclassed(Model):
        pass

    for made in (Subclassed(), keras.Sequential([keras.layers.Dense(2)]), object()):
        with pytest.raises(SaveError, match="not a built functional or sequential model"):
            bundle.write(tmp_path / "a.tkm", made, {})


def test_a_weight_of_a_dtype_without_a_place_is_not_saved(
    network: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tensors, "DTYPES", frozenset({"int8"}))
    with pytest.raises(SaveError) as caught:
        bundle.write(tmp_path / "a.tkm", network, {})
    assert "the weight 'conv/kernel' is of a dtype that a bundle cannot hold" in str(caught.value)
    assert "Received: dtype='float32'" in str(caught.value)


@pytest.mark.parametrize(
    ("facts", "text"),
    [
        ({"a": {1: "x"}}, "the facts have a key that is not text. Expected mappings with text"),
        ({"a": [{"b": {None: 0}}]}, "the facts have a key that is not text"),
        ({"a": np.float32(1)}, "the facts cannot be written as JSON (Object of type float32"),
    ],
)
def test_facts_that_are_not_json_are_not_saved(
    network: Any, tmp_path: Path, facts: dict[str, Any], text: str
) -> None:
    with pytest.raises(SaveError) as caught:
        bundle.write(tmp_path / "a.tkm", network, facts)
    assert text in str(caught.value)
    assert list(tmp_path.iterdir()) == []

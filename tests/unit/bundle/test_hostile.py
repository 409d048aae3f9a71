"""Configurations that try to bring a class along. None may reach Keras."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from transferkit import _keras, bundle
from transferkit.bundle import allowed
from transferkit.errors import UnsafeBundleError

keras = _keras.keras()
Layer: Any = keras.layers.Layer
Entry = dict[str, Any]
Change = Callable[[Entry], Any]
DTYPE = {"module": "keras", "class_name": "DTypePolicy", "config": {"name": "float32"}}


def entry(module: Any, class_name: Any, config: Any = None, **more: Any) -> Entry:
    return {
        "module": module,
        "class_name": class_name,
        "config": {} if config is None else config,
        "registered_name": None,
        **more,
    }


def layer(network: Entry, name: str) -> Entry:
    found = [row for row in network["config"]["layers"] if row["name"] == name]
    assert isinstance(found[0], dict)
    return found[0]


def as_layer(hostile: Entry) -> Change:
    """The hostile entry in the place of a layer."""

    def change(network: Entry) -> None:
        rows = network["config"]["layers"]
        rows[-1] = {"name": "chances", "inbound_nodes": rows[-1]["inbound_nodes"], **hostile}

    return change


def as_value(hostile: Any, name: str = "conv", key: str = "kernel_initializer") -> Change:
    """The hostile entry inside a layer's configuration."""
    return lambda network: layer(network, name)["config"].__setitem__(key, hostile)


def as_argument(hostile: Any) -> Change:
    """The hostile entry among the arguments of a layer's call."""

    def change(network: Entry) -> None:
        layer(network, "drop")["inbound_nodes"][0]["kwargs"]["training"] = hostile

    return change


def inside(outer: str, hostile: Entry, key: str = "layer") -> Change:
    return as_layer(entry("keras.layers", outer, {"name": "chances", key: hostile}))


def in_the_nested_network(hostile: Entry) -> Change:
    def change(network: Entry) -> None:
        layer(network, "inner")["config"]["layers"][1].update(hostile)

    return change


LAMBDA = entry("keras.layers", "Lambda", {"function": {"class_name": "__lambda__", "config": {}}})
SYSTEM = entry("os", "system", {"command": "true"})
FUNCTION = entry("builtins", "function", "exec", registered_name="exec")
DENSE = entry("keras.layers", "Dense", {"units": 2})
QUANTIZED = entry("keras", "QuantizedDTypePolicy", {"mode": "int8"})

HOSTILE: dict[str, Change] = {
    "a lambda layer": as_layer(LAMBDA),
    "a saved model layer": as_layer(entry("keras.layers", "TFSMLayer", {"filepath": "/tmp/x"})),
    "a torch layer": as_layer(entry("keras.layers", "TorchModuleWrapper", {"module": "gASV"})),
    "a jax layer": as_layer(entry("keras.layers", "JaxLayer")),
    "a flax layer": as_layer(entry("keras.layers", "FlaxLayer")),
    "a vocabulary file": as_layer(
        entry("keras.layers", "StringLookup", {"vocabulary": "/etc/passwd"})
    ),
    "text vectorization": as_layer(
        entry("keras.layers", "TextVectorization", {"vocabulary": "/etc/passwd"})
    ),
    "an integer lookup": as_layer(entry("keras.layers", "IntegerLookup", {"vocabulary": "/x"})),
    "the abstract layer": as_layer(entry("keras.layers", "Layer")),
    "a layer that is not there": as_layer(entry("keras.layers", "NoSuchLayer")),
    "a function as a layer": as_layer(entry("keras.layers", "deserialize", {"config": {}})),
    "a private path to a layer": as_layer(
        entry("keras.src.layers.core.lambda_layer", "Lambda", {"function": "x"})
    ),
    "a private path to a harmless layer": as_layer(
        entry("keras.src.layers.core.dense", "Dense", {"units": 2})
    ),
    "a module of Keras to import": as_layer(entry("keras.src.utils.file_utils", "get_file")),
    "a utility": as_layer(entry("keras.utils", "get_file", {"origin": "http://x", "fname": "x"})),
    "a feature space": as_layer(entry("keras.utils", "FeatureSpace")),
    "a loader of models": as_layer(entry("keras.saving", "load_model", {"filepath": "/tmp/x"})),
    "another package of Keras": as_layer(entry("keras_hub.models", "Backbone")),
    "os.system": as_layer(SYSTEM),
    "builtins.eval": as_layer(entry("builtins", "eval", {"source": "1"})),
    "subprocess.Popen": as_layer(entry("subprocess", "Popen", {"args": ["true"]})),
    "keras dot dot": as_layer(entry("keras.layers.", "Dense", {"units": 2})),
    "keras with a suffix": as_layer(entry("keras.layersx", "Dense", {"units": 2})),
    "a dotted class": as_layer(entry("keras", "layers.Lambda")),
    "no module": as_layer({"class_name": "Dense", "config": {"units": 2}}),
    "module None": as_layer(entry(None, "Dense", {"units": 2})),
    "a module that is no text": as_layer(entry(["keras.layers"], "Dense", {"units": 2})),
    "a class that is no text": as_layer(entry("keras.layers", ["Dense"], {"units": 2})),
    "a class that is empty": as_layer(entry("keras.layers", "")),
    "a registered name": as_layer({**DENSE, "registered_name": "Custom>Evil"}),
    "a registered name that is no text": as_layer(
        {**entry("mine", "Mine"), "registered_name": ["Custom>Evil"]}
    ),
    "transferkit's package": as_layer(
        entry("transferkit.augment.layer", "Evil", registered_name="transferkit>Evil")
    ),
    "a shared object": as_layer({**DENSE, "shared_object_id": 1}),
    "a key of its own": as_layer({**DENSE, "from_config": "x"}),
    "no config": as_layer({"module": "keras.layers", "class_name": "Dense"}),
    "a config that is text": as_layer(entry("keras.layers", "Dense", "units")),
    "a config that is a list": as_layer(entry("keras.layers", "Dense", ["units"])),
    "while": as_layer(entry("keras.src.ops.core", "WhileLoop", {"cond": FUNCTION})),
    "map": as_layer(entry("keras.src.ops.core", "Map")),
    "cond": as_layer(entry("keras.src.ops.core", "Cond")),
    "an operation from elsewhere": as_layer(entry("keras.src.ops.nn", "GetItem")),
    "the operation's base class": as_layer(entry("keras.src.ops.operation", "Operation")),
    "a lambda as initializer": as_value({"class_name": "__lambda__", "config": {"value": "4wAA"}}),
    "a class as initializer": as_value(SYSTEM),
    "a class without module as initializer": as_value({"class_name": "Zeros", "config": {}}),
    "a module without class": as_value({"module": "os", "config": {}}),
    "a registered name alone": as_value({"registered_name": "Custom>Evil"}),
    "a function as activation": as_value(FUNCTION, key="activation"),
    "a function of Keras as activation": as_value(
        entry("keras.ops", "function", "relu", registered_name="relu"), key="activation"
    ),
    "a function without name": as_value(entry("builtins", "function", {}), key="activation"),
    "a function with an empty name": as_value(entry("builtins", "function", ""), key="activation"),
    "a lambda layer as activation": as_value(LAMBDA, key="activation"),
    "a loss as regularizer": as_value(entry("keras.losses", "MeanSquaredError"), "conv", "bias"),
    "an optimizer": as_value(entry("keras.optimizers", "Adam")),
    "a quantized policy": as_value(QUANTIZED, key="dtype"),
    "a policy of another name": as_value(
        {**DTYPE, "config": {"name": "int8_from_float32"}}, key="dtype"
    ),
    "a policy with more to it": as_value(
        {**DTYPE, "config": {"name": "float32", "x": 1}}, key="dtype"
    ),
    "a policy whose name is no text": as_value({**DTYPE, "config": {"name": ["a"]}}, key="dtype"),
    "a typespec": as_argument(
        {
            "class_name": "__typespec__",
            "spec_name": "TensorSpec",
            "module": "tensorflow",
            "registered_name": None,
            "config": [[1], "float32"],
        }
    ),
    "bytes": as_argument({"class_name": "__bytes__", "config": {"value": "x"}}),
    "an unknown dunder": as_argument({"class_name": "__import__", "config": {"value": "os"}}),
    "a dunder with a module": as_argument(
        {"class_name": "__ellipsis__", "config": {}, "module": "os"}
    ),
    "a tensor with more to it": as_argument(
        {
            "class_name": "__keras_tensor__",
            "config": {"shape": [], "dtype": "x", "keras_history": [], "x": SYSTEM},
        }
    ),
    "a class inside a slice": as_argument(
        {"class_name": "__slice__", "config": {"start": SYSTEM, "stop": None, "step": None}}
    ),
    "a class inside a tensor": as_argument(
        {
            "class_name": "__keras_tensor__",
            "config": {"shape": [SYSTEM], "dtype": "x", "keras_history": []},
        }
    ),
    "numpy objects": as_argument(
        {"class_name": "__numpy__", "config": {"value": [1], "dtype": "object"}}
    ),
    "numpy with a class as dtype": as_argument(
        {"class_name": "__numpy__", "config": {"value": [1], "dtype": SYSTEM}}
    ),
    "a class as argument": as_argument(SYSTEM),
    "a class deep in a list": as_argument([[[{"a": [SYSTEM]}]]]),
    "bidirectional": inside("Bidirectional", LAMBDA),
    "a backward layer": as_layer(
        entry(
            "keras.layers",
            "Bidirectional",
            {"layer": entry("keras.layers", "LSTM", {"units": 1}), "backward_layer": LAMBDA},
        )
    ),
    "time distributed": inside("TimeDistributed", LAMBDA),
    "spectral normalization": inside("SpectralNormalization", LAMBDA),
    "a recurrent cell": inside("RNN", LAMBDA, "cell"),
    "stacked cells": as_layer(entry("keras.layers", "StackedRNNCells", {"cells": [LAMBDA]})),
    "a pipeline": as_layer(entry("keras.layers", "Pipeline", {"layers": [LAMBDA]})),
    "a nested network": in_the_nested_network(LAMBDA),
    "a nested sequential": as_layer(entry("keras", "Sequential", {"layers": [LAMBDA]})),
    "a nested model": as_layer(entry("keras", "Model", {"inputs": SYSTEM})),
    "the outermost class": lambda network: network.update(
        module="keras.layers", class_name="Dense"
    ),
    "an outermost model": lambda network: network.update(module="keras", class_name="Model"),
    "an outermost class of somebody": lambda network: network.update(SYSTEM),
    "an outermost list": lambda network: [network],
    "an outermost mapping": lambda network: {"layers": network["config"]["layers"]},
    "an outermost text": lambda network: "Sequential",
    "an outermost tensor": lambda network: {"class_name": "__ellipsis__", "config": {}},
    "a bottomless list": lambda network: as_argument(json.loads("[" * 300 + "]" * 300))(network),
}


@pytest.fixture
def no_keras(monkeypatch: pytest.MonkeyPatch) -> None:
    def reached(*args: Any, **kwargs: Any) -> None:
        pytest.fail("Keras was reached with a hostile configuration")

    monkeypatch.setattr(keras.saving, "deserialize_keras_object", reached)


@pytest.mark.usefixtures("no_keras")
@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_network_is_refused_before_keras_sees_it(
    name: str, with_config: Callable[[Change], Path]
) -> None:
    path = with_config(HOSTILE[name])
    with pytest.raises(UnsafeBundleError) as caught:
        bundle.read(path)
    text = str(caught.value)
    assert text.startswith(f"load: the network in {str(path)!r} names ")
    assert "a bundle may not bring that along. Expected layers of Keras and transferkit" in text


@pytest.mark.usefixtures("no_keras")
def test_the_same_way_of_changing_a_file_without_harm_does_reach_keras(
    with_config: Callable[[Change], Path],
) -> None:
    with pytest.raises(pytest.fail.Exception, match="Keras was reached"):
        bundle.read(with_config(as_layer(entry("keras.layers", "Dense", {"units": 2}))))


def test_a_denied_layer_says_why(with_config: Callable[[Change], Path]) -> None:
    with pytest.raises(UnsafeBundleError) as caught:
        bundle.read(with_config(HOSTILE["a saved model layer"]))
    assert "Keras' own 'TFSMLayer', which opens a SavedModel at a path in the file" in str(
        caught.value
    )
    assert "It was not written by transferkit; ask where it came from." in str(caught.value)


def test_a_foreign_class_is_named_with_the_call_that_brings_it(
    with_config: Callable[[Change], Path],
) -> None:
    with pytest.raises(UnsafeBundleError) as caught:
        bundle.read(with_config(as_layer(entry("mine.layers", "Blur", registered_name="my>Blur"))))
    assert "Received: class_name='Blur', module='mine.layers', registered_name='my>Blur'" in str(
        caught.value
    )
    assert "tk.load(path, custom_objects={'Blur': Blur})" in str(caught.value)


class Spy(Layer):
    made: list[str] = []  # noqa: RUF012

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.made.append(self.name)

    def call(self, x: Any) -> Any:
        return x


@pytest.fixture
def registered() -> Any:
    """A class that somebody else in this process registered, under Keras' own names too."""
    objects = keras.saving.get_custom_objects()
    names = ("Custom>Spy", "Spy", "Activation", "Zeros", "GetItem", "relu")
    objects.update(dict.fromkeys(names, Spy))
    Spy.made.clear()
    yield
    for name in names:
        objects.pop(name)


@pytest.mark.usefixtures("registered")
def test_a_class_that_somebody_registered_under_a_name_of_keras_does_not_come_in(
    saved: Path,
) -> None:
    network = bundle.read(saved).network
    assert Spy.made == []
    assert type(network.get_layer("chances")) is keras.layers.Activation


@pytest.mark.usefixtures("registered")
@pytest.mark.parametrize("name", ["Spy", "Custom>Spy", "relu"])
def test_a_registered_object_does_not_come_in_as_text(
    name: str, with_config: Callable[[Change], Path]
) -> None:
    for change in (as_value(name, key="activation"), as_argument([name])):
        with pytest.raises(UnsafeBundleError, match=f"names the registered object '{name}'"):
            bundle.read(with_config(change))
    assert Spy.made == []


@pytest.mark.usefixtures("registered")
def test_a_registered_object_needs_to_be_brought_like_any_other(
    with_config: Callable[[Change], Path],
) -> None:
    path = with_config(
        as_layer(entry("x", "Spy", {"name": "chances"}, registered_name="Custom>Spy"))
    )
    with pytest.raises(UnsafeBundleError, match="class or function 'Spy'"):
        bundle.read(path)
    assert Spy.made == []

    class Other(Spy):
        pass

    network = bundle.read(path, custom_objects={"Spy": Other}).network
    assert type(network.get_layer("chances")) is Other, "the caller's class, not the registered one"


def test_a_class_that_is_brought_does_not_open_the_door_to_others(
    with_config: Callable[[Change], Path],
) -> None:
    path = with_config(as_layer(entry("x", "Spy", {"name": "chances", "inner": LAMBDA})))
    with pytest.raises(UnsafeBundleError, match="'Lambda', which runs a function"):
        bundle.read(path, custom_objects={"Spy": Spy})


def test_a_build_or_compile_config_in_the_file_is_left_out(
    saved: Path, with_config: Callable[[Change], Path]
) -> None:
    def change(network: Entry) -> None:
        network["compile_config"] = {"optimizer": SYSTEM, "loss": LAMBDA}
        layer(network, "conv")["build_config"] = {"input_shape": [None, 8, 8, 10**12]}

    network = bundle.read(with_config(change)).network
    assert not network.compiled
    assert network.get_layer("conv").kernel.shape == (3, 3, 3, 4)


def layer_classes() -> dict[str, type]:
    found = [thing for thing in vars(keras.layers).values() if inspect.isclass(thing)]
    public_name = keras.src.api_export.get_name_from_symbol
    return {public_name(thing).rpartition(".")[2]: thing for thing in found}


def test_somebody_has_looked_at_every_layer_of_this_keras() -> None:
    known = allowed.LAYERS | allowed.DENIED_LAYERS.keys()
    assert layer_classes().keys() - known == set(), "decide: allowed.LAYERS or DENIED_LAYERS?"
    assert not allowed.LAYERS & allowed.DENIED_LAYERS.keys()


def test_every_name_on_the_list_is_a_class_of_keras() -> None:
    for module, name in sorted(allowed.ALLOWED):
        config = {"module": module, "class_name": name, "config": {}}
        found = keras.src.saving.serialization_lib._retrieve_class_or_fn(
            name, None, module, "class", config
        )
        assert inspect.isclass(found), (module, name)
        public = keras.src.api_export.get_name_from_symbol(found) or found.__name__
        assert public.rpartition(".")[2] == name, (module, name)


def test_no_layer_on_the_list_takes_a_function_or_a_file() -> None:
    suspicious = {"function", "fn", "filepath", "path", "vocabulary", "call_fn", "module"}
    for name in sorted(allowed.LAYERS):
        taken = set(inspect.signature(layer_classes()[name]).parameters)
        assert not taken & suspicious, name

"""Networks of texts: KerasHub's own, with what cuts texts into the tokens that they read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from transferkit import _keras
from transferkit._optional import require
from transferkit._types import KerasModel, Tensor, whole
from transferkit.backbones.arguments import checked_name
from transferkit.backbones.blocks import split_by_pattern
from transferkit.backbones.keras_hub.making import PRETRAINED, foreign, made
from transferkit.backbones.keras_hub.places import Place, place_at
from transferkit.errors import BackboneError, SpecError, UnknownNameError, explain
from transferkit.select import Layer, LayerTable

__all__ = ["TextBackbone", "load_text"]

_TOKENIZER = "tokenizer.json"
_BLOCKS = r".*?(embedding|\w+_layer_\d+)"


@dataclass(frozen=True, eq=False)
class TextBackbone:
    """A network of texts, its variables its own.

    Attributes:
        name: ``hub:`` and the address.
        network: From what `tokens` gives to features ``(texts, length, features)``; KerasHub's
            layers.
        preprocessor: KerasHub's, from texts to tokens.
        table: The network's layers in their blocks: ``"embedding"`` and one for each layer of the
            transformer.
        length: How many tokens a text has: longer ones are cut, shorter ones padded.
        features: The channels of a token's features.
    """

    name: str
    network: KerasModel = field(repr=False)
    preprocessor: Any = field(repr=False)
    table: LayerTable = field(repr=False)
    length: int
    features: int

    def tokens(self, texts: Sequence[str]) -> Mapping[str, Tensor]:
        """The tokens of texts, each entry ``(texts, length)``.

        Args:
            texts: At least one.

        Raises:
            SpecError: If it is one text and no list of them.
        """
        if isinstance(texts, str):
            raise SpecError(
                explain(
                    "tokens",
                    "one text is no list of texts",
                    expected="a list of texts",
                    received={"texts": texts},
                    mend="tokens([text])",
                )
            )
        return dict(self.preprocessor([*texts]))


def load_text(name: str, *, length: int = 128, weights: str | None = PRETRAINED) -> TextBackbone:
    """Load a network of texts, with what cuts texts into the tokens that it reads.

    Args:
        name: ``hub:`` and a preset's name, an address, or a folder, as for networks of pictures.
        length: Tokens of a text, those that begin and end it among them; 3 or more, and not more
            than the network has positions for.
        weights: ``"pretrained"`` for the preset's own, None for random ones.

    Raises:
        SpecError: If the name is none of ``hub:``, or the length cannot be.
        UnknownNameError: If there is no such preset or no such weights; names near ones.
        MissingExtraError: If KerasHub is not installed.
        WeightsNotFoundError: If files are missing; says which, and where they belong.
        WeightsError: If they do not fit.
        BackboneError: If it is no network of texts that is known here, or its tokenizer cannot be
            read.
    """
    address = _address(name)
    _check_weights(name, weights)
    place = place_at(address)
    own = made(place, "texts", weights=weights is not None)
    _check_length(own, length)
    preprocessor = _preprocessor(place, type(own).__name__.removesuffix("Backbone"), length)
    out = own.output["sequence_output"] if isinstance(own.output, dict) else own.output
    network = _keras.keras().Model(own.input, out, name=type(own).__name__)
    features = int(out.shape[-1])
    return TextBackbone(name, network, preprocessor, _table(network), int(length), features)


def _table(network: KerasModel) -> LayerTable:
    layers = network.layers
    block_of, names = split_by_pattern([layer.name for layer in layers], _BLOCKS)
    rows = (
        Layer(layer.name, type(layer).__name__, block_of[layer.name], layer.count_params())
        for layer in layers
    )
    return LayerTable(tuple(rows), names)


def _preprocessor(place: Place, kind: str, length: int) -> Any:
    """KerasHub's for a classifier, which takes one text as well as pairs."""
    models = require("keras_hub", extra="hub", needed_for=f"hub:{place.name}").models
    if "registered_name" in place.config():
        told = place.read(_TOKENIZER)
        if told is None:
            raise place.missing(_TOKENIZER)
        stranger = foreign(told, {f"{kind}Tokenizer"})
        if stranger is not None:
            raise _no_tokenizer(place, f"it names a {stranger}", kind)
    try:
        tokenizer = getattr(models, f"{kind}Tokenizer").from_preset(place.preset)
    except Exception as error:  # whatever KerasHub says of files that it cannot read
        raise _no_tokenizer(place, _keras.reason_of(error), kind) from error
    preprocessor = getattr(models, f"{kind}TextClassifierPreprocessor")
    return preprocessor(tokenizer, sequence_length=int(length))


def _no_tokenizer(place: Place, reason: str, kind: str) -> BackboneError:
    return BackboneError(
        explain(
            "load_text",
            f"the tokenizer of hub:{place.name} cannot be read ({reason})",
            expected=f"the files of a {kind}Tokenizer beside config.json",
            received={"name": f"hub:{place.name}"},
        )
    )


def _address(name: str) -> str:
    source, _, address = checked_name(name, verb="load_text").partition(":")
    if source == "hub" and address:
        return address
    raise SpecError(
        explain(
            "load_text",
            f"{name!r} is no address of KerasHub's",
            expected="'hub:' and a preset, 'hf://owner/name', or a folder",
            received={"name": name},
            mend="tk.backbones.load_text('hub:bert_base_en')",
        )
    )


def _check_weights(name: str, weights: object) -> None:
    if weights not in (PRETRAINED, None):
        raise UnknownNameError(
            explain(
                "load_text",
                f"{name} has no weights called {weights!r}",
                expected=f"{PRETRAINED!r}, or None for random ones",
                received={"weights": weights},
            )
        )


def _check_length(own: Any, length: object) -> None:
    count, most = whole(length), getattr(own, "max_sequence_length", None)
    if count is not None and 3 <= count <= (most or count):
        return
    raise SpecError(
        explain(
            "load_text",
            "that is no number of tokens for this network",
            expected=f"a whole number from 3 to {most}" if most else "a whole number, 3 or more",
            received={"length": length},
            mend=f"length={min(128, most or 128)}",
        )
    )

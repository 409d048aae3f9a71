"""Networks of texts of ``hub:``, on tiny presets; it runs where KerasHub is."""

from __future__ import annotations

import io
import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import transferkit as tk
from transferkit import TransferModel, _keras
from transferkit.backbones.keras_hub.families import TEXTS
from transferkit.errors import (
    BackboneError,
    SpecError,
    UnknownNameError,
    WeightsNotFoundError,
)
from transferkit.testing.subjects import draw_weights

pytest.importorskip("keras_hub")
keras = _keras.keras()

WORDS = ["the", "quick", "brown", "fox", "jumped"]
LETTERS = sorted({letter for word in WORDS for letter in word})
SENTENCES = ["the quick brown fox", "the fox jumped"]
LENGTH = 8
SIZES = {"num_layers": 2, "num_heads": 2, "hidden_dim": 8, "intermediate_dim": 12}
MORE: dict[str, dict[str, int]] = {"AlbertBackbone": {"embedding_dim": 4, "num_groups": 1}}
BLOCKS = {
    "AlbertBackbone": ("group_0_inner_layer_0",),  # one that is called twice
    "DebertaV3Backbone": tuple(f"disentangled_attention_encoder_layer_{i}" for i in range(2)),
    "FNetBackbone": tuple(f"f_net_layer_{i}" for i in range(2)),
}


def tokenizer(kind: str) -> Any:
    """A tokenizer that knows the words above."""
    import keras_hub

    made = getattr(keras_hub.models, f"{kind}Tokenizer")
    if kind in ("Bert", "DistilBert"):
        return made(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS], lowercase=True)
    if kind == "Roberta":
        letters = [*LETTERS, *(f"\u0120{letter}" for letter in LETTERS)]
        names = ["<s>", "<pad>", "</s>", "<unk>", "<mask>", "\u0120", *letters]
        return made(
            {name: i for i, name in enumerate(names)}, [f"\u0120 {each}" for each in LETTERS]
        )
    return made(_sentence_pieces(kind))


def _sentence_pieces(kind: str) -> bytes:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of SWIG's types, once imported
        import sentencepiece

    names: dict[str, Any] = {"unk_piece": "<unk>", "pad_piece": "<pad>"}
    if kind == "DebertaV3":
        names = {"unk_piece": "[UNK]", "pad_piece": "[PAD]"}
    if kind != "XLMRoberta":  # which adds its own behind the pieces
        names |= {"bos_piece": "[CLS]", "eos_piece": "[SEP]", "user_defined_symbols": "[MASK]"}
        names |= {"pad_id": 0, "unk_id": 1, "bos_id": 2, "eos_id": 3}
    file = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(SENTENCES),
        model_writer=file,
        vocab_size=len(LETTERS) + 7,
        model_type="char",
        minloglevel=2,
        **names,
    )
    return file.getvalue()


def save_preset(folder: Path, name: str) -> Any:
    """Write a preset; gives KerasHub's own network."""
    import keras_hub

    sizes = dict(SIZES)
    if name == "FNetBackbone":
        del sizes["num_heads"]
    words = tokenizer(name.removesuffix("Backbone"))
    own = getattr(keras_hub.models, name)(
        vocabulary_size=words.vocabulary_size(),
        max_sequence_length=16,
        **sizes,
        **MORE.get(name, {}),
    )
    draw_weights(own, seed=1)
    own.save_to_preset(str(folder))
    words.save_to_preset(str(folder))
    return own


@pytest.mark.filterwarnings(  # KerasHub 0.32 does not close the file
    r"ignore:Exception ignored in. <_io.FileIO .*vocabulary.spm"
)
@pytest.mark.parametrize(
    "name",
    [pytest.param(n, marks=() if n == "BertBackbone" else pytest.mark.slow) for n in TEXTS],
)
def test_a_network_gives_what_keras_hubs_own_gives(name: str, tmp_path: Path) -> None:
    import keras_hub

    own = save_preset(tmp_path, name)
    text = tk.backbones.load_text(f"hub:{tmp_path}", length=LENGTH)
    given = keras_hub.models.TextClassifierPreprocessor.from_preset(
        str(tmp_path), sequence_length=LENGTH
    )(SENTENCES)
    tokens = text.tokens(SENTENCES)
    assert tokens.keys() == given.keys()
    assert all(np.array_equal(tokens[key], given[key]) for key in given)
    assert len(np.unique(tokens["token_ids"])) > 4
    wanted = own(given, training=False)
    wanted = np.asarray(wanted["sequence_output"] if isinstance(wanted, dict) else wanted)
    got = np.asarray(text.network(tokens, training=False))
    assert got.shape == (2, LENGTH, text.features)
    assert np.abs(wanted).max() > 1e-3
    np.testing.assert_allclose(got, wanted, atol=1e-5)
    blocks = text.table.block_names
    usual = tuple(f"transformer_layer_{i}" for i in range(2))
    assert blocks == ("embedding", *BLOCKS.get(name, usual))
    assert sum(row.params for row in text.table.layers) == text.network.count_params()


@pytest.fixture(scope="module")
def bert(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder: Path = tmp_path_factory.mktemp("bert")
    save_preset(folder, "BertBackbone")
    return folder


def save_distil_bert_of_hugging_face(folder: Path) -> Any:
    """Write a folder as Hugging Face does; gives the embedding of its words."""
    from safetensors.numpy import save_file

    names, width, inner = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS], 8, 12
    config = {"model_type": "distilbert", "vocab_size": len(names), "n_layers": 1, "n_heads": 2}
    config |= {"dim": width, "hidden_dim": inner, "dropout": 0.0, "max_position_embeddings": 16}
    shapes: dict[str, tuple[int, ...]] = {
        "embeddings.word_embeddings.weight": (len(names), width),
        "embeddings.position_embeddings.weight": (16, width),
        "transformer.layer.0.ffn.lin1.weight": (inner, width),
        "transformer.layer.0.ffn.lin1.bias": (inner,),
        "transformer.layer.0.ffn.lin2.weight": (width, inner),
        "transformer.layer.0.ffn.lin2.bias": (width,),
    }
    norms = ("sa_layer_norm", "output_layer_norm")
    for at in ("embeddings.LayerNorm", *(f"transformer.layer.0.{norm}" for norm in norms)):
        shapes |= {f"{at}.weight": (width,), f"{at}.bias": (width,)}
    for part in ("q_lin", "k_lin", "v_lin", "out_lin"):
        at = f"transformer.layer.0.attention.{part}"
        shapes |= {f"{at}.weight": (width, width), f"{at}.bias": (width,)}
    rng = np.random.default_rng(3)
    tensors = {f"distilbert.{n}": rng.normal(size=s).astype(np.float32) for n, s in shapes.items()}
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "tokenizer_config.json").write_text(json.dumps({"do_lower_case": True}))
    (folder / "vocab.txt").write_text("\n".join(names))
    save_file(tensors, folder / "model.safetensors")
    return tensors["distilbert.embeddings.word_embeddings.weight"]


def test_a_folder_of_hugging_face_has_its_own_words_and_weights(tmp_path: Path) -> None:
    embedding = save_distil_bert_of_hugging_face(tmp_path)
    text = tk.backbones.load_text(f"hub:{tmp_path}", length=5)
    tokens = text.tokens(["The unheard FOX"])
    np.testing.assert_array_equal(tokens["token_ids"], [[2, 5, 1, 8, 3]])
    assert text.network(tokens).shape == (1, 5, 8)
    assert any(np.array_equal(weight, embedding) for weight in text.network.get_weights())


def test_one_text_is_no_list_of_texts(bert: Path) -> None:
    text = tk.backbones.load_text(f"hub:{bert}", weights=None, length=LENGTH)
    with pytest.raises(SpecError, match=r"one text is no list of texts.*tokens\(\[text\]\)"):
        text.tokens("the fox")


@pytest.mark.slow
def test_random_weights_are_others(bert: Path) -> None:
    own, drawn = (
        tk.backbones.load_text(f"hub:{bert}", weights=weights, length=3)
        for weights in ("pretrained", None)
    )
    one, other = (each.network(own.tokens(SENTENCES), training=False) for each in (own, drawn))
    assert np.abs(np.asarray(one) - np.asarray(other)).max() > 1e-3


@pytest.mark.slow
def test_its_gradient_reaches_every_block(bert: Path) -> None:
    text = tk.backbones.load_text(f"hub:{bert}", length=LENGTH)
    tf = _keras.tf()
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean(text.network(text.tokens(SENTENCES))[:, 0] ** 2)
    gradients = tape.gradient(loss, text.network.trainable_variables)
    assert all(gradient is not None for gradient in gradients)


def test_a_picture_model_names_the_door_for_texts(bert: Path) -> None:
    with pytest.raises(BackboneError, match="is a BertBackbone, which is no network of pict") as no:
        TransferModel(f"hub:{bert}")
    assert f"tk.backbones.load_text('hub:{bert}')" in str(no.value)
    with pytest.raises(BackboneError, match="hub:bert_tiny_en_uncased is a BertBackbone"):
        TransferModel("hub:bert_tiny_en_uncased")


def test_a_network_of_pictures_is_no_network_of_texts() -> None:
    with pytest.raises(BackboneError, match="is a ResNetBackbone, which is no network of te") as no:
        tk.backbones.load_text("hub:resnet_50_imagenet")
    assert "TransferModel('hub:resnet_50_imagenet')" in str(no.value)


@pytest.mark.parametrize("length", [2, 17, True])
def test_a_length_that_cannot_be_is_refused(bert: Path, length: Any) -> None:
    with pytest.raises(SpecError, match="no number of tokens for this network") as caught:
        tk.backbones.load_text(f"hub:{bert}", length=length)
    assert "from 3 to 16" in str(caught.value)
    assert "length=16" in str(caught.value)


def test_weights_of_another_name_are_refused(bert: Path) -> None:
    with pytest.raises(UnknownNameError, match="has no weights called 'imagenet'"):
        tk.backbones.load_text(f"hub:{bert}", weights="imagenet")


def copied(bert: Path, folder: Path, *files: str) -> Path:
    for file in files:
        (folder / file).write_bytes((bert / file).read_bytes())
    return folder


def test_a_tokenizer_that_is_missing_is_named(bert: Path, tmp_path: Path) -> None:
    folder = copied(bert, tmp_path, "config.json")
    with pytest.raises(WeightsNotFoundError, match=r"tokenizer\.json of hub:.* is not there"):
        tk.backbones.load_text(f"hub:{folder}", weights=None, length=LENGTH)


def test_a_tokenizer_that_cannot_be_read_is_refused(bert: Path, tmp_path: Path) -> None:
    folder = copied(bert, tmp_path, "config.json", "tokenizer.json")
    with pytest.raises(BackboneError, match=r"the tokenizer of hub:.* cannot be read") as caught:
        tk.backbones.load_text(f"hub:{folder}", weights=None, length=LENGTH)
    assert "the files of a BertTokenizer beside config.json" in str(caught.value)


def test_a_tokenizer_that_names_a_foreign_class_is_refused(bert: Path, tmp_path: Path) -> None:
    folder = copied(bert, tmp_path, "config.json")
    foreign = {"module": "os", "class_name": "system", "config": "id", "registered_name": None}
    (folder / "tokenizer.json").write_text(json.dumps(foreign))
    with pytest.raises(BackboneError, match=r"cannot be read \(it names a system"):
        tk.backbones.load_text(f"hub:{folder}", weights=None, length=LENGTH)

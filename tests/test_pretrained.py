"""Where encoders come from: what their authors prescribe, which are refused, how much they read at once."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from transformers import AutoModel, BertConfig, XLMRobertaConfig

from rasid.errors import ModelError
from rasid.labels import STANCES
from rasid.model import Head, check_folder, load_model, new_model
from rasid.pretrained import SEGMENTED, find_encoder, positions_of, weights_hash
from rasid.tokenizing import load_tokenizer

HEADS = {"e": Head(kind="tokens", labels=("PERS",)), "s": Head(kind="pair", labels=STANCES)}


@pytest.fixture
def folder(stand_in: Callable[[str], Path], tmp_path: Path) -> Callable[[str, str], Path]:
    """A copy of a stand-in under a name of its own."""

    def copied(family: str, name: str) -> Path:
        return Path(shutil.copytree(stand_in(family), tmp_path / name))

    return copied


def fault(action: Callable[[], object]) -> str:
    with pytest.raises(ModelError) as caught:
        action()
    message = str(caught.value)
    assert "\n" not in message
    return message


@pytest.mark.parametrize("name", sorted(SEGMENTED))
def test_segmented_encoders_are_refused_with_the_one_to_take(name: str) -> None:
    for asked in (name, f"./models/{name.rpartition('/')[2]}"):
        message = fault(lambda asked=asked: find_encoder(asked))
        assert message.startswith(f"encoder {asked}: reads text that Farasa has segmented")
        assert "loses the offsets" in message
        assert f"take {SEGMENTED[name]}, which reads words whole" in message


def test_a_segmented_vocabulary_is_known_under_any_name(folder: Callable[[str, str], Path]) -> None:
    copy = folder("bert", "mine")
    tree = json.loads((copy / "tokenizer.json").read_text(encoding="utf-8"))
    tree["model"]["vocab"] |= {"ال+": 900, "+ها": 901}
    (copy / "tokenizer.json").write_text(json.dumps(tree), encoding="utf-8")
    assert "Farasa" in fault(lambda: find_encoder(str(copy)))
    assert find_encoder(str(copy), preprocessing="camelbert").chain == "camelbert"  # whoever says so knows better


@pytest.mark.parametrize(
    ("name", "chain"),
    [
        ("bert-base-arabertv02", "arabert"),
        ("bert-base-arabic-camelbert-msa", "camelbert"),
        ("MARBERTv2", "none"),
        ("mine", "none"),
    ],
)
def test_the_authors_preprocessing_goes_by_the_name(name: str, chain: str, folder: Callable[[str, str], Path]) -> None:
    found = find_encoder(str(folder("bert", name)))
    assert found.chain == chain
    assert found.provenance()["preprocessing"] == chain
    assert find_encoder(str(found.folder), preprocessing="neoarabert").chain == "neoarabert"
    bare = found.tokenizer()("مُحَمَّدٌ")["input_ids"] == found.tokenizer()("محمد")["input_ids"]
    assert bare == (chain != "none")


def test_a_model_says_what_it_was_made_from(folder: Callable[[str, str], Path], tmp_path: Path) -> None:
    from rasid.model import Loaded, save_model

    encoder = find_encoder(str(folder("bert", "bert-base-arabertv02")))
    model = new_model(encoder, HEADS, 64, 16, 0.1)
    save_model(Loaded(model, encoder.tokenizer(), "m", ""), tmp_path / "made", compress=False)
    base = load_model(str(tmp_path / "made")).model.config.base
    assert base == {
        "encoder": str(encoder.folder),
        "sha256": weights_hash(encoder.folder),
        "preprocessing": "arabert",
    }
    further = find_encoder(str(tmp_path / "made"))
    assert further.chain == "arabert"
    assert further.provenance()["base"] == base
    words = ["مُحَمَّدٌ", "2019م", "😀"]
    once, again = encoder.tokenizer(), further.tokenizer()  # the chain is not put in front a second time
    assert again.backend_tokenizer.to_str() == once.backend_tokenizer.to_str()
    assert once(words, is_split_into_words=True)["input_ids"] == again(words, is_split_into_words=True)["input_ids"]
    message = fault(lambda: find_encoder(str(tmp_path / "made"), preprocessing="camelbert"))
    assert message.endswith("made with preprocessing 'arabert', which cannot become 'camelbert'")


def test_positions() -> None:
    assert positions_of(BertConfig(max_position_embeddings=512)) == 512
    assert positions_of(XLMRobertaConfig(max_position_embeddings=514, pad_token_id=1)) == 512


@pytest.mark.parametrize("family", ["bert", "xlm-roberta", "modernbert"])
def test_windows_longer_than_the_positions_are_refused(family: str, stand_in: Callable[[str], Path]) -> None:
    where = str(stand_in(family))
    assert new_model(where, HEADS, 512, 16, 0.1, pair_window=512)
    message = fault(lambda: new_model(where, HEADS, 513, 16, 0.1, pair_window=512))
    assert message == f"window: 513 pieces are more than the 512 positions of encoder {where}"
    assert fault(lambda: new_model(where, HEADS, 512, 16, 0.1, pair_window=600)).startswith("pair_window: 600")
    only = {"e": HEADS["e"]}
    assert new_model(where, only, 512, 16, 0.1, pair_window=600)  # no head reads pairs


def test_half_precision_weights_are_trained_in_full(folder: Callable[[str, str], Path]) -> None:
    import torch

    copy = folder("bert", "half")
    AutoModel.from_pretrained(copy).half().save_pretrained(copy)
    model = new_model(str(copy), HEADS, 64, 16, 0.1)
    assert {parameter.dtype for parameter in model.parameters()} == {torch.float32}


def test_weights_in_several_files(folder: Callable[[str, str], Path]) -> None:
    copy = folder("bert", "large")
    whole = weights_hash(copy)
    model = AutoModel.from_pretrained(copy)
    (copy / "model.safetensors").unlink()
    model.save_pretrained(copy, max_shard_size="20KB")
    assert (copy / "model.safetensors.index.json").is_file()
    assert check_folder(copy, model_type=None)["model_type"] == "bert"
    assert new_model(str(copy), HEADS, 64, 16, 0.1)
    assert weights_hash(copy) not in ("", whole)


def test_a_vocabulary_without_tokenizer_json(folder: Callable[[str, str], Path]) -> None:
    copy = folder("bert", "old")
    tree = json.loads((copy / "tokenizer.json").read_text(encoding="utf-8"))
    pieces = sorted(tree["model"]["vocab"], key=tree["model"]["vocab"].__getitem__)
    (copy / "vocab.txt").write_text("\n".join(pieces), encoding="utf-8")
    expected = load_tokenizer(copy)(["وزارة", "الميناء"], is_split_into_words=True)["input_ids"]
    (copy / "tokenizer.json").unlink()
    (copy / "tokenizer_config.json").write_text('{"do_lower_case": false, "tokenizer_class": "BertTokenizer"}')
    found = find_encoder(str(copy))
    assert found.tokenizer()(["وزارة", "الميناء"], is_split_into_words=True)["input_ids"] == expected
    assert new_model(found, HEADS, 64, 16, 0.1)
    (copy / "vocab.txt").unlink()
    assert "tokenizer.json is missing" in fault(lambda: new_model(str(copy), HEADS, 64, 16, 0.1))


def test_code_of_a_tokenizers_own_is_never_run(folder: Callable[[str, str], Path]) -> None:
    copy = folder("bert", "custom")
    config = json.loads((copy / "tokenizer_config.json").read_text(encoding="utf-8"))
    (copy / "tokenizer_config.json").write_text(
        json.dumps(config | {"tokenizer_class": "Own", "auto_map": {"AutoTokenizer": ["tokenizer.Own", None]}})
    )
    (copy / "tokenizer.py").write_text("raise SystemExit('run!')")
    assert load_tokenizer(copy)("وزارة")["input_ids"]  # tokenizer.json says all that is needed
    (copy / "tokenizer.json").unlink()
    assert "is code of its own, which is never run" in fault(lambda: load_tokenizer(copy))


def test_a_tokenizer_without_a_frame(folder: Callable[[str, str], Path]) -> None:
    copy = folder("bert", "bare")
    (copy / "tokenizer_config.json").write_text('{"tokenizer_class": "TokenizersBackend"}')
    assert "its tokenizer has no token that opens a sequence" in fault(lambda: load_tokenizer(copy))

"""The model folder: saved and read back the same, refused in one line when it is damaged or not ours."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from rasid.encoding import pad, pair_windows, windows
from rasid.errors import ModelError
from rasid.labels import STANCES, WOJOOD
from rasid.model import (
    BIO,
    Head,
    Loaded,
    check_folder,
    find_model,
    load_model,
    load_tokenizer,
    new_model,
    pool,
    revision_of,
    save_model,
    shipped_models,
)

HEADS = {
    "entities": Head(kind="tokens", labels=WOJOOD, nested=True),
    "stance": Head(kind="pair", labels=STANCES),
}


@pytest.fixture(scope="module")
def loaded(tiny_model: Path) -> Loaded:
    return load_model(str(tiny_model))


@pytest.fixture
def copy(tiny_model: Path, tmp_path: Path) -> Path:
    """A copy of the tiny model that a test may damage."""
    return Path(shutil.copytree(tiny_model, tmp_path / "model"))


def fault(action: Callable[[], object]) -> str:
    with pytest.raises(ModelError) as caught:
        action()
    message = str(caught.value)
    assert "\n" not in message
    return message


@given(st.integers(1, 3), st.integers(1, 6), st.integers(1, 4), st.data())
def test_pool_is_the_mean_of_each_group(batch: int, length: int, groups: int, data: st.DataObject) -> None:
    index = torch.tensor([[data.draw(st.integers(-1, groups - 1)) for _ in range(length)] for _ in range(batch)])
    states = torch.randn(batch, length, 2)
    pooled = pool(states, index, groups)
    assert pooled.shape == (batch, groups, 2)
    for row in range(batch):
        for group in range(groups):
            mine = states[row][index[row] == group]
            expected = mine.mean(0) if len(mine) else torch.zeros(2)
            torch.testing.assert_close(pooled[row, group], expected)


def test_a_tokens_head_gives_bio_logits_for_every_word(loaded: Loaded) -> None:
    name = loaded.head("tokens")
    assert name is not None
    rows = [windows(loaded.tokenizer, words, 64, 16)[0] for words in (["داعش", "في", "الباغوز"], ["في"])]
    batch = pad(rows, 0)
    logits = loaded.model(name, batch.input_ids, batch.attention_mask, batch.index, batch.groups)
    types = loaded.model.config.named_heads[name].labels
    assert logits.shape == (2, 3, len(types), BIO)


def test_a_pair_head_gives_one_row_of_classes(loaded: Loaded) -> None:
    name = loaded.head("pair")
    assert name is not None
    batch = pad(pair_windows(loaded.tokenizer, "داعش", "خرج المدنيون", 64), 0)
    logits = loaded.model(name, batch.input_ids, batch.attention_mask, batch.index, 2)
    assert logits.shape == (1, len(loaded.model.config.named_heads[name].labels))


@torch.no_grad()
def test_a_text_scores_the_same_whatever_it_is_batched_with(loaded: Loaded) -> None:
    texts = (["داعش", "في", "الباغوز"], ["قوات"] * 20, ["مخيم", "الهول"])
    rows = [windows(loaded.tokenizer, words, 64, 16)[0] for words in texts]
    together = pad(rows, 0)
    logits = loaded.model("entities", together.input_ids, together.attention_mask, together.index, together.groups)
    for i, row in enumerate(rows):
        alone = pad([row], 0)
        own = loaded.model("entities", alone.input_ids, alone.attention_mask, alone.index, alone.groups)
        torch.testing.assert_close(logits[i, : row.count], own[0], atol=1e-5, rtol=1e-4)


def test_a_model_reads_back_as_it_was_saved(tiny_encoder: Path, tmp_path: Path) -> None:
    torch.manual_seed(3)
    model = new_model(str(tiny_encoder), HEADS, window=64, overlap=16, dropout=0.0).eval()
    save_model(Loaded(model, load_tokenizer(tiny_encoder), "made", ""), tmp_path / "saved", compress=False)
    read = load_model(str(tmp_path / "saved"))
    assert (read.name, read.model.config.window, read.model.config.overlap) == ("saved", 64, 16)
    assert read.model.config.named_heads == HEADS
    assert read.revision == revision_of(tmp_path / "saved")
    for name, parameter in model.state_dict().items():
        torch.testing.assert_close(read.model.state_dict()[name], parameter, rtol=0, atol=0)
    assert not read.model.training


def test_new_heads_stand_on_the_pretrained_weights(tiny_encoder: Path, tiny_model: Path) -> None:
    from transformers import AutoModel

    pretrained = AutoModel.from_pretrained(tiny_encoder)
    fresh = new_model(str(tiny_encoder), HEADS, 64, 16, 0.1)
    for name, parameter in pretrained.state_dict().items():
        assert torch.equal(fresh.encoder.state_dict()[name], parameter)
    # Going on from a fine-tuned model takes its encoder and leaves its heads.
    further = new_model(str(tiny_model), {"other": HEADS["entities"]}, 64, 16, 0.1)
    assert set(further.heads) == {"other"}
    assert torch.equal(
        further.encoder.embeddings.tok_embeddings.weight,
        load_model(str(tiny_model)).model.encoder.embeddings.tok_embeddings.weight,
    )


def test_a_missing_folder_is_named() -> None:
    assert fault(lambda: load_model("no-such-model")).startswith("no-such-model: no such model folder")


def test_a_shipped_model_is_suggested() -> None:
    for name, folder in shipped_models().items():
        assert find_model(name) == folder
        assert f"did you mean {name!r}?" in fault(lambda name=name: find_model(f"{name}x"))


def test_an_empty_folder(tmp_path: Path) -> None:
    assert "not a model folder, config.json is missing" in fault(lambda: load_model(str(tmp_path)))


def test_a_config_that_is_not_json(copy: Path) -> None:
    (copy / "config.json").write_text("{")
    assert "config.json: not valid JSON" in fault(lambda: load_model(str(copy)))


def test_another_architecture(tiny_encoder: Path) -> None:
    message = fault(lambda: load_model(str(tiny_encoder)))
    assert "a 'modernbert' model, expected 'rasid'" in message
    assert "rasid train" in message


@pytest.mark.parametrize("keep", [0, 7, 1000, -1])
def test_truncated_weights(copy: Path, keep: int) -> None:
    weights = copy / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:keep])
    assert "model.safetensors: damaged or truncated" in fault(lambda: load_model(str(copy)))


@pytest.mark.parametrize("name", ["pytorch_model.bin", "model.pt", "weights.pkl"])
def test_a_pickle_is_never_loaded(copy: Path, name: str) -> None:
    (copy / "model.safetensors").rename(copy / name)
    message = fault(lambda: load_model(str(copy)))
    assert f"model.safetensors is missing; {name} is a pickle and is never loaded" in message


def test_weights_that_are_missing(copy: Path) -> None:
    (copy / "model.safetensors").unlink()
    assert fault(lambda: load_model(str(copy))).endswith("model.safetensors is missing")


def test_a_missing_tokenizer(copy: Path) -> None:
    (copy / "tokenizer.json").unlink()
    assert "tokenizer.json is missing" in fault(lambda: load_model(str(copy)))


@pytest.mark.parametrize("content", ["", '{"version": "1.0"}', '{"version": "1.0", "added_tokens": []}'])
def test_a_broken_tokenizer(copy: Path, content: str) -> None:
    (copy / "tokenizer.json").write_text(content)
    assert "no tokenizer could be loaded" in fault(lambda: load_model(str(copy)))


def rewrite(folder: Path, change: Callable[[dict[str, object]], object]) -> None:
    path = folder / "config.json"
    tree = json.loads(path.read_text(encoding="utf-8"))
    change(tree)
    path.write_text(json.dumps(tree), encoding="utf-8")


def test_heads_of_another_size_than_the_weights(copy: Path) -> None:
    rewrite(copy, lambda tree: tree["heads"]["entities"].update(labels=["PERS", "ORG"]))
    assert "weights and config.json do not fit each other" in fault(lambda: load_model(str(copy)))


def test_a_head_without_weights_is_refused_and_not_drawn_at_random(copy: Path) -> None:
    rewrite(copy, lambda tree: tree["heads"].update(topic={"kind": "pair", "labels": ["a", "b"]}))
    assert "do not fit each other (no weights for heads.topic." in fault(lambda: load_model(str(copy)))


def test_a_head_of_an_unknown_kind(copy: Path) -> None:
    rewrite(copy, lambda tree: tree["heads"]["stance"].update(kind="chorus"))
    assert "weights and config.json do not fit each other" in fault(lambda: load_model(str(copy)))


def test_an_encoder_that_is_missing() -> None:
    assert fault(lambda: new_model("./no/encoder", HEADS, 64, 16, 0.1)).startswith("encoder ./no/encoder: ")


def test_an_encoder_folder_with_a_pickle_only(tiny_encoder: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(tiny_encoder, tmp_path / "encoder"))
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    assert "pytorch_model.bin is a pickle" in fault(lambda: new_model(str(folder), HEADS, 64, 16, 0.1))


def test_the_revision_is_that_of_the_weights(copy: Path, tiny_model: Path) -> None:
    assert revision_of(copy) == revision_of(tiny_model)
    weights = copy / "model.safetensors"
    data = bytearray(weights.read_bytes())
    data[-1] ^= 1
    weights.write_bytes(bytes(data))
    assert revision_of(copy) != revision_of(tiny_model)


def test_a_sound_folder_passes_the_check(tiny_model: Path, tiny_encoder: Path) -> None:
    assert check_folder(tiny_model)["model_type"] == "rasid"
    assert check_folder(tiny_encoder, model_type=None)["model_type"] == "modernbert"

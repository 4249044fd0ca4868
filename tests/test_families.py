"""Encoders of every family: whatever a tokenizer's normaliser does, each word has its own pieces and label, offsets
point into the raw text, and what was trained reads the same after it was saved."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rasid.config import parse_config
from rasid.encoding import MAX_WORD_PIECES, piece_ids, windows
from rasid.errors import ModelError
from rasid.infer.engine import Engine, open_engine
from rasid.infer.predictor import predict
from rasid.infer.readers import Article
from rasid.labels import STANCES
from rasid.model import OUTSIDE, Head, Loaded, load_model, new_model, save_model
from rasid.preprocessing import CHAINS
from rasid.pretrained import find_encoder
from rasid.records import Record, sha256_of
from rasid.text import words
from rasid.textscoring import word_log_probs
from rasid.tokenizing import load_tokenizer
from rasid.train.config import RunConfig, Source
from rasid.train.evaluation import predict_entities
from rasid.train.features import text_rows
from rasid.train.finetune import fit, save
from rasid.train.sources import GoldText, Typed
from rasid.train.standin import FAMILIES, make_stand_in

EVERY = sorted(FAMILIES)
MARKS = "\u064b\u064e\u0651\u0652\u0670\u0640\u200f\u200e\u061c\u200b\u2066\u2069\ufeff"
# Plain words, harakat, tatweel, presentation forms and ligatures, bidi marks, emoji, Latin with accents, digits.
WORDS = (
    *("الميناء", "وزارة", "أحمد", "إلى", "مُحَمَّدٌ", "قُـــوات", "الـــبيت", "ﺍﻟﻌﺮﺍﻕ", "ﻻ", "ﷺ", "ﷲ", "٢٠١٩", "2019م"),
    *(
        "😀",
        "👩\u200d🚀",
        "🇸🇾",
        "Café",
        "naïve",
        "ﬁn",
        "…",
        "،",
        "“قسد”",
        "\u200fدمشق\u200f",
        "دم\u200cشق",
        "\u064b",
        "\u0640",
    ),
    *("½", "①", "كَلِمَة\u061c", "🏳️", "ٱلرَّحْمَٰن", "پاريس", "ڤيينا", "x²", "\U0001f1f8x"),
)
TEXTS = st.lists(
    st.one_of(
        st.sampled_from(WORDS), st.text(alphabet="ابتثمنويأإآةىﻢﻻ" + MARKS + "3٣aé😀ﷺ.،", min_size=1, max_size=9)
    ),
    max_size=24,
).map(" ".join)
SLOW = settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
HEADS = {"entities": Head(kind="tokens", labels=("PERS", "GPE")), "stance": Head(kind="pair", labels=STANCES)}
LETTERS = frozenset("ابتثجحخدذرزسشصضطظعغفقكلمنهوي")


@pytest.fixture(scope="module", params=EVERY)
def family(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def model(family: str, stand_in: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A saved model on a stand-in, its entity head spread so that words of all kinds are taken for entities."""
    folder = tmp_path_factory.mktemp("models") / family
    encoder = find_encoder(str(stand_in(family)))
    torch.manual_seed(2)
    made = new_model(encoder, HEADS, window=48, overlap=16, dropout=0.1, pair_window=64)
    with torch.no_grad():
        made.heads["entities"].output.weight.normal_(std=0.7)
        made.heads["entities"].output.bias.view(-1, 3)[:, OUTSIDE] = 0.5
    save_model(Loaded(made, encoder.tokenizer(), family, ""), folder, compress=False)
    return folder


@cache
def loaded(folder: Path) -> Loaded:
    return load_model(str(folder))


@cache
def engine(folder: Path) -> Engine:
    return open_engine(str(folder), torch.device("cpu"))


@SLOW
@given(TEXTS)
def test_each_word_has_the_pieces_that_it_has_alone(model: Path, text: str) -> None:
    tokenizer = loaded(model).tokenizer
    cut = [word.of(text) for word in words(text)]
    found = piece_ids(tokenizer, cut)
    assert len(found) == len(cut)
    for word, pieces in zip(cut, found, strict=True):
        alone = tokenizer.backend_tokenizer.encode([word], is_pretokenized=True, add_special_tokens=False)
        assert pieces == alone.ids[:MAX_WORD_PIECES], word
        assert pieces or not LETTERS & set(word), word  # no word with a plain letter is lost
    rows = windows(tokenizer, cut, 48, 16)
    assert [n for row in rows for n in range(row.core_start, row.core_end)] == list(range(len(cut)))


@SLOW
@given(TEXTS)
def test_one_label_for_every_word_and_exact_surfaces(model: Path, text: str) -> None:
    own = loaded(model)
    cut = [word.of(text) for word in words(text)]
    (scores,) = word_log_probs(own, "entities", [cut])
    assert scores.shape == (len(cut), 2, 3)
    np.testing.assert_allclose(np.exp(scores).sum(axis=-1), 1.0, atol=1e-4)
    (record,) = predict(engine(model), [Article("a", text)])
    for entity in record.entities:
        assert text[entity.start : entity.end] == entity.surface
    Record.model_validate(record.model_dump())
    assert record.sha256 == sha256_of(text)
    # training's own scoring and inference find the same spans
    trained = {(e.span.start, e.span.end, e.type) for e in predict_entities(own, "entities", [text])[0]}
    assert trained == {(e.start, e.end, e.type) for e in record.entities}


@SLOW
@given(TEXTS)
def test_training_rows_hold_every_word_once_with_its_label(model: Path, text: str) -> None:
    tokenizer = loaded(model).tokenizer
    cut = words(text)
    gold = GoldText("d", text, tuple(Typed(word, "PERS") for word in cut[::2]))
    source = Source(head="entities", reader="annotations", path=Path("x"))
    rows = text_rows([gold], source, HEADS["entities"], tokenizer, 48, 16, repair=False)
    labels = {
        row.window.first + place: row.labels[place].tolist()
        for row in rows
        for place in range(row.window.core_start - row.window.first, row.window.core_end - row.window.first)
    }
    assert labels == {n: [1 - n % 2, 0] for n in range(len(cut))}


def _config(encoder: Path, folder: Path, **changes: Any) -> RunConfig:
    lines = "\n".join(["زار\tO", "سامر\tB-PERS", "الحداد\tI-PERS", "الـميناءَ\tB-GPE", ".\tO", ""] * 4)
    (folder / "train.tsv").write_text(lines, encoding="utf-8")
    pairs = '{"claim": "الميناء", "text": "زار الوفد الميناء", "stance": "none"}\n' * 2
    (folder / "pairs.jsonl").write_text(pairs, encoding="utf-8")
    tree: dict[str, Any] = {
        "encoder": str(encoder),
        "output": str(folder / "run"),
        "heads": {
            "entities": {"kind": "tokens", "labels": ["PERS", "GPE"]},
            "stance": {"kind": "pair", "labels": list(STANCES)},
        },
        "sources": {
            "train": {"head": "entities", "reader": "conll", "path": str(folder / "train.tsv")},
            "pairs": {"head": "stance", "reader": "pairs", "path": str(folder / "pairs.jsonl")},
        },
        "window": 48,
        "overlap": 16,
        "pair_window": 64,
        "batch_tokens": 96,
        "precision": "fp32",
        "layer_decay": 0.9,
        "training": {"num_train_epochs": 2, "learning_rate": 5e-3, "save_strategy": "no", "disable_tqdm": True},
    }
    return parse_config(RunConfig, tree | changes, "test")


@pytest.mark.parametrize("compress", [False, True])
def test_trained_saved_and_read_again(
    family: str, stand_in: Callable[[str], Path], tmp_path: Path, compress: bool
) -> None:
    config = _config(stand_in(family), tmp_path, compress=compress)
    before = {name: p.clone() for name, p in new_model(str(stand_in(family)), HEADS, 48, 16, 0.1).named_parameters()}
    result = fit(config, config.output)
    changed = [name for name, p in result.loaded.model.named_parameters() if not torch.equal(p, before[name])]
    # Nothing stands idle: every weight is moved by one step of each head (position rows beyond the text are not).
    assert {name.split(".")[0] for name in changed} == {"encoder", "heads"}
    idle = {name for name in before if name not in changed}
    assert not idle, idle
    cut = ["زار", "سامر", "مُحَمَّدٌ", "😀", "الـميناءَ", "."]
    (trained,) = word_log_probs(result.loaded, "entities", [cut])
    save(result, config, config.output)
    (read,) = word_log_probs(load_model(str(config.output)), "entities", [cut])
    np.testing.assert_allclose(read, trained, atol=0.05 if compress else 1e-6)


@pytest.mark.parametrize("chain", sorted(CHAINS))
@pytest.mark.parametrize("family", ["bert", "bert-uncased", "xlm-roberta", "roberta"])
def test_a_chain_is_saved_with_the_tokenizer(
    family: str, chain: str, stand_in: Callable[[str], Path], tmp_path: Path
) -> None:
    tokenizer = load_tokenizer(stand_in(family), chain)
    tokenizer.save_pretrained(tmp_path)
    again = load_tokenizer(tmp_path)
    cut = list(WORDS)
    assert piece_ids(again, cut) == piece_ids(tokenizer, cut)
    if chain != "none":
        assert piece_ids(tokenizer, ["مُحَمَّدٌ", "الـــبيت"]) == piece_ids(tokenizer, ["محمد", "البيت"])
    for start, end in again(" ".join(WORDS), return_offsets_mapping=True)["offset_mapping"]:
        assert 0 <= start <= end <= len(" ".join(WORDS))


def test_a_stand_in_of_no_family(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="unknown family 'berd'; did you mean 'bert'"):
        make_stand_in("berd", tmp_path, ("نص",))


def test_dropout_reaches_the_encoder_of_every_family(family: str, stand_in: Callable[[str], Path]) -> None:
    ids = torch.tensor([[0, 7, 8, 9, 2]])
    mask = torch.ones_like(ids)
    own = new_model(str(stand_in(family)), HEADS, 48, 16, 0.1, encoder_dropout=0.4).train()
    differs = not torch.equal(own.states(ids, mask), own.states(ids, mask))
    assert differs == (family != "neoarabert")  # an architecture without dropout
    still = new_model(str(stand_in(family)), HEADS, 48, 16, 0.1, encoder_dropout=0.0).train()
    assert torch.equal(still.states(ids, mask), still.states(ids, mask))


def test_the_first_layers_of_every_family(family: str, stand_in: Callable[[str], Path], tmp_path: Path) -> None:
    folder = str(stand_in(family))
    short, whole = (new_model(folder, HEADS, 48, 16, 0.1, layers=layers).eval() for layers in (1, 2))
    assert sum(each.numel() for each in short.encoder.parameters()) < sum(
        each.numel() for each in whole.encoder.parameters()
    )
    kept, all_of_them = short.encoder.state_dict(), whole.encoder.state_dict()
    assert all(torch.equal(value, all_of_them[name]) for name, value in kept.items())
    ids = torch.tensor([[0, 7, 8, 9, 2]])
    mask = torch.ones_like(ids)
    assert not torch.equal(short.states(ids, mask), whole.states(ids, mask))
    save_model(Loaded(short, find_encoder(folder).tokenizer(), "short", ""), tmp_path, compress=True)
    again = load_model(str(tmp_path)).model
    assert again.encoder.config.num_hidden_layers == 1
    assert torch.allclose(again.states(ids, mask), short.states(ids, mask), atol=0.05)


def test_more_layers_than_there_are(stand_in: Callable[[str], Path]) -> None:
    with pytest.raises(ModelError, match=r"^layers: 3 are asked of encoder .*, which has 2$"):
        new_model(str(stand_in("bert")), HEADS, 48, 16, 0.1, layers=3)

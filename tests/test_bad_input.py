"""Bad input, the whole way from file to record: each kind with the good articles beside it, which must not be lost.

What readers alone can tell is in test_readers.py; here a model runs.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from transformers import BertConfig, BertModel

from rasid.cli import make_parser
from rasid.errors import ModelError
from rasid.infer.engine import Engine
from rasid.infer.job import predict_texts, run_infer
from rasid.model import BEGIN, INSIDE
from rasid.records import Record, faults
from rasid.text import words
from rasid.textscoring import Reading


def infer(model: Path | str, output: Path, *inputs: Path) -> int:
    return run_infer(
        make_parser().parse_args(
            ["infer", *map(str, inputs), "--output", str(output), "--model", str(model), "--device", "cpu", "--quiet"]
        )
    )


def predict(model: Path, text: str) -> Record:
    """The record of a text that stands between two good ones; it is sound, and so are they."""
    good = "وصل وفد من الأمم المتحدة إلى العاصمة."
    texts = [("before", good), ("text", text), ("after", good)]
    records = predict_texts(texts, str(model))
    for (doc, raw), record in zip(texts, records, strict=True):
        assert record.doc == doc
        assert faults(record, raw) == []
    assert records[0].entities == records[2].entities
    return records[1]


FILES = {
    "empty.txt": b"",
    "utf16.txt": "وصل الوفد".encode("utf-16"),
    "cp1256.txt": "وصل الوفد إلى الميناء".encode("cp1256"),
    "cut.txt": "وصل الوفد".encode()[:-1],
    "binary.txt": bytes(range(256)) * 8,
}
LINES = ["{", '{"id": 1}', '{"id": "good", "text": "x"}', '{"id": 2, "text": "\\ud800"}', '{"id": 3, "text": 4}']


def test_all_at_once(tiny_model: Path, tmp_path: Path, sentences: Sequence[str]) -> None:
    folder = tmp_path / "in"
    (folder / "nothing").mkdir(parents=True)
    for name, data in FILES.items():
        (folder / name).write_bytes(data)
    (folder / "good.txt").write_text(sentences[0], encoding="utf-8-sig")
    (folder / "lines.jsonl").write_text("\n".join([*LINES, '{"id": "null", "text": "a\\u0000b"}']))
    output = tmp_path / "r.jsonl"
    assert infer(tiny_model, output, folder, folder / "nothing", folder / "missing.txt") == 0
    records = [json.loads(line) for line in output.read_text().splitlines()]
    assert [record["doc"] for record in records] == ["good", "null"]
    assert records[0]["warnings"] == ["byte order mark at the start"]
    rejects = [json.loads(line) for line in (tmp_path / "r.rejects.jsonl").read_text().splitlines()]
    lines = [f"lines.jsonl:{number}" for number in range(1, 6)]
    places = [str(folder / name) for name in sorted([*FILES, *lines])]
    assert [reject["where"] for reject in rejects] == [
        *places,
        str(folder / "nothing"),
        str(folder / "missing.txt"),
    ]
    assert all(reject["reason"] and "\n" not in reject["reason"] for reject in rejects)


def test_a_single_line_of_five_megabytes(tiny_model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The model is stubbed (a tiny one would take a minute); everything around it is as ever."""
    phrase = "وصلت المستشفيات الاستثنائية والاستعدادات اللوجستية داعش للمستوطنات "
    text = phrase * (5_000_000 // len(phrase.encode()))
    place = phrase.split().index("داعش")

    def scores(self: Engine, texts: Sequence[Sequence[str]]) -> Reading:
        found = []
        for cut in texts:
            log_probs = np.full((len(cut), 21, 3), [-0.01, -6, -6], dtype=np.float32)
            log_probs[place :: len(phrase.split()), 3, BEGIN] = 0  # ORG
            log_probs[place + 1 :: len(phrase.split()), 3, INSIDE] = -0.1  # less than Outside
            found.append(log_probs)
        return Reading(found, {})

    monkeypatch.setattr(Engine, "read", scores)
    monkeypatch.setattr(Engine, "stance_scores", lambda self, pairs, _: np.tile([0.1, 0.7, 0.2], (len(pairs), 1)))
    (record,) = predict_texts([("long", text)], str(tiny_model))
    count = len(text) // len(phrase)
    assert len(text.encode()) > 4_900_000
    assert len(record.entities) == count
    assert {entity.surface for entity in record.entities} == {"داعش"}
    assert [cluster.name for cluster in record.clusters] == ["داعش"]
    assert record.stances[0].label == "against"
    passages = [stance.scope for stance in record.stances[1:]]
    assert all(scope != "article" and scope[1] - scope[0] <= 710 for scope in passages)


def test_a_long_line_through_the_model(tiny_model: Path, sentences: Sequence[str]) -> None:
    text = " ".join(sentences).replace(".", "") * 40
    record = predict(tiny_model, text)
    assert record.entities[-1].start > len(text) * 0.9


def test_a_word_of_a_hundred_thousand_letters(tiny_model: Path) -> None:
    text = "قال " + "ك" * 100_000 + " وصل وفد"
    assert len(words(text)) == 4
    record = predict(tiny_model, text)
    assert all(0 < entity.end - entity.start <= len(text) for entity in record.entities)


@pytest.mark.parametrize("text", ["...", "؟!،؛", "“”«»()[]", "- - -\n*", "٪", "ـ", "\u064b\u064c"])
def test_only_punctuation(tiny_model: Path, text: str) -> None:
    record = predict(tiny_model, text)
    assert record.entities == ()
    assert record.warnings == ("no letter or digit in the text",) or text == "ـ"


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("\u202bوصل \u200fوفد\u200e من\u202c \u2067الأمم\u2069 المتحدة", id="bidi"),
        pytest.param("و\u200cصل و\u200dفد من الأ\u200bمم", id="zero-width"),
        pytest.param("وصـــــل وفـــــــــد مـن الأمـــــم ــــ المتحدة", id="tatweel"),
        pytest.param("ـ" * 5000, id="tatweel only"),
        pytest.param("وصل 🇸🇾 وفد 👨‍👩‍👧 من 🎉 الأمم😀المتحدة", id="emoji"),
        pytest.param("وَصَلَ وَفْدٌ مِنَ الأُمَمِ المُتَّحِدَةِ إِلَى العَاصِمَةِ", id="harakat"),
        pytest.param("و" + "\u064b" * 3000, id="a pile of harakat"),
        pytest.param("وصل\0وفد \0 من", id="null"),
        pytest.param("ﻭﺻﻞ ﻭﻓﺪ ﷲ ﷺ", id="presentation forms"),
        pytest.param("الألغـ,ام وقتـ.لى والمتفجـ.ـرات", id="dodges"),
        pytest.param("سورياوالعراق والولاياتالمتحدة", id="glued"),
        pytest.param("\x1c\x1d وصل \x85 \u2028 وفد\u2029", id="separators"),
        pytest.param("\ufeff\u200b\u200f", id="controls only"),
    ],
)
def test_odd_characters(tiny_model: Path, text: str) -> None:
    predict(tiny_model, text)


# -- model folders ----------------------------------------------------------------------------------


@pytest.fixture
def model(tiny_model: Path, tmp_path: Path) -> Path:
    """A copy of the tiny model, to be damaged."""
    return Path(shutil.copytree(tiny_model, tmp_path / "model"))


def refused(model: Path | str, tmp_path: Path) -> str:
    article = tmp_path / "a.txt"
    article.write_text("نص", encoding="utf-8")
    with pytest.raises(ModelError) as caught:
        infer(model, tmp_path / "r.jsonl", article)
    assert not (tmp_path / "r.jsonl").exists()
    assert not (tmp_path / "r.jsonl.part").exists()
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_missing_model(tmp_path: Path) -> None:
    assert "no such model folder" in refused(tmp_path / "none", tmp_path)


def test_an_empty_model_folder(tmp_path: Path) -> None:
    (tmp_path / "hollow").mkdir()
    assert "config.json is missing" in refused(tmp_path / "hollow", tmp_path)


@pytest.mark.parametrize("kept", [0.0, 0.01, 0.5, 0.999])
def test_truncated_weights(model: Path, tmp_path: Path, kept: float) -> None:
    weights = model / "model.safetensors"
    data = weights.read_bytes()
    weights.write_bytes(data[: int(len(data) * kept)])
    assert "damaged or truncated" in refused(model, tmp_path)


def test_a_broken_config(model: Path, tmp_path: Path) -> None:
    (model / "config.json").write_text('{"model_type": ')
    assert "not valid JSON" in refused(model, tmp_path)


def test_another_architecture(tmp_path: Path) -> None:
    config = BertConfig(vocab_size=50, hidden_size=8, num_hidden_layers=1, num_attention_heads=1, intermediate_size=8)
    BertModel(config).save_pretrained(tmp_path / "bert")
    assert "a 'bert' model, expected 'rasid'" in refused(tmp_path / "bert", tmp_path)


def test_a_pickle(model: Path, tmp_path: Path) -> None:
    (model / "model.safetensors").rename(model / "pytorch_model.bin")
    assert "pytorch_model.bin is a pickle and is never loaded" in refused(model, tmp_path)


def test_a_missing_tokenizer(model: Path, tmp_path: Path) -> None:
    (model / "tokenizer.json").unlink()
    assert "tokenizer.json is missing" in refused(model, tmp_path)


def test_weights_of_another_shape(model: Path, tmp_path: Path) -> None:
    tree = json.loads((model / "config.json").read_text())
    tree["encoder"]["intermediate_size"] = 64
    (model / "config.json").write_text(json.dumps(tree))
    refused(model, tmp_path)

"""Article labels from model to record, JSON and page, beside entities or alone; and gold labels that score them."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest
import torch

from rasid.cli import make_parser
from rasid.errors import DataError
from rasid.evaluate import run_evaluate
from rasid.infer.engine import Engine, open_engine
from rasid.infer.job import predict_texts
from rasid.infer.predictor import predict
from rasid.infer.readers import Article
from rasid.model import Head, Loaded, load_tokenizer, new_model, save_model
from rasid.records import Label, Record, faults, json_schema, parse_record, sha256_of
from rasid.render import Item, render_page

CPU = torch.device("cpu")
LABELS = ("رياضة", "صحة", "فن")
HEADS = {
    "topic": Head(kind="text", labels=LABELS),
    "tags": Head(kind="text", labels=LABELS, multilabel=True),
}


def _save(encoder: Path, folder: Path, keep: bool) -> Path:
    """A model with two `text` heads; with `keep`, the heads of `encoder`, a Rasid model, as well."""
    torch.manual_seed(5)
    kept = open_engine(str(encoder), CPU).loaded.model.config.named_heads if keep else {}
    model = new_model(str(encoder), kept | HEADS, window=64, overlap=20, dropout=0.1)
    model.config.in_place = keep
    save_model(Loaded(model, load_tokenizer(encoder), "m", ""), folder, compress=False)
    return folder


@pytest.fixture(scope="module")
def whole(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _save(tiny_model, tmp_path_factory.mktemp("whole"), keep=True)


@pytest.fixture(scope="module")
def texts_only(tiny_encoder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _save(tiny_encoder, tmp_path_factory.mktemp("topics"), keep=False)


def test_labels_stand_beside_the_same_entities_and_stances(
    whole: Path, tiny_model: Path, sentences: tuple[str, ...]
) -> None:
    articles = [Article("long", " ".join(sentences * 3)), Article("short", sentences[0])]
    plain = predict(open_engine(str(tiny_model), CPU), articles)
    labelled = predict(open_engine(str(whole), CPU), articles)
    for one, other in zip(plain, labelled, strict=True):
        assert not one.labels
        assert [(e.span, e.type) for e in one.entities] == [(e.span, e.type) for e in other.entities]
        assert [(s.target, s.scope, s.label) for s in one.stances] == [
            (s.target, s.scope, s.label) for s in other.stances
        ]
        topic, tags = other.labels["topic"], other.labels["tags"]
        assert isinstance(topic, Label)
        assert topic.label in LABELS
        assert topic.score is not None
        assert topic.score > 1 / 3
        assert isinstance(tags, tuple)
        assert all(tag.score is not None and tag.score >= 0.5 for tag in tags)


def test_a_model_of_text_heads_alone_gives_labels_alone(texts_only: Path, sentences: tuple[str, ...]) -> None:
    engine = open_engine(str(texts_only), CPU)
    article, nothing = predict(engine, [Article("a", sentences[1]), Article("b", "… !")])
    assert (article.entities, article.clusters, article.stances) == ((), (), ())
    assert set(article.labels) == {"topic", "tags"}
    assert not nothing.labels  # nothing to judge by
    assert predict(engine, [Article("a", sentences[1])])[0].labels == article.labels


def test_a_full_memory_halves_the_batch(
    whole: Path, sentences: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    from rasid.infer import engine as engine_module

    asked: list[int] = []
    real = engine_module.read_articles

    def tight(*arguments: object, **more: object) -> object:
        asked.append(int(str(arguments[4])))
        if asked[-1] > 2048:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return real(*arguments, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(engine_module, "read_articles", tight)
    engine: Engine = open_engine(str(whole), CPU)
    assert predict(engine, [Article("a", sentences[0])])[0].labels
    assert asked == [8192, 4096, 2048]


def _record(text: str = "نص", **labels: Label | tuple[Label, ...]) -> Record:
    return Record(doc="a", sha256=sha256_of(text), labels=labels)


def test_json_holds_an_object_or_a_list_and_comes_back() -> None:
    record = _record(topic=Label(label="رياضة", score=0.98), tags=(Label(label="فن"),), none=())
    tree = json.loads(record.to_json())
    assert tree["labels"] == {"topic": {"label": "رياضة", "score": 0.98}, "tags": [{"label": "فن"}], "none": []}
    jsonschema.validate(tree, json_schema())
    assert parse_record(record.to_json(), "x:1") == record
    assert "labels" not in json.loads(_record().to_json())


def test_labels_that_cannot_be_are_named() -> None:
    for labels in ('{"topic": {"score": 1}}', '{"topic": "رياضة"}', '{"topic": {"label": ""}}'):
        line = f'{{"doc": "a", "sha256": "0", "labels": {labels}}}'
        with pytest.raises(DataError, match=r"x:1: not a record: labels\.topic"):
            parse_record(line, "x:1")
    twice = _record(tags=(Label(label="فن"), Label(label="فن")))
    assert faults(twice, "نص") == ["labels tags: 'فن' is given 2 times; once is allowed"]
    assert faults(_record(tags=(Label(label="فن"),)), "نص") == []


def test_the_page_shows_the_labels_under_the_headline() -> None:
    record = _record(topic=Label(label="رياضة <b>", score=0.98), tags=(Label(label="فن"), Label(label="صحة")), none=())
    page = render_page([Item(record, "نص")])
    assert (
        'class="notes labels"><bdi>topic</bdi>: <bdi>رياضة &lt;b&gt;</bdi> <span class="score">0.98</span></p>' in page
    )
    assert "<bdi>tags</bdi>: <bdi>فن</bdi> · <bdi>صحة</bdi></p>" in page
    assert "<bdi>none</bdi>: —</p>" in page
    assert 'class="notes labels"' not in render_page([Item(_record(), "نص")])


def test_evaluate_scores_labels_that_the_gold_has(
    whole: Path, sentences: tuple[str, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    texts, gold = tmp_path / "texts", tmp_path / "gold"
    texts.mkdir()
    gold.mkdir()
    for number, sentence in enumerate(sentences):
        (texts / f"a{number}.txt").write_text(sentence, encoding="utf-8", newline="")
    records = predict_texts([(f"a{number}", sentence) for number, sentence in enumerate(sentences)], str(whole))
    assert all(set(record.labels) == {"topic", "tags"} for record in records)
    output = tmp_path / "out.jsonl"
    output.write_text("".join(record.to_json() + "\n" for record in records), encoding="utf-8")
    for number, record in enumerate(records):
        own = record.labels["topic"]
        assert isinstance(own, Label)
        right = own.label if number else next(name for name in LABELS if name != own.label)
        judged = Record(doc=record.doc, sha256=record.sha256, labels={"topic": Label(label=right)})
        (gold / f"{record.doc}.json").write_text(judged.to_json(), encoding="utf-8")
    capsys.readouterr()
    evaluate = ["evaluate", "--predictions", str(output), "--gold", str(gold), "--seeds", str(texts)]
    assert run_evaluate(make_parser().parse_args([*evaluate, "--report", str(tmp_path / "report")])) == 0
    share = (len(sentences) - 1) / len(sentences)
    assert f"| topic  |    {share:.3f} |" in capsys.readouterr().out
    report = json.loads((tmp_path / "report" / "report.json").read_text(encoding="utf-8"))
    assert report["labels"]["topic"]["accuracy"]["value"] == pytest.approx(share)

"""`rasid annotations preannotate`: predictions in the tools' forms, and what is left of them once they are mended."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from rasid.cli import main
from rasid.formats import read_format
from rasid.infer.job import predict_texts
from rasid.records import Record, faults, parse_record


@pytest.fixture
def articles(tmp_path: Path, sentences: tuple[str, ...]) -> Path:
    path = tmp_path / "articles.jsonl"
    texts = (" ".join(sentences), *sentences[:2])
    rows = [{"id": f"a{n}", "text": f"😀 {text}", "source": "المرفأ"} for n, text in enumerate(texts)]
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return path


def preannotate(*arguments: object) -> int:
    return main(["annotations", "preannotate", *map(str, arguments)])


def expected(articles: Path, model: Path) -> list[Record]:
    rows = [json.loads(line) for line in articles.read_text(encoding="utf-8").splitlines()]
    return predict_texts([(row["id"], row["text"]) for row in rows], str(model))


def bare(record: Record) -> list[tuple[int, int, str]]:
    return [(entity.start, entity.end, entity.type) for entity in record.entities]


def test_label_studio_gets_predictions_with_scores(
    articles: Path, tiny_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "tasks.json"
    assert preannotate(articles, "--model", tiny_model, "--format", "labelstudio", "--output", output) == 0
    tasks = json.loads(output.read_text(encoding="utf-8"))
    found = expected(articles, tiny_model)
    count = sum(len(record.entities) for record in found)
    assert capsys.readouterr().out == f"3 articles, {count} entities of tiny -> {output}\n"
    for task, record in zip(tasks, found, strict=True):
        assert task["annotations"] == []
        (prediction,) = task["predictions"]
        assert record.model
        assert prediction["model_version"] == f"tiny {record.model.revision[:12]}"
        scores = [entity.score for entity in record.entities]
        assert prediction["score"] == pytest.approx(sum(filter(None, scores)) / len(scores), abs=1e-3)
        regions = [one for one in prediction["result"] if one["type"] == "labels"]
        assert [one["score"] for one in regions] == pytest.approx(scores, abs=1e-3)
        for region in regions:
            value = region["value"]
            assert task["data"]["text"][value["start"] : value["end"]] == value["text"]
        assert task["data"]["rasid"]["meta"] == {"source": "المرفأ"}


def mended(task: dict[str, Any]) -> dict[str, Any]:
    """The task as the tool exports it when somebody has taken the prediction over, scores and all, less one region."""
    result = list(task["predictions"][0]["result"])
    gone = next(one["id"] for one in result if one["type"] == "labels")
    kept = [one for one in result if gone not in (one.get("id"), one.get("from_id"), one.get("to_id"))]
    return {**task, "annotations": [{"id": 7, "result": kept}]}


def test_what_people_mended_has_nothing_of_the_model(articles: Path, tiny_model: Path, tmp_path: Path) -> None:
    output = tmp_path / "tasks.json"
    assert preannotate(articles, "--model", tiny_model, "--format", "labelstudio", "--output", output) == 0
    tasks = json.loads(output.read_text(encoding="utf-8"))
    untouched = read_format("labelstudio", output, None)
    assert all(article.record.model for article in untouched.articles)  # nobody has: still the model's word
    output.write_text(json.dumps([mended(task) for task in tasks]), encoding="utf-8")
    found = read_format("labelstudio", output, None)
    for article, record in zip(found.articles, expected(articles, tiny_model), strict=True):
        own = article.record
        assert bare(own) == bare(record)[1:]
        assert own.model is None
        assert own.stances == ()
        assert {(entity.score, entity.name) for entity in own.entities} == {(None, None)}
        assert '"score"' not in own.to_json()
        assert record.model
        assert own.meta == {"source": "المرفأ", "preannotated": f"tiny {record.model.revision[:12]}"}
        assert not faults(own, article.text)


@pytest.mark.parametrize("form", ["doccano", "doccano-relations"])
@pytest.mark.parametrize("units", ["code-points", "utf-16"])
def test_doccano_gets_spans_in_its_own_unit(
    form: str, units: str, articles: Path, tiny_model: Path, tmp_path: Path
) -> None:
    output = tmp_path / "articles-with-labels.jsonl"
    options = ("--model", tiny_model, "--format", form, "--units", units, "--output", output)
    assert preannotate(articles, *options) == 0
    lines = [json.loads(line) for line in output.read_text(encoding="utf-8").splitlines()]
    found = expected(articles, tiny_model)
    first = lines[0]["label"][0][0] if form == "doccano" else lines[0]["entities"][0]["start_offset"]
    assert first == found[0].entities[0].start + (units == "utf-16")  # the emoji before it counts two
    back = read_format(form, output, None, units)
    for article, record in zip(back.articles, found, strict=True):
        assert bare(article.record) == bare(record)
        assert '"score"' not in article.record.to_json()
        assert (article.record.model, article.record.stances) == (None, ())
        assert article.record.meta["preannotated"].startswith("tiny ")
        assert [e.cluster for e in article.record.entities] == [e.cluster for e in record.entities]


def test_records_are_those_of_infer(articles: Path, tiny_model: Path, tmp_path: Path) -> None:
    output, inferred = tmp_path / "records.jsonl", tmp_path / "inferred.jsonl"
    assert preannotate(articles, "--model", tiny_model, "--format", "records", "--output", output) == 0
    assert main(["infer", str(articles), "--model", str(tiny_model), "--output", str(inferred), "--quiet"]) == 0
    assert output.read_bytes() == inferred.read_bytes()


def test_a_least_score_thins_the_predictions(articles: Path, tiny_model: Path, tmp_path: Path) -> None:
    output = tmp_path / "records.jsonl"
    options = ("--model", tiny_model, "--format", "records", "--output", output, "--min-score", 0.6)
    assert preannotate(articles, *options) == 0
    scores = [
        entity.score or 0
        for line in output.read_text(encoding="utf-8").splitlines()
        for entity in parse_record(line, "records").entities
    ]
    whole = [entity.score or 0 for record in expected(articles, tiny_model) for entity in record.entities]
    assert min(scores) >= 0.6
    assert 0 < len(scores) < len(whole)


def test_ids_that_cannot_name_a_file_and_inputs_that_cannot_be_read(
    tiny_model: Path, tmp_path: Path, sentences: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    source = tmp_path / "lines.jsonl"
    lines = [json.dumps({"text": sentences[0]}), json.dumps({"id": "2019/7", "text": sentences[1]}), "{"]
    source.write_text("\n".join(lines), encoding="utf-8")
    output = tmp_path / "tasks.json"
    assert preannotate(source, "--model", tiny_model, "--format", "labelstudio", "--output", output) == 0
    rejects = tmp_path / "tasks.json.rejects.jsonl"
    assert f"; 1 rejected -> {rejects}" in capsys.readouterr().out
    assert json.loads(rejects.read_text(encoding="utf-8"))["where"] == f"{source}:3"
    records = [article.record for article in read_format("labelstudio", output, None).articles]
    assert [record.meta["id"] for record in records] == ["lines.jsonl:1", "2019/7"]
    assert [record.doc.partition("-")[0] for record in records] == ["lines.jsonl_1", "2019_7"]


def test_mistakes_are_one_line_and_leave_the_file_as_it_was(
    articles: Path, tiny_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "tasks.json"
    output.write_text("[]", encoding="utf-8")
    asked = ("--model", tiny_model, "--output", output)
    for arguments, message in (
        (
            (articles, *asked, "--format", "labelstudio", "--units", "utf-16"),
            "format labelstudio has a unit of its own",
        ),
        ((articles, *asked, "--format", "brat"), "invalid choice: 'brat'"),
        ((tmp_path / "none", *asked, "--format", "records"), "none: no such file or folder"),
        ((articles, *asked, "--format", "records", "--min-score", 2), "--min-score 2: a score is between 0 and 1"),
    ):
        assert preannotate(*arguments) == 2
        assert message in capsys.readouterr().err
        assert output.read_text(encoding="utf-8") == "[]"
    assert not list(tmp_path.glob("*.part"))

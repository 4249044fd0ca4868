"""Label Studio's tasks: annotations and predictions, exports, and every mistake with its task."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from rasid.errors import DataError
from rasid.exchange import Article
from rasid.formats import Imported, read_format
from rasid.labelstudio import export_labelstudio
from rasid.records import Cluster, Entity, ModelInfo, Record, Stance, sha256_of

TEXT = "😀 قال سامر إن سامرا غادر بيروت"


def region(name: str, start: int, end: int, *labels: str, text: str | None = None) -> dict[str, Any]:
    value = {"start": start, "end": end, "text": TEXT[start:end] if text is None else text, "labels": list(labels)}
    return {"id": name, "from_name": "label", "to_name": "text", "type": "labels", "value": value, "origin": "manual"}


def relation(one: str, other: str, *labels: str) -> dict[str, Any]:
    return {"type": "relation", "from_id": one, "to_id": other, "direction": "right", "labels": list(labels)}


def task(*result: dict[str, Any], **fields: Any) -> dict[str, Any]:
    made = {"id": 12, "data": {"text": TEXT}, "annotations": [{"id": 3, "result": list(result), "lead_time": 2.5}]}
    return {**made, "predictions": [], **fields}


def read(folder: Path, *tasks: Any) -> Imported:
    (folder / "export.json").write_text(json.dumps(tasks), encoding="utf-8")
    return read_format("labelstudio", folder / "export.json", None)


def predicted() -> Article:
    entity = Entity(id="T1", type="PERS", start=6, end=10, surface="سامر", cluster="C1", name="سامر", score=0.9)
    record = Record(
        doc="one",
        sha256=sha256_of(TEXT),
        entities=(entity,),
        clusters=(Cluster(id="C1", name="سامر", type="PERS"),),
        model=ModelInfo(name="news", revision="0123456789abcdef", rasid="0.1.0"),
    )
    return Article(record, TEXT)


def test_a_records_model_makes_it_a_prediction(tmp_path: Path) -> None:
    (made,) = json.loads(export_labelstudio([predicted()]).files["tasks.json"])
    assert made["annotations"] == []
    assert made["predictions"][0]["model_version"] == "news 0123456789ab"
    assert made["predictions"][0]["result"][0]["score"] == 0.9
    assert made["predictions"][0]["result"][0]["value"] == region("T1", 6, 10, "PERS")["value"]
    assert read(tmp_path, made).articles[0].record == predicted().record
    made["annotations"] = [{"result": [region("T1", 6, 10, "PERS"), region("xY", 14, 19, "PERS")]}]
    corrected = read(tmp_path, made).articles[0].record
    assert corrected.model is None
    assert [(e.id, e.score, e.name, e.cluster) for e in corrected.entities] == [
        *(("T1", None, None, "C1"), ("xY", None, None, "C2")),
    ]


def test_what_no_tool_showed_does_not_come_back_as_checked(tmp_path: Path) -> None:
    stance = Stance(target="C1", scope="article", label="against", score=0.7)
    record = predicted().record.model_copy(update={"stances": (stance,), "meta": {"source": "x"}})
    (made,) = json.loads(export_labelstudio([Article(record, TEXT)]).files["tasks.json"])
    assert made["predictions"][0]["score"] == 0.9
    assert read(tmp_path, made).articles[0].record == record  # nobody has been over it
    made["annotations"] = [{"result": made["predictions"][0]["result"]}]  # taken over by the tool, scores and all
    found = read(tmp_path, made)
    mended = found.articles[0].record
    assert (mended.stances, mended.model, mended.entities[0].score) == ((), None, None)
    assert mended.meta == {"source": "x", "preannotated": "news 0123456789ab"}
    assert found.left["stances and labels that a model gave and the tool did not show"] == 1


def test_a_file_as_the_tool_exports_it(tmp_path: Path) -> None:
    other = {"type": "choices", "from_name": "topic", "to_name": "text", "value": {"choices": ["سياسة"]}}
    found = read(
        tmp_path,
        task(
            region("aa", 6, 10, "PERS"), region("bb", 14, 19, "PERS"), region("cc", 25, 30, "GPE", "LOC"),
            relation("bb", "aa"), relation("aa", "cc", "lives in"), other,
        ),
    )  # fmt: skip
    record = found.articles[0].record
    assert record.doc == "task-12"
    assert [(e.id, e.type, e.cluster) for e in record.entities] == [
        *(("aa", "PERS", "C1"), ("bb", "PERS", "C1"), ("cc", "GPE", "C2"), ("T1", "LOC", "C3")),
    ]
    assert found.left == {"relations other than Coref": 1, "results of type choices": 1}


def test_offsets_of_old_versions_count_utf_16(tmp_path: Path) -> None:
    found = read(tmp_path, task(region("aa", 7, 11, "PERS", text="سامر")))
    assert found.articles[0].record.entities[0].start == 6
    assert "offsets count utf-16" in found.notes[0]


def test_of_several_annotations_the_ground_truth_is_read(tmp_path: Path) -> None:
    one, other = ({"result": [region("a", 6, 10, kind)]} for kind in ("PERS", "OCC"))
    skipped = {"result": [], "was_cancelled": True}
    true = {**other, "ground_truth": True}
    found = read(tmp_path, task(annotations=[one, skipped, true]))
    assert found.articles[0].record.entities[0].type == "OCC"
    with pytest.raises(DataError, match=r"task 1 \(task-12\): several annotations; leave one, or mark one"):
        read(tmp_path, task(annotations=[one, other]))


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        (task(data={"body": TEXT}), "task 1: data.text: expected the article's text; data has body"),
        (task(annotations=[]), "no annotation and 0 predictions"),
        ({"annotations": []}, "task 1: data: field required"),
        ([], "task 1: input should be a valid dictionary"),
        (task(region("a", 7, 12, "PERS", text="سمير")), r"region a: \[7, 12\) is said to be 'سمير'"),
        (task(region("a", 6, 10, "HERO")), "region a: entity a 'سامر' .* unknown type 'HERO'; known: PERS"),
        (task(region("a", 6, 11, "PERS")), "region a: entity a 'سامر ' .* white space at its ends"),
        (task(region("a", 6, 10)), "result 1: value.labels: tuple should have at least 1 item"),
        (task(region("a", 6, 10, "PERS"), relation("a", "b")), "result 2: relation to 'b', which is no region"),
        (task(data={"text": TEXT, "rasid": {"sha256": "0"}}), "the text is not the one that was exported"),
        (task(data={"text": TEXT, "rasid": {"stance": 1}}), "data.rasid: stance: extra inputs are not permitted"),
        (task(data={"text": "\ud83d", "doc": "x"}), "half of a surrogate pair"),
        (task(data={"text": TEXT, "doc": "../x"}), "'../x' cannot name a file"),
    ],
)
def test_a_mistake_is_told_with_its_task(broken: Any, message: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=message) as told:
        read(tmp_path, broken)
    assert str(told.value).startswith(f"{tmp_path / 'export.json'}: task 1")


def test_files_that_are_no_export(tmp_path: Path) -> None:
    for text, message in (("{", "not JSON"), ("{}", "expected a list of tasks")):
        (tmp_path / "export.json").write_text(text)
        with pytest.raises(DataError, match=message):
            read_format("labelstudio", tmp_path, None)
    with pytest.raises(DataError, match=r"task 2 \(task-12\): doc 'task-12' stands twice"):
        read(tmp_path, task(), task())

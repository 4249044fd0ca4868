"""Argilla's records: what its SDK reads and writes, what people answered, and every mistake with its record."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from rasid.errors import DataError
from rasid.exchange import Article
from rasid.formats import Imported, read_format, write_format
from rasid.records import Cluster, Entity, ModelInfo, Record, sha256_of

TEXT = "😀 مُحمد في العـــراق"
ENTITIES = (
    Entity(id="T1", type="PERS", start=2, end=7, surface="مُحمد", cluster="C1", score=0.9),
    Entity(id="T2", type="GPE", start=11, end=20, surface="العـــراق", cluster="C2", score=0.5),
)
CLUSTERS = (Cluster(id="C1", name="محمد", type="PERS"), Cluster(id="C2", name="العراق", type="GPE"))
MODEL = ModelInfo(name="news (two)", revision="ab" * 20, rasid="0.1.0")
RECORD = Record(doc="one", sha256=sha256_of(TEXT), entities=ENTITIES, clusters=CLUSTERS, model=MODEL)
# As `Dataset.records.to_json` of the SDK 2.8 writes a record that one annotator has submitted.
EXPORTED: dict[str, Any] = {
    "id": "one",
    "fields": {"text": TEXT},
    "metadata": {"outlet": "راصد"},
    "suggestions": {
        "spans": {"value": [{"start": 3, "end": 8, "label": "ORG"}], "score": [0.7], "agent": "other", "type": "model"},
        "topic": {"value": "سياسة", "score": None, "agent": None, "type": None},
    },
    "responses": {
        "spans": [
            {"value": [{"start": 3, "end": 8, "label": "PERS"}], "user_id": "u1", "status": "submitted"},
            {"value": [], "user_id": "u2", "status": "discarded"},
        ]
    },
    "vectors": {},
    "status": "completed",
    "_server_id": "0b1d",
}


def read(tmp_path: Path, *records: Any, unit: str | None = None) -> Imported:
    path = tmp_path / "records.json"
    path.write_text(json.dumps(list(records), ensure_ascii=False), encoding="utf-8")
    return read_format("argilla", path, None, unit)


def test_spans_go_out_as_suggestions_that_count_utf_16() -> None:
    (tree,) = json.loads(write_format("argilla", [Article(RECORD, TEXT)]).files["records.json"])
    assert tree["fields"] == {"text": TEXT}
    suggestion = tree["suggestions"]["spans"]
    assert suggestion["value"][0] == {"start": 3, "end": 8, "label": "PERS"}  # the emoji before it counts two
    assert suggestion["score"] == [0.9, 0.5]
    assert suggestion["agent"] == "news -two- abababababab"
    assert all(isinstance(value, str) for value in tree["metadata"].values())


def test_a_score_is_given_for_every_span_or_for_none() -> None:
    without = RECORD.model_copy(update={"entities": (ENTITIES[0], ENTITIES[1].model_copy(update={"score": None}))})
    (tree,) = json.loads(write_format("argilla", [Article(without, TEXT)]).files["records.json"])
    assert "score" not in tree["suggestions"]["spans"]


def test_the_submitted_response_wins_and_the_rest_is_counted(tmp_path: Path) -> None:
    found = read(tmp_path, EXPORTED)
    (entity,) = found.articles[0].record.entities
    assert (entity.type, entity.surface, entity.score) == ("PERS", "مُحمد", None)
    assert +found.left == {"answers to the question 'topic'": 1}


def test_without_a_response_the_suggestion_is_read_with_its_scores(tmp_path: Path) -> None:
    (entity,) = read(tmp_path, {**EXPORTED, "responses": {}}).articles[0].record.entities
    assert (entity.type, entity.score) == ("ORG", 0.7)


def test_what_people_answered_is_no_longer_the_models(tmp_path: Path) -> None:
    (tree,) = json.loads(write_format("argilla", [Article(RECORD, TEXT)]).files["records.json"])
    tree["responses"] = {"spans": [{"value": tree["suggestions"]["spans"]["value"], "status": "submitted"}]}
    back = read(tmp_path, tree).articles[0].record
    assert back.model is None
    assert [(e.id, e.cluster, e.score) for e in back.entities] == [("T1", "C1", None), ("T2", "C2", None)]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"fields": {"body": TEXT}}, "record 1: fields.text: expected the article's text; fields: body"),
        ({"responses": {}, "suggestions": {}}, r"record 1 \(one\): neither a submitted response nor a suggestion"),
        ({"responses": {"spans": [{"value": []}, {"value": []}]}}, "2 submitted responses; leave one"),
        ({"responses": {"spans": {"value": []}}}, "responses.spans: expected a list of responses"),
        ({"responses": {"spans": [{"value": [{"start": 0}]}]}}, "response 1: value.0.end: field required"),
        (
            {"responses": {"spans": [{"value": [{"start": 1, "end": 8, "label": "PERS"}]}]}},
            r"span 1: \[1, 8\) is no span of this text when offsets count utf-16; --units says",
        ),
        (
            {"responses": {}, "suggestions": {"spans": {"value": [], "score": [0.5]}}},
            "1 scores for 0 spans; one each is needed",
        ),
        ({"metadata": {"rasid": "{"}}, r"metadata.rasid: not JSON"),
    ],
)
def test_a_mistake_is_told_with_its_record(change: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=message):
        read(tmp_path, {**EXPORTED, **change})


def test_a_file_of_another_kind_is_told(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text('{"text": "x"}', encoding="utf-8")
    with pytest.raises(DataError, match=r"expected a list of records, as Dataset\.records.to_json writes"):
        read_format("argilla", tmp_path / "x.json", None)

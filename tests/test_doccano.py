"""doccano's lines: both shapes of its export, units, and every mistake with its line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from rasid.doccano import export_doccano_relations
from rasid.errors import DataError
from rasid.exchange import Article
from rasid.formats import Imported, read_format, write_format
from rasid.records import Cluster, Entity, Record, sha256_of

TEXT = "😀 مُحمد في بيروت"  # one astral character, one combining mark


def read(folder: Path, *lines: dict[str, Any], unit: str | None = None) -> Imported:
    (folder / "all.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in lines), encoding="utf-8")
    return read_format("doccano", folder, None, unit)


def article(*spans: tuple[int, int, str]) -> Article:
    entities = tuple(
        Entity(id=f"T{n}", type=kind, start=s, end=e, surface=TEXT[s:e], cluster="C1")
        for n, (s, e, kind) in enumerate(spans, 1)
    )
    clusters = (Cluster(id="C1", name="محمد", type="PERS"),)
    return Article(Record(doc="one", sha256=sha256_of(TEXT), entities=entities, clusters=clusters), TEXT)


@pytest.mark.parametrize(
    ("unit", "offsets"), [(None, (12, 17)), ("utf-16", (12, 17)), ("code-points", (11, 16)), ("graphemes", (10, 15))]
)
def test_one_place_in_every_unit(unit: str | None, offsets: tuple[int, int], tmp_path: Path) -> None:
    found = read(tmp_path, {"id": 7, "text": TEXT, "label": [[*offsets, "GPE"]]}, unit=unit)
    assert [e.surface for e in found.articles[0].record.entities] == ["بيروت"]
    assert found.articles[0].record.doc == "all-1"


def test_old_exports_and_relations_are_read(tmp_path: Path) -> None:
    assert read(tmp_path, {"data": TEXT, "labels": [[3, 8, "PERS"]]}).articles[0].record.entities[0].start == 2
    entities = [
        {"id": 51, "label": "PERS", "start_offset": 3, "end_offset": 8},
        {"id": 60, "label": "GPE", "start_offset": 12, "end_offset": 17},
    ]
    relations = [{"id": n, "from_id": 51, "to_id": 60, "type": kind} for n, kind in enumerate(("Coref", "in"))]
    found = read(tmp_path, {"text": TEXT, "entities": entities, "relations": relations})
    assert [e.cluster for e in found.articles[0].record.entities] == ["C1", "C1"]
    assert found.left == {"relations other than Coref": 1}


def test_a_grapheme_cannot_be_cut() -> None:
    inside = article((2, 3, "PERS"), (11, 16, "PERS"))  # the first leaves its letter's damma behind
    left = write_format("doccano", [inside], "graphemes").left
    assert left == {"entities that begin or end inside one of the graphemes": 1}
    assert not write_format("doccano", [inside], "utf-16").left


def test_links_that_an_annotator_cut_are_cut(tmp_path: Path) -> None:
    line = json.loads(export_doccano_relations([article((2, 7, "PERS"), (11, 16, "PERS"))]).files["articles.jsonl"])
    assert [e.cluster for e in read(tmp_path, line).articles[0].record.entities] == ["C1", "C1"]
    line["relations"] = []
    for entity in line["entities"]:
        entity["id"] += 100  # the tool numbers anew
    found = read(tmp_path, line).articles[0].record
    assert [(e.id, e.cluster) for e in found.entities] == [("T1", "C1"), ("T2", "C2")]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ({"label": []}, "no text; expected the article in a field text"),
        ({"text": TEXT}, r"no spans; expected label: \[\[start, end, type\]"),
        (
            {"text": TEXT, "label": [[1, 8, "PERS"]]},
            r"span 1: \[1, 8\) is no span of this text when offsets count utf-16",
        ),
        ({"text": TEXT, "label": [[3, 99, "PERS"]]}, r"span 1: \[3, 99\) is no span .* --units says what they count"),
        ({"text": TEXT, "label": [[8, 3, "PERS"]]}, r"span 1: \[8, 3\) is no span"),
        ({"text": TEXT, "label": [[3, 8]]}, "label.0.2: field required"),
        ({"text": TEXT, "label": [[3, 8, "HERO"]]}, "span 1: entity T1 .* unknown type 'HERO'; known: PERS"),
        ({"text": TEXT, "label": [[3, 8, "PERS"]] * 2}, "span 2: entity T2 .* the same span and type stands twice"),
        ({"text": TEXT, "label": [], "rasid": "{"}, "rasid: not JSON"),
        ({"text": TEXT, "label": [], "rasid": "[]"}, "rasid: input should be a valid dictionary"),
        ({"text": TEXT + "x", "label": [], "rasid": {"sha256": sha256_of(TEXT)}}, "the text is not the one that was"),
        (
            {"text": TEXT, "entities": [], "relations": [{"from_id": 1, "to_id": 2, "type": "Coref"}]},
            "relation to entity 1, which this line does not have",
        ),
    ],
)
def test_a_mistake_is_told_with_its_line(line: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=message) as told:
        read(tmp_path, {"text": "أ", "label": []}, line)
    assert str(told.value).startswith(f"{tmp_path / 'all.jsonl'}:2")


def test_a_line_that_is_no_json(tmp_path: Path) -> None:
    (tmp_path / "all.jsonl").write_text("{}}\n")
    with pytest.raises(DataError, match=r"all\.jsonl:1: not JSON"):
        read_format("doccano", tmp_path, None)

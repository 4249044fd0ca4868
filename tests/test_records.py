"""The record: round trip, every invariant that `faults` holds, and error lines a user can act on."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rasid.errors import DataError
from rasid.records import (
    Cluster,
    Entity,
    Record,
    Stance,
    faults,
    json_schema,
    parse_record,
    read_exact,
    read_records,
    sha256_of,
)

TEXT = "قال دونالد ترامب إن داعش انتهى يوم السبت."


def entity(name: str, label: str, surface: str, cluster: str | None) -> Entity:
    start = TEXT.index(surface)
    return Entity(id=name, type=label, start=start, end=start + len(surface), surface=surface, cluster=cluster)


def sound() -> Record:
    return Record(
        doc="a",
        sha256=sha256_of(TEXT),
        entities=(
            entity("T1", "PERS", "دونالد ترامب", "C1"),
            entity("T2", "ORG", "داعش", "C2"),
            entity("T3", "DATE", "السبت", None),
        ),
        clusters=(Cluster(id="C1", name="ترامب", type="PERS"), Cluster(id="C2", name="داعش", type="ORG")),
        stances=(
            Stance(target="C2", scope="article", label="none"),
            Stance(target="C2", scope=(0, len(TEXT)), label="against", holder="C1"),
        ),
    )


def change(**fields: Any) -> Record:
    return sound().model_copy(update=fields)


def change_entity(index: int, **fields: Any) -> Record:
    entities = list(sound().entities)
    entities[index] = entities[index].model_copy(update=fields)
    return change(entities=tuple(entities))


def test_a_sound_record_has_no_faults() -> None:
    assert faults(sound(), TEXT) == []


BROKEN = {
    "sha256 is not that": change(sha256="0" * 64),
    "unknown type 'ORGA'": change_entity(1, type="ORGA"),
    "offsets out of range": change_entity(1, end=900),
    "the text there reads": change_entity(1, surface="دعش"),
    "white space at its ends": change_entity(1, end=sound().entities[1].end + 1),
    "stands twice": change(entities=(*sound().entities, sound().entities[0].model_copy(update={"id": "T9"}))),
    "cross": change(entities=(*sound().entities, entity("T9", "OCC", "ترامب إن", "C1"))),
    "is defined 2 times": change(clusters=(*sound().clusters, sound().clusters[0])),
    "is used 2 times": change_entity(1, id="T1"),
    "has no mention": change_entity(0, cluster="C2"),
    "is a value, its cluster must be null": change_entity(2, cluster="C1"),
    "cluster 'C7' is not defined": change_entity(1, cluster="C7"),
    "a cluster has no type 'DATE'": change(clusters=(sound().clusters[0], Cluster(id="C2", name="داعش", type="DATE"))),
    "the target is not a cluster": change(stances=(Stance(target="C9", scope="article", label="none"),)),
    "holder 'C9' is neither": change(stances=(Stance(target="C2", scope="article", label="none", holder="C9"),)),
    "out of the text's": change(stances=(Stance(target="C2", scope=(0, 999), label="none"),)),
    "a second stance": change(stances=(sound().stances[0], sound().stances[0])),
}


@pytest.mark.parametrize("expected", BROKEN)
def test_each_broken_invariant_is_told(expected: str) -> None:
    found = faults(BROKEN[expected], TEXT)
    assert any(expected in line for line in found), found
    assert all("\n" not in line for line in found)


@given(
    st.lists(
        st.tuples(st.integers(0, 11), st.integers(1, 12)).map(lambda pair: (pair[0], pair[0] + pair[1])),
        max_size=6,
    )
)
@settings(deadline=None, max_examples=200)
def test_crossing_spans_are_found_whatever_their_order(spans: list[tuple[int, int]]) -> None:
    text = "ا" * 24
    entities = tuple(
        Entity(id=f"T{n}", type="ORG", start=s, end=e, surface=text[s:e], cluster="C1")
        for n, (s, e) in enumerate(spans)
    )
    record = Record(
        doc="a",
        sha256=sha256_of(text),
        entities=entities,
        clusters=(Cluster(id="C1", name="ا", type="ORG"),) if entities else (),
    )
    crossing = any(a < c < b < d or c < a < d < b for (a, b), (c, d) in itertools.combinations(spans, 2))
    assert any("cross" in line for line in faults(record, text)) == crossing


def test_json_round_trip_keeps_everything_and_fits_the_schema() -> None:
    record = sound()
    again = parse_record(record.to_json(indent=1), "x")
    assert again == record
    tree = json.loads(record.to_json())
    jsonschema.validate(tree, json_schema())
    assert "model" not in tree
    assert "score" not in tree["entities"][0]
    assert tree["entities"][2]["cluster"] is None
    assert "داعش" in record.to_json()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{", "invalid json"),
        ("{}", "doc: field required"),
        ('{"doc": "a", "sha256": "b", "entitys": []}', "entitys: extra inputs"),
        ('{"doc": "a", "sha256": "b", "entities": [{"id": "T1"}]}', "entities.0.type: field required"),
        (
            '{"doc": "a", "sha256": "b", "stances": [{"target": "C1", "scope": "article", "label": "pro"}]}',
            "stances.0.label",
        ),
        ("null", "not a record"),
    ],
)
def test_a_broken_record_is_one_line_with_its_place(text: str, expected: str) -> None:
    with pytest.raises(DataError) as caught:
        parse_record(text, "file.jsonl:7")
    message = str(caught.value)
    assert message.startswith("file.jsonl:7: not a record: ")
    assert expected in message
    assert "\n" not in message


def test_read_records_takes_a_file_lines_or_a_folder(tmp_path: Path) -> None:
    one, two = change(doc="a"), change(doc="b\u2028c")
    lines = tmp_path / "out.jsonl"
    lines.write_text(f"{one.to_json()}\n\n{two.to_json()}\n", encoding="utf-8")
    assert [where for where, _ in read_records(lines)] == [f"{lines}:1", f"{lines}:3"]
    assert [record for _, record in read_records(lines)] == [one, two]
    folder = tmp_path / "folder"
    folder.mkdir()
    with pytest.raises(DataError, match=r"no \.json records"):
        list(read_records(folder))
    (folder / "b.json").write_text(two.to_json(), encoding="utf-8")
    (folder / "a.json").write_text(one.to_json(), encoding="utf-8")
    assert [record for _, record in read_records(folder)] == [one, two]
    lines.write_text(f"{one.to_json()}\n{{", encoding="utf-8")
    with pytest.raises(DataError, match=r"out\.jsonl:2: not a record"):
        list(read_records(lines))


def test_read_exact_keeps_newlines_and_names_bad_bytes(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes("سطر\r\nآخر\r".encode())
    assert read_exact(path) == "سطر\r\nآخر\r"
    path.write_bytes(b"\xff")
    with pytest.raises(DataError, match=r"a\.txt: not UTF-8 .* at byte 0"):
        read_exact(path)
    with pytest.raises(DataError, match=r"none\.txt: cannot be read"):
        read_exact(tmp_path / "none.txt")


def test_parts_of_records_share_what_is_alike_and_copies_do_not_touch_it() -> None:
    tree = {"id": "T1", "type": "ORG", "start": 0, "end": 4, "surface": "داعش", "cluster": "C1"}
    text = Record(doc="a", sha256="0" * 64, entities=(Entity(**tree), Entity(**(tree | {"id": "T2"})))).to_json()
    first, second = parse_record(text, "here").entities
    assert first.__pydantic_fields_set__ is second.__pydantic_fields_set__
    changed = first.model_copy(update={"score": 0.5})
    assert "score" in changed.model_fields_set
    assert "score" not in second.model_fields_set

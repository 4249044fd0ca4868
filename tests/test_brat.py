"""brat's stand-off files: what each line says, files made by hand, and every mistake with its line."""

from __future__ import annotations

from pathlib import Path

import pytest

from rasid.brat import export_brat
from rasid.errors import DataError
from rasid.exchange import Article
from rasid.formats import Imported, read_format
from rasid.records import Cluster, Entity, Record, Stance, sha256_of

TEXT = "قال سامر\nالحداد إن بيروت 😀 تفاوض سامر غدا"
FIRST = "T1\tPERS 4 8;9 15\tسامر الحداد\n"


def read(folder: Path, lines: str, text: str = TEXT) -> Imported:
    (folder / "one.txt").write_bytes(text.encode())
    (folder / "one.ann").write_bytes(lines.encode())
    return read_format("brat", folder, None)


def article() -> Article:
    entities = (
        Entity(id="a", type="PERS", start=4, end=15, surface=TEXT[4:15], cluster="C1", score=0.5),
        Entity(id="b", type="PERS", start=33, end=37, surface="سامر", cluster="C1"),
    )
    stance = Stance(target="C1", scope=(0, 15), label="favor", holder="C1")
    clusters = (Cluster(id="C1", name="سامر الحداد", type="PERS"),)
    record = Record(doc="one", sha256=sha256_of(TEXT), entities=entities, clusters=clusters, stances=(stance,))
    return Article(record, TEXT)


def test_what_is_written() -> None:
    files = export_brat([article()]).files
    assert files["one.txt"] == TEXT
    assert files["one.ann"].splitlines() == [
        "T1\tPERS 4 8;9 15\tسامر الحداد",
        "T2\tPERS 33 37\tسامر",
        "*\tCoref T1 T2",
        '#1\tRasid T1\t{"entity": {"score": 0.5, "id": "a"}}',
        '#2\tRasid T2\t{"entity": {"id": "b"}}',
        '#3\tRasid T1\t{"cluster": {"id": "C1", "name": "سامر الحداد", "type": "PERS"}, "of": ["T1", "T2"]}',
        '#4\tRasid T1\t{"stance": {"target": "C1", "scope": [0, 15], "label": "favor", "holder": "C1"}}',
    ]


def test_a_file_made_by_hand(tmp_path: Path) -> None:
    lines = FIRST + "T2\tGPE 19 24\tبيروت\nT7\tPERS 33 37\tسامر\nR1\tCoref Arg1:T7 Arg2:T1\t\nT8\tDATE 38 41\tغدا\n"
    lines += "E1\tPERS:T1\nA1\tSure T1\n#1\tAnnotatorNotes T1\tلست واثقا\nR2\tLivesIn Arg1:T1 Arg2:T2\n"
    found = read(tmp_path, lines)
    record = found.articles[0].record
    assert [e.cluster for e in record.entities] == ["C1", "C2", "C1", None]
    assert [(c.name, c.type) for c in record.clusters] == [("سامر\nالحداد", "PERS"), ("بيروت", "GPE")]
    assert found.left == {"events": 1, "attributes": 1, "notes": 1, "relations": 1}


def test_what_an_annotator_changed_is_kept(tmp_path: Path) -> None:
    lines = export_brat([article()]).files["one.ann"].splitlines()
    apart = "\n".join(line for line in lines if not line.startswith("*"))
    record = read(tmp_path, apart).articles[0].record
    assert [(e.id, e.cluster) for e in record.entities] == [("a", "C1"), ("b", "C2")]
    assert record.stances == article().record.stances
    gone = "\n".join(line for line in lines if "T1" not in line)
    found = read(tmp_path, gone)
    assert [(e.id, e.cluster) for e in found.articles[0].record.entities] == [("b", "C1")]
    assert not found.articles[0].record.stances


def test_offsets_in_other_units_are_read_and_told(tmp_path: Path) -> None:
    before = TEXT[:33]
    for start, length, unit in ((len(before) + 1, 4, "utf-16"), (len(before.encode()), 8, "bytes")):
        found = read(tmp_path, f"T1\tPERS {start} {start + length}\tسامر\n")
        assert found.articles[0].record.entities[0].start == 33
        assert f"offsets count {unit}" in found.notes[0]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("T2 GPE 19 24 بيروت", r"expected `T1<TAB>TYPE START END<TAB>text`"),
        ("T2\tGPE 19\tبيروت", r"expected `T1<TAB>TYPE"),
        ("T1\tGPE 19 24\tبيروت", "T1 stands a second time"),
        ("T2\tGPE 18 23\tبيروت", r"\[18, 23\) is said to be 'بيروت', the text there reads"),
        ("T2\tGPE 19 99\tبيروت", "the text has 41 code points"),
        ("T2\tCITY 19 24\tبيروت", "unknown type 'CITY'; known: PERS"),
        ("T2\tGPE 19 24;33 37\tبيروت سامر", "T2 is discontinuous"),
        ("T2\tGPE 19 24;33 37\tبيروت", "do not add up"),
        ("T2\tPERS 9 24\tالحداد إن بيروت", "cross"),
        ("*\tCoref T1 T9", "T9 is not in this file"),
        ("*", "expected"),
        ("#1\tRasid T9\t{}", "holds an entity, a cluster or a stance"),
        ('#1\tRasid T9\t{"entity": {}}', "'T9', which is no span of this file"),
        ("#1\tRasid T1\t{", "not JSON"),
        ('#1\tRasid T1\t{"stance": {"target": "C1"}}', "stance: scope: field required"),
        ('#1\tRasid T1\t{"cluster": 5}', "cluster: id: field required"),
        ('#1\tRasid T1\t{"entity": {"score": 5}}', "entity: score: input should be less than or equal to 1"),
        ("X1\tthing", "no annotation begins 'X'; known: T, R"),
    ],
)
def test_a_mistake_is_told_with_its_line(line: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=message) as told:
        read(tmp_path, f"{FIRST}{line}\n")
    assert str(told.value).startswith(f"{tmp_path / 'one.ann'}:2: ") or "cross" in message
    assert "\n" not in str(told.value)


def test_a_text_that_is_not_beside_it(tmp_path: Path) -> None:
    (tmp_path / "one.ann").write_text("")
    with pytest.raises(DataError, match=r"one.ann: its text one.txt is not beside it"):
        read_format("brat", tmp_path, None)

"""Mechanical remedies: what they do to a file, that nothing is lost, and that a second run finds nothing to do."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rasid.errors import DataError
from rasid.fixes import Fixed, fix
from rasid.records import Cluster, Entity, Record, Stance, sha256_of
from rasid.validation import run_validate

TEXT = "قال  “داعش” إن (قسد) في سوريا، وسوريا في قلب “داعش”.\n"
RIGHT = ("“داعش”", "داعش", 6)


def entity(name: str, start: int, end: int, surface: str | None = None, kind: str = "ORG") -> Entity:
    return Entity(id=name, type=kind, start=start, end=end, surface=surface or TEXT[start:end], cluster="C1")


def record(*entities: Entity, text: str = TEXT, **fields: Any) -> Record:
    clusters = (Cluster(id="C1", name="داعش", type="ORG"),)
    return Record(doc="one", sha256=sha256_of(text), entities=entities, clusters=clusters, **fields)


def mended(source: Record, text: str = TEXT) -> Fixed:
    return fix(source.to_json(indent=1), source, text)


def places(fixed: Fixed) -> list[tuple[int, int, str]]:
    return [(e["start"], e["end"], e["surface"]) for e in json.loads(fixed.source)["entities"]]


@pytest.mark.parametrize(
    ("start", "end", "surface"),
    [
        (5, 11, None),  # the quotation marks taken in
        (4, 10, None),  # a space and one mark
        (5, 9, None),  # one too early
        (7, 11, None),  # one too late
        (9, 13, "داعش"),  # the surface stands once within reach
        (5, 9, "داعش"),
    ],
)
def test_one_name_miscounted_in_many_ways_is_found(start: int, end: int, surface: str | None) -> None:
    assert places(mended(record(entity("T1", start, end, surface)))) == [(6, 10, "داعش")]


def test_a_surface_that_stands_twice_nearby_is_left_to_a_reader() -> None:
    first = TEXT.index("سوريا")
    bad = record(entity("T1", first + 3, first + 8, "سوريا", "GPE"))
    assert mended(bad) == Fixed(bad.to_json(indent=1), ())
    gone = record(entity("T1", 0, 3, "بيروت", "GPE"))
    assert mended(gone).source == gone.to_json(indent=1)


def test_a_record_of_another_text_is_left_alone() -> None:
    bad = record(entity("T1", 5, 11), text="another")
    assert mended(bad).source == bad.to_json(indent=1)


def test_no_entity_comes_to_stand_on_its_like_or_across_another() -> None:
    alike = mended(record(entity("T1", 5, 11), entity("T2", 6, 10)))
    assert places(alike) == [(5, 11, "“داعش”"), (6, 10, "داعش")]
    assert "[6, 10) would be right, but T2 is the same span and type" in alike.refused[0]
    other = mended(record(entity("T1", 5, 11), entity("T2", 6, 10, kind="EVENT")))
    assert places(other) == [(6, 10, "داعش"), (6, 10, "داعش")]
    crossed = mended(record(entity("T1", 0, 8), entity("T2", 5, 8, "داعش")))
    assert "T1 'قال  “دا' would be crossed" in crossed.refused[0]


def test_one_makes_room_for_another() -> None:
    both = mended(record(entity("T1", 4, 10), entity("T2", 6, 10, "(قسد)"[1:4])))
    assert places(both) == [(6, 10, "داعش"), (16, 19, "قسد")]
    assert not both.refused


def test_only_what_changes_in_the_file_changes() -> None:
    bad = record(entity("T1", 5, 11), meta={"note": "«كما هو»", "n": 1.50})
    source = json.dumps(json.loads(bad.to_json()), indent="\t", ensure_ascii=True) + "\r\n\n"
    after = fix(source, bad, TEXT).source
    before, now = source.splitlines(), after.splitlines()
    assert [line for line in now if line not in before] == [
        *('\t\t\t"start": 6,', '\t\t\t"end": 10,', '\t\t\t"surface": "\\u062f\\u0627\\u0639\\u0634",')
    ]
    assert len(before) == len(now)


def test_white_space_leaves_a_passage() -> None:
    end = len(TEXT)
    wrong = Stance(target="C1", scope=(0, end), label="none", evidence=((0, end),))
    fixed = mended(record(entity("T1", 6, 10), stances=(wrong,)))
    tree = json.loads(fixed.source)["stances"][0]
    assert (tree["scope"], tree["evidence"]) == ([0, end - 1], [[0, end - 1]])
    assert fixed.done == ("stance 1: white space left its passage",)


@st.composite
def damaged(draw: st.DrawFn) -> Record:
    """Spans of TEXT as they come, some under a surface that stands elsewhere."""
    entities = []
    for number in range(draw(st.integers(0, 5))):
        start = draw(st.integers(0, len(TEXT) - 1))
        end = draw(st.integers(start + 1, min(len(TEXT), start + 12)))
        surface = draw(st.sampled_from((TEXT[start:end], "داعش", "قسد", "سوريا", "س")))
        kind = draw(st.sampled_from(("ORG", "GPE")))
        entities.append(Entity(id=f"T{number}", type=kind, start=start, end=end, surface=surface, cluster="C1"))
    return record(*entities)


def crossings(entities: list[Entity]) -> int:
    return sum(a.span.crosses(b.span) for a in entities for b in entities)


@settings(deadline=None, max_examples=150)
@given(bad=damaged())
def test_nothing_is_lost_nothing_worse_and_a_second_run_changes_nothing(bad: Record) -> None:
    first = mended(bad)
    after = Record.model_validate_json(first.source)
    assert [(e.id, e.type, e.cluster) for e in after.entities] == [(e.id, e.type, e.cluster) for e in bad.entities]
    assert crossings(list(after.entities)) <= crossings(list(bad.entities))
    before, now = ([(e.start, e.end, e.type) for e in one.entities] for one in (bad, after))
    assert len(now) - len(set(now)) <= len(before) - len(set(before))
    again = fix(first.source, after, TEXT)
    assert again.source == first.source
    assert not again.done


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "seeds").mkdir()
    (tmp_path / "seeds" / "one.txt").write_bytes(TEXT.encode())
    (tmp_path / "gold").mkdir()
    bad = record(
        entity("T1", 5, 11),
        entity("T2", 40, 44, "بيروت"),
        stances=(Stance(target="C1", scope="article", label="none"),),
    )
    (tmp_path / "gold" / "one.json").write_text(bad.to_json(indent=1) + "\n", encoding="utf-8")
    return tmp_path


def validate(folder: Path, **flags: bool) -> int:
    options = {"fix": False, "write": False} | flags
    return run_validate(argparse.Namespace(folder=folder / "gold", seeds=folder / "seeds", **options))


def test_fix_shows_a_diff_and_writes_when_told(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = folder / "gold" / "one.json"
    before = path.read_bytes()
    assert validate(folder, fix=True) == 1
    out = capsys.readouterr().out
    assert out.startswith(f"--- {path}\n+++ {path}\n@@ ")
    removed, added = ([line[1:].strip() for line in out.splitlines()[3:] if line[:1] == sign] for sign in "-+")
    assert removed == ['"start": 5,', '"end": 11,', '"surface": "“داعش”",']
    assert added == ['"start": 6,', '"end": 10,', '"surface": "داعش",']
    assert "1 fixes in 1 files; nothing is written without --write" in out
    assert path.read_bytes() == before
    assert validate(folder, fix=True, write=True) == 1  # T2 is nowhere to be found
    out = capsys.readouterr().out
    assert "fixed: " in out
    assert f"error: {path}:13: entity T2 'بيروت' [40, 44): the text there reads" in out
    assert places(Fixed(path.read_text(encoding="utf-8"), ()))[0] == (6, 10, "داعش")
    assert validate(folder, fix=True) == 1
    assert "0 fixes in 0 files\n" in capsys.readouterr().out


def test_write_alone_is_refused(folder: Path) -> None:
    with pytest.raises(DataError, match="--fix alone shows them"):
        validate(folder, write=True)


def test_every_message_has_its_line(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = folder / "gold" / "one.json"
    tree = json.loads(path.read_text(encoding="utf-8"))
    tree["entities"][0] |= {"type": "ORGG", "start": -1}
    del tree["clusters"][0]["name"]
    path.write_text(json.dumps(tree, indent=1), encoding="utf-8")
    assert validate(folder) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith(f"error: {path}:8: not a record: entities.0.start: input should be greater")
    assert lines[1].startswith(f"error: {path}:23: not a record: clusters.0.name: field required")


def test_marks_at_the_ends_are_errors_and_say_what_would_be_right(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = folder / "gold" / "one.json"
    stance = Stance(target="C1", scope="article", label="none")
    path.write_text(record(entity("T1", 5, 11), stances=(stance,)).to_json(indent=1), encoding="utf-8")
    assert validate(folder) == 1
    assert "one.json:5: entity T1 '“داعش”': quotation marks, brackets" in (told := capsys.readouterr().out)
    assert "'داعش' is [6, 10)" in told

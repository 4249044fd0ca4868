"""The inline format: what people write is read to the character, faults are told by file and line."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rasid.errors import DataError
from rasid.inline import CLOSE, OPEN, read_inline, write_inline
from rasid.labels import STANCES, VALUES, WOJOOD
from rasid.records import Cluster, Entity, Record, Stance, faults, sha256_of
from rasid.sheet import write_sheet
from rasid.text import passages

RAW = "قوات سوريا الديمقراطية (قسد) تتقدم السبت.\nتركيا تراقب سورياوالعراق\n"
INLINE = (
    "⟦ORG:C1 قوات ⟦GPE:C2 سوريا⟧ الديمقراطية⟧ (⟦ORG:C1 قسد⟧) تتقدم ⟦DATE السبت⟧.\n"
    "⟦GPE:C3 تركيا⟧ تراقب ⟦GPE:C2 سوريا⟧⟦GPE:C4 والعراق⟧\n"
)
SHEET = """clusters:
  C1: {name: قوات سوريا الديمقراطية, type: ORG}
  C2: {name: سوريا, type: GPE}
  C3: {name: تركيا, type: GPE}
  C4: {name: العراق, type: GPE}
stances:
  - {target: C1, scope: article, label: none, holder: author}
  - {target: C1, scope: P1, label: favor}
  - {target: C1, scope: P2, label: against, holder: C3, evidence: [P1, [0, 5]]}
"""


def read(folder: Path, inline: str = INLINE, sheet: str = SHEET, raw: str = RAW) -> Record:
    (folder / "a.inline.txt").write_bytes(inline.encode())
    (folder / "a.yaml").write_bytes(sheet.encode())
    return read_inline(folder / "a.inline.txt", folder / "a.yaml", raw, "a")


def test_reads_nested_and_glued_spans_at_their_own_offsets(tmp_path: Path) -> None:
    record = read(tmp_path)
    assert faults(record, RAW) == []
    assert [(e.id, e.type, e.surface, e.cluster) for e in record.entities] == [
        ("T1", "ORG", "قوات سوريا الديمقراطية", "C1"),
        ("T2", "GPE", "سوريا", "C2"),
        ("T3", "ORG", "قسد", "C1"),
        ("T4", "DATE", "السبت", None),
        ("T5", "GPE", "تركيا", "C3"),
        ("T6", "GPE", "سوريا", "C2"),
        ("T7", "GPE", "والعراق", "C4"),
    ]
    first, second = ((span.start, span.end) for span in passages(RAW))
    assert record.stances == (
        Stance(target="C1", scope="article", label="none"),
        Stance(target="C1", scope=first, label="favor"),
        Stance(target="C1", scope=second, label="against", holder="C3", evidence=(first, (0, 5))),
    )


def test_only_newlines_at_the_very_end_may_differ(tmp_path: Path) -> None:
    expected = read(tmp_path)
    assert read(tmp_path, INLINE.rstrip("\n")) == expected
    assert read(tmp_path, INLINE + "\n") == expected
    with pytest.raises(DataError, match="text differs"):
        read(tmp_path, INLINE.rstrip("\n") + " ")


def test_carriage_returns_count(tmp_path: Path) -> None:
    raw = RAW.replace("\n", "\r\n")
    record = read(tmp_path, INLINE.replace("\n", "\r\n"), raw=raw)
    assert faults(record, raw) == []
    with pytest.raises(DataError, match=r"a\.inline\.txt:1: text differs at offset 41"):
        read(tmp_path, INLINE, raw=raw)


INLINE_FAULTS = [
    (("⟦DATE السبت⟧", "⟦DATE\tالسبت⟧"), 1, "bad header"),
    (("⟦GPE:C3 تركيا⟧", "⟦ تركيا⟧"), 2, "bad header"),
    (("⟦GPE:C3 تركيا⟧", "⟦GPEE:C3 تركيا⟧"), 2, "unknown type 'GPEE'; did you mean 'GPE'?"),
    (("⟦GPE:C3 تركيا⟧", "⟦GPE تركيا⟧"), 2, "GPE needs a cluster"),
    (("⟦DATE السبت⟧", "⟦DATE:C1 السبت⟧"), 1, "DATE is a value and has no cluster"),
    (("⟦GPE:C3 تركيا⟧", "⟦GPE:C3 تركيا"), 2, "⟦GPE is never closed"),
    (("تركيا⟧", "تركيا⟧⟧"), 2, "⟧ without its ⟦"),
    (("⟦GPE:C3 تركيا⟧", "⟦GPE:C3 ⟧تركيا"), 2, "holds no text"),
    (("⟦GPE:C3 تركيا⟧ ", "⟦GPE:C3 تركيا ⟧"), 2, "white space at the ends"),
    (("تراقب", "تراقبت"), 2, "text differs at offset 53"),
    (("تتقدم", "تتقذم"), 1, "text differs at offset 32"),
    (("⟦GPE:C3 تركيا⟧", "⟦GPE:C30 تركيا⟧"), 2, "cluster 'C30' is not defined in"),
    (("⟦GPE:C3 تركيا⟧", "⟦GPE:C3 ⟦GPE:C2 تركيا⟧⟧"), 2, "marked GPE twice"),
]


@pytest.mark.parametrize(("edit", "line", "expected"), INLINE_FAULTS)
def test_faults_of_the_text_name_file_and_line(tmp_path: Path, edit: tuple[str, str], line: int, expected: str) -> None:
    assert INLINE.count(edit[0]) == 1
    with pytest.raises(DataError) as caught:
        read(tmp_path, INLINE.replace(*edit))
    message = str(caught.value)
    assert message.startswith(f"{tmp_path / 'a.inline.txt'}:{line}: ")
    assert expected in message
    assert "\n" not in message


SHEET_FAULTS = [
    (("label: favor", "label: favour"), 8, "label: unknown value 'favour'; did you mean 'favor'?"),
    (("scope: P1", "scope: P9"), 8, "scope 'P9': expected article or P1 to P2"),
    (("scope: P1", "scope: P0"), 8, "scope 'P0'"),
    (("[0, 5]", "[5, 900]"), 9, "expected [start, end] within"),
    (("holder: C3", "holder: C33"), 9, "holder: unknown value 'C33'"),
    (("{target: C1, scope: P1", "{target: C9, scope: P1"), 8, "target: unknown value 'C9'"),
    (("{target: C1, scope: P1, ", "{scope: P1, "), 8, "stance: target is missing"),
    (("scope: P1, label: favor", "scope: article, label: favor"), 8, "a second stance towards C1"),
    (("label: favor", "label: favor, wight: 1"), 8, "unknown key 'wight'"),
    (("  C4: {name: العراق, type: GPE}", "  C4: {name: العراق}"), 5, "cluster C4: type is missing"),
    (("العراق, type: GPE", "العراق, type: DATE"), 5, "type of cluster C4: unknown value 'DATE'"),
    (("  C4:", "  C3:"), 5, "clusters: 'C3' stands twice"),
    (("type: GPE}\nstances", "type: GPE}\n  C5: {name: س, type: ORG}\nstances"), 6, "'C5' has no mention"),
    (("stances:\n  -", "stances: x\n  -"), 7, "not valid YAML"),
    (("stances:", "stance:"), 7, "unknown key 'stance'; did you mean 'stances'?"),
]


@pytest.mark.parametrize(("edit", "line", "expected"), SHEET_FAULTS)
def test_faults_of_the_sheet_name_file_and_line(
    tmp_path: Path, edit: tuple[str, str], line: int, expected: str
) -> None:
    assert SHEET.count(edit[0]) == 1
    with pytest.raises(DataError) as caught:
        read(tmp_path, sheet=SHEET.replace(*edit))
    message = str(caught.value)
    assert message.startswith(f"{tmp_path / 'a.yaml'}:{line}: ")
    assert expected in message
    assert "\n" not in message


@pytest.mark.parametrize("sheet", ["", "- a", "clusters", "clusters: [C1]", "\x00", "{: {}}"])
def test_a_sheet_of_another_shape_is_one_line(tmp_path: Path, sheet: str) -> None:
    with pytest.raises(DataError, match=r"a\.yaml:\d+: "):
        read(tmp_path, sheet=sheet)


def test_missing_files_are_told(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot be read"):
        read_inline(tmp_path / "a.inline.txt", tmp_path / "a.yaml", RAW, "a")


def test_writing_refuses_what_it_cannot_hold(tmp_path: Path) -> None:
    record = read(tmp_path)
    with pytest.raises(DataError, match="sha256"):
        write_inline(record, RAW + "x")
    text = f"{OPEN} تركيا"
    with pytest.raises(DataError, match="the markup here"):
        write_inline(Record(doc="a", sha256=sha256_of(text)), text)
    spaced = Record(
        doc="a",
        sha256=sha256_of("تركيا"),
        entities=(Entity(id="T1", type="GPE", start=0, end=5, surface="تركيا", cluster="C 1"),),
        clusters=(Cluster(id="C 1", name="تركيا", type="GPE"),),
    )
    with pytest.raises(DataError, match="not one word"):
        write_inline(spaced, "تركيا")


def test_the_sheet_is_ordinary_yaml(tmp_path: Path) -> None:
    tree = yaml.safe_load(write_sheet(read(tmp_path), RAW))
    assert tree["clusters"]["C2"] == {"name": "سوريا", "type": "GPE"}
    assert tree["stances"][1] == {"target": "C1", "scope": "P1", "label": "favor", "holder": "author"}
    assert tree["stances"][2]["evidence"] == ["P1", [0, 5]]


# Letters, a ligature, marks, tatweel, controls, astral and final signs, newlines of every kind.
ALPHABET = "سورياقدلﻻً\u0640\u200f\u200c\ufeff😀.؟“”(),:[]{} #-\n\r\t\u2028\x0b1٣"


@st.composite
def annotated(draw: st.DrawFn) -> tuple[Record, str]:
    text = draw(st.text(alphabet=ALPHABET, min_size=1, max_size=60))
    place = st.integers(0, len(text))
    spans: list[tuple[int, int]] = []
    for pair in draw(st.lists(st.tuples(place, place), max_size=8)):
        start, end = min(pair), max(pair)
        surface = text[start:end]
        crossing = any(a < start < b < end or start < a < end < b for a, b in spans)
        if surface and surface == surface.strip() and not crossing and (start, end) not in spans:
            spans.append((start, end))
    entities = []
    for number, (start, end) in enumerate(sorted(spans, key=lambda s: (s[0], -s[1])), 1):
        label = draw(st.sampled_from(WOJOOD))
        cluster = None if label in VALUES else draw(st.sampled_from(["C1", "C2", "x_3", "٤"]))
        entities.append(
            Entity(id=f"T{number}", type=label, start=start, end=end, surface=text[start:end], cluster=cluster)
        )
    names = sorted({entity.cluster for entity in entities if entity.cluster})
    kinds = st.sampled_from([label for label in WOJOOD if label not in VALUES])
    title = st.text(alphabet=st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12)
    clusters = tuple(Cluster(id=name, name=draw(title), type=draw(kinds)) for name in names)
    return Record(
        doc="a",
        sha256=sha256_of(text),
        entities=tuple(entities),
        clusters=clusters,
        stances=draw(stances_of(names, text)),
    ), text


def stances_of(names: list[str], text: str) -> st.SearchStrategy[tuple[Stance, ...]]:
    if not names:
        return st.just(())
    ranges = [(span.start, span.end) for span in passages(text)] + [(0, len(text))]
    stance = st.builds(
        Stance,
        target=st.sampled_from(names),
        scope=st.sampled_from(["article", *ranges]),
        label=st.sampled_from(STANCES),
        holder=st.sampled_from(["author", "other", *names]),
        evidence=st.none() | st.lists(st.sampled_from(ranges), max_size=2).map(tuple),
    )
    return st.lists(stance, max_size=4, unique_by=lambda s: (s.target, s.scope, s.holder)).map(tuple)


@given(annotated())
@settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_round_trip(tmp_path: Path, case: tuple[Record, str]) -> None:
    record, text = case
    assert faults(record, text) == []
    inline = write_inline(record, text)
    assert inline.count(OPEN) == inline.count(CLOSE) == len(record.entities)
    assert read(tmp_path, inline, write_sheet(record, text), text) == record

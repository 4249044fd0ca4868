"""Records through every exchange format and back: what the format can hold comes back, and no offset moves.

`RASID_EXAMPLES=10000 pytest tests/test_formats.py` draws as many articles.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from itertools import combinations
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rasid import annotationcommands, cli
from rasid.annotations import run_export, run_import
from rasid.conll import JOINED
from rasid.errors import DataError
from rasid.exchange import Article
from rasid.formats import FORMATS, read_format, write_files, write_format
from rasid.labels import VALUES
from rasid.records import Cluster, Entity, Label, ModelInfo, Record, Stance, faults, read_exact, sha256_of
from rasid.text import Span, words
from rasid.units import GRAPHEMES, UTF_16, Ruler

ROOT = Path(__file__).parents[1]
EXAMPLES = int(os.environ.get("RASID_EXAMPLES", "60"))
LOSSLESS = ("argilla", "doccano", "doccano-relations", "labelstudio", "spacy")
PIECES = (
    *("سامر", "بيروت", "وزارة", "العـــراق", "مُحَمَّد", "لله", "12.5", "٣٤", "a", "é", "e\u0301", "ـ"),
    *("😀", "👨\u200d🚒", "🇱🇧", "👍🏽", "𐎀", "\u200f", "\u200e", "\u202b", "\u2067", "\u2069", "\u061c", "\ufeff"),
    *(" ", "  ", "\n", "\r\n", "\r", "\t", "\u00a0", "\u2028", "\x85", "\x1c", ".", "،", "؟", "«", "»"),
    *('"', "\\n", ";", "#"),
)  # fmt: skip
SETTINGS = settings(
    deadline=None,
    max_examples=EXAMPLES,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
SCORES = st.none() | st.floats(0, 1)


def _crosses(spans: Sequence[Span], new: Span) -> bool:
    return any(span.crosses(new) for span in spans)


@st.composite
def entity_lists(draw: st.DrawFn, text: str) -> list[Entity]:
    """Sound spans of `text` with types, in any order; those of no value have a cluster each or share one."""
    edges = st.integers(0, len(text))
    found: dict[tuple[int, int, str], Span] = {}
    for one, other in draw(st.lists(st.tuples(edges, edges), max_size=9)):
        span = Span(min(one, other), max(one, other))
        surface = span.of(text)
        kind = draw(st.sampled_from(("PERS", "ORG", "GPE", "DATE", "MONEY")))
        if surface and surface == surface.strip() and not _crosses(list(found.values()), span):
            found[span.start, span.end, kind] = span
    prefix = draw(st.sampled_from(("T", "e-")))
    return [
        Entity(
            id=f"{prefix}{number}",
            type=kind,
            start=start,
            end=end,
            surface=text[start:end],
            cluster=None if kind in VALUES else draw(st.sampled_from(("C1", "C2", "K 3"))),
            name=draw(st.sampled_from((None, "اسم"))),
            score=draw(SCORES),
        )
        for number, (start, end, kind) in enumerate(found, 1)
    ]


@st.composite
def articles(draw: st.DrawFn) -> Article:
    """A sound article that uses everything a record has."""
    text = "".join(draw(st.lists(st.sampled_from(PIECES), min_size=1, max_size=25)))
    entities = draw(entity_lists(text))
    used = sorted({entity.cluster for entity in entities if entity.cluster})
    clusters = [Cluster(id=name, name=f"اسم {name}", type="ORG") for name in draw(st.permutations(used))]
    if draw(st.booleans()):
        clusters.append(Cluster(id="G1", name="اتفاق السلام", type="TARGET", given=True))
    names = [cluster.id for cluster in clusters]
    stances = {}
    for _ in range(draw(st.integers(0, 3)) if names else 0):
        end = draw(st.integers(1, len(text)))
        stance = Stance(
            target=draw(st.sampled_from(names)),
            scope=draw(st.sampled_from(("article", (draw(st.integers(0, end - 1)), end)))),
            label=draw(st.sampled_from(("favor", "against", "none"))),
            holder=draw(st.sampled_from(("author", "other", *names))),
            score=draw(SCORES),
            evidence=draw(st.sampled_from((None, ((0, end),)))),
        )
        stances[stance.target, stance.scope, stance.holder] = stance
    record = Record(
        doc="one",
        sha256=sha256_of(text),
        meta=draw(st.sampled_from(({}, {"date": "2019-03-11", "n": [1, None]}))),
        entities=tuple(entities),
        clusters=tuple(clusters),
        stances=tuple(stances.values()),
        labels=draw(st.sampled_from(({}, {"topic": Label(label="سياسة", score=0.5), "tags": ()}))),
        model=draw(st.sampled_from((None, ModelInfo(name="news", revision="ab" * 20, rasid="0.1.0")))),
        warnings=draw(st.sampled_from(((), ("glued words",)))),
    )
    assert not faults(record, text)
    return Article(record, text)


def there_and_back(article: Article, name: str, folder: Path, unit: str | None = None) -> Article:
    """The article out into files of a format and in again; token formats are aligned to its text."""
    write_files(folder / "texts", {f"{article.record.doc}.txt": article.text})
    write_files(folder / name, write_format(name, [article], unit).files)
    found = read_format(name, folder / name, folder / "texts", unit).articles
    assert len(found) == 1
    assert found[0].text == article.text
    return found[0]


def places(record: Record) -> set[tuple[int, int, str, str]]:
    return {(e.start, e.end, e.type, e.surface) for e in record.entities}


def aligned(article: Article) -> list[Entity]:
    """The entities that begin where a word does and end where one does."""
    cut = words(article.text)
    starts, ends = {word.start for word in cut}, {word.end for word in cut}
    return [e for e in article.record.entities if e.start in starts and e.end in ends]


def check_brat(article: Article, folder: Path) -> None:
    """All that hangs on a mention comes back; the rest is counted."""
    record = article.record
    held = {cluster.id for cluster in record.clusters if not cluster.given}
    stances = [s for s in record.stances if s.target in held and s.holder in held | {"author", "other"}]
    expected = Record(
        doc=record.doc,
        sha256=record.sha256,
        entities=record.entities,
        clusters=tuple(c for c in record.clusters if c.id in held),
        stances=tuple(stances),
    )
    assert there_and_back(article, "brat", folder).record.to_json() == expected.to_json()
    left = write_format("brat", [article]).left
    assert left["stances towards or of given targets"] == len(record.stances) - len(stances)
    assert left["given targets without a mention"] == len(record.clusters) - len(held)


def check_tokens(article: Article, folder: Path) -> None:
    """Spans of whole words come back, all of them from `wojood` and the outermost from `conll`."""
    kept = aligned(article)
    nested = {(e.start, e.end, e.type, e.surface) for e in kept}
    assert places(there_and_back(article, "wojood", folder).record) == nested
    inner = {b for a, b in combinations(sorted(kept, key=lambda e: (e.start, -e.end)), 2) if a.span.contains(b.span)}
    flat = {(e.start, e.end, e.type, e.surface) for e in kept if e not in inner}
    assert places(there_and_back(article, "conll", folder).record) == flat
    left = write_format("conll", [article]).left
    assert left["nested entities"] == len(kept) - len(flat)
    assert left["entities that begin or end inside a word"] == len(article.record.entities) - len(kept)


@SETTINGS
@given(article=articles())
def test_every_format_gives_back_all_that_it_can_hold(article: Article, tmp_path: Path) -> None:
    for name in LOSSLESS:
        assert there_and_back(article, name, tmp_path).record.to_json() == article.record.to_json(), name
        assert not write_format(name, [article]).left, name
    check_brat(article, tmp_path)
    check_tokens(article, tmp_path)


@SETTINGS
@given(article=articles())
def test_tokens_without_their_text_become_text_by_the_recorded_rule(article: Article, tmp_path: Path) -> None:
    write_files(tmp_path / "bare", write_format("wojood", [article]).files)
    back = read_format("wojood", tmp_path / "bare", None).articles[0]
    assert back.text.split() == [part for word in words(article.text) for part in word.of(article.text).split()]
    assert back.record.meta == {"text_rule": JOINED}
    assert [e.type for e in back.record.entities] == [
        e.type for e in sorted(aligned(article), key=lambda e: (e.start, -e.end, e.type))
    ]


@pytest.mark.parametrize("unit", ["code-points", "graphemes"])
@SETTINGS
@given(article=articles())
def test_doccano_in_other_units_moves_nothing(unit: str, article: Article, tmp_path: Path) -> None:
    ruler = Ruler(article.text, unit)
    kept = {
        (e.start, e.end, e.type, e.surface)
        for e in article.record.entities
        if ruler.out(e.start) is not None and ruler.out(e.end) is not None
    }
    assert unit == GRAPHEMES or len(kept) == len(article.record.entities)
    assert places(there_and_back(article, "doccano", tmp_path, unit).record) == kept


@pytest.mark.parametrize("name", [*LOSSLESS, "brat"])
def test_the_projects_own_annotations_come_back_byte_for_byte(name: str, tmp_path: Path) -> None:
    out = argparse.Namespace(
        records=ROOT / "annotations", seeds=ROOT / "seeds", format=name, output=tmp_path / "out", units=None
    )
    assert run_export(out) == 0
    back = argparse.Namespace(
        source=tmp_path / "out", seeds=ROOT / "seeds", format=name, output=tmp_path / "back", units=None
    )
    assert run_import(back) == 0
    gold = sorted((ROOT / "annotations").glob("*.json"))
    assert [path.name for path in gold] == sorted(path.name for path in (tmp_path / "back").iterdir())
    for path in gold:
        assert (tmp_path / "back" / path.name).read_bytes() == path.read_bytes()


@pytest.mark.parametrize("name", ["conll", "wojood"])
def test_the_projects_own_spans_come_back_from_token_formats(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folders = (str(ROOT / "annotations"), "--texts", str(ROOT / "seeds"), "--output", str(tmp_path))
    assert cli.main(["annotations", "export", "--format", name, *folders]) == 0
    said = capsys.readouterr().out
    assert f"note: format {name} cannot hold and left out: " in said
    assert ("nested entities" in said) == (name == "conll")
    for article in read_format(name, tmp_path, ROOT / "seeds").articles:
        gold = Record.model_validate_json(read_exact(ROOT / "annotations" / f"{article.record.doc}.json"))
        source = Article(gold, article.text)
        assert places(article.record) <= {(e.start, e.end, e.type, e.surface) for e in aligned(source)}
        if name == "wojood":
            assert len(article.record.entities) == len(aligned(source))


def article(text: str = "سافر سامر 😀 إلى بيروت\r\n", *spans: tuple[int, int, str]) -> Article:
    """A small article; every span has a cluster of its own."""
    found = spans or ((5, 9, "PERS"), (16, 21, "GPE"))
    entities = tuple(
        Entity(id=f"T{n}", type=kind, start=s, end=e, surface=text[s:e], cluster=f"C{n}")
        for n, (s, e, kind) in enumerate(found, 1)
    )
    clusters = tuple(Cluster(id=e.cluster or "", name=e.surface, type=e.type) for e in entities)
    return Article(Record(doc="one", sha256=sha256_of(text), entities=entities, clusters=clusters), text)


def test_doccano_counts_utf_16_and_a_wrong_unit_shows(tmp_path: Path) -> None:
    files = write_format("doccano", [article()]).files
    assert '[17, 22, "GPE"]' in files["articles.jsonl"]  # the emoji before it counts two
    write_files(tmp_path, files)
    with pytest.raises(DataError, match=r"articles.jsonl:1, span 2: entity \S+ 'يروت\\r' .* white space at its ends"):
        read_format("doccano", tmp_path, None, "code-points")


def test_a_text_that_lost_its_carriage_returns_is_told(tmp_path: Path) -> None:
    write_files(tmp_path / "ls", write_format("labelstudio", [article()]).files)
    write_files(tmp_path / "texts", {"one.txt": article().text.replace("\r\n", "\n")})
    with pytest.raises(DataError, match=r"task 1 \(one\): its text is not that of .*from character 21"):
        read_format("labelstudio", tmp_path / "ls", tmp_path / "texts")


@pytest.mark.parametrize("name", sorted(FORMATS))
def test_mistakes_at_the_door_are_one_line(name: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such file or folder"):
        read_format(name, tmp_path / "none", None)
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=r"no \S+ files"):
        read_format(name, tmp_path / "empty", None)
    with pytest.raises(DataError, match="unknown format 'brats'; did you mean 'brat'"):
        read_format("brats", tmp_path / "empty", None)
    if not FORMATS[name].units:
        with pytest.raises(DataError, match="has a unit of its own"):
            write_format(name, [article()], UTF_16)
    wrong = article("سافر سامر إلى بيروت", (5, 9, "HERO"))
    write_files(tmp_path / "out", write_format(name, [wrong]).files)
    with pytest.raises(DataError, match="unknown type 'HERO'; known: PERS") as told:
        read_format(name, tmp_path / "out", None)
    assert str(tmp_path / "out") in str(told.value)
    with pytest.raises(DataError, match="types without spaces"):
        write_format(name, [article("سافر سامر", (5, 9, "A B"))])


def test_an_unsound_record_does_not_go_out() -> None:
    bad = article()
    shifted = bad.record.entities[0].model_copy(update={"start": 4})
    record = bad.record.model_copy(update={"entities": (shifted, bad.record.entities[1])})
    with pytest.raises(DataError, match=r"one: entity T1 'سامر' .* the text there reads ' سامر'"):
        write_format("brat", [Article(record, bad.text)])


def test_import_writes_texts_that_the_folder_lacks(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_files(tmp_path / "out", write_format("brat", [article()]).files)
    arguments = ["annotations", "import", str(tmp_path / "out"), "--format", "brat", "--texts", str(tmp_path / "none")]
    assert cli.main([*arguments, "--output", str(tmp_path / "back")]) == 0
    assert "1 texts beside them" in capsys.readouterr().out
    assert read_exact(tmp_path / "back" / "one.txt") == article().text
    (tmp_path / "out" / "one.ann").write_text("T1\tPERS 5 8\tسامر\n", encoding="utf-8")
    assert cli.main([*arguments, "--output", str(tmp_path / "other")]) == cli.USER_ERROR
    assert not (tmp_path / "other").exists()


def test_the_command_line_names_every_format() -> None:
    assert set(annotationcommands._FORMATS) == set(FORMATS)

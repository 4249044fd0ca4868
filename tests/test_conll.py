"""Token formats: what is written for an article, alignment to its text, and every mistake with its line."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from rasid.conll import JOINED, export_conll, export_wojood
from rasid.errors import DataError
from rasid.exchange import Article
from rasid.formats import read_format
from rasid.records import Cluster, Entity, Record, sha256_of

TEXT = "تفاوض قوات سوريا الديمقراطية \u200fتركيا.\r\nوصل سامر!"
SPANS = ((6, 28, "ORG"), (11, 16, "GPE"), (30, 35, "GPE"), (42, 46, "PERS"), (39, 40, "LOC"))


def article() -> Article:
    entities = tuple(
        Entity(id=f"T{n}", type=kind, start=s, end=e, surface=TEXT[s:e], cluster=f"C{n}")
        for n, (s, e, kind) in enumerate(SPANS, 1)
    )
    clusters = tuple(Cluster(id=e.cluster or "", name=e.surface, type=e.type) for e in entities)
    return Article(Record(doc="one", sha256=sha256_of(TEXT), entities=entities, clusters=clusters), TEXT)


def write(folder: Path, lines: str, text: str | None = None, suffix: str = ".conll") -> None:
    (folder / f"one{suffix}").write_bytes(lines.encode())
    if text is not None:
        (folder / "texts").mkdir(exist_ok=True)
        (folder / "texts" / "one.txt").write_bytes(text.encode())


def test_what_is_written() -> None:
    flat, nested = export_conll([article()]), export_wojood([article()])
    assert flat.files["one.conll"].split("\n") == [
        *("تفاوض\tO", "قوات\tB-ORG", "سوريا\tI-ORG", "الديمقراطية\tI-ORG", "تركيا\tB-GPE", ".\tO"),
        *("", "وصل\tO", "سامر\tB-PERS", "!\tO", ""),
    ]
    assert nested.files["one.txt.iob"].split("\n")[1:5] == [
        *("قوات B-ORG", "سوريا I-ORG B-GPE", "الديمقراطية I-ORG", "تركيا B-GPE"),
    ]
    assert +flat.left == {"clusters": 5, "nested entities": 1, "entities that begin or end inside a word": 1}
    assert +nested.left == {"clusters": 5, "entities that begin or end inside a word": 1}


def test_tokens_are_found_in_the_text_whatever_stands_between_them(tmp_path: Path) -> None:
    first = "-DOCSTART- -X- O O\n\nتفاوض O\nقوات   B-ORG\r\nسوريا I-ORG\nالديمقراطية I-ORG\n"
    write(tmp_path, f"{first}تركيا. B-GPE\nوصل O\nسامر! O\n", TEXT)
    found = read_format("conll", tmp_path, tmp_path / "texts")
    assert [(e.start, e.end) for e in found.articles[0].record.entities] == [(6, 28), (30, 36)]
    assert found.articles[0].record.meta == {}
    assert not found.notes


def test_without_a_text_the_rule_is_recorded_and_told(tmp_path: Path) -> None:
    write(tmp_path, "\ufeffوصل\tO\nسامر\tB-PERS\n\n\nثم\tO\n")
    found = read_format("conll", tmp_path, None)
    assert found.articles[0].text == "وصل سامر\nثم\n"
    assert found.articles[0].record.meta == {"text_rule": JOINED}
    assert JOINED in found.notes[0]


def test_several_tags_in_any_order_are_nested_spans(tmp_path: Path) -> None:
    write(tmp_path, "أمن B-OCC B-ORG\nسوريا B-GPE I-ORG I-OCC\n", suffix=".txt.iob")
    record = read_format("wojood", tmp_path, None).articles[0].record
    assert [(e.start, e.end, e.type) for e in record.entities] == [(0, 9, "OCC"), (0, 9, "ORG"), (4, 9, "GPE")]


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ("وصل O\nسامر\n", r"one\.conll:2: expected a word and IOB2 tags, got 'سامر'"),
        ("وصل O\nسامر PERS\n", r"one\.conll:2: expected a word and IOB2 tags"),
        ("وصل O\nسامر B-PERS B-OCC\n", r"one\.conll:2: 2 tags; two columns hold one, format wojood"),
        ("وصل\tO\n\tB-PERS\n", r"one\.conll:2: no word before the tags"),
        ("وصل O\nسمير B-PERS\n", r"one\.conll:2: the text of 'one' goes on 'سامر!' at 4, not 'سمير'"),
        ("وصل O\nسامر B-HERO\n! O\n", r"one\.conll:2: entity T1 'سامر' .* unknown type 'HERO'"),
        ("وصل O\nسامر B-PERS\n", r"one\.conll: ends before the text of 'one' does, which goes on '!'"),
    ],
)
def test_a_mistake_is_told_with_its_line(lines: str, message: str, tmp_path: Path) -> None:
    write(tmp_path, lines, "وصل سامر!")
    with pytest.raises(DataError, match=message):
        read_format("conll", tmp_path, tmp_path / "texts")


@pytest.mark.skipif("RASID_DATA" not in os.environ, reason="needs the public sets of RASID_DATA")
def test_wojoods_own_sample_is_read_whole() -> None:
    source = Path(os.environ["RASID_DATA"]) / "ner" / "wojood-sample" / "val.txt"
    if not source.is_file():
        pytest.skip(f"{source} is not there")
    (article,) = read_format("wojood", source, None).articles
    assert len(article.record.entities) == 470  # as the corpus counts them

"""Labelled articles: formats, columns, labels cut out of strings, fixed shares by hash, and lines that are refused."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
import zstandard

from rasid.config import parse_config
from rasid.errors import ConfigError, DataError
from rasid.train.config import RunConfig, Source
from rasid.train.corpus import Source as Shard
from rasid.train.corpus import Text, articles
from rasid.train.labelled import hash_place, labelled_articles, read_labelled
from rasid.train.sources import read_pairs, read_texts

LABELS = ("رياضة", "اقتصاد", "صحة")
ROWS = (
    {"id": "n:Sport/1", "text": "فاز الفريق على ضيفه بهدفين.", "label": "رياضة"},
    {"id": "n:Money/2", "text": "ارتفع سعر النفط،\nوهبط مؤشر السوق.", "label": "اقتصاد"},
    {"id": "n:Sport/3", "text": "تعادل الفريقان.", "label": "رياضة"},
)


def _source(path: Path, **fields: Any) -> Source:
    return Source.model_validate({"head": "topic", "reader": "labelled", "path": path} | fields)


def _jsonl(path: Path, *rows: Any) -> Path:
    lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    packed = {".gz": gzip.compress, ".zst": zstandard.compress}.get(path.suffix, bytes)
    path.write_bytes(packed(lines.encode()))
    return path


@pytest.mark.parametrize("name", ["a.jsonl", "a.jsonl.gz", "a.jsonl.zst"])
def test_json_lines_plain_and_packed(tmp_path: Path, name: str) -> None:
    found = read_labelled(_source(_jsonl(tmp_path / name, *ROWS)), LABELS, False)
    assert [(g.doc, g.text, g.labels) for g in found] == [(r["id"], r["text"], (r["label"],)) for r in ROWS]
    assert found[2].where.endswith(f"{name}:3")


@pytest.mark.parametrize(("suffix", "comma"), [("csv", ","), ("tsv", "\t")])
def test_tables_with_quoted_newlines_a_byte_order_mark_and_a_long_cell(tmp_path: Path, suffix: str, comma: str) -> None:
    file = tmp_path / f"a.{suffix}"
    long = "خبر طويل " * 30_000  # longer than the csv module takes by itself
    rows = [("نص", "باب"), ('"سطر أول\nسطر ""ثان"""', "صحة"), (long.strip(), "رياضة")]
    file.write_text("\ufeff" + "\n".join(comma.join(row) for row in rows), encoding="utf-8")
    found = read_labelled(_source(file, columns={"text": "نص", "label": "باب"}), LABELS, False)
    assert [g.labels for g in found] == [("صحة",), ("رياضة",)]
    assert found[0].text == 'سطر أول\nسطر "ثان"'
    assert found[1].text == long.strip()
    assert found[0].doc == f"{file}:3"  # without an id column an article is named by the line it ends on


def test_a_label_inside_an_id_is_cut_out_and_renamed(tmp_path: Path) -> None:
    file = _jsonl(tmp_path / "a.jsonl", *ROWS)
    source = _source(file, columns={"label": "id", "pattern": r":(\w+)/"}, map={"Sport": "رياضة", "Money": "اقتصاد"})
    assert [g.labels[0] for g in read_labelled(source, LABELS, False)] == [r["label"] for r in ROWS]
    with pytest.raises(DataError, match=r"a\.jsonl:1: the pattern '/\(\\\\D\)' finds no label in 'n:Sport/1'"):
        read_labelled(_source(file, columns={"label": "id", "pattern": r"/(\D)"}), LABELS, False)


@pytest.mark.parametrize("given", [["رياضة", "صحة"], "رياضة | صحة", ["رياضة|صحة", "رياضة"]])
def test_several_labels_as_a_list_or_a_string(tmp_path: Path, given: Any) -> None:
    file = _jsonl(tmp_path / "a.jsonl", {"text": "نص", "label": given}, {"text": "نص", "label": []})
    found = read_labelled(_source(file, columns={"separator": "|"}), LABELS, True)
    assert [g.labels for g in found] == [("رياضة", "صحة"), ()]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"text": "نص", "label": "رياضه"}, "unknown label 'رياضه'; did you mean 'رياضة'"),
        ({"text": "نص", "label": None}, "column 'label': expected a label or a list of them, got None"),
        ({"text": "نص", "label": 1.5}, ".*expected a label or a list of them, got 1.5"),
        ({"text": "نص", "label": " "}, "no label, and head 'topic' takes one; see multilabel: true"),
        ({"text": "نص", "label": ["صحة", "رياضة"]}, "2 labels .*, and head 'topic' takes one"),
        ({"text": "نص", "lable": "صحة"}, "no column 'label'; did you mean 'lable'"),
        ({"text": " \n", "label": "صحة"}, "column 'text': expected a text"),
        ({"text": 7, "label": "صحة"}, "column 'text': expected a text, got 7"),
        ({"id": "x", "text": "نص", "label": "صحة"}, "id 'x' stands twice, first at .*a.jsonl:1"),
        (["نص"], "expected a JSON object, got list"),
    ],
)
def test_a_line_that_is_not_understood_is_named(tmp_path: Path, row: Any, message: str) -> None:
    file = _jsonl(tmp_path / "a.jsonl", {"id": "x", "text": "خبر", "label": "صحة"}, row)
    with pytest.raises(DataError, match=rf"a\.jsonl:2: {message}"):
        read_labelled(_source(file), LABELS, False)


def test_broken_files_are_one_line(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"text": ', encoding="utf-8")
    (tmp_path / "b.csv").write_text("text,label\nنص\n", encoding="utf-8")
    (tmp_path / "c.csv").write_text('text,label\n"نص,صحة\n', encoding="utf-8")
    (tmp_path / "d.jsonl").write_bytes("نص".encode("cp1256"))
    (tmp_path / "e.xlsx").write_bytes(b"")
    for name, message in {
        "a.jsonl": r"a\.jsonl:1: not valid JSON",
        "b.csv": r"b\.csv:2: 1 cells under a header of 2",
        "c.csv": r"c\.csv:2: not valid CSV",
        "d.jsonl": r"d\.jsonl: not UTF-8",
        "e.xlsx": r"e\.xlsx: labelled articles come as \.jsonl, \.csv or \.tsv",
        "f.jsonl": r"f\.jsonl: no such file",
    }.items():
        with pytest.raises(DataError, match=message):
            read_labelled(_source(tmp_path / name), LABELS, False)


def test_shares_by_hash_part_the_articles_and_agree_with_the_corpus_mix(tmp_path: Path) -> None:
    rows = [{"id": f"خبر {n}", "text": f"نص {n}", "label": "صحة"} for n in range(400)]
    file = _jsonl(tmp_path / "a.jsonl", *rows)
    learnt = {g.text for g in labelled_articles(_source(file, ids=(0.0, 0.95)))}
    judged = {g.text for g in labelled_articles(_source(file, ids=(0.95, 1.0)))}
    assert len(learnt) + len(judged) == 400
    assert not learnt & judged
    assert 8 <= len(judged) <= 34
    assert all(hash_place(r["id"]) >= 0.95 for r in rows if r["text"] in judged)
    # What a pretraining mix with share 0.95 leaves out is the very part that judges.
    assert set(articles(Text(folder=tmp_path, sources=[Shard(file="a.jsonl", share=0.95)]))) == learnt


def _run(path: Path, **changes: Any) -> RunConfig:
    tree = {
        "encoder": "compact",
        "output": "x",
        "heads": {"topic": {"kind": "text", "labels": "data"}},
        "sources": {"train": {"head": "topic", "reader": "labelled", "path": str(path), "ids": [0.0, 0.9]}},
        "evaluation": {"dev": {"head": "topic", "reader": "labelled", "path": str(path), "ids": [0.9, 1.0]}},
    }
    return parse_config(RunConfig, tree | changes, "c.yaml")


def test_what_judges_feeds_nothing(tmp_path: Path) -> None:
    assert _run(tmp_path / "a.jsonl").evaluation["dev"].ids == (0.9, 1.0)
    overlapping = {"dev": {"head": "topic", "reader": "labelled", "path": str(tmp_path / "a.jsonl")}}
    with pytest.raises(ConfigError, match="evaluation dev: its ids overlap those of source train"):
        _run(tmp_path / "a.jsonl", evaluation=overlapping)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"ids": [0.5, 0.5]}, "expected 0 <= low < high <= 1"),
        ({"ids": [0.5, 1.5]}, "expected 0 <= low < high <= 1"),
        ({"columns": {"pattern": "Sport"}}, "one group is needed"),
        ({"columns": {"pattern": "("}}, "missing \\), unterminated subpattern"),
        ({"columns": {"lable": "x"}}, "unknown key 'sources.train.columns.lable'; did you mean 'label'"),
        ({"reader": "pairs", "ids": [0.0, 0.5]}, "are for the labelled reader"),
    ],
)
def test_config_mistakes_are_one_line(tmp_path: Path, fields: dict[str, Any], message: str) -> None:
    source = {"head": "topic", "reader": "labelled", "path": str(tmp_path)} | fields
    with pytest.raises(ConfigError, match=message):
        _run(tmp_path, sources={"train": source}, evaluation={})
    with pytest.raises(ConfigError, match="multilabel is for heads of kind text"):
        _run(tmp_path, heads={"topic": {"kind": "pair", "labels": ["a"], "multilabel": True}})


def test_a_reader_feeds_heads_of_its_own_kind(tmp_path: Path) -> None:
    source = _source(tmp_path / "a.jsonl")
    with pytest.raises(DataError, match="reader 'pairs' gives no labelled articles; head 'topic' needs them"):
        read_labelled(source.model_copy(update={"reader": "pairs"}), LABELS, False)
    with pytest.raises(DataError, match="reader 'labelled' gives articles; head 'topic' needs texts"):
        read_texts(source)
    with pytest.raises(DataError, match="reader 'labelled' gives articles; head 'topic' needs pairs"):
        read_pairs(source, LABELS)

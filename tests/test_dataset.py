"""The annotated articles as a data set: in step with the gold, and read by `datasets` with its labels' names."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from rasid.annotations import Annotated, load_annotations
from rasid.cli import main
from rasid.dataset import CARD, _outermost, entity_rows, make_dataset, split_card, write_dataset
from rasid.errors import DataError
from rasid.labels import STANCES, WOJOOD
from rasid.records import Entity, Record, sha256_of

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "annotations"


@pytest.fixture(scope="module")
def gold() -> list[Annotated]:
    return load_annotations(FOLDER, ROOT / "seeds")


def read(folder: Path, config: str, cache: Path) -> Any:
    from datasets import disable_progress_bars, load_dataset

    disable_progress_bars()
    return load_dataset(str(folder), config, split="train", cache_dir=str(cache))


def test_the_files_in_the_checkout_are_those_of_the_gold(gold: list[Annotated], tmp_path: Path) -> None:
    made = make_dataset(gold)
    copy = tmp_path / "annotations"
    copy.mkdir()
    (copy / CARD).write_bytes((FOLDER / CARD).read_bytes())
    for written in write_dataset(made, copy):
        there = FOLDER / written.relative_to(copy)
        assert there.read_bytes() == written.read_bytes(), f"{there}: run `rasid annotations dataset`"


def test_datasets_reads_it_from_the_checkout(gold: list[Annotated], tmp_path: Path) -> None:
    articles = read(FOLDER, "articles", tmp_path)
    assert len(articles) == len(gold)
    names = articles.features["entities"].feature["type"].names
    assert tuple(names) == WOJOOD
    for row, each in zip(articles, gold, strict=True):
        assert row["text"] == each.text
        assert len(row["entities"]) == len(each.record.entities)
        for entity in row["entities"]:
            assert row["text"][entity["start"] : entity["end"]] == entity["surface"]
    stance = read(FOLDER, "stance", tmp_path)
    assert tuple(stance.features["label"].names) == STANCES
    assert len(stance) == sum(len(each.record.stances) for each in gold)
    assert [stance.features["label"].int2str(row) for row in stance["label"]] == [
        s.label for each in gold for s in each.record.stances
    ]


def test_tags_give_the_outermost_spans_back(gold: list[Annotated], tmp_path: Path) -> None:
    entities = read(FOLDER, "entities", tmp_path)
    names = entities.features["ner_tags"].feature.names
    found: dict[str, set[tuple[int, int, str]]] = {each.record.doc: set() for each in gold}
    for row in entities:
        open_span: list[Any] | None = None
        for start, end, number in zip(row["starts"], row["ends"], row["ner_tags"], strict=True):
            prefix, _, kind = names[number].partition("-")
            if prefix == "I":
                assert open_span
                open_span[1] = end
                continue
            if open_span:
                found[row["doc"]].add(tuple(open_span))
            open_span = [start, end, kind] if prefix == "B" else None
        if open_span:
            found[row["doc"]].add(tuple(open_span))
    for each in gold:
        wanted = {(span.start, span.end, kind) for span, kind in _outermost(each)}
        assert found[each.record.doc] == wanted
        tokens = {(s, e) for row in entity_rows(each) for s, e in zip(row["starts"], row["ends"], strict=True)}
        assert all(each.text[s:e].strip() for s, e in tokens)


def test_a_span_across_sentences_and_names_without_a_space() -> None:
    text = "زار اتحاد الكتاب. والصيادين العراقوسوريا."
    spans = [("ORG", "اتحاد الكتاب. والصيادين"), ("GPE", "العراق"), ("GPE", "وسوريا")]
    entities = tuple(
        Entity(id=f"T{n}", type=kind, start=text.index(s), end=text.index(s) + len(s), surface=s)
        for n, (kind, s) in enumerate(spans)
    )
    gold = Annotated(Record(doc="d", sha256=sha256_of(text), entities=entities), text)
    (row,) = entity_rows(gold)
    assert row["tokens"][-3:] == ["العراق", "وسوريا", "."]
    assert row["ner_tags"] == ["O", "B-ORG", "I-ORG", "I-ORG", "I-ORG", "B-GPE", "B-GPE", "O"]


def test_ones_own_articles(gold: list[Annotated], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "price-of-victory.json").write_bytes((FOLDER / "price-of-victory.json").read_bytes())
    line = ["annotations", "dataset", str(mine), "--texts", str(ROOT / "seeds"), "--output", str(tmp_path / "out")]
    assert main(line) == 0
    assert "articles: 1 rows" in capsys.readouterr().out
    assert len(read(tmp_path / "out", "articles", tmp_path / "cache")) == 1
    tree, body = split_card((tmp_path / "out" / CARD).read_text(encoding="utf-8"))
    assert tree["language"] == ["ar"]
    assert body == "\n# out\n"


def test_a_card_whose_metadata_is_broken() -> None:
    with pytest.raises(DataError, match="metadata is not valid YAML"):
        split_card("---\na: [\n---\n# x\n")
    assert split_card("# x\n") == ({}, "# x\n")

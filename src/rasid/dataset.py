"""Annotated articles as a data set that `datasets.load_dataset` reads from its folder, without a loading script.

Three configurations: `articles` (everything, with offsets into the text), `entities` (tokens with IOB2 tags of the
outermost spans), `stance` (a target, a passage or an article, a label). Rows are JSON lines; what their columns are,
and the names of the labels, stands in the metadata of the folder's README.md. Nothing here knows a model.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import yaml

from rasid.annotations import Annotated, load_annotations
from rasid.errors import DataError
from rasid.labels import STANCES, WOJOOD
from rasid.records import read_exact, write_exact
from rasid.text import Span, sentences, words

CARD, FOLDER, SPLIT = "README.md", "data", "train"
_SCOPES = ("article", "passage")
Row = dict[str, Any]


@dataclass(frozen=True)
class DataSet:
    """Rows by configuration, and the metadata that says what they are."""

    rows: dict[str, list[Row]]
    metadata: dict[str, Any]


def _outermost(gold: Annotated) -> list[tuple[Span, str]]:
    """Spans that stand in no other, with their types, in order."""
    found: list[tuple[Span, str]] = []
    for entity in sorted(gold.record.entities, key=lambda e: (e.start, -e.end)):
        if not found or entity.start >= found[-1][0].end:
            found.append((entity.span, entity.type))
    return found


def _units(text: str, spans: Sequence[Span]) -> Iterator[Span]:
    """Sentences; those that a span runs across are one."""
    unit: Span | None = None
    for sentence in sentences(text):
        if unit and any(span.start < unit.end < span.end for span in spans):
            unit = Span(unit.start, sentence.end)
            continue
        if unit:
            yield unit
        unit = sentence
    if unit:
        yield unit


def _cut(word: Span, edges: set[int]) -> Iterator[Span]:
    """A word cut where a span begins or ends inside it: names glued by a lost space."""
    places = [word.start, *sorted(edge for edge in edges if word.start < edge < word.end), word.end]
    yield from (Span(start, end) for start, end in pairwise(places))


def entity_rows(gold: Annotated) -> Iterator[Row]:
    """A row for each sentence: tokens, where they begin and end in the article, and a tag for each."""
    spans = _outermost(gold)
    edges = {edge for span, _ in spans for edge in (span.start, span.end)}
    tokens = [part for word in words(gold.text) for part in _cut(word, edges)]
    for number, unit in enumerate(_units(gold.text, [span for span, _ in spans])):
        inside = [token for token in tokens if unit.contains(token)]
        if inside:
            yield {
                "id": f"{gold.record.doc}:{number}",
                "doc": gold.record.doc,
                "tokens": [token.of(gold.text) for token in inside],
                "starts": [token.start for token in inside],
                "ends": [token.end for token in inside],
                "ner_tags": [_tag(token, spans) for token in inside],
            }


def _tag(token: Span, spans: Sequence[tuple[Span, str]]) -> str:
    for span, kind in spans:
        if span.contains(token):
            return f"{'B' if token.start == span.start else 'I'}-{kind}"
    return "O"


def article_row(gold: Annotated) -> Row:
    """An article with all that is annotated."""
    record = gold.record
    return {
        "doc": record.doc,
        "text": gold.text,
        "sha256": record.sha256,
        "entities": [
            {"id": e.id, "type": e.type, "start": e.start, "end": e.end, "surface": e.surface, "cluster": e.cluster}
            for e in record.entities
        ],
        "clusters": [{"id": c.id, "name": c.name, "type": c.type} for c in record.clusters],
    }


def stance_rows(gold: Annotated) -> Iterator[Row]:
    """A row for each judged target of an article or a passage; `holder` is author, other or the speaker's name."""
    names = {cluster.id: cluster.name for cluster in gold.record.clusters}
    for stance in gold.record.stances:
        whole = stance.scope == "article"
        place = Span(0, len(gold.text)) if whole else Span(*stance.scope)
        yield {
            "doc": gold.record.doc,
            "target": names.get(stance.target, stance.target),
            "scope": _SCOPES[not whole],
            "start": place.start,
            "end": place.end,
            "text": place.of(gold.text),
            "holder": names.get(stance.holder, stance.holder),
            "label": stance.label,
        }


def _labels(names: Sequence[str]) -> dict[str, Any]:
    return {"class_label": {"names": {str(number): name for number, name in enumerate(names)}}}


def _features(types: Sequence[str]) -> dict[str, list[dict[str, Any]]]:
    """The columns of each configuration, as the hub's metadata writes them."""
    tags = ["O", *(f"{prefix}-{kind}" for kind in types for prefix in ("B", "I"))]

    def plain(kind: str, *names: str) -> list[dict[str, Any]]:
        return [{"name": name, "dtype": kind} for name in names]

    entity = [*plain("string", "id"), {"name": "type", "dtype": _labels(types)}, *plain("int32", "start", "end")]
    cluster = [*plain("string", "id", "name"), {"name": "type", "dtype": _labels(types)}]
    return {
        "articles": [
            *plain("string", "doc", "text", "sha256"),
            {"name": "entities", "list": [*entity, *plain("string", "surface", "cluster")]},
            {"name": "clusters", "list": cluster},
        ],
        "entities": [
            *plain("string", "id", "doc"),
            {"name": "tokens", "list": "string"},
            {"name": "starts", "list": "int32"},
            {"name": "ends", "list": "int32"},
            {"name": "ner_tags", "list": _labels(tags)},
        ],
        "stance": [
            *plain("string", "doc", "target"),
            {"name": "scope", "dtype": _labels(_SCOPES)},
            *plain("int32", "start", "end"),
            *plain("string", "text", "holder"),
            {"name": "label", "dtype": _labels(STANCES)},
        ],
    }


def make_dataset(gold: Sequence[Annotated]) -> DataSet:
    """The data set of annotated articles. Types are the 21 of Wojood, or those that occur where others do."""
    own = sorted({entity.type for each in gold for entity in each.record.entities})
    types = list(WOJOOD) if set(own) <= set(WOJOOD) else own
    rows: dict[str, list[Row]] = {
        "articles": [article_row(each) for each in gold],
        "entities": [row for each in gold for row in entity_rows(each)],
        "stance": [row for each in gold for row in stance_rows(each)],
    }
    features = {name: columns for name, columns in _features(types).items() if rows[name]}
    configs: list[dict[str, Any]] = [
        {"config_name": name, "data_files": [{"split": SPLIT, "path": f"{FOLDER}/{name}.jsonl"}]} for name in features
    ]
    configs[0]["default"] = True
    info = [{"config_name": name, "features": columns} for name, columns in features.items()]
    return DataSet({name: rows[name] for name in features}, {"configs": configs, "dataset_info": info})


def split_card(text: str) -> tuple[dict[str, Any], str]:
    """The metadata at the head of a card, and the text below it."""
    head, mark, body = text.removeprefix("---\n").partition("\n---\n") if text.startswith("---\n") else ("", "", text)
    try:
        tree = yaml.safe_load(head) if mark else {}
    except yaml.YAMLError as error:
        raise DataError(f"{CARD}: its metadata is not valid YAML ({getattr(error, 'problem', error)})") from None
    return (tree or {}), (body if mark else text)


def write_dataset(made: DataSet, folder: Path) -> list[Path]:
    """Writes the rows, and the metadata into the folder's README.md, whose other keys and text stay."""
    written = []
    try:
        (folder / FOLDER).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(f"{folder}: cannot be made ({error.strerror})") from None
    for name, rows in made.rows.items():
        path = folder / FOLDER / f"{name}.jsonl"
        write_exact(path, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
        written.append(path)
    card = folder / CARD
    tree, body = split_card(read_exact(card)) if card.is_file() else ({"language": ["ar"]}, f"\n# {folder.name}\n")
    head = yaml.safe_dump(tree | made.metadata, allow_unicode=True, sort_keys=False, width=120)
    write_exact(card, f"---\n{head}---\n{body}")
    return [*written, card]


def run_dataset(args: argparse.Namespace) -> int:
    """`rasid annotations dataset`: prints what was written."""
    made = make_dataset(load_annotations(args.folder, args.seeds))
    written = write_dataset(made, args.output or args.folder)
    for name, rows in made.rows.items():
        print(f"{name}: {len(rows)} rows")
    print(f"data set -> {written[-1].parent}; its card is {written[-1]}")
    return 0

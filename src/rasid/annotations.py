"""The gold folder: one `<doc>.json` per article, beside the untouched texts that its offsets point into.

Texts stand in a seeds folder as `<doc>.txt`, with `manifest.json` naming all that are to be annotated. The
commands here check a folder, count what is in it, compare two of them, fill one from inline annotations or from
other tools' files, and write such files.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from rasid.agreement import TwoPasses, agreement
from rasid.errors import DataError, nearest
from rasid.exchange import Article
from rasid.formats import left_out, read_format, write_files, write_format
from rasid.guidelines import depths
from rasid.inline import read_inline
from rasid.labels import STANCES
from rasid.records import Record, faults, read_exact, read_records, write_exact
from rasid.tables import table
from rasid.text import words

_INLINE = ".inline.txt"


@dataclass(frozen=True, slots=True)
class Annotated:
    """An article's record with the raw text its offsets point into; the record is sound against it."""

    record: Record
    text: str


def seed_text(seeds: Path, doc: str) -> str:
    """The raw text of one article, newlines untouched. Raises DataError when there is no such article."""
    path = seeds / f"{doc}.txt"
    try:
        there = path.is_file() and path.parent == seeds
    except OSError:  # a name longer than any file's
        there = False
    if not there:
        known = [each.stem for each in seeds.glob("*.txt")]
        raise DataError(f"{seeds}: no text {doc}.txt for doc {doc!r}{nearest(doc, known) if known else ''}")
    return read_exact(path)


def load_annotations(folder: Path, seeds: Path) -> list[Annotated]:
    """Records with their texts, in name order, from a folder of .json (or one .json or .jsonl file).

    Raises DataError for the first record that is unreadable, unsound, without its text, or there twice.
    """
    if not folder.exists():
        raise DataError(f"{folder}: no such folder or file of annotations")
    return list(sound_annotations(read_records(folder), folder, seeds))


def sound_annotations(records: Iterable[tuple[str, Record]], folder: Path, seeds: Path) -> Iterator[Annotated]:
    """(where, record) pairs out of `folder` with their texts, one at a time. Raises DataError as `load_annotations`."""
    docs: set[str] = set()
    for where, record in records:
        if record.doc in docs:
            raise DataError(f"{where}: doc {record.doc!r} stands twice in {folder}")
        docs.add(record.doc)
        yield with_text(record, where, seeds)


def with_text(record: Record, where: str, seeds: Path) -> Annotated:
    """The record with its text. Raises DataError where there is none, or the record is not sound against it."""
    text = seed_text(seeds, record.doc)
    found = faults(record, text)
    if found:
        more = f" (and {len(found) - 1} more: rasid annotations validate)" if len(found) > 1 else ""
        raise DataError(f"{where}: {found[0]}{more}")
    return Annotated(record, text)


def _type_rows(annotated: list[Annotated]) -> list[list[str]]:
    """Rows of type, spans, spans at depth 1, 2, 3 and below, distinct clusters."""
    spans: Counter[str] = Counter()
    levels: Counter[tuple[str, int]] = Counter()
    clusters: Counter[str] = Counter()
    for article in annotated:
        level = depths(article.record.entities)
        spans.update(entity.type for entity in article.record.entities)
        levels.update((entity.type, min(level[entity.id], 3)) for entity in article.record.entities)
        clusters.update(cluster.type for cluster in article.record.clusters)
    rows = [
        [label, str(count), *(str(levels[label, depth]) for depth in (1, 2, 3)), str(clusters[label])]
        for label, count in sorted(spans.items(), key=lambda item: (-item[1], item[0]))
    ]
    totals = [sum(count for (_, depth), count in levels.items() if depth == wanted) for wanted in (1, 2, 3)]
    return [*rows, ["all", *(str(n) for n in (spans.total(), *totals, clusters.total()))]]


def _stance_rows(annotated: list[Annotated]) -> list[list[str]]:
    """Rows of holder and scope with a count per label."""
    counts = Counter(
        (
            "author" if stance.holder == "author" else "quoted",
            "article" if stance.scope == "article" else "passage",
            stance.label,
        )
        for article in annotated
        for stance in article.record.stances
    )
    keys = [(holder, scope) for holder in ("author", "quoted") for scope in ("article", "passage")]
    return [[f"{holder}, {scope}", *(str(counts[holder, scope, label]) for label in STANCES)] for holder, scope in keys]


def run_stats(args: argparse.Namespace) -> int:
    """Prints what stands in `args.folder`: articles, words, spans by type and depth, clusters, stances."""
    annotated = load_annotations(Path(args.folder), Path(args.seeds))
    count = sum(len(words(article.text)) for article in annotated)
    characters = sum(len(article.text) for article in annotated)
    print(f"{len(annotated)} articles, {count} words and marks, {characters} characters\n")
    print(table(["type", "spans", "depth 1", "depth 2", "depth 3+", "clusters"], _type_rows(annotated)))
    print()
    print(table(["stances", *STANCES], _stance_rows(annotated)))
    return 0


def run_agreement(args: argparse.Namespace) -> int:
    """Compares the passes `args.first` and `args.second`; `args.list` adds every disagreement."""
    seeds = Path(args.seeds)
    first = {each.record.doc: each for each in load_annotations(Path(args.first), seeds)}
    second = {each.record.doc: each.record for each in load_annotations(Path(args.second), seeds)}
    for doc in sorted(first.keys() ^ second.keys()):
        missing = args.second if doc in first else args.first
        raise DataError(f"{missing}: no annotation of {doc}, which the other pass has")
    articles = [TwoPasses(each.record, second[doc], each.text) for doc, each in first.items()]
    found = agreement(articles, args.seed)
    print(found.render())
    count = len(found.disagreements)
    print(f"\n{len(articles)} articles, {count} disagreements; 95 % intervals over passages")
    if args.list:
        print(*found.disagreements, sep="\n")
    if args.html is not None:
        from rasid.diffpage import diff_page

        output: Path = args.html
        write_exact(output, diff_page(articles, found, (str(args.first), str(args.second))))
        print(f"{output}: both passes, disagreements first")
    return 0


def _read_marked(folder: Path, seeds: Path) -> list[Article]:
    """Every <doc>.inline.txt with its <doc>.yaml in a folder. Raises DataError."""
    files = sorted(folder.glob(f"*{_INLINE}"))
    if not files:
        raise DataError(f"{folder}: no *{_INLINE} files in this folder; --format names other formats")
    articles = []
    for path in files:
        doc = path.name.removesuffix(_INLINE)
        text = seed_text(seeds, doc)
        articles.append(Article(read_inline(path, folder / f"{doc}.yaml", text, doc), text))
    return articles


def run_import(args: argparse.Namespace) -> int:
    """Writes `args.output`/<doc>.json for every article of `args.source`, and its text where `args.seeds` lacks it."""
    source, seeds, output = Path(args.source), Path(args.seeds), Path(args.output)
    notes: list[str] = []
    if args.format == "inline":
        articles = _read_marked(source, seeds)
    else:
        found = read_format(args.format, source, seeds, args.units)
        articles = list(found.articles)
        notes = [*found.notes, *filter(None, [left_out("records", found.left)])]
    files = {f"{each.record.doc}.json": each.record.to_json(indent=1) + "\n" for each in articles}
    texts = {
        f"{each.record.doc}.txt": each.text for each in articles if not (seeds / f"{each.record.doc}.txt").is_file()
    }
    write_files(output, files | texts)  # only after all of them were read: a fault leaves the folder as it was
    entities = sum(len(each.record.entities) for each in articles)
    for note in notes:
        print(f"note: {note}")
    beside = f", {len(texts)} texts beside them" if texts else ""
    print(f"{len(articles)} articles, {entities} entities written to {output}{beside}")
    return 0


def run_export(args: argparse.Namespace) -> int:
    """Writes the records `args.records` as files of `args.format`, and says what that format could not hold."""
    articles = []
    for _, record in read_records(Path(args.records)):
        articles.append(Article(record, seed_text(Path(args.seeds), record.doc)))
    written = write_format(args.format, articles, args.units)
    write_files(Path(args.output), written.files)
    left = left_out(f"format {args.format}", written.left)
    if left:
        print(f"note: {left}")
    print(f"{len(articles)} articles, {len(written.files)} files written to {args.output}")
    return 0

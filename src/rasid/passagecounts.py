"""Counts by passage: what the paired test draws where a set has too few articles to tell two runs apart by article.

With five articles no p-value falls below 0.0625; their passages are some dozens. Passages of one article are more alike
than those of several, so a test over them says that two runs differ on these articles, and less of others. Figures that
no passage has alone (clusters, stances of articles, labels) are not here.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

from rasid.annotations import Annotated
from rasid.clustermetrics import StancePair, stance_pairs
from rasid.counts import ENTITIES, STANCES, Counts, RowTable, entity_rows, read_counts, stance_row, write_counts
from rasid.matching import Group, outcomes
from rasid.metrics import article_unit, split_unit
from rasid.records import Record
from rasid.text import Span, passages

PASSAGES_FILE = "counts-passages.json"


def count_passages(gold: Sequence[Annotated], predicted: Sequence[Record], seen: Group | None = None) -> Counts:
    """Counts whose units are passages, named `doc:start`, and one `doc:rest` for each article; records are aligned."""
    table, names = RowTable([*ENTITIES.values(), STANCES["passage"]]), list[str]()
    for article, record in zip(gold, predicted, strict=True):
        places = passages(article.text)
        views = {view: split_unit(article_unit(article.record, record, view), places) for view in ENTITIES}
        pairs = _by_passage(stance_pairs(article.record, record), places)
        for number, own in enumerate(pairs):
            units = {view: outcomes(parts[number]) for view, parts in views.items()}
            table.add([*entity_rows(units, seen), stance_row(own, "passage")])
        names += [f"{article.record.doc}:{name}" for name in (*(place.start for place in places), "rest")]
    return table.counts(names)


def _by_passage(pairs: Sequence[StancePair], places: Sequence[Span]) -> Iterator[list[StancePair]]:
    """Stance pairs of one article by the passage that is their scope; what has no passage of its own comes last."""
    numbers = {place.start: number for number, place in enumerate(places)}
    found: defaultdict[int, list[StancePair]] = defaultdict(list)
    for pair in pairs:
        found[len(places) if pair.scope == "article" else numbers.get(pair.scope[0], len(places))].append(pair)
    yield from (found[number] for number in range(len(places) + 1))


def write_passages(counts: Counts, folder: Path) -> None:
    """counts-passages.json in `folder`."""
    write_counts(counts, folder, PASSAGES_FILE)


def read_passages(folder: Path) -> Counts:
    """The counts by passage of a report folder. Raises DataError."""
    return read_counts(folder, PASSAGES_FILE)

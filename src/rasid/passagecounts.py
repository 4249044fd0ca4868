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
from rasid.counts import Counts, read_counts, stance_figures, unit_figures, write_counts
from rasid.matching import Group
from rasid.metrics import Unit, View, article_units, split_unit
from rasid.records import Record
from rasid.text import Span, passages

PASSAGES_FILE = "counts-passages.json"


def count_passages(gold: Sequence[Annotated], predicted: Sequence[Record], seen: Group | None = None) -> Counts:
    """Counts whose units are passages, named `doc:start`, and one `doc:rest` for each article; records are aligned."""
    records = [each.record for each in gold]
    places = [passages(each.text) for each in gold]

    def units(view: View) -> list[Unit]:
        whole = article_units(records, predicted, view)
        return [part for unit, own in zip(whole, places, strict=True) for part in split_unit(unit, own)]

    figures = dict(unit_figures(units, seen))
    pairs = [
        part
        for one, other, own in zip(records, predicted, places, strict=True)
        for part in _by_passage(stance_pairs(one, other), own)
    ]
    figures |= {name: each for name, each in stance_figures(pairs).items() if name.startswith("stance per passage")}
    names = [
        f"{record.doc}:{name}"
        for record, own in zip(records, places, strict=True)
        for name in (*(str(place.start) for place in own), "rest")
    ]
    return Counts(tuple(names), figures)


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

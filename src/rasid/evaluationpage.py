"""The HTML page of an evaluation: one file with its figures, charts, and every mistake in its text.

The page asks nothing of the network and runs one script, named by its hash in the page's own security policy. All
figures are those of the evaluation and of the list of mistakes; the page computes none. Knows nothing of models.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import groupby
from pathlib import Path

from rasid.charts import calibration_caption, confusion_chart, reliability_chart
from rasid.confusion import ENDS, confusion
from rasid.embed import report_page, safe_json
from rasid.errorlog import ErrorLog
from rasid.evaluate import Evaluation
from rasid.figuretable import FigureRow, FigureTable, estimate_row, score_row
from rasid.listing import Flat, Listing, thin
from rasid.mistakecounts import count_kinds, count_mistakes
from rasid.mistakerows import FACETS, LINES, Side, mistake_rows
from rasid.mistakes import ERRORS_FILE, MEANING, Fault, Mistake
from rasid.records import Record, write_exact
from rasid.reliability import RELIABILITY_HEADER, reliability_rows
from rasid.thresholds import THRESHOLD_HEADER, threshold_rows

_PARTS = {"length in words": r"\d\+? words?", "depth": r"depth \d\+?", "surface in the training data": r"(?:un)?seen"}


def write_page(found: Evaluation, log: ErrorLog, folder: Path) -> None:
    """report.html in `folder`, and errors.jsonl and errors.md, which list every mistake of it. Raises DataError."""
    log.write(folder / ERRORS_FILE, *found.sides)
    write_exact(folder / "report.html", _page(found, log.listing(), log.counts.faults, ERRORS_FILE))


def evaluation_page(
    found: Evaluation, gold: Sequence[Record], predicted: Sequence[Record], wrong: Sequence[Mistake], full_list: str
) -> str:
    """The page of records that are all there; `wrong` are all their mistakes, `full_list` names the file that lists
    them."""
    articles = {left.doc: (left, right) for left, right in zip(gold, predicted, strict=True)}
    rows: list[Flat] = []
    for doc, own in groupby(thin(wrong, lambda each: each.fault), lambda each: each.doc):
        rows += mistake_rows(own, [Side.of(record) for record in articles[doc]])
    listing = Listing(LINES, FACETS, rows, len(wrong))
    return _page(found, listing, count_mistakes(wrong).faults, full_list)


def _page(found: Evaluation, listing: Listing, faults: Mapping[Fault, int], full_list: str) -> str:
    by_type = found.entities["nested"].scores.by_type
    counts = confusion(faults, {name: score.support for name, score in by_type.items()})
    return report_page(
        "evaluation.html",
        "Evaluation report",
        evaluation=found,
        headline=list(_headline(found)),
        groups=list(_groups(found)),
        confusion=counts,
        confusion_chart=confusion_chart(counts),
        ends=ENDS,
        kinds=count_kinds(faults, *found.sides),
        meaning=MEANING,
        total=listing.total,
        reliability=[
            (calibration_caption(name, each), reliability_chart(name, each))
            for name, each in found.scores.items()
            if each.count
        ],
        reliability_header=RELIABILITY_HEADER,
        reliability_rows=reliability_rows(found.scores),
        threshold_header=THRESHOLD_HEADER,
        thresholds=threshold_rows(found.thresholds),
        listing=listing,
        data=safe_json(listing.tree()),
        full_list=full_list,
    )


def _headline(found: Evaluation) -> Iterator[FigureTable]:
    rows = []
    for view, each in found.entities.items():
        strict = score_row(f"{view}, strict", each.scores.micro, each.f1, strong=view == "nested")
        others = [
            score_row(f"{view}, {name}", of.score, of.f1) for name, of in each.schemes.items() if name != "strict"
        ]
        rows += [strict, *others]
    yield FigureTable("Entities", "view and scheme", tuple(rows))
    scores, f1 = found.clusters.scores, found.clusters.f1
    named = {"b3": ("B3", scores.b3), "ceaf": ("CEAF-e", scores.ceaf), "muc": ("MUC", scores.muc)}
    clusters = tuple(score_row(label, score, f1[name]) for name, (label, score) in named.items())
    yield FigureTable(f"Clusters (CoNLL mean {scores.conll:.3f})", "measure", clusters)
    yield FigureTable("Stance", "scope and measure", tuple(_stances(found)))
    labels = [
        estimate_row(
            f"{name}, {measure}", "value", value, [("gold", f"{each.support:,}"), ("missed", str(each.missed))]
        )
        for name, each in found.labels.items()
        for measure, value in (("accuracy", each.accuracy), ("macro-F1", each.macro_f1))
    ]
    if labels:
        yield FigureTable("Labels of articles", "head and measure", tuple(labels))


def _stances(found: Evaluation) -> Iterator[FigureRow]:
    for scope, each in found.stances.items():
        for measure, value in (("macro-F1", each.macro_f1), ("accuracy", each.accuracy)):
            counts = [("gold", each.support), ("missed", each.missed), ("unjudged", each.unjudged)]
            rest = [(name, f"{count:,}") for name, count in counts]
            yield estimate_row(f"per {scope}, {measure}", "value", value, rest)


def _groups(found: Evaluation) -> Iterator[FigureTable]:
    """One table for the types, one for each other way in which the groups of an evaluation split the entities."""
    parts: defaultdict[str, list[FigureRow]] = defaultdict(list)
    for name, each in found.groups.items():
        part = next((part for part, names in _PARTS.items() if re.fullmatch(names, name)), "type")
        row = score_row(name, each.score, each.f1)
        parts[part].append(replace(row, type=name) if part == "type" else row)
    for part in sorted(parts, key=lambda part: part != "type"):
        yield FigureTable(f"F1 by {part}", part, tuple(parts[part]))

"""Robustness slices: what each kind of perturbed spelling costs in F1, on the same texts, with a paired interval.

The text is perturbed, the gold moves with it, and the model reads it anew. This module knows counts and records; how
a model predicts is the caller's business.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import get_args

from rasid.annotations import Annotated
from rasid.errors import DataError
from rasid.metrics import Unit, View, outermost, span_f1, span_row, split_unit
from rasid.perturb import PERTURBATIONS, Changes, Perturbed, perturb
from rasid.records import Entity, Record
from rasid.tables import table
from rasid.text import Span, passages
from rasid.uncertainty import Estimate, Row, bootstrap

POINTS = 100  # of F1
FEW_ARTICLES = 10  # below this the bootstrap draws passages
Predict = Callable[[Sequence[tuple[str, str]]], Sequence[Record]]


@dataclass(frozen=True, slots=True)
class SliceScore:
    """One perturbation: micro F1 under it, points of F1 lost against the clean text (with the interval of the paired
    bootstrap), and the share of the gold mentions whose characters it changed."""

    f1: Estimate
    loss: Estimate
    touched: float


@dataclass(frozen=True, slots=True)
class Robustness:
    """A table of slices under one measure. `unit` says what the `units` drawn by the bootstrap are."""

    measure: str
    unit: str
    units: int
    seeds: tuple[int, ...]
    clean: Estimate
    slices: dict[str, SliceScore]

    def render(self) -> str:
        """The table, as Markdown that also reads well in a terminal."""
        header = ["spelling", "F1", "low", "high", "points lost", "low", "high", "mentions changed"]
        rows = [["clean", *_numbers(self.clean, 3), "", "", "", ""]]
        rows += [
            [name.replace("_", " "), *_numbers(each.f1, 3), *_numbers(each.loss, 1), f"{each.touched:.0%}"]
            for name, each in self.slices.items()
        ]
        title = f"{self.measure}; 95 % bootstrap over {self.units} {self.unit}; perturbation seeds "
        return f"{title}{', '.join(map(str, self.seeds))}\n\n{table(header, rows)}"


def _numbers(estimate: Estimate, digits: int) -> list[str]:
    return [f"{value:.{digits}f}" for value in (estimate.value, estimate.low, estimate.high)]


def _loss(row: Row) -> float:
    return POINTS * (span_f1(row[:3]) - span_f1(row[3:]))


@dataclass(frozen=True, slots=True)
class Counts:
    """Rows [correct, predicted, gold] of the units of one perturbation, summed over its seeds, and how many gold
    mentions were changed."""

    rows: Sequence[Row]
    touched: float


def summarise(
    measure: str, unit: str, clean: Sequence[Row], perturbed: Mapping[str, Counts], seeds: Sequence[int]
) -> Robustness:
    """The table from counts: `clean` and every `Counts.rows` hold the same units in the same order (ValueError)."""
    slices = {}
    for name, counts in perturbed.items():
        # With several perturbation seeds a unit stands several times on one side; F1 is a ratio, so the sums compare.
        pairs = [(*before, *after) for before, after in zip(clean, counts.rows, strict=True)]
        slices[name] = SliceScore(bootstrap(counts.rows, span_f1), bootstrap(pairs, _loss), counts.touched)
    return Robustness(measure, unit, len(clean), tuple(seeds), bootstrap(clean, span_f1), slices)


def summed(parts: Sequence[Sequence[Row]]) -> list[Row]:
    """Rows of the same units added up over several readings of them."""
    return [tuple(map(sum, zip(*rows, strict=True))) for rows in zip(*parts, strict=True)]


def touched(texts: Sequence[str], spans: Sequence[Sequence[Span]], perturbed: Sequence[Perturbed]) -> float:
    """Share of the spans whose characters are no longer the same; 0.0 when there is no span."""
    changed = [
        span.of(text) != other.move(span).of(other.text)
        for text, own, other in zip(texts, spans, perturbed, strict=True)
        for span in own
    ]
    return sum(changed) / len(changed) if changed else 0.0


def moved(entities: Sequence[Entity], perturbed: Perturbed) -> tuple[Entity, ...]:
    """Entities on the perturbed text; one of which no character is left is dropped."""
    found = []
    for entity in entities:
        place = perturbed.move(entity.span)
        if len(place):
            change = {"start": place.start, "end": place.end, "surface": place.of(perturbed.text)}
            found.append(entity.model_copy(update=change))
    return tuple(found)


@dataclass(frozen=True, slots=True)
class _Reading:
    """All articles as they are read once: the text, the passages and gold of each, and what was predicted."""

    passages: Sequence[Sequence[Span]]
    gold: Sequence[tuple[Entity, ...]]
    predicted: Sequence[tuple[Entity, ...]]

    def rows(self, view: View, by_passage: bool) -> list[Row]:
        rows: list[Row] = []
        for parts, gold, predicted in zip(self.passages, self.gold, self.predicted, strict=True):
            sides = (gold, predicted) if view == "nested" else (outermost(gold), outermost(predicted))
            units = split_unit(Unit(*sides), parts) if by_passage else [Unit(*sides)]
            rows += [span_row(unit) for unit in units]
        return rows


def _reading(gold: Sequence[Annotated], texts: Sequence[Perturbed], records: Sequence[Record]) -> _Reading:
    return _Reading(
        [[text.move(part) for part in passages(each.text)] for each, text in zip(gold, texts, strict=True)],
        [moved(each.record.entities, text) for each, text in zip(gold, texts, strict=True)],
        [record.entities for record in records],
    )


def _read(gold: Sequence[Annotated], versions: Sequence[Sequence[Perturbed]], predict: Predict) -> list[_Reading]:
    """A reading of every version of the articles; the model is asked once for all of them."""
    asked = [(each.record.doc, text.text) for texts in versions for each, text in zip(gold, texts, strict=True)]
    records = predict(asked)
    parts = [records[start : start + len(gold)] for start in range(0, len(records), len(gold))]
    return [_reading(gold, texts, part) for texts, part in zip(versions, parts, strict=True)]


def record_slices(gold: Sequence[Annotated], predict: Predict, seeds: Sequence[int] = (0,)) -> list[Robustness]:
    """Tables of the entities of gold records, nested and outermost, strict spans.

    `predict` gives a record for each (doc, text), in order; docs repeat. Below FEW_ARTICLES articles the bootstrap
    draws passages.
    """
    by_passage = len(gold) < FEW_ARTICLES
    texts, spans = [each.text for each in gold], [[e.span for e in each.record.entities] for each in gold]
    as_is = [Changes().applied(text) for text in texts]
    versions = {name: [[perturb(name, text, seed) for text in texts] for seed in seeds] for name in PERTURBATIONS}
    clean, *others = _read(gold, [as_is, *(one for own in versions.values() for one in own)], predict)
    found = {name: others[n * len(seeds) : (n + 1) * len(seeds)] for n, name in enumerate(versions)}
    shares = {name: sum(touched(texts, spans, one) for one in own) / len(own) for name, own in versions.items()}
    tables = []
    for view in get_args(View):
        counts = {
            name: Counts(summed([each.rows(view, by_passage) for each in own]), shares[name])
            for name, own in found.items()
        }
        unit = "passages" if by_passage else "articles"
        own = clean.rows(view, by_passage)
        tables.append(summarise(f"entities, strict, {view}", unit, own, counts, seeds))
    return tables


def write_slices(tables: Sequence[Robustness], folder: Path) -> None:
    """robustness.json and robustness.md in `folder`. Raises DataError when it cannot be written."""
    page = "\n\n".join(["# Robustness", *(each.render() for each in tables)])
    tree = json.dumps([asdict(each) for each in tables], ensure_ascii=False, indent=1)
    for name, content in (("robustness.json", tree), ("robustness.md", page)):
        try:
            folder.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(f"{content}\n", encoding="utf-8")
        except OSError as error:
            raise DataError(f"{folder / name}: cannot be written ({error.strerror})") from None

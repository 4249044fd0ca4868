"""Figures of finished models on one gold set: what a score is made of, kept as counts, so that runs can be averaged and
one bootstrap serves them all.

A figure is a measure (strict, lenient, nested, macro-F1 ...) of a part (all, a type, seen or unseen mentions). It knows
gold and predictions; where they come from and what is trained stands elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from statistics import fmean

import torch

from rasid.matching import surface_key
from rasid.metrics import ratio, span_f1
from rasid.model import Head, Loaded, load_model
from rasid.text import Span
from rasid.uncertainty import Row, over_runs

from .config import Source
from .evaluation import predict_entities, predict_labels, predict_pairs, to_words, token_tags
from .exam import Exam
from .sources import GoldText, Typed

ALL, SEEN, UNSEEN = "all", "seen", "unseen"


def finished_model(name: str) -> Loaded:
    """A model by folder or shipped name, on the device that training takes: CUDA where present."""
    return load_model(name, "cuda" if torch.cuda.is_available() else "cpu")


@dataclass(frozen=True, slots=True)
class Figure:
    """One model's score of one part: `rows` are additive counts, one row for each unit that the bootstrap draws;
    `score` makes a number in [0, 1] from their sum. `support` counts gold mentions, or questions."""

    measure: str
    part: str
    rows: Sequence[Row]
    score: Callable[[Row], float]
    support: int

    @property
    def value(self) -> float:
        return self.score([sum(column) for column in zip(*self.rows, strict=True)])


@dataclass(frozen=True, slots=True)
class MeanFigure:
    """A figure over several runs: mean, sample standard deviation (None for one run), and the 95 % bootstrap interval
    of the mean over the units of the gold set. The interval says what another gold set of the kind might give; the
    spread says what another seed would."""

    measure: str
    part: str
    by_run: tuple[float, ...]
    mean: float
    spread: float | None
    low: float
    high: float
    support: int

    def __str__(self) -> str:
        return f"{self.mean:.3f}" + ("" if self.spread is None else f" ± {self.spread:.3f}")


def mean_figure(runs: Sequence[Figure]) -> MeanFigure:
    """The mean of the same figure of several runs on the same units."""
    first = runs[0]
    over = over_runs([run.rows for run in runs], first.score)
    return MeanFigure(
        measure=first.measure,
        part=first.part,
        by_run=over.by_run,
        mean=over.mean,
        spread=over.spread,
        low=over.low,
        high=over.high,
        support=first.support,
    )


@dataclass(frozen=True, slots=True)
class Units:
    """What the bootstrap draws: the name of the units, and the unit of every gold text in turn."""

    kind: str
    of: Sequence[str]

    @property
    def count(self) -> int:
        return len(set(self.of))


def units_of(docs: Sequence[str], source: Source) -> Units:
    """Articles where the source has them, whole blocks where it is split by blocks, else every text for itself."""
    if source.blocks is not None:
        size = source.blocks.size
        return Units(f"blocks of {size} sentences", [str(int(doc.rpartition(":")[2]) // size) for doc in docs])
    if source.reader in ("annotations", "annotated-stances"):
        return Units("articles", list(docs))
    sentences = f"runs of sentences of up to {source.join} words" if source.join else "sentences"
    return Units("texts" if source.reader == "labelled" else sentences, [str(i) for i in range(len(docs))])


def settled(gold: GoldText) -> GoldText:
    """`gold` with its spans cut the way predictions are: whole words, punctuation at the ends left out."""
    return replace(gold, entities=tuple(to_words(gold)))


def chunks(tokens: Sequence[Span], tags: Sequence[str], strict: bool) -> frozenset[Typed]:
    """The entities that seqeval reads in one sentence's tags: IOB2 to the letter, or leniently as conlleval does."""
    from seqeval.metrics.sequence_labeling import get_entities
    from seqeval.scheme import IOB2, Entities

    if strict:
        found = [(each.tag, each.start, each.end) for each in Entities([list(tags)], IOB2).entities[0]]
    else:
        found = [(kind, start, last + 1) for kind, start, last in get_entities(list(tags))]
    return frozenset(Typed(Span(tokens[start].start, tokens[end - 1].end), kind) for kind, start, end in found)


@dataclass(frozen=True, slots=True)
class Sides:
    """The entities of one text under one measure."""

    text: str
    gold: frozenset[Typed]
    predicted: frozenset[Typed]

    def row(self, keep: Callable[[Typed, str], bool]) -> Row:
        """[correct, predicted, gold] of the entities to keep, each judged by its own type and surface."""
        gold = {each for each in self.gold if keep(each, self.text)}
        predicted = {each for each in self.predicted if keep(each, self.text)}
        return (len(gold & predicted), len(predicted), len(gold))


def measures_of(nested: bool, gold: Sequence[GoldText]) -> tuple[str, ...]:
    """`nested` (or `spans`) for spans as they are; `strict` and `lenient` where every token has one tag."""
    if nested:
        return ("nested",)
    return ("spans",) if any(each.tags is None for each in gold) else ("strict", "lenient")


def sides_of(gold: GoldText, predicted: Sequence[Typed], measure: str) -> Sides:
    """Both sides of a settled text under one of `measures_of`."""
    if measure not in ("strict", "lenient"):
        return Sides(gold.text, frozenset(gold.entities), frozenset(predicted))
    read = token_tags(gold.tokens or (), predicted)
    return Sides(gold.text, _tagged(gold, gold.tags or (), measure), _tagged(gold, read, measure))


def _tagged(gold: GoldText, tags: Sequence[str], measure: str) -> frozenset[Typed]:
    """The entities of a text's tags, sentence by sentence: none goes on into the next."""
    sentences = zip(gold.starts, gold.by_sentence(tags), strict=True)
    tokens = gold.tokens or ()
    found = (chunks(tokens[start : start + len(own)], own, measure == "strict") for start, own in sentences)
    return frozenset(entity for each in found for entity in each)


def summed_by_unit(rows: Sequence[Row], units: Sequence[str]) -> list[Row]:
    """Rows of texts added up by unit, units in order of first appearance."""
    totals: dict[str, list[float]] = {}
    for row, unit in zip(rows, units, strict=True):
        known = totals.setdefault(unit, [0.0] * len(row))
        totals[unit] = [a + b for a, b in zip(known, row, strict=True)]
    return list(totals.values())


def text_figures(
    gold: Sequence[GoldText], predicted: Sequence[Sequence[Typed]], nested: bool, units: Units, known: Collection[str]
) -> list[Figure]:
    """Micro F1 of entities under every measure: of all, of each type in the gold, of seen and of unseen mentions.

    `gold` is settled: its spans are taken as they are. A mention is seen when its `surface_key` is in `known`; gold and
    predictions each go by their own surface.
    """
    types = sorted({entity.type for each in gold for entity in each.entities})
    parts: dict[str, Callable[[Typed, str], bool]] = {ALL: lambda entity, text: True}
    for kind in types:
        parts[kind] = lambda entity, text, kind=kind: entity.type == kind  # type: ignore[misc]
    parts[SEEN] = lambda entity, text: surface_key(entity.span.of(text)) in known
    parts[UNSEEN] = lambda entity, text: surface_key(entity.span.of(text)) not in known
    figures = []
    for measure in measures_of(nested, gold):
        sides = [sides_of(g, p, measure) for g, p in zip(gold, predicted, strict=True)]
        for part, keep in parts.items():
            rows = summed_by_unit([side.row(keep) for side in sides], units.of)
            figures.append(Figure(measure, part, rows, span_f1, int(sum(row[2] for row in rows))))
    return figures


def _macro(row: Row) -> float:
    """Mean F1 of labels from [gold, predicted, both] of each."""
    return fmean(ratio(2 * row[i + 2], row[i] + row[i + 1]) for i in range(0, len(row), 3))


def _accuracy(row: Row) -> float:
    return ratio(row[0], row[1])


def label_figures(
    gold: Sequence[tuple[str, ...]], predicted: Sequence[tuple[str, ...]], labels: Sequence[str], units: Units
) -> list[Figure]:
    """Macro-F1 over `labels`, and accuracy (all labels of an item right), of items with one label or several."""
    pairs = list(zip(gold, predicted, strict=True))
    counts = [[int(n) for k in labels for n in (k in g, k in p, k in g and k in p)] for g, p in pairs]
    right = [[int(set(g) == set(p)), 1] for g, p in pairs]
    return [
        Figure("macro F1", ALL, summed_by_unit(counts, units.of), _macro, len(pairs)),
        Figure("accuracy", ALL, summed_by_unit(right, units.of), _accuracy, len(pairs)),
    ]


def figures_of(loaded: Loaded, exam: Exam, head: Head, source: Source, known: Collection[str]) -> list[Figure]:
    """All figures of a model on one held-out set, read with the exam's head."""
    units = exam_units(exam, source)
    if exam.texts:
        predicted = predict_entities(loaded, exam.head, [gold.text for gold in exam.texts])
        return text_figures([settled(gold) for gold in exam.texts], predicted, head.nested, units, known)
    if exam.pairs:
        answers = [(label,) for label in predict_pairs(loaded, exam.head, [gold.pair for gold in exam.pairs])]
        sides = [label for label in head.labels if label != "none"]  # as in SemEval-2016 task 6
        return label_figures([(gold.label,) for gold in exam.pairs], answers, sides, units)
    found = predict_labels(loaded, exam.head, [gold.text for gold in exam.articles])
    return label_figures([gold.labels for gold in exam.articles], found, head.labels, units)


def exam_units(exam: Exam, source: Source) -> Units:
    """The units of a held-out set; pairs are drawn by their group, the claim or article they belong to."""
    if exam.pairs:
        return Units("articles or claims", [gold.group for gold in exam.pairs])
    docs = [gold.doc for gold in exam.texts] or [gold.doc for gold in exam.articles]
    return units_of(docs, source)

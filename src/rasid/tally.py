"""A tally: what an evaluation keeps of the articles that it has seen, so that their records can go.

Counts of figures, scores with their answers, labels: some kilobytes of an article. Tallies of parts of a set are joined
in its order, and what is read off them does not depend on where it was cut. Knows no files and no figures.
"""

from __future__ import annotations

from array import array
from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from typing import get_args

from rasid.clustermetrics import StancePair, stance_pairs
from rasid.counts import Counts, article_rows, article_table
from rasid.labelmetrics import Asked, asked
from rasid.matching import Group, Key, outcomes
from rasid.metrics import SpanCounts, View, article_unit
from rasid.records import ModelInfo, Record
from rasid.thresholds import at_least, trials

KINDS = ("entities", "stance per passage", "stance per article")


@dataclass(slots=True)
class Answers:
    """Scored answers of one kind: score, right (1) or not (0), number of the article."""

    scores: array[float] = field(default_factory=lambda: array("d"))
    right: array[int] = field(default_factory=lambda: array("b"))
    articles: array[int] = field(default_factory=lambda: array("L"))

    def extend(self, scores: Sequence[float], right: Sequence[bool], article: int) -> None:
        self.scores.extend(scores)
        self.right.extend(right)
        self.articles.extend([article] * len(scores))

    def join(self, other: Answers, first: int) -> None:
        """Other answers after these; their article 0 is `first` here."""
        self.scores.extend(other.scores)
        self.right.extend(other.right)
        self.articles.extend([first + number for number in other.articles])


@dataclass(slots=True)
class StanceCount:
    """Pairs of one scope: how many there are, those that the gold judges, and those of them without a prediction."""

    asked: int = 0
    judged: int = 0
    missed: int = 0

    def add(self, pair: StancePair) -> None:
        self.asked += 1
        self.judged += pair.gold is not None
        self.missed += pair.gold is not None and pair.predicted is None

    def join(self, other: StanceCount) -> None:
        self.asked, self.judged = self.asked + other.asked, self.judged + other.judged
        self.missed += other.missed


class Tally:
    """The articles of a set, or of a part of it, in order.

    `scored` says whether any entity had a score. `trials` are of all predicted spans, whatever they score (the number
    of the article stays 0); all else is of those that score enough.
    """

    def __init__(self) -> None:
        self.docs: list[str] = []
        self.rows = article_table()
        self.spans = {view: SpanCounts() for view in get_args(View)}
        self.models: dict[str, ModelInfo] = {}
        self.scored = False
        self.trials = Answers()
        self.answers = {kind: Answers() for kind in KINDS}
        self.stances = {"passage": StanceCount(), "article": StanceCount()}
        self.labels: defaultdict[str, list[Asked]] = defaultdict(list)

    @property
    def counts(self) -> Counts:
        """The figures' counts, article by article."""
        return self.rows.counts(self.docs)

    def add(self, gold: Record, given: Record, predicted: Record, seen: Group | None) -> None:
        """One more article; `predicted` is what is scored of the `given` prediction. Raises ValueError when they are
        of two articles."""
        pairs = stance_pairs(gold, predicted)
        found = {view: outcomes(article_unit(gold, predicted, view)) for view in self.spans}
        self.rows.add(article_rows(gold, predicted, found, pairs, seen))
        for view, counts in self.spans.items():
            counts.add(found[view].gold.keys(), found[view].predicted.keys())
        if predicted.model:
            self.models.setdefault(predicted.model.model_dump_json(), predicted.model)
        self.scored = self.scored or any(entity.score is not None for entity in given.entities)
        tried = list(trials(gold, given))
        self.trials.extend([score for score, _ in tried], [right for _, right in tried], 0)
        self._answer(predicted, found["nested"].gold.keys(), pairs)
        for pair in pairs:
            self.stances["article" if pair.scope == "article" else "passage"].add(pair)
        for name, each in asked(gold, predicted).items():
            self.labels[name].append(each)
        self.docs.append(gold.doc)

    def _answer(self, predicted: Record, known: Collection[Key], pairs: Sequence[StancePair]) -> None:
        """The scores of one article against the truth, `known` being its gold entities; what the gold does not judge is
        left out."""
        number = len(self.docs)
        answered = [entity for entity in predicted.entities if entity.score is not None]
        right = [(entity.start, entity.end, entity.type) in known for entity in answered]
        self.answers["entities"].extend([entity.score or 0.0 for entity in answered], right, number)
        scores = {(each.target, each.scope): each.score for each in predicted.stances if each.holder == "author"}
        for pair in pairs:
            if pair.gold is not None and pair.counterpart is not None and pair.predicted is not None:
                kind = "stance per article" if pair.scope == "article" else "stance per passage"
                score = scores[pair.counterpart, pair.scope]
                if score is not None:
                    self.answers[kind].extend([score], [pair.gold == pair.predicted], number)

    def join(self, other: Tally) -> None:
        """The articles of another tally after those of this one."""
        first = len(self.docs)
        self.rows.join(other.rows)
        for view, counts in self.spans.items():
            counts.join(other.spans[view])
        self.models = {**self.models, **other.models}
        self.scored = self.scored or other.scored
        self.trials.join(other.trials, 0)
        for kind, answers in self.answers.items():
            answers.join(other.answers[kind], first)
        for scope, stances in self.stances.items():
            stances.join(other.stances[scope])
        for name, found in other.labels.items():
            self.labels[name] += found
        self.docs += other.docs


@dataclass(frozen=True, slots=True)
class Counting:
    """How articles are counted: entities below `least` are left out, `seen` (of `matching.by_seen`) splits surfaces."""

    least: float = 0.0
    seen: Group | None = None

    def kept(self, record: Record) -> Record:
        """What is scored of a prediction."""
        return at_least(record, self.least)


def pooled_answers(tallies: Sequence[Tally]) -> Iterator[tuple[str, Answers]]:
    """The answers of several runs by kind, where there are any; an article that all of them answer for is one draw of
    the bootstrap, so the runs must be of the same articles in the same order."""
    for kind in KINDS:
        found = Answers()
        for each in tallies:
            found.join(each.answers[kind], 0)
        if len(found.scores):
            yield kind, found

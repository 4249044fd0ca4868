"""A held-out set for one head: what the model says of its items, and what that is worth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from rasid.model import Head, Loaded

from .config import Source
from .evaluation import judge_pairs, judge_texts, predict_entities, predict_labels, predict_pairs, score_articles
from .labelled import Labelled, read_labelled
from .sources import GoldPair, GoldText, mapped, read_pairs, read_texts


@dataclass(frozen=True)
class Exam:
    """A held-out set for one head."""

    head: str
    texts: Sequence[GoldText] = ()
    pairs: Sequence[GoldPair] = ()
    articles: Sequence[Labelled] = ()

    @property
    def items(self) -> Sequence[GoldText] | Sequence[GoldPair] | Sequence[Labelled]:
        return self.articles or self.texts or self.pairs

    def answers(self, loaded: Loaded, items: Sequence[Any]) -> Sequence[Any]:
        """What the model says of some of the items: typed spans, a class, or an article's labels."""
        if self.articles:
            return predict_labels(loaded, self.head, [article.text for article in items])
        if self.texts:
            return predict_entities(loaded, self.head, [gold.text for gold in items])
        return predict_pairs(loaded, self.head, [gold.pair for gold in items])

    def judge(self, head: Head, answers: Sequence[Any]) -> dict[str, float]:
        """The scores of answers to all items, in their order."""
        if self.articles:
            return score_articles(self.articles, answers)
        if self.texts:
            return judge_texts(head, self.texts, answers)
        return judge_pairs(head, self.pairs, answers)

    def score(self, loaded: Loaded, answers: Sequence[Any] | None = None) -> dict[str, float]:
        """`answers`: what the model says of the items, where that is known already."""
        head = loaded.model.config.named_heads[self.head]
        return self.judge(head, self.answers(loaded, self.items) if answers is None else answers)


def exam(source: Source, head: Head) -> Exam:
    """The held-out set that a source holds."""
    if head.kind == "pair":
        return Exam(source.head, pairs=read_pairs(source, head.labels))
    if head.kind == "text":
        return Exam(source.head, articles=read_labelled(source, head.labels, head.multilabel))
    return Exam(source.head, texts=[mapped(gold, source) for gold in read_texts(source)])

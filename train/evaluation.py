"""Scores a model on gold texts, pairs and articles while it trains and when it is done."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from rasid.evidence import article_spans
from rasid.labelmetrics import label_scores
from rasid.metrics import conll_scores
from rasid.model import Head, Loaded
from rasid.repair import read_words
from rasid.scoring import Pair, pair_probs
from rasid.text import Span, trimmed
from rasid.textscoring import chosen, read_articles, word_log_probs

from .labelled import Labelled
from .sources import GoldPair, GoldText, Typed


@dataclass(frozen=True, slots=True)
class Scored:
    """A predicted span with its raw score, the geometric mean of its labels' probabilities."""

    entity: Typed
    score: float


def predict_entities(loaded: Loaded, head: str, texts: Sequence[str]) -> list[list[Typed]]:
    """Typed spans of each text, as offsets."""
    return [[one.entity for one in found] for found in scored_entities(loaded, head, texts)]


def scored_entities(loaded: Loaded, head: str, texts: Sequence[str]) -> list[list[Scored]]:
    """Typed spans of each text with their raw scores."""
    section = loaded.model.config.named_heads[head]
    inventory = section.inventory
    cuts = [read_words(text, loaded.model.config.repair) for text in texts]
    words = [[w.of(t) for w in cut] for cut, t in zip(cuts, texts, strict=True)]
    scores = word_log_probs(loaded, head, words)
    found: list[list[Scored]] = []
    for text, cut, own, log_probs in zip(texts, cuts, words, scores, strict=True):
        found.append([])
        for span in article_spans(log_probs, own, inventory, section.lift, section.pooling):
            kept = trimmed(text, cut, span.start, span.end)
            if kept:
                place = Span(cut[kept.start].start, cut[kept.stop - 1].end)
                found[-1].append(Scored(Typed(place, inventory.types[span.type]), span.score))
    return found


def token_tags(tokens: Sequence[Span], entities: Sequence[Typed]) -> list[str]:
    """IOB2 tags of a corpus's own tokens from flat spans: a token belongs to the first span that overlaps it."""
    tags = ["O"] * len(tokens)
    for entity in sorted(entities, key=lambda e: (e.span.start, -e.span.end)):
        inside = [i for i, token in enumerate(tokens) if token.overlaps(entity.span) and tags[i] == "O"]
        for place, i in enumerate(inside):
            tags[i] = ("I-" if place else "B-") + entity.type
    return tags


def f1(gold: int, predicted: int, right: int) -> float:
    return 2 * right / (gold + predicted) if gold + predicted else 0.0


def span_f1(gold: Sequence[Sequence[Typed]], predicted: Sequence[Sequence[Typed]]) -> float:
    """Strict micro-F1 over (span, type), nested spans included."""
    right = sum(len(set(g) & set(p)) for g, p in zip(gold, predicted, strict=True))
    return f1(sum(len(set(g)) for g in gold), sum(len(set(p)) for p in predicted), right)


def judge_texts(head: Head, gold: Sequence[GoldText], predicted: Sequence[Sequence[Typed]]) -> dict[str, float]:
    """Scores of a `tokens` head: strict and lenient seqeval F1 of flat tokenised data, else strict span F1."""
    if head.nested or any(g.tags is None for g in gold):
        return {"span_f1": span_f1([to_words(g) for g in gold], predicted)}
    tags = [token_tags(g.tokens or (), p) for g, p in zip(gold, predicted, strict=True)]
    scores = conll_scores(
        [sentence for g in gold for sentence in g.by_sentence(g.tags or ())],
        [sentence for g, own in zip(gold, tags, strict=True) for sentence in g.by_sentence(own)],
    )
    return {"strict_f1": scores.strict.f1, "lenient_f1": scores.lenient.f1}


def to_words(gold: GoldText) -> list[Typed]:
    """Gold spans with punctuation trimmed at both ends, the way predictions are cut."""
    from .features import covered

    cut = read_words(gold.text)
    found = []
    for entity in gold.entities:
        place = covered(entity.span, cut, gold.text)
        if len(place):
            found.append(Typed(Span(cut[place.start].start, cut[place.stop - 1].end), entity.type))
    return found


def predict_pairs(loaded: Loaded, head: str, pairs: Sequence[Pair]) -> list[str]:
    labels = loaded.model.config.named_heads[head].labels
    return [labels[i] for i in pair_probs(loaded, head, pairs).argmax(axis=1)] if pairs else []


def score_labels(gold: Sequence[str], predicted: Sequence[str], sides: Sequence[str]) -> dict[str, float]:
    """Macro-F1 over `sides` (favor and against, as in SemEval-2016 task 6) and accuracy."""
    per_side = [
        f1(gold.count(side), predicted.count(side), sum(g == p == side for g, p in zip(gold, predicted, strict=True)))
        for side in sides
    ]
    right = sum(g == p for g, p in zip(gold, predicted, strict=True))
    return {"macro_f1": float(np.mean(per_side)), "accuracy": right / max(1, len(gold))}


def judge_pairs(head: Head, gold: Sequence[GoldPair], predicted: Sequence[str]) -> dict[str, float]:
    """Scores of a `pair` head's answers over its classes other than `none`."""
    sides = [label for label in head.labels if label != "none"]
    return score_labels([g.label for g in gold], predicted, sides)


def predict_labels(loaded: Loaded, head: str, texts: Sequence[str]) -> list[tuple[str, ...]]:
    """The labels that a `text` head gives each text, all of which is read."""
    section = loaded.model.config.named_heads[head]
    cuts = [read_words(text, loaded.model.config.repair) for text in texts]
    own = [[w.of(t) for w in cut] for cut, t in zip(cuts, texts, strict=True)]
    probabilities = read_articles(loaded, own, None, [head]).labels[head]
    return [tuple(choice.label for choice in chosen(section, row)) for row in probabilities]


def score_articles(gold: Sequence[Labelled], predicted: Sequence[tuple[str, ...]]) -> dict[str, float]:
    """Scores of what `predict_labels` gave: accuracy (of several labels, all must be right) and macro-F1."""
    scores = label_scores([g.labels for g in gold], predicted)
    return {"accuracy": scores.accuracy.value, "macro_f1": scores.macro_f1.value}

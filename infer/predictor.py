"""Articles to records: words, labels, mentions, clusters and stances, for several articles at once.

It puts the room's parts in order and knows nothing of files or of how a model computes.
"""

from __future__ import annotations

from collections.abc import Sequence

from rasid import __version__
from rasid.decode import spans
from rasid.records import Entity, ModelInfo, Record, sha256_of
from rasid.scoring import Pair
from rasid.text import words

from .clusters import Resolution, resolve
from .engine import Engine, Floats
from .mentions import Mention, mentions
from .readers import Article
from .stances import Question, questions, rounded, stances

_BOM = "\ufeff"


def predict(engine: Engine, articles: Sequence[Article]) -> list[Record]:
    """One record per article, in order. A record does not depend on the other articles, beyond float
    rounding."""
    found = _mentions(engine, [article.text for article in articles])
    resolved = [resolve(article.text, m) for article, m in zip(articles, found, strict=True)]
    asked = [
        questions(article.text, m, r) if engine.stance_head else []
        for article, m, r in zip(articles, found, resolved, strict=True)
    ]
    pairs = [
        Pair(question.name, question.passage.of(article.text))
        for article, of_article in zip(articles, asked, strict=True)
        for question in of_article
    ]
    answers = engine.stance_scores(pairs)
    info = ModelInfo(name=engine.loaded.name, revision=engine.loaded.revision, rasid=__version__)
    records, position = [], 0
    for article, m, r, q in zip(articles, found, resolved, asked, strict=True):
        records.append(_record(article, m, r, q, answers[position : position + len(q)], info))
        position += len(q)
    return records


def _mentions(engine: Engine, texts: Sequence[str]) -> list[list[Mention]]:
    cuts = [words(text) for text in texts]
    scores = engine.word_scores([[word.of(text) for word in cut] for text, cut in zip(texts, cuts, strict=True)])
    inventory = engine.inventory
    return [
        mentions(text, cut, spans(log_probs, inventory), inventory)
        for text, cut, log_probs in zip(texts, cuts, scores, strict=True)
    ]


def _record(
    article: Article,
    found: Sequence[Mention],
    resolution: Resolution,
    asked: Sequence[Question],
    answers: Floats,
    info: ModelInfo,
) -> Record:
    entities = tuple(
        Entity(
            id=f"T{number}",
            type=mention.type,
            start=mention.start,
            end=mention.end,
            surface=mention.surface,
            cluster=cluster,
            score=rounded(mention.score),
        )
        for number, (mention, cluster) in enumerate(zip(found, resolution.of, strict=True), 1)
    )
    return Record(
        doc=article.doc,
        sha256=sha256_of(article.text),
        meta=article.meta,
        entities=entities,
        clusters=resolution.clusters,
        stances=stances(asked, answers),
        model=info,
        warnings=_warnings(article.text),
    )


def _warnings(text: str) -> tuple[str, ...]:
    found = ["byte order mark at the start"] if text.startswith(_BOM) else []
    if not text.strip().strip(_BOM):
        found.append("empty text")
    elif not any(character.isalnum() for character in text):
        found.append("no letter or digit in the text")
    return tuple(found)

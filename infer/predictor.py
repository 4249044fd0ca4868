"""Articles to records: words, mentions, clusters, stances and the articles' labels, for several articles at once.

It puts the room's parts in order and knows nothing of files or of how a model computes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from rasid import __version__
from rasid.places import Place
from rasid.records import Entity, ModelInfo, Record, Stance, sha256_of
from rasid.repair import read_words
from rasid.scoring import Pair, ReadText
from rasid.thresholds import at_least

from .articles import Article, Reject
from .clusters import Resolution, resolve
from .engine import Engine
from .faults import DeviceError, first_line, is_device_fault
from .given import Given, given, is_given, told
from .holders import quoted
from .mentions import Mention, mentions
from .stances import Question, questions, rounded, stances
from .topics import Labels, article_labels

_BOM = "\ufeff"


def predict(engine: Engine, articles: Sequence[Article]) -> list[Record]:
    """One record per article, in order. A record does not depend on the other articles, beyond float
    rounding."""
    texts = [article.text for article in articles]
    repair = engine.repair and engine.loaded.model.config.repair
    cuts = [read_words(text, repair) for text in texts]
    words = [[word.of(text) for word in cut] for text, cut in zip(texts, cuts, strict=True)]
    reading = engine.read(words)
    found = [
        mentions(text, cut, engine.spans(own, scores), engine.inventory)
        for text, cut, own, scores in zip(texts, cuts, words, reading.words, strict=True)
    ]
    labels = article_labels(engine, texts, reading)
    resolved = [resolve(article.text, m, engine.aliases) for article, m in zip(articles, found, strict=True)]
    free = [given(article.text, engine.targets, r) for article, r in zip(articles, resolved, strict=True)]
    asked = [
        _asked(engine, article.text, m, r, g) if engine.stance_head else []
        for article, m, r, g in zip(articles, found, resolved, free, strict=True)
    ]
    pairs = [pair for text, of_article in zip(texts, asked, strict=True) for pair in _pairs(text, of_article)]
    read = zip(texts, cuts, reading.states, strict=True) if reading.states else ()
    known = {text: ReadText(cut, states) for text, cut, states in read if states is not None}
    answers = engine.stance_scores(pairs, known)
    info = ModelInfo(name=engine.loaded.name, revision=engine.loaded.revision, rasid=__version__, engine=engine.label)
    records, position = [], 0
    how = engine.loaded.model.config.aggregation
    for article, m, r, g, q, named in zip(articles, found, resolved, free, asked, labels, strict=True):
        attitudes = told(stances(q, answers[position : position + len(q)], engine.stance_calibration, how), g.clusters)
        whole = replace(r, clusters=(*r.clusters, *g.clusters)) if engine.stance_head else r
        records.append(at_least(_record(article, m, whole, attitudes, named, info), engine.least_score))
        position += len(q)
    return records


def _asked(engine: Engine, text: str, found: Sequence[Mention], resolution: Resolution, free: Given) -> list[Question]:
    """An article's questions: the author's, of models that learn from quotations those to quoted speakers, and those
    about given targets."""
    own = questions(text, found, resolution, free.known)
    speakers = quoted(text, own, found, resolution) if engine.reads_in_place else []
    return [*own, *speakers, *free.questions]


def _pairs(text: str, asked: Sequence[Question]) -> Iterator[Pair]:
    """What the head reads for the questions of an article. Given targets have no place: they are read alone, as claims
    were in training."""
    for question in asked:
        place = None if is_given(question.target) else Place(text, question.read.start)
        yield Pair(question.name, question.read.of(text), question.mentions, place)


def predict_each(engine: Engine, articles: Sequence[Article]) -> list[Record | Reject]:
    """One record per article, in order. When the model fails on them, each is tried alone, and those that fail are
    rejected with the reason.

    Raises DeviceError when it is the device that failed: no article is to blame, and the next would fail too.
    """
    try:
        return [*predict(engine, articles)]
    except Exception as error:  # whatever it is, the articles that come after must not be lost with this one
        if is_device_fault(error):
            raise DeviceError(f"the device failed ({first_line(error)})") from error
        if len(articles) == 1:
            return [Reject(articles[0].where or articles[0].doc, first_line(error))]
    return [result for article in articles for result in predict_each(engine, [article])]


def _record(
    article: Article,
    found: Sequence[Mention],
    resolution: Resolution,
    attitudes: tuple[Stance, ...],
    labels: Labels,
    info: ModelInfo,
) -> Record:
    entities = tuple(
        Entity(
            id=f"T{number}",
            type=mention.type,
            start=mention.start,
            end=mention.end,
            surface=mention.surface,
            name=name,
            cluster=cluster,
            score=rounded(mention.score),
        )
        for number, (mention, name, cluster) in enumerate(zip(found, resolution.names, resolution.of, strict=True), 1)
    )
    return Record(
        doc=article.doc,
        sha256=sha256_of(article.text),
        meta=article.meta,
        entities=entities,
        clusters=resolution.clusters,
        stances=attitudes,
        labels=labels,
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

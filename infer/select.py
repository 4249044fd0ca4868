"""`rasid annotations select`: the articles to annotate next, with what spoke for each of them.

One pass over the inputs, in memory bounded by the budget: of all candidates only the foremost are kept, and the choice
is made among them. The same articles, model and options give the same choice, whatever the order of the inputs.
"""

from __future__ import annotations

import argparse
import hashlib
import heapq
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from rasid.errors import DataError, ModelError
from rasid.records import read_records, sha256_of, write_exact
from rasid.repair import read_words

from .acquisition import Candidate, Floats, Pick, Strategy, choose
from .articles import Article, Columns
from .engine import Engine, choose_device, open_engine
from .intake import Intake

_KEPT = 20  # budgets' worth of words that candidates may have together
_SHOWN = 5  # words that are named as those that the model doubts most
_NO_STATE = np.zeros(1, dtype=np.float32)


@dataclass(frozen=True)
class Annotated:
    """What is done already: the ids of articles, and the digests of their texts."""

    docs: frozenset[str] = frozenset()
    digests: frozenset[str] = frozenset()

    def has(self, article: Article, digest: str) -> bool:
        return article.doc in self.docs or digest in self.digests


def read_annotated(paths: Sequence[Path]) -> Annotated:
    """The records of folders or files. Raises DataError."""
    docs, digests = set(), set()
    for path in paths:
        if not path.exists():
            raise DataError(f"{path}: no such folder or file of annotations")
        for _, record in read_records(path):
            docs.add(record.doc)
            digests.add(record.sha256)
    return Annotated(frozenset(docs), frozenset(digests))


@dataclass(frozen=True)
class Seen:
    """An article with what the choice depends on, and the words that the model doubts most."""

    article: Article
    digest: str
    candidate: Candidate
    unsure: tuple[str, ...]


@dataclass
class Pool:
    """The candidates with the highest `base` score whose words come to at most `room`; the rest is forgotten."""

    strategy: Strategy
    room: int
    words: int = 0
    kept: list[tuple[float, str, Seen]] = field(default_factory=list)  # a heap, the last in rank first

    def add(self, seen: Seen) -> None:
        # Diversity has no ranking of its own: what stays of a backlog that is too long for it is drawn.
        rank = 1.0 - seen.candidate.draw if self.strategy == "diversity" else seen.candidate.base(self.strategy)
        heapq.heappush(self.kept, (rank, seen.digest, seen))
        self.words += seen.candidate.words
        while self.words > self.room:
            self.words -= heapq.heappop(self.kept)[2].candidate.words

    def ranked(self) -> list[Seen]:
        """The first in rank first."""
        return [seen for _, _, seen in sorted(self.kept, key=lambda item: item[:2], reverse=True)]


@dataclass(frozen=True)
class Reader:
    """Articles to what is to be known of them. Without an engine only their lengths are known."""

    engine: Engine | None
    seed: int

    def read(self, articles: Sequence[Article], digests: Sequence[str]) -> Iterator[Seen]:
        repair = self.engine is not None and self.engine.repair and self.engine.loaded.model.config.repair
        cuts = [[word.of(a.text) for word in read_words(a.text, repair)] for a in articles]
        found = self.engine.doubts(cuts) if self.engine else [None] * len(cuts)
        for article, digest, cut, doubt in zip(articles, digests, cuts, found, strict=True):
            draw = _draw(self.seed, digest)
            if doubt is None:
                yield Seen(article, digest, Candidate(len(cut), 0.0, _NO_STATE, draw), ())
                continue
            order = np.argsort(-doubt.nats, kind="stable")
            unsure = tuple(dict.fromkeys(cut[n] for n in order[: 4 * _SHOWN]))[:_SHOWN]
            yield Seen(article, digest, Candidate(len(cut), doubt.total, doubt.state, draw), unsure)


def _draw(seed: int, digest: str) -> float:
    """A text's place in the order that a seed draws, in [0, 1), wherever it stands and whatever stands beside it."""
    number = hashlib.sha256(f"{seed} {digest}".encode()).digest()[:7]
    return int.from_bytes(number) / 2**56


@dataclass
class Counts:
    """What became of the articles that were not candidates."""

    annotated: int = 0
    repeated: int = 0
    empty: int = 0
    long: int = 0

    def __str__(self) -> str:
        told = {
            "annotated already": self.annotated,
            "with the text of another": self.repeated,
            "without a word": self.empty,
            "longer than the budget": self.long,
        }
        return "".join(f", {count} {what}" for what, count in told.items() if count)


@dataclass
class Selection:
    """A choice in the making: candidates, and the annotated articles that stand among the inputs."""

    reader: Reader
    annotated: Annotated
    budget: int
    strategy: Strategy
    counts: Counts = field(default_factory=Counts)
    done: list[Seen] = field(default_factory=list)
    known: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.pool = Pool(self.strategy, max(_KEPT * self.budget, 1))

    def take(self, articles: Sequence[Article]) -> None:
        """Reads some articles; exact repetitions of a text count once."""
        fresh = []
        for article in articles:
            digest = sha256_of(article.text)
            if digest in self.known:
                self.counts.repeated += 1
            else:
                self.known.add(digest)
                fresh.append((article, digest))
        for seen in self.reader.read([article for article, _ in fresh], [digest for _, digest in fresh]):
            if self.annotated.has(seen.article, seen.digest):
                self.counts.annotated += 1
                self.done.append(seen)
            elif not seen.candidate.words:
                self.counts.empty += 1
            elif seen.candidate.words > self.budget:
                self.counts.long += 1
            else:
                self.pool.add(seen)

    def chosen(self) -> list[dict[str, Any]]:
        """A JSON object for each chosen article, in the order of choice, `select` saying what spoke for it."""
        ranked = self.pool.ranked()
        states: list[Floats] = [seen.candidate.state for seen in self.done]
        picks = choose([seen.candidate for seen in ranked], states, self.budget, self.strategy)
        names = [seen.article.doc for seen in (*ranked, *self.done)]
        return [_row(ranked[pick.number], pick, names, self.strategy, place) for place, pick in enumerate(picks, 1)]


def _row(seen: Seen, pick: Pick, names: Sequence[str], strategy: Strategy, place: int) -> dict[str, Any]:
    why: dict[str, Any] = {"rank": place, "strategy": strategy, "words": seen.candidate.words}
    if strategy != "random":
        why |= {
            "score": round(pick.score, 4),
            "doubt": round(seen.candidate.base("uncertainty"), 4),
            "novelty": round(pick.novelty, 4),
            "nearest": None if pick.nearest is None else names[pick.nearest],
            "unsure": list(seen.unsure),
        }
    return {"doc": seen.article.doc, "text": seen.article.text, **seen.article.meta, "select": why}


def _engine(args: argparse.Namespace) -> Engine | None:
    """The model that is asked; none for a random choice. Raises ModelError for one that labels no words."""
    if args.strategy == "random":
        return None
    engine = open_engine(args.model, choose_device(args.device), args.batch_tokens)
    if engine.entity_head is None:
        raise ModelError(
            f"{args.model}: no head of kind tokens, so no words to be unsure of; --strategy random needs none"
        )
    return engine


def run_select(args: argparse.Namespace) -> int:
    """Writes the chosen articles as JSONL and tells how many words they have. Raises DataError when none is chosen."""
    output = Path(args.output)
    annotated = read_annotated(args.annotated)
    intake = Intake([str(name) for name in args.inputs], Columns(args.text_column, args.id_column), output)
    selection = Selection(Reader(_engine(args), args.seed), annotated, args.words, args.strategy)
    for chunk in intake:
        selection.take(chunk)
    rejected = intake.close()
    rows = selection.chosen()
    if not rows:
        raise DataError(f"nothing to choose from: {intake.articles} articles read{selection.counts}")
    write_exact(output, "".join(f"{json.dumps(row, ensure_ascii=False)}\n" for row in rows))
    words = sum(row["select"]["words"] for row in rows)
    print(f"{len(rows)} of {intake.articles} articles chosen, {words} words{selection.counts} -> {output}{rejected}")
    return 0

"""Writes a model's heads as plain transformers folders, and measures each against the model's own records.

A folder for each head: `pipeline("token-classification")` reads that of a `tokens` head, and
`pipeline("text-classification")` those of `pair` and `text` heads, with transformers alone. `export.json` beside them
says where each is from, whether it is exact or fitted, and how often it agreed.
"""

from __future__ import annotations

import copy
import json
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, cast

from transformers import PreTrainedModel, PreTrainedTokenizerFast, pipeline

from rasid import __version__
from rasid.model import Head, Loaded
from rasid.records import Record

from .articles import Article
from .distil import EPOCHS, Agreement, Example, agreement, fit, held_out
from .engine import Engine
from .plain import blank_classifier, has_mean_classifier, text_classifier, token_classifier
from .predictor import predict

SUMMARY = "export.json"
TOKENS, TEXTS = "token-classification", "text-classification"
STRATEGY = "first"  # how the pipeline makes words of pieces; the view's own README says so
How = Literal["exact", "fitted"]
Say = Callable[[str], None]
_AT_ONCE = 16  # articles that the model reads together


@dataclass(frozen=True, slots=True)
class Shared:
    """Spans that the pipeline and the records' outermost entities have in common; `nested` of the pipeline's are
    entities of the records, outermost or not."""

    pipeline: int
    records: int
    equal: int
    nested: int

    @property
    def f1(self) -> float:
        return 2 * self.equal / max(1, self.pipeline + self.records)


@dataclass(frozen=True, slots=True)
class View:
    """One head's folder: the pipeline's task that reads it, how it was made, and what it agreed on."""

    head: str
    task: str
    how: How
    most_pieces: int  # model_max_length: what one call reads
    spans: Shared | None = None
    labels: Agreement | None = None


@dataclass(frozen=True, slots=True)
class Read:
    """An article and its record."""

    article: Article
    record: Record


def read_all(engine: Engine, articles: Sequence[Article]) -> list[Read]:
    """The articles with what the model says of them."""
    found: list[Read] = []
    for start in range(0, len(articles), _AT_ONCE):
        some = articles[start : start + _AT_ONCE]
        found += [Read(a, r) for a, r in zip(some, predict(engine, some), strict=True)]
    return found


def write_views(
    engine: Engine, heads: Sequence[str], read: Sequence[Read], folder: Path, epochs: int = EPOCHS, say: Say = print
) -> list[View]:
    """Writes a folder for each head. Those that have to be fitted are left out, and named, where `read` is empty."""
    makers = {"tokens": _tokens_view, "pair": _fitted_view, "text": _text_view}
    views = []
    for name in heads:
        head = engine.head(name)
        fitted = head.kind == "pair" or (head.kind == "text" and not has_mean_classifier(engine.loaded))
        if fitted and not read:
            say(f"{name}: not written; a {head.kind} head has to be fitted on texts, name some with --texts")
            continue
        views.append(makers[head.kind](_Task(engine.loaded, name, head, read, folder / name, epochs, say)))
    tree = {
        "model": {"name": engine.loaded.name, "revision": engine.loaded.revision, "rasid": __version__},
        "articles": len(read),
        "views": [_without_none(asdict(view)) for view in views],
    }
    (folder / SUMMARY).write_text(f"{json.dumps(tree, indent=2, ensure_ascii=False)}\n", encoding="utf-8")
    return views


@dataclass(frozen=True)
class _Task:
    """What one view is made of and goes to."""

    loaded: Loaded
    name: str
    head: Head
    read: Sequence[Read]
    folder: Path
    epochs: int
    say: Say


def _tokens_view(task: _Task) -> View:
    window = task.loaded.model.config.window
    _save(token_classifier(task.loaded, task.name), task, window)
    shared = shared_spans(task.folder, task.read, task.loaded.model.config.overlap) if task.read else None
    return View(task.name, TOKENS, "exact", window, spans=shared)


def _text_view(task: _Task) -> View:
    if not has_mean_classifier(task.loaded):
        return _fitted_view(task)
    size = task.loaded.model.config.window
    model = text_classifier(task.loaded, task.name)
    tokenizer = _save(model, task, size)
    examples = list(article_examples(task.name, task.read))
    return View(task.name, TEXTS, "exact", size, labels=agreement(model, tokenizer, examples) if examples else None)


def _fitted_view(task: _Task) -> View:
    config = task.loaded.model.config
    pairs = task.head.kind == "pair"
    examples = list(stance_examples(task.read) if pairs else article_examples(task.name, task.read))
    learnt, judged = held_out(examples)
    size = config.pair_window if pairs else config.window
    model = blank_classifier(task.loaded, task.head.labels)
    tokenizer = _tokenizer(task, size)
    task.say(f"{task.name}: fitting on {len(learnt)} answers, {len(judged)} held out")
    fit(model, tokenizer, learnt, task.epochs, say=lambda line: task.say(f"{task.name}: {line}"))
    _save(model, task, size)
    return View(task.name, TEXTS, "fitted", size, labels=agreement(model, tokenizer, judged))


def _tokenizer(task: _Task, size: int) -> PreTrainedTokenizerFast:
    tokenizer = copy.deepcopy(task.loaded.tokenizer)
    tokenizer.model_max_length = size
    return tokenizer


def _save(model: PreTrainedModel, task: _Task, size: int) -> PreTrainedTokenizerFast:
    tokenizer = _tokenizer(task, size)
    model.save_pretrained(task.folder)
    tokenizer.save_pretrained(task.folder)
    return tokenizer


def stance_examples(read: Sequence[Read]) -> Iterator[Example]:
    """Target and passage of each of the author's stances, with its label."""
    for number, one in enumerate(read):
        names = {cluster.id: cluster.name for cluster in one.record.clusters}
        for stance in one.record.stances:
            if stance.scope != "article" and stance.holder == "author":
                start, end = stance.scope
                passage = one.article.text[start:end]
                yield Example(names[stance.target], stance.label, stance.score or 1.0, passage, number)


def article_examples(head: str, read: Sequence[Read]) -> Iterator[Example]:
    """Each article with the label that a `text` head gives it; of several labels the first."""
    for number, one in enumerate(read):
        given = one.record.labels.get(head)
        first = given[0] if isinstance(given, tuple) and given else given
        if first and not isinstance(first, tuple):
            yield Example(one.article.text, first.label, first.score or 1.0, article=number)


def shared_spans(folder: Path, read: Sequence[Read], stride: int) -> Shared:
    """What transformers' own pipeline finds with a view, against the records' outermost entities."""
    reads = entity_pipeline(folder, stride)
    found = equal = wanted = nested = 0
    for one in read:
        spans = pipeline_spans(reads, one.article.text)
        outer = outermost(one.record)
        everything = {(e.start, e.end, e.type) for e in one.record.entities}
        found, wanted = found + len(spans), wanted + len(outer)
        equal, nested = equal + len(spans & outer), nested + len(spans & everything)
    return Shared(found, wanted, equal, nested)


def entity_pipeline(folder: Path, stride: int, strategy: str = STRATEGY) -> Any:
    """transformers' pipeline on a view, reading long texts in overlapping windows."""
    return cast(Any, pipeline)(TOKENS, str(folder), aggregation_strategy=strategy, stride=stride, device="cpu")


def pipeline_spans(reads: Any, text: str) -> set[tuple[int, int, str]]:
    """(start, end, type) of what the pipeline finds."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of tokenizers that mark no continued words: docs/export.md
        return {(one["start"], one["end"], one["entity_group"]) for one in reads(text)} if text.strip() else set()


def outermost(record: Record) -> set[tuple[int, int, str]]:
    """(start, end, type) of the entities that stand in no other."""
    kept: list[tuple[int, int, str]] = []
    for each in sorted(record.entities, key=lambda e: (e.start, -e.end)):
        if not kept or kept[-1][1] <= each.start:
            kept.append((each.start, each.end, each.type))
    return set(kept)


def _without_none(tree: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in tree.items() if value is not None}

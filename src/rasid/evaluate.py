"""Evaluation: predicted records against gold records of the same articles, printed and as a report.

A prediction is an annotation with scores, so like is compared with like, span by span; and scores are held against
what is true: how reliable they are, and what a least score buys. Intervals are bootstrapped over articles. What is
predicted of targets that the gold does not judge is counted, not scored.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import get_args

from rasid.annotations import Annotated, load_annotations
from rasid.clustermetrics import (
    ClusterScores,
    StancePair,
    b3_row,
    ceaf_row,
    cluster_f1,
    cluster_rows,
    cluster_scores,
    confusion,
    muc_row,
    stance_accuracy,
    stance_f1,
    stance_pairs,
)
from rasid.errors import DataError
from rasid.labelmetrics import HEADER, LabelScores, label_rows, record_label_scores
from rasid.labels import WOJOOD
from rasid.metrics import (
    Estimate,
    Score,
    SpanScores,
    View,
    article_units,
    bootstrap,
    span_estimate,
    span_scores,
)
from rasid.mistakes import mistakes, write_mistakes
from rasid.records import ModelInfo, Record, faults, read_records, write_exact
from rasid.reliability import RELIABILITY_HEADER, Reliability, draw, reliability, reliability_rows
from rasid.slices import record_slices, write_slices
from rasid.tables import table
from rasid.thresholds import (
    THRESHOLD_HEADER,
    THRESHOLDS,
    Bought,
    at_least,
    check_threshold,
    threshold_rows,
    what_thresholds_buy,
)

FEW_ARTICLES = 10  # below this an interval over articles says little
_SHOWN = 10  # docs named in an error line


@dataclass(frozen=True, slots=True)
class EntityScores:
    """Strict scores of one view, with the interval of the micro F1."""

    scores: SpanScores
    f1: Estimate


@dataclass(frozen=True, slots=True)
class CoreferenceScores:
    """Cluster scores, with the interval of each F1 by name (`b3`, `ceaf`, `muc`)."""

    scores: ClusterScores
    f1: dict[str, Estimate]


@dataclass(frozen=True, slots=True)
class StanceScores:
    """Author's stances over the gold's (target, scope) pairs: `missed` of the `support` have no prediction.

    `unjudged` predictions have a target or a scope that the gold has no record of.
    """

    macro_f1: Estimate
    accuracy: Estimate
    support: int
    missed: int
    unjudged: int


@dataclass(frozen=True, slots=True)
class Evaluation:
    """All scores of one set of predictions; `models` are those that the predictions name."""

    articles: int
    models: tuple[ModelInfo, ...]
    entities: dict[View, EntityScores]
    clusters: CoreferenceScores
    stances: dict[str, StanceScores]
    labels: dict[str, LabelScores]
    scores: dict[str, Reliability]  # of entities, and of stances per passage and per article
    thresholds: tuple[Bought, ...]  # empty where no entity has a score
    least: float  # entities below it were left out of all but `thresholds`
    warnings: tuple[str, ...]

    def to_json(self) -> str:
        tree = asdict(self) | {"models": [model.model_dump() for model in self.models]}
        return json.dumps(tree, ensure_ascii=False, indent=2)

    def render(self) -> str:
        """The tables, as Markdown that also reads well in a terminal."""
        lines = [f"{self.articles} articles; intervals are 95 %, bootstrapped over articles."]
        lines += [f"Model: {model.name} (revision {model.revision[:12]})" for model in self.models]
        lines += [f"Entities that score below {self.least:g} are left out."] if self.least else []
        lines += [f"Warning: {warning}" for warning in self.warnings]
        header = ["entities, strict", "precision", "recall", "F1", "low", "high", "gold"]
        lines += ["", table(header, list(_entity_rows(self.entities)))]
        header = ["clusters", "precision", "recall", "F1", "low", "high", "gold"]
        lines += ["", table(header, list(_cluster_rows(self.clusters)))]
        header = [
            "stance",
            "macro-F1",
            "low",
            "high",
            "accuracy",
            "low",
            "high",
            "gold",
            "missed",
            "unjudged",
        ]
        lines += ["", table(header, list(_stance_rows(self.stances)))]
        lines += ["", table(HEADER, label_rows(self.labels))] if self.labels else []
        rows = reliability_rows(self.scores)
        lines += ["", table(RELIABILITY_HEADER, rows)] if rows else []
        lines += ["", table(THRESHOLD_HEADER, threshold_rows(self.thresholds))] if self.thresholds else []
        return "\n".join(lines)


def evaluate(gold: Sequence[Annotated], predicted: Sequence[Record], seed: int = 0, least: float = 0.0) -> Evaluation:
    """Scores predictions against gold; `predicted` holds the same articles in the same order (ValueError).

    Entities that score below `least` are left out, with what depends on them.
    """
    records = [article.record for article in gold]
    scored = any(entity.score is not None for record in predicted for entity in record.entities)
    thresholds = what_thresholds_buy(records, predicted, (*THRESHOLDS, least)) if scored else ()
    predicted = [at_least(record, least) for record in predicted]
    entities: dict[View, EntityScores] = {}
    for view in get_args(View):
        units = article_units(records, predicted, view)
        entities[view] = EntityScores(span_scores(units), span_estimate(units, seed=seed))
    rows = {"b3": b3_row, "ceaf": ceaf_row, "muc": muc_row}
    intervals = {
        name: bootstrap(cluster_rows(records, predicted, row), cluster_f1, seed=seed) for name, row in rows.items()
    }
    pairs = [stance_pairs(one, other) for one, other in zip(records, predicted, strict=True)]
    models = {record.model.model_dump_json(): record.model for record in predicted if record.model}
    return Evaluation(
        articles=len(gold),
        models=tuple(models.values()),
        entities=entities,
        clusters=CoreferenceScores(cluster_scores(records, predicted), intervals),
        stances={
            "passage": _stance_scores([[p for p in found if p.scope != "article"] for found in pairs], seed),
            "article": _stance_scores([[p for p in found if p.scope == "article"] for found in pairs], seed),
        },
        labels=record_label_scores(records, predicted, seed),
        scores=_reliabilities(records, predicted, pairs, seed),
        thresholds=thresholds,
        least=least,
        warnings=tuple(_warnings(records, predicted)),
    )


def _stance_scores(pairs: Sequence[Sequence[StancePair]], seed: int) -> StanceScores:
    judged = [[pair for pair in found if pair.gold is not None] for found in pairs]
    rows = [confusion(found) for found in judged]
    support = sum(map(len, judged))
    return StanceScores(
        macro_f1=bootstrap(rows, stance_f1, seed=seed),
        accuracy=bootstrap(rows, stance_accuracy, seed=seed),
        support=support,
        missed=sum(pair.predicted is None for found in judged for pair in found),
        unjudged=sum(map(len, pairs)) - support,
    )


@dataclass(slots=True)
class _Answers:
    """Scored answers of one kind: score, right or not, number of the article."""

    scores: list[float] = field(default_factory=list)
    right: list[bool] = field(default_factory=list)
    articles: list[int] = field(default_factory=list)

    def add(self, score: float | None, right: bool, article: int) -> None:
        if score is not None:
            self.scores.append(score)
            self.right.append(right)
            self.articles.append(article)


def _reliabilities(
    gold: Sequence[Record], predicted: Sequence[Record], pairs: Sequence[Sequence[StancePair]], seed: int
) -> dict[str, Reliability]:
    """Scores against the truth, for every kind of answer that has any; what the gold does not judge is left out."""
    answers = {kind: _Answers() for kind in ("entities", "stance per passage", "stance per article")}
    for number, (left, right, of_article) in enumerate(zip(gold, predicted, pairs, strict=True)):
        known = {(entity.start, entity.end, entity.type) for entity in left.entities}
        for entity in right.entities:
            answers["entities"].add(entity.score, (entity.start, entity.end, entity.type) in known, number)
        scores = {(each.target, each.scope): each.score for each in right.stances if each.holder == "author"}
        for pair in of_article:
            if pair.gold is not None and pair.counterpart is not None and pair.predicted is not None:
                kind = "stance per article" if pair.scope == "article" else "stance per passage"
                answers[kind].add(scores[pair.counterpart, pair.scope], pair.gold == pair.predicted, number)
    return {kind: reliability(own.scores, own.right, own.articles, seed) for kind, own in answers.items() if own.scores}


def _warnings(gold: Sequence[Record], predicted: Sequence[Record]) -> Iterator[str]:
    if len(gold) < FEW_ARTICLES:
        yield f"only {len(gold)} articles: intervals over fewer than {FEW_ARTICLES} are rough"
    known = {entity.type for record in gold for entity in record.entities}
    strange = {entity.type for record in predicted for entity in record.entities} - {*known, *WOJOOD}
    if strange:
        yield f"predicted types that the gold does not have: {', '.join(sorted(strange))}"


def _numbers(values: Sequence[float]) -> list[str]:
    return [f"{value:.3f}" for value in values]


def _score_row(name: str, score: Score, interval: Estimate | None) -> list[str]:
    ends = _numbers([interval.low, interval.high]) if interval else ["", ""]
    return [name, *_numbers([score.precision, score.recall, score.f1]), *ends, str(score.support)]


def _entity_rows(entities: dict[View, EntityScores]) -> Iterator[list[str]]:
    for view, found in entities.items():
        yield _score_row(view, found.scores.micro, found.f1)
    nested = entities["nested"].scores
    yield ["nested, mean of types", "", "", f"{nested.macro:.3f}", "", "", str(nested.micro.support)]
    for label, score in nested.by_type.items():
        yield _score_row(label, score, None)


def _cluster_rows(clusters: CoreferenceScores) -> Iterator[list[str]]:
    scores = clusters.scores
    for name, label, score in (
        ("b3", "B3", scores.b3),
        ("ceaf", "CEAF-e", scores.ceaf),
        ("muc", "MUC", scores.muc),
    ):
        yield _score_row(label, score, clusters.f1[name])
    yield ["CoNLL mean", "", "", f"{scores.conll:.3f}", "", "", ""]


def _stance_rows(stances: dict[str, StanceScores]) -> Iterator[list[str]]:
    for name, found in stances.items():
        numbers = [
            *(found.macro_f1.value, found.macro_f1.low, found.macro_f1.high),
            *(found.accuracy.value, found.accuracy.low, found.accuracy.high),
        ]
        counts = (found.support, found.missed, found.unjudged)
        yield [f"per {name}", *_numbers(numbers), *map(str, counts)]


def _named(docs: Sequence[str]) -> str:
    more = f" and {len(docs) - _SHOWN} more" if len(docs) > _SHOWN else ""
    return ", ".join(docs[:_SHOWN]) + more


def load_predictions(path: Path, gold: Sequence[Annotated]) -> list[Record]:
    """Predicted records from a .jsonl or .json file or a folder, in the order of `gold`.

    Raises DataError when an article is missing, extra or there twice, or when a record does not fit its text.
    """
    if not path.exists():
        raise DataError(f"{path}: no such file or folder of predictions; make one with rasid infer")
    articles = {each.record.doc: each for each in gold}
    found: dict[str, Record] = {}
    extra: list[str] = []
    for where, record in read_records(path):
        if record.doc in found:
            raise DataError(f"{where}: doc {record.doc!r} stands twice in the predictions")
        if record.doc in articles:
            _check_fit(record, articles[record.doc].text, where)
        else:
            extra.append(record.doc)
        found[record.doc] = record
    missing = [doc for doc in articles if doc not in found]
    if missing:
        raise DataError(f"{path}: no prediction for {_named(missing)}")
    if extra:
        raise DataError(f"{path}: predictions of articles that the gold does not have: {_named(extra)}")
    return [found[doc] for doc in articles]


def _check_fit(record: Record, text: str, where: str) -> None:
    """Raises DataError for a prediction that is not sound on the gold's text; its types may be of any inventory."""
    own = {each.type for each in record.entities} | {each.type for each in record.clusters}
    broken = faults(record, text, tuple(sorted({*WOJOOD, *own})))
    if broken:
        raise DataError(f"{where}: doc {record.doc!r}: {broken[0]}")


def _predict(model: str, device: str, gold: Sequence[Annotated]) -> list[Record]:
    from rasid.infer.job import predict_texts  # pulls in torch, which scoring a file does not need

    records = predict_texts([(each.record.doc, each.text) for each in gold], model, device)
    return list(records)


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(f"{folder}: cannot be written ({error.strerror})") from None


def _write_report(evaluation: Evaluation, folder: Path) -> None:
    write_exact(folder / "report.json", f"{evaluation.to_json()}\n")
    write_exact(folder / "report.md", f"# Evaluation\n\n{evaluation.render()}\n")
    if evaluation.scores and not draw(evaluation.scores, folder / "reliability.png"):
        print("rasid: no reliability diagram without matplotlib; pip install 'rasid[plots]'", file=sys.stderr)


def _errors_file(name: Path | str) -> Path:
    path = Path(name)
    if path.suffix != ".jsonl":
        raise DataError(f"--errors {path}: give a .jsonl file for the list; the page is written beside it as .md")
    _make_folder(path.parent)
    return path


def _run_slices(args: argparse.Namespace, gold: Sequence[Annotated], least: float) -> None:
    """Prints the robustness tables of `args.model`, and writes them beside the report."""

    def predict(texts: Sequence[tuple[str, str]]) -> list[Record]:
        from rasid.infer.job import predict_texts

        return [at_least(record, least) for record in predict_texts(texts, str(args.model), args.device)]

    tables = record_slices(gold, predict, range(args.draws))
    print("\n".join(f"\n{each.render()}" for each in tables))
    if args.report:
        write_slices(tables, Path(args.report))


def run_evaluate(args: argparse.Namespace) -> int:
    """Scores `args.predictions`, or what `args.model` predicts, against `args.gold` over `args.seeds`.

    Prints the tables; with `args.report` writes report.json, report.md and the reliability diagram there, with
    `args.errors` the list of mistakes and their page. Raises DataError.
    """
    if bool(args.predictions) == bool(args.model):
        raise DataError("give either predictions (--predictions FILE|DIR) or a model (--model DIR|NAME)")
    if getattr(args, "slices", False) and not args.model:
        raise DataError("--slices reads the articles anew in other spellings: give a model (--model DIR|NAME)")
    least = check_threshold(args.min_score)
    gold = load_annotations(Path(args.gold), Path(args.seeds))
    if args.report:  # a folder that cannot be made is found out before the model runs
        _make_folder(Path(args.report))
    errors = _errors_file(args.errors) if args.errors else None
    if args.model:
        predicted = _predict(str(args.model), getattr(args, "device", "auto"), gold)
    else:
        predicted = load_predictions(Path(args.predictions), gold)
    evaluation = evaluate(gold, predicted, least=least)
    print(evaluation.render())
    if args.report:
        _write_report(evaluation, Path(args.report))
    if getattr(args, "slices", False):
        _run_slices(args, gold, least)
    if errors:
        kept = [at_least(record, least) for record in predicted]
        pairs = zip(gold, kept, strict=True)
        found = [each for article, record in pairs for each in mistakes(article.record, record, article.text)]
        write_mistakes(found, [article.record for article in gold], kept, errors)
    return 0

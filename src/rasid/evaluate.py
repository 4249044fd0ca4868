"""Evaluation: predicted records against gold records of the same articles, printed and as a report.

A prediction is an annotation with scores, so like is compared with like, span by span; and scores are held against
what is true: how reliable they are, and what a least score buys. Intervals are bootstrapped over articles. What is
predicted of targets that the gold does not judge is counted, not scored.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, astuple, dataclass, replace
from pathlib import Path
from typing import get_args

import numpy as np

from rasid.annotations import Annotated
from rasid.clustermetrics import ClusterScores, scores_of
from rasid.counts import GROUP, Counts, entity_figure, write_counts
from rasid.errorlog import ErrorLog
from rasid.errors import DataError
from rasid.gatecommand import Gating, read_gating
from rasid.gating import Evidence, Verdict, render
from rasid.labelmetrics import HEADER, LabelScores, asked_scores, label_rows
from rasid.labels import WOJOOD
from rasid.matching import Group, Scheme, SchemeCounts, by_seen, scheme_counts, scheme_row
from rasid.metrics import Score, SpanCounts, SpanScores, View, sides_score
from rasid.passagecounts import count_passages, write_passages
from rasid.predictions import load_predictions
from rasid.records import ModelInfo, Record, read_records, write_exact
from rasid.reliability import RELIABILITY_HEADER, Reliability, draw, reliability, reliability_rows
from rasid.slices import Robustness, record_slices, write_slices
from rasid.spread import pooled, spread
from rasid.summary import Fold, append, page
from rasid.tables import table
from rasid.tally import Counting, StanceCount, Tally, pooled_answers
from rasid.tallying import GoldFiles, RunFiles, default_workers, tally_files, tally_records
from rasid.thresholds import THRESHOLD_HEADER, THRESHOLDS, Bought, bought, check_threshold, threshold_rows
from rasid.uncertainty import FEW_ARTICLES, Estimate

WIDE = 0.1  # an interval of F1 wider than ten points cannot tell a good model from a middling one
HEADLINES = (
    *("entities, nested, strict", "entities, outermost, strict", "clusters, CoNLL"),
    *("stance per passage, macro-F1", "stance per article, macro-F1", "stance per article, accuracy"),
)
_CLUSTERS = {"b3": "clusters, B3", "ceaf": "clusters, CEAF-e", "muc": "clusters, MUC"}


@dataclass(frozen=True, slots=True)
class SchemeScores:
    """Scores under one SemEval-2013 scheme, the interval of the F1, and the five categories behind them."""

    score: Score
    f1: Estimate
    counts: SchemeCounts


@dataclass(frozen=True, slots=True)
class GroupScores:
    """Strict scores of the entities of one type, depth, length or kind of surface, with the interval of the F1."""

    score: Score
    f1: Estimate


@dataclass(frozen=True, slots=True)
class EntityScores:
    """Strict scores of one view with the interval of the micro F1, and the scores of all four schemes."""

    scores: SpanScores
    f1: Estimate
    schemes: dict[Scheme, SchemeScores]


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
    groups: dict[str, GroupScores]  # of the nested view: types, depths, lengths, and seen and unseen where known
    clusters: CoreferenceScores
    stances: dict[str, StanceScores]
    labels: dict[str, LabelScores]
    scores: dict[str, Reliability]  # of entities, and of stances per passage and per article
    thresholds: tuple[Bought, ...]  # empty where no entity has a score
    least: float  # entities below it were left out of all but `thresholds`
    warnings: tuple[str, ...]
    counts: Counts  # what the figures are made of; written to a file of its own

    @property
    def sides(self) -> tuple[int, int]:
        """How many gold and predicted entities there are."""
        counts = self.entities["nested"].schemes["strict"].counts
        paired = counts.correct + counts.incorrect + counts.partial
        return paired + counts.missed, paired + counts.spurious

    def to_json(self) -> str:
        tree = asdict(replace(self, counts=Counts((), {}))) | {"models": [model.model_dump() for model in self.models]}
        del tree["counts"]
        return json.dumps(tree, ensure_ascii=False, indent=2)

    def render(self) -> str:
        """The tables, as Markdown that also reads well in a terminal."""
        return "\n\n".join(["\n".join(self.lead()), *self.tables().values()])

    def lead(self) -> list[str]:
        """What the figures are of, and what to beware of."""
        lines = [f"{self.articles} articles; intervals are 95 %, bootstrapped over articles."]
        lines += [f"Model: {model.name} (revision {model.revision[:12]})" for model in self.models]
        lines += [f"Entities that score below {self.least:g} are left out."] if self.least else []
        return lines + [f"Warning: {warning}" for warning in self.warnings]

    def tables(self) -> dict[str, str]:
        """All tables by what they are of."""
        score = ["precision", "recall", "F1", "low", "high", "gold"]
        stance = ["macro-F1", "low", "high", "accuracy", "low", "high", "gold", "missed", "unjudged"]
        scheme = ["F1", "low", "high", "correct", "incorrect", "partial", "missed", "spurious"]
        found = {
            "Entities": (["entities, strict", *score], list(_entity_rows(self.entities, self.groups))),
            "Schemes": (["scheme", *scheme], list(_scheme_rows(self.entities))),
            "Clusters": (["clusters", *score], list(_cluster_rows(self.clusters))),
            "Stances": (["stance", *stance], list(_stance_rows(self.stances))),
            "Labels": (HEADER, label_rows(self.labels)),
            "Calibration": (RELIABILITY_HEADER, reliability_rows(self.scores)),
            "Least scores": (THRESHOLD_HEADER, threshold_rows(self.thresholds)),
        }
        return {name: table(header, rows) for name, (header, rows) in found.items() if rows}

    def headlines(self) -> str:
        """The table of the figures that a reader looks at first."""
        known = {name: self.counts.figures[name] for name in HEADLINES if name in self.counts.figures}
        known |= {name: each for name, each in self.counts.figures.items() if name.startswith("labels, ")}
        rows = []
        for name, figure in known.items():
            if figure.support:
                each = figure.estimate()
                rows.append([name, *_numbers([each.value, each.low, each.high]), str(figure.support)])
        return table(["figure", "value", "low", "high", "gold"], rows)


def evaluate(
    gold: Sequence[Annotated], predicted: Sequence[Record], seed: int = 0, least: float = 0.0, seen: Group | None = None
) -> Evaluation:
    """Scores predictions against gold; `predicted` holds the same articles in the same order (ValueError).

    Entities that score below `least` are left out, with what depends on them. `seen`, from `matching.by_seen`, says
    whose surface stood in the training data.
    """
    return evaluation_of(tally_records(zip(gold, predicted, strict=True), Counting(least, seen)), least, seed)


def evaluation_of(tally: Tally, least: float = 0.0, seed: int = 0) -> Evaluation:
    """The scores of articles that were counted, entities below `least` left out."""
    counts, spans = tally.counts, tally.spans["nested"]
    estimates = {name: figure.estimate(seed) for name, figure in counts.figures.items()}
    return Evaluation(
        articles=len(tally.docs),
        models=tuple(tally.models.values()),
        entities={view: _entity_scores(tally.spans[view], view, counts, estimates) for view in get_args(View)},
        groups={
            name.removeprefix(GROUP): GroupScores(sides_score(figure.total), estimates[name])
            for name, figure in counts.figures.items()
            if name.startswith(GROUP)
        },
        clusters=_coreference_scores(counts, estimates),
        stances={kind: _stance_scores(kind, found, estimates) for kind, found in tally.stances.items()},
        labels=asked_scores(tally.labels, seed),
        scores=_reliabilities([tally], seed),
        thresholds=_bought(tally, least) if tally.scored else (),
        least=least,
        warnings=tuple(_warnings(len(tally.docs), spans, estimates[entity_figure("nested", "strict")])),
        counts=counts,
    )


def _bought(tally: Tally, least: float) -> tuple[Bought, ...]:
    trials = tally.trials
    return bought(
        np.asarray(trials.scores), np.asarray(trials.right), tally.spans["nested"].gold.total(), (*THRESHOLDS, least)
    )


def _entity_scores(spans: SpanCounts, view: View, counts: Counts, estimates: dict[str, Estimate]) -> EntityScores:
    schemes: dict[Scheme, SchemeScores] = {}
    for scheme in get_args(Scheme):
        name = entity_figure(view, scheme)
        total = counts.figures[name].total
        score = sides_score(scheme_row(total, scheme))
        schemes[scheme] = SchemeScores(score, estimates[name], scheme_counts(total, scheme))
    return EntityScores(spans.scores(), schemes["strict"].f1, schemes)


def _coreference_scores(counts: Counts, estimates: dict[str, Estimate]) -> CoreferenceScores:
    totals = (counts.figures[figure].total for figure in _CLUSTERS.values())
    return CoreferenceScores(scores_of(*totals), {name: estimates[figure] for name, figure in _CLUSTERS.items()})


def _stance_scores(kind: str, found: StanceCount, estimates: dict[str, Estimate]) -> StanceScores:
    return StanceScores(
        macro_f1=estimates[f"stance per {kind}, macro-F1"],
        accuracy=estimates[f"stance per {kind}, accuracy"],
        support=found.judged,
        missed=found.missed,
        unjudged=found.asked - found.judged,
    )


def _reliabilities(tallies: Sequence[Tally], seed: int = 0) -> dict[str, Reliability]:
    """Scores against the truth, for every kind of answer that has any."""
    return {
        kind: reliability(np.asarray(found.scores), np.asarray(found.right), np.asarray(found.articles), seed)
        for kind, found in pooled_answers(tallies)
    }


def _warnings(articles: int, spans: SpanCounts, f1: Estimate) -> Iterator[str]:
    if articles < FEW_ARTICLES:
        yield f"only {articles} articles: intervals over fewer than {FEW_ARTICLES} are rough"
    if f1.high - f1.low > WIDE:
        yield (
            f"too small a set to tell much: the interval of the entities' F1 is {100 * (f1.high - f1.low):.0f} points "
            f"wide; compare runs on it with `rasid compare`, which pairs their articles"
        )
    strange = spans.predicted.keys() - {*spans.gold, *WOJOOD}
    if strange:
        yield f"predicted types that the gold does not have: {', '.join(sorted(strange))}"


def _numbers(values: Sequence[float]) -> list[str]:
    return [f"{value:.3f}" for value in values]


def _score_row(name: str, score: Score, interval: Estimate) -> list[str]:
    ends = _numbers([interval.low, interval.high])
    return [name, *_numbers([score.precision, score.recall, score.f1]), *ends, str(score.support)]


def _entity_rows(entities: dict[View, EntityScores], groups: dict[str, GroupScores]) -> Iterator[list[str]]:
    for view, found in entities.items():
        yield _score_row(view, found.scores.micro, found.f1)
    nested = entities["nested"].scores
    yield ["nested, mean of types", "", "", f"{nested.macro:.3f}", "", "", str(nested.micro.support)]
    for name, group in groups.items():
        yield _score_row(name, group.score, group.f1)


def _scheme_rows(entities: dict[View, EntityScores]) -> Iterator[list[str]]:
    for view, found in entities.items():
        for scheme, each in found.schemes.items():
            numbers = _numbers([each.f1.value, each.f1.low, each.f1.high])
            yield [f"{view}, {scheme}", *numbers, *(str(number) for number in astuple(each.counts))]


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


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(f"{folder}: cannot be written ({error.strerror})") from None


def _write_report(evaluation: Evaluation, text: str, folder: Path) -> None:
    write_exact(folder / "report.json", f"{evaluation.to_json()}\n")
    write_counts(evaluation.counts, folder)
    write_exact(folder / "report.md", text)
    if evaluation.scores and not draw(evaluation.scores, folder / "reliability.png"):
        print("rasid: no reliability diagram without matplotlib; pip install 'rasid[plots]'", file=sys.stderr)


def _write_page(evaluation: Evaluation, log: ErrorLog, folder: Path) -> None:
    from rasid.evaluationpage import write_page  # jinja, which printing does not need

    write_page(evaluation, log, folder)


def _errors_file(name: Path | str) -> Path:
    path = Path(name)
    if path.suffix != ".jsonl":
        raise DataError(f"--errors {path}: give a .jsonl file for the list; the page is written beside it as .md")
    _make_folder(path.parent)
    return path


def _read_slices(args: argparse.Namespace, job: _Job) -> dict[str, Robustness]:
    """The robustness tables of `args.model` by view, printed and written beside the report; empty where not asked."""
    if not getattr(args, "slices", False):
        return {}

    def predict(texts: Sequence[tuple[str, str]]) -> list[Record]:
        return [job.counting.kept(record) for record in _predicted(args, texts)]

    tables = record_slices(job.few or list(job.gold.articles()), predict, range(args.draws))
    print("\n".join(f"\n{each.render()}" for each in tables))
    if args.report:
        write_slices(tables, Path(args.report))
    return dict(zip(get_args(View), tables, strict=True))


def _seen(args: argparse.Namespace) -> Group | None:
    """Tells seen from unseen surfaces by the records of `args.trained_on`, where given. Raises DataError."""
    path: Path | None = getattr(args, "trained_on", None)
    if not path:
        return None
    if not path.exists():
        raise DataError(f"--trained-on {path}: no such file or folder of records")
    return by_seen(entity.surface for _, record in read_records(path) for entity in record.entities)


@dataclass(frozen=True, slots=True)
class _Job:
    """What the options of the command ask for, read and checked before anything is scored.

    `few` are the articles of a set that is small: it is drawn by passage, which needs the texts. Of a larger one
    nothing is in memory but what was counted.
    """

    gold: GoldFiles
    few: list[Annotated] | None
    counting: Counting
    gating: Gating | None
    report: Path | None
    errors: Path | None
    summary: Path | None
    begun: float

    def passages(self, runs: Sequence[Sequence[Record]]) -> list[Counts]:
        """The counts of runs by passage where articles are too few to compare by; written beside the report."""
        if not (self.gating or self.report) or self.few is None:
            return []
        kept = [[self.counting.kept(record) for record in run] for run in runs]
        found = [count_passages(self.few, predicted, self.counting.seen) for predicted in kept]
        if self.report:
            write_passages(pooled(found), self.report)
        return found

    def judge(self, evidence: Evidence) -> tuple[Verdict, ...]:
        return self.gating.verdicts(evidence) if self.gating else ()

    def summarise(self, parts: Sequence[str], folds: Sequence[Fold], verdicts: Sequence[Verdict]) -> str:
        """The page for a pull request, added to the summary file where there is one."""
        text = page("Evaluation", [*parts, render(verdicts) if verdicts else ""], folds)
        if self.summary:
            append(text, self.summary)
        return text

    def finish(self, verdicts: Sequence[Verdict]) -> int:
        """The exit code: 1 where a gate has failed."""
        return self.gating.finish(verdicts, self.report, time.monotonic() - self.begun) if self.gating else 0


def _read_job(args: argparse.Namespace) -> _Job:
    if bool(args.predictions) == bool(args.model):
        raise DataError("give either predictions (--predictions FILE|DIR) or a model (--model DIR|NAME)")
    if getattr(args, "slices", False) and not args.model:
        raise DataError("--slices reads the articles anew in other spellings: give a model (--model DIR|NAME)")
    if args.errors and len(args.predictions or ()) > 1:
        raise DataError("--errors lists the mistakes of one run: give one --predictions")
    least, gating = check_threshold(args.min_score), read_gating(args)
    gold = GoldFiles.open(Path(args.gold), Path(args.seeds))
    few = list(gold.articles()) if len(gold.places) < FEW_ARTICLES else None
    report = Path(args.report) if args.report else None
    if report:  # a folder that cannot be made is found out before the model runs
        _make_folder(report)
    counting = Counting(least, _seen(args))
    errors = _errors_file(args.errors) if args.errors else None
    return _Job(gold, few, counting, gating, report, errors, getattr(args, "summary", None), time.monotonic())


@dataclass(frozen=True, slots=True)
class _Scored:
    """A tally of each run, their records where articles are few, and the mistakes where a list of them is asked for."""

    tallies: list[Tally]
    records: list[list[Record]]
    log: ErrorLog | None


def _score(args: argparse.Namespace, job: _Job) -> _Scored:
    """Predicts or reads the runs, and counts them. Raises DataError."""
    log = ErrorLog() if job.errors or (job.report and len(args.predictions or (1,)) == 1) else None
    if job.few is not None:
        texts = [(each.record.doc, each.text) for each in job.few]
        if args.model:
            runs = [list(_predicted(args, texts))]
        else:
            runs = [load_predictions(path, job.few) for path in args.predictions]
        pairs = [zip(job.few, records, strict=True) for records in runs]
        return _Scored([tally_records(each, job.counting, log) for each in pairs], runs, log)
    if args.model:
        return _Scored([_score_model(args, job, log)], [], log)
    paths = [RunFiles.open(path) for path in args.predictions]
    workers = getattr(args, "workers", None) or default_workers(len(job.gold.places))
    return _Scored(tally_files(job.gold, paths, job.counting, log, workers), [], log)


def _predicted(args: argparse.Namespace, texts: Iterable[tuple[str, str]]) -> Iterator[Record]:
    from rasid.infer.job import stream_texts  # pulls in torch, which scoring a file does not need

    records: Iterator[Record] = stream_texts(texts, str(args.model), getattr(args, "device", "auto"))
    return records


def _score_model(args: argparse.Namespace, job: _Job, log: ErrorLog | None) -> Tally:
    """The tally of what a model predicts, article by article as it does; the gold is sound before it begins."""
    deque(job.gold.articles(), maxlen=0)
    read: deque[Annotated] = deque()  # by the model, and not yet counted

    def texts() -> Iterator[tuple[str, str]]:
        for article in job.gold.articles():
            read.append(article)
            yield article.record.doc, article.text

    return tally_records(((read.popleft(), record) for record in _predicted(args, texts())), job.counting, log)


def _run_spread(job: _Job, scored: _Scored) -> int:
    """Mean and spread over several predictions of the same articles, printed and written to the report folder."""
    counts = [each.counts for each in scored.tallies]
    found = spread(counts)
    print(found.render())
    scores = _reliabilities(scored.tallies)
    verdicts = job.judge(Evidence(counts, job.passages(scored.records), scores))
    head, _, whole = found.render().partition("\n\n")
    text = job.summarise([head, found.only(HEADLINES).table()], [Fold("All figures", whole)], verdicts)
    if job.report:
        found.write(job.report, text)
        write_counts(pooled(counts), job.report)
    return job.finish(verdicts)


def run_evaluate(args: argparse.Namespace) -> int:
    """Scores `args.predictions`, or what `args.model` predicts, against `args.gold` over `args.seeds`.

    Prints the tables; with `args.report` writes report.json, report.md, report.html and its list of errors, counts and
    the reliability diagram there, with `args.errors` the list of mistakes and their page. Of several predictions it
    prints mean and spread, and writes runs.json and runs.md. With `args.gate` it returns 1 where a gate has failed.
    Raises DataError.
    """
    job = _read_job(args)
    scored = _score(args, job)
    if len(scored.tallies) > 1:
        return _run_spread(job, scored)
    evaluation = evaluation_of(scored.tallies[0], job.counting.least)
    print(evaluation.render())
    slices = _read_slices(args, job)
    evidence = Evidence([evaluation.counts], job.passages(scored.records), evaluation.scores, slices or None)
    verdicts = job.judge(evidence)
    folds = [Fold(name, text) for name, text in evaluation.tables().items()]
    folds += [Fold(f"Spelling, {name}", each.render()) for name, each in slices.items()]
    text = job.summarise(["\n\n".join(evaluation.lead()), evaluation.headlines()], folds, verdicts)
    if job.report:
        _write_report(evaluation, text, job.report)
    if scored.log and job.report:
        _write_page(evaluation, scored.log, job.report)
    if scored.log and job.errors:
        scored.log.write(job.errors, *evaluation.sides)
    return job.finish(verdicts)

"""Leave-one-article-out: the honest figure for a handful of annotated articles, with two floors from the same folds.

Each fold trains on all sources less one article and predicts that article; scores are taken over all folds together,
once per seed, with a bootstrap over passages. Stance is asked for the gold targets and passages, so the figure is the
stance head's own and not clustering's.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np

from rasid.aggregation import article_probabilities
from rasid.config import dump_config
from rasid.errors import ConfigError
from rasid.labels import STANCES
from rasid.loaded import stance_of
from rasid.metrics import SpanScores, Unit, outermost, seen_scores, span_estimate, span_scores, split_unit
from rasid.model import WEIGHTS
from rasid.normalizer import normalise
from rasid.records import Entity
from rasid.text import passages
from rasid.uncertainty import Estimate, bootstrap

from .config import RunConfig, Source
from .evaluation import Scored, score_labels
from .figures import finished_model
from .finetune import fit, save
from .floors import StanceFloors, SurfaceDictionary, of_passages
from .foldscores import HeldOut, judge_scores
from .heldout import Answers, as_entities, ask, find, fold_name, keep, read_alike
from .questions import asked_of
from .rounds import Rounds
from .sources import Article, GoldPair, GoldText, annotated_articles, read_pairs, read_texts

SIDES = ("favor", "against")
SYSTEMS = ("model", "majority", "dictionary", "loaded words")


@dataclass(frozen=True)
class Judged:
    """A stance question of one fold: passage or article scope, gold label, and each system's answer."""

    scope: str
    gold: str
    answers: dict[str, str]


@dataclass
class Fold:
    """One held-out article: its model's raw answers, entities of each system, and stance answers."""

    article: Article
    answers: Answers
    entities: dict[str, tuple[Entity, ...]] = field(default_factory=dict)
    seen: frozenset[str] = frozenset()
    stances: list[Judged] = field(default_factory=list)


def _annotation_sources(config: RunConfig, reader: str) -> list[Source]:
    return [source for source in config.sources.values() if source.reader == reader]


def _without(config: RunConfig, doc: str, seed: int) -> RunConfig:
    """The config of a fold: `doc` taken out of every annotations source, another seed, nothing scored on the way."""
    sources = {
        name: source.model_copy(update={"without": (*source.without, doc)})
        if source.reader in ("annotations", "annotated-stances")
        else source
        for name, source in config.sources.items()
    }
    training = config.training | {"seed": seed, "save_strategy": "no"}
    change = {"sources": sources, "training": training, "evaluation": {}, "calibration": None}
    return config.model_copy(update=change)


def _entity_part(fold: Fold, config: RunConfig) -> None:
    text = fold.article.text
    training: list[GoldText] = [g for s in _annotation_sources(config, "annotations") for g in read_texts(s)]
    fold.seen = frozenset(e.span.of(g.text) for g in training for e in g.entities)
    fold.entities["model"] = fold.answers.entities
    found = SurfaceDictionary.learn(training).find(text, nested=True)
    fold.entities["dictionary"] = as_entities([Scored(one, 1.0) for one in found], text)
    fold.entities["loaded words"] = ()  # a floor for stance alone
    fold.entities["majority"] = ()  # every word's commonest label is Outside


def article_label(probabilities: Sequence[Sequence[float]], how: str) -> str:
    """The article's stance from its passages', as `rasid infer` takes it; in doubt `none`."""
    found = article_probabilities(probabilities, how)
    return STANCES[int(found.argmax())] if found.max() > found[STANCES.index("none")] else "none"


def _stance_part(fold: Fold, config: RunConfig) -> None:
    if not fold.answers.stances:
        return
    training: list[GoldPair] = [
        g for s in _annotation_sources(config, "annotated-stances") for g in read_pairs(s, STANCES)
    ]
    floors = StanceFloors.learn(training)
    names = {one.cluster: one.target for one in fold.answers.stances}
    by_target: dict[str, list[Sequence[float]]] = {}
    loaded = {
        (a.stance.target, a.stance.scope): stance_of(a.pair.passage, a.pair.mentions) for a in asked_of(fold.article)
    }
    for one in fold.answers.stances:
        by_target.setdefault(one.cluster, []).append(one.probabilities)
        likeliest = STANCES[int(np.argmax(one.probabilities))]
        worded = loaded[(one.cluster, one.scope)]
        fold.stances.append(_judged("passage", one.gold, likeliest, floors, one.target, worded))
    for stance in fold.article.record.stances:
        if stance.scope == "article" and stance.holder == "author" and stance.target in by_target:
            answer = article_label(by_target[stance.target], config.aggregation)
            whole = of_passages([label for (target, _), label in loaded.items() if target == stance.target])
            fold.stances.append(_judged("article", stance.label, answer, floors, names[stance.target], whole))


def _judged(scope: str, gold: str, answer: str, floors: StanceFloors, name: str, worded: str) -> Judged:
    answers = {
        "model": answer,
        "majority": floors.majority,
        "dictionary": floors.of_target(name),
        "loaded words": worded,
    }
    return Judged(scope, gold, answers)


def answers_of(config: RunConfig, article: Article, seed: int, rounds: Rounds) -> Answers:
    """A fold's answers: those kept in its folder, or of the model kept there, where its settings and data are the same;
    else of a model that is trained without `article` now."""
    cv = config.cross_validation
    if cv is None:
        raise ConfigError("cross_validation: missing")
    own, folder = _without(config, article.record.doc, seed), config.output / fold_name(article.record.doc, seed)
    kept, has_model = find(folder, own), (folder / WEIGHTS).is_file()
    if kept and read_alike(kept, own) and not cv.ask_again and (has_model or not cv.keep_models):
        rounds.found(folder.name)
        return kept
    if kept and has_model:
        rounds.found(folder.name)
        loaded = finished_model(str(folder))
        loaded.model.config.overlap = own.reading_overlap
        answers = ask(own, loaded, article, seed, cv.entities, cv.stances)
        keep(answers, folder)
        return answers
    with rounds.training(folder.name):
        result = fit(own, folder)
        answers = ask(own, result.loaded, article, seed, cv.entities, cv.stances)
        if cv.keep_models or cv.ask_again:
            save(result, own, folder)
        keep(answers, folder)
    return answers


def run_fold(config: RunConfig, article: Article, seed: int, rounds: Rounds) -> Fold:
    """The answers of a model trained without `article`, and of the floors from the same articles."""
    answers = answers_of(config, article, seed, rounds)
    own = _without(config, article.record.doc, seed)
    fold = Fold(article, answers)
    _entity_part(fold, own)
    _stance_part(fold, own)
    return fold


def units_of(
    folds: Sequence[Fold], system: str, view: Callable[[tuple[Entity, ...]], tuple[Entity, ...]]
) -> list[Unit]:
    """Gold and predicted entities of every passage of every fold, the rows of the bootstrap."""
    units: list[Unit] = []
    for fold in folds:
        text = fold.article.text
        whole = Unit(view(fold.article.record.entities), view(fold.entities[system]))
        units += split_unit(whole, passages(text))
    return units


def _nested(entities: tuple[Entity, ...]) -> tuple[Entity, ...]:
    return entities


@dataclass(frozen=True)
class SystemScores:
    """One system's scores over all folds of one seed."""

    nested: SpanScores
    outermost: SpanScores
    nested_interval: Estimate
    outermost_interval: Estimate
    seen_f1: float
    unseen_f1: float
    stance: dict[str, dict[str, float]]
    stance_intervals: dict[str, Estimate]


def _stance_interval(rows: Sequence[Judged], system: str) -> Estimate:
    counts = [
        [
            float(value)
            for side in SIDES
            for value in (row.gold == side, row.answers[system] == side, row.gold == row.answers[system] == side)
        ]
        for row in rows
    ]

    def macro(row: Sequence[float]) -> float:
        f1s = [2 * row[i + 2] / (row[i] + row[i + 1]) if row[i] + row[i + 1] else 0.0 for i in (0, 3)]
        return sum(f1s) / 2

    return bootstrap(counts, macro)


def score_system(folds: Sequence[Fold], system: str) -> SystemScores:
    """Entity and stance scores of a system over the folds of one seed."""
    nested, outer = units_of(folds, system, _nested), units_of(folds, system, outermost)
    seen = [seen_scores(units_of([fold], system, _nested), _surfaces(fold)) for fold in folds]
    stance, intervals = {}, {}
    for scope in ("passage", "article"):
        rows = [judged for fold in folds for judged in fold.stances if judged.scope == scope]
        if rows:
            stance[scope] = score_labels([r.gold for r in rows], [r.answers[system] for r in rows], SIDES)
            intervals[scope] = _stance_interval(rows, system)
    weight = [s.seen.support for s in seen], [s.unseen.support for s in seen]
    return SystemScores(
        nested=span_scores(nested),
        outermost=span_scores(outer),
        nested_interval=span_estimate(nested),
        outermost_interval=span_estimate(outer),
        seen_f1=float(np.average([s.seen.f1 for s in seen], weights=weight[0])) if sum(weight[0]) else 0.0,
        unseen_f1=float(np.average([s.unseen.f1 for s in seen], weights=weight[1])) if sum(weight[1]) else 0.0,
        stance=stance,
        stance_intervals=intervals,
    )


def _surfaces(fold: Fold) -> frozenset[str]:
    return fold.seen | frozenset(
        e.surface for e in fold.article.record.entities if normalise(e.surface) in {normalise(s) for s in fold.seen}
    )


def _headline(scores: SystemScores) -> dict[str, float]:
    rows = {
        "entities_outermost_f1": scores.outermost.micro.f1,
        "entities_nested_f1": scores.nested.micro.f1,
        "entities_seen_f1": scores.seen_f1,
        "entities_unseen_f1": scores.unseen_f1,
    }
    for scope, values in scores.stance.items():
        rows |= {f"stance_{scope}_{key}": value for key, value in values.items()}
    return rows


def summary(by_seed: dict[int, dict[str, SystemScores]]) -> str:
    """A Markdown table: mean over seeds and sample standard deviation, the model beside its floors."""
    systems = list(next(iter(by_seed.values())))
    lines = ["| measure | " + " | ".join(systems) + " |", "|---|" + "---|" * len(systems)]
    for name in _headline(next(iter(by_seed.values()))["model"]):
        cells = []
        for system in systems:
            values = [_headline(scores[system]).get(name, 0.0) for scores in by_seed.values()]
            spread = f" ± {np.std(values, ddof=1):.3f}" if len(values) > 1 and np.ptp(values) else ""
            cells.append(f"{np.mean(values):.3f}{spread}")
        lines.append(f"| {name.replace('_', ' ')} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def intervals(scores: SystemScores) -> str:
    """One line per headline figure: value and 95 % bootstrap interval over passages."""
    rows = {"outermost": scores.outermost_interval, "nested": scores.nested_interval}
    rows |= {f"stance per {scope}": value for scope, value in scores.stance_intervals.items()}
    return "\n".join(f"{name}: {e.value:.3f} [{e.low:.3f}, {e.high:.3f}]" for name, e in rows.items())


def judge(model: float, floors: Sequence[float], lows: Sequence[float]) -> str:
    """One word on a mean score: not above its floors, above them within chance (some seed's interval reaches down to
    the higher floor), or above."""
    floor = max(floors)
    if model <= floor:
        return "NOT above both floors"
    return "above both floors" if min(lows) > floor else "above both floors, but NOT beyond its 95 % interval"


def verdict(by_seed: dict[int, dict[str, SystemScores]]) -> str:
    """Says plainly for each measure that was taken whether the model is above both floors, and beyond chance."""
    model = [scores["model"] for scores in by_seed.values()]
    lows = {
        "entities_outermost_f1": [scores.outermost_interval.low for scores in model],
        "entities_nested_f1": [scores.nested_interval.low for scores in model],
        **{
            f"stance_{scope}_macro_f1": [scores.stance_intervals[scope].low for scores in model]
            for scope in model[0].stance_intervals
        },
    }
    lines = []
    for name, low in lows.items():
        means = {
            system: float(np.mean([_headline(scores[system])[name] for scores in by_seed.values()]))
            for system in SYSTEMS
        }
        lines.append(f"{name}: the model is {judge(means.pop('model'), list(means.values()), low)}")
    return "\n".join(lines)


def run_cross_validation(config: RunConfig) -> int:
    """Runs all folds and seeds, those that are finished not again, prints the tables, and writes to the run folder:
    the report, what the folds' models said of their articles, its calibration and its errors."""
    cv = config.cross_validation
    articles = [a for source in _annotation_sources(config, "annotations")[:1] for a in annotated_articles(source)]
    if cv is None or len(articles) < 2:
        raise ConfigError("cross_validation needs an annotations source with at least two articles")
    config.output.mkdir(parents=True, exist_ok=True)
    dump_config(config, config.output / "run.yaml")
    by_seed: dict[int, dict[str, SystemScores]] = {}
    folds: list[Fold] = []
    rounds = Rounds(len(cv.seeds) * len(articles))
    for seed in cv.seeds:
        own = [run_fold(config, article, seed, rounds) for article in articles]
        by_seed[seed] = {system: score_system(own, system) for system in SYSTEMS}
        print(f"seed {seed}\n{intervals(by_seed[seed]['model'])}", flush=True)
        folds += own
    pages = [summary(by_seed), verdict(by_seed)]
    pages.append(judge_scores(config, [HeldOut(fold.article, fold.answers) for fold in folds]))
    text = "\n\n".join(pages) + "\n"
    print(text)
    _write(config.output, by_seed, text)
    return 0


def _write(output: Path, by_seed: dict[int, dict[str, SystemScores]], text: str) -> None:
    tree = {seed: {name: asdict(scores) for name, scores in systems.items()} for seed, systems in by_seed.items()}
    (output / "report.json").write_text(json.dumps(tree, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    (output / "report.md").write_text(text, encoding="utf-8")

"""What a cross-validation's scores are worth: calibration fitted on the held-out folds, records, and errors by kind.

All seeds' folds are taken together, and the article is the unit: what is said of an article comes from a fit on
the other articles alone. The fit that is written for other models to use is then made on all of them.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

from rasid.aggregation import article_probabilities
from rasid.calibration import Calibration, Floats
from rasid.labels import STANCES
from rasid.mistakecounts import write_mistakes
from rasid.mistakes import mistakes
from rasid.records import Record
from rasid.reliability import RELIABILITY_HEADER, Reliability, draw, reliability, reliability_rows
from rasid.tables import table
from rasid.thresholds import THRESHOLD_HEADER, threshold_rows, what_thresholds_buy

from .calibrate import FILE, HeadFit, as_sections, fit_classes, fit_spans, set_calibration, span_trials
from .calibrators import CLASS_FITS, ClassTrials, SpanTrials, fit_class, fit_span, held_out_spans
from .config import CrossValidation, RunConfig
from .evaluation import Scored
from .heldout import Answers, fold_name, lines, record_of, stance_lines
from .sources import Article, Typed

_FEWEST_ARTICLES = 40  # stances of articles that their one temperature is fitted on


@dataclass(frozen=True)
class HeldOut:
    """An article and what the model of one fold, which has not seen it, says of it."""

    article: Article
    answers: Answers


def judge_scores(config: RunConfig, held: Sequence[HeldOut]) -> str:
    """Writes calibration.json and .md, reliability.png and .json, the held-out records of each seed with calibrated
    scores, the passage stances, and errors.jsonl and .md; returns the page that the report ends with.
    """
    output, cv = config.output, config.cross_validation or CrossValidation()
    docs = list(dict.fromkeys(one.answers.doc for one in held))
    groups = [docs.index(one.answers.doc) for one in held]
    seeds = sorted({one.answers.seed for one in held})
    where = f"held-out folds of {len(docs)} articles, seeds {', '.join(map(str, seeds))}"
    spans, classes = _span_trials(held, groups), _class_trials(held, groups)
    fits = {cv.entities: fit_spans(spans, where)}
    if cv.stances and len(classes):
        fits[cv.stances] = fit_classes(classes, STANCES, where)
    found = {name: fit if name == cv.entities else fit.on_questions({False}) for name, fit in fits.items() if fit}
    articles: dict[str, Reliability] = {}
    if cv.stances in found:
        fit = found[cv.stances]
        of_articles = _fit_articles(_Asked(held, groups, config.aggregation), classes, fit.calibration)
        if of_articles:
            change = {"article_temperature": of_articles.temperature}
            found[cv.stances] = replace(fit, calibration=fit.calibration.model_copy(update=change))
            articles = of_articles.found
    if cv.keep_models:
        _calibrate_models(config, _Asked(held, groups, config.aggregation), spans, classes, found)
    records = _records(held, held_out_spans(spans, fit_span) if found.get(cv.entities) else spans.scores)
    _write_records(output, held, records)
    gold = [one.article.record for one in held]
    wrong = [
        each for one, r in zip(held, records, strict=True) for each in mistakes(one.article.record, r, one.article.text)
    ]
    write_mistakes(wrong, gold, records, output / "errors.jsonl")
    bought = table(THRESHOLD_HEADER, threshold_rows(what_thresholds_buy(gold, records)))
    return "\n\n".join([_write_fits(output, found, articles), bought])


def _span_trials(held: Sequence[HeldOut], groups: Sequence[int]) -> SpanTrials:
    gold = [[Typed(e.span, e.type) for e in one.article.record.entities] for one in held]
    found = [[Scored(Typed(e.span, e.type), e.score or 0.0) for e in one.answers.entities] for one in held]
    return span_trials(gold, found, groups)


def _class_trials(held: Sequence[HeldOut], groups: Sequence[int]) -> ClassTrials:
    rows = [(one, group) for each, group in zip(held, groups, strict=True) for one in each.answers.stances]
    return ClassTrials(
        np.array([one.probabilities for one, _ in rows], dtype=np.float64).reshape(len(rows), len(STANCES)),
        np.array([STANCES.index(one.gold) for one, _ in rows], dtype=np.intp),
        np.array([group for _, group in rows], dtype=np.intp),
    )


def _records(held: Sequence[HeldOut], scores: Floats) -> list[Record]:
    """A record of each fold with these scores, in the order of the folds' entities."""
    records, place = [], 0
    for one in held:
        own = one.answers.entities
        calibrated = scores[place : place + len(own)].tolist()
        entities = [e.model_copy(update={"score": round(s, 4)}) for e, s in zip(own, calibrated, strict=True)]
        records.append(record_of(one.article, entities, {"seed": one.answers.seed}))
        place += len(own)
    return records


def _write_records(output: Path, held: Sequence[HeldOut], records: Sequence[Record]) -> None:
    seeds = [one.answers.seed for one in held]
    for seed in dict.fromkeys(seeds):
        own = [record for record, of in zip(records, seeds, strict=True) if of == seed]
        (output / f"held-out-{seed}.jsonl").write_text(lines(own), encoding="utf-8")
    stances = stance_lines([one.answers for one in held])
    if stances:
        (output / "held-out-stances.jsonl").write_text(stances, encoding="utf-8")


@dataclass(frozen=True)
class _Asked:
    """All folds with their articles' numbers, and how passages make an article (`rasid.aggregation`)."""

    held: Sequence[HeldOut]
    groups: Sequence[int]
    how: str

    def articles(self, probabilities: Floats) -> ClassTrials:
        """Articles' stances, each asked of its passages; probabilities (passages of all folds, classes)."""
        found, gold, numbers, place = [], [], [], 0
        for one, group in zip(self.held, self.groups, strict=True):
            rows: dict[str, list[Floats]] = {}
            for answer in one.answers.stances:
                rows.setdefault(answer.cluster, []).append(probabilities[place])
                place += 1
            for stance in one.article.record.stances:
                if stance.scope == "article" and stance.holder == "author" and stance.target in rows:
                    found.append(article_probabilities(np.array(rows[stance.target]), self.how))
                    gold.append(STANCES.index(stance.label))
                    numbers.append(group)
        return ClassTrials(np.array(found).reshape(-1, len(STANCES)), np.array(gold, dtype=np.intp), np.array(numbers))


def _map_of(passages: Calibration) -> Callable[[ClassTrials], Calibration]:
    """How passages' probabilities are fitted: not at all, where the fit on all of them was not worth keeping."""
    return CLASS_FITS["raw"] if passages.changes_nothing else fit_class


def _held_out_articles(asked: _Asked, trials: ClassTrials, passages: Calibration) -> Floats:
    """Probabilities of articles' stances, the passages' and the articles' temperature fitted on the other articles."""
    found = asked.articles(trials.probabilities).probabilities
    for number in sorted(set(asked.groups)):
        fitted = _map_of(passages)(trials.where(trials.groups != number))
        of_articles = asked.articles(fitted.classes(trials.probabilities))
        own = of_articles.groups == number
        found[own] = fit_class(of_articles.where(~own)).classes(of_articles.probabilities[own])
    return found


def _calibrate_models(
    config: RunConfig, asked: _Asked, spans: SpanTrials, classes: ClassTrials, fits: dict[str, HeadFit]
) -> None:
    """Gives every kept model the calibration fitted on the other articles, so that it reads its own as any model that
    is shipped reads a new one."""
    cv = config.cross_validation or CrossValidation()
    for number in sorted(set(asked.groups)):
        sections: dict[str, Calibration] = {}
        if cv.entities in fits:
            sections[cv.entities] = fit_span(spans.where(spans.groups != number))
        if cv.stances and cv.stances in fits:
            whole = fits[cv.stances].calibration
            fitted = _map_of(whole)(classes.where(classes.groups != number)).model_copy(update={"asked": whole.asked})
            trials = asked.articles(fitted.classes(classes.probabilities))
            if whole.article_temperature != 1:
                own = fit_class(trials.where(trials.groups != number))
                fitted = fitted.model_copy(update={"article_temperature": own.temperature})
            sections[cv.stances] = fitted
        for one, group in zip(asked.held, asked.groups, strict=True):
            if group == number:
                set_calibration(config.output / fold_name(one.answers.doc, one.answers.seed), as_sections(sections))


def _reliability_of(trials: ClassTrials, probabilities: Floats) -> Reliability:
    return reliability(probabilities.max(axis=1), probabilities.argmax(axis=1) == trials.gold, trials.groups)


@dataclass(frozen=True)
class _Articles:
    """The temperature of articles' stances, 1 where none is worth keeping, and their reliability by name."""

    temperature: float
    found: dict[str, Reliability]


def _fit_articles(asked: _Asked, trials: ClassTrials, fitted: Calibration) -> _Articles | None:
    """None for fewer than `_FEWEST_ARTICLES` stances of articles."""
    raw = asked.articles(trials.probabilities)
    if len(raw) < _FEWEST_ARTICLES:
        return None
    plain = _reliability_of(raw, raw.probabilities)
    tempered = _reliability_of(raw, _held_out_articles(asked, trials, fitted))
    pays = tempered.nll.value < plain.nll.value
    kept = fit_class(asked.articles(fitted.classes(trials.probabilities))).temperature if pays else 1.0
    return _Articles(kept, {"stance per article, raw": plain, "stance per article": tempered if pays else plain})


def _write_fits(output: Path, fits: dict[str, HeadFit], articles: dict[str, Reliability]) -> str:
    """calibration.json and .md, reliability.png and .json; the table that the report shows."""
    sections = as_sections({name: fit.calibration for name, fit in fits.items()})
    (output / FILE).write_text(json.dumps(sections, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    found: dict[str, Reliability] = {}
    for name, fit in fits.items():
        found |= {f"{name}, raw": fit.raw, name: fit.calibrated}
    found |= articles
    tree = {name: asdict(each) for name, each in found.items()}
    (output / "reliability.json").write_text(json.dumps(tree, indent=1) + "\n", encoding="utf-8")
    draw(found, output / "reliability.png")
    pages = [f"# {name}\n\n{fit.page}" for name, fit in fits.items()]
    (output / "calibration.md").write_text("\n\n".join(pages) + "\n", encoding="utf-8")
    few = "" if fits else "Too few answers to fit a calibration on.\n\n"
    return few + table(RELIABILITY_HEADER, reliability_rows(found))

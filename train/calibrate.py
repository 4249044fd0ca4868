"""Calibration of heads: which predictions it is fitted on, what it is worth on others, and where it is kept.

A head is fitted on texts that its model has not learnt from: the held-out folds of a cross-validation, or the dev parts
of a run's `evaluation`. What is reported of a fit is always taken on articles (or fifths of a dev part) that this fit
has not seen; the fit that is kept is then made on all. Which spans are found is not touched, so a dev part that fits a
temperature still judges the F1 of spans; a stance's label can change by `least` alone.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from rasid.calibration import Calibration, Floats, Numbers, decided
from rasid.config import parse_config
from rasid.errors import ConfigError, ModelError
from rasid.model import Head, Loaded, RasidConfig, check_folder, find_model, load_model
from rasid.reliability import RELIABILITY_HEADER, Reliability, reliability, reliability_rows
from rasid.scoring import pair_probs
from rasid.tables import table

from .calibrators import (
    CLASS_FIT,
    CLASS_FITS,
    SPAN_FIT,
    SPAN_FITS,
    ClassTrials,
    SpanTrials,
    fit_class,
    fit_span,
    held_out_classes,
    held_out_spans,
    parts,
)
from .config import RunConfig, Source, load_run_config
from .evaluation import Scored, score_labels, scored_entities, to_words
from .sources import GoldPair, GoldText, Typed, mapped, read_pairs, read_texts

FILE = "calibration.json"
NONE = "none"
FEWEST = 100  # answers that a head is fitted on; fewer say too little even for two numbers
_WORTH = 0.005  # of macro-F1 that a least probability has to gain; less is a dev part's chance
_LEASTS = (0.0, *(round(0.4 + 0.05 * step, 2) for step in range(12)))  # candidates for `Calibration.least`


@dataclass(frozen=True)
class HeadFit:
    """A head's calibration, and how reliable its scores are without and with it on answers that no fit saw.

    `page` compares the kinds of fit, as Markdown.
    """

    calibration: Calibration
    raw: Reliability
    calibrated: Reliability
    page: str

    def on_questions(self, alone: Collection[bool]) -> HeadFit:
        """The fit of a `pair` head, kept for the kind of question that it was made on: without mentions (`alone`), with
        them, or, where there were both, any."""
        asked = None if len(alone) != 1 else "alone" if True in alone else "mentioned"
        return replace(self, calibration=self.calibration.model_copy(update={"asked": asked}))


def span_trials(
    gold: Sequence[Collection[Typed]], predicted: Sequence[Sequence[Scored]], groups: Sequence[int]
) -> SpanTrials:
    """Every predicted span of some texts, with whether it is right; `groups` number the texts' articles."""
    rows = [
        (one.score, one.entity.type, one.entity in of_text, group)
        for of_text, found, group in zip(map(frozenset, gold), predicted, groups, strict=True)
        for one in found
    ]
    scores, types, right, numbers = zip(*rows, strict=True) if rows else ((), (), (), ())
    return SpanTrials(
        np.array(scores, dtype=np.float64), np.array(types, dtype=np.str_), np.array(right, dtype=np.bool_),
        np.array(numbers, dtype=np.intp),
    )  # fmt: skip


def fit_spans(trials: SpanTrials, fitted_on: str) -> HeadFit | None:
    """The fit of a `tokens` head; None for fewer than `FEWEST` spans or a single article."""
    if len(trials) < FEWEST or len(set(trials.groups.tolist())) < 2:
        return None
    compared = {
        name: reliability(held_out_spans(trials, fit), trials.right, trials.groups) for name, fit in SPAN_FITS.items()
    }
    kept = fit_span(trials).model_copy(update={"fitted_on": fitted_on})
    page = table(RELIABILITY_HEADER, reliability_rows(compared))
    return HeadFit(kept, compared["raw"], compared[SPAN_FIT], page)


@dataclass(frozen=True)
class _Sides:
    """What decides a stance label besides probabilities: the labels in order, and the number of `none`; `map` is how
    probabilities are fitted before."""

    labels: tuple[str, ...]
    map: Callable[[ClassTrials], Calibration] = fit_class

    @property
    def none(self) -> int:
        return self.labels.index(NONE)

    def macro_f1(self, gold: Numbers, answers: Numbers) -> float:
        names, sides = np.array(self.labels), [label for label in self.labels if label != NONE]
        return score_labels(names[gold].tolist(), names[answers].tolist(), sides)["macro_f1"]

    def best_least(self, trials: ClassTrials, probabilities: Floats) -> float:
        """The smallest of `_LEASTS` with the highest macro-F1."""
        scored = [self.macro_f1(trials.gold, decided(probabilities, self.none, least)) for least in _LEASTS]
        return _LEASTS[int(np.argmax(np.round(scored, 6)))]

    def fit(self, trials: ClassTrials) -> Calibration:
        found = self.map(trials)
        return found.model_copy(update={"least": self.best_least(trials, found.classes(trials.probabilities))})


def _held_out_answers(trials: ClassTrials, sides: _Sides) -> Numbers:
    """Labels [n] of all trials, each by a fit and a `least` chosen on the parts that it is not in."""
    found, part = np.zeros(len(trials), dtype=np.intp), parts(trials.groups)
    for number in np.unique(part):
        own = part == number
        fitted = sides.fit(trials.where(~own))
        found[own] = decided(fitted.classes(trials.probabilities[own]), sides.none, fitted.least)
    return found


def fit_classes(trials: ClassTrials, labels: tuple[str, ...], fitted_on: str) -> HeadFit | None:
    """The fit of a `pair` head; None for fewer than `FEWEST` questions or a single article.

    It is kept where it has less log loss than raw scores on articles that it has not seen; else scores stay raw. A head
    with a label `none` also gets the least probability of a side, if choosing one on the other articles does better
    there than the likeliest label does.
    """
    if len(trials) < FEWEST or len(set(trials.groups.tolist())) < 2:
        return None
    held_out = {name: held_out_classes(trials, fit) for name, fit in CLASS_FITS.items()}
    compared = {
        name: reliability(rows.max(axis=1), rows.argmax(axis=1) == trials.gold, trials.groups)
        for name, rows in held_out.items()
    }
    pays = compared[CLASS_FIT].nll.value < compared["raw"].nll.value
    name, fit = (CLASS_FIT, fit_class) if pays else ("raw", CLASS_FITS["raw"])
    kept = fit(trials)
    page = table(RELIABILITY_HEADER, reliability_rows(compared))
    if NONE in labels:
        sides = _Sides(labels, fit)
        raw, likeliest = (decided(held_out[each], sides.none) for each in ("raw", name))
        abstaining = _held_out_answers(trials, sides)
        if sides.macro_f1(trials.gold, abstaining) > sides.macro_f1(trials.gold, likeliest) + _WORTH:
            kept = sides.fit(trials)
        rows = [("raw", raw), ("calibrated", likeliest), ("calibrated, with a least probability", abstaining)]
        page += f"\n\n{_labels_table(trials, sides, rows)}\n\n{_least_table(trials, sides, held_out[name])}"
    kept = kept.model_copy(update={"fitted_on": fitted_on, "answers": len(trials)})
    return HeadFit(kept, compared["raw"], compared[name], page)


def _labels_table(trials: ClassTrials, sides: _Sides, rows: Sequence[tuple[str, Numbers]]) -> str:
    cells = [
        [name, f"{sides.macro_f1(trials.gold, answers):.3f}", f"{np.mean(answers == trials.gold):.3f}"]
        for name, answers in rows
    ]
    return table(["labels", "macro-F1", "accuracy"], cells)


def _least_table(trials: ClassTrials, sides: _Sides, probabilities: Floats) -> str:
    """What each least probability of a side buys."""
    rows = []
    for least in _LEASTS:
        answers = decided(probabilities, sides.none, least)
        taken = answers != sides.none
        right = float(np.mean(trials.gold[taken] == answers[taken])) if taken.any() else 0.0
        macro = sides.macro_f1(trials.gold, answers)
        rows.append([f"{least:g}", str(int(taken.sum())), f"{right:.3f}", f"{macro:.3f}"])
    return table(["least", "sides taken", "of these right", "macro-F1"], rows)


def calibrate(loaded: Loaded, config: RunConfig) -> dict[str, HeadFit]:
    """Fits every head of a trained model that has a dev part in `evaluation`, and sets its config's calibration.

    With `calibration:` in the run's config the named cross-validation's fits are taken in place of that.
    """
    if config.calibration is not None:
        loaded.model.config.calibration = _fitting(
            read_calibrations(config.calibration), loaded.model.config.named_heads
        )
        return {}
    found = {}
    for name, head in loaded.model.config.named_heads.items():
        sources = {key: source for key, source in config.evaluation.items() if source.head == name}
        own = _fit_head(loaded, name, head, sources) if sources and head.kind != "text" else None
        if own:
            found[name] = own
    loaded.model.config.calibration = as_sections({name: fit.calibration for name, fit in found.items()})
    return found


def _fit_head(loaded: Loaded, name: str, head: Head, sources: dict[str, Source]) -> HeadFit | None:
    where = f"dev parts: {', '.join(sources)}"
    if head.kind == "pair":
        pairs = [gold for source in sources.values() for gold in read_pairs(source, head.labels)]
        fit = fit_classes(_pair_trials(loaded, name, head, pairs), head.labels, where)
        return fit and fit.on_questions({gold.pair.by_itself for gold in pairs})
    texts: list[GoldText] = []
    known: list[frozenset[str]] = []  # types that the text's set marks at all
    for source in sources.values():
        own = [mapped(gold, source) for gold in read_texts(source)]
        marked = frozenset(source.map.values()) if source.map and source.partial else frozenset(head.labels)
        texts, known = [*texts, *own], [*known, *(marked for _ in own)]
    predicted = scored_entities(loaded, name, [gold.text for gold in texts])
    judged = [[one for one in row if one.entity.type in types] for row, types in zip(predicted, known, strict=True)]
    return fit_spans(span_trials([to_words(gold) for gold in texts], judged, range(len(texts))), where)


def _pair_trials(loaded: Loaded, name: str, head: Head, pairs: Sequence[GoldPair]) -> ClassTrials:
    groups = {group: number for number, group in enumerate(dict.fromkeys(gold.group for gold in pairs))}
    return ClassTrials(
        pair_probs(loaded, name, [gold.pair for gold in pairs], calibrated=False).astype(np.float64),
        np.array([head.labels.index(gold.label) for gold in pairs], dtype=np.intp),
        np.array([groups[gold.group] for gold in pairs], dtype=np.intp),
    )


def as_metrics(fits: dict[str, HeadFit]) -> dict[str, float]:
    """A run's figures of its calibration: the ECE of each head, raw and calibrated, both on answers that no fit saw."""
    return {
        f"{name}_{measure}": each.ece.value
        for name, fit in fits.items()
        for measure, each in (("ece_raw", fit.raw), ("ece", fit.calibrated))
    }


def as_sections(found: dict[str, Calibration]) -> dict[str, object]:
    """Calibrations as config.json and calibration.json hold them."""
    return {name: each.model_dump(mode="json", exclude_defaults=True) for name, each in found.items()}


def read_calibrations(path: Path) -> dict[str, Calibration]:
    """The calibrations, by head, of a file or of the run folder that holds it. Raises ConfigError."""
    file = path / FILE if path.is_dir() else path
    try:
        tree = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{file}: cannot be read ({error.strerror}); `rasid train` writes one where it "
                          "cross-validates") from None  # fmt: skip
    except ValueError as error:
        raise ConfigError(f"{file}: not valid JSON ({error})") from None
    if not isinstance(tree, dict) or not tree:
        raise ConfigError(f"{file}: expected a calibration for each head by name")
    return {name: parse_config(Calibration, section, f"{file}: {name}") for name, section in tree.items()}


def _fitting(found: dict[str, Calibration], heads: dict[str, Head]) -> dict[str, object]:
    """The sections of the heads that the model has, after checking that they can be theirs. Raises ModelError."""
    own = {name: each for name, each in found.items() if name in heads}
    if not own:
        raise ModelError(f"no head of the model is calibrated there; its heads: {', '.join(heads)}; "
                         f"calibrated are: {', '.join(found)}")  # fmt: skip
    for name, each in own.items():
        size = 1 if heads[name].kind == "tokens" else len(heads[name].labels)
        if len(each.bias) not in (0, size):
            raise ModelError(f"head {name}: a calibration with {len(each.bias)} biases does not fit its {size}")
    return as_sections(own)


def set_calibration(folder: Path, sections: dict[str, object]) -> None:
    """Writes calibrations, by head, into a model folder's config.json; other heads keep theirs."""
    config = RasidConfig.from_pretrained(folder, local_files_only=True)
    config.calibration = config.calibration | sections
    config.save_pretrained(folder)


def run_calibrate(args: argparse.Namespace) -> int:
    """`rasid calibrate`: writes into the config.json of a finished model the calibration of a cross-validation, or one
    fitted now on the `evaluation` parts of a run config, with a page of what it is worth."""
    folder = find_model(str(args.model))
    check_folder(folder)
    config = RasidConfig.from_pretrained(folder, local_files_only=True)
    if Path(args.run).suffix in (".yaml", ".yml"):
        sections = _fit_on_evaluation(str(folder), load_run_config(str(args.run)))
    else:
        sections = _fitting(read_calibrations(Path(args.run)), config.named_heads)
    set_calibration(folder, sections)
    for name, section in sections.items():
        print(f"{name}: {json.dumps(section, ensure_ascii=False)}")
    print(f"calibration -> {folder}")
    return 0


def _fit_on_evaluation(model: str, config: RunConfig) -> dict[str, object]:
    fits = calibrate(load_model(model), config.model_copy(update={"calibration": None}))
    if not fits:
        raise ConfigError(f"evaluation: no part has {FEWEST} answers of a head of {model}, so nothing to fit on")
    for name, fit in fits.items():
        print(f"# {name}\n\n{fit.page}\n")
    return as_sections({name: fit.calibration for name, fit in fits.items()})

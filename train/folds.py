"""Folds: a fixed split of a set of pairs, said in a config, and cross-validation over all of them.

Each fold trains on the rest of the set (and on every other source of the config) and answers for its own part; scores
are taken over all folds together, once per seed, beside two floors from the same folds. Articles annotated by the
project have their own cross-validation, `rasid.train.crossval`.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import numpy as np

from rasid.config import dump_config
from rasid.errors import ConfigError, DataError
from rasid.loaded import stance_of
from rasid.uncertainty import Estimate, bootstrap

from .config import Fold, PairFolds, RunConfig
from .rounds import Rounds

if TYPE_CHECKING:
    from .sources import GoldPair

SYSTEMS = ("model", "majority", "loaded words")


def assign(pairs: Sequence[GoldPair], fold: Fold) -> list[int]:
    """The fold of every pair, counted from 0; a function of the pairs' order and the fold's seed.

    `rows` deals out the pairs of each (target, label) in turn; `claim` deals out whole targets, the largest first, each
    to the smallest fold; `target` gives every target a fold of its own; `given` takes the set's own folds in order.
    """
    if fold.by == "given":
        names = sorted({_given(pair) for pair in pairs})
        return [names.index(_given(pair)) for pair in pairs]
    if fold.by == "target":
        names = sorted({pair.pair.target for pair in pairs})
        return [names.index(pair.pair.target) for pair in pairs]
    random = np.random.default_rng(fold.seed)
    if fold.by == "claim":
        sizes = Counter(pair.pair.target for pair in pairs)
        claims = sorted(sizes)
        order = sorted(random.permutation(len(claims)), key=lambda n: -sizes[claims[n]])
        places, filled = {}, [0] * fold.count
        for n in order:
            smallest = filled.index(min(filled))
            places[claims[n]] = smallest
            filled[smallest] += sizes[claims[n]]
        return [places[pair.pair.target] for pair in pairs]
    return _stratified(pairs, fold, random)


def _stratified(pairs: Sequence[GoldPair], fold: Fold, random: np.random.Generator) -> list[int]:
    strata: dict[tuple[str, str], list[int]] = defaultdict(list)
    for number, pair in enumerate(pairs):
        strata[(pair.pair.target, pair.label)].append(number)
    found, dealt = [0] * len(pairs), 0
    for stratum in sorted(strata):
        for number in random.permutation(strata[stratum]):
            found[number] = dealt % fold.count
            dealt += 1
    return found


def _given(pair: GoldPair) -> str:
    if pair.fold is None:
        raise DataError(f"folds: given, but a row has neither fold nor test_fold (target {pair.pair.target[:60]!r})")
    return pair.fold


def chosen(pairs: Sequence[GoldPair], fold: Fold) -> list[GoldPair]:
    """The pairs of a fold's part: those of fold `number` when it is held out, the others otherwise."""
    return [pair for pair, own in zip(pairs, assign(pairs, fold), strict=True) if (own == fold.number) == fold.held]


@dataclass(frozen=True)
class Answer:
    """A held-out pair's label and what each system says."""

    fold: int
    target: str
    gold: str
    model: str
    majority: str
    loaded: str


def _fold_config(config: RunConfig, folds: PairFolds, number: int, seed: int) -> RunConfig:
    own = Fold(by=folds.by, count=folds.count, seed=folds.seed, number=number)
    source = config.sources[folds.source].model_copy(update={"fold": own})
    training = config.training | {"seed": seed, "save_strategy": "no"}
    update = {"sources": config.sources | {folds.source: source}, "training": training, "evaluation": {}}
    return config.model_copy(update=update)


def _run_fold(config: RunConfig, folds: PairFolds, number: int, seed: int) -> list[Answer]:
    from .evaluation import predict_pairs
    from .finetune import fit
    from .floors import StanceFloors
    from .sources import read_pairs

    own = _fold_config(config, folds, number, seed)
    source = own.sources[folds.source]
    fold = source.fold
    if fold is None:
        raise ConfigError(f"source {folds.source}: no fold")
    loaded = fit(own, config.output / f"fold-{number}-{seed}").loaded
    labels = loaded.model.config.named_heads[source.head].labels
    held = read_pairs(source.model_copy(update={"fold": fold.model_copy(update={"held": True})}), labels)
    floors = StanceFloors.learn(read_pairs(source, labels))
    said = predict_pairs(loaded, source.head, [gold.pair for gold in held])
    return [
        Answer(number, gold.pair.target, gold.label, answer, floors.majority, stance_of(gold.pair.passage))
        for gold, answer in zip(held, said, strict=True)
    ]


def _kept(config: RunConfig, folds: PairFolds, number: int, seed: int, rounds: Rounds) -> list[Answer]:
    """The answers of a fold: from its file when the same config has run it before, else by running it."""
    path = config.output / f"answers-{number}-{seed}.json"
    settings = _fold_config(config, folds, number, seed).model_dump_json(exclude={"output", "cross_validation"})
    mark = hashlib.sha256(settings.encode()).hexdigest()
    if path.is_file():
        tree = json.loads(path.read_text(encoding="utf-8"))
        if tree["config"] == mark:
            rounds.found(f"fold-{number}-{seed}")
            return [Answer(**answer) for answer in tree["answers"]]
    with rounds.training(f"fold-{number}-{seed}"):
        answers = _run_fold(config, folds, number, seed)
    tree = {"config": mark, "answers": [asdict(answer) for answer in answers]}
    path.write_text(json.dumps(tree, ensure_ascii=False) + "\n", encoding="utf-8")
    return answers


def _said(answer: Answer, system: str) -> str:
    return {"model": answer.model, "majority": answer.majority, "loaded words": answer.loaded}[system]


def macro_f1(answers: Sequence[Answer], system: str, sides: Sequence[str]) -> Estimate:
    """Macro-F1 over `sides` with a 95 % bootstrap interval over pairs."""
    counts = [
        [
            float(value)
            for side in sides
            for value in (a.gold == side, _said(a, system) == side, a.gold == _said(a, system) == side)
        ]
        for a in answers
    ]

    def macro(row: Sequence[float]) -> float:
        places = range(0, len(row), 3)
        f1s = [2 * row[i + 2] / (row[i] + row[i + 1]) if row[i] + row[i + 1] else 0.0 for i in places]
        return sum(f1s) / len(f1s)

    return bootstrap(counts, macro)


def report(by_seed: dict[int, list[Answer]], sides: Sequence[str], names: Sequence[str]) -> str:
    """Markdown: macro-F1 of each system for every fold and for all of them together, mean over seeds, and each seed's
    interval."""
    lines = ["| fold | pairs | " + " | ".join(SYSTEMS) + " |", "|---|---|" + "---|" * len(SYSTEMS)]
    first = next(iter(by_seed.values()))
    for number, name in [*enumerate(names), (None, "all")]:
        count = sum(number in (None, answer.fold) for answer in first)
        cells = []
        for system in SYSTEMS:
            parts = [[a for a in answers if number in (None, a.fold)] for answers in by_seed.values()]
            values = [macro_f1(part, system, sides).value for part in parts]
            spread = f" ± {np.std(values, ddof=1):.3f}" if len(values) > 1 and np.ptp(values) else ""
            cells.append(f"{np.mean(values):.3f}{spread}")
        lines.append(f"| {name} | {count} | " + " | ".join(cells) + " |")
    for seed, answers in by_seed.items():
        estimate = macro_f1(answers, "model", sides)
        lines.append(f"\nseed {seed}: {estimate.value:.3f}, 95 % interval [{estimate.low:.3f}, {estimate.high:.3f}]")
    return "\n".join(lines) + "\n"


def run_pair_folds(config: RunConfig) -> int:
    """Every fold and seed of `cross_validation.pairs`; prints a table and writes it to the run folder. Folds that are
    there from an earlier run of the same config are not run again."""
    from .sources import read_pairs

    cv = config.cross_validation
    if cv is None or cv.pairs is None:
        raise ConfigError("cross_validation.pairs: missing")
    folds = cv.pairs
    source = config.sources[folds.source]
    labels = config.heads[source.head].labels
    if not isinstance(labels, tuple):
        raise ConfigError(f"head {source.head}: its labels must be listed")
    pairs = read_pairs(source, labels)
    numbers = assign(pairs, Fold(by=folds.by, count=folds.count, seed=folds.seed))
    config.output.mkdir(parents=True, exist_ok=True)
    dump_config(config, config.output / "run.yaml")
    todo = range(max(numbers) + 1) if folds.only is None else folds.only
    rounds = Rounds(len(todo) * len(cv.seeds))
    by_seed = {seed: [a for n in todo for a in _kept(config, folds, n, seed, rounds)] for seed in cv.seeds}
    text = report(by_seed, [label for label in labels if label != "none"], _names(pairs, numbers, folds))
    print(text)
    (config.output / "report.md").write_text(text, encoding="utf-8")
    return 0


def _names(pairs: Sequence[GoldPair], numbers: Sequence[int], folds: PairFolds) -> list[str]:
    """What a table calls each fold: its target where it has one, else its number."""
    targets = dict(zip(numbers, (pair.pair.target for pair in pairs), strict=True))
    return [targets[n] if folds.by == "target" else str(n) for n in range(max(numbers) + 1)]

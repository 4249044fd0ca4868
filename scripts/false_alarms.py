"""How often a gate fails when nothing but the training seed has changed, and whether it fails when something has.

    python scripts/false_alarms.py docs/reports/seeds-cv/held-out/*.jsonl --gate gate.yaml

Every run is held against every other as its baseline: of a gate's false alarms the rate, with an exact 95 % binomial
interval, which takes the pairs for independent (they share runs, so it is a little narrow). Against `--baseline DIR`
each run is one trial. `--mixed N` draws N pairs of runs put together from folds of several seeds: as good as runs of
one seed, since every article has a model of its own; the draws share models, and no interval is given. Then, as planted
regressions, each run loses all its entities of one type, type by type. Figures that a run does not have (stances of
records that hold none) are left out of the gate.
"""

from __future__ import annotations

import argparse
import random
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import permutations
from pathlib import Path

from scipy.stats import binomtest

from rasid.annotations import Annotated, load_annotations
from rasid.counts import Counts, count
from rasid.errors import RasidError
from rasid.gate import Gate, load_gate
from rasid.gatecommand import read_baseline
from rasid.gating import Baseline, Evidence, Verdict, failed, judge
from rasid.passagecounts import count_passages
from rasid.predictions import load_predictions
from rasid.records import Record
from rasid.thresholds import without_type


@dataclass(frozen=True)
class Run:
    """One run's counts, by article and by passage."""

    name: str
    counts: Counts
    passages: Counts

    @property
    def baseline(self) -> Baseline:
        return Baseline(self.counts, self.passages)

    def judged(self, gate: Gate, baseline: Baseline) -> list[Verdict]:
        return failed(judge(gate, Evidence([self.counts], [self.passages]), baseline, "gate"))


def run_of(name: str, gold: Sequence[Annotated], predicted: Sequence[Record]) -> Run:
    return Run(name, count([each.record for each in gold], predicted), count_passages(gold, predicted))


def regressions_alone(gate: Gate, run: Run) -> Gate:
    """The gate with its regressions only, and of those the figures that the run says something of."""
    if gate.regressions is None:
        raise RasidError("the gate has no regressions, so there is nothing to measure")
    silent = {name for name, figure in run.counts.figures.items() if not figure.estimate().value}
    kept = {name: points for name, points in gate.regressions.allowed.items() if "*" in name or name not in silent}
    return Gate(regressions=gate.regressions.model_copy(update={"allowed": kept}))


def rate(name: str, alarms: int, trials: int) -> str:
    interval = binomtest(alarms, trials).proportion_ci(method="exact")
    return f"{name}: {alarms} of {trials} ({alarms / trials:.1%}; 95 % {interval.low:.1%} to {interval.high:.1%})"


def main() -> int:
    parser = argparse.ArgumentParser(description="False alarms of a gate over training seeds, and planted regressions.")
    parser.add_argument("predictions", type=Path, nargs="+", help="held-out records, one file for each seed")
    parser.add_argument("--gate", type=Path, default=Path("gate.yaml"))
    parser.add_argument("--baseline", type=Path, help="a stored report that each run is held against as well")
    parser.add_argument("--mixed", type=int, default=0, metavar="N", help="pairs put together from folds (default: 0)")
    parser.add_argument("--plant", nargs="*", metavar="TYPE", help="types to lose (default: all of the gold)")
    parser.add_argument("--gold", type=Path, default=Path("annotations"))
    parser.add_argument("--texts", type=Path, default=Path("seeds"))
    args = parser.parse_args()
    gold = load_annotations(args.gold, args.texts)
    records = {path.stem: load_predictions(path, gold) for path in args.predictions}
    runs = [run_of(name, gold, predicted) for name, predicted in records.items()]
    gate = regressions_alone(load_gate(args.gate), runs[0])
    if args.baseline:
        stored = read_baseline(args.baseline)
        alarms = [each for run in runs for each in run.judged(gate, stored)[:1]]
        print(rate("runs that fail against the stored baseline", len(alarms), len(runs)))
    if len(runs) > 1:
        pairs = [(base, new, new.judged(gate, base.baseline)) for base, new in permutations(runs, 2)]
        alarms_of = [(base.name, new.name, found) for base, new, found in pairs if found]
        print(rate("ordered pairs of seeds that fail", len(alarms_of), len(pairs)))
        for base_name, new_name, found in alarms_of:
            print(f"  {base_name} -> {new_name}: {found[0].line}")
    if args.mixed:
        alarms = sum(_mixed_alarm(gold, list(records.values()), gate, random.Random(n)) for n in range(args.mixed))
        print(f"pairs put together from folds that fail: {alarms} of {args.mixed}", flush=True)
    planted(gold, records, runs, gate, args.plant)
    return 0


def _mixed_alarm(
    gold: Sequence[Annotated], records: Sequence[Sequence[Record]], gate: Gate, rng: random.Random
) -> bool:
    """Whether the gate fails between two runs, each article of both from another seed."""
    chosen = [rng.sample(range(len(records)), 2) for _ in gold]
    base, new = (run_of("mixed", gold, [records[pair[side]][n] for n, pair in enumerate(chosen)]) for side in (0, 1))
    return bool(new.judged(gate, base.baseline))


def planted(
    gold: Sequence[Annotated],
    records: dict[str, list[Record]],
    runs: Sequence[Run],
    gate: Gate,
    chosen: Sequence[str] | None,
) -> None:
    """A line for each type of the gold: in how many runs its loss was caught, and in how many by a figure of all."""
    types = Counter(entity.type for each in gold for entity in each.record.entities)
    print("\n| type lost | gold | runs that fail | by a figure of all entities |\n| :- | -: | -: | -: |")
    for label, support in types.most_common():
        if chosen is not None and label not in chosen:
            continue
        caught = whole = 0
        for run, predicted in zip(runs, records.values(), strict=True):
            lost = run_of(run.name, gold, [without_type(record, label) for record in predicted])
            found = lost.judged(gate, run.baseline)
            caught += bool(found)
            whole += any(each.figure.startswith("entities") for each in found)
        print(f"| {label} | {support} | {caught} of {len(runs)} | {whole} |", flush=True)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except RasidError as error:
        sys.exit(f"false_alarms: {error}")

"""Comparison of two runs on the same articles: differences, their intervals, and whether they are more than chance.

It takes counts article by article, from stored reports or from records against one gold. A significant difference may
still be too small to matter, and of many figures tested at once some are significant by chance.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict, dataclass
from pathlib import Path

from rasid.annotations import load_annotations
from rasid.counts import COUNTS_FILE, Counts, count, read_counts
from rasid.errors import DataError
from rasid.evaluate import load_predictions
from rasid.records import write_exact
from rasid.spread import align
from rasid.tables import table
from rasid.thresholds import at_least, check_threshold
from rasid.uncertainty import LEVEL, Difference, paired, too_small

HEADER = ("figure", "base", "new", "points", "low", "high", "p", "effect", "detectable", "verdict")
POINTS = 100


@dataclass(frozen=True, slots=True)
class Comparison:
    """Differences by figure (new minus base), and for each that could not be told why not."""

    articles: int
    figures: dict[str, Difference]
    warnings: dict[str, str]

    def verdict(self, name: str) -> str:
        """`better`, `worse`, `same` (equal counts in every article), `no difference shown`, or `too small to tell`."""
        found = self.figures[name]
        if not found.changed:
            return "same"
        if found.real:
            return "better" if found.difference > 0 else "worse"
        return "too small to tell" if name in self.warnings else "no difference shown"

    def to_json(self) -> str:
        tree = asdict(self)
        for name in self.figures:
            tree["figures"][name]["verdict"] = self.verdict(name)
        return json.dumps(tree, ensure_ascii=False, indent=2)

    def render(self) -> str:
        """The table and the warnings, as Markdown that also reads well in a terminal."""
        rows = []
        for name, each in self.figures.items():
            points = (each.difference, each.low, each.high)
            numbers = [f"{each.base:.3f}", f"{each.new:.3f}", *(f"{POINTS * value:+.1f}" for value in points)]
            rest = [_p(each.p), f"{each.effect:+.2f}", f"{POINTS * each.detectable:.1f}", self.verdict(name)]
            rows.append([name, *numbers, *rest])
        head = (
            f"{self.articles} articles; points are 100 x (new - base), with the 95 % interval of a paired bootstrap "
            f"over articles; p by randomisation, two-sided, real below {LEVEL}; effect is Cohen's d_z over articles; "
            "detectable is the true difference in points that such a set shows in 80 % of cases."
        )
        lines = [head, "", table(HEADER, rows)]
        by_reason: dict[str, list[str]] = {}
        for name, why in self.warnings.items():
            by_reason.setdefault(why, []).append(name)
        lines += [""] if by_reason else []
        lines += [f"Warning: {why} ({_told(names)})" for why, names in by_reason.items()]
        return "\n".join(lines)


def _told(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{names[0]}, and {len(names) - 1} more"


def _p(value: float) -> str:
    return f"{value:.3f}" if value >= 0.001 else "<0.001"


def compare(base: Counts, new: Counts, seed: int = 0) -> Comparison:
    """Tests every figure of two runs. Raises DataError when they are not of the same articles."""
    figures = {
        name: paired(before.rows, after.rows, before.of, seed) for name, (before, after) in align([base, new]).items()
    }
    warnings = {name: why for name, each in figures.items() if (why := too_small(each))}
    return Comparison(len(base.docs), figures, warnings)


def _load(path: Path, args: argparse.Namespace, least: float) -> Counts:
    if not args.gold:
        return read_counts(path)
    gold = load_annotations(Path(args.gold), Path(args.seeds))
    predicted = [at_least(record, least) for record in load_predictions(path, gold)]
    return count([each.record for each in gold], predicted)


def run_compare(args: argparse.Namespace) -> int:
    """`rasid compare`: prints the comparison of `args.base` and `args.new`; 0 whatever it finds. Raises DataError."""
    least = check_threshold(args.min_score)
    for path in (args.base, args.new):
        if not args.gold and not (path / COUNTS_FILE).exists():
            raise DataError(
                f"{path}: no {COUNTS_FILE}, so not a report of `rasid evaluate --report`; for records give --gold"
            )
    if not args.gold and least:
        raise DataError("--min-score needs --gold: what a report holds is counted already")
    found = compare(_load(args.base, args, least), _load(args.new, args, least))
    print(found.render())
    if args.output:
        folder = Path(args.output)
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise DataError(f"{folder}: cannot be written ({error.strerror})") from None
        write_exact(folder / "comparison.json", f"{found.to_json()}\n")
        write_exact(folder / "comparison.md", f"# Comparison\n\n{found.render()}\n")
    return 0

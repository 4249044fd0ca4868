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
from rasid.mistakes import ERRORS_FILE, Mistake, all_mistakes, read_mistakes
from rasid.predictions import load_predictions
from rasid.records import write_exact
from rasid.spread import align
from rasid.tables import table
from rasid.thresholds import at_least, check_threshold
from rasid.uncertainty import LEVEL, Difference, paired, too_small

HEADER = ("figure", "base", "new", "points", "low", "high", "p", "effect", "detectable", "verdict")
POINTS = 100
EXPLANATION = (
    "Points are 100 x (new - base), with the 95 % interval of a paired bootstrap over articles; p by randomisation, "
    f"two-sided, real below {LEVEL}; effect is Cohen's d_z over articles; detectable is the true difference in points "
    "that such a set shows in 80 % of cases."
)


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

    def by_reason(self) -> dict[str, list[str]]:
        """The figures that could not be told, by why not."""
        found: dict[str, list[str]] = {}
        for name, why in self.warnings.items():
            found.setdefault(why, []).append(name)
        return found

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
            rest = [p_text(each.p), f"{each.effect:+.2f}", f"{POINTS * each.detectable:.1f}", self.verdict(name)]
            rows.append([name, *numbers, *rest])
        head = f"{self.articles} articles. {EXPLANATION}"
        lines = [head, "", table(HEADER, rows)]
        by_reason = self.by_reason()
        lines += [""] if by_reason else []
        lines += [f"Warning: {why} ({_told(names)})" for why, names in by_reason.items()]
        return "\n".join(lines)


def _told(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{names[0]}, and {len(names) - 1} more"


def p_text(value: float) -> str:
    """A p-value to three places."""
    return f"{value:.3f}" if value >= 0.001 else "<0.001"


def compare(base: Counts, new: Counts, seed: int = 0) -> Comparison:
    """Tests every figure of two runs. Raises DataError when they are not of the same articles."""
    figures = {
        name: paired(before.rows, after.rows, before.of, seed) for name, (before, after) in align([base, new]).items()
    }
    warnings = {name: why for name, each in figures.items() if (why := too_small(each))}
    return Comparison(len(base.docs), figures, warnings)


@dataclass(frozen=True, slots=True)
class _Loaded:
    counts: Counts
    wrong: list[Mistake] | None  # None where a report has no list of them


def _load(path: Path, args: argparse.Namespace, least: float) -> _Loaded:
    if not args.gold:
        errors = path / ERRORS_FILE
        return _Loaded(read_counts(path), read_mistakes(errors) if args.output and errors.exists() else None)
    gold = load_annotations(Path(args.gold), Path(args.seeds))
    predicted = [at_least(record, least) for record in load_predictions(path, gold)]
    return _Loaded(count([each.record for each in gold], predicted), all_mistakes(gold, predicted))


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
    base, new = (_load(path, args, least) for path in (args.base, args.new))
    found = compare(base.counts, new.counts)
    print(found.render())
    if args.output:
        from rasid.comparisonpage import Run, comparison_page  # jinja, which printing does not need

        folder = Path(args.output)
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise DataError(f"{folder}: cannot be written ({error.strerror})") from None
        write_exact(folder / "comparison.json", f"{found.to_json()}\n")
        write_exact(folder / "comparison.md", f"# Comparison\n\n{found.render()}\n")
        runs = [Run(str(path), each.wrong) for path, each in ((args.base, base), (args.new, new))]
        write_exact(folder / "comparison.html", comparison_page(found, *runs))
    return 0

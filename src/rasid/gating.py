"""Gating: whether a report keeps the limits of a gate file, limit by limit, with a sentence for each that it does not.

It takes counts, reliabilities and slices as `rasid evaluate` makes them, of one run or of several, and the counts of
the baseline. Of several runs a figure is the mean over the runs; against the baseline an article counts as on average.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from fnmatch import fnmatchcase
from typing import Literal, TypeVar

from rasid.counts import Counts, Figure
from rasid.errors import ConfigError, nearest
from rasid.gate import Gate, Regressions
from rasid.passagecounts import PASSAGES_FILE
from rasid.reliability import Reliability
from rasid.slices import Robustness
from rasid.spread import align, pooled
from rasid.tables import table
from rasid.uncertainty import FEW_ARTICLES, Difference, over_runs, paired

Kind = Literal["minimum", "floor", "regression", "slice", "calibration"]
Status = Literal["passed", "failed", "not shown"]
Unit = Literal["share", "points", "number"]
T = TypeVar("T")
HEADER = ("gate", "figure", "found", "limit", "verdict", "why")
POINTS = 100
_FORMS: dict[Unit, str] = {"share": ".3f", "points": ".1f", "number": ".0f"}
_TIE = 1e-9  # a figure that differs from its limit by rounding alone keeps it


@dataclass(frozen=True, slots=True)
class Evidence:
    """What a gate judges. `passages` are the counts of `runs` by passage, empty where articles are enough."""

    runs: Sequence[Counts]
    passages: Sequence[Counts] = ()
    scores: Mapping[str, Reliability] | None = None
    slices: Mapping[str, Robustness] | None = None  # by view


@dataclass(frozen=True, slots=True)
class Baseline:
    """The stored counts that regressions are taken against; `passages` is None where the report has none."""

    counts: Counts
    passages: Counts | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """One limit and what was found. `not shown`: lost beyond the limit, but not more than chance may do; no failure.

    `found` and `limit` are in `unit`; those of a regression are points lost. `why` is empty for a gate that has passed.
    """

    kind: Kind
    figure: str
    unit: Unit
    found: float
    limit: float
    status: Status
    why: str = ""

    @property
    def line(self) -> str:
        """The one line of a gate that has failed."""
        return f"gate failed: {self.kind}: {self.figure}: {self.why}"


def judge(gate: Gate, evidence: Evidence, baseline: Baseline | None, source: str) -> tuple[Verdict, ...]:
    """A verdict for every limit, in the order of the file; a gate that needs a baseline must have one (ValueError).

    Raises ConfigError, which names `source`, for a limit on what the report does not have, and DataError for a
    baseline of other articles.
    """
    tests = _tests(gate, evidence, baseline, source)
    return (
        *_minimum(gate, evidence, tests, source),
        *_floors(gate, evidence, source),
        *(_regressions(gate.regressions, tests, source) if gate.regressions else ()),
        *_slices(gate, evidence, source),
        *_calibration(gate, evidence, source),
    )


def failed(verdicts: Sequence[Verdict]) -> list[Verdict]:
    return [each for each in verdicts if each.status == "failed"]


def _named(known: Mapping[str, T], name: str, where: str) -> T:
    if name not in known:
        raise ConfigError(f"{where}: this report has no {name!r}{nearest(name, known)}")
    return known[name]


def _matching(known: Mapping[str, object], pattern: str, where: str) -> list[str]:
    """The figures that a name or a pattern with * stands for."""
    if "*" not in pattern:
        _named(known, pattern, where)
        return [pattern]
    found = [name for name in known if fnmatchcase(name, pattern)]
    if not found:
        raise ConfigError(f"{where}: no figure of this report is like {pattern!r}{nearest(pattern, known)}")
    return found


def _least(kind: Kind, figure: str, unit: Unit, found: float, limit: float) -> Verdict:
    """A limit from below."""
    kept = found >= limit - _TIE
    why = "" if kept else f"{_number(found, unit)} is below {_number(limit, unit)}"
    return Verdict(kind, figure, unit, found, limit, "passed" if kept else "failed", why)


def _most(kind: Kind, figure: str, unit: Unit, found: float, limit: float, why: str) -> Verdict:
    """A limit from above; `why` is said where it is passed over."""
    kept = found <= limit + _TIE
    return Verdict(kind, figure, unit, found, limit, "passed" if kept else "failed", "" if kept else why)


def _number(value: float, unit: Unit) -> str:
    return f"{value:{_FORMS[unit]}}"


def _floors(gate: Gate, evidence: Evidence, source: str) -> Iterator[Verdict]:
    aligned = align(evidence.runs)
    for name, floor in gate.floors.items():
        runs = _named(aligned, name, f"{source}: floors")
        figure = over_runs([each.rows for each in runs], runs[0].of)
        if floor.value is not None:
            yield _least("floor", name, "share", figure.mean, floor.value)
        if floor.low is not None:
            yield _least("floor", f"{name}, low end of the interval", "share", figure.low, floor.low)


@dataclass(frozen=True, slots=True)
class _Test:
    difference: Difference
    unit: str


def _tests(gate: Gate, evidence: Evidence, baseline: Baseline | None, source: str) -> dict[str, _Test]:
    """The paired test of every figure that a regression or a detectable loss is asked of."""
    if not gate.needs_baseline:
        return {}
    if baseline is None:
        raise ValueError(f"{source}: regressions without a baseline")
    pairs = _pairs(evidence, baseline, source)
    asked = [(name, "regressions.allowed") for name in (gate.regressions.allowed if gate.regressions else ())]
    asked += [(name, "minimum.detectable") for name in gate.minimum.detectable]
    names = dict.fromkeys(name for pattern, where in asked for name in _matching(pairs, pattern, f"{source}: {where}"))
    found = {}
    for name in names:
        (before, after), unit = pairs[name]
        found[name] = _Test(paired(before.rows, after.rows, before.of), unit)
    return found


def _pairs(evidence: Evidence, baseline: Baseline, source: str) -> dict[str, tuple[list[Figure], str]]:
    """By name, the figure of the baseline and of the runs, and what its rows are of: articles, or passages where the
    articles are too few and the figure has passages."""
    found = {name: (pair, "articles") for name, pair in align([baseline.counts, pooled(evidence.runs)]).items()}
    if evidence.passages:
        if baseline.passages is None:
            raise ConfigError(f"{source}: fewer than {FEW_ARTICLES} articles are compared by passage, and the baseline "
                              f"has no {PASSAGES_FILE}; make it anew with `rasid evaluate --report`")  # fmt: skip
        by_passage = align([baseline.passages, pooled(evidence.passages)])
        found |= {name: (pair, "passages") for name, pair in by_passage.items()}
    return found


def _regressions(regressions: Regressions, tests: Mapping[str, _Test], source: str) -> Iterator[Verdict]:
    limits: dict[str, float] = {}
    for pattern, points in regressions.allowed.items():
        for name in _matching(tests, pattern, f"{source}: regressions.allowed"):
            if name not in limits or "*" not in pattern:  # what is named stands over what a pattern says
                limits[name] = points
    real = _real({name: tests[name].difference.p for name in limits}, regressions.level)
    for name, allowed in limits.items():
        yield _regression(name, allowed, tests[name], name in real)


def _real(p_values: Mapping[str, float], level: float) -> set[str]:
    """The figures whose difference is real, all taken together (Holm 1979)."""
    found: set[str] = set()
    for number, (name, p) in enumerate(sorted(p_values.items(), key=lambda item: item[1])):
        if p >= level / (len(p_values) - number):
            break
        found.add(name)
    return found


def _regression(name: str, allowed: float, test: _Test, real: bool) -> Verdict:
    each = test.difference
    lost = POINTS * (each.base - each.new)
    if lost <= allowed + _TIE:
        return Verdict("regression", name, "points", lost, allowed, "passed")
    told = (
        f"lost {lost:.1f} points ({each.base:.3f} to {each.new:.3f}), {allowed:g} allowed; p = {each.p:.4f} over "
        f"{each.articles} {test.unit}, {each.changed} of them changed"
    )
    if real:
        return Verdict("regression", name, "points", lost, allowed, "failed", told)
    return Verdict("regression", name, "points", lost, allowed, "not shown", f"{told}: may be chance")


def _minimum(gate: Gate, evidence: Evidence, tests: Mapping[str, _Test], source: str) -> Iterator[Verdict]:
    minimum, figures = gate.minimum, pooled(evidence.runs).figures
    if minimum.articles is not None:
        yield _least("minimum", "articles", "number", len(evidence.runs[0].docs), minimum.articles)
    for name, least in minimum.gold.items():
        figure = _named(figures, name, f"{source}: minimum.gold")
        yield _least("minimum", f"{name}, gold items", "number", figure.support, least)
    for name, least in minimum.answers.items():
        scores = _named(evidence.scores or {}, name, f"{source}: minimum.answers")
        yield _least("minimum", f"scores of {name}", "number", scores.count, least)
    for pattern, points in minimum.detectable.items():
        for name in _matching(tests, pattern, f"{source}: minimum.detectable"):
            shown = POINTS * tests[name].difference.detectable
            why = f"only a loss of {shown:.1f} points would show in 4 of 5 cases, {points:g} are asked for"
            yield _most("minimum", f"{name}, detectable loss", "points", shown, points, why)


def _slices(gate: Gate, evidence: Evidence, source: str) -> Iterator[Verdict]:
    if not gate.slices:
        return
    if evidence.slices is None:
        raise ConfigError(f"{source}: slices: nothing was read in other spellings; add --slices (with --model)")
    found = {name.replace("_", " "): each for name, each in evidence.slices["nested"].slices.items()}
    for name, limit in gate.slices.items():
        each = _named(found, name.replace("_", " "), f"{source}: slices")
        if limit.loss is not None:
            cost = each.loss.value
            why = f"costs {cost:.1f} points of F1 ({each.loss.low:.1f} to {each.loss.high:.1f}), {limit.loss:g} allowed"
            yield _most("slice", f"{name}, points lost", "points", cost, limit.loss, why)
        if limit.f1 is not None:
            yield _least("slice", f"{name}, F1", "share", each.f1.value, limit.f1)


def _calibration(gate: Gate, evidence: Evidence, source: str) -> Iterator[Verdict]:
    for name, most in gate.calibration.items():
        each = _named(evidence.scores or {}, name, f"{source}: calibration")
        why = f"ECE {each.ece.value:.3f} is above {most:.3f}; exact scores would show {each.chance:.3f}"
        yield _most("calibration", f"{name}, ECE", "share", each.ece.value, most, f"{why} on {each.count} answers")


def render(verdicts: Sequence[Verdict]) -> str:
    """The table of all gates, those that failed first, as Markdown that also reads well in a terminal."""
    order = {"failed": 0, "not shown": 1, "passed": 2}
    rows = [
        [each.kind, each.figure, _number(each.found, each.unit), _number(each.limit, each.unit), each.status, each.why]
        for each in sorted(verdicts, key=lambda each: order[each.status])
    ]
    lost = len(failed(verdicts))
    head = f"{len(verdicts)} gates, {lost} failed." if lost else f"All {len(verdicts)} gates passed."
    return f"{head}\n\n{table(HEADER, rows)}"


@dataclass(frozen=True, slots=True)
class Judgement:
    """What gates.json holds; `passed` where no gate has failed."""

    passed: bool
    gates: tuple[Verdict, ...]


def to_json(verdicts: Sequence[Verdict]) -> str:
    """The verdicts as gates.json holds them."""
    found = Judgement(not failed(verdicts), tuple(verdicts))
    return json.dumps(asdict(found), ensure_ascii=False, indent=2)

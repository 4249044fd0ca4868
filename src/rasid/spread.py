"""Spread: the figures of several runs over the same articles, as mean and standard deviation over the runs.

It says how much a figure hangs on the training seed; that the runs differ in nothing else is the reader's care.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

from rasid.counts import Counts, Figure
from rasid.errors import DataError
from rasid.records import write_exact
from rasid.tables import table
from rasid.uncertainty import RunsEstimate, over_runs

HEADER = ("figure", "mean", "spread", "low", "high", "least", "most")


@dataclass(frozen=True, slots=True)
class Spread:
    """Figures over `runs` runs on `articles` articles, by name."""

    runs: int
    articles: int
    figures: dict[str, RunsEstimate]

    def render(self) -> str:
        """What the figures are of, and the table, as Markdown that also reads well in a terminal."""
        head = (
            f"{self.runs} runs on {self.articles} articles. Spread is the standard deviation over the runs; low and "
            "high are the 95 % interval of the mean, bootstrapped over articles; least and most are single runs."
        )
        return f"{head}\n\n{self.table()}"

    def table(self) -> str:
        rows = []
        for name, each in self.figures.items():
            spread = "" if each.spread is None else f"{each.spread:.3f}"
            ends = (each.low, each.high, min(each.by_run), max(each.by_run))
            rows.append([name, f"{each.mean:.3f}", spread, *(f"{value:.3f}" for value in ends)])
        return table(HEADER, rows)

    def only(self, names: Collection[str]) -> Spread:
        """The same of some of the figures."""
        return replace(self, figures={name: each for name, each in self.figures.items() if name in names})

    def write(self, folder: Path, page: str) -> None:
        """runs.json, and a page as runs.md, in `folder`, which exists. Raises DataError."""
        write_exact(folder / "runs.json", f"{json.dumps(asdict(self), ensure_ascii=False, indent=2)}\n")
        write_exact(folder / "runs.md", page)


def spread(runs: Sequence[Counts], seed: int = 0) -> Spread:
    """Mean and spread of every figure of runs on the same articles. Raises DataError when they are not the same."""
    aligned = align(runs)
    found = {name: over_runs([each.rows for each in figures], figures[0].of, seed) for name, figures in aligned.items()}
    return Spread(len(runs), len(runs[0].docs), found)


def pooled(runs: Sequence[Counts]) -> Counts:
    """The counts of several runs as those of one: of every article, the mean over the runs. Raises DataError."""
    if len(runs) == 1:
        return runs[0]
    figures = {
        name: Figure(same[0].measure, np.mean([each.rows for each in same], axis=0).tolist())
        for name, same in align(runs).items()
    }
    return Counts(runs[0].docs, figures)


def align(runs: Sequence[Counts]) -> dict[str, list[Figure]]:
    """By name, the figure of every run over the articles in the order of the first run.

    What a run lacks (a type that it never predicts and the gold has not) stands at nought. Raises DataError when the
    runs are of other articles, or have one figure under two measures.
    """
    docs = runs[0].docs
    for run in runs[1:]:
        if sorted(run.docs) != sorted(docs):
            lone = sorted(set(docs) ^ set(run.docs))
            raise DataError(
                f"the runs are not of the same articles: {len(lone)} stand in one alone, such as {lone[:1]}"
            )
    names = list(dict.fromkeys(name for run in runs for name in run.figures))
    return {name: _aligned(name, runs) for name in names}


def _aligned(name: str, runs: Sequence[Counts]) -> list[Figure]:
    known = next(run.figures[name] for run in runs if name in run.figures)
    shape = (known.measure, _width(known))
    figures = []
    for run in runs:
        own = run.figures.get(name, Figure(known.measure, [[0.0] * shape[1]] * len(run.docs)))
        if (own.measure, _width(own)) != shape:
            raise DataError(
                f"figure {name!r} is not the same in all runs; make the reports anew with one version of rasid"
            )
        place = {doc: number for number, doc in enumerate(run.docs)}
        figures.append(Figure(own.measure, [own.rows[place[doc]] for doc in runs[0].docs]))
    return figures


def _width(figure: Figure) -> int:
    return len(figure.rows[0]) if figure.rows else 0

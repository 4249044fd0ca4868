"""Figures of a model for its card: of a run over seeds, of `rasid evaluate --report`, or of a single training run.

Intervals are taken where a report has them. It reads files, and computes nothing.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rasid.errors import DataError, ModelError

REPORT, METRICS = "report.json", "metrics.json"
_ALL = "all"  # the part of a set that is the whole of it
_TASKS = {"span_f1", "strict_f1", "lenient_f1"}


@dataclass(frozen=True)
class Figure:
    """A score of a model on a set. `low` and `high` are the ends of its 95 % interval, where there is one; `spread` is
    the standard deviation over `runs` training runs."""

    dataset: str
    measure: str
    value: float
    low: float | None = None
    high: float | None = None
    spread: float | None = None
    runs: int = 1
    task: str = "token-classification"


def _read(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: cannot be read ({error})") from None


def figures_of(folder: Path, revision: str, report: Path | None = None) -> tuple[Figure, ...]:
    """The figures of the model in `folder`: those of `report` (a folder of `rasid evaluate --report`), else of the run
    that it belongs to. Raises ModelError for a report on other weights."""
    if report is not None:
        tree = _read(report / REPORT)
        if "sets" in tree:
            return tuple(_of_seeds(tree))
        named = [str(model.get("revision")) for model in tree.get("models", [])]
        if named and named != [revision]:
            raise ModelError(f"{report}: reports on a model with weights {named[0][:12]}, not on {folder}")
        return tuple(_of_evaluation(tree, report))
    for place in (folder, folder.parent):
        tree = _read(place / REPORT) if (place / REPORT).is_file() else {}
        if isinstance(tree, dict) and "sets" in tree:
            return tuple(_of_seeds(tree))
    return tuple(_of_training(_read(folder / METRICS))) if (folder / METRICS).is_file() else ()


def _of_seeds(tree: dict[str, Any]) -> Iterator[Figure]:
    for each in tree["sets"]:
        for figure in each["figures"]:
            if figure["part"] == _ALL:
                ends = {"low": figure["low"], "high": figure["high"], "spread": figure["spread"]}
                task = _task(figure["measure"])
                yield Figure(
                    each["name"], figure["measure"], figure["mean"], **ends, runs=len(tree["seeds"]), task=task
                )


def _of_evaluation(tree: dict[str, Any], report: Path) -> Iterator[Figure]:
    name = f"{tree['articles']} gold articles ({report.name})"

    def figure(measure: str, estimate: dict[str, float], task: str) -> Figure:
        return Figure(name, measure, estimate["value"], estimate["low"], estimate["high"], task=task)

    for view, scores in tree["entities"].items():
        yield figure(f"{view} entities, strict F1", scores["f1"], "token-classification")
    for measure, estimate in tree["clusters"]["f1"].items():
        yield figure(f"clusters, {measure} F1", estimate, "token-classification")
    for kind, scores in tree["stances"].items():
        if scores["support"]:
            yield figure(f"stance per {kind}, macro-F1", scores["macro_f1"], "text-classification")


def _of_training(tree: dict[str, Any]) -> Iterator[Figure]:
    """Scores of the evaluation sets after training, without intervals: `dev_span_f1` is `span_f1` of the set `dev`."""
    measures = ("span_f1", "strict_f1", "lenient_f1", "macro_f1", "accuracy")
    for name, value in tree.get("metrics", {}).items():
        measure = next((m for m in measures if name.endswith(f"_{m}")), None)
        if measure:
            yield Figure(name.removesuffix(f"_{measure}"), measure, value, task=_task(measure))


def _task(measure: str) -> str:
    tokens = measure in _TASKS or "strict" in measure or "lenient" in measure or "span" in measure
    return "token-classification" if tokens else "text-classification"

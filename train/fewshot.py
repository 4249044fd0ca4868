"""Few-shot curve: entity F1 on an article that training has not seen, against how many other articles it has.

Every article is held out in turn; what training saw of the others is drawn, seeded, from all sets of a size.
Predictions are kept, so a run that was stopped goes on where it was. Curves of several runs share one table and plot.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from random import Random
from typing import get_args

from pydantic import BaseModel, ValidationError

from rasid.errors import ConfigError, DataError
from rasid.metrics import Unit, View, outermost, span_f1, span_row, split_unit
from rasid.records import Entity
from rasid.tables import table
from rasid.text import Span, passages
from rasid.uncertainty import Row

from .claim import claim
from .config import FewShot, RunConfig
from .evaluation import predict_entities
from .figures import Figure, MeanFigure, mean_figure
from .finetune import fit
from .rounds import Rounds
from .seeds import REPORT_JSON, write_report
from .sources import Article, annotated_articles

PLOT = "few-shot.png"
_READERS = ("annotations", "annotated-stances")


@dataclass(frozen=True, slots=True)
class Trial:
    """One training run: which article is held out, and which the heads learn from."""

    held_out: str
    shown: tuple[str, ...]
    seed: int

    @property
    def name(self) -> str:
        return f"{self.held_out}.{len(self.shown)}-{'+'.join(self.shown)}.seed-{self.seed}.json"


class _Point(BaseModel):
    """A size's mean F1 over its runs, under one view of the spans."""

    size: int
    view: str
    runs: tuple[float, ...]
    mean: float
    spread: float | None
    low: float
    high: float

    def __str__(self) -> str:
        spread = "" if self.spread is None else f" ± {self.spread:.3f}"
        return f"{self.mean:.3f}{spread} [{self.low:.3f}, {self.high:.3f}]"


class Curve(BaseModel):
    """A run's points; report.json holds one."""

    label: str
    encoder: str
    articles: int
    points: tuple[_Point, ...]


def drawn(docs: Sequence[str], held_out: str, size: int, draws: int) -> list[tuple[str, ...]]:
    """`draws` different sets of `size` of the other articles (all sets where there are no more), seeded by the
    arguments alone."""
    sets = list(combinations([doc for doc in docs if doc != held_out], size))
    Random(f"{held_out} {size}").shuffle(sets)
    return sets[:draws]


def readings(docs: Sequence[str], options: FewShot, size: int) -> Iterator[list[Trial]]:
    """The trials of a size, one list for each reading of all articles: by seed, then by draw."""
    for seed in options.seeds:
        sets = {doc: drawn(docs, doc, size, options.draws) for doc in docs}
        for draw in range(max(map(len, sets.values()))):
            yield [Trial(doc, sets[doc][draw % len(sets[doc])], seed) for doc in docs]


def of_trial(config: RunConfig, trial: Trial, largest: int) -> RunConfig:
    """The config of a trial: only its articles, epochs multiplied up to the steps of the `largest` size."""
    sources = {
        name: source.model_copy(update={"only": trial.shown}) if source.reader in _READERS else source
        for name, source in config.sources.items()
    }
    epochs = float(config.training.get("num_train_epochs", 5)) * largest / len(trial.shown)
    training = config.training | {"seed": trial.seed, "num_train_epochs": epochs, "save_strategy": "no"}
    return config.model_copy(update={"sources": sources, "training": training, "evaluation": {}})


def predicted(
    config: RunConfig, options: FewShot, article: Article, trial: Trial, rounds: Rounds
) -> tuple[Entity, ...]:
    """The entities that a trial finds in its held-out article; trained now, or read where that was done before."""
    path = config.output / "trials" / options.head / trial.name
    if path.is_file():
        rounds.found(path.stem)
        rows = json.loads(path.read_text(encoding="utf-8"))
    else:
        own = of_trial(config, trial, max(options.sizes))
        with rounds.training(path.stem):
            loaded = fit(own, config.output / "work").loaded
            found = predict_entities(loaded, options.head, [article.text])[0]
        rows = [[each.span.start, each.span.end, each.type] for each in found]
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(".part")
        partial.write_text(json.dumps(rows) + "\n", encoding="utf-8")
        partial.replace(path)  # a trial that was stopped leaves nothing that looks finished
    return tuple(
        Entity(id=f"T{n}", type=kind, start=start, end=end, surface=Span(start, end).of(article.text))
        for n, (start, end, kind) in enumerate(rows, 1)
    )


def _as_they_are(entities: tuple[Entity, ...]) -> tuple[Entity, ...]:
    return entities


_VIEWS: dict[View, Callable[[tuple[Entity, ...]], tuple[Entity, ...]]] = {
    "nested": _as_they_are,
    "outermost": outermost,
}


def _rows(articles: Sequence[Article], found: Sequence[tuple[Entity, ...]], view: View) -> list[Row]:
    """Counts of every passage of every article."""
    rows: list[Row] = []
    of = _VIEWS[view]
    for article, entities in zip(articles, found, strict=True):
        unit = Unit(of(article.record.entities), of(entities))
        rows += [span_row(part) for part in split_unit(unit, passages(article.text))]
    return rows


def _point(size: int, view: View, mean: MeanFigure) -> _Point:
    return _Point(
        size=size, view=view, runs=mean.by_run, mean=mean.mean, spread=mean.spread, low=mean.low, high=mean.high
    )


def curve(config: RunConfig, options: FewShot, articles: Sequence[Article]) -> Curve:
    """Runs all trials and gives the points, each a mean over seeds and draws."""
    by_doc = {article.record.doc: article for article in articles}
    docs, points = list(by_doc), []
    rounds = Rounds(sum(len(trials) for size in options.sizes for trials in readings(docs, options, size)))
    for size in options.sizes:
        runs: list[list[tuple[Entity, ...]]] = []
        for trials in readings(docs, options, size):
            runs.append([predicted(config, options, by_doc[trial.held_out], trial, rounds) for trial in trials])
        for view in get_args(View):
            figures = []
            for run in runs:
                rows = _rows(articles, run, view)
                figures.append(Figure(view, "all", rows, span_f1, int(sum(row[2] for row in rows))))
            points.append(_point(size, view, mean_figure(figures)))
            print(f"{size} articles, {view}: {points[-1]}", flush=True)
    return Curve(
        label=options.label or config.encoder, encoder=config.encoder, articles=len(docs), points=tuple(points)
    )


def read_curve(folder: Path) -> Curve:
    """The curve of an earlier run. Raises DataError."""
    path = folder / REPORT_JSON
    try:
        return Curve.model_validate_json(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise DataError(f"few_shot.beside: {path}: cannot be read ({error.strerror})") from None
    except ValidationError:
        raise DataError(f"few_shot.beside: {path}: not the report of a few-shot run") from None


def render(curves: Sequence[Curve]) -> str:
    """A table for each view: sizes down, runs across, as Markdown."""
    sizes = sorted({point.size for each in curves for point in each.points})
    lines = [
        "Strict span F1 on articles that were held out, mean ± sample standard deviation over draws and seeds,",
        "with the 95 % bootstrap interval of that mean over passages.",
    ]
    for view in get_args(View):
        found = [{point.size: str(point) for point in each.points if point.view == view} for each in curves]
        rows = [[str(size), *(own.get(size, "") for own in found)] for size in sizes]
        lines += ["", f"## {view}", "", table(["training articles", *(each.label for each in curves)], rows)]
    return "\n".join(lines)


def draw(curves: Sequence[Curve], path: Path) -> None:
    """The nested curves with their intervals; skipped with a line when matplotlib is missing."""
    try:
        import matplotlib
    except ImportError:
        print(f"{path.name} not drawn: pip install 'rasid[plots]' for matplotlib", flush=True)
        return
    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(6, 4))
    for number, each in enumerate(curves):
        points = [point for point in each.points if point.view == "nested"]
        sizes = [point.size + 0.04 * number for point in points]  # side by side, so that the bars do not hide
        ends = [[p.mean - p.low for p in points], [p.high - p.mean for p in points]]
        axes.errorbar(sizes, [p.mean for p in points], yerr=ends, marker="o", capsize=3, label=each.label)
    axes.set(xlabel="training articles", ylabel="nested span F1", ylim=(0, None))
    axes.set_xticks(sorted({point.size for each in curves for point in each.points}))
    axes.grid(alpha=0.3)
    axes.legend()
    figure.savefig(path, dpi=120, bbox_inches="tight")
    pyplot.close(figure)


def _articles(config: RunConfig, options: FewShot) -> list[Article]:
    """The annotated articles of the scored head. Raises ConfigError when there are too few for the sizes."""
    own = [s for s in config.sources.values() if s.reader == "annotations" and s.head == options.head]
    if not own:
        raise ConfigError(f"few_shot.head: no annotations source feeds {options.head!r}")
    articles = annotated_articles(own[0])
    for size in options.sizes:
        if not 1 <= size < len(articles):
            allowed = f"with {len(articles)} articles, one of them held out, sizes go from 1 to {len(articles) - 1}"
            raise ConfigError(f"few_shot.sizes: {size}; {allowed}")
    return articles


def run_few_shot(config: RunConfig) -> int:
    """The whole curve: report.json, report.md and a plot in the run folder."""
    options = config.few_shot
    if options is None:
        raise ConfigError("few_shot: missing")
    others = [read_curve(folder) for folder in options.beside]
    articles = _articles(config, options)
    claim(config.output, config)
    own = curve(config, options, articles)
    page = render([own, *others])
    write_report(config.output, own.model_dump(mode="json"), f"# {config.output.name}\n\n{page}")
    draw([own, *others], config.output / PLOT)
    print(f"\n{page}\n\nreport -> {config.output}")
    return 0

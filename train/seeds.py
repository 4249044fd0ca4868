"""Runs over several seeds: one model for each, and a report with means, spreads and intervals.

A seed's folder is a finished model folder; run again, the command trains what is missing and scores all anew, from the
saved models, so the figures are those of the files. The evaluation sets and `data.test` are scored once, after
training, and choose nothing, unless early stopping asks one of the former when to stop.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from rasid.card import write_card
from rasid.errors import DataError, nearest
from rasid.matching import surface_key
from rasid.tables import table

from .claim import CLAIM, claim
from .config import RunConfig, Source
from .exam import Exam, exam
from .figures import ALL, Figure, MeanFigure, exam_units, figures_of, finished_model, mean_figure
from .finetune import fit, resolve_heads, save
from .processes import processes
from .rounds import Rounds
from .sources import mapped, read_texts

TEST = "data.test"
REPORT_JSON, REPORT_MD = "report.json", "report.md"
_FINISHED = "metrics.json"  # the last file that a run writes


@dataclass(frozen=True, slots=True)
class SetReport:
    """The figures of one gold set; `unit` and `units` say what the bootstrap drew."""

    name: str
    file: str
    size: int
    unit: str
    units: int
    figures: tuple[MeanFigure, ...]

    def render(self, seeds: Sequence[int]) -> str:
        """A table with a row for each part and columns for each measure, as Markdown."""
        measures = list(dict.fromkeys(figure.measure for figure in self.figures))
        parts = list(dict.fromkeys(figure.part for figure in self.figures))
        found = {(figure.measure, figure.part): figure for figure in self.figures}
        header = ["part", f"gold, {measures[0]}", *(word for measure in measures for word in (measure, "95 %"))]
        rows = []
        for part in parts:
            own = [found[measure, part] for measure in measures]
            cells = [cell for each in own for cell in (str(each), f"{each.low:.3f} to {each.high:.3f}")]
            rows.append([part, str(own[0].support), *cells])
        lines = [f"## {self.name}", "", f"`{self.file}`, {self.size} items; intervals over {self.units} {self.unit}."]
        lines += ["", table(header, rows), ""]
        for measure in measures:
            values = ", ".join(f"{value:.3f}" for value in found[measure, ALL].by_run)
            best = max(zip(seeds, found[measure, ALL].by_run, strict=True), key=lambda run: run[1])
            which = f"; best: seed {best[0]}, {best[1]:.3f}" if len(seeds) > 1 else ""
            lines.append(f"{measure}, seed by seed: {values}{which}")
        return "\n".join(lines)


@dataclass(frozen=True, slots=True)
class Report:
    """All sets of a run over seeds."""

    encoder: str
    encoder_revision: str | None
    seeds: tuple[int, ...]
    sets: tuple[SetReport, ...]
    chosen_by: str | None = None  # early stopping's metric

    def render(self) -> str:
        """The report as Markdown."""
        seeds = ", ".join(map(str, self.seeds))
        revision = f" (revision {self.encoder_revision[:12]})" if self.encoder_revision else ""
        several = f"seeds {seeds}: mean ± sample standard deviation over the seeds"
        lines = [f"Encoder `{self.encoder}`{revision}, {several if len(self.seeds) > 1 else f'one seed, {seeds}'}."]
        if self.chosen_by:
            lines.append(f"`{self.chosen_by}` chose the checkpoint of each run, so its set flatters; others do not.")
        lines.append("Intervals are 95 % bootstrap intervals of the mean; they do not hold the spread over seeds.")
        return "\n\n".join(["\n".join(lines), *(each.render(self.seeds) for each in self.sets)])


def held_out(config: RunConfig) -> dict[str, Source]:
    """The sets to score: the config's evaluation sets, and the test file where one is given, by name."""
    if config.data.test is None:
        return dict(config.evaluation)
    like = config.evaluation[config.data.like or next(iter(config.evaluation))]
    whole = {"path": config.data.test, "part": "all", "blocks": None}
    return config.evaluation | {TEST: like.model_copy(update=whole)}


def read_exams(config: RunConfig) -> dict[str, Exam]:
    """Every held-out set, read and checked before anything is trained. Raises DataError naming file and line, or the
    label that the head does not know."""
    heads = resolve_heads(config)
    exams = {}
    for name, source in held_out(config).items():
        exams[name] = found = exam(source, heads[source.head])
        if not (found.texts or found.pairs or found.articles):
            raise DataError(f"{source.path}: nothing to score in it")
        labels = heads[source.head].labels
        for gold in found.texts:
            for entity in gold.entities:
                if entity.type not in labels:
                    what = f"{entity.span.of(gold.text)!r} has the type {entity.type!r}, which head {source.head!r}"
                    raise DataError(f"{source.path}: {gold.doc}: {what} does not know{nearest(entity.type, labels)}")
    return exams


def trained_surfaces(config: RunConfig, head: str) -> frozenset[str]:
    """Normalised surfaces of all mentions that a head is trained on."""
    sources = [source for source in config.sources.values() if source.head == head]
    texts = [mapped(gold, source) for source in sources for gold in read_texts(source)]
    return frozenset(surface_key(entity.span.of(gold.text)) for gold in texts for entity in gold.entities)


def of_seed(config: RunConfig, seed: int, folder: Path) -> RunConfig:
    """The config of one seed's run. All heads are kept, since the sets that are scored may need any of them; nothing is
    scored while it trains but the sets that early stopping may need."""
    heads = {name: head.model_copy(update={"ship": True}) for name, head in config.heads.items()}
    idle = {} if config.early_stopping else {"eval_strategy": "no"}
    judges = config.evaluation if config.early_stopping else {}
    training = idle | config.training | {"seed": seed}
    change = {"heads": heads, "training": training, "output": folder, "evaluation": judges, "seeds": ()}
    return config.model_copy(update=change | {"data": type(config.data)()})


def train_seed(config: RunConfig, seed: int, folder: Path, rounds: Rounds) -> None:
    """Trains one seed into its folder, or goes on where it was stopped; a finished one is left as it is."""
    own, first = of_seed(config, seed, folder), processes().first
    if first:
        claim(folder, own)
    if (folder / _FINISHED).is_file():
        rounds.found(f"seed {seed} -> {folder}")
        return
    with rounds.training(f"seed {seed} -> {folder}"):
        result = fit(own, folder, resume=True)
        if first:
            save(result, own, folder)
            shutil.rmtree(folder / "checkpoints", ignore_errors=True)  # optimizer states, six times the model


def score_runs(config: RunConfig, folders: Sequence[Path], exams: Mapping[str, Exam]) -> tuple[SetReport, ...]:
    """The figures of saved models, averaged over them, on every held-out set."""
    sources = held_out(config)
    tokens = {name for name, head in config.heads.items() if head.kind == "tokens"}
    known = {head: trained_surfaces(config, head) for head in {s.head for s in sources.values()} & tokens}
    runs: dict[str, list[list[Figure]]] = {name: [] for name in exams}
    for folder in folders:
        loaded = finished_model(str(folder))
        for name, each in exams.items():
            head = loaded.model.config.named_heads[each.head]
            runs[name].append(figures_of(loaded, each, head, sources[name], known.get(each.head, frozenset())))
    reports = []
    for name, each in exams.items():
        units = exam_units(each, sources[name])
        means = tuple(mean_figure(same) for same in zip(*runs[name], strict=True))
        size = len(each.texts) + len(each.pairs) + len(each.articles)
        reports.append(SetReport(name, str(sources[name].path), size, units.kind, units.count, means))
    return tuple(reports)


def write_report(folder: Path, tree: object, page: str) -> None:
    """report.json and report.md in a run folder. Raises DataError when they cannot be written."""
    pages = {REPORT_JSON: json.dumps(tree, ensure_ascii=False, indent=1), REPORT_MD: page}
    for name, content in pages.items():
        try:
            (folder / name).write_text(f"{content}\n", encoding="utf-8")
        except OSError as error:
            raise DataError(f"{folder / name}: cannot be written ({error.strerror})") from None


def report(config: RunConfig, folders: Mapping[int, Path], exams: Mapping[str, Exam]) -> Report:
    """Scores the finished models of all seeds, writes report.json and report.md to the run folder."""
    first = next(iter(folders.values()))
    claimed = first / CLAIM
    revision = json.loads(claimed.read_text(encoding="utf-8"))["encoder"] if claimed.is_file() else None
    metric = config.early_stopping.metric if config.early_stopping else None
    found = Report(config.encoder, revision, tuple(folders), score_runs(config, list(folders.values()), exams), metric)
    write_report(config.output, asdict(found), f"# {config.output.name}\n\n{found.render()}")
    for folder in folders.values():
        write_card(folder)
    return found


def run_seeds(config: RunConfig) -> int:
    """Trains every seed that is not finished, then scores all of them."""
    exams = read_exams(config)
    if not exams:
        raise DataError("seeds: the config has no evaluation set to report on; set evaluation or data.test")
    seeds = config.seeds or (int(config.training.get("seed", 1)),)
    folders = {seed: config.output / f"seed-{seed}" for seed in seeds}
    rounds = Rounds(len(folders))
    for seed, folder in folders.items():
        train_seed(config, seed, folder, rounds)
    if processes().first:
        print(f"\n{report(config, folders, exams).render()}\n\nreport -> {config.output / REPORT_MD}")
    return 0

"""Inference jobs: inputs in, records out, chunk by chunk, in input order, with every failure accounted for.

A chunk is what the model is given at once. Where chunks end depends on the articles alone, and a job commits and
resumes between two of them: so an article has the same company, and the same scores, however often its job was killed.
`predict_texts` is the same work for texts that are in memory already.
"""

from __future__ import annotations

import argparse
import hashlib
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import torch

from rasid import __version__
from rasid.errors import ConfigError, DataError
from rasid.model import find_model
from rasid.records import Record
from rasid.thresholds import check_threshold

from .aliases import NO_ALIASES, AliasTable, read_aliases
from .articles import Article, Columns, Read, Reject
from .engine import Engine, choose_device, describe, open_engine, tuned_tokens, usual_tokens
from .engines import TORCH, Choice, choose
from .faults import STOPPED, DeviceError, JobError, Stopped, Stops
from .files import Meter, survey, total_bytes
from .given import check_targets
from .outputs import Output, plan, prepare
from .predictor import predict, predict_each
from .progress import Count, Progress, open_progress
from .ranks import Launch, launched, work_for
from .raying import RayTeam
from .readers import read
from .resume import Commit, Header, Journal, Trail, change, follow, header_of, locked
from .team import Processes, Team, in_order
from .worker import Settings, chunk_json
from .writers import RejectsWriter, open_writer

_CHUNK_ARTICLES = 64
_CHUNK_CHARACTERS = 200_000  # bounds memory; a longer article makes a chunk of its own
_COMMIT_SECONDS = 2.0  # at least, between two commits: what a kill costs, beside the chunk in work


def predict_texts(texts: Iterable[tuple[str, str]], model: str, device: str = "cpu") -> list[Record]:
    """Records of (doc, text) pairs, in order.

    Raises ModelError for a model that cannot be loaded, ConfigError for an absent device, DataError for a
    text with half a surrogate pair, which no UTF-8 file can hold.
    """
    return list(stream_texts(texts, model, device))


def stream_texts(texts: Iterable[tuple[str, str]], model: str, device: str = "cpu") -> Iterator[Record]:
    """As `predict_texts`, for more texts than fit in memory: takes them chunk by chunk and gives records as they
    are made."""
    engine = open_engine(model, choose_device(device))
    for chunk in chunks(_sound(doc, text) for doc, text in texts):
        yield from predict(engine, _articles(chunk))


def _sound(doc: str, text: str) -> Article:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        found = f"U+{ord(text[error.start]):04X} at character {error.start}"
        raise DataError(f"{doc}: lone surrogate {found}") from None
    return Article(doc, text)


def chunks(items: Iterable[Read]) -> Iterator[list[Read]]:
    """Items in runs of bounded size, order kept. Where a run ends depends on its own items and the next one."""
    chunk: list[Read] = []
    characters = 0
    for item in items:
        size = len(item.text) if isinstance(item, Article) else 0
        if chunk and (len(chunk) == _CHUNK_ARTICLES or characters + size > _CHUNK_CHARACTERS):
            yield chunk
            chunk, characters = [], 0
        chunk.append(item)
        characters += size
    if chunk:
        yield chunk


def _articles(chunk: Iterable[Read]) -> list[Article]:
    return [item for item in chunk if isinstance(item, Article)]


@dataclass(frozen=True, slots=True)
class Workers:
    """Who reads: nobody but this process, or `count` workers (0: as many as there are devices) of a runner."""

    runner: str
    count: int
    aliases: str | None  # the file, which workers read themselves

    @property
    def asked(self) -> bool:
        return self.runner == "ray" or self.count > 1


@dataclass(frozen=True, slots=True)
class _Chunk:
    """Items that are worked on together, and the input bytes that were read when they were complete."""

    items: list[Read]
    position: int


@dataclass(frozen=True, slots=True)
class _Work:
    """A chunk and what gives its results, which may take the model's time or be there already."""

    chunk: _Chunk
    results: Callable[[], Sequence[Record | Reject]]


@dataclass(frozen=True, slots=True)
class _Task:
    """What a command line asks for."""

    inputs: tuple[str, ...]
    output: Output
    model: str
    device: torch.device
    engine: str
    precision: str
    columns: Columns
    batch_tokens: int | None  # None: by the device
    min_score: float
    min_stance: float
    repair: bool
    aliases: AliasTable
    targets: tuple[str, ...]
    workers: Workers
    fallback: bool
    resume: bool
    overwrite: bool
    quiet: bool


def _task_of(args: argparse.Namespace) -> _Task:
    """Raises ConfigError and DataError for what cannot be; looks at no model."""
    inputs = tuple(str(name) for name in args.inputs)
    if args.resume and args.overwrite:
        raise ConfigError("--resume goes on with a job and --overwrite begins it anew; give one of them")
    if args.batch_tokens is not None and args.batch_tokens < 1:
        raise ConfigError(f"batch tokens: a number above 0 is needed, got {args.batch_tokens}")
    return _Task(
        inputs=inputs,
        output=plan(Path(args.output), args.format, args.part_size, inputs),
        model=str(args.model),
        device=choose_device(args.device),
        engine=args.engine,
        precision=args.precision,
        columns=Columns(args.text_column, args.id_column),
        batch_tokens=args.batch_tokens,
        min_score=args.min_score,
        min_stance=check_threshold(args.min_stance, "--min-stance"),
        repair=not args.no_repair,
        aliases=read_aliases(Path(args.aliases)) if args.aliases else NO_ALIASES,
        targets=check_targets(args.target),
        workers=Workers(args.runner, args.workers or 0, args.aliases and str(args.aliases)),
        fallback=args.fallback == "cpu",
        resume=args.resume,
        overwrite=args.overwrite,
        quiet=args.quiet,
    )


def run_infer(args: argparse.Namespace) -> int:
    """`rasid infer`: 0 when any record was written; 75 when a fault stopped it and 143 or 130 when SIGTERM or SIGINT
    did, after which it can be resumed.

    Raises DataError when there was no record, and for an output that is there already or in another job's hands.
    """
    launch = launched()
    if launch and launch.rank:
        return work_for(launch, choose_device(args.device))
    task = _task_of(args)
    progress = open_progress(args.progress, task.quiet)
    prepare(task.output)
    with locked(task.output.lock, task.output.path):
        journal = Journal.find(task.output.journal)
        if _is_complete(task, journal):
            if not task.quiet:
                print(f"{task.output.path}: complete, nothing to resume; --overwrite begins it anew")
            return 0
        earlier = journal if task.resume else None
        return _Job(task, earlier, progress, launch).run()


def _is_complete(task: _Task, journal: Journal | None) -> bool:
    """Whether --resume finds the job done. Raises DataError when something is there that was not to be touched."""
    if task.overwrite or (journal and task.resume):
        return False
    if journal:
        raise DataError(
            f"{task.output.path}: an interrupted job has begun it; go on with --resume, or begin anew with --overwrite"
        )
    if task.output.exists() and not task.resume:
        raise DataError(f"{task.output.path}: is there already; --overwrite replaces it")
    return task.output.exists()


class _Job:
    """One run of a job, from its beginning or from where an earlier run left it."""

    def __init__(self, task: _Task, earlier: Journal | None, progress: Progress, launch: Launch | None) -> None:
        self._task = task
        self._progress = progress
        self._journal = earlier or Journal(task.output.journal, None, None, 0)
        self._commit = (earlier and earlier.last) or Commit()
        self._meter = Meter()
        self._trail = Trail()
        self._records = self._commit.records
        self._tokens = 0  # by engines that are no more
        choice = choose(task.engine, task.precision, task.device, task.model)
        shared = launch is not None or task.workers.asked
        # A team's workers have the devices; this process then only knows the model.
        device = torch.device("cpu") if shared else task.device
        named = self._commit.batch_tokens or task.batch_tokens
        self._open(choice, device, named or usual_tokens(task.device))
        if not named and not shared:
            self._engine.batch_tokens = tuned_tokens(self._engine, task.device)
        self._device = task.device
        self._team = self._gather(launch) if shared else None
        self._stops = Stops()

    def _gather(self, launch: Launch | None) -> Team:
        """The workers that the command line or a launcher asks for."""
        task = self._task
        cards = torch.cuda.device_count() if task.device.type == "cuda" else 0
        size = launch.size if launch else task.workers.count or max(cards, 1)
        settings = Settings(
            model=str(find_model(task.model).resolve()),
            choice=asdict(self._choice),
            device=task.device.type,
            batch_tokens=self._engine.batch_tokens,
            min_score=task.min_score,
            min_stance=task.min_stance,
            repair=task.repair,
            aliases=task.workers.aliases,
            targets=task.targets,
            threads=max(1, torch.get_num_threads() // size),
        )
        if task.workers.runner == "ray":
            return RayTeam(settings, size)
        if launch:
            return Processes(settings, [launch.device(task.device)], launch.socket, launch.size - 1)
        return Processes(settings, [f"cuda:{n % cards}" if cards else "cpu" for n in range(size)])

    def _open(self, choice: Choice, device: torch.device, batch_tokens: int) -> None:
        self._device = device
        self._choice = choice
        self._engine: Engine = open_engine(self._task.model, device, batch_tokens, self._task.min_score, choice)
        self._engine.least_side = self._task.min_stance
        self._engine.aliases = self._task.aliases
        self._engine.targets = self._task.targets
        self._engine.repair = self._task.repair
        self._counter = self._engine.count_tokens()

    def run(self) -> int:
        total = self._begin()
        try:
            with self._stops.heard():
                return self._run(total)
        except JobError as fault:
            self._progress.say("fault", f"{fault}; {self._safe()}", safe=self._commit.records)
            return STOPPED
        except Stopped as stop:
            self._progress.say("stopped", f"stopped by {stop.name}; {self._safe()}", safe=self._commit.records)
            return stop.code
        finally:
            if self._team:
                self._team.close()
            self._writer.close()
            self._rejects.close()
            self._journal.close()

    def _safe(self) -> str:
        return f"{self._commit.records} records are safe, go on with --resume"

    def _begin(self) -> int | None:
        """Checks that a job that is resumed is the same, else begins its journal; gives the inputs' bytes."""
        task, surveys = self._task, survey(self._task.inputs)
        header = header_of(
            _identity(self._engine, task.model),
            _options(task) | {"--engine": self._choice.identity},
            surveys,
            _machine(self._device) | self._choice.machine,
        )
        before = self._journal.header
        if before is None:
            self._journal.begin(header)
        else:
            changed = change(before, header)
            if changed:
                raise DataError(
                    f"{task.output.path}: --resume: {changed}; go back to what it was, or begin anew with --overwrite"
                )
            self._warn(before, header)
        self._writer = open_writer(task.output, self._commit.writer or None)
        self._rejects = RejectsWriter(
            task.output, self._commit.rejects_bytes, self._commit.rejects, ended=self._commit.done
        )
        going_on = f", going on after {self._commit.items} inputs" if self._commit.items else ""
        self._progress.say(
            "start",
            f"model {self._engine.loaded.name}, engine {self._choice.label} ({self._choice.why}), "
            f"device {describe(self._device)}{going_on}",
            model=self._engine.loaded.name,
            engine=self._choice.label,
            device=describe(self._device),
            resumed=self._commit.items,
        )
        if self._choice.warning:
            self._progress.say("warning", self._choice.warning)
        return total_bytes(surveys)

    def _warn(self, before: Header, now: Header) -> None:
        if before.machine != now.machine:
            was = ", ".join(f"{name} {value}" for name, value in before.machine.items())
            same = before.machine.get("precision") == now.machine.get("precision")
            digit = "last" if same else "second"
            message = f"the job began on another machine ({was}); scores may differ from its in the {digit} digit"
            self._progress.say("warning", message)

    def _run(self, total: int | None) -> int:
        if not self._commit.done:
            items = read(self._task.inputs, self._task.columns, self._meter)
            if self._commit.items:
                follow(self._trail, items, self._commit)
            self._progress.begin(self._count(self._meter.bytes), total)
            try:
                self._work(items)
            finally:
                self._progress.end(self._count(self._meter.bytes))
        self._stops.finishing()
        return self._finish()

    def _work(self, items: Iterator[Read]) -> None:
        committed = time.monotonic()
        try:
            for work in self._works(self._placed(items)):
                with self._stops.deferred():
                    self._write(work.chunk.items, work.results())
                    if self._writer.full or time.monotonic() - committed > _COMMIT_SECONDS:
                        self._save()
                        committed = time.monotonic()
                self._progress.show(self._count(work.chunk.position))
        except (Stopped, DeviceError):
            self._save()  # all that is written is of whole chunks
            raise

    def _placed(self, items: Iterator[Read]) -> Iterator[_Chunk]:
        for chunk in chunks(items):
            yield _Chunk(chunk, self._meter.bytes)  # the reader is one article ahead of the chunk

    def _works(self, placed: Iterator[_Chunk]) -> Iterator[_Work]:
        if self._team is None:
            for chunk in placed:
                yield _Work(chunk, partial(self._predict, _articles(chunk.items)))
            return
        for chunk, answer in in_order(self._team, placed, lambda each: chunk_json(_articles(each.items))):
            self._tokens += answer.tokens
            yield _Work(chunk, partial(getattr, answer, "results"))

    def _write(self, chunk: Sequence[Read], found: Sequence[Record | Reject]) -> None:
        results = iter(found)
        for item in chunk:
            result = item if isinstance(item, Reject) else next(results)
            if isinstance(result, Reject):
                self._rejects.write(result)
            else:
                self._writer.write(result)
                self._records += 1
            self._trail.add(item)

    def _predict(self, articles: Sequence[Article]) -> list[Record | Reject]:
        tokens = self._counter.count
        try:
            return predict_each(self._engine, articles)
        except DeviceError as fault:
            if not self._task.fallback or self._device.type == "cpu":
                raise
            self._progress.say("fallback", f"{fault}; going on on the CPU")
        self._tokens += tokens
        cpu = torch.device("cpu")
        self._open(TORCH, cpu, self._task.batch_tokens or usual_tokens(cpu))
        return predict_each(self._engine, articles)

    def _save(self, done: bool = False) -> None:
        """Commits: what is written is made to last first, then the journal says so, then whole parts get their
        names."""
        self._commit = Commit(
            items=self._trail.items,
            digest=self._trail.digest,
            records=self._records,
            rejects=self._rejects.count,
            rejects_bytes=self._rejects.commit(),
            batch_tokens=self._engine.batch_tokens,
            writer=self._writer.commit(),
            done=done,
        )
        self._journal.commit(self._commit)
        self._writer.publish()

    def _finish(self) -> int:
        """The last commit, names for all files, no journal. Raises DataError when there is no record."""
        if self._commit.done:  # and killed before all files had their names
            self._writer.publish()
        else:
            if self._records:
                self._writer.finish()
            self._save(done=True)
        self._rejects.publish()
        if not self._records:
            self._writer.discard()
        self._journal.remove()
        if not self._records:
            raise DataError(why_nothing(self._rejects))
        if not self._task.quiet:
            rejected = f"{self._rejects.count} rejected" + (f" -> {self._rejects.path}" if self._rejects.count else "")
            print(f"{self._records} records -> {self._task.output.path}; {rejected}")
        return 0

    def _count(self, position: int) -> Count:
        return Count(self._records, self._rejects.count, self._tokens + self._counter.count, position)


def _identity(engine: Engine, model: str) -> dict[str, str]:
    """A model by its name and the digests of all files that its records depend on."""
    folder = find_model(model)
    digests = {
        name: hashlib.sha256((folder / name).read_bytes()).hexdigest()
        for name in ("config.json", "tokenizer.json")
        if (folder / name).is_file()
    }
    return {"name": engine.loaded.name, "revision": engine.loaded.revision, **digests}


def _options(task: _Task) -> dict[str, str | int | float | None]:
    """All options that records, or their order in files, depend on, by the names that users know."""
    return {
        "rasid": __version__,
        "--format": task.output.format,
        "--part-size": task.output.part_size,
        "--text-column": task.columns.text,
        "--id-column": task.columns.id,
        "--batch-tokens": task.batch_tokens,
        "--precision": None if task.precision == "auto" else task.precision,
        "--min-score": task.min_score,
        "--min-stance": task.min_stance,
        "--no-repair": None if task.repair else "given",
        "--aliases": task.aliases.digest,
        "--target": " | ".join(task.targets) or None,
        "articles of a chunk": _CHUNK_ARTICLES,
        "characters of a chunk": _CHUNK_CHARACTERS,
    }


def _machine(device: torch.device) -> dict[str, str]:
    return {"device": describe(device), "torch": torch.__version__}


def why_nothing(rejects: RejectsWriter) -> str:
    first = rejects.first()
    if first is None:
        return "no input; give a text file, a folder, a JSONL, CSV or Parquet file, or - for standard input"
    more = f" (and {rejects.count - 1} more, see {rejects.path})" if rejects.count > 1 else ""
    return f"{first.where}: {first.reason}{more}"

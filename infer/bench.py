"""`rasid bench`: Rasid's engines and transformers' pipelines on the same articles, side by side in alternating order.

Every contender is a process that waits while another runs; a round runs each once, and every other round in the
opposite order. Of a machine that others use as well, the ratios of one round say more than the seconds: a ratio's
median is given, with the least and the greatest of the rounds. Beside speed stands how far a contender's answers are
those of torch in float32.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import IO, Any

import torch

from rasid import __version__
from rasid.errors import ConfigError, RasidError, nearest
from rasid.model import find_model

from .contenders import REFERENCE, Run, Spec, write_plain
from .cpu import this_cpu
from .engine import choose_device, describe
from .sameness import Answers, Sameness, sameness
from .shapes import add_graph, check_shape, make_model
from .workload import articles

ENGINES = ("torch-fp32", "torch-bf16", "onnx-fp32", "onnx-int8")
_FIRST = "torch-fp32"  # which finds the pairs that the pipelines are given, and whose answers others are held against


@dataclass(frozen=True, slots=True)
class Spread:
    """The median of the rounds, with the least and the greatest."""

    median: float
    least: float
    most: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        return cls(statistics.median(values), min(values), max(values))

    def shown(self, digits: int = 2) -> str:
        return f"{self.median:.{digits}f} ({self.least:.{digits}f} to {self.most:.{digits}f})"


@dataclass(frozen=True)
class Standing:
    """A contender's figures. `ratio` is the reference's seconds over its own, round by round; `tokens` are sub-words a
    second, padding left out; `padding` the share of padding in what was computed; `inside` the share of the time in
    the model; `peak` the operations a second inside it over those of the machine's float32 matrix product."""

    kind: str
    ratio: Spread
    articles: Spread
    tokens: Spread
    padding: float
    inside: Spread
    peak: Spread
    memory: float  # MiB
    same: Sameness  # as torch-fp32


def run_bench(args: argparse.Namespace) -> int:
    """`rasid bench`: 0. Raises ConfigError for what cannot be compared, RasidError when a contender fails."""
    kinds = _kinds(args.engines)
    device = choose_device(args.device)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        model = str(find_model(args.model))
        if args.shape:
            model = str(folder / "model")
            make_model(check_shape(args.shape), folder / "model", args.seed)
            _add_graphs(model, kinds)
        write_plain(model, folder / "plain")
        spec = Spec(
            kind="",
            model=model,
            plain=str(folder / "plain"),
            pairs=str(folder / "pairs.json"),
            count=args.articles,
            seed=args.seed,
            threads=args.threads or torch.get_num_threads(),
            device=device.type,
            batch_tokens=args.batch_tokens,
        )
        found = _rounds(kinds, spec, folder, args.rounds)
    tree = _tree(found, spec, args)
    _print(tree, args)
    if args.output:
        Path(args.output).write_text(f"{json.dumps(tree, indent=1)}\n", encoding="utf-8")
    return 0


def _kinds(asked: str | None) -> list[str]:
    """The contenders, the reference last. Raises ConfigError for an unknown engine."""
    given = [name.strip() for name in (asked or _FIRST).split(",")]
    for name in given:
        if name not in ENGINES:
            raise ConfigError(f"--engines {name}: no such engine{nearest(name, ENGINES)}")
    return [*dict.fromkeys((_FIRST, *given)), REFERENCE]


def _add_graphs(model: str, kinds: Sequence[str]) -> None:
    """ONNX graphs of a model made on the spot, for the engines that need them."""
    for kind in kinds:
        if kind.startswith("onnx"):
            add_graph(model, kind.removeprefix("onnx-"))


class _Contender:
    """A contender's process."""

    def __init__(self, spec: Spec, folder: Path) -> None:
        path = folder / f"{spec.kind}.json"
        path.write_text(json.dumps(asdict(spec)), encoding="utf-8")
        self._kind = spec.kind
        command = [sys.executable, "-m", "rasid.infer.contenders", str(path)]
        quiet = {"TOKENIZERS_PARALLELISM": "false", "TRANSFORMERS_VERBOSITY": "error"}
        threads = {"OMP_NUM_THREADS": str(spec.threads)}
        self._log = (folder / f"{spec.kind}.log").open("w+", encoding="utf-8")
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
            env={**os.environ, **quiet, **threads},
        )

    def ask(self, word: str) -> dict[str, Any]:
        """Tells it a word; what it answers. Raises RasidError with the last line of what it said when it fails."""
        stdin, stdout = self._stream(self._process.stdin), self._stream(self._process.stdout)
        try:
            stdin.write(f"{word}\n")
            stdin.flush()
            line = stdout.readline()
        except BrokenPipeError:
            line = ""
        if not line:
            self._log.seek(0)
            said = self._log.read().strip().splitlines() or ["it ended without a word"]
            raise RasidError(f"{self._kind}: failed ({said[-1][:300]})")
        answer: dict[str, Any] = json.loads(line)
        return answer

    @staticmethod
    def _stream(stream: IO[str] | None) -> IO[str]:
        if stream is None:
            raise RuntimeError("opened without pipes")
        return stream

    def close(self) -> None:
        for stream in (self._process.stdin, self._process.stdout):
            self._stream(stream).close()
        self._process.wait(timeout=60)
        self._log.close()


@contextmanager
def _opened(spec: Spec, folder: Path) -> Iterator[_Contender]:
    contender = _Contender(spec, folder)
    try:
        yield contender
    finally:
        contender.close()


@dataclass(frozen=True)
class _Found:
    """All runs by contender, what each answered, and what the job was: entities, pairs, pairs read alone."""

    runs: dict[str, list[Run]]
    answers: dict[str, list[Answers]]
    job: dict[str, int]


def _rounds(kinds: Sequence[str], spec: Spec, folder: Path, rounds: int) -> _Found:
    runs: dict[str, list[Run]] = {kind: [] for kind in kinds}
    job: dict[str, int] = {}
    with ExitStack() as stack:
        opened: dict[str, _Contender] = {}
        for kind in kinds:  # one after the other: the first writes what the last reads
            own = replace(spec, kind=kind)
            opened[kind] = stack.enter_context(_opened(own, folder))
            warm = opened[kind].ask("warm")
            job = job or warm
        for number in range(rounds):
            order = kinds if number % 2 == 0 else [*reversed(kinds)]
            for kind in order:
                runs[kind].append(Run(**opened[kind].ask("run")))
        trees = {kind: opened[kind].ask("answers")["answers"] for kind in kinds}
    return _Found(runs, {kind: [Answers.of_tree(each) for each in tree] for kind, tree in trees.items()}, job)


def _standing(kind: str, found: _Found, count: int) -> Standing:
    runs, reference = found.runs[kind], found.runs[REFERENCE]
    padded = sum(run.padded for run in runs)
    return Standing(
        kind=kind,
        ratio=Spread.of([other.seconds / run.seconds for run, other in zip(runs, reference, strict=True)]),
        articles=Spread.of([count / run.seconds for run in runs]),
        tokens=Spread.of([run.pieces / run.seconds for run in runs]),
        padding=1 - sum(run.pieces for run in runs) / max(1, padded),
        inside=Spread.of([run.inside / run.seconds for run in runs]),
        peak=Spread.of([run.operations / run.inside / run.peak for run in runs]),
        memory=max(run.memory for run in runs) / 2**20,
        same=sameness(found.answers[kind], found.answers[_FIRST]),
    )


def _tree(found: _Found, spec: Spec, args: argparse.Namespace) -> dict[str, Any]:
    runs = found.runs
    sizes = [len(article.text.split()) for article in articles(spec.count, spec.seed)]
    return {
        "rasid": __version__,
        "model": args.shape or args.model,
        "machine": {"cpu": this_cpu().name, "device": describe(torch.device(spec.device)), "threads": spec.threads},
        "torch": torch.__version__,
        "workload": {"articles": spec.count, "seed": spec.seed, "words": sum(sizes), **found.job},
        "contenders": [asdict(_standing(kind, found, spec.count)) for kind in runs],
        "runs": {kind: [asdict(run) for run in own] for kind, own in runs.items()},
    }


def _print(tree: dict[str, Any], args: argparse.Namespace) -> None:
    work = tree["workload"]
    print(
        f"{tree['model']}: {work['articles']} articles, {work['words']} words, {work.get('entities', 0)} entities, "
        f"{work.get('pairs', 0)} pairs, {work.get('alone', 0)} of them read alone; {args.rounds} rounds, "
        f"{tree['machine']['threads']} threads"
    )
    print(
        "| contender | times as fast | articles/s | tokens/s | padding | in the model | of fp32 peak | peak MiB "
        "| same entities | same stances | scores apart |"
    )
    print(f"|{'---|' * 11}")
    for each in tree["contenders"]:
        ratio, rate, tokens, inside, peak = (
            Spread(**each[name]) for name in ("ratio", "articles", "tokens", "inside", "peak")
        )
        print(
            f"| {each['kind']} | {ratio.shown()} | {rate.shown()} | {tokens.shown(0)} | {each['padding']:.0%} "
            f"| {inside.shown()} | {peak.shown()} | {each['memory']:.0f} | {_shown(Sameness(**each['same']))} |"
        )


def _shown(same: Sameness) -> str:
    """The table's cells of what is the same; of who answers with flat entities alone, these."""
    entities = f"{same.flat:.2%} (outermost)" if same.entities is None else f"{same.entities:.2%}"
    stances = "" if same.stances is None else f"{same.stances:.2%}"
    return f"{entities} | {stances} | {'' if same.apart is None else f'{same.apart:.4f}'}"

"""Does a job that is killed again and again write, in the end, what an uninterrupted one writes, byte for byte?

    python scripts/kill_test.py --points 200

Each point is a job in a process of its own, killed with SIGKILL at a random time or at a random step of its dealings
with the disk (before or after a sync, a rename, a removal), then resumed, every other time to be killed once more. Half
of the kills are followed by what a loss of power does to bytes that were not synced: they are cut, or read as zeros.
Chunks are made small, so that a short job commits often. Prints one line for each kind of output; exit code 1 when any
byte differed. POSIX only: the processes are forks, so that the model is loaded once.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from rasid.cli import main as rasid
from rasid.infer import job
from rasid.infer.engine import open_engine

PHRASE = "وصل وفد من الأمم المتحدة إلى العاصمة وقال سامر الحداد إن المشروع كلف مليوني دولار في مدينة الميناء"
KINDS = {
    "file": ("records.jsonl", ()),
    "parts": ("records", ("--part-size", "7")),
    "parquet parts": ("records", ("--format", "parquet", "--part-size", "11")),
    "parquet file": ("records.parquet", ()),
    "file per article": ("records", ()),
}
BAD = ("{", '{"id": 1}', '{"id": "a0", "text": "مكرر"}')


def write_articles(path: Path, count: int, rng: random.Random) -> None:
    """JSON lines of short articles, with a bad line after every ninth."""
    with path.open("w", encoding="utf-8") as lines:
        for number in range(count):
            text = " ".join(rng.choices(PHRASE.split(), k=rng.randint(5, 60))) + "."
            lines.write(json.dumps({"id": f"a{number}", "text": text, "n": number}, ensure_ascii=False) + "\n")
            if number % 9 == 8:
                lines.write(f"{BAD[number // 9 % len(BAD)]}\n")


def fork(run: Callable[[], int], log: Path) -> int:
    """A process that runs and exits, with its stdout and stderr in `log`; its id."""
    child = os.fork()
    if child == 0:
        written = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(written, 1)
        os.dup2(written, 2)
        code = 70
        try:
            code = run()
        finally:
            os._exit(code)
    return child


def exit_code(child: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


class Steps:
    """Counts a process's syncs, renames and removals, and kills it at one of them: before it when the number is even,
    after it when it is odd."""

    def __init__(self, last: int | None = None) -> None:
        self.count = 0
        self._last = last

    def watch(self) -> None:
        os.fsync = self._wrapped(os.fsync)
        for name in ("replace", "unlink"):
            setattr(Path, name, self._wrapped(getattr(Path, name)))

    def _wrapped(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def stepped(*args: Any, **options: Any) -> Any:
            self._step()
            result = call(*args, **options)
            self._step()
            return result

        return stepped

    def _step(self) -> None:
        if self.count == self._last:
            os.kill(os.getpid(), signal.SIGKILL)
        self.count += 1


@dataclass(frozen=True)
class Trial:
    """One kind of output in one folder."""

    folder: Path
    arguments: tuple[str, ...]

    def start(self, *more: str, steps: Steps | None = None) -> int:
        def run() -> int:
            if steps:
                steps.watch()
            code = rasid(["infer", *self.arguments, *more])
            if steps and steps._last is None:
                (self.folder.parent / "steps").write_text(str(steps.count))
            return code

        return fork(run, self.log)

    @property
    def log(self) -> Path:
        return self.folder.parent / "log"

    def bytes(self) -> dict[str, bytes]:
        """All that a job left, by name."""
        files = (path for path in self.folder.rglob("*") if path.is_file())
        return {path.relative_to(self.folder).as_posix(): path.read_bytes() for path in files}

    def clear(self) -> None:
        for path in sorted(self.folder.rglob("*"), reverse=True):
            path.rmdir() if path.is_dir() else path.unlink()


def damage(folder: Path, rng: random.Random) -> None:
    """What a loss of power may do: bytes after the last commit are gone, or zeros; the journal's last line is torn."""
    journals = list(folder.glob("*.journal"))
    if not journals or not journals[0].read_bytes().endswith(b"\n"):
        return
    lines = [json.loads(line) for line in journals[0].read_bytes().splitlines()]
    last = lines[-1] if len(lines) > 1 else {}
    with journals[0].open("ab") as journal:
        journal.write(rng.choice([b"", b'{"items": 5, "dig', b"\0" * 200]))
    writer = {"part": 0, "bytes": 0, **last.get("writer", {})}
    safe = {
        "records.rejects.jsonl.part": last.get("rejects_bytes", 0),
        f"_part-{writer['part']:05}.jsonl.part": writer["bytes"],
    }
    if not writer["part"]:  # else the one spool is whole, and was synced before
        safe["records.jsonl.part"] = writer["bytes"]
    for name, length in safe.items():
        for path in folder.rglob(name):
            size = path.stat().st_size
            os.truncate(path, rng.randint(min(size, length), size))
            if rng.random() < 0.5:
                os.truncate(path, size)  # what was cut comes back as zeros


def kill_once(trial: Trial, more: tuple[str, ...], span: float, steps: int, rng: random.Random) -> None:
    """Starts a job and kills it, at a time within `span` seconds or at one of `steps` steps."""
    if rng.random() < 0.5:
        exit_code(trial.start(*more, steps=Steps(rng.randrange(steps))))
        return
    child = trial.start(*more)
    time.sleep(rng.uniform(0, span))
    os.kill(child, signal.SIGKILL)
    exit_code(child)


def run_point(trial: Trial, span: float, steps: int, rng: random.Random) -> None:
    """One job, killed once or more and then left to finish. Raises RuntimeError when it cannot be resumed."""
    trial.clear()
    more: tuple[str, ...] = ()
    while True:
        kill_once(trial, more, span, steps, rng)
        if rng.random() < 0.5:
            damage(trial.folder, rng)
        more = ("--resume",)
        if rng.random() < 0.5:
            break
    code = exit_code(trial.start("--resume"))
    if code:
        raise RuntimeError(f"--resume ended with exit code {code}: {trial.log.read_text()}")


def difference(expected: dict[str, bytes], found: dict[str, bytes]) -> str:
    """Where two sets of files first differ, with what stands there in each."""
    if expected.keys() != found.keys():
        return f"files {sorted(found)} in place of {sorted(expected)}"
    name = next(name for name in expected if expected[name] != found[name])
    pairs = enumerate(zip(expected[name], found[name], strict=False))
    place = next((place for place, (one, other) in pairs if one != other), min(len(expected[name]), len(found[name])))
    shown = [data[name][max(0, place - 80) : place + 80] for data in (expected, found)]
    return f"{name} at byte {place}: {shown[1]!r} in place of {shown[0]!r}"


def check(kind: str, points: int, inputs: Path, work: Path, options: tuple[str, ...], rng: random.Random) -> int:
    """The number of points at which the bytes differed."""
    name, more = KINDS[kind]
    folder = work / "out"
    folder.mkdir(exist_ok=True)
    trial = Trial(folder, (str(inputs), "--output", str(folder / name), *more, *options))
    trial.clear()
    began = time.monotonic()
    code = exit_code(trial.start(steps=Steps()))
    if code:
        raise RuntimeError(f"the uninterrupted job ended with exit code {code}: {trial.log.read_text()}")
    span, steps, expected = time.monotonic() - began, int((work / "steps").read_text()), trial.bytes()
    different = 0
    for _ in range(points):
        run_point(trial, span, steps, rng)
        found = trial.bytes()
        if found != expected:
            different += 1
            print(f"{kind}: {difference(expected, found)}", flush=True)
    files = sum(map(len, expected.values()))
    print(f"{kind:17} {points:4} points, {steps:4} steps, {files:8} bytes: {different} differed", flush=True)
    trial.clear()
    return different


def main() -> int:
    parser = argparse.ArgumentParser(description="Kill jobs with SIGKILL and compare what they write after --resume.")
    parser.add_argument("--points", type=int, default=200, help="kills, shared out among the kinds of output")
    parser.add_argument("--articles", type=int, default=60)
    parser.add_argument("--model", default="news")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--kind", choices=KINDS, action="append", help="of output; may be repeated (default: all)")
    args = parser.parse_args()
    torch.set_num_threads(1)  # a fork of a process with threads would hang
    open_engine(args.model, torch.device("cpu"))  # imports once what every fork needs
    job._CHUNK_ARTICLES, job._COMMIT_SECONDS = 5, 0.0
    kinds = args.kind or list(KINDS)
    rng = random.Random(args.seed)
    options = ("--model", args.model, "--device", "cpu", "--quiet")
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        write_articles(work / "in.jsonl", args.articles, rng)
        shares = [args.points // len(kinds) + (n < args.points % len(kinds)) for n in range(len(kinds))]
        found = zip(kinds, shares, strict=True)
        different = sum(check(kind, share, work / "in.jsonl", work, options, rng) for kind, share in found)
    print(f"{args.points} points: {different} differed")
    return int(different > 0)


if __name__ == "__main__":
    sys.exit(main())

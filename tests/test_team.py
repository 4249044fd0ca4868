"""Teams: workers give what one process gives, whoever dies on the way; ranks of a launcher; Ray."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest
import torch

from rasid.cli import make_parser
from rasid.errors import ConfigError
from rasid.infer import job
from rasid.infer.articles import Article, Reject
from rasid.infer.engines import TORCH
from rasid.infer.faults import STOPPED, DeviceError
from rasid.infer.job import run_infer
from rasid.infer.ranks import launched, work_for
from rasid.infer.team import Processes, in_order
from rasid.infer.worker import Answer, Reader, Settings, chunk_json

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="teams meet at a Unix socket")


@pytest.fixture(scope="module")
def settings(tiny_model: Path) -> Settings:
    choice = {"engine": TORCH.engine, "precision": TORCH.precision, "why": "", "warning": None}
    return Settings(str(tiny_model), choice, "cpu", 2048, 0.0, 0.0, True, None, (), 1)


@pytest.fixture(scope="module")
def lines(tmp_path_factory: pytest.TempPathFactory, sentences: Sequence[str]) -> Path:
    """Twelve articles and a broken line."""
    path = tmp_path_factory.mktemp("in") / "in.jsonl"
    texts = [" ".join(sentences[number % 5 :]) for number in range(12)]
    rows = [json.dumps({"id": f"a{number}", "text": text}) for number, text in enumerate(texts)]
    path.write_text("\n".join([*rows[:5], "{", *rows[5:]]) + "\n")
    return path


def arguments(model: Path, lines: Path, output: Path, *more: str) -> argparse.Namespace:
    given = ["infer", str(lines), "--output", str(output), "--model", str(model), "--device", "cpu", "--quiet", *more]
    return make_parser().parse_args(given)


@pytest.fixture
def whole(tiny_model: Path, lines: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> bytes:
    """What one process writes, with the threads and the chunks of a worker."""
    monkeypatch.setattr(job, "_CHUNK_ARTICLES", 2)
    monkeypatch.setattr(job, "_COMMIT_SECONDS", 0.0)
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    assert run_infer(arguments(tiny_model, lines, tmp_path / "whole.jsonl")) == 0
    yield (tmp_path / "whole.jsonl").read_bytes()
    torch.set_num_threads(before)


def test_an_answer_survives_the_way(settings: Settings, sentences: Sequence[str]) -> None:
    reader = Reader(settings)
    articles = [Article("a", sentences[0], {"n": 1}), Article("b", sentences[1])]
    answer = Answer.from_json(reader.answer(chunk_json(articles)))
    assert [record.to_json() for record in answer.results] == [
        record.to_json() for record in job.predict_each(reader._engine, articles)
    ]
    assert answer.tokens > 10
    reject = Answer((Reject("in:1", "broken"),), 0)
    assert Answer.from_json(reject.to_json()) == reject


def test_workers_write_what_one_process_writes(
    tiny_model: Path, lines: Path, tmp_path: Path, whole: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And one that is killed in the middle is missed by nobody; rejects stand where they did."""
    opened: list[Processes] = []

    class Watched(Processes):
        def __init__(self, *given: Any) -> None:
            super().__init__(*given)
            opened.append(self)
            self.answers = 0

        def submit(self, chunk: str) -> Future[str]:
            self.answers += 1
            if self.answers == 4:
                wait_for(lambda: self._welcomed)
                victim = next(each for each in self.started if each.pid in self._welcomed)
                victim.kill()
            return super().submit(chunk)

    monkeypatch.setattr(job, "Processes", Watched)
    assert run_infer(arguments(tiny_model, lines, tmp_path / "r.jsonl", "--workers", "2")) == 0
    assert (tmp_path / "r.jsonl").read_bytes() == whole
    assert (tmp_path / "r.rejects.jsonl").read_bytes() == (tmp_path / "whole.rejects.jsonl").read_bytes()
    assert -9 in [process.returncode for process in opened[0].started]
    assert all(process.returncode is not None for process in opened[0].started)


def wait_for(true: Any) -> None:
    until = time.monotonic() + 60
    while not true() and time.monotonic() < until:
        time.sleep(0.05)


def test_without_workers_a_job_stops_and_goes_on(
    tiny_model: Path, lines: Path, tmp_path: Path, whole: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Doomed:
        size = 1

        def __init__(self, *_: Any) -> None:
            self._left = 2
            self._reader = Reader(_[0])

        def submit(self, chunk: str) -> Future[str]:
            future: Future[str] = Future()
            self._left -= 1
            if self._left < 0:
                future.set_exception(DeviceError("no worker is left"))
            else:
                future.set_result(self._reader.answer(chunk))
            return future

        def close(self) -> None: ...

    with monkeypatch.context() as patch:
        patch.setattr(job, "Processes", Doomed)
        assert run_infer(arguments(tiny_model, lines, tmp_path / "r.jsonl", "--workers", "2")) == STOPPED
    part = (tmp_path / "r.jsonl.part").read_bytes()
    assert whole.startswith(part)
    assert part.count(b"\n") == 4
    assert run_infer(arguments(tiny_model, lines, tmp_path / "r.jsonl", "--resume")) == 0
    assert (tmp_path / "r.jsonl").read_bytes() == whole


def test_workers_that_never_come_are_missed(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")
    team = Processes(settings, ["cpu", "cpu"])
    try:
        with pytest.raises(DeviceError, match="no worker is left"):
            list(in_order(team, ["[]"], str))
    finally:
        team.close()


def test_order_is_that_of_the_items() -> None:
    class Backwards:
        size = 2

        def __init__(self) -> None:
            self.held: list[tuple[str, Future[str]]] = []

        def submit(self, chunk: str) -> Future[str]:
            future: Future[str] = Future()
            self.held.append((chunk, future))
            if len(self.held) == 5 or chunk == "12":
                for name, each in reversed(self.held):
                    each.set_result(Answer((Reject(name, ""),), 1).to_json())
                self.held = []
            return future

        def close(self) -> None: ...

    found = [(item, answer.results[0].where) for item, answer in in_order(Backwards(), range(13), str)]
    assert found == [(number, str(number)) for number in range(13)]


# -- launchers ----------------------------------------------------------------------------------------


def test_who_is_launched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    assert launched({}) is None
    assert launched({"WORLD_SIZE": "1", "RANK": "0"}) is None
    one = launched({"WORLD_SIZE": "2", "RANK": "1", "LOCAL_RANK": "1", "MASTER_PORT": "7"})
    assert one is not None
    assert (one.rank, one.size, one.device(torch.device("cpu"))) == (1, 2, "cpu")
    other = launched({"WORLD_SIZE": "2", "RANK": "0", "MASTER_PORT": "8"})
    assert other is not None
    assert other.socket != one.socket
    with pytest.raises(ConfigError, match="several machines"):
        launched({"WORLD_SIZE": "4", "RANK": "0", "LOCAL_WORLD_SIZE": "2"})
    with pytest.raises(ConfigError, match="rank 0 was not there within 0 seconds"):
        work_for(one, torch.device("cpu"), patience=0.3)


def test_torchrun_shares_a_job_out(tiny_model: Path, lines: Path, tmp_path: Path, whole: bytes) -> None:
    """Two ranks, as `torchrun --nproc-per-node 2 -m rasid.infer` and `accelerate launch` start them."""
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    small = "import sys; from rasid.infer import job; job._CHUNK_ARTICLES = 2"
    code = f"{small}; from rasid.cli import main; sys.exit(main(sys.argv[1:]))"
    script = tmp_path / "launched.py"
    script.write_text(code)
    given = ["infer", lines, "--output", tmp_path / "r.jsonl", "--model", tiny_model, "--device", "cpu", "--quiet"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    command = [*launch, str(script), *map(str, given)]
    result = subprocess.run(command, capture_output=True, text=True, timeout=300, env=environment)
    assert result.returncode == 0, result.stderr
    assert (tmp_path / "r.jsonl").read_bytes() == whole


# -- Ray ----------------------------------------------------------------------------------------------


def test_ray_writes_what_one_process_writes(
    tiny_model: Path, lines: Path, tmp_path: Path, whole: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With two actors, one of which is killed in the middle of the job."""
    pytest.importorskip("ray", reason="rasid[ray] is not installed")
    import ray

    from rasid.infer.raying import RayTeam

    killed: list[int] = []

    class Watched(RayTeam):
        asked = 0

        def submit(self, chunk: str) -> Future[str]:
            self.asked += 1
            if self.asked == 4:
                ray.kill(self.actors[0], no_restart=False)
                killed.append(self.asked)
            return super().submit(chunk)

    monkeypatch.setattr(job, "RayTeam", Watched)
    given = arguments(tiny_model, lines, tmp_path / "r.parquet", "--runner", "ray", "--workers", "2")
    assert run_infer(given) == 0
    assert killed == [4]
    from rasid.infer.index import stream_records

    assert [record.to_json() for record in stream_records(tmp_path / "r.parquet")] == whole.decode().splitlines()

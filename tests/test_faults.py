"""Faults: full memories, failing devices, full disks, poisonous articles; what stops a job leaves it resumable."""

from __future__ import annotations

import argparse
import errno
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch

from rasid.cli import make_parser
from rasid.infer import engine as engine_module
from rasid.infer import job, predictor, seen
from rasid.infer.articles import Article
from rasid.infer.engine import Engine, open_engine
from rasid.infer.engines import TORCH
from rasid.infer.faults import STOPPED, DeviceError, DiskError, is_device_fault, is_full
from rasid.infer.job import run_infer
from rasid.infer.predictor import predict, predict_each
from rasid.infer.readers import read
from rasid.infer.seen import Seen
from rasid.records import Record

CPU = torch.device("cpu")
CUDA = torch.device("cuda")
FULL = torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
BROKEN = RuntimeError("CUDA error: an illegal memory access was encountered\nCUDA kernel errors might be")


@pytest.fixture
def lines(tmp_path: Path, sentences: Sequence[str]) -> Path:
    path = tmp_path / "in.jsonl"
    rows = ({"id": f"a{n}", "text": " ".join(sentences[n % 5 :])} for n in range(9))
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    return path


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job, "_CHUNK_ARTICLES", 3)
    monkeypatch.setattr(job, "_COMMIT_SECONDS", 0)


def arguments(model: Path, output: Path, *inputs: Path | str, more: Sequence[str] = ()) -> argparse.Namespace:
    given = ["infer", *map(str, inputs), "--output", str(output), "--model", str(model), "--device", "cpu", "--quiet"]
    return make_parser().parse_args([*given, *more])


def docs(path: Path) -> list[str]:
    return [json.loads(line)["doc"] for line in path.read_text(encoding="utf-8").splitlines()]


# -- memory -----------------------------------------------------------------------------------------


def hold(least: int, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The device holds batches of at most `least` tokens from now on; the budgets that were tried."""
    tried: list[int] = []
    for name, place in (("read_articles", 4), ("pair_probs", 3)):
        real = getattr(engine_module, name)

        def tight(*args: Any, real: Any = real, place: int = place, **more: Any) -> Any:
            tried.append(args[place])
            if args[place] > least:
                raise FULL
            return real(*args, **more)

        monkeypatch.setattr(engine_module, name, tight)
    return tried


def test_a_full_memory_halves_the_budget_for_good_down_to_one_window(
    tiny_model: Path, sentences: Sequence[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = open_engine(str(tiny_model), CPU, 4096)  # its windows have 64 tokens, its pairs 384
    articles = [Article("a", " ".join(sentences))]
    tried = hold(1, monkeypatch)
    (record,) = predict(engine, articles)
    assert record.entities
    predict(engine, articles)
    assert tried[:5] == [4096, 2048, 1024, 512, 1]
    assert len(tried) > 5
    assert set(tried[5:]) == {1}
    assert engine.batch_tokens == 1


def test_a_memory_without_room_for_one_window_is_the_devices_fault(
    tiny_model: Path, sentences: Sequence[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = open_engine(str(tiny_model), CPU, 4096)
    hold(0, monkeypatch)
    with pytest.raises(DeviceError, match="the device failed \\(OutOfMemoryError: CUDA out of memory"):
        predict_each(engine, [Article("a", sentences[0]), Article("b", sentences[0])])


def test_the_cpus_own_allocator_is_a_memory_too() -> None:
    full = RuntimeError("[enforce fail at alloc_cpu.cpp:114] DefaultCPUAllocator: can't allocate memory: you tried")
    assert is_full(full)
    assert is_full(FULL)
    assert not is_full(RuntimeError("shape mismatch"))
    assert not is_full(MemoryError())
    assert is_device_fault(BROKEN)
    assert is_device_fault(RuntimeError("cuDNN error: CUDNN_STATUS_INTERNAL_ERROR"))
    assert not is_device_fault(RuntimeError("mat1 and mat2 shapes cannot be multiplied"))


def test_a_resumed_job_keeps_the_budget_that_its_memory_holds(
    tiny_model: Path, lines: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same batches, so the same bytes, however often the job was stopped."""
    with monkeypatch.context() as patch:
        hold(512, patch)
        run_infer(arguments(tiny_model, tmp_path / "whole.jsonl", lines))
    output = tmp_path / "r.jsonl"
    with monkeypatch.context() as patch:
        hold(512, patch)
        fail_at("a6", KeyboardInterrupt(), patch)
        with pytest.raises(KeyboardInterrupt):
            run_infer(arguments(tiny_model, output, lines))
    with monkeypatch.context() as patch:
        tried = hold(512, patch)
        assert run_infer(arguments(tiny_model, output, lines, more=["--resume"])) == 0
    assert max(tried) == 512
    assert output.read_bytes() == (tmp_path / "whole.jsonl").read_bytes()


def test_tokens_are_counted(tiny_model: Path, sentences: Sequence[str]) -> None:
    engine = open_engine(str(tiny_model), CPU)
    counter = engine.count_tokens()
    assert counter.count == 0
    engine.word_scores([sentences[0].split(), sentences[1].split()[:2]])
    once = counter.count
    assert once > len(sentences[0].split()) + 2
    engine.word_scores([sentences[0].split(), sentences[1].split()[:2]])
    assert counter.count == 2 * once


# -- articles and devices ---------------------------------------------------------------------------


def fail_at(doc: str, error: BaseException, monkeypatch: pytest.MonkeyPatch, times: int = 1000) -> list[Engine]:
    """The model fails on every batch with `doc`, `times` times; the engines that were asked."""
    real, asked = predictor.predict, []

    def predict(engine: Engine, articles: Sequence[Article]) -> list[Record]:
        asked.append(engine)
        nonlocal times
        if times and any(article.doc == doc for article in articles):
            times -= 1
            raise error
        return real(engine, articles)

    monkeypatch.setattr(predictor, "predict", predict)
    return asked


@pytest.mark.parametrize("error", [ValueError("no\nsense"), MemoryError(), RecursionError("deep"), RuntimeError("x")])
def test_a_poisonous_article_is_rejected_alone(
    error: Exception, tiny_model: Path, lines: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fail_at("a4", error, monkeypatch)
    assert run_infer(arguments(tiny_model, tmp_path / "r.jsonl", lines)) == 0
    assert docs(tmp_path / "r.jsonl") == [f"a{n}" for n in range(9) if n != 4]
    (reject,) = (tmp_path / "r.rejects.jsonl").read_text().splitlines()
    assert json.loads(reject)["where"] == f"{lines}:5"
    assert json.loads(reject)["reason"].startswith(f"{type(error).__name__}: ")


@pytest.mark.parametrize("error", [BROKEN, FULL])
def test_a_device_that_fails_stops_the_job_and_nothing_is_rejected(
    error: Exception, tiny_model: Path, lines: Path, tmp_path: Path, monkeypatch: Any, capsys: Any
) -> None:
    run_infer(arguments(tiny_model, tmp_path / "whole.jsonl", lines))
    with monkeypatch.context() as patch:
        fail_at("a4", error, patch)
        assert run_infer(arguments(tiny_model, tmp_path / "r.jsonl", lines, more=["--fallback", "cpu"])) == STOPPED
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert said.startswith("rasid: the device failed (")
    assert said.endswith("3 records are safe, go on with --resume\n")
    assert docs(tmp_path / "r.jsonl.part") == ["a0", "a1", "a2"]
    assert run_infer(arguments(tiny_model, tmp_path / "r.jsonl", lines, more=["--resume"])) == 0
    assert (tmp_path / "r.jsonl").read_bytes() == (tmp_path / "whole.jsonl").read_bytes()
    assert not (tmp_path / "r.rejects.jsonl").exists()


@pytest.fixture
def card(monkeypatch: pytest.MonkeyPatch) -> list[torch.device]:
    """A machine whose GPU is played by the CPU; the devices on which engines were opened."""
    opened: list[torch.device] = []
    real = job.open_engine

    def open_anywhere(model: str, device: torch.device, *more: Any) -> Engine:
        opened.append(device)
        return real(model, CPU, *more)

    monkeypatch.setattr(job, "choose_device", lambda name: CUDA)
    monkeypatch.setattr(job, "describe", str)
    monkeypatch.setattr(job, "choose", lambda *_: TORCH)
    monkeypatch.setattr(job, "open_engine", open_anywhere)
    return opened


def test_a_failed_gpu_falls_back_to_the_cpu_when_asked(
    card: list[torch.device], tiny_model: Path, lines: Path, tmp_path: Path, monkeypatch: Any, capsys: Any
) -> None:
    run_infer(arguments(tiny_model, tmp_path / "whole.jsonl", lines))
    asked = fail_at("a4", BROKEN, monkeypatch, times=1)
    card.clear()
    assert run_infer(arguments(tiny_model, tmp_path / "r.jsonl", lines, more=["--fallback", "cpu"])) == 0
    assert card == [CUDA, CPU]
    assert [engine is asked[0] for engine in asked] == [True, True, False, False]
    assert (tmp_path / "r.jsonl").read_bytes() == (tmp_path / "whole.jsonl").read_bytes()
    said = capsys.readouterr().err
    assert "illegal memory access was encountered); going on on the CPU" in said


def test_a_failed_gpu_stops_the_job_when_no_fallback_is_asked_for(
    card: list[torch.device], tiny_model: Path, lines: Path, tmp_path: Path, monkeypatch: Any
) -> None:
    fail_at("a4", BROKEN, monkeypatch, times=1)
    assert run_infer(arguments(tiny_model, tmp_path / "r.jsonl", lines)) == STOPPED
    assert card == [CUDA]


# -- disks ------------------------------------------------------------------------------------------

LIMITED = """
import resource, sys
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]), int(sys.argv[1])))
from rasid.infer import job
job._CHUNK_ARTICLES, job._COMMIT_SECONDS = 3, 0
from rasid.cli import main
sys.exit(main(sys.argv[2:]))
"""


def test_a_file_that_may_not_grow(tiny_model: Path, lines: Path, tmp_path: Path) -> None:
    """A limit of the system, met by a real process: the operating system refuses to write, as on a full disk."""
    (tmp_path / "whole").mkdir()
    run_infer(arguments(tiny_model, tmp_path / "whole/r.jsonl", lines))
    whole = (tmp_path / "whole/r.jsonl").read_bytes()
    limit = len(whole) * 2 // 3
    options = ["infer", str(lines), "--output", str(tmp_path / "r.jsonl"), "--model", str(tiny_model), "--quiet"]
    command = [sys.executable, "-c", LIMITED, str(limit), *options, "--device", "cpu"]
    result = subprocess.run(command, capture_output=True, text=True, timeout=200)
    assert result.returncode == STOPPED
    assert result.stderr.count("\n") == 1
    assert "r.jsonl.part: cannot be written (File too large); " in result.stderr
    part = (tmp_path / "r.jsonl.part").read_bytes()
    assert 0 < len(part) <= limit
    assert whole.startswith(part)
    assert part.endswith(b"\n")
    assert f"; {len(part.splitlines())} records are safe, go on with --resume" in result.stderr
    assert run_infer(arguments(tiny_model, tmp_path / "r.jsonl", lines, more=["--resume"])) == 0
    assert (tmp_path / "r.jsonl").read_bytes() == whole


@pytest.mark.parametrize("name", ["r.jsonl", "r.parquet", "each"])
def test_a_full_disk_at_any_sync(
    name: str, tiny_model: Path, lines: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However far the job came, it ends with its own exit code, and the disk once emptied the rest is written."""
    with lines.open("a") as stream:
        stream.write("{\n")
    run_infer(arguments(tiny_model, tmp_path / "whole" / name, lines))
    whole = {path.name: path.read_bytes() for path in (tmp_path / "whole").rglob("*") if path.is_file()}
    real = os.fsync
    for last in (3, 6, 11):  # of the syncs that the disk has room for
        folder = tmp_path / str(last)
        count = 0

        def full(number: int, last: int = last) -> None:
            nonlocal count
            count += 1
            if count > last:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            real(number)

        with monkeypatch.context() as patch:
            patch.setattr(os, "fsync", full)
            assert run_infer(arguments(tiny_model, folder / name, lines)) == STOPPED
        assert run_infer(arguments(tiny_model, folder / name, lines, more=["--resume"])) == 0
        assert {path.name: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == whole


def test_no_room_for_the_list_of_ids(
    tiny_model: Path, lines: Path, tmp_path: Path, monkeypatch: Any, capsys: Any
) -> None:
    """SQLite's own limit on a file's size stands in for a full temporary folder."""
    ids = Seen()
    ids._base.execute("PRAGMA max_page_count = 4")
    with pytest.raises(DiskError, match="TMPDIR \\(database or disk is full\\)"):
        [ids.first(str(number), "here") for number in range(10_000)]

    class Small(Seen):
        def first(self, doc: str, place: str) -> str | None:
            if doc == "a5":
                raise DiskError("no room")
            return super().first(doc, place)

    monkeypatch.setattr("rasid.infer.readers.Seen", Small)
    assert run_infer(arguments(tiny_model, tmp_path / "r.jsonl", lines)) == STOPPED
    assert capsys.readouterr().err == "rasid: no room; 3 records are safe, go on with --resume\n"


# -- memory of ids ----------------------------------------------------------------------------------


def test_ids_spill_to_disk_and_are_still_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(seen, "_CACHE_KIB", 64)
    ids = Seen()
    for number in range(20_000):
        assert ids.first(f"article-{number}", f"in.jsonl:{number}") is None
    assert ids._base.execute("PRAGMA page_count").fetchone()[0] * 4 > 64  # in KiB: more than the cache holds
    for number in range(0, 20_000, 997):
        assert ids.first(f"article-{number}", "elsewhere") == f"in.jsonl:{number}"
    ids.close()


def test_reading_is_lazy(tmp_path: Path) -> None:
    """An article is given before the next is read, however large the input."""
    path = tmp_path / "in.jsonl"
    path.write_text('{"text": "a"}\n' * 10_000)
    items = read([str(path)])
    first = next(items)
    path.write_text("")
    assert isinstance(first, Article)
    assert sum(1 for _ in items) < 10_000

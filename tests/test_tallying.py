"""Evaluation of files: records are let go once they are counted, and the scores are those of records all in memory."""

from __future__ import annotations

import gc
import json
import os
import runpy
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from rasid.annotations import load_annotations
from rasid.cli import main
from rasid.errorlog import ErrorLog
from rasid.errors import DataError, RasidError
from rasid.evaluate import evaluate, evaluation_of
from rasid.evaluationpage import evaluation_page, write_page
from rasid.mistakecounts import write_mistakes
from rasid.mistakes import all_mistakes
from rasid.predictions import load_predictions
from rasid.records import Record
from rasid.shelf import read_places, read_shelf
from rasid.tally import Counting
from rasid.tallying import GoldFiles, RunFiles, default_workers, tally_files
from rasid.thresholds import at_least

ROOT = Path(__file__).parents[1]
REPORT = ("report.json", "report.md", "report.html", "counts.json", "errors.jsonl", "errors.md")


def write_articles(folder: Path, articles: int) -> Path:
    folder.mkdir()
    runpy.run_path(str(ROOT / "scripts/report_speed.py"))["write_set"](folder, articles, 500)
    return folder


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """gold.jsonl, predictions.jsonl and texts of 120 articles."""
    return write_articles(tmp_path_factory.mktemp("sets") / "made", 120)


def options(folder: Path) -> list[str]:
    return ["evaluate", "--gold", str(folder / "gold.jsonl"), "--seeds", str(folder / "texts")]


def files(folder: Path) -> tuple[GoldFiles, RunFiles]:
    return GoldFiles.open(folder / "gold.jsonl", folder / "texts"), RunFiles.open(folder / "predictions.jsonl")


def most_alive(folder: Path, monkeypatch: pytest.MonkeyPatch) -> int:
    """The most records that are in memory at once while the articles of a folder are counted in this process."""
    most = 0
    before = {id(each) for each in gc.get_objects() if type(each) is Record}  # what other tests keep
    kept = Counting.kept

    def counted(self: Counting, record: Record) -> Record:
        nonlocal most
        most = max(most, sum(type(each) is Record and id(each) not in before for each in gc.get_objects()))
        return kept(self, record)

    monkeypatch.setattr(Counting, "kept", counted)
    gold, run = files(folder)
    tally_files(gold, [run], Counting(), ErrorLog(), workers=1)
    monkeypatch.undo()
    return most


def test_records_are_let_go_once_they_are_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    few, many = (write_articles(tmp_path / str(number), number) for number in (20, 120))
    assert most_alive(many, monkeypatch) <= most_alive(few, monkeypatch) + 2 <= 8


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("least", [0.0, 0.8])
def test_the_report_is_that_of_records_all_in_memory(made: Path, tmp_path: Path, workers: int, least: float) -> None:
    gold = load_annotations(made / "gold.jsonl", made / "texts")
    records = [each.record for each in gold]
    given = load_predictions(made / "predictions.jsonl", gold)
    kept = [at_least(record, least) for record in given]
    whole = evaluate(gold, given, least=least)

    log = ErrorLog()
    places, run = files(made)
    (tally,) = tally_files(places, [run], Counting(least), log, workers)
    found = evaluation_of(tally, least)
    assert found.to_json() == whole.to_json()
    assert found.counts.to_json() == whole.counts.to_json()

    write_page(found, log, tmp_path)
    wrong = all_mistakes(gold, kept)
    write_mistakes(wrong, records, kept, tmp_path / "whole.jsonl")
    page = evaluation_page(whole, records, kept, wrong, "errors.jsonl")
    assert (tmp_path / "report.html").read_text(encoding="utf-8") == page
    for name, other in (("errors.jsonl", "whole.jsonl"), ("errors.md", "whole.md")):
        assert (tmp_path / name).read_bytes() == (tmp_path / other).read_bytes()


def test_neither_order_nor_the_number_of_processes_changes_a_report(made: Path, tmp_path: Path) -> None:
    lines = (made / "predictions.jsonl").read_text(encoding="utf-8").splitlines(keepends=True)
    (tmp_path / "turned.jsonl").write_text("\n".join(reversed(lines)), encoding="utf-8")
    folder = tmp_path / "predictions"
    folder.mkdir()
    for line in lines:
        (folder / f"{json.loads(line)['doc']}.json").write_text(line, encoding="utf-8")
    runs = {"one": (made / "predictions.jsonl", 1), "two": (tmp_path / "turned.jsonl", 2), "three": (folder, 2)}
    for name, (path, workers) in runs.items():
        words = ["--predictions", str(path), "--report", str(tmp_path / name), "--workers", str(workers)]
        assert main([*options(made), *words]) == 0
    for name in REPORT:
        assert len({(tmp_path / run / name).read_bytes() for run in runs}) == 1, name


def test_the_mean_of_runs_is_that_of_their_tallies(made: Path, tmp_path: Path) -> None:
    words = ["--predictions", *[str(made / "predictions.jsonl")] * 2, "--report", str(tmp_path / "runs")]
    assert main([*options(made), *words, "--workers", "2"]) == 0
    runs = json.loads((tmp_path / "runs" / "runs.json").read_text(encoding="utf-8"))
    gold = load_annotations(made / "gold.jsonl", made / "texts")
    found = evaluate(gold, load_predictions(made / "predictions.jsonl", gold))
    strict = runs["figures"]["entities, nested, strict"]
    assert strict["by_run"] == [found.entities["nested"].f1.value] * 2
    assert not (tmp_path / "runs" / "errors.jsonl").exists()


def without(lines: list[str]) -> list[str]:
    return lines[:60] + lines[61:]


def twice(lines: list[str]) -> list[str]:
    return [*lines, lines[7]]


def extra(lines: list[str]) -> list[str]:
    return [*lines, lines[7].replace("article-000007", "article-7")]


def moved(lines: list[str]) -> list[str]:
    """A fault in line 101, which another process may find before that of line 51."""
    return [line.replace('"end": ', '"end": 9') if number in (50, 100) else line for number, line in enumerate(lines)]


def broken(lines: list[str]) -> list[str]:
    return [*lines[:90], lines[90][:-9] + "\n", *lines[91:]]


@pytest.mark.parametrize("fault", [without, twice, extra, moved, broken])
@pytest.mark.parametrize("side", ["gold", "predictions"])
def test_a_fault_is_told_as_by_reading_all(
    made: Path, tmp_path: Path, side: str, fault: Callable[[list[str]], list[str]]
) -> None:
    for name in ("gold", "predictions"):
        lines = (made / f"{name}.jsonl").read_text(encoding="utf-8").splitlines(keepends=True)
        changed = fault(lines) if name == side else lines
        (tmp_path / f"{name}.jsonl").write_text("".join(changed), encoding="utf-8")
    (tmp_path / "texts").symlink_to(made / "texts")
    with pytest.raises(DataError) as whole:
        load_predictions(tmp_path / "predictions.jsonl", load_annotations(tmp_path / "gold.jsonl", tmp_path / "texts"))
    gold, run = files(tmp_path)
    with pytest.raises(DataError) as found:
        tally_files(gold, [run], Counting(), None, workers=2)
    assert str(found.value) == str(whole.value)


def test_of_two_faults_the_gold_is_told(made: Path, tmp_path: Path) -> None:
    for name, place in (("gold", 110), ("predictions", 3)):
        lines = (made / f"{name}.jsonl").read_text(encoding="utf-8").splitlines(keepends=True)
        lines[place] = "{}\n"
        (tmp_path / f"{name}.jsonl").write_text("".join(lines), encoding="utf-8")
    (tmp_path / "texts").symlink_to(made / "texts")
    gold, run = files(tmp_path)
    with pytest.raises(DataError, match=r"gold\.jsonl:111: not a record: doc: field required"):
        tally_files(gold, [run], Counting(), None, workers=2)


@pytest.mark.skipif(sys.platform != "linux", reason="processes that are not forked do not know the stand-in")
def test_a_process_that_is_ended_is_a_line(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rasid.tallying.note", lambda *_: os._exit(9))
    gold, run = files(made)
    with pytest.raises(RasidError, match=r"a process was ended from outside.*--workers 1"):
        tally_files(gold, [run], Counting(), ErrorLog(), workers=2)


def test_a_shelf_has_the_records_of_a_file_in_order(made: Path) -> None:
    places = read_shelf(made / "gold.jsonl")
    assert [place.doc for place in places] == [record.doc for _, record in read_places(places)]
    assert places[-1].where.endswith("gold.jsonl:120")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_a_pipe_is_read_once_and_its_records_as_often_as_need_be(made: Path, tmp_path: Path) -> None:
    pipe, source = tmp_path / "pipe", (made / "predictions.jsonl").read_bytes()
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_bytes, args=(source,))
    writer.start()
    run = RunFiles.open(pipe)
    writer.join()
    gold, whole = files(made)
    for each in (run, run):
        (tally,) = tally_files(gold, [each], Counting(), None, workers=2)
        assert tally.counts == tally_files(gold, [whole], Counting(), None, workers=1)[0].counts
    assert run.places[0].where == f"{pipe}:1"


def test_small_sets_are_read_by_one_process() -> None:
    assert default_workers(0) == default_workers(399) == 1
    assert 1 <= default_workers(100_000) <= 4


def test_a_model_is_tallied_as_it_predicts(
    made: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A large set is not kept in memory for a model either: what it predicts is counted article by article."""
    answers = {json.loads(line)["doc"]: line for line in (made / "predictions.jsonl").open(encoding="utf-8")}

    def stream_texts(texts: list[tuple[str, str]], model: str, device: str) -> object:
        assert (model, device) == ("tiny", "auto")
        return (Record.model_validate_json(answers[doc]) for doc, _ in texts)

    monkeypatch.setitem(sys.modules, "rasid.infer.job", SimpleNamespace(stream_texts=stream_texts))
    assert main([*options(made), "--model", "tiny"]) == 0
    shown = capsys.readouterr().out
    assert main([*options(made), "--predictions", str(made / "predictions.jsonl")]) == 0
    assert capsys.readouterr().out == shown

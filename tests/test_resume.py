"""Resume: a job that was killed goes on and writes what an uninterrupted one writes; another is refused in a sentence.

Mostly jobs are killed in this process, at chosen articles; scripts/kill_test.py does it with SIGKILL at random points.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from rasid.cli import main, make_parser
from rasid.errors import DataError
from rasid.infer import job, predictor
from rasid.infer.articles import Article, Reject
from rasid.infer.engine import Engine
from rasid.infer.files import survey
from rasid.infer.job import run_infer
from rasid.infer.resume import Commit, Header, Journal, Trail, change, locked
from rasid.records import Record

COUNT = 12
Files = dict[str, bytes]


class Killed(BaseException):
    """Ends a job in this process as SIGKILL would end its process: no handler of the job's own knows it."""


@pytest.fixture
def lines(tmp_path: Path, sentences: Sequence[str]) -> Path:
    """A JSONL file of twelve articles, with a bad line after the fourth and the eighth."""
    path = tmp_path / "in.jsonl"
    with path.open("w", encoding="utf-8") as stream:
        for number in range(COUNT):
            text = " ".join(sentences[number % 5 :])
            stream.write(json.dumps({"id": f"a{number}", "text": text, "n": number}) + "\n")
            if number in (3, 7):
                stream.write("{\n")
    return path


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job, "_CHUNK_ARTICLES", 3)
    monkeypatch.setattr(job, "_COMMIT_SECONDS", 0)


def arguments(model: Path, output: Path, *inputs: Path | str, more: Sequence[str] = ()) -> argparse.Namespace:
    given = ["infer", *map(str, inputs), "--output", str(output), "--model", str(model), "--device", "cpu", "--quiet"]
    return make_parser().parse_args([*given, *more])


def files(folder: Path) -> Files:
    found = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in found}


def die_at(doc: str, error: BaseException, monkeypatch: pytest.MonkeyPatch) -> None:
    """The job fails with `error` as soon as the model is given the article `doc`; once."""
    real = predictor.predict

    def predict(engine: Engine, articles: Sequence[Article]) -> list[Record]:
        if any(article.doc == doc for article in articles):
            monkeypatch.setattr(predictor, "predict", real)
            raise error
        return real(engine, articles)

    monkeypatch.setattr(predictor, "predict", predict)


KINDS = {
    "records.jsonl": (),
    "records.parquet": (),
    "parts": ("--part-size", "5"),
    "tables": ("--format", "parquet", "--part-size", "4"),
    "each": (),
}


@pytest.mark.parametrize(("name", "more"), KINDS.items(), ids=list(KINDS))
@pytest.mark.parametrize("doc", ["a0", "a4", "a11"])
def test_a_killed_job_ends_as_if_it_had_not_been(
    name: str, more: Sequence[str], doc: str, tiny_model: Path, lines: Path, tmp_path: Path, monkeypatch: Any
) -> None:
    for folder in ("whole", "killed"):
        (tmp_path / folder).mkdir()
    assert run_infer(arguments(tiny_model, tmp_path / "whole" / name, lines, more=more)) == 0
    die_at(doc, Killed(), monkeypatch)
    with pytest.raises(Killed):
        run_infer(arguments(tiny_model, tmp_path / "killed" / name, lines, more=more))
    assert any(path.suffix == ".journal" for path in (tmp_path / "killed").iterdir())
    assert run_infer(arguments(tiny_model, tmp_path / "killed" / name, lines, more=[*more, "--resume"])) == 0
    assert files(tmp_path / "killed") == files(tmp_path / "whole")
    rejects = [path for path in files(tmp_path / "whole") if path.endswith(".rejects.jsonl")]
    assert len(rejects) == 1
    assert files(tmp_path / "whole")[rejects[0]].count(b"\n") == 2


def run_script(name: str, *options: object) -> str:
    command = [sys.executable, Path(__file__).parents[1] / name, *options]
    shown = subprocess.run([*map(str, command)], capture_output=True, text=True, timeout=300)
    assert shown.returncode == 0, shown.stderr
    return shown.stdout


def test_kill_test_finds_no_difference(tiny_model: Path) -> None:
    shape = ("--points", 3, "--articles", 12, "--model", tiny_model, "--kind", "parts", "--kind", "parquet file")
    assert run_script("scripts/kill_test.py", *shape).splitlines()[-1] == "3 points: 0 differed"


def test_memory_does_not_grow_with_the_input(tiny_model: Path) -> None:
    shown = run_script("scripts/memory_test.py", "--articles", 20, 300, "--words", 4, "--model", tiny_model)
    assert re.search(r"300 articles: peak +\d+\.\d MiB", shown)
    assert float(re.findall(r"ratio ([\d.]+), at most 1\.1", shown)[0]) < 1.1


def test_a_real_process_killed_amid_its_work(tiny_model: Path, lines: Path, tmp_path: Path) -> None:
    """The command itself, killed as soon as its journal has a commit; chunks are the usual ones."""
    with lines.open("a", encoding="utf-8") as stream:
        for number in range(COUNT, 140):
            stream.write(json.dumps({"id": f"a{number}", "text": "وصل وفد من الأمم المتحدة إلى العاصمة."}) + "\n")
    command = [sys.executable, "-m", "rasid", "infer", str(lines), "--model", str(tiny_model), "--device", "cpu"]

    def run(output: Path, *more: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen([*command, "--output", str(output), "--quiet", *more])

    (tmp_path / "whole").mkdir()
    (tmp_path / "killed").mkdir()
    assert run(tmp_path / "whole/r.jsonl").wait(300) == 0
    process = run(tmp_path / "killed/r.jsonl")
    part = tmp_path / "killed/r.jsonl.part"
    while process.poll() is None and not (part.exists() and part.stat().st_size):
        time.sleep(0.01)
    process.kill()
    assert process.wait(60) == -signal.SIGKILL
    assert run(tmp_path / "killed/r.jsonl", "--resume").wait(300) == 0
    assert files(tmp_path / "killed") == files(tmp_path / "whole")


def interrupted(model: Path, output: Path, *inputs: Path | str, monkeypatch: Any, more: Sequence[str] = ()) -> None:
    die_at("a7", Killed(), monkeypatch)
    with pytest.raises(Killed):
        run_infer(arguments(model, output, *inputs, more=more))


def test_what_a_loss_of_power_leaves_behind(tiny_model: Path, lines: Path, tmp_path: Path, monkeypatch: Any) -> None:
    run_infer(arguments(tiny_model, tmp_path / "whole.jsonl", lines))
    interrupted(tiny_model, tmp_path / "r.jsonl", lines, monkeypatch=monkeypatch)
    for name, tail in [("r.jsonl.part", b'{"doc": "a6\0\0'), ("r.rejects.jsonl.part", b"\0"), ("r.journal", b'{"it')]:
        with (tmp_path / name).open("ab") as stream:
            stream.write(tail)
    assert run_infer(arguments(tiny_model, tmp_path / "r.jsonl", lines, more=["--resume"])) == 0
    for name in ("jsonl", "rejects.jsonl"):
        assert (tmp_path / f"r.{name}").read_bytes() == (tmp_path / f"whole.{name}").read_bytes()


def test_standard_input_is_resumed_when_it_is_given_again(
    tiny_model: Path, lines: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def feed(data: bytes) -> None:
        monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(data)))

    output = tmp_path / "r.jsonl"
    feed(lines.read_bytes())
    run_infer(arguments(tiny_model, tmp_path / "whole.jsonl", "-"))
    feed(lines.read_bytes())
    interrupted(tiny_model, output, "-", monkeypatch=monkeypatch)
    feed(lines.read_bytes().replace(b'"n": 1', b'"n": 8', 1))
    with pytest.raises(DataError, match="the first 6 inputs are not those of the interrupted job"):
        run_infer(arguments(tiny_model, output, "-", more=["--resume"]))
    feed(lines.read_bytes())
    assert run_infer(arguments(tiny_model, output, "-", more=["--resume"])) == 0
    assert output.read_bytes() == (tmp_path / "whole.jsonl").read_bytes()


# -- what is refused, and what is not ---------------------------------------------------------------


def refused(args: argparse.Namespace) -> str:
    with pytest.raises(DataError) as caught:
        run_infer(args)
    message = str(caught.value)
    assert "\n" not in message
    return message


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        (["--batch-tokens", "512"], "--batch-tokens is 512 and was not given"),
        (["--min-score", "0.5"], "--min-score is 0.5 and was 0.0"),
        (["--id-column", "id"], "--id-column is id and was not given"),
        (["--text-column", "body"], "--text-column is body and was text"),
    ],
)
def test_other_options_are_refused(
    more: Sequence[str], reason: str, tiny_model: Path, lines: Path, tmp_path: Path, monkeypatch: Any
) -> None:
    interrupted(tiny_model, tmp_path / "r.jsonl", lines, monkeypatch=monkeypatch)
    before = files(tmp_path)
    message = refused(arguments(tiny_model, tmp_path / "r.jsonl", lines, more=["--resume", *more]))
    assert reason in message
    assert "go back to what it was, or begin anew with --overwrite" in message
    assert files(tmp_path) == before


def test_another_model_is_refused(tiny_model: Path, lines: Path, tmp_path: Path, monkeypatch: Any) -> None:
    output = tmp_path / "out" / "r.jsonl"
    interrupted(tiny_model, output, lines, monkeypatch=monkeypatch)
    changed = Path(shutil.copytree(tiny_model, tmp_path / "tiny"))  # of the same name, as records show it
    tree = json.loads((changed / "config.json").read_text())
    (changed / "config.json").write_text(json.dumps(tree | {"overlap": 10}))
    assert "the model's config.json is " in refused(arguments(changed, output, lines, more=["--resume"]))
    shutil.copytree(tiny_model, tmp_path / "other")
    message = refused(arguments(tmp_path / "other", output, lines, more=["--resume"]))
    assert "the model's name is other and was tiny" in message


def test_other_inputs_are_refused(tiny_model: Path, lines: Path, tmp_path: Path, monkeypatch: Any) -> None:
    output = tmp_path / "out" / "r.jsonl"
    interrupted(tiny_model, output, lines, monkeypatch=monkeypatch)
    more = tmp_path / "more.txt"
    more.write_text("نص")
    message = refused(arguments(tiny_model, output, lines, more, more=["--resume"]))
    assert f"the inputs are {lines} {more} and were {lines}" in message
    data = lines.read_bytes()
    lines.write_bytes(data.replace(b'"n": 0', b'"n": 5'))  # of the same size: found out when it is read again
    message = refused(arguments(tiny_model, output, lines, more=["--resume"]))
    assert "the first 6 inputs are not those of the interrupted job" in message
    lines.write_bytes(data + b"\n")
    message = refused(arguments(tiny_model, output, lines, more=["--resume"]))
    assert f"the input {lines} is {len(data) + 1} bytes in 1 file(s)" in message


def test_another_machine_is_said_and_not_refused(
    tiny_model: Path, lines: Path, tmp_path: Path, monkeypatch: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    interrupted(tiny_model, tmp_path / "r.jsonl", lines, monkeypatch=monkeypatch)
    monkeypatch.setattr(job, "_machine", lambda device: {"device": "cuda (a card)", "torch": "9"})
    assert run_infer(arguments(tiny_model, tmp_path / "r.jsonl", lines, more=["--resume"])) == 0
    said = capsys.readouterr().err
    assert said.startswith("rasid: the job began on another machine (device cpu")
    assert "in the last digit" in said


def test_an_output_that_is_there_is_not_touched(tiny_model: Path, lines: Path, tmp_path: Path) -> None:
    output = tmp_path / "r.jsonl"
    run_infer(arguments(tiny_model, output, lines))
    before = files(tmp_path)
    assert refused(arguments(tiny_model, output, lines)) == f"{output}: is there already; --overwrite replaces it"
    assert files(tmp_path) == before
    assert run_infer(arguments(tiny_model, output, lines, more=["--overwrite"])) == 0
    assert files(tmp_path) == before


def test_a_job_that_was_begun_is_not_begun_again(
    tiny_model: Path, lines: Path, tmp_path: Path, monkeypatch: Any
) -> None:
    output = tmp_path / "parts"
    more = ("--part-size", "5")
    interrupted(tiny_model, output, lines, monkeypatch=monkeypatch, more=more)
    message = refused(arguments(tiny_model, output, lines, more=more))
    assert "go on with --resume, or begin anew with --overwrite" in message
    assert run_infer(arguments(tiny_model, output, lines, more=[*more, "--overwrite"])) == 0
    assert sorted(path.name for path in output.iterdir()) == [f"part-0000{number}.jsonl" for number in range(3)]


def test_resume_may_always_be_given(
    tiny_model: Path, lines: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A supervisor starts the same command until it ends well."""
    output = tmp_path / "r.jsonl"
    assert run_infer(arguments(tiny_model, output, lines, more=["--resume"])) == 0
    before = files(tmp_path)
    args = arguments(tiny_model, output, lines, more=["--resume"])
    args.quiet = False
    assert run_infer(args) == 0
    assert capsys.readouterr().out == f"{output}: complete, nothing to resume; --overwrite begins it anew\n"
    assert files(tmp_path) == before


def test_a_job_killed_after_its_last_commit_only_names_its_files(
    tiny_model: Path, lines: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_infer(arguments(tiny_model, tmp_path / "whole.jsonl", lines))
    for name in ("publish", "remove"):
        output = tmp_path / name / "r.jsonl"
        with monkeypatch.context() as patch:
            where = job.RejectsWriter if name == "publish" else Journal
            patch.setattr(where, name, lambda self: (_ for _ in ()).throw(Killed()))
            with pytest.raises(Killed):
                run_infer(arguments(tiny_model, output, lines))
        with monkeypatch.context() as patch:
            patch.setattr(predictor, "predict", lambda *_: pytest.fail("nothing is left to be read"))
            assert run_infer(arguments(tiny_model, output, lines, more=["--resume"])) == 0
        assert files(output.parent) == {
            "r.jsonl": (tmp_path / "whole.jsonl").read_bytes(),
            "r.rejects.jsonl": (tmp_path / "whole.rejects.jsonl").read_bytes(),
        }


def test_spools_that_were_tampered_with(tiny_model: Path, lines: Path, tmp_path: Path, monkeypatch: Any) -> None:
    interrupted(tiny_model, tmp_path / "r.jsonl", lines, monkeypatch=monkeypatch)
    os.truncate(tmp_path / "r.jsonl.part", 10)
    message = refused(arguments(tiny_model, tmp_path / "r.jsonl", lines, more=["--resume"]))
    assert "r.jsonl.part: 10 bytes of " in message
    (tmp_path / "r.journal").write_text("[]\n" + "{}\n")
    assert "is there already" not in refused(arguments(tiny_model, tmp_path / "in.jsonl", lines))
    (tmp_path / "r.journal").write_text('{"what": 1}\n')
    message = refused(arguments(tiny_model, tmp_path / "r.jsonl", lines, more=["--resume"]))
    assert "not a journal that this version of rasid reads; --overwrite drops it" in message


# -- the lock ---------------------------------------------------------------------------------------


def test_two_jobs_on_one_output_refuse_each_other(tiny_model: Path, lines: Path, tmp_path: Path) -> None:
    with locked(tmp_path / "r.lock"):
        for name in ("r.jsonl", "r.parquet", "r"):  # they share their rejects
            message = refused(arguments(tiny_model, tmp_path / name, lines))
            assert message == f"{tmp_path / name}: another job is writing it; wait, or give another --output"
    assert run_infer(arguments(tiny_model, tmp_path / "r.jsonl", lines)) == 0
    assert not (tmp_path / "r.lock").exists()


def test_the_lock_of_a_dead_process_holds_nobody_up(tmp_path: Path) -> None:
    child = os.fork()
    if child == 0:
        with locked(tmp_path / "r.lock"):
            os.kill(os.getpid(), signal.SIGKILL)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
    assert (tmp_path / "r.lock").exists()
    with locked(tmp_path / "r.lock"):
        pass


def test_a_process_that_lives_holds_it(tmp_path: Path) -> None:
    ready, child = tmp_path / "ready", os.fork()
    if child == 0:
        with locked(tmp_path / "r.lock"):
            ready.touch()
            time.sleep(60)
        os._exit(0)
    try:
        while not ready.exists():
            time.sleep(0.01)
        with pytest.raises(DataError, match="another job"), locked(tmp_path / "r.lock"):
            pass
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


# -- the journal and the trail ----------------------------------------------------------------------

HEADER = Header(model={"name": "m"}, options={"a": 1}, inputs=[], machine={})


def test_a_journal_gives_back_its_last_whole_line(tmp_path: Path) -> None:
    path = tmp_path / "j"
    assert Journal.find(path) is None
    journal = Journal(path, None, None, 0)
    journal.begin(HEADER)
    found = Journal.find(path)
    assert found is not None
    assert (found.header, found.last) == (HEADER, None)
    for items in (3, 6):
        journal.commit(Commit(items=items, writer={"part": 1}))
    journal.close()
    whole = path.read_bytes()
    for tail in (b"", b'{"items": 9', b"\0" * 50 + b"\n", b"[1]\n"):
        path.write_bytes(whole + tail)
        found = Journal.find(path)
        assert found is not None
        assert found.last == Commit(items=6, writer={"part": 1})
        found.commit(Commit(items=7))
        found.close()
        assert path.read_bytes().startswith(whole)
        assert path.read_bytes().count(b"\n") == 4
    path.write_bytes(whole[:10])
    assert Journal.find(path) is None


def test_a_trail_knows_what_it_saw() -> None:
    def digest(*items: Article | Reject) -> str:
        trail = Trail()
        for item in items:
            trail.add(item)
        return trail.digest

    one = Article("a", "نص", {"n": 1})
    seen = [
        digest(),
        digest(one),
        digest(one, one),
        digest(Article("a", "نص", {"n": 2})),
        digest(Article("a", "نصّ", {"n": 1})),
        digest(Article("b", "نص", {"n": 1})),
        digest(Reject("a", "نص")),
    ]
    assert len(set(seen)) == len(seen)
    assert digest(one) == digest(Article("a", "نص", {"n": 1}, "where it lies does not matter"))


def test_a_change_is_named(tmp_path: Path) -> None:
    assert change(HEADER, HEADER) is None
    other = Header(model={"name": "m"}, options={"a": 1, "b": 2}, inputs=[], machine={"torch": 1})
    assert change(HEADER, other) == "b is 2 and was not given"
    assert change(other, HEADER) == "b is not given and was 2"


def test_a_survey_sees_names_and_sizes(tmp_path: Path) -> None:
    for name in ("a.txt", "b/c.jsonl", ".hidden.txt", "notes.md"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("xyz")
    (first,) = survey([str(tmp_path)])
    assert (first.files, first.bytes) == (2, 6)
    (tmp_path / "a.txt").rename(tmp_path / "d.txt")
    (second,) = survey([str(tmp_path)])
    assert (second.files, second.bytes) == (2, 6)
    assert first.digest != second.digest
    missing, stdin = survey([str(tmp_path / "none"), "-"])
    assert missing.bytes is None
    assert stdin.bytes is None


# -- signals ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_lets_the_chunk_be_finished(
    number: int, code: int, tiny_model: Path, lines: Path, tmp_path: Path, monkeypatch: Any, capsys: Any
) -> None:
    run_infer(arguments(tiny_model, tmp_path / "whole.jsonl", lines))
    monkeypatch.setattr(job, "_COMMIT_SECONDS", 1e9)  # the commit is the signal's
    output = tmp_path / "r.jsonl"
    real = predictor.predict
    handlers = [signal.getsignal(each) for each in (signal.SIGTERM, signal.SIGINT)]

    def signalled(engine: Engine, articles: Sequence[Article]) -> list[Record]:
        if articles[0].doc == "a3":
            os.kill(os.getpid(), number)
            while signal.getsignal(signal.SIGTERM) != signal.SIG_DFL:  # another thread may be given it
                time.sleep(0.001)
        return real(engine, articles)

    monkeypatch.setattr(predictor, "predict", signalled)
    given = ["infer", str(lines), "--output", str(output), "--model", str(tiny_model), "--device", "cpu", "--quiet"]
    assert main(given) == code
    name = signal.Signals(number).name
    assert capsys.readouterr().err == f"rasid: stopped by {name}; 5 records are safe, go on with --resume\n"
    assert [signal.getsignal(each) for each in (signal.SIGTERM, signal.SIGINT)] == handlers
    assert (tmp_path / "r.jsonl.part").read_bytes().count(b"\n") == 5
    monkeypatch.setattr(predictor, "predict", real)
    assert run_infer(arguments(tiny_model, output, lines, more=["--resume"])) == 0
    assert output.read_bytes() == (tmp_path / "whole.jsonl").read_bytes()


def test_a_signal_while_waiting_for_input_stops_at_once(tiny_model: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "rasid", "infer", "-", "--model", str(tiny_model), "--device", "cpu"]
    process = subprocess.Popen(
        [*command, "--output", str(tmp_path / "r.jsonl"), "--progress", "json"],
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdin is not None
    assert process.stderr is not None
    assert json.loads(process.stderr.readline())["event"] == "start"
    time.sleep(0.5)  # it now waits for the first line
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == 143
    events = [json.loads(line) for line in process.stderr]
    assert events[-1]["event"] == "stopped"
    process.stdin.close()
    process.stderr.close()

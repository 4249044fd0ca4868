"""The command line: what each command hands to its room, how mistakes are told, how soon help comes."""

from __future__ import annotations

import argparse
import importlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import jsonschema
import pytest

from rasid import __version__
from rasid.cli import main, make_parser
from rasid.errors import DataError
from rasid.records import json_schema

SLOW_IMPORTS = ("torch", "transformers", "tokenizers", "numpy", "pydantic", "datasets", "yaml", "regex")
# command line -> door, and the attributes that its room reads
HANDED_OVER: dict[str, tuple[str, dict[str, Any]]] = {
    "bench --shape bert-base --engines torch-fp32,onnx-int8 --articles 24 --rounds 5 --threads 2": (
        "rasid.infer.bench:run_bench",
        {
            "model": "news",
            "shape": "bert-base",
            "engines": "torch-fp32,onnx-int8",
            "articles": 24,
            "rounds": 5,
            "seed": 0,
            "threads": 2,
            "batch_tokens": 2048,
            "device": "auto",
            "output": None,
        },
    ),
    "sweep sweep.yaml --set trials=2 --output out": (
        "rasid.train.sweep:run_sweep",
        {"config": "sweep.yaml", "set": ["trials=2"], "output": Path("out")},
    ),
    "train configs/seeds.yaml": (
        "rasid.train.command:run_train",
        {"config": "configs/seeds.yaml", "set": [], "output": None, "dry_run": False, "resume": False},
    ),
    "train seeds --set a.b=1 --set c=d --output out --dry-run --resume": (
        "rasid.train.command:run_train",
        {"config": "seeds", "set": ["a.b=1", "c=d"], "output": Path("out"), "dry_run": True, "resume": True},
    ),
    "pretrain pretrain-compact --set seed=2": (
        "rasid.train.pretrain:run_pretrain",
        {"config": "pretrain-compact", "set": ["seed=2"]},
    ),
    "infer seeds/ - --output out.jsonl": (
        "rasid.infer.job:run_infer",
        {
            "inputs": ["seeds/", "-"],
            "output": Path("out.jsonl"),
            "model": "news",
            "device": "auto",
            "batch_tokens": None,
            "text_column": "text",
            "id_column": None,
            "format": None,
            "part_size": None,
            "resume": False,
            "overwrite": False,
            "fallback": None,
            "progress": None,
            "aliases": None,
            "quiet": False,
        },
    ),
    "infer a.txt --output out --model my/model --device cpu --batch-tokens 512 --quiet": (
        "rasid.infer.job:run_infer",
        {
            "inputs": ["a.txt"],
            "output": Path("out"),
            "model": "my/model",
            "device": "cpu",
            "batch_tokens": 512,
            "quiet": True,
        },
    ),
    "infer a.csv --output out --format parquet --part-size 5 --text-column body --id-column url --resume": (
        "rasid.infer.job:run_infer",
        {"format": "parquet", "part_size": 5, "text_column": "body", "id_column": "url", "resume": True},
    ),
    "infer a.csv --output out.jsonl --overwrite --fallback cpu --progress json": (
        "rasid.infer.job:run_infer",
        {"overwrite": True, "fallback": "cpu", "progress": "json"},
    ),
    "train aqmar --seeds 3 --set data.test=held.tsv": (
        "rasid.train.command:run_train",
        {"config": "aqmar", "seeds": 3, "set": ["data.test=held.tsv"]},
    ),
    "robustness anercorp --model runs/a --on dev --head anercorp --draws 2 --report out": (
        "rasid.train.robustness:run_robustness",
        {
            "config": "anercorp",
            "set": [],
            "model": "runs/a",
            "on": "dev",
            "head": "anercorp",
            "draws": 2,
            "report": Path("out"),
        },
    ),
    "evaluate --model news --gold annotations --slices --draws 3": (
        "rasid.evaluate:run_evaluate",
        {"slices": True, "draws": 3},
    ),
    "infer a.txt --output out.jsonl --min-score 0.7 --min-stance 0.6": (
        "rasid.infer.job:run_infer",
        {"min_score": 0.7, "min_stance": 0.6},
    ),
    "lexical my-model configs/news.yaml": (
        "rasid.train.lexicalfit:run_lexical",
        {"model": "my-model", "run": "configs/news.yaml"},
    ),
    "calibrate runs/news runs/news-cv": (
        "rasid.train.calibrate:run_calibrate",
        {"model": "runs/news", "run": Path("runs/news-cv")},
    ),
    "evaluate --predictions r.jsonl --gold annotations --min-score 0.7 --errors errors.jsonl": (
        "rasid.evaluate:run_evaluate",
        {"min_score": 0.7, "errors": Path("errors.jsonl")},
    ),
    "evaluate --model news --gold annotations": (
        "rasid.evaluate:run_evaluate",
        {
            "model": "news",
            "predictions": None,
            "gold": Path("annotations"),
            "seeds": Path("seeds"),
            "report": None,
            "device": "auto",
        },
    ),
    "evaluate --predictions out.jsonl --gold gold --seeds texts --report report": (
        "rasid.evaluate:run_evaluate",
        {
            "model": None,
            "predictions": [Path("out.jsonl")],
            "gold": Path("gold"),
            "seeds": Path("texts"),
            "report": Path("report"),
        },
    ),
    "annotations validate": (
        "rasid.validation:run_validate",
        {"folder": Path("annotations"), "seeds": Path("seeds"), "fix": False, "write": False},
    ),
    "annotations labelling-config --format doccano": (
        "rasid.labelling:run_labelling",
        {"format": "doccano", "inventory": "wojood", "output": None},
    ),
    "annotations stats gold --seeds texts": (
        "rasid.annotations:run_stats",
        {"folder": Path("gold"), "seeds": Path("texts")},
    ),
    "annotations agreement one two --list --seed 3": (
        "rasid.annotations:run_agreement",
        {
            "first": Path("one"),
            "second": Path("two"),
            "seeds": Path("seeds"),
            "html": None,
            "list": True,
            "seed": 3,
        },
    ),
    "annotations import marked --output gold": (
        "rasid.annotations:run_import",
        {"source": Path("marked"), "output": Path("gold"), "seeds": Path("seeds"), "format": "inline", "units": None},
    ),
    "annotations import all.jsonl --format doccano --units graphemes --output gold --texts raw": (
        "rasid.annotations:run_import",
        {"source": Path("all.jsonl"), "seeds": Path("raw"), "format": "doccano", "units": "graphemes"},
    ),
    "annotations preannotate more.jsonl --format doccano --output lines.jsonl --min-score 0.5": (
        "rasid.infer.preannotate:run_preannotate",
        {
            "inputs": ["more.jsonl"],
            "model": "news",
            "format": "doccano",
            "output": Path("lines.jsonl"),
            "min_score": 0.5,
            "units": None,
            "device": "auto",
            "batch_tokens": 8192,
            "text_column": "text",
            "id_column": None,
        },
    ),
    "annotations select a.jsonl gold --annotated gold --annotated exam --words 500 --output next.jsonl": (
        "rasid.infer.select:run_select",
        {
            "inputs": ["a.jsonl", "gold"],
            "annotated": [Path("gold"), Path("exam")],
            "words": 500,
            "output": Path("next.jsonl"),
            "strategy": "both",
            "seed": 1,
            "model": "news",
            "device": "auto",
            "batch_tokens": 8192,
            "text_column": "text",
            "id_column": None,
        },
    ),
    "annotations export gold --format brat --output out --texts raw": (
        "rasid.annotations:run_export",
        {"records": Path("gold"), "seeds": Path("raw"), "format": "brat", "output": Path("out"), "units": None},
    ),
    "annotations dataset gold --texts raw --output out": (
        "rasid.dataset:run_dataset",
        {"folder": Path("gold"), "seeds": Path("raw"), "output": Path("out")},
    ),
    "card runs/mine --report report": (
        "rasid.card:run_card",
        {"model": "runs/mine", "report": Path("report"), "overwrite": False},
    ),
    "push runs/mine owner/mine --private --branch v2 --dry-run": (
        "rasid.push:run_push",
        {
            "model": "runs/mine",
            "repo": "owner/mine",
            "private": True,
            "revision": "v2",
            "dry_run": True,
            "skip_foreign": False,
            "without_card": False,
        },
    ),
    "export news --to transformers --output plain --head topic --texts a.jsonl more": (
        "rasid.infer.export:run_export",
        {
            "model": "news",
            "to": "transformers",
            "output": Path("plain"),
            "head": ["topic"],
            "texts": ["a.jsonl", "more"],
            "overwrite": False,
        },
    ),
    "export runs/mine --to onnx --precision int8 --dev gold --seeds raw --accept-loss": (
        "rasid.infer.export:run_export",
        {
            "to": "onnx",
            "output": None,
            "precision": "int8",
            "dev": Path("gold"),
            "seeds": Path("raw"),
            "accept_loss": True,
        },
    ),
    "compare report-a report-b --output folder": (
        "rasid.compare:run_compare",
        {
            "base": Path("report-a"),
            "new": Path("report-b"),
            "gold": None,
            "min_score": 0.0,
            "output": Path("folder"),
        },
    ),
    "render out.jsonl --output page.html": (
        "rasid.render:run_render",
        {"records": Path("out.jsonl"), "output": Path("page.html"), "texts": Path("seeds")},
    ),
    "render out.jsonl --output page.html --texts texts.jsonl": (
        "rasid.render:run_render",
        {"texts": Path("texts.jsonl")},
    ),
    "render out.jsonl --output page.html --seeds texts": (
        "rasid.render:run_render",
        {"texts": Path("texts")},
    ),
    "index records.jsonl more --output names.csv --type PERS --type ORG --min-articles 2 --aliases a.yaml": (
        "rasid.infer.index:run_index",
        {
            "records": ["records.jsonl", "more"],
            "output": Path("names.csv"),
            "type": ["PERS", "ORG"],
            "min_articles": 2,
            "aliases": Path("a.yaml"),
            "date_field": None,
        },
    ),
    "schema": ("rasid.cli:run_schema", {}),
    "models": ("rasid.cli:run_models", {}),
}


class Room(ModuleType):
    """Stands in for `rasid.render`: does what a test wants done when the command opens it."""

    def __init__(self, outcome: BaseException | int) -> None:
        super().__init__("rasid.render")
        self.outcome = outcome
        self.args: argparse.Namespace | None = None

    def run_render(self, args: argparse.Namespace) -> int:
        self.args = args
        if isinstance(self.outcome, BaseException):
            raise self.outcome
        return self.outcome


def run_with(outcome: BaseException | int, monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setitem(sys.modules, "rasid.render", Room(outcome))
    return main(["render", "records.jsonl", "--output", "page.html"])


def commands(parser: argparse.ArgumentParser, name: str = "") -> Iterator[str]:
    """Every command and sub-command that the parser knows."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for word, inner in action.choices.items():
                yield f"{name} {word}".strip()
                yield from commands(inner, f"{name} {word}".strip())


def python(*arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, *arguments], capture_output=True, text=True, timeout=60, **options)


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a command sets for its libraries is taken back after the test."""
    for name in ("TRANSFORMERS_VERBOSITY", "HF_HUB_DISABLE_PROGRESS_BARS", "TOKENIZERS_PARALLELISM"):
        monkeypatch.setenv(name, "recorded, so that it is undone")
        monkeypatch.delenv(name)


@pytest.mark.parametrize("line", HANDED_OVER)
def test_a_command_hands_its_arguments_over(line: str) -> None:
    door, expected = HANDED_OVER[line]
    args = vars(make_parser().parse_args(line.split()))
    assert args["door"] == door
    assert {name: args[name] for name in expected} == expected


@pytest.mark.parametrize("door", sorted({door for door, _ in HANDED_OVER.values()}))
def test_behind_every_door_stands_a_function(door: str) -> None:
    module, _, function = door.partition(":")
    assert callable(getattr(importlib.import_module(module), function))


def test_every_command_is_covered_above() -> None:
    # A command with sub-commands opens no door itself; its `--help` is covered below.
    leaves = {name for name in commands(make_parser()) if name != "annotations"}
    assert leaves == {
        " ".join(line.split()[:2]) if line.startswith("annotations") else line.split()[0] for line in HANDED_OVER
    }


@pytest.mark.parametrize("command", ["", *commands(make_parser())])
def test_every_command_has_a_help_page(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main([*command.split(), "--help"])
    assert caught.value.code == 0
    page = capsys.readouterr().out
    assert page.startswith(f"usage: rasid {command}".strip())
    assert "==SUPPRESS==" not in page


def test_an_example_on_a_help_page_parses() -> None:
    for action in make_parser()._actions:
        if isinstance(action, argparse._SubParsersAction):
            pages = [inner for inner in action.choices.values() if inner.epilog]
            assert len(pages) >= 6
            for inner in pages:
                words = inner.epilog.splitlines()[-1].split(" > ")[0].split()
                make_parser().parse_args(words[words.index("rasid") + 1 :])


def test_help_comes_in_under_half_a_second() -> None:
    def spent() -> float:  # of processor time, since a busy machine is not a slow command
        used = os.times()
        return used.children_user + used.children_system

    seconds = []
    for _ in range(5):
        begun = spent()
        assert python("-m", "rasid", "--help").returncode == 0
        seconds.append(spent() - begun)
    assert min(seconds) < 0.5


def test_nothing_heavy_is_imported_before_a_command_is_chosen() -> None:
    probe = "import sys; from rasid.cli import make_parser; make_parser(); print(*sys.modules)"
    found = set(python("-c", probe).stdout.split())
    assert "rasid.cli" in found
    assert not found.intersection(SLOW_IMPORTS)
    assert not {".".join(name.split(".")[:2]) for name in found} & {"rasid.train", "rasid.infer", "rasid.model"}


def test_the_library_leaves_logging_and_the_environment_alone() -> None:
    probe = (
        "import os, logging; before = dict(os.environ); import rasid, rasid.cli, rasid.model, transformers; "
        "assert not [k for k in set(os.environ) - set(before) if k.startswith(('TRANSF', 'TOKENIZ'))]; "
        "assert transformers.logging.get_verbosity() == logging.WARNING"
    )
    clean = {name: value for name, value in os.environ.items() if not name.startswith("TRANSFORMERS_")}
    assert python("-c", probe, env=clean).stderr == ""


def test_what_the_user_set_stands(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRANSFORMERS_VERBOSITY", "info")
    run_with(0, monkeypatch)
    assert os.environ["TRANSFORMERS_VERBOSITY"] == "info"
    assert os.environ["TOKENIZERS_PARALLELISM"] == "false"


def test_the_version() -> None:
    assert python("-m", "rasid", "--version").stdout == f"rasid {__version__}\n"


def test_a_command_returns_what_its_room_returns(monkeypatch: pytest.MonkeyPatch) -> None:
    assert run_with(0, monkeypatch) == 0
    assert run_with(1, monkeypatch) == 1


def test_a_users_mistake_is_one_line_and_two(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_with(DataError("a.jsonl:3: not a record:\n  entities"), monkeypatch) == 2
    printed = capsys.readouterr()
    assert (printed.out, printed.err) == ("", "rasid: a.jsonl:3: not a record: entities\n")


def test_an_interruption(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_with(KeyboardInterrupt(), monkeypatch) == 130
    assert capsys.readouterr().err == "rasid: interrupted\n"


def test_a_programmers_error_keeps_its_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ZeroDivisionError):
        run_with(ZeroDivisionError(), monkeypatch)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("", "the following arguments are required: COMMAND; see `rasid --help`"),
        ("inferr", "invalid choice: 'inferr'"),
        ("infer seeds", "the following arguments are required: --output; see `rasid infer --help`"),
        ("infer --output out.jsonl", "required: INPUT; see `rasid infer --help`"),
        ("infer seeds --output o --device gpu", "--device: invalid choice: 'gpu'"),
        (
            "infer seeds --output o --batch-tokens 0",
            "--batch-tokens: expected a whole number above nought, got '0'",
        ),
        ("infer seeds --out o", "required: --output"),  # no abbreviations
        ("evaluate --gold g", "one of the arguments --model --predictions is required"),
        ("evaluate --gold g --model m --predictions p", "not allowed with argument --model"),
        ("annotations", "required: COMMAND; see `rasid annotations --help`"),
        ("train", "required: CONFIG; see `rasid train --help`"),
    ],
)
def test_a_command_line_that_does_not_parse(line: str, expected: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(line.split()) == 2
    message = capsys.readouterr().err
    assert message.startswith("rasid: ")
    assert message.count("\n") == 1
    assert expected in message


def test_the_schema_is_valid_and_accepts_a_record(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["schema"]) == 0
    schema = json.loads(capsys.readouterr().out)
    assert schema == json_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    record = {
        "doc": "a",
        "sha256": "0" * 64,
        "entities": [
            {
                "id": "T1",
                "type": "ORG",
                "start": 0,
                "end": 4,
                "surface": "داعش",
                "cluster": "C1",
                "score": 0.9,
            }
        ],
        "clusters": [{"id": "C1", "name": "داعش", "type": "ORG"}],
        "stances": [{"target": "C1", "scope": [0, 9], "label": "against", "evidence": [[0, 9]]}],
    }
    validator.validate(record)
    faults: tuple[dict[str, object], ...] = ({"doc": 3}, {"entities": [{}]}, {"colour": "red"})
    for wrong in faults:
        assert not validator.is_valid({**record, **wrong})


def test_a_closed_pipe_is_no_traceback() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, "-m", "rasid", "schema"]
    shown = subprocess.run(command, stdout=writer, stderr=subprocess.PIPE, timeout=60)
    os.close(writer)
    assert (shown.returncode, shown.stderr) == (141, b"")


def test_models_are_listed(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    from rasid import model

    folder = Path(__file__).parent
    monkeypatch.setattr(model, "shipped_models", lambda: {"news": folder})
    assert main(["models"]) == 0
    name, _, unit, where = capsys.readouterr().out.split()
    assert (name, unit, where) == ("news", "MB", str(folder))
    monkeypatch.setattr(model, "shipped_models", dict)
    assert main(["models"]) == 0
    assert "no model ships" in capsys.readouterr().err


@pytest.mark.parametrize("module", ["rasid.train", "rasid.infer"])
def test_rooms_run_as_modules(module: str) -> None:
    command = module.rpartition(".")[2]
    shown = python("-m", module, "--help")
    assert shown.stdout.startswith(f"usage: rasid {command}")


@pytest.mark.parametrize("room", ["train", "infer"])
def test_rooms_run_from_the_checkout(room: str) -> None:
    shown = python("-m", room, "--help", cwd=Path(__file__).parents[1])
    assert shown.stdout.startswith(f"usage: rasid {room}")

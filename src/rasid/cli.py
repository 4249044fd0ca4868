"""The `rasid` command: reads arguments, opens the room that does the work, puts a user's mistake in one line.

It knows the names of commands and nothing of how they work. No room, and nothing heavy (torch, transformers,
pydantic), is imported before a command is chosen, so that help pages come at once.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

from rasid import __version__
from rasid.errors import RasidError

USER_ERROR = 2
INTERRUPTED = 130  # 128 + SIGINT, as shells report it
BROKEN_PIPE = 141  # 128 + SIGPIPE


class UsageError(RasidError):
    """A command line that does not parse."""


class _Parser(argparse.ArgumentParser):
    """Takes no abbreviated options and reports a mistake as a RasidError."""

    def __init__(self, **options: Any) -> None:
        options.setdefault("formatter_class", argparse.RawDescriptionHelpFormatter)
        super().__init__(**options, allow_abbrev=False)

    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message}; see `{self.prog} --help`")


_Commands = argparse._SubParsersAction  # argparse gives its public method's result no public name


def _positive(text: str) -> int:
    """An argument that counts something."""
    if not text.isdecimal() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"expected a whole number above nought, got {text!r}")
    return int(text)


def _command(commands: _Commands[_Parser], name: str, door: str, summary: str, example: str) -> _Parser:
    """A command whose work is done by `door`, written `module:function`."""
    description = f"{summary[0].upper()}{summary[1:]}."
    parser = commands.add_parser(name, help=summary, description=description, epilog=f"example:\n  {example}")
    parser.set_defaults(door=door)
    return parser


def _add_run_config(parser: _Parser) -> None:
    parser.add_argument("config", metavar="CONFIG", help="a YAML file, or the name of a config that ships with rasid")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="depart from the file, such as training.seed=1 (the value is YAML); may be repeated",
    )


def _add_device(parser: _Parser) -> None:
    parser.add_argument(
        "--device",
        choices=("auto", "cpu", "cuda"),
        default="auto",
        help="where the model runs; auto takes CUDA where present, else the CPU (default: auto)",
    )


def _add_engine(parser: _Parser) -> None:
    parser.add_argument(
        "--engine",
        choices=("auto", "torch", "onnx"),
        default="auto",
        help="what runs the model; auto takes an ONNX graph that was measured to be faster (default: auto)",
    )
    parser.add_argument(
        "--precision",
        choices=("auto", "fp32", "bf16", "fp16", "int8"),
        default="auto",
        help="of the engine's numbers; auto is fp32 on the CPU, half on a GPU, int8 as exported (default: auto)",
    )


def _add_min_score(parser: _Parser) -> None:
    parser.add_argument(
        "--min-score",
        type=float,
        default=0.0,
        metavar="X",
        help="leave out entities that score less; `rasid evaluate` prints what each X buys (default: 0)",
    )


def _add_min_stance(parser: _Parser) -> None:
    parser.add_argument(
        "--min-stance",
        type=float,
        default=0.0,
        metavar="X",
        help="call a stance none where favor or against is less likely than X (default: as the model has it)",
    )


def _add_aliases(parser: _Parser) -> None:
    parser.add_argument(
        "--aliases", type=Path, metavar="FILE", help="a YAML table of names that mean one thing (docs/index.md)"
    )


def _add_seeds(parser: _Parser) -> None:
    parser.add_argument(
        "--seeds",
        type=Path,
        default=Path("seeds"),
        metavar="DIR",
        help="folder of the raw articles, <doc>.txt each (default: seeds)",
    )


def _add_train(commands: _Commands[_Parser]) -> None:
    parser = _command(
        commands,
        "train",
        "rasid.train.command:run_train",
        "fine-tune an encoder, or cross-validate, as a config says",
        "rasid train configs/seeds.yaml --set training.seed=2 --output my-model",
    )
    _add_run_config(parser)
    parser.add_argument("--output", type=Path, metavar="DIR", help="run folder, in place of the config's own")
    parser.add_argument(
        "--dry-run", action="store_true", help="check config, data and model, take one step, save nothing"
    )
    parser.add_argument("--resume", action="store_true", help="go on from the run folder's last checkpoint")
    parser.add_argument(
        "--seeds",
        type=_positive,
        metavar="N",
        help="run seeds 1 to N and report mean and spread; finished seeds are not trained again",
    )


def _add_sweep(commands: _Commands[_Parser]) -> None:
    parser = _command(
        commands,
        "sweep",
        "rasid.train.sweep:run_sweep",
        "train a config with many settings and choose among them on a dev set; run again to go on",
        "rasid sweep sweep.yaml --output runs/sweep",
    )
    _add_run_config(parser)
    parser.add_argument("--output", type=Path, metavar="DIR", help="the sweep's folder, in place of the file's own")


def _add_calibrate(commands: _Commands[_Parser]) -> None:
    parser = _command(
        commands,
        "calibrate",
        "rasid.train.calibrate:run_calibrate",
        "make a model's scores probabilities, by a cross-validation of its settings or on its dev parts",
        "rasid calibrate runs/news runs/news-cv",
    )
    parser.add_argument("model", metavar="NAME|DIR", help="the model whose config.json is to be changed")
    parser.add_argument(
        "run", type=Path, metavar="RUN|CONFIG", help="a cross-validation's folder, or a .yaml config with evaluation"
    )


def _add_pretrain(commands: _Commands[_Parser]) -> None:
    parser = _command(
        commands,
        "pretrain",
        "rasid.train.pretrain:run_pretrain",
        "train a tokenizer and a compact encoder from raw text; run again to go on",
        "RASID_DATA=/data rasid pretrain configs/pretrain-compact.yaml",
    )
    _add_run_config(parser)
    parser.add_argument(
        "--prepare-only", action="store_true", help="train the tokenizer and pack the text, then stop (needs no GPU)"
    )


def _add_infer(commands: _Commands[_Parser]) -> None:
    parser = _command(
        commands,
        "infer",
        "rasid.infer.job:run_infer",
        "read articles and write one record for each",
        "rasid infer seeds/ --output records.jsonl",
    )
    parser.add_argument(
        "inputs",
        nargs="+",
        metavar="INPUT",
        help="a text, JSONL, CSV or Parquet file, a folder of them, a datasets folder, or - for standard input",
    )
    parser.add_argument(
        "--output",
        type=Path,
        required=True,
        metavar="FILE|DIR",
        help="one .jsonl or .parquet file, or a folder for one .json file per article or for numbered parts",
    )
    parser.add_argument(
        "--model",
        default="news",
        metavar="NAME|DIR",
        help="a shipped model or a model folder (default: news)",
    )
    _add_device(parser)
    _add_engine(parser)
    parser.add_argument(
        "--batch-tokens",
        type=_positive,
        metavar="N",
        help="sub-words in one batch, padding included (default: 2048 on a CPU, tried out on a GPU)",
    )
    _add_min_score(parser)
    _add_min_stance(parser)
    _add_aliases(parser)
    parser.add_argument(
        "--target",
        action="append",
        default=[],
        metavar="NAME|SENTENCE",
        help="ask for the stance towards this as well, mentioned or not; may be repeated",
    )
    parser.add_argument(
        "--no-repair", action="store_true", help="leave words glued by a lost space uncut for the model"
    )
    _add_columns(parser)
    _add_job(parser)
    parser.add_argument("--quiet", action="store_true", help="no progress bar and no closing summary")


def _add_columns(parser: _Parser) -> None:
    parser.add_argument(
        "--text-column", default="text", metavar="NAME", help="field or column that holds the text (default: text)"
    )
    parser.add_argument(
        "--id-column",
        metavar="NAME",
        help="field or column that holds the id (default: doc, else id, else the place in the file)",
    )


def _add_job(parser: _Parser) -> None:
    parser.add_argument(
        "--format",
        choices=("jsonl", "json", "parquet"),
        help="of an output folder: json is a file per article, the others numbered parts (default: by --output)",
    )
    parser.add_argument(
        "--part-size", type=_positive, metavar="N", help="records of one numbered part (default: 10000)"
    )
    parser.add_argument(
        "--runner",
        choices=("local", "ray"),
        default="local",
        help="where workers run: this machine, or a Ray cluster (docs/scale.md; default: local)",
    )
    parser.add_argument(
        "--workers", type=_positive, metavar="N", help="processes that read at once (default: one; of Ray one a GPU)"
    )
    parser.add_argument("--resume", action="store_true", help="go on with a job that was stopped or killed")
    parser.add_argument("--overwrite", action="store_true", help="begin anew where an output or a stopped job is")
    parser.add_argument(
        "--fallback", choices=("cpu",), metavar="cpu", help="go on on the CPU should the GPU fail (default: stop)"
    )
    parser.add_argument(
        "--progress", choices=("bar", "json"), help="a bar, or JSON lines for programs, on stderr (default: bar)"
    )


def _add_model_export(commands: _Commands[_Parser]) -> None:
    parser = _command(
        commands,
        "export",
        "rasid.infer.export:run_export",
        "write a model's heads in the formats of other tools",
        "rasid export news --to transformers --output plain",
    )
    parser.add_argument("model", metavar="NAME|DIR", help="a shipped model or a model folder")
    parser.add_argument(
        "--to",
        choices=("transformers", "onnx"),
        required=True,
        help="transformers: a folder for each head that pipelines read; onnx: a graph for --engine onnx, and others",
    )
    parser.add_argument(
        "--output", type=Path, metavar="DIR", help="folder to write; onnx without it adds to the model folder itself"
    )
    parser.add_argument("--overwrite", action="store_true", help="write into a folder that has something in it")
    parser.add_argument(
        "--head", action="append", default=[], metavar="NAME", help="this head only; may be repeated (default: all)"
    )
    parser.add_argument(
        "--texts",
        nargs="+",
        default=[],
        metavar="INPUT",
        help="articles to compare views on and to fit stance views to, read as `rasid infer` reads (default: seeds)",
    )
    parser.add_argument(
        "--precision", choices=("fp32", "int8"), default="fp32", help="of the ONNX graph (default: fp32)"
    )
    parser.add_argument(
        "--dev", type=Path, metavar="RECORDS", help="annotated articles that int8 is judged by (default: annotations)"
    )
    _add_seeds(parser)
    parser.add_argument(
        "--accept-loss", action="store_true", help="keep an int8 graph that loses more than 0.5 points of F1"
    )


def _add_evaluate(commands: _Commands[_Parser]) -> None:
    parser = _command(
        commands,
        "evaluate",
        "rasid.evaluate:run_evaluate",
        "score a model, or records it wrote, against gold records",
        "rasid evaluate --predictions records.jsonl --gold annotations --report report",
    )
    scored = parser.add_mutually_exclusive_group(required=True)
    scored.add_argument("--model", metavar="NAME|DIR", help="a shipped model or a model folder, run first")
    scored.add_argument(
        "--predictions",
        type=Path,
        nargs="+",
        metavar="FILE|DIR",
        help="records to score; of several runs over the same articles, mean and spread",
    )
    parser.add_argument("--gold", type=Path, required=True, metavar="DIR", help="folder of gold records")
    _add_seeds(parser)
    parser.add_argument(
        "--report", type=Path, metavar="DIR", help="where to write the report and its page, besides stdout"
    )
    _add_gates(parser)
    parser.add_argument(
        "--trained-on",
        type=Path,
        metavar="RECORDS",
        help="records of the training data: score seen and unseen surfaces apart",
    )
    parser.add_argument(
        "--slices", action="store_true", help="read the articles in perturbed spellings as well; needs --model"
    )
    _add_draws(parser)
    _add_min_score(parser)
    parser.add_argument(
        "--errors",
        type=Path,
        metavar="FILE.jsonl",
        help="where to list every wrong entity; a page of them by kind is written beside it, as .md",
    )
    _add_device(parser)


def _add_gates(parser: _Parser) -> None:
    parser.add_argument(
        "--gate", type=Path, metavar="FILE", help="limits to keep (docs/gates.md); exit code 1 where one is not kept"
    )
    parser.add_argument(
        "--baseline", type=Path, metavar="DIR", help="the stored report that the gate's regressions are held against"
    )
    parser.add_argument("--junit", type=Path, metavar="FILE.xml", help="where to write the gates for CI")
    parser.add_argument(
        "--summary", type=Path, metavar="FILE", help='page to add the short report to, such as "$GITHUB_STEP_SUMMARY"'
    )


def _add_compare(commands: _Commands[_Parser]) -> None:
    parser = _command(
        commands,
        "compare",
        "rasid.compare:run_compare",
        "test whether one run is better than another on the same articles",
        "rasid compare report-main report-branch --output comparison",
    )
    what = "a folder of `rasid evaluate --report`, or (with --gold) records"
    parser.add_argument("base", type=Path, metavar="BASE", help=what)
    parser.add_argument("new", type=Path, metavar="NEW", help="the same of the run to be judged")
    parser.add_argument("--gold", type=Path, metavar="DIR", help="folder of gold records, to score two sets of records")
    _add_seeds(parser)
    _add_min_score(parser)
    parser.add_argument("--output", type=Path, metavar="DIR", help="where to write comparison.json, .md and .html")


def _add_draws(parser: _Parser) -> None:
    parser.add_argument(
        "--draws",
        type=_positive,
        default=1,
        metavar="N",
        help="readings of every perturbation, each with a seed of its own, counted together (default: 1)",
    )


def _add_robustness(commands: _Commands[_Parser]) -> None:
    parser = _command(
        commands,
        "robustness",
        "rasid.train.robustness:run_robustness",
        "score a model on perturbed spellings of a config's evaluation sets",
        "rasid robustness configs/anercorp.yaml --model runs/anercorp/seed-1 --report report",
    )
    _add_run_config(parser)
    parser.add_argument("--model", required=True, metavar="NAME|DIR", help="a shipped model or a model folder")
    parser.add_argument("--on", metavar="NAME", help="one evaluation set of the config (default: all with entities)")
    parser.add_argument("--head", metavar="NAME", help="the model's head to read with, where it is not the config's")
    _add_draws(parser)
    parser.add_argument("--report", type=Path, metavar="DIR", help="where to write the tables, besides stdout")


def _add_annotations(commands: _Commands[_Parser]) -> None:
    summary = "check, count, compare, import and export annotations"
    parser = commands.add_parser("annotations", help=summary, description=f"{summary.capitalize()}.")
    inner = parser.add_subparsers(metavar="COMMAND", required=True, parser_class=_Parser)
    checks = (
        ("validate", "rasid.validation", "check every invariant of the annotations against their texts"),
        ("stats", "rasid.annotations", "count entities, clusters and stances"),
    )
    for name, module, text in checks:
        one = _command(inner, name, f"{module}:run_{name}", text, f"rasid annotations {name} annotations")
        one.add_argument("folder", nargs="?", type=Path, default=Path("annotations"), metavar="FOLDER")
        _add_seeds(one)
        if name == "validate":
            one.add_argument(
                "--fix", action="store_true", help="show the mechanical remedies as a diff (docs/formats.md)"
            )
            one.add_argument("--write", action="store_true", help="with --fix: make them")
    _add_agreement(inner)
    _add_import(inner)
    _add_export(inner)
    _add_labelling(inner)
    _add_dataset(inner)
    _add_preannotate(inner)
    _add_select(inner)


def _add_agreement(commands: _Commands[_Parser]) -> None:
    parser = _command(
        commands,
        "agreement",
        "rasid.annotations:run_agreement",
        "compare two passes over the same articles: span F1, kappa for stance",
        "rasid annotations agreement annotations/pass1 annotations/pass2 --list",
    )
    parser.add_argument("first", type=Path, metavar="FIRST", help="folder of records")
    parser.add_argument("second", type=Path, metavar="SECOND", help="folder of records of the same articles")
    _add_seeds(parser)
    parser.add_argument("--list", action="store_true", help="print every difference, not only the figures")
    parser.add_argument("--html", type=Path, metavar="FILE", help="write a page of both passes, disagreements first")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of the bootstrap (default: 0)")


def _add_texts(parser: _Parser) -> None:
    parser.add_argument(
        "--texts",
        "--seeds",
        dest="seeds",
        type=Path,
        default=Path("seeds"),
        metavar="DIR",
        help="folder of the raw articles, <doc>.txt each (default: seeds)",
    )


def _add_units(parser: _Parser) -> None:
    parser.add_argument(
        "--units",
        choices=("code-points", "utf-16", "graphemes"),
        help="what offsets count in doccano's and Argilla's files (default: utf-16, as both do)",
    )


_FORMATS = ("argilla", "brat", "conll", "doccano", "doccano-relations", "labelstudio", "spacy", "wojood")


def _add_import(commands: _Commands[_Parser]) -> None:
    parser = _command(
        commands,
        "import",
        "rasid.annotations:run_import",
        "turn articles annotated in other tools, or with inline marks, into records",
        "rasid annotations import export.json --format labelstudio --output annotations",
    )
    parser.add_argument("source", type=Path, metavar="FILE|DIR", help="what the tool exported, or marked articles")
    parser.add_argument(
        "--format",
        choices=("inline", *_FORMATS),
        default="inline",
        help="what is read (default: inline; docs/formats.md)",
    )
    parser.add_argument("--output", type=Path, required=True, metavar="DIR", help="folder for the records")
    _add_texts(parser)
    _add_units(parser)


def _add_export(commands: _Commands[_Parser]) -> None:
    parser = _command(
        commands,
        "export",
        "rasid.annotations:run_export",
        "write records in the format of another tool",
        "rasid annotations export annotations --format brat --output brat",
    )
    parser.add_argument("records", type=Path, metavar="RECORDS", help="a .json or .jsonl file, or a folder")
    parser.add_argument("--format", choices=_FORMATS, required=True, help="what is written (docs/formats.md)")
    parser.add_argument("--output", type=Path, required=True, metavar="DIR", help="folder for the files")
    _add_texts(parser)
    _add_units(parser)


def _add_labelling(commands: _Commands[_Parser]) -> None:
    parser = _command(
        commands,
        "labelling-config",
        "rasid.labelling:run_labelling",
        "print what an annotation tool must be told of the types: a labelling configuration",
        "rasid annotations labelling-config --format labelstudio --output config.xml",
    )
    tools = ("labelstudio", "doccano")
    parser.add_argument("--format", choices=tools, default="labelstudio", help="for which tool (default: labelstudio)")
    parser.add_argument("--inventory", default="wojood", metavar="NAME", help="of entity types (default: wojood)")
    parser.add_argument("--output", type=Path, metavar="FILE", help="instead of the terminal")


def _add_dataset(commands: _Commands[_Parser]) -> None:
    parser = _command(
        commands,
        "dataset",
        "rasid.dataset:run_dataset",
        "write annotations as a data set that datasets.load_dataset reads",
        "rasid annotations dataset annotations --output mine",
    )
    parser.add_argument("folder", nargs="?", type=Path, default=Path("annotations"), metavar="FOLDER")
    _add_texts(parser)
    parser.add_argument("--output", type=Path, metavar="DIR", help="folder of the data set (default: FOLDER itself)")


def _add_asked_model(parser: _Parser) -> None:
    """Articles as `rasid infer` takes them, and the model that reads them."""
    parser.add_argument("inputs", nargs="+", metavar="INPUT", help="articles, as `rasid infer` takes them")
    parser.add_argument(
        "--model", default="news", metavar="NAME|DIR", help="a shipped model or a model folder (default: news)"
    )
    _add_device(parser)
    parser.add_argument(
        "--batch-tokens", type=_positive, default=8192, metavar="N", help="sub-words in one batch (default: 8192)"
    )
    _add_columns(parser)


def _add_preannotate(commands: _Commands[_Parser]) -> None:
    parser = _command(
        commands,
        "preannotate",
        "rasid.infer.preannotate:run_preannotate",
        "write a model's predictions as a file that an annotation tool imports",
        "rasid annotations preannotate seeds/ --format labelstudio --output tasks.json",
    )
    _add_asked_model(parser)
    parser.add_argument(
        "--format",
        choices=("labelstudio", "doccano", "doccano-relations", "records"),
        required=True,
        help="what is written (docs/annotate.md)",
    )
    parser.add_argument("--output", type=Path, required=True, metavar="FILE", help="the file to write, replaced")
    _add_min_score(parser)
    _add_units(parser)


def _add_select(commands: _Commands[_Parser]) -> None:
    parser = _command(
        commands,
        "select",
        "rasid.infer.select:run_select",
        "choose the articles to annotate next, under a budget of words",
        "rasid annotations select backlog.jsonl --annotated annotations --words 5000 --output next.jsonl",
    )
    _add_asked_model(parser)
    parser.add_argument(
        "--words", type=_positive, required=True, metavar="N", help="that the chosen articles may have together"
    )
    parser.add_argument("--output", type=Path, required=True, metavar="FILE.jsonl", help="the file to write, replaced")
    parser.add_argument(
        "--annotated",
        action="append",
        type=Path,
        default=[],
        metavar="RECORDS",
        help="records of articles that are not to be chosen again; may be repeated",
    )
    parser.add_argument(
        "--strategy",
        choices=("both", "uncertainty", "diversity", "random"),
        default="both",
        help="what speaks for an article: what the model doubts, what is new, both, or chance (default: both)",
    )
    parser.add_argument("--seed", type=int, default=1, metavar="N", help="of chance (default: 1)")


def _add_render(commands: _Commands[_Parser]) -> None:
    parser = _command(
        commands,
        "render",
        "rasid.render:run_render",
        "show records on one static HTML page",
        "rasid render records.jsonl --texts seeds --output page.html",
    )
    parser.add_argument("records", type=Path, metavar="RECORDS", help="a .json or .jsonl file, or a folder")
    parser.add_argument("--output", type=Path, required=True, metavar="FILE.html", help="the page to write")
    parser.add_argument(
        "--texts",
        "--seeds",
        type=Path,
        default=Path("seeds"),
        metavar="DIR|FILE",
        help="the raw articles: a folder of <doc>.txt, or JSONL (default: seeds)",
    )


def _add_index(commands: _Commands[_Parser]) -> None:
    parser = _command(
        commands,
        "index",
        "rasid.infer.index:run_index",
        "gather the names in many records, with counts, dates and stances",
        "rasid index records.jsonl --output names.jsonl --min-articles 2",
    )
    parser.add_argument(
        "records", nargs="+", metavar="RECORDS", help="a .jsonl, .json or .parquet file of records, or a folder of them"
    )
    parser.add_argument("--output", type=Path, required=True, metavar="FILE", help="a .jsonl or .csv file, replaced")
    _add_aliases(parser)
    parser.add_argument(
        "--type",
        action="append",
        default=[],
        metavar="TYPE",
        help="names of this type only, such as PERS; may be repeated (default: all types)",
    )
    parser.add_argument(
        "--min-articles",
        type=_positive,
        default=1,
        metavar="N",
        help="names that at least so many articles have (default: 1)",
    )
    parser.add_argument(
        "--date-field",
        metavar="NAME",
        help="field of a record's meta that holds its date (default: date, published and others)",
    )


def _add_schema(commands: _Commands[_Parser]) -> None:
    parser = _command(
        commands,
        "schema",
        "rasid.cli:run_schema",
        "print the JSON Schema of a record, or of a file of a report",
        "rasid schema > record.schema.json",
    )
    parser.add_argument(
        "file",
        nargs="?",
        choices=("record", "report", "runs", "gates"),
        default="record",
        help="what is described: a record, report.json, runs.json or gates.json (default: record)",
    )


def _add_card(commands: _Commands[_Parser]) -> None:
    parser = _command(
        commands,
        "card",
        "rasid.card:run_card",
        "write a model's card, README.md, from its run and its reports",
        "rasid card runs/seeds --report report",
    )
    parser.add_argument("model", metavar="DIR", help="a model folder")
    parser.add_argument(
        "--report",
        type=Path,
        metavar="DIR",
        help="figures from here: a folder of `rasid evaluate --report`, or a run's",
    )
    parser.add_argument("--overwrite", action="store_true", help="replace a card that was written by hand")


def _add_push(commands: _Commands[_Parser]) -> None:
    parser = _command(
        commands,
        "push",
        "rasid.push:run_push",
        "publish a model folder on the model hub",
        "rasid push runs/seeds owner/name --private --dry-run",
    )
    parser.add_argument("model", metavar="DIR", help="a model folder")
    parser.add_argument("repo", metavar="OWNER/NAME", help="the repository, made if it is not there")
    parser.add_argument("--private", action="store_true", help="make a new repository private")
    parser.add_argument(
        "--revision", "--branch", dest="revision", metavar="BRANCH", help="push to this branch (default: main)"
    )
    parser.add_argument("--dry-run", action="store_true", help="show files, sizes and card, send nothing")
    parser.add_argument("--skip-foreign", action="store_true", help="leave files here that are of no model")
    parser.add_argument("--without-card", action="store_true", help="push a folder that has no README.md")


def _add_bench(commands: _Commands[_Parser]) -> None:
    parser = _command(
        commands,
        "bench",
        "rasid.infer.bench:run_bench",
        "measure the engines beside transformers' pipelines on made-up articles",
        "rasid bench --articles 200 --rounds 5 --output bench.json",
    )
    made = parser.add_mutually_exclusive_group()
    made.add_argument(
        "--model", default="news", metavar="NAME|DIR", help="a shipped model or a model folder (default: news)"
    )
    made.add_argument("--shape", metavar="NAME", help="random weights of this shape in place of a model: bert-base")
    parser.add_argument(
        "--engines",
        metavar="LIST",
        help="torch-fp32, torch-bf16, onnx-fp32, onnx-int8, separated by commas (default: torch-fp32)",
    )
    parser.add_argument("--articles", type=_positive, default=100, metavar="N", help="of the workload (default: 100)")
    parser.add_argument("--rounds", type=_positive, default=3, metavar="N", help="runs of each contender (default: 3)")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of workload and weights (default: 0)")
    parser.add_argument("--threads", type=_positive, metavar="N", help="of each contender (default: torch's)")
    parser.add_argument("--batch-tokens", type=_positive, default=2048, metavar="N", help="of Rasid (default: 2048)")
    _add_device(parser)
    parser.add_argument("--output", type=Path, metavar="FILE.json", help="where to write all figures, run by run")


def make_parser() -> argparse.ArgumentParser:
    """The parser of the whole command line; `args.door` names the function that a command opens."""
    parser = _Parser(prog="rasid", description="Arabic named entities and stance for news.")
    parser.add_argument("--version", action="version", version=f"rasid {__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True, parser_class=_Parser)
    for add in (
        _add_train,
        _add_sweep,
        _add_calibrate,
        _add_pretrain,
        _add_infer,
        _add_model_export,
        _add_bench,
        _add_evaluate,
        _add_compare,
        _add_robustness,
        _add_annotations,
        _add_render,
        _add_index,
        _add_card,
        _add_push,
    ):
        add(commands)
    _add_schema(commands)
    _command(commands, "models", "rasid.cli:run_models", "list the models that ship with rasid", "rasid models")
    return parser


def run_schema(args: argparse.Namespace) -> int:
    """`rasid schema`."""
    from rasid.schemas import SCHEMAS

    print(json.dumps(SCHEMAS[args.file](), indent=2, ensure_ascii=False))
    return 0


def run_models(args: argparse.Namespace) -> int:
    """`rasid models`: name, size of all its files in MB (1e6 bytes), folder; one line each."""
    from rasid.model import shipped_models

    shipped = shipped_models()
    if not shipped:
        print("rasid: no model ships with this installation; train one with `rasid train`", file=sys.stderr)
    for name, folder in shipped.items():
        size = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
        print(f"{name:12} {size / 1e6:6.1f} MB  {folder}")
    return 0


def _quiet_libraries(door: str) -> None:
    """Settings that transformers and tokenizers read at their first use; what the user has set stands."""
    # Its load report speaks of every new head; what matters of a model folder our own checks say.
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    if door.startswith("rasid.train"):
        return  # these may download an encoder or tokenise gigabytes: bars and threads are wanted
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")  # "Loading weights"; nothing is downloaded here
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")  # one text at a time gains nothing; forks warn


def _open(door: str) -> Callable[[argparse.Namespace], int]:
    """The function behind `module:function`; imports its room."""
    module, _, function = door.partition(":")
    opened: Callable[[argparse.Namespace], int] = getattr(importlib.import_module(module), function)
    return opened


def _run(argv: list[str] | None) -> int:
    args = make_parser().parse_args(argv)
    _quiet_libraries(args.door)
    code = _open(args.door)(args)
    sys.stdout.flush()  # a closed pipe is found out here and not in the interpreter's own last flush
    return code


def main(argv: list[str] | None = None) -> int:
    """Runs one command and returns its exit code: 0, or 2 for a user's mistake, told in one stderr line."""
    try:
        return _run(argv)
    except RasidError as error:
        print(f"rasid: {' '.join(str(error).split())}", file=sys.stderr)
        return USER_ERROR
    except KeyboardInterrupt:
        print("rasid: interrupted", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        # What is still buffered has no reader; without this the interpreter complains of it at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return BROKEN_PIPE

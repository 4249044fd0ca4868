"""What the commands share: the parser, and the options that several of them take."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any, NoReturn

from rasid.errors import RasidError


class UsageError(RasidError):
    """A command line that does not parse."""


class Parser(argparse.ArgumentParser):
    """Takes no abbreviated options and reports a mistake as a RasidError."""

    def __init__(self, **options: Any) -> None:
        options.setdefault("formatter_class", argparse.RawDescriptionHelpFormatter)
        super().__init__(**options, allow_abbrev=False)

    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message}; see `{self.prog} --help`")


Commands = argparse._SubParsersAction  # argparse gives its public method's result no public name


def positive(text: str) -> int:
    """An argument that counts something."""
    if not text.isdecimal() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"expected a whole number above nought, got {text!r}")
    return int(text)


def command(commands: Commands[Parser], name: str, door: str, summary: str, example: str) -> Parser:
    """A command whose work is done by `door`, written `module:function`."""
    description = f"{summary[0].upper()}{summary[1:]}."
    parser = commands.add_parser(name, help=summary, description=description, epilog=f"example:\n  {example}")
    parser.set_defaults(door=door)
    return parser


def add_run_config(parser: Parser) -> None:
    parser.add_argument("config", metavar="CONFIG", help="a YAML file, or the name of a config that ships with rasid")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="depart from the file, such as training.seed=1 (the value is YAML); may be repeated",
    )


def add_device(parser: Parser) -> None:
    parser.add_argument(
        "--device",
        choices=("auto", "cpu", "cuda"),
        default="auto",
        help="where the model runs; auto takes CUDA where present, else the CPU (default: auto)",
    )


def add_engine(parser: Parser) -> None:
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


def add_min_score(parser: Parser) -> None:
    parser.add_argument(
        "--min-score",
        type=float,
        default=0.0,
        metavar="X",
        help="leave out entities that score less; `rasid evaluate` prints what each X buys (default: 0)",
    )


def add_min_stance(parser: Parser) -> None:
    parser.add_argument(
        "--min-stance",
        type=float,
        default=0.0,
        metavar="X",
        help="call a stance none where favor or against is less likely than X (default: as the model has it)",
    )


def add_aliases(parser: Parser) -> None:
    parser.add_argument(
        "--aliases", type=Path, metavar="FILE", help="a YAML table of names that mean one thing (docs/index.md)"
    )


def add_seeds(parser: Parser) -> None:
    parser.add_argument(
        "--seeds",
        type=Path,
        default=Path("seeds"),
        metavar="DIR",
        help="folder of the raw articles, <doc>.txt each (default: seeds)",
    )


def add_columns(parser: Parser) -> None:
    parser.add_argument(
        "--text-column", default="text", metavar="NAME", help="field or column that holds the text (default: text)"
    )
    parser.add_argument(
        "--id-column",
        metavar="NAME",
        help="field or column that holds the id (default: doc, else id, else the place in the file)",
    )


def add_draws(parser: Parser) -> None:
    parser.add_argument(
        "--draws",
        type=positive,
        default=1,
        metavar="N",
        help="readings of every perturbation, each with a seed of its own, counted together (default: 1)",
    )


def add_units(parser: Parser) -> None:
    parser.add_argument(
        "--units",
        choices=("code-points", "utf-16", "graphemes"),
        help="what offsets count in doccano's and Argilla's files (default: utf-16, as both do)",
    )


def add_texts(parser: Parser) -> None:
    parser.add_argument(
        "--texts",
        "--seeds",
        dest="seeds",
        type=Path,
        default=Path("seeds"),
        metavar="DIR",
        help="folder of the raw articles, <doc>.txt each (default: seeds)",
    )

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

from rasid import __version__, annotationcommands, modelcommands, readcommands, scorecommands, traincommands
from rasid.errors import RasidError
from rasid.options import Parser

USER_ERROR = 2
INTERRUPTED = 130  # 128 + SIGINT, as shells report it
BROKEN_PIPE = 141  # 128 + SIGPIPE


def make_parser() -> argparse.ArgumentParser:
    """The parser of the whole command line; `args.door` names the function that a command opens."""
    parser = Parser(prog="rasid", description="Arabic named entities and stance for news.")
    parser.add_argument("--version", action="version", version=f"rasid {__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True, parser_class=Parser)
    for group in (traincommands, readcommands, scorecommands, annotationcommands, modelcommands):
        for add in group.COMMANDS:
            add(commands)
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

"""The commands about model folders: card, push, models."""

from __future__ import annotations

from pathlib import Path

from rasid.options import Commands, Parser, command


def _add_card(commands: Commands[Parser]) -> None:
    parser = command(
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


def _add_push(commands: Commands[Parser]) -> None:
    parser = command(
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


def _add_models(commands: Commands[Parser]) -> None:
    command(commands, "models", "rasid.cli:run_models", "list the models that ship with rasid", "rasid models")


COMMANDS = (_add_card, _add_push, _add_models)

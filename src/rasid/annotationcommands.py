"""`rasid annotations` and the commands under it."""

from __future__ import annotations

from pathlib import Path

from rasid.options import (
    Commands,
    Parser,
    add_columns,
    add_device,
    add_min_score,
    add_seeds,
    add_texts,
    add_units,
    command,
    positive,
)

_FORMATS = ("argilla", "brat", "conll", "doccano", "doccano-relations", "labelstudio", "spacy", "wojood")


def _add_annotations(commands: Commands[Parser]) -> None:
    summary = "check, count, compare, import and export annotations"
    parser = commands.add_parser("annotations", help=summary, description=f"{summary.capitalize()}.")
    inner = parser.add_subparsers(metavar="COMMAND", required=True, parser_class=Parser)
    checks = (
        ("validate", "rasid.validation", "check every invariant of the annotations against their texts"),
        ("stats", "rasid.annotations", "count entities, clusters and stances"),
    )
    for name, module, text in checks:
        one = command(inner, name, f"{module}:run_{name}", text, f"rasid annotations {name} annotations")
        one.add_argument("folder", nargs="?", type=Path, default=Path("annotations"), metavar="FOLDER")
        add_seeds(one)
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


def _add_agreement(commands: Commands[Parser]) -> None:
    parser = command(
        commands,
        "agreement",
        "rasid.annotations:run_agreement",
        "compare two passes over the same articles: span F1, kappa for stance",
        "rasid annotations agreement annotations/pass1 annotations/pass2 --list",
    )
    parser.add_argument("first", type=Path, metavar="FIRST", help="folder of records")
    parser.add_argument("second", type=Path, metavar="SECOND", help="folder of records of the same articles")
    add_seeds(parser)
    parser.add_argument("--list", action="store_true", help="print every difference, not only the figures")
    parser.add_argument("--html", type=Path, metavar="FILE", help="write a page of both passes, disagreements first")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of the bootstrap (default: 0)")


def _add_import(commands: Commands[Parser]) -> None:
    parser = command(
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
    add_texts(parser)
    add_units(parser)


def _add_export(commands: Commands[Parser]) -> None:
    parser = command(
        commands,
        "export",
        "rasid.annotations:run_export",
        "write records in the format of another tool",
        "rasid annotations export annotations --format brat --output brat",
    )
    parser.add_argument("records", type=Path, metavar="RECORDS", help="a .json or .jsonl file, or a folder")
    parser.add_argument("--format", choices=_FORMATS, required=True, help="what is written (docs/formats.md)")
    parser.add_argument("--output", type=Path, required=True, metavar="DIR", help="folder for the files")
    add_texts(parser)
    add_units(parser)


def _add_labelling(commands: Commands[Parser]) -> None:
    parser = command(
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


def _add_dataset(commands: Commands[Parser]) -> None:
    parser = command(
        commands,
        "dataset",
        "rasid.dataset:run_dataset",
        "write annotations as a data set that datasets.load_dataset reads",
        "rasid annotations dataset annotations --output mine",
    )
    parser.add_argument("folder", nargs="?", type=Path, default=Path("annotations"), metavar="FOLDER")
    add_texts(parser)
    parser.add_argument("--output", type=Path, metavar="DIR", help="folder of the data set (default: FOLDER itself)")


def _add_asked_model(parser: Parser) -> None:
    """Articles as `rasid infer` takes them, and the model that reads them."""
    parser.add_argument("inputs", nargs="+", metavar="INPUT", help="articles, as `rasid infer` takes them")
    parser.add_argument(
        "--model", default="news", metavar="NAME|DIR", help="a shipped model or a model folder (default: news)"
    )
    add_device(parser)
    parser.add_argument(
        "--batch-tokens", type=positive, default=8192, metavar="N", help="sub-words in one batch (default: 8192)"
    )
    add_columns(parser)


def _add_preannotate(commands: Commands[Parser]) -> None:
    parser = command(
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
    add_min_score(parser)
    add_units(parser)


def _add_select(commands: Commands[Parser]) -> None:
    parser = command(
        commands,
        "select",
        "rasid.infer.select:run_select",
        "choose the articles to annotate next, under a budget of words",
        "rasid annotations select backlog.jsonl --annotated annotations --words 5000 --output next.jsonl",
    )
    _add_asked_model(parser)
    parser.add_argument(
        "--words", type=positive, required=True, metavar="N", help="that the chosen articles may have together"
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


COMMANDS = (_add_annotations,)

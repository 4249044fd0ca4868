"""The commands that score: evaluate, compare, schema."""

from __future__ import annotations

from pathlib import Path

from rasid.options import Commands, Parser, add_device, add_draws, add_min_score, add_seeds, command, positive


def _add_evaluate(commands: Commands[Parser]) -> None:
    parser = command(
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
    add_seeds(parser)
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
    add_draws(parser)
    add_min_score(parser)
    parser.add_argument(
        "--errors",
        type=Path,
        metavar="FILE.jsonl",
        help="where to list every wrong entity; a page of them by kind is written beside it, as .md",
    )
    parser.add_argument(
        "--workers",
        type=positive,
        metavar="N",
        help="processes that read predictions at once, the scores being the same (default: one a core, at most 4)",
    )
    add_device(parser)


def _add_gates(parser: Parser) -> None:
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


def _add_compare(commands: Commands[Parser]) -> None:
    parser = command(
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
    add_seeds(parser)
    add_min_score(parser)
    parser.add_argument("--output", type=Path, metavar="DIR", help="where to write comparison.json, .md and .html")


def _add_schema(commands: Commands[Parser]) -> None:
    parser = command(
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


COMMANDS = (
    _add_evaluate,
    _add_compare,
    _add_schema,
)

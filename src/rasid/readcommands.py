"""The commands that read articles with a model, and what they wrote: infer, export, bench, render, index."""

from __future__ import annotations

from pathlib import Path

from rasid.options import (
    Commands,
    Parser,
    add_aliases,
    add_columns,
    add_device,
    add_engine,
    add_min_score,
    add_min_stance,
    add_seeds,
    command,
    positive,
)


def _add_infer(commands: Commands[Parser]) -> None:
    parser = command(
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
    add_device(parser)
    add_engine(parser)
    parser.add_argument(
        "--batch-tokens",
        type=positive,
        metavar="N",
        help="sub-words in one batch, padding included (default: 2048 on a CPU, tried out on a GPU)",
    )
    add_min_score(parser)
    add_min_stance(parser)
    add_aliases(parser)
    parser.add_argument(
        "--target",
        action="append",
        default=[],
        metavar="NAME|SENTENCE",
        help="ask for the stance towards this as well, mentioned or not; may be repeated",
    )
    parser.add_argument(
        "--no-repair", action="store_true", help="leave glued words uncut and split ones apart for the model"
    )
    add_columns(parser)
    _add_job(parser)
    parser.add_argument("--quiet", action="store_true", help="no progress bar and no closing summary")


def _add_job(parser: Parser) -> None:
    parser.add_argument(
        "--format",
        choices=("jsonl", "json", "parquet"),
        help="of an output folder: json is a file per article, the others numbered parts (default: by --output)",
    )
    parser.add_argument("--part-size", type=positive, metavar="N", help="records of one numbered part (default: 10000)")
    parser.add_argument(
        "--runner",
        choices=("local", "ray"),
        default="local",
        help="where workers run: this machine, or a Ray cluster (docs/scale.md; default: local)",
    )
    parser.add_argument(
        "--workers", type=positive, metavar="N", help="processes that read at once (default: one; of Ray one a GPU)"
    )
    parser.add_argument("--resume", action="store_true", help="go on with a job that was stopped or killed")
    parser.add_argument("--overwrite", action="store_true", help="begin anew where an output or a stopped job is")
    parser.add_argument(
        "--fallback", choices=("cpu",), metavar="cpu", help="go on on the CPU should the GPU fail (default: stop)"
    )
    parser.add_argument(
        "--progress", choices=("bar", "json"), help="a bar, or JSON lines for programs, on stderr (default: bar)"
    )


def _add_model_export(commands: Commands[Parser]) -> None:
    parser = command(
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
    add_seeds(parser)
    parser.add_argument(
        "--accept-loss", action="store_true", help="keep an int8 graph that loses more than 0.5 points of F1"
    )


def _add_bench(commands: Commands[Parser]) -> None:
    parser = command(
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
    parser.add_argument("--articles", type=positive, default=100, metavar="N", help="of the workload (default: 100)")
    parser.add_argument("--rounds", type=positive, default=3, metavar="N", help="runs of each contender (default: 3)")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of workload and weights (default: 0)")
    parser.add_argument("--threads", type=positive, metavar="N", help="of each contender (default: torch's)")
    parser.add_argument("--batch-tokens", type=positive, default=2048, metavar="N", help="of Rasid (default: 2048)")
    add_device(parser)
    parser.add_argument("--output", type=Path, metavar="FILE.json", help="where to write all figures, run by run")


def _add_render(commands: Commands[Parser]) -> None:
    parser = command(
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


def _add_index(commands: Commands[Parser]) -> None:
    parser = command(
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
    add_aliases(parser)
    parser.add_argument(
        "--type",
        action="append",
        default=[],
        metavar="TYPE",
        help="names of this type only, such as PERS; may be repeated (default: all types)",
    )
    parser.add_argument(
        "--min-articles",
        type=positive,
        default=1,
        metavar="N",
        help="names that at least so many articles have (default: 1)",
    )
    parser.add_argument(
        "--date-field",
        metavar="NAME",
        help="field of a record's meta that holds its date (default: date, published and others)",
    )


COMMANDS = (
    _add_infer,
    _add_model_export,
    _add_bench,
    _add_render,
    _add_index,
)

"""F1 against speed against size: one table of several model folders, timed in turns on the same articles.

    python scripts/size_speed.py runs/small/seed-1 runs/base/seed-1 news --texts seeds --articles 200 --cores 2

Speed is that of `rasid infer --quiet`, from the command's call to its end (model loading included, Python's start
not), every round in the other order than the last; the ratio to the first model is taken round by round. Without
`--texts` the workload is built, seeded, from the sentences of `seeds/`. F1 comes from the report.json that `rasid train
--seeds` wrote beside the model or in the folder above it.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from random import Random

import torch

from rasid.cli import main as rasid
from rasid.model import find_model, load_model
from rasid.records import read_exact
from rasid.tables import table
from rasid.text import sentences, words

_SENTENCES = 15  # of a made article: about 400 words, a news item of middle length


@dataclass(frozen=True)
class Workload:
    """A JSONL file of articles and what is in it."""

    path: Path
    articles: int
    words: int


@dataclass(frozen=True)
class Subject:
    """A model: its folder, bytes on disk, parameters (of them in the input embeddings), and figures by name."""

    name: str
    folder: Path
    size: int
    parameters: int
    embeddings: int
    figures: dict[str, str]


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="+", metavar="MODEL", help="model folders or names; the first is the measure")
    parser.add_argument("--texts", type=Path, default=None, metavar="DIR", help="articles, .txt each, taken in turn")
    parser.add_argument("--articles", type=int, default=100, help="in the workload (default: 100)")
    parser.add_argument("--rounds", type=int, default=5, help="of all models (default: 5)")
    parser.add_argument("--cores", type=int, default=2, help="threads, and cores where they can be pinned (default: 2)")
    parser.add_argument("--seed", type=int, default=0, help="of a built workload (default: 0)")
    parser.add_argument("--output", type=Path, default=None, metavar="FILE.md", help="where to write the table too")
    return parser.parse_args()


def make_articles(texts: list[str], count: int, seed: int) -> list[str]:
    """`count` articles of sentences drawn from the texts."""
    pool = [span.of(text) for text in texts for span in sentences(text)]
    random = Random(seed)
    return [" ".join(random.choices(pool, k=_SENTENCES)) for _ in range(count)]


def make_workload(args: argparse.Namespace, folder: Path) -> Workload:
    files = sorted((args.texts or Path(__file__).parents[1] / "seeds").glob("*.txt"))
    if not files:
        raise SystemExit(f"size_speed: no .txt articles in {args.texts}")
    texts = [read_exact(file) for file in files]
    if args.texts:
        articles = [texts[i % len(texts)] for i in range(args.articles)]
    else:
        articles = make_articles(texts, args.articles, args.seed)
    path = folder / "workload.jsonl"
    lines = (json.dumps({"id": f"a{i}", "text": text}, ensure_ascii=False) for i, text in enumerate(articles))
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return Workload(path, len(articles), sum(len(words(text)) for text in articles))


def figures_of(folder: Path) -> dict[str, str]:
    """Headline figures of a model by `set measure`: mean ± spread over the seeds."""
    for place in (folder, folder.parent):
        path = place / "report.json"
        if path.is_file():
            tree = json.loads(path.read_text(encoding="utf-8"))
            found = [(each, figure) for each in tree.get("sets", ()) for figure in each["figures"]]
            return {
                f"{each['name']} {figure['measure']}": f"{figure['mean']:.3f}"
                + (f" ± {figure['spread']:.3f}" if figure["spread"] is not None else "")
                for each, figure in found
                if figure["part"] == "all"
            }
    return {}


def look_at(name: str) -> Subject:
    folder = find_model(name)
    model = load_model(name).model
    return Subject(
        name=name,
        folder=folder,
        size=sum(file.stat().st_size for file in folder.iterdir() if file.is_file()),
        parameters=sum(parameter.numel() for parameter in model.parameters()),
        embeddings=model.encoder.get_input_embeddings().weight.numel(),
        figures=figures_of(folder),
    )


def seconds(subject: Subject, work: Workload, folder: Path) -> float:
    output = folder / "records.jsonl"
    output.unlink(missing_ok=True)
    begun = time.perf_counter()
    code = rasid(["infer", str(work.path), "--output", str(output), "--model", subject.name, "--quiet"])
    taken = time.perf_counter() - begun
    if code:
        raise SystemExit(f"size_speed: rasid infer failed on {subject.name}")
    return taken


def measure(subjects: list[Subject], work: Workload, rounds: int, folder: Path) -> list[list[float]]:
    """Seconds of every round of every model, in the subjects' order; one warm-up each is thrown away."""
    for subject in subjects:
        seconds(subject, work, folder)
    taken: list[list[float]] = [[] for _ in subjects]
    for number in range(rounds):
        order = range(len(subjects)) if number % 2 == 0 else reversed(range(len(subjects)))
        for place in order:
            taken[place].append(seconds(subjects[place], work, folder))
    return taken


def _spread(values: list[float], digits: int) -> str:
    return f"{statistics.median(values):.{digits}f} ({min(values):.{digits}f} to {max(values):.{digits}f})"


def rows_of(subjects: list[Subject], work: Workload, taken: list[list[float]]) -> list[list[str]]:
    names = list(dict.fromkeys(name for subject in subjects for name in subject.figures))
    rows = []
    for subject, own in zip(subjects, taken, strict=True):
        ratios = [first / mine for first, mine in zip(taken[0], own, strict=True)]
        rows.append(
            [
                subject.name,
                f"{subject.size / 1e6:.1f}",
                f"{subject.parameters / 1e6:.2f} ({subject.embeddings / 1e6:.2f})",
                _spread([work.articles / each for each in own], 1),
                _spread([work.words / each for each in own], 0),
                _spread(ratios, 2),
                *(subject.figures.get(name, "") for name in names),
            ]
        )
    return rows


def report(subjects: list[Subject], work: Workload, taken: list[list[float]], args: argparse.Namespace) -> str:
    names = dict.fromkeys(name for subject in subjects for name in subject.figures)
    header = ["model", "MB on disk", "M parameters (embeddings)", "articles/s", "words/s", "speed to the first", *names]
    lines = [
        f"{work.articles} articles, {work.words} words, {args.rounds} rounds in alternating order, "
        f"{torch.get_num_threads()} threads: median (least to most).",
        "",
        table(header, rows_of(subjects, work, taken)),
    ]
    return "\n".join(lines)


def pin(cores: int) -> None:
    """As many threads as cores, on as many cores, where the system can say so."""
    torch.set_num_threads(cores)
    if hasattr(os, "sched_setaffinity"):
        own = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, own[:cores])


def main() -> None:
    args = parse()
    pin(args.cores)
    subjects = [look_at(name) for name in args.models]
    with tempfile.TemporaryDirectory() as folder:
        work = make_workload(args, Path(folder))
        page = report(subjects, work, measure(subjects, work, args.rounds, Path(folder)), args)
    print(page)
    if args.output:
        args.output.write_text(f"{page}\n", encoding="utf-8")


if __name__ == "__main__":
    main()

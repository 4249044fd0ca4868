"""Read much ordinary text as `rasid infer` does, and check everything that holds of a record against its article.

    python scripts/infer_invariants.py $RASID_DATA/text --words 1000000
    python scripts/infer_invariants.py shards --words 20000 --model runs/news --keep checked

Takes articles from the folder's JSONL shards (id, text; plain, .gz or .zst) in turn, one of each, runs the command on
them and prints a verdict in one line; faults follow, and exit code 1. Checked are: one record or reject per article, in
the order of the input; the schema; sha256, offsets and surfaces; no crossing spans; spans that begin and end with a
word; entities in text order, numbered; clusters and stances that refer to what is there.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

from rasid.cli import main as rasid
from rasid.errors import DataError
from rasid.infer.readers import Article, read
from rasid.model import RasidConfig, find_model
from rasid.records import Record, faults, parse_record
from rasid.repair import read_words

_SHARDS = ("*.jsonl", "*.jsonl.gz", "*.jsonl.zst")
_SHOWN = 20  # faults printed


@dataclass
class Findings:
    """What stood in a job's output, and every fault of it in one sentence each."""

    articles: int = 0
    words: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)

    def verdict(self) -> str:
        """One line: sound or not, and how much was looked at."""
        counted = ", ".join(f"{count} {name}" for name, count in self.counts.items())
        state = f"BROKEN, {len(self.faults)} faults" if self.faults else "sound, 0 faults"
        return f"{state}: {self.words} words, {self.articles} articles; {counted}"


def articles_in_turn(folder: Path) -> Iterator[Article]:
    """Articles of a folder's shards, one of each in turn, so that any number of them is a mix; ids made unique."""
    shards = sorted({path for pattern in _SHARDS for path in folder.glob(pattern)})
    if not shards:
        raise DataError(f"{folder}: no shards in this folder; it may hold {', '.join(_SHARDS)}")
    readers = {path: (item for item in read([str(path)]) if isinstance(item, Article)) for path in shards}
    while readers:
        for path in list(readers):
            article = next(readers[path], None)
            if article is None:
                del readers[path]
            else:
                yield Article(f"{path.name}/{article.doc}", article.text)


def enough(articles: Iterable[Article], words: int) -> Iterator[Article]:
    """Articles until together they have so many words, counted at white space."""
    for article in articles:
        if words <= 0:
            return
        words -= len(article.text.split())
        yield article


def check_job(articles: Sequence[Article], output: Path, types: tuple[str, ...], where: str) -> Findings:
    """Everything that must hold of the records (JSONL) of a job over `articles`, the lines of a file called `where`."""
    found = Findings(len(articles), sum(len(article.text.split()) for article in articles))
    lines = output.read_text(encoding="utf-8").split("\n")[:-1]
    rejects = output.with_suffix(".rejects.jsonl")
    refused = [json.loads(line)["where"] for line in rejects.open(encoding="utf-8")] if rejects.exists() else []
    lost = {number for number in range(1, len(articles) + 1) if f"{where}:{number}" in set(refused)}
    expected = [article for number, article in enumerate(articles, 1) if number not in lost]
    found.counts.update(records=len(lines), rejects=len(refused))
    if len(lines) != len(expected):
        found.faults.append(f"{len(lines)} records of {len(articles)} articles, {len(refused)} of them rejected")
    for number, (line, article) in enumerate(zip(lines, expected, strict=False), 1):
        try:
            record = parse_record(line, f"{output.name}:{number}")
        except DataError as error:
            found.faults.append(str(error))
            continue
        found.counts.update(entities=len(record.entities), clusters=len(record.clusters), stances=len(record.stances))
        found.faults += [f"{output.name}:{number}: {fault}" for fault in check_record(record, article, types)]
    return found


def check_record(record: Record, article: Article, types: tuple[str, ...]) -> list[str]:
    """Every invariant that one record breaks."""
    if record.doc != article.doc:
        return [f"doc {record.doc!r} stands where {article.doc!r} should: order, or an article lost"]
    found = faults(record, article.text, types)
    cut = read_words(article.text)
    starts, ends = {word.start for word in cut}, {word.end for word in cut}
    for number, entity in enumerate(record.entities, 1):
        if entity.start not in starts or entity.end not in ends:
            found.append(f"entity {entity.id} {entity.surface!r}: begins or ends inside a word")
        if entity.id != f"T{number}":
            found.append(f"entity {entity.id}: number {number} of the record")
        if entity.score is None:
            found.append(f"entity {entity.id}: no score")
    for one, other in pairwise(record.entities):
        if (one.start, -one.end) > (other.start, -other.end):
            found.append(f"entities {one.id} and {other.id} are not in text order")
    return found


def run(articles: Sequence[Article], model: str, folder: Path, more: Sequence[str]) -> Findings:
    """Runs `rasid infer` over the articles and checks what it wrote into `folder`."""
    source, output = folder / "articles.jsonl", folder / "records.jsonl"
    with source.open("w", encoding="utf-8") as lines:
        for article in articles:
            lines.write(json.dumps({"id": article.doc, "text": article.text}, ensure_ascii=False) + "\n")
    code = rasid(["infer", str(source), "--output", str(output), "--model", model, "--quiet", *more])
    if code:
        raise DataError(f"rasid infer ended with code {code}")
    config = RasidConfig.from_pretrained(find_model(model), local_files_only=True)
    types = tuple(label for head in config.named_heads.values() if head.kind == "tokens" for label in head.labels)
    return check_job(articles, output, types, str(source))


def main() -> int:
    parser = argparse.ArgumentParser(description="Check every invariant of records over much ordinary text.")
    parser.add_argument("shards", type=Path, metavar="FOLDER", help="JSONL shards with id and text")
    parser.add_argument("--words", type=int, default=1_000_000, metavar="N", help="about so many (default: 1000000)")
    parser.add_argument("--model", default="news", help="a shipped model or a model folder (default: news)")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="leave articles and records in this new folder")
    parser.add_argument("more", nargs="*", help="after --: further options of `rasid infer`")
    args = parser.parse_args()

    articles = list(enough(articles_in_turn(args.shards), args.words))
    begun = time.monotonic()
    if args.keep:
        args.keep.mkdir(parents=True)
        findings = run(articles, args.model, args.keep, args.more)
    else:
        with tempfile.TemporaryDirectory() as folder:
            findings = run(articles, args.model, Path(folder), args.more)
    print(f"{findings.verdict()}; {time.monotonic() - begun:.0f} s")
    print(*findings.faults[:_SHOWN], sep="\n", end="\n" if findings.faults else "")
    return 1 if findings.faults else 0


if __name__ == "__main__":
    sys.exit(main())

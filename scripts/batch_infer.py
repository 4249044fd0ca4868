"""Rasid as a library: read a folder of articles, write their records, and say who is spoken of and how.

    python scripts/batch_infer.py seeds --output records.jsonl
    python scripts/batch_infer.py seeds --model demo/model --output records.jsonl

Articles are read and records written as they come, so memory holds a few of them however many files there are.
`rasid infer` does the same for many more kinds of input, loses none that is damaged, and can be resumed; this shows the
few calls that a program of your own needs.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from rasid.infer.job import stream_texts
from rasid.records import Record


def read_folder(folder: Path) -> Iterator[tuple[str, str]]:
    """(id, text) of every .txt file. Bytes are decoded as they are: reading in text mode would fold line ends
    and move every offset after them."""
    return ((path.stem, path.read_bytes().decode("utf-8")) for path in sorted(folder.glob("*.txt")))


def add_attitudes(counts: dict[str, Counter[str]], record: Record) -> None:
    """Adds the author's attitude to each target, by the target's name: for it, against it, or neither."""
    names = {cluster.id: cluster.name for cluster in record.clusters}
    for stance in record.stances:
        if stance.scope == "article" and stance.holder == "author":
            counts.setdefault(names[stance.target], Counter())[stance.label] += 1


def main() -> None:
    parser = argparse.ArgumentParser(description="Read a folder of .txt articles and summarise their records.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--model", default="news", help="a shipped model or a model folder (default: news)")
    parser.add_argument("--device", default="auto", choices=("auto", "cpu", "cuda"))
    parser.add_argument("--output", type=Path, required=True, help="the .jsonl file to write")
    args = parser.parse_args()

    articles = mentions = 0
    attitudes: dict[str, Counter[str]] = {}
    with args.output.open("w", encoding="utf-8", newline="") as lines:
        for record in stream_texts(read_folder(args.folder), args.model, args.device):
            lines.write(f"{record.to_json()}\n")
            articles, mentions = articles + 1, mentions + len(record.entities)
            add_attitudes(attitudes, record)

    print(f"{articles} articles, {mentions} mentions")
    for name, labels in sorted(attitudes.items(), key=lambda item: (-item[1].total(), item[0])):
        print("\t".join([name, *(f"{label} {labels[label]}" for label in ("favor", "against", "none"))]))


if __name__ == "__main__":
    main()

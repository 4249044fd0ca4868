"""Rasid as a library: read a folder of articles, write their records, and say who is spoken of and how.

    python scripts/batch_infer.py seeds --output records.jsonl
    python scripts/batch_infer.py seeds --model demo/model --output records.jsonl

`rasid infer` does the same for many more kinds of input, and loses none that is damaged; this shows the few
calls that a program of your own needs.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from rasid.infer.job import predict_texts
from rasid.records import Record


def read_folder(folder: Path) -> list[tuple[str, str]]:
    """(id, text) of every .txt file. Bytes are decoded as they are: reading in text mode would fold line ends
    and move every offset after them."""
    return [(path.stem, path.read_bytes().decode("utf-8")) for path in sorted(folder.glob("*.txt"))]


def attitudes(records: Iterable[Record]) -> dict[str, Counter[str]]:
    """The author's attitude to each target by name: how many articles are for it, against it, or neither."""
    counts: dict[str, Counter[str]] = {}
    for record in records:
        names = {cluster.id: cluster.name for cluster in record.clusters}
        for stance in record.stances:
            if stance.scope == "article" and stance.holder == "author":
                counts.setdefault(names[stance.target], Counter())[stance.label] += 1
    return dict(sorted(counts.items(), key=lambda item: (-item[1].total(), item[0])))


def main() -> None:
    parser = argparse.ArgumentParser(description="Read a folder of .txt articles and summarise their records.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--model", default="news", help="a shipped model or a model folder (default: news)")
    parser.add_argument("--device", default="auto", choices=("auto", "cpu", "cuda"))
    parser.add_argument("--output", type=Path, required=True, help="the .jsonl file to write")
    args = parser.parse_args()

    texts = read_folder(args.folder)
    records = predict_texts(texts, args.model, args.device)
    for (_, text), record in zip(texts, records, strict=True):
        assert all(text[entity.start : entity.end] == entity.surface for entity in record.entities)
    args.output.write_text("".join(f"{record.to_json()}\n" for record in records), encoding="utf-8")

    print(f"{len(records)} articles, {sum(len(record.entities) for record in records)} mentions")
    for name, labels in attitudes(records).items():
        print("\t".join([name, *(f"{label} {labels[label]}" for label in ("favor", "against", "none"))]))


if __name__ == "__main__":
    main()

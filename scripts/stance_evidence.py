"""Is the evidence what decides? Takes an article's evidence out and asks again, and does the same with as much other
text.

For every article stance that takes a side, the passages given as its evidence are cut out of the raw text and the whole
of inference is run again; so is the text without other passages of about the same length, several times. The share of
answers that change should be far higher for evidence.

    python scripts/stance_evidence.py seeds --model news --draws 3
    python scripts/stance_evidence.py seeds --folds runs/seeds-cv --seeds 1 2 3   # each by a model that has not seen it
"""

from __future__ import annotations

import argparse
import random
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from rasid.errors import RasidError
from rasid.infer.job import predict_texts
from rasid.records import Record
from rasid.text import Span, passages


@dataclass(frozen=True)
class Trial:
    """A text with something cut out, and the article's answer before."""

    doc: str
    text: str
    target: str
    label: str
    evidence: bool


def without(text: str, cuts: Sequence[Span]) -> str:
    """`text` less the spans in `cuts`."""
    parts, position = [], 0
    for cut in sorted(cuts):
        parts.append(text[position : max(position, cut.start)])
        position = max(position, cut.end)
    return "".join([*parts, text[position:]])


def others(text: str, proof: Sequence[Span], random_source: random.Random) -> list[Span]:
    """Passages that are no evidence, drawn until they are as long as it; fewer where the text has no more."""
    wanted = sum(map(len, proof))
    free = [unit for unit in passages(text) if not any(unit.overlaps(span) for span in proof)]
    random_source.shuffle(free)
    drawn: list[Span] = []
    while free and sum(map(len, drawn)) < wanted:
        drawn.append(free.pop())
    return drawn


def trials(record: Record, text: str, draws: int) -> Iterator[Trial]:
    """The texts to be read again for one record."""
    names = {cluster.id: cluster.name for cluster in record.clusters}
    for stance in record.stances:
        if stance.scope == "article" and stance.evidence:
            proof = [Span(*each) for each in stance.evidence]
            name = names[stance.target]
            yield Trial(record.doc, without(text, proof), name, stance.label, True)
            for draw in range(draws):
                cuts = others(text, proof, random.Random(f"{record.doc} {stance.target} {draw}"))
                yield Trial(record.doc, without(text, cuts), name, stance.label, False)


def answer(record: Record, target: str) -> str:
    """The article's stance towards a target by name; `none` when it is no target any more."""
    ids = {cluster.id for cluster in record.clusters if cluster.name == target}
    return next((s.label for s in record.stances if s.scope == "article" and s.target in ids), "none")


def tried(texts: dict[str, str], model: str, draws: int) -> Iterator[tuple[bool, bool]]:
    """Of all trials of some articles with one model: whether evidence was cut out, and whether the answer changed."""
    records = list(predict_texts(list(texts.items()), model))
    asked = [trial for record in records for trial in trials(record, texts[record.doc], draws)]
    again = predict_texts([(f"{n}", trial.text) for n, trial in enumerate(asked)], model)
    for trial, record in zip(asked, again, strict=True):
        yield trial.evidence, answer(record, trial.target) != trial.label


def table(found: Sequence[tuple[bool, bool]]) -> str:
    """Markdown: how many answers each kind of removal changed."""
    lines = ["| removed | stances | changed | share |", "|---|---|---|---|"]
    for evidence, name in ((True, "evidence"), (False, "as much other text")):
        own = [change for of_evidence, change in found if of_evidence == evidence]
        lines.append(f"| {name} | {len(own)} | {sum(own)} | {sum(own) / max(1, len(own)):.2f} |")
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(description="Measure whether removing evidence changes stances.")
    parser.add_argument("texts", type=Path, help="folder of .txt articles")
    parser.add_argument("--model", default="news", help="a shipped model or a model folder (default: news)")
    parser.add_argument("--folds", type=Path, help="the run folder of a cross-validation that kept its models")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1], help="of the folds' models (default: 1)")
    parser.add_argument("--draws", type=int, default=3, help="removals of other text per stance (default: 3)")
    args = parser.parse_args()
    texts = {path.stem: path.read_bytes().decode("utf-8") for path in sorted(args.texts.glob("*.txt"))}
    if args.folds:
        runs = [({doc: texts[doc]}, str(args.folds / f"fold-{doc}-{seed}")) for seed in args.seeds for doc in texts]
    else:
        runs = [(texts, args.model)]
    print(table([one for own, model in runs for one in tried(own, model, args.draws)]))
    return 0


if __name__ == "__main__":
    try:
        raise SystemExit(main())
    except RasidError as error:
        print(error, file=sys.stderr)
        raise SystemExit(2) from None

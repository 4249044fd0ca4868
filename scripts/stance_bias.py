"""Does a stance follow the target's name instead of the wording? Puts other names of the same kind in its place and
counts.

Every passage of the annotated articles is asked about every target, with the target's own name and with others of its
type in place of it and of its mentions; words of a mention that judge (المتشدد) stay. The wording is the same, so a
label that changes follows the name.

    python scripts/stance_bias.py --model news
    python scripts/stance_bias.py --folds runs/seeds-cv --seed 1      # each article by the model that has not seen it
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from rasid.errors import RasidError
from rasid.labels import STANCES
from rasid.model import Loaded, load_model
from rasid.naming import renamed
from rasid.scoring import Pair, pair_probs
from rasid.train.config import Source
from rasid.train.questions import asked_of
from rasid.train.sources import Article, annotated_articles

# Names of a kind that the articles speak of with and without taking sides, and some that they do not know.
NAMES = {
    "ORG": ("داعش", "قوات سوريا الديمقراطية", "التحالف الدولي", "الهلال الأحمر", "نادي السهم", "شركة نوفا"),
    "GPE": ("الولايات المتحدة", "تركيا", "سوريا", "النرويج", "اليابان", "قطر"),
    "PERS": ("دونالد ترامب", "أبو بكر البغدادي", "سعاد الخليف", "نبيل عيسى", "مريم الفهد"),
}


@dataclass(frozen=True)
class Swap:
    """A question's label with the target's own name, and with another name in its place."""

    gold: str
    name: str
    before: str
    after: str


def _labels(loaded: Loaded, pairs: list[Pair]) -> list[str]:
    head = next(name for name, own in loaded.model.config.named_heads.items() if own.kind == "pair")
    known = loaded.model.config.named_heads[head].labels
    return [known[n] for n in pair_probs(loaded, head, pairs).argmax(axis=1)]


def swaps(loaded: Loaded, article: Article) -> Iterator[Swap]:
    """All swaps of an article; the other targets of a passage stay as they are."""
    types = {cluster.id: cluster.type for cluster in article.record.clusters}
    asked = list(asked_of(article))
    before = _labels(loaded, [one.pair for one in asked])
    groups: dict[tuple[int, int] | str, list[int]] = defaultdict(list)
    for number, one in enumerate(asked):
        groups[one.stance.scope].append(number)
    pairs, told = [], []
    for numbers in groups.values():
        for place, number in enumerate(numbers):
            one = asked[number]
            for name in NAMES.get(types[one.stance.target], ()):
                if name == one.pair.target:
                    continue
                pairs.append(renamed([asked[n].pair for n in numbers], {place: name})[place])
                told.append((one.stance.label, name, before[number]))
    for (gold, name, label), after in zip(told, _labels(loaded, pairs), strict=True):
        yield Swap(gold, name, label, after)


def table(found: list[Swap]) -> str:
    """Markdown: swaps whose label changed, by the label with the own name, and what each name drew."""
    lines = ["| label with its own name | swaps | changed | share |", "|---|---|---|---|"]
    for label in (*STANCES, None):
        own = [swap for swap in found if label in (None, swap.before)]
        changed = sum(swap.before != swap.after for swap in own)
        lines.append(f"| {label or 'all'} | {len(own)} | {changed} | {changed / max(1, len(own)):.3f} |")
    lines += ["", "| name put in | favor | against | none |", "|---|---|---|---|"]
    for name in sorted({swap.name for swap in found}):
        counts = Counter(swap.after for swap in found if swap.name == name)
        lines.append(f"| {name} | " + " | ".join(f"{counts[x] / counts.total():.2f}" for x in STANCES) + " |")
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(description="Count stances that follow the target's name.")
    parser.add_argument("--model", default="news", help="a shipped model or a model folder (default: news)")
    parser.add_argument("--folds", type=Path, help="the run folder of a cross-validation that kept its models")
    parser.add_argument("--seed", type=int, default=1, help="of the folds' models (default: 1)")
    parser.add_argument("--annotations", type=Path, default=Path("annotations"))
    parser.add_argument("--texts", type=Path, default=Path("seeds"))
    parser.add_argument("--wording", choices=("on", "off"), help="let loaded words weigh in, whatever the model says")
    args = parser.parse_args()
    source = Source(head="stance", reader="annotated-stances", path=args.annotations, texts=args.texts)
    found: list[Swap] = []
    for article in annotated_articles(source):
        own = f"fold-{article.record.doc}-{args.seed}"
        loaded = load_model(str(args.folds / own) if args.folds else args.model)
        if args.wording:
            loaded.model.config.wording = args.wording == "on"
        found += swaps(loaded, article)
    print(table(found))
    return 0


if __name__ == "__main__":
    try:
        raise SystemExit(main())
    except RasidError as error:
        print(error, file=sys.stderr)
        raise SystemExit(2) from None

"""Compares ways to read stance towards an article's targets: quality by leave-one-article-out, and cost per article.

- `pair`: a target and a passage in a window, once for each target of a passage;
- `article`: in place, as `in_place: true` has it: the article in one pass, a target's state pooled from its mentions,
  their passage's from its other words;
- `both`: the mean of the two.

All train the same head on the same annotated articles (quoted speakers' words included), from the same encoder;
scores are those of the author's passages. A question without a mention is read as a pair by every design. Cost is
counted in pieces that the encoder reads for the five targets with most passages, and as a share of what the entity pass
reads; with --time, in seconds as well.

    python scripts/stance_designs.py --encoder compact --seeds 1 2 3
"""

from __future__ import annotations

import argparse
import random
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from rasid.encoding import windows
from rasid.labels import STANCES
from rasid.loaded import loads, weighed
from rasid.model import Head, Loaded, load_tokenizer, new_model, shipped_models
from rasid.scoring import pair_probs
from rasid.text import words
from rasid.train.batching import Collator
from rasid.train.config import Source
from rasid.train.evaluation import score_labels
from rasid.train.features import Row, pair_rows, placed_rows
from rasid.train.losses import loss_of
from rasid.train.questions import Asked, asked_of, quoted_of
from rasid.train.sources import Article, GoldPair, annotated_articles

DESIGNS = ("pair", "article")
SIDES = ("favor", "against")
WINDOW, OVERLAP, PAIR_WINDOW = 192, 64, 448  # pieces; a passage should stand in one window
Floats = NDArray[np.float32]
SOURCE = Source(head="stance", reader="annotated-stances", path=Path("annotations"))


def rows_of(loaded: Loaded, asked: Sequence[Asked]) -> list[Row]:
    """What a model in the making learns from, read as its config says."""
    gold = [GoldPair(one.pair, one.stance.label, "") for one in asked]
    head, placed = loaded.model.config.named_heads["stance"], loaded.model.config.in_place
    alone = [one for one in gold if not (placed and one.pair.placed)]
    rows = pair_rows(alone, SOURCE, head, loaded.tokenizer, PAIR_WINDOW)
    own = [one for one in gold if placed and one.pair.placed]
    return rows + placed_rows(own, SOURCE, head, loaded.tokenizer, WINDOW, OVERLAP)


def train(loaded: Loaded, rows: Sequence[Row], epochs: int, rate: float, seed: int) -> None:
    """Fine-tunes on rows, eight a step."""
    model, shuffle, collate = loaded.model, random.Random(seed), Collator(int(loaded.tokenizer.pad_token_id or 0))
    heads = list(model.heads.parameters())
    groups = [{"params": list(model.encoder.parameters()), "lr": rate}, {"params": heads, "lr": 1e-3}]
    optimizer = torch.optim.AdamW(groups, weight_decay=0.01)
    steps = epochs * -(-len(rows) // 8)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda n: min(1.0, (n + 1) / (0.1 * steps)) * (1 - n / steps)
    )
    nn.Module.train(model)
    for _ in range(epochs):
        order = shuffle.sample(range(len(rows)), len(rows))
        for start in range(0, len(order), 8):
            batch = collate([rows[n] for n in order[start : start + 8]])
            labels = batch.pop("labels")
            loss_of(model(**batch).float(), labels).backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            optimizer.zero_grad()
    nn.Module.eval(model)


def fresh(encoder: str, design: str) -> Loaded:
    """The encoder under a new head."""
    folder = Path(encoder) if Path(encoder).is_dir() else shipped_models().get(encoder)
    heads = {"stance": Head(kind="pair", labels=STANCES)}
    model = new_model(encoder, heads, WINDOW, OVERLAP, 0.1, PAIR_WINDOW)
    model.config.in_place = design == "article"
    nn.Module.eval(model)
    return Loaded(model, load_tokenizer(folder or encoder), "", "")


def fold(
    encoder: str, design: str, articles: Sequence[Article], held: int, options: argparse.Namespace, seed: int
) -> Floats:
    """Trains on all articles but one and answers the author's questions of that one."""
    torch.manual_seed(seed)
    loaded = fresh(encoder, design)
    material = [
        row
        for number, article in enumerate(articles)
        if number != held
        for row in rows_of(loaded, [*asked_of(article), *quoted_of(article)])
    ]
    train(loaded, material, options.epochs, options.rate, seed)
    return pair_probs(loaded, "stance", [one.pair for one in asked_of(articles[held])])


@dataclass(frozen=True)
class Cost:
    """Pieces that the encoder reads for an article's five targets, and for its entities; seconds for the former."""

    stance: int
    entities: int
    seconds: float | None


def cost(loaded: Loaded, article: Article, timed: bool) -> Cost:
    asked = list(asked_of(article))
    five = {target for target, _ in Counter(one.stance.target for one in asked).most_common(5)}
    own = [one for one in asked if one.stance.target in five and one.pair.mentions]
    cut = [word.of(article.text) for word in words(article.text)]
    entity = sum(len(window.ids) for window in windows(loaded.tokenizer, cut, WINDOW, OVERLAP))
    # What is read in place has the states of the entity pass: nothing is encoded again.
    again = 0 if loaded.model.config.in_place else sum(len(row.window.ids) for row in rows_of(loaded, own))
    begun = time.perf_counter()
    if timed:
        pair_probs(loaded, "stance", [one.pair for one in own])
    return Cost(again, entity, time.perf_counter() - begun if timed else None)


def quality(articles: Sequence[Article], found: Sequence[Floats]) -> str:
    """Macro-F1 of the sides as read, and with loaded words weighed in; accuracy as read."""
    gold, read, mixed = [], [], []
    for article, probabilities in zip(articles, found, strict=True):
        asked = list(asked_of(article))
        spoken = [loads(one.pair.passage, one.pair.mentions) if one.pair.mentions else None for one in asked]
        gold += [one.stance.label for one in asked]
        read += [STANCES[n] for n in probabilities.argmax(axis=1)]
        mixed += [STANCES[n] for n in weighed(probabilities, spoken).argmax(axis=1)]
    plain, worded = score_labels(gold, read, SIDES), score_labels(gold, mixed, SIDES)
    return f"{plain['macro_f1']:.3f} | {plain['accuracy']:.3f} | {worded['macro_f1']:.3f}"


def main() -> int:
    parser = argparse.ArgumentParser(description="Compare designs of the stance model.")
    parser.add_argument("--encoder", default="compact", help="a folder or a shipped model (default: compact)")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1])
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--rate", type=float, default=3e-4, help="learning rate of the encoder (default: 3e-4)")
    parser.add_argument("--only", nargs="+", choices=DESIGNS, default=list(DESIGNS))
    parser.add_argument("--annotations", type=Path, default=Path("annotations"))
    parser.add_argument("--texts", type=Path, default=Path("seeds"))
    parser.add_argument(
        "--time", action="store_true", help="measure seconds per article as well; needs an idle machine"
    )
    args = parser.parse_args()
    source = Source(head="stance", reader="annotated-stances", path=args.annotations, texts=args.texts)
    articles = annotated_articles(source)
    print("| design | seed | macro-F1 | accuracy | with loaded words |\n|---|---|---|---|---|", flush=True)
    for seed in args.seeds:
        by_design = {}
        for design in args.only:
            by_design[design] = [fold(args.encoder, design, articles, n, args, seed) for n in range(len(articles))]
            print(f"| {design} | {seed} | {quality(articles, by_design[design])} |", flush=True)
        if {"pair", "article"} <= set(by_design):
            both = [(one + other) / 2 for one, other in zip(by_design["pair"], by_design["article"], strict=True)]
            print(f"| both | {seed} | {quality(articles, both)} |", flush=True)
    print("\n| design | pieces per article | share of the entity pass | seconds |\n|---|---|---|---|")
    for design in args.only:
        loaded = fresh(args.encoder, design)
        costs = [cost(loaded, article, args.time) for article in articles]
        stance, entities = sum(c.stance for c in costs), sum(c.entities for c in costs)
        seconds = f"{sum(c.seconds or 0 for c in costs) / len(costs):.3f}" if args.time else ""
        print(f"| {design} | {stance / len(costs):.0f} | {stance / entities:.2f} | {seconds} |")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

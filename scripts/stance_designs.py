"""Compares ways to read stance towards an article's targets: quality by leave-one-article-out, and cost per article.

- `pair`: a target and a passage in a window, once for each target of a passage;
- `article`: the article in one pass, a target's state pooled from its mentions and their passage's from its other
words;
- `both`: the mean of the two;
- `together`: a passage in a window with all its targets, states pooled from names and mentions.

All train the same head on the same annotated articles (quoted speakers' words included), from the same encoder;
scores are those of the author's passages. Cost is counted in pieces that the encoder reads for the five targets with
most passages, and as a share of what the entity pass reads; with --time, in seconds as well.

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
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn
from transformers import PreTrainedTokenizerFast

from rasid.encoding import PASSAGE, Window, windows
from rasid.labels import STANCES
from rasid.loaded import loads, weighed
from rasid.model import Head, Loaded, RasidModel, load_tokenizer, new_model, pool, shipped_models
from rasid.scoring import Pair, pair_rows, together
from rasid.text import Span, words
from rasid.train.config import Source
from rasid.train.evaluation import score_labels
from rasid.train.questions import Asked, asked_of, quoted_of
from rasid.train.sources import Article, annotated_articles

DESIGNS = ("pair", "article", "together")
SIDES = ("favor", "against")
WINDOW, OVERLAP, PAIR_WINDOW = 384, 128, 448  # pieces; a passage should stand in one window
ENTITY_WINDOW, ENTITY_OVERLAP = 192, 64  # of the entity pass that costs are compared with
Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Row:
    """A window and its questions: of each the group of every piece (0 target, 1 passage, -1 neither) and its number."""

    ids: tuple[int, ...]
    index: tuple[tuple[int, ...], ...]
    questions: tuple[int, ...]


def _of_window(window: Window, numbers: Sequence[int]) -> Row:
    """A `pair` window of several targets as questions of one target each."""
    index = []
    for place in range(len(numbers)):
        own = place if place < PASSAGE else place + 1
        index.append(tuple(0 if group == own else 1 if group == PASSAGE else -1 for group in window.index))
    return Row(window.ids, tuple(index), tuple(numbers))


def pair_design(tokenizer: PreTrainedTokenizerFast, pairs: Sequence[Pair], at_once: bool) -> list[Row]:
    """Rows of the designs `pair` and `together`."""
    company = together(pairs) if at_once else [[number] for number in range(len(pairs))]
    return [
        _of_window(window, numbers)
        for numbers in company
        for window in pair_rows(tokenizer, [pairs[n] for n in numbers], PAIR_WINDOW, at_once)
    ]


def article_design(tokenizer: PreTrainedTokenizerFast, article: Article, asked: Sequence[Asked]) -> list[Row]:
    """Rows of the design `article`. A question stands in every window that has one of its mentions in its core."""
    cut = words(article.text)
    rows = []
    for window in windows(tokenizer, [word.of(article.text) for word in cut], WINDOW, OVERLAP):
        places = [window.first + own if own >= 0 else -1 for own in window.index]
        index, numbers = [], []
        for number, one in enumerate(asked):
            start = article.text.index(one.pair.passage, _start(one))
            own = tuple(_group(cut[place], start, one.pair) if place >= 0 else -1 for place in places)
            core = [
                group for group, place in zip(own, places, strict=True) if window.core_start <= place < window.core_end
            ]
            if (0 if one.pair.mentions else 1) in core:
                index.append(own if one.pair.mentions else tuple(0 if group == 1 else group for group in own))
                numbers.append(number)
        if numbers:
            rows.append(Row(window.ids, tuple(index), tuple(numbers)))
    return rows


def _start(one: Asked) -> int:
    return one.stance.scope[0] if one.stance.scope != "article" else 0


def _group(word: Span, start: int, pair: Pair) -> int:
    if not start <= word.start < start + len(pair.passage):
        return -1
    mentioned = any(word.overlaps(Span(m.start + start, m.end + start)) for m in pair.mentions)
    return 0 if mentioned else 1


def rows_of(design: str, tokenizer: PreTrainedTokenizerFast, article: Article, asked: Sequence[Asked]) -> list[Row]:
    if design == "article":
        return article_design(tokenizer, article, asked)
    return pair_design(tokenizer, [one.pair for one in asked], design == "together")


def logits_of(model: RasidModel, row: Row) -> Tensor:
    """(questions, classes) of one row."""
    ids = torch.tensor([row.ids])
    index = torch.tensor(row.index)
    states = model.states(ids, torch.ones_like(ids)).expand(len(row.index), -1, -1)
    pooled = pool(states, index, 2)
    logits: Tensor = model.heads["stance"](pooled[:, 0], pooled[:, 1])
    return logits


def train(loaded: Loaded, rows: Sequence[tuple[Row, list[int]]], epochs: int, rate: float, seed: int) -> None:
    """Fine-tunes on rows with the labels of their questions, eight rows a step."""
    model, shuffle = loaded.model, random.Random(seed)
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
            batch = [rows[n] for n in order[start : start + 8]]
            logits = torch.cat([logits_of(model, row) for row, _ in batch])
            labels = torch.tensor([label for _, own in batch for label in own])
            F.cross_entropy(logits.float(), labels).backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            optimizer.zero_grad()
    nn.Module.eval(model)


def answer(loaded: Loaded, rows: Sequence[Row], count: int) -> Floats:
    """Class probabilities (count, 3); of a question in several rows the mean."""
    found, times = np.zeros((count, len(STANCES)), dtype=np.float32), np.zeros(count)
    with torch.inference_mode():
        for row in rows:
            for number, own in zip(row.questions, logits_of(loaded.model, row).softmax(-1).numpy(), strict=True):
                found[number] += own
                times[number] += 1
    return (found / np.maximum(times, 1)[:, None]).astype(np.float32)


def fold(
    encoder: str, design: str, articles: Sequence[Article], held: int, options: argparse.Namespace, seed: int
) -> Floats:
    """Trains on all articles but one and answers the author's questions of that one."""
    torch.manual_seed(seed)
    folder = Path(encoder) if Path(encoder).is_dir() else shipped_models().get(encoder)
    heads = {"stance": Head(kind="pair", labels=STANCES)}
    model = new_model(encoder, heads, ENTITY_WINDOW, ENTITY_OVERLAP, 0.1, PAIR_WINDOW)
    loaded = Loaded(model, load_tokenizer(folder or encoder), "", "")
    material = []
    for number, article in enumerate(articles):
        asked = [*asked_of(article), *quoted_of(article)]
        if number != held:
            for row in rows_of(design, loaded.tokenizer, article, asked):
                material.append((row, [STANCES.index(asked[n].stance.label) for n in row.questions]))
    train(loaded, material, options.epochs, options.rate, seed)
    asked = list(asked_of(articles[held]))
    return answer(loaded, rows_of(design, loaded.tokenizer, articles[held], asked), len(asked))


@dataclass(frozen=True)
class Cost:
    """Pieces that the encoder reads for an article's five targets, and for its entities; seconds for the former."""

    stance: int
    entities: int
    seconds: float | None


def cost(design: str, loaded: Loaded, article: Article, timed: bool) -> Cost:
    tokenizer = loaded.tokenizer
    asked = list(asked_of(article))
    five = {target for target, _ in Counter(one.stance.target for one in asked).most_common(5)}
    rows = rows_of(design, tokenizer, article, [one for one in asked if one.stance.target in five])
    cut = [word.of(article.text) for word in words(article.text)]
    entity = sum(len(window.ids) for window in windows(tokenizer, cut, ENTITY_WINDOW, ENTITY_OVERLAP))
    begun = time.perf_counter()
    if timed:
        answer(loaded, rows, len(asked))
    # The article design reads the states of the entity pass: nothing is encoded again.
    stance = 0 if design == "article" else sum(len(row.ids) for row in rows)
    return Cost(stance, entity, time.perf_counter() - begun if timed else None)


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
    folder = Path(args.encoder) if Path(args.encoder).is_dir() else shipped_models().get(args.encoder)
    model = new_model(args.encoder, {"stance": Head(kind="pair", labels=STANCES)}, 192, 64, 0.1, PAIR_WINDOW)
    nn.Module.eval(model)
    loaded = Loaded(model, load_tokenizer(folder or args.encoder), "", "")
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
        costs = [cost(design, loaded, article, args.time) for article in articles]
        stance, entities = sum(c.stance for c in costs), sum(c.entities for c in costs)
        seconds = f"{sum(c.seconds or 0 for c in costs) / len(costs):.3f}" if args.time else ""
        print(f"| {design} | {stance / len(costs):.0f} | {stance / entities:.2f} | {seconds} |")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

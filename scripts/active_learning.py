"""Simulates annotation by rounds: how many words each way of choosing articles needs for 95 % of full-data F1.

    rasid pretrain configs/pretrain-small.yaml
    RASID_DATA=/data python scripts/active_learning.py [--set KEY=VALUE ...]

The train part of a token set is cut into blocks that stand for articles. A seed draws the first ones; then, round by
round, a model is trained from its encoder on what is "annotated", scored on the dev part, and says which blocks come
next, as `rasid annotations select` would. All strategies of a seed begin with the same blocks. Every trained model's
result is a file: a run that was stopped goes on, and what is there is reported with `--report-only`.
"""

from __future__ import annotations

import argparse
import json
import math
import time
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

import numpy as np
import torch
from pydantic import Field
from scipy.optimize import isotonic_regression
from scipy.stats import spearmanr, t
from transformers import PreTrainedTokenizerFast, get_linear_schedule_with_warmup

from rasid.config import Section, dump_config, load_config
from rasid.infer.acquisition import Candidate, Strategy, choose
from rasid.infer.doubt import doubts
from rasid.model import Head, Loaded
from rasid.repair import read_words
from rasid.tables import table
from rasid.text import Span
from rasid.textscoring import word_log_probs
from rasid.train.batching import BatchSampler, Collator
from rasid.train.config import RunConfig, load_run_config
from rasid.train.evaluation import predict_entities
from rasid.train.exam import Exam
from rasid.train.features import Row, text_rows
from rasid.train.finetune import build_model, encoder_of, resolve_heads
from rasid.train.losses import loss_of
from rasid.train.sources import GoldText, Typed, read_texts
from rasid.train.trainer import parameter_groups

FIRST, FULL = "first", "full"  # what a seed begins with; all there is


class Simulation(Section):
    """scripts/active_learning.yaml."""

    config: str
    output: Path
    overrides: tuple[str, ...] = ()
    source: str = "train"  # of the run config: what is annotated
    exam: str = "dev"  # and what judges
    block: int = Field(default=10, ge=1)
    rounds: tuple[int, ...] = Field(min_length=2)
    strategies: tuple[Strategy, ...] = ("random", "uncertainty", "diversity", "both")
    seeds: tuple[int, ...] = (1, 2, 3, 4, 5)
    epochs: float = 5
    least_words: int = 0
    share: float = Field(default=0.95, gt=0, le=1)


@dataclass(frozen=True)
class Block:
    """Sentences in a row, as they are read for training."""

    sentences: tuple[GoldText, ...]
    rows: tuple[Row, ...]
    repair: bool

    @property
    def words(self) -> int:
        return sum(len(sentence.tokens or ()) for sentence in self.sentences)

    @cached_property
    def text(self) -> str:
        return "\n".join(sentence.text for sentence in self.sentences)

    @cached_property
    def cut(self) -> list[str]:
        """The words that a model reads."""
        return [word.of(self.text) for word in read_words(self.text, self.repair)]

    @cached_property
    def gold(self) -> frozenset[Typed]:
        found, position = [], 0
        for sentence in self.sentences:
            for one in sentence.entities:
                found.append(Typed(Span(position + one.span.start, position + one.span.end), one.type))
            position += len(sentence.text) + 1
        return frozenset(found)


@dataclass(frozen=True)
class World:
    """What stays the same over all trials: the settings, the run config, the blocks to choose from, and what judges."""

    plan: Simulation
    run: RunConfig
    heads: Mapping[str, Head]
    tokenizer: PreTrainedTokenizerFast
    blocks: tuple[Block, ...]
    dev: tuple[GoldText, ...]

    @property
    def head(self) -> str:
        return self.run.sources[self.plan.source].head

    def words(self, numbers: Sequence[int]) -> int:
        return sum(self.blocks[n].words for n in numbers)

    def draw(self, seed: int, number: int) -> float:
        """The block's place in the seed's random order."""
        return zlib.crc32(f"{seed} {number}".encode()) / 2**32


def read_world(plan: Simulation) -> World:
    run = load_run_config(plan.config, list(plan.overrides))
    source, heads, tokenizer = run.sources[plan.source], resolve_heads(run), encoder_of(run).tokenizer()
    parts: dict[int, list[GoldText]] = {}
    for sentence in read_texts(source):
        place = int(sentence.doc.rpartition(":")[2])  # in the file, dev part included: no block reaches over one
        parts.setdefault(place // plan.block, []).append(sentence)
    blocks = [
        Block(
            tuple(part),
            tuple(text_rows(part, source, heads[source.head], tokenizer, run.window, run.overlap, run.repair)),
            run.repair,
        )
        for part in parts.values()
    ]
    return World(plan, run, heads, tokenizer, tuple(blocks), tuple(read_texts(run.evaluation[plan.exam])))


def trained(world: World, numbers: Sequence[int], seed: int) -> Loaded:
    """A model of the blocks, from the encoder on: what `rasid train` does, without reading the data anew each time."""
    plan, run = world.plan, world.run
    torch.manual_seed(seed)
    model = build_model(run, dict(world.heads))
    rows = [row for n in numbers for row in world.blocks[n].rows]
    sampler = BatchSampler(rows, [1.0] * len(rows), run.batch_tokens, seed)
    collate = Collator(int(world.tokenizer.pad_token_id or 0))
    steps = math.ceil(max(plan.epochs, plan.least_words / world.words(numbers)) * len(sampler))
    groups = parameter_groups(model, float(run.training.get("learning_rate", 1e-3)), run)
    optimizer = torch.optim.AdamW(groups, weight_decay=0.01, fused=True)
    rate = get_linear_schedule_with_warmup(optimizer, steps // 10, steps)
    model.train()
    for step in range(steps):
        epoch, place = divmod(step, len(sampler))
        if not place:
            sampler.set_epoch(epoch)
            batches = list(sampler)
        batch = collate([rows[n] for n in batches[place]])
        labels = batch.pop("labels")
        loss_of(model(**batch).float(), labels).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        rate.step()
    model.eval()
    return Loaded(model, world.tokenizer, "simulated", "")


def candidates(world: World, loaded: Loaded | None, seed: int) -> list[Candidate]:
    """Every block as the model sees it; without one, as chance does."""
    found = doubts(loaded, world.head, [block.cut for block in world.blocks]) if loaded else None
    return [
        Candidate(
            block.words,
            found[number].total if found else 0.0,
            found[number].state if found else np.zeros(1),
            world.draw(seed, number),
        )
        for number, block in enumerate(world.blocks)
    ]


def following(world: World, seen: Sequence[Candidate], done: Sequence[int], budget: int, how: Strategy) -> list[int]:
    """The blocks to annotate next."""
    rest = [number for number in range(len(seen)) if number not in set(done)]
    picks = choose([seen[n] for n in rest], [seen[n].state for n in done], budget, how)
    return [rest[pick.number] for pick in picks]


def measures(world: World, loaded: Loaded, seen: Sequence[Candidate], done: Sequence[int]) -> dict[str, float]:
    """How well several measures rank the other blocks by the entities that are wrong or missing in them, by the word:
    Spearman's rho."""
    rest = [number for number in range(len(seen)) if number not in set(done)]
    texts = [world.blocks[n].text for n in rest]
    predicted = predict_entities(loaded, world.head, texts)
    wrong = [
        len(world.blocks[n].gold ^ set(own)) / world.blocks[n].words for n, own in zip(rest, predicted, strict=True)
    ]
    rows: dict[str, list[float]] = {name: [] for name in ("entropy", "least confidence", "margin", "a name at all")}
    for log_probs in word_log_probs(loaded, world.head, [world.blocks[n].cut for n in rest]):
        ordered = np.sort(np.exp(log_probs), axis=2)
        rows["entropy"].append(float(-(np.exp(log_probs) * log_probs).sum(axis=(1, 2)).mean()))
        rows["least confidence"].append(float((1 - ordered[:, :, 2]).sum(axis=1).mean()))
        rows["margin"].append(float((1 - ordered[:, :, 2] + ordered[:, :, 1]).sum(axis=1).mean()))
        rows["a name at all"].append(float((1 - np.exp(log_probs[:, :, 0])).sum(axis=1).mean()))
    rows["entropy, summed"] = [seen[n].nats for n in rest]
    return {name: float(spearmanr(row, wrong).statistic) for name, row in rows.items()}


def stored(path: Path) -> dict[str, Any] | None:
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None


def trial(world: World, seed: int, name: str, numbers: Sequence[int], room: int) -> dict[str, Any]:
    """Trains on the blocks and asks for the next `room` words: of the strategy `name`, or of all after the first
    round. Taken from its file where that was done before."""
    path = world.plan.output / "trials" / f"seed-{seed}" / f"{name}-{world.words(numbers)}.json"
    found = stored(path)
    if found is not None and found["blocks"] == list(numbers):
        return found
    begun = time.monotonic()
    loaded = trained(world, numbers, seed)
    scores = Exam(world.head, texts=world.dev).score(loaded)
    result: dict[str, Any] = {"blocks": list(numbers), "words": world.words(numbers), **scores, "next": {}}
    if room > 0:
        seen = candidates(world, None if name == "random" else loaded, seed)
        hows = world.plan.strategies if name == FIRST else [s for s in world.plan.strategies if s == name]
        result["next"] = {how: following(world, seen, numbers, room, how) for how in hows}
        if name == FIRST:
            result["measures"] = measures(world, loaded, seen, numbers)
    result["seconds"] = round(time.monotonic() - begun, 1)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".part")
    partial.write_text(json.dumps(result) + "\n", encoding="utf-8")
    partial.replace(path)  # a trial that was stopped leaves nothing that looks finished
    print(f"seed {seed} {name} {result['words']} words: {result['lenient_f1']:.3f} ({result['seconds']} s)", flush=True)
    return result


def beginning(world: World, seed: int) -> list[int]:
    """The first round's blocks, drawn."""
    numbers: list[int] = []
    for number in sorted(range(len(world.blocks)), key=lambda n: world.draw(seed, n)):
        if world.words([*numbers, number]) <= world.plan.rounds[0]:
            numbers.append(number)
    return numbers


def simulate(world: World, seed: int) -> None:
    """All rounds of all strategies with one seed; the full data first."""
    rounds = world.plan.rounds
    trial(world, seed, FULL, range(len(world.blocks)), 0)
    start = beginning(world, seed)
    first = trial(world, seed, FIRST, start, rounds[1] - world.words(start))
    known = dict.fromkeys(world.plan.strategies, (start, first))
    for place in range(1, len(rounds)):
        for how, (numbers, last) in known.items():
            grown = [*numbers, *last["next"][how]]
            room = rounds[place + 1] - world.words(grown) if place + 1 < len(rounds) else 0
            known[how] = (grown, trial(world, seed, how, grown, room))


# What came of it


@dataclass(frozen=True)
class Mean:
    """A mean over seeds with its 95 % interval (t; no interval for a single seed)."""

    value: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Mean:
        value, half = fmean(values), 0.0
        if len(values) > 1:
            half = float(t.ppf(0.975, len(values) - 1)) * stdev(values) / math.sqrt(len(values))
        return cls(value, value - half, value + half)

    def __str__(self) -> str:
        return f"{self.value:.3f} [{self.low:.3f}, {self.high:.3f}]"


@dataclass(frozen=True)
class Outcome:
    """Trials of the seeds whose rounds are all there: by strategy a (seeds, rounds) array of words and one of F1;
    words and F1 [seeds] of the full data; by measure its rank correlations over the seeds."""

    seeds: tuple[int, ...]
    words: Mapping[str, np.ndarray[Any, Any]]
    scores: Mapping[str, np.ndarray[Any, Any]]
    full_words: int
    full: tuple[float, ...]
    measures: Mapping[str, list[float]]


def outcome(plan: Simulation) -> Outcome:
    trials: dict[int, dict[str, list[dict[str, Any]]]] = {}
    for path in sorted((plan.output / "trials").glob("seed-*/*.json")):
        seed, name = int(path.parent.name.removeprefix("seed-")), path.stem.rpartition("-")[0]
        trials.setdefault(seed, {}).setdefault(name, []).append(json.loads(path.read_text(encoding="utf-8")))
    wanted = len(plan.rounds) - 1
    whole = {
        seed: own
        for seed, own in sorted(trials.items())
        if {FIRST, FULL} <= own.keys() and all(len(own.get(how, ())) == wanted for how in plan.strategies)
    }
    if not whole:
        raise SystemExit(f"{plan.output}: no seed has all its rounds yet")
    rows = {
        how: [sorted([*own[FIRST], *own[how]], key=lambda row: row["words"]) for own in whole.values()]
        for how in plan.strategies
    }
    firsts = [own[FIRST][0]["measures"] for own in whole.values()]
    return Outcome(
        tuple(whole),
        {how: np.array([[row["words"] for row in seed] for seed in own]) for how, own in rows.items()},
        {how: np.array([[row["lenient_f1"] for row in seed] for seed in own]) for how, own in rows.items()},
        next(iter(whole.values()))[FULL][0]["words"],
        tuple(own[FULL][0]["lenient_f1"] for own in whole.values()),
        {name: [each[name] for each in firsts] for name in firsts[0]},
    )


def needed(words: Sequence[float], scores: Sequence[float], target: float) -> float:
    """Words at which a curve first stands at the target: an increasing curve is fitted (a noisy one crosses too early)
    and read between its rounds in a straight line. Infinite where it never does."""
    smooth = isotonic_regression(scores).x
    above = np.flatnonzero(smooth >= target)
    if not len(above):
        return math.inf
    place = int(above[0])
    if place == 0:
        return float(words[0])
    share = (target - smooth[place - 1]) / (smooth[place] - smooth[place - 1])
    return float(words[place - 1] + share * (words[place] - words[place - 1]))


def all_needed(plan: Simulation, found: Outcome) -> dict[str, list[float]]:
    """By strategy, the words that each seed needs for the plan's share of the mean full-data F1."""
    target = plan.share * fmean(found.full)
    ends = [[found.full_words, score] for score in found.full]
    return {
        how: [
            needed([*words, end[0]], [*scores, end[1]], target)
            for words, scores, end in zip(found.words[how], found.scores[how], ends, strict=True)
        ]
        for how in plan.strategies
    }


def needed_rows(needs: Mapping[str, Sequence[float]], full: int) -> list[list[str]]:
    """For each strategy the mean of the words needed, their share of all, and against random order, seed by seed."""
    rows = []
    for how, own in needs.items():
        ratio = ""
        if how != "random" and "random" in needs and all(map(math.isfinite, [*own, *needs["random"]])):
            logs = Mean.of([math.log(mine / theirs) for mine, theirs in zip(own, needs["random"], strict=True)])
            ratio = f"{math.exp(logs.value):.2f} [{math.exp(logs.low):.2f}, {math.exp(logs.high):.2f}]"
        mean = Mean.of(own) if all(map(math.isfinite, own)) else None
        told = f"{mean.value:,.0f} [{mean.low:,.0f}, {mean.high:,.0f}]" if mean else "not reached by all"
        seeds = ", ".join(f"{value:,.0f}" if math.isfinite(value) else "never" for value in own)
        rows.append([how, told, f"{mean.value / full:.0%}" if mean else "", ratio, seeds])
    return rows


def render(plan: Simulation, found: Outcome) -> str:
    """The tables, as Markdown."""
    count, full = len(found.seeds), Mean.of(found.full)
    curve = []
    for place in range(len(plan.rounds)):
        words = round(fmean(float(own[:, place].mean()) for own in found.words.values()))
        means = [str(Mean.of(found.scores[how][:, place].tolist())) for how in plan.strategies]
        curve.append([f"{words:,}", *means])
    gains = []
    for how in plan.strategies:
        if how != "random" and "random" in found.scores:
            apart = found.scores[how][:, 1:] - found.scores["random"][:, 1:]
            gains.append([how, *(str(Mean.of(apart[:, place].tolist())) for place in range(apart.shape[1]))])
    needs = needed_rows(all_needed(plan, found), found.full_words)
    correlations = [[name, str(Mean.of(values))] for name, values in found.measures.items()]
    parts = [
        f"{count} seeds; means with 95 % intervals over the seeds (t). All {found.full_words:,} words: {full}; "
        f"{plan.share:.0%} of that is {plan.share * full.value:.3f}.",
        table(["words", *plan.strategies], curve),
        "Against random order, the same seed's:",
        table(["strategy", *(f"round {place + 2}" for place in range(len(plan.rounds) - 1))], gains),
        f"Words needed for {plan.share:.0%}:",
        table(["strategy", "words", "of all", "over random's", "seed by seed"], needs),
        "Rank correlation with wrong entities by the word, after the first round:",
        table(["measure", "rho"], correlations),
    ]
    return "\n\n".join(parts)


def draw(plan: Simulation, found: Outcome, path: Path) -> None:
    """The curves with their intervals, as SVG."""
    import matplotlib

    matplotlib.use("Agg")
    matplotlib.rcParams["svg.hashsalt"] = "rasid"  # the same curves, the same bytes
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(6.5, 4))
    for how in plan.strategies:
        words = found.words[how].mean(axis=0)
        means = [Mean.of(column) for column in found.scores[how].T.tolist()]
        (line,) = axes.plot(words, [mean.value for mean in means], marker="o", markersize=4, label=how)
        axes.fill_between(
            words, [mean.low for mean in means], [mean.high for mean in means], alpha=0.12, color=line.get_color()
        )
    full = fmean(found.full)
    axes.axhline(full, color="grey", linewidth=0.8, label=f"all {found.full_words:,} words")
    axes.axhline(plan.share * full, color="grey", linewidth=0.8, linestyle="--", label=f"{plan.share:.0%} of that")
    axes.set(xlabel="words annotated", ylabel="dev F1, lenient")
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8)
    figure.savefig(path, bbox_inches="tight", metadata={"Date": None})
    pyplot.close(figure)


def report(plan: Simulation) -> None:
    """`report.md` and `curve.svg` in the output folder, of the seeds that are done."""
    found = outcome(plan)
    page = render(plan, found)
    (plan.output / "report.md").write_text(f"{page}\n", encoding="utf-8")
    draw(plan, found, plan.output / "curve.svg")
    print(page)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--plan", type=Path, default=Path(__file__).with_suffix(".yaml"))
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="departures from the plan")
    parser.add_argument("--report-only", action="store_true", help="train nothing; report what is there")
    return parser.parse_args()


def main() -> None:
    args = parse()
    plan = load_config(Simulation, str(args.plan), args.set)
    if not args.report_only:
        plan.output.mkdir(parents=True, exist_ok=True)
        dump_config(plan, plan.output / "plan.yaml")
        world = read_world(plan)
        for seed in plan.seeds:
            simulate(world, seed)
    report(plan)


if __name__ == "__main__":
    main()

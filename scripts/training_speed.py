"""Is Rasid's training as fast as transformers' own recipe? Useful pieces a second, side by side, round by round.

    python scripts/training_speed.py --file $RASID_DATA/ner/aqmar/train.tsv --encoder compact --rounds 3

Three arms with the same encoder, sentences, optimizer, precision and epochs: the recipe of transformers' run_ner
(AutoModelForTokenClassification, DataCollatorForTokenClassification, batches of so many sentences in random order,
padded to their longest, sentences cut at the window), Rasid's Trainer with batches of about the same size in random
order, and as it is, with sentences of like length together. A piece is useful when it is no padding. Arms follow one
another in every round, in turn the other way round, and a ratio is of one round, so a busy machine slows both sides.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch
from datasets import Dataset
from transformers import (
    AutoModelForTokenClassification,
    DataCollatorForTokenClassification,
    PreTrainedTokenizerFast,
    Trainer,
    TrainingArguments,
)

from rasid.config import parse_config
from rasid.train.batching import BatchSampler, Collator, Rows
from rasid.train.config import RunConfig
from rasid.train.features import Row
from rasid.train.finetune import build_model, encoder_of, gather, training_arguments
from rasid.train.sources import GoldText, read_texts
from rasid.train.trainer import MultiTaskTrainer


@dataclass(frozen=True)
class Measured:
    """An arm's epoch: seconds, pieces that are no padding, and all pieces."""

    seconds: float
    useful: int
    padded: int

    @property
    def rate(self) -> float:
        return self.useful / self.seconds


def clock() -> float:
    """Seconds of processor time, which other work on the machine does not lengthen much; with a GPU, of the wall."""
    return time.perf_counter() if torch.cuda.is_available() else time.process_time()


class Unsorted(BatchSampler):
    """The same budget, with rows in random order."""

    def _of_head(self, drawn: Any, random: np.random.Generator) -> list[list[int]]:
        batches: list[list[int]] = []
        longest = 0
        for number in drawn:
            longest = max(longest, int(self._lengths[number]))
            if not batches or (len(batches[-1]) + 1) * longest > self._tokens:
                batches.append([])
                longest = int(self._lengths[number])
            batches[-1].append(int(number))
        return batches


def run_config(args: argparse.Namespace, folder: Path) -> RunConfig:
    """A flat `tokens` head on one file of tokens and tags."""
    source = {"head": "h", "reader": "conll", "path": str(args.file)}
    training = {"max_steps": -1, "num_train_epochs": args.epochs, "save_strategy": "no", "eval_strategy": "no"}
    tree = {
        "encoder": args.encoder,
        "output": str(folder),
        "heads": {"h": {"kind": "tokens", "labels": "data"}},
        "sources": {"train": source},
        "window": args.window,
        "overlap": 0,
        "precision": "fp32",
        "repair": False,
        "training": training | {"disable_tqdm": True, "logging_strategy": "no"},
    }
    return parse_config(RunConfig, tree, "training_speed")


def ours(config: RunConfig, folder: Path, rows: Sequence[Row], budget: int, kind: type[BatchSampler]) -> Measured:
    """Rasid's own Trainer on these rows."""
    from rasid.model import Loaded

    tokenizer = encoder_of(config).tokenizer()
    material = gather(config, tokenizer)
    model = build_model(config, material.heads)
    sampler = kind(rows, [1.0] * len(rows), budget, 1)
    trainer = MultiTaskTrainer(
        config=config,
        loaded=Loaded(model, tokenizer, "speed", ""),
        rows=Rows(rows),
        sampler=sampler,
        losses=material.losses(config),
        exams={},
        args=training_arguments(config, folder),
        data_collator=Collator(int(tokenizer.pad_token_id or 0)),
    )
    begun = clock()
    trainer.train()
    seconds = clock() - begun
    useful = padded = 0
    for epoch in range(int(trainer.args.num_train_epochs)):
        sampler.set_epoch(epoch)
        for batch in sampler:
            lengths = [len(rows[number].window.ids) for number in batch]
            useful, padded = useful + sum(lengths), padded + max(lengths) * len(lengths)
    return Measured(seconds, useful, padded)


def aligned(texts: Sequence[GoldText], tokenizer: PreTrainedTokenizerFast, window: int) -> tuple[Dataset, list[str]]:
    """Sentences as run_ner prepares them: the first piece of a word has its label, the others and what is cut none."""
    names = sorted({tag for text in texts for tag in text.tags or ()})
    rows: list[dict[str, Any]] = []
    for text in texts:
        words = [token.of(text.text) for token in text.tokens or ()]
        row = tokenizer(words, is_split_into_words=True, truncation=True, max_length=window)
        labels, before = [], None
        for word in row.word_ids():
            labels.append(-100 if word is None or word == before else names.index((text.tags or ())[word]))
            before = word
        rows.append({"input_ids": row["input_ids"], "attention_mask": row["attention_mask"], "labels": labels})
    return Dataset.from_list(rows), names


class Counting(DataCollatorForTokenClassification):
    """The recipe's collator, which counts what it gives."""

    useful = 0
    padded = 0

    def torch_call(self, features: list[dict[str, Any]]) -> dict[str, Any]:
        batch: dict[str, Any] = super().torch_call(features)
        self.useful += int(batch["attention_mask"].sum())
        self.padded += batch["attention_mask"].numel()
        return batch


def recipe(config: RunConfig, folder: Path, size: int) -> Measured:
    """transformers' Trainer as run_ner sets it up, on the same encoder."""
    tokenizer = encoder_of(config).tokenizer()
    data, names = aligned(read_texts(config.sources["train"]), tokenizer, config.window)
    encoder = build_model(config, gather(config, tokenizer).heads).encoder
    encoder.config.num_labels = len(names)
    model = AutoModelForTokenClassification.from_config(encoder.config)
    model.base_model.load_state_dict(encoder.state_dict())
    collator = Counting(tokenizer)
    mine = training_arguments(config, folder)
    arguments = TrainingArguments(
        output_dir=str(folder),
        per_device_train_batch_size=size,
        num_train_epochs=mine.num_train_epochs,
        learning_rate=mine.learning_rate,
        save_strategy="no",
        logging_strategy="no",
        report_to="none",
        use_cpu=mine.use_cpu,
        disable_tqdm=True,
        seed=1,
        dataloader_pin_memory=False,
    )
    trainer = Trainer(model=model, args=arguments, train_dataset=data, data_collator=collator)
    begun = clock()
    trainer.train()
    return Measured(clock() - begun, collator.useful, collator.padded)


def main() -> int:
    parser = argparse.ArgumentParser(description="Training speed beside transformers' run_ner recipe.")
    parser.add_argument("--file", type=Path, required=True, help="tokens and tags, one token a line")
    parser.add_argument("--encoder", default="compact")
    parser.add_argument("--size", type=int, default=16, help="sentences of a batch of the recipe (default: 16)")
    parser.add_argument("--epochs", type=float, default=1.0)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--window", type=int, default=192)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        config = run_config(args, place)
        rows = gather(config, encoder_of(config).tokenizer()).rows
        # Padded pieces of a batch of the recipe's size, on average: the longest of `size` lengths drawn at random.
        drawn = np.random.default_rng(0).choice([len(row.window.ids) for row in rows], (2000, args.size))
        budget = int(drawn.max(axis=1).mean() * args.size)
        arms = {
            "run_ner": lambda: recipe(config, place, args.size),
            "rasid, random order": lambda: ours(config, place, rows, budget, Unsorted),
            "rasid": lambda: ours(config, place, rows, budget, BatchSampler),
        }
        found: dict[str, list[Measured]] = {name: [] for name in arms}
        for number in range(args.rounds):
            for name in list(arms)[:: -1 if number % 2 else 1]:
                found[name].append(arms[name]())
    print(f"{len(rows)} windows, recipe {args.size} sentences a batch, budget {budget} pieces, {args.rounds} rounds")
    for name, measured in found.items():
        ratios = [one.rate / base.rate for one, base in zip(measured, found["run_ner"], strict=True)]
        rate = median(one.rate for one in measured)
        padding = 1 - measured[0].useful / measured[0].padded
        spread = f"{median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"
        print(f"{name}: {rate:.0f} useful pieces/s, padding {padding:.1%}, ratio {spread}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

"""Does the memory of training grow? Resident memory over many steps, and the line through it.

    python scripts/training_memory.py --steps 1000

Trains a tiny encoder of random weights, or --encoder, on made-up sentences of many lengths, and looks at the process's
resident memory every --every steps. The first tenth is left out: allocators and caches fill up. Prints the memory, the
slope in KiB a step and its standard error; exit code 1 when memory at the end of the line is above --most times that at
its beginning. Linux only.
"""

from __future__ import annotations

import argparse
import os
import random
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from transformers import TrainerCallback

from rasid.config import parse_config
from rasid.model import Loaded
from rasid.train.batching import BatchSampler, Collator, Rows
from rasid.train.config import RunConfig
from rasid.train.finetune import build_model, encoder_of, gather, training_arguments
from rasid.train.trainer import MultiTaskTrainer

PHRASE = "وصل وفد من الأمم المتحدة إلى العاصمة وقال سامر الحداد إن المشروع كلف مليوني دولار في مدينة الميناء"
TAGS = ("O", "B-PERS", "B-LOC", "B-ORG")


def resident() -> float:
    """This process's resident memory in MiB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


class Watch(TrainerCallback):
    """Notes step and memory."""

    def __init__(self, every: int) -> None:
        self.every = every
        self.seen: list[tuple[int, float]] = []

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        if state.global_step % self.every == 0:
            self.seen.append((state.global_step, resident()))


def write_sentences(path: Path, count: int) -> None:
    drawn, words = random.Random(0), PHRASE.split()
    lines = []
    for _ in range(count):
        lines += [f"{drawn.choice(words)}\t{drawn.choice(TAGS)}" for _ in range(drawn.randint(3, 60))] + [""]
    path.write_text("\n".join(lines), encoding="utf-8")


def watch(encoder: str, steps: int, every: int, folder: Path) -> list[tuple[int, float]]:
    """Step and memory of a training run."""
    write_sentences(folder / "train.tsv", 400)
    tree = {
        "encoder": encoder,
        "output": str(folder / "run"),
        "heads": {"h": {"kind": "tokens", "labels": "data"}},
        "sources": {"train": {"head": "h", "reader": "conll", "path": str(folder / "train.tsv")}},
        "batch_tokens": 1024,
        "word_dropout": 0.1,
        "training": {"max_steps": steps, "save_strategy": "no", "disable_tqdm": True, "logging_steps": 10**6},
    }
    config = parse_config(RunConfig, tree, "training_memory")
    tokenizer = encoder_of(config).tokenizer()
    material = gather(config, tokenizer)
    seen = Watch(every)
    trainer = MultiTaskTrainer(
        config=config,
        loaded=Loaded(build_model(config, material.heads), tokenizer, "memory", ""),
        rows=Rows(material.rows),
        sampler=BatchSampler(material.rows, material.repeats, config.batch_tokens, 1),
        losses=material.losses(config),
        exams={},
        args=training_arguments(config, folder / "run"),
        data_collator=Collator(int(tokenizer.pad_token_id or 0)),
        callbacks=[seen],
    )
    trainer.train()
    return seen.seen


def main() -> int:
    parser = argparse.ArgumentParser(description="Resident memory of training over many steps.")
    parser.add_argument("--encoder", default="compact")
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--every", type=int, default=10)
    parser.add_argument("--most", type=float, default=1.02, help="growth along the line to fail at (default: 1.02)")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        seen = watch(args.encoder, args.steps, args.every, Path(folder))
    kept = [one for one in seen if one[0] > args.steps / 10]
    places, memory = np.array(kept).T
    (slope, start), covariance = np.polyfit(places, memory, 1, cov=True)
    growth = (start + slope * places[-1]) / (start + slope * places[0])
    print(f"{args.steps} steps, {len(kept)} looks after the first tenth: {memory.min():.1f} to {memory.max():.1f} MiB")
    print(f"slope {slope * 1024:.2f} +/- {covariance[0, 0] ** 0.5 * 1024:.2f} KiB a step, growth {growth:.4f}")
    return int(growth > args.most)


if __name__ == "__main__":
    sys.exit(main())

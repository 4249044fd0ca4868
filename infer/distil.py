"""Distillation: a plain text classifier taught to answer as the records do, where no exact view of a head exists.

A `pair` head compares the means of two parts of its input, and none of transformers' classifiers keeps them apart; a
`text` head takes the mean of all pieces, and most of them look at the first one only. So the whole classifier is
trained, from the model's own encoder, on the answers that the model gives about some texts, and judged on texts that
were held out. The module knows examples and tensors; where answers come from, `rasid.infer.views` knows.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel, PreTrainedTokenizerFast

EPOCHS = 4
_LEARNING_RATE = 3e-4  # of a small encoder; a large one takes less, see `_rate`
_WIDE = 512  # hidden size from which an encoder is large
_LARGE_RATE = 3e-5
_WARMUP = 0.1  # of all steps
_WEIGHT_DECAY = 0.01
_BATCH = 16  # examples
_POOL = 8  # batches that are sorted by length together


@dataclass(frozen=True, slots=True)
class Example:
    """An input of a classifier, with the answer of the model: its label, as sure as `score`."""

    text: str
    label: str
    score: float
    pair: str | None = None  # the second text
    article: int = 0  # the number of the article that it is from


@dataclass(frozen=True, slots=True)
class Agreement:
    """How often a classifier gives the model's own label, on examples that it has not learnt from."""

    examples: int
    equal: int
    commonest: int  # examples whose label is the commonest: what a classifier that says only that would have right
    recall: float  # the mean over labels of the share that is found


def fit(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerFast,
    examples: Sequence[Example],
    epochs: int = EPOCHS,
    seed: int = 1,
    say: Callable[[str], None] = lambda _: None,
) -> None:
    """Trains all of a classifier's weights on the examples, soft labels as the model's scores have them."""
    torch.manual_seed(seed)
    order = random.Random(seed)
    rows = [encoded(tokenizer, each) for each in examples]
    targets = torch.stack([soft(each, model.config.label2id) for each in examples])
    steps = epochs * -(-len(rows) // _BATCH)
    optimiser = torch.optim.AdamW(model.parameters(), lr=_rate(model), weight_decay=_WEIGHT_DECAY)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: _ramp(step, steps))
    model.train()
    for epoch in range(epochs):
        total = 0.0
        for numbers in _shuffled(rows, order):
            batch = tokenizer.pad([rows[n] for n in numbers], return_tensors="pt")
            loss = nn.functional.cross_entropy(model(**batch).logits, targets[numbers])
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimiser.step()
            schedule.step()
            optimiser.zero_grad()
            total += float(loss.detach()) * len(numbers)
        say(f"epoch {epoch + 1} of {epochs}, loss {total / len(rows):.3f}")
    model.eval()


@torch.inference_mode()
def agreement(model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast, examples: Sequence[Example]) -> Agreement:
    """Compares a classifier's labels with the examples' own."""
    found = [label_of(model, tokenizer, each) for each in examples]
    labels = [each.label for each in examples]
    kinds = sorted(set(labels))
    shares = [
        sum(f == label for f, label in zip(found, labels, strict=True) if label == kind) / labels.count(kind)
        for kind in kinds
    ]
    return Agreement(
        examples=len(examples),
        equal=sum(f == label for f, label in zip(found, labels, strict=True)),
        commonest=max((labels.count(kind) for kind in kinds), default=0),
        recall=sum(shares) / len(shares) if shares else 0.0,
    )


def label_of(model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast, example: Example) -> str:
    """What a classifier says of an example, read as transformers' pipeline reads it."""
    batch = tokenizer.pad([encoded(tokenizer, example)], return_tensors="pt")
    label: str = model.config.id2label[int(model(**batch).logits[0].argmax())]
    return label


def encoded(tokenizer: PreTrainedTokenizerFast, example: Example) -> dict[str, Any]:
    """The input of an example, cut to the tokenizer's own length: of a pair the second text is cut."""
    cut = "only_second" if example.pair is not None else True
    batch = tokenizer(example.text, example.pair, truncation=cut, verbose=False)
    return {name: batch[name] for name in tokenizer.model_input_names if name in batch}


def soft(example: Example, numbers: dict[str, int]) -> Tensor:
    """The example's label with its score, the rest shared evenly by the others."""
    rest = (1.0 - example.score) / max(1, len(numbers) - 1)
    row = torch.full((len(numbers),), rest)
    row[numbers[example.label]] = example.score
    return row


def held_out(examples: Sequence[Example], every: int = 5) -> tuple[list[Example], list[Example]]:
    """Examples to learn from, and those of every fifth article, to be judged on."""
    articles = sorted({each.article for each in examples})
    judged = set(articles[every - 1 :: every]) or set(articles[-1:])
    return (
        [each for each in examples if each.article not in judged],
        [each for each in examples if each.article in judged],
    )


def _rate(model: PreTrainedModel) -> float:
    return _LARGE_RATE if model.config.hidden_size >= _WIDE else _LEARNING_RATE


def _ramp(step: int, steps: int) -> float:
    """Up over the first tenth of all steps, then down to nothing."""
    rise = max(1, int(_WARMUP * steps))
    return (step + 1) / rise if step < rise else max(0.0, (steps - step) / max(1, steps - rise))


def _shuffled(rows: Sequence[dict[str, Any]], order: random.Random) -> Iterator[list[int]]:
    """Numbers of all rows in batches of similar length, in random order."""
    numbers = list(range(len(rows)))
    order.shuffle(numbers)
    batches = []
    for start in range(0, len(numbers), _BATCH * _POOL):
        pool = sorted(numbers[start : start + _BATCH * _POOL], key=lambda n: len(rows[n]["input_ids"]))
        batches += [pool[i : i + _BATCH] for i in range(0, len(pool), _BATCH)]
    order.shuffle(batches)
    yield from batches

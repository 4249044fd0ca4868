"""Fits the lexical part of a `pair` head: multinomial logistic regression on the pairs that the head learns from.

The fit is convex and has no chance in it, and takes seconds: it is made before the encoder is trained, so that every
evaluation on the way has it.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from rasid.errors import ConfigError
from rasid.lexical import BUCKETS, Learnt, buckets, kind_of
from rasid.model import WEIGHTS, Head, PairHead, RasidConfig, RasidModel, check_folder, find_model, revision_of
from rasid.storage import add_tensors

from .config import RunConfig, load_run_config
from .losses import label_weights
from .sections import LossSection
from .sources import read_pairs

if TYPE_CHECKING:
    from .sources import GoldPair

_STRENGTH = 10.0  # inverse of the penalty, chosen by folds over claims and tweets (docs/decisions/0031)
_STEPS = 1000  # of the solver at most
_OWN = 100  # pairs about a name that give it weights of its own
_NEVER = -1e4  # bias of a class that no pair has; fp16 can hold it


def lexical_pairs(config: RunConfig, head: str, labels: tuple[str, ...]) -> tuple[list[GoldPair], list[float]]:
    """The pairs that a head's lexical part learns from, and how often an epoch meets each: those without mentions and
    company, whose answer it will be asked for."""
    found: list[GoldPair] = []
    repeats: list[float] = []
    for source in config.sources.values():
        if source.head == head:
            own = [gold for gold in read_pairs(source, labels) if gold.pair.by_itself]
            found += own
            repeats += [source.repeat] * len(own)
    return found, repeats


def learnt_from(config: RunConfig, head: str, labels: tuple[str, ...]) -> Learnt:
    """What those pairs are about. Raises ConfigError where there is none."""
    pairs, _ = lexical_pairs(config, head, labels)
    times = Counter(gold.pair.target for gold in pairs)
    if not times:
        raise ConfigError(f"head {head}: lexical needs a source of pairs (reader: pairs); it has none")
    names = sorted(name for name, count in times.items() if count >= _OWN and kind_of(name) == "names")
    return Learnt(kinds=tuple(sorted(set(map(kind_of, times)))), names=tuple(names))


def fit_lexical(model: RasidModel, config: RunConfig) -> None:
    """Fits the lexical parts of all heads of a new model that have one."""
    for name, head in model.config.named_heads.items():
        module = model.heads[name]
        if isinstance(module, PairHead) and module.lexical is not None and head.lexical is not None:
            weight, bias = fitted_part(config, name, head, head.lexical)
            module.lexical.weight.copy_(weight)
            module.lexical.bias.copy_(bias)


def fitted_part(config: RunConfig, name: str, head: Head, learnt: Learnt) -> tuple[Tensor, Tensor]:
    """A head's weights and biases, fitted on the pairs of a config."""
    pairs, repeats = lexical_pairs(config, name, head.labels)
    costs = _costs(pairs, repeats, name, head, config.heads[name].loss)
    weight, bias = solve(_rows(pairs, costs, learnt), head.labels)
    return torch.from_numpy(weight), torch.from_numpy(bias)


def _costs(
    pairs: Sequence[GoldPair], repeats: Sequence[float], name: str, head: Head, loss: LossSection
) -> list[float]:
    """What a wrong answer to each pair costs: its repeats, times the weight that the head's loss gives its label."""
    counts = dict.fromkeys(head.labels, 0.0)
    for gold, repeat in zip(pairs, repeats, strict=True):
        counts[gold.label] += repeat
    weights = label_weights(name, loss, head, list(counts.values())) or dict.fromkeys(head.labels, 1.0)
    return [repeat * weights[gold.label] for gold, repeat in zip(pairs, repeats, strict=True)]


@dataclass(frozen=True)
class Example:
    """The buckets of a pair, its label, and how much it counts."""

    buckets: tuple[int, ...]
    label: str
    cost: float


def _rows(pairs: Sequence[GoldPair], costs: Sequence[float], learnt: Learnt) -> list[Example]:
    """The examples that pairs make: one about a name with weights of its own makes two, as it will be asked by that
    name, and as it would be by another."""
    found = []
    for gold, cost in zip(pairs, costs, strict=True):
        target, passage = gold.pair.target, gold.pair.passage
        asked = (True, False) if target in learnt.names else (False,)
        found += [Example(buckets(target, passage, own), gold.label, cost) for own in asked]
    return found


def solve(examples: Sequence[Example], labels: tuple[str, ...]) -> tuple[NDArray[np.float16], NDArray[np.float16]]:
    """Weights (classes, `BUCKETS`) and biases (classes,), in the precision that a model folder keeps."""
    from sklearn.linear_model import LogisticRegression

    gold = np.array([labels.index(one.label) for one in examples])
    costs = np.array([one.cost for one in examples])
    known = np.unique(gold)
    weight, bias = np.zeros((len(labels), BUCKETS)), np.full(len(labels), _NEVER)
    if len(known) == 1:  # nothing to tell apart
        bias[known] = 0.0
    else:
        fitted = LogisticRegression(C=_STRENGTH, max_iter=_STEPS)
        fitted.fit(_matrix(examples), gold, sample_weight=costs / costs.mean())
        one_sided = len(known) == 2  # scikit-learn keeps the second class's alone
        weight[known] = np.vstack([-fitted.coef_, fitted.coef_]) / 2 if one_sided else fitted.coef_
        bias[known] = np.concatenate([-fitted.intercept_, fitted.intercept_]) / 2 if one_sided else fitted.intercept_
    return weight.astype(np.float16), bias.astype(np.float16)


def _matrix(examples: Sequence[Example]) -> object:
    """A sparse matrix (examples, `BUCKETS`), every row of length 1."""
    from scipy.sparse import csr_matrix

    rows = [one.buckets for one in examples]
    values = np.concatenate([np.full(len(row), max(1, len(row)) ** -0.5) for row in rows])
    ends = np.cumsum([0, *map(len, rows)])
    return csr_matrix((values, np.concatenate(rows).astype(np.int64), ends), shape=(len(rows), BUCKETS))


def run_lexical(args: argparse.Namespace) -> int:
    """`rasid lexical`: fits the lexical part of a finished model's stance head on the pairs of a run config; every
    other weight stays as it is."""
    folder = find_model(str(args.model))
    check_folder(folder)
    run, config = load_run_config(str(args.run)), RasidConfig.from_pretrained(folder, local_files_only=True)
    heads = {name: head for name, head in config.named_heads.items() if _asked_for(run, name, head)}
    if not heads:
        what = "is there as a pair head with the same labels and lexical: true"
        raise ConfigError(f"{args.run}: no head of {args.model} {what}")
    for name, head in heads.items():
        learnt = learnt_from(run, name, head.labels)
        weight, bias = fitted_part(run, name, head, learnt)
        add_tensors(folder / WEIGHTS, {f"heads.{name}.lexical.weight": weight, f"heads.{name}.lexical.bias": bias})
        config.heads[name] = head.model_copy(update={"lexical": learnt}).model_dump(mode="json")
        print(f"{name}: {', '.join(learnt.kinds)}{f', {len(learnt.names)} names of their own' if learnt.names else ''}")
    config.save_pretrained(folder)
    print(f"lexical part -> {folder}; sha256 of {WEIGHTS} is now {revision_of(folder)}")
    print(f"its scores are others: calibrate anew, `rasid calibrate {args.model} {args.run}`")
    return 0


def _asked_for(run: RunConfig, name: str, head: Head) -> bool:
    section = run.heads.get(name)
    return section is not None and section.lexical and head.kind == "pair" and section.labels == head.labels

"""What the lexical part of a stance head is worth by itself: the folds or the dev part of run configs, in seconds.

Trains no encoder. Pairs are learnt from and held out as `rasid train` does it, and answered by the lexical part alone.

    RASID_DATA=/data python scripts/lexical_scores.py ans mawqif mawqif-targets austr unified-fc
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator

import numpy as np

from rasid.errors import ConfigError, RasidError
from rasid.lexical import Lexical
from rasid.train.config import Fold, RunConfig, load_run_config
from rasid.train.evaluation import score_labels
from rasid.train.finetune import resolve_heads
from rasid.train.folds import assign
from rasid.train.lexicalfit import fitted_part
from rasid.train.sources import GoldPair, read_pairs

HEAD = "stance"


def held_out(config: RunConfig) -> Iterator[tuple[RunConfig, list[GoldPair]]]:
    """What is learnt from, and the pairs that judge it: every fold of a cross-validation, or the dev parts."""
    labels = resolve_heads(config)[HEAD].labels
    folds = config.cross_validation.pairs if config.cross_validation else None
    if folds is None:
        yield config, [pair for source in config.evaluation.values() for pair in read_pairs(source, labels)]
        return
    source = config.sources[folds.source]
    count = max(assign(read_pairs(source, labels), Fold(by=folds.by, count=folds.count, seed=folds.seed))) + 1
    for number in range(count):
        fold = Fold(by=folds.by, count=folds.count, seed=folds.seed, number=number)
        parts = (source.model_copy(update={"fold": fold.model_copy(update={"held": held})}) for held in (False, True))
        learnt, judge = parts
        yield (
            config.model_copy(update={"sources": config.sources | {folds.source: learnt}}),
            read_pairs(judge, labels),
        )


def answers(config: RunConfig, pairs: list[GoldPair]) -> list[str]:
    """The label that the lexical part gives each pair; the first label where it knows nothing."""
    head = resolve_heads(config)[HEAD]
    if head.lexical is None:
        raise ConfigError(f"head {HEAD} has no lexical: true")
    weight, bias = (each.float().numpy() for each in fitted_part(config, HEAD, head, head.lexical))
    lexical = Lexical(weight, bias, head.lexical)
    said = [lexical.log_probs(gold.pair.target, gold.pair.passage) for gold in pairs]
    return [head.labels[0 if one is None else int(np.argmax(one))] for one in said]


def main() -> int:
    parser = argparse.ArgumentParser(description="Score the lexical part of a stance head alone.")
    parser.add_argument("configs", nargs="+", metavar="CONFIG", help="run configs with lexical: true")
    args = parser.parse_args()
    print("| config | pairs | macro-F1 | accuracy | by fold |\n|---|---|---|---|---|")
    for name in args.configs:
        config = load_run_config(name)
        sides = [label for label in resolve_heads(config)[HEAD].labels if label != "none"]
        parts = [([one.label for one in pairs], answers(learnt, pairs)) for learnt, pairs in held_out(config)]
        gold, said = ([label for part in parts for label in part[side]] for side in (0, 1))
        whole = score_labels(gold, said, sides)
        folds = ", ".join(f"{score_labels(*part, sides)['macro_f1']:.3f}" for part in parts)
        print(f"| {name} | {len(gold)} | {whole['macro_f1']:.3f} | {whole['accuracy']:.3f} | {folds} |", flush=True)
    return 0


if __name__ == "__main__":
    try:
        raise SystemExit(main())
    except RasidError as error:
        print(error, file=sys.stderr)
        raise SystemExit(2) from None

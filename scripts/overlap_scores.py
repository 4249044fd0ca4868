"""How much neighbouring windows have to share when a model is run: scores of long texts at several overlaps.

Sentences of an evaluation set of a `conll` reader are joined to texts of WORDS words, so that most are read in several
windows, and finished models of one config are scored on them. Pieces are what the encoder reads, overlaps included.

    python scripts/overlap_scores.py configs/anercorp.yaml anercorp runs/anercorp/seed-1 runs/anercorp/seed-2
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from rasid.encoding import windows
from rasid.errors import ConfigError, RasidError
from rasid.model import Loaded, load_model
from rasid.repair import read_words
from rasid.train.config import load_run_config
from rasid.train.exam import Exam, exam


def pieces(loaded: Loaded, texts: Sequence[str]) -> int:
    """What the encoder reads of some texts."""
    config, found = loaded.model.config, 0
    for text in texts:
        own = [word.of(text) for word in read_words(text, config.repair)]
        found += sum(len(row.ids) for row in windows(loaded.tokenizer, own, config.window, config.overlap))
    return found


def line(models: Sequence[Loaded], judge: Exam, overlap: int) -> str:
    """A row of the table: the scores of each model, by the set's first measure."""
    found = []
    for loaded in models:
        loaded.model.config.overlap = overlap
        found.append(next(iter(judge.score(loaded).values())))
    read = pieces(models[0], [gold.text for gold in judge.texts])
    return f"| {overlap} | {sum(found) / len(found):.3f} | {', '.join(f'{each:.3f}' for each in found)} | {read:,} |"


def main() -> int:
    parser = argparse.ArgumentParser(description="Score finished models at several overlaps of windows.")
    parser.add_argument("config", help="a run config")
    parser.add_argument("set", help="the name of one of its evaluation sets")
    parser.add_argument("models", nargs="+", help="model folders that the config has made")
    parser.add_argument("--join", type=int, default=900, metavar="WORDS", help="words of a text (default: 900)")
    parser.add_argument("--overlaps", type=int, nargs="+", default=[64, 32, 16, 0], metavar="PIECES")
    args = parser.parse_args()
    config = load_run_config(args.config)
    if args.set not in config.evaluation:
        raise ConfigError(f"{args.config}: no evaluation set {args.set!r}; it has {', '.join(config.evaluation)}")
    models = [load_model(name) for name in args.models]
    source = config.evaluation[args.set].model_copy(update={"join": args.join})
    judge = exam(source, models[0].model.config.named_heads[source.head])
    print("| overlap | F1 | by model | pieces read |\n|---|---|---|---|")
    for overlap in args.overlaps:
        print(line(models, judge, overlap), flush=True)
    return 0


if __name__ == "__main__":
    try:
        raise SystemExit(main())
    except RasidError as error:
        print(error, file=sys.stderr)
        raise SystemExit(2) from None

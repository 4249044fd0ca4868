"""Runs the table of pretraining experiments: each row a short `rasid pretrain`, then the probe, over two seeds.

    RASID_DATA=/data python scripts/pretraining_experiments.py --output runs/experiments [ROW ...]

Rows are departures from the base of `pretraining_experiments.yaml`, and read `text_share` of the mix's articles.
Finished rows are not run again, packed text is shared between rows that cut alike, and the table is printed as
Markdown. Times are not in it: rows may share a machine. `--prepare` makes the texts first, for rows side by side.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
from pathlib import Path
from typing import Any

import torch
import yaml

from rasid.config import load_config
from rasid.train.config import load_run_config
from rasid.train.finetune import fit
from rasid.train.pretrain import PretrainConfig, prepare, pretrain

TABLE = Path(__file__).with_suffix(".yaml")
SHARED = ("tokenizer.json", "tokenizer_config.json", "tokens.bin")
MADE_OF = ("text", "vocabulary", "tokenizer_share", "folded")  # what those files are a function of


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rows", nargs="*", metavar="ROW", help="rows to run (default: all)")
    parser.add_argument("--output", type=Path, default=Path("runs/experiments"))
    parser.add_argument("--prepare", action="store_true", help="tokenizers and packed texts only")
    parser.add_argument("--seeds", type=int, default=2, help="probe seeds")
    parser.add_argument("--table", type=Path, default=TABLE)
    parser.add_argument("--probe", default="probe", metavar="CONFIG", help="run config that scores an encoder")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="departures for every row")
    return parser.parse_args()


def row_config(table: dict[str, Any], row: str, args: argparse.Namespace) -> PretrainConfig:
    overrides = [f"{key}={json.dumps(value)}" for key, value in (table["base"] | table["rows"][row]).items()]
    config = load_config(PretrainConfig, table["config"], [*overrides, *args.set, f"output={args.output / row}"])
    return config.model_copy(update={"text": config.text.shared(table.get("text_share", 1.0))})


def share_text(config: PretrainConfig, output: Path) -> None:
    """Links the packed text of an earlier row that cuts the same text alike into this one's folder, or makes it."""
    wanted = config.model_dump(mode="json", include=set(MADE_OF))
    for other in sorted(output.glob("*/config.yaml")):
        tree = yaml.safe_load(other.read_text(encoding="utf-8"))
        same = all(tree[key] == value for key, value in wanted.items())
        if same and (other.parent / SHARED[-1]).is_file() and other.parent != config.output:
            config.output.mkdir(parents=True, exist_ok=True)
            for name in SHARED:
                if not (config.output / name).exists():
                    os.link(other.parent / name, config.output / name)
            return
    prepare(config)


def probe(config: str, encoder: Path, seed: int) -> float:
    """Lenient micro-F1 of the probe with one seed."""
    overrides = [f"encoder={encoder}", f"training.seed={seed}", f"output={encoder.parent / 'probe'}"]
    return fit(load_run_config(config, overrides), encoder.parent / "probe").metrics["dev_lenient_f1"]


def run_row(table: dict[str, Any], row: str, args: argparse.Namespace) -> dict[str, Any]:
    """The row's result, from its file when it is there."""
    config = row_config(table, row, args)
    done = config.output / "result.json"
    if not done.is_file():
        share_text(config, args.output)
        encoder = config.output / "encoder"
        if not encoder.is_dir():
            pretrain(config)
            torch.compiler.reset()  # the next row's shapes are its own
        last = json.loads((config.output / "curve.jsonl").read_text(encoding="utf-8").splitlines()[-1])
        scores = [probe(args.probe, encoder, seed) for seed in range(1, args.seeds + 1)]
        done.write_text(json.dumps({"held_out": last["held_out"], "tokens": last["tokens"], "probe": scores}))
    result: dict[str, Any] = json.loads(done.read_text(encoding="utf-8"))
    return result


def print_table(results: dict[str, dict[str, Any]]) -> None:
    print("| row | tokens | held-out loss, nats | probe F1 | by seed |")
    print("|---|---|---|---|---|")
    for row, result in results.items():
        scores = result["probe"]
        by_seed = ", ".join(f"{score:.3f}" for score in scores)
        mean, tokens = statistics.mean(scores), result["tokens"] / 1e6
        print(f"| {row} | {tokens:.1f} M | {result['held_out']:.3f} | {mean:.3f} | {by_seed} |")


def main() -> None:
    args = parse()
    table = yaml.safe_load(args.table.read_text(encoding="utf-8"))
    rows = args.rows or list(table["rows"])
    if args.prepare:
        for row in rows:
            share_text(row_config(table, row, args), args.output)
        return
    print_table({row: run_row(table, row, args) for row in rows})


if __name__ == "__main__":
    main()

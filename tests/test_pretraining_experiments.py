"""The runner of pretraining experiments, with a table and a probe of a few sentences."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import yaml

from .conftest import SENTENCES  # type: ignore[import-not-found]

SCRIPT = Path(__file__).parents[1] / "scripts/pretraining_experiments.py"


def material(folder: Path) -> list[str]:
    """Text, a base config, a table of two rows and a probe; returns the script's arguments."""
    rows = [{"id": str(i), "text": SENTENCES[i % len(SENTENCES)]} for i in range(200)]
    (folder / "text.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    shape = {"layers": 1, "hidden": 16, "heads": 2, "intermediate": 16, "positions": 64}
    base = {
        "text": {"folder": str(folder), "sources": [{"file": "text.jsonl"}]},
        "output": "unused",
        "budget": {"tokens": 256},
        "vocabulary": 200,
        "encoder": shape,
        "stages": [{"length": 16}],
        "batch_tokens": 64,
        "held_out": 8,
        "compile": False,
        "warm_start": None,
    }
    (folder / "base.yaml").write_text(yaml.safe_dump(base), encoding="utf-8")
    table = {
        "config": str(folder / "base.yaml"),
        "base": {"seed": 3},
        "rows": {"plain": {}, "piece": {"masking": "piece"}},
    }
    (folder / "table.yaml").write_text(yaml.safe_dump(table), encoding="utf-8")
    (folder / "train.tsv").write_text("محمد\tB-PERS\nقال\tO\n\nفي\tO\nدمشق\tB-LOC\n", encoding="utf-8")
    part = {"head": "ner", "reader": "conll", "path": str(folder / "train.tsv")}
    probe = {
        "encoder": "unused",
        "output": "unused",
        "window": 40,
        "overlap": 8,
        "pair_window": 32,
        "heads": {"ner": {"kind": "tokens", "inventory": "anercorp"}},
        "sources": {"train": part},
        "evaluation": {"dev": part},
        "training": {"num_train_epochs": 1, "save_strategy": "no", "eval_strategy": "no"},
    }
    (folder / "probe.yaml").write_text(yaml.safe_dump(probe), encoding="utf-8")
    places = ["--table", folder / "table.yaml", "--probe", folder / "probe.yaml", "--output", folder / "runs"]
    return [*map(str, places), "--seeds", "1"]


def run(arguments: list[str]) -> str:
    done = subprocess.run([sys.executable, SCRIPT, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_rows_share_their_text_and_are_run_once(tmp_path: Path) -> None:
    arguments = material(tmp_path)
    table = run(arguments)
    assert "| plain | 0.0 M | " in table
    runs = tmp_path / "runs"
    assert (runs / "plain" / "tokens.bin").stat().st_ino == (runs / "piece" / "tokens.bin").stat().st_ino
    assert yaml.safe_load((runs / "piece" / "config.yaml").read_text())["masking"] == "piece"
    held = json.loads((runs / "plain" / "result.json").read_text())
    (runs / "plain" / "result.json").write_text(json.dumps(held | {"held_out": 1.25}))
    assert "| plain | 0.0 M | 1.250 |" in run(arguments)  # finished rows are read, not run

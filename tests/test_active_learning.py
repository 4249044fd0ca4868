"""The simulation of annotation by rounds: a tiny one from end to end, its resumption, the words that it reads off."""

from __future__ import annotations

import importlib.util
import json
import math
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest
import yaml

SCRIPT = Path(__file__).parents[1] / "scripts/active_learning.py"
PEOPLE = ("سامر", "هدى", "كريم", "ليلى", "نادر", "منى")
PLACES = ("بيروت", "دمشق", "عمان", "تونس")


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("active_learning", SCRIPT)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


def plan(folder: Path, encoder: Path) -> Path:
    """Sixty sentences of five words, every fifth block of three to judge by; one seed, three rounds, two strategies."""
    sentences = []
    for number in range(60):
        person, place = PEOPLE[number % len(PEOPLE)], PLACES[number // 3 % len(PLACES)]
        sentences.append(f"وصل\tO\n{person}\tB-PERS\nإلى\tO\n{place}\tB-LOC\nأمس\tO\n")
    (folder / "train.tsv").write_text("\n".join(sentences), encoding="utf-8")
    part = {
        "head": "ner",
        "reader": "conll",
        "path": str(folder / "train.tsv"),
        "blocks": {"size": 3, "every": 5, "offset": 4},
    }
    run = {
        "encoder": str(encoder),
        "output": "unused",
        "window": 64,
        "overlap": 16,
        "heads": {"ner": {"kind": "tokens", "inventory": "anercorp"}},
        "sources": {"train": part | {"part": "train"}},
        "evaluation": {"dev": part | {"part": "dev"}},
    }
    (folder / "run.yaml").write_text(yaml.safe_dump(run), encoding="utf-8")
    settings = {
        "config": str(folder / "run.yaml"),
        "output": str(folder / "out"),
        "block": 3,
        "rounds": [30, 60, 90],
        "strategies": ["random", "both"],
        "seeds": [1],
        "epochs": 1,
        "least_words": 100,
    }
    (folder / "plan.yaml").write_text(yaml.safe_dump(settings), encoding="utf-8")
    return folder / "plan.yaml"


def run(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(SCRIPT), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, env={**os.environ, "PYTHONIOENCODING": "utf-8"})


def test_a_simulation_from_end_to_end_and_again(tiny_encoder: Path, tmp_path: Path) -> None:
    settings = plan(tmp_path, tiny_encoder)
    assert "no seed has all its rounds yet" in run("--plan", settings, "--report-only").stderr
    done = run("--plan", settings)
    assert done.returncode == 0, done.stderr
    trials = {path.stem: json.loads(path.read_text()) for path in (tmp_path / "out/trials/seed-1").glob("*.json")}
    assert sorted(trials) == ["both-60", "both-90", "first-30", "full-240", "random-60", "random-90"]
    first, both, last = trials["first-30"], trials["both-60"], trials["both-90"]
    assert both["blocks"] == first["blocks"] + first["next"]["both"]  # every round keeps what was annotated before
    assert last["blocks"] == both["blocks"] + both["next"]["both"]
    assert len(set(last["blocks"])) == 6
    assert "\n| both " in (tmp_path / "out/report.md").read_text()
    assert (tmp_path / "out/curve.svg").read_text().startswith("<?xml")

    (tmp_path / "out/trials/seed-1/random-90.json").unlink()
    again = run("--plan", settings)
    assert [line.split()[2] for line in again.stdout.splitlines() if line.startswith("seed 1 ")] == ["random"]
    assert (tmp_path / "out/trials/seed-1/random-90.json").is_file()


def test_words_needed_are_read_between_rounds(script: ModuleType) -> None:
    assert script.needed([10, 20, 40], [0.2, 0.4, 0.6], 0.5) == pytest.approx(30)
    assert script.needed([10, 20, 40], [0.2, 0.4, 0.6], 0.1) == 10
    assert script.needed([10, 20, 40], [0.2, 0.4, 0.6], 0.7) == math.inf
    # One lucky round is no crossing: 0.6 and 0.2 are taken together, as 0.4.
    assert script.needed([10, 20, 30, 40], [0.2, 0.6, 0.2, 0.8], 0.5) == pytest.approx(32.5)


def test_intervals_are_students(script: ModuleType) -> None:
    mean = script.Mean.of([1.0, 2.0, 3.0])
    assert (mean.value, mean.low, mean.high) == pytest.approx(
        (2.0, 2 - 4.302653 / 3**0.5, 2 + 4.302653 / 3**0.5), abs=1e-5
    )
    assert script.Mean.of([0.5]) == script.Mean(0.5, 0.5, 0.5)

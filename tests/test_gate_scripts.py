"""The scripts about gates: held-out predictions, false alarms, a planted regression, the speed of a report."""

from __future__ import annotations

import json
import re
import runpy
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import yaml

from rasid.errors import DataError
from rasid.gate import Gate, load_gate
from rasid.labels import WOJOOD
from rasid.model import load_model
from rasid.records import read_records

ROOT = Path(__file__).parents[1]


def run_script(name: str, *arguments: object) -> str:
    shown = subprocess.run(
        [sys.executable, str(ROOT / name), *map(str, arguments)], capture_output=True, text=True, timeout=300, cwd=ROOT
    )
    assert shown.returncode == 0, shown.stderr
    return shown.stdout


def test_held_out_reads_every_article_with_its_own_model(tiny_model: Path, tmp_path: Path) -> None:
    texts = {"one-a": "وصل وفد من الأمم المتحدة إلى العاصمة.", "two": "قال رئيس البلدية سامر الحداد إن المشروع كلف."}
    for doc, text in texts.items():
        (tmp_path / f"{doc}.txt").write_text(text, encoding="utf-8")
        for seed in (1, 12):
            if (doc, seed) != ("two", 12):  # an unfinished seed is left out
                shutil.copytree(tiny_model, tmp_path / "run" / f"fold-{doc}-{seed}")
    output = tmp_path / "out"
    printed = run_script("scripts/held_out.py", tmp_path / "run", "--texts", tmp_path, "--output", output)
    assert json.loads(printed)["seed"] == 1
    assert [path.name for path in output.iterdir()] == ["seed-1.jsonl"]
    records = [record for _, record in read_records(output / "seed-1.jsonl")]
    assert [record.doc for record in records] == ["one-a", "two"]
    assert [record.model.name for record in records if record.model] == ["fold-one-a-1", "fold-two-1"]


def test_false_alarms_are_counted_and_a_planted_regression_is_caught() -> None:
    files = sorted((ROOT / "docs/reports/seeds-cv/held-out").glob("*.jsonl"))[:2]
    printed = run_script("scripts/false_alarms.py", *files, "--plant", "GPE", "--mixed", 2)
    assert "pairs put together from folds that fail: 0 of 2" in printed
    assert re.search(
        r"^ordered pairs of seeds that fail: 0 of 2 \(0\.0%; 95 % 0\.0% to 84\.2%\)$", printed, re.MULTILINE
    )
    assert printed.splitlines()[-1] == "| GPE | 157 | 2 of 2 | 2 |"


def test_a_planted_regression_zeroes_one_type_and_nothing_else(tiny_model: Path, tmp_path: Path) -> None:
    zero = runpy.run_path(str(ROOT / "scripts/planted_regression.py"))["zero"]
    zero(tiny_model, "ORG", tmp_path / "planted")
    before, after = (load_model(str(each)).model.state_dict() for each in (tiny_model, tmp_path / "planted"))
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed == {"heads.entities.output.weight", "heads.entities.output.bias"}
    rows = range(3 * WOJOOD.index("ORG"), 3 * WOJOOD.index("ORG") + 3)
    for name in changed:
        differ = {n for n in range(len(before[name])) if not torch.equal(before[name][n], after[name][n])}
        assert differ
        assert differ <= set(rows)  # some biases were nought before
        assert not after[name][rows.start : rows.stop].any()
    with pytest.raises(DataError, match="does not know 'ORGS'"):
        zero(tiny_model, "ORGS", tmp_path / "none")


@pytest.mark.skipif(not hasattr(__import__("os"), "wait4"), reason="no wait4 here")
def test_a_report_of_many_articles_stays_small_and_quick() -> None:
    """At full size: python scripts/report_speed.py --articles 10000"""
    printed = run_script("scripts/report_speed.py", "--articles", 60, "--seconds", 120, "--mib", 600)
    assert re.match(r"60 articles, \d+ gold entities: [\d.]+ s \([\d.]+ s of CPU\), peak \d+ MiB", printed)


def test_the_gate_of_the_repository_and_those_in_the_docs_are_read(tmp_path: Path) -> None:
    assert load_gate(ROOT / "gate.yaml").needs_baseline
    page = (ROOT / "docs/gates.md").read_text(encoding="utf-8")
    example, workflow = re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)
    assert Gate.model_validate(yaml.safe_load(example)).regressions
    steps = yaml.safe_load(workflow)["jobs"]["gate"]["steps"]
    assert any("--gate gate.yaml" in step.get("run", "") for step in steps)


def test_ci_holds_the_stored_predictions_against_the_gate() -> None:
    shown = subprocess.run(["make", "--dry-run", "--always-make", "test"], cwd=ROOT, capture_output=True, text=True)
    assert "--gate gate.yaml --baseline docs/reports/seeds-cv" in shown.stdout
    for goal in ("gate", "report"):
        dry = subprocess.run(["make", "--dry-run", goal], cwd=ROOT, capture_output=True, text=True)
        assert dry.returncode == 0
        assert "scripts/held_out.py" in dry.stdout

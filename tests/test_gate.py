"""Gate files: what they may hold, what they decide, and how a failure is told."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
import yaml
from jsonschema import Draft202012Validator

from rasid.cli import main
from rasid.counts import Counts, Figure
from rasid.errors import ConfigError, DataError
from rasid.gate import Floor, Gate, SliceLimit, load_gate
from rasid.gating import Baseline, Evidence, Verdict, judge, render
from rasid.junit import junit
from rasid.reliability import reliability
from rasid.schemas import gates_schema
from rasid.slices import Robustness, SliceScore
from rasid.uncertainty import Estimate, paired

NESTED, TYPE = "entities, nested, strict", "of which ORG"


def write_gate(folder: Path, tree: object) -> Path:
    path = folder / "gate.yaml"
    path.write_text(yaml.safe_dump(tree, sort_keys=False), encoding="utf-8")
    return path


def strict(correct: float) -> list[float]:
    """A row of ten gold and ten predicted entities, `correct` of them right."""
    return [correct, 0, 0, 0, 10 - correct, 10 - correct]


def counts(correct: Sequence[float], org: Sequence[float] | None = None) -> Counts:
    docs = tuple(f"a{number}" for number in range(len(correct)))
    rows = [strict(each) for each in correct]
    of_type = [[each, 10.0, each, 10.0] for each in (org or correct)]
    return Counts(docs, {NESTED: Figure("strict F1", rows), TYPE: Figure("F1", of_type)})


def gate_of(**sections: Any) -> Gate:
    return Gate.model_validate(sections)


def verdict_of(gate: Gate, new: Counts, base: Counts | None = None) -> list[Verdict]:
    return list(judge(gate, Evidence([new]), Baseline(base) if base else None, "gate.yaml"))


# The file


def test_a_gate_file_is_read_with_its_short_forms(tmp_path: Path) -> None:
    tree = {
        "minimum": {"articles": 5, "gold": {NESTED: 100}},
        "floors": {NESTED: 0.5, TYPE: {"value": 0.4, "low": 0.3}},
        "regressions": {"allowed": {NESTED: 0, "of which *": 2.5}},
        "slices": {"tatweel": 3, "digits": {"f1": 0.4}},
        "calibration": {"entities": 0.1},
    }
    gate = load_gate(write_gate(tmp_path, tree))
    assert gate.floors == {NESTED: Floor(value=0.5), TYPE: Floor(value=0.4, low=0.3)}
    assert gate.slices == {"tatweel": SliceLimit(loss=3), "digits": SliceLimit(f1=0.4)}
    assert gate.regressions is not None
    assert (gate.regressions.level, gate.regressions.allowed[TYPE[:8] + " *"]) == (0.05, 2.5)
    assert gate.needs_baseline
    assert not load_gate(write_gate(tmp_path, {"floors": {NESTED: 0.5}})).needs_baseline


@pytest.mark.parametrize(
    ("tree", "message"),
    [
        ({"floor": {NESTED: 0.5}}, r"gate\.yaml: unknown key 'floor'; did you mean 'floors'\?"),
        ({"floors": {NESTED: {"lo": 0.5}}}, r"unknown key .*lo'; did you mean 'low'\?"),
        ({"regressions": {"levle": 0.1, "allowed": {NESTED: 1}}}, r"unknown key 'regressions.levle'; .*'level'"),
        ({"floors": {NESTED: 60}}, r"floors.*less than or equal to 1, got 60"),
        ({"floors": {NESTED: {}}}, "a floor needs a value, a low or both"),
        ({"slices": {"tatweel": {}}}, "a slice needs a loss, an f1 or both"),
        ({"regressions": {}}, "regressions.allowed: required, and missing"),
        ({"regressions": {"allowed": {NESTED: -1}}}, "greater than or equal to 0"),
        ({"calibration": {"entities": "low"}}, "calibration.entities: "),
        ({}, "a gate file that demands nothing"),
        ([1], "a config is a mapping"),
    ],
)
def test_what_a_gate_file_cannot_hold_is_named(tree: object, message: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=message) as error:
        load_gate(write_gate(tmp_path, tree))
    assert "\n" not in str(error.value)


def test_a_gate_file_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none\.yaml: cannot be read"):
        load_gate(tmp_path / "none.yaml")


# Verdicts


def test_floors_are_on_the_value_and_on_the_low_end() -> None:
    new = counts([8, 8, 8, 2])
    low = Figure("strict F1", new.figures[NESTED].rows).estimate().low
    gate = gate_of(floors={NESTED: {"value": 0.65, "low": low + 0.01}, TYPE: 0.66})
    kept, end, lost = verdict_of(gate, new)
    assert (kept.status, kept.found, kept.why) == ("passed", pytest.approx(0.65), "")
    assert (end.status, end.figure) == ("failed", f"{NESTED}, low end of the interval")
    assert end.found == pytest.approx(low)
    assert lost.status == "failed"
    assert lost.line == "gate failed: floor: of which ORG: 0.650 is below 0.660"


def test_of_several_runs_a_floor_is_on_the_mean() -> None:
    runs = [counts([8] * 4), counts([6] * 4)]
    gate = gate_of(floors={NESTED: 0.7, TYPE: 0.71})
    first, second = judge(gate, Evidence(runs), None, "gate.yaml")
    assert (first.status, first.found) == ("passed", pytest.approx(0.7))
    assert second.status == "failed"


def test_a_regression_counts_only_where_the_paired_test_calls_it_real() -> None:
    gate = gate_of(regressions={"allowed": {NESTED: 1}})
    base = counts([8] * 30)
    (everywhere,) = verdict_of(gate, counts([6] * 30), base)
    assert everywhere.status == "failed"
    assert everywhere.found == pytest.approx(20.0)
    assert "0.800 to 0.600" in everywhere.why
    assert "30 articles, 30 of them changed" in everywhere.why
    (once,) = verdict_of(gate, counts([0, 0] + [8] * 28), base)
    assert once.found == pytest.approx(100 * 16 / 300)
    assert (
        paired(base.figures[NESTED].rows, [strict(0), strict(0)] + [strict(8)] * 28, Figure("strict F1", ()).of).p
        > 0.05
    )
    assert once.status == "not shown"
    assert "may be chance" in once.why
    (small,) = verdict_of(gate, counts([7.95] * 30), base)  # real, but within what is allowed
    assert (small.status, small.why) == ("passed", "")
    (better,) = verdict_of(gate, counts([9] * 30), base)
    assert (better.status, better.found) == ("passed", pytest.approx(-10.0))


def test_many_figures_share_one_chance_of_a_false_alarm() -> None:
    base_rows = [7.0] * 40
    new_rows = [6.0] * 10 + [8.0] * 2 + [7.0] * 28  # ten against two of twelve: p = 2 * 79 / 2**12 = 0.039
    base, new = counts(base_rows, [5] * 40), counts(new_rows, [5] * 40)
    (alone,) = verdict_of(gate_of(regressions={"allowed": {NESTED: 0}}), new, base)
    assert alone.status == "failed"
    more = {f"of which {number}": Figure("F1", new.figures[TYPE].rows) for number in range(9)}
    wide = [Counts(each.docs, each.figures | more) for each in (new, base)]
    both = verdict_of(gate_of(regressions={"allowed": {NESTED: 0, "of which *": 0}}), *wide)
    assert len(both) == 11
    assert both[0].status == "not shown"  # 0.039 among eleven is no news


def test_a_name_stands_over_a_pattern() -> None:
    gate = gate_of(regressions={"allowed": {TYPE: 30, "*": 1}})
    found = {each.figure: each for each in verdict_of(gate, counts([6] * 30), counts([8] * 30))}
    assert (found[NESTED].status, found[TYPE].status) == ("failed", "passed")
    assert found[TYPE].limit == 30


def test_few_articles_are_compared_by_passage_where_there_are_counts() -> None:
    gate = gate_of(regressions={"allowed": {NESTED: 1}})
    base, new = counts([80 / 10] * 5), counts([6] * 5)
    (by_article,) = judge(gate, Evidence([new]), Baseline(base), "gate.yaml")
    assert by_article.status == "not shown"  # five articles cannot give a p below 0.0625
    passages = Baseline(base, counts([8] * 30))
    (by_passage,) = judge(gate, Evidence([new], [counts([6] * 30)]), passages, "gate.yaml")
    assert by_passage.status == "failed"
    assert "30 passages" in by_passage.why
    with pytest.raises(ConfigError, match=r"baseline has no counts-passages\.json"):
        judge(gate, Evidence([new], [counts([6] * 30)]), Baseline(base), "gate.yaml")


def test_minimum_data() -> None:
    gate = gate_of(
        minimum={
            "articles": 31,
            "gold": {NESTED: 300, TYPE: 301},
            "detectable": {NESTED: 0.1},
            "answers": {"entities": 9},
        }
    )
    rng = np.random.default_rng(1)
    base, new = (counts(rng.integers(4, 9, 30).tolist()) for _ in range(2))
    scores = {"entities": reliability([0.9] * 8, [True] * 8, range(8))}
    found = judge(gate, Evidence([new], scores=scores), Baseline(base), "gate.yaml")
    assert [each.status for each in found] == ["failed", "passed", "failed", "failed", "failed"]
    assert [each.why for each in found][:4:2] == ["30 is below 31", "300 is below 301"]
    assert "would show in 4 of 5 cases" in found[-1].why


def test_calibration_and_slices_have_limits_from_above() -> None:
    scores = {"entities": reliability([0.9] * 100, [True] * 60 + [False] * 40, list(range(100)))}
    loss = SliceScore(Estimate(0.6, 0.5, 0.7), Estimate(7.5, 5.0, 9.0), 0.5)
    clean = Estimate(0.7, 0.6, 0.8)
    slices = {"nested": Robustness("", "articles", 30, (0,), clean, {"lost_spaces": loss})}
    gate = gate_of(calibration={"entities": 0.1}, slices={"lost_spaces": {"loss": 5, "f1": 0.6}})
    loss_found, f1, ece = judge(gate, Evidence([counts([5] * 3)], scores=scores, slices=slices), None, "gate.yaml")
    assert (loss_found.status, f1.status, ece.status) == ("failed", "passed", "failed")
    assert "costs 7.5 points of F1 (5.0 to 9.0), 5 allowed" in loss_found.why
    assert "ECE 0.300 is above 0.100" in ece.why
    with pytest.raises(ConfigError, match="add --slices"):
        judge(gate, Evidence([counts([5] * 3)], scores=scores), None, "gate.yaml")
    with pytest.raises(ConfigError, match="no 'lost spaces'; did you mean 'lost space'"):
        judge(
            gate,
            Evidence([counts([5])], slices={"nested": Robustness("", "", 1, (), clean, {"lost_space": loss})}),
            None,
            "gate.yaml",
        )


@pytest.mark.parametrize(
    ("sections", "message"),
    [
        ({"floors": {"entities, nested, strikt": 0.1}}, "gate.yaml: floors: .*'entities, nested, strict'"),
        ({"regressions": {"allowed": {"entites": 1}}}, r"gate.yaml: regressions.allowed: this report has no 'entites'"),
        ({"regressions": {"allowed": {"of wich *": 1}}}, "no figure of this report is like 'of wich [*]'"),
        ({"minimum": {"gold": {"x": 1}}}, "gate.yaml: minimum.gold: "),
        ({"calibration": {"entities": 0.1}}, "gate.yaml: calibration: this report has no 'entities'"),
    ],
)
def test_a_figure_that_is_not_there_is_a_users_mistake(sections: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        verdict_of(gate_of(**sections), counts([5] * 3), counts([5] * 3))


def test_a_baseline_of_other_articles_is_refused() -> None:
    with pytest.raises(DataError, match="not of the same articles"):
        verdict_of(gate_of(regressions={"allowed": {NESTED: 1}}), counts([5] * 3), counts([5] * 4))


# How it is told

VERDICTS = (
    Verdict("floor", NESTED, "share", 0.7, 0.6, "passed"),
    Verdict("regression", "of which <ORG> & \x00", "points", 9.0, 1.0, "failed", 'lost "9.0" points'),
    Verdict("regression", "of which EVENT", "points", 5.0, 1.0, "not shown", "may be chance"),
)


def test_the_table_begins_with_what_failed() -> None:
    lines = render(VERDICTS).splitlines()
    assert lines[0] == "3 gates, 1 failed."
    assert [line.split("|")[5].strip() for line in lines[4:]] == ["failed", "not shown", "passed"]
    assert render(VERDICTS[:1]).startswith("All 1 gates passed.")


def test_junit_has_the_shape_that_ci_reads() -> None:
    """The rules of the schema that Jenkins and Surefire go by: names, required attributes, counts that add up."""
    root = ElementTree.fromstring(junit(VERDICTS, 1.5))
    assert root.tag == "testsuites"
    (suite,) = root
    assert suite.tag == "testsuite"
    for node in (root, suite):
        assert {key: node.get(key) for key in ("tests", "failures", "errors", "skipped")} == {
            "tests": "3",
            "failures": "1",
            "errors": "0",
            "skipped": "1",
        }
        assert float(node.get("time", "")) == 1.5
        assert node.get("name")
    assert [case.tag for case in suite] == ["testcase"] * 3
    assert all({"classname", "name", "time"} == case.attrib.keys() for case in suite)
    assert [case.get("classname") for case in suite] == ["rasid.gates.floor", *["rasid.gates.regression"] * 2]
    assert [[child.tag for child in case] for case in suite] == [[], ["failure"], ["skipped"]]
    failure = suite[1][0]
    assert failure.get("type") == "regression"
    assert failure.get("message") == 'lost "9.0" points'
    assert failure.text == f'gate failed: regression: {suite[1].get("name")}: lost "9.0" points'
    assert suite[1].get("name") == "of which <ORG> & \N{REPLACEMENT CHARACTER}"


# The command, on the gold articles of the checkout

ROOT = Path(__file__).parents[1]


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    """good.jsonl, the gold as predictions with scores; bad.jsonl, the same without any ORG."""
    good, bad = [], []
    for path in sorted((ROOT / "annotations").glob("*.json")):
        tree = json.loads(path.read_text(encoding="utf-8"))
        for entity in tree["entities"]:
            entity["score"] = 0.98
        good.append(json.dumps(tree, ensure_ascii=False))
        kept = [entity for entity in tree["entities"] if entity["type"] != "ORG"]
        names = {entity["cluster"] for entity in kept}
        stances = [each for each in tree["stances"] if each["target"] in names]
        for each in stances:
            each["holder"] = each.get("holder", "author") if each.get("holder") in names else "author"
        unique = {(each["target"], str(each["scope"]), each["holder"]): each for each in stances}
        clusters = [each for each in tree["clusters"] if each["id"] in names]
        tree |= {"entities": kept, "clusters": clusters, "stances": list(unique.values())}
        bad.append(json.dumps(tree, ensure_ascii=False))
    (tmp_path / "good.jsonl").write_text("\n".join(good), encoding="utf-8")
    (tmp_path / "bad.jsonl").write_text("\n".join(bad), encoding="utf-8")
    return tmp_path


def run(folder: Path, *predictions: str, **options: Path) -> int:
    words = ["evaluate", "--gold", str(ROOT / "annotations"), "--seeds", str(ROOT / "seeds")]
    words += ["--predictions", *(str(folder / name) for name in predictions)]
    words += [word for name, value in options.items() for word in (f"--{name}", str(value))]
    return main(words)


def test_a_lost_type_fails_its_gate_and_the_same_run_does_not(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    gate = write_gate(
        runs,
        {
            "floors": {NESTED: 0.9},
            "regressions": {"allowed": {NESTED: 1, "of which *": 5}},
            "calibration": {"entities": 0.05},
        },
    )
    base, report, out = runs / "base", runs / "report", runs / "junit.xml"
    assert run(runs, "good.jsonl", report=base) == 0
    assert (base / "counts-passages.json").is_file()
    capsys.readouterr()
    assert run(runs, "good.jsonl", gate=gate, baseline=base, junit=out) == 0
    told = capsys.readouterr()
    assert "gates passed." in told.out
    assert told.err == ""
    summary = runs / "summary.md"
    assert run(runs, "bad.jsonl", gate=gate, baseline=base, report=report, junit=out, summary=summary) == 1
    told = capsys.readouterr()
    lines = told.err.splitlines()
    assert all(line.startswith("rasid: gate failed: ") for line in lines)
    assert any(line.startswith(f"rasid: gate failed: regression: {NESTED}: lost ") for line in lines)
    assert any(line.startswith("rasid: gate failed: regression: of which ORG: lost 100.0 points") for line in lines)
    assert not any("of which PERS" in line for line in lines)
    assert len(ElementTree.parse(out).findall(".//failure")) == len(lines)
    tree = json.loads((report / "gates.json").read_text(encoding="utf-8"))
    Draft202012Validator(gates_schema()).validate(tree)
    assert tree["passed"] is False
    assert sum(each["status"] == "failed" for each in tree["gates"]) == len(lines)
    page = (report / "report.md").read_text(encoding="utf-8")
    assert f"gates, {len(lines)} failed." in page
    assert summary.read_text(encoding="utf-8") == f"{page}\n"


def test_several_runs_are_held_against_the_baseline_of_several(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    gate = write_gate(
        runs, {"floors": {NESTED: 0.9}, "regressions": {"allowed": {NESTED: 1}}, "calibration": {"entities": 0.05}}
    )
    base = runs / "base"
    assert run(runs, "good.jsonl", "good.jsonl", report=base) == 0
    assert (base / "runs.json").is_file()
    assert run(runs, "good.jsonl", "good.jsonl", "good.jsonl", gate=gate, baseline=base) == 0
    assert run(runs, "good.jsonl", "bad.jsonl", "bad.jsonl", gate=gate, baseline=base) == 1
    assert "gate failed: regression" in capsys.readouterr().err


def test_gate_options_that_cannot_be_are_exit_code_2(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    gate = write_gate(runs, {"regressions": {"allowed": {NESTED: 1}}}).rename(runs / "first.yaml")
    slices = write_gate(runs, {"slices": {"tatweel": 1}})
    for options, message in (
        ({"baseline": runs}, "--baseline is for gates: give --gate FILE as well"),
        ({"junit": runs / "x.xml"}, "--junit is for gates"),
        ({"gate": gate}, "regressions and minimum.detectable need a baseline: give --baseline DIR"),
        ({"gate": gate, "baseline": runs / "none"}, "counts.json: cannot be read"),
        ({"gate": slices}, "without --slices"),
    ):
        assert run(runs, "good.jsonl", **options) == 2
        err = capsys.readouterr().err
        assert message in err
        assert err.count("\n") == 1

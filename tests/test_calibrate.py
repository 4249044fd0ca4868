"""Calibration of a run's heads: what is fitted on what, what is kept, and the command that carries it over."""

from __future__ import annotations

import argparse
import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from rasid.calibration import Calibration
from rasid.errors import ConfigError, ModelError
from rasid.labels import STANCES
from rasid.model import load_model
from rasid.text import Span
from rasid.train import calibrate as module
from rasid.train.calibrate import fit_classes, fit_spans, read_calibrations, run_calibrate, span_trials
from rasid.train.calibrators import ClassTrials
from rasid.train.evaluation import Scored
from rasid.train.sources import Typed

NONE = STANCES.index("none")


def test_a_trial_for_every_predicted_span() -> None:
    a, b, c = Typed(Span(0, 3), "ORG"), Typed(Span(4, 8), "GPE"), Typed(Span(4, 8), "PERS")
    found = span_trials([[a, b], []], [[Scored(a, 0.9), Scored(c, 0.4)], [Scored(b, 0.7)]], [3, 5])
    assert found.scores.tolist() == [0.9, 0.4, 0.7]
    assert found.right.tolist() == [True, False, False]
    assert found.groups.tolist() == [3, 3, 5]
    assert found.types.tolist() == ["ORG", "PERS", "GPE"]
    assert len(span_trials([[a]], [[]], [0])) == 0


def trials(size: int, articles: int = 5) -> ClassTrials:
    """A head that says `against` with little behind it where it is wrong, and surely where it is right."""
    generator = np.random.default_rng(0)
    sure = generator.random(size) < 0.5
    rows = np.where(sure[:, None], [0.05, 0.9, 0.05], [0.2, 0.45, 0.35])
    gold = np.where(sure, STANCES.index("against"), NONE)
    return ClassTrials(rows, gold, np.arange(size) % articles)


def test_a_least_probability_is_kept_where_it_helps_on_other_articles() -> None:
    fit = fit_classes(trials(200), STANCES, "the test")
    assert fit is not None
    assert 0.45 < fit.calibration.least <= 1.0
    assert fit.calibration.fitted_on == "the test"
    assert "| calibrated, with a least probability |    0.500 |    1.000 |" in fit.page  # favor never occurs: half
    same = trials(200)
    always = ClassTrials(same.probabilities, np.full(200, STANCES.index("against")), same.groups)
    fit = fit_classes(always, STANCES, "the test")
    assert fit is not None
    assert fit.calibration.least == 0.0  # abstaining only loses


def test_a_fit_that_does_worse_on_other_articles_is_not_kept() -> None:
    """Sure of itself to the same degree, right nearly always in one half of the articles and hardly in the other."""
    count = 400
    groups = np.arange(count) % 2
    right = np.where(groups == 0, np.arange(count) % 20 > 0, np.arange(count) % 20 > 8)
    rows = np.tile([0.1, 0.8, 0.1], (count, 1))
    gold = np.where(right, STANCES.index("against"), STANCES.index("favor"))
    fit = fit_classes(ClassTrials(rows, gold, groups), STANCES, "the test")
    assert fit is not None
    assert fit.calibration.changes_nothing
    assert (fit.calibration.fitted_on, fit.calibration.answers) == ("the test", count)
    assert fit.calibrated == fit.raw
    alike = np.tile([0.1, 0.8, 0.1], (count, 1)), np.where(np.arange(count) // 2 % 10 > 3, 1, 0), groups
    kept = fit_classes(ClassTrials(*alike), STANCES, "the test")
    assert kept is not None
    assert kept.calibration.temperature > 1.2  # six in ten right in both
    assert kept.calibrated.nll.value < kept.raw.nll.value


@pytest.mark.parametrize(("alone", "asked"), [({True}, "alone"), ({False}, "mentioned"), ({True, False}, None)])
def test_a_fit_is_for_the_questions_it_was_made_on(alone: set[bool], asked: str | None) -> None:
    fit = fit_classes(trials(200), STANCES, "the test")
    assert fit is not None
    assert fit.on_questions(alone).calibration.asked == asked


def test_too_little_is_not_fitted() -> None:
    assert fit_classes(trials(module.FEWEST - 1), STANCES, "") is None
    assert fit_classes(trials(200, articles=1), STANCES, "") is None
    assert fit_spans(span_trials([[]], [[]], [0]), "") is None


def folder_of(model: Path, folder: Path) -> Path:
    shutil.copytree(model, folder)
    return folder


def carry(model: Path, run: Path) -> int:
    return run_calibrate(argparse.Namespace(model=str(model), run=run))


def test_the_command_carries_a_calibration_over(
    tiny_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = folder_of(tiny_model, tmp_path / "model")
    before = load_model(str(model))
    found = {"entities": {"temperature": 1.5, "bias": [-0.5], "answers": 300}, "other": {"temperature": 2.0}}
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "calibration.json").write_text(json.dumps(found), encoding="utf-8")
    assert carry(model, tmp_path / "run") == 0
    assert "calibration -> " in capsys.readouterr().out
    after = load_model(str(model))
    assert after.revision == before.revision
    assert after.model.config.calibration_of("entities") == Calibration(temperature=1.5, bias=(-0.5,), answers=300)
    assert list(after.model.config.calibration) == ["entities"]  # the model has no head `other`
    assert after.model.config.heads == before.model.config.heads


def test_what_cannot_be_carried_over_is_one_line(tiny_model: Path, tmp_path: Path) -> None:
    model = folder_of(tiny_model, tmp_path / "model")
    file = tmp_path / "calibration.json"
    with pytest.raises(ConfigError, match=r"calibration\.json: cannot be read"):
        carry(model, tmp_path)
    for content, message in (
        ("{", "not valid JSON"),
        ("{}", "expected a calibration for each head"),
        ('{"entities": {"temprature": 2}}', "unknown key 'temprature'; did you mean 'temperature'"),
    ):
        file.write_text(content, encoding="utf-8")
        with pytest.raises(ConfigError, match=message):
            read_calibrations(file)
    file.write_text('{"nobody": {"temperature": 2}}', encoding="utf-8")
    with pytest.raises(ModelError, match="its heads: entities, stance; calibrated are: nobody"):
        carry(model, file)
    file.write_text('{"stance": {"temperature": 2, "bias": [1.0]}}', encoding="utf-8")
    with pytest.raises(ModelError, match="head stance: a calibration with 1 biases does not fit its 3"):
        carry(model, file)


def test_the_command_fits_on_the_dev_parts_of_a_config(
    tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    model = folder_of(tiny_model, tmp_path / "model")
    rows = [{"claim": f"ادعاء {n % 7}", "text": f"نص رقم {n}", "stance": STANCES[n % 3]} for n in range(30)]
    lines = "\n".join(json.dumps(row, ensure_ascii=False) for row in rows)
    (tmp_path / "dev.jsonl").write_text(lines, encoding="utf-8")
    source = {"head": "stance", "reader": "pairs", "path": str(tmp_path / "dev.jsonl")}
    heads = {"stance": {"kind": "pair", "labels": list(STANCES)}}
    tree = {"encoder": "x", "output": "x", "heads": heads, "sources": {"s": source}, "evaluation": {"dev": source}}
    (tmp_path / "run.yaml").write_text(json.dumps(tree), encoding="utf-8")
    with pytest.raises(ConfigError, match="no part has 100 answers"):
        carry(model, tmp_path / "run.yaml")
    monkeypatch.setattr(module, "FEWEST", 20)
    assert carry(model, tmp_path / "run.yaml") == 0
    out = capsys.readouterr().out
    assert "| temperature and bias per class " in out
    assert "| least | sides taken |" in out
    found = load_model(str(model)).model.config.calibration_of("stance")
    assert (found.fitted_on, found.answers) == ("dev parts: dev", 30)
    assert found.temperature > 1  # labels that have nothing to do with the text: the surer, the worse

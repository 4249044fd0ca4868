"""Folds of pairs: every pair in one fold, claims and targets whole, labels spread evenly; and a cross-validation over
them."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from rasid.errors import ConfigError, DataError
from rasid.scoring import Pair
from rasid.train.config import Fold, PairFolds, RunConfig
from rasid.train.folds import Answer, assign, chosen, macro_f1, report, run_pair_folds
from rasid.train.sources import GoldPair

LABELS = ("favor", "against", "none")


def pairs(count: int = 60, claims: int = 9) -> list[GoldPair]:
    return [
        GoldPair(Pair(f"claim {n % claims}", f"text {n}"), LABELS[n % 7 % 3], f"{n}", str(n % 4)) for n in range(count)
    ]


@pytest.mark.parametrize("by", ["rows", "claim", "target", "given"])
def test_parts_are_whole_and_disjoint(by: str) -> None:
    gold = pairs()
    numbers = set(assign(gold, Fold(by=by)))
    seen: Counter[str] = Counter()
    for number in numbers:
        held = chosen(gold, Fold(by=by, number=number, held=True))
        rest = chosen(gold, Fold(by=by, number=number))
        assert held
        assert len(held) + len(rest) == len(gold)
        seen.update(pair.pair.passage for pair in held)
        if by in ("claim", "target"):
            assert not {pair.pair.target for pair in held} & {pair.pair.target for pair in rest}
    assert set(seen.values()) == {1}
    assert len(seen) == len(gold)


def test_rows_are_stratified_and_depend_on_the_seed_alone() -> None:
    gold = pairs(90)
    numbers = assign(gold, Fold(by="rows", count=3))
    for label in LABELS:
        counts = Counter(n for n, pair in zip(numbers, gold, strict=True) if pair.label == label)
        assert max(counts.values()) - min(counts.values()) <= 9  # one a stratum at most, of nine targets
    assert numbers == assign(gold, Fold(by="rows", count=3))
    assert numbers != assign(gold, Fold(by="rows", count=3, seed=1))


def test_given_folds_need_a_column() -> None:
    with pytest.raises(DataError, match="neither fold nor test_fold"):
        assign([GoldPair(Pair("a", "b"), "none", "g")], Fold(by="given"))


def test_macro_f1_by_hand() -> None:
    said = [("favor", "favor"), ("favor", "against"), ("against", "against"), ("none", "favor")]
    answers = [Answer(0, "t", gold, model, "favor", "none") for gold, model in said]
    assert macro_f1(answers, "model", ("favor", "against")).value == pytest.approx((2 / 4 + 2 / 3) / 2)
    assert macro_f1(answers, "loaded words", ("favor", "against")).value == 0.0
    assert "| all | 4 | 0.583 |" in report({1: answers}, ("favor", "against"), ["t"])


def config_of(tmp_path: Path, encoder: Path, folds: dict[str, object]) -> RunConfig:
    data = tmp_path / "pairs.jsonl"
    rows = [
        {"claim": f"claim {n % 4}", "text": "أعلنت وزارة الصحة افتتاح مستشفى", "stance": LABELS[n % 3]}
        for n in range(12)
    ]
    data.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    tree = {
        "encoder": str(encoder),
        "output": str(tmp_path / "run"),
        "heads": {"stance": {"kind": "pair", "labels": list(LABELS)}},
        "sources": {"own": {"head": "stance", "reader": "pairs", "path": str(data)}},
        "training": {"num_train_epochs": 1},
        "cross_validation": {"seeds": [1], "pairs": {"source": "own", "by": "claim", "count": 2} | folds},
        "pair_window": 64,
        "window": 64,
        "overlap": 20,
    }
    return RunConfig.model_validate(tree)


def test_a_cross_validation_answers_for_every_pair_once_and_does_not_repeat_folds(
    tmp_path: Path, tiny_encoder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    config = config_of(tmp_path, tiny_encoder, {})
    assert run_pair_folds(config) == 0
    table = (tmp_path / "run/report.md").read_text(encoding="utf-8")
    assert "| all | 12 |" in table
    monkeypatch.setattr("rasid.train.folds._run_fold", None)  # would fail were a fold run again
    assert run_pair_folds(config) == 0
    assert (tmp_path / "run/report.md").read_text(encoding="utf-8") == table
    assert "95 % interval" in capsys.readouterr().out


def test_an_unknown_source_is_named(tmp_path: Path, tiny_encoder: Path) -> None:
    with pytest.raises(ValueError, match="unknown source 'owm'"):
        config_of(tmp_path, tiny_encoder, {"source": "owm"})


def test_folds_need_their_section(tmp_path: Path, tiny_encoder: Path) -> None:
    config = config_of(tmp_path, tiny_encoder, {}).model_copy(update={"cross_validation": None})
    with pytest.raises(ConfigError, match="missing"):
        run_pair_folds(config)


def test_one_fold_alone() -> None:
    assert PairFolds(source="x", by="rows", only=(1,)).only == (1,)

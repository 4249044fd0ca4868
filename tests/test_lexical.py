"""The lexical part of a pair head: what it sees, how it is fitted, where it is kept, and whom it answers."""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import load_file

from rasid.errors import ConfigError
from rasid.labels import STANCES
from rasid.lexical import BUCKETS, Learnt, Lexical, buckets, features, kind_of, with_lexical
from rasid.model import WEIGHTS, Head, load_model, new_model, outline_model
from rasid.places import Place
from rasid.scoring import Pair, pair_probs
from rasid.text import Span
from rasid.train.command import run_train
from rasid.train.config import RunConfig
from rasid.train.lexicalfit import Example, learnt_from, run_lexical, solve

CLAIM = "ارتفاع أسعار القمح في الميناء"
AGREES = "القمح يرتفع سعره في الميناء"
DENIES = "الميناء ينفي ارتفاع أسعار القمح"
CLAIMS = Learnt(kinds=("claims",))


def seen(target: str, passage: str, own: bool = False) -> set[str]:
    return set(features(target, passage, own))


def test_a_claim_is_compared_with_its_text() -> None:
    found = seen(CLAIM, DENIES)
    assert {"claim only في", "text only ينفي"} <= found
    assert not {each for each in found if each.startswith(("any ", "text قمح"))}
    assert {"text denies = 1", "claim denies = 0", "text denies more = 1"} <= found
    assert "text denies = 1" in seen(CLAIM, "ونفى الوزير ذلك")
    assert {"tenths of the claim shared = 8", "claim only, words = 1", "text longer by = 0"} <= found


def test_numbers_that_only_one_side_has() -> None:
    found = seen("وصول ٣ سفن إلى المرفأ", "وصول 3 سفن أو 4 إلى المرفأ")
    assert {"numbers shared = 1", "numbers, claim only = 0", "numbers, text only = 1"} <= found
    assert "numbers shared = 1" in seen("وصول 007 سفن إلى المرفأ", "وصول ٧ سفن إلى المرفأ")
    assert "numbers shared = 1" in seen(f"وصول سفن عددها {'9' * 5000}", f"سفن {'9' * 5000}")


def test_a_text_longer_than_any_seen_is_read_like_the_longest() -> None:
    long, longer = (" ".join(f"كلمه{letter * 5}" for letter in "ابتثجحخدذرزسشصض"[:n]) for n in (13, 15))
    steps = [{each for each in seen(CLAIM, text) if " = " in each} for text in (long, longer)]
    assert steps[0] == steps[1]


def test_a_name_is_judged_by_the_words_of_the_text() -> None:
    assert kind_of("لقاح كورونا") == "names"
    assert seen("لقاح كورونا", "دواء آمن") == {"any دواء", "any امن"}
    assert seen("لقاح كورونا", "آمن", own=True) == {"text امن", "of لقاح كورونا امن"}
    assert seen("لقاح كورونا", "") == set()


def test_features_stay_what_models_were_fitted_on() -> None:
    """A saved model holds weights by bucket alone: whoever changes a feature's spelling or the hash breaks it."""
    assert buckets("تركيا", "الجيش يدخل") == (21051, 24890)
    assert buckets(CLAIM, DENIES)[:6] == (1400, 1544, 1825, 2712, 7879, 13808)
    code = "from rasid.lexical import buckets; print(*buckets('تركيا', 'الجيش يدخل'))"
    again = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert again.stdout.split() == ["21051", "24890"]  # and hangs on no process's own hash


@given(st.text(max_size=80), st.text(max_size=80))
def test_any_two_texts_have_buckets(target: str, passage: str) -> None:
    found = buckets(target, passage)
    assert list(found) == sorted(set(found))
    assert all(0 <= each < BUCKETS for each in found)


def fitted(rows: list[tuple[str, str, str]], learnt: Learnt = CLAIMS) -> Lexical:
    examples = [Example(buckets(target, text, target in learnt.names), label, 1.0) for target, text, label in rows]
    weight, bias = solve(examples, STANCES)
    return Lexical(weight.astype(np.float32), bias.astype(np.float32), learnt)


def said(lexical: Lexical, target: str, passage: str) -> str:
    scores = lexical.log_probs(target, passage)
    assert scores is not None
    assert np.exp(scores).sum() == pytest.approx(1.0, abs=1e-5)
    return STANCES[int(scores.argmax())]


ROWS = [(CLAIM, AGREES, "favor"), (CLAIM, DENIES, "against")] * 8
OTHERS = [
    ("القمح وصل إلى المدينة", "وصول القمح إلى المدينة", "favor"),
    ("القمح وصل إلى المدينة", "الجيش ينفي ذلك", "against"),
]


def test_the_words_that_decide_are_learnt() -> None:
    lexical = fitted([*ROWS, *OTHERS * 8])
    assert said(lexical, "افتتاح مدرسة جديدة قرب النهر", "الوزير ينفي افتتاح مدرسة قرب النهر") == "against"
    assert said(lexical, "افتتاح مدرسة جديدة قرب النهر", "افتتاح مدرسة قرب النهر") == "favor"


def test_a_class_never_met_is_never_said() -> None:
    for rows in (ROWS, ROWS[:1]):
        scores = fitted(rows).log_probs(CLAIM, AGREES)
        assert scores is not None
        assert scores[STANCES.index("none")] < -100
        assert said(fitted(rows), CLAIM, AGREES) == "favor"
    three = [*ROWS, *[(CLAIM, "مباراة في المدينة", "none")] * 8]
    assert said(fitted(three), CLAIM, "مباراة في المدينة") == "none"


def test_a_name_with_weights_of_its_own() -> None:
    """Reform is praised where others are blamed for it."""
    own = Learnt(kinds=("names",), names=("تركيا",))
    rows = [("تركيا", "تغيير كبير", "favor"), ("قطر", "تغيير كبير", "against"), ("قطر", "سلام", "favor")] * 20
    lexical = fitted([*rows, *[("تركيا", "خبر", "against"), ("قطر", "خبر", "against")] * 20], own)
    assert said(lexical, "تركيا", "تغيير كبير") == "favor"
    assert said(lexical, "اليابان", "تغيير كبير") == "against"
    assert lexical.log_probs(CLAIM, AGREES) is None


def test_the_encoder_and_the_words_are_multiplied() -> None:
    probabilities = np.array([[0.5, 0.25, 0.25], [0.2, 0.7, 0.1]], dtype=np.float32)
    words = np.log(np.array([0.1, 0.6, 0.3], dtype=np.float32))
    mixed = with_lexical(probabilities, [words, None], 1.0)
    assert mixed[0] == pytest.approx(np.array([0.05, 0.15, 0.075]) / 0.275)
    assert (mixed[1] == probabilities[1]).all()
    assert with_lexical(probabilities, [words, None], 0.0)[0] == pytest.approx([0.1, 0.6, 0.3])
    sure = np.array([[1.0, 0.0, 0.0]], dtype=np.float32)
    assert np.isfinite(with_lexical(sure, [words], 0.25)).all()


def write_pairs(path: Path) -> Path:
    rows = [
        {"claim": c, "text": t, "stance": {"favor": "agree"}.get(label, "disagree")}
        for c, t, label in ROWS + OTHERS * 8
    ]
    path.write_text("\n".join(json.dumps(row, ensure_ascii=False) for row in rows), encoding="utf-8")
    return path


def settings(encoder: Path, folder: Path, **head: Any) -> dict[str, Any]:
    pairs = write_pairs(folder / "pairs.jsonl")
    source = {"head": "stance", "reader": "pairs", "path": str(pairs), "map": {"agree": "favor", "disagree": "against"}}
    return {
        "encoder": str(encoder),
        "output": str(folder / "run"),
        "heads": {"stance": {"kind": "pair", "labels": list(STANCES), "lexical": True} | head},
        "sources": {"pairs": source},
        "evaluation": {"dev": source},
        "training": {"num_train_epochs": 1, "save_strategy": "no"},
    }


def test_a_run_fits_it_and_its_folder_keeps_it(tiny_encoder: Path, tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text(json.dumps(settings(tiny_encoder, tmp_path)), encoding="utf-8")
    config = tmp_path / "run.yaml"
    (tmp_path / "run.json").rename(config)
    args = argparse.Namespace(config=str(config), set=[], output=None, dry_run=False, resume=False, seeds=None)
    assert run_train(args) == 0
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text(encoding="utf-8"))["metrics"]
    assert metrics["dev_accuracy"] == 1.0  # one epoch of a tiny encoder alone is no better than chance
    folder = str(tmp_path / "run")
    loaded, outline = load_model(folder), outline_model(folder)
    assert loaded.model.config.named_heads["stance"].lexical == CLAIMS
    mine, other = loaded.lexical("stance"), outline.lexical("stance")
    assert mine is not None
    assert other is not None
    assert mine.weight.any()
    assert (mine.weight == other.weight).all()
    assert (mine.bias == other.bias).all()


def test_who_is_answered_by_it(tiny_encoder: Path, tmp_path: Path) -> None:
    """Questions without mentions or an article; others are answered as without it."""
    config = RunConfig.model_validate(settings(tiny_encoder, tmp_path))
    from rasid.train.finetune import fit

    loaded = fit(config, tmp_path / "run").loaded
    pairs = [
        Pair(CLAIM, DENIES),
        Pair(CLAIM, DENIES, (Span(0, 7),)),
        Pair(CLAIM, DENIES, (), Place(DENIES, 0)),
        Pair("الميناء", DENIES),
    ]
    with_it = pair_probs(loaded, "stance", pairs, calibrated=False)
    table, loaded.model.heads["stance"].lexical = loaded.model.heads["stance"].lexical, None  # type: ignore[assignment]
    without = pair_probs(loaded, "stance", pairs, calibrated=False)
    assert with_it[0].argmax() == STANCES.index("against")
    assert not np.allclose(with_it[0], without[0], atol=0.01)
    np.testing.assert_array_equal(with_it[1:], without[1:])
    assert table is not None


def test_the_head_goes_on_and_the_words_are_fitted_anew(tiny_encoder: Path, tmp_path: Path) -> None:
    from rasid.train.finetune import fit, save

    config = RunConfig.model_validate(settings(tiny_encoder, tmp_path))
    save(fit(config, tmp_path / "run"), config, tmp_path / "run")
    heads = {"stance": Head(kind="pair", labels=STANCES, lexical=CLAIMS)}
    again = new_model(str(tmp_path / "run"), heads, 64, 16, 0.1)
    before = load_model(str(tmp_path / "run")).model.heads["stance"].state_dict()
    after = again.heads["stance"].state_dict()
    assert (after["output.weight"] == before["output.weight"]).all()
    assert not after["lexical.weight"].any()
    assert (
        "lexical.weight"
        not in new_model(str(tmp_path / "run"), {"stance": Head(kind="pair", labels=STANCES)}, 64, 16, 0.1)
        .heads["stance"]
        .state_dict()
    )


def test_what_cannot_be_is_said(tiny_encoder: Path, tmp_path: Path) -> None:
    tree = settings(tiny_encoder, tmp_path)
    tree["heads"]["topic"] = {"kind": "text", "labels": ["a", "b"], "lexical": True}
    with pytest.raises(ValueError, match="lexical is for heads of kind pair"):
        RunConfig.model_validate(tree)
    del tree["heads"]["topic"]
    tree["sources"]["pairs"] = {
        "head": "stance",
        "reader": "annotated-stances",
        "path": "annotations",
        "texts": "seeds",
    }
    with pytest.raises(ConfigError, match="head stance: lexical needs a source of pairs"):
        learnt_from(RunConfig.model_validate(tree), "stance", STANCES)


def test_names_met_often_have_weights_of_their_own(tiny_encoder: Path, tmp_path: Path) -> None:
    tree = settings(tiny_encoder, tmp_path)
    rows = [
        {"target": name, "text": f"خبر {n}", "stance": "none"}
        for name, count in (("تركيا", 100), ("قطر", 99))
        for n in range(count)
    ]
    file = tmp_path / "names.jsonl"
    file.write_text("\n".join(json.dumps(row, ensure_ascii=False) for row in rows), encoding="utf-8")
    tree["sources"]["names"] = {"head": "stance", "reader": "pairs", "path": str(file)}
    found = learnt_from(RunConfig.model_validate(tree), "stance", STANCES)
    assert found == Learnt(kinds=("claims", "names"), names=("تركيا",))


def test_the_command_leaves_all_other_weights(
    tiny_model: Path, tiny_encoder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = shutil.copytree(tiny_model, tmp_path / "model")
    before, revision = load_file(model / WEIGHTS), load_model(str(model)).revision
    config = tmp_path / "run.yaml"
    config.write_text(json.dumps(settings(tiny_encoder, tmp_path), ensure_ascii=False), encoding="utf-8")
    args = argparse.Namespace(model=str(model), run=str(config))
    assert run_lexical(args) == 0
    after, loaded = load_file(model / WEIGHTS), load_model(str(model))
    assert after.keys() - before.keys() == {"heads.stance.lexical.weight", "heads.stance.lexical.bias"}
    assert all((after[name] == value).all() for name, value in before.items())
    assert loaded.revision != revision
    assert loaded.revision in capsys.readouterr().out
    assert pair_probs(loaded, "stance", [Pair(CLAIM, DENIES)]).argmax() == STANCES.index("against")
    assert run_lexical(args) == 0  # once more is the same
    assert load_model(str(model)).revision == loaded.revision


def test_a_config_without_such_a_head_changes_nothing(tiny_model: Path, tiny_encoder: Path, tmp_path: Path) -> None:
    model = shutil.copytree(tiny_model, tmp_path / "model")
    config = tmp_path / "run.yaml"
    config.write_text(json.dumps(settings(tiny_encoder, tmp_path, lexical=False)), encoding="utf-8")
    before = (model / WEIGHTS).read_bytes()
    with pytest.raises(ConfigError, match=r"no head of .* with the same labels and lexical: true"):
        run_lexical(argparse.Namespace(model=str(model), run=str(config)))
    assert (model / WEIGHTS).read_bytes() == before

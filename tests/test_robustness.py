"""The robustness command: tokens and tags that move, tables of an evaluation set, and its one-line errors."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from rasid.config import parse_config
from rasid.errors import ConfigError, ModelError
from rasid.model import load_model
from rasid.perturb import PERTURBATIONS, Changes, perturb
from rasid.text import Span, words
from rasid.train.config import RunConfig
from rasid.train.evaluation import token_tags
from rasid.train.exam import Exam
from rasid.train.figures import settled, sides_of
from rasid.train.finetune import fit, save
from rasid.train.robustness import fitting_head, moved_gold, robustness, run_robustness
from rasid.train.sources import GoldText, Typed, mapped, read_texts

TAGGED = (("زار", "O"), ("سامر", "B-PERS"), ("الحداد", "I-PERS"), ("الميناء", "B-LOC"), ("القديم", "O"))


def gold() -> GoldText:
    tokens, position = [], 0
    for word, _ in TAGGED:
        tokens.append(Span(position, position + len(word)))
        position += len(word) + 1
    entities = (Typed(Span(tokens[1].start, tokens[2].end), "PERS"), Typed(tokens[3], "LOC"))
    return GoldText("d:0", " ".join(w for w, _ in TAGGED), entities, tuple(tokens), tuple(t for _, t in TAGGED))


@pytest.mark.parametrize("name", PERTURBATIONS)
def test_tokens_move_with_the_text_and_keep_their_tags(name: str) -> None:
    for seed in range(20):
        moved = moved_gold(settled(gold()), perturb(name, gold().text, seed))
        assert moved.tags == gold().tags
        assert len(moved.tokens or ()) == len(TAGGED)
        assert token_tags(moved.tokens or (), moved.entities) == list(gold().tags or ())
        for strict in ("strict", "lenient"):
            assert sides_of(moved, moved.entities, strict).row(lambda *_: True) == (2, 2, 2)


def test_a_name_glued_by_a_lost_space_keeps_its_own_characters_and_a_whole_word_misses_it() -> None:
    each = settled(gold())
    glued = moved_gold(each, Changes({each.tokens[2].end: ""}).applied(each.text))  # type: ignore[index]
    assert [e.span.of(glued.text) for e in glued.entities] == ["سامر الحداد", "الميناء"]
    assert "الحدادالميناء" in [word.of(glued.text) for word in words(glued.text)]
    whole = Typed(Span(glued.entities[0].span.start, glued.entities[1].span.end), "PERS")
    assert sides_of(glued, [whole], "strict").row(lambda *_: True) == (0, 1, 2)
    assert sides_of(glued, glued.entities, "strict").row(lambda *_: True) == (2, 2, 2)


def tree(encoder: Path, folder: Path) -> dict[str, Any]:
    rows = "\n".join(f"{word}\t{tag}" for word, tag in TAGGED)
    path = folder / "train.tsv"
    path.write_text("\n\n".join([rows] * 8), encoding="utf-8")
    source = {"head": "h", "reader": "conll", "path": str(path)}
    return {
        "encoder": str(encoder),
        "output": str(folder / "run"),
        "heads": {"h": {"kind": "tokens", "inventory": "anercorp"}},
        "sources": {"train": source},
        "evaluation": {"dev": source},
        "window": 64,
        "overlap": 16,
        "precision": "fp32",
        "head_learning_rate": 2e-2,
        "training": {"num_train_epochs": 30, "learning_rate": 5e-3, "save_strategy": "no", "disable_tqdm": True},
    }


@pytest.fixture(scope="module")
def learnt(tiny_encoder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A config file whose model, in `run`, knows its one sentence by heart."""
    folder = tmp_path_factory.mktemp("robustness")
    own = tree(tiny_encoder, folder)
    config = parse_config(RunConfig, own, "test")
    save(fit(config, config.output), config, config.output)
    (folder / "run.yaml").write_text(yaml.safe_dump(own), encoding="utf-8")
    return folder


def arguments(folder: Path, **changes: Any) -> argparse.Namespace:
    plain = {"config": str(folder / "run.yaml"), "set": [], "model": str(folder / "run"), "on": None, "head": None}
    return argparse.Namespace(**plain | {"draws": 1, "report": None} | changes)


def test_the_table_of_an_evaluation_set(learnt: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_robustness(arguments(learnt, report=tmp_path, draws=2)) == 0
    tables = json.loads((tmp_path / "robustness.json").read_text(encoding="utf-8"))
    assert [each["measure"] for each in tables] == ["strict", "lenient"]
    assert set(tables[0]["slices"]) == set(PERTURBATIONS)
    assert tables[0]["clean"]["value"] == 1.0
    for name in ("harakat", "tatweel", "dodges", "digits", "bidi"):
        # The tokenizer of the encoder folds them, so the model reads the very same pieces.
        assert tables[0]["slices"][name]["loss"]["value"] == 0.0, name
    assert tables[0]["slices"]["bare_marks"]["touched"] > 0  # the names themselves are cut in two
    assert "## dev" in capsys.readouterr().out


def test_the_clean_score_is_that_of_evaluation(learnt: Path) -> None:
    config = parse_config(RunConfig, yaml.safe_load((learnt / "run.yaml").read_text(encoding="utf-8")), "test")
    source = config.evaluation["dev"]
    texts = [mapped(each, source) for each in read_texts(source)]
    texts[0] = GoldText("d:0", texts[0].text, (), texts[0].tokens, ("O",) * len(TAGGED))
    loaded = load_model(str(learnt / "run"))
    strict, lenient = robustness(loaded, "h", texts, source, [0])
    scores = Exam("h", texts=texts).score(loaded)
    assert (strict.clean.value, lenient.clean.value) == pytest.approx((scores["strict_f1"], scores["lenient_f1"]))
    assert 0.5 < strict.clean.value < 1.0


def test_mistakes_are_one_line(learnt: Path, tiny_model: Path) -> None:
    with pytest.raises(ConfigError, match="--on def: no such evaluation set with entities; did you mean 'dev'"):
        run_robustness(arguments(learnt, on="def"))
    with pytest.raises(ModelError, match="no entity head 'h'; known: entities; name one with --head"):
        run_robustness(arguments(learnt, model=str(tiny_model)))
    types = {"map": {"PERS": "PERSON", "LOC": "LOC"}}
    source = parse_config(RunConfig, yaml.safe_load((learnt / "run.yaml").read_text()), "t").evaluation["dev"]
    texts = [mapped(each, source.model_copy(update=types)) for each in read_texts(source)]
    loaded = load_model(str(tiny_model))
    with pytest.raises(ModelError, match=r"head 'entities' does not know the type 'PERSON' of dev\.tsv"):
        fitting_head(loaded, "entities", texts, "dev.tsv")
    with pytest.raises(ConfigError, match="no evaluation set with entities"):
        run_robustness(arguments(learnt, set=["evaluation={}"]))

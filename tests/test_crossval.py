"""Cross-validation: folds are kept and found again, and what they said is there to be scored without training."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from rasid.annotations import load_annotations
from rasid.config import parse_config
from rasid.errors import DataError
from rasid.evaluate import evaluate
from rasid.model import load_model
from rasid.predictions import load_predictions
from rasid.records import Cluster, Entity, Record, Stance, sha256_of
from rasid.text import passages
from rasid.train import calibrate as calibration
from rasid.train import crossval, foldscores
from rasid.train.config import RunConfig
from rasid.train.crossval import run_cross_validation
from rasid.train.finetune import Result, fit

NAMES = (("سامر الحداد", "PERS"), ("اتحاد الصيادين", "ORG"), ("الميناء", "GPE"))
LINES = ("زار سامر الحداد مدينة الميناء أمس.", "وانتقد اتحاد الصيادين الحكومة في الميناء.", "وعاد الوفد من الميناء.")


def write_article(doc: str, folder: Path, turn: int) -> None:
    text = "\n".join(LINES[turn:] + LINES[:turn])
    entities = []
    for number, (surface, kind) in enumerate(NAMES, 1):
        start = text.find(surface)
        while start >= 0:
            where = {"start": start, "end": start + len(surface), "surface": surface}
            entities.append(Entity(id=f"T{len(entities) + 1}", type=kind, cluster=f"C{number}", **where))
            start = text.find(surface, start + 1)
    stances = [Stance(target="C2", scope="article", label="against")]
    for place in passages(text):
        if "اتحاد" in place.of(text):
            stances.append(Stance(target="C2", scope=(place.start, place.end), label="against"))
    clusters = tuple(Cluster(id=f"C{n}", name=surface, type=kind) for n, (surface, kind) in enumerate(NAMES, 1))
    record = Record(
        doc=doc, sha256=sha256_of(text), entities=tuple(entities), clusters=clusters, stances=tuple(stances)
    )
    (folder / f"{doc}.json").write_text(record.to_json(), encoding="utf-8")
    (folder / f"{doc}.txt").write_text(text, encoding="utf-8", newline="")


@pytest.fixture
def gold(tmp_path: Path) -> Path:
    folder = tmp_path / "gold"
    folder.mkdir()
    for turn in range(3):
        write_article(f"a{turn}", folder, turn)
    manifest = {"articles": [{"file": f"a{turn}.txt"} for turn in range(3)]}
    (tmp_path / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    return folder


def config_of(encoder: Path, gold: Path, output: Path, **changes: Any) -> RunConfig:
    source = {"path": str(gold), "texts": str(gold)}
    tree: dict[str, Any] = {
        "encoder": str(encoder),
        "output": str(output),
        "heads": {
            "entities": {"kind": "tokens", "inventory": "wojood"},
            "stance": {"kind": "pair", "labels": ["favor", "against", "none"]},
        },
        "sources": {
            "entities": {"head": "entities", "reader": "annotations", **source},
            "stances": {"head": "stance", "reader": "annotated-stances", **source},
        },
        "cross_validation": {"seeds": [1, 2]},
        "window": 64,
        "overlap": 16,
        "batch_tokens": 160,
        "precision": "fp32",
        "head_learning_rate": 1e-5,
        "training": {"num_train_epochs": 1, "learning_rate": 1e-5, "disable_tqdm": True},
    }
    return parse_config(RunConfig, tree | changes, "test")


class Trainings:
    """Stands for training: counts the folds, and gives each the tiny model as it is, which finds entities enough."""

    def __init__(self, model: Path) -> None:
        self.count = 0
        self._model = model

    def __call__(self, config: RunConfig, folder: Path) -> Result:
        self.count += 1
        return Result(load_model(str(self._model)), {}, 0.0, {})


@pytest.fixture
def trainings(tiny_model: Path, monkeypatch: pytest.MonkeyPatch) -> Trainings:
    counter = Trainings(tiny_model)
    monkeypatch.setattr(crossval, "fit", counter)
    monkeypatch.setattr(calibration, "FEWEST", 4)
    monkeypatch.setattr(foldscores, "_FEWEST_ARTICLES", 4)
    return counter


def test_finished_folds_are_found_and_give_the_same(
    tiny_model: Path, gold: Path, tmp_path: Path, trainings: Trainings, capsys: pytest.CaptureFixture[str]
) -> None:
    config = config_of(tiny_model, gold, tmp_path / "cv")
    run_cross_validation(config)
    assert trainings.count == 6
    first = capsys.readouterr().out
    files = {path.name: path.read_bytes() for path in config.output.iterdir() if path.is_file()}
    run_cross_validation(config)
    assert trainings.count == 6
    again = capsys.readouterr().out
    assert again.count("found, not trained again") == 6
    assert first.splitlines()[-1] == again.splitlines()[-1]
    assert {path.name: path.read_bytes() for path in config.output.iterdir() if path.is_file()} == files
    more = config.model_copy(
        update={"cross_validation": config.cross_validation.model_copy(update={"seeds": (1, 2, 3)})}  # type: ignore[union-attr]
    )
    run_cross_validation(more)
    assert trainings.count == 9  # another seed leaves the finished ones


def test_kept_models_are_asked_again(tiny_model: Path, gold: Path, tmp_path: Path, trainings: Trainings) -> None:
    keeping = {"seeds": [1], "keep_models": True}
    config = config_of(tiny_model, gold, tmp_path / "cv", cross_validation=keeping, compress=False)
    run_cross_validation(config)
    path = next(config.output.glob("fold-*/fold.json"))
    said = path.read_text(encoding="utf-8")
    tree = json.loads(said)
    path.write_text(json.dumps(tree | {"entities": []}), encoding="utf-8")  # as an earlier version may have read it
    run_cross_validation(config)
    assert json.loads(path.read_text(encoding="utf-8"))["entities"] == []
    again = config.cross_validation.model_copy(update={"ask_again": True})  # type: ignore[union-attr]
    run_cross_validation(config.model_copy(update={"cross_validation": again}))
    assert json.loads(path.read_text(encoding="utf-8")) == tree
    assert trainings.count == 3


def test_kept_models_are_run_in_another_way_without_training(
    tiny_model: Path, gold: Path, tmp_path: Path, trainings: Trainings
) -> None:
    config = config_of(tiny_model, gold, tmp_path / "cv", cross_validation={"seeds": [1], "keep_models": True})
    run_cross_validation(config)
    path = next(config.output.glob("fold-*/fold.json"))
    before = json.loads(path.read_text(encoding="utf-8"))
    run_cross_validation(config.model_copy(update={"reading_overlap": 0}))
    after = json.loads(path.read_text(encoding="utf-8"))
    assert trainings.count == 3
    assert after["settings"] == before["settings"] | {"reading_overlap": 0}
    written = path.stat().st_mtime_ns
    run_cross_validation(config.model_copy(update={"reading_overlap": 0}))
    assert path.stat().st_mtime_ns == written  # found as it is


def test_answers_of_another_reading_without_a_model_are_not_taken(
    tiny_model: Path, gold: Path, tmp_path: Path, trainings: Trainings
) -> None:
    config = config_of(tiny_model, gold, tmp_path / "cv", cross_validation={"seeds": [1]})
    run_cross_validation(config)
    run_cross_validation(config.model_copy(update={"reading_overlap": 0}))
    assert trainings.count == 6


def test_other_settings_or_other_data_are_trained_anew(
    tiny_model: Path, gold: Path, tmp_path: Path, trainings: Trainings
) -> None:
    config = config_of(tiny_model, gold, tmp_path / "cv", cross_validation={"seeds": [1]})
    run_cross_validation(config)
    slower = config.model_copy(update={"training": config.training | {"learning_rate": 1e-3}})
    run_cross_validation(slower)
    assert trainings.count == 6
    run_cross_validation(slower.model_copy(update={"aggregation": "strongest", "calibration": None}))
    assert trainings.count == 6  # these bear on no model
    path = gold / "a1.json"
    path.write_text(path.read_text(encoding="utf-8").replace('"PERS"', '"NORP"'), encoding="utf-8")
    run_cross_validation(slower)
    assert trainings.count == 9  # every fold has read it, or is judged by it


def test_a_run_that_was_stopped_goes_on(
    tiny_model: Path, gold: Path, tmp_path: Path, trainings: Trainings, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = config_of(tiny_model, gold, tmp_path / "cv", cross_validation={"seeds": [1]})

    def stopped(*args: Any) -> Any:
        if trainings.count == 2:
            raise KeyboardInterrupt
        return trainings(*args)

    monkeypatch.setattr(crossval, "fit", stopped)
    with pytest.raises(KeyboardInterrupt):
        run_cross_validation(config)
    monkeypatch.setattr(crossval, "fit", trainings)
    run_cross_validation(config)
    assert trainings.count == 3


def test_a_broken_fold_is_named(tiny_model: Path, gold: Path, tmp_path: Path, trainings: Trainings) -> None:
    config = config_of(tiny_model, gold, tmp_path / "cv", cross_validation={"seeds": [1]})
    folder = config.output / "fold-a0-1"
    folder.mkdir(parents=True)
    (folder / "fold.json").write_text('{"settings": {}', encoding="utf-8")
    with pytest.raises(DataError, match=r"fold\.json: not a fold's answers; delete it"):
        run_cross_validation(config)


def test_held_out_records_are_scored_without_training(
    tiny_model: Path, gold: Path, tmp_path: Path, trainings: Trainings
) -> None:
    config = config_of(tiny_model, gold, tmp_path / "cv")
    run_cross_validation(config)
    articles = load_annotations(gold, gold)
    predicted = load_predictions(config.output / "held-out-2.jsonl", articles)
    assert [record.meta for record in predicted] == [{"seed": 2}] * 3
    found = evaluate(articles, predicted)
    report = json.loads((config.output / "report.json").read_text(encoding="utf-8"))
    assert found.entities["nested"].scores.micro.f1 == pytest.approx(report["2"]["model"]["nested"]["micro"]["f1"])
    assert found.scores["entities"].count == sum(len(record.entities) for record in predicted) > 0
    raw = json.loads((config.output / "fold-a0-2" / "fold.json").read_text(encoding="utf-8"))
    scores = [entity["score"] for entity in raw["entities"]]
    assert scores != [entity.score for entity in predicted[0].entities]  # kept raw in the fold, calibrated here
    rows = [json.loads(line) for line in (config.output / "held-out-stances.jsonl").read_text("utf-8").splitlines()]
    assert len(rows) == 6
    assert all(sum(row["probabilities"].values()) == pytest.approx(1.0, abs=1e-4) for row in rows)
    assert set(rows[0]["probabilities"]) == {"favor", "against", "none"}


def test_what_scores_are_worth_is_written(tiny_model: Path, gold: Path, tmp_path: Path, trainings: Trainings) -> None:
    config = config_of(tiny_model, gold, tmp_path / "cv")
    run_cross_validation(config)
    sections = json.loads((config.output / "calibration.json").read_text(encoding="utf-8"))
    assert set(sections) == {"entities", "stance"}
    assert sections["stance"]["answers"] == 6
    assert sections["stance"]["article_temperature"] > 0
    assert sections["entities"]["fitted_on"] == "held-out folds of 3 articles, seeds 1, 2"
    reliabilities = json.loads((config.output / "reliability.json").read_text(encoding="utf-8"))
    assert set(reliabilities) == {
        *("entities, raw", "entities", "stance, raw", "stance", "stance per article, raw", "stance per article")
    }
    page = (config.output / "calibration.md").read_text(encoding="utf-8")
    for fit_name in ("raw", "temperature", "temperature and bias", "bias per type", "isotonic"):
        assert f"| {fit_name} " in page
    assert (config.output / "reliability.png").stat().st_size > 1000
    assert (config.output / "errors.md").read_text(encoding="utf-8").startswith("# Errors by kind")
    assert "| least score " in (config.output / "report.md").read_text(encoding="utf-8")


def test_models_of_folds_are_kept_when_asked_for(
    tiny_model: Path, gold: Path, tmp_path: Path, trainings: Trainings
) -> None:
    cv = {"seeds": [1], "keep_models": True}
    config = config_of(tiny_model, gold, tmp_path / "cv", cross_validation=cv)
    run_cross_validation(config)
    assert set(load_model(str(config.output / "fold-a1-1")).model.heads) == {"entities", "stance"}
    run_cross_validation(config)
    assert trainings.count == 3
    (config.output / "fold-a1-1" / "model.safetensors").unlink()
    run_cross_validation(config)
    assert trainings.count == 4


def test_a_run_takes_a_cross_validations_calibration_or_fits_its_dev_parts(
    tiny_model: Path, gold: Path, tmp_path: Path, trainings: Trainings
) -> None:
    config = config_of(tiny_model, gold, tmp_path / "cv")
    run_cross_validation(config)
    folded = json.loads((config.output / "calibration.json").read_text(encoding="utf-8"))
    alone = config.model_copy(update={"cross_validation": None, "output": tmp_path / "run"})
    given = fit(alone.model_copy(update={"calibration": config.output}), tmp_path / "run").loaded.model.config
    assert given.calibration == folded
    source = config.sources["entities"]
    result = fit(alone.model_copy(update={"evaluation": {"dev": source}}), tmp_path / "run")
    own = result.loaded.model.config.calibration_of("entities")
    assert own.fitted_on == "dev parts: dev"
    assert own.answers > 0
    assert {"dev_span_f1", "entities_ece_raw", "entities_ece"} <= result.metrics.keys()
    assert fit(alone, tmp_path / "run").loaded.model.config.calibration == {}

"""Runs over seeds: reports, what is not trained again, claims, and a test file from outside."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from rasid.config import parse_config
from rasid.errors import ConfigError, DataError
from rasid.model import load_model
from rasid.train import seeds as module
from rasid.train.command import run_train, with_seeds
from rasid.train.config import RunConfig, load_run_config
from rasid.train.evaluation import predict_entities
from rasid.train.exam import Exam
from rasid.train.seeds import read_exams, run_seeds
from rasid.train.sources import mapped, read_texts

ROOT = Path(__file__).parents[1]
PEOPLE, PLACES = ("سامر الحداد", "ليلى منصور"), ("الميناء", "المدينة")


def corpus(path: Path, sentences: int, types: tuple[str, str] = ("PERS", "LOC")) -> Path:
    """Sentences in which a person visits a place, one token a line, a stray I- in every fifth."""
    lines = []
    for number in range(sentences):
        first, last = PEOPLE[number % 2].split()
        place = PLACES[number // 2 % 2]
        begin = "I" if number % 5 == 4 else "B"
        rows = [("زار", "O"), (first, f"B-{types[0]}"), (last, f"I-{types[0]}"), (place, f"{begin}-{types[1]}")]
        lines += [f"{word}\t{tag}" for word, tag in [*rows, (".", "O")]] + [""]
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


def tree(encoder: Path, folder: Path, **changes: Any) -> dict[str, Any]:
    train, dev = corpus(folder / "train.tsv", 24), corpus(folder / "dev.tsv", 10)
    return {
        "encoder": str(encoder),
        "output": str(folder / "run"),
        "seeds": [1, 2],
        "heads": {"h": {"kind": "tokens", "inventory": "anercorp", "ship": False}},
        "sources": {"train": {"head": "h", "reader": "conll", "path": str(train)}},
        "evaluation": {"dev": {"head": "h", "reader": "conll", "path": str(dev)}},
        "window": 64,
        "overlap": 16,
        "batch_tokens": 160,
        "precision": "fp32",
        "head_learning_rate": 2e-2,
        "training": {"num_train_epochs": 6, "learning_rate": 5e-3, "disable_tqdm": True},
    } | changes


def config(encoder: Path, folder: Path, **changes: Any) -> RunConfig:
    return parse_config(RunConfig, tree(encoder, folder, **changes), "test")


def read_report(run: RunConfig) -> dict[str, Any]:
    report: dict[str, Any] = json.loads((run.output / "report.json").read_text(encoding="utf-8"))
    return report


def figure(report: dict[str, Any], measure: str, part: str, place: int = 0) -> dict[str, Any]:
    figures = report["sets"][place]["figures"]
    (found,) = [each for each in figures if (each["measure"], each["part"]) == (measure, part)]
    assert isinstance(found, dict)
    return found


@pytest.fixture(scope="module")
def finished(tiny_encoder: Path, tmp_path_factory: pytest.TempPathFactory) -> RunConfig:
    """Two seeds, trained and reported."""
    run = config(tiny_encoder, tmp_path_factory.mktemp("seeds"))
    assert run_seeds(run) == 0
    return run


def test_the_report_is_that_of_the_saved_models(finished: RunConfig) -> None:
    report = read_report(finished)
    assert (report["seeds"], [each["name"] for each in report["sets"]]) == ([1, 2], ["dev"])
    source = finished.evaluation["dev"]
    gold = [mapped(each, source) for each in read_texts(source)]
    scores = [Exam("h", texts=gold).score(load_model(str(finished.output / f"seed-{n}"))) for n in (1, 2)]
    for measure in ("strict", "lenient"):
        own = figure(report, measure, "all")
        assert own["by_run"] == pytest.approx([score[f"{measure}_f1"] for score in scores])
        assert own["mean"] == pytest.approx(sum(own["by_run"]) / 2)
        assert own["low"] <= own["mean"] <= own["high"]
    assert own["mean"] > 0.5  # it learns; so seeds and types below mean something
    assert figure(report, "lenient", "all")["support"] == 20
    assert figure(report, "strict", "all")["support"] == 18  # two stray I-
    assert figure(report, "lenient", "seen")["support"] == 20
    assert figure(report, "lenient", "unseen")["support"] == 0
    assert {each["part"] for each in report["sets"][0]["figures"]} == {"all", "PERS", "LOC", "seen", "unseen"}


def test_the_page_holds_the_figures(finished: RunConfig) -> None:
    page = (finished.output / "report.md").read_text(encoding="utf-8")
    own = figure(read_report(finished), "lenient", "all")
    assert f"{own['mean']:.3f} ± {own['spread']:.3f}" in page
    assert "10 items; intervals over 10 sentences." in page
    assert "lenient, seed by seed: " in page


def test_seeds_differ_and_nothing_is_left_of_checkpoints(finished: RunConfig) -> None:
    first, second = ((finished.output / f"seed-{n}" / "model.safetensors").read_bytes() for n in (1, 2))
    assert first != second
    assert not list(finished.output.glob("*/checkpoints"))


def test_finished_seeds_are_not_trained_again(finished: RunConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    before = read_report(finished)
    trained: list[int] = []
    monkeypatch.setattr(module, "fit", lambda own, *rest, **more: trained.append(own.training["seed"]) or 1 / 0)
    assert run_seeds(finished) == 0
    assert read_report(finished) == before
    with pytest.raises(ZeroDivisionError):
        run_seeds(finished.model_copy(update={"seeds": (1, 2, 3)}))
    assert trained == [3]


def test_another_config_may_not_go_on_in_the_same_folder(finished: RunConfig, tiny_model: Path) -> None:
    changed = finished.model_copy(update={"training": finished.training | {"learning_rate": 1e-3}})
    with pytest.raises(ConfigError, match=r"seed-1: begun with another value of training\.learning_rate; choose"):
        run_seeds(changed)
    weights = Path(finished.encoder) / "model.safetensors"
    kept = weights.read_bytes()
    try:
        weights.write_bytes((tiny_model / "model.safetensors").read_bytes())
        with pytest.raises(ConfigError, match="another value of the encoder's weights"):
            run_seeds(finished)
    finally:
        weights.write_bytes(kept)


def test_a_stopped_seed_goes_on_from_its_checkpoint(
    tiny_encoder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = config(tiny_encoder, tmp_path, seeds=[1])
    resumed: list[bool] = []
    plain = module.fit

    def watched(own: RunConfig, folder: Path, resume: bool) -> Any:
        resumed.append(any((folder / "checkpoints").glob("checkpoint-*")))
        return plain(own, folder, resume)

    with monkeypatch.context() as patch:
        patch.setattr(module, "save", lambda *rest: 1 / 0)  # stopped after its last checkpoint
        with pytest.raises(ZeroDivisionError):
            run_seeds(run)
    monkeypatch.setattr(module, "fit", watched)
    assert run_seeds(run) == 0
    assert resumed == [True]


def test_a_file_from_outside_is_scored_in_addition(finished: RunConfig, tmp_path: Path) -> None:
    test = corpus(tmp_path / "test.tsv", 6)
    given = finished.model_copy(update={"data": finished.data.model_copy(update={"test": test})})
    before = {path: path.stat().st_mtime_ns for path in finished.output.rglob("model.safetensors")}
    assert run_seeds(given) == 0
    assert {path: path.stat().st_mtime_ns for path in finished.output.rglob("model.safetensors")} == before
    report = read_report(given)
    assert [each["name"] for each in report["sets"]] == ["dev", "data.test"]
    assert figure(report, "lenient", "all", place=1)["support"] == 12
    assert report["sets"][1]["size"] == 6


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "cannot be read"),
        (b"", "nothing to score in it"),
        ("زار\tB-PERS\nسامر".encode(), r"test\.tsv:2: expected a word and IOB2 tags"),
        ("سامر\tB-PER\n".encode(), r"test\.tsv: test:0: 'سامر' has the type 'PER', .*; did you mean 'PERS'"),
        (b"\xff\xfe\x00", "not UTF-8"),
    ],
)
def test_a_bad_test_file_is_one_line_before_anything_is_trained(
    tiny_encoder: Path, tmp_path: Path, content: bytes | None, message: str
) -> None:
    path = tmp_path / "test.tsv"
    if content is not None:
        path.write_bytes(content)
    run = config(tiny_encoder, tmp_path, data={"test": str(path)})
    with pytest.raises(DataError, match=message):
        run_seeds(run)
    assert not run.output.exists()


def test_a_test_file_needs_a_set_that_it_is_read_like(tiny_encoder: Path, tmp_path: Path) -> None:
    base = tree(tiny_encoder, tmp_path, data={"test": "x.tsv"})
    twice = base | {"evaluation": {"one": base["evaluation"]["dev"], "two": base["evaluation"]["dev"]}}
    with pytest.raises(ConfigError, match=r"set data\.like to the set it is read like: one, two"):
        parse_config(RunConfig, twice, "test")
    with pytest.raises(ConfigError, match=r"data\.like: unknown set 'too'; did you mean 'two'"):
        parse_config(RunConfig, twice | {"data": {"test": "x.tsv", "like": "too"}}, "test")
    with pytest.raises(ConfigError, match="no evaluation set that says how the file is read"):
        parse_config(RunConfig, base | {"evaluation": {}}, "test")
    assert parse_config(RunConfig, twice | {"data": {"test": "x.tsv", "like": "two"}}, "test").data.like == "two"


def test_pairs_are_reported_too(tiny_encoder: Path, tmp_path: Path) -> None:
    rows = [
        {"claim": f"خبر {n}", "text": "أشاد الجيش" if n % 2 else "انتقد", "stance": "favor" if n % 2 else "against"}
        for n in range(8)
    ]
    path = tmp_path / "pairs.jsonl"
    path.write_text("\n".join(json.dumps(row, ensure_ascii=False) for row in rows), encoding="utf-8")
    source = {"head": "stance", "reader": "pairs", "path": str(path)}
    head = {"kind": "pair", "labels": ["favor", "against", "none"]}
    run = config(
        tiny_encoder, tmp_path, heads={"stance": head}, sources={"s": source}, evaluation={"ans": source}, seeds=[1]
    )
    assert run_seeds(run) == 0
    report = read_report(run)
    assert {each["measure"] for each in report["sets"][0]["figures"]} == {"macro F1", "accuracy"}
    assert report["sets"][0]["units"] == 8
    assert figure(report, "accuracy", "all")["spread"] is None


def test_the_command_runs_seeds_one_to_n(
    tiny_encoder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "run.yaml"
    quick = {"num_train_epochs": 1, "disable_tqdm": True}
    file.write_text(yaml.safe_dump(tree(tiny_encoder, tmp_path, seeds=[], training=quick)), encoding="utf-8")
    args = argparse.Namespace(config=str(file), set=[], output=None, dry_run=False, resume=False, seeds=2)
    assert run_train(args) == 0
    assert "report -> " in capsys.readouterr().out
    assert sorted(path.name for path in (tmp_path / "run").iterdir()) == [
        "report.json",
        "report.md",
        "seed-1",
        "seed-2",
    ]
    loaded = load_model(str(tmp_path / "run/seed-2"))
    assert predict_entities(loaded, "h", ["زار"]) is not None  # heads are kept for scoring, `ship: false` or not


def test_seeds_go_to_whatever_runs_over_seeds(tiny_encoder: Path, tmp_path: Path, monkeypatch: Any) -> None:
    run = config(tiny_encoder, tmp_path)
    assert with_seeds(run, None) is run
    assert with_seeds(run, 3).seeds == (1, 2, 3)
    folds = with_seeds(load_run_config(str(ROOT / "configs/seeds-cv.yaml")), 2)
    assert folds.cross_validation is not None
    assert (folds.cross_validation.seeds, folds.seeds) == ((1, 2), ())
    curve = with_seeds(load_run_config(str(ROOT / "configs/few-shot.yaml")), 2)
    assert curve.few_shot is not None
    assert curve.few_shot.seeds == (1, 2)


def test_a_run_without_a_set_to_report_on_is_refused(tiny_encoder: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no evaluation set"):
        run_seeds(config(tiny_encoder, tmp_path, evaluation={}))


def test_the_public_protocol_names_five_seeds(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("RASID_DATA", str(tmp_path))
    for name in ("anercorp", "aqmar", "wojood-sample"):
        run = load_run_config(str(ROOT / f"configs/{name}.yaml"))
        assert run.seeds == (1, 2, 3, 4, 5)
        assert len(run.sources) == len(run.evaluation) == 1
        (source,), (judge,) = run.sources.values(), run.evaluation.values()
        assert (source.path != judge.path) or (source.part, judge.part) == ("train", "dev")
        with pytest.raises(DataError, match="is RASID_DATA set"):
            read_exams(run)

"""The few-shot curve: which articles are drawn, how long is trained, what is kept, and the table of several runs."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from rasid.config import parse_config
from rasid.errors import ConfigError, DataError
from rasid.records import Entity, Record, sha256_of
from rasid.train import fewshot as module
from rasid.train.config import FewShot, RunConfig
from rasid.train.fewshot import Trial, drawn, of_trial, readings, render, run_few_shot
from rasid.train.sources import annotated_articles

DOCS = ["a", "b", "c", "d", "e"]
NAMES = (("سامر الحداد", "PERS"), ("اتحاد الصيادين", "ORG"), ("الميناء", "GPE"))


def test_sets_are_drawn_without_the_held_out_article_and_without_repeats() -> None:
    for held_out in DOCS:
        for size, expected in ((1, 3), (2, 3), (4, 1)):
            sets = drawn(DOCS, held_out, size, 3)
            assert len(sets) == len(set(sets)) == expected
            assert all(len(own) == size and held_out not in own for own in sets)
            assert sets == drawn(DOCS, held_out, size, 3)
    assert len(drawn(DOCS, "a", 2, 99)) == 6


def test_a_reading_holds_every_article_out_once() -> None:
    options = FewShot(seeds=(1, 2), draws=3)
    for size, expected in ((1, 6), (2, 6), (4, 2)):
        found = list(readings(DOCS, options, size))
        assert len(found) == expected
        for trials in found:
            assert [trial.held_out for trial in trials] == DOCS
            assert all(len(trial.shown) == size for trial in trials)
    names = [trial.name for trials in readings(DOCS, options, 2) for trial in trials]
    assert len(set(names)) == len(names)


def article(doc: str, folder: Path) -> None:
    text = "زار سامر الحداد مدينة الميناء أمس.\nوانتقد اتحاد الصيادين الحكومة.\n" + doc
    entities = []
    for number, (surface, kind) in enumerate(NAMES, 1):
        start = text.index(surface)
        span = {"start": start, "end": start + len(surface), "surface": surface}
        entities.append(Entity(id=f"T{number}", type=kind, **span))
    record = Record(doc=doc, sha256=sha256_of(text), entities=tuple(entities))
    (folder / f"{doc}.json").write_text(record.to_json(), encoding="utf-8")
    (folder / f"{doc}.txt").write_text(text, encoding="utf-8", newline="")


def config(encoder: Path, folder: Path, **changes: Any) -> RunConfig:
    gold = folder / "gold"
    gold.mkdir(exist_ok=True)
    for doc in DOCS[:3]:
        article(doc, gold)
    tree = {
        "encoder": str(encoder),
        "output": str(folder / "run"),
        "heads": {"entities": {"kind": "tokens", "inventory": "wojood"}},
        "sources": {"gold": {"head": "entities", "reader": "annotations", "path": str(gold), "texts": str(gold)}},
        "window": 64,
        "overlap": 16,
        "precision": "fp32",
        "head_learning_rate": 2e-2,
        "training": {"num_train_epochs": 20, "learning_rate": 5e-3, "disable_tqdm": True},
        "few_shot": {"sizes": [1, 2], "draws": 2},
    }
    return parse_config(RunConfig, tree | changes, "test")


def test_a_trial_sees_its_own_articles_for_as_many_steps(tiny_encoder: Path, tmp_path: Path) -> None:
    run = config(tiny_encoder, tmp_path)
    own = of_trial(run, Trial("a", ("b",), 7), largest=2)
    assert [each.record.doc for each in annotated_articles(own.sources["gold"])] == ["b"]
    assert (own.training["num_train_epochs"], own.training["seed"]) == (40, 7)


def test_the_curve_is_run_kept_and_shown_beside_another(
    tiny_encoder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = config(tiny_encoder, tmp_path)
    assert run_few_shot(run) == 0
    report = json.loads((run.output / "report.json").read_text(encoding="utf-8"))
    points = {(point["size"], point["view"]): point for point in report["points"]}
    assert set(points) == {(size, view) for size in (1, 2) for view in ("nested", "outermost")}
    assert (len(points[1, "nested"]["runs"]), len(points[2, "nested"]["runs"])) == (2, 1)
    # The three articles say the same, so another one teaches all there is to know.
    assert points[1, "nested"]["mean"] == pytest.approx(1.0)
    assert len(list((run.output / "trials").rglob("*.json"))) == 2 * 3 + 3
    monkeypatch.setattr(module, "fit", lambda *rest: 1 / 0)  # nothing is trained twice
    labelled = {"label": "mine", "beside": (run.output,)}
    again = run.model_copy(update={"few_shot": run.few_shot.model_copy(update=labelled)})  # type: ignore[union-attr]
    assert run_few_shot(again) == 0
    page = (run.output / "report.md").read_text(encoding="utf-8")
    assert "| training articles | " in page
    assert " mine | " in page
    assert page.count("1.000") >= 4
    (run.output / "trials/entities").joinpath("a.1-b.seed-1.json").unlink(missing_ok=True)
    (run.output / "trials/entities").joinpath("a.1-c.seed-1.json").unlink(missing_ok=True)
    with pytest.raises(ZeroDivisionError):
        run_few_shot(run)


def test_a_plot_is_drawn_where_matplotlib_is(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    points = tuple(
        {"size": n, "view": "nested", "runs": (0.4,), "mean": 0.1 * n, "spread": None, "low": 0.05 * n, "high": 0.2 * n}
        for n in (1, 2, 4)
    )
    one = module.Curve.model_validate({"label": "one", "encoder": "x", "articles": 5, "points": points})
    other = one.model_copy(update={"label": "other"})
    module.draw([one, other], tmp_path / "plot.png")
    assert (tmp_path / "plot.png").read_bytes().startswith(b"\x89PNG")
    last = next(line for line in render([one, other]).splitlines() if line.startswith("| 4"))
    assert [cell.strip() for cell in last.split("|")[1:-1]] == ["4", *["0.400 [0.200, 0.800]"] * 2]


def test_the_table_has_a_row_for_every_size() -> None:
    point = {"view": "nested", "runs": (0.4,), "mean": 0.4, "spread": 0.01, "low": 0.3, "high": 0.5}
    curves = [
        module.Curve.model_validate(
            {"label": name, "encoder": "x", "articles": 5, "points": [point | {"size": size} for size in sizes]}
        )
        for name, sizes in (("one", (1, 2)), ("other", (2, 4)))
    ]
    lines = [line for line in render(curves).splitlines() if line[:3] in ("| 1", "| 2", "| 4")]
    assert [line.count("0.400 ± 0.010") for line in lines][:3] == [1, 2, 1]
    assert all(len(one) == len(other) for one, other in pairwise(lines[:3]))


def test_mistakes_are_one_line(tiny_encoder: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"few_shot\.sizes: 3; with 3 articles, .* sizes go from 1 to 2"):
        run_few_shot(config(tiny_encoder, tmp_path, few_shot={"sizes": [1, 3]}))
    with pytest.raises(ConfigError, match=r"few_shot\.head: no annotations source feeds 'stance'"):
        run_few_shot(config(tiny_encoder, tmp_path, few_shot={"head": "stance"}))
    with pytest.raises(DataError, match=r"few_shot\.beside: .*report\.json: cannot be read"):
        run_few_shot(config(tiny_encoder, tmp_path, few_shot={"beside": [str(tmp_path)]}))
    (tmp_path / "report.json").write_text("[]")
    with pytest.raises(DataError, match="not the report of a few-shot run"):
        run_few_shot(config(tiny_encoder, tmp_path, few_shot={"beside": [str(tmp_path)]}))
    with pytest.raises(ConfigError, match=r"few_shot\.draws"):
        config(tiny_encoder, tmp_path, few_shot={"draws": 0})

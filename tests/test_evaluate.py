"""Evaluation of predictions against gold: the scores, the report, and predictions that do not fit."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from rasid.annotations import load_annotations
from rasid.counts import read_counts
from rasid.errors import ConfigError, DataError
from rasid.evaluate import evaluate, run_evaluate
from rasid.matching import SchemeCounts, by_seen
from rasid.predictions import load_predictions
from rasid.records import Cluster, Entity, ModelInfo, Record, Stance, sha256_of
from rasid.schemas import report_schema, runs_schema
from rasid.text import passages

TEXTS = {
    "one": "داعش يتراجع.\nقوات سوريا الديمقراطية تتقدم نحو داعش.\n",
    "two": "تركيا تراقب.\n",
}
MODEL = ModelInfo(name="tiny", revision="abc" * 20, rasid="0")


def mention(text: str, surface: str, label: str, cluster: str, nth: int = 0) -> dict[str, Any]:
    start = -1
    for _ in range(nth + 1):
        start = text.index(surface, start + 1)
    return {
        "type": label,
        "start": start,
        "end": start + len(surface),
        "surface": surface,
        "cluster": cluster,
    }


def record(doc: str, mentions: list[dict[str, Any]], stances: tuple[Stance, ...] = (), **extra: Any) -> Record:
    types = {each["cluster"]: each["type"] for each in mentions}
    return Record(
        doc=doc,
        sha256=sha256_of(TEXTS[doc]),
        entities=tuple(Entity(id=f"T{n}", **each) for n, each in enumerate(mentions, 1)),
        clusters=tuple(Cluster(id=name, name=name, type=label) for name, label in types.items()),
        stances=stances,
        **extra,
    )


def gold_records() -> list[Record]:
    one, two = TEXTS["one"], TEXTS["two"]
    first, second = ((span.start, span.end) for span in passages(one))
    return [
        record(
            "one",
            [
                mention(one, "داعش", "ORG", "C1"),
                mention(one, "داعش", "ORG", "C1", 1),
                mention(one, "قوات سوريا الديمقراطية", "ORG", "C2"),
                mention(one, "سوريا", "GPE", "C3"),
            ],
            (
                Stance(target="C1", scope="article", label="against"),
                Stance(target="C1", scope=first, label="against"),
                Stance(target="C1", scope=second, label="none"),
                Stance(target="C2", scope="article", label="favor"),
                Stance(target="C2", scope=second, label="favor"),
            ),
        ),
        record("two", [mention(two, "تركيا", "GPE", "C1")], (Stance(target="C1", scope="article", label="none"),)),
    ]


def predicted_records() -> list[Record]:
    """A nested name missed, a stance wrong, a target missed, one judged that the gold does not judge."""
    one, two = TEXTS["one"], TEXTS["two"]
    first, _ = ((span.start, span.end) for span in passages(one))
    return [
        record(
            "one",
            [
                mention(one, "داعش", "ORG", "C9"),
                mention(one, "داعش", "ORG", "C9", 1),
                mention(one, "قوات سوريا الديمقراطية", "ORG", "C1"),
            ],
            (
                Stance(target="C9", scope="article", label="against", score=0.9),
                Stance(target="C9", scope=first, label="favor"),
            ),
            model=MODEL,
        ),
        record(
            "two",
            [mention(two, "تركيا", "GPE", "C5"), mention(two, "تراقب", "PERS", "C6")],
            (
                Stance(target="C5", scope="article", label="none"),
                Stance(target="C6", scope="article", label="favor"),
            ),
            model=MODEL,
        ),
    ]


@pytest.fixture
def folders(tmp_path: Path) -> Path:
    for name in ("seeds", "gold", "predictions"):
        (tmp_path / name).mkdir()
    for doc, text in TEXTS.items():
        (tmp_path / "seeds" / f"{doc}.txt").write_text(text, encoding="utf-8")
    write(tmp_path / "gold", gold_records())
    write(tmp_path / "predictions", predicted_records())
    return tmp_path


def write(folder: Path, records: list[Record]) -> None:
    for each in records:
        (folder / f"{each.doc}.json").write_text(each.to_json(), encoding="utf-8")


def arguments(folder: Path, **departures: Any) -> argparse.Namespace:
    fields = {
        "predictions": [folder / "predictions"],
        "model": None,
        "gold": folder / "gold",
        "seeds": folder / "seeds",
        "report": None,
        "min_score": 0.0,
        "errors": None,
    }
    return argparse.Namespace(**(fields | departures))


def test_scores_of_the_small_case(folders: Path) -> None:
    gold = load_annotations(folders / "gold", folders / "seeds")
    found = evaluate(gold, predicted_records())
    nested, outer = found.entities["nested"], found.entities["outermost"]
    assert (nested.scores.micro.precision, nested.scores.micro.recall) == pytest.approx((4 / 5, 4 / 5))
    assert (outer.scores.micro.precision, outer.scores.micro.recall) == pytest.approx((4 / 5, 1.0))
    assert nested.f1.low <= nested.f1.value <= nested.f1.high
    assert nested.f1.value == pytest.approx(nested.scores.micro.f1)
    assert found.clusters.scores.muc.f1 == 1.0
    assert found.clusters.scores.b3.recall == pytest.approx(4 / 5)
    assert found.clusters.f1["ceaf"].value == pytest.approx(found.clusters.scores.ceaf.f1)
    article, passage = found.stances["article"], found.stances["passage"]
    # Articles: against right, favor missed, none right; passages: against read as favor, the rest missed.
    assert (article.support, article.missed, article.unjudged) == (3, 1, 1)
    assert article.accuracy.value == pytest.approx(2 / 3)
    assert article.macro_f1.value == pytest.approx((0 + 1) / 2)
    assert (passage.support, passage.missed, passage.unjudged) == (3, 2, 0)
    assert passage.accuracy.value == pytest.approx(1 / 3)
    assert passage.macro_f1.value == 0.0
    assert found.models == (MODEL,)
    assert any("only 2 articles" in warning for warning in found.warnings)


def test_gold_against_itself_is_perfect(folders: Path) -> None:
    gold = load_annotations(folders / "gold", folders / "seeds")
    found = evaluate(gold, [each.record for each in gold])
    assert found.entities["nested"].f1.low == 1.0
    assert found.clusters.scores.conll == 1.0
    assert {each.accuracy.value for each in found.stances.values()} == {1.0}
    assert {each.macro_f1.value for each in found.stances.values()} == {1.0}


def test_the_small_set_warning_goes_away_at_twenty_articles(folders: Path) -> None:
    gold = load_annotations(folders / "gold", folders / "seeds")
    many = [gold[0]] * 20
    assert evaluate(many, [each.record for each in many]).warnings == ()
    assert len(evaluate(many[1:], [each.record for each in many[1:]]).warnings) == 1


def test_types_of_another_inventory_are_warned_of(folders: Path) -> None:
    gold = load_annotations(folders / "gold", folders / "seeds")
    entity = mention(TEXTS["two"], "تركيا", "LOCATION", "C1")
    found = evaluate(gold, [gold[0].record, record("two", [entity])])
    assert any("LOCATION" in warning for warning in found.warnings)


def test_report_is_written_and_printed(folders: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_evaluate(arguments(folders, report=folders / "report")) == 0
    out = capsys.readouterr().out
    page = (folders / "report" / "report.md").read_text(encoding="utf-8")
    for block in out.split("\n\n")[1:]:  # every table that is printed, folded
        assert f"</summary>\n\n{block.strip()}\n\n</details>" in page
    assert "| entities, nested, strict " in page.partition("<details>")[0]
    tree = json.loads((folders / "report" / "report.json").read_text(encoding="utf-8"))
    assert tree["entities"]["nested"]["scores"]["micro"]["f1"] == pytest.approx(0.8)
    Draft202012Validator(report_schema()).validate(tree)
    assert tree["models"][0]["name"] == "tiny"
    assert tree["stances"]["article"]["support"] == 3
    for name in ("nested", "outermost", "ORG", "B3", "CEAF-e", "MUC", "per passage", "per article"):
        assert f"| {name} " in out
    assert "Warning: only 2 articles" in out


def test_the_four_schemes_and_the_groups_are_reported(folders: Path) -> None:
    gold = load_annotations(folders / "gold", folders / "seeds")
    longer = mention(TEXTS["two"], "تركيا تراقب", "GPE", "C5")  # one word too many
    found = evaluate(gold, [predicted_records()[0], record("two", [longer])], seen=by_seen(["داعش"]))
    schemes = found.entities["nested"].schemes
    assert {name: each.score.f1 for name, each in schemes.items()} == pytest.approx(
        {"strict": 2 * 3 / 9, "boundary": 2 * 3 / 9, "partial": 2 * 3.5 / 9, "type": 2 * 4 / 9}
    )
    assert schemes["partial"].counts == SchemeCounts(3, 0, 1, 1, 0)
    assert found.groups["depth 1"].score.recall == 0.0  # سوريا inside a longer name
    assert (found.groups["seen"].score.f1, found.groups["seen"].score.support) == (1.0, 2)
    assert (found.groups["unseen"].score.precision, found.groups["unseen"].score.support) == (1 / 2, 3)
    assert found.groups["2 words"].score.support == 0
    tree = json.loads(found.to_json())
    assert tree["groups"]["GPE"]["f1"]["value"] == found.groups["GPE"].f1.value
    assert "counts" not in tree
    assert "| nested, partial " in found.render()


def test_a_wide_interval_is_called_too_small_to_tell(folders: Path) -> None:
    gold = load_annotations(folders / "gold", folders / "seeds")
    many = [*gold] * 15
    predicted = [(predicted_records() if n % 4 else [record("one", []), record("two", [])])[n % 2] for n in range(30)]
    warnings = evaluate(many, predicted).warnings
    assert any("too small a set" in warning and "points wide" in warning for warning in warnings)


def test_several_predictions_are_told_as_mean_and_spread(folders: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folders / "other").mkdir()
    write(folders / "other", gold_records())
    both = [folders / "predictions", folders / "other"]
    assert run_evaluate(arguments(folders, predictions=both, report=folders / "report")) == 0
    tree = json.loads((folders / "report/runs.json").read_text(encoding="utf-8"))
    f1 = tree["figures"]["entities, nested, strict"]
    Draft202012Validator(runs_schema()).validate(tree)
    assert f1["by_run"] == pytest.approx([0.8, 1.0])
    mean = read_counts(folders / "report").figures["entities, nested, strict"]
    assert mean.estimate().value == pytest.approx(0.9)  # both runs have five predicted and five gold entities
    assert (f1["mean"], f1["spread"]) == pytest.approx((0.9, 0.1 * 2**0.5))
    assert "| entities, nested, strict " in capsys.readouterr().out
    with pytest.raises(DataError, match="one --predictions"):
        run_evaluate(arguments(folders, predictions=both, errors=folders / "errors.jsonl"))
    assert run_evaluate(arguments(folders, predictions=both[:1])) == 0


def test_training_records_split_seen_from_unseen(folders: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folders / "training").mkdir()
    write(folders / "training", gold_records()[1:])
    assert run_evaluate(arguments(folders, trained_on=folders / "training")) == 0
    out = capsys.readouterr().out
    assert "| seen " in out
    assert "| unseen " in out
    with pytest.raises(DataError, match="no such file or folder"):
        run_evaluate(arguments(folders, trained_on=folders / "nowhere"))


def scored_records() -> list[Record]:
    """The predictions with scores: sure of what is right, less sure of the one that is not."""
    sure = {"تراقب": 0.3, "قوات سوريا الديمقراطية": 0.6}
    return [
        each.model_copy(
            update={"entities": tuple(e.model_copy(update={"score": sure.get(e.surface, 0.9)}) for e in each.entities)}
        )
        for each in predicted_records()
    ]


def test_scores_are_held_against_the_truth(folders: Path) -> None:
    gold = load_annotations(folders / "gold", folders / "seeds")
    found = evaluate(gold, scored_records())
    entities = found.scores["entities"]
    assert entities.count == 5
    assert entities.brier.value == pytest.approx((3 * 0.1**2 + 0.4**2 + 0.3**2) / 5)
    # Of the stances only one has a score, and it is right with 0.9.
    assert set(found.scores) == {"entities", "stance per article"}
    assert (found.scores["stance per article"].count, found.scores["stance per article"].ece_width) == (
        1,
        pytest.approx(0.1),
    )
    bought = {each.least: (each.spans, each.precision) for each in found.thresholds}
    assert bought[0.0] == (5, pytest.approx(4 / 5))
    assert bought[0.4] == (4, 1.0)
    assert bought[0.7] == (3, 1.0)
    assert evaluate(gold, predicted_records()).thresholds == ()  # nothing to choose where entities have no scores


def test_a_least_score_leaves_out_what_is_less_sure(folders: Path) -> None:
    gold = load_annotations(folders / "gold", folders / "seeds")
    whole, cut = evaluate(gold, scored_records()), evaluate(gold, scored_records(), least=0.55)
    assert whole.entities["nested"].scores.micro.precision == pytest.approx(4 / 5)
    assert cut.entities["nested"].scores.micro.precision == 1.0
    assert cut.entities["nested"].scores.micro.recall == pytest.approx(4 / 5)
    assert whole.stances["article"].unjudged - cut.stances["article"].unjudged == 1  # its target went with it
    assert {each.least for each in cut.thresholds} - {each.least for each in whole.thresholds} == {0.55}
    assert cut.thresholds[0].spans == 5  # the table is of all entities


def test_reports_hold_the_diagram_and_the_errors(folders: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(folders / "predictions", scored_records())
    errors = folders / "analysis" / "errors.jsonl"
    assert run_evaluate(arguments(folders, report=folders / "report", errors=errors, min_score=0.55)) == 0
    out = capsys.readouterr().out
    assert "Entities that score below 0.55 are left out." in out
    assert "| 0.55 " in out
    assert (folders / "report" / "reliability.png").read_bytes().startswith(b"\x89PNG")
    tree = json.loads((folders / "report" / "report.json").read_text(encoding="utf-8"))
    assert tree["scores"]["entities"]["bins"][0]["count"] == 1
    (mistake,) = [json.loads(line) for line in errors.read_text(encoding="utf-8").splitlines()]
    assert (mistake["kind"], mistake["surface"]) == ("child missed", "سوريا")
    assert "### child missed (1)" in errors.with_suffix(".md").read_text(encoding="utf-8")


def test_thresholds_and_error_files_that_cannot_be(folders: Path) -> None:
    with pytest.raises(ConfigError, match="--min-score 2: a score is between 0 and 1"):
        run_evaluate(arguments(folders, min_score=2.0))
    with pytest.raises(DataError, match=r"--errors .*errors\.md: give a \.jsonl file"):
        run_evaluate(arguments(folders, errors=folders / "errors.md"))


def test_lines_and_folder_give_the_same(folders: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run_evaluate(arguments(folders))
    expected = capsys.readouterr().out
    lines = folders / "out.jsonl"
    lines.write_text("\n".join(each.to_json() for each in reversed(predicted_records())), encoding="utf-8")
    run_evaluate(arguments(folders, predictions=[lines]))
    assert capsys.readouterr().out == expected


def test_missing_extra_and_double_articles_are_named(folders: Path) -> None:
    gold = load_annotations(folders / "gold", folders / "seeds")
    lines = folders / "out.jsonl"
    one, two = (each.to_json() for each in predicted_records())
    lines.write_text(one, encoding="utf-8")
    with pytest.raises(DataError, match=r"out\.jsonl: no prediction for two"):
        load_predictions(lines, gold)
    lines.write_text(f"{one}\n{two}\n{one}", encoding="utf-8")
    with pytest.raises(DataError, match=r"out\.jsonl:3: doc 'one' stands twice"):
        load_predictions(lines, gold)
    extra = two.replace('"two"', '"three"')
    lines.write_text(f"{one}\n{two}\n{extra}", encoding="utf-8")
    with pytest.raises(DataError, match="the gold does not have: three"):
        load_predictions(lines, gold)
    with pytest.raises(DataError, match="no such file"):
        load_predictions(folders / "none.jsonl", gold)


def test_a_prediction_of_another_text_is_refused(folders: Path) -> None:
    gold = load_annotations(folders / "gold", folders / "seeds")
    moved = predicted_records()
    moved[1] = moved[1].model_copy(update={"sha256": "0" * 64})
    write(folders / "predictions", moved)
    with pytest.raises(DataError, match=r"two\.json: doc 'two': sha256 is not that of the text"):
        load_predictions(folders / "predictions", gold)


def test_predictions_or_a_model_but_not_both(folders: Path) -> None:
    for departures in ({"predictions": None}, {"model": "tiny"}):
        with pytest.raises(DataError, match="give either predictions"):
            run_evaluate(arguments(folders, **departures))


def test_a_report_that_cannot_be_written_is_one_line_before_the_model_runs(folders: Path) -> None:
    (folders / "file").touch()
    with pytest.raises(DataError, match=r"file: cannot be written \("):
        run_evaluate(arguments(folders, predictions=None, model="no model is opened", report=folders / "file"))
    (folders / "report" / "report.md").mkdir(parents=True)
    with pytest.raises(DataError, match=r"report\.md: cannot be written \("):
        run_evaluate(arguments(folders, report=folders / "report"))


def test_a_model_predicts_the_gold_texts(
    folders: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: list[tuple[list[tuple[str, str]], str, str]] = []

    def stream_texts(texts: list[tuple[str, str]], model: str, device: str) -> list[Record]:
        asked.append((texts, model, device))
        return predicted_records()

    stand_in = ModuleType("rasid.infer.job")
    stand_in.stream_texts = stream_texts  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "rasid.infer.job", stand_in)
    assert run_evaluate(arguments(folders, predictions=None, model="tiny", device="cpu")) == 0
    assert asked == [(list(TEXTS.items()), "tiny", "cpu")]
    assert "| nested " in capsys.readouterr().out

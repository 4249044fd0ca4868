"""Comparison of two runs: from stored counts and from records, aligned, with verdicts that follow from the test."""

from __future__ import annotations

import argparse
import json
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from rasid.annotations import Annotated
from rasid.cli import main
from rasid.compare import compare, run_compare
from rasid.counts import COUNTS_FILE, Counts, Figure, count, read_counts, write_counts
from rasid.errors import DataError
from rasid.evaluate import evaluate
from rasid.records import Cluster, Entity, Label, Record, Stance, sha256_of
from rasid.spread import spread

STRICT = "entities, nested, strict"
NAMES = ("القاهرة", "دمشق", "بغداد", "بيروت", "عمّان", "تونس")


def article(number: int) -> Annotated:
    """A made-up article of six names, one sentence, with a stance and a topic."""
    text = f"زار الوفد {' و'.join(NAMES)} ثم عاد في اليوم {number}.\n"
    entities, clusters = [], []
    for n, name in enumerate(NAMES):
        start = text.index(name)
        entities.append(
            Entity(id=f"T{n}", type="GPE", start=start, end=start + len(name), surface=name, cluster=f"C{n}")
        )
        clusters.append(Cluster(id=f"C{n}", name=name, type="GPE"))
    record = Record(
        doc=f"doc-{number}",
        sha256=sha256_of(text),
        entities=tuple(entities),
        clusters=tuple(clusters),
        stances=(Stance(target="C0", scope="article", label="favor" if number % 2 else "against"),),
        labels={"topic": Label(label="سياسة")},
    )
    return Annotated(record=record, text=text)


def run_of(gold: Sequence[Annotated], ease: float, seed: int) -> list[Record]:
    """Predictions that find a share of the names, and give some another type."""
    generator = random.Random(seed)
    records = []
    for each in gold:
        kept = [e for e in each.record.entities if generator.random() < ease]
        kept = [e if generator.random() < 0.9 else e.model_copy(update={"type": "LOC"}) for e in kept]
        clusters = tuple(c for c in each.record.clusters if any(e.cluster == c.id for e in kept))
        stances = tuple(s for s in each.record.stances if any(c.id == s.target for c in clusters))
        records.append(
            each.record.model_copy(update={"entities": tuple(kept), "clusters": clusters, "stances": stances})
        )
    return records


GOLD = [article(number) for number in range(40)]
GOLD_RECORDS = [each.record for each in GOLD]


def counts_of(ease: float, seed: int) -> Counts:
    return count(GOLD_RECORDS, run_of(GOLD, ease, seed))


def test_a_planted_loss_is_called_worse_and_its_mirror_better() -> None:
    good, bad = counts_of(0.95, 1), counts_of(0.6, 2)
    found = compare(good, bad)
    assert found.verdict(STRICT) == "worse"
    assert compare(bad, good).verdict(STRICT) == "better"
    assert found.figures[STRICT].high < 0
    assert found.verdict("labels, topic, accuracy") == "same"
    line = next(line for line in found.render().splitlines() if line.startswith(f"| {STRICT} "))
    assert line.split("|")[-2].strip() == "worse"
    assert json.loads(found.to_json())["figures"][STRICT]["verdict"] == "worse"


def test_re_runs_of_one_system_are_seldom_told_apart() -> None:
    """At p < 0.05 a false alarm in 20 is due; 30 pairs give more than 6 once in 1,700 times."""
    alarms = sum(compare(counts_of(0.8, seed), counts_of(0.8, seed + 100)).figures[STRICT].real for seed in range(30))
    assert alarms <= 6


def test_runs_that_cannot_be_told_apart_are_said_to_be_too_small() -> None:
    found = compare(counts_of(0.8, 3), counts_of(0.8, 4))
    assert found.verdict(STRICT) == "too small to tell"
    assert "40 articles are too few to tell" in found.warnings[STRICT]
    warnings = [line for line in found.render().splitlines() if line.startswith("Warning: ")]
    assert len(warnings) == len(set(found.warnings.values()))
    assert any(f"({STRICT}, and " in line for line in warnings)


def test_the_counts_are_what_the_evaluation_reports() -> None:
    predicted = run_of(GOLD, 0.8, 1)
    counts, evaluation = count(GOLD_RECORDS, predicted), evaluate(GOLD, predicted)
    value = {name: figure.of(figure.total) for name, figure in counts.figures.items()}
    assert value[STRICT] == pytest.approx(evaluation.entities["nested"].scores.micro.f1)
    assert value["of which LOC"] == pytest.approx(evaluation.entities["nested"].scores.by_type["LOC"].f1)
    assert value["clusters, CoNLL"] == pytest.approx(evaluation.clusters.scores.conll)
    assert value["labels, topic, accuracy"] == evaluation.labels["topic"].accuracy.value == 1.0
    assert value["stance per article, accuracy"] == evaluation.stances["article"].accuracy.value


def test_counts_come_back_from_disk_as_they_were(tmp_path: Path) -> None:
    counts = counts_of(0.8, 1)
    write_counts(counts, tmp_path)
    back = read_counts(tmp_path)
    assert compare(counts, back).verdict(STRICT) == "same"
    assert {name: each.total for name, each in back.figures.items()} == {
        name: each.total for name, each in counts.figures.items()
    }


def test_articles_in_another_order_are_aligned_by_name() -> None:
    one = counts_of(0.8, 1)
    back = Counts(one.docs[::-1], {name: Figure(each.measure, each.rows[::-1]) for name, each in one.figures.items()})
    found = compare(one, back)
    assert {found.verdict(name) for name in found.figures} == {"same"}
    assert spread([one, back]).figures[STRICT].spread == 0.0


def test_a_type_that_one_run_never_names_counts_as_nought_there() -> None:
    one = count(GOLD_RECORDS, GOLD_RECORDS)  # no LOC
    other = counts_of(0.9, 1)
    assert "of which LOC" not in one.figures
    found = compare(one, other).figures["of which LOC"]
    assert (found.base, found.new) == (0.0, 0.0)


def test_runs_of_other_articles_or_measures_are_refused() -> None:
    one = counts_of(0.8, 1)
    other = count(GOLD_RECORDS[1:], GOLD_RECORDS[1:])
    with pytest.raises(DataError, match=r"not of the same articles: 1 stand in one alone, such as .'doc-0'."):
        compare(one, other)
    with pytest.raises(DataError, match="not the same in all runs"):
        compare(one, Counts(one.docs, {STRICT: Figure("share", [[0.0, 1.0]] * len(one.docs))}))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "not valid JSON"),
        ("[]", "not the counts"),
        ('{"version": 9, "docs": [], "figures": {}}', "version 9, expected 1"),
        ('{"version": 1, "docs": ["a"], "figures": {"x": {"measure": "F9", "rows": [[1]]}}}', "unknown measure 'F9'"),
        ('{"version": 1, "docs": ["a"], "figures": {"x": {"measure": "F1", "rows": []}}}', "0 rows for 1 articles"),
    ],
)
def test_counts_that_are_none_are_refused_in_a_line(tmp_path: Path, content: str, message: str) -> None:
    (tmp_path / COUNTS_FILE).write_text(content, encoding="utf-8")
    with pytest.raises(DataError, match=message):
        read_counts(tmp_path)


def on_disk(folder: Path) -> None:
    for name, records in (("gold", GOLD_RECORDS), ("a", run_of(GOLD, 0.95, 1)), ("b", run_of(GOLD, 0.6, 2))):
        (folder / name).mkdir()
        for each in records:
            (folder / name / f"{each.doc}.json").write_text(each.to_json(), encoding="utf-8")
    (folder / "texts").mkdir()
    for each in GOLD:
        (folder / "texts" / f"{each.record.doc}.txt").write_text(each.text, encoding="utf-8")


def arguments(**given: Any) -> argparse.Namespace:
    return argparse.Namespace(**({"gold": None, "seeds": None, "min_score": 0.0, "output": None} | given))


def test_reports_and_records_compare_alike_on_the_command_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    on_disk(tmp_path)
    gold = ["--gold", str(tmp_path / "gold"), "--seeds", str(tmp_path / "texts")]
    for name in "ab":
        report = str(tmp_path / f"report-{name}")
        assert main(["evaluate", "--predictions", str(tmp_path / name), *gold, "--report", report]) == 0
    capsys.readouterr()
    output = str(tmp_path / "comparison")
    assert main(["compare", str(tmp_path / "report-a"), str(tmp_path / "report-b"), "--output", output]) == 0
    told = capsys.readouterr().out
    assert main(["compare", str(tmp_path / "a"), str(tmp_path / "b"), *gold]) == 0
    assert capsys.readouterr().out == told
    assert (tmp_path / "comparison/comparison.md").read_text(encoding="utf-8") == f"# Comparison\n\n{told}"
    tree = json.loads((tmp_path / "comparison/comparison.json").read_text(encoding="utf-8"))
    assert tree["figures"][STRICT]["verdict"] == "worse"
    assert {"difference", "low", "high", "p", "effect", "detectable"} <= set(tree["figures"][STRICT])


def test_what_is_no_report_is_refused_in_a_line(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no counts\.json, .* for records give --gold"):
        run_compare(arguments(base=tmp_path / "a", new=tmp_path / "b"))
    write_counts(counts_of(0.8, 1), tmp_path)
    with pytest.raises(DataError, match="--min-score needs --gold"):
        run_compare(arguments(base=tmp_path, new=tmp_path, min_score=0.5))
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match="cannot be written"):
        run_compare(arguments(base=tmp_path, new=tmp_path, output=tmp_path / "file" / "x"))

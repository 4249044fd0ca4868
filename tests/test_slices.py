"""Robustness tables: moved gold, the paired interval, and what a reader that ignores or obeys the spelling scores."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from rasid.annotations import Annotated
from rasid.cli import main
from rasid.errors import DataError
from rasid.normalizer import normalise
from rasid.perturb import PERTURBATIONS, perturb
from rasid.records import Entity, Record, faults, sha256_of
from rasid.slices import Counts, moved, record_slices, summarise, summed, write_slices
from rasid.text import words

LINES = (
    "زار وفد من الأمم المتحدة مدينة الميناء القديمة يوم 12 مارس 2019.",
    "وانتقد اتحاد الصيادين الحكومة في الميناء بعد إغلاق المرفأ.",
    "وقال سامر الحداد إن اتحاد الصيادين مخطئ في المدينة.",
)
NAMES = (
    ("الأمم المتحدة", "ORG"),
    ("مدينة الميناء", "GPE"),
    ("الميناء", "GPE"),
    ("اتحاد الصيادين", "ORG"),
    ("سامر الحداد", "PERS"),
    ("12 مارس 2019", "DATE"),
)


def found_in(text: str, names: Sequence[tuple[str, str]], fold: bool) -> tuple[Entity, ...]:
    """Every occurrence of the names, whole words; with `fold`, in any spelling that the normaliser undoes."""
    cut = words(text)
    own = [normalise(w.of(text)) if fold else w.of(text) for w in cut]
    entities = []
    for surface, kind in names:
        wanted = [normalise(w.of(surface)) if fold else w.of(surface) for w in words(surface)]
        for first in range(len(own) - len(wanted) + 1):
            if own[first : first + len(wanted)] == wanted:
                start, end = cut[first].start, cut[first + len(wanted) - 1].end
                name = f"T{len(entities) + 1}"
                entities.append(Entity(id=name, type=kind, start=start, end=end, surface=text[start:end]))
    return tuple(entities)


def article(number: int) -> Annotated:
    text = "\n".join(LINES[number % 3 :] + LINES[: number % 3]) + f"\nالعدد {number}."
    record = Record(doc=f"a{number}", sha256=sha256_of(text), entities=found_in(text, NAMES, False))
    return Annotated(record, text)


def reader(fold: bool):  # type: ignore[no-untyped-def]
    def predict(texts: Sequence[tuple[str, str]]) -> list[Record]:
        return [Record(doc=doc, sha256=sha256_of(text), entities=found_in(text, NAMES, fold)) for doc, text in texts]

    return predict


@pytest.mark.parametrize("name", PERTURBATIONS)
def test_moved_gold_is_sound_on_the_perturbed_text(name: str) -> None:
    for number in range(6):
        each = article(number)
        found = perturb(name, each.text, number)
        entities = moved(each.record.entities, found)
        assert len(entities) == len(each.record.entities)
        record = Record(doc="x", sha256=sha256_of(found.text), entities=entities)
        assert [fault for fault in faults(record, found.text) if "cluster" not in fault] == []


def test_a_reader_that_folds_spelling_loses_nothing_where_the_normaliser_reaches() -> None:
    gold = [article(number) for number in range(12)]
    nested, outer = record_slices(gold, reader(fold=True), seeds=(0, 1))
    assert (nested.measure, outer.measure) == ("entities, strict, nested", "entities, strict, outermost")
    assert (nested.unit, nested.units, nested.clean.value) == ("articles", 12, 1.0)
    assert set(nested.slices) == set(PERTURBATIONS)
    for name in ("harakat", "tatweel", "letter_forms", "dodges", "digits", "bidi"):
        assert nested.slices[name].loss.value == 0.0, name
        assert nested.slices[name].f1.value == 1.0, name
    for name in ("typos", "lost_spaces", "bare_marks"):
        assert nested.slices[name].loss.value > 0.0, name


def test_a_reader_that_takes_spelling_as_it_is_loses_and_the_interval_says_so() -> None:
    gold = [article(number) for number in range(12)]
    nested = record_slices(gold, reader(fold=False))[0]
    for name in ("harakat", "tatweel", "letter_forms", "digits"):
        each = nested.slices[name]
        assert each.loss.value == pytest.approx(100 * (1.0 - each.f1.value))
        assert 0 < each.loss.low <= each.loss.value <= each.loss.high, name
        assert each.touched > 0.1
    page = nested.render()
    assert "| letter forms " in page
    assert "12 articles" in page


def test_few_articles_are_drawn_by_passage() -> None:
    gold = [article(number) for number in range(2)]
    nested = record_slices(gold, reader(fold=True))[0]
    assert nested.unit == "passages"
    assert nested.units == 2 * 5  # four lines and the rest of each article


def test_the_interval_is_that_of_the_paired_difference() -> None:
    generator = np.random.default_rng(3)
    gold = generator.integers(5, 30, 80)
    clean = [(int(g * generator.uniform(0.3, 1)), int(g), int(g)) for g in gold]
    worse = [(max(0, c - int(generator.integers(0, 3))), p, g) for c, p, g in clean]
    table = summarise("m", "sentences", clean, {"typos": Counts(worse, 0.5)}, (0,))
    loss = table.slices["typos"].loss
    assert loss.value == pytest.approx(100 * (table.clean.value - table.slices["typos"].f1.value))
    # Every unit is no better, so no resample is; unpaired intervals of the two F1 would overlap.
    assert loss.low > 0
    assert loss.high - loss.low < 100 * (table.clean.high - table.clean.low)
    draws = []
    pairs = np.array([(*a, *b) for a, b in zip(clean, worse, strict=True)])
    for _ in range(2000):
        c0, p0, g0, c1, p1, g1 = pairs[generator.integers(0, 80, 80)].sum(axis=0)
        draws.append(100 * (2 * c0 / (p0 + g0) - 2 * c1 / (p1 + g1)))
    assert np.percentile(draws, [2.5, 97.5]) == pytest.approx([loss.low, loss.high], abs=0.3)


def test_rows_of_several_seeds_add_up_unit_by_unit() -> None:
    assert summed([[(1, 2, 3), (0, 0, 1)], [(1, 1, 3), (1, 1, 1)]]) == [(2, 3, 6), (1, 1, 2)]
    with pytest.raises(ValueError, match="argument"):
        summed([[(1, 2, 3)], []])


def test_the_tables_are_written(tmp_path: Path) -> None:
    tables = record_slices([article(0)], reader(fold=True))
    write_slices(tables, tmp_path / "report")
    tree = json.loads((tmp_path / "report/robustness.json").read_text(encoding="utf-8"))
    assert tree[0]["slices"]["typos"]["loss"].keys() == {"value", "low", "high"}
    assert (tmp_path / "report/robustness.md").read_text(encoding="utf-8").startswith("# Robustness\n\nentities")
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="cannot be written"):
        write_slices(tables, tmp_path / "file")


def gold_folder(folder: Path) -> Path:
    """Two articles with dates, which need no clusters."""
    folder.mkdir()
    for number in range(2):
        text = article(number).text
        entities = found_in(text, [("12 مارس 2019", "DATE")], False)
        record = Record(doc=f"a{number}", sha256=sha256_of(text), entities=entities)
        (folder / f"a{number}.json").write_text(record.to_json(), encoding="utf-8")
        (folder / f"a{number}.txt").write_text(text, encoding="utf-8", newline="")
    return folder


def test_evaluate_reads_the_articles_in_other_spellings(
    tiny_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    gold = str(gold_folder(tmp_path / "gold"))
    words_ = ["evaluate", "--model", str(tiny_model), "--gold", gold, "--seeds", gold, "--device", "cpu", "--slices"]
    assert main([*words_, "--draws", "2", "--report", str(tmp_path / "report")]) == 0
    assert (
        "entities, strict, nested; 95 % bootstrap over 10 passages; perturbation seeds 0, 1" in capsys.readouterr().out
    )
    tables = json.loads((tmp_path / "report/robustness.json").read_text(encoding="utf-8"))
    assert [each["seeds"] for each in tables] == [[0, 1], [0, 1]]
    evaluation = json.loads((tmp_path / "report/report.json").read_text(encoding="utf-8"))
    assert tables[0]["clean"]["value"] == evaluation["entities"]["nested"]["f1"]["value"]


def test_slices_need_a_model(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    gold = str(gold_folder(tmp_path / "gold"))
    assert main(["evaluate", "--predictions", gold, "--gold", gold, "--seeds", gold, "--slices"]) == 2
    assert "--slices reads the articles anew in other spellings: give a model" in capsys.readouterr().err

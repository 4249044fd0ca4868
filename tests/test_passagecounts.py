"""Counts by passage add up to those by article, and a passage has what stands in it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from rasid.annotations import load_annotations
from rasid.counts import count
from rasid.errors import DataError
from rasid.passagecounts import count_passages, read_passages, write_passages
from rasid.records import Record
from rasid.text import passages

ROOT = Path(__file__).parents[1]


def worse(record: Record) -> Record:
    """The record without every third entity, and every fifth of another type."""
    kept = [e for number, e in enumerate(record.entities) if number % 3]
    changed = tuple(e.model_copy(update={"type": "MISC"}) if n % 5 == 0 else e for n, e in enumerate(kept))
    stances = tuple(s.model_copy(update={"label": "none"}) if n % 2 else s for n, s in enumerate(record.stances))
    return record.model_copy(update={"entities": changed, "stances": stances})


def test_passages_add_up_to_articles_and_are_kept(tmp_path: Path) -> None:
    gold = load_annotations(ROOT / "annotations", ROOT / "seeds")
    predicted = [worse(each.record) for each in gold]
    whole = count([each.record for each in gold], predicted)
    found = count_passages(gold, predicted)
    assert len(found.docs) == sum(len(passages(each.text)) + 1 for each in gold) == len(set(found.docs))
    assert found.figures.keys() == {
        name for name in whole.figures if not name.startswith(("clusters", "stance per article", "labels"))
    }
    for name, figure in found.figures.items():
        assert len(figure.rows) == len(found.docs)
        assert np.allclose(figure.total, whole.figures[name].total), name
    assert found.docs[0] == f"{gold[0].record.doc}:{passages(gold[0].text)[0].start}"
    write_passages(found, tmp_path)
    kept = read_passages(tmp_path)
    assert kept.docs == found.docs
    assert np.allclose(kept.figures["of which ORG"].rows, found.figures["of which ORG"].rows)
    with pytest.raises(DataError, match=r"counts-passages\.json: cannot be read"):
        read_passages(tmp_path / "none")


def test_the_support_of_a_figure_is_its_gold() -> None:
    gold = load_annotations(ROOT / "annotations", ROOT / "seeds")
    records = [each.record for each in gold]
    figures = count(records, [worse(each) for each in records]).figures
    entities = sum(len(record.entities) for record in records)
    assert {figures[f"entities, nested, {scheme}"].support for scheme in ("strict", "boundary", "partial", "type")} == {
        entities
    }
    author = [s for record in records for s in record.stances if s.holder == "author"]
    assert figures["stance per article, accuracy"].support == sum(s.scope == "article" for s in author)
    assert figures["of which ORG"].support == sum(e.type == "ORG" for record in records for e in record.entities)

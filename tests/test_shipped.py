"""The models that ship: whole, small enough, as their cards say, and good for the seeds with no other argument."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from rasid.cli import main
from rasid.model import load_model, revision_of, shipped_models
from rasid.records import faults, read_records

ROOT = Path(__file__).parents[1]
LIMIT = 32 * 2**20  # bytes, all shipped models together
MODELS = ("compact", "news")


def test_the_models_that_the_code_names_ship() -> None:
    assert set(shipped_models()) == set(MODELS)


def test_all_models_together_stay_small() -> None:
    size = sum(file.stat().st_size for name in MODELS for file in shipped_models()[name].rglob("*") if file.is_file())
    assert size <= LIMIT


@pytest.mark.parametrize("name", MODELS)
def test_a_card_names_its_weights_and_its_sources(name: str) -> None:
    folder = shipped_models()[name]
    text = (folder / "README.md").read_text(encoding="utf-8")
    _, front, body = text.split("---\n", 2)
    assert revision_of(folder) in body
    assert yaml.safe_load(front)["model-index"][0]["results"]
    for source in ("ANERcorp", "AQMAR", "WikiFANE", "Wojood", "ANS", "SANAD", "Wikipedia"):
        assert source in body


@pytest.mark.parametrize("name", MODELS)
def test_a_shipped_model_has_its_heads(name: str) -> None:
    loaded = load_model(name)
    assert set(loaded.model.heads) == {"entities", "stance", *(["topic"] if name == "news" else [])}
    assert {"entities", "stance"} <= set(loaded.model.config.calibration)
    assert len(loaded.model.config.named_heads["entities"].labels) == 21


def test_the_seeds_are_read_with_no_argument_but_the_input(tmp_path: Path) -> None:
    output = tmp_path / "records.jsonl"
    assert main(["infer", str(ROOT / "seeds"), "--output", str(output)]) == 0
    names = [
        Path(row["file"]).stem for row in json.loads((ROOT / "seeds/manifest.json").read_text("utf-8"))["articles"]
    ]
    records = [record for _, record in read_records(output)]
    assert sorted(record.doc for record in records) == sorted(names)
    for record in records:
        with (ROOT / "seeds" / f"{record.doc}.txt").open(encoding="utf-8", newline="") as file:
            assert faults(record, file.read()) == []
        assert {entity.type for entity in record.entities} >= {"GPE", "ORG", "PERS", "DATE"}
        assert record.clusters
        assert record.stances
        assert record.labels["topic"].label == "Politics"

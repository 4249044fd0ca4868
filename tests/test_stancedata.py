"""Public stance data: columns, labels that look like nothing, long texts, faults; the real sets where they are."""

from __future__ import annotations

import json
import os
from collections import Counter
from pathlib import Path

import pytest
import zstandard

from rasid.errors import DataError
from rasid.scoring import Pair
from rasid.train.config import load_run_config
from rasid.train.sources import GoldPair, read_pairs, unrelated
from rasid.train.stancedata import StanceRow, nearest_passages, stance_rows

ROWS = [
    {"target": "Covid Vaccine", "text": "نص", "stance": "none", "sentiment": "neutral"},
    {"claim": "خبر", "text": "نص آخر", "stance": "agree", "test_fold": 3},
]


def write(path: Path, rows: list[dict[str, object]]) -> Path:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return path


def test_rows_keep_the_label_none_and_the_sets_own_fold(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", ROWS)
    found = list(stance_rows(path, {"Covid Vaccine": "لقاح كورونا"}))
    assert found == [StanceRow("لقاح كورونا", "نص", "none"), StanceRow("خبر", "نص آخر", "agree", "3")]


def test_a_packed_file_reads_the_same(tmp_path: Path) -> None:
    plain = write(tmp_path / "a.jsonl", ROWS)
    packed = tmp_path / "a.jsonl.zst"
    packed.write_bytes(zstandard.ZstdCompressor().compress(plain.read_bytes()))
    assert list(stance_rows(packed)) == list(stance_rows(plain))


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"text": "x", "stance": "none"}, "expected claim or target"),
        ({"claim": "x", "text": "y", "stance": None}, "the stance is None"),
    ],
)
def test_faults_name_file_and_line(tmp_path: Path, row: dict[str, object], message: str) -> None:
    path = write(tmp_path / "a.jsonl", [ROWS[0], row])
    with pytest.raises(DataError, match=f"a.jsonl:2: .*{message}"):
        list(stance_rows(path))


def test_a_missing_file_says_where_data_are_looked_for(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="RASID_DATA"):
        list(stance_rows(tmp_path / "none.jsonl"))


def test_of_a_long_text_the_passages_nearest_the_claim_are_kept_in_order() -> None:
    text = "افتتح الوزير الجسر.\n\nهطل المطر على المدينة.\n\nانهار الجسر الجديد فجأة.\n\nفاز الفريق."
    assert nearest_passages(text, "انهار الجسر الجديد", 2) == "افتتح الوزير الجسر.\nانهار الجسر الجديد فجأة."
    assert nearest_passages(text, "أي شيء", 9) == text


def test_unrelated_pairs_take_no_side_and_another_targets_text() -> None:
    gold = [GoldPair(Pair(f"claim {n}", f"text {n}"), "favor", "g") for n in range(10)]
    made = unrelated(gold, 0.5)
    assert len(made) == 5
    assert {pair.label for pair in made} == {"none"}
    assert all(pair.pair.target.split()[1] != pair.pair.passage.split()[1] for pair in made)
    assert unrelated(gold, 0.0) == []
    assert unrelated([gold[0], gold[0]], 1.0) == []


@pytest.mark.skipif("RASID_DATA" not in os.environ, reason="RASID_DATA does not name the folder of the public sets")
@pytest.mark.parametrize(
    ("name", "counts"),
    [
        ("mawqif", {"favor": 2148, "against": 1021, "none": 333}),
        ("ans", {"favor": 903, "against": 1686, "none": 63}),
        ("austr", {"favor": 117, "against": 150, "none": 370}),
    ],
)
def test_shipped_configs_map_the_real_sets_to_three_labels(name: str, counts: dict[str, int]) -> None:
    config = load_run_config(name)
    source = next(iter(config.sources.values()))
    assert Counter(pair.label for pair in read_pairs(source, ("favor", "against", "none"))) == counts

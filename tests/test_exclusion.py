"""Evaluation text stays out of pretraining: by runs of words, whatever their spelling, and by title."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from rasid.errors import DataError
from rasid.train.corpus import Source, Text, articles
from rasid.train.exclusion import Excluder, Exclusion

SENTENCE = "أعلنت وزارة الصحة في المدينة أمس افتتاح ثلاثة مراكز جديدة لعلاج المرضى"


def conll(folder: Path) -> Path:
    file = folder / "dev.tsv"
    lines = "\n".join(f"{word}\tO" for word in SENTENCE.replace("ة", "ه").split())
    file.write_text(lines + "\n\n", encoding="utf-8")
    return file


def test_an_article_that_quotes_the_file_is_left_out(tmp_path: Path) -> None:
    excluder = Excluder(Exclusion(files=(conll(tmp_path),), run=8))
    assert excluder.excludes(f"مقدمة قصيرة.\n{SENTENCE}، وفق بيان.")
    assert excluder.excludes(SENTENCE.replace("وزارة الصحة", "وَزَارَة «الصحة»,"))
    assert not excluder.excludes(SENTENCE.replace("أمس", "اليوم"))
    assert not excluder.excludes("نص آخر لا علاقة له بما سبق من قريب ولا من بعيد أبدا")
    assert excluder.dropped == 2


def test_json_lines_are_read_by_text_and_claim(tmp_path: Path) -> None:
    file = tmp_path / "dev.jsonl"
    file.write_text(json.dumps({"claim": SENTENCE, "text": "قصير"}) + "\n", encoding="utf-8")
    assert Excluder(Exclusion(files=(file,))).excludes(SENTENCE)


def test_a_title_counts_whole_and_only_as_a_title() -> None:
    excluder = Excluder(Exclusion(titles=("أبو بكر الرازي",)))
    assert excluder.excludes("ابو بكر الرازي\nطبيب وعالم.")
    assert not excluder.excludes("طبيب\nأبو بكر الرازي عالم.")
    assert not excluder.excludes("أبو بكر الرازي الثاني\nنص")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"none\.tsv: cannot be read"):
        Excluder(Exclusion(files=(tmp_path / "none.tsv",)))


def test_the_mix_leaves_them_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [{"id": "1", "text": f"خبر\n{SENTENCE}"}, {"id": "2", "text": "خبر آخر"}]
    (tmp_path / "text.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    mix = Text(folder=tmp_path, sources=[Source(file="text.jsonl")], exclude=Exclusion(files=(conll(tmp_path),)))
    assert list(articles(mix)) == ["خبر آخر"]
    assert "1 articles left out" in capsys.readouterr().out

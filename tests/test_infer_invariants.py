"""The script that checks records over much text: a sound job passes, and nothing broken does."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from rasid.infer.articles import Article
from rasid.labels import WOJOOD

SCRIPT = Path(__file__).parents[1] / "scripts/infer_invariants.py"
TEXTS = (
    "وصل وفد من الأمم المتحدة إلى العاصمة، والتقى سامر الحداد.\nثم غادر.",
    "أعلنت وزارة الصحة في مدينة الميناء افتتاح مستشفى جديد بين سورياوالعراق.",
    "وانتقد اتحاد الصيادين تأخر الحكومة في توزيع المساعدات على القرى الساحلية.",
)


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("infer_invariants", SCRIPT)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def job(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    """What the script printed over two small shards, and the folder it kept."""
    folder = tmp_path_factory.mktemp("invariants")
    for name, texts in (("one", TEXTS[:2]), ("two", TEXTS[2:])):
        rows = [json.dumps({"id": n, "text": text}, ensure_ascii=False) for n, text in enumerate(texts)]
        (folder / f"{name}.jsonl").write_text("\n".join(rows) + "\n", encoding="utf-8")
    command = [str(SCRIPT), str(folder), "--words", "500", "--model", str(tiny_model), "--keep", str(folder / "kept")]
    shown = subprocess.run(
        [sys.executable, *command], capture_output=True, text=True, env={**os.environ, "PYTHONIOENCODING": "utf-8"}
    )
    assert shown.returncode == 0, shown.stderr + shown.stdout
    return shown.stdout, folder / "kept"


def test_a_sound_job_is_called_sound(job: tuple[str, Path]) -> None:
    printed, folder = job
    assert re.match(r"sound, 0 faults: 3\d words, 3 articles; 3 records, 0 rejects, \d+ entities, ", printed)
    docs = [json.loads(line)["doc"] for line in (folder / "records.jsonl").open(encoding="utf-8")]
    assert docs == ["one.jsonl/0", "two.jsonl/0", "one.jsonl/1"]  # one of each shard in turn


def crossing(records: list[dict[str, Any]], texts: list[str]) -> None:
    first = next(record for record in records if record["entities"])
    text, entity = texts[records.index(first)], first["entities"][0]
    places = [m.span() for m in re.finditer(r"\w+", text)][:3]
    pairs = [(places[0][0], places[1][1]), (places[1][0], places[2][1])]
    first["entities"] = [
        entity | {"id": f"T{n}", "start": start, "end": end, "surface": text[start:end]}
        for n, (start, end) in enumerate(pairs, 1)
    ]


def moved(records: list[dict[str, Any]], texts: list[str]) -> None:
    record = next(record for record in records if record["entities"])
    record["entities"][0]["start"] += 1


def inside_a_word(records: list[dict[str, Any]], texts: list[str]) -> None:
    record = next(r for r in records if r["entities"])
    entity = record["entities"][0]
    entity["end"] -= 1
    entity["surface"] = entity["surface"][:-1]


def out_of_order(records: list[dict[str, Any]], texts: list[str]) -> None:
    record = next(r for r in records if len({(e["start"], e["end"]) for e in r["entities"]}) > 1)
    record["entities"].reverse()


def swapped(records: list[dict[str, Any]], texts: list[str]) -> None:
    records[0], records[1] = records[1], records[0]


def lost(records: list[dict[str, Any]], texts: list[str]) -> None:
    del records[1]


def doubled(records: list[dict[str, Any]], texts: list[str]) -> None:
    records.append(records[-1])


def unknown_field(records: list[dict[str, Any]], texts: list[str]) -> None:
    records[0]["colour"] = "red"


def too_sure(records: list[dict[str, Any]], texts: list[str]) -> None:
    next(r for r in records if r["entities"])["entities"][0]["score"] = 1.5


def no_such_cluster(records: list[dict[str, Any]], texts: list[str]) -> None:
    next(r for r in records if r["clusters"])["clusters"].pop()


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (None, ""),
        (crossing, "cross"),
        (moved, "the text there reads"),
        (inside_a_word, "inside a word"),
        (out_of_order, "not in text order"),
        (swapped, "order, or an article lost"),
        (lost, "2 records of 3 articles"),
        (doubled, "4 records of 3 articles"),
        (unknown_field, "colour: extra inputs"),
        (too_sure, "less than or equal to 1"),
        (no_such_cluster, "is not defined"),
    ],
)
def test_a_broken_record_is_caught(
    script: ModuleType,
    job: tuple[str, Path],
    tmp_path: Path,
    damage: Callable[[list[dict[str, Any]], list[str]], None] | None,
    said: str,
) -> None:
    lines = (job[1] / "articles.jsonl").read_text(encoding="utf-8").splitlines()
    articles = [Article(row["id"], row["text"]) for row in map(json.loads, lines)]
    records = [json.loads(line) for line in (job[1] / "records.jsonl").read_text(encoding="utf-8").splitlines()]
    if damage:
        damage(records, [article.text for article in articles])
    output = tmp_path / "records.jsonl"
    output.write_text("".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records), encoding="utf-8")
    found = script.check_job(articles, output, WOJOOD, "articles.jsonl")
    assert bool(found.faults) == (damage is not None), found.faults
    assert said in "\n".join(found.faults)
    assert found.verdict().startswith("BROKEN" if damage else "sound")


def test_a_rejected_article_is_accounted_for(script: ModuleType, job: tuple[str, Path], tmp_path: Path) -> None:
    lines = (job[1] / "articles.jsonl").read_text(encoding="utf-8").splitlines()
    articles = [Article(row["id"], row["text"]) for row in map(json.loads, lines)]
    records = (job[1] / "records.jsonl").read_text(encoding="utf-8").splitlines(keepends=True)
    output = tmp_path / "records.jsonl"
    output.write_text(records[0] + records[2], encoding="utf-8")
    refused = {"where": "articles.jsonl:2", "reason": "RuntimeError"}
    output.with_suffix(".rejects.jsonl").write_text(json.dumps(refused) + "\n", encoding="utf-8")
    found = script.check_job(articles, output, WOJOOD, "articles.jsonl")
    assert found.faults == []
    assert (found.counts["records"], found.counts["rejects"]) == (2, 1)

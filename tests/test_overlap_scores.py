"""`scripts/overlap_scores.py`: one model on long texts, read with more and less overlap."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SENTENCE = ["زار\tO", "سامر\tB-PERS", "الحداد\tI-PERS", "مدينة\tO", "الميناء\tB-GPE", ".\tO", ""]


def run(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> int:
    spec = importlib.util.spec_from_file_location("overlap_scores", ROOT / "scripts/overlap_scores.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(sys, "argv", ["overlap_scores.py", *map(str, arguments)])
    return int(module.main())


@pytest.fixture
def config(tiny_encoder: Path, tmp_path: Path) -> Path:
    (tmp_path / "dev.tsv").write_text("\n".join(SENTENCE * 60), encoding="utf-8")
    source = {"head": "entities", "reader": "conll", "path": str(tmp_path / "dev.tsv")}
    tree = {
        "encoder": str(tiny_encoder),
        "output": str(tmp_path / "run"),
        "heads": {"entities": {"kind": "tokens", "inventory": "wojood"}},
        "sources": {"entities": source},
        "evaluation": {"dev": source},
    }
    path = tmp_path / "config.yaml"
    path.write_text(json.dumps(tree), encoding="utf-8")
    return path


def test_less_overlap_is_less_to_read(
    config: Path, tiny_model: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, config, "dev", tiny_model, tiny_model, "--overlaps", 30, 10, 0) == 0
    rows = [line.split("|")[1:-1] for line in capsys.readouterr().out.splitlines()[2:]]
    assert [int(row[0]) for row in rows] == [30, 10, 0]
    read = [int(row[3].replace(",", "")) for row in rows]
    assert read == sorted(read, reverse=True)
    assert read[0] > 1.3 * read[2]
    assert all(row[2].split(",")[0].strip() == row[2].split(",")[1].strip() == row[1].strip() for row in rows)


def test_an_unknown_set_is_said(config: Path, tiny_model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(Exception, match="no evaluation set 'test'; it has dev"):
        run(monkeypatch, config, "test", tiny_model)

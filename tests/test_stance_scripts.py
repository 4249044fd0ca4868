"""The stance experiments in scripts/ run through, on a tiny model and a small copy of the annotated articles."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType

import pytest

from rasid.text import Span

ROOT = Path(__file__).parents[1]


def script(path: str) -> ModuleType:
    name = Path(path).stem
    spec = importlib.util.spec_from_file_location(name, ROOT / path)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def two_articles(tmp_path: Path) -> tuple[Path, Path]:
    """Two of the annotated articles, linked."""
    annotations, texts = tmp_path / "annotations", tmp_path / "texts"
    annotations.mkdir()
    texts.mkdir()
    for doc in ("hol-camp-convoys", "price-of-victory"):
        (annotations / f"{doc}.json").symlink_to(ROOT / "annotations" / f"{doc}.json")
        (texts / f"{doc}.txt").symlink_to(ROOT / "seeds" / f"{doc}.txt")
    return annotations, texts


def run(module: ModuleType, monkeypatch: pytest.MonkeyPatch, *arguments: object) -> None:
    monkeypatch.setattr(sys, "argv", [module.__name__, *map(str, arguments)])
    assert module.main() == 0


def test_designs(
    tiny_encoder: Path,
    two_articles: tuple[Path, Path],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    annotations, texts = two_articles
    options = ("--encoder", tiny_encoder, "--epochs", 1, "--annotations", annotations, "--texts", texts)
    run(script("scripts/stance_designs.py"), monkeypatch, *options)
    out = capsys.readouterr().out
    for design in ("pair", "article", "both"):
        assert f"| {design} | 1 |" in out
    assert "| article | 0 | 0.00 |" in out


def test_bias(
    tiny_model: Path,
    two_articles: tuple[Path, Path],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    annotations, texts = two_articles
    run(
        script("scripts/stance_bias.py"),
        monkeypatch,
        "--model",
        tiny_model,
        "--annotations",
        annotations,
        "--texts",
        texts,
    )
    out = capsys.readouterr().out
    assert "| all |" in out
    assert "| النرويج |" in out


def test_evidence(
    tiny_model: Path,
    tmp_path: Path,
    sentences: tuple[str, ...],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "a.txt").write_text("\n\n".join(sentences), encoding="utf-8")
    run(script("scripts/stance_evidence.py"), monkeypatch, tmp_path, "--model", tiny_model, "--draws", 1)
    assert "| as much other text |" in capsys.readouterr().out


def test_evidence_by_models_that_have_not_seen_the_article(
    tiny_model: Path,
    tmp_path: Path,
    sentences: tuple[str, ...],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each article goes to its own fold's model, for every seed."""
    for doc in ("a", "b"):
        (tmp_path / f"{doc}.txt").write_text("\n\n".join(sentences), encoding="utf-8")
    module, asked = script("scripts/stance_evidence.py"), list[tuple[str, ...]]()
    monkeypatch.setattr(module, "tried", lambda texts, model, draws: asked.append((*texts, model)) or [])
    run(module, monkeypatch, tmp_path, "--folds", tmp_path / "cv", "--seeds", 1, 2)
    assert asked == [(doc, str(tmp_path / "cv" / f"fold-{doc}-{seed}")) for seed in (1, 2) for doc in ("a", "b")]


def lexical_run(folder: Path, **settings: object) -> Path:
    """A config on 40 pairs, whose texts deny the claim or do not."""
    texts = {"agree": "وصول القمح إلى الميناء", "disagree": "الوزير ينفي وصول القمح إلى الميناء"}
    rows = [
        {"claim": f"وصول القمح إلى المدينة {n % 8}", "text": texts[label], "stance": label}
        for n in range(20)
        for label in texts
    ]
    lines = "\n".join(json.dumps(row, ensure_ascii=False) for row in rows)
    (folder / "pairs.jsonl").write_text(lines, encoding="utf-8")
    names = {"agree": "favor", "disagree": "against"}
    source = {"head": "stance", "reader": "pairs", "path": str(folder / "pairs.jsonl"), "map": names}
    head = {"kind": "pair", "labels": ["favor", "against", "none"], "lexical": True}
    tree = {"encoder": "compact", "output": "x", "heads": {"stance": head}, "sources": {"pairs": source}}
    path = folder / "run.yaml"
    judge = settings or {"evaluation": {"dev": source}}
    path.write_text(json.dumps(tree | judge), encoding="utf-8")
    return path


def test_the_lexical_part_alone_on_a_dev_part(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run(script("scripts/lexical_scores.py"), monkeypatch, lexical_run(tmp_path))
    assert "| 40 | 1.000 | 1.000 | 1.000 |" in capsys.readouterr().out


def test_the_lexical_part_alone_by_claim(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folds = {"seeds": [1], "pairs": {"source": "pairs", "by": "claim", "count": 4}}
    run(script("scripts/lexical_scores.py"), monkeypatch, lexical_run(tmp_path, cross_validation=folds))
    assert "| 40 | 1.000 | 1.000 | 1.000, 1.000, 1.000, 1.000 |" in capsys.readouterr().out


def test_cuts_are_cut_and_nothing_else() -> None:
    assert script("scripts/stance_evidence.py").without("0123456789", [Span(7, 9), Span(1, 3)]) == "034569"

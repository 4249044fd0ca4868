"""The stance experiments in scripts/ run through, on a tiny model and a small copy of the annotated articles."""

from __future__ import annotations

import importlib.util
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
    for design in ("pair", "article", "together", "both"):
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


def test_cuts_are_cut_and_nothing_else() -> None:
    assert script("scripts/stance_evidence.py").without("0123456789", [Span(7, 9), Span(1, 3)]) == "034569"

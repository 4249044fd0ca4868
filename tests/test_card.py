"""Cards: metadata that the hub reads, figures with their intervals, data with licences, snippets that run."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from huggingface_hub import ModelCardData

from rasid.card import CARD, MARK, make_card, metadata_of, write_card
from rasid.cli import main
from rasid.errors import ModelError
from rasid.model import Head, Loaded, load_tokenizer, new_model, revision_of, save_model
from rasid.provenance import code_commit, versions
from rasid.records import Record
from rasid.scorecard import figures_of

RUN = {
    "encoder": "aubmindlab/bert-base-arabertv02",
    "revision": "c" * 40,
    "output": "run",
    "heads": {"entities": {"kind": "tokens", "inventory": "wojood"}},
    "sources": {
        "mine": {"head": "entities", "reader": "annotations", "path": "/data/mine", "licence": "CC BY 4.0"},
        "theirs": {"head": "entities", "reader": "conll", "path": "/data/ner/theirs/train.tsv", "licence": None},
    },
    "evaluation": {"dev": {"head": "entities", "reader": "conll", "path": "/data/ner/theirs/dev.tsv"}},
    "card": {"licence": "apache-2.0", "limits": ["It has read one newspaper."]},
}
SEEDS = {
    "seeds": [1, 2],
    "sets": [
        {
            "name": "dev",
            "figures": [
                {"measure": "strict", "part": "all", "mean": 0.61, "low": 0.55, "high": 0.66, "spread": 0.012},
                {"measure": "strict", "part": "ORG", "mean": 0.4, "low": 0.2, "high": 0.5, "spread": 0.1},
            ],
        }
    ],
}


@pytest.fixture
def folder(tiny_encoder: Path, tmp_path: Path) -> Path:
    """A model folder as a run leaves it."""
    made = tmp_path / "run" / "seed-1"
    heads = {"entities": Head(kind="tokens", labels=("PERS", "GPE"))}
    model = new_model(str(tiny_encoder), heads, 64, 16, 0.1)
    model.config.base = {"encoder": RUN["encoder"], "commit": "c" * 40, "preprocessing": "arabert"}
    save_model(Loaded(model, load_tokenizer(tiny_encoder), "seed-1", ""), made, compress=False)
    (made / "run.yaml").write_text(yaml.safe_dump(RUN, allow_unicode=True), encoding="utf-8")
    metrics = {"metrics": {"dev_strict_f1": 0.6, "dev_lenient_f1": 0.65, "calibration_x": 1}, "seconds": 12.5}
    metrics |= {"commit": "d" * 40, "versions": {"rasid": "0.1.0"}}
    (made / "metrics.json").write_text(json.dumps(metrics), encoding="utf-8")
    return made


def results(card: str) -> list[dict[str, Any]]:
    (index,) = metadata_of(card)["model-index"]
    found: list[dict[str, Any]] = index["results"]
    return found


def test_the_metadata_is_the_hubs(folder: Path) -> None:
    card = make_card(folder)
    tree = metadata_of(card)
    assert tree["license"] == "apache-2.0"
    assert (tree["base_model"], tree["library_name"]) == (RUN["encoder"], "rasid")
    data = ModelCardData(**tree, ignore_metadata_errors=False)  # the hub's own reader understands the model-index
    assert {result.metric_value for result in data.eval_results or ()} == {0.6, 0.65}


def test_a_run_over_seeds_gives_intervals(folder: Path) -> None:
    (folder.parent / "report.json").write_text(json.dumps(SEEDS), encoding="utf-8")
    card = make_card(folder)
    (result,) = results(card)
    assert result["metrics"] == [
        {"type": "f1", "name": "strict", "value": 0.61, "args": {"interval_95": [0.55, 0.66], "runs": 2}}
    ]
    assert re.search(r"\| dev +\| +strict \| 0\.610 ± 0\.012 \| 0\.550 to 0\.660 \| +2 \|", card)


def test_a_report_of_evaluate_gives_intervals(folder: Path, tmp_path: Path) -> None:
    report = tmp_path / "report"
    report.mkdir()
    estimate = {"value": 0.5, "low": 0.4, "high": 0.6}
    tree = {
        "articles": 3,
        "models": [{"name": "seed-1", "revision": revision_of(folder)}],
        "entities": {"outermost": {"f1": estimate}},
        "clusters": {"f1": {"b3": estimate}},
        "stances": {"article": {"macro_f1": estimate, "support": 4}, "passage": {"macro_f1": estimate, "support": 0}},
    }
    (report / "report.json").write_text(json.dumps(tree))
    measures = [figure.measure for figure in figures_of(folder, revision_of(folder), report)]
    assert measures == ["outermost entities, strict F1", "clusters, b3 F1", "stance per article, macro-F1"]
    assert all(m["args"]["interval_95"] == [0.4, 0.6] for r in results(make_card(folder, report)) for m in r["metrics"])
    (report / "report.json").write_text(json.dumps(tree | {"models": [{"revision": "0" * 64}]}))
    with pytest.raises(ModelError, match="reports on a model with weights 000000000000, not on"):
        make_card(folder, report)


def test_data_limits_and_origin_are_said(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RASID_DATA", "/data")
    card = make_card(folder)
    assert re.search(r"\| mine +\| trained on \| entities \| +mine \| +CC BY 4\.0 \|", card)
    assert re.search(r"\| theirs +\| trained on \| entities \| theirs/train\.tsv \| not stated \|", card)
    assert "ask the set's owners" in card
    assert "- It has read one newspaper." in card
    assert f"Encoder: `{RUN['encoder']}`, commit `{'c' * 40}`, preprocessing `arabert`" in card
    assert f"commit `{'d' * 40}`" in card
    assert f"`{revision_of(folder)}`" in card
    assert "${RASID_DATA}/ner/theirs/train.tsv" in card
    assert "/data/" not in card.replace("${RASID_DATA}/", "")
    config = yaml.safe_load(card.partition("```yaml\n")[2].partition("```")[0])
    assert config["encoder"] == RUN["encoder"]


def test_the_licence_may_stand_in_a_data_card(folder: Path, tmp_path: Path) -> None:
    data = tmp_path / "annotated"
    data.mkdir()
    (data / "README.md").write_text("---\nlicense: cc0-1.0\n---\n", encoding="utf-8")
    run = RUN | {"sources": {"mine": {"head": "entities", "reader": "annotations", "path": str(data)}}}
    (folder / "run.yaml").write_text(yaml.safe_dump(run), encoding="utf-8")
    assert "cc0-1.0" in make_card(folder)


@pytest.mark.parametrize("kind", ["tokens", "pair", "text"])
def test_the_python_in_a_card_runs(kind: str, tiny_encoder: Path, tmp_path: Path) -> None:
    head = Head.model_validate({"kind": kind, "labels": ("favor", "against", "none")})
    model = new_model(str(tiny_encoder), {"h": head}, 64, 16, 0.1, pair_window=64)
    save_model(Loaded(model, load_tokenizer(tiny_encoder), "m", ""), tmp_path / "m", compress=False)
    card = make_card(tmp_path / "m")
    code = card.partition("```python\n")[2].partition("```")[0]
    shown = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert shown.returncode == 0, shown.stderr
    if kind == "tokens":
        assert Record.model_validate_json(shown.stdout).doc == "a"
    else:
        assert "favor" in code
        assert "0." in shown.stdout
    assert "not say (no run.yaml" in card


def test_a_card_of_ones_own_is_kept(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["card", str(folder)]) == 0
    assert "source theirs: no licence stated; set sources.theirs.licence" in capsys.readouterr().out
    own = (folder / CARD).read_text(encoding="utf-8").replace(MARK, "")
    (folder / CARD).write_text(own, encoding="utf-8")
    assert not write_card(folder)
    assert main(["card", str(folder)]) == 2
    assert "written by hand; --overwrite replaces it" in capsys.readouterr().err
    assert (folder / CARD).read_text(encoding="utf-8") == own
    assert main(["card", str(folder), "--overwrite"]) == 0


def test_a_card_without_metadata() -> None:
    with pytest.raises(ModelError, match="no metadata at its head"):
        metadata_of("# A model\n")


def test_the_commit_of_a_checkout(tmp_path: Path) -> None:
    assert code_commit(tmp_path) is None
    git = ["git", "-c", "user.name=a", "-c", "user.email=a@b", "-C", str(tmp_path)]
    (tmp_path / "a").write_text("1")
    for command in (["init", "-q"], ["add", "a"], ["commit", "-qm", "a"]):
        subprocess.run([*git, *command], check=True, capture_output=True)
    commit = code_commit(tmp_path)
    assert commit
    assert re.fullmatch("[0-9a-f]{40}", commit)
    (tmp_path / "a").write_text("2")
    assert code_commit(tmp_path) == f"{commit}+changes"
    assert versions()["rasid"]

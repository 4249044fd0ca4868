"""docs/train.md: every command of the page is run, in its order, on two articles and a stand-in encoder."""

from __future__ import annotations

import re
import shlex
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from rasid.cli import main
from rasid.config import shipped_configs
from rasid.pretrained import PRESCRIBED

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs/train.md").read_text(encoding="utf-8")
DOCS = ("price-of-victory", "hol-camp-convoys")


def console() -> list[str]:
    fences = re.findall(r"```console\n(.*?)```", PAGE, re.DOTALL)
    return [line.removeprefix("$ ") for fence in fences for line in fence.splitlines() if line.startswith("$ ")]


def test_every_command_on_the_page_runs(
    stand_in: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "texts").mkdir()
    for doc in DOCS:
        shutil.copy(ROOT / "seeds" / f"{doc}.txt", tmp_path / "texts")
    (config,) = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    tiny = {"encoder": str(stand_in("bert")), "training": {"max_steps": 2, "save_strategy": "no", "disable_tqdm": True}}
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(yaml.safe_load(config) | tiny), encoding="utf-8")
    lines = console()
    assert len(lines) >= 10
    for line in lines:
        program, *words = shlex.split(line)
        assert program == "rasid"
        assert main(words) == 0, f"{line}\n{capsys.readouterr().err}"
        if words[:2] == ["annotations", "import"]:
            (tmp_path / "held-out").mkdir()
            (tmp_path / "gold" / f"{DOCS[1]}.json").rename(tmp_path / "held-out" / f"{DOCS[1]}.json")
    card = (tmp_path / "runs/mine/README.md").read_text(encoding="utf-8")
    for said in (
        "CC BY 4.0",
        "license: apache-2.0",
        "It has read one newspaper.",
        "preprocessing `arabert`",
        "interval_95",
    ):
        assert said in card, said
    assert str(tmp_path) not in card
    assert (tmp_path / "articles/data/entities.jsonl").is_file()


def test_the_page_names_every_config_of_a_known_encoder() -> None:
    configs = {
        name: str(yaml.safe_load(path.read_text(encoding="utf-8")).get("encoder", ""))
        for name, path in shipped_configs().items()
    }
    known = [name for name, encoder in configs.items() if encoder in PRESCRIBED or encoder.startswith(("UBC", "NAMAA"))]
    assert len(known) == 7
    for name in known:
        assert f"`{name}`" in PAGE
    for name, encoder in configs.items():
        if encoder in PRESCRIBED:  # what the config states is what the name alone would give
            tree = yaml.safe_load(shipped_configs()[name].read_text(encoding="utf-8"))
            assert tree.get("preprocessing", "arabert") == PRESCRIBED[encoder], name

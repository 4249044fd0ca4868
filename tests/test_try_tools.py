"""The script that tries the real tools, as far as it goes without one: its articles, its comparison, its one line."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

from rasid.exchange import Article
from rasid.formats import FORMATS, read_format, write_files, write_format
from rasid.records import faults

ROOT = Path(__file__).parents[1]
SCRIPT = ROOT / "scripts/try_tools.py"
spec = importlib.util.spec_from_file_location("try_tools", SCRIPT)
assert spec is not None
assert spec.loader is not None
script = importlib.util.module_from_spec(spec)
sys.modules["try_tools"] = script
spec.loader.exec_module(script)


def test_its_articles_are_sound_and_survive_the_formats_it_tries(tmp_path: Path) -> None:
    sent = script.hard_articles()
    assert not [fault for one in sent for fault in faults(one.record, one.text)]
    for name in ("labelstudio", "doccano", "doccano-relations"):
        assert name in FORMATS
        write_files(tmp_path / name, write_format(name, sent).files)
        back = list(read_format(name, tmp_path / name, None).articles)
        assert script.differences(sent, back) == []


def test_what_did_not_come_back_is_named() -> None:
    gold, predicted = script.hard_articles()
    other = gold.record.model_copy(update={"stances": ()})
    assert script.differences([gold, predicted], [Article(other, gold.text)]) == [
        "hard: differs in stances",
        "hard-predicted: did not come back",
    ]
    assert script.differences([gold], [Article(gold.record, "x")]) == ["hard: another text"]


def test_without_the_tool_it_ends_with_one_line(tmp_path: Path) -> None:
    command = [sys.executable, str(SCRIPT), "doccano", "--bin", str(tmp_path)]
    shown = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert shown.returncode == 2
    assert shown.stderr.strip().splitlines()[-1].startswith("try_tools: ")

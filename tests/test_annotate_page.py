"""docs/annotate.md from top to bottom: every command in it, with the tiny model and people who mend nothing much."""

from __future__ import annotations

import json
import re
import shlex
import shutil
from pathlib import Path

import pytest

from rasid.cli import main
from rasid.formats import read_format
from rasid.records import read_records

PAGE = Path(__file__).parents[1] / "docs/annotate.md"


def commands() -> list[list[str]]:
    fences = re.findall(r"```console\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    return [shlex.split(line)[2:] for fence in fences for line in fence.splitlines() if line.startswith("$ rasid ")]


def annotate_exam(folder: Path) -> None:
    """The drawn articles as somebody annotated them who found nothing."""
    (folder / "exam").mkdir()
    lines = [json.loads(line) for line in (folder / "exam.jsonl").read_text(encoding="utf-8").splitlines()]
    rows = [{"text": row["text"], "doc": row["doc"], "label": []} for row in lines]
    (folder / "by-hand.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    for article in read_format("doccano", folder / "by-hand.jsonl", None).articles:
        (folder / "exam" / f"{article.record.doc}.json").write_text(article.record.to_json(), encoding="utf-8")


def mend(folder: Path) -> None:
    """What the tools export after people have let every prediction stand."""
    tasks = json.loads((folder / "tasks.json").read_text(encoding="utf-8"))
    done = [{**task, "annotations": [{"id": 1, "result": task["predictions"][0]["result"]}]} for task in tasks]
    (folder / "project.json").write_text(json.dumps(done), encoding="utf-8")
    shutil.copy(folder / "lines.jsonl", folder / "all.jsonl")


def test_the_page_from_top_to_bottom(
    tiny_model: Path, tiny_encoder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sentences: tuple[str, ...]
) -> None:
    monkeypatch.chdir(tmp_path)
    rows = [{"id": f"a{n}", "text": f"{text} {n}"} for n, text in enumerate(sentences * 3)]
    Path("backlog.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    Path("texts").mkdir()
    ran = []
    for command in commands():
        line = " ".join(command)
        if command[:2] == ["annotations", "select"]:
            command = ["60" if word == "5000" else word for word in command]
        elif line.startswith("annotations import project"):
            mend(tmp_path)
        elif line.startswith("annotations agreement"):
            shutil.copytree("mine", "second")
        elif command[0] == "train":
            small = (
                "encoder=" + str(tiny_encoder),
                "training.max_steps=1",
                "window=64",
                "overlap=20",
                "pair_window=64",
            )
            stances = ("sources.stances.path=mine", "sources.stances.texts=mine")
            command += [word for setting in (*small, *stances) for word in ("--set", setting)]
        assert main([str(tiny_model) if word == "news" else word for word in command]) == 0, line
        if "exam.jsonl" in line:
            annotate_exam(tmp_path)
        ran.append(" ".join(command[:2] if command[0] == "annotations" else command[:1]))
    assert {
        "train",
        *(f"annotations {name}" for name in ("select", "preannotate", "import", "stats", "agreement")),
    } <= {*ran}
    exam, mine = ({record.doc for _, record in read_records(Path(name))} for name in ("exam", "mine"))
    again = {json.loads(line)["doc"] for line in Path("next.jsonl").read_text(encoding="utf-8").splitlines()}
    assert exam
    assert mine
    assert again
    assert not exam & mine
    assert not again & (exam | mine)

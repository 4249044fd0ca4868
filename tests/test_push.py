"""Publishing: what would go is shown, what should not go is refused, and the hub is asked for nothing in a dry run."""

from __future__ import annotations

import argparse
import json
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from rasid.card import write_card
from rasid.cli import main
from rasid.errors import ModelError
from rasid.model import revision_of
from rasid.push import pack, run_push


@dataclass
class FakeHub:
    """Stands in for huggingface_hub's HfApi, and remembers what it was asked."""

    calls: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    error: Exception | None = None

    def create_repo(self, repo_id: str, **options: Any) -> None:
        self.calls.append(("create_repo", {"repo_id": repo_id, **options}))
        if self.error:
            raise self.error

    def create_branch(self, repo_id: str, **options: Any) -> None:
        self.calls.append(("create_branch", {"repo_id": repo_id, **options}))

    def upload_folder(self, **options: Any) -> str:
        self.calls.append(("upload_folder", options))
        return "https://hub/commit/1"


@pytest.fixture
def folder(tiny_model: Path, tmp_path: Path) -> Path:
    copy = Path(shutil.copytree(tiny_model, tmp_path / "model"))
    write_card(copy)
    (copy / "run.yaml").write_text("{}")
    return copy


def arguments(folder: Path, **changes: Any) -> argparse.Namespace:
    defaults = {"private": False, "revision": None, "dry_run": False, "skip_foreign": False, "without_card": False}
    return argparse.Namespace(model=str(folder), repo="owner/name", **(defaults | changes))


def test_a_dry_run_shows_all_and_sends_nothing(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    hub = FakeHub()
    assert run_push(arguments(folder, dry_run=True, private=True), hub) == 0
    shown = capsys.readouterr().out
    assert not hub.calls
    assert "-> owner/name (private if it is new), branch main" in shown
    for file in ("config.json", "model.safetensors", "tokenizer.json", "README.md"):
        assert f"{(folder / file).stat().st_size:,}" in shown
    assert "stays here: run.yaml" in shown
    assert "library_name: rasid" in shown  # the card's head
    assert "dry run: nothing was sent" in shown


def test_what_is_sent(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    hub = FakeHub()
    assert run_push(arguments(folder, private=True, revision="v2"), hub) == 0
    assert [name for name, _ in hub.calls] == ["create_repo", "create_branch", "upload_folder"]
    (_, made), (_, branch), (_, sent) = hub.calls
    assert (made["private"], made["exist_ok"], branch["branch"]) == (True, True, "v2")
    assert (sent["repo_id"], sent["folder_path"], sent["revision"]) == ("owner/name", folder, "v2")
    assert set(sent["allow_patterns"]) == {p.name for p in folder.iterdir()} - {"run.yaml"}
    assert "sent -> https://hub/commit/1" in capsys.readouterr().out
    hub.calls.clear()
    run_push(arguments(folder), hub)
    assert [name for name, _ in hub.calls] == ["create_repo", "upload_folder"]


@pytest.mark.parametrize("name", ["notes.txt", "optimizer.pt", "evil.py"])
def test_foreign_files_are_refused_unless_left(folder: Path, name: str) -> None:
    (folder / name).write_text("x")
    with pytest.raises(ModelError, match=rf"{name}: no file of a model; take them away, or leave them here"):
        pack(folder)
    assert name not in pack(folder, skip_foreign=True).files
    (folder / "more").mkdir()
    with pytest.raises(ModelError, match="more"):
        pack(folder)


def test_a_card_is_asked_for(folder: Path) -> None:
    (folder / "README.md").unlink()
    with pytest.raises(ModelError, match=r"no README\.md; write one with `rasid card"):
        pack(folder)
    assert "README.md" not in pack(folder, without_card=True).files


def test_a_card_of_other_weights_is_refused(folder: Path) -> None:
    weights = folder / "model.safetensors"
    data = bytearray(weights.read_bytes())
    data[-1] ^= 1
    weights.write_bytes(bytes(data))
    with pytest.raises(ModelError, match=r"of other weights than model\.safetensors; write it anew"):
        pack(folder)
    (folder / "README.md").write_text("# no metadata\n")
    with pytest.raises(ModelError, match="no metadata at its head"):
        pack(folder)


def test_a_refusal_of_the_hub_is_one_line(folder: Path) -> None:
    hub = FakeHub(error=OSError("401 Client Error.\nInvalid username or password."))
    with pytest.raises(ModelError) as caught:
        run_push(arguments(folder), hub)
    message = str(caught.value)
    assert "\n" not in message
    assert message.startswith("owner/name: the hub refused it (401 Client Error. Invalid")
    assert message.endswith("run `hf auth login`, or set HF_TOKEN")


def test_a_name_that_is_none(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["push", str(folder), "name", "--dry-run"]) == 2
    assert "name: no name of a repository; expected owner/name" in capsys.readouterr().err
    assert main(["push", str(folder), "owner/name", "--dry-run", "--branch", "v2"]) == 0
    assert "branch v2" in capsys.readouterr().out


def add_graphs(folder: Path, revision: str) -> None:
    (folder / "onnx").mkdir()
    (folder / "onnx" / "model.onnx").write_bytes(b"graph")
    (folder / "onnx" / "model.int8.onnx").write_bytes(b"smaller")
    (folder / "onnx" / "export.json").write_text(json.dumps({"revision": revision, "graphs": {}}))


def test_graphs_go_with_the_model(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    add_graphs(folder, revision_of(folder))
    hub = FakeHub()
    run_push(arguments(folder, dry_run=True), hub)
    shown = capsys.readouterr().out
    graphs = {"onnx/export.json", "onnx/model.int8.onnx", "onnx/model.onnx"}
    assert all(name in shown for name in graphs)
    assert not hub.calls
    run_push(arguments(folder), hub)
    assert graphs < set(hub.calls[-1][1]["allow_patterns"])


def test_graphs_of_other_weights_and_what_is_no_graph_are_refused(folder: Path) -> None:
    add_graphs(folder, "of something else")
    with pytest.raises(ModelError, match=r"export.json: of other weights.*rasid export"):
        pack(folder)
    (folder / "onnx" / "export.json").write_text("[]")
    with pytest.raises(ModelError, match=r"export.json: damaged"):
        pack(folder)
    (folder / "onnx" / "profile.txt").write_text("")
    with pytest.raises(ModelError, match=r"onnx/profile.txt: no file of a model"):
        pack(folder)

"""`rasid push`: a finished model folder to the model hub, after showing what would go.

Only files of a model go, its ONNX graphs among them; a folder with others in it, or without a card, is refused unless
asked. The hub is spoken to through huggingface_hub alone, and only here.
"""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rasid.card import CARD, MARK, metadata_of
from rasid.errors import ModelError
from rasid.hub import is_hub_id
from rasid.model import check_folder, find_model, revision_of
from rasid.tables import table

_MODEL = {
    *("config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json"),
    *("vocab.txt", "vocab.json", "merges.txt"),
}
_BESIDE = {
    *(CARD, "LICENSE", "metrics.json", "report.json", "report.md", "labels.md", "calibration.json"),
    *("history.jsonl", "training.json"),
}
_GRAPHS = "onnx"  # the folder of `rasid export --to onnx`
_GRAPH_SUMMARY = "export.json"
_GRAPH = re.compile(rf"model(\.\w+)?\.onnx|{re.escape(_GRAPH_SUMMARY)}")
# Names paths of this machine, or is of use to nobody else; the card holds the config without paths.
_KEPT = {"run.yaml", "claim.json", "checkpoints", "tensorboard"}


@dataclass(frozen=True)
class Parcel:
    """What goes: files with their sizes in bytes; `kept` stay behind, `foreign` are of no model."""

    folder: Path
    files: dict[str, int]
    kept: tuple[str, ...]
    foreign: tuple[str, ...]
    revision: str

    @property
    def size(self) -> int:
        return sum(self.files.values())

    def render(self, repo: str, private: bool, branch: str | None) -> str:
        """What would be done, and the card's first lines."""
        access = "private" if private else "public"
        lines = [f"{self.folder} -> {repo} ({access} if it is new), branch {branch or 'main'}", ""]
        lines += [table(["file", "bytes"], [[name, f"{size:,}"] for name, size in self.files.items()]), ""]
        lines.append(f"{len(self.files)} files, {self.size / 1e6:.1f} MB; weights {self.revision[:12]}")
        if self.kept:
            lines.append(f"stays here: {', '.join(self.kept)}")
        return "\n".join(lines)


def pack(folder: Path, skip_foreign: bool = False, without_card: bool = False) -> Parcel:
    """The parcel of a model folder. Raises ModelError for files that do not belong to a model, and for a missing or a
    broken card."""
    check_folder(folder)
    own = {path.relative_to(folder).as_posix(): path for path in _files(folder)}
    known = {name: path.stat().st_size for name, path in own.items() if _belongs(path, folder) and path.is_file()}
    foreign = tuple(name for name in own if name not in known and name not in _KEPT)
    if foreign and not skip_foreign:
        some = ", ".join(foreign[:5])
        raise ModelError(
            f"{folder}: {some}: no file of a model; take them away, or leave them here with --skip-foreign"
        )
    if CARD not in known and not without_card:
        raise ModelError(f"{folder}: no {CARD}; write one with `rasid card {folder}`, or push with --without-card")
    if CARD in known:
        _check_card(folder)
    if f"{_GRAPHS}/{_GRAPH_SUMMARY}" in known:
        _check_graphs(folder)
    kept = tuple(name for name in own if name in _KEPT)
    return Parcel(folder, known, kept, foreign, revision_of(folder))


def _files(folder: Path) -> Iterator[Path]:
    """What stands in a model folder, and in its folder of graphs."""
    for path in sorted(folder.iterdir()):
        if path.name == _GRAPHS and path.is_dir():
            yield from sorted(path.iterdir())
        elif not path.name.startswith("."):
            yield path


def _belongs(path: Path, folder: Path) -> bool:
    return path.name in _MODEL | _BESIDE if path.parent == folder else bool(_GRAPH.fullmatch(path.name))


def _check_graphs(folder: Path) -> None:
    """Raises ModelError for graphs of other weights, which nobody who fetched them could run."""
    path = folder / _GRAPHS / _GRAPH_SUMMARY
    try:
        revision = json.loads(path.read_text(encoding="utf-8"))["revision"]
    except (ValueError, KeyError, TypeError):
        raise ModelError(f"{path}: damaged; `rasid export {folder} --to onnx` again, or take the folder away") from None
    if revision != revision_of(folder):
        raise ModelError(
            f"{path}: of other weights than model.safetensors; `rasid export {folder} --to onnx` again, "
            "or take the folder away"
        )


def _check_card(folder: Path) -> None:
    text = (folder / CARD).read_text(encoding="utf-8")
    metadata_of(text)
    if MARK in text and revision_of(folder) not in text:
        raise ModelError(f"{folder / CARD}: of other weights than model.safetensors; write it anew with `rasid card`")


def send(parcel: Parcel, repo: str, private: bool, branch: str | None, api: Any = None) -> str:
    """Makes the repository and the branch where they are missing, uploads, and returns the commit's address. `api`:
    in place of huggingface_hub's HfApi. Raises ModelError where the hub refuses."""
    from huggingface_hub import HfApi, errors

    api = api or HfApi()
    try:
        api.create_repo(repo, private=private, exist_ok=True, repo_type="model")
        if branch:
            api.create_branch(repo, branch=branch, exist_ok=True, repo_type="model")
        done = api.upload_folder(
            repo_id=repo,
            folder_path=parcel.folder,
            allow_patterns=list(parcel.files),
            revision=branch,
            repo_type="model",
            commit_message=f"Rasid model, weights {parcel.revision[:12]}",
        )
    except (errors.HfHubHTTPError, errors.LocalTokenNotFoundError, OSError, ValueError) as error:
        text = " ".join(str(error).split())[:200]
        token = "; run `hf auth login`, or set HF_TOKEN" if "401" in text or "oken" in text else ""
        raise ModelError(f"{repo}: the hub refused it ({text}){token}") from None
    return str(getattr(done, "commit_url", done))


def run_push(args: argparse.Namespace, api: Any = None) -> int:
    """`rasid push`: shows the parcel, and sends it unless it is a dry run."""
    if not is_hub_id(args.repo) or "/" not in args.repo:
        raise ModelError(f"{args.repo}: no name of a repository; expected owner/name")
    parcel = pack(find_model(args.model), args.skip_foreign, args.without_card)
    print(parcel.render(args.repo, args.private, args.revision))
    if args.dry_run:
        print(
            f"\n{_head(parcel.folder)}\ndry run: nothing was sent, and the hub was not asked whether {args.repo} exists"
        )
        return 0
    print(f"sent -> {send(parcel, args.repo, args.private, args.revision, api)}")
    return 0


def _head(folder: Path, lines: int = 40) -> str:
    """The beginning of the card."""
    path = folder / CARD
    if not path.is_file():
        return "no card"
    text: Sequence[str] = path.read_text(encoding="utf-8").splitlines()
    more = f"\n... {len(text) - lines} lines more" if len(text) > lines else ""
    return "\n".join(text[:lines]) + more

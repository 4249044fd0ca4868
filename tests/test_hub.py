"""Encoders by hub id, against a hub on the loopback: pinned, cached, and every refusal one line."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import huggingface_hub.constants
import pytest

from rasid.errors import ModelError
from rasid.hub import fetch, is_hub_id
from rasid.pretrained import find_encoder

COMMIT, OTHER = "a" * 40, "b" * 40


@dataclass
class Hub:
    """A hub with one encoder, and what was asked of it."""

    url: str
    files: dict[str, bytes]
    asked: list[str] = field(default_factory=list)
    refuse: tuple[int, str] | None = None


def _answer(hub: Hub, path: str) -> tuple[int, dict[str, str], bytes]:
    """Status, headers and body, as huggingface.co answers."""
    if hub.refuse:
        return hub.refuse[0], {"X-Error-Code": hub.refuse[1], "X-Error-Message": hub.refuse[1]}, b"{}"
    path = unquote(path)
    if not path.removeprefix("/api/models").startswith("/owner/encoder"):
        return 404, {"X-Error-Code": "RepoNotFound"}, b"{}"
    if "/tree/" in path:
        rows = [
            {"type": "file", "path": n, "size": len(b), "oid": f"{i:040x}"}
            for i, (n, b) in enumerate(hub.files.items())
        ]
        return 200, {}, json.dumps(rows).encode()
    if path.startswith("/api/models"):
        _, _, revision = path.partition("/revision/")
        known = {"": COMMIT, "main": COMMIT, "v2": OTHER, COMMIT: COMMIT, OTHER: OTHER}
        if revision not in known:
            return 404, {"X-Error-Code": "RevisionNotFound"}, b"{}"
        return 200, {}, json.dumps({"id": "owner/encoder", "sha": known[revision], "siblings": []}).encode()
    _, _, rest = path.partition("/resolve/")
    revision, _, name = rest.partition("/")
    body = hub.files[name]
    return 200, {"X-Repo-Commit": revision, "ETag": f'"{len(body)}-{name}"', "Content-Length": str(len(body))}, body


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, tiny_encoder: Path) -> Iterator[Hub]:
    files = {file.name: file.read_bytes() for file in tiny_encoder.iterdir() if file.is_file()}
    made = Hub("", files | {"pytorch_model.bin": b"pickle", "code.py": b"evil()"})

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            made.asked.append(f"{self.command} {self.path}")
            status, headers, body = _answer(made, self.path.partition("?")[0])
            self.send_response(status)
            for name, value in {
                "Content-Length": str(len(body)),
                "Content-Type": "application/json",
                **headers,
            }.items():
                self.send_header(name, value)
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(body)

        do_HEAD = do_GET  # noqa: N815

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    made.url = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    constants = huggingface_hub.constants
    monkeypatch.setattr(constants, "ENDPOINT", made.url)
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", made.url + "/{repo_id}/resolve/{revision}/{filename}")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    yield made
    server.shutdown()
    server.server_close()


def fault(name: str = "owner/encoder", revision: str | None = None) -> str:
    with pytest.raises(ModelError) as caught:
        fetch(name, revision)
    message = str(caught.value)
    assert "\n" not in message
    assert message.startswith(f"encoder {name}: ")
    return message.removeprefix(f"encoder {name}: ")


def test_an_encoder_is_fetched_and_pinned(hub: Hub) -> None:
    snapshot = fetch("owner/encoder")
    assert snapshot.commit == COMMIT
    there = {file.name for file in snapshot.folder.iterdir()}
    assert {"config.json", "model.safetensors", "tokenizer.json"} <= there
    assert not there & {"pytorch_model.bin", "code.py"}  # neither pickles nor code
    assert not any("pytorch_model" in line or "code.py" in line for line in hub.asked)
    assert fetch("owner/encoder", "v2").commit == OTHER
    assert fetch("owner/encoder", OTHER).commit == OTHER


def test_what_is_in_the_cache_needs_no_hub(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    pinned = fetch("owner/encoder")
    hub.asked.clear()
    assert fetch("owner/encoder", COMMIT) == pinned
    assert not [line for line in hub.asked if "resolve" in line]
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    hub.asked.clear()
    assert fetch("owner/encoder") == fetch("owner/encoder", COMMIT) == pinned
    assert not hub.asked


def test_offline_and_not_cached(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    assert fault() == (
        "offline, and owner/encoder is not in the cache; run `hf download owner/encoder` while online, or name a folder"
    )
    assert "run `hf download owner/encoder --revision v2`" in fault(revision="v2")


def test_a_hub_that_does_not_answer(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", "http://127.0.0.1:9")  # the discard port
    assert fault().startswith("the hub cannot be reached, and owner/encoder is not in the cache; run `hf download")


def test_a_gated_encoder(hub: Hub) -> None:
    hub.refuse = (403, "GatedRepo")
    assert fault() == (f"gated; accept its terms at {hub.url}/owner/encoder, then run `hf auth login`, or set HF_TOKEN")


def test_a_revision_that_is_not_there(hub: Hub) -> None:
    assert fault(revision="v9") == "no revision 'v9'; its branches and commits are on its hub page"


def test_an_encoder_that_is_not_there(hub: Hub) -> None:
    assert fault("owner/other").startswith("no such folder, and no such model on the hub (or a private one: ")


def test_an_encoder_of_pickles(hub: Hub) -> None:
    del hub.files["model.safetensors"]
    message = fault()
    assert message.startswith("no safetensors at commit aaaaaaaaaaaa, and pickles are never loaded; take a revision")


def test_no_encoder_at_all(hub: Hub) -> None:
    for name in ("model.safetensors", "config.json"):
        del hub.files[name]
    assert fault() == "no model: config.json is missing at commit aaaaaaaaaaaa"


def test_what_may_be_a_hub_id() -> None:
    assert is_hub_id("aubmindlab/bert-base-arabertv02")
    assert is_hub_id("xlm-roberta-base")
    assert not any(map(is_hub_id, ("./encoder", "/data/encoder", "runs/a/encoder", "../x", "a b")))


def test_an_encoder_says_where_it_is_from(hub: Hub, tiny_encoder: Path) -> None:
    found = find_encoder("owner/encoder", "main")
    assert (found.commit, found.chain) == (COMMIT, "none")
    assert found.provenance() == {"encoder": "owner/encoder", "commit": COMMIT, "preprocessing": "none"}
    with pytest.raises(ModelError, match="a folder has no revision; leave 'main' out"):
        find_encoder(str(tiny_encoder), "main")

"""Records through a running server of an annotation tool and back, over the tool's own API.

    python -m venv tool && tool/bin/pip install label-studio   # or: doccano 'marshmallow<4' 'numpy<2'
    python scripts/try_tools.py labelstudio --bin tool/bin

Starts the tool on this machine in a folder of its own, makes a project with Rasid's labelling configuration, puts the
project's annotations in with two articles of emoji, tatweel, harakat and direction marks, fetches the tool's own
export and reads it. Says of each record whether it came back byte for byte, and what differs where it did not.
Label Studio listens on 127.0.0.1; doccano's own command on every interface, so use it where nobody else can reach the
machine. The
server is stopped at the end, whatever happens.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
import uuid
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rasid.annotations import load_annotations
from rasid.errors import DataError, RasidError
from rasid.exchange import Article
from rasid.formats import read_format, write_format
from rasid.labelling import doccano_labels, labelstudio_config
from rasid.labels import inventory
from rasid.records import Cluster, Entity, ModelInfo, Record, Stance, sha256_of

USER, PASSWORD, TOKEN = "rasid@example.com", "rasid-rasid-1", "0123456789abcdef0123456789abcdef01234567"
HARD = "😀 قال مُحَمَّد 👨\u200d🚒 إنّ العـــراق\u200f و\u2067سوريا\u2069 (🇱🇧) بخير.\r\n\tالعـــراق 𐎀 باقٍ\u00a0!"


def hard_articles() -> list[Article]:
    """Astral characters, combining marks, tatweel, direction marks and CRLF around nested spans; gold and predicted."""
    country = HARD.index("العـــراق")
    again = HARD.index("العـــراق", country + 1)
    both = HARD.index("مُحَمَّد")
    spans = [(both, both + 8, "PERS", "C1"), (country, HARD.index("\u2069"), "ORG", "C2")]
    spans += [(country, country + 9, "GPE", "C3"), (again, again + 9, "GPE", "C3")]

    def record(doc: str, model: ModelInfo | None) -> Article:
        entities = tuple(
            Entity(id=f"T{n}", type=kind, start=s, end=e, surface=HARD[s:e], cluster=c, score=0.25 if model else None)
            for n, (s, e, kind, c) in enumerate(spans, 1)
        )
        clusters = tuple(
            Cluster(id=name, name=f"اسم {name}", type=kind)
            for name, kind in (("C1", "PERS"), ("C2", "ORG"), ("C3", "GPE"))
        )
        stances = (Stance(target="C3", scope="article", label="favor", holder="C1"),)
        found = Record(
            doc=doc, sha256=sha256_of(HARD), entities=entities, clusters=clusters, stances=stances, model=model
        )
        return Article(found, HARD)

    return [record("hard", None), record("hard-predicted", ModelInfo(name="news", revision="ab" * 32, rasid="0.1.0"))]


def differences(sent: list[Article], back: list[Article]) -> list[str]:
    """What of the articles is missing or other than it was; empty when all came back byte for byte."""
    found = {article.record.doc: article for article in back}
    told = []
    for article in sent:
        doc, other = article.record.doc, found.get(article.record.doc)
        if other is None:
            told.append(f"{doc}: did not come back")
        elif other.text != article.text:
            told.append(f"{doc}: another text")
        elif other.record.to_json() != article.record.to_json():
            before, after = article.record.model_dump(), other.record.model_dump()
            told.append(f"{doc}: differs in {', '.join(name for name in before if before[name] != after[name])}")
    return told


@dataclass
class Client:
    """HTTP against one server; `headers` go with every request."""

    base: str
    headers: dict[str, str] = field(default_factory=dict)

    def send(self, path: str, body: bytes | None = None, kind: str = "application/json") -> bytes:
        headers = self.headers | ({"Content-Type": kind} if body is not None else {})
        request = urllib.request.Request(f"{self.base}{path}", data=body, headers=headers)
        try:
            with urllib.request.urlopen(request, timeout=120) as answer:
                content: bytes = answer.read()
        except urllib.error.HTTPError as error:
            raise DataError(f"{path}: {error.code} {error.read()[:500].decode(errors='replace')}") from None
        return content

    def json(self, path: str, tree: object | None = None) -> Any:
        return json.loads(self.send(path, None if tree is None else json.dumps(tree).encode()))

    def upload(self, path: str, name: str, filename: str, content: bytes) -> str:
        mark = uuid.uuid4().hex
        head = f'--{mark}\r\nContent-Disposition: form-data; name="{name}"; filename="{filename}"\r\n\r\n'
        body = head.encode() + content + f"\r\n--{mark}--\r\n".encode()
        return self.send(path, body, f"multipart/form-data; boundary={mark}").decode()


def wait_for(what: str, ready: Callable[[], Any], seconds: float) -> Any:
    """The first true answer of `ready`. Raises DataError after `seconds`, with the last refusal."""
    until, told = time.monotonic() + seconds, ""
    while time.monotonic() < until:
        try:
            answer = ready()
        except (OSError, RasidError) as error:
            answer, told = None, f" ({error})"
        if answer:
            return answer
        time.sleep(1)
    raise DataError(f"{what}: not ready after {seconds:.0f} s{told}")


@contextmanager
def running(commands: list[list[str]], folder: Path, environment: dict[str, str]) -> Iterator[None]:
    """Servers with their logs in `folder`, stopped at the end."""
    started = []
    with (folder / "server.log").open("wb") as log:
        for command in commands:
            settings = {**os.environ, **environment, "HOME": str(folder)}
            started.append(subprocess.Popen(command, cwd=folder, env=settings, stdout=log, stderr=log))
        try:
            yield
        finally:
            for process in started:
                process.terminate()
            for process in started:
                try:
                    process.wait(30)
                except subprocess.TimeoutExpired:
                    process.kill()


def through_labelstudio(
    program: Path, folder: Path, sent: list[Article], options: argparse.Namespace
) -> dict[str, str]:
    """The tool's exports by name of our format."""
    command = [str(program / "label-studio"), "start", "--no-browser", "--internal-host", "127.0.0.1"]
    command += ["--port", str(options.port), "--data-dir", str(folder), "--username", USER, "--password", PASSWORD]
    command += ["--user-token", TOKEN]
    quiet = {"COLLECT_ANALYTICS": "false", "LATEST_VERSION_CHECK": "false", "SENTRY_DSN": "", "FRONTEND_SENTRY_DSN": ""}
    with running([command], folder, quiet | {"LABEL_STUDIO_ENABLE_LEGACY_API_TOKEN": "true"}):
        client = Client(f"http://127.0.0.1:{options.port}", {"Authorization": f"Token {TOKEN}"})
        version = wait_for("Label Studio", lambda: client.json("/api/version"), options.seconds)
        print(f"Label Studio {version['release']}", flush=True)
        config = labelstudio_config(inventory("wojood"))
        project = client.json("/api/projects", {"title": "rasid", "label_config": config})["id"]
        tasks = json.loads(write_format("labelstudio", sent).files["tasks.json"])
        print(client.json(f"/api/projects/{project}/import", tasks), flush=True)
        return {"labelstudio": _snapshot(client, f"/api/projects/{project}/exports", options.seconds)}


def _snapshot(client: Client, exports: str, seconds: float) -> str:
    """The export as a snapshot: the plain export JSON has no more of predictions than their numbers."""
    whole = {"serialization_options": {"predictions": {"only_id": False}}}
    number = client.json(exports, whole)["id"]
    wait_for("snapshot", lambda: client.json(f"{exports}/{number}")["status"] == "completed", seconds)
    return client.send(f"{exports}/{number}/download?exportType=JSON").decode()


def through_doccano(program: Path, folder: Path, sent: list[Article], options: argparse.Namespace) -> dict[str, str]:
    """The tool's exports by name of our format: a project of spans alone, and one with relations."""
    doccano = str(program / "doccano")
    for words in (["init"], ["createuser", "--username", "admin", "--password", PASSWORD]):
        with (folder / "init.log").open("ab") as log:
            subprocess.run(
                [doccano, *words],
                check=True,
                cwd=folder,
                env={**os.environ, "HOME": str(folder)},
                stdout=log,
                stderr=log,
            )
    commands = [
        [doccano, "webserver", "--port", str(options.port), "--workers", "1"],
        [doccano, "task", "--concurrency", "1"],
    ]
    with running(commands, folder, {}):
        client = Client(f"http://127.0.0.1:{options.port}")
        login = {"username": "admin", "password": PASSWORD}
        key = wait_for("doccano", lambda: client.json("/v1/auth/login/", login), options.seconds)["key"]
        client.headers["Authorization"] = f"Token {key}"
        found = {}
        for name in ("doccano", "doccano-relations"):
            lines = write_format(name, sent).files["articles.jsonl"]
            found[name] = _one_project(client, str(lines), name, options.seconds)
        return found


def _one_project(client: Client, lines: str, name: str, seconds: float) -> str:
    relations = name == "doccano-relations"
    shape: dict[str, object] = {"resourcetype": "SequenceLabelingProject", "project_type": "SequenceLabeling"}
    shape |= {"name": name, "description": "rasid", "allow_overlapping": True, "use_relation": relations, "tags": []}
    project = f"/v1/projects/{client.json('/v1/projects', shape)['id']}"
    labels = doccano_labels(inventory("wojood")).encode()
    client.upload(f"{project}/span-type-upload", "file", "labels.json", labels)
    upload = client.upload("/v1/fp/process/", "filepond", "articles.jsonl", lines.encode())
    task = "RelationExtraction" if relations else "SequenceLabeling"
    asked = {"format": "JSONL", "task": task, "uploadIds": [upload], "column_data": "text", "column_label": "label"}
    ticket = client.json(f"{project}/upload", asked | {"encoding": "utf_8"})["task_id"]
    state = wait_for("import", lambda: _ready(client.json(f"/v1/tasks/status/{ticket}")), seconds)
    print(name, state, flush=True)
    ticket = client.json(f"{project}/download", {"format": "JSONL", "exportApproved": False})["task_id"]
    packed = wait_for("export", lambda: _zip(client.send(f"{project}/download?taskId={ticket}")), seconds)
    with zipfile.ZipFile(io.BytesIO(packed)) as archive:
        return "".join(archive.read(one).decode() for one in archive.namelist())


def _ready(state: dict[str, Any]) -> dict[str, Any] | None:
    return state if state["ready"] else None


def _zip(content: bytes) -> bytes | None:
    return content if content[:2] == b"PK" else None


TOOLS = {"labelstudio": through_labelstudio, "doccano": through_doccano}


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("tool", choices=TOOLS)
    parser.add_argument("--bin", type=Path, required=True, help="folder of the tool's program, such as tool/bin")
    parser.add_argument("--records", type=Path, default=Path("annotations"))
    parser.add_argument("--texts", type=Path, default=Path("seeds"))
    parser.add_argument("--port", type=int, default=8765)
    parser.add_argument("--seconds", type=float, default=300, help="for the server to start, and for each of its jobs")
    parser.add_argument("--keep", type=Path, help="folder for the tool's own exports")
    args = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(2))  # so that the server is stopped then too
    sent = [Article(one.record, one.text) for one in load_annotations(args.records, args.texts)] + hard_articles()
    wrong = []
    with tempfile.TemporaryDirectory() as folder:
        try:
            exports = TOOLS[args.tool](args.bin.absolute(), Path(folder), sent, args)
        except (OSError, subprocess.CalledProcessError, RasidError) as error:
            logs = "".join(path.read_text(errors="replace")[-1500:] for path in Path(folder).glob("*.log"))
            print(f"{logs}\ntry_tools: {error}", file=sys.stderr)
            return 2
        for name, exported in exports.items():
            path = (args.keep or Path(folder)) / f"{name}.{'json' if name == 'labelstudio' else 'jsonl'}"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(exported.encode())
            told = differences(sent, list(read_format(name, path, None).articles))
            print(f"{name}: {len(sent) - len(told)} of {len(sent)} records came back byte for byte", *told, sep="\n  ")
            wrong += told
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())

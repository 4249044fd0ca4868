"""A worker: the engine in a process of its own, which is sent chunks of articles and sends back their records.

It talks JSON over a connection, whoever started it: a team on this machine, a launcher (torchrun, accelerate), or Ray,
which calls `Reader` itself. It knows no files, and nothing of what was read before: a chunk gives the same records
whichever worker reads it.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from multiprocessing.connection import Client, Connection
from pathlib import Path
from typing import Any

import torch

from rasid.records import Record

from .aliases import NO_ALIASES, read_aliases
from .articles import Article, Reject
from .engine import Engine, open_engine
from .engines import Choice
from .faults import DeviceError
from .predictor import predict_each


@dataclass(frozen=True, slots=True)
class Settings:
    """All that a worker's records depend on, and its device. `threads` of the CPU are its own."""

    model: str
    choice: dict[str, Any]
    device: str
    batch_tokens: int
    min_score: float
    min_stance: float
    repair: bool
    aliases: str | None
    targets: tuple[str, ...]
    threads: int

    def open(self) -> Engine:
        torch.set_num_threads(self.threads)
        engine = open_engine(
            self.model, torch.device(self.device), self.batch_tokens, self.min_score, Choice(**self.choice)
        )
        engine.least_side = self.min_stance
        engine.repair = self.repair
        engine.aliases = read_aliases(Path(self.aliases)) if self.aliases else NO_ALIASES
        engine.targets = tuple(self.targets)
        return engine


@dataclass(frozen=True, slots=True)
class Answer:
    """What a chunk gave: a record or a reject for each article, and the sub-words that were read. `fault` is set
    where the device failed, and then there are no results."""

    results: tuple[Record | Reject, ...]
    tokens: int
    fault: str | None = None

    def to_json(self) -> str:
        results = [asdict(r) if isinstance(r, Reject) else json.loads(r.to_json()) for r in self.results]
        return json.dumps({"results": results, "tokens": self.tokens, "fault": self.fault}, ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str | bytes) -> Answer:
        tree = json.loads(text)
        results = tuple(Reject(**r) if "reason" in r else Record.model_validate(r) for r in tree["results"])
        return cls(results, tree["tokens"], tree["fault"])


class Reader:
    """An engine that answers chunks."""

    def __init__(self, settings: Settings) -> None:
        self._engine = settings.open()
        self._counter = self._engine.count_tokens()

    def answer(self, chunk: str | bytes) -> str:
        """`chunk`: what `chunk_json` gives."""
        articles = [Article(**tree) for tree in json.loads(chunk)]
        before = self._counter.count
        try:
            results = predict_each(self._engine, articles)
        except DeviceError as fault:
            return Answer((), 0, str(fault)).to_json()
        return Answer(tuple(results), self._counter.count - before).to_json()


def chunk_json(articles: Sequence[Article]) -> str:
    return json.dumps([asdict(article) for article in articles], ensure_ascii=False)


def serve(connection: Connection, device: str | None = None) -> None:
    """Answers until the other end closes. It says
    its process's number first and is told the settings; `device` goes before theirs."""
    try:
        connection.send_bytes(str(os.getpid()).encode())
        tree = json.loads(connection.recv_bytes())
        reader = Reader(Settings(**(tree | ({"device": device} if device else {}))))
        while True:
            connection.send_bytes(reader.answer(connection.recv_bytes()).encode())
    except (EOFError, ConnectionError):
        return


def main() -> None:
    """`python -m rasid.infer.worker SOCKET [DEVICE]`."""
    with Client(sys.argv[1], family="AF_UNIX") as connection:
        serve(connection, sys.argv[2] if len(sys.argv) > 2 else None)


if __name__ == "__main__":
    main()

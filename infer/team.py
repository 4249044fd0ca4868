"""Teams: several workers that share out the chunks of a job, and whose answers come back in the order of the chunks.

Reading, writing, the journal and resuming stay with the job, so all of it holds for a team too. A worker that dies is
missed and its chunk given to another; when none is left the job stops, and can be resumed.
"""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import tempfile
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import asdict
from multiprocessing.connection import Connection, Listener
from pathlib import Path
from typing import Protocol, TypeVar

from .faults import DeviceError
from .worker import Answer, Settings

ItemT = TypeVar("ItemT")
_AHEAD = 2  # chunks in work or waiting, for each worker


class Team(Protocol):
    """Workers. `submit` takes what `worker.chunk_json` gives."""

    size: int

    def submit(self, chunk: str) -> Future[str]: ...

    def close(self) -> None: ...


def in_order(team: Team, items: Iterable[ItemT], chunk_of: Callable[[ItemT], str]) -> Iterator[tuple[ItemT, Answer]]:
    """Each item with its answer, in order; a few are in work at any time. Raises DeviceError when a device failed."""
    waiting: deque[tuple[ItemT, Future[str]]] = deque()
    for item in items:
        waiting.append((item, team.submit(chunk_of(item))))
        if len(waiting) > _AHEAD * team.size:
            yield _answered(*waiting.popleft())
    while waiting:
        yield _answered(*waiting.popleft())


def _answered(item: ItemT, future: Future[str]) -> tuple[ItemT, Answer]:
    answer = Answer.from_json(future.result())
    if answer.fault:
        raise DeviceError(answer.fault)
    return item, answer


class Processes:
    """Workers on this machine that connect to a socket: those that it starts itself, and those of a launcher."""

    def __init__(self, settings: Settings, devices: list[str], path: Path | None = None, others: int = 0) -> None:
        """One worker is started for each of `devices`; `others` come by themselves, to the socket `path`."""
        self.size = len(devices) + others
        self._settings = settings
        self._tasks: queue.Queue[tuple[str, Future[str]] | None] = queue.Queue()
        self._alive = self.size
        self._lock = threading.Lock()
        self._welcomed: set[int] = set()
        self._folder = tempfile.TemporaryDirectory(prefix="rasid-")
        self._path = path or Path(self._folder.name) / "socket"
        self._path.unlink(missing_ok=True)
        self._listener = Listener(str(self._path), family="AF_UNIX", backlog=self.size)
        self.started = [self._start(device) for device in devices]
        threading.Thread(target=self._welcome, daemon=True).start()
        for process in self.started:
            threading.Thread(target=self._watch, args=(process,), daemon=True).start()

    def _start(self, device: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "rasid.infer.worker", str(self._path), device]
        threads = {"OMP_NUM_THREADS": str(self._settings.threads)}
        # In a session of its own, so that Ctrl-C reaches the job, which lets it finish.
        return subprocess.Popen(command, env={**os.environ, **threads}, start_new_session=True)

    def _welcome(self) -> None:
        for _ in range(self.size):
            try:
                connection = self._listener.accept()
            except OSError:  # closed
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _watch(self, process: subprocess.Popen[bytes]) -> None:
        """Misses a worker that died before it connected; one that dies later is missed by its connection."""
        process.wait()
        if process.pid not in self._welcomed:
            self._missed(None)

    def _serve(self, connection: Connection) -> None:
        task: tuple[str, Future[str]] | None = None
        try:
            self._welcomed.add(int(connection.recv_bytes()))
            connection.send_bytes(json.dumps(asdict(self._settings)).encode())
            while (task := self._tasks.get()) is not None:
                connection.send_bytes(task[0].encode())
                task[1].set_result(connection.recv_bytes().decode())
        except (EOFError, OSError):
            self._missed(task)
        finally:
            with suppress(OSError):
                connection.close()

    def _missed(self, task: tuple[str, Future[str]] | None) -> None:
        with self._lock:
            self._alive -= 1
            if task is not None:
                self._tasks.put(task)
            if self._alive == 0:
                self._give_up()

    def _give_up(self) -> None:
        while True:
            try:
                task = self._tasks.get_nowait()
            except queue.Empty:
                return
            if task is not None:
                task[1].set_exception(DeviceError("no worker is left"))

    def submit(self, chunk: str) -> Future[str]:
        future: Future[str] = Future()
        with self._lock:
            self._tasks.put((chunk, future))
            if self._alive == 0:
                self._give_up()
        return future

    def close(self) -> None:
        """Lets the workers go; those in the middle of a chunk are ended."""
        for _ in range(self.size):
            self._tasks.put(None)
        self._listener.close()
        for process in self.started:
            process.terminate()
            process.wait()
        self._path.unlink(missing_ok=True)
        self._folder.cleanup()

"""A team on Ray: the same workers as actors, over a cluster's GPUs or CPUs (`pip install 'rasid[ray]'`).

An actor that dies is started again by Ray and its chunk is read again; the job neither sees nor minds it. `RAY_ADDRESS`
names a cluster, whose nodes need Rasid and the model under the same path; without it Ray is started here.
"""

from __future__ import annotations

import logging
from concurrent.futures import Future
from dataclasses import asdict
from typing import Any

from rasid.errors import RasidError

from .worker import Reader, Settings

_MISSING = "--runner ray needs `pip install 'rasid[ray]'`"


class _Actor:
    """A reader that Ray makes from plain values."""

    def __init__(self, tree: dict[str, Any]) -> None:
        self._reader = Reader(Settings(**tree))

    def answer(self, chunk: str) -> str:
        return self._reader.answer(chunk)


class RayTeam:
    """Actors, each chunk going to the one with the least to do."""

    def __init__(self, settings: Settings, size: int) -> None:
        """Raises RasidError when Ray is not installed."""
        try:
            import ray
        except ImportError:
            raise RasidError(_MISSING) from None
        self._ray: Any = ray
        self._ours = not self._ray.is_initialized()
        if self._ours:
            self._ray.init(log_to_driver=False, include_dashboard=False, logging_level=logging.ERROR)
        gpus = 1 if settings.device.startswith("cuda") else 0
        remote = self._ray.remote(num_cpus=settings.threads, num_gpus=gpus, max_restarts=-1, max_task_retries=-1)
        made = remote(_Actor)
        self.actors: list[Any] = [made.remote(asdict(settings)) for _ in range(size)]
        self.size = size
        self._load = [0] * size

    def submit(self, chunk: str) -> Future[str]:
        number = min(range(self.size), key=self._load.__getitem__)
        self._load[number] += 1
        future: Future[str] = self.actors[number].answer.remote(chunk).future()
        future.add_done_callback(lambda _: self._done(number))
        return future

    def _done(self, number: int) -> None:
        self._load[number] -= 1

    def close(self) -> None:
        for actor in self.actors:
            self._ray.kill(actor)
        if self._ours:
            self._ray.shutdown()

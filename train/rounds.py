"""Where a command of several trainings stands, on standard output: what is done, what the rest takes at this pace."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from .processes import processes


def spoken(seconds: float) -> str:
    """A time as one reads it: seconds, minutes, or hours and minutes."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"


class Rounds:
    """Counts the trainings of a command, `total` in all. What an earlier run has left is done, and took no time."""

    def __init__(self, total: int) -> None:
        self._total = total
        self._done = 0
        self._seconds: list[float] = []

    def found(self, name: str) -> None:
        """Counts a round that need not be trained."""
        self._done += 1
        self._say(f"{name}: found, not trained again")

    @contextmanager
    def training(self, name: str) -> Iterator[None]:
        """Counts and times what happens inside as one round."""
        begun = time.monotonic()
        yield
        self._seconds.append(time.monotonic() - begun)
        self._done += 1
        left = self._total - self._done
        rest = left * sum(self._seconds) / len(self._seconds)
        self._say(f"{name}: {spoken(self._seconds[-1])}" + (f", the rest {spoken(rest)} at most" if left else ""))

    def _say(self, what: str) -> None:
        if processes().first:
            print(f"[{self._done}/{self._total}] {what}", flush=True)

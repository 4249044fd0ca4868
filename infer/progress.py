"""Progress: how far a job is, as a bar for people or as JSON lines for programs, on stderr.

It is told counts and knows nothing of how they come about. Rates are those since the job began to work, what an
earlier run did left out.
"""

from __future__ import annotations

import json
import sys
import time
from dataclasses import asdict, dataclass
from typing import Any, Protocol

from tqdm import tqdm

_EVERY = 5.0  # seconds between two JSON lines


@dataclass(frozen=True, slots=True)
class Count:
    """What is done: articles written and rejected, sub-words that the model read, bytes of the inputs."""

    articles: int = 0
    rejected: int = 0
    tokens: int = 0
    bytes: int = 0


@dataclass(frozen=True, slots=True)
class Pace:
    """A count with its rates. `share` of the inputs and `seconds_left` are None where their size is not known."""

    articles: int
    rejected: int
    tokens: int
    seconds: float
    articles_per_second: float
    tokens_per_second: float
    share: float | None
    seconds_left: float | None


def pace(start: Count, now: Count, total: int | None, seconds: float) -> Pace:
    """The pace of a job that began at `start` and is at `now` after `seconds`; `total` bytes there are to read."""
    spent = max(seconds, 1e-9)
    share = min(1.0, now.bytes / total) if total else None
    read = now.bytes - start.bytes
    left = (total - now.bytes) * spent / read if total and read > 0 else None
    return Pace(
        articles=now.articles,
        rejected=now.rejected,
        tokens=now.tokens,
        seconds=round(seconds, 1),
        articles_per_second=round((now.articles - start.articles) / spent, 2),
        tokens_per_second=round((now.tokens - start.tokens) / spent, 1),
        share=None if share is None else round(share, 4),
        seconds_left=None if left is None else round(max(0.0, left), 1),
    )


class Progress(Protocol):
    """Is told how far a job is. `say` is for what is worth a line of its own."""

    def begin(self, count: Count, total: int | None) -> None: ...

    def show(self, count: Count) -> None: ...

    def say(self, event: str, message: str, **facts: Any) -> None: ...

    def end(self, count: Count) -> None: ...


class Silent:
    """Shows no progress; faults and warnings are still said."""

    def begin(self, count: Count, total: int | None) -> None: ...

    def show(self, count: Count) -> None: ...

    def say(self, event: str, message: str, **facts: Any) -> None:
        if event != "start":
            print(f"rasid: {message}", file=sys.stderr)

    def end(self, count: Count) -> None: ...


class _Timed:
    """Keeps when and where the work began."""

    def __init__(self) -> None:
        self._start, self._total, self._began = Count(), None, time.monotonic()  # type: Count, int | None, float

    def begin(self, count: Count, total: int | None) -> None:
        self._start, self._total, self._began = count, total, time.monotonic()

    def _pace(self, count: Count) -> Pace:
        return pace(self._start, count, self._total, time.monotonic() - self._began)


class Bar(_Timed):
    """A bar by tqdm: the share of the inputs' bytes, articles and tokens per second, time left."""

    def __init__(self) -> None:
        super().__init__()
        self._bar: tqdm[Any] | None = None

    def begin(self, count: Count, total: int | None) -> None:
        super().begin(count, total)
        known = "infer: {percentage:3.0f}%|{bar:20}| {desc} [{elapsed}<{remaining}]"
        shape = known if total else "infer: {desc} [{elapsed}]"
        self._bar = tqdm(total=total or None, initial=count.bytes, bar_format=shape, dynamic_ncols=True)
        self.show(count)

    def show(self, count: Count) -> None:
        if self._bar is None:
            return
        now = self._pace(count)
        rejected = f", {now.rejected:,} rejected" if now.rejected else ""
        self._bar.set_description_str(
            f"{now.articles:,} articles, {now.articles_per_second:.1f} articles/s, "
            f"{now.tokens_per_second:,.0f} tokens/s{rejected}",
            refresh=False,
        )
        self._bar.update(count.bytes - self._bar.n)

    def say(self, event: str, message: str, **facts: Any) -> None:
        tqdm.write(f"rasid: {message}", file=sys.stderr)

    def end(self, count: Count) -> None:
        self.show(count)
        if self._bar is not None:
            self._bar.refresh()
            self._bar.close()


class JsonLines(_Timed):
    """One JSON object on a line of stderr every few seconds, and one for whatever happens; `event` says which."""

    def __init__(self) -> None:
        super().__init__()
        self._last = float("-inf")

    def show(self, count: Count) -> None:
        if time.monotonic() - self._last >= _EVERY:
            self._write("progress", **asdict(self._pace(count)))
            self._last = time.monotonic()

    def say(self, event: str, message: str, **facts: Any) -> None:
        self._write(event, message=message, **facts)

    def end(self, count: Count) -> None:
        self._write("end", **asdict(self._pace(count)))

    def _write(self, event: str, **facts: Any) -> None:
        print(json.dumps({"event": event, **facts}, ensure_ascii=False), file=sys.stderr, flush=True)


def open_progress(kind: str | None, quiet: bool) -> Progress:
    """`bar` or `json`; by default the bar, and with `quiet` nothing."""
    if kind == "json":
        return JsonLines()
    return Bar() if kind == "bar" or not quiet else Silent()

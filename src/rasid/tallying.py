"""Tallying files: gold and predicted records read pair by pair, counted, and let go, on several processor cores.

A set is cut into runs of articles, each read and counted by whichever process is free, and joined in order: the tally
is the same for any number of processes. Knows where records lie, not what is counted of them.
"""

from __future__ import annotations

import gc
import multiprocessing
import os
import sys
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path

from rasid.annotations import Annotated, seed_text, sound_annotations, with_text
from rasid.errorlog import ErrorLog, Noted, note
from rasid.errors import DataError, RasidError
from rasid.predictions import check_fit, check_there, sound_predictions
from rasid.records import Record
from rasid.shelf import Place, read_places, read_shelf
from rasid.tally import Counting, Tally

_CHUNK = 50  # articles that a process has in memory: 68 entities on both sides of each are some 10 MB
_WORTH = 200  # articles for which another process is worth its start
_MOST = 4  # processes where nothing else is said: each takes some 100 MB, most of it libraries


@dataclass(frozen=True, slots=True)
class GoldFiles:
    """Where the gold lies, and the folder of its texts."""

    path: Path
    seeds: Path
    places: Sequence[Place]

    @classmethod
    def open(cls, path: Path, seeds: Path) -> GoldFiles:
        """Raises DataError where there is nothing."""
        if not path.exists():
            raise DataError(f"{path}: no such folder or file of annotations")
        return cls(path, seeds, read_shelf(path))

    def articles(self) -> Iterator[Annotated]:
        """The articles in order, one at a time. Raises DataError for the first that is not sound."""
        return sound_annotations(read_places(self.places), self.path, self.seeds)


@dataclass(frozen=True, slots=True)
class RunFiles:
    """Where the predictions of a run lie."""

    path: Path
    places: Sequence[Place]

    @classmethod
    def open(cls, path: Path) -> RunFiles:
        """Raises DataError where there is nothing."""
        check_there(path)
        return cls(path, read_shelf(path))


@dataclass(frozen=True, slots=True)
class _Work:
    """What a process does with a chunk: `pairs` [articles] of a gold place and that of each run."""

    seeds: Path
    counting: Counting
    listed: bool  # whether the mistakes of the first run are wanted

    def of(self, pairs: Sequence[tuple[Place, ...]]) -> _Done:
        done = _Done([Tally() for _ in pairs[0][1:]], [])
        for place, *others in pairs:
            article = with_text(place.read(), place.where, self.seeds)
            for number, other in enumerate(others):
                given = other.read()
                check_fit(given, article.text, other.where)
                kept = self.counting.kept(given)
                done.tallies[number].add(article.record, given, kept, self.counting.seen)
                if self.listed and not number:
                    done.noted.append(note(article, kept))
        return done


@dataclass(frozen=True, slots=True)
class _Done:
    """A tally by run of a chunk of articles, and the mistakes that are asked for."""

    tallies: list[Tally]
    noted: list[Noted]


def tally_files(
    gold: GoldFiles, runs: Sequence[RunFiles], counting: Counting, log: ErrorLog | None, workers: int
) -> list[Tally]:
    """A tally of every run, in the order of the gold; the mistakes of the first run go into `log`.

    Raises DataError as `load_annotations` and `load_predictions` do, and for the fault that they would find first.
    """
    work, tallies = _Work(gold.seeds, counting, log is not None), [Tally() for _ in runs]
    try:
        pairs = _paired(gold, runs)
        chunks = [pairs[start : start + _CHUNK] for start in range(0, len(pairs), _CHUNK)]
        for done in _mapped(work, chunks, min(workers, len(chunks))):
            for tally, part in zip(tallies, done.tallies, strict=True):
                tally.join(part)
            for noted in done.noted:
                if log:
                    log.add(noted)
    except DataError:
        _check(gold, runs)  # in the order of the files, which the processes do not keep
        raise
    return tallies


def _paired(gold: GoldFiles, runs: Sequence[RunFiles]) -> list[tuple[Place, ...]]:
    """The places of every gold article: its own, and that of each run. Raises DataError where they do not match."""
    files = [(gold.path, gold.places), *((run.path, run.places) for run in runs)]
    sides = [{place.doc: place for place in places} for _, places in files]
    for (path, places), side in zip(files, sides, strict=True):
        if None in side or len(side) < len(places) or side.keys() != sides[0].keys():
            raise DataError(f"{path}: not one sound record for every article")  # `_check` says what is wrong
    return [tuple(side[doc] for side in sides) for doc in sides[0]]


def _check(gold: GoldFiles, runs: Sequence[RunFiles]) -> None:
    """Reads everything in the order of the files. Raises DataError for the first fault."""
    docs = dict.fromkeys(article.record.doc for article in gold.articles())
    for run in runs:
        records = sound_predictions(read_places(run.places), run.path, docs, partial(seed_text, gold.seeds))
        deque(records, maxlen=0)


def default_workers(articles: int) -> int:
    """Processes for so many articles, where nothing else is said: one for each core that may be used, up to four."""
    cores = len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1
    return max(1, min(cores, _MOST, articles // _WORTH))


def _mapped(work: _Work, chunks: Sequence[list[tuple[Place, ...]]], workers: int) -> Iterator[_Done]:
    """What is done with every chunk, in order; a few chunks ahead, so that what is done does not pile up."""
    if workers < 2:
        yield from map(work.of, chunks)
        return
    # Where it is safe processes are forked: they have the libraries then, which take a second or two to load.
    context = multiprocessing.get_context("fork" if sys.platform == "linux" else "spawn")
    with ProcessPoolExecutor(workers, context, _begin, (work,)) as pool:
        ahead = iter(chunks)
        waiting = deque(pool.submit(_do, chunk) for chunk in islice(ahead, 3 * workers))
        try:
            while waiting:
                yield waiting.popleft().result()
                waiting.extend(pool.submit(_do, chunk) for chunk in islice(ahead, 1))
        except BrokenProcessPool:
            raise RasidError("a process was ended from outside, for want of memory perhaps; try --workers 1") from None
        finally:
            pool.shutdown(cancel_futures=True)


_work: _Work | None = None  # of this process


def _begin(work: _Work) -> None:
    global _work
    _work = work
    gc.disable()  # records hold no cycles, and looking for some took a tenth of the time


def _do(chunk: Sequence[tuple[Place, ...]]) -> _Done:
    if _work is None:
        raise RuntimeError("a process that was not begun")
    return _work.of(chunk)


def tally_records(
    articles: Iterable[tuple[Annotated, Record]], counting: Counting, log: ErrorLog | None = None
) -> Tally:
    """The tally of articles as they come, in this process."""
    found = Tally()
    for article, given in articles:
        kept = counting.kept(given)
        found.add(article.record, given, kept, counting.seen)
        if log:
            log.add(note(article, kept))
    return found

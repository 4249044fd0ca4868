"""How long a report of many articles takes, and how much memory: one `rasid evaluate --report` in a process of its own.

    python scripts/report_speed.py --articles 10000

The articles are cuts of the gold articles, with made-up predictions that err in every way: missed, spurious, another
type, other ends. Prints seconds, and the peak of the resident memory of all its processes together (of the largest one
where there is no /proc; pages that processes share count for each). Exit code 1 above --seconds or --mib. POSIX only.
"""

from __future__ import annotations

import argparse
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from rasid.annotations import Annotated, load_annotations
from rasid.labels import STANCES, WOJOOD
from rasid.records import Cluster, Entity, ModelInfo, Record, Stance, sha256_of
from rasid.text import passages

ROOT = Path(__file__).parents[1]
_KIB = 1024 if sys.platform != "darwin" else 1  # ru_maxrss is in KiB on Linux, in bytes on macOS
_PAUSE = 0.05  # seconds between two looks at the memory
_MODEL = ModelInfo(name="made-up", revision="0" * 64, rasid="0")


def cut(article: Annotated, start: int, length: int, doc: str) -> Annotated:
    """About `length` characters of an article from its passage at or after `start`, as an article of its own."""
    places = [place for place in passages(article.text) if place.start >= start] or passages(article.text)[-1:]
    first = places[0].start
    last = next((place.end for place in places if place.end - first >= length), places[-1].end)
    text = article.text[first:last]

    def inside(begin: int, end: int) -> bool:
        return first <= begin and end <= last

    entities = tuple(
        each.model_copy(update={"start": each.start - first, "end": each.end - first})
        for each in article.record.entities
        if inside(each.start, each.end)
    )
    known = {each.cluster for each in entities}
    stances = tuple(
        each if each.scope == "article" else each.model_copy(update={"scope": tuple(n - first for n in each.scope)})
        for each in article.record.stances
        if each.target in known
        and each.holder in known | {"author", "other"}
        and (each.scope == "article" or inside(*each.scope))
    )
    clusters = tuple(each for each in article.record.clusters if each.id in known)
    stances = tuple(each.model_copy(update={"evidence": None}) for each in stances)
    return Annotated(
        Record(doc=doc, sha256=sha256_of(text), entities=entities, clusters=clusters, stances=stances), text
    )


def predicted(article: Annotated, rng: random.Random) -> Record:
    """What a middling model might say of an article: about three entities in four right."""
    found: list[Entity] = []
    entities = article.record.entities
    for each in entities:
        holds = any(each is not other and each.span.contains(other.span) for other in entities)
        luck = rng.random()
        if luck < 0.12:
            continue
        change: dict[str, object] = {"score": round(min(1.0, max(0.0, rng.gauss(0.9 if luck > 0.25 else 0.6, 0.1))), 4)}
        if luck < 0.18 and each.cluster is not None:
            change |= {"type": rng.choice(WOJOOD[:6])}
        elif luck < 0.25 and " " in each.surface and not holds:  # a shorter name would cross those inside
            surface = each.surface.rsplit(" ", 1)[0]
            change |= {"end": each.start + len(surface), "surface": surface}
        found.append(each.model_copy(update=change))
    kept = {(each.start, each.end, each.type): each for each in found}
    known = {each.cluster for each in kept.values()}
    stances = tuple(
        each.model_copy(update={"label": rng.choice(STANCES) if rng.random() < 0.2 else each.label, "score": 0.8})
        for each in article.record.stances
        if each.target in known and each.holder in known | {"author", "other"}
    )
    clusters: tuple[Cluster, ...] = tuple(each for each in article.record.clusters if each.id in known)
    sound: tuple[Stance, ...] = stances
    return article.record.model_copy(
        update={"entities": tuple(kept.values()), "clusters": clusters, "stances": sound, "model": _MODEL}
    )


def made_up(articles: int, length: int, seed: int) -> Iterator[tuple[Annotated, Record]]:
    """Gold and predicted articles of about `length` characters each."""
    rng = random.Random(seed)
    gold = load_annotations(ROOT / "annotations", ROOT / "seeds")
    for number in range(articles):
        whole = rng.choice(gold)
        part = cut(whole, rng.randrange(max(1, len(whole.text) - length)), length, f"article-{number:06}")
        yield part, predicted(part, rng)


def write_set(folder: Path, articles: int, length: int, seed: int = 0) -> int:
    """gold.jsonl, predictions.jsonl and texts/ in a folder; the number of gold entities."""
    (folder / "texts").mkdir()
    entities = 0
    with (folder / "gold.jsonl").open("w") as left, (folder / "predictions.jsonl").open("w") as right:
        for article, record in made_up(articles, length, seed):
            (folder / "texts" / f"{article.record.doc}.txt").write_bytes(article.text.encode())
            left.write(f"{article.record.to_json()}\n")
            right.write(f"{record.to_json()}\n")
            entities += len(article.record.entities)
    return entities


def family(pid: int) -> Iterator[int]:
    """A process and all below it."""
    yield pid
    with suppress(OSError):  # one that has ended, or a system without /proc
        for task in Path(f"/proc/{pid}/task").iterdir():
            for child in (task / "children").read_text().split():
                yield from family(int(child))


def resident(pid: int) -> int:
    """Resident memory of a process in bytes; 0 where it cannot be told."""
    with suppress(OSError, IndexError):
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    return 0


def main() -> int:
    parser = argparse.ArgumentParser(description="Time and peak memory of one report.")
    parser.add_argument("--articles", type=int, default=10_000)
    parser.add_argument("--length", type=int, default=1500, help="characters of an article (default: 1500)")
    parser.add_argument("--option", action="append", default=[], help="further option of rasid evaluate; repeatable")
    parser.add_argument("--seconds", type=float, default=60.0, help="above which to fail (default: 60)")
    parser.add_argument("--mib", type=float, default=1024.0, help="peak memory above which to fail (default: 1024)")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        entities = write_set(folder, args.articles, args.length)
        given = ["--gold", "gold.jsonl", "--predictions", "predictions.jsonl", "--seeds", "texts"]
        words = [sys.executable, "-m", "rasid", "evaluate", *given, "--report", "report", *args.option]
        began = time.monotonic()
        process = subprocess.Popen(words, cwd=folder, stdout=subprocess.DEVNULL)
        together = 0
        while not (ended := os.wait4(process.pid, os.WNOHANG))[0]:
            together = max(together, sum(resident(pid) for pid in family(process.pid)))
            time.sleep(_PAUSE)
        _, status, usage = ended
        wall, code = time.monotonic() - began, os.waitstatus_to_exitcode(status)
        process.returncode = code
    if code:
        raise RuntimeError(f"{' '.join(words)}: exit code {code}")
    cpu, peak = usage.ru_utime + usage.ru_stime, max(together, usage.ru_maxrss * _KIB) / 2**20
    print(f"{args.articles} articles, {entities} gold entities: {wall:.1f} s ({cpu:.1f} s of CPU), peak {peak:.0f} MiB")
    return int(wall > args.seconds or peak > args.mib)


if __name__ == "__main__":
    sys.exit(main())

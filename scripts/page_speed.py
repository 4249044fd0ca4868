"""How long does the HTML page of a large report take, and how much memory? Made-up articles, a made-up run on them.

    python scripts/page_speed.py --articles 10000 --output page.html

An article has about 150 words and 25 entities, a tenth of them nested; of the entities a run misses one in eight, calls
one in twelve by another type, cuts one in twelve short and makes up one in twelve. Prints a line for each step; the
scores themselves are `rasid evaluate`'s own, and timed beside the page's part. POSIX only.
"""

from __future__ import annotations

import argparse
import random
import resource
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rasid.annotations import Annotated
from rasid.evaluate import evaluate
from rasid.evaluationpage import evaluation_page
from rasid.mistakecounts import write_mistakes
from rasid.mistakes import Mistake, all_mistakes
from rasid.records import Entity, Record, sha256_of

PHRASE = "قال إن الوفد وصل إلى في من على بعد أن مع خلال مؤتمر صحفي أمس وأضاف وكالة CNN نحو 40 موقع"
NAMES = {
    "PERS": ("سامر الحداد", "ليلى حداد", "أحمد"),
    "ORG": ("مجلس دمشق البلدي", "منظمة Human Rights Watch", "الأمم المتحدة"),
    "GPE": ("دمشق", "بغداد", "الولايات المتحدة"),
    "DATE": ("يوم الأحد الماضي", "12 مارس 2019"),
    "LOC": ("شرق الفرات", "البحر المتوسط"),
}
_KIB = 1024 if sys.platform != "darwin" else 1  # ru_maxrss is in KiB on Linux, in bytes on macOS


def made_up(number: int, rng: random.Random) -> Annotated:
    """An article and its gold."""
    parts: list[str] = []
    entities: list[Entity] = []
    place = 0
    for _ in range(rng.randint(15, 30)):
        words = " ".join(rng.choices(PHRASE.split(), k=rng.randint(3, 7)))
        label = rng.choice(list(NAMES))
        name = rng.choice(NAMES[label])
        start = place + len(words) + 1
        entities.append(_entity(len(entities), label, start, name))
        if "دمشق" in name and label == "ORG":
            entities.append(_entity(len(entities), "GPE", start + name.index("دمشق"), "دمشق"))
        parts.append(f"{words} {name} ")
        place += len(parts[-1])
    text = "".join(parts)
    return Annotated(Record(doc=f"article-{number:06}", sha256=sha256_of(text), entities=tuple(entities)), text)


def _entity(number: int, label: str, start: int, surface: str) -> Entity:
    return Entity(id=f"T{number}", type=label, start=start, end=start + len(surface), surface=surface)


def made_up_run(gold: Annotated, rng: random.Random) -> Record:
    """What a run might say of an article."""
    found: dict[tuple[int, int, str], Entity] = {}
    for entity in gold.record.entities:
        change: dict[str, object] = {"score": round(rng.betavariate(6, 2), 4)}
        luck = rng.random()
        if luck < 1 / 8:
            continue
        if luck < 1 / 8 + 1 / 12:
            change["type"] = rng.choice(list(NAMES))
        elif luck < 1 / 8 + 2 / 12 and " " in entity.surface:
            first = entity.surface.split()[0]
            change |= {"surface": first, "end": entity.start + len(first)}
        changed = entity.model_copy(update=change)
        found[changed.start, changed.end, changed.type] = changed
        if luck > 11 / 12:  # the word after it, which is no name
            start = entity.end + 1
            word = gold.text[start:].split(" ")[0]
            if word and not any(start < e.end and e.start < start + len(word) for e in gold.record.entities):
                made = _entity(0, rng.choice(list(NAMES)), start, word).model_copy(update={"score": 0.3})
                found[made.start, made.end, made.type] = made
    entities = tuple(e.model_copy(update={"id": f"T{n}"}) for n, e in enumerate(found.values()))
    return gold.record.model_copy(update={"entities": entities})


@contextmanager
def timed(what: str) -> Iterator[None]:
    """Prints how long the block took, and the greatest memory of the process so far."""
    before, worked = time.perf_counter(), time.process_time()
    yield
    passed, used = time.perf_counter() - before, time.process_time() - worked
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * _KIB / 2**20
    print(f"{what}: {passed:.1f} s ({used:.1f} s of the processor), peak memory {peak:.0f} MiB")


def write_page(articles: int, seed: int, output: Path) -> list[Mistake]:
    """The page of `articles` made-up articles, with the list of mistakes beside it."""
    rng = random.Random(seed)
    with timed("articles made"):
        gold = [made_up(number, rng) for number in range(articles)]
        predicted = [made_up_run(each, rng) for each in gold]
    records = [each.record for each in gold]
    with timed("scores"):
        found = evaluate(gold, predicted)
    with timed("mistakes found"):
        wrong = all_mistakes(gold, predicted)
    with timed("mistakes written"):
        write_mistakes(wrong, records, predicted, output.with_suffix(".errors.jsonl"))
    with timed("page written"):
        page = evaluation_page(found, records, predicted, wrong, output.with_suffix(".errors.jsonl").name)
        output.write_text(page, encoding="utf-8")
    return wrong


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--articles", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", type=Path, required=True, help="where to write the page")
    args = parser.parse_args()
    wrong = write_page(args.articles, args.seed, args.output)
    print(f"{len(wrong)} mistakes, page of {args.output.stat().st_size / 1e6:.1f} MB")
    return 0


if __name__ == "__main__":
    sys.exit(main())

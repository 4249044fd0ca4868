"""Count the word forms of raw text for `rasid.repair`, which cuts words glued by a lost space.

    python scripts/count_wordforms.py $RASID_DATA/text/news-*.jsonl.zst --output src/rasid/wordforms.txt.xz

Reads JSONL shards (id, text; plain, .gz or .zst). One article in fifty, chosen by a hash of its id, is left out, so
that there is text to measure wrong cuts on. Harakat and tatweel are dropped from the forms; hamza, ta marbuta and alef
maqsura stay.
"""

from __future__ import annotations

import argparse
import lzma
import math
import zlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path

import regex

from rasid.infer.readers import Article, read
from rasid.wordforms import LEVELS_PER_DOUBLING

_WORD = regex.compile(r"[\u0621-\u063A\u0640-\u0652\u0670]+")
_MARK = regex.compile(r"[\u0640\u064B-\u0652\u0670]")
_HELD_OUT = 50


def is_held_out(key: str) -> bool:
    """Whether an article is left for measuring."""
    return zlib.crc32(key.encode()) % _HELD_OUT == 0


def count(paths: Iterable[Path]) -> Counter[str]:
    """Forms and their occurrences in all articles that are not held out."""
    spelt: Counter[str] = Counter()
    for item in read([str(path) for path in paths]):
        if isinstance(item, Article) and not is_held_out(item.doc):
            spelt.update(_WORD.findall(item.text))
    forms: Counter[str] = Counter()
    for word, times in spelt.items():
        forms[_MARK.sub("", word)] += times
    del forms[""]
    return forms


def lines_of(forms: Counter[str], least: int) -> Iterator[str]:
    """The file that `rasid.repair.parse_wordforms` reads: the total, then the forms of each level of frequency."""
    levels: dict[int, list[str]] = defaultdict(list)
    for form, times in forms.items():
        if times >= least:
            levels[round(LEVELS_PER_DOUBLING * math.log2(times))].append(form)
    yield f"total {forms.total()}\n"
    for level, held in sorted(levels.items(), reverse=True):
        yield f"{level} {' '.join(sorted(held))}\n"


def main() -> None:
    parser = argparse.ArgumentParser(description="Count word forms for the repair of glued words.")
    parser.add_argument("shards", nargs="+", type=Path, metavar="FILE", help="JSONL shards with id and text")
    parser.add_argument("--least", type=int, default=10, metavar="N", help="occurrences of a form that is kept")
    parser.add_argument("--output", type=Path, required=True, metavar="FILE.xz")
    args = parser.parse_args()

    forms = count(args.shards)
    with lzma.open(args.output, "wt", encoding="utf-8", preset=9 | lzma.PRESET_EXTREME) as file:
        file.writelines(lines_of(forms, args.least))
    kept = sum(times >= args.least for times in forms.values())
    print(
        f"{forms.total()} words, {len(forms)} forms, {kept} kept -> {args.output} ({args.output.stat().st_size} bytes)"
    )


if __name__ == "__main__":
    main()

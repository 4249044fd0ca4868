"""Public stance data: rows of JSON lines to targets and texts with a class, whatever a set calls its columns.

Mawqif has `target`, ANS, Unified-FC and AuSTR have `claim`; which is there decides. Labels stay strings from file to
head (a label "none" is a label, not a missing value); the config's `map` turns them into the head's. Knows nothing of
folds or of models.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from rasid.errors import DataError
from rasid.text import Span, content_words, passages

_FOLDS = ("fold", "test_fold")  # columns that a set may state its own folds in


@dataclass(frozen=True)
class StanceRow:
    """A target, a text and the label as printed; `fold` is the set's own, where it has one."""

    target: str
    text: str
    label: str
    fold: str | None = None


def _open(path: Path) -> io.TextIOBase:
    if path.suffix != ".zst":
        return path.open(encoding="utf-8")
    import zstandard

    return io.TextIOWrapper(zstandard.ZstdDecompressor().stream_reader(path.open("rb")), encoding="utf-8")


def stance_rows(path: Path, names: dict[str, str] | None = None, nearest: int | None = None) -> Iterator[StanceRow]:
    """The rows of a .jsonl or .jsonl.zst file.

    names: targets to call by another name (Mawqif's are English). nearest: of a text of more passages, keep so many:
    those that share most words with the target (see `nearest_passages`). Raises DataError with file:line.
    """
    try:
        with _open(path) as lines:
            for number, line in enumerate(lines, 1):
                if line.strip():
                    yield _row(line, f"{path}:{number}", names or {}, nearest)
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}); is RASID_DATA set to the data folder?") from None
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: not UTF-8 ({error.reason} at byte {error.start})") from None


def _row(line: str, where: str, names: dict[str, str], nearest: int | None) -> StanceRow:
    try:
        tree: dict[str, Any] = json.loads(line)
        target = tree["claim"] if "claim" in tree else tree["target"]
        text, label = tree["text"], tree["stance"]
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(f"{where}: expected claim or target, text and stance ({error})") from None
    if not (isinstance(target, str) and isinstance(text, str) and isinstance(label, str)):
        raise DataError(f"{where}: claim or target, text and stance must be strings; the stance is {label!r}")
    fold = next((str(tree[name]) for name in _FOLDS if tree.get(name) is not None), None)
    kept = text if nearest is None else nearest_passages(text, target, nearest)
    return StanceRow(names.get(target, target), kept, label, fold)


@lru_cache(maxsize=1 << 13)  # every fold of a cross-validation reads the set anew
def nearest_passages(text: str, target: str, count: int) -> str:
    """The `count` passages that share most words with the target, in the text's order, joined by newlines.

    A news article is many times as long as what it says of a claim; the choice by shared words is that of Baly et al.
    2018 (Unified-FC), without weights.
    """
    units: Sequence[Span] = passages(text)
    if len(units) <= count:
        return text
    asked = content_words(target)
    shared = [len(asked & content_words(unit.of(text))) for unit in units]
    best = sorted(range(len(units)), key=lambda n: (-shared[n], n))[:count]
    return "\n".join(units[n].of(text) for n in sorted(best))

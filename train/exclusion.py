"""Keeps evaluation text out of pretraining: articles that share a long run of words with a named file, or a title.

A dev split read without its labels still flatters the model that is judged on it, so the corpus mix names the files
that later judge the encoder. It knows words, not offsets; near-copies with changed words are not found.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

from rasid.config import Section
from rasid.errors import DataError
from rasid.normalizer import normalise

_WORD = re.compile(r"[^\W\d_]+")


class Exclusion(Section):
    """What no article of the mix may share: a run of `run` words with `files`, or its first line with `titles`.

    Files are .jsonl (their `text` and `claim` fields) or one token a line, as in CoNLL sets.
    """

    files: tuple[Path, ...] = ()
    titles: tuple[str, ...] = ()
    run: int = 10


def words_of(text: str) -> list[str]:
    """The text's words of letters, normalised: tokenised and running text give the same."""
    return _WORD.findall(normalise(text))


def _texts(path: Path) -> Iterator[str]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise DataError(f"text.exclude: {path}: cannot be read ({error.strerror})") from None
    if path.suffix == ".jsonl":
        for line in lines:
            record = json.loads(line)
            yield from (str(record[key]) for key in ("text", "claim") if record.get(key))
    else:
        yield " ".join(line.split()[0] for line in lines if line.strip())


class Excluder:
    """Tells which articles to leave out. `dropped` counts them."""

    def __init__(self, options: Exclusion) -> None:
        self._run = options.run
        self._titles = {normalise(title) for title in options.titles}
        self._runs = {run for path in options.files for text in _texts(path) for run in self._of(words_of(text))}
        self._first = {run[0] for run in self._runs}
        self.dropped = 0

    def _of(self, words: list[str]) -> Iterator[tuple[str, ...]]:
        return (tuple(words[at : at + self._run]) for at in range(len(words) - self._run + 1))

    def excludes(self, article: str) -> bool:
        found = normalise(article.split("\n", 1)[0].strip()) in self._titles or self._shares(article)
        self.dropped += found
        return found

    def _shares(self, article: str) -> bool:
        if not self._runs:
            return False
        words = words_of(article)
        size = self._run
        return any(word in self._first and tuple(words[at : at + size]) in self._runs for at, word in enumerate(words))

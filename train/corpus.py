"""Raw text for pretraining: JSONL shards (.zst, .gz or plain) to one flat file of token ids.

A corpus mix says which shards are read and which share of each shard's articles. The packed file is an array of uint16
(or uint32 for large vocabularies) ids, paragraphs separated by the separator token; it knows nothing of models.
"""

from __future__ import annotations

import gzip
import io
import json
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import numpy as np
import zstandard
from numpy.typing import NDArray
from tokenizers import Tokenizer
from tqdm import tqdm

from rasid.config import Section
from rasid.errors import DataError

from .exclusion import Excluder, Exclusion

Ids = NDArray[np.unsignedinteger]


class Source(Section):
    """One shard of the mix. `share` of its articles is taken, chosen by a hash of the id, so runs agree."""

    file: str
    share: float = 1.0
    licence: str = "none stated"


class Text(Section):
    """The corpus mix: shards of one folder, less the articles that a later evaluation is made of."""

    folder: Path
    sources: list[Source]
    exclude: Exclusion = Exclusion()

    def shared(self, share: float) -> Text:
        """The same mix with `share` of each shard's articles."""
        thinner = [source.model_copy(update={"share": source.share * share}) for source in self.sources]
        return self.model_copy(update={"sources": thinner})


def open_text(path: Path) -> IO[str]:
    """A text stream over a plain, .gz or .zst file."""
    if not path.is_file():
        raise DataError(f"{path}: no such file; set RASID_DATA to the folder that holds the text shards")
    if path.suffix == ".zst":
        raw = zstandard.ZstdDecompressor().stream_reader(path.open("rb"), closefd=True)
        return io.TextIOWrapper(raw, encoding="utf-8")
    if path.suffix == ".gz":
        return gzip.open(path, "rt", encoding="utf-8")
    return path.open(encoding="utf-8")


def _kept(key: str, share: float) -> bool:
    return share >= 1.0 or zlib.crc32(key.encode()) / 2**32 < share


def articles(text: Text) -> Iterator[str]:
    """The mix's articles, shard by shard, excluded ones left out (and counted on standard output)."""
    excluder = Excluder(text.exclude)
    for article in _all_articles(text):
        if not excluder.excludes(article):
            yield article
    if excluder.dropped:
        print(f"{excluder.dropped} articles left out: they share text with an evaluation set", flush=True)


def _all_articles(text: Text) -> Iterator[str]:
    """The texts of the mix. Raises DataError with file and line for a line that is not a record."""
    for source in text.sources:
        path = text.folder / source.file
        with open_text(path) as lines:
            for number, line in enumerate(lines, 1):
                try:
                    record = json.loads(line)
                    key, article = str(record["id"]), str(record["text"])
                except (ValueError, KeyError, TypeError) as error:
                    raise DataError(f"{path}:{number}: not a JSON object with id and text ({error})") from None
                if _kept(key, source.share):
                    yield article


def paragraphs_of(texts: Iterator[str], limit: int = 4000) -> Iterator[str]:
    """Non-empty lines; a line longer than `limit` characters is cut at a space so that no piece is unbounded."""
    for text in texts:
        for line in text.split("\n"):
            rest = line.strip()
            while len(rest) > limit:
                cut = rest.rfind(" ", 0, limit)
                cut = cut if cut > 0 else limit
                yield rest[:cut]
                rest = rest[cut:].strip()
            if rest:
                yield rest


def _batches(items: Iterator[str], size: int) -> Iterator[list[str]]:
    batch: list[str] = []
    for item in items:
        batch.append(item)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch


def pack(text: Text, tokenizer: Tokenizer, out: Path) -> int:
    """Tokenises the mix into `out` (flat ids, written under a temporary name first); returns the number of ids."""
    separator = tokenizer.token_to_id("[SEP]")
    dtype = id_type(tokenizer.get_vocab_size())
    partial = out.with_suffix(".part")
    total = 0
    with partial.open("wb") as sink, tqdm(unit="tok", unit_scale=True, desc="packing") as bar:
        for batch in _batches(paragraphs_of(articles(text)), 2000):
            for encoding in tokenizer.encode_batch_fast(batch, add_special_tokens=False):
                ids = np.array([*encoding.ids, separator], dtype=dtype)
                sink.write(ids.tobytes())
                total += len(ids)
                bar.update(len(ids))
    partial.rename(out)
    return total


def id_type(vocabulary: int) -> type[np.uint16] | type[np.uint32]:
    return np.uint16 if vocabulary <= 2**16 else np.uint32


def open_packed(path: Path, vocabulary: int) -> Ids:
    """The packed ids as a read-only memory map of shape (tokens,)."""
    return np.memmap(path, dtype=id_type(vocabulary), mode="r")

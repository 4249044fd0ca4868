"""Inference jobs: inputs in, records out, chunk by chunk, in input order, with every failure accounted for.

`predict_texts` is the same work for texts that are in memory already.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

from rasid.errors import DataError
from rasid.records import Record

from .engine import Engine, choose_device, describe, open_engine
from .predictor import predict
from .readers import Article, Read, Reject, read
from .writers import RejectsWriter, Writer, open_writer

_CHUNK_ARTICLES = 64
_CHUNK_CHARACTERS = 200_000  # bounds memory; a longer article makes a chunk of its own


@dataclass(frozen=True, slots=True)
class _Tally:
    written: int
    rejected: int


def predict_texts(texts: Sequence[tuple[str, str]], model: str, device: str = "cpu") -> list[Record]:
    """Records of (doc, text) pairs, in order.

    Raises ModelError for a model that cannot be loaded, ConfigError for an absent device, DataError for a
    text with half a surrogate pair, which no UTF-8 file can hold.
    """
    for doc, text in texts:
        try:
            text.encode("utf-8")
        except UnicodeEncodeError as error:
            found = f"U+{ord(text[error.start]):04X} at character {error.start}"
            raise DataError(f"{doc}: lone surrogate {found}") from None
    engine = open_engine(model, choose_device(device))
    articles = (Article(doc, text) for doc, text in texts)
    return [record for chunk in _chunks(articles) for record in predict(engine, _articles(chunk))]


def run_infer(args: argparse.Namespace) -> int:
    """`rasid infer`: 0 when any record was written; raises DataError when there was none."""
    inputs, output = [str(name) for name in args.inputs], Path(args.output)
    device = choose_device(args.device)
    writer = open_writer(output, inputs)
    rejects = RejectsWriter(output)
    try:
        engine = open_engine(str(args.model), device, args.batch_tokens)
        if not args.quiet:
            print(f"rasid: model {engine.loaded.name}, device {describe(device)}", file=sys.stderr)
        tally = _run(engine, inputs, writer, rejects, args.quiet)
    except BaseException:
        writer.abandon()
        rejects.abandon()
        raise
    rejects.close()
    if not tally.written:
        writer.abandon()
        raise DataError(_why_nothing(rejects))
    writer.close()
    if not args.quiet:
        rejected = f"{tally.rejected} rejected" + (f" -> {rejects.path}" if tally.rejected else "")
        print(f"{tally.written} records -> {output}; {rejected}")
    return 0


def _why_nothing(rejects: RejectsWriter) -> str:
    first = rejects.first
    if first is None:
        return "no input; give a text file, a folder, a JSONL file, or - for standard input"
    more = f" (and {rejects.count - 1} more, see {rejects.path})" if rejects.count > 1 else ""
    return f"{first.where}: {first.reason}{more}"


def _run(engine: Engine, inputs: Sequence[str], writer: Writer, rejects: RejectsWriter, quiet: bool) -> _Tally:
    written = 0
    with tqdm(unit=" articles", desc="infer", disable=quiet) as bar:
        for chunk in _chunks(read(inputs)):
            for result in _results(engine, chunk):
                if isinstance(result, Reject):
                    rejects.write(result)
                else:
                    writer.write(result)
                    written += 1
                    bar.update()
    return _Tally(written, rejects.count)


def _chunks(items: Iterable[Read]) -> Iterator[list[Read]]:
    """Items in runs of bounded size, order kept."""
    chunk: list[Read] = []
    characters = 0
    for item in items:
        size = len(item.text) if isinstance(item, Article) else 0
        if chunk and (len(chunk) == _CHUNK_ARTICLES or characters + size > _CHUNK_CHARACTERS):
            yield chunk
            chunk, characters = [], 0
        chunk.append(item)
        characters += size
    if chunk:
        yield chunk


def _articles(chunk: Iterable[Read]) -> list[Article]:
    return [item for item in chunk if isinstance(item, Article)]


def _results(engine: Engine, chunk: Sequence[Read]) -> Iterator[Record | Reject]:
    """A record for each article and the rejects as they are, in order."""
    results = iter(_predict_all(engine, _articles(chunk)))
    for item in chunk:
        yield item if isinstance(item, Reject) else next(results)


def _predict_all(engine: Engine, articles: Sequence[Article]) -> list[Record | Reject]:
    """Records; when the model fails on a chunk, each of its articles is tried alone and those that fail are
    rejected."""
    try:
        return [*predict(engine, articles)]
    except Exception as error:  # whatever it is, the articles that come after must not be lost with this one
        if len(articles) == 1:
            lines = str(error).splitlines() or [""]
            return [Reject(articles[0].where or articles[0].doc, f"{type(error).__name__}: {lines[0][:300]}")]
    return [result for article in articles for result in _predict_all(engine, [article])]

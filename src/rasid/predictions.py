"""Predictions of the articles of a gold set: one for each, sound on its text, and none of anything else."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from pathlib import Path

from rasid.annotations import Annotated
from rasid.errors import DataError
from rasid.labels import WOJOOD
from rasid.records import Record, faults, read_records

_SHOWN = 10  # docs named in an error line


def load_predictions(path: Path, gold: Sequence[Annotated]) -> list[Record]:
    """Predicted records from a .jsonl or .json file or a folder, in the order of `gold`.

    Raises DataError when an article is missing, extra or there twice, or when a record does not fit its text.
    """
    check_there(path)
    texts = {each.record.doc: each.text for each in gold}
    records = sound_predictions(read_records(path), path, texts, texts.__getitem__)
    found = {record.doc: record for record in records}
    return [found[doc] for doc in texts]


def check_there(path: Path) -> None:
    """Raises DataError where there is no such file or folder."""
    if not path.exists():
        raise DataError(f"{path}: no such file or folder of predictions; make one with rasid infer")


def sound_predictions(
    records: Iterable[tuple[str, Record]], path: Path, docs: Collection[str], text_of: Callable[[str], str]
) -> Iterator[Record]:
    """(where, record) pairs out of `path` one at a time, for gold articles `docs`. Raises DataError as
    `load_predictions`, for what is missing or extra at the end."""
    found: set[str] = set()
    extra: list[str] = []
    for where, record in records:
        if record.doc in found:
            raise DataError(f"{where}: doc {record.doc!r} stands twice in the predictions")
        found.add(record.doc)
        if record.doc in docs:
            check_fit(record, text_of(record.doc), where)
            yield record
        else:
            extra.append(record.doc)
    missing = [doc for doc in docs if doc not in found]
    if missing:
        raise DataError(f"{path}: no prediction for {_named(missing)}")
    if extra:
        raise DataError(f"{path}: predictions of articles that the gold does not have: {_named(extra)}")


def _named(docs: Sequence[str]) -> str:
    more = f" and {len(docs) - _SHOWN} more" if len(docs) > _SHOWN else ""
    return ", ".join(docs[:_SHOWN]) + more


def check_fit(record: Record, text: str, where: str) -> None:
    """Raises DataError for a prediction that is not sound on the gold's text; its types may be of any inventory."""
    own = {each.type for each in record.entities} | {each.type for each in record.clusters}
    broken = faults(record, text, tuple(sorted({*WOJOOD, *own})))
    if broken:
        raise DataError(f"{where}: doc {record.doc!r}: {broken[0]}")

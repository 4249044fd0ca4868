"""Exchange formats by name: records go out into files of other tools, and come in from them.

Each format is a module of its own; here is what they share at the door: which options they take, where texts come from
and go to, and the sentence that says what a format could not hold.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from rasid.argilla import export_argilla, read_argilla
from rasid.brat import export_brat, read_brat
from rasid.conll import export_conll, export_wojood, read_conll, read_wojood
from rasid.docbin import export_docbin, read_docbin
from rasid.doccano import export_doccano, export_doccano_relations, read_doccano
from rasid.errors import DataError, nearest
from rasid.exchange import Article, Drawn, Written, check_name, check_types, lost_stances, to_record
from rasid.labelstudio import export_labelstudio, read_labelstudio
from rasid.records import Record, faults, read_exact, write_exact
from rasid.units import BYTES, UNITS, UTF_16


@dataclass(frozen=True, slots=True)
class Asked:
    """What a user asks of a reader or writer: the folder of raw texts, and the unit of offsets where it can be told."""

    texts: Path | None
    unit: str


@dataclass(frozen=True, slots=True)
class Format:
    """How a format is written and read; `units` says whether --units means something to it."""

    write: Callable[[list[Article], Asked], Written]
    read: Callable[[Path, Asked], Iterator[Drawn]]
    units: bool = False


FORMATS = {
    "argilla": Format(
        lambda articles, asked: export_argilla(articles, asked.unit),
        lambda path, asked: read_argilla(path, asked.unit),
        units=True,
    ),
    "brat": Format(lambda articles, _: export_brat(articles), lambda path, _: read_brat(path)),
    "conll": Format(lambda articles, _: export_conll(articles), lambda path, asked: read_conll(path, asked.texts)),
    "doccano": Format(
        lambda articles, asked: export_doccano(articles, asked.unit),
        lambda path, asked: read_doccano(path, asked.unit),
        units=True,
    ),
    "doccano-relations": Format(
        lambda articles, asked: export_doccano_relations(articles, asked.unit),
        lambda path, asked: read_doccano(path, asked.unit),
        units=True,
    ),
    "labelstudio": Format(lambda articles, _: export_labelstudio(articles), lambda path, _: read_labelstudio(path)),
    "spacy": Format(lambda articles, _: export_docbin(articles), lambda path, asked: read_docbin(path, asked.texts)),
    "wojood": Format(lambda articles, _: export_wojood(articles), lambda path, asked: read_wojood(path, asked.texts)),
}

_MEASURED = [name for name, one in FORMATS.items() if one.units]


def _format(name: str) -> Format:
    if name not in FORMATS:
        raise DataError(f"unknown format {name!r}{nearest(name, FORMATS)}")
    return FORMATS[name]


def _unit(name: str, given: str | None) -> str:
    """The unit asked for, UTF-16 by default. Raises DataError where a format's own is fixed."""
    if given is None:
        return UTF_16
    if not _format(name).units:
        raise DataError(f"--units {given}: format {name} has a unit of its own; --units is for {', '.join(_MEASURED)}")
    if given == BYTES or given not in UNITS:
        raise DataError(f"--units {given}: known: {', '.join(unit for unit in UNITS if unit != BYTES)}")
    return given


def left_out(what: str, left: Counter[str]) -> str | None:
    """The sentence that names what `what` could not hold; None when it held everything."""
    counts = ", ".join(f"{count} {kind}" for kind, count in sorted(left.items()) if count)
    return f"{what} cannot hold and left out: {counts}" if counts else None


def write_format(name: str, articles: list[Article], unit: str | None = None) -> Written:
    """The files of a format, by name. Raises DataError for a record that is unsound or cannot name a file."""
    counts = Counter(article.record.doc for article in articles)
    for article in articles:
        if counts[article.record.doc] > 1:
            raise DataError(f"{article.record.doc}: {counts[article.record.doc]} records have this doc; one is allowed")
        check_name(article.record.doc, article.record.doc)
        check_types(article.record)
        found = faults(article.record, article.text, _types(article.record))
        if found:
            raise DataError(f"{article.record.doc}: {found[0]}; see rasid annotations validate")
    return _format(name).write(articles, Asked(None, _unit(name, unit)))


def _types(record: Record) -> tuple[str, ...]:
    """Every type of the record: records of any inventory can go out."""
    return tuple({e.type for e in record.entities} | {c.type for c in record.clusters})


@dataclass(frozen=True, slots=True)
class Imported:
    """What came in: sound records with their texts, sentences for the user, and what records have no room for."""

    articles: tuple[Article, ...]
    notes: tuple[str, ...]
    left: Counter[str]


def read_format(name: str, source: Path, texts: Path | None, unit: str | None = None) -> Imported:
    """Articles from a file or folder of a format. Where `texts`/<doc>.txt is, it must be the file's text.

    Raises DataError with file and line (or task) for the first mistake.
    """
    if not source.exists():
        raise DataError(f"{source}: no such file or folder")
    articles: dict[str, Article] = {}
    notes: list[str] = []
    left: Counter[str] = Counter()
    for drawn in _format(name).read(source, Asked(texts, _unit(name, unit))):
        record = to_record(drawn)
        if record.doc in articles:
            raise DataError(f"{drawn.where}: doc {record.doc!r} stands twice in {source}")
        raw = texts / f"{record.doc}.txt" if texts else None
        if raw is not None and raw.is_file():
            _same_text(read_exact(raw), drawn, raw)
        articles[record.doc] = Article(record, drawn.text)
        notes += drawn.notes
        left += drawn.left + Counter({"stances of clusters without a mention": lost_stances(drawn, record)})
    return Imported(tuple(articles.values()), tuple(notes), left)


def _same_text(raw: str, drawn: Drawn, path: Path) -> None:
    """Raises DataError with the first place where two texts differ: a lost carriage return moves every offset."""
    if raw == drawn.text:
        return
    pairs = enumerate(zip(raw, drawn.text, strict=False))
    place = next((n for n, (one, other) in pairs if one != other), min(len(raw), len(drawn.text)))
    here, there = (repr(text[place : place + 12]) for text in (raw, drawn.text))
    raise DataError(
        f"{drawn.where}: its text is not that of {path}: from character {place} {there}, there {here}; "
        "they must be the same, line breaks included"
    )


def write_files(folder: Path, files: Mapping[str, str | bytes]) -> None:
    """Writes `files` into `folder`, which is made. Raises DataError."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(f"{folder}: cannot be written ({error.strerror})") from None
    for name, content in files.items():
        write_exact(folder / name, content)

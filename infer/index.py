"""The index: the things that many articles speak of, gathered from their records under one name each.

Clusters of two articles are one thing when type and canonical name agree (article and spelling folded), or when the
user's alias table says so; no other evidence is taken. A person called by one word is indexed by that word alone, apart
from all longer names, and marked `ambiguous`, since several people may bear it; so is a post of one word. What an
article calls only by a class noun (المجلس) has no name outside it and is left out. Records are read one at a time; what
is kept grows with the number of distinct names, not of articles.
"""

from __future__ import annotations

import argparse
import csv
import io
import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rasid.errors import ConfigError, DataError, nearest
from rasid.labels import STANCES, VALUES, WOJOOD
from rasid.records import Cluster, Entity, Record, parse_record, read_records, write_exact

from .aliases import NO_ALIASES, AliasTable, read_aliases
from .dates import DATE_FIELDS, date_of
from .forms import HEADED, class_noun
from .names import canonical, clean, name_key
from .parquet import read_parquet_records

_RECORDS = (".json", ".jsonl", ".parquet")
_ONE_WORD = frozenset({"PERS", "OCC"})  # types of which one word does not say who or what is meant
_TYPES = tuple(name for name in WOJOOD if name not in VALUES)
Key = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Entry:
    """A thing of the index. `aliases` counts its mentions by their names, `months` its articles by `YYYY-MM`.

    `first` and `last` are the earliest and the latest date of the articles that have one; `stances` counts
    articles by the author's stance on the whole article; of an `ambiguous` entry it is not known whether it is
    one thing.
    """

    name: str
    type: str
    articles: int
    mentions: int
    aliases: dict[str, int]
    first: str | None
    last: str | None
    months: dict[str, int]
    stances: dict[str, int]
    ambiguous: bool

    def to_json(self) -> str:
        """One line of the index; dates are left out where no article has one."""
        tree = {name: getattr(self, name) for name in self.__slots__}
        if self.first is None:
            del tree["first"], tree["last"], tree["months"]
        return json.dumps(tree, ensure_ascii=False)


class _Tally:
    """What is known so far of one entry."""

    __slots__ = ("aliases", "articles", "first", "last", "mentions", "months", "names", "stances")

    def __init__(self) -> None:
        self.articles = self.mentions = 0
        self.names: Counter[str] = Counter()
        self.aliases: Counter[str] = Counter()
        self.months: Counter[str] = Counter()
        self.stances: Counter[str] = Counter()
        self.first: str | None = None
        self.last: str | None = None

    def date(self, day: str) -> None:
        self.months[day[:7]] += 1
        self.first = min(self.first or day, day)
        self.last = max(self.last or day, day)


class Index:
    """Gathers records; `entries` may be asked for at any time and do not depend on the records' order."""

    def __init__(
        self, aliases: AliasTable = NO_ALIASES, types: Sequence[str] = (), fields: tuple[str, ...] = DATE_FIELDS
    ) -> None:
        self._aliases, self._types, self._fields = aliases, frozenset(types), fields
        self._tallies: dict[Key, _Tally] = defaultdict(_Tally)
        self.articles = self.dated = self.unnamed = 0

    def add(self, record: Record) -> None:
        """Counts a record. Clusters without mentions are passed over."""
        mentions: dict[str, list[Entity]] = defaultdict(list)
        for entity in record.entities:
            if entity.cluster is not None:
                mentions[entity.cluster].append(entity)
        day = date_of(record.meta, self._fields)
        self.articles += 1
        self.dated += day is not None
        stances = {s.target: s.label for s in record.stances if s.scope == "article" and s.holder == "author"}
        for key, clusters in self._things(record, mentions).items():
            tally = self._tallies[key]
            tally.articles += 1
            tally.names[clean(clusters[0].name)] += 1
            if day:
                tally.date(day)
            tally.stances.update([stances[cluster.id] for cluster in clusters if cluster.id in stances][:1])
            for cluster in clusters:
                tally.mentions += len(mentions[cluster.id])
                tally.aliases.update(each.name or canonical(each.surface, each.type) for each in mentions[cluster.id])

    def _things(self, record: Record, mentions: Mapping[str, Sequence[Entity]]) -> dict[Key, list[Cluster]]:
        """The record's clusters by key. Where several are one thing, to the alias table say, the one with most
        mentions comes first: the article counts once, with its name and its stance."""
        things: dict[Key, list[Cluster]] = defaultdict(list)
        for cluster in record.clusters:
            if cluster.id in mentions and (not self._types or cluster.type in self._types):
                key = self._key(cluster)
                self.unnamed += key is None
                if key:
                    things[key].append(cluster)
        for clusters in things.values():
            clusters.sort(key=lambda cluster: -len(mentions[cluster.id]))
        return things

    def _key(self, cluster: Cluster) -> Key | None:
        """What a cluster is gathered under; None for one that has no name outside its article."""
        thing = self._aliases.find(cluster.type, cluster.name)
        if thing:
            return (thing.type, name_key(thing.name, thing.type))
        if cluster.type in HEADED and class_noun(cluster.name):
            return None
        shared = name_key(cluster.name, cluster.type)
        return (cluster.type, shared) if shared else None

    def entries(self, min_articles: int = 1) -> list[Entry]:
        """The entries with that many articles, most articles first, then most mentions, type and name."""
        found = [
            (key, self._entry(key, tally)) for key, tally in self._tallies.items() if tally.articles >= min_articles
        ]
        order = {name: number for number, name in enumerate(WOJOOD)}
        found.sort(key=lambda pair: (-pair[1].articles, -pair[1].mentions, order.get(pair[0][0], len(order)), pair[0]))
        return [entry for _, entry in found]

    def _entry(self, key: Key, tally: _Tally) -> Entry:
        thing = self._aliases.by_key.get(key)
        name = thing.name if thing else min(tally.names, key=lambda each: (-tally.names[each], -len(each), each))
        return Entry(
            name=name,
            type=key[0],
            articles=tally.articles,
            mentions=tally.mentions,
            aliases=dict(sorted(tally.aliases.items(), key=lambda item: (-item[1], item[0]))),
            first=tally.first,
            last=tally.last,
            months=dict(sorted(tally.months.items())),
            stances={label: tally.stances[label] for label in STANCES},
            ambiguous=not thing and key[0] in _ONE_WORD and " " not in key[1],
        )


# -- files -----------------------------------------------------------------------------------------


def record_files(paths: Iterable[Path]) -> Iterator[Path]:
    """The files of records that paths name; of a folder those right in it, in name order, rejects left out.

    Raises DataError for a path that is not there or holds no records.
    """
    for path in paths:
        if path.is_dir():
            found = [file for file in sorted(path.iterdir()) if file.suffix in _RECORDS and _holds_records(file)]
            if not found:
                raise DataError(f"{path}: no records in this folder; expected {', '.join(_RECORDS)} files")
            yield from found
        elif not path.exists():
            raise DataError(f"{path}: no such file or folder of records; make one with rasid infer")
        else:
            yield path


def _holds_records(file: Path) -> bool:
    return not file.name.startswith(".") and not file.name.endswith(".rejects.jsonl")


def stream_records(path: Path) -> Iterator[Record]:
    """The records of a .json, .jsonl or .parquet file, one at a time. Raises DataError with the place at fault."""
    if path.suffix != ".parquet":
        yield from (record for _, record in read_records(path))
        return
    try:
        for number, tree in enumerate(read_parquet_records(path), 1):
            yield parse_record(json.dumps(tree), f"{path}: row {number}")
    except (OSError, ValueError, KeyError) as error:  # pyarrow's errors are ValueErrors
        raise DataError(f"{path}: not a Parquet file of records ({str(error).splitlines()[0]})") from None


def to_csv(entries: Iterable[Entry]) -> str:
    """The index as a table; aliases and months are written `name (count); ...`, most frequent first."""
    stream = io.StringIO()
    table = csv.writer(stream, lineterminator="\n")
    columns = ("name", "type", "articles", "mentions", "first", "last", *STANCES, "ambiguous", "aliases", "months")
    table.writerow(columns)
    for entry in entries:
        counts = ("; ".join(f"{name} ({n})" for name, n in each.items()) for each in (entry.aliases, entry.months))
        ends = (entry.first or "", entry.last or "", *(entry.stances[label] for label in STANCES))
        row = (entry.name, entry.type, entry.articles, entry.mentions, *ends, str(entry.ambiguous).lower(), *counts)
        table.writerow(row)
    return stream.getvalue()


def to_jsonl(entries: Iterable[Entry]) -> str:
    """The index as JSON lines."""
    return "".join(f"{entry.to_json()}\n" for entry in entries)


_WRITERS: dict[str, Callable[[Iterable[Entry]], str]] = {".jsonl": to_jsonl, ".csv": to_csv}


def run_index(args: argparse.Namespace) -> int:
    """`rasid index`: reads `args.records` and writes `args.output`. Raises ConfigError and DataError."""
    output = Path(args.output)
    write = _WRITERS.get(output.suffix)
    if write is None:
        raise ConfigError(f"{output}: --output is a .jsonl or a .csv file")
    for name in args.type:
        if name not in _TYPES:
            raise ConfigError(f"--type {name}: unknown type{nearest(name, _TYPES)}")
    files = list(record_files(Path(name) for name in args.records))
    if output.resolve() in {file.resolve() for file in files}:
        raise DataError(f"{output}: would overwrite records that are read; give another --output")
    aliases = read_aliases(Path(args.aliases)) if args.aliases else NO_ALIASES
    index = Index(aliases, args.type, (args.date_field,) if args.date_field else DATE_FIELDS)
    for file in files:
        for record in stream_records(file):
            index.add(record)
    entries = index.entries(args.min_articles)
    _replace(output, write(entries))
    print(
        f"{output}: {len(entries)} names in {index.articles} articles, {index.dated} of them dated; "
        f"{index.unnamed} clusters without a name left out"
    )
    return 0


def _replace(path: Path, text: str) -> None:
    """Writes a file that is whole as soon as it is there. Raises DataError."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(f"{path.name}.part")
        write_exact(part, text)
        part.replace(path)
    except OSError as error:
        raise DataError(f"{path}: cannot be written ({error.strerror})") from None

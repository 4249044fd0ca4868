"""The record: one format for gold annotations and for predictions, which are annotations with scores.

Offsets are Unicode code points into the untouched text, 0-based, end-exclusive. The JSON Schema that `rasid schema`
prints is generated from these types. What a record cannot know without its text is checked by `faults`.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from rasid.errors import DataError, nearest
from rasid.labels import VALUES, WOJOOD, StanceLabel
from rasid.text import Span

GIVEN = "TARGET"  # the type of a stance target that the user named
Offset = Annotated[int, Field(ge=0)]
Score = Annotated[float, Field(ge=0.0, le=1.0)]
Range = tuple[Offset, Offset]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Entity(_Part):
    """A mention. `surface` is `text[start:end]`, `name` its canonical name (والعراق: العراق, السوريين: السوري).

    Values (dates, numbers, amounts) have no name and a `cluster` that is null; annotations have no names.
    """

    id: str
    type: str
    start: Offset
    end: Offset
    surface: str
    name: str | None = None
    cluster: str | None = None
    score: Score | None = None

    @property
    def span(self) -> Span:
        return Span(self.start, self.end)


class Cluster(_Part):
    """All mentions of one real-world thing in the article, under its fullest name.

    A `given` one is a stance target that the user named: of type `TARGET`, and without mentions.
    """

    id: str
    name: str
    type: str
    given: bool = False


class Stance(_Part):
    """The attitude that a passage (`scope` a range) or the article shows towards a cluster, and whose it is.

    `holder` is `author`, a cluster id (a quoted speaker) or `other`; `evidence` lists the passages that decided an
    article's stance.
    """

    target: str
    scope: Literal["article"] | Range
    label: StanceLabel
    holder: str = "author"
    score: Score | None = None
    evidence: tuple[Range, ...] | None = None


class Label(_Part):
    """What the article as a whole is: its topic, say."""

    label: str = Field(min_length=1)
    score: Score | None = None


class ModelInfo(_Part):
    """Provenance of a prediction: folder name, sha256 of the weights, version of the package, and what ran the model
    in which precision (`torch fp32`, `onnx int8`)."""

    name: str
    revision: str
    rasid: str
    engine: str | None = None


class Record(_Part):
    """What is known of one article. `sha256` is that of the raw text's UTF-8 bytes.

    `labels` are by question (`topic`): one label, or a list where an article may have several of them or none.
    """

    doc: str
    sha256: str
    meta: dict[str, Any] = Field(default_factory=dict)
    entities: tuple[Entity, ...] = ()
    clusters: tuple[Cluster, ...] = ()
    stances: tuple[Stance, ...] = ()
    labels: dict[str, Label | tuple[Label, ...]] = Field(default_factory=dict)
    model: ModelInfo | None = None
    warnings: tuple[str, ...] = ()

    def to_json(self, indent: int | None = None) -> str:
        """One JSON object; Arabic is kept readable, fields that are None are left out except `cluster`."""
        tree = self.model_dump(mode="json")
        for entity in tree["entities"]:
            for name in ("name", "score"):
                if entity[name] is None:
                    del entity[name]
        tree["clusters"] = [{k: v for k, v in cluster.items() if k != "given" or v} for cluster in tree["clusters"]]
        tree["stances"] = [{k: v for k, v in stance.items() if v is not None} for stance in tree["stances"]]
        for name, given in tree["labels"].items():
            several = isinstance(given, list)
            bare = [{k: v for k, v in one.items() if v is not None} for one in (given if several else [given])]
            tree["labels"][name] = bare if several else bare[0]
        if tree["model"] and tree["model"]["engine"] is None:
            del tree["model"]["engine"]
        for name in ("labels", "model", "meta", "warnings"):
            if not tree[name]:
                del tree[name]
        return json.dumps(tree, ensure_ascii=False, indent=indent)


def sha256_of(text: str) -> str:
    """sha256 of a text's UTF-8 bytes. Lone surrogates, which UTF-8 cannot hold, are taken as their three-byte forms."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def parse_record(text: str, where: str, kept: bool = True) -> Record:
    """A record from JSON. Raises DataError in one line with `where` (file:line) and the field at fault.

    One that is not `kept`, but let go soon, is read a fifth faster, and larger.
    """
    try:
        record = Record.model_validate_json(text)
        return _shared(record) if kept else record
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"])
        raise DataError(f"{where}: not a record: {field + ': ' if field else ''}{first['msg'].lower()}") from None


_FIELDS: dict[frozenset[str], set[str]] = {}


def _shared(record: Record) -> Record:
    """The record, its parts sharing what they have alike. pydantic gives every object a set of its own with the names
    of the fields that were given: half of the memory of an entity. A copy of an object copies its set."""
    for part in (*record.entities, *record.clusters, *record.stances):
        given = part.__pydantic_fields_set__
        object.__setattr__(part, "__pydantic_fields_set__", _FIELDS.setdefault(frozenset(given), given))
    return record


def record_files(path: Path) -> list[Path]:
    """A .json file itself, or the .json files of a folder in name order. Raises DataError where there are none."""
    files = sorted(path.glob("*.json")) if path.is_dir() else [path]
    if not files:
        raise DataError(f"{path}: no .json records in this folder")
    return files


def read_records(path: Path) -> Iterator[tuple[str, Record]]:
    """(where, record) pairs of a .json file, a .jsonl file, or a folder of .json files in name order."""
    if path.is_dir() or path.suffix == ".json":
        for file in record_files(path):
            yield str(file), parse_record(read_exact(file), str(file))
    else:
        for number, line in enumerate(_lines(path), 1):
            if line.strip():
                yield f"{path}:{number}", parse_record(line, f"{path}:{number}")


def _lines(path: Path) -> Iterator[str]:
    """The lines of a UTF-8 file, one in memory at a time. Raises DataError."""
    number = 0
    try:
        with path.open("rb") as stream:
            for line in stream:
                number += 1
                yield line.decode("utf-8")
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from None
    except UnicodeDecodeError as error:
        raise DataError(f"{path}:{number}: not UTF-8 ({error.reason} at byte {error.start} of the line)") from None


def write_exact(path: Path, content: str | bytes) -> None:
    """Writes a UTF-8 file with its newlines as they are, or bytes. Raises DataError."""
    try:
        path.write_bytes(content.encode("utf-8") if isinstance(content, str) else content)
    except OSError as error:
        raise DataError(f"{path}: cannot be written ({error.strerror})") from None


def read_exact(path: Path) -> str:
    """A UTF-8 file with its newlines as they are, so that offsets into it hold. Raises DataError."""
    try:
        return path.read_bytes().decode("utf-8")
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from None
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: not UTF-8 ({error.reason} at byte {error.start})") from None


def faults(record: Record, text: str, types: tuple[str, ...] = WOJOOD) -> list[str]:
    """Every broken invariant of a record against its raw text, one sentence each; empty when it is sound."""
    found = [] if record.sha256 == sha256_of(text) else [f"sha256 is not that of the text ({sha256_of(text)})"]
    found += _entity_faults(record, text, types)
    found += _crossings(record)
    found += _cluster_faults(record, types)
    found += _stance_faults(record, text)
    found += _label_faults(record)
    return found


def _entity_faults(record: Record, text: str, types: tuple[str, ...]) -> Iterator[str]:
    seen: set[tuple[int, int, str]] = set()
    known = frozenset(types)
    for entity in record.entities:
        start, end = entity.start, entity.end
        if entity.type not in known:
            yield f"{_named(entity)}: unknown type {entity.type!r}; known: {', '.join(types)}"
        if not start < end <= len(text):
            yield f"{_named(entity)}: offsets out of range, the text has {len(text)} characters"
            continue
        actual = text[start:end]
        if actual != entity.surface:
            yield f"{_named(entity)}: the text there reads {actual!r}; surface must be that"
        if actual[0].isspace() or actual[-1].isspace():
            yield f"{_named(entity)}: white space at its ends; a span begins and ends in a character that shows"
        key = (start, end, entity.type)
        if key in seen:
            yield f"{_named(entity)}: the same span and type stands twice; once is allowed"
        seen.add(key)


def _named(entity: Entity) -> str:
    return f"entity {entity.id} {entity.surface!r} [{entity.start}, {entity.end})"


def _crossings(record: Record) -> Iterator[str]:
    ordered = sorted([(each.start, -each.end, place) for place, each in enumerate(record.entities)])
    stack: list[tuple[int, Entity]] = []
    for start, minus_end, place in ordered:
        entity = record.entities[place]
        while stack and stack[-1][0] <= start:
            stack.pop()
        if stack and stack[-1][0] < -minus_end:
            other = stack[-1][1]
            both = f"entities {other.id} and {entity.id} cross: {other.surface!r}, {entity.surface!r}"
            yield f"{both}; spans may nest or stand apart"
        stack.append((-minus_end, entity))


def _cluster_faults(record: Record, inventory: tuple[str, ...]) -> Iterator[str]:
    types = {cluster.id: cluster.type for cluster in record.clusters}
    for cluster in record.clusters:
        if cluster.given != (cluster.type == GIVEN):
            yield f"cluster {cluster.id} {cluster.name!r}: a given target, and no other cluster, has type {GIVEN}"
        elif not cluster.given and (cluster.type not in inventory or cluster.type in VALUES):
            allowed = ", ".join(name for name in inventory if name not in VALUES)
            yield f"cluster {cluster.id} {cluster.name!r}: a cluster has no type {cluster.type!r}; allowed: {allowed}"
    counts = Counter(cluster.id for cluster in record.clusters)
    yield from (f"cluster {name} is defined {n} times; ids must differ" for name, n in counts.items() if n > 1)
    identifiers = Counter(entity.id for entity in record.entities)
    yield from (f"entity id {name} is used {n} times; ids must differ" for name, n in identifiers.items() if n > 1)
    used = {entity.cluster for entity in record.entities}
    given = {cluster.id for cluster in record.clusters if cluster.given}
    alone = (name for name in types if name not in used | given)
    yield from (f"cluster {name} has no mention; only a given target has none" for name in alone)
    yield from (f"given target {name} has a mention" for name in given & used)
    for entity in record.entities:
        if entity.type in VALUES and entity.cluster is not None:
            yield f"entity {entity.id}: {entity.type} is a value, its cluster must be null"
        if entity.type not in VALUES and entity.cluster not in types:
            yield f"entity {entity.id} {entity.surface!r}: cluster {entity.cluster!r} is not defined"


def _stance_faults(record: Record, text: str) -> Iterator[str]:
    known = {cluster.id for cluster in record.clusters}
    seen: set[tuple[object, ...]] = set()
    for number, stance in enumerate(record.stances, 1):
        name = f"stance {number} towards {stance.target}"
        if stance.target not in known:
            yield f"{name}: the target is not a cluster of this record{nearest(stance.target, known)}"
        if stance.holder not in known | {"author", "other"}:
            yield f"{name}: holder {stance.holder!r} is neither author, other nor a cluster of this record"
        ranges = [] if stance.scope == "article" else [stance.scope]
        for start, end in [*ranges, *(stance.evidence or ())]:
            if not start < end <= len(text):
                yield f"{name}: range [{start}, {end}) out of the text's {len(text)} characters"
        key = (stance.target, stance.scope, stance.holder)
        if key in seen:
            yield f"{name}: a second stance for the same scope and holder; one is allowed"
        seen.add(key)


def _label_faults(record: Record) -> Iterator[str]:
    for name, given in record.labels.items():
        counts = Counter(one.label for one in given) if isinstance(given, tuple) else Counter()
        yield from (
            f"labels {name}: {label!r} is given {count} times; once is allowed"
            for label, count in counts.items()
            if count > 1
        )


def json_schema() -> dict[str, Any]:
    """The record's JSON Schema (draft 2020-12)."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **Record.model_json_schema()}

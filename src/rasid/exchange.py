"""What every exchange format is written from and read into: spans with ids, the links between them, and the rest.

Spans and links are what annotators see and change in a tool; `Extras` is what travels unseen where a format has room
for it. Knows nothing of any one format.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NoReturn, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from rasid.errors import DataError
from rasid.labels import VALUES, StanceLabel
from rasid.records import Cluster, Entity, Label, ModelInfo, Range, Record, Score, Stance, faults, sha256_of

_Model = TypeVar("_Model", bound=BaseModel)
PREANNOTATED = "preannotated"  # the field of a record's meta that names the model whose spans people mended
COREF = "Coref"  # the name of the link between mentions of one thing, in every format


@dataclass(frozen=True, slots=True)
class Article:
    """A sound record with the raw text its offsets point into."""

    record: Record
    text: str


@dataclass(frozen=True, slots=True)
class Mention:
    """A typed span, [start, end) in code points, and the place in the file that says so."""

    id: str
    type: str
    start: int
    end: int
    where: str
    score: float | None = None


class _Carried(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Kept(_Carried):
    """What a record says of an entity beside its span and type."""

    name: str | None = None
    score: Score | None = None


class Known(_Carried):
    """A cluster with the ids of its mentions, by which it is found again."""

    id: str
    name: str
    type: str
    given: bool = False
    mentions: tuple[str, ...] = ()


class Extras(_Carried):
    """All of a record that is neither span nor link; ranges of stances are in code points of the raw text."""

    sha256: str | None = None
    entities: dict[str, Kept] = Field(default_factory=dict)
    clusters: tuple[Known, ...] = ()
    stances: tuple[Stance, ...] = ()
    meta: dict[str, Any] = Field(default_factory=dict)
    labels: dict[str, Label | tuple[Label, ...]] = Field(default_factory=dict)
    model: ModelInfo | None = None
    warnings: tuple[str, ...] = ()

    def tree(self) -> dict[str, Any]:
        """As JSON, what is empty left out."""
        return self.model_dump(mode="json", exclude_defaults=True)


@dataclass(frozen=True, slots=True)
class Chosen:
    """A stance that an annotator chose on a mention of its target; `holder` is author, other or a mention's id."""

    mention: str
    scope: Literal["article"] | Range
    label: StanceLabel
    holder: str = "author"


@dataclass(frozen=True, slots=True)
class Drawn:
    """One article as a file shows it. `links` None: the format has none, clusters are as `extras` has them.

    `chosen` are stances that come on top of those of `extras`, and stand in place of theirs of the same target, scope
    and holder. `left` counts what the file holds and a record cannot, `notes` are sentences for the user.
    """

    doc: str
    text: str
    mentions: tuple[Mention, ...]
    where: str
    links: tuple[tuple[str, str], ...] | None = None
    extras: Extras = field(default_factory=Extras)
    left: Counter[str] = field(default_factory=Counter)
    notes: tuple[str, ...] = ()
    chosen: tuple[Chosen, ...] = ()


@dataclass(frozen=True, slots=True)
class Written:
    """Files by name, text or bytes, and how many things of each kind the format could not hold."""

    files: Mapping[str, str | bytes]
    left: Counter[str]


def extras_of(record: Record) -> Extras:
    """What travels beside the spans of `record`; its clusters with their mentions."""
    mentions: dict[str, list[str]] = {}
    for entity in record.entities:
        mentions.setdefault(entity.cluster or "", []).append(entity.id)
    return Extras(
        sha256=record.sha256,
        entities={e.id: Kept(name=e.name, score=e.score) for e in record.entities if (e.name, e.score) != (None, None)},
        clusters=tuple(
            Known(id=c.id, name=c.name, type=c.type, given=c.given, mentions=tuple(mentions.get(c.id, ())))
            for c in record.clusters
        ),
        **{name: getattr(record, name) for name in ("stances", "meta", "labels", "model", "warnings")},
    )


def provenance(model: ModelInfo) -> str:
    """A model in a few words, as Label Studio's `model_version`."""
    return f"{model.name} {model.revision[:12]}"


def corrected(extras: Extras) -> Extras:
    """What still holds when people have been over a model's spans and links: neither its scores and names nor what no
    tool showed them, its stances and labels. `meta` says which model they began from, for it may have swayed them."""
    if extras.model is None:
        return extras
    return Extras(
        sha256=extras.sha256,
        clusters=tuple(known for known in extras.clusters if not known.given),
        meta={**extras.meta, PREANNOTATED: provenance(extras.model)},
    )


def validated(kind: type[_Model], tree: object, where: str) -> _Model:
    """`tree`, from JSON, as a `kind`. Raises DataError, led by `where`, that names the first field at fault."""
    try:
        return kind.model_validate(tree)
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(str(part) for part in first["loc"])
        raise DataError(f"{where}: {name + ': ' if name else ''}{first['msg'].lower()}") from None


def parse_json(text: str, where: str) -> Any:
    """Raises DataError in one line."""
    try:
        return json.loads(text)
    except ValueError as error:
        raise DataError(f"{where}: not JSON ({error})") from None


class _Ids(BaseModel):
    """[start, end, type, id] of every span, in code points."""

    model_config = ConfigDict(extra="ignore", frozen=True)
    ids: tuple[tuple[int, int, str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Carried:
    """What came back of a string that `carry` made; `ids` has the id of each span, by start, end and type."""

    extras: Extras
    ids: dict[tuple[int, int, str], str]


def carry(record: Record, entities: Iterable[Entity]) -> str:
    """The extras as a string, with the places of `entities`: for formats whose spans keep no id of their own."""
    places = [[one.start, one.end, one.type, one.id] for one in entities]
    return json.dumps({"ids": places, **extras_of(record).tree()}, ensure_ascii=False)


def carried(value: object, where: str) -> Carried:
    """Of a string from `carry`, or None where a file has none. Raises DataError, led by `where`."""
    tree: Any = parse_json(value, where) if isinstance(value, str) else value or {}
    ids = validated(_Ids, tree, where).ids
    extras = validated(Extras, {key: value for key, value in tree.items() if key != "ids"}, where)
    return Carried(extras, {(start, end, kind): name for start, end, kind, name in ids})


def fresh_ids(used: Iterable[str], prefix: str) -> Iterator[str]:
    """prefix1, prefix2, ... without those in `used`."""
    taken, number = set(used), 0
    while True:
        number += 1
        if f"{prefix}{number}" not in taken:
            yield f"{prefix}{number}"


def check_name(doc: str, where: str) -> str:
    """`doc` where it can name a file. Raises DataError."""
    if not doc or doc in (".", "..") or any(c in "/\\" or not c.isprintable() for c in doc):
        raise DataError(f"{where}: {doc!r} cannot name a file; allowed: any name without /, \\ and controls")
    return doc


def check_types(record: Record) -> None:
    """Raises DataError for a type with white space, which parts the fields of most formats."""
    for entity in record.entities:
        if not entity.type or any(character.isspace() for character in entity.type):
            raise DataError(f"{record.doc}: entity {entity.id}: type {entity.type!r}; allowed: types without spaces")


def _groups(mentions: Sequence[Mention], links: Iterable[Sequence[str]]) -> dict[str, str]:
    """Mention id to the id of its group's first mention; values stand in no group."""
    root = {one.id: one.id for one in mentions if one.type not in VALUES}
    order = {one.id: number for number, one in enumerate(mentions)}

    def find(name: str) -> str:
        while root[name] != name:
            name = root[name]
        return name

    for link in links:
        ends = sorted({find(name) for name in link if name in root}, key=order.__getitem__)
        for end in ends[1:]:
            root[end] = ends[0]
    return {name: find(name) for name in root}


@dataclass(frozen=True, slots=True)
class _Gathered:
    """The clusters; the cluster id of each group; what became of the ids that `extras` knows."""

    clusters: tuple[Cluster, ...]
    of_group: dict[str, str]
    renamed: dict[str, str]


def _gather(drawn: Drawn) -> _Gathered:
    """Clusters in the order of `extras`, then new ones in the order of their first mentions.

    A known cluster is the first free group among its mentions'; two that were linked become the first of them. One
    that has lost all its mentions is gone.
    """
    links = [known.mentions for known in drawn.extras.clusters] if drawn.links is None else drawn.links
    groups = _groups(drawn.mentions, links)
    clusters, of_group, renamed = [], {}, {}
    for known in drawn.extras.clusters:
        roots = list(dict.fromkeys(groups[name] for name in known.mentions if name in groups))
        free = next((root for root in roots if root not in of_group), None)
        if known.given or free is not None:
            clusters.append(Cluster(id=known.id, name=known.name, type=known.type, given=known.given))
            renamed[known.id] = known.id
            if free is not None:
                of_group[free] = known.id
        elif roots:
            renamed[known.id] = of_group[roots[0]]
    names = fresh_ids([known.id for known in drawn.extras.clusters], "C")
    for root in dict.fromkeys(groups.values()):
        if root not in of_group:
            of_group[root] = next(names)
            clusters.append(
                _new_cluster(of_group[root], [m for m in drawn.mentions if groups.get(m.id) == root], drawn)
            )
    return _Gathered(tuple(clusters), {name: of_group[root] for name, root in groups.items()}, renamed)


def _new_cluster(name: str, mentions: Sequence[Mention], drawn: Drawn) -> Cluster:
    """A cluster under its longest mention, of that mention's type."""
    longest = max(mentions, key=lambda one: one.end - one.start)
    return Cluster(id=name, name=drawn.text[longest.start : longest.end], type=longest.type)


def _stances(drawn: Drawn, gathered: _Gathered) -> tuple[Stance, ...]:
    """The stances whose target and holder are still there, by their clusters' present ids, and those newly chosen."""
    known = gathered.renamed | {"author": "author", "other": "other"}
    kept = [
        stance.model_copy(update={"target": known[stance.target], "holder": known[stance.holder]})
        for stance in drawn.extras.stances
        if stance.target in gathered.renamed and stance.holder in known
    ]
    fresh = {}
    for one in drawn.chosen:
        holder = gathered.of_group.get(one.holder, one.holder)
        stance = Stance(target=gathered.of_group[one.mention], scope=one.scope, label=one.label, holder=holder)
        fresh[stance.target, stance.scope, stance.holder] = stance
    found = [fresh.pop((stance.target, stance.scope, stance.holder), stance) for stance in kept]
    return (*found, *fresh.values())


def _entity(one: Mention, drawn: Drawn, cluster: str | None) -> Entity:
    kept = drawn.extras.entities.get(one.id, Kept())
    return Entity(
        id=one.id,
        type=one.type,
        start=one.start,
        end=one.end,
        surface=drawn.text[one.start : one.end],
        name=kept.name,
        cluster=cluster,
        score=kept.score if one.score is None else one.score,
    )


def to_record(drawn: Drawn) -> Record:
    """The record of an article. Raises DataError with file and line for whatever makes it unsound."""
    text, extras = drawn.text, drawn.extras
    if any("\ud800" <= character <= "\udfff" for character in text):
        raise DataError(f"{drawn.where}: {drawn.doc}: the text has half of a surrogate pair, which UTF-8 cannot hold")
    if extras.sha256 not in (None, sha256_of(text)):
        raise DataError(f"{drawn.where}: {drawn.doc}: the text is not the one that was exported (its sha256 differs)")
    gathered = _gather(drawn)
    record = Record(
        doc=check_name(drawn.doc, drawn.where),
        sha256=sha256_of(text),
        entities=tuple(_entity(one, drawn, gathered.of_group.get(one.id)) for one in drawn.mentions),
        clusters=gathered.clusters,
        stances=_stances(drawn, gathered),
        **{name: getattr(extras, name) for name in ("meta", "labels", "model", "warnings")},
    )
    found = faults(record, text)
    if found:
        _refuse(drawn, found)
    return record


def lost_stances(drawn: Drawn, record: Record) -> int:
    """How many stances went with clusters that were deleted in the tool."""
    return max(0, len(drawn.extras.stances) - len(record.stances))


def _refuse(drawn: Drawn, found: list[str]) -> NoReturn:
    """Raises DataError for the first fault, with the line of the mention that it speaks of."""
    names = {one.id: one.where for one in drawn.mentions}
    words = found[0].split()
    where = names.get(words[1], drawn.where) if words[0] in ("entity", "entities") else drawn.where
    more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
    raise DataError(f"{where}: {found[0]}{more}")


def linked(record: Record) -> Iterator[list[str]]:
    """The ids of each cluster's mentions, for clusters of two or more."""
    for known in extras_of(record).clusters:
        if len(known.mentions) > 1:
            yield list(known.mentions)

"""Records as one self-contained HTML page that a person can read: entities in the text, clusters and stances.

The page asks nothing of the network and runs one script, named by its hash in the page's own security policy.
Each `<article>` element holds the raw text and nothing else (`displayable` says what it cannot hold): type
tags and passage numbers are drawn by the style sheet. Knows nothing of models.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import regex
from markupsafe import Markup

from rasid.embed import templates
from rasid.errors import DataError
from rasid.labels import WOJOOD, StanceLabel
from rasid.palette import OTHER, PALETTE, PAPER, TINT
from rasid.records import Range, Record, Stance, read_exact, read_records, sha256_of
from rasid.text import is_furniture, passages
from rasid.weave import Box, in_order, line_boxes, mention_boxes, weave

SIGNS: dict[StanceLabel, str] = {"favor": "▲", "against": "▼", "none": "○"}
HOLDERS = {"author": "الكاتب", "other": "متحدث آخر"}
_HEADLINE_CHARS = 110  # an article may be one line of thousands of characters
_QUOTE_CHARS = 170

# What HTML cannot carry: its parser drops or replaces U+0000, and UTF-8 has no lone surrogates.
_UNSHOWABLE = regex.compile("[\0\ud800-\udfff]")
_LETTER = regex.compile(r"\p{L}")


@dataclass(frozen=True, slots=True)
class Item:
    """A record and the raw text it points into; `where` (file:line) leads error messages."""

    record: Record
    text: str
    where: str = "record"


@dataclass(frozen=True, slots=True)
class _Passage:
    """A range that some stance speaks of: `signs` and `title` sum up what is said of whom in it."""

    anchor: str
    name: str  # P4 is the fourth of `rasid.text.passages`, as in annotation sheets; @120 another range's start
    range: Range
    signs: str
    title: str
    quote: str


@dataclass(frozen=True, slots=True)
class _Chip:
    """One passage's stance in the table."""

    label: StanceLabel
    score: float | None
    passage: _Passage


@dataclass(frozen=True, slots=True)
class _Row:
    """The stance of one holder towards one target: the article's, and each passage's."""

    target: str
    cluster: str | None
    lines: int  # rows that the target's cell spans: 0 where a row above has it
    holder: str
    article: Stance | None
    evidence: list[_Passage]
    chips: list[_Chip]


@dataclass(frozen=True, slots=True)
class _Surface:
    """Mentions of a cluster that read the same, by their anchors in text order."""

    text: str
    anchors: list[str]


@dataclass(frozen=True, slots=True)
class _ClusterView:
    anchor: str
    name: str
    type: str
    count: int
    surfaces: list[_Surface]


@dataclass(frozen=True, slots=True)
class _Story:
    """All that the template shows of one article."""

    anchor: str
    headline: str
    record: Record
    length: int
    replaced: int
    body: Markup
    rows: list[_Row]
    evidence: bool  # whether any row has some
    clusters: list[_ClusterView]


def displayable(text: str) -> str:
    """`text` as the page holds it: U+0000 and lone surrogates become U+FFFD, one for one, so offsets hold."""
    return _UNSHOWABLE.sub("\ufffd", text)


def headline(text: str, fallback: str) -> str:
    """The first line with a letter that is no page furniture, cut at a word if long; else `fallback`."""
    for line in text.splitlines():
        if _LETTER.search(line) and not is_furniture(line):
            return _clip(line, _HEADLINE_CHARS)
    return fallback


def _clip(text: str, limit: int) -> str:
    """`text` with its white space folded, cut at a word after at most `limit` characters."""
    folded = " ".join(text[: 4 * limit].split())
    if len(folded) <= limit:
        return folded
    cut = folded.rfind(" ", limit // 2, limit)
    return folded[: cut if cut > 0 else limit].rstrip() + "…"


def _check(item: Item) -> None:
    """Raises DataError when the text is not the record's, or an offset does not fit it."""
    record, text = item.record, item.text
    name = f"{item.where}: {record.doc!r}"
    if record.sha256 != sha256_of(text):
        raise DataError(f"{name}: the text is not the one the record was made from (its sha256 differs)")
    for entity in record.entities:
        place = f"{name}: entity {entity.id!r} [{entity.start}, {entity.end})"
        if not entity.start < entity.end <= len(text):
            raise DataError(f"{place} is out of the text's {len(text)} characters")
        actual = text[entity.start : entity.end]
        if actual != entity.surface:
            raise DataError(f"{place} is {entity.surface!r}, the text there reads {actual!r}")
    for start, end in _ranges(record):
        if not start < end <= len(text):
            raise DataError(f"{name}: stance range [{start}, {end}) is out of the text's {len(text)} characters")


def _ranges(record: Record) -> list[Range]:
    """Every range that a stance speaks of, in text order, longer first."""
    found: set[Range] = set()
    for stance in record.stances:
        found.update(stance.evidence or ())
        if stance.scope != "article":
            found.add(stance.scope)
    return sorted(found, key=lambda r: (r[0], -r[1]))


def _passage_boxes(cited: Iterable[_Passage], anchor: str) -> list[Box]:
    """The passages as anchored elements, each led by an empty link to the stance table with its name."""
    found = []
    for passage in cited:
        again = Markup('<span class="p" data-p="{}">').format(passage.anchor)
        opening = Markup(
            '<span class="p" data-p="{0}" id="{0}"><a class="pn" href="#{1}-stances" data-n="{2}"'
            ' data-signs="{3}" title="{4}" aria-label="{4}"></a>'
        ).format(passage.anchor, anchor, passage.name, passage.signs, passage.title)
        found.append(Box(*passage.range, "span", opening, again))
    return found


def _cited(item: Item, anchor: str) -> dict[Range, _Passage]:
    """Every range that a stance speaks of, in text order."""
    units = {(span.start, span.end): f"P{number}" for number, span in enumerate(passages(item.text), 1)}
    names = {cluster.id: cluster.name for cluster in item.record.clusters}
    said: defaultdict[Range, list[Stance]] = defaultdict(list)
    for stance in item.record.stances:
        if stance.scope != "article":
            said[stance.scope].append(stance)
    found: dict[Range, _Passage] = {}
    for number, span in enumerate(_ranges(item.record), 1):
        counts = Counter(stance.label for stance in said[span])
        signs = [f"{SIGNS[label]}{counts[label]}" for label in ("favor", "against") if counts[label]]
        name = units.get(span, f"@{span[0]}")
        title = [f"{name} [{span[0]}, {span[1]})"]
        title += [
            f"{SIGNS[s.label]} {names.get(s.target, s.target)} {s.label} ({names.get(s.holder, s.holder)})"
            for s in said[span]
        ]
        quote = _clip(item.text[span[0] : span[1]], _QUOTE_CHARS)
        found[span] = _Passage(f"{anchor}-p{number}", name, span, " ".join(signs), "\n".join(title), quote)
    return found


def _rows(record: Record, clusters: dict[str, str], cited: dict[Range, _Passage]) -> list[_Row]:
    """One row per target and holder; targets that someone takes a side on first, then by frequency."""
    names = {cluster.id: cluster.name for cluster in record.clusters}
    groups: dict[str, dict[str, list[Stance]]] = {}
    for stance in record.stances:
        groups.setdefault(stance.target, {}).setdefault(stance.holder, []).append(stance)

    def rank(target: str) -> tuple[int, int]:
        stances = [stance for group in groups[target].values() for stance in group]
        sides = [stance for stance in stances if stance.label != "none"]
        # One side taken by the article as a whole outweighs any number of passages.
        return -len(sides) - len(stances) * sum(stance.scope == "article" for stance in sides), -len(stances)

    rows = []
    for target in sorted(groups, key=rank):
        holders = sorted(groups[target].items(), key=lambda pair: pair[0] != "author")
        for number, (holder, stances) in enumerate(holders):
            article = next((stance for stance in stances if stance.scope == "article"), None)
            chips = [_Chip(s.label, s.score, cited[s.scope]) for s in stances if s.scope != "article"]
            row = _Row(
                target=names.get(target, target),
                cluster=clusters.get(target),
                lines=0 if number else len(holders),
                holder=HOLDERS.get(holder) or names.get(holder, holder),
                article=article,
                evidence=[cited[span] for span in sorted((article and article.evidence) or ())],
                chips=sorted(chips, key=lambda chip: chip.passage.range),
            )
            rows.append(row)
    return rows


def _cluster_views(record: Record, anchors: dict[str, str], clusters: dict[str, str]) -> list[_ClusterView]:
    """The clusters with their mentions, most mentioned first; the record's order settles ties."""
    surfaces: defaultdict[str, dict[str, list[str]]] = defaultdict(dict)
    for entity in in_order(record.entities):
        if entity.cluster is not None:
            folded = " ".join(entity.surface.split())
            surfaces[entity.cluster].setdefault(folded, []).append(anchors[entity.id])
    views = [
        _ClusterView(
            clusters[cluster.id],
            cluster.name,
            cluster.type,
            sum(map(len, surfaces[cluster.id].values())),
            [_Surface(text, places) for text, places in surfaces[cluster.id].items()],
        )
        for cluster in record.clusters
    ]
    return sorted(views, key=lambda view: -view.count)


def _story(item: Item, number: int) -> _Story:
    """What the template shows of an item. Anchors are made of numbers alone, never of names in the record."""
    _check(item)
    anchor = f"a{number}"
    record = item.record
    anchors = {entity.id: f"{anchor}-e{i}" for i, entity in enumerate(in_order(record.entities), 1)}
    clusters = {cluster.id: f"{anchor}-c{i}" for i, cluster in enumerate(record.clusters, 1)}
    cited = _cited(item, anchor)
    boxes = [
        *_passage_boxes(cited.values(), anchor),
        *line_boxes(item.text),
        *mention_boxes(record, anchors, clusters, item.where),
    ]
    rows = _rows(record, clusters, cited)
    return _Story(
        anchor=anchor,
        headline=headline(item.text, record.doc),
        record=record,
        length=len(item.text),
        replaced=len(_UNSHOWABLE.findall(item.text)),
        body=weave(item.text, boxes),
        rows=rows,
        evidence=any(row.evidence for row in rows),
        clusters=_cluster_views(record, anchors, clusters),
    )


def render_page(items: Sequence[Item]) -> str:
    """One HTML document showing the items in order.

    Raises DataError (one line, led by the item's `where`) when a text is not its record's, an offset does not
    fit, or two mentions cross. A carriage return is written as a reference: a parser folds a bare one.
    """
    stories = [_story(item, number) for number, item in enumerate(items, 1)]
    counts = Counter(entity.type for item in items for entity in item.record.entities)
    known = [name for name in WOJOOD if name in counts]
    types = {name: counts[name] for name in [*known, *sorted(counts.keys() - set(known))]}
    page = (
        templates()
        .get_template("page.html")
        .render(stories=stories, types=types, palette=PALETTE, other=OTHER, paper=PAPER, tint=TINT, signs=SIGNS)
    )
    return displayable(page).replace("\r", "&#13;")


def _texts_of_jsonl(path: Path) -> dict[str, str]:
    """Name to text of a JSONL file whose objects have `text` and `doc` or `id`."""
    found: dict[str, str] = {}
    for number, line in enumerate(read_exact(path).split("\n"), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
            name, text = str(row["doc"] if "doc" in row else row["id"]), row["text"]
        except (ValueError, KeyError, TypeError):
            raise DataError(f"{path}:{number}: expected a JSON object with text, and doc or id") from None
        if not isinstance(text, str):
            raise DataError(f"{path}:{number}: text must be a string, got {type(text).__name__}")
        if name in found:
            raise DataError(f"{path}:{number}: {name!r} stands twice")
        found[name] = text
    return found


def _text_in_folder(folder: Path, doc: str, where: str) -> str:
    path = folder / f"{doc}.txt"
    try:
        inside, known = path.resolve().is_relative_to(folder.resolve()), path.is_file()
    except (OSError, ValueError):  # a name too long, or with characters that no file name has
        inside = known = False
    if not inside:
        raise DataError(f"{where}: {doc!r} does not name a text inside {folder}")
    if not known:
        raise DataError(f"{where}: no text for {doc!r}; expected {str(path)!r}")
    return read_exact(path)


def read_items(records: Path, texts: Path) -> list[Item]:
    """The records with their texts: `texts` is a folder of <doc>.txt, or JSONL with doc or id, and text.

    Raises DataError for a record without a text, and when there is no record at all.
    """
    if not texts.exists():
        raise DataError(f"{texts}: no such file or folder; give a folder of <doc>.txt or a JSONL with doc and text")
    by_name = None if texts.is_dir() else _texts_of_jsonl(texts)
    items = []
    for where, record in read_records(records):
        if by_name is not None and record.doc not in by_name:
            raise DataError(f"{where}: no text for {record.doc!r} in {texts}")
        text = by_name[record.doc] if by_name is not None else _text_in_folder(texts, record.doc, where)
        items.append(Item(record, text, where))
    if not items:
        raise DataError(f"{records}: no record in it")
    return items


def run_render(args: argparse.Namespace) -> int:
    """`rasid render`: `args.records`, `args.texts` and `args.output` are paths; writes the page."""
    items = read_items(args.records, args.texts)
    page = render_page(items)
    output: Path = args.output
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        output.write_bytes(page.encode("utf-8"))
    except OSError as error:
        raise DataError(f"{output}: cannot be written ({error.strerror})") from None
    print(f"{output}: {len(items)} article{'s' if len(items) != 1 else ''}")
    return 0

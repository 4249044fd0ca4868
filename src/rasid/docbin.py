"""spaCy's DocBin: a `.spacy` file of tokenised texts, as `spacy train` reads them.

A token is a word as Rasid cuts it, cut again wherever a span begins or ends inside one, so that no span is lost. All
spans stand in `doc.spans["sc"]`, the outermost in `doc.ents` too; each cluster of two mentions or more is a group
`coref_clusters_<n>`. What spaCy has no place for is a string in `doc.user_data["rasid"]`. Needs the extra `spacy`.
"""

from __future__ import annotations

import json
import zlib
from collections import Counter
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rasid.conll import Token, align, flat
from rasid.errors import DataError
from rasid.exchange import Article, Drawn, Mention, Written, carried, extras_of, fresh_ids, linked
from rasid.records import Entity, Record, read_exact
from rasid.text import Span, words

if TYPE_CHECKING:
    from spacy.tokens import Doc

SPANS = "sc"  # the group that spaCy's own span categorizer writes and reads
COREF = "coref_clusters"  # the beginning of the names of its coreference groups
_KEY, _DOC = "rasid", "doc"  # in a document's user_data
_FILE, _SUFFIX = "articles.spacy", ".spacy"


def _tokens() -> Any:
    """`spacy.tokens`. Raises DataError where spaCy is not installed."""
    try:
        import spacy.tokens
    except ImportError:
        raise DataError("format spacy needs spaCy: pip install 'rasid[spacy]'") from None
    return spacy.tokens


# Writing


def _cut(text: str, entities: tuple[Entity, ...]) -> list[str]:
    """`text` in pieces that join to it again: words and what lies between, cut at both ends of every entity."""
    spans = [*words(text), *(entity.span for entity in entities)]
    edges = {0, len(text), *(span.start for span in spans), *(span.end for span in spans)}
    return [text[start:end] for start, end in pairwise(sorted(edges))]


def _doc(article: Article, vocab: Any) -> Doc:
    """One document; a single space after a token is that token's, all other white space is tokens of its own."""
    record, tokens = article.record, _tokens()
    surfaces: list[str] = []
    spaces: list[bool] = []
    for piece in _cut(article.text, record.entities):
        if surfaces and not spaces[-1] and piece[0] == " ":
            spaces[-1] = True
            piece = piece[1:]
        if piece:
            surfaces.append(piece)
            spaces.append(False)
    doc: Doc = tokens.Doc(vocab, words=surfaces, spaces=spaces, user_data={_DOC: record.doc, _KEY: _beside(record)})
    spans = {e.id: doc.char_span(e.start, e.end, label=e.type, span_id=e.id) for e in record.entities}
    doc.spans[SPANS] = list(spans.values())
    doc.set_ents([spans[entity.id] for entity in flat(record.entities)])
    for number, group in enumerate(linked(record), 1):
        doc.spans[f"{COREF}_{number}"] = [spans[name] for name in group]
    return doc


def _beside(record: Record) -> str:
    """A string, since user_data holds no whole number of more than 64 bits."""
    return json.dumps(extras_of(record).tree(), ensure_ascii=False)


def export_docbin(articles: list[Article]) -> Written:
    """`articles.spacy`, which holds everything that a record does."""
    tokens = _tokens()
    from spacy.vocab import Vocab

    vocab = Vocab()
    docs = [_doc(article, vocab) for article in articles]
    packed = tokens.DocBin(attrs=["ENT_IOB", "ENT_TYPE"], docs=docs, store_user_data=True).to_bytes()
    return Written({_FILE: packed}, Counter())


# Reading


def _ids(spans: list[Any]) -> list[str]:
    """The spans' own ids; a fresh one where a span has none or that of a span before it."""
    fresh, seen = fresh_ids((span.id_ for span in spans), "T"), set()
    found = []
    for span in spans:
        name = span.id_ if span.id_ and span.id_ not in seen else next(fresh)
        seen.add(name)
        found.append(name)
    return found


def _links(doc: Doc, spans: list[Any], ids: list[str], left: Counter[str]) -> Iterator[tuple[str, str]]:
    """Pairs of mentions in one coreference group, by id where there is one, else by their place."""
    places: dict[tuple[int, int], list[str]] = {}
    for span, name in zip(spans, ids, strict=True):
        places.setdefault((span.start, span.end), []).append(name)
    for key, group in doc.spans.items():
        if key == SPANS:
            continue
        if not key.startswith(f"{COREF}_"):
            left[f"spans in the group {key!r}"] += len(group)
            continue
        members: list[str] = []
        for span in group:
            there = places.get((span.start, span.end), [])
            members += [span.id_] if span.id_ in there else there[:1]
            left["coreferent spans that are no entity"] += not there
        yield from pairwise(members)


def _places(doc: Doc, text: str, name: str, where: str) -> list[Span]:
    """Where each token stands in `text`, which is the document's own or the raw text that it was made from."""
    if doc.text == text:
        return [Span(token.idx, token.idx + len(token)) for token in doc]
    solid = [Token(token.text.strip(), f"{where}, token {token.i + 1}") for token in doc]
    found = iter(align((token for token in solid if token.word), text, name, where))
    after = 0
    places = []
    for token in solid:
        place = next(found) if token.word else Span(after, after)
        after = place.end
        places.append(place)
    return places


def _drawn(doc: Doc, path: Path, number: int, texts: Path | None) -> Drawn:
    name = str(doc.user_data.get(_DOC) or f"{path.stem}-{number}")
    where = f"{path}: doc {number} ({name})"
    raw = texts / f"{name}.txt" if texts else None
    text = read_exact(raw) if raw is not None and raw.is_file() else doc.text
    places = _places(doc, text, name, where)
    grouped = SPANS in doc.spans
    spans = list(doc.spans[SPANS] if grouped else doc.ents)
    ids = _ids(spans)
    mentions = tuple(
        Mention(one, span.label_, places[span.start].start, places[span.end - 1].end, f"{where}, span {place}")
        for place, (span, one) in enumerate(zip(spans, ids, strict=True), 1)
    )
    left: Counter[str] = Counter()
    links = tuple(_links(doc, spans, ids, left))
    known = {(span.start, span.end, span.label) for span in spans}
    left["entities that are not among the spans"] = sum((e.start, e.end, e.label) not in known for e in doc.ents)
    extras = carried(doc.user_data.get(_KEY), f"{where}: user_data.{_KEY}").extras
    notes = () if text == doc.text else (f"{where}: its tokens were found again in {raw}",)
    # Without groups, as after a pipeline that keeps doc.ents alone, clusters are as they were exported.
    return Drawn(name, text, mentions, where, links if grouped else None, extras, left, notes)


def _docs(path: Path) -> list[Doc]:
    """The documents of a file. Raises DataError for one that is no DocBin."""
    tokens = _tokens()
    from spacy.vocab import Vocab

    try:
        return list(tokens.DocBin().from_bytes(path.read_bytes()).get_docs(Vocab()))
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from None
    except (ValueError, KeyError, TypeError, IndexError, AttributeError, zlib.error) as error:
        told = str(error).splitlines() or [type(error).__name__]
        raise DataError(f"{path}: not a DocBin of spaCy ({told[0][:200]})") from None


def read_docbin(source: Path, texts: Path | None) -> Iterator[Drawn]:
    """Every document of a .spacy file, or of all in a folder. Raises DataError with file, document and span."""
    files = sorted(source.glob(f"*{_SUFFIX}")) if source.is_dir() else [source]
    if not files:
        raise DataError(f"{source}: no *{_SUFFIX} files in this folder; spaCy's DocBin.to_disk writes one")
    for path in files:
        for number, doc in enumerate(_docs(path), 1):
            yield _drawn(doc, path, number, texts)

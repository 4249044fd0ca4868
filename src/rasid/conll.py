"""Token formats: a word and its IOB2 tags on each line, a blank line between sentences.

Two columns (CoNLL-2002's form) hold one tag per word and so flat spans; Wojood's form (Jarrar et al. 2022) has a tag
for every span the word stands in. The format holds no text: tokens are found again in the raw text where there is one,
and else joined by `JOINED`. Knows nothing of models or training.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from rasid.errors import DataError
from rasid.exchange import Article, Drawn, Extras, Mention, Written
from rasid.records import Entity, Record, read_exact
from rasid.text import Span, sentences, words

JOINED = "tokens joined by one space, sentences by a newline"  # stands in the record's meta as `text_rule`
CONLL, WOJOOD_TAGS = ".conll", ".txt.iob"
_DOCUMENT = "-DOCSTART-"
_SPACES = re.compile(" +")
# What stands between words in a raw text: white space, and the bidi and zero-width controls that words leave out.
_GAP = re.compile("[\\s\u00ad\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u206f\ufeff]*")


@dataclass(frozen=True)
class TaggedToken:
    """A word with its tags, and the line of the file it stands on."""

    word: str
    tags: tuple[str, ...]
    line: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Token:
    """A token that is to be found in a raw text, and the place in the file that says so."""

    word: str
    where: str


def tagged_sentences(lines: Iterable[str], where: str, separator: str | None) -> Iterator[list[TaggedToken]]:
    """Sentences of a token-per-line file: the word, then one tag or several. Raises DataError with `where`:line."""
    sentence: list[TaggedToken] = []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            if sentence:
                yield sentence
            sentence = []
            continue
        word, *tags = line.rstrip("\r").split(separator)
        if not tags or not all(tag == "O" or tag[:2] in ("B-", "I-") for tag in tags):
            raise DataError(f"{where}:{number}: expected a word and IOB2 tags, got {line[:60]!r}")
        sentence.append(TaggedToken(word, tuple(tags), number))
    if sentence:
        yield sentence


def spans_of(tags: list[tuple[str, ...]]) -> list[tuple[int, int, str]]:
    """(first token, end token, type) of every span in tokens with several tags each.

    The order of tags on a line says nothing. Of one type, spans that began first go on first (an I- tag continues the
    outermost open span); a stray I- opens a span, as CoNLL's own scorer reads it.
    """
    open_spans: dict[str, list[int]] = {}
    found: list[tuple[int, int, str]] = []
    for place, labels in enumerate([*tags, ()]):
        inside = [label[2:] for label in labels if label.startswith("I-")]
        begun = [label[2:] for label in labels if label.startswith("B-")]
        for kind in list(open_spans):
            going_on = min(inside.count(kind), len(open_spans[kind]))
            found += [(start, place, kind) for start in open_spans[kind][going_on:]]
            open_spans[kind] = open_spans[kind][:going_on]
        for kind in set(inside + begun):
            starts = open_spans.setdefault(kind, [])
            stray = max(0, inside.count(kind) - len(starts))
            starts += [place] * (stray + begun.count(kind))
    return sorted(set(found), key=lambda s: (s[0], -s[1], s[2]))


# Writing


def flat(entities: Sequence[Entity]) -> list[Entity]:
    """The entities that lie in no other, by start; of equal spans the first in the record."""
    kept: list[Entity] = []
    for entity in sorted(entities, key=lambda e: (e.start, -e.end)):
        if not kept or kept[-1].end <= entity.start:
            kept.append(entity)
    return kept


def _breaks(text: str, cut: Sequence[Span], spans: Iterable[Span]) -> set[int]:
    """Numbers of the words that begin a sentence; a sentence's end inside a span is none."""
    starts = [sentence.start for sentence in sentences(text)]
    inside = list(spans)
    found, place = set(), 0
    for number, word in enumerate(cut):
        begun = place < len(starts) and starts[place] <= word.start
        while place < len(starts) and starts[place] <= word.start:
            place += 1
        if begun and not any(span.start < word.start < span.end for span in inside):
            found.add(number)
    return found


def _tags(cut: Sequence[Span], entities: Sequence[Entity]) -> list[list[str]]:
    """The tags of every word, outer spans' first."""
    tags: list[list[str]] = [[] for _ in cut]
    first = {word.start: number for number, word in enumerate(cut)}
    last = {word.end: number for number, word in enumerate(cut)}
    for entity in sorted(entities, key=lambda e: (e.start, -e.end)):
        for number in range(first[entity.start], last[entity.end] + 1):
            tags[number].append(f"{'B' if number == first[entity.start] else 'I'}-{entity.type}")
    return tags


def _body(text: str, cut: Sequence[Span], entities: Sequence[Entity], separator: str) -> str:
    breaks = _breaks(text, cut, [entity.span for entity in entities])
    lines = []
    for number, (word, tags) in enumerate(zip(cut, _tags(cut, entities), strict=True)):
        if number and number in breaks:
            lines.append("")
        lines.append(separator.join([word.of(text), *(tags or ["O"])]))
    return "".join(f"{line}\n" for line in lines)


def _unheld(record: Record) -> Counter[str]:
    fields = sum(bool(getattr(record, name)) for name in ("meta", "labels", "model", "warnings"))
    return Counter(
        {
            "clusters": len(record.clusters),
            "stances": len(record.stances),
            "canonical names": sum(entity.name is not None for entity in record.entities),
            "scores": sum(entity.score is not None for entity in record.entities),
            "fields of the article (meta, labels, model, warnings)": fields,
        }
    )


def _export(articles: list[Article], nested: bool) -> Written:
    files: dict[str, str] = {}
    left: Counter[str] = Counter()
    for article in articles:
        cut = words(article.text)
        starts, ends = {word.start for word in cut}, {word.end for word in cut}
        entities = list(article.record.entities)
        aligned = [entity for entity in entities if entity.start in starts and entity.end in ends]
        kept = aligned if nested else flat(aligned)
        left += _unheld(article.record)
        left += Counter(
            {
                "entities that begin or end inside a word": len(entities) - len(aligned),
                "nested entities": len(aligned) - len(kept),
            }
        )
        name = article.record.doc + (WOJOOD_TAGS if nested else CONLL)
        files[name] = _body(article.text, cut, kept, " " if nested else "\t")
    return Written(files, left)


def export_conll(articles: list[Article]) -> Written:
    """Two columns, parted by a tab: the outermost spans."""
    return _export(articles, nested=False)


def export_wojood(articles: list[Article]) -> Written:
    """A word and a tag for every span around it, parted by single spaces."""
    return _export(articles, nested=True)


# Reading


def _sentences(path: Path, nested: bool) -> list[list[TaggedToken]]:
    """The sentences of a file, whichever of tab and space parts its fields. Raises DataError."""
    lines = read_exact(path).removeprefix("\ufeff").split("\n")
    separator = "\t" if any("\t" in line for line in lines) else " "
    lines = ["" if line.startswith(_DOCUMENT) else _SPACES.sub(" ", line.strip(" \r")) for line in lines]
    found = list(tagged_sentences(lines, str(path), separator))
    for token in (token for sentence in found for token in sentence):
        if not token.word:
            raise DataError(f"{path}:{token.line}: no word before the tags; expected a word, then IOB2 tags")
        if len(token.tags) > 1 and not nested:
            raise DataError(
                f"{path}:{token.line}: {len(token.tags)} tags; two columns hold one, format wojood holds several"
            )
    return found


def _join(found: list[list[TaggedToken]]) -> str:
    return "".join(" ".join(token.word for token in sentence) + "\n" for sentence in found)


def align(tokens: Iterable[Token], text: str, doc: str, where: str) -> list[Span]:
    """Where each token stands in `text`; between two there may be white space and controls.

    Raises DataError for the first that is not there, or, led by `where`, when the text goes on after the last.
    """
    places, position = [], 0
    for token in tokens:
        gap = _GAP.match(text, position)
        after = gap.end() if gap else position
        # Not only at its end: a token may begin with a control itself, which the gap has swallowed.
        start = next((at for at in range(position, after + 1) if text.startswith(token.word, at)), None)
        if start is None:
            there = text[after : after + max(20, len(token.word))]
            raise DataError(
                f"{token.where}: the text of {doc!r} goes on {there!r} at {after}, not {token.word!r}; "
                "tokens must stand in the text in order, with nothing but white space between them"
            )
        position = start + len(token.word)
        places.append(Span(start, position))
    rest = _GAP.match(text, position)
    after = rest.end() if rest else position
    if after < len(text):
        raise DataError(f"{where}: ends before the text of {doc!r} does, which goes on {text[after : after + 20]!r}")
    return places


def _read(source: Path, texts: Path | None, nested: bool) -> Iterator[Drawn]:
    suffix = WOJOOD_TAGS if nested else CONLL
    files = sorted(source.glob(f"*{suffix}")) if source.is_dir() else [source]
    if not files:
        raise DataError(f"{source}: no *{suffix} files in this folder; name a file that is called otherwise")
    for path in files:
        doc = path.name.removesuffix(suffix) if path.name.endswith(suffix) else path.stem
        found = _sentences(path, nested)
        raw = texts / f"{doc}.txt" if texts else None
        text = read_exact(raw) if raw is not None and raw.is_file() else None
        extras = Extras(meta={"text_rule": JOINED}) if text is None else Extras()
        text = _join(found) if text is None else text
        tokens = [Token(token.word, f"{path}:{token.line}") for sentence in found for token in sentence]
        yield _drawn(path, doc, text, found, align(tokens, text, doc, str(path)), extras)


def _drawn(
    path: Path, doc: str, text: str, found: list[list[TaggedToken]], places: list[Span], extras: Extras
) -> Drawn:
    """Spans never go beyond their sentence."""
    mentions: list[Mention] = []
    before = 0
    for sentence in found:
        here = places[before : before + len(sentence)]
        for start, end, kind in spans_of([token.tags for token in sentence]):
            where = f"{path}:{sentence[start].line}"
            mentions.append(Mention(f"T{len(mentions) + 1}", kind, here[start].start, here[end - 1].end, where))
        before += len(sentence)
    note = () if not extras.meta else (f"{path}: no raw text {doc}.txt, so {JOINED}",)
    return Drawn(doc, text, tuple(mentions), str(path), None, extras, notes=note)


def read_conll(source: Path, texts: Path | None) -> Iterator[Drawn]:
    """Two-column files, aligned to `texts`/<doc>.txt where that is. Raises DataError with file and line."""
    return _read(source, texts, nested=False)


def read_wojood(source: Path, texts: Path | None) -> Iterator[Drawn]:
    """Files with several tags per token, as `read_conll`."""
    return _read(source, texts, nested=True)

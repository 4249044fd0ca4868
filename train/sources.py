"""Readers of annotated data: every set becomes texts with typed spans, or pairs with a class.

Token formats are turned into text by joining the tokens with single spaces, so that training sees words exactly as
inference cuts them; the tokens' own places are kept for scoring one label per token. Nothing here knows the model.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from pathlib import Path

from rasid import conll
from rasid.conll import TaggedToken, spans_of
from rasid.errors import DataError, nearest
from rasid.records import Record, read_records
from rasid.scoring import Pair
from rasid.text import Span

from .config import Source
from .folds import chosen
from .questions import asked_of, quoted_of
from .stancedata import stance_rows


@dataclass(frozen=True, slots=True)
class Typed:
    """A gold span: offsets into its text, and its type."""

    span: Span
    type: str


@dataclass(frozen=True)
class GoldText:
    """A text with its entities; `tokens` and `tags` are the corpus's own words and labels, where it has one label each.

    The tags are kept as printed: strict IOB2 reads a stray I- otherwise than the lenient habit does. `starts` are the
    tokens that begin a sentence; a text of one sentence has one, 0.
    """

    doc: str
    text: str
    entities: tuple[Typed, ...]
    tokens: tuple[Span, ...] | None = None
    tags: tuple[str, ...] | None = None
    starts: tuple[int, ...] = (0,)

    def by_sentence(self, tags: Sequence[str]) -> list[list[str]]:
        """A label for each token, cut into sentences."""
        ends = (*self.starts[1:], len(tags))
        return [list(tags[start:end]) for start, end in zip(self.starts, ends, strict=True)]


@dataclass(frozen=True)
class GoldPair:
    """A target and passage with their class; `group` is the article or claim it belongs to."""

    pair: Pair
    label: str
    group: str
    fold: str | None = None  # the set's own, where it states one


def _lines(path: Path) -> Iterator[str]:
    try:
        yield from path.read_text(encoding="utf-8").split("\n")
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}); is RASID_DATA set to the data folder?") from None
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: not UTF-8 ({error.reason} at byte {error.start})") from None


def tagged_sentences(path: Path, separator: str | None) -> Iterator[list[TaggedToken]]:
    """Sentences of a token-per-line file: the word, then one tag or several. Raises DataError with file:line."""
    return conll.tagged_sentences(_lines(path), str(path), separator)


def _gold_text(doc: str, run: Sequence[Sequence[TaggedToken]]) -> GoldText:
    """Sentences that follow one another as one text."""
    sentence = [token for each in run for token in each]
    tokens, position = [], 0
    for token in sentence:
        tokens.append(Span(position, position + len(token.word)))
        position += len(token.word) + 1
    starts = tuple(accumulate((len(each) for each in run[:-1]), initial=0))
    entities = tuple(
        Typed(Span(tokens[first + start].start, tokens[first + end - 1].end), kind)
        for first, each in zip(starts, run, strict=True)
        for start, end, kind in spans_of([token.tags for token in each])
    )
    flat = all(len(token.tags) == 1 for token in sentence)
    tags = tuple(token.tags[0] for token in sentence) if flat else None
    return GoldText(doc, " ".join(token.word for token in sentence), entities, tuple(tokens), tags, starts)


def _runs(
    sentences: Iterable[tuple[int, list[TaggedToken]]], most: int | None
) -> Iterator[tuple[int, list[list[TaggedToken]]]]:
    """Numbered sentences in runs of neighbours of `most` words together (None: each on its own), with the number of the
    first; a longer sentence is a run."""
    run: list[list[TaggedToken]] = []
    first = 0
    for number, sentence in sentences:
        apart = number != first + len(run) or most is None or sum(map(len, run)) + len(sentence) > most
        if run and apart:
            yield first, run
            run = []
        first = first if run else number
        run.append(sentence)
    if run:
        yield first, run


_PROCLITICS = frozenset("وفبلكس")
_SUFFIXES = frozenset({"ه", "ها"})


def _is_arabic(word: str) -> bool:
    return all("\u0621" <= letter <= "\u064a" for letter in word)


def rejoin_clitics(sentence: list[TaggedToken]) -> list[TaggedToken]:
    """Puts WikiFANE's split clitics back on their words: و + تقع -> وتقع, ل + السودان -> للسودان, كتاب + ه -> كتابه.

    A joined word takes the tags of its stem. هم, هن and the like are left alone: they are words too.
    """
    joined: list[TaggedToken] = []
    prefix = ""
    for token in sentence:
        arabic = _is_arabic(token.word)
        if token.word in _PROCLITICS and not any(tag.startswith("B-") for tag in token.tags):
            prefix += token.word  # they chain: و + ل + البلاد -> وللبلاد
        elif token.word in _SUFFIXES and not prefix and joined and _is_arabic(joined[-1].word):
            stem = joined[-1].word
            stem = stem[:-1] + "ت" if stem.endswith("ة") else stem
            joined[-1] = TaggedToken(stem + token.word, joined[-1].tags)
        elif prefix and arabic:
            doubled = prefix.endswith("ل") and token.word.startswith("ال")
            word = prefix + "ل" + token.word[2:] if doubled else prefix + token.word
            joined.append(TaggedToken(word, token.tags))
            prefix = ""
        else:
            joined += [TaggedToken(prefix, ("O",))] if prefix else []
            joined.append(token)
            prefix = ""
    return [*joined, TaggedToken(prefix, ("O",))] if prefix else joined


def _conll(source: Source) -> Iterator[GoldText]:
    sentences = (
        (number, sentence)
        for number, sentence in enumerate(tagged_sentences(source.path, "\t"))
        if source.blocks is None or source.blocks.is_dev(number) == (source.part == "dev")
    )
    for number, run in _runs(sentences, source.join):
        yield _gold_text(f"{source.path.stem}:{number}", run)


def _wojood(source: Source) -> Iterator[GoldText]:
    for number, sentence in enumerate(tagged_sentences(source.path, None)):
        yield _gold_text(f"{source.path.stem}:{number}", [sentence])


def _wikifane(source: Source) -> Iterator[GoldText]:
    for number, sentence in enumerate(tagged_sentences(source.path, "\t")):
        yield _gold_text(f"{source.path.stem}:{number}", [rejoin_clitics(sentence)])


@dataclass(frozen=True)
class Article:
    """A gold record with its raw text."""

    record: Record
    text: str


def annotated_articles(source: Source) -> list[Article]:
    """The annotated articles of a source, in name order, `only` and `without` applied."""
    texts = source.texts or source.path
    found = []
    for where, record in read_records(source.path):
        if (source.only is not None and record.doc not in source.only) or record.doc in source.without:
            continue
        file = texts / f"{record.doc}.txt"
        if not file.is_file():
            raise DataError(f"{where}: no raw text {file}")
        with file.open(encoding="utf-8", newline="") as stream:
            found.append(Article(record, stream.read()))
    return found


def _annotations(source: Source) -> Iterator[GoldText]:
    for article in annotated_articles(source):
        entities = tuple(Typed(entity.span, entity.type) for entity in article.record.entities)
        yield GoldText(article.record.doc, article.text, entities)


def _annotated_stances(source: Source) -> Iterator[GoldPair]:
    """The author's stance of every annotated passage towards every target mentioned in it, and with `holders: all` that
    of the speakers it quotes."""
    for article in annotated_articles(source):
        for asked in asked_of(article):
            yield GoldPair(asked.pair, asked.stance.label, article.record.doc)
        if source.holders == "all":
            for asked in quoted_of(article):
                yield GoldPair(asked.pair, asked.stance.label, article.record.doc)


def _pairs(source: Source) -> Iterator[GoldPair]:
    """JSONL with claim (or target), text and stance."""
    for row in stance_rows(source.path, source.targets, source.nearest):
        yield GoldPair(Pair(row.target, row.text), row.label, row.target, row.fold)


TEXT_READERS: dict[str, Callable[[Source], Iterator[GoldText]]] = {
    "annotations": _annotations,
    "conll": _conll,
    "wojood": _wojood,
    "wikifane": _wikifane,
}
PAIR_READERS: dict[str, Callable[[Source], Iterator[GoldPair]]] = {
    "annotated-stances": _annotated_stances,
    "pairs": _pairs,
}


def read_texts(source: Source) -> list[GoldText]:
    """The texts of a source for a `tokens` head. Labels are not mapped yet: `partial` needs to see them all."""
    if source.reader not in TEXT_READERS:
        given = "articles" if source.reader == "labelled" else "pairs"
        raise DataError(f"{source.path}: reader {source.reader!r} gives {given}; head {source.head!r} needs texts")
    return list(TEXT_READERS[source.reader](source))


def read_pairs(source: Source, labels: tuple[str, ...]) -> list[GoldPair]:
    """The pairs of a source for a `pair` head, labels mapped. Raises DataError for a label that the head lacks."""
    if source.reader not in PAIR_READERS:
        given = "articles" if source.reader == "labelled" else "texts"
        raise DataError(f"{source.path}: reader {source.reader!r} gives {given}; head {source.head!r} needs pairs")
    found = []
    for gold in PAIR_READERS[source.reader](source):
        label = gold.label if source.map is None else source.map.get(gold.label, gold.label)
        if label not in labels:
            raise DataError(f"{source.path}: unknown label {label!r}{nearest(label, labels)}; state it under map:")
        found.append(replace(gold, label=label))
    kept = found if source.fold is None else chosen(found, source.fold)
    return kept + unrelated(kept, source.unrelated)


def unrelated(pairs: list[GoldPair], share: float) -> list[GoldPair]:
    """`share` times as many `none` pairs as there are pairs: a target with the text of another, half the set further
    on.

    Sets of claims hold few texts that say nothing of theirs (in ANS 2 %), and a head that saw none takes a side always.
    """
    count, far = len(pairs), len(pairs) // 2
    made = [
        GoldPair(Pair(one.pair.target, pairs[(n + far) % count].pair.passage), "none", one.group, one.fold)
        for n, one in enumerate(pairs)
        if pairs[(n + far) % count].pair.target != one.pair.target
    ]
    wanted = round(share * count)
    return [made[n * len(made) // wanted] for n in range(wanted)] if made else []


def mapped(gold: GoldText, source: Source) -> GoldText:
    """`gold` with its types renamed by the source's map, spans of unmapped types dropped."""
    if source.map is None:
        return gold
    names = source.map
    kept = (Typed(e.span, names[e.type]) for e in gold.entities if e.type in names)
    tags = tuple(tag[:2] + names[tag[2:]] if tag[2:] in names else "O" for tag in gold.tags or ())
    return replace(gold, entities=tuple(kept), tags=tags if gold.tags else None)

"""Names: the canonical form of a mention, and the keys under which names are compared.

Proclitics (و ف ب ل ك) are written onto the word that follows them and belong to the mention's surface; a
name goes without them. Only cases that are safe without a morphological dictionary are touched: a particle
before the article or before a class noun, or one whose removal leaves a name that the article itself uses.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from functools import lru_cache

import regex

from rasid.normalizer import normalise

from .lexicon import CLASS_NOUNS, COUNTRIES, FOREIGN_STARTS, LAM_NAMES, LAM_NOUNS

_MARK = r"[,.،_*~^|'`\-\u00B7\u2022\u2026]"
_UNWRITTEN = regex.compile(
    rf"(?<=\u0640){_MARK}+(?=[\u0640\p{{L}}])|(?<=\p{{L}}){_MARK}+(?=\u0640)"  # marks that dodge a filter
    r"|[\u0640\u0610-\u061A\u064B-\u065F\u0670\u06D6-\u06DC\u06DF-\u06E8\u06EA-\u06ED]"  # tatweel and harakat
    r"|[\u00AD\u061C\u180E\u200B-\u200F\u202A-\u202E\u2060-\u2064\u2066-\u206F\uFEFF]"  # controls
)
_WITH_ARTICLE = regex.compile(r"(?:[وف]?[بك]|[وف])(ال(\p{L}{3,}))")
_WITH_LAM = regex.compile(r"[وف]?لل(\p{L}{2,})")
_PARTICLES = regex.compile(r"[وف]?[بلك]|[وف]")
_NORP_ENDING = regex.compile(r"(?<=\p{L}{2})(?:يون|يين|يات|ية|يه|يا|ي)$")


def clean(surface: str) -> str:
    """A surface as one would print it: white space made single, tatweel, harakat and controls gone, letters
    kept."""
    return " ".join(_UNWRITTEN.sub("", surface).split())


@lru_cache(maxsize=1 << 16)
def key(name: str) -> str:
    """What two spellings of one name share: the tokenizer's own normal form, white space made single."""
    return " ".join(normalise(name).split())


def _without_article(word: str) -> str:
    return word[2:] if word.startswith("ال") and len(word) >= 5 else word


def bare(name_key: str) -> str:
    """A key that does not see the article: باغوز and الباغوز are one, and so are two spellings of an
    adjective."""
    return " ".join(_without_article(word) for word in name_key.split())


CLASS_KEYS = frozenset(key(noun) for noun in CLASS_NOUNS)
_COUNTRIES = frozenset(key(name) for name in COUNTRIES)
_LAM_NAMES = frozenset(map(key, LAM_NAMES))
_LAM_NOUNS = frozenset(map(key, LAM_NOUNS))


@dataclass(frozen=True, slots=True)
class _Stripped:
    """A first word without its particles; `safe` when that needs no witness elsewhere in the article."""

    word: str
    safe: bool


def _stripped(word: str, person: bool) -> Iterator[_Stripped]:
    """Readings of a word that lose particles, the likeliest first."""
    if key(word) in CLASS_KEYS or word.startswith(FOREIGN_STARTS):
        return
    for length in (1, 2):
        rest = word[length:]
        if not person and key(rest) in CLASS_KEYS and _PARTICLES.fullmatch(word[:length]):
            yield _Stripped(rest, True)
    if article := _WITH_ARTICLE.fullmatch(word):
        # Family names often begin like this by themselves (كالدويل), so a person's name needs a witness.
        yield _Stripped(article[1], not person)
    if lam := _WITH_LAM.fullmatch(word):
        name, noun = "ل" + lam[1], "الل" + lam[1]
        yield _Stripped(name, key(name) in _LAM_NAMES)
        yield _Stripped(noun, key(name) in _LAM_NOUNS)
        yield _Stripped("ال" + lam[1], not person)
    for length in (1, 2):
        if _PARTICLES.fullmatch(word[:length]) and len(word) > length + 1:
            yield _Stripped(word[length:], False)


def canonical(surface: str, entity_type: str, known: Collection[str]) -> str:
    """The name in a surface, without proclitics: بالباغوز -> الباغوز, للتحالف -> التحالف, وسوريا -> سوريا.

    `known`: keys of the names of this type that the article uses. وزارة, بغداد and لبنان keep their first
    letters.
    """
    name = clean(surface)
    first, _, rest = name.partition(" ")
    if entity_type == "GPE" and key(name) in _COUNTRIES:
        return name
    for reading in _stripped(first, entity_type == "PERS"):
        candidate = f"{reading.word} {rest}".strip()
        witnessed = key(candidate) in known or (entity_type == "GPE" and key(candidate) in _COUNTRIES)
        if reading.safe or witnessed:
            return candidate
    return name


def people(name: str) -> str:
    """A NORP's name in the masculine singular without article, where its ending shows it: السوريين ->
    سوري."""
    if " " in name:
        return name
    plain = name[2:] if name.startswith("ال") and len(name) >= 5 else name
    stem = _NORP_ENDING.sub("", plain)
    return stem + "ي" if stem != plain and len(stem) >= 3 else name

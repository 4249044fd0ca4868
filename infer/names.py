"""Names: the canonical form of a mention, and the keys under which names are compared.

The particles و ف ب ل ك are written onto the word that follows them and belong to the mention's surface; a name goes
without them. Whether a first letter is such a particle is decided by evidence, the strongest first: how the
article's other mentions write the name, what `gazetteer` knows, how the word is spelt, and what a letter mostly is. It
has no morphological dictionary and does not read the sentence around a mention.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache

import regex

from rasid.normalizer import normalise
from rasid.repair import read_whole

from .gazetteer import BODIES, COUNTRIES, FOREIGN_STARTS, NOUNS, PEOPLE, PLACES, POSTS
from .lexicon import CLASS_NOUNS, PLURALS

_MARK = r"[,.،_*~^|'`\-\u00B7\u2022\u2026]"
_UNWRITTEN = regex.compile(
    rf"(?<=\u0640){_MARK}+(?=[\u0640\p{{L}}])|(?<=\p{{L}}){_MARK}+(?=\u0640)"  # marks that dodge a filter
    r"|[\u0640\u0610-\u061A\u064B-\u065F\u0670\u06D6-\u06DC\u06DF-\u06E8\u06EA-\u06ED]"  # tatweel and harakat
    r"|[\u00AD\u061C\u180E\u200B-\u200F\u202A-\u202E\u2060-\u2064\u2066-\u206F\uFEFF]"  # controls
)
_PARTICLES = regex.compile(r"[وف]?[بلك]|[وف]")
_WITH_ARTICLE = regex.compile(r"(?:[وف]?[بك]|[وف])(ال(\p{L}{3,}))")
_WITH_LAM = regex.compile(r"[وف]?لل(\p{L}{2,})")
_ADJECTIVE = regex.compile(r"ال\p{L}+(?:ي|ية|يه|يا|ا)")
# Alef is written with its hamza at a word's beginning and hardly ever as its second letter: وأحمد, بإدلب, كآسيا.
_INITIAL_HAMZA = regex.compile(r"[أإآ]\p{L}{2}")
# Letters that foreign names are not written with: a word that has one is Arabic, so its ال is the article.
_ARABIC_ONLY = regex.compile(r"[حعصضظذ]|^ال[أإآ]")
# Foreign names in W (ويليامز), which و before a name in ي hardly ever looks like.
_FOREIGN_W = regex.compile(r"وي[لنسكبتدرفغ]")
_NORP_ENDING = regex.compile(r"(?<=\p{L}{2})(?:يون|يين|يات|ية|يه|يا|ي)$")
_LEAST = 3  # letters of a word that a particle is taken from without another witness


@lru_cache(maxsize=1 << 15)
def clean(surface: str) -> str:
    """A surface as one would print it: white space made single, tatweel, harakat, controls and marks inside words
    gone, letters kept."""
    return " ".join(_UNWRITTEN.sub("", read_whole(surface)).split())


@lru_cache(maxsize=1 << 16)
def key(name: str) -> str:
    """What two spellings of one name share: the tokenizer's own normal form, white space made single."""
    return " ".join(normalise(name).split())


def _without_article(word: str) -> str:
    return word[2:] if word.startswith("ال") and len(word) >= 5 else word


@lru_cache(maxsize=1 << 15)
def bare(name_key: str) -> str:
    """A key that does not see the article: باغوز and الباغوز are one, and so are two spellings of an
    adjective."""
    return " ".join(_without_article(word) for word in name_key.split())


def name_key(name: str, entity_type: str) -> str:
    """What the names of one thing of a type share whatever their article and spelling; the index's key."""
    shared = bare(key(people(name) if entity_type == "NORP" else name))
    return shared.removeprefix("لغه ") if entity_type == "LANGUAGE" else shared


def _keys(words: Iterable[str]) -> frozenset[str]:
    return frozenset(map(key, words))


CLASS_KEYS = _keys(CLASS_NOUNS)
_PEOPLE = _keys(PEOPLE)
# A name of several words is looked up by its first.
_NAMES = _PEOPLE | _keys(name.split()[0] for name in (*COUNTRIES, *PLACES, *BODIES))
_POSTS = _keys(POSTS)
_NOUNS = CLASS_KEYS | _keys(NOUNS)
_OWN = _NAMES | _NOUNS
_PLURALS = {key(plural): one for plural, one in PLURALS.items()}


@dataclass(frozen=True, slots=True)
class Witnesses:
    """What an article's mentions show of its names, all as keys.

    `names`: whole surfaces; `given`: first words of people's names; `family`: the words after them, which no
    particle is written onto.
    """

    names: frozenset[str] = frozenset()
    given: frozenset[str] = frozenset()
    family: frozenset[str] = frozenset()


NOBODY = Witnesses()


def witnesses(surfaces: Iterable[str], people: Iterable[str] = ()) -> Witnesses:
    """The witnesses in the surfaces of an article's mentions; `people` are those of type PERS."""
    persons = [key(clean(surface)).split() for surface in people]
    return Witnesses(
        names=frozenset(key(clean(surface)) for surface in surfaces),
        given=frozenset(words[0] for words in persons if words and len(words[0]) >= _LEAST),
        family=frozenset(word for words in persons for word in words[1:] if len(word) >= _LEAST),
    )


def canonical(surface: str, entity_type: str, seen: Witnesses = NOBODY) -> str:
    """The name in a surface, without particles: بالباغوز -> الباغوز, للتحالف -> التحالف, وسوريا -> سوريا.

    `seen`: what the article's other mentions show. وزارة, بغداد and لبنان keep their first letters.
    """
    name = clean(surface)
    first, _, rest = name.partition(" ")
    if _owns_first_letter(first, entity_type, seen):
        return name
    readings = [f"{word} {rest}".strip() for word in _readings(first, rest)]
    found = next((r for r in readings if _is_witnessed(r, entity_type, seen)), None)
    found = found or next((r for r in readings if _is_known(r, entity_type)), None)
    found = found or next((f"{word} {rest}".strip() for word in _by_spelling(first, rest, entity_type)), None)
    enough = len(first) >= _LEAST + (not rest)  # letters: وتل أبيض, but not a word of three by itself
    if not found and first.startswith("و") and enough and not _FOREIGN_W.match(first):
        found = name[1:]  # no other name in W is known, and the press begins every second clause with and
    if found == name[1:] and first[0] in "وف":
        return canonical(found, entity_type, seen)  # a second particle may follow: وبغداد, وبالقاهرة
    return found or name


def _owns_first_letter(word: str, entity_type: str, seen: Witnesses) -> bool:
    """Whether a word is known to begin with its own letter: a common name, a class noun, a post, a family
    name."""
    word_key = key(word)
    if word_key in _OWN or word.startswith(FOREIGN_STARTS):
        return True
    return (entity_type == "OCC" and _is_post(word_key)) or (entity_type == "PERS" and word_key in seen.family)


def _is_post(word_key: str) -> bool:
    return word_key in _POSTS or word_key.removesuffix("ه") in _POSTS


def _readings(word: str, rest: str) -> Iterator[str]:
    """What a first word may be without its particles, the likeliest first."""
    if lam := _WITH_LAM.fullmatch(word):
        yield from _lam_readings(lam[1], rest)
    for length in (1, 2):
        if _PARTICLES.fullmatch(word[:length]) and len(word) > length + 1:
            yield word[length:]


def _lam_readings(tail: str, rest: str) -> tuple[str, str, str]:
    """What لل may stand for: للندن is ل + لندن, لليرة is ل + الليرة, للتحالف is ل + التحالف."""
    name, noun, plain = "ل" + tail, "الل" + tail, "ال" + tail
    # للجنة الانتخابات is ل + لجنة, tied to what follows; للجنة العليا is ل + اللجنة and its adjective.
    definite = not rest or bool(_ADJECTIVE.fullmatch(rest.split()[0]))
    return (noun, name, plain) if definite and key(name) in CLASS_KEYS else (name, noun, plain)


def _is_witnessed(reading: str, entity_type: str, seen: Witnesses) -> bool:
    """Whether the article uses a reading as a name elsewhere."""
    reading_key = key(reading)
    if len(reading_key) < _LEAST:
        return False
    if reading_key in seen.names:
        return True
    return entity_type == "PERS" and (reading_key in seen.given or reading_key in seen.family)


def _is_known(reading: str, entity_type: str) -> bool:
    """Whether a reading begins with a word that names are known to begin with."""
    first = key(reading).split()[0]
    if len(first) < _LEAST:
        return False
    if entity_type == "PERS":
        return first in _PEOPLE  # بيريفان is a woman, not a town with ب
    noun = first[2:] if first.startswith("الل") else first  # اللجنة, from للجنة
    return first in _NAMES or noun in _NOUNS or (entity_type == "OCC" and _is_post(first))


def _by_spelling(word: str, rest: str, entity_type: str) -> Iterator[str]:
    """Readings that the spelling itself shows: a hamza that only begins words, a doubled ب, the article."""
    for length in (1, 2):
        if _PARTICLES.fullmatch(word[:length]) and _INITIAL_HAMZA.match(word, length):
            yield word[length:]
    if word.startswith("بب"):
        yield word[1:]
    person = entity_type == "PERS"
    if article := _WITH_ARTICLE.fullmatch(word):
        # Foreign names often begin like this by themselves (كالدويل, بالمر), Arabic ones never.
        arabic = _ARABIC_ONLY.search(article[1]) or _is_post(key(article[2]))
        if not person or word[0] in "وف" or arabic:
            yield article[1]
    elif lam := _WITH_LAM.fullmatch(word):
        yield "ال" + lam[1]


def particle(surface: str, name: str) -> str:
    """What a surface has before its name: ل of للتحالف and التحالف, nothing where there is no particle."""
    written = clean(surface)
    if written.startswith(("لل", "ولل", "فلل")) and name.startswith("ال") and written.endswith(name[1:]):
        return written.removesuffix(name[1:])
    return written.removesuffix(name) if written.endswith(name) else ""


def attached(before: str, name: str) -> str:
    """A name with a particle written onto it: ل and التحالف are للتحالف."""
    return before + (name[1:] if before.endswith("ل") and name.startswith("ال") else name)


def people(name: str) -> str:
    """A NORP's name in the masculine singular with the article, where its form shows it: سوريين -> السوري."""
    if " " in name:
        return name
    plain = _without_article(name)
    plain = _PLURALS.get(key(plain), plain)
    stem = _NORP_ENDING.sub("", plain)
    return f"ال{stem}ي" if stem != plain and len(stem) >= 3 else name


def language(name: str) -> str:
    """A language's name with its class noun: الكردية, لغة كردية -> اللغة الكردية."""
    words = name.split()
    if key(_without_article(words[0])) == "لغه":
        words = words[1:]
    return f"اللغة ال{_without_article(words[0])}" if len(words) == 1 else name

"""Forms: what each mention of an article says of its thing by itself, before mentions are compared.

A form is a name, or a class noun that stands for one (التنظيم, بلاده), or a capital that stands for its state. It is
read off the mention and the words beside it; other mentions only witness where a particle ends.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import regex

from rasid.labels import VALUES

from .aliases import NO_ALIASES, AliasTable, Thing
from .gazetteer import CAPITALS, STATES
from .lexicon import EPITHETS, KNOWN, Known
from .mentions import Mention
from .names import CLASS_KEYS, Witnesses, bare, canonical, clean, key, language, name_key, particle, people, witnesses

HEADED = frozenset({"ORG", "GPE", "LOC", "FAC", "EVENT", "WEBSITE"})  # types a class noun may stand for
COUNTRY = key("بلاد")
_EPITHETS = frozenset(map(key, EPITHETS))
_PRONOUN = regex.compile(r"(?:ها|هما|هم|هن|ه|نا)$")
_WORD_BEFORE = regex.compile(r"(\p{L}[\p{L}\p{M}\u0640]*)[\s(\[“\"«]*$")
_AT = regex.compile("[وف]?ب")
_DASH = regex.compile(r"\s*[-–—|]")
_BEFORE_PLACES = frozenset(
    map(key, ("في", "وفي", "مدينة", "بمدينة", "مدينتي", "بمدينتي", "العاصمة", "بتوقيت", "قرب", "وسط"))
)
_LOOK_BACK = 40  # characters

Key = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Form:
    """A mention's name: as printed, its article-blind key, and what stands for what."""

    type: str
    name: str
    key: str
    generic: str | None = None  # the class noun it goes by, when it is no name (التنظيم, التنظيم المتشدد)
    known: Known | Thing | None = None
    state: str | None = None  # key of the state that a capital stands for

    @property
    def identity(self) -> Key:
        return (self.type, self.key)

    @property
    def is_proper(self) -> bool:
        """Whether it names its thing by itself."""
        return not self.generic and not self.state


def _key_of(thing: Known, name: str) -> Key:
    return (thing.type, name_key(name, thing.type))


_SURE = {_key_of(thing, name): thing for thing in KNOWN for name in (thing.name, *thing.names)}
WEAK_NAMES = {_key_of(thing, name): thing for thing in KNOWN for name in thing.weak}
_ALWAYS_STATES = {_key_of(thing, thing.capital): thing for thing in KNOWN if thing.capital}
_CAPITALS = {bare(key(capital)): bare(key(state)) for capital, state in CAPITALS.items()}
STATE_KEYS = frozenset(bare(key(name)) for name in (*STATES, *CAPITALS.values()))


def forms(text: str, mentions: Sequence[Mention], aliases: AliasTable = NO_ALIASES) -> list[Form | None]:
    """The form of each mention of an article, None for values. `aliases` come before what is built in."""
    surfaces = [mention.surface for mention in mentions if mention.type not in VALUES]
    seen = witnesses(surfaces, [mention.surface for mention in mentions if mention.type == "PERS"])
    reader = _Reader(text, seen, aliases)
    return [None if mention.type in VALUES else reader.form(mention) for mention in mentions]


class _Reader:
    """Reads the forms of one article's mentions."""

    def __init__(self, text: str, seen: Witnesses, aliases: AliasTable) -> None:
        self._text, self._seen, self._aliases = text, seen, aliases
        self._renamed = _renamed(aliases)
        self._names: dict[tuple[str, str], str] = {}  # by surface and type; most names come back
        self._last_place = -1  # where the last capital that is a place ends

    def form(self, mention: Mention) -> Form:
        kind = mention.type
        name = self._name(mention)
        given = self._aliases.find(kind, name) or self._aliases.find(kind, clean(mention.surface))
        # A surface that normalises to nothing stands for itself.
        form_key = name_key(name, kind) or mention.surface
        identity = (kind, form_key)
        known: Known | Thing | None = given or self._built_in(identity)
        generic = state = None
        if not given and kind == "GPE" and form_key in _CAPITALS:
            if self._is_place(mention):
                self._last_place = mention.end
                known, form_key = None, f"{form_key}(place)"
            elif identity in _ALWAYS_STATES:
                known = self._renamed.get(_ALWAYS_STATES[identity], _ALWAYS_STATES[identity])
            else:
                state = _CAPITALS[form_key]
        if not known and identity in WEAK_NAMES:
            generic = key(WEAK_NAMES[identity].heads[0])
        elif not known and kind in HEADED:
            generic = class_noun(name)
        return Form(kind, name or mention.surface, form_key, generic, known, state)

    def _name(self, mention: Mention) -> str:
        read = (mention.surface, mention.type)
        if read not in self._names:
            self._names[read] = printed(*read, self._seen)
        return self._names[read]

    def _built_in(self, identity: Key) -> Known | Thing | None:
        thing = _SURE.get(identity)
        return self._renamed.get(thing, thing) if thing else None

    def _is_place(self, mention: Mention) -> bool:
        """Whether a capital is the city itself: after في or ب (وبأنقرة), in a dateline, or beside one that is."""
        before = particle(mention.surface, self._name(mention))
        if _AT.fullmatch(before):
            return True
        if before == "و" and self._last_place >= 0 and not self._text[self._last_place : mention.start].strip():
            return True
        word = word_before(self._text, mention)
        if word and key(word) in _BEFORE_PLACES:
            return True
        line = self._text[max(0, mention.start - _LOOK_BACK) : mention.start].split("\n")[-1].rstrip()
        opens_line = not line or line[-1] in "-–—|"
        return opens_line and bool(_DASH.match(self._text, mention.end))


def _renamed(aliases: AliasTable) -> dict[Known, Thing]:
    """Built-in things that an alias table speaks of: all their names then mean what the table says."""
    found: dict[Known, Thing] = {}
    for entry_key, thing in aliases.by_key.items():
        if entry_key in _SURE:
            found.setdefault(_SURE[entry_key], thing)
    return found


def printed(surface: str, entity_type: str, seen: Witnesses) -> str:
    """A mention's name as a cluster bears it: without particles, a people in the singular, a language in full."""
    name = canonical(surface, entity_type, seen)
    if entity_type == "NORP":
        return people(name)
    return language(name) if entity_type == "LANGUAGE" and name else name


def word_before(text: str, mention: Mention) -> str | None:
    """The word in front of a mention, across an opening quotation mark or bracket."""
    found = _WORD_BEFORE.search(text[max(0, mention.start - _LOOK_BACK) : mention.start])
    return found[1] if found else None


def class_noun(name: str) -> str | None:
    """The class noun of a name that is nothing else: definite or possessed, at most with an epithet; else None."""
    words = key(name).split()
    if not words or any(word not in _EPITHETS for word in words[1:]):
        return None
    nouns = CLASS_KEYS | {COUNTRY}
    if words[0].startswith("ال"):
        return words[0][2:] if words[0][2:] in nouns else None
    return next((noun for noun in _possessed(clean(name).split()[0]) if noun in nouns), None)


def _possessed(word: str) -> Iterator[str]:
    """What a word with a pronoun on it may be without: بلاده is بلاد + ه, حكومته is حكومة + ه."""
    pronoun = _PRONOUN.search(word)
    stem = word[: pronoun.start()] if pronoun else ""
    if len(stem) >= 3:
        yield key(stem)
        if stem.endswith("ت"):
            yield key(f"{stem[:-1]}ة")


def classes(text: str, mention: Mention, form: Form) -> Iterator[str]:
    """Class nouns that may stand for a thing: its name's first word, the word before it, those of a known
    thing."""
    first = form.key.split()[0]
    if first in CLASS_KEYS:
        yield first
    before = word_before(text, mention)
    if before:
        noun = bare(key(canonical(before, form.type)))
        if noun in CLASS_KEYS:
            yield noun
    if isinstance(form.known, Known):
        yield from map(key, form.known.heads)
    elif form.known:
        built_in = (_SURE.get((form.type, name_key(name, form.type))) for name in form.known.names)
        yield from (key(head) for thing in built_in if thing for head in thing.heads)

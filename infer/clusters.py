"""Alias resolution inside one article: which mentions mean the same thing, by rules.

Only mentions of one type are ever joined. In order: equal names (article and spelling folded); names of a
known thing (`lexicon.KNOWN`); apposition, `full (short)`; spelling variants; a short form to the nearest
full name that holds it; a class noun on its own (التنظيم) to the nearest thing of that class. Values (dates,
numbers, amounts) have no cluster. It knows nothing of models; the rules see names and places in the text,
not meaning.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

import regex

from rasid.labels import VALUES
from rasid.records import Cluster

from .lexicon import EPITHETS, KNOWN, Known
from .mentions import Mention
from .names import CLASS_KEYS, bare, canonical, clean, key, people

_HEADED = frozenset({"ORG", "GPE", "LOC", "FAC", "EVENT", "WEBSITE"})  # types a class noun may stand for
_PARTLESS = frozenset({"NORP", "OCC", "LANGUAGE", "LAW"})  # a part of such a name is another name
# `الباغوز (سوريا)` says where a place lies, `قوات سوريا الديمقراطية (قسد)` what a body is called.
_APPOSED = frozenset({"ORG", "PERS", "FAC", "EVENT", "PRODUCT", "WEBSITE", "LAW"})
_VARIED = frozenset({"ORG", "GPE", "LOC", "FAC", "PERS", "WEBSITE", "PRODUCT", "EVENT"})
_EPITHETS = frozenset(map(key, EPITHETS))
_OPENING = regex.compile(r"\s*[\"”»]?\s*[(\[“\"«]\s*")
_CLOSING = regex.compile(r"\s*[)\]”\"»]")
_WORD_BEFORE = regex.compile(r"(\p{L}[\p{L}\p{M}\u0640]*)[\s(\[“\"«]*$")
_AT = regex.compile("[وف]?ب")
_DASH = regex.compile(r"\s*[-–—|]")
_BEFORE_PLACES = frozenset(map(key, ("في", "وفي", "مدينة", "بمدينة", "العاصمة")))
_VARIANT_LETTERS = 5  # shorter words differ by a letter too easily
_LONGEST_NAME = 12  # words; parts of longer names are not looked at
# Letters that transliterations and careless spelling exchange; بولندا and هولندا must stay two.
_EXCHANGED = tuple(map(frozenset, ("اويهءئؤ", "غجقك", "سصث", "تطث", "دض", "ذزظ", "بپ", "فڤ")))
_WEAK = frozenset("اويهءئؤ")

Key = tuple[str, str]


@dataclass(frozen=True, slots=True)
class _Name:
    """A mention's name: as printed, its article-blind key, and what stands for what."""

    type: str
    name: str
    key: str
    generic: str | None  # the class noun it goes by, when it is no name of its own (التنظيم, التنظيم المتشدد)
    known: Known | None

    @property
    def identity(self) -> Key:
        return (self.type, self.key)


@dataclass(frozen=True)
class Resolution:
    """Clusters numbered by first mention; `of[i]` is the cluster of mention i, None for values."""

    clusters: tuple[Cluster, ...]
    of: tuple[str | None, ...]


class _Groups:
    """Disjoint sets of mention numbers; the root is the earliest mention."""

    def __init__(self, size: int) -> None:
        self._parent = list(range(size))

    def root(self, item: int) -> int:
        while self._parent[item] != item:
            self._parent[item] = self._parent[self._parent[item]]
            item = self._parent[item]
        return item

    def join(self, one: int, other: int) -> None:
        first, last = sorted((self.root(one), self.root(other)))
        self._parent[last] = first

    def join_all(self, items: Sequence[int]) -> None:
        for item in items[1:]:
            self.join(items[0], item)


def resolve(text: str, mentions: Sequence[Mention]) -> Resolution:
    """Clusters of an article's mentions, which are in text order."""
    names = _names(text, mentions)
    groups = _Groups(len(mentions))
    shorts = _short_keys(names)
    _join_equal(names, groups, shorts)
    _join_apposed(text, mentions, names, groups)
    _join_variants(names, groups, shorts)
    _join_shorts(names, groups, shorts)
    _join_generic(text, mentions, names, groups)
    return _number(names, groups)


# -- names -----------------------------------------------------------------------------------------


def _key_of(thing: Known, name: str) -> Key:
    return (thing.type, bare(key(name)))


_SURE = {_key_of(thing, name): thing for thing in KNOWN for name in (thing.name, *thing.names)}
_WEAK_NAMES = {_key_of(thing, name): thing for thing in KNOWN for name in thing.weak}
_CAPITALS = {_key_of(thing, thing.capital): thing for thing in KNOWN if thing.capital}


def _names(text: str, mentions: Sequence[Mention]) -> list[_Name | None]:
    """The name of each mention; None for values."""
    used: dict[str, set[str]] = defaultdict(set)
    for mention in mentions:
        name = key(clean(mention.surface))
        used[mention.type].add(name)
        if mention.type == "PERS":
            used[mention.type].update(word for word in name.split() if len(word) >= 3)
    return [None if mention.type in VALUES else _name(text, mention, used[mention.type]) for mention in mentions]


def _name(text: str, mention: Mention, used: Collection[str]) -> _Name:
    name = canonical(mention.surface, mention.type, used)
    if mention.type == "NORP":
        name = people(name)
    name_key = bare(key(name)) or mention.surface  # a surface that normalises to nothing stands for itself
    if mention.type == "LANGUAGE":
        name_key = name_key.removeprefix("لغه ")
    known = _SURE.get((mention.type, name_key))
    capital = _CAPITALS.get((mention.type, name_key))
    if capital and not _is_place(text, mention, name):
        known = capital
    elif capital:
        name_key += " (place)"
    weak = _WEAK_NAMES.get((mention.type, name_key))
    if weak:
        generic: str | None = key(weak.heads[0])
    else:
        generic = _class_noun(key(name).split()) if mention.type in _HEADED and not known else None
    return _Name(mention.type, name or mention.surface, name_key, generic, known)


def _is_place(text: str, mention: Mention, name: str) -> bool:
    """Whether a capital is the city itself: after في or ب (وبأنقرة), or in a dateline."""
    surface = clean(mention.surface)
    if surface != name and _AT.match(surface):
        return True
    before = text[max(0, mention.start - 40) : mention.start]
    word = _WORD_BEFORE.search(before)
    if word and key(word[1]) in _BEFORE_PLACES:
        return True
    opens_line = not before.split("\n")[-1].strip() or before.rstrip()[-1:] in ("-", "–", "—", "|")
    return opens_line and bool(_DASH.match(text, mention.end))


def _class_noun(words: Sequence[str]) -> str | None:
    """The class noun of a name that is nothing else (definite, at most with an epithet), else None."""
    if not words or not words[0].startswith("ال"):
        return None
    noun = words[0][2:]
    return noun if noun in CLASS_KEYS and all(word in _EPITHETS for word in words[1:]) else None


# -- joining ---------------------------------------------------------------------------------------


def _join_equal(names: Sequence[_Name | None], groups: _Groups, shorts: Collection[Key]) -> None:
    """Joins equal names, and names of one known thing. Short forms wait: two people may share one."""
    equal: dict[object, list[int]] = defaultdict(list)
    for number, name in enumerate(names):
        if name and name.known:
            equal[name.known].append(number)
        elif name and not name.generic and name.identity not in shorts:
            equal[name.identity].append(number)
            # A space lost in the text or put into it: ديرالزور is دير الزور.
            equal[(name.type, "glued", key(name.name).replace(" ", ""))].append(number)
    for numbers in equal.values():
        groups.join_all(numbers)


def _join_apposed(text: str, mentions: Sequence[Mention], names: Sequence[_Name | None], groups: _Groups) -> None:
    """Joins `full (short)` and `full “short”`."""
    starts: dict[tuple[int, str], int] = {}
    for number, mention in enumerate(mentions):
        starts.setdefault((mention.start, mention.type), number)  # the longest of those that start here
    for number, mention in enumerate(mentions):
        opening = _OPENING.match(text, mention.end) if mention.type in _APPOSED else None
        other = starts.get((opening.end(), mention.type)) if opening else None
        if other is not None and names[other] and _CLOSING.match(text, mentions[other].end):
            groups.join(number, other)


def _parts(name: _Name) -> Iterator[str]:
    """Keys of the shorter names that a full name allows: of a person any run of words, of others a
    beginning, with or without the class noun (شبكة الميزان الإخبارية: الميزان)."""
    words = name.key.split()
    if name.type in _PARTLESS or name.generic or not 2 <= len(words) <= _LONGEST_NAME:
        return
    if name.type == "PERS":
        ends = ((i, j) for i in range(len(words)) for j in range(i + 1, len(words) + 1) if j - i < len(words))
        yield from (" ".join(words[i:j]) for i, j in ends)
        return
    classed = words[0] in CLASS_KEYS
    if name.type != "LOC":  # شرق سوريا is not what الشرق alone means
        yield from (" ".join(words[:end]) for end in range(2 if classed else 1, len(words)))
    if classed:
        yield from (" ".join(words[1:end]) for end in range(2, len(words) + 1))


def _short_keys(names: Sequence[_Name | None]) -> set[Key]:
    """Identities in use that are part of a longer name in use."""
    full = {name.identity: name for name in names if name}
    offered = {(name.type, part) for name in full.values() for part in _parts(name)}
    return {identity for identity, name in full.items() if identity in offered and not name.known}


def _join_shorts(names: Sequence[_Name | None], groups: _Groups, shorts: Collection[Key]) -> None:
    seeks = [{name.identity} if name and name.identity in shorts else set() for name in names]
    offers = [{(name.type, part) for part in _parts(name)} if name else set() for name in names]
    _join_nearest(groups, seeks, offers)


def _join_generic(text: str, mentions: Sequence[Mention], names: Sequence[_Name | None], groups: _Groups) -> None:
    """Joins class nouns on their own to the nearest thing of that class; what finds none keeps to its
    like."""
    classes: dict[int, set[Key]] = defaultdict(set)
    for number, name in enumerate(names):
        if name and not name.generic and name.type in _HEADED:
            nouns = _classes(text, mentions[number], name)
            classes[groups.root(number)] |= {(name.type, noun) for noun in nouns}
    seeks = [{(name.type, name.generic)} if name and name.generic else set() for name in names]
    offers = [classes[groups.root(n)] if name and not name.generic else set() for n, name in enumerate(names)]
    alone: dict[object, list[int]] = defaultdict(list)
    for number in _join_nearest(groups, seeks, offers):
        name = names[number]
        if name:
            alone[(name.type, name.generic)].append(number)
    for numbers in alone.values():
        groups.join_all(numbers)


def _classes(text: str, mention: Mention, name: _Name) -> Iterator[str]:
    """Class nouns that may stand for a thing: its name's first word, the word before it, those of a known
    thing."""
    first = name.key.split()[0]
    if first in CLASS_KEYS:
        yield first
    before = _WORD_BEFORE.search(text[max(0, mention.start - 40) : mention.start])
    if before:
        noun = bare(key(canonical(before[1], name.type, ())))
        if noun in CLASS_KEYS:
            yield noun
    if name.known:
        yield from map(key, name.known.heads)


def _join_nearest(groups: _Groups, seeks: Sequence[Collection[Key]], offers: Sequence[Collection[Key]]) -> list[int]:
    """Joins each seeker to the nearest offer before it, or failing that after it; returns who found none."""
    waiting = _sweep(groups, range(len(seeks)), seeks, offers)
    lost = set(waiting)
    backwards = [seek if number in lost else () for number, seek in enumerate(seeks)]
    return sorted(_sweep(groups, range(len(seeks) - 1, -1, -1), backwards, offers))


def _sweep(
    groups: _Groups, order: range, seeks: Sequence[Collection[Key]], offers: Sequence[Collection[Key]]
) -> list[int]:
    last: dict[Key, int] = {}
    lost = []
    for number in order:
        if seeks[number]:
            found = [last[seek] for seek in seeks[number] if seek in last]
            if found:
                groups.join(number, found[0])
            else:
                lost.append(number)
        last.update(dict.fromkeys(offers[number], number))
    return lost


# -- spelling --------------------------------------------------------------------------------------


def _join_variants(names: Sequence[_Name | None], groups: _Groups, shorts: Collection[Key]) -> None:
    """Joins names that differ by one edit in one long word: أمريكا and أميركا, قامشلي and قامشلو."""
    first: dict[Key, int] = {}
    for number, name in enumerate(names):
        if name and name.type in _VARIED and not name.generic and name.identity not in shorts:
            first.setdefault(name.identity, number)
    similar: dict[tuple[object, ...], list[Key]] = defaultdict(list)
    for identity in first:
        for signature in _signatures(*identity):
            for other in similar[signature]:
                if _is_variant(identity[1], other[1]):
                    groups.join(first[identity], first[other])
            similar[signature].append(identity)


def _signatures(entity_type: str, name: str) -> Iterator[tuple[object, ...]]:
    """What names one edit apart share: the name with one letter of one long word deleted, or none (Garbe's
    SymSpell)."""
    words = name.split()
    if entity_type == "PERS" and len(words) < 2:
        return  # سلمان and سليمان are two men, unless the rest of the name agrees
    for place, word in enumerate(words):
        if len(word) < _VARIANT_LETTERS - 1 or len(word) > 40:
            continue
        rest = (entity_type, place, *words[:place], None, *words[place + 1 :])
        for form in {word, *(word[:i] + word[i + 1 :] for i in range(len(word)))}:
            yield (form, *rest)


def _is_variant(one: str, other: str) -> bool:
    differing = [(a, b) for a, b in zip(one.split(), other.split(), strict=True) if a != b]
    return len(differing) == 1 and same_but_spelling(*differing[0])


def same_but_spelling(one: str, other: str) -> bool:
    """Whether two words of at least five letters differ by one edit of spelling.

    That is two neighbours swapped, a weak letter more or less, or one letter in place of one it is often
    confused with.
    """
    if min(len(one), len(other)) < _VARIANT_LETTERS or not (one + other).isalpha():
        return False
    shorter, longer = sorted((one, other), key=len)
    start = next((i for i, (a, b) in enumerate(zip(shorter, longer, strict=False)) if a != b), len(shorter))
    if len(longer) == len(shorter) + 1:
        return longer[start] in _WEAK and shorter[start:] == longer[start + 1 :]
    if len(longer) != len(shorter) or start == len(shorter):
        return False
    a, b = one[start:], other[start:]
    if a[1:] == b[1:]:
        return any({a[0], b[0]} <= letters for letters in _EXCHANGED)
    return len(a) > 1 and a[:2] == b[1::-1] and a[2:] == b[2:]


# -- result ----------------------------------------------------------------------------------------


def _number(names: Sequence[_Name | None], groups: _Groups) -> Resolution:
    members: dict[int, list[_Name]] = defaultdict(list)
    roots = [groups.root(number) if name else None for number, name in enumerate(names)]
    for root, name in zip(roots, names, strict=True):
        if root is not None and name is not None:
            members[root].append(name)
    ids = {root: f"C{number}" for number, root in enumerate(members, 1)}
    clusters = tuple(Cluster(id=ids[root], name=_fullest(group), type=group[0].type) for root, group in members.items())
    return Resolution(clusters, tuple(None if root is None else ids[root] for root in roots))


def _fullest(group: Sequence[_Name]) -> str:
    """A known thing's own name, else the name of most words and letters; class nouns on their own come
    last."""
    known = next((name.known for name in group if name.known), None)
    if known:
        return known.name
    proper = [name for name in group if not name.generic]
    if proper:
        return max(proper, key=_fullness).name
    weak = next((_WEAK_NAMES[name.identity] for name in group if name.identity in _WEAK_NAMES), None)
    return weak.name if weak else max(group, key=_fullness).name


def _fullness(name: _Name) -> tuple[int, int]:
    return len(name.key.split()), len(name.name)

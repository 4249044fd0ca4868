"""Alias resolution inside one article: which mentions mean the same thing, by rules.

Only mentions of one type are ever joined. In order: equal names (article and spelling folded) and names of a
known thing; apposition, `full (short)`; spelling variants; a short form to the nearest full name that holds it;
a capital to the state that the article names; a class noun on its own (التنظيم) to the nearest thing of that
class; names that differ only in how they call a thing inside them (شرق النهر, شرق الفرات). Values (dates,
numbers, amounts) have no cluster. It knows nothing of models; the rules see names and places in the text, not
meaning.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

import regex

from rasid.records import Cluster

from .aliases import NO_ALIASES, AliasTable
from .forms import COUNTRY, HEADED, STATE_KEYS, WEAK_NAMES, Form, Key, classes, forms
from .lexicon import HOMES, SETTLEMENTS
from .mentions import Mention
from .names import CLASS_KEYS, clean, key
from .nesting import Inside, Namer, inside, signature
from .spelling import is_variant, signatures

_PARTLESS = frozenset({"NORP", "OCC", "LANGUAGE", "LAW"})  # a part of such a name is another name
# `الباغوز (سوريا)` says where a place lies, `قوات سوريا الديمقراطية (قسد)` what a body is called.
_APPOSED = frozenset({"ORG", "PERS", "FAC", "EVENT", "PRODUCT", "WEBSITE", "LAW"})
_VARIED = frozenset({"ORG", "GPE", "LOC", "FAC", "PERS", "WEBSITE", "PRODUCT", "EVENT"})
_ENDED = frozenset({"ORG", "FAC", "PRODUCT", "WEBSITE"})  # whose foreign names may lose their beginning
_OPENING = regex.compile(r"\s*[\"”»]?\s*[(\[“\"«]\s*")
_CLOSING = regex.compile(r"\s*[)\]”\"»]")
_LONGEST_NAME = 12  # words; parts of longer names are not looked at
_OFTEN = 2  # mentions of the town or village that القرية may stand for
_HOMES = frozenset(map(key, HOMES))
_SETTLEMENTS = frozenset(map(key, SETTLEMENTS))


@dataclass(frozen=True)
class Resolution:
    """Clusters numbered by first mention; of mention i, `of[i]` is the cluster and `names[i]` the name.

    Both are None for values. A mention's name is its own (بالعراق: العراق, السوريين: السوري), not its cluster's.
    """

    clusters: tuple[Cluster, ...]
    of: tuple[str | None, ...]
    names: tuple[str | None, ...]


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


def resolve(text: str, mentions: Sequence[Mention], aliases: AliasTable = NO_ALIASES) -> Resolution:
    """Clusters of an article's mentions, which are in text order; `aliases` are names that the user vouches for."""
    found = forms(text, mentions, aliases)
    groups = _Groups(len(mentions))
    within = inside(mentions)
    offers = _offers(found, within)
    shorts = _short_keys(found, offers)
    _join_equal(found, groups, shorts)
    _join_apposed(text, mentions, found, groups)
    _join_variants(found, groups, shorts)
    _join_shorts(found, groups, shorts, offers)
    _join_capitals(found, groups)
    _join_generic(text, mentions, found, groups)
    _join_countries(found, groups)
    _join_posts(text, mentions, found, groups)
    _join_composed(text, mentions, found, groups, within)
    return _number(mentions, found, groups, within)


# -- names -----------------------------------------------------------------------------------------


def _join_equal(found: Sequence[Form | None], groups: _Groups, shorts: Collection[Key]) -> None:
    """Joins equal names, and names of one known thing. Short forms wait: two people may share one."""
    equal: dict[object, list[int]] = defaultdict(list)
    for number, form in enumerate(found):
        if form and form.known:
            equal[form.known].append(number)
        elif form and not form.generic and form.identity not in shorts:
            equal[form.identity].append(number)
            # A space lost in the text or put into it: ديرالزور is دير الزور.
            equal[(form.type, "glued", form.state, key(form.name).replace(" ", ""))].append(number)
    for numbers in equal.values():
        groups.join_all(numbers)


def _join_apposed(text: str, mentions: Sequence[Mention], found: Sequence[Form | None], groups: _Groups) -> None:
    """Joins `full (short)` and `full “short”`."""
    starts: dict[tuple[int, str], int] = {}
    for number, mention in enumerate(mentions):
        starts.setdefault((mention.start, mention.type), number)  # the longest of those that start here
    for number, mention in enumerate(mentions):
        opening = _OPENING.match(text, mention.end) if mention.type in _APPOSED else None
        other = starts.get((opening.end(), mention.type)) if opening else None
        if other is not None and found[other] and _CLOSING.match(text, mentions[other].end):
            groups.join(number, other)


def _parts(form: Form) -> Iterator[str]:
    """Keys of the shorter names that a full name allows: of a person any run of words, of others a
    beginning, with or without the class noun (شبكة الميزان الإخبارية: الميزان), of foreign ones an end."""
    words = form.key.split()
    if form.type in _PARTLESS or form.generic or not 2 <= len(words) <= _LONGEST_NAME:
        return
    if form.type == "PERS":
        ends = ((i, j) for i in range(len(words)) for j in range(i + 1, len(words) + 1) if j - i < len(words))
        yield from (" ".join(words[i:j]) for i, j in ends)
        return
    classed = words[0] in CLASS_KEYS
    if form.type != "LOC":  # شرق سوريا is not what الشرق alone means
        yield from (" ".join(words[:end]) for end in range(2 if classed else 1, len(words)))
    if classed:
        yield from (" ".join(words[1:end]) for end in range(2, len(words) + 1))
    elif form.type in _ENDED and not any(word.startswith("ال") for word in key(form.name).split()):
        yield from (" ".join(words[start:]) for start in range(1, len(words)))  # ماميلودي صن داونز: صن داونز


def _offers(found: Sequence[Form | None], within: Inside) -> list[set[Key]]:
    """The shorter names that each mention allows. What stands inside it as a name of its own is another thing:
    مفوضية الاتحاد الأفريقي is not الاتحاد الأفريقي."""
    offers: list[set[Key]] = []
    for number, form in enumerate(found):
        others = {inner.identity for part in within[number] if (inner := found[part])}
        offers.append({(form.type, part) for part in _parts(form)} - others if form else set())
    return offers


def _short_keys(found: Sequence[Form | None], offers: Sequence[set[Key]]) -> set[Key]:
    """Identities in use that are part of a longer name in use."""
    offered = set().union(*offers)
    return {form.identity for form in found if form and form.identity in offered and not form.known}


def _join_shorts(
    found: Sequence[Form | None], groups: _Groups, shorts: Collection[Key], offers: Sequence[set[Key]]
) -> None:
    seeks = [{form.identity} if form and form.identity in shorts else set() for form in found]
    _join_nearest(groups, seeks, offers)


def _join_variants(found: Sequence[Form | None], groups: _Groups, shorts: Collection[Key]) -> None:
    """Joins names that differ by one edit in one long word: أمريكا and أميركا, قامشلي and قامشلو."""
    first: dict[Key, int] = {}
    for number, form in enumerate(found):
        # سلمان and سليمان are two men, unless the rest of the name agrees
        alone = form and form.type == "PERS" and " " not in form.key
        if form and form.type in _VARIED and form.is_proper and form.identity not in shorts and not alone:
            first.setdefault(form.identity, number)
    similar: dict[tuple[object, ...], list[Key]] = defaultdict(list)
    for identity in first:
        for shared in signatures(identity[1]):
            for other in similar[(identity[0], *shared)]:
                if is_variant(identity[1], other[1]):
                    groups.join(first[identity], first[other])
            similar[(identity[0], *shared)].append(identity)


def _join_capitals(found: Sequence[Form | None], groups: _Groups) -> None:
    """Joins a capital that acts to its state, where the article names that state."""
    states = {form.key: number for number, form in enumerate(found) if form and form.type == "GPE" and form.is_proper}
    for number, form in enumerate(found):
        if form and form.state in states:
            groups.join(number, states[form.state])


# -- things spoken of without their names ----------------------------------------------------------


def _join_generic(text: str, mentions: Sequence[Mention], found: Sequence[Form | None], groups: _Groups) -> None:
    """Joins class nouns on their own to the nearest thing of that class; what finds none keeps to its
    like."""
    named: dict[int, set[Key]] = defaultdict(set)
    for number, form in enumerate(found):
        if form and not form.generic and form.type in HEADED:
            nouns = classes(text, mentions[number], form)
            named[groups.root(number)] |= {(form.type, noun) for noun in nouns}
    seeks = [
        {(form.type, form.generic)} if form and form.generic and form.generic != COUNTRY else set() for form in found
    ]
    offers = [named[groups.root(n)] if form and not form.generic else set() for n, form in enumerate(found)]
    lost = _join_homes(found, groups, _join_nearest(groups, seeks, offers), named)
    alone: dict[object, list[int]] = defaultdict(list)
    for number in lost:
        form = found[number]
        if form:
            alone[(form.type, form.generic)].append(number)
    for numbers in alone.values():
        groups.join_all(numbers)


def _join_homes(
    found: Sequence[Form | None], groups: _Groups, lost: Sequence[int], named: dict[int, set[Key]]
) -> list[int]:
    """Joins القرية to the town or village that the article speaks of most and calls nothing else; returns the rest.

    The one named last would be nearer, but names of many places pass by an article that is about one.
    """
    counts: Counter[int] = Counter()
    for number, form in enumerate(found):
        root = groups.root(number)
        called = any(noun in _SETTLEMENTS for _, noun in named[root])
        if form and form.type == "GPE" and form.is_proper and not _is_state(form) and not called:
            counts[root] += 1
    top = next(iter(counts.most_common(1)), (-1, 0))
    if top[1] < _OFTEN:
        return list(lost)
    still = []
    for number in lost:
        form = found[number]
        if form and form.type == "GPE" and form.generic in _HOMES:
            groups.join(number, top[0])
        else:
            still.append(number)
    return still


def _is_state(form: Form) -> bool:
    return form.type == "GPE" and (form.key in STATE_KEYS or form.known is not None)


def _join_countries(found: Sequence[Form | None], groups: _Groups) -> None:
    """Joins بلاده to the state spoken of last, by its name or by its people's adjective, or to the first after it."""
    states = {form.key: number for number, form in enumerate(found) if form and _is_state(form)}
    last, waiting = -1, []
    for number, form in enumerate(found):
        if form and form.generic == COUNTRY:
            if last < 0:
                waiting.append(number)
            else:
                groups.join(number, last)
            continue
        named = _state_of(form, states) if form else None
        last = last if named is None else named
        if named is not None and waiting:
            groups.join_all([named, *waiting])
            waiting = []
    groups.join_all(waiting)


def _state_of(form: Form, states: dict[str, int]) -> int | None:
    """The mention of the state that a form speaks of: itself, its capital, or its people (التركي: تركيا)."""
    if form.type == "GPE":
        return states.get(form.state or form.key)
    stem = form.key.removesuffix("ي") if form.type == "NORP" and " " not in form.key else ""
    # تركي + ا, سوري + ا, فرنسي - ي + ا, مصري - ي; a longer tail makes another name
    candidates = (stem, f"{stem}يا", f"{stem}ا", f"{stem}ه") if len(stem) >= 2 else ()
    return next((states[name] for name in candidates if name in states), None)


def _join_posts(text: str, mentions: Sequence[Mention], found: Sequence[Form | None], groups: _Groups) -> None:
    """Joins a post told again, الضابط, to the nearest before it that began with it, ضابط في غرفة العمليات.

    A title before a name (الضابط سامر) speaks of that name's bearer and joins nothing.
    """
    titles = {mention.start for mention in mentions if mention.type == "PERS"}
    told: dict[str, int] = {}
    for number, (mention, form) in enumerate(zip(mentions, found, strict=True)):
        if not form or form.type != "OCC":
            continue
        words = key(form.name).split()
        if len(words) > 1 and not words[0].startswith("ال"):
            told[words[0]] = number
        elif len(words) == 1 and words[0][2:] in told and words[0].startswith("ال"):
            after = len(text) - len(text[mention.end :].lstrip())
            if after not in titles:
                groups.join(told[words[0][2:]], number)


def _join_composed(
    text: str, mentions: Sequence[Mention], found: Sequence[Form | None], groups: _Groups, within: Inside
) -> None:
    """Joins names that are the same words around names of one thing: محيط الباغوز and محيط قرية الباغوز."""
    same: dict[object, list[int]] = defaultdict(list)
    for number, form in enumerate(found):
        parts = [part for part in within[number] if found[part]]
        if form and form.is_proper and not form.known and parts:
            roots = {part: groups.root(part) for part in parts}
            same[(form.type, signature(text, mentions, number, form.name, roots))].append(number)
    for numbers in same.values():
        groups.join_all(numbers)


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


# -- result ----------------------------------------------------------------------------------------


def _number(mentions: Sequence[Mention], found: Sequence[Form | None], groups: _Groups, within: Inside) -> Resolution:
    members: dict[int, list[int]] = defaultdict(list)
    roots = [groups.root(number) if form else None for number, form in enumerate(found)]
    for number, root in enumerate(roots):
        if root is not None:
            members[root].append(number)
    ids = {root: f"C{number}" for number, root in enumerate(members, 1)}
    chosen = {root: _fullest(found, numbers) for root, numbers in members.items()}
    namer = Namer(mentions, found, within, roots, chosen)
    clusters = tuple(Cluster(id=ids[root], name=namer.name(root), type=mentions[root].type) for root in members)
    of = tuple(None if root is None else ids[root] for root in roots)
    return Resolution(clusters, of, tuple(form.name if form else None for form in found))


def _fullest(found: Sequence[Form | None], numbers: Sequence[int]) -> int | str:
    """The mention whose name a cluster bears, or a known thing's own name.

    That is the name of most words and letters; class nouns on their own and capitals come last.
    """
    group = {number: form for number in numbers if (form := found[number])}
    known = next((form.known for form in group.values() if form.known), None)
    if known:
        return known.name
    proper = {number: form for number, form in group.items() if form.is_proper}
    weak = next((WEAK_NAMES[form.identity] for form in group.values() if form.identity in WEAK_NAMES), None)
    if not proper and weak:
        return weak.name
    return max(proper or group, key=lambda number: _fullness(group[number]))


def _fullness(form: Form) -> tuple[int, int]:
    return len(form.key.split()), len(clean(form.name))

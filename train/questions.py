"""The stance questions of an annotated article, as a `pair` head is asked them: gold targets, gold passages, gold
mentions.

The author is asked about whole passages, a quoted speaker about what the rules of `rasid.speech` find to be its words.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rasid.places import Place
from rasid.records import Entity, Record, Stance
from rasid.scoring import Pair
from rasid.speech import Named, voices
from rasid.standing import inside, standing
from rasid.targets import standard_name
from rasid.text import Span

if TYPE_CHECKING:
    from .sources import Article


@dataclass(frozen=True)
class Asked:
    """A stance of the gold record and the question that it answers."""

    stance: Stance
    pair: Pair


def _mentions(record: Record) -> dict[str, list[Entity]]:
    """The standing mentions of each cluster, in text order."""
    ordered = sorted(record.entities, key=lambda e: (e.start, -e.end))
    found: dict[str, list[Entity]] = defaultdict(list)
    for entity, stands in zip(ordered, standing(ordered), strict=True):
        if stands and entity.cluster:
            found[entity.cluster].append(entity)
    return found


def named(record: Record) -> list[Named]:
    """The mentions that may be speakers, in text order."""
    ordered = sorted(record.entities, key=lambda e: (e.start, -e.end))
    return [Named(entity.span, entity.type, entity.cluster) for entity in ordered if entity.cluster]


def asked_of(article: Article) -> Iterator[Asked]:
    """The author's stances per passage."""
    record, mentions = article.record, _mentions(article.record)
    names = {cluster.id: standard_name(cluster.name) for cluster in record.clusters}
    for stance in record.stances:
        if stance.scope != "article" and stance.holder == "author":
            scope = Span(*stance.scope)
            places = inside(scope, mentions[stance.target])
            place = Place(article.text, scope.start)
            yield Asked(stance, Pair(names[stance.target], scope.of(article.text), places, place))


def quoted_of(article: Article) -> Iterator[Asked]:
    """The stances of quoted speakers whose words the rules find; and `none` for a target that a speaker names without a
    stance in the record."""
    record, mentions = article.record, _mentions(article.record)
    names = {cluster.id: standard_name(cluster.name) for cluster in record.clusters}
    speakers = named(record)
    gold = {(s.target, s.scope, s.holder): s for s in record.stances}
    for scope, target in dict.fromkeys((s.scope, s.target) for s in record.stances if s.scope != "article"):
        heard: set[str] = set()
        for voice in voices(article.text, Span(*scope), speakers):
            places = inside(voice.content, mentions[target])
            known = gold.get((target, scope, voice.holder))
            if voice.holder in heard or voice.holder == target or not (places or known):
                continue
            heard.add(voice.holder)
            stance = known or Stance(target=target, scope=scope, label="none", holder=voice.holder)
            place = Place(article.text, voice.content.start)
            yield Asked(stance, Pair(names[target], voice.content.of(article.text), places, place))

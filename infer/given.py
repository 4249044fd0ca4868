"""Given targets: names or claims of the user's, which an article need not mention.

One that names a cluster of the article is asked about as that cluster. Of the others the passages that share words with
them are asked, without mentions to go by; their stances are towards a cluster with the mark `given`. The module runs no
model.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rasid.errors import ConfigError
from rasid.records import GIVEN, Cluster, Stance
from rasid.targets import standard_name
from rasid.text import Span, content_words, passages

from .clusters import Resolution
from .names import bare, key
from .stances import Question

_SHARED = 2  # words
_LETTER = "G"  # of the ids; those of an article's own clusters begin with C


@dataclass(frozen=True, slots=True)
class Given:
    """What the targets of a command line are in one article: clusters of its own, and further ones with questions."""

    known: frozenset[str]  # ids of the article's own clusters
    clusters: tuple[Cluster, ...]
    questions: tuple[Question, ...]


_NOTHING = Given(frozenset(), (), ())


def check_targets(targets: Sequence[str]) -> tuple[str, ...]:
    """The targets, white space made single. Raises ConfigError for one without a letter, and for one given twice."""
    cleaned = tuple(" ".join(target.split()) for target in targets)
    for number, target in enumerate(cleaned):
        if not any(character.isalnum() for character in target):
            raise ConfigError(f"--target {target!r}: a name or a sentence is needed")
        if target in cleaned[:number]:
            raise ConfigError(f"--target {target!r}: given twice")
    return cleaned


def given(text: str, targets: Sequence[str], resolution: Resolution) -> Given:
    """The given targets in an article."""
    if not targets:
        return _NOTHING
    own = {_same(cluster.name): cluster.id for cluster in resolution.clusters}
    for name, cluster in zip(resolution.names, resolution.of, strict=True):
        if name and cluster:
            own.setdefault(_same(name), cluster)
    known = frozenset(own[_same(target)] for target in targets if _same(target) in own)
    free = [target for target in targets if _same(target) not in own]
    clusters = tuple(
        Cluster(id=f"{_LETTER}{n}", name=target, type=GIVEN, given=True) for n, target in enumerate(free, 1)
    )
    units = passages(text) if free else []
    asked = tuple(
        Question(cluster.id, cluster.name, passage)
        for cluster in clusters
        for passage in _speaking_of(cluster.name, text, units)
    )
    return Given(known, clusters, asked)


def is_given(target: str) -> bool:
    """Whether a cluster id is that of a given target."""
    return target.startswith(_LETTER)


def _speaking_of(target: str, text: str, units: Sequence[Span]) -> list[Span]:
    """The passages that share two words with a target, or its only one. Of the others a head that learnt from claims
    and texts about them would still say something."""
    asked = content_words(target)
    least = min(_SHARED, len(asked))
    return [unit for unit in units if least and len(asked & content_words(unit.of(text))) >= least]


def _same(name: str) -> str:
    """What two spellings of a target share; one for each of the standing targets."""
    return bare(key(standard_name(name)))


def told(found: Sequence[Stance], clusters: Sequence[Cluster]) -> tuple[Stance, ...]:
    """The stances, and `none` without a score towards the given targets that no passage speaks of."""
    answered = {stance.target for stance in found}
    silent = (Stance(target=c.id, scope="article", label="none") for c in clusters if c.id not in answered)
    return (*found, *silent)

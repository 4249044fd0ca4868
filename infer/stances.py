"""Stance: which clusters are asked about, in which passages, and what the answers add up to for the article.

Targets and passages follow the annotation guidelines' stance rules. The module turns clusters into questions
and the `pair` head's probabilities into stances; it never runs a model.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rasid.aggregation import MEAN, article_probabilities
from rasid.calibration import NOTHING, Calibration, decided
from rasid.labels import SALIENT, STANCES, StanceLabel
from rasid.records import Cluster, Stance
from rasid.speech import AUTHOR
from rasid.standing import inside, standing
from rasid.targets import TARGETS
from rasid.text import Span, passages

from .clusters import Resolution
from .lexicon import SETTLEMENTS
from .mentions import Mention
from .names import key

Floats = NDArray[np.floating]
_ALWAYS = frozenset((target.type, target.name) for target in TARGETS)
_SETTLEMENTS = frozenset(map(key, SETTLEMENTS))
_MENTIONS = 2  # of a cluster, outside other names, before it is a target
_EVIDENCE = 3  # passages at most
_LONG_PASSAGE = 1400  # characters, twice the usual most; text without any full stop is read around its mentions
_AROUND = 350  # characters read on each side of a mention there
_DIGITS = 4  # of a score
_NONE = STANCES.index("none")


@dataclass(frozen=True, slots=True)
class Question:
    """What is the stance of `holder` in `passage` towards cluster `target`, called `name`?"""

    target: str
    name: str
    passage: Span
    mentions: tuple[Span, ...] = ()  # of the target, counted from the start of what is read
    holder: str = AUTHOR
    words: Span | None = None  # a quoted speaker's own, which are read in place of the passage

    @property
    def read(self) -> Span:
        """What of the text is read for the answer."""
        return self.passage if self.words is None else self.words


@dataclass(frozen=True, slots=True)
class Verdict:
    """A label with its probability."""

    label: StanceLabel
    score: float


def _is_target(cluster: Cluster, count: int) -> bool:
    """Whether a cluster with `count` standing mentions is asked about (annotation guidelines, stance rule
    1)."""
    if (cluster.type, cluster.name) in _ALWAYS:
        return count > 0
    settlement = cluster.type == "GPE" and key(cluster.name).partition(" ")[0] in _SETTLEMENTS
    return cluster.type in SALIENT and count >= _MENTIONS and not settlement


def questions(
    text: str, mentions: Sequence[Mention], resolution: Resolution, named: Collection[str] = ()
) -> list[Question]:
    """A question for each target and each passage that mentions it, by target and then by place. The clusters in
    `named` are targets however seldom they are mentioned."""
    places: dict[str, list[Mention]] = defaultdict(list)
    for mention, cluster, stands in zip(mentions, resolution.of, standing(mentions), strict=True):
        if cluster and stands:
            places[cluster].append(mention)
    units = passages(text) if places else []
    return [
        Question(cluster.id, cluster.name, passage, inside(passage, places[cluster.id]))
        for cluster in resolution.clusters
        if _is_target(cluster, len(places[cluster.id])) or (cluster.id in named and places[cluster.id])
        for passage in _mentioning(text, units, places[cluster.id])
    ]


def _mentioning(text: str, units: Sequence[Span], mentions: Sequence[Mention]) -> list[Span]:
    """The passages that hold one of the mentions; of endless ones, the parts around them, which do not overlap
    unless a mention stands across their border."""
    starts = [unit.start for unit in units]
    found: list[Span] = []
    for mention in mentions:
        number = bisect_right(starts, mention.start) - 1
        if number < 0 or not units[number].contains(mention.span):
            continue  # in page furniture
        unit, read = units[number], found[-1].end if found else 0
        if mention.end <= read:
            continue
        if len(unit) > _LONG_PASSAGE:
            unread = Span(min(max(unit.start, read), mention.start), unit.end)
            unit = _around(text, unread, mention)
        found.append(unit)
    return found


def _around(text: str, unit: Span, mention: Mention) -> Span:
    """The part of an endless passage around a mention, whole words where there are any."""
    start, end = max(unit.start, mention.start - _AROUND), min(unit.end, mention.end + _AROUND)
    if start > unit.start:
        space = text.find(" ", start, mention.start)
        start = space + 1 if space >= 0 else start
    if end < unit.end:
        space = text.rfind(" ", mention.end, end)
        end = space if space >= 0 else end
    while text[start].isspace():
        start += 1
    while text[end - 1].isspace():
        end -= 1
    return Span(start, end)


def passage_verdict(probabilities: Floats, least: float = 0.0) -> Verdict:
    """The likeliest label; probabilities (3,) in the order of `STANCES`. In doubt, `none`, and so where a side does
    not reach `least`."""
    best = int(decided(probabilities[None], _NONE, least)[0])
    return Verdict(STANCES[best], float(probabilities[best]))


def article_verdict(probabilities: Floats, calibration: Calibration = NOTHING, how: str = MEAN) -> Verdict:
    """One label from those of the passages (passages, 3), put together by one of `rasid.aggregation`; `none` unless a
    side beats it."""
    return passage_verdict(calibration.article(article_probabilities(probabilities, how)[None]), calibration.least)


def evidence(
    label: StanceLabel, asked: Sequence[Question], probabilities: Floats, least: float = 0.0
) -> tuple[Span, ...]:
    """The passages whose own label is the article's, the surest first, at most three; where none of them takes the
    article's side by itself, the one that leans to it most. probabilities: (questions, 3)."""
    scores = probabilities[:, STANCES.index(label)]
    order = [int(number) for number in np.argsort(-scores, kind="stable")]
    own = [number for number in order if passage_verdict(probabilities[number], least).label == label]
    return tuple(asked[number].passage for number in (own or order[:1])[:_EVIDENCE])


def stances(
    asked: Sequence[Question], probabilities: Floats, calibration: Calibration = NOTHING, how: str = MEAN
) -> tuple[Stance, ...]:
    """The stances of an article: for each target the author's of the article and of each passage, then those of quoted
    speakers, who have one only where they take a side.

    probabilities: (questions, 3) in the order of `STANCES`; `calibration` says what a side has to reach.
    """
    least = calibration.least
    rows: dict[str, list[int]] = defaultdict(list)
    quoted: dict[str, list[int]] = defaultdict(list)
    for number, question in enumerate(asked):
        (rows if question.holder == AUTHOR else quoted)[question.target].append(number)
    found: list[Stance] = []
    for target, numbers in rows.items():
        of_target = [asked[number] for number in numbers]
        verdicts = [passage_verdict(probabilities[number], least) for number in numbers]
        whole = article_verdict(probabilities[numbers], calibration, how)
        proof = None if whole.label == "none" else evidence(whole.label, of_target, probabilities[numbers], least)
        found.append(_stance(target, None, whole, proof))
        found += [_stance(target, q.passage, v, None) for q, v in zip(of_target, verdicts, strict=True)]
        for number in quoted[target]:
            verdict, holder = passage_verdict(probabilities[number], least), asked[number].holder
            if verdict.label != "none":
                found.append(_stance(target, asked[number].passage, verdict, None, holder))
    return tuple(found)


def _stance(
    target: str, scope: Span | None, verdict: Verdict, proof: tuple[Span, ...] | None, holder: str = AUTHOR
) -> Stance:
    return Stance(
        target=target,
        holder=holder,
        scope="article" if scope is None else (scope.start, scope.end),
        label=verdict.label,
        score=rounded(verdict.score),
        evidence=None if proof is None else tuple((place.start, place.end) for place in proof),
    )


def rounded(score: float) -> float:
    """A probability as records print it; float32 sums may pass 1 by a hair."""
    return round(min(1.0, max(0.0, score)), _DIGITS)

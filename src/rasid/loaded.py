"""Loaded words: names and adjectives of the press that take a side by themselves, and a stance read off them alone.

The lists are general: words that Arabic news of any country blames or praises with, drawn up by hand for the project,
not learnt from its articles. They see words one by one, in the spelling that `rasid.normalizer` gives, without
particles and common endings; they know nothing of negation, irony or of who speaks.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from rasid.labels import StanceLabel
from rasid.normalizer import normalise
from rasid.text import Span, words


def _words(*rows: str) -> frozenset[str]:
    return frozenset(_stem(normalise(word)) for row in rows for word in row.split())


def _stem(key: str) -> str:
    """A normal form without particle, article and the commonest endings: والإرهابيين -> ارهابي."""
    for particle in ("وال", "فال", "بال", "كال", "لل", "ال"):
        if key.startswith(particle) and len(key) - len(particle) >= 3:
            key = key[len(particle) :]
            break
    for ending in ("ين", "ون", "ات", "ه", "ا"):
        if key.endswith(ending) and len(key) - len(ending) >= 3:
            return key[: -len(ending)]
    return key


BLAME = _words(
    # names for an enemy
    "إرهابي إرهابية إرهابيون دموي دموية تكفيري تكفيرية متطرف متطرفة متشدد متشددة خوارج دواعش مرتزقة عصابة عصابات",
    "ميليشيا ميليشيات ميلشيا مليشيا مليشيات طغمة زمرة شرذمة أذناب خونة خائن خائنة بلطجية شبيحة",
    "مجرم مجرمة مجرمون قتلة سفاح سفاحون جزار جلاد جلادون طاغية طغاة طاغوت مستبد مستبدة دكتاتور ديكتاتور",
    "غاصب غاصبة استعماري استعمارية عنصري عنصرية",
    "فاشي فاشية نازي نازية همجي همجية بربري بربرية برابرة وحشي وحشية أفعى أفاعي حثالة مزعوم مزعومة",
    "مارق مارقة ظالمة ظلمة ناهبون منافق منافقون متآمر متآمرون مأجور مأجورة",
    # deeds and things said with blame
    "إبادة فظائع عدواني عدوانية",
    "خانت خذل خذلت غدر",
    "تضليل أكاذيب زيف زائف زائفة نفاق عار فضيحة فضائح مخز مخزية مخجل مخجلة مهزلة",
    "استبداد طغيان وحشية همجية بشع بشعة شنيع شنيعة غاشم غاشمة",
    "سافر سافرة آثم آثمة جبان جبانة خسيس خبيث خبيثة حاقد حاقدة مشؤوم ملطخة تدنيس",
    "أطماع مطامع غطرسة عنجهية استعلاء",
)
PRAISE = _words(
    "بطل بطلة أبطال بطولي بطولية بواسل باسل باسلة بسالة شجاع شجاعة شجعان صامد صامدة صمود أبي أبية مغوار أشاوس",
    "شهيد شهداء شهيدة تضحية تضحيات فداء أوفياء مخلص مخلصة نزيه نزيهة شريفة شرفاء كرامة",
    "عظيم عظيمة عظماء رشيدة ملهم ملهمة متميز متميزة مميز مميزة فذ",
    "إنجاز إنجازات باهر باهرة مبهر انتصارات مظفر مظفرة",
    "حماة منارة مفخرة فخور مشرف مشرفة مشرق مشرقة ناصع معطاء",
    "سامية رائع رائعة مذهل",
    "تفان تفاني إخلاص",
)
_NEAR = 4  # words on each side of a mention in which a loaded word is taken to speak of it
# How a head's classes and loaded words are put together (docs/decisions/0009-stance-designs.md): the head counts
# little, because a few dozen examples leave it sure of what it does not know.
_TRUST = 0.25  # power of the head's probabilities
_WORD = 4.0  # log-odds of a side for a loaded word near a mention
_LEAST = 1e-4  # probability of the head's, so that one answer cannot outweigh any wording
_DOUBT = 1.0  # log-odds of `none` beforehand


@dataclass(frozen=True, slots=True)
class Loads:
    """How many loaded words stand in a stretch of text."""

    praise: int
    blame: int


@lru_cache(maxsize=1 << 15)
def polarity(word: str) -> int:
    """1 for a word of praise, -1 for one of blame, 0 otherwise."""
    key = normalise(word)
    forms = {_stem(key)} | ({_stem(key[1:])} if key[:1] in "وفبل" and len(key) > 4 else set())
    return -1 if forms & BLAME else int(bool(forms & PRAISE))


@dataclass(frozen=True, slots=True)
class _Cut:
    """The words of a text: where they start and end, and their polarities."""

    starts: list[int]
    ends: list[int]
    polarities: list[int]


@lru_cache(maxsize=1 << 8)  # passages; each is asked about for several targets, one soon after the other
def _cut(text: str) -> _Cut:
    found = words(text)
    return _Cut([w.start for w in found], [w.end for w in found], [polarity(w.of(text)) for w in found])


def loads(text: str, mentions: Sequence[Span] = ()) -> Loads:
    """Loaded words of a text; with `mentions` (offsets into it), those in them or near one."""
    cut = _cut(text)
    near = set(range(len(cut.starts))) if not mentions else set[int]()
    for mention in mentions:
        first, end = bisect_right(cut.ends, mention.start), bisect_left(cut.starts, mention.end)
        if first < end:  # words first to end - 1 are in it
            near.update(range(max(0, first - _NEAR), min(len(cut.starts), end + _NEAR)))
    found = [cut.polarities[number] for number in near]
    return Loads(found.count(1), found.count(-1))


def stance_of(text: str, mentions: Sequence[Span] = ()) -> StanceLabel:
    """The side of most loaded words near the mentions; `none` when there are as many of both."""
    found = loads(text, mentions)
    if found.praise == found.blame:
        return "none"
    return "favor" if found.praise > found.blame else "against"


def weighed(probabilities: NDArray[np.float32], found: Sequence[Loads | None]) -> NDArray[np.float32]:
    """Class probabilities (pairs, 3), in the order of `STANCES`, with what the wording near a target says put in.

    A pair whose loads are None stays as it is: its target is not mentioned, so no word stands near it.
    """
    mixed = probabilities.copy()
    for row, own in enumerate(found):
        if own is not None:
            said = _WORD * np.array([own.praise, own.blame, 0.0]) + np.array([0.0, 0.0, _DOUBT])
            logits = _TRUST * np.log(np.maximum(probabilities[row], _LEAST)) + said
            odds = np.exp(logits - logits.max())
            mixed[row] = odds / odds.sum()
    return mixed

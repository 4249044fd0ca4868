"""The workload of a benchmark: Arabic articles as long as news, written by rule, the same for the same seed.

What the text says means nothing. What costs time is like news: the lengths (log-normal, as four newspapers have them),
the variety of words (drawn by their frequency from `rasid.repair`'s list of forms), names that come back in a
paragraph and in the next, quotations, dates and numbers. It knows nothing of models.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate

from rasid.targets import TARGETS
from rasid.wordforms import wordforms

from .articles import Article

# Words of an article: the medians of four newspapers are 162 to 382, the deviations of the logarithm 0.61 to 0.74.
_MEDIAN = 270
_DEVIATION = 0.65
_LEAST, _MOST = 40, 2000
_PARAGRAPH = (35, 75)  # words, at least and at most
_FILLER = (6, 16)  # words of a sentence that are drawn by frequency
_CAST = (3, 7)  # parties of an article


def _words(row: str) -> tuple[str, ...]:
    return tuple(row.split())


_GIVEN = _words("أحمد سامر ليلى خالد منى يوسف نادر هالة كريم رنا عمر سلوى طارق دينا ماهر هدى فارس ريم باسل نورا")
_FAMILY = _words("الحداد النجار الخطيب المصري الشامي العلي الحسن القاسم البيطار الصباغ الحكيم العطار الرفاعي الجندي")
_PLACES = _words("دمشق بغداد القاهرة حلب الموصل البصرة الرقة إدلب عدن صنعاء طرابلس بنغازي الخرطوم تونس بيروت عمان")
_BODIES = _words("وزارة هيئة اتحاد نقابة مجلس لجنة منظمة جمعية حركة حزب")
_FIELDS = _words("الصحة التعليم الزراعة الصيادين المعلمين العدل النقل الطاقة الإغاثة الإعمار البيئة الكهرباء")
_ROLES = ("رئيس الحكومة", "وزير الخارجية", "المتحدث باسم الجيش", "مدير المركز", "رئيس البلدية")
_SAID = ("قال", "أكد", "أوضح", "أعلن", "رأى", "ذكر")
_DID = ("وصل إلى", "اجتمع مع", "زار", "انتقد", "أشاد ب", "رد على", "اتهم", "دعا إلى دعم")
_MONTHS = _words("يناير فبراير مارس أبريل مايو يونيو يوليو أغسطس سبتمبر أكتوبر نوفمبر ديسمبر")


@dataclass(frozen=True)
class _Forms:
    """Word forms with the running sums of their frequencies."""

    forms: Sequence[str]
    sums: Sequence[float]

    @classmethod
    def shipped(cls) -> _Forms:
        shares = wordforms().shares
        forms = sorted(shares)
        return cls(forms, list(accumulate(10 ** shares[form] for form in forms)))

    def draw(self, rng: random.Random, count: int) -> list[str]:
        return rng.choices(self.forms, cum_weights=self.sums, k=count)


def articles(count: int, seed: int) -> Iterator[Article]:
    """`count` articles. The first n of more are the same as n."""
    forms = _Forms.shipped()
    for number in range(count):
        rng = random.Random(f"{seed}:{number}")
        yield Article(f"article-{number:07}", _text(rng, forms), {"source": "workload"})


def _text(rng: random.Random, forms: _Forms) -> str:
    left = min(_MOST, max(_LEAST, round(_MEDIAN * rng.lognormvariate(0.0, _DEVIATION))))
    cast = [_party(rng) for _ in range(rng.randint(*_CAST))]
    paragraphs: list[str] = []
    while left > 0:
        words = _paragraph(rng, forms, cast, min(left, rng.randint(*_PARAGRAPH)))
        paragraphs.append(" ".join(words))
        left -= len(words)
    return "\n\n".join(paragraphs)


def _party(rng: random.Random) -> str:
    """A party that stands in an article more than once."""
    kind = rng.random()
    if kind < 0.3:
        return f"{rng.choice(_GIVEN)} {rng.choice(_FAMILY)}"
    if kind < 0.6:
        return f"{rng.choice(_BODIES)} {rng.choice(_FIELDS)}"
    return rng.choice(TARGETS).name if kind < 0.8 else rng.choice(_PLACES)


def _paragraph(rng: random.Random, forms: _Forms, cast: Sequence[str], size: int) -> list[str]:
    words: list[str] = []
    while len(words) < size:
        words += _sentence(rng, forms, cast).split()
    return words


def _sentence(rng: random.Random, forms: _Forms, cast: Sequence[str]) -> str:
    """A verb, a party or two of the cast, words drawn by frequency, and now and then a quotation, date or amount."""
    filler = forms.draw(rng, rng.randint(*_FILLER))
    weights = [1 / rank for rank in range(1, len(cast) + 1)]  # the first of the cast is what the article is about
    first, second = rng.choices(cast, weights, k=2)
    kind = rng.random()
    if kind < 0.3:
        return f"و{rng.choice(_SAID)} {rng.choice(_ROLES)} {first} إن {' '.join(filler)}."
    if kind < 0.4:
        return f"وقالت {first} «{' '.join(filler)}»، في إشارة إلى {second}."
    if kind < 0.7:
        return f"و{rng.choice(_DID)} {first} {' '.join(filler)}."
    date = f"يوم {rng.randint(1, 28)} {rng.choice(_MONTHS)} {rng.randint(2010, 2024)}"
    amount = f"نحو {rng.randint(2, 900)} ألف دولار" if kind < 0.85 else f"في {rng.choice(_PLACES)}"
    return f"{' '.join(filler)} {second} {amount} {date}."

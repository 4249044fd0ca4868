"""Figures by their form: percentages, measures, amounts of money, hours, periods, and numbers of several words.

Texts to learn from hold few of them, and their form leaves little to learn: ٤٪, 60 في المئة, 700 متر مربع, تسعة
ملايين ليرة سورية, سبعة وأربعين. A number belongs to the span of what it counts and is no CARDINAL in it (annotation
guidelines, rule 11); the unit is a span in a measure's, the currency in an amount's. Numbers of one word that count
something else are left to whoever reads the words around them. Knows nothing of scores.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache

from rasid import moments
from rasid.figurewords import Told, Words, definite, forms, plain, stems
from rasid.numerals import VAGUE, Number, is_numeral, number_at

_SIGNS = frozenset("%٪")
_HUNDREDS = forms("مئة مائة مية ماية")
_OF_A_HUNDRED = frozenset(before + own for before in ("بال", "ب") for own in _HUNDREDS)
_HUNDRED = _HUNDREDS | definite(_HUNDREDS)
_GLUED = re.compile(rf"[وفبلك]{{0,2}}[+\-]?\d+(?:[.,٫٬/\-]\d+)*ب(?:ال)?(?:{'|'.join(sorted(_HUNDREDS))})")

_UNITS = forms("""
    متر مترا أمتار كيلومتر كيلومترا كيلومترات كلم كم سنتيمتر سنتيمترا سنتيمترات سم ملم ميل ميلا أميال طن
    طنا أطنان كيلوغرام كيلوغراما كيلوغرامات كيلوجرام كيلوجراما كيلوجرامات كغ كغم كجم كيلو غرام غراما
    غرامات جرام جراما جرامات لتر لترا لترات ليتر برميل برميلا براميل هكتار هكتارا هكتارات فدان فدانا
    أفدنة دونم دونما دونمات ميغاواط ميجاوات كيلوواط
""")
_TWO_UNITS = forms("كيلومترين مترين طنين كيلوغرامين كيلوجرامين ميلين برميلين هكتارين دونمين")
_SHAPES = forms("مربع مربعا مربعة مكعب مكعبا مكعبة")
_CURRENCIES = forms("""
    دولار دولارا دولارات يورو ليرة ليرات دينار دينارا دنانير درهم درهما دراهم ريال ريالا ريالات جنيه
    جنيها جنيهات شيكل شيكلا شيقل شواكل روبل روبلا يوان يوانا فرنك فرنكا تومان
""")
_COUNTED_CURRENCIES = _CURRENCIES | forms("ين ينا سنت سنتا روبية")  # alone they are other words too
_COUNTRIES = forms("""
    أمريكي أميركي كندي أسترالي سوري لبناني عراقي أردني كويتي ليبي تونسي جزائري بحريني قطري سعودي عماني
    يمني مصري سوداني إيراني تركي إماراتي مغربي إسرائيلي إسترليني فلسطيني صيني ياباني روسي هندي سويسري
    باكستاني
""")
_OF_COUNTRIES = frozenset(country + ending for country in _COUNTRIES for ending in ("", "ه", "ا"))
_HOURS = forms("ساعة ساعات دقيقة دقائق ثانية ثوان ثواني")
_TWO_HOURS = forms("ساعتين ساعتان دقيقتين دقيقتان ثانيتين")
_DAYS = forms("أيام يوما أسابيع أسبوعا أشهر شهور شهرا سنة سنوات سنين أعوام عاما عقود عقدا قرون قرنا")
_DAYS_OF_WORDS = forms("يوم أسبوع شهر عام عقد قرن")  # counted by numbers in words alone: 5 may be of the date behind it
_NAMED_BY_NUMBERS = forms("عام العام سنة السنة رقم مادة المادة الفقرة")
_ORDINALS = forms("ثالث خامس سادس سابع ثامن تاسع عاشر ثالثة خامسة سادسة سابعة ثامنة تاسعة عاشرة")  # رابعة is a name too
_ORDINAL_ONES = definite(
    forms("حادي حادية ثاني ثانية ثالث ثالثة رابع رابعة خامس خامسة سادس سادسة سابع سابعة ثامن ثامنة تاسع تاسعة")
)
_TEN = forms("عشر عشرة")
_AGES = forms("القرن قرن سن")  # what an ordinal of two words is a DATE with
_PLACES = forms("مدريد")  # ريال مدريد
_MONEY = _CURRENCIES | definite(_CURRENCIES)
_BEGINS = moments.BEGINS | _TWO_UNITS | _TWO_HOURS | _MONEY | _ORDINALS | _ORDINAL_ONES | _SIGNS


class _Figures(Words):
    """Looks for figures in the words of an article, place by place."""

    def at(self, place: int) -> list[Told]:
        """What begins at `place`: the figure, then what stands in it; empty where there is none."""
        number = number_at(self.raw, place)
        return (
            moments.moment_at(self, place)
            or (self._counted(number) if number else self._sign_first(place) or self._glued(place))
            or self._two(place)
            or self._currency(place)
            or self._ordinal(place)
        )

    def _counted(self, number: Number) -> list[Told]:
        """A number and what it counts."""
        start, end = number.start, number.end
        percent = self._percent(end)
        if percent:
            return [Told(start, end + percent, "PERCENT")]
        following = self.plain(end)
        if following in _UNITS:
            stop = end + 1 + (self.plain(end + 1) in _SHAPES)
            return [Told(start, stop, "QUANTITY"), Told(end, stop, "UNIT", within=True)]
        if following in _COUNTED_CURRENCIES:
            stop = end + 1 + (self.plain(end + 1) in _OF_COUNTRIES)
            return [Told(start, stop, "MONEY"), Told(end, stop, "CURR", within=True)]
        if following in _HOURS:
            return [Told(start, end + 1, "TIME", open_left=True, open_right=True)]
        if following in _DAYS or (following in _DAYS_OF_WORDS and number.spelled):
            return [Told(start, end + 1, "DATE", open_left=True, open_right=True)]
        several = end - start > 1 and self.plain(start - 1) not in _NAMED_BY_NUMBERS
        return [Told(start, end, "CARDINAL")] if several or self.stem_in(start, VAGUE) else []

    def _percent(self, place: int) -> int:
        """How many words from `place` on say `percent`: a sign, بالمئة, or في المئة; 0 where they do not."""
        if self.plain(place) in _SIGNS or self.plain(place) in _OF_A_HUNDRED:
            return 1
        return 2 if self.plain(place) == "في" and self.plain(place + 1) in _HUNDRED else 0

    def _sign_first(self, place: int) -> list[Told]:
        """%70, as it is typed from right to left."""
        if self.raw[place] not in _SIGNS or not self.plain(place + 1):
            return []
        number = number_at(self.raw, place + 1)
        return [Told(place, place + 2, "PERCENT")] if number and not number.spelled else []

    def _glued(self, place: int) -> list[Told]:
        """20بالمئة."""
        return [Told(place, place + 1, "PERCENT")] if _GLUED.fullmatch(self.plain(place)) else []

    def _two(self, place: int) -> list[Told]:
        """كيلومترين, ساعتين: a dual counts by itself."""
        for kind, duals in {"QUANTITY": _TWO_UNITS, "TIME": _TWO_HOURS}.items():
            if self.stem_in(place, duals):
                return [Told(place, place + 1, kind)]
        return []

    def _currency(self, place: int) -> list[Told]:
        """الدولار, بالليرة السورية."""
        if self.stem_in(place, _MONEY) and self.plain(place + 1) not in _PLACES:
            whose = self.plain(place + 1).removeprefix("ال") in _OF_COUNTRIES
            return [Told(place, place + 1 + whose, "CURR")]
        return []

    def _ordinal(self, place: int) -> list[Told]:
        """ثالث زيارة, دون الثانية عشرة."""
        if self.stem_in(place, _ORDINALS):
            return [Told(place, place + 1, "ORDINAL")]
        found = self.stem_in(place, _ORDINAL_ONES) and self.plain(place + 1) in _TEN
        if not found or self.plain(place - 1) in _AGES or self.plain(place + 2) == "من":
            return []
        return [Told(place, place + 2, "ORDINAL")]


@lru_cache(maxsize=65536)
def _may_begin(word: str) -> bool:
    """Whether a figure may begin with the word: few words do, and the others need not be looked at."""
    return is_numeral(word) or not stems(word).isdisjoint(_BEGINS) or _GLUED.fullmatch(plain(word)) is not None


def figures(words: Sequence[str]) -> Iterator[Told]:
    """Every figure that its form settles, in order, with what stands in it; figures do not overlap."""
    looked, place = _Figures(words), 0
    while place < len(words):
        if not _may_begin(words[place]):
            place += 1
            continue
        found = looked.at(place)
        yield from found
        number = None if found else number_at(words, place)
        place = found[0].end if found else number.end if number else place + 1

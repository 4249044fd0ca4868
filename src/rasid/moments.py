"""Hours, days and periods by their form: الساعة الخامسة فجرا, 14:35 بتوقيت دمشق, مساء السبت, الأسابيع الأخيرة.

What an hour or a period is called leaves its ends open only where a day, a month or a year may follow, or a
preposition may belong to it, which annotated sets decide differently. Dates in figures are left to whoever reads the
words around them.
"""

from __future__ import annotations

import re

from rasid.figurewords import Told, Words, definite, forms
from rasid.numerals import is_numeral

_HOUR = forms("الساعة")
_HOUR_NAMES = definite(forms("واحدة ثانية ثالثة رابعة خامسة سادسة سابعة ثامنة تاسعة عاشرة حادية"))
_DAYTIMES = forms("صباحا مساء فجرا ظهرا عصرا ليلا نهارا")
_DAYTIMES_ALONE = forms("صباحا مساء فجرا ليلا نهارا")  # عصرا is an age, too
_OF_THE_DAY = (("بعد", "منتصف", "الليل"), ("بعد", "الظهر"), ("قبل", "الظهر"))
_PARTS_OF_HOURS = forms("والنصف والربع والثلث ونصف وربع وثلث")
_PARTS_OF_DAYS = forms("فجر صباح ظهر عصر مساء ليل ليلة")
_DAYS = forms("اليوم أمس السبت الأحد الاثنين الثلاثاء الأربعاء الخميس الجمعة")
_ORDINALS = definite(forms("أول ثاني ثالث رابع خامس سادس سابع ثامن تاسع عاشر حادي"))
_MONTHS = forms("""
    يناير فبراير مارس أبريل إبريل مايو يونيو يونيه يوليو يوليه أغسطس سبتمبر أكتوبر نوفمبر ديسمبر شباط
    آذار نيسان أيار حزيران تموز آب أيلول محرم صفر رجب شعبان رمضان شوال
""")
_PERIODS = definite(forms("يوم أيام أسبوع أسابيع شهر أشهر شهور عام أعوام سنة سنوات عقد عقود قرن قرون"))
_WHICH = definite(forms("ماضي ماضية أخير أخيرة مقبل مقبلة قادم قادمة جاري جارية حالي حالية منصرم منصرمة فائت فائتة"))
_MIDDLE = forms("منتصف")
_ONE = forms("واحد واحدة")
_ONE_DAY = forms("يوم أسبوع شهر عام سنة عقد قرن")
_ONE_HOUR = forms("ساعة دقيقة ثانية ليلة")
_CLOCK = re.compile(r"[01]?\d|2[0-4]")
_MINUTES = re.compile(r"[0-5]\d")

BEGINS = _HOUR | _HOUR_NAMES | _DAYTIMES_ALONE | _PARTS_OF_DAYS | _ORDINALS | _PERIODS | _ONE_DAY | _ONE_HOUR | _MIDDLE


def moment_at(words: Words, place: int) -> list[Told]:
    """The hour, day or period that begins at `place`, then what stands in it; empty where there is none."""
    return (
        _hour(words, place)
        or _time_of_day(words, place)
        or _day_of_month(words, place)
        or _period(words, place)
        or _one(words, place)
    )


def _hour(words: Words, place: int) -> list[Told]:
    named = words.stem_in(place, _HOUR)
    end = _hour_itself(words, place + named)
    if end is None:
        return []
    digits = end == place + named + 3
    end += named and words.plain(end) in _PARTS_OF_HOURS
    daytime = _daytime(words, end)
    if not (named or daytime or digits):
        return []
    end += daytime
    zone = 2 if words.plain(end) == "بتوقيت" and words.plain(end + 1) else 0
    return [Told(place, end + zone, "TIME")]


def _hour_itself(words: Words, place: int) -> int | None:
    """Where an hour that begins at `place` ends: الحادية عشرة, 5, 14:35."""
    if words.stem_in(place, _HOUR_NAMES):
        return place + 1 + (words.plain(place + 1) in ("عشر", "عشره"))
    if not _CLOCK.fullmatch(words.plain(place)):
        return None
    with_minutes = words.plain(place + 1) == ":" and _MINUTES.fullmatch(words.plain(place + 2))
    return place + 3 if with_minutes else place + 1


def _daytime(words: Words, place: int) -> int:
    """How many words from `place` on say which part of the day."""
    if words.plain(place) in _DAYTIMES:
        return 1
    said = (each for each in _OF_THE_DAY if all(words.plain(place + n) == own for n, own in enumerate(each)))
    return len(next(said, ()))


def _time_of_day(words: Words, place: int) -> list[Told]:
    """مساء السبت, فجر اليوم الخميس, in which the day is a DATE; منتصف الليل; ليلا."""
    if words.stem_in(place, _MIDDLE) and words.plain(place + 1) == "الليل":
        return [Told(place, place + 2, "TIME")]
    end = place + 1
    if words.stem_in(place, _PARTS_OF_DAYS):
        while words.plain(end) in _DAYS and end < place + 3:
            end += 1
        day = Told(place + 1, end, "DATE", open_left=True, open_right=True, within=True)
        if end > place + 1:
            return [Told(place, end, "TIME", open_right=True), day]
    return [Told(place, end, "TIME", open_right=True)] if words.stem_in(place, _DAYTIMES_ALONE) else []


def _day_of_month(words: Words, place: int) -> list[Told]:
    """الخامس من مارس, السادس والعشرين من يناير."""
    if not words.stem_in(place, _ORDINALS):
        return []
    end = place + 1
    end += _counts(words.plain(end), "وال")
    found = words.plain(end) == "من" and words.plain(end + 1) in _MONTHS
    return [Told(place, end + 2, "DATE", open_right=True)] if found else []


def _period(words: Words, place: int) -> list[Told]:
    """الأسابيع الأخيرة, الأشهر الستة الماضية."""
    if not words.stem_in(place, _PERIODS):
        return []
    end = place + 1
    end += _counts(words.plain(end), "ال")
    return [Told(place, end + 1, "DATE", open_left=True)] if words.plain(end) in _WHICH else []


def _one(words: Words, place: int) -> list[Told]:
    """يوم واحد, ساعة واحدة."""
    if words.plain(place + 1) not in _ONE:
        return []
    kind = "DATE" if words.stem_in(place, _ONE_DAY) else "TIME" if words.stem_in(place, _ONE_HOUR) else None
    return [Told(place, place + 2, kind, open_left=True)] if kind else []


def _counts(word: str, before: str) -> bool:
    """Whether the word is a numeral with the article, as in السادس والعشرين, الأشهر الستة."""
    return word.startswith(before) and is_numeral(word.removeprefix(before))

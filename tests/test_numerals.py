"""Numbers as texts write them."""

from __future__ import annotations

import random

import pytest

from rasid.numerals import is_numeral, number_at
from rasid.repair import read_words

ONES = ["", "واحد", "اثنين", "ثلاثة", "أربعة", "خمسة", "ستة", "سبعة", "ثمانية", "تسعة"]
TENS = ["", "عشرة", "عشرين", "ثلاثين", "أربعين", "خمسين", "ستين", "سبعين", "ثمانين", "تسعين"]
HUNDREDS = ["", "مئة", "مئتين", "ثلاثمئة", "أربعمائة", "خمسمئة", "ستمائة", "سبعمئة", "ثمانمئة", "تسعمائة"]
SCALES = {
    10**9: ("مليار", "مليارين", "مليارات"),
    10**6: ("مليون", "مليونين", "ملايين"),
    10**3: ("ألف", "ألفين", "آلاف"),
}


def below_a_thousand(number: int) -> str:
    hundreds, rest = divmod(number, 100)
    tens, ones = divmod(rest, 10)
    teen = "أحد عشر" if rest == 11 else "اثني عشر" if rest == 12 else f"{ONES[ones]} عشر" if 12 < rest < 20 else ""
    return " و".join(filter(None, [HUNDREDS[hundreds], *([teen] if teen else [ONES[ones], TENS[tens]])]))


def spelled(number: int) -> str:
    """The number in words, as one writes it."""
    parts = []
    for scale, (one, two, several) in SCALES.items():
        count, number = divmod(number, scale)
        if count == 1:
            parts.append(one)
        elif count == 2:
            parts.append(two)
        elif count:
            parts.append(f"{below_a_thousand(count)} {several if count <= 10 else one}")
    return " و".join([*parts, *filter(None, [below_a_thousand(number)])])


def read(text: str) -> str:
    """The number at the beginning of the text."""
    cut = read_words(text)
    found = number_at([word.of(text) for word in cut], 0)
    return text[: cut[found.end - 1].end] if found else ""


@pytest.mark.parametrize("seed", range(4))
def test_every_number_is_read_to_its_end(seed: int) -> None:
    draw = random.Random(seed)
    for _ in range(400):
        text = spelled(draw.randrange(1, 10 ** draw.randint(1, 11)))
        assert read(f"{text} رجلا") == text
        assert read(f"و{text}، منهم خمسون") == f"و{text}"


@pytest.mark.parametrize(
    "text",
    [
        "ثلاثة ملايين ونصف المليون",
        "مليون ونصف المليون",
        "نصف مليون",
        "40 ألفا",
        "1.5 مليار",
        "خمسة آلاف و300",
        "مئات الآلاف",
        "عشرات الملايين",
        "ثلاث مئة",
        "إحدى عشرة",
        "بعشرين مليون",
        "٣١٢",
    ],
)
def test_other_ways_to_write_them(text: str) -> None:
    assert read(f"{text} شخص") == text


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("عشرين وثلاثين", "عشرين"),  # of one order: two numbers
        ("خمس وعشر سنوات", "خمس"),
        ("ثلاثة وأربعة", "ثلاثة"),
        ("50 و60", "50"),
        ("مليون ومليار", "مليون"),
        ("وثلاثين ألفا", "وثلاثين ألفا"),
    ],
)
def test_where_the_next_begins_the_first_ends(text: str, first: str) -> None:
    assert read(text) == first


@pytest.mark.parametrize("text", ["نصف القرية", "رجل", "الثالث", "وحيد", "بنت", "،", "الربع الأول"])
def test_what_is_no_number(text: str) -> None:
    assert read(text) == ""


def test_a_numeral_may_have_particles() -> None:
    assert all(map(is_numeral, ["لعشرة", "وواحد", "بـ20", "وب٣", "خمسمئة"]))
    assert not any(map(is_numeral, ["لعب", "الخمسة", "عشيرة"]))

"""Figures, known by their form."""

from __future__ import annotations

import numpy as np
import pytest

from rasid.evidence import article_spans, figures_told
from rasid.figures import figures
from rasid.labels import INVENTORIES, WOJOOD, Inventory
from rasid.repair import read_words


def told_in(text: str) -> list[str]:
    """What is told of the text, type and words."""
    cut = read_words(text)
    words = [word.of(text) for word in cut]
    return [f"{each.type} {text[cut[each.start].start : cut[each.end - 1].end]}" for each in figures(words)]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("بنحو 70%، ويقول", ["70%"]),
        ("إلا بـ ٤٪ من الحالات", ["٤٪"]),
        ("نحو 28 % من قيمتها", ["28 %"]),
        ("ارتفع 12,5% و3.25٪", ["12,5%", "و3.25٪"]),
        ("خسر %70 من رجاله", ["%70"]),
        ("و20بالمئة منهم", ["و20بالمئة"]),
        ("60 في المئة منهم", ["60 في المئة"]),
        ("60 في المائة، 61 بالمائة", ["60 في المائة", "61 بالمائة"]),
        ("بعشرين في المئة", ["بعشرين في المئة"]),
        ("خمسة وعشرين بالمئة", ["خمسة وعشرين بالمئة"]),
        ("مئة وخمسة وعشرين في المائة", ["مئة وخمسة وعشرين في المائة"]),
        ("من 5 إلى 10٪", ["10٪"]),
        ("١٠٪ ٢٠٪", ["١٠٪", "٢٠٪"]),
    ],
)
def test_a_number_with_its_sign_or_words(text: str, found: list[str]) -> None:
    assert told_in(text) == [f"PERCENT {each}" for each in found]


def test_of_two_numbers_the_second_has_the_sign() -> None:
    assert told_in("ما بين عشرين وثلاثين في المئة") == ["PERCENT وثلاثين في المئة"]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("نحو 700 متر مربع من البيوت", ["QUANTITY 700 متر مربع", "UNIT متر مربع"]),
        ("وثلاثة أطنان من المتفجرات", ["QUANTITY وثلاثة أطنان", "UNIT أطنان"]),
        ("ألف متر مربع", ["QUANTITY ألف متر مربع", "UNIT متر مربع"]),
        ("على بعد كيلومترين من حقل التنك", ["QUANTITY كيلومترين"]),
        ("تسعة ملايين ليرة سورية", ["MONEY تسعة ملايين ليرة سورية", "CURR ليرة سورية"]),
        ("بعشرين مليون دولار سنويا", ["MONEY بعشرين مليون دولار", "CURR دولار"]),
        ("1.5 مليار دولار أمريكي", ["MONEY 1.5 مليار دولار أمريكي", "CURR دولار أمريكي"]),
        ("خسرت الليرة التركية نصف قيمتها", ["CURR الليرة التركية"]),
        ("بالليرة السورية والدولار", ["CURR بالليرة السورية", "CURR والدولار"]),
        ("100 ين", ["MONEY 100 ين", "CURR ين"]),
        ("سبعة وأربعين قتيلا", ["CARDINAL سبعة وأربعين"]),
        ("يؤوي أكثر من 40 ألفا، نصفهم", ["CARDINAL 40 ألفا"]),
        ("مئات القتلى", ["CARDINAL مئات"]),
        ("يستسلمون بالعشرات", ["CARDINAL بالعشرات"]),
        ("في ثالث زيارة، وقافلة خامسة", ["ORDINAL ثالث", "ORDINAL خامسة"]),
        ("دون الثانية عشرة.", ["ORDINAL الثانية عشرة"]),
    ],
)
def test_amounts_with_what_they_count(text: str, found: list[str]) -> None:
    assert told_in(text) == found


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("عند الساعة الخامسة فجرا", ["TIME الساعة الخامسة فجرا"]),
        ("قرابة الساعة الثانية بعد منتصف الليل", ["TIME الساعة الثانية بعد منتصف الليل"]),
        ("الثامنة والنصف", []),
        ("الساعة الثامنة والنصف مساء", ["TIME الساعة الثامنة والنصف مساء"]),
        ("بين الثامنة مساء ومنتصف الليل", ["TIME الثامنة مساء", "TIME ومنتصف الليل"]),
        ("2019 - 14:35 بتوقيت دمشق", ["TIME 14:35 بتوقيت دمشق"]),
        ("الساعة 10 صباحًا", ["TIME الساعة 10 صباحًا"]),
        ("بلغت 72 ساعة", ["TIME 72 ساعة"]),
        ("بعد ساعتين", ["TIME ساعتين"]),
        ("يخرجون منها ليلا", ["TIME ليلا"]),
        ("دمرت مساء السبت", ["TIME مساء السبت", "DATE السبت"]),
        ("فجر اليوم الخميس", ["TIME فجر اليوم الخميس", "DATE اليوم الخميس"]),
        ("في الخامس من مارس المقبل", ["DATE الخامس من مارس"]),
        ("السادس والعشرين من يناير", ["DATE السادس والعشرين من يناير"]),
        ("خلال الأسابيع الأخيرة", ["DATE الأسابيع الأخيرة"]),
        ("الأشهر الستة الماضية", ["DATE الأشهر الستة الماضية"]),
        ("منذ أربع سنوات", ["DATE أربع سنوات"]),
        ("في أسبوع واحد", ["DATE أسبوع واحد"]),
        ("ساعة واحدة", ["TIME ساعة واحدة"]),
    ],
)
def test_hours_days_and_periods(text: str, found: list[str]) -> None:
    assert told_in(text) == found


@pytest.mark.parametrize(
    "text",
    [
        *("نقص % كبير", "قال في المئة سنة", "في المئة الأولى", "70 رجلا", "النسبة في المئة", "بالمئة", "", "٪"),
        *("ريال مدريد", "بين القائم والوليد", "القناة الثانية", "فاز 3 : 1", "القرن الثاني عشر", "الثاني عشر من الشهر"),
        *(
            "عام ألفين وتسعة عشر",
            "رجل واحد",
            "مئة رجل",
            "ثلاثة رجال",
            "رابعة العدوية",
            "5 يوم الجمعة",
            "الأسبوع",
            "عصرا ذهبيا",
        ),
    ],
)
def test_what_the_form_does_not_settle(text: str) -> None:
    assert told_in(text) == []


def labels(words: list[str], inventory: Inventory, kind: str, places: range) -> set[tuple[int, int, str]]:
    """What is read where the model is sure that `places` are a `kind` and all else nothing."""
    probs = np.full((len(words), len(inventory.types), 3), [0.98, 0.01, 0.01])
    for place in places:
        own = [0.02, 0.96, 0.02] if place == places.start else [0.02, 0.02, 0.96]
        probs[place, inventory.index(kind)] = own
    found = article_spans(np.log(probs).astype(np.float32), words, inventory)
    return {(span.start, span.end, inventory.types[span.type]) for span in found}


def test_the_form_stands_against_what_the_model_says() -> None:
    nested = INVENTORIES["wojood"]
    words = ["في", "نحو", "30", "%", "من", "الحالات"]
    assert labels(words, nested, "CARDINAL", range(2, 3)) == {(2, 4, "PERCENT")}
    assert labels(words, nested, "DATE", range(2, 5)) == {(2, 4, "PERCENT")}
    assert labels(words, nested, "PERCENT", range(2, 5)) == {(2, 4, "PERCENT")}
    assert labels(["30", "رجلا"], nested, "CARDINAL", range(1)) == {(0, 1, "CARDINAL")}


def test_percentages_one_after_the_other_are_two() -> None:
    words = ["10", "%", "20", "%"]
    assert labels(words, INVENTORIES["wojood"], "CARDINAL", range(1)) == {(0, 2, "PERCENT"), (2, 4, "PERCENT")}


def test_other_inventories_and_other_words_are_left_as_they_are() -> None:
    log_probs = np.log(np.full((2, 4, 3), 1 / 3)).astype(np.float32)
    assert figures_told(log_probs, ["30", "%"], INVENTORIES["anercorp"]) is log_probs
    scores = np.log(np.full((2, len(WOJOOD), 3), 1 / 3)).astype(np.float32)
    assert figures_told(scores, ["30", "رجلا"], INVENTORIES["wojood"]) is scores


def test_an_amount_holds_its_currency_and_no_number() -> None:
    words = ["تسعة", "ملايين", "ليرة", "سورية"]
    amount = {(0, 4, "MONEY"), (2, 4, "CURR")}
    assert labels(words, INVENTORIES["wojood"], "CARDINAL", range(2)) == amount
    assert labels(words, INVENTORIES["wojood"], "UNIT", range(2, 3)) == amount
    assert labels(words, INVENTORIES["wojood"], "NORP", range(3, 4)) == amount | {(3, 4, "NORP")}


def test_open_ends_are_the_models_to_settle() -> None:
    nested = INVENTORIES["wojood"]
    words = ["قبل", "أربع", "سنوات", "خلت"]
    assert labels(words, nested, "CARDINAL", range(1, 2)) == {(1, 3, "DATE")}
    assert labels(words, nested, "DATE", range(4)) == {(0, 4, "DATE")}
    closed = ["الساعة", "الخامسة", "فجرا", "أمس"]
    assert labels(closed, nested, "TIME", range(4)) == {(0, 3, "TIME")}


def test_a_day_stands_in_its_part() -> None:
    words = ["مساء", "السبت", "الماضي"]
    assert labels(words, INVENTORIES["wojood"], "DATE", range(3)) >= {(0, 2, "TIME")}
    assert labels(words, INVENTORIES["wojood"], "TIME", range(3)) == {(0, 3, "TIME"), (1, 2, "DATE")}


@pytest.mark.parametrize("text", ["30 % من", "قبل أربع سنوات", "مساء السبت", "تسعة ملايين ليرة سورية"])
def test_scores_stay_those_of_probabilities(text: str) -> None:
    words = text.split()
    scores = np.log(np.full((len(words), len(WOJOOD), 3), 1 / 3)).astype(np.float32)
    told = figures_told(scores, words, INVENTORIES["wojood"])
    np.testing.assert_allclose(np.exp(told).sum(axis=2), 1.0, atol=1e-5)
    assert (scores == scores[0, 0, 0]).all()
    assert not (told == scores).all()

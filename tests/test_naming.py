"""Names hidden or exchanged inside stance questions: places stay right, and what judges stays."""

from __future__ import annotations

from rasid.naming import blinded, renamed
from rasid.scoring import Pair
from rasid.text import Span

TEXT = "هاجم التنظيم المتشدد تركيا ثم عاد التنظيم"


def spans(text: str, *surfaces: str) -> tuple[Span, ...]:
    found, position = [], 0
    for surface in surfaces:
        start = text.index(surface, position)
        found.append(Span(start, start + len(surface)))
        position = start + 1
    return tuple(found)


FIRST = Pair("داعش", TEXT, spans(TEXT, "التنظيم المتشدد", "التنظيم"))
SECOND = Pair("تركيا", TEXT, spans(TEXT, "تركيا"))


def test_a_name_is_exchanged_wherever_it_stands_and_judging_words_stay() -> None:
    first, second = renamed([FIRST, SECOND], {0: "نادي السهم"})
    assert first.target == "نادي السهم"
    assert first.passage == second.passage == "هاجم نادي السهم المتشدد تركيا ثم عاد نادي السهم"
    assert [place.of(first.passage) for place in first.mentions] == ["نادي السهم المتشدد", "نادي السهم"]
    assert [place.of(second.passage) for place in second.mentions] == ["تركيا"]
    assert second.target == "تركيا"


def test_every_name_is_hidden() -> None:
    first, second = blinded([FIRST, SECOND], "[MASK]")
    assert first.passage == "هاجم [MASK] المتشدد [MASK] ثم عاد [MASK]"
    assert first.target == second.target == "[MASK]"
    assert [place.of(second.passage) for place in second.mentions] == ["[MASK]"]


def test_a_target_that_is_not_mentioned_changes_its_name_alone() -> None:
    (pair,) = renamed([Pair("قطر", TEXT)], {0: "اليابان"})
    assert (pair.target, pair.passage, pair.mentions) == ("اليابان", TEXT, ())

"""What offsets count: one text measured in every unit, and files whose unit is told by what they quote."""

from __future__ import annotations

import pytest

from rasid.errors import DataError
from rasid.text import Span
from rasid.units import BYTES, CODE_POINTS, GRAPHEMES, UTF_16, Quoted, Ruler, settle

TEXT = "مُ😀ab"  # a letter with a damma, an astral character, two letters


@pytest.mark.parametrize(
    ("unit", "expected"),
    [
        (CODE_POINTS, [0, 1, 2, 3, 4, 5]),
        (UTF_16, [0, 1, 2, 4, 5, 6]),
        (BYTES, [0, 2, 4, 8, 9, 10]),
        (GRAPHEMES, [0, None, 1, 2, 3, 4]),
    ],
)
def test_a_ruler_measures_every_place(unit: str, expected: list[int | None]) -> None:
    ruler = Ruler(TEXT, unit)
    assert [ruler.out(place) for place in range(6)] == expected
    assert all(ruler.into(count) == place for place, count in enumerate(expected) if count is not None)
    assert ruler.out(6) is None


def test_the_inside_of_a_character_is_no_place() -> None:
    assert Ruler(TEXT, UTF_16).into(3) is None
    assert Ruler(TEXT, BYTES).into(5) is None
    assert Ruler("a\r\nb", GRAPHEMES).out(2) is None


@pytest.mark.parametrize(("unit", "offsets"), [(CODE_POINTS, (3, 5)), (UTF_16, (4, 6)), (BYTES, (8, 10))])
def test_the_quoted_text_settles_the_unit(unit: str, offsets: tuple[int, int]) -> None:
    found = settle(TEXT, [Quoted(*offsets, "ab", "x:1")])
    assert (found.unit, found.spans) == (unit, (Span(3, 5),))


def test_one_unit_holds_for_the_whole_file() -> None:
    mixed = [Quoted(3, 5, "ab", "x:1"), Quoted(4, 6, "ab", "x:2")]
    with pytest.raises(DataError, match=r"x:2: \[4, 6\) is said to be 'ab', the text has 5 code points; offsets may"):
        settle(TEXT, mixed)


def test_line_breaks_may_be_quoted_as_tools_print_them() -> None:
    for quoted in ("سامر الحداد", "سامر\\nالحداد", "سامر\nالحداد"):
        assert settle("قال سامر\r\nالحداد", [Quoted(4, 16, quoted, "x")]).spans == (Span(4, 16),)
    with pytest.raises(DataError, match="is said to be 'سامرالحداد', the text there reads"):
        settle("قال سامر\r\nالحداد", [Quoted(4, 16, "سامرالحداد", "x")])


def test_an_unknown_unit_is_told() -> None:
    with pytest.raises(DataError, match="unknown unit 'words'; known: code-points, utf-16"):
        Ruler("a", "words")

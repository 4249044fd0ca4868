"""Ends of spans: marks that stay out, marks that belong, and the miscount at a quotation mark."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rasid.edges import shifted, trimmed
from rasid.text import Span


@pytest.mark.parametrize(
    ("surface", "inner"),
    [
        *((" قسد\t", "قسد"), ("“قسد”", "قسد"), ("“قسد", "قسد"), ("قسد”", "قسد"), ("(قسد", "قسد"), ("قسد)", "قسد")),
        *(
            ("داعش،", "داعش"),
            ("داعش.", "داعش"),
            ("«داعش» ،", "داعش"),
            ("“أ” و“ب”", "“أ” و“ب”"),
            ('"', '"'),
            ("...", "..."),
            ("U.S.", "U.S."),
        ),
        *(
            ("حزب (لبنان)", "حزب (لبنان)"),
            ("(لبنان)", "لبنان"),
            ("-5", "-5"),
            ("50%", "50%"),
            ("@rasid", "@rasid"),
            ("مصر -", "مصر"),
        ),
        *(('"قسد', "قسد"), ("أ.م.", "أ.م."), ("‘س’", "س"), ("؟س!", "س")),
    ],
)
def test_what_stands_at_the_ends(surface: str, inner: str) -> None:
    text = f"في {surface} و"
    assert trimmed(text, Span(3, 3 + len(surface))).of(text) == inner


@given(text=st.text(alphabet='سق “”"«»(). ،-5', min_size=1, max_size=12), data=st.data())
def test_trimming_goes_inwards_and_ends(text: str, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(text) - 1))
    span = Span(start, data.draw(st.integers(start + 1, len(text))))
    inner = trimmed(text, span)
    assert span.contains(inner)
    assert len(inner) > 0
    assert trimmed(text, inner) == inner


@pytest.mark.parametrize(
    ("marked", "right"),
    [
        ("قال [“داع]ش” إن", "داعش"),
        ("قال “د[اعش”] إن", "داعش"),
        ("قال [“داعش] إن", "“داعش"),  # nothing is left out: a mark too many, which `trimmed` takes
        ("قال [“دا]عش” إن", "“دا"),  # two off: nobody can tell
        ("قال [ال]وزير", "ال"),
    ],
)
def test_one_off_at_a_quotation_mark(marked: str, right: str) -> None:
    start, end = marked.index("["), marked.index("]") - 1
    text = marked.replace("[", "").replace("]", "")
    assert shifted(text, Span(start, end)).of(text) == right

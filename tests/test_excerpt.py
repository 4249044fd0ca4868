"""Excerpts: whole words around a span, and offsets that hold in what is left."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from rasid.excerpt import Excerpt
from rasid.text import Span

TEXT = "قال الرئيس التركي في أنقرة إن بلاده لن تقبل"
ANKARA = Span(TEXT.index("أنقرة"), TEXT.index("أنقرة") + 5)


def test_an_excerpt_is_cut_between_words() -> None:
    found = Excerpt(0, TEXT).around(ANKARA, 8, 100)
    assert found.text == "في أنقرة إن"
    assert found.of(ANKARA) == "أنقرة"
    assert Excerpt(0, TEXT).around(ANKARA, 100, 100) == Excerpt(0, TEXT)


def test_of_a_long_span_the_beginning_is_shown() -> None:
    text = "أ " * 1000
    found = Excerpt(0, text).around(Span(10, 1500), 6, 20)
    assert len(found.text) <= 6 + 20 + 6
    assert found.start >= 4
    assert text[found.start : found.end] == found.text


def test_an_excerpt_of_an_excerpt_has_the_offsets_of_the_whole() -> None:
    first = Excerpt(0, TEXT).around(ANKARA, 12, 100)
    second = first.around(ANKARA, 4, 100)
    assert first.start < second.start
    assert second.of(ANKARA) == "أنقرة"


@given(st.text(alphabet="اب \n", max_size=60), st.data())
def test_the_span_is_always_in_it(text: str, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(text)))
    span = Span(start, data.draw(st.integers(start, len(text))))
    found = Excerpt(0, text).around(span, data.draw(st.integers(0, 12)), 1000)
    assert found.of(span) == span.of(text)
    assert text[found.start : found.end] == found.text
    for inside, end in ((found.start > 0, found.start - 1), (found.end < len(text), found.end)):
        edge = span.start if end < found.start else span.end
        assert not inside or text[end].isspace() or edge in (found.start, found.end)

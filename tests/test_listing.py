"""Listings: rare rows stay, common ones are thinned, marks have the offsets that JavaScript counts."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from rasid.excerpt import Excerpt
from rasid.listing import Facet, Line, Listing, Marks, Row, thin
from rasid.records import Entity


def entity(text: str, surface: str, label: str = "ORG") -> Entity:
    start = text.index(surface)
    return Entity(id="T", type=label, start=start, end=start + len(surface), surface=surface, score=0.5)


@given(st.lists(st.sampled_from("aaaaaaabbbc")), st.integers(1, 12))
def test_groups_are_thinned_to_one_size(items: list[str], most: int) -> None:
    numbered = list(enumerate(items))
    kept = thin(numbered, lambda item: item[1], most)
    assert kept == sorted(kept)
    assert len(kept) == min(most, len(items))
    before, after = Counter(items), Counter(name for _, name in kept)
    largest = max(after.values(), default=0)
    assert all(after[name] == before[name] or after[name] >= largest - 1 for name in before)


def test_a_thinned_group_is_drawn_from_its_whole_length() -> None:
    assert thin(range(100), lambda _: 0, 4) == [0, 25, 50, 75]


def test_names_stand_once_and_offsets_are_those_of_the_excerpt() -> None:
    text = "قال 😀 مجلس الأمن اليوم"
    council = entity(text, "مجلس الأمن")
    excerpt = Excerpt(4, text[4:])
    rows = [Row(doc, ("missed",), excerpt, (Marks((council,)), Marks(())), 0.5).flat for doc in ("a", "b", "a")]
    tree = Listing((Line("gold"), Line("predicted")), (Facet("kind", "Kind"),), rows, 3).tree()
    assert tree["docs"] == ["a", "b"]
    assert tree["facets"] == [{"key": "kind", "label": "Kind", "values": ["missed"]}]
    assert [row[0] for row in tree["rows"]] == [0, 1, 0]
    start, end, *rest = tree["rows"][0][4][0][0]
    assert excerpt.text.encode("utf-16-le")[2 * start : 2 * end].decode("utf-16-le") == "مجلس الأمن"
    assert rest == [0, 1, 0.5, council.start, council.end]
    assert tree["rows"][0][4][1] == []


def test_what_reaches_out_of_the_excerpt_is_cut_and_what_lies_outside_is_left_out() -> None:
    text = "وزارة الخارجية الروسية تنفي"
    ministry, denial = entity(text, "وزارة الخارجية الروسية"), entity(text, "تنفي")
    row = Row("a", (), Excerpt(6, "الخارجية"), (Marks((ministry,), (denial,)),))
    (marks,) = Listing((Line("gold"),), (), [row.flat], 1).tree()["rows"][0][4]
    assert marks == [[0, 8, 0, 1, 0.5, 0, 22]]

"""Boxes in a text: markup that closes in order, text that survives, rigid boxes that stay in one piece."""

from __future__ import annotations

from html.parser import HTMLParser

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markupsafe import Markup

from rasid.errors import DataError
from rasid.records import Cluster, Entity, Record
from rasid.weave import Box, in_order, line_boxes, mention_boxes, weave

Range = tuple[int, int]


def box(start: int, end: int, tag: str = "i", rigid: bool = False) -> Box:
    return Box(start, end, tag, Markup("<{} id='{}-{}'>").format(tag, start, end), Markup(f"<{tag}>"), rigid)


def entity(name: str, start: int, end: int, kind: str = "ORG", cluster: str | None = None) -> Entity:
    return Entity(id=name, type=kind, start=start, end=end, surface="x" * (end - start), cluster=cluster)


def record(*entities: Entity, clusters: tuple[Cluster, ...] = ()) -> Record:
    return Record(doc="d", sha256="0", entities=entities, clusters=clusters)


def marks(*entities: Entity) -> list[Box]:
    return mention_boxes(record(*entities), {each.id: f"e{each.id}" for each in entities}, {}, "r.jsonl:1")


class Woven(HTMLParser):
    """Reads markup back: the text, and each element's tag, anchor and range; fails on a wrong end tag."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.text = ""
        self.elements: list[tuple[str, str | None, Range]] = []
        self._open: list[tuple[str, str | None, int]] = []
        self.feed(str(html))  # markup would escape what it is added to
        self.close()
        assert not self._open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._open.append((tag, dict(attrs).get("id"), len(self.text)))

    def handle_endtag(self, tag: str) -> None:
        opened, anchor, start = self._open.pop()
        assert opened == tag
        self.elements.append((tag, anchor, (start, len(self.text))))

    def handle_data(self, data: str) -> None:
        self.text += data


def test_a_soft_box_is_cut_where_a_rigid_one_crosses_it() -> None:
    woven = weave("abcdef", [box(0, 4), box(2, 6, "b", rigid=True)])
    assert woven == "<i id='0-4'>ab</i><b id='2-6'><i>cd</i>ef</b>"
    assert weave("abcdef", [box(0, 4, "b", rigid=True), box(2, 6)]) == "<b id='0-4'>ab<i id='2-6'>cd</i></b><i>ef</i>"


def test_a_soft_box_holds_the_rigid_one_on_its_own_range() -> None:
    assert weave("ab", [box(0, 2, "b", rigid=True), box(0, 2)]) == "<i id='0-2'><b id='0-2'>ab</b></i>"


def test_without_boxes_the_text_is_only_escaped() -> None:
    assert weave('<a href="x">&', []) == "&lt;a href=&#34;x&#34;&gt;&amp;"
    assert weave("", []) == ""


@st.composite
def boxed(draw: st.DrawFn) -> tuple[str, list[Box]]:
    """A text with rigid boxes that nest or stand apart, and soft ones that cross whatever they like."""
    text = draw(st.text("ab<&\n", min_size=1, max_size=12))
    ranges = st.tuples(st.integers(0, len(text) - 1), st.integers(1, len(text))).filter(lambda r: r[0] < r[1])
    rigid: list[Range] = []
    for start, end in draw(st.lists(ranges, max_size=5, unique=True)):
        if all(e <= start or end <= s or (s <= start and end <= e) or (start <= s and e <= end) for s, e in rigid):
            rigid.append((start, end))
    soft = draw(st.lists(ranges, max_size=5, unique=True))
    return text, draw(st.permutations([*(box(*r, "b", True) for r in rigid), *(box(*r) for r in soft)]))


@settings(deadline=None, max_examples=200)
@given(boxed())
def test_every_box_covers_its_range_and_rigid_ones_are_whole(case: tuple[str, list[Box]]) -> None:
    text, boxes = case
    woven = Woven(weave(text, boxes))
    assert woven.text == text
    rigid = {(b.start, b.end) for b in boxes if b.rigid}
    assert sorted(where for tag, _, where in woven.elements if tag == "b") == sorted(rigid)
    pieces = [(anchor, where) for tag, anchor, where in woven.elements if tag == "i"]
    soft = [b for b in boxes if not b.rigid]
    # One piece of each soft box opens it where it starts; all pieces together cover each place as often as they do.
    assert sorted((a, w[0]) for a, w in pieces if a) == sorted((f"{b.start}-{b.end}", b.start) for b in soft)
    for place in range(len(text)):
        covering = sum(start <= place < end for _, (start, end) in pieces)
        assert covering == sum(b.start <= place < b.end for b in soft)


def test_latin_lines_are_isolated_and_furniture_is_faint() -> None:
    text = "A+ A-\nقالت CNN هنا\n\n123\nThe library.  \r\n"
    shown = weave(text, line_boxes(text))
    assert shown == (
        '<bdi dir="ltr"><span class="furniture">A+ A-</span></bdi>\nقالت CNN هنا\n\n123\n'
        '<bdi dir="ltr">The library.</bdi>  \r\n'
    )


def test_a_mention_says_what_it_is_and_how_many_levels_lie_inside() -> None:
    boxes = marks(entity("1", 0, 9), entity("2", 0, 5), entity("3", 6, 9), entity("4", 0, 1, "DATE"))
    assert [b.opening.split('class="')[1].split('"')[0] for b in boxes] == ["k2", "k1", "k0 value", "k0"]
    assert [b.opening.count('tabindex="0"') for b in boxes] == [1, 0, 0, 0]
    assert all(b.rigid for b in boxes)


def test_a_mention_carries_anchor_cluster_and_score() -> None:
    mention = Entity(id="T1", type="ORG", start=0, end=1, surface="x", cluster="C1", score=0.5)
    one = record(mention, clusters=(Cluster(id="C1", name='a "name"', type="ORG"),))
    (found,) = mention_boxes(one, {"T1": "e1"}, {"C1": "c1"}, "r.jsonl:1")
    assert found.opening == (
        '<mark id="e1" class="k0" data-type="ORG" data-cluster="c1" title="ORG · a &#34;name&#34; · 0.50" tabindex="0">'
    )


def test_order_is_that_of_the_text_outer_first() -> None:
    ids = [each.id for each in in_order([entity("1", 3, 4), entity("2", 0, 2), entity("3", 0, 9), entity("4", 0, 2)])]
    assert ids == ["3", "2", "4", "1"]


@pytest.mark.parametrize(
    ("second", "expected"),
    [(entity("2", 2, 6), "entities '1' 'xxxx' and '2' 'xxxx' cross"), (entity("1", 4, 6), "id '1' is used twice")],
)
def test_crossing_mentions_and_a_double_id_are_refused(second: Entity, expected: str) -> None:
    with pytest.raises(DataError, match=r"^r\.jsonl:1: 'd': ") as caught:
        marks(entity("1", 0, 4), second)
    assert expected in str(caught.value)

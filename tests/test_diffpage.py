"""The page of two passes: what differs stands first and is marked in the text, which is otherwise untouched."""

from __future__ import annotations

import re
from html.parser import HTMLParser

from rasid.agreement import TwoPasses, agreement
from rasid.diffpage import diff_page
from rasid.records import Cluster, Entity, Record, Stance, sha256_of

TEXT = "قال 😀 <وزير> الخارجية\r\nإن قوات سوريا الديمقراطية في سوريا.\n"


def entity(name: str, kind: str, surface: str, cluster: str = "C1") -> Entity:
    start = TEXT.index(surface)
    return Entity(id=name, type=kind, start=start, end=start + len(surface), surface=surface, cluster=cluster)


def record(label: str, *entities: Entity) -> Record:
    clusters = (Cluster(id="C1", name="<س>", type="ORG"),)
    stances = (Stance(target="C1", scope="article", label=label),)
    return Record(doc="one", sha256=sha256_of(TEXT), entities=entities, clusters=clusters, stances=stances)


BOTH = entity("T1", "ORG", "قوات سوريا الديمقراطية")
FIRST = record("none", BOTH, entity("T2", "GPE", "الخارجية"), entity("T3", "OCC", "وزير> الخارجية"))
SECOND = record("against", BOTH, entity("T2", "ORG", "الخارجية"), entity("T3", "ORG", "😀 <وزير>"))


class Articles(HTMLParser):
    """The texts of the page's articles, and the classes of their marks; every tag must be closed in order."""

    def __init__(self) -> None:
        super().__init__()
        self.stack: list[str] = []
        self.text = ""
        self.marks: list[tuple[str | None, str | None]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag != "meta":
            self.stack.append(tag)
        if tag == "mark" and "article" in self.stack:
            self.marks.append((dict(attrs)["class"], dict(attrs)["data-t"]))

    def handle_endtag(self, tag: str) -> None:
        assert self.stack.pop() == tag

    def handle_data(self, data: str) -> None:
        if "article" in self.stack:
            self.text += data


def page(*pairs: TwoPasses) -> str:
    return diff_page(pairs, agreement(pairs), ("a/<first>", "b"))


def test_the_text_is_whole_and_every_span_of_both_is_marked() -> None:
    read = Articles()
    read.feed(page(TwoPasses(FIRST, SECOND, TEXT)))
    read.close()
    assert read.stack == []
    assert read.text == TEXT
    assert {*read.marks} == {("both", "ORG"), ("types", "GPE | ORG"), ("first", "OCC | —"), ("second", "— | ORG")}


def test_disagreements_come_before_the_text_and_lead_to_it() -> None:
    made = page(TwoPasses(FIRST, SECOND, TEXT))
    links = re.findall(r'href="#(a1-d\d+)"', made)
    assert len(links) == 3
    assert all(made.count(f'id="{name}"') == 1 for name in links)
    assert made.index("</table>") < made.index("<article")
    assert "a/&lt;first&gt;" in made
    assert "<script" not in made
    assert re.search(r'<bdi>none</bdi></td>\s*<td class="two"><bdi>against</bdi>', made)


def test_articles_that_differ_most_come_first_and_agreement_is_said() -> None:
    same = FIRST.model_copy(update={"doc": "two"})
    made = page(TwoPasses(same, same, TEXT), TwoPasses(FIRST, SECOND, TEXT))
    assert made.index("<bdi>one</bdi>") < made.index("<bdi>two</bdi>")
    assert "no disagreement" in made

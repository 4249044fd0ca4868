"""The page of `rasid render`: the text survives, marks say what the record says, nothing in it can run."""

from __future__ import annotations

import argparse
import base64
import hashlib
import json
import re
from collections import Counter, defaultdict
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rasid.errors import DataError
from rasid.records import Cluster, Entity, ModelInfo, Record, Stance, sha256_of
from rasid.render import (
    Item,
    displayable,
    headline,
    read_items,
    render_page,
    run_render,
)
from rasid.text import passages

VOID = {"meta", "input", "br", "img", "link"}
TEXT = (
    "تخطى إلى المحتوى\nA+ A-\nبلدية النورس تفتتح مكتبة المرفأ\n\n"
    "قالت وزيرة الثقافة السورية ليلى حداد إن  بلدية النورس أنفقت 40 ألف ليرة على\tالمكتبة.\n\n"
    "وأشادت الوزيرة بالبلدية، وقالت CNN (عربي) إن “النورس” تستحق.\r\nThe library opened (today).\n"
)


class Page(HTMLParser):
    """Reads a page back; fails on an element that is not closed in order."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: Counter[str] = Counter()
        self.attributes: list[tuple[str, str, str]] = []
        self.articles: list[str] = []
        self.marks: list[tuple[dict[str, str], str]] = []
        self.passages: defaultdict[str, str] = defaultdict(str)
        self.blocks: defaultdict[str, str] = defaultdict(str)
        self.text = ""
        self._open: list[tuple[str, dict[str, str], list[str]]] = []
        self.feed(html)
        self.close()
        assert not self._open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = {name: value or "" for name, value in attrs}
        assert len(named) == len(attrs), f"an attribute stands twice in {tag}"
        self.tags[tag] += 1
        self.attributes += [(tag, name, value) for name, value in named.items()]
        if tag not in VOID:
            self._open.append((tag, named, []))

    def handle_endtag(self, tag: str) -> None:
        opened, named, pieces = self._open.pop()
        assert opened == tag
        text = "".join(pieces)
        if tag == "article":
            self.articles.append(text)
        if tag == "mark":
            self.marks.append((named, text))
        if "data-p" in named:
            self.passages[named["data-p"]] += text
        if tag in ("script", "style"):
            self.blocks[tag] += text

    def handle_data(self, data: str) -> None:
        self.text += data
        for _, _, pieces in self._open:
            pieces.append(data)

    def values(self, name: str, tag: str | None = None) -> list[str]:
        return [value for t, n, value in self.attributes if n == name and tag in (None, t)]


def entity(number: int, text: str, surface: str, kind: str = "ORG", cluster: str | None = "C1") -> Entity:
    start = text.index(surface)
    return Entity(id=f"T{number}", type=kind, start=start, end=start + len(surface), surface=surface, cluster=cluster)


def record_of(text: str, entities: tuple[Entity, ...] = (), **parts: Any) -> Record:
    return Record(doc="library", sha256=sha256_of(text), entities=entities, **parts)


def page_of(text: str, *entities: Entity, **parts: Any) -> Page:
    return Page(render_page([Item(record_of(text, entities, **parts), text)]))


def library() -> Record:
    first, second = passages(TEXT)[1:3]
    entities = (
        entity(1, TEXT, "بلدية النورس"),
        entity(2, TEXT, "وزيرة الثقافة السورية", "OCC", "C2"),
        entity(3, TEXT, "السورية", "NORP", "C3"),
        entity(4, TEXT, "ليلى حداد", "PERS", "C4"),
        entity(5, TEXT, "40 ألف ليرة", "MONEY", None),
        entity(6, TEXT, "ليرة", "CURR", None),
        entity(7, TEXT, "بالبلدية"),
        entity(8, TEXT, "CNN", "ORG", "C5"),
    )
    names = ("بلدية النورس", "وزيرة الثقافة", "سوري", "ليلى حداد", "CNN")
    return record_of(
        TEXT,
        entities,
        clusters=tuple(Cluster(id=f"C{i}", name=name, type="ORG") for i, name in enumerate(names, 1)),
        stances=(
            Stance(
                target="C1",
                scope="article",
                label="favor",
                score=0.914,
                evidence=((second.start, second.end),),
            ),
            Stance(target="C1", scope=(first.start, first.end), label="none"),
            Stance(target="C1", scope=(second.start, second.end), label="favor", holder="C4", score=0.7),
            Stance(target="C5", scope="article", label="against", holder="other"),
        ),
        model=ModelInfo(name="news", revision="0" * 64, rasid="0.1.0"),
    )


@pytest.fixture(scope="module")
def page() -> Page:
    return Page(render_page([Item(library(), TEXT)]))


def test_article_holds_the_raw_text_and_nothing_else(page: Page) -> None:
    assert page.articles == [TEXT]


def test_every_mark_reads_as_its_surface(page: Page) -> None:
    marks = {(named["data-type"], text) for named, text in page.marks}
    assert marks == {(e.type, e.surface) for e in library().entities}
    assert len(page.marks) == len(library().entities)


def test_nested_marks_say_how_much_lies_inside_them(page: Page) -> None:
    classes = {text: named["class"] for named, text in page.marks}
    assert classes["وزيرة الثقافة السورية"] == "k1"
    assert classes["السورية"] == "k0"
    assert classes["40 ألف ليرة"] == "k1 value"


def test_deep_nesting_counts_levels_not_mentions() -> None:
    text = "a b c d e f"
    spans = [(0, 11), (0, 5), (0, 3), (0, 1), (8, 9)]
    entities = [Entity(id=str(i), type="ORG", start=s, end=e, surface=text[s:e]) for i, (s, e) in enumerate(spans)]
    classes = {text: named["class"] for named, text in page_of(text, *entities).marks}
    assert classes == {text: "k3", "a b c": "k2", "a b": "k1", "a": "k0", "e": "k0"}


def test_mentions_of_a_cluster_share_its_mark_with_list_and_table(page: Page) -> None:
    clusters = {text: named.get("data-cluster") for named, text in page.marks}
    assert clusters["بلدية النورس"] == clusters["بالبلدية"] == "a1-c1"
    assert clusters["ليرة"] is None
    assert page.values("data-cluster", "li").count("a1-c1") == 1
    assert page.values("data-cluster", "a").count("a1-c1") == 1


def test_links_have_targets_and_anchors_are_unique(page: Page) -> None:
    anchors = page.values("id")
    assert len(anchors) == len(set(anchors))
    assert {link.removeprefix("#") for link in page.values("href")} <= set(anchors)


def test_evidence_is_quoted_and_linked_to_its_place(page: Page) -> None:
    second = passages(TEXT)[2].of(TEXT)
    anchor = next(name for name, text in page.passages.items() if text == second)
    assert page.values("href").count(f"#{anchor}") == 2  # the quotation, and the passage's own stance
    assert anchor in page.values("id")
    assert page.text.count("وأشادت الوزيرة بالبلدية") == 2  # in the text, and quoted


def test_stance_table_names_target_holder_label_and_score(page: Page) -> None:
    for expected in ("0.91", "مؤيد", "معارض", "الكاتب", "متحدث آخر", "ليلى حداد"):
        assert expected in page.text
    assert page.values("data-n") == ["P2", "P3"]
    assert page.values("data-signs") == ["", "▲1"]
    assert page.values("rowspan") == ["2", "1"]


def test_a_target_that_someone_takes_a_side_on_comes_first() -> None:
    stances = (
        *(Stance(target="C1", scope=(i, i + 1), label="none") for i in range(4)),
        Stance(target="C1", scope="article", label="none"),
        Stance(target="C2", scope="article", label="against"),
    )
    clusters = (Cluster(id="C1", name="quiet", type="ORG"), Cluster(id="C2", name="loud", type="ORG"))
    text = page_of("0123456789", clusters=clusters, stances=stances).text
    assert text.index("loud") < text.index("quiet")


def test_legend_counts_the_types_on_the_page_in_inventory_order(page: Page) -> None:
    assert page.values("value", "input") == ["PERS", "NORP", "OCC", "ORG", "MONEY", "CURR"]


def test_page_asks_nothing_of_the_network_and_pins_its_blocks(page: Page) -> None:
    assert page.tags["script"] == page.tags["style"] == 1
    assert not {"link", "img", "iframe", "object", "base", "form"} & set(page.tags)
    assert not page.values("src")
    assert not page.values("style")
    assert not any(name.startswith("on") for _, name, _ in page.attributes)
    assert not re.search(r"https?:|@import|url\(", "".join(page.blocks.values()))
    policy = next(value for value in page.values("content", "meta") if "default-src" in value)
    assert "default-src 'none'" in policy
    for block in page.blocks.values():
        digest = base64.b64encode(hashlib.sha256(block.encode()).digest()).decode()
        assert f"'sha256-{digest}'" in policy


HOSTILE = (
    "<script>alert(1)</script> </article></body> <!-- --> &lt; &amp; &#0; \"a\" 'b' ]]>\n"
    "\u202eمقلوب\u202c \u2067x\u2069 \ufeff\u200f\u061c مُـحَـمَّـد 😀\n\n  two  spaces\ttab \r\n alone\rhere "
    "\x01\x08\x0b\x0c\x1b\x7f\x85\x9f\u2028\ufffe {{ 7*7 }} {% raw %}"
)


def test_hostile_text_is_inert_and_whole() -> None:
    bad = '"><script>alert(2)</script>'
    marked = (
        entity(1, HOSTILE, "<script>alert(1)</script>", bad),
        Entity(id="T<2>", type="ORG", start=84, end=90, surface=HOSTILE[84:90], cluster=bad),
    )
    found = page_of(
        HOSTILE,
        *marked,
        clusters=(Cluster(id=bad, name=f"</style>{bad}", type=bad), Cluster(id="C1", name=bad, type=bad)),
        stances=(
            Stance(target=bad, scope=(3, 40), label="none", holder=bad),
            Stance(target=bad, scope="article", label="favor", evidence=((3, 40), (20, 60))),
        ),
        warnings=(bad,),
        model=ModelInfo(name=bad, revision=bad, rasid=bad),
    )
    assert found.articles == [HOSTILE]
    assert {text for _, text in found.marks} == {e.surface for e in marked}
    assert found.tags["script"] == 1
    assert found.tags["style"] == 1
    assert bad in found.values("data-type", "mark")
    assert not any(">" in anchor for anchor in found.values("id"))
    assert sorted(found.passages.values()) == sorted([HOSTILE[3:40], HOSTILE[20:60]])


def test_what_html_cannot_hold_is_replaced_one_for_one_and_said() -> None:
    text = "أ\0ب \ud800\udfff ج\r\nد"
    shown = displayable(text)
    assert shown == "أ\ufffdب \ufffd\ufffd ج\r\nد"
    html = render_page([Item(record_of(text, (entity(1, text, "أ\0ب"),)), text)])
    found = Page(html)
    assert found.articles == [shown]
    assert found.marks[0][1] == "أ\ufffdب"
    assert "3 characters that HTML cannot hold" in found.text
    assert html.encode("utf-8").decode("utf-8") == html
    assert "\r" not in html  # only as a reference: a parser folds the bare character
    assert "cannot hold" not in page_of("أب").text


def spans_of(length: int) -> st.SearchStrategy[list[tuple[int, int]]]:
    span = st.tuples(st.integers(0, length - 1), st.integers(1, length)).filter(lambda s: s[0] < s[1])
    return st.lists(span, max_size=6, unique=True)


@st.composite
def items(draw: st.DrawFn) -> Item:
    """Any text with spans that nest or stand apart, and stance ranges that cross whatever they like."""
    text = draw(st.text(st.characters(exclude_categories=[]), min_size=1, max_size=40))
    kept: list[tuple[int, int]] = []
    for start, end in draw(spans_of(len(text))):
        if all(e <= start or end <= s or (s <= start and end <= e) or (start <= s and e <= end) for s, e in kept):
            kept.append((start, end))
    entities = tuple(Entity(id=str(i), type="ORG", start=s, end=e, surface=text[s:e]) for i, (s, e) in enumerate(kept))
    stances = tuple(Stance(target="C1", scope=span, label="none") for span in draw(spans_of(len(text))))
    return Item(record_of(text, entities, stances=stances), text)


@settings(deadline=None, max_examples=150)
@given(items())
def test_any_text_and_any_spans_survive_the_page(item: Item) -> None:
    found = Page(render_page([item]))
    assert found.articles == [displayable(item.text)]
    marks = sorted(text for _, text in found.marks)
    assert marks == sorted(displayable(e.surface) for e in item.record.entities)
    ranges = sorted(displayable(item.text[slice(*s.scope)]) for s in item.record.stances)
    assert sorted(found.passages.values()) == ranges
    assert len(found.values("id")) == len(set(found.values("id")))


def refused(item: Item) -> str:
    with pytest.raises(DataError) as caught:
        render_page([item])
    message = str(caught.value)
    assert "\n" not in message
    assert message.startswith(item.where)
    return message


def test_a_mention_that_reads_otherwise_or_lies_outside_is_refused() -> None:
    text = "مكتبة\nالمرفأ"
    wrong = Entity(id="T1", type="FAC", start=0, end=5, surface="مدرسة")
    assert "the text there reads" in refused(Item(record_of(text, (wrong,)), text, "r.jsonl:1"))
    outside = Entity(id="T1", type="FAC", start=6, end=40, surface="المرفأ")
    assert "out of the text's 12 characters" in refused(Item(record_of(text, (outside,)), text, "r.jsonl:1"))
    empty = Entity(id="T1", type="FAC", start=3, end=3, surface="")
    assert "[3, 3)" in refused(Item(record_of(text, (empty,)), text, "r.jsonl:1"))


def test_a_stance_range_outside_the_text_another_text_and_a_double_id_are_refused() -> None:
    text = "مكتبة المرفأ"
    stance = Stance(target="C1", scope=(0, 99), label="none")
    assert "[0, 99)" in refused(Item(record_of(text, stances=(stance,)), text, "r.jsonl:1"))
    assert "sha256" in refused(Item(record_of(text), text + " ", "r.jsonl:1"))
    twice = (entity(1, text, "مكتبة"), entity(1, text, "المرفأ"))
    assert "twice" in refused(Item(record_of(text, twice), text, "r.jsonl:1"))


def test_headline_skips_furniture_and_is_cut_at_a_word() -> None:
    assert headline(TEXT, "library") == "بلدية النورس تفتتح مكتبة المرفأ"
    assert headline("\n \nA+ A-\n...\n", "library") == "library"
    cut = headline("كلمة " * 1000, "library")
    assert cut.endswith("كلمة…")
    assert len(cut) <= 111


def arguments(records: Path, texts: Path, output: Path) -> argparse.Namespace:
    return argparse.Namespace(records=records, texts=texts, output=output)


@pytest.fixture
def records(tmp_path: Path) -> Path:
    path = tmp_path / "records.jsonl"
    path.write_text(library().to_json() + "\n", encoding="utf-8")
    return path


def test_run_writes_the_page_from_a_folder_of_texts(
    tmp_path: Path, records: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts" / "library.txt").write_bytes(TEXT.encode())
    output = tmp_path / "new" / "page.html"
    assert run_render(arguments(records, tmp_path / "texts", output)) == 0
    assert Page(output.read_bytes().decode()).articles == [TEXT]
    assert capsys.readouterr().out == f"{output}: 1 article\n"


@pytest.mark.parametrize("key", ["id", "doc"])
def test_texts_may_be_jsonl(tmp_path: Path, records: Path, key: str) -> None:
    texts = tmp_path / "texts.jsonl"
    texts.write_text(json.dumps({key: "library", "text": TEXT}) + "\n\n", encoding="utf-8")
    assert [item.text for item in read_items(records, texts)] == [TEXT]


def failure(records: Path, texts: Path, output: Path) -> str:
    with pytest.raises(DataError) as caught:
        run_render(arguments(records, texts, output))
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_missing_text_is_one_line_that_names_record_and_file(tmp_path: Path, records: Path) -> None:
    output = tmp_path / "page.html"
    message = failure(records, tmp_path, output)
    assert f"{records}:1: no text for 'library'" in message
    assert "library.txt" in message
    assert not output.exists()
    texts = tmp_path / "texts.jsonl"
    texts.write_text('{"id": "other", "text": ""}\n', encoding="utf-8")
    assert f"{records}:1: no text for 'library' in {texts}" in failure(records, texts, output)
    assert "no such file or folder" in failure(records, tmp_path / "nowhere", output)


@pytest.mark.parametrize("name", ["../secret", "/etc/hostname", "a\0b", "long" * 100])
def test_a_record_cannot_name_a_text_outside_the_folder(tmp_path: Path, name: str) -> None:
    (tmp_path / "secret.txt").write_text("x", encoding="utf-8")
    folder = tmp_path / "texts"
    folder.mkdir()
    path = tmp_path / "r.jsonl"
    path.write_text(json.dumps({"doc": name, "sha256": sha256_of("x")}) + "\n", encoding="utf-8")
    assert "inside" in failure(path, folder, tmp_path / "page.html")


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("{", "expected a JSON object"),
        ("[1]", "expected a JSON object"),
        ('{"text": "x"}', "expected a JSON object"),
        ('{"id": "a", "text": 3}', "text must be a string, got int"),
        ('{"id": "a", "text": ""}\n{"id": "a", "text": ""}', "'a' stands twice"),
    ],
)
def test_a_broken_line_of_texts_is_named(tmp_path: Path, records: Path, line: str, expected: str) -> None:
    texts = tmp_path / "texts.jsonl"
    texts.write_text(line + "\n", encoding="utf-8")
    message = failure(records, texts, tmp_path / "page.html")
    assert expected in message
    assert message.startswith(f"{texts}:{line.count(chr(10)) + 1}: ")


def test_no_record_a_text_that_is_not_utf8_and_a_page_that_cannot_be_written(tmp_path: Path, records: Path) -> None:
    empty = tmp_path / "empty.jsonl"
    empty.write_text("\n", encoding="utf-8")
    assert "no record" in failure(empty, tmp_path, tmp_path / "page.html")
    (tmp_path / "library.txt").write_bytes(TEXT.encode("cp1256", "replace"))
    assert "not UTF-8" in failure(records, tmp_path, tmp_path / "page.html")
    (tmp_path / "library.txt").write_bytes(TEXT.encode())
    assert "cannot be written" in failure(records, tmp_path, tmp_path)


def test_several_articles_keep_their_order_and_their_own_anchors() -> None:
    other = "مدرسة المرفأ"
    second = Record(doc="school", sha256=sha256_of(other), entities=(entity(1, other, "مدرسة المرفأ"),))
    found = Page(render_page([Item(library(), TEXT), Item(second, other), Item(library(), TEXT)]))
    assert found.articles == [TEXT, other, TEXT]
    assert len(found.values("id")) == len(set(found.values("id")))
    assert {link.removeprefix("#") for link in found.values("href")} <= set(found.values("id"))

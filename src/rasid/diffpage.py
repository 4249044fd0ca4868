"""Two annotation passes as one self-contained HTML page, right to left: what they differ in first, then the texts.

Each pass has an ink and a line of its own under what it alone has marked, so that colour need not be trusted by
itself; what both have is faint. No script, nothing from the network.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template
from markupsafe import Markup

from rasid.agreement import Agreement, Disagreement, TwoPasses
from rasid.embed import hash_source
from rasid.palette import PALETTE, PAPER
from rasid.render import displayable, headline
from rasid.text import Span
from rasid.weave import Box, line_boxes, weave

_CONTEXT = 45  # characters on each side of a span that the passes differ in
_LONGEST = 160  # of the span itself: a stance's passage is not told in full twice


@dataclass(frozen=True, slots=True)
class _Row:
    """One disagreement with the text around it; `anchor` is its place in the article, None for an article's stance."""

    found: Disagreement
    anchor: str | None
    before: str
    inside: str
    after: str


@dataclass(frozen=True, slots=True)
class _Story:
    anchor: str
    doc: str
    headline: str
    rows: list[_Row]
    body: Markup


def _types(article: TwoPasses) -> dict[Span, tuple[str, str]]:
    """Every range that a pass has marked, with each pass's types there, empty where it has none."""
    sides: list[defaultdict[Span, list[str]]] = [defaultdict(list), defaultdict(list)]
    for side, record in zip(sides, (article.first, article.second), strict=True):
        for entity in record.entities:
            side[entity.span].append(entity.type)
    spans = sorted({*sides[0], *sides[1]}, key=lambda span: (span.start, -span.end))
    return {span: ("+".join(sorted(sides[0][span])), "+".join(sorted(sides[1][span]))) for span in spans}


def _boxes(article: TwoPasses, anchors: dict[Span, str]) -> Iterator[Box]:
    """A mark for every range; those of two passes may cross, and are cut then."""
    for span, (first, second) in _types(article).items():
        kind = "both" if first == second else "first" if not second else "second" if not first else "types"
        told = first if first == second else f"{first or '—'} | {second or '—'}"
        name = Markup(' id="{}"').format(anchors[span]) if span in anchors else Markup("")
        shape = Markup('<mark class="{}" data-t="{}" title="{}"').format(kind, told, told)
        yield Box(span.start, span.end, "mark", shape + name + Markup(">"), shape + Markup(">"))


def _passage_boxes(anchors: dict[Span, str], marked: set[Span]) -> Iterator[Box]:
    """Empty anchors at the beginning of passages whose stance is in question."""
    for span, name in anchors.items():
        if span not in marked:
            yield Box(span.start, span.end, "span", Markup('<span id="{}">').format(name), Markup("<span>"))


def _row(found: Disagreement, text: str, anchor: str | None) -> _Row:
    span = found.span
    if span is None:
        return _Row(found, anchor, "", "", "")
    inside = span.of(text)
    inside = inside if len(inside) <= _LONGEST else inside[:_LONGEST] + "…"
    if found.kind == "stance":
        return _Row(found, anchor, "", inside, "")
    before, after = text[max(0, span.start - _CONTEXT) : span.start], text[span.end : span.end + _CONTEXT]
    if span.start > _CONTEXT:
        before = "…" + before.partition(" ")[2]
    if span.end + _CONTEXT < len(text):
        after = after.rpartition(" ")[0] + "…"
    return _Row(found, anchor, before, inside, after)


def _story(article: TwoPasses, found: Sequence[Disagreement], number: int) -> _Story:
    anchor = f"a{number}"
    spans = dict.fromkeys(each.span for each in found if each.span is not None)
    anchors = {span: f"{anchor}-d{place}" for place, span in enumerate(spans, 1)}
    marked = set(_types(article))
    boxes = [*line_boxes(article.text), *_boxes(article, anchors), *_passage_boxes(anchors, marked)]
    rows = [_row(each, article.text, anchors.get(each.span) if each.span else None) for each in found]
    title = headline(article.text, article.first.doc)
    return _Story(anchor, article.first.doc, title, rows, weave(article.text, boxes))


@cache
def _template() -> Template:
    loader = FileSystemLoader(Path(__file__).parent, encoding="utf-8")
    environment = Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    environment.filters["hash_source"] = hash_source
    return environment.get_template("diff.html")


def diff_page(articles: Sequence[TwoPasses], agreed: Agreement, names: tuple[str, str]) -> str:
    """The page; articles with most disagreements first. `names` are those of the two passes."""
    by_doc: defaultdict[str, list[Disagreement]] = defaultdict(list)
    for each in agreed.disagreements:
        by_doc[each.doc].append(each)
    ordered = sorted(articles, key=lambda one: -len(by_doc[one.first.doc]))
    stories = [_story(one, by_doc[one.first.doc], number) for number, one in enumerate(ordered, 1)]
    inks = {"first": PALETTE["PERS"], "second": PALETTE["PRODUCT"]}
    page = _template().render(stories=stories, lines=agreed.lines, names=names, inks=inks, paper=PAPER)
    return displayable(page).replace("\r", "&#13;")

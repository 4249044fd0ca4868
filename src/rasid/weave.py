"""Boxes woven into a text: HTML elements around its mentions, lines and whatever else has a start and an end.

Boxes are made one kind at a time and may cross; `weave` turns all of them into well-formed markup that holds
the text and nothing else. Knows nothing of pages, stances or models.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import regex
from markupsafe import Markup, escape

from rasid.errors import DataError
from rasid.labels import VALUES
from rasid.records import Entity, Record
from rasid.text import is_furniture

_RIGHT_TO_LEFT = regex.compile(r"[\p{Arabic}\p{Hebrew}\p{Syriac}\p{Thaana}\p{Nko}]")
_LETTER = regex.compile(r"\p{L}")
_DEEPEST = 4  # levels inside a mention that the style sheet tells apart


@dataclass(frozen=True, slots=True)
class Box:
    """An element around [start, end) of a text, not empty. Rigid ones stay whole, the others are cut on crossing."""

    start: int
    end: int
    tag: str
    opening: Markup
    again: Markup  # the start tag of every piece but the first
    rigid: bool = False


def weave(text: str, boxes: Iterable[Box]) -> Markup:
    """`text`, escaped, with `boxes` as well-formed elements. Rigid boxes must not cross one another.

    A box that is not rigid is closed and opened again wherever a rigid one, or a longer one, crosses it.
    """
    starts: defaultdict[int, list[Box]] = defaultdict(list)
    marks = set()
    for box in boxes:
        starts[box.start].append(box)
        marks |= {box.start, box.end}
    out: list[str] = []
    stack: list[Box] = []
    position = 0
    for mark in sorted(marks):
        out.append(escape(text[position:mark]))
        position = mark
        new = starts[mark]
        # No rigid box is opened inside a soft one that ends before it: the soft one is opened again within.
        reach = max((box.end for box in new if box.rigid), default=mark)
        kept = next((i for i, b in enumerate(stack) if b.end == mark or (not b.rigid and b.end < reach)), len(stack))
        out += [f"</{box.tag}>" for box in reversed(stack[kept:])]
        survivors = [box for box in stack[kept:] if box.end > mark]
        del stack[kept:]
        for box in sorted([*survivors, *new], key=lambda b: (-b.end, b.rigid)):
            out.append(box.again if box.start < mark else box.opening)
            stack.append(box)
    out.append(escape(text[position:]))
    return Markup("").join(Markup(part) for part in out)


def line_boxes(text: str) -> list[Box]:
    """Lines without a right-to-left letter, read left to right (A+ A-), and page furniture, shown faint."""
    found = []
    position = 0
    for line in text.splitlines(keepends=True):
        content = line.rstrip()
        start, position = position, position + len(line)
        if _LETTER.search(content) and not _RIGHT_TO_LEFT.search(content):
            opening = Markup('<bdi dir="ltr">')
            found.append(Box(start, start + len(content), "bdi", opening, opening))
        if content and is_furniture(line):
            opening = Markup('<span class="furniture">')
            found.append(Box(start, start + len(content), "span", opening, opening))
    return found


def mention_boxes(record: Record, anchors: Mapping[str, str], clusters: Mapping[str, str], where: str) -> list[Box]:
    """The mentions as rigid `<mark>` elements; the first is in the tab order, a script may move the focus on.

    `anchors` gives each entity id its anchor in the page, `clusters` each cluster id. Raises DataError, led by
    `where`, when two mentions cross or share an id.
    """
    names = {cluster.id: cluster.name for cluster in record.clusters}
    levels = _levels(record, where)
    found = []
    for number, entity in enumerate(in_order(record.entities)):
        title = [entity.type, *([names[entity.cluster]] if entity.cluster in names else [])]
        title += [f"{entity.score:.2f}"] if entity.score is not None else []
        cluster = clusters.get(entity.cluster or "")
        opening = Markup('<mark id="{}" class="k{}{}" data-type="{}"{} title="{}" tabindex="{}">').format(
            anchors[entity.id],
            min(levels[entity.id], _DEEPEST),
            " value" if entity.type in VALUES else "",
            entity.type,
            Markup(' data-cluster="{}"').format(cluster) if cluster else "",
            " · ".join(title),
            0 if number == 0 else -1,
        )
        found.append(Box(entity.start, entity.end, "mark", opening, opening, rigid=True))
    return found


def in_order(entities: Iterable[Entity]) -> list[Entity]:
    """Text order, outer before inner; equal spans as the record lists them."""
    return sorted(entities, key=lambda e: (e.start, -e.end))


def _levels(record: Record, where: str) -> dict[str, int]:
    """Entity id to how many levels of mentions lie inside it."""
    levels: dict[str, int] = {}
    stack: list[Entity] = []
    for entity in in_order(record.entities):
        while stack and stack[-1].end <= entity.start:
            stack.pop()
        if stack and stack[-1].end < entity.end:
            outer = stack[-1]
            raise DataError(
                f"{where}: {record.doc!r}: entities {outer.id!r} {outer.surface!r} and "
                f"{entity.id!r} {entity.surface!r} cross; spans may nest or stand apart"
            )
        if entity.id in levels:
            raise DataError(f"{where}: {record.doc!r}: entity id {entity.id!r} is used twice")
        levels[entity.id] = 0
        for height, outer in enumerate(reversed(stack), 1):
            levels[outer.id] = max(levels[outer.id], height)
        stack.append(entity)
    return levels

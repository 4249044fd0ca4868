"""Charts of a report as inline SVG: intervals on a track, reliability diagrams, the confusion of types.

Colours, sizes and fonts are the style sheet's (`report.css`), so a chart follows the page's theme. Figures come from
the objects of an evaluation; nothing is computed here but places on paper.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from markupsafe import Markup

from rasid.confusion import ENDS, MISSED, SPURIOUS, Confusion
from rasid.embed import visible
from rasid.reliability import Reliability

_SIDE, _LEFT, _TOP, _BOTTOM = 240, 44, 10, 44  # of the reliability diagram, in its own units
_CELL, _GUTTER = 30, 104  # of the confusion matrix: a cell's side, room for the names of types
_NAME = 12  # characters of a type's name that the gutter has room for


@dataclass(frozen=True, slots=True)
class Scale:
    """The ends of a track, with lines at `ticks`; the first of them is drawn stronger."""

    low: float = 0.0
    high: float = 1.0
    ticks: tuple[float, ...] = (0.0, 0.25, 0.5, 0.75, 1.0)

    def place(self, value: float) -> float:
        """Where a value stands, from 0 to 100."""
        return round(100 * (min(max(value, self.low), self.high) - self.low) / (self.high - self.low), 2)


def around_nought(values: Iterable[float]) -> Scale:
    """A scale that holds all of the values, with nought in the middle."""
    most = max((abs(value) for value in values), default=0.0) or 1.0
    return Scale(-most, most, (0.0, -most, -most / 2, most / 2, most))


def track(value: float, low: float, high: float, scale: Scale) -> Markup:
    """A dot at the value on a line from `low` to `high`, to be stretched to the width of its cell."""
    lines = [
        Markup('<line class="{}" x1="{}" x2="{}" y1="0" y2="16"/>').format(
            "grid" if number else "nought", scale.place(tick), scale.place(tick)
        )
        for number, tick in enumerate(scale.ticks)
    ]
    return Markup(
        '<svg class="track" viewBox="0 0 100 16" preserveAspectRatio="none" aria-hidden="true" focusable="false">'
        '{}<line class="whisker" x1="{}" x2="{}" y1="8" y2="8"/><line class="dot" x1="{}" x2="{}" y1="8" y2="8"/></svg>'
    ).format(Markup("").join(lines), scale.place(low), scale.place(high), *[scale.place(value)] * 2)


def reliability_chart(name: str, found: Reliability) -> Markup:
    """Mean score of each bin against the share of it that is right; a dot's area is the bin's share of the answers."""
    parts = [Markup('<path class="axis" d="M{0} {1}V{2}H{3}"/>').format(_x(0), _y(1), _y(0), _x(1))]
    parts.append(Markup('<path class="exact" d="M{} {}L{} {}"/>').format(_x(0), _y(0), _x(1), _y(1)))
    for tick in (0, 0.25, 0.5, 0.75, 1):
        parts.append(_label(_x(tick), _y(0) + 16, f"{tick:g}", "middle"))
        parts.append(_label(_x(0) - 6, _y(tick) + 4, f"{tick:g}", "end"))
    parts.append(_label(_x(0.5), _y(0) + 36, "score", "middle"))
    parts.append(
        Markup('<text transform="translate({} {}) rotate(-90)" text-anchor="middle">share right</text>').format(
            14, _y(0.5)
        )
    )
    for each in found.bins:
        title = f"scores {each.low:.2f} to {each.high:.2f}: {each.right:.0%} of {each.count} right"
        radius = round(2.5 + 22 * (each.count / found.count) ** 0.5 / 2, 1)
        parts.append(
            Markup('<circle class="bin" cx="{}" cy="{}" r="{}"><title>{}</title></circle>').format(
                _x(each.score), _y(each.right), radius, title
            )
        )
    size = Markup('viewBox="0 0 {} {}"').format(_LEFT + _SIDE + 14, _TOP + _SIDE + _BOTTOM)
    return Markup('<svg class="reliability" {} role="img" aria-label="{}">{}</svg>').format(
        size, visible(calibration_caption(name, found)), Markup("").join(parts)
    )


def calibration_caption(name: str, found: Reliability) -> str:
    """The figure that a reliability diagram stands for."""
    ece = found.ece
    return f"{name}: ECE {ece.value:.3f} ({ece.low:.3f} to {ece.high:.3f}), {found.count:,} answers"


def _x(value: float) -> float:
    return round(_LEFT + _SIDE * value, 1)


def _y(value: float) -> float:
    return round(_TOP + _SIDE * (1 - value), 1)


def _label(x: float, y: float, text: str, anchor: str) -> Markup:
    return Markup('<text x="{}" y="{}" text-anchor="{}">{}</text>').format(x, y, anchor, text)


def confusion_chart(found: Confusion) -> Markup:
    """A square for each pair of types; the deeper, the greater its share of the row. Squares name their two types for
    the script, which shows the entities that they count."""
    columns = [*found.types, ENDS, MISSED]
    rows = [*found.types, SPURIOUS]
    parts = []
    for number, name in enumerate(columns):
        x = _GUTTER + _CELL * (number + 0.5) + 4
        parts.append(
            Markup('<text transform="translate({} {}) rotate(-90)"><title>{}</title>{}</text>').format(
                x, _GUTTER - 6, visible(name), _short(name)
            )
        )
    for number, name in enumerate(rows):
        y = _GUTTER + _CELL * (number + 0.5) + 4
        parts.append(
            Markup('<text x="{}" y="{}" text-anchor="end"><title>{}</title>{}</text>').format(
                _GUTTER - 6, y, visible(name), _short(name)
            )
        )
        parts.append(
            Markup('<path class="grid" d="M{} {}h{}"/>').format(_GUTTER, _GUTTER + _CELL * number, _CELL * len(columns))
        )
    parts += [_square(found, cell.gold, cell.predicted, cell.count, rows, columns) for cell in found.cells]
    width, height = _GUTTER + _CELL * len(columns) + 2, _GUTTER + _CELL * len(rows) + 2
    return Markup(
        '<svg class="confusion" viewBox="0 0 {0} {1}" width="{0}" height="{1}" role="img" '
        'aria-label="Gold types by row, predicted types by column">{2}</svg>'
    ).format(width, height, Markup("").join(parts))


def _square(found: Confusion, gold: str, predicted: str, count: int, rows: list[str], columns: list[str]) -> Markup:
    x, y = _GUTTER + _CELL * columns.index(predicted), _GUTTER + _CELL * rows.index(gold)
    share = count / found.row_total(gold)
    kind = "right" if gold == predicted else "wrong"
    title = f"{gold} → {predicted}: {count}, {share:.1%} of the row"
    return Markup(
        '<g class="square {}" data-gold="{}" data-predicted="{}"><title>{}</title>'
        '<rect x="{}" y="{}" width="{}" height="{}" rx="2" fill-opacity="{}"/>'
        '<text x="{}" y="{}" text-anchor="middle">{}</text></g>'
    ).format(
        *(kind, gold, gold if predicted == ENDS else predicted, visible(title)),
        *(x + 1, y + 1, _CELL - 2, _CELL - 2, round(0.06 + 0.3 * share**0.5, 3)),
        *(x + _CELL / 2, y + _CELL / 2 + 4, _brief(count)),
    )


def _short(name: str) -> str:
    plain = visible(name)
    return plain if len(plain) <= _NAME else f"{plain[: _NAME - 1]}…"


def _brief(count: int) -> str:
    """A number in at most four characters."""
    if count < 10_000:
        return str(count)
    return f"{count // 1000}k" if count < 1_000_000 else f"{count // 1_000_000}M"

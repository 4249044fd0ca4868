"""Charts: figures where they belong on the paper, everything inside it, nothing of a name as markup."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import pytest
from markupsafe import Markup

from rasid.charts import Scale, around_nought, confusion_chart, reliability_chart, track
from rasid.confusion import MISSED, Cell, Confusion
from rasid.reliability import reliability


def parsed(svg: Markup) -> ET.Element:
    return ET.fromstring(svg)


def test_a_track_shows_value_and_interval() -> None:
    *_, whisker, dot = parsed(track(0.5, 0.25, 0.6, Scale()))
    assert (whisker.get("x1"), whisker.get("x2"), dot.get("x1")) == ("25.0", "60.0", "50.0")


def test_a_scale_around_nought_holds_everything_and_has_nought_in_the_middle() -> None:
    scale = around_nought([0.02, -0.08])
    assert (scale.place(0), scale.place(-0.08), scale.place(0.08)) == (50, 0, 100)
    assert around_nought([]).place(0) == 50


def test_a_reliability_diagram_has_a_dot_for_every_bin_inside_the_paper() -> None:
    found = reliability([n / 200 for n in range(200)], [n % 3 > 0 for n in range(200)], list(range(200)))
    svg = parsed(reliability_chart("<entities>", found))
    width, height = map(float, (svg.get("viewBox") or "").split()[2:])
    dots = svg.findall("circle")
    assert len(dots) == len(found.bins)
    for dot in dots:
        x, y, r = (float(dot.get(name) or "nan") for name in ("cx", "cy", "r"))
        assert r <= x <= width - r
        assert y - r >= 0
        assert y + r <= height
    assert (svg.get("aria-label") or "").startswith("<entities>: ECE ")


@pytest.mark.parametrize("name", ["<b>&\u202e", "نوع طويل جدا من الكيانات", "GPE"])
def test_a_square_stands_in_the_row_of_gold_and_the_column_of_predicted(name: str) -> None:
    found = Confusion((name, "ORG"), (Cell("ORG", name, 2), Cell("ORG", MISSED, 12_345)), 0)
    svg = parsed(confusion_chart(found))
    first, second = svg.findall("g")
    assert (first.get("data-gold"), first.get("data-predicted")) == ("ORG", name)
    places = [(rect.get("x"), rect.get("y")) for rect in svg.iter("rect")]
    assert places[0][0] == "105"
    assert places[0][1] == places[1][1]
    assert second.findtext("text") == "12k"
    assert "\u202e" not in "".join(svg.itertext())

"""The page's colours: every entity type has an ink, and every ink can be read."""

from __future__ import annotations

import pytest

from rasid.labels import WOJOOD
from rasid.palette import OTHER, PALETTE, PAPER, TINT


def luminance(colour: tuple[float, ...]) -> float:
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in colour]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def rgb(colour: str) -> tuple[float, ...]:
    return tuple(int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5))


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
def test_every_tag_can_be_read_on_its_own_tint_three_boxes_deep(theme: int) -> None:
    assert set(WOJOOD) - set(PALETTE) == {"CARDINAL", "ORDINAL", "PERCENT"}
    for pair in [*PALETTE.values(), OTHER]:
        colour, ground = rgb(pair[theme]), rgb(PAPER[theme])
        for _ in range(3):
            ground = tuple(TINT * c + (1 - TINT) * g for c, g in zip(colour, ground, strict=True))
        light, dark = sorted((luminance(colour), luminance(ground)), reverse=True)
        assert (light + 0.05) / (dark + 0.05) >= 4.5, pair[theme]

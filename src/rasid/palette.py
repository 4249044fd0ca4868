"""Colours of the pages that Rasid writes: its two papers, and one ink per entity type on each.

Pairs are for light and for dark paper. Kin types share a hue, the tag beside a mention tells which; every ink
keeps a contrast of 4.5 (WCAG 2 AA) on its own tint, three boxes deep. Knows nothing of records or of HTML.
"""

from __future__ import annotations

PAPER = ("#fdfcf9", "#15171b")
TINT = 0.07  # share of its colour that a mention's box is filled with
PALETTE: dict[str, tuple[str, str]] = {
    **dict.fromkeys(("PERS", "PER"), ("#0b4fa3", "#8fbcff")),
    "NORP": ("#5a3fb0", "#bfaeff"),
    "OCC": ("#005f70", "#74d4e6"),
    "ORG": ("#97195f", "#ff9fd0"),
    "GPE": ("#155f27", "#86d993"),
    "LOC": ("#455a00", "#c0d66b"),
    "FAC": ("#744600", "#f0bf76"),
    "EVENT": ("#a8201a", "#ffaaa0"),
    "PRODUCT": ("#873b00", "#ffb784"),
    "WEBSITE": ("#005f52", "#72dcc6"),
    **dict.fromkeys(("LAW", "LANGUAGE"), ("#7a3372", "#e9a9e0")),
    **dict.fromkeys(("DATE", "TIME"), ("#574d3d", "#d3c6b0")),
    **dict.fromkeys(("MONEY", "CURR"), ("#5f4b00", "#e3cc6a")),
    **dict.fromkeys(("QUANTITY", "UNIT"), ("#3a5750", "#aaccc2")),
}
OTHER = ("#4a525a", "#bcc5cf")  # numbers, and the types of inventories that are not listed


def style() -> str:
    """The palette as style rules: `--paper` and `--other` of a page, `--c` of each element that has a `data-type`."""
    page = f":root {{ --paper: {_pair(PAPER)}; --other: {_pair(OTHER)}; }}"
    return "\n".join([page, *(f'[data-type="{name}"] {{ --c: {_pair(pair)}; }}' for name, pair in PALETTE.items())])


def _pair(colours: tuple[str, str]) -> str:
    return f"light-dark({colours[0]}, {colours[1]})"

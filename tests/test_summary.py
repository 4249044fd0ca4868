"""The page for a pull request: what matters is open, and it fits."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from rasid.errors import DataError
from rasid.summary import LIMIT, Fold, append, page


def test_parts_are_open_and_folds_are_closed_in_order() -> None:
    text = page("Evaluation", ["head", "", "| a |"], [Fold("One", "1"), Fold("Two", "2")])
    assert text.startswith("## Evaluation\n\nhead\n\n| a |\n\n<details><summary>One</summary>\n\n1\n\n</details>")
    assert text.endswith("\n\n2\n\n</details>\n")


def test_a_page_fits_a_comment_and_says_what_it_left_out() -> None:
    folds = [Fold(f"Table {n}", "x" * 20_000) for n in range(5)]
    text = page("Evaluation", ["head"], folds)
    assert len(text) <= LIMIT
    assert len(re.findall("<details>", text)) == 3
    assert "Left out for length: Table 3, Table 4; the whole is in report.json.\n" in text
    exact = page("Evaluation", ["head"], folds[:1])
    assert page("Evaluation", ["head"], folds[:1], limit=len(exact)) == exact
    assert "<details>" not in page("Evaluation", ["head"], folds[:1], limit=len(exact) - 1)


def test_parts_that_are_too_long_are_cut_at_a_line() -> None:
    text = page("Evaluation", ["\n".join(["| row |"] * 20_000)], [Fold("One", "1")])
    assert len(text) <= LIMIT
    body, _, end = text.partition("\n\nCut for length")
    assert body.endswith("\n| row |")
    assert end


def test_a_page_is_added_to_what_stands_in_the_file(tmp_path: Path) -> None:
    path = tmp_path / "summary.md"
    append("one\n", path)
    append("two\n", path)
    assert path.read_text(encoding="utf-8") == "one\n\ntwo\n\n"
    with pytest.raises(DataError, match="cannot be written"):
        append("x", tmp_path)

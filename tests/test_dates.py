"""Dates: which fields of a record are read, and in which forms."""

from __future__ import annotations

from typing import Any

import pytest

from rasid.infer.dates import date_of


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ("2019-03-11", "2019-03-11"),
        ("2019/3/1", "2019-03-01"),
        ("2019-03-11T08:00:00Z", "2019-03-11"),
        (" 2019-03-11 08:00 ", "2019-03-11"),
        ("2019-03", "2019-03"),
        ("Mon, 11 Mar 2019 23:30:00 +0300", "2019-03-11"),
        ("2019-02-31", None),
        ("2019-13", None),
        ("03/04/2019", None),
        ("أمس", None),
        ("", None),
        (20190311, None),
        (None, None),
    ],
)
def test_forms(value: Any, found: str | None) -> None:
    assert date_of({"date": value}) == found


def test_the_first_field_that_is_a_date_counts() -> None:
    meta = {"date": "unknown", "published": "2019-03-11", "pubDate": "2020-01-01", "crawled": "2024-01-01"}
    assert date_of(meta) == "2019-03-11"
    assert date_of(meta, ("crawled",)) == "2024-01-01"
    assert date_of({}) is None

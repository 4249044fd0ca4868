"""Dates: the day or month on which an article says it appeared, from the fields of its record.

Read are ISO 8601 (2019-03-11, 2019-03, 2019-03-11T08:00:00Z, 2019/03/11) and RFC 2822, as feeds write it; a
time zone is not converted. 03/04/2019 is not read: it is two dates. It knows fields and nothing of texts.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from email.utils import parsedate_to_datetime
from typing import Any

import regex

DATE_FIELDS = ("date", "published", "published_at", "publish_date", "pubdate", "pubDate", "datetime", "timestamp")
_ISO = regex.compile(r"(\d{4})[-/](\d{1,2})(?:[-/](\d{1,2}))?(?:[T ].*)?")


def date_of(meta: Mapping[str, Any], fields: tuple[str, ...] = DATE_FIELDS) -> str | None:
    """`YYYY-MM-DD`, or `YYYY-MM` where no day is given, of the first of the fields that is a date; else None."""
    return next((found for name in fields if (found := _parsed(meta.get(name)))), None)


def _parsed(value: Any) -> str | None:
    if not isinstance(value, str):
        return None
    match = _ISO.fullmatch(value.strip())
    try:
        if match:
            day = date(int(match[1]), int(match[2]), int(match[3] or 1))
            return day.isoformat() if match[3] else day.isoformat()[:7]
        return parsedate_to_datetime(value).date().isoformat()
    except ValueError:  # the 31st of a month that has none, or no date at all
        return None

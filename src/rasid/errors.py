"""The one base of errors that a user can cause and mend; the command line prints them as one line, exit code 2."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class RasidError(Exception):
    """A user's mistake: the message says what, where (file:line or record) and what is allowed or to be run next."""


class ConfigError(RasidError):
    """A run config that cannot be read as it stands."""


class DataError(RasidError):
    """An input, an annotation or a data set that breaks its own format."""


class ModelError(RasidError):
    """A model folder that is missing, damaged, or not one of ours."""


def nearest(name: str, known: Iterable[str]) -> str:
    """`; did you mean 'x'?` for the nearest of `known`, else the sorted list of them: the tail of an error line."""
    names = sorted(known)
    match = difflib.get_close_matches(name, names, n=1)
    return f"; did you mean {match[0]!r}?" if match else f"; known: {', '.join(names)}"

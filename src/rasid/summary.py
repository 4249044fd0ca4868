"""Summary: a report as one Markdown page for a pull request or a job's summary, what matters open and the rest folded.

It knows headings and finished tables, nothing of scores. GitHub takes comments of 65,536 characters; a page that would
be longer loses its folded tables, the last ones first, and says so.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rasid.errors import DataError

LIMIT = 65_536  # characters of a comment on GitHub
_MORE = "the whole is in report.json"


@dataclass(frozen=True, slots=True)
class Fold:
    """A part of the page that opens when it is asked for."""

    title: str
    text: str

    def render(self) -> str:
        # GitHub reads Markdown inside an element only after a blank line.
        return f"<details><summary>{self.title}</summary>\n\n{self.text}\n\n</details>"


def page(title: str, parts: Sequence[str], folds: Sequence[Fold], limit: int = LIMIT) -> str:
    """The page, at most `limit` characters: `parts` in full, and of `folds` as many as there is room for.

    Should the parts alone be too long, they are cut at a line's end.
    """
    head = "\n\n".join([f"## {title}", *(part for part in parts if part)])
    for kept in range(len(folds), -1, -1):
        left_out = ", ".join(fold.title for fold in folds[kept:])
        note = [f"Left out for length: {left_out}; {_MORE}."] if left_out else []
        whole = "\n\n".join([head, *(fold.render() for fold in folds[:kept]), *note]) + "\n"
        if len(whole) <= limit:
            return whole
    end = f"\n\nCut for length; {_MORE}.\n"
    return head[: limit - len(end)].rpartition("\n")[0] + end


def append(text: str, path: Path) -> None:
    """Adds a page to the end of a file, as `$GITHUB_STEP_SUMMARY` asks of its writers. Raises DataError."""
    try:
        with path.open("a", encoding="utf-8", newline="") as stream:
            stream.write(f"{text}\n")
    except OSError as error:
        raise DataError(f"{path}: cannot be written ({error.strerror})") from None

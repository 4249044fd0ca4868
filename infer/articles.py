"""Articles: what a reader gives for each input, and how a JSON object or a table's row becomes one.

Every input gives an article or a reject with its reason. Texts are kept character for character: offsets point
into them. The module knows nothing of files or of models.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from rasid.errors import DataError

_DEEPEST = 100  # lists and objects within one another in an article's fields; records go down to 255 levels


@dataclass(frozen=True, slots=True)
class Article:
    """A text to be read: its id, unique in a job, the raw text, the other fields it came with, and where from."""

    doc: str
    text: str
    meta: dict[str, Any] = field(default_factory=dict)
    where: str = ""


@dataclass(frozen=True, slots=True)
class Reject:
    """An input that gave no article: file or file:line, and the reason in one sentence."""

    where: str
    reason: str


Read = Article | Reject


@dataclass(frozen=True, slots=True)
class Columns:
    """Which fields of an object or a row hold the text and the id. Without an `id`, the id is `doc`, else `id`,
    else the place in the file."""

    text: str = "text"
    id: str | None = None

    @property
    def ids(self) -> tuple[str, ...]:
        """The fields that may name an article, the one that counts first."""
        return (self.id,) if self.id else ("doc", "id")


def article_of(tree: dict[str, Any], columns: Columns, place: str, where: str) -> Article:
    """An article from the fields of a JSON object or a row; `place` names one that has no id.

    Raises DataError for a text that is missing or no string, an id that is no name, fields nested too deep.
    """
    text = tree.get(columns.text)
    if not isinstance(text, str):
        raise DataError(_no_text(tree, columns.text))
    _refuse_depth(tree)
    named = next((name for name in columns.ids if tree.get(name) is not None), None)
    if named is None and columns.id:
        raise DataError(f"no `{columns.id}`, which is to hold the id")
    # A line may have both `doc` and `id`: the one that does not name the article is a field like others.
    meta = {k: v for k, v in tree.items() if k not in (columns.text, named) and not (k in columns.ids and v is None)}
    return Article(place if named is None else _doc_of(tree[named]), text, meta, where)


def _no_text(tree: dict[str, Any], name: str) -> str:
    if name in tree:
        return f"`{name}` is {_name_of(tree[name])}; a string is needed"
    return f"no `{name}` field, only {_fields(tree)}; --text-column says which one holds the text"


def _name_of(value: Any) -> str:
    """A value's type as JSON calls it."""
    names = {bool: "a boolean", dict: "an object", list: "a list", type(None): "null"}
    return names.get(type(value), "a number")


def _fields(tree: dict[str, Any]) -> str:
    return ", ".join(repr(name) for name in sorted(tree)[:8]) or "an empty object"


def _doc_of(given: Any) -> str:
    """The name of an article from its id field."""
    if isinstance(given, bool) or not isinstance(given, str | int) or given == "":
        raise DataError(f"the id is {given!r}; a string that is not empty, or a whole number, is needed")
    return str(given)


def _refuse_depth(tree: dict[str, Any]) -> None:
    """Raises DataError for fields nested deeper than a record can be written."""
    level: list[Any] = [tree]
    for _ in range(_DEEPEST):
        inner = [child for node in level for child in (node.values() if isinstance(node, dict) else node)]
        level = [child for child in inner if isinstance(child, dict | list)]
        if not level:
            return
    raise DataError(f"fields nested more than {_DEEPEST} levels deep")

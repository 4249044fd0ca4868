"""JSON Schemas of the files that Rasid writes for others to read, generated from the types that write them.

`rasid schema` prints them; those of records and of reports also ship as files, which a test holds to the types.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pydantic import TypeAdapter

from rasid.records import json_schema

_DRAFT = "https://json-schema.org/draft/2020-12/schema"


def _closed(node: Any) -> Any:
    """A schema whose objects have no further keys: a file with a key too many is of another version."""
    if isinstance(node, list):
        return [_closed(item) for item in node]
    if not isinstance(node, dict):
        return node
    closed = {key: _closed(value) for key, value in node.items()}
    if node.get("type") == "object" and "properties" in node:
        closed |= {"additionalProperties": False, "required": list(node["properties"])}
    return closed


def _schema_of(kind: Any, title: str, without: str | None = None) -> dict[str, Any]:
    tree = TypeAdapter(kind).json_schema(mode="serialization")
    if without:  # a field that is kept in a file of its own
        del tree["properties"][without]
        tree["required"].remove(without)
    used = _reachable(tree)
    tree["$defs"] = {name: each for name, each in tree.get("$defs", {}).items() if name in used}
    return {"$schema": _DRAFT, **_closed(tree), "title": title}


def _reachable(tree: dict[str, Any]) -> set[str]:
    """Names of the definitions that the root refers to, directly or through others."""
    found: set[str] = set()
    asked: list[Any] = [{key: value for key, value in tree.items() if key != "$defs"}]
    while asked:
        node = asked.pop()
        if isinstance(node, dict):
            name = str(node.get("$ref", "")).rpartition("/")[2]
            if name and name not in found:
                found.add(name)
                asked.append(tree["$defs"][name])
            asked += node.values()
        elif isinstance(node, list):
            asked += node
    return found


def report_schema() -> dict[str, Any]:
    """Of report.json, as `rasid evaluate --report` writes it for one run."""
    from rasid.evaluate import Evaluation

    return _schema_of(Evaluation, "Report", without="counts")


def runs_schema() -> dict[str, Any]:
    """Of runs.json, which it writes for several."""
    from rasid.spread import Spread

    return _schema_of(Spread, "Runs")


def gates_schema() -> dict[str, Any]:
    """Of gates.json."""
    from rasid.gating import Judgement

    return _schema_of(Judgement, "Gates")


SCHEMAS: dict[str, Callable[[], dict[str, Any]]] = {
    "record": json_schema,
    "report": report_schema,
    "runs": runs_schema,
    "gates": gates_schema,
}

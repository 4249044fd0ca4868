"""The YAML sheet beside an inline annotation: the article's clusters and the stances towards them.

    clusters:
      C1: {name: قوات سوريا الديمقراطية, type: ORG}
    stances:
      - {target: C1, scope: P3, label: against, holder: author}

A scope is `article`, `P<n>` (the n-th of `rasid.text.passages`) or `[start, end]`; `holder` may be left out
(author), `evidence` is a list of passages. Every value is taken as the text it is written with, never by
YAML's own typing.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import yaml

from rasid.errors import DataError, nearest
from rasid.labels import STANCES, VALUES, WOJOOD
from rasid.records import Cluster, Record, Stance, read_exact
from rasid.text import passages

_PASSAGE = re.compile(r"P([1-9]\d*)")


@dataclass(frozen=True, slots=True)
class Sheet:
    """A sheet as read; `lines` are those of the file on which the clusters are defined."""

    clusters: tuple[Cluster, ...]
    stances: tuple[Stance, ...]
    lines: dict[str, int]


class _Reader:
    """Reads from the composed YAML tree, which keeps each value's own text and line."""

    def __init__(self, path: Path, raw: str) -> None:
        self.path = path
        self.raw = raw
        self.passages = [(span.start, span.end) for span in passages(raw)]

    def fail(self, node: yaml.Node, what: str) -> DataError:
        return DataError(f"{self.path}:{node.start_mark.line + 1}: {what}")

    def root(self) -> yaml.Node:
        try:
            root = yaml.compose(read_exact(self.path), Loader=yaml.SafeLoader)
        except yaml.YAMLError as error:
            line = getattr(getattr(error, "problem_mark", None), "line", 0) + 1
            problem = getattr(error, "problem", None) or str(error).splitlines()[0]
            raise DataError(f"{self.path}:{line}: not valid YAML ({problem})") from None
        if root is None:
            raise DataError(f"{self.path}:1: empty; expected the keys clusters and stances")
        return root

    def fields(self, node: yaml.Node, what: str) -> dict[str, yaml.Node]:
        if isinstance(node, yaml.ScalarNode) and not node.value:
            return {}
        if not isinstance(node, yaml.MappingNode):
            raise self.fail(node, f"{what}: expected a mapping of keys to values")
        found: dict[str, yaml.Node] = {}
        for key, value in node.value:
            name = self.word(key, f"a key of {what}")
            if name in found:
                raise self.fail(key, f"{what}: {name!r} stands twice")
            found[name] = value
        return found

    def known(self, node: yaml.Node, what: str, required: str, optional: str = "") -> dict[str, yaml.Node]:
        found = self.fields(node, what)
        allowed = {*required.split(), *optional.split()}
        for name, value in found.items():
            if name not in allowed:
                raise self.fail(value, f"{what}: unknown key {name!r}{nearest(name, allowed)}")
        for name in required.split():
            if name not in found:
                raise self.fail(node, f"{what}: {name} is missing")
        return found

    def items(self, node: yaml.Node, what: str) -> list[yaml.Node]:
        if isinstance(node, yaml.ScalarNode) and not node.value:
            return []
        if not isinstance(node, yaml.SequenceNode):
            raise self.fail(node, f"{what}: expected a list")
        return list(node.value)

    def word(self, node: yaml.Node, what: str) -> str:
        if not isinstance(node, yaml.ScalarNode) or not node.value:
            raise self.fail(node, f"{what}: expected a word")
        return str(node.value)

    def one_of(self, node: yaml.Node, what: str, allowed: set[str]) -> str:
        value = self.word(node, what)
        if value not in allowed:
            raise self.fail(node, f"{what}: unknown value {value!r}{nearest(value, allowed)}")
        return value

    def passage(self, node: yaml.Node) -> tuple[int, int]:
        if isinstance(node, yaml.SequenceNode):
            ends = [each.value for each in node.value]
            if len(ends) == 2 and all(isinstance(end, str) and end.isdecimal() for end in ends):
                start, end = int(ends[0]), int(ends[1])
                if start < end <= len(self.raw):
                    return (start, end)
            raise self.fail(node, f"range {ends}: expected [start, end] within {len(self.raw)} characters")
        value = self.word(node, "scope")
        match = _PASSAGE.fullmatch(value)
        if not match or int(match[1]) > len(self.passages):
            raise self.fail(node, f"scope {value!r}: expected article or P1 to P{len(self.passages)}")
        return self.passages[int(match[1]) - 1]

    def stance(self, node: yaml.Node, clusters: set[str]) -> Stance:
        found = self.known(node, "stance", "target scope label", "holder evidence")
        scope: Literal["article"] | tuple[int, int] = "article"
        if getattr(found["scope"], "value", "") != "article":
            scope = self.passage(found["scope"])
        tree: dict[str, Any] = {
            "target": self.one_of(found["target"], "target", clusters),
            "scope": scope,
            "label": self.one_of(found["label"], "label", set(STANCES)),
        }
        if "holder" in found:
            tree["holder"] = self.one_of(found["holder"], "holder", clusters | {"author", "other"})
        if "evidence" in found:
            tree["evidence"] = tuple(self.passage(each) for each in self.items(found["evidence"], "evidence"))
        return Stance.model_validate(tree)

    def cluster(self, name: str, node: yaml.Node) -> Cluster:
        found = self.known(node, f"cluster {name}", "name type")
        label = self.one_of(found["type"], f"type of cluster {name}", set(WOJOOD) - VALUES)
        return Cluster(id=name, name=self.word(found["name"], f"name of cluster {name}"), type=label)


def read_sheet(path: Path, raw: str) -> Sheet:
    """The sheet in a file, for the article whose text is `raw`. Raises DataError: `file:line: what`."""
    reader = _Reader(path, raw)
    found = reader.known(reader.root(), "the sheet", "clusters", "stances")
    nodes = reader.fields(found["clusters"], "clusters")
    clusters = tuple(reader.cluster(name, node) for name, node in nodes.items())
    lines = {name: node.start_mark.line + 1 for name, node in nodes.items()}
    stances: list[Stance] = []
    seen: set[tuple[object, ...]] = set()
    for node in reader.items(found["stances"], "stances") if "stances" in found else []:
        stance = reader.stance(node, set(nodes))
        key = (stance.target, stance.scope, stance.holder)
        if key in seen:
            raise reader.fail(node, f"a second stance towards {stance.target} for the same scope and holder")
        seen.add(key)
        stances.append(stance)
    return Sheet(clusters, tuple(stances), lines)


def write_sheet(record: Record, text: str) -> str:
    """The YAML sheet of a record: its clusters and stances, passages as `P<n>` where they are some."""
    numbers = {(span.start, span.end): f"P{number}" for number, span in enumerate(passages(text), 1)}

    def scope_of(scope: object) -> object:
        return numbers.get(scope, list(scope)) if isinstance(scope, tuple) else scope

    stances: list[dict[str, object]] = []
    for stance in record.stances:
        row: dict[str, object] = {"target": stance.target, "scope": scope_of(stance.scope)}
        row |= {"label": stance.label, "holder": stance.holder}
        if stance.evidence is not None:
            row["evidence"] = [scope_of(each) for each in stance.evidence]
        stances.append(row)
    clusters = {each.id: {"name": each.name, "type": each.type} for each in record.clusters}
    tree = {"clusters": clusters, "stances": stances}
    return yaml.safe_dump(tree, allow_unicode=True, sort_keys=False, default_flow_style=None, width=1000)

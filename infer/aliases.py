"""The alias table: names that a user knows to mean one thing, from a YAML file, checked line by line.

    - name: صندوق النقد الدولي
      type: ORG
      aliases: [صندوق النقد, IMF]

An alias holds for its type only, whatever its article, its spelling or the particle written onto it. The table
knows names and nothing of texts.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from rasid.errors import DataError, nearest
from rasid.labels import VALUES, WOJOOD
from rasid.records import read_exact

from .names import clean, name_key

_CLUSTERED = frozenset(WOJOOD) - VALUES
_KEYS = ("name", "type", "aliases")
Key = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Thing:
    """What the names in a table's entry mean; `name` is the one that its clusters bear."""

    name: str
    type: str
    aliases: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        return (self.name, *self.aliases)


@dataclass(frozen=True, slots=True)
class AliasTable:
    """A user's things in the order of the file; `by_key` finds one by (type, `names.name_key` of a name)."""

    things: tuple[Thing, ...] = ()
    by_key: Mapping[Key, Thing] = field(default_factory=dict)

    @property
    def digest(self) -> str | None:
        """What tells one table from another; None for an empty one."""
        return hashlib.sha256(repr(self.things).encode()).hexdigest() if self.things else None

    def find(self, entity_type: str, name: str) -> Thing | None:
        """The thing that a name of a type means, if the table has it."""
        return self.by_key.get((entity_type, name_key(name, entity_type))) if self.by_key else None


NO_ALIASES = AliasTable()


def read_aliases(path: Path) -> AliasTable:
    """The table in a YAML file. Raises DataError, `file:line: entry n: what`, for the first fault in it."""
    entries = _entries(path)
    things: list[Thing] = []
    by_key: dict[Key, Thing] = {}
    seen: dict[Key, int] = {}
    for number, node in enumerate(entries, 1):
        entry = _Entry(path, number, node)
        thing = entry.thing()
        for name, place in entry.named:
            found = (thing.type, name_key(name, thing.type))
            if found in seen:
                other = "twice in this entry" if seen[found] == number else f"in entry {seen[found]} as well"
                raise entry.fault(place, f"{name!r} stands {other}; a name of one type means one thing")
            seen[found] = number
            by_key[found] = thing
        things.append(thing)
    return AliasTable(tuple(things), by_key)


def _entries(path: Path) -> list[yaml.Node]:
    try:
        root = yaml.compose(read_exact(path), Loader=yaml.SafeLoader)
    except yaml.YAMLError as error:
        line = getattr(getattr(error, "problem_mark", None), "line", 0) + 1
        problem = getattr(error, "problem", None) or str(error).splitlines()[0]
        raise DataError(f"{path}:{line}: not valid YAML ({problem})") from None
    if not isinstance(root, yaml.SequenceNode) or not root.value:
        raise DataError(f"{path}:1: expected a list of entries, each with name, type and aliases")
    return list(root.value)


class _Entry:
    """One entry of the file; `named` holds each of its names with the node that it stands on."""

    def __init__(self, path: Path, number: int, node: yaml.Node) -> None:
        self._path, self._number, self._node = path, number, node
        self.named: list[tuple[str, yaml.Node]] = []

    def fault(self, node: yaml.Node, what: str) -> DataError:
        return DataError(f"{self._path}:{node.start_mark.line + 1}: entry {self._number}: {what}")

    def thing(self) -> Thing:
        """The entry parsed; every name is taken as it is written, never by YAML's own typing."""
        fields = self._fields()
        name = self._name(fields["name"], "name")
        kind = self._word(fields["type"], "type")
        if kind not in _CLUSTERED:
            raise self.fault(fields["type"], f"unknown type {kind!r}{nearest(kind, _CLUSTERED)}")
        aliases = fields["aliases"]
        if not isinstance(aliases, yaml.SequenceNode) or not aliases.value:
            raise self.fault(aliases, "aliases: expected a list of one name or more")
        return Thing(name, kind, tuple(self._name(each, "an alias") for each in aliases.value))

    def _fields(self) -> dict[str, yaml.Node]:
        if not isinstance(self._node, yaml.MappingNode):
            raise self.fault(self._node, "expected a mapping with the keys name, type and aliases")
        found: dict[str, yaml.Node] = {}
        for key_node, value in self._node.value:
            key = self._word(key_node, "a key")
            if key not in _KEYS:
                raise self.fault(key_node, f"unknown key {key!r}{nearest(key, _KEYS)}")
            if key in found:
                raise self.fault(key_node, f"the key {key} stands twice")
            found[key] = value
        for key in _KEYS:
            if key not in found:
                raise self.fault(self._node, f"{key} is missing")
        return found

    def _word(self, node: yaml.Node, what: str) -> str:
        if not isinstance(node, yaml.ScalarNode) or not node.value.strip():
            raise self.fault(node, f"{what}: expected a word")
        return str(node.value)

    def _name(self, node: yaml.Node, what: str) -> str:
        name = clean(self._word(node, what))
        if not any(_letters(name)):
            raise self.fault(node, f"{what}: {node.value!r} has no letter or digit")
        self.named.append((name, node))
        return name


def _letters(name: str) -> Iterator[bool]:
    return (character.isalnum() for character in name)

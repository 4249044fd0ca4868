"""Inventories of entity types and stances: names, order and priority.

The 21 entity types are Wojood's (Jarrar et al. 2022); the stance names are those of SemEval-2016 task 6 and Mawqif.
Flat inventories (ANERcorp's four types, AQMAR's) are the special case in which spans do not nest.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, get_args

from rasid.errors import ConfigError, nearest

WOJOOD = (
    *("PERS", "NORP", "OCC", "ORG", "GPE", "LOC", "FAC", "EVENT", "DATE", "TIME", "CARDINAL"),
    *("ORDINAL", "PERCENT", "LANGUAGE", "QUANTITY", "UNIT", "PRODUCT", "LAW", "MONEY", "CURR", "WEBSITE"),
)
# Values stand for themselves: no cluster gathers their mentions.
VALUES = frozenset({"DATE", "TIME", "CARDINAL", "ORDINAL", "PERCENT", "QUANTITY", "UNIT", "MONEY", "CURR"})
# None of these stands inside another, save a DATE in a TIME (annotation guidelines, rules 11 and 12; so in Wojood): the
# 40 of 40 مليون ليرة is no CARDINAL. CURR in MONEY and UNIT in QUANTITY are other matters.
FIGURES = frozenset({"DATE", "TIME", "CARDINAL", "ORDINAL", "PERCENT", "QUANTITY", "MONEY"})
# Clusters of these types may be the target of a stance.
SALIENT = frozenset({"ORG", "GPE", "PERS"})

StanceLabel = Literal["favor", "against", "none"]
STANCES: tuple[StanceLabel, ...] = get_args(StanceLabel)


@dataclass(frozen=True, slots=True)
class Inventory:
    """A named set of entity types; `nested` says whether spans of one text may contain one another."""

    name: str
    types: tuple[str, ...]
    nested: bool = False

    def may_hold(self, outer: int, inner: int) -> bool:
        """Whether a span of type number `outer` may hold one of type number `inner`, or stand on the same words."""
        names = self.types[outer], self.types[inner]
        return names == ("TIME", "DATE") or not FIGURES.issuperset(names)

    def index(self, label: str) -> int:
        """Position of a type. Raises ConfigError naming the nearest known type."""
        try:
            return self.types.index(label)
        except ValueError:
            raise ConfigError(f"inventory {self.name}: unknown type {label!r}{nearest(label, self.types)}") from None


INVENTORIES = {
    inventory.name: inventory
    for inventory in (
        Inventory("wojood", WOJOOD, nested=True),
        Inventory("anercorp", ("PERS", "LOC", "ORG", "MISC")),
        Inventory("aqmar", ("PER", "LOC", "ORG", "MIS")),
        Inventory("wikiann", ("PER", "LOC", "ORG")),
    )
}


def inventory(name: str, types: Iterable[str] | None = None, nested: bool = False) -> Inventory:
    """A known inventory by name, or a new one when `types` are given. Raises ConfigError for an unknown name."""
    if types is not None:
        return Inventory(name, tuple(types), nested)
    if name not in INVENTORIES:
        raise ConfigError(f"unknown inventory {name!r}{nearest(name, INVENTORIES)}")
    return INVENTORIES[name]

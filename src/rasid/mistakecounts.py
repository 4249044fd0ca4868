"""Counts of mistakes: how often each kind occurs and what it costs, the types at fault, and the commonest of them.

Mistakes are counted as they come and need not be kept: a page names few of them, and asks for those by number.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple, get_args

from rasid.metrics import score
from rasid.mistakes import MEANING, Fault, Kind, Mistake
from rasid.normalizer import normalise
from rasid.records import Record, write_exact
from rasid.tables import table

COMMONEST = 50  # rows of the page
_fold = lru_cache(maxsize=50_000)(normalise)  # names repeat, and folding one takes longer than all else that is counted


class Counted(NamedTuple):
    """What is counted of a mistake; `name` is what its surface has in common with other spellings of it."""

    fault: Fault
    name: str
    doc: str

    @classmethod
    def of(cls, mistake: Mistake) -> Counted:
        return cls(mistake.fault, _fold(mistake.surface), mistake.doc)


class Told(NamedTuple):
    """How the page names a mistake."""

    surface: str
    context: str

    @classmethod
    def of(cls, mistake: Mistake) -> Told:
        return cls(mistake.surface, mistake.context)


@dataclass(slots=True)
class _Alike:
    """Mistakes of one fault on one name: how many, in which articles, and the number of the first."""

    first: int
    times: int = 0
    docs: set[str] = field(default_factory=set)


class MistakeCounts:
    """Mistakes counted in the order in which they come, the first being number 0."""

    def __init__(self) -> None:
        self.total = 0
        self.faults: Counter[Fault] = Counter()
        self._alike: dict[tuple[Fault, str], _Alike] = {}

    def add(self, one: Counted) -> None:
        alike = self._alike.setdefault((one.fault, one.name), _Alike(self.total))
        alike.times += 1
        alike.docs.add(one.doc)
        self.faults[one.fault] += 1
        self.total += 1

    def page(self, gold: int, predicted: int, told: Callable[[int], Told], commonest: int = COMMONEST) -> str:
        """The error analysis as Markdown: kinds with what each costs, types at fault, the commonest mistakes by kind.

        `gold` and `predicted` are the numbers of entities on either side; `told` names the mistake of a number.
        """
        correct = gold - sum(count for fault, count in self.faults.items() if fault.gold is not None)
        reached = score(correct, predicted, gold)
        lines = [
            "# Errors by kind",
            "",
            f"{gold} gold entities, {predicted} predicted, {correct} right: strict F1 {reached.f1:.3f}, "
            f"precision {reached.precision:.3f}, recall {reached.recall:.3f}, nested view. {self.total} errors.",
            "",
            _kinds_table(count_kinds(self.faults, gold, predicted), self.total),
            "",
            "## Types at fault",
            "",
            _types_table(self.faults),
            "",
            f"## The {commonest} commonest",
            "",
            "Surfaces are counted together when they differ in spelling alone (normalised). `->` stands between gold "
            "and\npredicted.",
            *self._commonest(commonest, told),
        ]
        return "\n".join(lines) + "\n"

    def _commonest(self, most: int, told: Callable[[int], Told]) -> Iterator[str]:
        """A section for each kind, the kinds with the most errors first."""
        # of surfaces as common, those of a common fault first
        top = sorted(self._alike.items(), key=lambda item: (-item[1].times, -self.faults[item[0][0]]))[:most]
        totals = _by_kind(self.faults)
        for kind in sorted(get_args(Kind), key=lambda name: -totals[name]):
            own = [(fault, alike) for (fault, _), alike in top if fault.kind == kind]
            if own:
                rows = [_row(fault, alike, told(alike.first)) for fault, alike in own]
                yield f"\n### {kind} ({totals[kind]})\n"
                yield table(["surface", "types", "times", "articles", "context"], rows)
                yield "\nWhat was done:"


def _row(fault: Fault, alike: _Alike, told: Told) -> list[str]:
    return [told.surface, fault.types, str(alike.times), str(len(alike.docs)), told.context]


@dataclass(frozen=True, slots=True)
class KindCount:
    """A kind with how often it occurs, and the strict F1 there would be without it."""

    kind: Kind
    count: int
    f1_without: float


def _by_kind(faults: Mapping[Fault, int]) -> Counter[Kind]:
    counts: Counter[Kind] = Counter()
    for fault, count in faults.items():
        counts[fault.kind] += count
    return counts


def count_kinds(faults: Mapping[Fault, int], gold: int, predicted: int) -> list[KindCount]:
    """Kinds by count, the commonest first; `gold` and `predicted` are the numbers of entities on either side.

    Mending a kind makes its pairs right, finds what it missed and drops what was spurious.
    """
    correct = gold - sum(count for fault, count in faults.items() if fault.gold is not None)
    rows = []
    for kind, count in _by_kind(faults).most_common():
        own = [(fault, times) for fault, times in faults.items() if fault.kind == kind]
        mended = sum(times for fault, times in own if fault.gold is not None)
        missed = sum(times for fault, times in own if fault.predicted is None)
        added = missed - (count - mended)
        rows.append(KindCount(kind, count, score(correct + mended, predicted + added, gold).f1))
    return rows


def _kinds_table(counts: Sequence[KindCount], total: int) -> str:
    rows = [
        [f"{each.kind}: {MEANING[each.kind]}", str(each.count), f"{each.count / total:.1%}", f"{each.f1_without:.3f}"]
        for each in counts
    ]
    return table(["kind", "errors", "share", "F1 without it"], rows)


def _types_table(faults: Counter[Fault], most: int = 25) -> str:
    rows = [[fault.kind, fault.types, str(count)] for fault, count in faults.most_common(most)]
    return table(["kind", "types", "errors"], rows)


def count_mistakes(found: Sequence[Mistake]) -> MistakeCounts:
    """The counts of mistakes that are all there."""
    counts = MistakeCounts()
    for each in found:
        counts.add(Counted.of(each))
    return counts


def page(found: Sequence[Mistake], gold: int, predicted: int, commonest: int = COMMONEST) -> str:
    """The page of mistakes that are all there."""

    return count_mistakes(found).page(gold, predicted, lambda number: Told.of(found[number]), commonest)


def entity_count(records: Sequence[Record]) -> int:
    """How many entities there are; one that stands twice counts once."""
    return sum(len({(each.start, each.end, each.type) for each in record.entities}) for record in records)


def write_mistakes(found: Sequence[Mistake], gold: Sequence[Record], predicted: Sequence[Record], path: Path) -> None:
    """Every mistake as a JSON line into `path`, and the page that counts them beside it, as .md. Raises DataError."""
    write_exact(path, "".join(f"{each.to_json()}\n" for each in found))
    write_exact(path.with_suffix(".md"), page(found, entity_count(gold), entity_count(predicted)))

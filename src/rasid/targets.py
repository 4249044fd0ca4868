"""The five parties that get a stance wherever they are named at all (annotation guidelines, targets).

Each stands here once, under the name that its cluster bears and with the names that always mean it: annotations
are held to them, and alias resolution starts from them. Knows nothing of articles or of clusters.
"""

from __future__ import annotations

from dataclasses import dataclass

import regex

from rasid.normalizer import normalise


@dataclass(frozen=True, slots=True)
class Target:
    """A party: `name` is its cluster's, `names` mean it always, `leads` do whatever words follow them.

    All in the spelling of the press; look-ups go by `rasid.normalizer.normalise`.
    """

    name: str
    type: str
    names: tuple[str, ...]
    leads: tuple[str, ...] = ()


DAESH = Target(
    "داعش",
    "ORG",
    (
        *("تنظيم داعش", "تنظيم الدولة", "تنظيم الدولة الإسلامية", "الدولة الإسلامية", "دولة الخلافة", "دويلة داعش"),
        *("الدولة الإسلامية في العراق والشام", "تنظيم الدولة الإسلامية في العراق والشام", "ISIS", "ISIL"),
    ),
    leads=("تنظيم الدولة", "الدولة الإسلامية"),
)
SDF = Target(
    "قوات سوريا الديمقراطية",
    "ORG",
    ("قسد", "قوات سورية الديمقراطية", "قوات قسد", "SDF"),
)
COALITION = Target(
    "التحالف الدولي",
    "ORG",
    (
        *("قوات التحالف الدولي", "التحالف الدولي ضد داعش", "التحالف الدولي لمحاربة داعش", "التحالف الأمريكي"),
        *("التحالف الدولي بقيادة الولايات المتحدة", "التحالف بقيادة الولايات المتحدة"),
    ),
    leads=("التحالف الدولي", "تحالف الدولي"),
)
UNITED_STATES = Target(
    "الولايات المتحدة",
    "GPE",
    ("الولايات المتحدة الأمريكية", "أمريكا", "أميركا", "أميريكا", "أمركا", "الولاياتالمتحدة", "USA"),
    leads=("الولايات المتحدة", "الولاياتالمتحدة"),
)
TURKEY = Target("تركيا", "GPE", ("الجمهورية التركية",))
TARGETS = (DAESH, SDF, COALITION, UNITED_STATES, TURKEY)


def _fold(name: str) -> str:
    return " ".join(normalise(name).split())


def _any(names: tuple[str, ...]) -> str:
    return "|".join(regex.escape(_fold(name)) for name in names)


def _pattern(target: Target) -> regex.Pattern[str]:
    names, leads = _any((target.name, *target.names)), _any(target.leads)
    tail = f"|(?:{leads})(?: .+)?" if leads else ""
    return regex.compile(f"[وفبلك]?(?:{names}{tail})")  # one particle may be written onto the name: وتركيا, بداعش


_PATTERNS = tuple((target, _pattern(target)) for target in TARGETS)


def party(name: str) -> Target | None:
    """The one of the five that a name means, whatever words follow its full forms; None for all other names."""
    folded = _fold(name)
    return next((target for target, pattern in _PATTERNS if pattern.fullmatch(folded)), None)


def is_target(name: str) -> bool:
    """Whether a name means one of the five."""
    return party(name) is not None


def standard_name(name: str) -> str:
    """The name by which a stance head is asked about a thing: one for each of the five, else the name itself."""
    found = party(name)
    return found.name if found else name

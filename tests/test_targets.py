"""The five standing targets: known by all their names and spellings, one source for annotations and inference."""

from __future__ import annotations

import pytest

from rasid.infer.lexicon import KNOWN
from rasid.labels import SALIENT
from rasid.targets import TARGETS, is_target, standard_name


@pytest.mark.parametrize(
    "name",
    [
        *("داعش", "لداعش", "وداعش", "تنظيم الدولة المتشدد", "الدولة الاسلاميه", "دويلة داعش", "قسد", "وقسد"),
        *("قوات سوريا الديمقراطية", "قوات سورية الديمقراطيه", "التحالف  الدولي", "بالتحالف الدولي المناهض لداعش"),
        *("الولايات المتحدة", "الولايات المتحدة الأميركية", "والولاياتالمتحدة", "امريكا", "أميريكا", "تركيا", "وتركيا"),
    ],
)
def test_names_of_the_five(name: str) -> None:
    assert is_target(name)


@pytest.mark.parametrize(
    "name",
    [
        *("سوريا", "قوات النظام", "دولة إسلامية", "التحالف", "تحالف دولي", "التحالف الوطني", "الأمم المتحدة", "تركي"),
        *("الدولة", "قوات سوريا", "تركيا وإيران", "عناصر داعش", "أمريكا اللاتينية", ""),
    ],
)
def test_other_names(name: str) -> None:
    assert not is_target(name)


def test_each_is_of_a_type_that_may_be_one_and_known_by_every_name() -> None:
    assert len({target.name for target in TARGETS}) == 5
    for target in TARGETS:
        assert target.type in SALIENT
        assert all(map(is_target, (target.name, *target.names, *target.leads)))


def test_alias_resolution_knows_the_same_five() -> None:
    known = {thing.name: thing for thing in KNOWN}
    for target in TARGETS:
        assert (known[target.name].type, known[target.name].names) == (target.type, target.names)


@pytest.mark.parametrize(
    ("name", "asked"),
    [
        ("تنظيم الدولة الإسلامية", "داعش"),
        ("قسد", "قوات سوريا الديمقراطية"),
        ("وتركيا", "تركيا"),
        ("التحالف الدولي الذي تقوده واشنطن", "التحالف الدولي"),
        ("سوريا", "سوريا"),
        ("مرصد الفرات", "مرصد الفرات"),
    ],
)
def test_the_five_are_asked_about_under_one_name_each(name: str, asked: str) -> None:
    assert standard_name(name) == asked

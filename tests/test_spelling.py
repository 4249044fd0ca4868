"""Spelling: which edits make one name of two, and which never do."""

from __future__ import annotations

import itertools

import pytest

from rasid.infer.spelling import is_variant, same_but_spelling, signatures


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("امريكا", "اميركا", True),
        ("قامشلي", "قامشلو", True),
        ("غرينلاند", "جرينلاند", True),
        ("تلغرام", "تليغرام", True),
        ("بولندا", "هولندا", False),
        ("غامبيا", "زامبيا", False),
        ("سوري", "سورى", False),  # too short to tell
        ("قرار2170", "قرار2171", False),
        ("بيروت", "بيروت", False),
    ],
)
def test_spelling_variants(one: str, other: str, same: bool) -> None:
    assert same_but_spelling(one, other) is same
    assert same_but_spelling(other, one) is same


def test_names_differ_in_one_word_at_most() -> None:
    assert is_variant("محمود سلمان", "محمود سليمان")
    assert not is_variant("محمود سلمان", "محموود سليمان")


def test_variants_share_a_signature() -> None:
    names = ["قامشلي", "قامشلو", "امريكا", "اميركا", "تلغرام", "تليغرام", "محمود سلمان", "محمود سليمان", "بولندا"]
    for one, other in itertools.combinations(names, 2):
        if len(one.split()) == len(other.split()) and is_variant(one, other):
            assert set(signatures(one)) & set(signatures(other)), (one, other)

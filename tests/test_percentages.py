"""Percentages, known by their form."""

from __future__ import annotations

import numpy as np
import pytest

from rasid.evidence import article_spans, percentages_told
from rasid.labels import INVENTORIES, WOJOOD, Inventory
from rasid.percentages import percentages
from rasid.repair import read_words


def found_in(text: str) -> list[str]:
    cut = read_words(text)
    words = [word.of(text) for word in cut]
    return [text[cut[start].start : cut[end - 1].end] for start, end in percentages(words)]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("بنحو 70%، ويقول", ["70%"]),
        ("إلا بـ ٤٪ من الحالات", ["٤٪"]),
        ("نحو 28 % من قيمتها", ["28 %"]),
        ("ارتفع 12,5% و3.25٪", ["12,5%", "و3.25٪"]),
        ("خسر %70 من رجاله", ["%70"]),
        ("و20بالمئة منهم", ["و20بالمئة"]),
        ("60 في المئة منهم", ["60 في المئة"]),
        ("60 في المائة، 61 بالمائة", ["60 في المائة", "61 بالمائة"]),
        ("بعشرين في المئة", ["بعشرين في المئة"]),
        ("خمسة وعشرين بالمئة", ["خمسة وعشرين بالمئة"]),
        ("مئة وخمسة وعشرين في المائة", ["مئة وخمسة وعشرين في المائة"]),
        ("ما بين عشرين وثلاثين في المئة", ["وثلاثين في المئة"]),
        ("من 5 إلى 10٪", ["10٪"]),
        ("١٠٪ ٢٠٪", ["١٠٪", "٢٠٪"]),
    ],
)
def test_a_number_with_its_sign_or_words(text: str, found: list[str]) -> None:
    assert found_in(text) == found


@pytest.mark.parametrize(
    "text",
    ["نقص % كبير", "قال في المئة سنة", "في المئة الأولى", "مئة رجل", "70 رجلا", "النسبة في المئة", "بالمئة", "", "٪"],
)
def test_no_number_or_no_sign_is_none(text: str) -> None:
    assert found_in(text) == []


def labels(words: list[str], inventory: Inventory, kind: str, places: range) -> set[tuple[int, int, str]]:
    """What is read where the model is sure that `places` are a `kind` and all else nothing."""
    probs = np.full((len(words), len(inventory.types), 3), [0.98, 0.01, 0.01])
    for place in places:
        own = [0.02, 0.96, 0.02] if place == places.start else [0.02, 0.02, 0.96]
        probs[place, inventory.index(kind)] = own
    found = article_spans(np.log(probs).astype(np.float32), words, inventory)
    return {(span.start, span.end, inventory.types[span.type]) for span in found}


def test_the_form_stands_against_what_the_model_says() -> None:
    nested = INVENTORIES["wojood"]
    words = ["في", "نحو", "30", "%", "من", "الحالات"]
    assert labels(words, nested, "CARDINAL", range(2, 3)) == {(2, 4, "PERCENT")}
    assert labels(words, nested, "DATE", range(2, 5)) == {(2, 4, "PERCENT")}
    assert labels(words, nested, "PERCENT", range(2, 5)) == {(2, 4, "PERCENT")}
    assert labels(["30", "رجلا"], nested, "CARDINAL", range(1)) == {(0, 1, "CARDINAL")}


def test_percentages_one_after_the_other_are_two() -> None:
    words = ["10", "%", "20", "%"]
    assert labels(words, INVENTORIES["wojood"], "CARDINAL", range(1)) == {(0, 2, "PERCENT"), (2, 4, "PERCENT")}


def test_other_inventories_and_other_words_are_left_as_they_are() -> None:
    log_probs = np.log(np.full((2, 4, 3), 1 / 3)).astype(np.float32)
    assert percentages_told(log_probs, ["30", "%"], INVENTORIES["anercorp"]) is log_probs
    scores = np.log(np.full((2, len(WOJOOD), 3), 1 / 3)).astype(np.float32)
    assert percentages_told(scores, ["30", "رجلا"], INVENTORIES["wojood"]) is scores


def test_scores_stay_those_of_probabilities() -> None:
    scores = np.log(np.full((3, len(WOJOOD), 3), 1 / 3)).astype(np.float32)
    told = percentages_told(scores, ["30", "%", "من"], INVENTORIES["wojood"])
    np.testing.assert_allclose(np.exp(told).sum(axis=2), 1.0, atol=1e-5)
    assert (scores == scores[0, 0, 0]).all()

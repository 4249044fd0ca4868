"""Evidence for spans: lifted labels, and names that repeat."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rasid.decode import spans
from rasid.evidence import Floats, article_spans, lifted, pooled
from rasid.labels import INVENTORIES, Inventory

NAMES = Inventory("names", ("PERS", "GPE", "DATE"), nested=True)
PERS, GPE, DATE = range(3)


def scores(words: int, *said: tuple[int, int, int, float]) -> Floats:
    """Scores in which nothing is a name for near certain, but words [start, end) as type `kind` with a probability for
    each of their labels."""
    probs = np.full((words, len(NAMES.types), 3), [0.98, 0.01, 0.01])
    for start, end, kind, sure in said:
        for word in range(start, end):
            label = 1 if word == start else 2
            probs[word, kind] = (1 - sure) / 2
            probs[word, kind, 0] = (1 - sure) * 0.98
            probs[word, kind, 3 - label] = (1 - sure) * 0.02
            probs[word, kind, label] = sure
    return np.log(probs).astype(np.float32)


def found(log_probs: Floats, words: list[str], **how: float) -> set[tuple[int, int, str]]:
    return {(s.start, s.end, NAMES.types[s.type]) for s in article_spans(log_probs, words, NAMES, **how)}


def test_a_name_told_clearly_once_is_found_where_it_is_faint() -> None:
    words = ["قال", "بشار", "الأسد", "أمس", "إن", "بشار", "الأسد", "سيعود"]
    log_probs = scores(len(words), (1, 3, PERS, 0.95), (5, 7, PERS, 0.4))
    assert found(log_probs, words) == {(1, 3, "PERS")}
    assert found(log_probs, words, pooling=0.5) == {(1, 3, "PERS"), (5, 7, "PERS")}


@pytest.mark.parametrize(("one", "other"), [("سوريا", "وسوريا"), ("لسوريا", "بسوريا"), ("العراق", "للعراق")])
def test_particles_and_spelling_do_not_part_a_name(one: str, other: str) -> None:
    words = ["زار", one, "ثم", "عاد", "الى", other]
    log_probs = scores(6, (1, 2, GPE, 0.95), (5, 6, GPE, 0.4))
    assert found(log_probs, words, pooling=0.5) == {(1, 2, "GPE"), (5, 6, "GPE")}


def test_a_name_found_once_against_all_other_places_goes() -> None:
    words = ["بيت", "جديد", "بيت", "قديم", "بيت", "كبير"]
    log_probs = scores(6, (0, 1, GPE, 0.55))
    assert found(log_probs, words) == {(0, 1, "GPE")}
    assert found(log_probs, words, pooling=0.5) == set()


def test_the_end_of_a_name_is_mended_by_its_other_places() -> None:
    words = ["زار", "هفال", "قامشلو", "ثم", "قال", "هفال", "قامشلو"]
    log_probs = scores(7, (1, 3, PERS, 0.95), (5, 6, PERS, 0.9))
    log_probs[6, PERS] = np.log([0.55, 0.05, 0.4])
    assert (5, 7, "PERS") not in found(log_probs, words)
    assert (5, 7, "PERS") in found(log_probs, words, pooling=0.5)


def test_a_part_of_a_longer_name_of_the_type_neither_speaks_nor_hears() -> None:
    words = ["بشار", "الأسد", "والأسد"]
    log_probs = scores(3, (0, 2, PERS, 0.9), (2, 3, PERS, 0.9))
    np.testing.assert_allclose(pooled(log_probs, words, NAMES, 1.0), log_probs, atol=1e-5)


def test_dates_and_numbers_are_left_alone() -> None:
    words = ["الخميس", "قال", "الخميس"]
    log_probs = scores(3, (0, 1, DATE, 0.95), (2, 3, DATE, 0.4))
    assert found(log_probs, words, pooling=1.0) == {(0, 1, "DATE")}


def test_a_lift_finds_what_is_less_likely_than_not() -> None:
    words = ["عاد", "الى", "منبج"]
    log_probs = scores(3, (2, 3, GPE, 0.4))
    assert found(log_probs, words) == set()
    assert found(log_probs, words, lift=0.9) == {(2, 3, "GPE")}
    # a threshold t on the odds is a lift of ln((1 - t) / t): 0.4 is found from t = 0.4 down, up to the share of Inside
    assert found(log_probs, words, lift=0.3) == set()


WORDS = st.lists(st.sampled_from(["بيت", "وبيت", "الأسد", "بشار", "،", "", "12", "قال", "ٱلأسد"]), max_size=12)


@settings(deadline=None)
@given(WORDS, st.integers(0, 2**32 - 1), st.floats(-2, 2), st.floats(0, 2))
def test_rows_stay_normalised_whatever_the_text(words: list[str], seed: int, lift: float, pooling: float) -> None:
    inventory = INVENTORIES["wojood"]
    raw = np.random.default_rng(seed).normal(0, 3, (len(words), len(inventory.types), 3))
    log_probs = (raw - np.logaddexp.reduce(raw, axis=2, keepdims=True)).astype(np.float32)
    changed = pooled(lifted(log_probs, lift), words, inventory, pooling)
    np.testing.assert_allclose(np.exp(changed).sum(axis=2), 1.0, atol=1e-4)
    assert spans(changed, inventory) == article_spans(log_probs, words, inventory, lift, pooling)


def test_by_default_scores_are_what_the_head_gave() -> None:
    log_probs = scores(2, (0, 1, PERS, 0.9))
    assert pooled(lifted(log_probs, 0.0), ["بشار", "بشار"], NAMES, 0.0) is log_probs


def test_only_places_with_the_same_words_are_looked_at() -> None:
    """Twenty thousand words in well under a second: work grows with the places of names, not with their pairs."""
    words = ["قال", "بشار", "الأسد", "امس"] * 5000
    said = [(4 * n + 1, 4 * n + 3, PERS, 0.9 if n % 2 else 0.45) for n in range(5000)]
    log_probs = scores(len(words), *said)
    assert len(found(log_probs, words, pooling=0.5)) == 5000

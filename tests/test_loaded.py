"""Loaded words: what counts as one, where it counts, and how it weighs in."""

from __future__ import annotations

import numpy as np
import pytest

from rasid.labels import STANCES
from rasid.loaded import Loads, loads, polarity, stance_of, weighed
from rasid.text import Span


@pytest.mark.parametrize("word", ["الإرهابي", "وبالإرهابيين", "المتشدد", "متشددة", "مرتزقة", "العصـــابة"])
def test_words_of_blame(word: str) -> None:
    assert polarity(word) == -1


@pytest.mark.parametrize("word", ["البواسل", "وأبطال", "صامدون", "الشجعان"])
def test_words_of_praise(word: str) -> None:
    assert polarity(word) == 1


@pytest.mark.parametrize("word", ["وفي", "قال", "الجيش", "تنظيم", "خالد", "كريم", "،", "2019", ""])
def test_other_words(word: str) -> None:
    assert polarity(word) == 0


def test_only_words_near_a_mention_count() -> None:
    text = "قصف التنظيم الإرهابي السوق ثم زار الوفد الكبير القادم من العاصمة مدرسة الشجعان"
    mention = Span(4, 11)
    assert loads(text, (mention,)) == Loads(praise=0, blame=1)
    assert loads(text) == Loads(praise=1, blame=1)
    assert stance_of(text, (mention,)) == "against"
    assert stance_of(text) == "none"


def test_wording_moves_the_answer_towards_its_side_and_silence_towards_none() -> None:
    unsure = np.array([[0.4, 0.3, 0.3]] * 4, dtype=np.float32)
    mixed = weighed(unsure, [Loads(0, 1), Loads(1, 0), Loads(0, 0), None])
    assert [STANCES[n] for n in mixed.argmax(axis=1)] == ["against", "favor", "none", "favor"]
    assert mixed.sum(axis=1) == pytest.approx(1.0)
    assert (mixed[3] == unsure[3]).all()


def test_words_near_several_mentions_count_once() -> None:
    text = "الميليشيات الإرهابية قصفت المدينة، وقال الأبطال إن المدينة صامدة"
    first, second = text.index("المدينة"), text.rindex("المدينة")
    places = [Span(first, first + 7), Span(second, second + 7)]
    assert loads(text, places) == loads(text) == Loads(2, 2)
    assert loads(text, [Span(second, second + 7), Span(second, second + 7)]) == Loads(2, 0)

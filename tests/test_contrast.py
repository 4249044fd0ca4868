"""What claims and texts do not share, and that a pair head is told."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rasid.contrast import contrast
from rasid.encoding import PASSAGE, Asked, asked_windows
from rasid.labels import STANCES
from rasid.model import Head, load_model
from rasid.places import Place
from rasid.scoring import Pair, pair_probs, pair_rows
from rasid.text import Span
from rasid.tokenizing import load_tokenizer
from rasid.train.config import Source
from rasid.train.features import pair_rows as training_rows
from rasid.train.sources import GoldPair

CLAIM = "افتتاح مستشفى جديد في مدينة الميناء"
TEXT = "تأجيل افتتاح المستشفى الجديد بالمدينة"


def lone(claim: str, text: str) -> tuple[list[str], list[str]]:
    found = contrast(claim, text)
    assert found is not None
    return [word.of(claim) for word in found.claim], [word.of(text) for word in found.text]


@pytest.mark.parametrize(
    ("claim", "text", "left", "right"),
    [
        (CLAIM, TEXT, ["في", "الميناء"], ["تأجيل"]),
        ("الدولار قرب أعلى مستوى", "الدولار قرب أدنى مستوى", ["أعلى"], ["أدنى"]),
        ("وصول ٣ سفن إلى المرفأ", "وصول 3 سفن للمرفأ", ["إلى"], []),  # digits alike, a particle grown on
        ("أمريكا توقف المساعدات", "امريكا: تُوقِفُ المســاعدات", [], []),  # spelling, harakat, tatweel, punctuation
        ("الجيش يدخل المدينة", "", ["الجيش", "يدخل", "المدينة"], []),
        ("ارتفاع أسعار النفط", "النفط: ارتفاع كبير لأسعاره", [], ["كبير"]),
    ],
)
def test_words_that_only_one_side_has(claim: str, text: str, left: list[str], right: list[str]) -> None:
    assert lone(claim, text) == (left, right)


def test_a_name_is_no_claim() -> None:
    assert contrast("لقاح كورونا", TEXT) is None
    assert contrast("«الأمم - المتحدة»", TEXT) is None  # punctuation is no word


@given(st.text(alphabet="ابتدلموالي ةأ.،ً", max_size=60), st.text(alphabet="ابتدلموالي ةأ.،ً", max_size=60))
def test_the_two_sides_are_told_alike(claim: str, text: str) -> None:
    one, other = contrast(claim, text), contrast(text, claim)
    if one is not None and other is not None:
        assert (one.claim, one.text) == (other.text, other.claim)
    if one is not None:
        assert contrast(claim, claim) == contrast(claim, f"{claim} {claim}")
        assert not contrast(claim, claim).claim  # type: ignore[union-attr]
        assert all(word.of(claim).strip() for word in one.claim)


def pooled(tokenizer_of: Path, claim: str, text: str, size: int = 128) -> list[tuple[str, str]]:
    """The pieces of each window that are pooled for the claim and for the text."""
    tokenizer = load_tokenizer(tokenizer_of)
    rows = asked_windows(tokenizer, Asked(claim, contrast(claim, text)), text, size)
    return [
        tuple(  # type: ignore[misc]
            "".join(
                tokenizer.convert_ids_to_tokens(piece).removeprefix("##")
                for piece, group in zip(row.ids, row.index, strict=True)
                if group == side
            )
            for side in (0, PASSAGE)
        )
        for row in rows
    ]


def test_only_lone_words_are_pooled(tiny_model: Path) -> None:
    assert pooled(tiny_model, CLAIM, TEXT) == [("فيالميناء", "تاجيل")]
    plain = asked_windows(load_tokenizer(tiny_model), Asked(CLAIM), TEXT, 128)
    told = asked_windows(load_tokenizer(tiny_model), Asked(CLAIM, contrast(CLAIM, TEXT)), TEXT, 128)
    assert [row.ids for row in plain] == [row.ids for row in told]  # all is read
    assert plain != told


def test_a_side_without_lone_words_is_pooled_whole(tiny_model: Path) -> None:
    ((left, right),) = pooled(tiny_model, "افتتاح مستشفى جديد", "افتتاح مستشفى جديد قرب النهر")
    assert left == "افتتاحمستشفيجديد"
    assert right == "قربالنهر"


def test_every_part_of_a_long_text_is_pooled(tiny_model: Path) -> None:
    text = "تأجيل قرب النهر " + "افتتاح مستشفى جديد في مدينة الميناء " * 12
    parts = pooled(tiny_model, CLAIM, text, 48)
    assert len(parts) > 2
    assert parts[0][1] == "تاجيلقربالنهر"
    assert all(right for _, right in parts)  # of a part that holds no lone word, all of it


def test_who_is_read_so(tiny_model: Path) -> None:
    tokenizer = load_tokenizer(tiny_model)
    claim, mentioned = Pair(CLAIM, TEXT), Pair(CLAIM, TEXT, (Span(6, 12),))
    placed, name = Pair(CLAIM, TEXT, (), Place(TEXT, 0)), Pair("مدينة الميناء", TEXT)
    for pair, other in ((claim, True), (mentioned, False), (placed, False), (name, False)):
        rows = [pair_rows(tokenizer, pair, 128, contrasted) for contrasted in (False, True)]
        assert (rows[0] != rows[1]) == other


def test_training_and_scoring_read_alike(tiny_model: Path) -> None:
    loaded = load_model(str(tiny_model))
    pairs = [Pair(CLAIM, TEXT), Pair("مدينة الميناء", TEXT)]
    before = pair_probs(loaded, "stance", pairs)
    loaded.model.config.contrast = True
    after = pair_probs(loaded, "stance", pairs)
    assert not np.allclose(before[0], after[0], atol=1e-4)
    np.testing.assert_allclose(before[1], after[1], atol=1e-6)
    source = Source.model_validate({"head": "stance", "reader": "pairs", "path": "x"})
    head = Head(kind="pair", labels=STANCES)
    gold = [GoldPair(pair, "favor", "1") for pair in pairs]
    rows = training_rows(gold, source, head, loaded.tokenizer, 128, contrasted=True)
    assert [row.window for row in rows] == [pair_rows(loaded.tokenizer, pair, 128, True)[0] for pair in pairs]

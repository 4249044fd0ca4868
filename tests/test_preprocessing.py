"""What authors prescribe, in front of a tokenizer: the text changes for the model, offsets do not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

from rasid.preprocessing import CHAINS, mark_word_starts, put_in_front
from rasid.pretrained import PRESCRIBED
from rasid.tokenizing import load_tokenizer


def seen(chain: str, text: str) -> str:
    """A text as a chain alone makes it."""
    tokenizer = Tokenizer(models.WordLevel({"[UNK]": 0}, "[UNK]"))
    put_in_front(tokenizer, chain)
    return str(tokenizer.normalizer.normalize_str(text)) if tokenizer.normalizer else text


@pytest.mark.parametrize(
    ("chain", "text", "expected"),
    [
        ("arabert", "مُحَمَّدٌ في الـــبيت", "محمد في البيت"),
        ("arabert", "فرح 😀 في ڤيينا 5%", "فرح  في ڤيينا 5%"),  # letters of every script stay: a label needs a piece
        ("arabert", "أحمد إلى مدرسة", "أحمد إلى مدرسة"),
        ("arabert-twitter", "فرحٌ 😀", "فرح 😀"),
        ("camelbert", "ٱلرَّحْمَٰن 😀 ـ", "ٱلرحمن 😀 "),
        ("neoarabert", "أُخرى إلى مدرسة ٱلـبيت\u200f", "اخري الي مدرسه البيت"),
        ("none", "مُحَمَّدٌ", "مُحَمَّدٌ"),
    ],
)
def test_chains(chain: str, text: str, expected: str) -> None:
    assert seen(chain, text) == expected


def test_digits_are_set_apart_from_the_letters_they_touch(stand_in: Callable[[str], Path]) -> None:
    tokenizer = load_tokenizer(stand_in("bert"), "arabert")
    encoding = tokenizer("2019م و12 F16", add_special_tokens=False, return_offsets_mapping=True)
    starts = {start for start, _ in encoding["offset_mapping"]}
    assert {0, 4, 6, 7, 10} <= starts
    (first, *_) = tokenizer.backend_tokenizer.pre_tokenizer.pre_tokenize_str("2019م F16")
    assert first == ("2019", (0, 4))
    words = [word for word, _ in tokenizer.backend_tokenizer.pre_tokenizer.pre_tokenize_str("F16")]
    assert words == ["F16"]


def test_every_prescribed_chain_is_there() -> None:
    assert set(PRESCRIBED.values()) <= set(CHAINS)


def _bpe() -> Tokenizer:
    pieces = ["<unk>", "▁", "ف", "ي", "م", "ن", "في", "من", "▁في", "▁من"]
    merges = [("ف", "ي"), ("م", "ن"), ("▁", "في"), ("▁", "من")]
    return Tokenizer(models.BPE({piece: n for n, piece in enumerate(pieces)}, merges, unk_token="<unk>"))


def _gemma() -> Tokenizer:
    """The way of Gemma's tokenizer (mmBERT): a space becomes a letter, and nothing marks a text's first word."""
    tokenizer = _bpe()
    tokenizer.normalizer = normalizers.Replace(" ", "▁")
    tokenizer.pre_tokenizer = pre_tokenizers.Split(" ", "merged_with_previous")
    return tokenizer


@pytest.mark.parametrize("scheme", ["first", "never"])
def test_words_given_alone_begin_as_inside_a_text(scheme: str) -> None:
    spaced = _bpe()
    spaced.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme=scheme)
    for tokenizer in (spaced, _gemma()):
        marked = mark_word_starts(tokenizer)
        apart = marked.encode(["من", "في", "من"], is_pretokenized=True, add_special_tokens=False)
        whole = marked.encode("من في من", add_special_tokens=False)
        assert apart.ids == whole.ids == [9, 8, 9]


def test_a_tokenizer_that_marks_no_words_is_left_alone() -> None:
    plain = Tokenizer(models.WordLevel({"في": 0, "من": 1, "[UNK]": 2}, "[UNK]"))
    plain.pre_tokenizer = pre_tokenizers.Whitespace()
    assert mark_word_starts(plain) is plain

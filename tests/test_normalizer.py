"""What the normaliser folds, and that a tokenizer carrying it points into the raw text exactly."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer

from rasid.normalizer import normalise
from rasid.text import words
from rasid.train.tokenizer import SPECIAL, save_tokenizer, train_tokenizer

SENTENCES = (
    "أعلنت قوات سوريا الديمقراطية انتهاء المعركة في قرية الباغوز شرق نهر الفرات",
    "وصلت قافلة من المدنيين إلى مخيم الهول وسط برد شديد ونقص في الخيام",
    "انفجرت الألغام في محيط القرية وأصيب ثلاثة من عناصر فرق الهندسة",
    "قال المتحدث إن 3000 شخص خرجوا منذ يوم الأحد Reuters AFP",
)
LETTERS = "ابتثجحخدذرزسشصضطظعغفقكلمنهويءآأإؤئىة"
NOISE = "\u064b\u064c\u064d\u064e\u064f\u0650\u0651\u0652\u0640\u200f\u200e\u200b\u061c\ufeff"


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    corpus = [*SENTENCES, " ".join(LETTERS), " ".join("abcdefghijklmnopqrstuvwxyz0123456789")] * 8
    return train_tokenizer(iter(corpus), 400)


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("مُحَمَّدٌ", "محمد"),
        ("الـــبيت", "البيت"),
        ("أحمد إلى آخر ٱلبيت", "احمد الي اخر البيت"),
        ("قرية على مستشفى", "قريه علي مستشفي"),
        ("ٱلرَّحْمَٰن", "الرحمن"),
        ("کتاب ھ ۀ", "كتاب ھ ه"),  # Persian kaf; heh doachashmee is left alone
        ("٢٠١٩ و۱۲۳", "2019 و123"),
        ("ﺍﻟﻌﺮﺍﻕ ﻻ", "العراق لا"),  # presentation forms
        ("دم\u200cشق\u200f", "دمشق"),
        ("“قسد” «داعش»", '"قسد" "داعش"'),
        ("BBC", "bbc"),
        ("الألغـ,ام", "الالغام"),
        ("الألغ,ـام", "الالغام"),
        ("قت*لى و د_اعش", "قتلي و داعش"),
        ("الخيام,والبرد", "الخيام,والبرد"),  # a lost space, not a dodge
        ("3,500", "3,500"),
        ("سنـ", "سن"),
        ("", ""),
        ("ـــ", ""),
    ],
)
def test_folds(raw: str, expected: str) -> None:
    assert normalise(raw) == expected


@given(st.text(alphabet=LETTERS + NOISE + " 0123456789٣٩abCD“«", max_size=40))
def test_normalising_twice_changes_nothing(text: str) -> None:
    assert normalise(normalise(text)) == normalise(text)


@given(st.text(alphabet=LETTERS + NOISE + " 0123456789٣٩abCD", max_size=40))
def test_tokens_point_at_the_characters_they_come_from(tokenizer: Tokenizer, text: str) -> None:
    encoding = tokenizer.encode(text, add_special_tokens=False)
    for piece, (start, end) in zip(encoding.tokens, encoding.offsets, strict=True):
        assert 0 <= start < end <= len(text)
        if piece != "[UNK]":
            assert normalise(text[start:end]) == piece.removeprefix("##"), (text, start, end)


@given(st.text(alphabet=LETTERS + NOISE + "  ؟()٣ab", max_size=60))
def test_no_letter_of_the_raw_text_is_left_without_a_token(tokenizer: Tokenizer, text: str) -> None:
    covered: set[int] = set()
    for start, end in tokenizer.encode(text, add_special_tokens=False).offsets:
        covered.update(range(start, end))
    bare = {i for i, letter in enumerate(text) if not letter.isspace() and normalise(letter)}
    assert bare <= covered


@pytest.mark.parametrize("raw", ["انفجرت الألغـ,ام هناك", "قتل قت*لى هناك", "مُحَـــمَّد\u200f هنا", "ﻻ ﺍﻟﻌﺮﺍﻕ"])
def test_the_pieces_of_a_word_span_that_word(tokenizer: Tokenizer, raw: str) -> None:
    offsets = tokenizer.encode(raw, add_special_tokens=False).offsets
    for word in words(raw):
        inside = [(a, b) for a, b in offsets if a < word.end and word.start < b]
        assert inside, word.of(raw)
        assert min(a for a, _ in inside) == word.start
        assert max(b for _, b in inside) <= word.end + 1  # a control that trails a word may go with its last piece
        joined = normalise(raw[inside[0][0] : inside[-1][1]])
        assert joined == normalise(word.of(raw))


def test_a_saved_tokenizer_keeps_the_normaliser_and_the_frame(tokenizer: Tokenizer, tmp_path: Path) -> None:
    save_tokenizer(tokenizer, tmp_path, 512)
    read = Tokenizer.from_file(str(tmp_path / "tokenizer.json"))
    text = "أعلنت قُـــوات٣ الهول"
    assert read.encode(text).ids == tokenizer.encode(text).ids
    assert [read.token_to_id(token) for token in SPECIAL] == [0, 1, 2, 3, 4]
    assert (read.encode(text).tokens[0], read.encode(text).tokens[-1]) == ("[CLS]", "[SEP]")


def test_spellings_of_one_name_share_their_pieces(tokenizer: Tokenizer) -> None:
    spellings = ["الباغوز", "الـبـاغـوز", "البَاغُوزْ", "ٱلباغوز", "البا\u200cغوز"]
    assert len({tuple(tokenizer.encode(word).ids) for word in spellings}) == 1


def test_the_vocabulary_is_the_same_in_every_process() -> None:
    code = (
        "import json, sys; from rasid.train.tokenizer import train_tokenizer; "
        "print(train_tokenizer(json.loads(sys.argv[1]), 300).to_str())"
    )
    command = [sys.executable, "-c", code, json.dumps(SENTENCES * 8)]
    made = {subprocess.run(command, capture_output=True, check=True).stdout for _ in range(3)}
    assert len(made) == 1


def test_the_vocabulary_holds_what_the_texts_do(tokenizer: Tokenizer) -> None:
    vocabulary = tokenizer.get_vocab()
    assert [tokenizer.id_to_token(number) for number in range(5)] == list(SPECIAL)
    assert sorted(vocabulary.values()) == list(range(len(vocabulary)))
    assert {"ا", "##ا", "7", "##7"} <= vocabulary.keys()
    assert not vocabulary.keys() & {"##.", "##,", "##"}
    assert not any(piece.startswith("##") for piece in tokenizer.encode("ا. ##ا").tokens)  # plain entries, no commands
    assert any(len(piece.removeprefix("##")) > 2 for piece in vocabulary)
    assert tokenizer.encode("قالت").tokens.count("[UNK]") == 0

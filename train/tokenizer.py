"""Trains WordPiece tokenizers, the same one for the same texts in every process; the compact encoder's has the Arabic
normaliser in its `tokenizer.json`."""

from __future__ import annotations

import tempfile
import unicodedata
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import TextIO

from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast

from rasid.normalizer import arabic_normalizer

SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
_INSIDE = "##"  # in front of a piece that does not begin its word
_LETTERS = 400  # of the vocabulary at most; rarer ones are unknown
_LONGEST = 64  # letters of a word, a longer one is unknown


def train_tokenizer(texts: Iterable[str], vocabulary: int, folded: bool = True) -> Tokenizer:
    """A WordPiece tokenizer of `vocabulary` entries over normalised text, BERT's special tokens first (ids 0 to 4)."""
    tokenizer = train_wordpiece(texts, vocabulary, arabic_normalizer(folded), least=5)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    return tokenizer


def train_wordpiece(texts: Iterable[str], size: int, normalizer: normalizers.Normalizer, least: int = 0) -> Tokenizer:
    """A WordPiece tokenizer of `size` entries, BERT's special tokens first; pairs rarer than `least` are not joined.

    The trainer of `tokenizers` (0.23) numbers the letters inside words in the order of a hash map, another one in every
    process, and goes by the numbers where two pairs are equally common. So they get their numbers beforehand, as
    special tokens of the training alone. Texts are read once, and put by in a temporary file meanwhile.
    """
    learner = _unlearnt(models.WordPiece(unk_token="[UNK]"), normalizer)
    with tempfile.TemporaryFile("w+", encoding="utf-8") as lines:
        letters = _put_by(texts, lines, normalizer)
        inside = [_INSIDE + letter for letter in letters if not _stands_alone(letter)]
        trainer = trainers.WordPieceTrainer(
            vocab_size=size,
            min_frequency=least,
            special_tokens=[*SPECIAL, *inside],
            initial_alphabet=letters,
            limit_alphabet=len(letters),
            show_progress=False,
        )
        lines.seek(0)
        learner.train_from_iterator(lines, trainer)
    learnt = models.WordPiece(learner.get_vocab(), unk_token="[UNK]", max_input_chars_per_word=_LONGEST)
    tokenizer = _unlearnt(learnt, normalizer)
    tokenizer.add_special_tokens(list(SPECIAL))
    return tokenizer


def _unlearnt(model: models.WordPiece, normalizer: normalizers.Normalizer) -> Tokenizer:
    tokenizer = Tokenizer(model)
    tokenizer.normalizer = normalizer
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    return tokenizer


def _put_by(texts: Iterable[str], lines: TextIO, normalizer: normalizers.Normalizer) -> list[str]:
    """Writes the texts, a line each, and gives the letters that are commonest in them once normalised."""
    counts: Counter[str] = Counter()
    for text in texts:
        counts.update(normalizer.normalize_str(text))
        lines.write(" ".join(text.split()) + "\n")
    letters = (letter for letter in counts if not letter.isspace())
    return sorted(letters, key=lambda each: (-counts[each], each))[:_LETTERS]


def _stands_alone(letter: str) -> bool:
    """Whether BERT's pre-tokenizer makes a word of a character wherever it stands: ASCII symbols and punctuation."""
    return unicodedata.category(letter).startswith("P") or (letter.isascii() and not letter.isalnum())


def save_tokenizer(tokenizer: Tokenizer, folder: Path, max_length: int) -> None:
    """Writes the files that `AutoTokenizer.from_pretrained(folder)` reads."""
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        model_max_length=max_length,
        pad_token="[PAD]",
        unk_token="[UNK]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        mask_token="[MASK]",
        model_input_names=["input_ids", "attention_mask"],
    )
    fast.save_pretrained(folder)

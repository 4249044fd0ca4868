"""What the authors of Arabic encoders do to a text before their tokenizer reads it, so far as offsets survive it.

A chain goes in front of the tokenizer's own normaliser and into the saved `tokenizer.json`: the `tokenizers` library
keeps the alignment to the raw text, and training and inference cannot differ. What replaces or reorders whole words
(segmenting with Farasa, links put as one token) is no matter of characters, and left out. Whose chain is whose is said
in `rasid.pretrained`.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from tokenizers import Regex, Tokenizer, normalizers, pre_tokenizers

Chain = Literal["none", "arabert", "arabert-twitter", "camelbert", "neoarabert"]

_HARAKAT = r"[\u064B-\u0652\u0670]"
_QURANIC = r"[\u0610-\u061A\u0653-\u065F\u06D6-\u06ED]"
_TATWEEL = "\u0640"
_ZERO_WIDTH = r"[\u200B-\u200F\u2060\uFEFF]"
_SYMBOLS = r"[^\p{L}\p{M}\p{N}\p{P}\p{Sm}\p{Sc}\p{Z}\s^`~]|\x{FE0F}"  # emoji and their like, no letter of any script
_DIGITS_BESIDE_LETTERS = r"(?<=[\u0621-\u063A\u0641-\u064A])\d+|\d+(?=[\u0621-\u063A\u0641-\u064A])"


@dataclass(frozen=True)
class Steps:
    """One chain: patterns with what they are replaced by, one after another, and a pattern cut out as a piece."""

    replaced: tuple[tuple[str, str], ...] = ()
    isolated: str | None = None


_BARE = ((_HARAKAT, ""), (_TATWEEL, ""))
CHAINS: dict[str, Steps] = {
    "none": Steps(),
    # github.com/aub-mind/arabert, preprocess.py, for models without segmentation: tashkeel, tatweel and emoji off,
    # digits set apart from the Arabic letters they touch. (Punctuation is set apart by BERT's own pre-tokenizer.)
    "arabert": Steps((*_BARE, (_SYMBOLS, "")), _DIGITS_BESIDE_LETTERS),
    "arabert-twitter": Steps(_BARE, _DIGITS_BESIDE_LETTERS),  # the same with `keep_emojis`
    # huggingface.co/CAMeL-Lab/bert-base-arabic-camelbert-msa, "Preprocessing": diacritics and kashida off, letters kept
    "camelbert": Steps(_BARE),
    # github.com/U4RASD/NeoAraBERT, exportable/tokenizer.py, with apply_stemming=False; harakat, which it moves behind
    # the word, are dropped
    "neoarabert": Steps(
        (
            (_TATWEEL, ""),
            (_ZERO_WIDTH, ""),
            (_HARAKAT, ""),
            (_QURANIC, ""),
            ("[آأإٱ]", "ا"),
            ("ى", "ي"),
            ("ة", "ه"),
        )
    ),
}


def put_in_front(tokenizer: Tokenizer, chain: str) -> None:
    """Puts a chain before what the tokenizer does by itself, in place."""
    steps = CHAINS[chain]
    first: list[normalizers.Normalizer] = [normalizers.Replace(Regex(p), with_) for p, with_ in steps.replaced]
    if first:
        own = [tokenizer.normalizer] if tokenizer.normalizer is not None else []
        tokenizer.normalizer = normalizers.Sequence([*first, *own])
    if steps.isolated:
        split = pre_tokenizers.Split(Regex(steps.isolated), "isolated")
        rest = [tokenizer.pre_tokenizer] if tokenizer.pre_tokenizer is not None else []
        tokenizer.pre_tokenizer = pre_tokenizers.Sequence([split, *rest])


def mark_word_starts(tokenizer: Tokenizer) -> Tokenizer:
    """The tokenizer, changed if need be so that a word given alone is cut as it is inside a text.

    Tokenizers that write the space before a word into its pieces (byte-level BPE, SentencePiece) take a word without
    one for the middle of another. A tokenizer that has no way to be told is given back as it came.
    """
    tree = json.loads(tokenizer.to_str())
    if not _loses_spaces(tokenizer):
        return tokenizer
    for part in _parts(tree.get("pre_tokenizer")):
        if part["type"] == "ByteLevel":
            part["add_prefix_space"] = True
        elif part["type"] == "Metaspace":
            part["prepend_scheme"] = "always"
    changed = Tokenizer.from_str(json.dumps(tree))
    if _loses_spaces(changed) and changed.normalizer is not None:
        changed.normalizer = normalizers.Sequence([changed.normalizer, normalizers.Prepend("▁")])
    return tokenizer if _loses_spaces(changed) else changed


def _parts(section: dict[str, object] | None) -> Sequence[dict[str, object]]:
    """The parts of a pre-tokenizer's section in tokenizer.json, itself if it has none."""
    if section is None:
        return ()
    inner = section.get("pretokenizers")
    return inner if isinstance(inner, list) else (section,)


def _loses_spaces(tokenizer: Tokenizer) -> bool:
    """Whether the second of two words is cut otherwise when the words are given apart."""
    apart = tokenizer.encode(["في", "من"], is_pretokenized=True, add_special_tokens=False)
    whole = tokenizer.encode("في من", add_special_tokens=False)
    second = [piece for piece, word in zip(apart.ids, apart.word_ids, strict=True) if word == 1]
    return whole.ids[-len(second) :] != second if second else False

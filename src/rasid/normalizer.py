"""The Arabic normaliser, as a chain of the `tokenizers` library's own normalizers.

It lives inside `tokenizer.json`, so the library keeps the alignment to the raw text; no code of ours maps offsets.
What it folds: presentation forms (NFKC), harakat, tatweel, bidi and zero-width controls, marks put inside a word to
dodge filters (الألغـ,ام), alef/ya/ta-marbuta forms, Arabic-Indic digits, Latin case. It knows nothing of words.
"""

from __future__ import annotations

from functools import cache, lru_cache

from tokenizers import Regex, normalizers

_LETTER = r"[\u0621-\u063A\u0641-\u064A\u066E-\u06D3]"
_DODGE = r"[,.،_*~^|'`\-\u00B7\u2022\u2026]"
# U+0610-061A, 064B-065F, 0670, 06D6-06ED: Quranic signs and harakat; Unicode 15, block Arabic, general category Mn.
_HARAKAT = r"[\u0610-\u061A\u064B-\u065F\u0670\u06D6-\u06DC\u06DF-\u06E8\u06EA-\u06ED]"
_CONTROLS = r"[\u00AD\u061C\u180E\u200B-\u200F\u202A-\u202E\u2060-\u2064\u2066-\u206F\uFEFF]"
# A mark counts as a dodge when tatweel touches it (الألغـ,ام) or, for marks that never stand in running text between
# two letters, on its own (قت*لى). A bare comma or full stop between letters is a lost space, and is left alone.
_DODGES = (
    rf"(?<=\u0640)\u0640*{_DODGE}+\u0640*(?={_LETTER})",
    rf"(?<={_LETTER}){_DODGE}+\u0640+(?={_LETTER})",
    rf"(?<={_LETTER})[_*~^|\u00B7\u2022]+(?={_LETTER})",
)
_FOLDS = (
    (r"[أإآٱٲٳ]", "ا"),
    (r"[ىیۍې]", "ي"),
    (r"[ةۀە]", "ه"),
    (r"[کڪ]", "ك"),
    (r"[“”«»„‟]", '"'),
    (r"[‘’‚‛]", "'"),
)
_WORD = 24  # letters at most of what is taken for a word
_DIGITS = tuple(zip("٠١٢٣٤٥٦٧٨٩۰۱۲۳۴۵۶۷۸۹", "01234567890123456789", strict=True))


def arabic_normalizer(folded: bool = True) -> normalizers.Sequence:
    """The chain that `rasid pretrain` writes into `tokenizer.json`; unless `folded`, letters keep their forms."""
    drop = [normalizers.Replace(Regex(pattern), "") for pattern in (_CONTROLS, _HARAKAT, *_DODGES, "\u0640")]
    fold = [normalizers.Replace(Regex(pattern), letter) for pattern, letter in _FOLDS if folded]
    digits = [normalizers.Replace(digit, ascii_digit) for digit, ascii_digit in _DIGITS]
    return normalizers.Sequence([normalizers.NFKC(), *drop, *fold, *digits, normalizers.Lowercase()])


@cache
def _chain() -> normalizers.Sequence:
    return arabic_normalizer()


def normalise(text: str) -> str:
    """`text` as the compact encoder's tokenizer sees it; for keys and look-ups, never for offsets."""
    return _of_word(text) if len(text) <= _WORD else str(_chain().normalize_str(text))


@lru_cache(maxsize=1 << 15)  # 8 MB when it is full; the words of a text come back, and a look-up costs a hundredth
def _of_word(word: str) -> str:
    return str(_chain().normalize_str(word))

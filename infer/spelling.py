"""Spelling: whether two names are one name written in two ways.

It knows which letters transliteration and careless typing exchange, and nothing of mentions or types.
"""

from __future__ import annotations

from collections.abc import Iterator

_LEAST = 5  # letters; shorter words differ by a letter too easily
_LONGEST = 40  # letters of a word that is looked at
# Letters that transliterations and careless spelling exchange; بولندا and هولندا must stay two.
_EXCHANGED = tuple(map(frozenset, ("اويهءئؤ", "غجقك", "سصث", "تطث", "دض", "ذزظ", "بپ", "فڤ")))
_WEAK = frozenset("اويهءئؤ")


def signatures(name_key: str) -> Iterator[tuple[str | None, ...]]:
    """What names one edit apart share: the name with one letter of one long word deleted, or none (Garbe's
    SymSpell)."""
    words = name_key.split()
    for place, word in enumerate(words):
        if len(word) < _LEAST - 1 or len(word) > _LONGEST:
            continue
        rest = (*words[:place], None, *words[place + 1 :])
        for form in sorted({word, *(word[:i] + word[i + 1 :] for i in range(len(word)))}):
            yield (form, str(place), *rest)


def is_variant(one: str, other: str) -> bool:
    """Whether two keys of as many words differ in one word, and there by spelling alone."""
    differing = [(a, b) for a, b in zip(one.split(), other.split(), strict=True) if a != b]
    return len(differing) == 1 and same_but_spelling(*differing[0])


def same_but_spelling(one: str, other: str) -> bool:
    """Whether two words of at least five letters differ by one edit of spelling.

    That is two neighbours swapped, a weak letter more or less, or one letter in place of one it is often
    confused with.
    """
    if min(len(one), len(other)) < _LEAST or not (one + other).isalpha():
        return False
    shorter, longer = sorted((one, other), key=len)
    start = next((i for i, (a, b) in enumerate(zip(shorter, longer, strict=False)) if a != b), len(shorter))
    if len(longer) == len(shorter) + 1:
        return longer[start] in _WEAK and shorter[start:] == longer[start + 1 :]
    if len(longer) != len(shorter) or start == len(shorter):
        return False
    a, b = one[start:], other[start:]
    if a[1:] == b[1:]:
        return any({a[0], b[0]} <= letters for letters in _EXCHANGED)
    return len(a) > 1 and a[:2] == b[1::-1] and a[2:] == b[2:]

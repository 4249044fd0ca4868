"""Bytes to text, strictly UTF-8, and a reader's guess at what the bytes are when they are not.

Nothing is repaired: an offset must point into the very text that the user has. It knows nothing of files or
articles.
"""

from __future__ import annotations

import codecs

import regex

from rasid.errors import DataError

# UTF-32's little-endian mark begins with UTF-16's, so it is tried first.
_MARKS = (
    (codecs.BOM_UTF32_LE, "UTF-32"),
    (codecs.BOM_UTF32_BE, "UTF-32"),
    (codecs.BOM_UTF16_LE, "UTF-16"),
    (codecs.BOM_UTF16_BE, "UTF-16"),
)
_SAMPLE = 8192  # bytes; enough to tell an encoding by its letters
_CONTROL_SHARE = 0.1  # of the sample's characters; text has hardly any
_CONTROLS = bytes(sorted(frozenset(range(32)) - frozenset(b"\t\n\v\f\r\x1b")))
_ARABIC = regex.compile(r"[\u0621-\u064A]")


def decode(data: bytes) -> str:
    """`data` as text, every character kept, U+FEFF at the start and U+0000 too.

    Raises DataError with the encoding it looks like and the first byte at fault.
    """
    for mark, name in _MARKS:
        if data.startswith(mark):
            raise DataError(f"not UTF-8: looks like {name} (its byte order mark at byte 0); convert it to UTF-8")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise DataError(_explain(data, error)) from None
    if _looks_binary(data):
        raise DataError(_explain_controls(data))
    return text


def _looks_binary(data: bytes) -> bool:
    sample = data[:_SAMPLE]
    return len(sample) - len(sample.translate(None, _CONTROLS)) > _CONTROL_SHARE * len(sample)


def _is_utf16(data: bytes) -> bool:
    """Whether nearly every other byte is the high byte of an Arabic (06) or ASCII (00) letter, and the bytes
    between are not."""
    sample = data[:_SAMPLE]
    halves = (sample[::2], sample[1::2])
    return len(sample) > 1 and any(
        sum(byte in (0, 6) for byte in high) > 0.9 * len(high) and sum(byte < 10 for byte in low) < len(low) / 2
        for high, low in (halves, halves[::-1])
    )


def _explain_controls(data: bytes) -> str:
    if _is_utf16(data):
        return "not UTF-8: looks like UTF-16 without a byte order mark; convert it to UTF-8"
    first = next(place for place, byte in enumerate(data) if byte in _CONTROLS)
    return f"a binary file, not text (control character 0x{data[first]:02x} at byte {first})"


def _explain(data: bytes, error: UnicodeDecodeError) -> str:
    place = error.start
    if error.reason == "unexpected end of data":
        return f"not UTF-8: cut off in the middle of a character, at byte {place} of {len(data)}"
    if _is_utf16(data) or _looks_binary(data):
        return _explain_controls(data)
    where = f"byte 0x{data[place]:02x} at {place}"
    # A few hundred bytes around the fault tell a legacy Arabic file from a single damaged byte in a UTF-8
    # one.
    around = data[max(0, place - 200) : place + 200]
    legacy = around.decode("cp1256", "replace")
    if (
        sum(byte >= 0xC0 for byte in around)
        and not _mostly_utf8(around)
        and len(_ARABIC.findall(legacy)) > len(legacy) / 3
    ):
        return f"not UTF-8: looks like CP1256, the Arabic Windows encoding ({where}); convert it to UTF-8"
    return f"not UTF-8 ({error.reason}: {where})"


def _mostly_utf8(data: bytes) -> bool:
    """Whether the bytes above ASCII are Arabic in UTF-8 (lead bytes D8 to DB and a continuation), most of
    them."""
    high = [byte for byte in data if byte >= 0x80]
    return sum(0x80 <= byte < 0xC0 for byte in high) > 0.4 * len(high)

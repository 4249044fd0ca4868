"""What a page holds of a text that nobody has vetted: nothing that ends a script or turns a line around."""

from __future__ import annotations

import json

import regex
from hypothesis import given
from hypothesis import strategies as st

from rasid.embed import hash_source, safe_json, visible

HOSTILE = "</script><script>alert(1)</script><!--\u2028\u2029\u202e\u2066\u2069\u061c\x00\ud800\U000e0001&amp;"


@given(st.text() | st.just(HOSTILE))
def test_json_comes_back_and_holds_nothing_that_a_page_would_read(text: str) -> None:
    found = str(safe_json({text: [text, 1.5, None]}))
    assert json.loads(found) == {text: [text, 1.5, None]}
    assert not regex.search(r"[<>&\u2028\u2029]|\p{Cf}|\p{Cc}|\p{Cs}", found)


def test_arabic_stays_readable_in_json() -> None:
    assert safe_json(["دمشق"]) == '["دمشق"]'


def test_controls_in_names_are_spelt_out() -> None:
    assert visible("a\u202eb\u2069\n") == "a[U+202E]b[U+2069][U+000A]"
    assert visible("بي\u200cبي سي") == "بي\u200cبي سي"
    assert visible(7) == "7"


def test_a_policy_names_a_block_by_its_hash() -> None:
    assert hash_source("") == "sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="

"""Places of values in JSON text: against the parser itself, on any tree in any layout."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from rasid.jsonplaces import Change, Path, changed, line_of, places

KEYS = st.text(alphabet='ab"\\{[,: \n\u0627😀', max_size=4)
TREES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | KEYS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=12,
)
LAYOUTS = st.fixed_dictionaries({"indent": st.sampled_from((None, 1, 4)), "ensure_ascii": st.booleans()})


def leaves(tree: Any, path: Path = ()) -> dict[Path, Any]:
    """Every value of a tree, by its path."""
    found = {path: tree}
    inner = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    for key, value in inner:
        found |= leaves(value, (*path, key))
    return found


@settings(deadline=None, max_examples=100)
@given(tree=TREES, layout=LAYOUTS)
def test_every_value_is_where_it_is_said_to_be(tree: Any, layout: dict[str, Any]) -> None:
    source = json.dumps(tree, **layout)
    found = places(source)
    expected = leaves(tree)
    assert found.keys() == expected.keys()
    for path, value in expected.items():
        assert json.loads(found[path].of(source)) == value


@settings(deadline=None, max_examples=50)
@given(tree=TREES, layout=LAYOUTS, data=st.data())
def test_a_change_leaves_the_rest_of_the_text_alone(tree: Any, layout: dict[str, Any], data: st.DataObject) -> None:
    source = json.dumps([tree, "قسد"], **layout)
    scalars = [path for path, value in leaves([tree, "قسد"]).items() if not isinstance(value, list | dict)]
    path = data.draw(st.sampled_from(scalars))
    after = changed(source, [Change(path, "«س»")])
    before, now = places(source)[path], places(after)[path]
    assert source[: before.start] == after[: now.start]
    assert source[before.end :] == after[now.end :]
    assert json.loads(now.of(after)) == "«س»"


def test_a_string_is_escaped_as_the_one_before_it() -> None:
    assert changed(r'["\u0642"]', [Change((0,), "س")]) == r'["\u0633"]'
    assert changed('["ق"]', [Change((0,), "س")]) == '["س"]'


def test_lines_are_those_of_the_value_or_of_what_is_around_it() -> None:
    source = json.dumps({"a": [1, {"b": 2}]}, indent=1)
    found = places(source)
    assert line_of(source, found, ("a", 1, "b")) == 5
    assert line_of(source, found, ("a", 1, "c")) == 4
    assert line_of(source, {}, ("a",)) == 1

"""Run configs: every mistake is one line that names the key and what is allowed."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import Field

from rasid.config import (
    Section,
    apply_overrides,
    dump_config,
    find_config,
    load_config,
    parse_config,
    read_tree,
    shipped_configs,
)
from rasid.errors import ConfigError


class Part(Section):
    rate: float = 0.1
    steps: int = 10


class Whole(Section):
    name: str
    part: Part = Part()
    parts: dict[str, Part] = Field(default_factory=dict)
    folder: Path = Path(".")


def fault(tree: Any, source: str = "run.yaml") -> str:
    with pytest.raises(ConfigError) as caught:
        parse_config(Whole, tree, source)
    message = str(caught.value)
    assert "\n" not in message
    return message


def write(folder: Path, text: str) -> str:
    path = folder / "run.yaml"
    path.write_text(text, encoding="utf-8")
    return str(path)


def test_defaults_stand_where_the_file_is_silent() -> None:
    config = parse_config(Whole, {"name": "x", "part": {"steps": 3}}, "run.yaml")
    assert config == Whole(name="x", part=Part(rate=0.1, steps=3))


def test_a_config_is_frozen() -> None:
    config = parse_config(Whole, {"name": "x"}, "run.yaml")
    with pytest.raises(ValueError, match="frozen"):
        config.name = "y"


@pytest.mark.parametrize(
    ("tree", "expected"),
    [
        ({"nam": "x"}, "run.yaml: name: required, and missing"),
        ({"name": "x", "prat": {}}, "run.yaml: unknown key 'prat'; did you mean 'part'?"),
        ({"name": "x", "part": {"setps": 1}}, "run.yaml: unknown key 'part.setps'; did you mean 'steps'?"),
        ({"name": "x", "part": {"zzz": 1}}, "run.yaml: unknown key 'part.zzz'; known: rate, steps"),
    ],
)
def test_unknown_and_missing_keys(tree: dict[str, Any], expected: str) -> None:
    assert fault(tree) == expected


def test_an_unknown_key_in_a_named_part_gets_the_nearest_name() -> None:
    message = fault({"name": "x", "parts": {"first": {"rte": 1}}})
    assert message.startswith("run.yaml: unknown key 'parts.first.rte'")
    assert "rate" in message


def test_a_wrong_type_names_the_key_and_the_value() -> None:
    message = fault({"name": "x", "part": {"steps": "many"}})
    assert message.startswith("run.yaml: part.steps: ")
    assert "integer" in message
    assert message.endswith("got 'many'")


@pytest.mark.parametrize("tree", [None, [], "text", 3])
def test_a_config_that_is_no_mapping(tree: Any) -> None:
    assert "a config is a mapping of keys to values" in fault(tree)


def test_variables_are_expanded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RASID_TEST_DATA", "/data")
    config = parse_config(Whole, {"name": "x", "folder": "${RASID_TEST_DATA}/ner"}, "run.yaml")
    assert config.folder == Path("/data/ner")


def test_an_unset_variable_is_named_with_its_key() -> None:
    os.environ.pop("RASID_NEVER_SET", None)
    message = fault({"name": "x", "folder": "${RASID_NEVER_SET}/ner"})
    assert message.startswith(
        "run.yaml: folder: environment variable RASID_NEVER_SET is not set; export RASID_NEVER_SET="
    )


def test_overrides_depart_from_the_file(tmp_path: Path) -> None:
    path = write(tmp_path, "name: x\npart: {steps: 5}\n")
    config = load_config(Whole, path, ["part.steps=7", "parts.first.rate=1e-3", "name=true story"])
    assert (config.part.steps, config.parts["first"].rate, config.name) == (7, 0.001, "true story")


def test_overrides_reach_into_lists() -> None:
    assert apply_overrides({"sources": [{"share": 1}]}, ["sources.0.share=0.5"]) == {"sources": [{"share": 0.5}]}


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        ("steps", "--set steps: expected key=value"),
        ("=3", "--set =3: expected key=value"),
        ("name.first=1", "--set name.first=1: 'name' is a value, not a section"),
        ("sources.9.share=1", "--set sources.9.share=1: '9' is no place in a list of 1"),
        ("sources.x=1", "--set sources.x=1: 'x' is no place"),
        ("name=[1", "--set name=[1: the value is not valid YAML (expected"),
    ],
)
def test_an_override_that_cannot_be(override: str, expected: str) -> None:
    with pytest.raises(ConfigError) as caught:
        apply_overrides({"name": "x", "sources": [{}]}, [override])
    assert str(caught.value).startswith(expected)


def test_a_config_extends_another_beside_it(tmp_path: Path) -> None:
    (tmp_path / "base.yaml").write_text("name: base\npart: {rate: 0.5, steps: 3}\nparts: {a: {steps: 1}}\n")
    (tmp_path / "mine.yaml").write_text("extends: base.yaml\npart: {steps: 4}\nparts: {b: {steps: 2}}\n")
    config = load_config(Whole, str(tmp_path / "mine.yaml"), ["name=mine"])
    assert config.name == "mine"
    assert config.part == Part(rate=0.5, steps=4)
    assert sorted(config.parts) == ["a", "b"]


def test_configs_that_extend_each_other_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("extends: b.yaml\n")
    (tmp_path / "b.yaml").write_text("extends: a.yaml\n")
    with pytest.raises(ConfigError, match=r"b\.yaml: extends a\.yaml, which extends it in turn"):
        read_tree(tmp_path / "a.yaml")
    (tmp_path / "c.yaml").write_text("extends: none.yaml\n")
    with pytest.raises(ConfigError, match=r"none\.yaml: cannot be read"):
        read_tree(tmp_path / "c.yaml")


def test_a_missing_file_lists_the_nearest_shipped_config() -> None:
    name = next(iter(shipped_configs()))
    with pytest.raises(ConfigError) as caught:
        find_config(f"{name}x.yaml")
    assert str(caught.value) == f"{name}x.yaml: no such config file; did you mean {name!r}?"


def test_shipped_configs_are_found_by_bare_name_and_by_path(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    for name, path in shipped_configs().items():
        assert find_config(name) == find_config(f"configs/{name}.yaml") == path


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"name: [1\n", r":2: not valid YAML"),
        (b"name: \xff\n", r": not UTF-8 \(invalid start byte at byte 6\)"),
        (b"- 1\n", r": a config is a mapping of keys to values, got list"),
        (b"", r": a config is a mapping of keys to values, got NoneType"),
    ],
)
def test_a_file_that_cannot_be_read(tmp_path: Path, content: bytes, expected: str) -> None:
    path = tmp_path / "run.yaml"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=expected):
        read_tree(path)


def test_a_resolved_config_reads_back_the_same(tmp_path: Path) -> None:
    config = Whole(name="راصد", part=Part(rate=0.5))
    dump_config(config, tmp_path / "config.yaml")
    text = (tmp_path / "config.yaml").read_text(encoding="utf-8")
    assert "راصد" in text
    assert yaml.safe_load(text)["part"] == {"rate": 0.5, "steps": 10}  # defaults included
    assert load_config(Whole, str(tmp_path / "config.yaml")) == config

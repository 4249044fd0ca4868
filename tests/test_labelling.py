"""Labelling configurations: every type in its colour, questions on targets, and the answers read back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as Tree

import pytest

from rasid import cli
from rasid.errors import DataError
from rasid.formats import read_format
from rasid.labelling import doccano_labels, labelstudio_config
from rasid.labels import STANCES, WOJOOD, inventory
from rasid.records import Record
from rasid.text import passages

TEXT = "قال سامر إن داعش تتراجع.\n\nداعش في سوريا."


def test_label_studio_is_told_types_links_and_questions() -> None:
    root = Tree.fromstring(labelstudio_config(inventory("wojood")))
    assert [label.get("value") for label in root.iter("Label")] == list(WOJOOD)
    assert len({label.get("hotkey") for label in root.iter("Label")}) == len(WOJOOD)
    assert all(label.get("background", "").startswith("#") for label in root.iter("Label"))
    assert [relation.get("value") for relation in root.iter("Relation")] == ["Coref", "Holder"]
    (text,) = root.iter("Text")
    assert (text.get("name"), text.get("value")) == ("text", "$text")
    questions = {one.get("name"): [choice.get("value") for choice in one] for one in root.iter("Choices")}
    assert questions == {"stance": list(STANCES), "article-stance": list(STANCES), "holder": ["author", "other"]}
    assert {one.get("whenLabelValue") for one in root.iter("View")} - {None} == {"PERS,ORG,GPE"}


def test_an_inventory_without_targets_asks_nothing() -> None:
    root = Tree.fromstring(labelstudio_config(inventory("toy", ("DRUG",))))
    assert not list(root.iter("Choices"))


def test_doccano_gets_every_type_with_a_key_of_its_own() -> None:
    rows = json.loads(doccano_labels(inventory("wojood")))
    assert [row["text"] for row in rows] == list(WOJOOD)
    assert len({row["suffixKey"] for row in rows}) == len(WOJOOD)


def test_the_command_prints_or_writes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["annotations", "labelling-config", "--inventory", "anercorp"]
    assert cli.main(command) == 0
    printed = capsys.readouterr().out
    assert 'value="MISC"' in printed
    assert cli.main([*command, "--output", str(tmp_path / "c.xml")]) == 0
    assert (tmp_path / "c.xml").read_text(encoding="utf-8") == printed
    assert cli.main(["annotations", "labelling-config", "--inventory", "wojod"]) == cli.USER_ERROR


def region(name: str, kind: str, surface: str, after: int = 0) -> dict[str, Any]:
    start = TEXT.index(surface, after)
    value = {"start": start, "end": start + len(surface), "text": surface, "labels": [kind]}
    return {"id": name, "from_name": "label", "to_name": "text", "type": "labels", "value": value}


def answer(name: str, question: str, choice: str) -> dict[str, Any]:
    return {"id": name, "from_name": question, "to_name": "text", "type": "choices", "value": {"choices": [choice]}}


REGIONS = [region("a", "ORG", "داعش"), region("b", "ORG", "داعش", 20), region("c", "PERS", "سامر")]
COREF = {"type": "relation", "from_id": "a", "to_id": "b", "labels": ["Coref"]}
HOLDER = {"type": "relation", "from_id": "a", "to_id": "c", "labels": ["Holder"]}


def read(tmp_path: Path, *result: dict[str, Any], data: dict[str, Any] | None = None) -> Record:
    task = {"data": {"text": TEXT, **(data or {})}, "annotations": [{"result": [*REGIONS, COREF, *result]}]}
    (tmp_path / "x.json").write_text(json.dumps([task]), encoding="utf-8")
    return read_format("labelstudio", tmp_path / "x.json", None).articles[0].record


def test_stances_chosen_on_mentions_come_in(tmp_path: Path) -> None:
    first, second = passages(TEXT)
    chosen = [answer("a", "stance", "against"), HOLDER, answer("b", "stance", "none"), answer("b", "holder", "other")]
    record = read(tmp_path, *chosen, answer("b", "article-stance", "favor"))
    assert [(s.target, s.scope, s.label, s.holder) for s in record.stances] == [
        ("C1", (first.start, first.end), "against", "C2"),
        ("C1", (second.start, second.end), "none", "other"),
        ("C1", "article", "favor", "other"),
    ]


def test_a_chosen_stance_stands_in_place_of_the_one_that_was_carried(tmp_path: Path) -> None:
    stances = [{"target": "K", "scope": "article", "label": "none", "score": 0.5}]
    known = [{"id": "K", "name": "داعش", "type": "ORG", "mentions": ["a", "b"]}]
    carried = {"rasid": {"clusters": known, "stances": stances}}
    (kept,) = read(tmp_path, data=carried).stances
    assert (kept.label, kept.score) == ("none", 0.5)
    (changed,) = read(tmp_path, answer("a", "article-stance", "against"), data=carried).stances
    assert (changed.target, changed.label, changed.score) == ("K", "against", None)


@pytest.mark.parametrize(
    ("item", "message"),
    [
        (answer("z", "stance", "none"), r"result 5: stance on 'z', which is no name of this task"),
        (answer("a", "stance", "pro"), r"region a: stance 'pro'; allowed: favor, against, none"),
    ],
)
def test_a_mistaken_stance_is_told(item: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=message):
        read(tmp_path, item)

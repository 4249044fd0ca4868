"""The alias table: what a file may say, how each fault in it is told, and what its names mean in an article."""

from __future__ import annotations

from pathlib import Path

import pytest

from rasid.cli import main
from rasid.errors import DataError
from rasid.infer.aliases import NO_ALIASES, AliasTable, Thing, read_aliases
from rasid.infer.clusters import resolve
from rasid.infer.mentions import Mention
from rasid.infer.names import clean, particle
from rasid.records import Record, read_records

TABLE = """
- name: صندوق النقد الدولي
  type: ORG
  aliases: [صندوق النقد, IMF, الصندوق]
- {name: محمد الغزالي, type: PERS, aliases: [أبو حامد]}
- name: تنظيم الدولة الإسلامية
  type: ORG
  aliases: [داعش]
- {name: "2019", type: EVENT, aliases: ["عام المجاعة"]}
"""


def table(tmp_path: Path, text: str = TABLE) -> AliasTable:
    path = tmp_path / "aliases.yaml"
    path.write_text(text, encoding="utf-8")
    return read_aliases(path)


def names(text: str, aliases: AliasTable, *marks: tuple[str, str]) -> dict[str, list[str]]:
    """Surfaces by cluster name; marks are found one after the other."""
    mentions, position = [], 0
    for surface, kind in marks:
        start = text.index(surface, position)
        mentions.append(Mention(start, start + len(surface), kind, surface))
        position = start + 1
    found = resolve(text, mentions, aliases)
    told: dict[str, list[str]] = {cluster.name: [] for cluster in found.clusters}
    by_id = {cluster.id: cluster.name for cluster in found.clusters}
    for mention, cluster in zip(mentions, found.of, strict=True):
        told[by_id[str(cluster)]].append(mention.surface)
    return told


def test_a_table_is_read_in_order(tmp_path: Path) -> None:
    things = table(tmp_path).things
    assert things[0] == Thing("صندوق النقد الدولي", "ORG", ("صندوق النقد", "IMF", "الصندوق"))
    assert [thing.type for thing in things] == ["ORG", "PERS", "ORG", "EVENT"]
    assert things[3].name == "2019"  # as it is written, whatever YAML takes it for


def test_a_name_is_found_whatever_its_article_and_spelling(tmp_path: Path) -> None:
    found = table(tmp_path)
    for name in ("صندوق النقد", "الصندوق", "imf", "صـندوق النّقد"):
        assert found.find("ORG", name) == found.things[0]
    assert found.find("GPE", "الصندوق") is None
    assert NO_ALIASES.find("ORG", "الصندوق") is None


def test_aliases_join_in_an_article_and_name_the_cluster(tmp_path: Path) -> None:
    text = "قال صندوق النقد إن IMF وافق، وأضاف أبو حامد ذلك. وشكر محمد الغزالي الصندوق"
    marks = [("صندوق النقد", "ORG"), ("IMF", "ORG"), ("أبو حامد", "PERS"), ("محمد الغزالي", "PERS"), ("الصندوق", "ORG")]
    told = names(text, table(tmp_path), *marks)
    assert told == {
        "صندوق النقد الدولي": ["صندوق النقد", "IMF", "الصندوق"],
        "محمد الغزالي": ["أبو حامد", "محمد الغزالي"],
    }
    assert len(names(text, NO_ALIASES, *marks)) == 4


def test_a_particle_does_not_hide_an_alias(tmp_path: Path) -> None:
    assert list(names("دعا للصندوق", table(tmp_path), ("للصندوق", "ORG"))) == ["صندوق النقد الدولي"]


def test_what_is_built_in_bears_the_tables_name_with_all_its_names(tmp_path: Path) -> None:
    text = "هاجم داعش ثم تنظيم داعش ثم التنظيم"
    told = names(text, table(tmp_path), ("داعش", "ORG"), ("تنظيم داعش", "ORG"), ("التنظيم", "ORG"))
    assert told == {"تنظيم الدولة الإسلامية": ["داعش", "تنظيم داعش", "التنظيم"]}


def test_two_tables_have_two_digests(tmp_path: Path) -> None:
    whole = table(tmp_path).digest
    assert whole == table(tmp_path).digest
    assert whole != table(tmp_path, TABLE.replace("IMF", "FMI")).digest
    assert NO_ALIASES.digest is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ":1: expected a list of entries"),
        ("[]", ":1: expected a list of entries"),
        ("name: a", ":1: expected a list of entries"),
        ("- [\n", ":2: not valid YAML"),
        ("- داعش", ":1: entry 1: expected a mapping with the keys name, type and aliases"),
        ("- {name: a, type: ORG, alias: [b]}", ":1: entry 1: unknown key 'alias'; did you mean 'aliases'?"),
        ("- {name: a, name: b, type: ORG, aliases: [c]}", ":1: entry 1: the key name stands twice"),
        ("- {name: a, aliases: [b]}", ":1: entry 1: type is missing"),
        ("- {name: a, type: ORGS, aliases: [b]}", ":1: entry 1: unknown type 'ORGS'; did you mean 'ORG'?"),
        ("- {name: a, type: DATE, aliases: [b]}", ":1: entry 1: unknown type 'DATE'"),
        ("- name: a\n  type: ORG\n  aliases: b", ":3: entry 1: aliases: expected a list of one name or more"),
        ("- {name: a, type: ORG, aliases: []}", ":1: entry 1: aliases: expected a list of one name or more"),
        ("- {name: a, type: ORG, aliases: [[b]]}", ":1: entry 1: an alias: expected a word"),
        ("- {name: '', type: ORG, aliases: [b]}", ":1: entry 1: name: expected a word"),
        ("- {name: a, type: ORG, aliases: ['—']}", ":1: entry 1: an alias: '—' has no letter or digit"),
        ("- {name: a, type: ORG, aliases: [A]}", ":1: entry 1: 'A' stands twice in this entry"),
        (
            "- {name: الهيئة, type: ORG, aliases: [b]}\n- {name: c, type: ORG, aliases: [هيئة]}",
            ":2: entry 2: 'هيئة' stands in entry 1 as well; a name of one type means one thing",
        ),
    ],
)
def test_a_fault_is_told_with_file_line_and_entry(text: str, expected: str, tmp_path: Path) -> None:
    with pytest.raises(DataError) as caught:
        table(tmp_path, text)
    message = str(caught.value)
    assert message.startswith(f"{tmp_path / 'aliases.yaml'}{expected}")
    assert "\n" not in message


def test_one_name_may_mean_two_things_of_two_types(tmp_path: Path) -> None:
    found = table(
        tmp_path, "- {name: برشلونة, type: GPE, aliases: [BCN]}\n- {name: نادي برشلونة, type: ORG, aliases: [برشلونة]}"
    )
    assert [found.find(kind, "برشلونة") for kind in ("GPE", "ORG")] == list(found.things)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"none\.yaml: cannot be read"):
        read_aliases(tmp_path / "none.yaml")


# -- in a job ---------------------------------------------------------------------------------------


def test_a_job_takes_the_table_and_its_entities_have_names(tiny_model: Path, tmp_path: Path) -> None:
    article = tmp_path / "a.txt"
    article.write_text(
        "ووصل وفد من الأمم المتحدة إلى العاصمة وقال سامر الحداد إن المشروع كلف مليوني دولار", encoding="utf-8"
    )

    def records(*options: str) -> list[Record]:
        output = tmp_path / "out.jsonl"
        words = ["infer", str(article), "--output", str(output), "--model", str(tiny_model), "--quiet", "--overwrite"]
        assert main([*words, "--device", "cpu", *options]) == 0
        return [each for _, each in read_records(output)]

    (before,) = records()
    assert before.clusters
    for entity in before.entities:
        assert (entity.name is None) == (entity.cluster is None)
        assert (
            not entity.name
            or particle(entity.surface, entity.name)
            or entity.type in ("NORP", "LANGUAGE")
            or (entity.name == clean(entity.surface))
        )
    one = before.clusters[0]
    path = tmp_path / "aliases.yaml"
    path.write_text(f"- {{name: اسم آخر, type: {one.type}, aliases: ['{one.name}']}}", encoding="utf-8")
    (after,) = records("--aliases", str(path))
    assert after.clusters[0].name == "اسم آخر"
    assert [each.span for each in after.entities] == [each.span for each in before.entities]


def test_a_faulty_table_stops_a_job_before_it_begins(
    tiny_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a.txt").write_text("نص", encoding="utf-8")
    (tmp_path / "aliases.yaml").write_text("- داعش", encoding="utf-8")
    words = ["infer", "a.txt", "--output", "out.jsonl", "--model", str(tiny_model), "--aliases", "aliases.yaml"]
    placed = [str(tmp_path / word) if "." in word and "/" not in word and word[0] != "-" else word for word in words]
    assert main(placed) == 2
    assert "aliases.yaml:1: entry 1: expected a mapping" in capsys.readouterr().err
    assert not (tmp_path / "out.jsonl").exists()

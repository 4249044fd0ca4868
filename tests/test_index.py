"""The index: what is gathered under one name and what never is, counts, dates, files."""

from __future__ import annotations

import argparse
import csv
import itertools
import json
import tracemalloc
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from rasid.cli import main, make_parser
from rasid.errors import ConfigError, DataError
from rasid.infer.aliases import read_aliases
from rasid.infer.index import Entry, Index, record_files, run_index, stream_records, to_csv
from rasid.infer.parquet import write_parquet
from rasid.records import Cluster, Entity, Record, Stance

Named = tuple[str, str, list[str]]  # name, type, surfaces


def record(doc: str, *things: Named, stances: tuple[str, ...] = (), **meta: Any) -> Record:
    """A record with a cluster for each thing; `stances` are the labels of the first things, in order."""
    entities, clusters = [], []
    position = 0
    for number, (name, kind, surfaces) in enumerate(things, 1):
        clusters.append(Cluster(id=f"C{number}", name=name, type=kind))
        for surface in surfaces:
            end = position + len(surface)
            mark = f"T{len(entities) + 1}"
            entity = Entity(id=mark, type=kind, start=position, end=end, surface=surface, cluster=f"C{number}")
            entities.append(entity)
            position = end + 1
    given = tuple(
        Stance.model_validate({"target": f"C{n}", "scope": "article", "label": label})
        for n, label in enumerate(stances, 1)
    )
    return Record(doc=doc, sha256="0", meta=meta, entities=tuple(entities), clusters=tuple(clusters), stances=given)


def entries(records: Iterable[Record], **options: Any) -> dict[tuple[str, str], Entry]:
    index = Index(**options)
    for each in records:
        index.add(each)
    return {(entry.name, entry.type): entry for entry in index.entries()}


IRAQ = record(
    "a",
    ("العراق", "GPE", ["العراق", "وبالعراق"]),
    ("سامر الحداد", "PERS", ["سامر الحداد", "الحداد"]),
    date="2019-03-11",
)
AGAIN = record("b", ("عراق", "GPE", ["للعراق"]), ("سامر الحدّاد", "PERS", ["سامر الحدّاد"]), published="2019-04-02")
UNDATED = record("c", ("العراق", "GPE", ["العراق"]))


def test_one_name_of_one_type_is_one_entry() -> None:
    found = entries([IRAQ, AGAIN, UNDATED])
    assert found["العراق", "GPE"] == Entry(
        name="العراق",
        type="GPE",
        articles=3,
        mentions=4,
        aliases={"العراق": 4},
        first="2019-03-11",
        last="2019-04-02",
        months={"2019-03": 1, "2019-04": 1},
        stances={"favor": 0, "against": 0, "none": 0},
        ambiguous=False,
    )
    assert found["سامر الحداد", "PERS"].articles == 2
    assert len(found) == 2


def test_types_are_never_mixed() -> None:
    found = entries([record("a", ("برشلونة", "GPE", ["برشلونة"])), record("b", ("برشلونة", "ORG", ["برشلونة"]))])
    assert {key: entry.articles for key, entry in found.items()} == {("برشلونة", "GPE"): 1, ("برشلونة", "ORG"): 1}


def test_people_of_one_family_stay_apart() -> None:
    """Neither a shared family name nor a family name alone says who is meant."""
    found = entries(
        [
            record("a", ("سامر الحداد", "PERS", ["سامر الحداد", "الحداد"])),
            record("b", ("نادر الحداد", "PERS", ["نادر الحداد"])),
            record("c", ("الحداد", "PERS", ["الحداد"])),
        ]
    )
    assert {name: entry.ambiguous for (name, _), entry in found.items()} == {
        "سامر الحداد": False,
        "نادر الحداد": False,
        "الحداد": True,
    }
    assert found["سامر الحداد", "PERS"].aliases == {"الحداد": 1, "سامر الحداد": 1}


def test_one_full_name_in_the_corpus_is_no_evidence_either() -> None:
    found = entries([IRAQ, record("b", ("الحداد", "PERS", ["الحداد"]))])
    assert found["سامر الحداد", "PERS"].articles == 1
    assert found["الحداد", "PERS"].ambiguous


def test_a_spelling_one_letter_away_is_another_name() -> None:
    found = entries(
        [record("a", ("محمود سلمان", "PERS", ["محمود سلمان"])), record("b", ("محمود سليمان", "PERS", ["محمود سليمان"]))]
    )
    assert len(found) == 2


def test_the_alias_table_is_evidence(tmp_path: Path) -> None:
    path = tmp_path / "aliases.yaml"
    path.write_text("- {name: سامر الحداد, type: PERS, aliases: [الحداد, أبو فراس]}", encoding="utf-8")
    found = entries(
        [IRAQ, record("b", ("الحداد", "PERS", ["الحداد"]), ("أبو فراس", "PERS", ["أبو فراس"] * 2))],
        aliases=read_aliases(path),
        types=["PERS"],
    )
    (entry,) = found.values()
    assert (entry.name, entry.articles, entry.mentions, entry.ambiguous) == ("سامر الحداد", 2, 5, False)
    assert entry.aliases == {"الحداد": 2, "أبو فراس": 2, "سامر الحداد": 1}


def test_what_has_no_name_outside_its_article_is_left_out() -> None:
    index = Index()
    index.add(record("a", ("المجلس", "ORG", ["المجلس"]), ("القرية", "GPE", ["بالقرية"]), ("بلاده", "GPE", ["بلاده"])))
    assert index.entries() == []
    assert index.unnamed == 3


def test_the_stance_of_an_article_counts_once() -> None:
    things: tuple[Named, ...] = (("العراق", "GPE", ["العراق"]), ("عراق", "GPE", ["عراق", "العراق"]))
    found = entries(
        [record("a", *things, stances=("favor", "against")), record("b", *things[:1], stances=("none",)), UNDATED]
    )
    entry = found["العراق", "GPE"]
    assert entry.stances == {"favor": 0, "against": 1, "none": 1}  # the greater cluster speaks for the article
    assert (entry.articles, entry.mentions) == (3, 5)


def test_only_the_authors_stance_on_the_whole_article_counts() -> None:
    whole = UNDATED.model_copy(
        update={
            "stances": (
                Stance(target="C1", scope="article", label="favor", holder="other"),
                Stance(target="C1", scope=(0, 5), label="against"),
            )
        }
    )
    assert sum(entries([whole])["العراق", "GPE"].stances.values()) == 0


def test_the_order_of_the_records_does_not_matter() -> None:
    records = [IRAQ, AGAIN, UNDATED, record("d", ("إيران", "GPE", ["إيران"]), ("ايران", "GPE", ["ايران"]))]
    found = [[each.to_json() for each in _index(order).entries()] for order in itertools.permutations(records)]
    assert all(each == found[0] for each in found)
    assert [json.loads(line)["articles"] for line in found[0]] == [3, 2, 1]


def _index(records: Iterable[Record]) -> Index:
    index = Index()
    for each in records:
        index.add(each)
    return index


def test_names_of_mentions_are_taken_from_the_record_where_it_has_them() -> None:
    named = UNDATED.model_copy(update={"entities": (UNDATED.entities[0].model_copy(update={"name": "عراقنا"}),)})
    assert entries([named])["العراق", "GPE"].aliases == {"عراقنا": 1}


# -- files ------------------------------------------------------------------------------------------


def command(*words: object) -> argparse.Namespace:
    return make_parser().parse_args(["index", *map(str, words)])


def write(path: Path, *records: Record) -> Path:
    path.write_text("".join(f"{each.to_json()}\n" for each in records), encoding="utf-8")
    return path


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = write(tmp_path / "records.jsonl", IRAQ, AGAIN, UNDATED)
    output = tmp_path / "names" / "all.jsonl"
    assert run_index(command(source, "--output", output)) == 0
    assert capsys.readouterr().out == (
        f"{output}: 2 names in 3 articles, 2 of them dated; 0 clusters without a name left out\n"
    )
    lines = [json.loads(line) for line in output.read_text(encoding="utf-8").splitlines()]
    assert [(line["name"], line["articles"]) for line in lines] == [("العراق", 3), ("سامر الحداد", 2)]
    assert lines[0]["months"] == {"2019-03": 1, "2019-04": 1}
    assert [path.name for path in output.parent.iterdir()] == ["all.jsonl"]


def test_options(tmp_path: Path) -> None:
    source = write(tmp_path / "records.jsonl", IRAQ, AGAIN, UNDATED)
    output = tmp_path / "names.csv"
    assert run_index(command(source, "--output", output, "--min-articles", "3", "--date-field", "published")) == 0
    with output.open(encoding="utf-8", newline="") as stream:
        (row,) = csv.DictReader(stream)
    assert (row["name"], row["first"], row["months"]) == ("العراق", "2019-04-02", "2019-04 (1)")
    assert (row["aliases"], row["ambiguous"], row["favor"]) == ("العراق (4)", "false", "0")
    assert run_index(command(source, "--output", output, "--type", "PERS")) == 0
    assert output.read_text(encoding="utf-8").splitlines()[1].startswith("سامر الحداد,PERS,2,")


def test_a_name_with_a_comma_stays_one_cell() -> None:
    found = entries([record("a", ('قال "نعم", ثم', "ORG", ["قال"]))])
    (row,) = csv.DictReader(to_csv(found.values()).splitlines())
    assert row["name"] == 'قال "نعم", ثم'


def test_a_folder_and_the_forms_of_records(tmp_path: Path) -> None:
    folder = tmp_path / "out"
    folder.mkdir()
    (folder / "b.json").write_text(IRAQ.to_json(indent=1), encoding="utf-8")
    write(folder / "a.jsonl", AGAIN)
    write_parquet([UNDATED.to_json().encode()], folder / "c.parquet")
    (folder / "out.rejects.jsonl").write_text('{"where": "x", "reason": "y"}\n', encoding="utf-8")
    (folder / "notes.txt").write_text("x", encoding="utf-8")
    files = list(record_files([folder]))
    assert [file.name for file in files] == ["a.jsonl", "b.json", "c.parquet"]
    assert [each.doc for file in files for each in stream_records(file)] == ["b", "a", "c"]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("none.jsonl", "--output", "names.jsonl"), "none.jsonl: no such file or folder of records"),
        (("empty", "--output", "names.jsonl"), "empty: no records in this folder"),
        (("bad.jsonl", "--output", "names.jsonl"), "bad.jsonl:2: not a record"),
        (("bad.parquet", "--output", "names.jsonl"), "bad.parquet: not a Parquet file of records"),
        (("good.jsonl", "--output", "names.xlsx"), "names.xlsx: --output is a .jsonl or a .csv file"),
        (("good.jsonl", "--output", "good.jsonl"), "good.jsonl: would overwrite records"),
        (("good.jsonl", "--output", "names.csv", "--type", "PER"), "--type PER: unknown type; did you mean 'PERS'?"),
        (("good.jsonl", "--output", "names.csv", "--aliases", "none.yaml"), "none.yaml: cannot be read"),
        (("good.jsonl", "--output", "bad.jsonl/names.csv"), "names.csv: cannot be written"),
    ],
)
def test_mistakes(
    words: tuple[str, ...], expected: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("empty").mkdir()
    write(Path("good.jsonl"), IRAQ)
    Path("bad.jsonl").write_text(f"{IRAQ.to_json()}\n{{\n", encoding="utf-8")
    Path("bad.parquet").write_bytes(b"PAR1")
    with pytest.raises((ConfigError, DataError)) as caught:
        run_index(command(*words))
    assert expected in str(caught.value)
    assert main(["index", *words]) == 2
    assert capsys.readouterr().err.count("\n") == 1
    assert not Path("names.jsonl").exists()


def test_memory_grows_with_names_and_not_with_articles(tmp_path: Path) -> None:
    def peak(count: int) -> int:
        source = write(tmp_path / f"{count}.jsonl", *([IRAQ, AGAIN] * (count // 2)))
        tracemalloc.start()
        try:
            run_index(command(source, "--output", tmp_path / "names.jsonl"))
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    peak(20)  # what is loaded once
    assert peak(2000) < peak(20) + 200_000  # bytes; the longer file has 1.2 MB

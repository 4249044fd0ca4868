"""Writers: parts and their names, Parquet that holds what JSON holds, spools that are cut back, full disks."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pyarrow.parquet
import pytest

from rasid.errors import DataError
from rasid.infer.articles import Reject
from rasid.infer.faults import DiskError
from rasid.infer.outputs import Output, plan
from rasid.infer.parquet import SCHEMA, read_parquet_records, row_of, tree_of, write_parquet
from rasid.infer.writers import PartsWriter, RejectsWriter, Spool, Writer, open_writer
from rasid.records import Cluster, Entity, Label, ModelInfo, Record, Stance


def record(number: int, **others: Any) -> Record:
    return Record(doc=f"a{number}", sha256="0" * 64, **others)


FULL = record(
    1,
    meta={"outlet": "المرفأ", "deep": [1, {"x": None}], "n": 1.5},
    entities=(
        Entity(id="T1", type="ORG", start=0, end=4, surface="داعش", cluster="C1", score=0.5),
        Entity(id="T2", type="DATE", start=5, end=9, surface="٢٠١٩"),
    ),
    clusters=(Cluster(id="C1", name="داعش", type="ORG"),),
    stances=(
        Stance(target="C1", scope="article", label="against", score=0.9, evidence=((0, 9), (10, 20))),
        Stance(target="C1", scope=(0, 9), label="against", holder="other"),
    ),
    labels={"topic": Label(label="politics", score=0.25), "tags": (Label(label="war"),), "none": ()},
    model=ModelInfo(name="m", revision="r", rasid="0"),
    warnings=("empty text",),
)


def parts(folder: Path, form: str = "jsonl", size: int = 2) -> Output:
    folder.mkdir(exist_ok=True)
    return plan(folder, form, size, [])


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def finish(writer: Writer) -> None:
    writer.finish()
    writer.commit()
    writer.publish()
    writer.close()


def docs(path: Path) -> list[str]:
    return [json.loads(line)["doc"] for line in path.read_text(encoding="utf-8").splitlines()]


def test_parts_appear_when_they_are_whole_and_committed(tmp_path: Path) -> None:
    output = parts(tmp_path / "out")
    writer = PartsWriter(output)
    for number in range(3):
        writer.write(record(number))
    assert names(output.path) == ["_part-00000.jsonl.part", "_part-00001.jsonl.part"]
    assert writer.full
    assert writer.commit()["part"] == 1
    writer.publish()
    assert not writer.full
    assert names(output.path) == ["_part-00001.jsonl.part", "part-00000.jsonl"]
    finish(writer)
    assert names(output.path) == ["part-00000.jsonl", "part-00001.jsonl"]
    assert [docs(path) for path in output.parts()] == [["a0", "a1"], ["a2"]]


def test_a_last_part_that_is_full_is_the_last(tmp_path: Path) -> None:
    output = parts(tmp_path / "out")
    writer = PartsWriter(output)
    for number in range(4):
        writer.write(record(number))
    finish(writer)
    assert names(output.path) == ["part-00000.jsonl", "part-00001.jsonl"]


def test_what_was_written_after_the_last_commit_is_written_again(tmp_path: Path) -> None:
    output = parts(tmp_path / "out")
    writer = PartsWriter(output)
    writer.write(record(0))
    state = writer.commit()
    for number in (1, 2, 3, 4):  # two more parts are begun, and then the process is gone
        writer.write(record(number))
    with (output.path / "_part-00002.jsonl.part").open("ab") as torn:
        torn.write(b'{"doc": "a5"')
    resumed = PartsWriter(output, state)
    assert names(output.path) == ["_part-00000.jsonl.part"]
    for number in (1, 2):
        resumed.write(record(number))
    finish(resumed)
    assert [docs(path) for path in output.parts()] == [["a0", "a1"], ["a2"]]


def test_parts_that_were_whole_are_published_by_the_next_run(tmp_path: Path) -> None:
    output = parts(tmp_path / "out", "parquet")
    writer = PartsWriter(output)
    for number in range(5):
        writer.write(record(number))
    state = writer.commit()
    writer.close()
    resumed = PartsWriter(output, state)
    assert resumed.full
    finish(resumed)
    assert names(output.path) == [f"part-0000{number}.parquet" for number in range(3)]
    assert [row["doc"] for path in output.parts() for row in read_parquet_records(path)] == [f"a{n}" for n in range(5)]


def test_a_new_job_removes_the_parts_of_an_earlier_one_and_nothing_else(tmp_path: Path) -> None:
    output = parts(tmp_path / "out")
    for name in ("part-00007.jsonl", "part-00001.parquet", "_part-00003.jsonl.part", "part-1.jsonl", "notes.jsonl"):
        (output.path / name).write_text("x")
    PartsWriter(output).close()
    assert names(output.path) == ["_part-00000.jsonl.part", "notes.jsonl", "part-1.jsonl"]


def test_parts_beyond_five_digits_stay_in_order(tmp_path: Path) -> None:
    output = parts(tmp_path / "out")
    for number in (99_999, 100_000, 2):
        output.part(number).touch()
    assert [path.name for path in output.parts()] == ["part-00002.jsonl", "part-99999.jsonl", "part-100000.jsonl"]


@pytest.mark.parametrize("given", [FULL, record(2), record(3, meta={"a": None}, labels={"topic": Label(label="x")})])
def test_parquet_holds_what_json_holds(given: Record, tmp_path: Path) -> None:
    tree = json.loads(given.to_json())
    assert tree_of(row_of(tree)) == tree
    write_parquet([given.to_json().encode(), record(9).to_json().encode()], tmp_path / "r.parquet")
    first, second = read_parquet_records(tmp_path / "r.parquet")
    assert Record.model_validate(first) == given
    assert Record.model_validate(second) == record(9)


def test_parquet_has_a_column_for_every_field_of_a_record() -> None:
    assert SCHEMA.names == [*Record.model_fields]
    for name, part in (("entities", Entity), ("clusters", Cluster), ("stances", Stance)):
        assert [field.name for field in SCHEMA.field(name).type.value_type] == [*part.model_fields]
    assert [field.name for field in SCHEMA.field("model").type] == [*ModelInfo.model_fields]


def test_parquet_is_the_same_bytes_for_the_same_records(tmp_path: Path) -> None:
    lines = [record(number, entities=FULL.entities).to_json().encode() for number in range(2500)]
    for name in ("a", "b"):
        write_parquet(lines, tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    with pyarrow.parquet.ParquetFile(tmp_path / "a") as file:
        assert file.metadata.num_row_groups == 3


def test_one_parquet_file(tmp_path: Path) -> None:
    output = plan(tmp_path / "r.parquet", None, None, [])
    writer = open_writer(output, None)
    writer.write(FULL)
    assert names(tmp_path) == ["r.jsonl.part"]
    finish(writer)
    assert names(tmp_path) == ["r.parquet"]
    assert [Record.model_validate(tree) for tree in read_parquet_records(output.path)] == [FULL]


def test_a_spool_keeps_what_was_committed_and_drops_the_rest(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "s")
    spool.write_line("one")
    length = spool.sync()
    spool.write_line("two")
    spool.close()
    assert (tmp_path / "s").read_bytes() == b"one\n"
    (tmp_path / "s").write_bytes(b"one\ntw\0\0")
    again = Spool(tmp_path / "s", length)
    again.write_line("zwei")
    again.sync()
    again.close()
    assert (tmp_path / "s").read_bytes() == b"one\nzwei\n"
    with pytest.raises(DataError, match=r"9 bytes of 10 are left; begin again with --overwrite"):
        Spool(tmp_path / "s", 10)


def test_rejects_are_named_at_the_end_and_old_ones_go(tmp_path: Path) -> None:
    output = plan(tmp_path / "r.jsonl", None, None, [])
    output.rejects.write_text("old")
    rejects = RejectsWriter(output)
    rejects.write(Reject("here", "السبب"))
    rejects.commit()
    assert output.rejects.read_text() == "old"
    rejects.publish()
    assert json.loads(output.rejects.read_text()) == {"where": "here", "reason": "السبب"}
    assert rejects.first() == Reject("here", "السبب")
    none = RejectsWriter(output)
    none.publish()
    assert names(tmp_path) == []


# -- full disks -------------------------------------------------------------------------------------


def test_a_disk_that_takes_no_more_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    output = plan(tmp_path / "r.jsonl", None, None, [])
    writer = PartsWriter(output)
    writer.write(record(0))
    writer.commit()

    def full(_: int) -> None:
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(os, "fsync", full)
    writer.write(record(1))
    with pytest.raises(DiskError, match=r"r\.jsonl\.part: cannot be written \(No space left on device\)"):
        writer.commit()
    writer.close()
    assert docs(tmp_path / "r.jsonl.part") == ["a0"]


def test_a_file_per_article_leaves_no_piece_of_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "out").mkdir()
    writer = open_writer(plan(tmp_path / "out", None, None, []), None)
    writer.write(record(0))

    def full(_: int) -> None:
        raise OSError(122, os.strerror(122))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(DiskError, match="quota"):
        writer.write(record(1))
    assert names(tmp_path / "out") == ["a0.json"]


# -- what an --output asks for ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "form", "size", "expected"),
    [
        ("r.jsonl", None, None, ("jsonl", None)),
        ("r.parquet", "parquet", None, ("parquet", None)),
        ("out", None, None, ("json", None)),
        ("out", None, 5, ("jsonl", 5)),
        ("out", "jsonl", None, ("jsonl", 10_000)),
        ("out", "parquet", 7, ("parquet", 7)),
    ],
)
def test_outputs(name: str, form: str | None, size: int | None, expected: tuple[str, int | None]) -> None:
    output = plan(Path(name), form, size, [])
    assert (output.format, output.part_size) == expected
    assert output.rejects.name == f"{Path(name).stem}.rejects.jsonl"


def test_a_folder_that_holds_an_input_is_spared(tmp_path: Path) -> None:
    (tmp_path / "part-00000.parquet").touch()
    with pytest.raises(DataError, match="holds the input"):
        plan(tmp_path, "parquet", None, [str(tmp_path / "part-00000.parquet")])

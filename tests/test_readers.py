"""Readers: what gives an article, what gives a reject, and that nothing is repaired or lost on the way."""

from __future__ import annotations

import gzip
import io
import json
import os
import re
import sys
from datetime import date
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import datasets
import pyarrow as pa
import pyarrow.parquet
import pytest
import zstandard

from rasid.infer import files, readers, tabular
from rasid.infer.articles import Article, Columns, Read, Reject
from rasid.infer.readers import read

TEXT = "وصل الوفد إلى الميناء.\r\nوقال سامر: انتهى العمل.\n"


def read_all(*inputs: Path | str) -> list[Read]:
    return list(read([str(name) for name in inputs]))


def only_reject(*inputs: Path | str) -> Reject:
    items = read_all(*inputs)
    assert len(items) == 1
    assert isinstance(items[0], Reject)
    return items[0]


def docs(items: list[Read]) -> list[str]:
    return [item.doc for item in items if isinstance(item, Article)]


def feed(monkeypatch: pytest.MonkeyPatch, data: bytes) -> None:
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(data)))


def test_a_text_file_is_kept_character_for_character(tmp_path: Path) -> None:
    path = tmp_path / "port.txt"
    path.write_bytes(TEXT.encode())
    assert read_all(path) == [Article("port", TEXT, {}, str(path))]


def test_a_byte_order_mark_stays_as_the_first_character(tmp_path: Path) -> None:
    path = tmp_path / "mark.txt"
    path.write_bytes(TEXT.encode("utf-8-sig"))
    (item,) = read_all(path)
    assert isinstance(item, Article)
    assert item.text == "\ufeff" + TEXT


def test_a_folder_is_read_in_order_at_any_depth(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    (tmp_path / ".cache").mkdir()
    (tmp_path / "b" / "two.txt").write_bytes(TEXT.encode())
    (tmp_path / "a.txt.gz").write_bytes(gzip.compress(TEXT.encode()))
    (tmp_path / "c.jsonl.zst").write_bytes(zstandard.compress(b'{"text": "x"}\n{"id": 7, "text": "y"}\n'))
    (tmp_path / "manifest.json").write_text('{"articles": []}')
    (tmp_path / "notes.md").write_text("no article")
    (tmp_path / ".cache" / "old.txt").write_text("hidden")
    assert docs(read_all(tmp_path)) == ["a", "b/two", "c.jsonl.zst:1", "7"]
    texts = [item.text for item in read_all(tmp_path) if isinstance(item, Article)]
    assert texts == [TEXT, TEXT, "x", "y"]


def test_several_zstandard_frames_are_one_file(tmp_path: Path) -> None:
    path = tmp_path / "two.txt.zst"
    path.write_bytes(zstandard.compress(b"one ") + zstandard.compress(b"two"))
    (item,) = read_all(path)
    assert isinstance(item, Article)
    assert item.text == "one two"


def test_json_lines_give_ids_and_meta(tmp_path: Path) -> None:
    path = tmp_path / "news.jsonl"
    lines = [
        {"id": "n1", "text": TEXT, "outlet": "المرفأ"},
        {"doc": "n2", "id": 5, "text": "ب"},
        {"text": "ت"},
    ]
    path.write_text("\n\n".join(json.dumps(line) for line in lines), encoding="utf-8-sig")
    items = read_all(path)
    assert docs(items) == ["n1", "n2", "news.jsonl:5"]
    assert isinstance(items[0], Article)
    assert [item.meta for item in items if isinstance(item, Article)] == [{"outlet": "المرفأ"}, {"id": 5}, {}]
    assert items[0].where == f"{path}:1"


def test_standard_input_as_plain_text(monkeypatch: pytest.MonkeyPatch) -> None:
    feed(monkeypatch, b"\n\n" + TEXT.encode())
    assert read_all("-") == [Article("stdin", "\n\n" + TEXT, {}, "<stdin>")]


def test_standard_input_as_json_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    feed(monkeypatch, b'\n {"text": "a"}\n{"id": "k", "text": "b"}\n')
    assert docs(read_all("-")) == ["stdin:2", "k"]


def test_empty_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    feed(monkeypatch, b"")
    assert only_reject("-") == Reject("<stdin>", "empty file")


def test_columns_may_have_other_names(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"body": "x", "url": "u1", "id": 3}\n{"body": "y", "text": "z"}\n')
    (tmp_path / "b.csv").write_text("url,body\nu2,w\n")
    (tmp_path / "c.csv").write_text("url,text\nu3,w\n")
    items = list(read([str(tmp_path)], Columns("body", "url")))
    assert items[0] == Article("u1", "x", {"id": 3}, f"{tmp_path}/a.jsonl:1")
    assert items[1] == Reject(f"{tmp_path}/a.jsonl:2", "no `url`, which is to hold the id")
    assert docs(items[2:3]) == ["u2"]
    assert isinstance(items[3], Reject)
    assert "no column 'body', only 'url', 'text'; --text-column says" in items[3].reason


# -- JSON documents ---------------------------------------------------------------------------------


def test_a_pretty_printed_article_is_one_article(tmp_path: Path) -> None:
    for name in ("port.json", "port.jsonl"):
        path = tmp_path / name
        path.write_text(json.dumps({"text": TEXT, "outlet": "المرفأ", "tags": ["a"]}, indent=2))
        assert read_all(path) == [Article(f"{name}:1", TEXT, {"outlet": "المرفأ", "tags": ["a"]}, f"{path}:1")]


@pytest.mark.parametrize("indent", [None, 1])
def test_a_json_list_gives_its_items(tmp_path: Path, indent: int | None) -> None:
    path = tmp_path / "all.json"
    path.write_text(json.dumps([{"id": "k", "text": "a"}, {"text": 5}, {"text": "b"}, "c"], indent=indent))
    items = read_all(path)
    assert docs(items) == ["k", "all.json:3"]
    assert items[1] == Reject(f"{path} item 2", "`text` is a number; a string is needed")
    assert [type(item) for item in items] == [Article, Reject, Article, Reject]


@pytest.mark.parametrize("text", ['{\n "text": "a"\n', '[\n{"text": "a"\n', '{\n "title": "a"\n}\n', "[\n]"])
def test_a_document_that_gives_no_article_is_one_reject(tmp_path: Path, text: str) -> None:
    path = tmp_path / "a.json"
    path.write_text(text)
    assert isinstance(only_reject(path), Reject)


def test_lines_of_which_the_first_is_broken_are_still_lines(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text('{\n{"text": "a"}\n{"text": "b"}')
    assert [type(item) for item in read_all(path)] == [Reject, Article, Article]


def test_a_pretty_printed_article_on_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    feed(monkeypatch, json.dumps([{"text": "a"}, {"id": "k", "text": "b"}], indent=2).encode())
    assert docs(read_all("-")) == ["stdin:1", "k"]
    feed(monkeypatch, "[صورة] وصل الوفد".encode())
    assert docs(read_all("-")) == ["stdin"]


def test_an_article_that_is_too_large_is_rejected_and_not_held(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (files, readers, tabular):
        monkeypatch.setattr(module, "LARGEST", 100)
    (tmp_path / "a.txt").write_text("x" * 101)
    (tmp_path / "b.jsonl").write_text('{"text": "a"}\n{"text": "' + "x" * 500 + '"}\n{"text": "b"}\n')
    (tmp_path / "c.csv").write_text("text\na\n" + "x" * 500 + "\nb\n")
    (tmp_path / "d.json").write_text(json.dumps([{"text": "x" * 100}], indent=1))
    items = read_all(tmp_path)
    rejects = [item.where.removeprefix(f"{tmp_path}/") for item in items if isinstance(item, Reject)]
    assert rejects == ["a.txt", "b.jsonl:2", "c.csv:3", "d.json"]
    assert docs(items) == ["b.jsonl:1", "b.jsonl:3", "c.csv:2", "c.csv:4"]


# -- tables -----------------------------------------------------------------------------------------


def test_csv(tmp_path: Path) -> None:
    path = tmp_path / "news.csv"
    path.write_bytes('\ufeffid,text,outlet\r\n7,"سطر\r\nوسطر، ""قال""",المرفأ\r\n\r\n,ب,\r\n'.encode())
    first, second = read_all(path)
    assert first == Article("7", 'سطر\r\nوسطر، "قال"', {"outlet": "المرفأ"}, f"{path}:2")
    assert second == Article("news.csv:5", "ب", {"outlet": ""}, f"{path}:5")
    tabs = tmp_path / "news.tsv.gz"
    tabs.write_bytes(gzip.compress("text\tn\nأ\t1\n".encode()))
    assert read_all(tabs) == [Article("news.tsv.gz:2", "أ", {"n": "1"}, f"{tabs}:2")]


@pytest.mark.parametrize(
    ("rows", "reason", "after"),
    [
        ("only\n", "a row of 1 fields; the header has 2", True),
        ('1,"a"b\n', "not valid CSV (',' expected after '\"')", True),
        ('1,"a\n', "a quotation that is opened here is not closed", False),
        ("0,again\n", "duplicate id '0'", True),
        ("1,\udcc7\udce1\udce4\n", "not UTF-8", True),
    ],
)
def test_a_bad_row_loses_nothing_else(tmp_path: Path, rows: str, reason: str, after: bool) -> None:
    path = tmp_path / "a.csv"
    path.write_text(f"id,text\n0,a\n{rows}9,b\n", encoding="utf-8", errors="surrogateescape")
    items = read_all(path)
    assert docs(items) == (["0", "9"] if after else ["0"])
    (reject,) = (item for item in items if isinstance(item, Reject))
    assert reject.where == f"{path}:3"
    assert reason in reject.reason


@pytest.mark.parametrize("text", ["", "\n\n", "a,a\n1,2\n", "title\nx\n"])
def test_a_csv_without_articles_is_one_reject(tmp_path: Path, text: str) -> None:
    path = tmp_path / "a.csv"
    path.write_text(text)
    assert isinstance(only_reject(path), Reject)


TABLE = {
    "id": [1, 2, 3],
    "text": ["أ", None, "ب"],
    "day": [date(2019, 3, 11), None, date(2019, 3, 12)],
    "share": [0.5, float("nan"), 1.0],
    "tags": [["x"], [], None],
    "picture": [b"\x89", b"", None],
}


def expected(name: str, where: str) -> list[Read]:
    return [
        Article("1", "أ", {"day": "2019-03-11", "share": 0.5, "tags": ["x"]}, f"{where}:1"),
        Reject(f"{where}:2", "`text` is null; a string is needed"),
        Article("3", "ب", {"day": "2019-03-12", "share": 1.0, "tags": None}, f"{where}:3"),
    ]


def test_parquet(tmp_path: Path) -> None:
    path = tmp_path / "news.parquet"
    pyarrow.parquet.write_table(pa.table(TABLE), path, row_group_size=2)
    assert read_all(path) == expected("news.parquet", str(path))
    pyarrow.parquet.write_table(pa.table({"text": pa.array(["a", "b"]).dictionary_encode()}), path)
    assert docs(read_all(tmp_path)) == ["news.parquet:1", "news.parquet:2"]


def test_a_dataset_folder(tmp_path: Path) -> None:
    dataset = datasets.Dataset.from_dict(TABLE)
    dataset.save_to_disk(tmp_path / "one")
    file = next((tmp_path / "one").glob("*.arrow"))
    assert read_all(tmp_path / "one") == expected(file.name, str(file))
    parts = {"train": dataset.shuffle(seed=1).select([0]), "test": dataset.select([0, 2])}
    datasets.DatasetDict({k: v.remove_columns("id") for k, v in parts.items()}).save_to_disk(tmp_path / "two")
    names = docs([item for item in read_all(tmp_path / "two") if isinstance(item, Article)])
    assert names[-2:] == [f"test/{file.name}:1", f"test/{file.name}:2"]
    (tmp_path / "one" / "state.json").write_text("{")
    assert "a damaged dataset folder" in only_reject(tmp_path / "one").reason
    file.write_bytes(file.read_bytes()[:200])


@pytest.mark.parametrize(
    ("table", "reason"),
    [
        ({"text": [1, 2]}, "column 'text' is of type int64; a string is needed"),
        ({"title": ["a"]}, "no column 'text', only 'title'"),
        (None, "damaged, or not a Parquet file"),
    ],
)
def test_a_parquet_file_that_gives_no_article(tmp_path: Path, table: dict[str, Any] | None, reason: str) -> None:
    path = tmp_path / "a.parquet"
    if table is None:
        pyarrow.parquet.write_table(pa.table(TABLE), path)
        path.write_bytes(path.read_bytes()[:-20])
    else:
        pyarrow.parquet.write_table(pa.table(table), path)
    assert reason in only_reject(path).reason


def test_a_string_that_is_not_utf_8_costs_its_row_alone(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    bad = pa.array([b"a", "نص".encode("cp1256"), b"c"], pa.binary()).view(pa.string())
    pyarrow.parquet.write_table(pa.table({"text": bad}), path)
    items = read_all(path)
    assert [type(item) for item in items] == [Article, Reject, Article]
    assert "not UTF-8" in items[1].reason


def test_the_meter_ends_at_the_size_of_the_inputs(tmp_path: Path) -> None:
    (tmp_path / "a.txt.gz").write_bytes(gzip.compress(TEXT.encode()))
    (tmp_path / "b.jsonl").write_text('{"text": "x"}\n' * 2000)
    pyarrow.parquet.write_table(pa.table(TABLE), tmp_path / "c.parquet")
    meter, positions = files.Meter(), []
    for _ in read([str(tmp_path)], None, meter):
        positions.append(meter.bytes)
    total = sum(path.stat().st_size for path in tmp_path.iterdir())
    assert positions == sorted(positions)
    assert meter.bytes == total == files.total_bytes(files.survey([str(tmp_path)]))
    assert files.total_bytes(files.survey([str(tmp_path), "-"])) is None


def test_a_file_whose_name_is_not_utf_8(tmp_path: Path) -> None:
    name = os.fsencode(tmp_path) + b"/\xe3.txt"
    with open(name, "wb") as stream:
        stream.write(TEXT.encode())
    reject = only_reject(tmp_path)
    assert reject.where == f"{tmp_path}/\\udce3.txt"
    assert "not UTF-8; rename it" in reject.reason


def test_white_space_alone_is_an_article(tmp_path: Path) -> None:
    path = tmp_path / "blank.txt"
    path.write_text(" \n\t\n")
    assert docs(read_all(path)) == ["blank"]


# -- bad input --------------------------------------------------------------------------------------


def test_an_empty_file(tmp_path: Path) -> None:
    path = tmp_path / "empty.txt"
    path.touch()
    assert only_reject(path) == Reject(str(path), "empty file")


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        pytest.param(TEXT.encode("utf-16"), r"UTF-16 \(its byte order mark at byte 0\)", id="utf-16"),
        pytest.param(TEXT.encode("utf-32"), r"UTF-32 \(its byte order mark", id="utf-32"),
        pytest.param(TEXT.encode("utf-16-le"), "UTF-16 without a byte order mark", id="utf-16-le"),
        pytest.param(TEXT.encode("utf-16-be"), "UTF-16 without a byte order mark", id="utf-16-be"),
        pytest.param(TEXT.encode("cp1256"), r"CP1256.*\(byte 0x\w\w at 0\)", id="cp1256"),
        pytest.param("نص".encode() + b"\xd9", "cut off in the middle of a character, at byte 4 of 5", id="cut"),
        pytest.param(TEXT.encode()[:9] + b"\xff" + TEXT.encode()[9:] * 9, "byte 0xff at 9", id="damaged"),
        pytest.param(b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 4, "binary file", id="png"),
        pytest.param(bytes(1000), "binary file.*0x00 at byte 0", id="nulls"),
    ],
)
def test_what_is_not_utf_8_is_rejected_with_its_likeness(tmp_path: Path, data: bytes, reason: str) -> None:
    bad, good = tmp_path / "bad.txt", tmp_path / "good.txt"
    bad.write_bytes(data)
    good.write_bytes(TEXT.encode())
    first, second = read_all(bad, good)
    assert isinstance(first, Reject)
    assert first.where == str(bad)
    assert re.search(reason, first.reason), first.reason
    assert isinstance(second, Article)


def test_a_null_in_a_long_text_is_text(tmp_path: Path) -> None:
    path = tmp_path / "null.txt"
    path.write_bytes((TEXT + "\0" + TEXT).encode())
    assert docs(read_all(path)) == ["null"]


def test_a_folder_without_an_article(tmp_path: Path) -> None:
    (tmp_path / "picture.png").write_bytes(b"\x89PNG")
    assert "no article in this folder" in only_reject(tmp_path).reason


def test_a_missing_file(tmp_path: Path) -> None:
    assert only_reject(tmp_path / "none.txt").reason == "no such file or folder"


def test_a_path_through_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert "cannot be read" in only_reject(tmp_path / "file" / "x.txt").reason


@pytest.mark.parametrize("ending", [".gz", ".zst"])
@pytest.mark.parametrize("cut", [True, False])
def test_damaged_compressed_files(tmp_path: Path, ending: str, cut: bool) -> None:
    whole = {".gz": gzip.compress, ".zst": zstandard.compress}[ending]((TEXT * 50).encode())
    path = tmp_path / f"x.txt{ending}"
    path.write_bytes(whole[: len(whole) // 2] if cut else b"plain text")
    items = read_all(path)
    assert [type(item) for item in items] == [Reject]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ('{"text": "a"', "not valid JSON"),
        ('{"text": "a", "n": NaN}', "NaN is not JSON"),
        ('{"text": "\\ud800"}', "lone surrogate U+D800 at character 0 of `text`"),
        ('{"text": "a", "by": "\\udc00"}', "lone surrogate U+DC00 in a field other than `text`"),
        ('{"title": "a", "body": "b"}', "no `text` field, only 'body', 'title'"),
        ('{"text": null}', "`text` is null"),
        ('{"text": 5}', "`text` is a number"),
        ('{"text": ["a"]}', "`text` is a list"),
        ('["text"]', "not a JSON object"),
        ('{"id": true, "text": "a"}', "the id is True"),
        ('{"id": "", "text": "a"}', "the id is ''"),
        ('{"id": {}, "text": "a"}', "the id is {}"),
        ("[" * 100_000, "not valid JSON"),
        ('{"text": "a", "x": ' + "[" * 300 + "]" * 300 + "}", "nested more than 100 levels deep"),
        ('{"text": "a", "x": 1e999}', "the number 1e999 is out of range"),
        ('{"n": ' + "9" * 5000 + ', "text": "a"}', "not valid JSON"),
    ],
)
def test_a_bad_line_loses_nothing_else(tmp_path: Path, line: str, reason: str) -> None:
    path = tmp_path / "lines.jsonl"
    path.write_text(f'{{"id": "before", "text": "x"}}\n{line}\n{{"id": "after", "text": "y"}}\n')
    before, bad, after = read_all(path)
    assert isinstance(bad, Reject)
    assert bad.where == f"{path}:2"
    assert reason in bad.reason
    assert docs([before, after]) == ["before", "after"]


def test_a_line_that_is_not_utf_8(tmp_path: Path) -> None:
    path = tmp_path / "lines.jsonl"
    path.write_bytes(b'{"text": "x"}\n{"text": "' + "نص عربي قديم".encode("cp1256") + b'"}\n{"text": "y"}\n')
    items = read_all(path)
    assert [type(item) for item in items] == [Article, Reject, Article]


def test_json_lines_in_utf_16_are_one_reject(tmp_path: Path) -> None:
    path = tmp_path / "lines.jsonl"
    path.write_bytes('{"text": "x"}\n{"text": "y"}\n'.encode("utf-16"))
    assert "looks like UTF-16" in only_reject(path).reason


def test_json_lines_without_a_line(tmp_path: Path) -> None:
    path = tmp_path / "lines.jsonl"
    path.write_text("\n  \n")
    assert "empty file" in only_reject(path).reason


def test_the_second_of_two_equal_ids_is_rejected(tmp_path: Path) -> None:
    path = tmp_path / "lines.jsonl"
    path.write_text('{"id": "a", "text": "x"}\n{"id": "a", "text": "y"}\n{"id": "b", "text": "z"}\n')
    items = read_all(path)
    assert docs(items) == ["a", "b"]
    assert items[1] == Reject(f"{path}:2", f"duplicate id 'a', first seen at {path}:1")


def test_a_surrogate_pair_is_one_character_and_null_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "lines.jsonl"
    path.write_text('{"text": "\\ud83d\\ude00 \\u0000"}\n')
    (item,) = read_all(path)
    assert isinstance(item, Article)
    assert item.text == "😀 \0"

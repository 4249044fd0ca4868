"""Ray Data's door: tables to tables, as one process reads them; the example of docs/scale.md with an actor killed."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from rasid.errors import ConfigError, DataError
from rasid.infer.job import predict_texts
from rasid.infer.parquet import REJECT, read_parquet_records, row_of
from rasid.infer.raydata import Reader

PAGE = Path(__file__).parent.parent / "docs" / "scale.md"


@pytest.fixture(scope="module")
def texts(sentences: Sequence[str]) -> dict[str, str]:
    return {f"a{number}": " ".join(sentences[number % 5 :]) for number in range(12)}


@pytest.fixture(autouse=True)
def threads() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def table(texts: dict[str, str]) -> pa.Table:
    return pa.table({"id": list(texts), "text": list(texts.values())})


def test_a_batch_gives_the_records_of_the_local_run(tiny_model: Path, texts: dict[str, str]) -> None:
    found = Reader(str(tiny_model), device="cpu")(table(texts)).to_pylist()
    local = predict_texts(texts.items(), str(tiny_model))
    assert [row.pop(REJECT) for row in found] == [None] * len(texts)
    expected = [row_of(json.loads(record.to_json())) for record in local]
    assert [(row["doc"], row["entities"], row["stances"]) for row in found] == [
        (row["doc"], _filled(row["entities"]), _filled(row["stances"])) for row in expected
    ]


def _filled(parts: list[dict[str, object]]) -> list[dict[str, object]]:
    """As a table gives parts back: what is absent is None."""
    names = {"name", "cluster", "score"} if parts and "surface" in parts[0] else {"score", "evidence"}
    return [dict.fromkeys(names) | part for part in parts]


def test_what_is_no_article_is_a_row_with_its_reason(tiny_model: Path, tmp_path: Path) -> None:
    rows = pa.table({"url": ["one", None, "three"], "body": ["خرج المدنيون من الباغوز", "نص", None]})
    found = Reader(str(tiny_model), device="cpu", text_column="body", id_column="url")(rows)
    assert found.column("doc").to_pylist() == ["one", None, None]
    whole, unnamed, empty = found.column(REJECT).to_pylist()
    assert whole is None
    assert unnamed.startswith("row:2: no `url`")
    assert empty.startswith("row:3: `body` is null")
    pq.write_table(found, tmp_path / "records.parquet")
    assert [tree["doc"] for tree in read_parquet_records(tmp_path / "records.parquet")] == ["one"]


def test_a_batch_of_nothing_gives_nothing(tiny_model: Path) -> None:
    reader = Reader(str(tiny_model), device="cpu")
    empty = pa.table({"id": pa.array([], pa.string()), "text": pa.array([], pa.string())})
    assert reader(empty).num_rows == 0
    assert reader(pa.table({"id": ["a"], "text": pa.array([None], pa.string())})).column(REJECT).null_count == 0


def test_mistakes_are_told_as_on_the_command_line(tiny_model: Path) -> None:
    with pytest.raises(ConfigError, match="unknown device"):
        Reader(str(tiny_model), device="cpuu")
    with pytest.raises(DataError, match="body"):
        Reader(str(tiny_model), device="cpu", text_column="body")(pa.table({"id": ["a"], "text": ["b"]}))


def test_the_page_on_a_local_ray_with_an_actor_killed(
    tiny_model: Path, texts: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ray = pytest.importorskip("ray", reason="rasid[ray] is not installed")
    pytest.importorskip("ray.data", reason="ray[data] is not installed")
    marker = tmp_path / "killed"

    class Mortal(Reader):
        """Whose process is killed at the first batch that any of them is given."""

        def __call__(self, batch: pa.Table) -> pa.Table:
            import os
            import signal

            try:
                marker.touch(exist_ok=False)
            except FileExistsError:
                return super().__call__(batch)
            os.kill(os.getpid(), signal.SIGKILL)
            raise AssertionError

    (tmp_path / "backlog").mkdir()
    for number in range(4):  # files, and with them blocks
        part = dict(list(texts.items())[number::4])
        pq.write_table(table(part), tmp_path / "backlog" / f"{number}.parquet")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("rasid.infer.raydata.Reader", Mortal)
    (code,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    # Logical CPUs: the two actors take two, reading and writing need some as well.
    ray.init(num_cpus=4, include_dashboard=False, log_to_driver=False)
    try:
        code = code.replace('"news"', repr(str(tiny_model))).replace("batch_size=64", "batch_size=2")
        # Files as small as these become one block, and one actor would read all.
        exec(code.replace('read_parquet("backlog")', 'read_parquet("backlog").repartition(4)'), {})
    finally:
        ray.shutdown()
    assert marker.exists()
    files = sorted((tmp_path / "records").glob("*.parquet"))
    found = [tree for file in files for tree in read_parquet_records(file)]
    local = [json.loads(record.to_json()) for record in predict_texts(texts.items(), str(tiny_model))]
    assert sorted(found, key=lambda tree: tree["doc"]) == sorted(local, key=lambda tree: tree["doc"])

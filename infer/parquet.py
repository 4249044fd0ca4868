"""Records as Parquet: the columns, records to rows and back, and lines of records to a file.

A row holds what the JSON record holds. What JSON leaves open has one shape here: `meta` is a JSON string, as its fields
differ from article to article; the scope of a stance is null for the whole article, else its start and end.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from types import NoneType
from typing import Any, Literal, get_args, get_origin, get_type_hints

import pyarrow as pa
import pyarrow.parquet

from rasid.records import Label, Record

REJECT = "reject"  # the column of `rasid.infer.raydata` that says why a row holds no record
_GROUP = 1000  # rows of one row group, the most that are in memory

_RANGE = pa.struct([("start", pa.int64()), ("end", pa.int64())])
_SCALARS = {str: pa.string(), int: pa.int64(), float: pa.float64(), bool: pa.bool_()}


def _arrow(kind: Any) -> pa.DataType:
    """The column type of a field's type: lists of tuples, structs of a record's parts, null where a field may be
    absent, and for a range that may be the word `article` too."""
    inner = get_args(kind)
    if kind == tuple[int, int]:
        return _RANGE
    if get_origin(kind) is tuple:
        return pa.list_(_arrow(inner[0]))
    if get_origin(kind) is Literal:
        return pa.string()
    if inner:
        (given,) = (each for each in inner if each is not NoneType and get_origin(each) is not Literal)
        return _arrow(given)
    return _SCALARS[kind] if kind in _SCALARS else pa.struct(_fields(kind))


def _fields(part: type) -> list[tuple[str, pa.DataType]]:
    return [(name, _arrow(kind)) for name, kind in get_type_hints(part).items() if name != "model_config"]


def _record_fields() -> Iterator[tuple[str, pa.DataType]]:
    """The record's own fields; two of them are open in JSON and have one shape here."""
    labels = [("question", pa.string()), ("several", pa.bool_()), ("given", pa.list_(pa.struct(_fields(Label))))]
    special = {"meta": pa.string(), "labels": pa.list_(pa.struct(labels))}
    for name, kind in get_type_hints(Record).items():
        if name != "model_config":
            yield name, special[name] if name in special else _arrow(kind)


SCHEMA = pa.schema(list(_record_fields()))


def row_of(tree: dict[str, Any]) -> dict[str, Any]:
    """A row from a record's JSON object."""
    return {
        **tree,
        "meta": json.dumps(tree["meta"], ensure_ascii=False) if "meta" in tree else None,
        "stances": [_stance(stance) for stance in tree["stances"]],
        "labels": [_labels(question, given) for question, given in tree.get("labels", {}).items()],
        "model": tree.get("model"),
        "warnings": tree.get("warnings", []),
    }


def tree_of(row: dict[str, Any]) -> dict[str, Any]:
    """A record's JSON object from a row, fields that are null left out: the inverse of `row_of`."""
    tree = {
        **row,
        "meta": json.loads(row["meta"]) if row["meta"] is not None else {},
        "entities": [_present(entity) | {"cluster": entity["cluster"]} for entity in row["entities"]],
        "clusters": [_present(cluster) for cluster in row["clusters"]],
        "stances": [_stance_tree(stance) for stance in row["stances"]],
        "labels": {each["question"]: _given(each) for each in row["labels"]},
    }
    empty = [name for name in ("labels", "model", "meta", "warnings") if not tree[name]]
    return {name: value for name, value in tree.items() if name not in empty}


def write_parquet(lines: Iterable[bytes], path: Path) -> None:
    """Records, one in each line as JSON, to a Parquet file: the same bytes for the same lines. Raises OSError."""
    rows = (row_of(json.loads(line)) for line in lines)
    with pyarrow.parquet.ParquetWriter(path, SCHEMA, compression="zstd") as writer:
        for group in _groups(rows):
            writer.write_batch(pa.RecordBatch.from_pylist(group, schema=SCHEMA))


def read_parquet_records(path: Path) -> Iterator[dict[str, Any]]:
    """The JSON objects of a Parquet file's records, in order; rejects are passed over."""
    with pyarrow.parquet.ParquetFile(path) as file:
        for batch in file.iter_batches(_GROUP):
            yield from (tree_of(row) for row in batch.to_pylist() if row.pop(REJECT, None) is None)


def _groups(rows: Iterator[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    while group := list(islice(rows, _GROUP)):
        yield group


def _stance(stance: dict[str, Any]) -> dict[str, Any]:
    scope, evidence = stance["scope"], stance.get("evidence")
    return stance | {
        "scope": None if scope == "article" else _range(scope),
        "evidence": None if evidence is None else [_range(each) for each in evidence],
    }


def _range(pair: list[int]) -> dict[str, int]:
    return {"start": pair[0], "end": pair[1]}


def _stance_tree(row: dict[str, Any]) -> dict[str, Any]:
    scope, evidence = row["scope"], row["evidence"]
    pairs = None if evidence is None else [[each["start"], each["end"]] for each in evidence]
    return _present(row | {"scope": [scope["start"], scope["end"]] if scope else "article", "evidence": pairs})


def _labels(question: str, given: Any) -> dict[str, Any]:
    several = isinstance(given, list)
    return {"question": question, "several": several, "given": given if several else [given]}


def _given(row: dict[str, Any]) -> Any:
    labels = [_present(label) for label in row["given"]]
    return labels if row["several"] else labels[0]


def _present(row: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if value is not None}

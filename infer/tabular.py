"""Tables: CSV, Parquet and Arrow files, row by row, to articles or rejects.

A table is streamed: memory holds some rows, never a file. Columns of bytes (pictures, say) are left out, dates and
decimals become strings, what is not a number (NaN) becomes null: a record is JSON. The module knows nothing of models.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator
from math import isfinite
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.ipc
import pyarrow.parquet

from rasid.errors import DataError

from .articles import Columns, Read, Reject, article_of
from .decoding import decode
from .files import LARGEST, TOO_LARGE, Meter, dataset_files

_BOM = "\ufeff"
_ROWS = 64  # read at a time
_BUFFER = 1 << 20  # bytes of a Parquet column read ahead, so that a row group need not fit the memory


# -- CSV --------------------------------------------------------------------------------------------


def read_csv(lines: Iterable[bytes], delimiter: str, where: str, name: str, columns: Columns) -> Iterator[Read]:
    """The rows of a CSV file (RFC 4180, the first row names the columns); empty ids count as missing.

    `name` stands in for ids that are missing, with the number of the line on which the row begins.
    """
    csv.field_size_limit(LARGEST)
    text = _Decoded(lines)
    rows = csv.reader(text, delimiter=delimiter, strict=True)
    header: list[str] | None = None
    while True:
        number = text.count + 1
        try:
            row = next(rows)
            if header is None:
                header = _header(row, columns) if row else None
            elif row:
                yield article_of(_fields(row, header, columns), columns, f"{name}:{number}", f"{where}:{number}")
        except StopIteration:
            break
        except (DataError, csv.Error) as error:
            yield Reject(f"{where}:{number}", _why(error))
            if header is None or "limit" in str(error):
                return  # without a header, or amid a quotation that never ends, the rest means nothing
    if header is None:
        yield Reject(where, "empty file: no row in it")


class _Decoded:
    """Lines as text. No generator, which would end with the first line that is at fault."""

    def __init__(self, lines: Iterable[bytes]) -> None:
        self._lines = iter(lines)
        self.count = 0  # of lines read, those at fault too

    def __iter__(self) -> _Decoded:
        return self

    def __next__(self) -> str:
        """Raises DataError for a line that is not UTF-8, or too large."""
        line = next(self._lines)
        self.count += 1
        if len(line) > LARGEST:
            raise DataError(TOO_LARGE)
        return decode(line).removeprefix(_BOM if self.count == 1 else "")


def _why(error: Exception) -> str:
    if "limit" in str(error):
        return TOO_LARGE
    if "unexpected end" in str(error):
        return "not valid CSV: a quotation that is opened here is not closed up to the end of the file"
    return f"not valid CSV ({error})" if isinstance(error, csv.Error) else str(error)


def _header(row: list[str], columns: Columns) -> list[str]:
    """Raises DataError for a header without the columns that are asked for, or with one twice."""
    twice = next((name for name in row if row.count(name) > 1), None)
    if twice is not None:
        raise DataError(f"two columns are called {twice!r}")
    _require(row, columns)
    return row


def _require(names: list[str], columns: Columns) -> None:
    shown = ", ".join(repr(name) for name in names[:20])
    if columns.text not in names:
        raise DataError(f"no column {columns.text!r}, only {shown}; --text-column says which one holds the text")
    if columns.id and columns.id not in names:
        raise DataError(f"no column {columns.id!r}, which is to hold the id, only {shown}")


def _fields(row: list[str], header: list[str], columns: Columns) -> dict[str, Any]:
    if len(row) != len(header):
        raise DataError(f"a row of {len(row)} fields; the header has {len(header)}")
    fields: dict[str, Any] = dict(zip(header, row, strict=True))
    return fields | {name: None for name in columns.ids if fields.get(name) == ""}


# -- Parquet and Arrow ------------------------------------------------------------------------------


def read_parquet(path: Path, columns: Columns, meter: Meter) -> Iterator[Read]:
    """The rows of a Parquet file. Raises OSError when it cannot be opened."""
    size = path.stat().st_size
    try:
        with pyarrow.parquet.ParquetFile(path, buffer_size=_BUFFER, pre_buffer=False) as file:
            names = _readable(file.schema_arrow, columns)
            rows, done = max(1, file.metadata.num_rows), 0
            with meter.reading(size, lambda: size * done // rows):
                batches = file.iter_batches(_ROWS, columns=names, use_threads=False)
                for item in _rows(batches, str(path), path.name, columns):
                    done += 1
                    yield item
    except pa.ArrowException as error:
        yield Reject(str(path), f"damaged, or not a Parquet file ({_brief(error)})")
    except DataError as error:
        yield Reject(str(path), str(error))


def table_rows(table: pa.Table, columns: Columns) -> Iterator[Read]:
    """The rows of a table in memory, told by their number in it. Raises DataError for one without the columns."""
    names = _readable(table.schema, columns)
    yield from _rows(table.select(names).to_batches(), "row", "row", columns)


def read_dataset(folder: Path, columns: Columns, meter: Meter) -> Iterator[Read]:
    """The rows of a dataset that `save_to_disk` of Hugging Face's datasets wrote, a dictionary's split by split.

    Its Arrow files are read as streams and not mapped into memory, where their pages would count as the job's.
    """
    try:
        files = dataset_files(folder)
    except (OSError, ValueError, KeyError, TypeError) as error:
        yield Reject(str(folder), f"a damaged dataset folder ({_brief(error)})")
        return
    for file in files:
        yield from _read_arrow(file, file.relative_to(folder).as_posix(), columns, meter)
    if not files:
        yield Reject(str(folder), "a dataset without a file")


def _read_arrow(path: Path, name: str, columns: Columns, meter: Meter) -> Iterator[Read]:
    try:
        with pa.OSFile(str(path)) as raw, meter.reading(raw.size(), raw.tell):
            stream = pyarrow.ipc.open_stream(raw)
            names = _readable(stream.schema, columns)
            batches = (batch.select(names) for batch in stream)
            yield from _rows(batches, str(path), name, columns)
    except pa.ArrowException as error:
        yield Reject(str(path), f"a damaged Arrow file ({_brief(error)})")
    except DataError as error:
        yield Reject(str(path), str(error))
    except OSError as error:
        yield Reject(str(path), f"cannot be read ({error.strerror or _brief(error)})")


def _rows(batches: Iterable[pa.RecordBatch], where: str, name: str, columns: Columns) -> Iterator[Read]:
    number = 0
    for batch in batches:
        for start in range(0, batch.num_rows, _ROWS):
            for fields in _fields_of(batch.slice(start, _ROWS)):
                number += 1
                yield _row(fields, f"{name}:{number}", f"{where}:{number}", columns)


def _row(fields: dict[str, Any] | DataError, place: str, where: str, columns: Columns) -> Read:
    try:
        if isinstance(fields, DataError):
            raise fields
        return article_of({key: _json(value) for key, value in fields.items()}, columns, place, where)
    except DataError as error:
        return Reject(where, str(error))


def _fields_of(batch: pa.RecordBatch) -> Iterator[dict[str, Any] | DataError]:
    """The rows of a batch; Arrow does not check that its strings are UTF-8, so one that is not costs its row alone."""
    try:
        yield from batch.to_pylist()
    except UnicodeDecodeError as error:
        if batch.num_rows == 1:
            yield DataError(f"a string that is not UTF-8 ({error.reason})")
            return
        for row in range(batch.num_rows):
            yield from _fields_of(batch.slice(row, 1))


def _readable(schema: pa.Schema, columns: Columns) -> list[str]:
    """The columns to read. Raises DataError when those asked for are not there, or the text is no string."""
    _require(schema.names, columns)
    kind = schema.field(columns.text).type
    value = kind.value_type if pa.types.is_dictionary(kind) else kind
    if not (pa.types.is_string(value) or pa.types.is_large_string(value) or pa.types.is_string_view(value)):
        raise DataError(f"column {columns.text!r} is of type {kind}; a string is needed")
    return [field.name for field in schema if not _has_bytes(field.type)]


def _has_bytes(kind: pa.DataType) -> bool:
    binary = (pa.types.is_binary, pa.types.is_large_binary, pa.types.is_fixed_size_binary, pa.types.is_binary_view)
    inner = [kind.field(index).type for index in range(kind.num_fields)]
    return any(test(kind) for test in binary) or any(_has_bytes(each) for each in inner)


def _json(value: Any) -> Any:
    """A cell as JSON holds it."""
    if isinstance(value, float):
        return value if isfinite(value) else None
    if isinstance(value, dict):
        return {str(key): _json(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_json(inner) for inner in value]
    if value is None or isinstance(value, str | int):
        return value
    return value.isoformat() if hasattr(value, "isoformat") else str(value)


def _brief(error: Exception) -> str:
    return " ".join(str(error).split())[:200]

"""Ray Data's door: a class that `map_batches` makes actors of: tables of articles in, tables of records out.

    ray.data.read_parquet("backlog").map_batches(Reader, batch_format="pyarrow", batch_size=64, compute=...)

Ray Data reads, shares out, writes, and starts an actor that died again; docs/scale.md says what it does not keep of
what `rasid infer` promises. The module itself needs no Ray.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import pyarrow as pa

from .articles import Article, Columns, Reject
from .engine import choose_device, usual_tokens
from .engines import choose
from .given import check_targets
from .parquet import REJECT, SCHEMA, row_of
from .predictor import predict_each
from .tabular import table_rows
from .worker import Settings

WITH_REJECTS = SCHEMA.append(pa.field(REJECT, pa.string()))


class Reader:
    """An engine that reads batches. All it is made from is plain, as actors are made elsewhere."""

    def __init__(
        self,
        model: str = "news",
        *,
        device: str = "auto",
        engine: str = "auto",
        precision: str = "auto",
        text_column: str = "text",
        id_column: str = "id",
        batch_tokens: int | None = None,
        min_score: float = 0.0,
        min_stance: float = 0.0,
        repair: bool = True,
        aliases: str | None = None,
        targets: Sequence[str] = (),
        threads: int = 1,
    ) -> None:
        """As the options of `rasid infer`; `threads` of the CPU are an actor's, which is given `num_cpus` as many.

        Raises ModelError and ConfigError as `rasid infer` does.
        """
        there = choose_device(device)
        self._columns = Columns(text_column, id_column)
        self._engine = Settings(
            model=model,
            choice=asdict(choose(engine, precision, there, model)),
            device=there.type,
            batch_tokens=batch_tokens or usual_tokens(there),
            min_score=min_score,
            min_stance=min_stance,
            repair=repair,
            aliases=aliases,
            targets=check_targets(targets),
            threads=threads,
        ).open()

    def __call__(self, batch: pa.Table) -> pa.Table:
        """A row for each row, in order: a record, or what a reject has, which is `reject`, the reason.

        Raises DataError for a table without the columns, DeviceError when the device fails.
        """
        items = list(table_rows(batch, self._columns))
        articles = [item for item in items if isinstance(item, Article)]
        results = iter(predict_each(self._engine, articles) if articles else [])
        found = (item if isinstance(item, Reject) else next(results) for item in items)
        rows = [{REJECT: f"{r.where}: {r.reason}"} if isinstance(r, Reject) else _row(r.to_json()) for r in found]
        return pa.Table.from_pylist(rows, schema=WITH_REJECTS)


def _row(line: str) -> dict[str, Any]:
    return row_of(json.loads(line))

"""What a run draws from its sources: repeats evened out by a temperature, and the account of an epoch."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from .batching import BatchSampler


def tempered(repeats: Sequence[float], sources: Sequence[str], temperature: float) -> list[float]:
    """Repeats of rows with which a source's part of an epoch goes as its size ** (1 / temperature).

    `sources` name the source of each row; a source's size is the sum of its rows' repeats. The epoch stays as long as
    it was. 1 changes nothing; the higher, the more alike the sources' parts.
    """
    sizes: dict[str, float] = {}
    for source, repeat in zip(sources, repeats, strict=True):
        sizes[source] = sizes.get(source, 0.0) + repeat
    flat = {source: size ** (1.0 / temperature) for source, size in sizes.items()}
    scale = sum(sizes.values()) / max(1e-12, sum(flat.values()))
    factor = {source: flat[source] * scale / size if size else 0.0 for source, size in sizes.items()}
    return [repeat * factor[source] for source, repeat in zip(sources, repeats, strict=True)]


def account(sampler: BatchSampler, sources: Sequence[str], repeats: Sequence[float]) -> dict[str, Any]:
    """What the sampler makes of the sources, in its first epoch: rows, mean repeats, rows drawn, their share, and the
    batches in which they stand (a batch is of one head, and may hold several sources of it)."""
    batches = list(sampler)
    drawn = Counter(sources[number] for batch in batches for number in batch)
    standing = Counter(source for batch in batches for source in {sources[number] for number in batch})
    table = {}
    for source in dict.fromkeys(sources):
        own = [repeat for name, repeat in zip(sources, repeats, strict=True) if name == source]
        table[source] = {
            "rows": len(own),
            "repeat": round(sum(own) / len(own), 4),
            "drawn": drawn[source],
            "share": round(drawn[source] / max(1, drawn.total()), 4),
            "batches": standing[source],
        }
    return {"batches": len(batches), "wrapped": sampler.wrapped, "sources": table}

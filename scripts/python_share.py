"""How much of a job's CPU time is Python around the model: articles read twice, the share of each reading.

    python scripts/python_share.py articles.jsonl --model news

The second reading finds words, names and pieces remembered, as those of a long job mostly are. CPU time and one thread,
so that a busy machine disturbs little.
"""

from __future__ import annotations

import argparse
import hashlib
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from rasid.encoding import Batch
from rasid.infer.articles import Article, Columns
from rasid.infer.engine import Engine, open_engine, usual_tokens
from rasid.infer.files import Meter
from rasid.infer.predictor import predict
from rasid.infer.readers import read
from rasid.network import Floats, Heard, Network, Wanted, network_of

_CHUNK = 64  # articles, as `rasid infer` reads them


class Timed:
    """A network that adds up the CPU seconds spent in it."""

    def __init__(self, network: Network) -> None:
        self._network = network
        self.seconds = 0.0

    @property
    def label(self) -> str:
        return self._network.label

    def log_probs(self, head: str, batch: Batch) -> Floats:
        began = time.process_time()
        found = self._network.log_probs(head, batch)
        self.seconds += time.process_time() - began
        return found

    def read(self, batch: Batch, counted: Tensor, wanted: Wanted) -> Heard:
        began = time.process_time()
        found = self._network.read(batch, counted, wanted)
        self.seconds += time.process_time() - began
        return found


def lines_of(engine: Engine, articles: Sequence[Article]) -> list[str]:
    """The articles' records as lines of JSON."""
    chunks = (articles[start : start + _CHUNK] for start in range(0, len(articles), _CHUNK))
    return [record.to_json() for chunk in chunks for record in predict(engine, chunk)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("inputs", nargs="+", type=Path)
    parser.add_argument("--model", default="news")
    args = parser.parse_args()
    torch.set_num_threads(1)
    items = read([str(path) for path in args.inputs], Columns(), Meter())
    articles = [item for item in items if isinstance(item, Article)]
    cpu = torch.device("cpu")
    engine = open_engine(args.model, cpu, usual_tokens(cpu))
    network = Timed(network_of(engine.loaded))
    engine.loaded = replace(engine.loaded, network=network)
    for reading in ("first", "second"):
        network.seconds, began = 0.0, time.process_time()
        lines = lines_of(engine, articles)
        total = time.process_time() - began
        outside = total - network.seconds
        print(
            f"{reading} reading: {total:.2f} s, {outside:.2f} outside the model ({outside / total:.3f}), "
            f"{1000 * outside / max(1, len(articles)):.1f} ms an article"
        )
    digest = hashlib.sha256("\n".join(lines).encode()).hexdigest()
    print(f"records: sha256 {digest[:16]}")


if __name__ == "__main__":
    main()

"""Intake: inputs as `rasid infer` takes them, chunk by chunk, for commands that write one file and do not resume.

What gave no article goes into `<output>.rejects.jsonl`, as with `rasid infer`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from rasid.errors import DataError

from .articles import Article, Columns, Reject
from .job import chunks, why_nothing
from .outputs import Output, prepare, spare_inputs
from .readers import read
from .writers import RejectsWriter


class Intake:
    """The articles of some inputs; counts what it gave and what it rejected."""

    def __init__(self, inputs: Sequence[str], columns: Columns, output: Path) -> None:
        """Raises DataError for an output that cannot be written or that is one of the inputs."""
        target = Output(output, "jsonl", None)
        if output.is_dir():
            raise DataError(f"{output}: is a folder; --output is a file")
        spare_inputs(target, inputs)
        prepare(target)
        self._inputs, self._columns = inputs, columns
        self._rejects = RejectsWriter(target)
        self.articles = 0

    def __iter__(self) -> Iterator[list[Article]]:
        for chunk in chunks(read(self._inputs, self._columns)):
            for item in chunk:
                if isinstance(item, Reject):
                    self.reject(item)
            articles = [item for item in chunk if isinstance(item, Article)]
            self.articles += len(articles)
            if articles:
                yield articles

    def reject(self, item: Reject) -> None:
        self._rejects.write(item)

    def close(self) -> str:
        """Publishes the rejects and gives the sentence that tells of them, empty when there are none.

        Raises DataError with the first one's reason when no input gave an article.
        """
        self._rejects.commit()
        self._rejects.publish()
        if not self.articles:
            raise DataError(why_nothing(self._rejects))
        return f"; {self._rejects.count} rejected -> {self._rejects.path}" if self._rejects.count else ""

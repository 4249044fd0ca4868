"""Pre-annotations: a model's records in the form in which a tool shows them to the people who mend them.

Label Studio keeps predictions apart from annotations, with scores, so a record goes there whole. doccano shows a
prediction as if somebody had made it: it gets what its annotators see, with the model's name and nothing else of the
model. Knows nothing of where records come from.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from rasid.doccano import export_doccano, export_doccano_relations
from rasid.errors import DataError
from rasid.exchange import PREANNOTATED, Article, check_name, provenance
from rasid.labelstudio import task_of
from rasid.records import Record
from rasid.units import UTF_16

FORMATS = ("labelstudio", "doccano", "doccano-relations", "records")
_Line = Callable[[Article, Counter[str]], str]


def for_people(record: Record) -> Record:
    """What annotators are shown of a model's record: spans, types and clusters, without a score, and in `meta` the
    model's name. Its stances and labels, which would come back as if they had been checked, stay behind."""
    return record.model_copy(
        update={
            "entities": tuple(entity.model_copy(update={"name": None, "score": None}) for entity in record.entities),
            "clusters": tuple(cluster for cluster in record.clusters if not cluster.given),
            "stances": (),
            "labels": {},
            "warnings": (),
            "model": None,
            "meta": {**record.meta, **({PREANNOTATED: provenance(record.model)} if record.model else {})},
        }
    )


def _task(article: Article, left: Counter[str]) -> str:
    return json.dumps(task_of(article), ensure_ascii=False)


def _doccano(unit: str, relations: bool) -> _Line:
    export = export_doccano_relations if relations else export_doccano

    def line(article: Article, left: Counter[str]) -> str:
        written = export([Article(for_people(article.record), article.text)], unit)
        left += written.left
        (content,) = written.files.values()
        return str(content).rstrip("\n")

    return line


def _record(article: Article, left: Counter[str]) -> str:
    return article.record.to_json()


@dataclass
class Preannotations:
    """A file that is being written. `left` counts what the format could not hold."""

    line: _Line
    between: str
    write: Callable[[str], object]
    count: int = 0
    left: Counter[str] = field(default_factory=Counter)

    def add(self, article: Article) -> None:
        """Raises DataError for an article whose id cannot name a file: the tool's export could not come back in."""
        check_name(article.record.doc, article.record.doc)
        self.write((self.between if self.count else "") + self.line(article, self.left))
        self.count += 1


@contextmanager
def preannotations(path: Path, form: str, unit: str | None = None) -> Iterator[Preannotations]:
    """`path` in a format, written article by article, which has its name only when it is whole. An old one is replaced.

    `unit` is what doccano's offsets count. Raises DataError for a unit that is not asked for, or when the file cannot
    be written.
    """
    if unit is not None and not form.startswith("doccano"):
        raise DataError(f"--units {unit}: format {form} has a unit of its own; --units is for doccano")
    line = {"labelstudio": _task, "records": _record}.get(form) or _doccano(unit or UTF_16, form != "doccano")
    opening, between, closing = ("[\n", ",\n", "\n]\n") if form == "labelstudio" else ("", "\n", "\n")
    partial = path.with_name(f"{path.name}.part")
    try:
        with partial.open("w", encoding="utf-8", newline="") as stream:
            stream.write(opening)
            yield Preannotations(line, between, stream.write)
            stream.write(closing)
        partial.replace(path)
    except OSError as error:
        raise DataError(f"{path}: cannot be written ({error.strerror or error})") from None
    finally:
        partial.unlink(missing_ok=True)

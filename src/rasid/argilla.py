"""Argilla's records: a list of texts with spans that a model suggests and spans that annotators answered.

    {"id": "one", "fields": {"text": "..."}, "metadata": {"rasid": "..."},
     "suggestions": {"spans": {"value": [{"start": 0, "end": 4, "label": "ORG"}], "score": [0.9], "agent": "..."}},
     "responses": {"spans": [{"value": [...], "user_id": "..."}]}}

Spans count UTF-16 units, as its page does (argilla-io/argilla #5729), and do not repeat their text. The form is that of
`Record.from_dict` and `Dataset.records.to_json` in its SDK 2, with a TextField `text` and a SpanQuestion `spans`.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from rasid.errors import DataError
from rasid.exchange import (
    Article,
    Drawn,
    Mention,
    Written,
    carried,
    carry,
    fresh_ids,
    parse_json,
    validated,
)
from rasid.records import Record, Score, read_exact
from rasid.units import UTF_16, Ruler

FIELD, QUESTION = "text", "spans"  # the names of the TextField and the SpanQuestion
_KEY = "rasid"
_FILE = "records.json"
_AGENT = re.compile(r"[^A-Za-z0-9_:./\s-]+")  # what the server allows in no agent's name


def _suggestion(record: Record, value: list[dict[str, Any]], scores: list[float | None]) -> dict[str, Any]:
    """The spans; a score each where every one has one (a shorter list is refused)."""
    found: dict[str, Any] = {"value": value, "type": "human"}
    if record.model is not None:
        name = _AGENT.sub("-", record.model.name)
        found |= {"type": "model", "agent": f"{name} {record.model.revision[:12]}"}
    if scores and None not in scores:
        found["score"] = scores
    return found


def _tree(article: Article, unit: str, left: Counter[str]) -> dict[str, Any]:
    """One record; an entity whose ends lie inside one of the unit's characters is counted in `left`."""
    record, ruler = article.record, Ruler(article.text, unit)
    value, kept = [], []
    for entity in record.entities:
        start, end = ruler.out(entity.start), ruler.out(entity.end)
        if start is None or end is None:
            left[f"entities that begin or end inside one of the {unit}"] += 1
            continue
        kept.append(entity)
        value.append({"start": start, "end": end, "label": entity.type})
    suggestion = _suggestion(record, value, [entity.score for entity in kept])
    return {
        "id": record.doc,
        "fields": {FIELD: article.text},
        "metadata": {_KEY: carry(record, kept)},
        "suggestions": {QUESTION: suggestion},
        "responses": {},
        "vectors": {},
    }


def export_argilla(articles: list[Article], unit: str = UTF_16) -> Written:
    """`records.json`. Spans go out as suggestions, which annotators accept or change: a response needs a user's id."""
    left: Counter[str] = Counter()
    records = [_tree(article, unit, left) for article in articles]
    return Written({_FILE: json.dumps(records, ensure_ascii=False, indent=1) + "\n"}, left)


class _Loose(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class _Span(_Loose):
    start: int = Field(ge=0)
    end: int = Field(ge=0)
    label: str


class _Answer(_Loose):
    """A suggestion or a response."""

    value: tuple[_Span, ...] = ()
    score: Score | tuple[Score, ...] | None = None
    status: str | None = None


class _Record(_Loose):
    id: str | int | None = None
    fields: dict[str, Any]
    metadata: dict[str, Any] | None = None
    suggestions: dict[str, Any] | None = None
    responses: dict[str, Any] | None = None


def _chosen(record: _Record, where: str) -> tuple[_Answer, bool]:
    """What is to be read, and whether people answered it: the one submitted response, else the suggestion."""
    given = (record.responses or {}).get(QUESTION) or []
    if not isinstance(given, list):
        raise DataError(f"{where}: responses.{QUESTION}: expected a list of responses")
    answers = [validated(_Answer, one, f"{where}, response {number}") for number, one in enumerate(given, 1)]
    done = [one for one in answers if one.status in (None, "submitted")]
    if len(done) > 1:
        raise DataError(f"{where}: {len(done)} submitted responses; leave one, or compare them as folders of one each")
    if done:
        return done[0], True
    suggested = (record.suggestions or {}).get(QUESTION)
    if suggested is None:
        raise DataError(f"{where}: neither a submitted response nor a suggestion to the question {QUESTION!r}")
    return validated(_Answer, suggested, f"{where}, suggestion"), False


def _read_record(tree: object, where: str, unit: str, number: int) -> Drawn:
    record = validated(_Record, tree, where)
    text = record.fields.get(FIELD)
    if not isinstance(text, str):
        raise DataError(f"{where}: fields.{FIELD}: expected the article's text; fields: {', '.join(record.fields)}")
    doc = str(record.id) if record.id is not None else f"record-{number}"
    where = f"{where} ({doc})"
    answer, people = _chosen(record, where)
    scores = answer.score if isinstance(answer.score, tuple) else (answer.score,) * len(answer.value)
    if len(scores) != len(answer.value):
        raise DataError(
            f"{where}: {len(scores)} scores for {len(answer.value)} spans; one each is needed, or one in all"
        )
    beside = carried((record.metadata or {}).get(_KEY), f"{where}: metadata.{_KEY}")
    own, fresh = dict(beside.ids), fresh_ids(beside.ids.values(), "T")
    ruler, mentions = Ruler(text, unit), []
    for place, (one, score) in enumerate(zip(answer.value, scores, strict=True), 1):
        at = f"{where}, span {place}"
        span = ruler.span(one.start, one.end, at)
        name = own.pop((span.start, span.end, one.label), "") or next(fresh)
        mentions.append(Mention(name, one.label, span.start, span.end, at, None if people else score))
    extras = beside.extras
    if people and extras.model is not None:  # no longer the model's
        extras = extras.model_copy(update={"model": None, "entities": {}})
    questions = {*(record.suggestions or {}), *(record.responses or {})} - {QUESTION}
    left = Counter({f"answers to the question {name!r}": 1 for name in questions})
    return Drawn(doc, text, tuple(mentions), where, None, extras, left)


def read_argilla(source: Path, unit: str = UTF_16) -> Iterator[Drawn]:
    """Every record of a .json file, or of all in a folder. Raises DataError with file and record."""
    files = sorted(source.glob("*.json")) if source.is_dir() else [source]
    if not files:
        raise DataError(f"{source}: no .json files in this folder; Dataset.records.to_json writes one")
    for path in files:
        records = parse_json(read_exact(path), str(path))
        if not isinstance(records, list):
            raise DataError(f"{path}: expected a list of records, as Dataset.records.to_json writes")
        for number, tree in enumerate(records, 1):
            yield _read_record(tree, f"{path}: record {number}", unit, number)

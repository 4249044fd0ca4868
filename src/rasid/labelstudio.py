"""Label Studio's JSON: a list of tasks, each a text with annotations that people made or predictions of a model.

A region's `start` and `end` count code points (UTF-16 units in old versions) and its `text` repeats what is there, by
which the unit is settled. Clusters are chains of relations; the rest of a record stands in the task's data, which the
tool keeps and does not show. Format: labelstud.io/guide/task_format.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from statistics import fmean
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from rasid.errors import DataError
from rasid.exchange import (
    COREF,
    Article,
    Chosen,
    Drawn,
    Extras,
    Kept,
    Mention,
    Written,
    corrected,
    extras_of,
    fresh_ids,
    linked,
    parse_json,
    provenance,
    validated,
)
from rasid.labels import STANCES, VALUES
from rasid.records import Entity, Range, Record, Score, read_exact
from rasid.text import passages
from rasid.units import CODE_POINTS, Quoted, settle

# Names of tags in the labelling configuration: the Labels, the Text, and the questions asked of each target.
FROM, TO, HOLDER = "label", "text", "holder"
STANCE = {"passage": "stance", "article": "article-stance"}
_QUESTIONS = frozenset({HOLDER, *STANCE.values()})
_KEY = "rasid"
_FILE = "tasks.json"
_UNSEEN = "stances and labels that a model gave and the tool did not show"


def _region(entity: Entity) -> dict[str, Any]:
    value = {"start": entity.start, "end": entity.end, "text": entity.surface, "labels": [entity.type]}
    region = {"id": entity.id, "from_name": FROM, "to_name": TO, "type": "labels", "value": value}
    return region if entity.score is None else {**region, "score": entity.score}


def task_of(article: Article) -> dict[str, Any]:
    """One task: a prediction where the record names its model, else an annotation."""
    record = article.record
    result = [_region(entity) for entity in record.entities]
    for group in linked(record):
        result += [
            {"type": "relation", "from_id": one, "to_id": other, "direction": "right", "labels": [COREF]}
            for one, other in pairwise(group)
        ]
    data = {"text": article.text, "doc": record.doc, _KEY: extras_of(record).tree()}
    if record.model is None:
        return {"data": data, "annotations": [{"result": result}], "predictions": []}
    prediction = {"model_version": provenance(record.model), **_overall(record), "result": result}
    return {"data": data, "annotations": [], "predictions": [prediction]}


def _overall(record: Record) -> dict[str, float]:
    """The prediction's own score, by which the tool can sort tasks: the share of its spans that are right, by what the
    model says of each; of no spans there is none."""
    scores = [entity.score for entity in record.entities if entity.score is not None]
    return {"score": round(fmean(scores), 4)} if scores else {}


def export_labelstudio(articles: list[Article]) -> Written:
    """`tasks.json`, which holds everything that a record does."""
    tasks = [task_of(article) for article in articles]
    return Written({_FILE: json.dumps(tasks, ensure_ascii=False, indent=1) + "\n"}, Counter())


class _Loose(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class _Value(_Loose):
    start: int = Field(ge=0)
    end: int = Field(ge=0)
    text: str
    labels: tuple[str, ...] = Field(min_length=1)


class _Region(_Loose):
    id: str
    value: _Value
    score: Score | None = None


class _Relation(_Loose):
    from_id: str
    to_id: str
    labels: tuple[str, ...] | None = None


class _Work(_Loose):
    result: tuple[dict[str, Any], ...]
    was_cancelled: bool = False
    ground_truth: bool = False


class _Task(_Loose):
    id: int | str | None = None
    data: dict[str, Any]
    annotations: tuple[_Work, ...] = ()
    predictions: tuple[_Work | int, ...] = ()  # the export JSON has their numbers alone


def _chosen(task: _Task, where: str) -> tuple[_Work, str]:
    """What is to be read and its name: the one annotation, or that marked as ground truth, else the one prediction."""
    done = [one for one in task.annotations if not one.was_cancelled]
    if len(done) > 1:
        done = [one for one in done if one.ground_truth]
        if len(done) != 1:
            raise DataError(f"{where}: several annotations; leave one, or mark one of them as ground truth")
    if done:
        return done[0], "annotations"
    if len(task.predictions) != 1:
        raise DataError(f"{where}: no annotation and {len(task.predictions)} predictions; one of them is needed")
    found = task.predictions[0]
    if isinstance(found, int):
        raise DataError(
            f"{where}: no annotation, and of its prediction the number {found} alone; "
            "export a snapshot with predictions in full, or submit the task"
        )
    return found, "predictions"


def _regions(result: tuple[dict[str, Any], ...], where: str) -> list[_Region]:
    found = []
    for number, item in enumerate(result, 1):
        if item.get("type") == "labels":
            found.append(validated(_Region, item, f"{where}, result {number}"))
    return found


def _mentions(text: str, regions: list[_Region], where: str) -> tuple[str, tuple[Mention, ...]]:
    """The unit of the regions, and a mention for every label of every region."""
    quoted = [Quoted(r.value.start, r.value.end, r.value.text, f"{where}, region {r.id}") for r in regions]
    settled = settle(text, quoted)
    names = fresh_ids((region.id for region in regions), "T")
    found = []
    for region, span, one in zip(regions, settled.spans, quoted, strict=True):
        for number, label in enumerate(region.value.labels):
            name = next(names) if number else region.id
            found.append(Mention(name, label, span.start, span.end, one.where, region.score))
    return settled.unit, tuple(found)


class _Picked(_Loose):
    choices: tuple[str, ...] = Field(min_length=1, max_length=1)


class _Choice(_Loose):
    """An answer to a question that is asked of one region, whose id it has."""

    id: str
    from_name: str
    value: _Picked


def _speakers(result: tuple[dict[str, Any], ...]) -> dict[str, str]:
    """Region to the region of its speaker, from links named as the question of the holder."""
    ends = [item for item in result if item.get("type") == "relation" and _is_holder(item)]
    return {str(item.get("from_id")): str(item.get("to_id")) for item in ends}


def _is_holder(item: dict[str, Any]) -> bool:
    return any(str(label).lower() == HOLDER for label in item.get("labels") or ())


def _chosen_stances(
    text: str, result: tuple[dict[str, Any], ...], mentions: tuple[Mention, ...], where: str
) -> Iterator[Chosen]:
    """Stances by their regions; a passage's is that of the passage which the region begins in."""
    known = {one.id: one for one in mentions if one.type not in VALUES}
    answers: dict[tuple[str, str], str] = {}
    for number, item in enumerate(result, 1):
        if item.get("type") == "choices" and item.get("from_name") in _QUESTIONS:
            choice = validated(_Choice, item, f"{where}, result {number}")
            if choice.id not in known:
                raise DataError(f"{where}, result {number}: stance on {choice.id!r}, which is no name of this task")
            answers[choice.id, choice.from_name] = choice.value.choices[0]
    speakers, blocks = _speakers(result), passages(text)
    for (name, question), answer in answers.items():
        if question == HOLDER:
            continue
        at = f"{where}, region {name}"
        if answer not in STANCES:
            raise DataError(f"{at}: {question} {answer!r}; allowed: {', '.join(STANCES)}")
        block = next((b for b in blocks if b.start <= known[name].start < b.end), None)
        if question == STANCE["passage"] and block is None:
            raise DataError(f"{at}: it stands in no passage, so it takes no stance but the article's")
        speaker = speakers.get(name)
        holder = speaker if speaker in known else answers.get((name, HOLDER), "author")
        here = block if question == STANCE["passage"] else None
        scope: Literal["article"] | Range = (here.start, here.end) if here else "article"
        yield Chosen(name, scope, answer, holder)


def _links(
    result: tuple[dict[str, Any], ...], known: set[str], where: str, left: Counter[str]
) -> list[tuple[str, str]]:
    """Coreference relations; all else that is no region is counted in `left`."""
    links = []
    for number, item in enumerate(result, 1):
        kind = item.get("type")
        if kind == "labels" or (kind == "choices" and item.get("from_name") in _QUESTIONS):
            continue
        if kind == "relation" and _is_holder(item):
            continue
        if kind != "relation":
            left[f"results of type {kind}"] += 1
            continue
        relation = validated(_Relation, item, f"{where}, result {number}")
        if relation.labels and not any(label.lower().startswith(COREF.lower()) for label in relation.labels):
            left["relations other than Coref"] += 1
            continue
        for end in (relation.from_id, relation.to_id):
            if end not in known:
                raise DataError(f"{where}, result {number}: relation to {end!r}, which is no region of this task")
        links.append((relation.from_id, relation.to_id))
    return links


def _read_task(tree: object, where: str, number: int) -> Drawn:
    task = validated(_Task, tree, where)
    text = task.data.get("text")
    if not isinstance(text, str):
        raise DataError(
            f"{where}: data.text: expected the article's text; data has {', '.join(task.data) or 'nothing'}"
        )
    doc = str(task.data.get("doc") or f"task-{task.id if task.id is not None else number}")
    where = f"{where} ({doc})"
    work, kind = _chosen(task, where)
    unit, mentions = _mentions(text, _regions(work.result, where), where)
    left: Counter[str] = Counter()
    links = _links(work.result, {one.id for one in mentions}, where, left)
    extras = validated(Extras, task.data[_KEY], f"{where}: data.{_KEY}") if _KEY in task.data else Extras()
    if kind == "annotations":
        if extras.model is not None:
            left[_UNSEEN] += len(extras.stances) + len(extras.labels)
        extras = corrected(extras)
        mentions = tuple(replace(one, score=extras.entities.get(one.id, Kept()).score) for one in mentions)
    notes = () if unit == CODE_POINTS else (f"{where}: offsets count {unit} and were read so",)
    chosen = tuple(_chosen_stances(text, work.result, mentions, where))
    return Drawn(doc, text, mentions, where, tuple(links), extras, left, notes, chosen)


def read_labelstudio(source: Path) -> Iterator[Drawn]:
    """Every task of an exported .json file, or of all in a folder. Raises DataError with file and task."""
    files = sorted(source.glob("*.json")) if source.is_dir() else [source]
    if not files:
        raise DataError(f"{source}: no .json files in this folder; Label Studio exports one (its format JSON)")
    for path in files:
        tasks = parse_json(read_exact(path), str(path))
        if not isinstance(tasks, list):
            raise DataError(f"{path}: expected a list of tasks, as Label Studio exports in its format JSON")
        for number, tree in enumerate(tasks, 1):
            yield _read_task(tree, f"{path}: task {number}", number)

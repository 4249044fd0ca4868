"""Held-out answers: what a fold's model says of the article it has not seen, kept on disk so that nothing trains twice.

A finished fold is found again by its settings and by what its files held; scoring, calibration and error analysis then
need no training. Scores are kept raw. What the code was is not remembered: after a change to it take a fresh folder.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from rasid.config import Section
from rasid.errors import DataError
from rasid.labels import STANCES, VALUES, StanceLabel
from rasid.model import Loaded
from rasid.normalizer import normalise
from rasid.records import Cluster, Entity, Record
from rasid.scoring import pair_probs

from .claim import encoder_revision
from .config import RunConfig
from .evaluation import Scored, scored_entities
from .questions import asked_of
from .sources import Article

FILE = "fold.json"
# What a run is asked beside training; a fold is the same fold without them.
_NOT_TRAINING = frozenset(
    {"output", "cross_validation", "few_shot", "seeds", "data", "text_floor", "calibration", "aggregation", "compress"}
)
_READING = "reading_overlap"  # how a model is run: one that was kept can be run in another way


class StanceAnswer(Section):
    """An author's passage stance of the gold record, and the head's raw probabilities in the order of STANCES."""

    cluster: str
    target: str
    scope: tuple[int, int]
    gold: StanceLabel
    probabilities: tuple[float, ...]


class Answers(Section):
    """A fold: its settings, a digest of the files that it read, and its model's answers for the held-out article."""

    settings: dict[str, Any]
    inputs: str
    doc: str
    seed: int
    entities: tuple[Entity, ...]
    stances: tuple[StanceAnswer, ...]


def settings_of(config: RunConfig) -> dict[str, Any]:
    """What of a fold's config bears on its model, as plain JSON; departures from defaults only, so that a key which a
    later version adds does not disown a fold."""
    tree = config.model_dump(mode="json", exclude_defaults=True)
    return {key: value for key, value in tree.items() if key not in _NOT_TRAINING}


def digest_of(config: RunConfig) -> str:
    """sha256 over all that training reads: the encoder's weights, and the contents of every data file."""
    total = hashlib.sha256(f"{config.encoder} {config.revision or encoder_revision(config.encoder)}\n".encode())
    for path in sorted({path for s in config.sources.values() for path in (s.path, s.texts) if path}):
        for file in _files(path):
            total.update(f"{file.name} {_digest(file, file.stat().st_mtime_ns)}\n".encode())
    return total.hexdigest()


def _files(path: Path) -> Iterator[Path]:
    if path.is_dir():
        yield from (file for file in sorted(path.iterdir()) if file.is_file())
    elif path.is_file():
        yield path


@cache
def _digest(file: Path, _changed: int) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def fold_name(doc: str, seed: int) -> str:
    """The folder of a fold in its run's."""
    return f"fold-{doc}-{seed}"


def find(folder: Path, config: RunConfig) -> Answers | None:
    """The answers of a finished fold in its folder; None where there are none, or those of a model that learnt by other
    settings or from other files. Whether they were read in the same way is told by `read_alike`.

    Raises DataError for a file that is not whole.
    """
    path = folder / FILE
    if not path.is_file():
        return None
    try:
        found = Answers.model_validate_json(path.read_text(encoding="utf-8"))
    except (ValidationError, UnicodeDecodeError):
        raise DataError(f"{path}: not a fold's answers; delete it to train the fold again") from None
    same = _learnt(found.settings) == _learnt(settings_of(config)) and found.inputs == digest_of(config)
    return found if same else None


def _learnt(settings: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in settings.items() if key != _READING}


def read_alike(answers: Answers, config: RunConfig) -> bool:
    """Whether a fold's model was run as a config has it run."""
    return answers.settings.get(_READING) == settings_of(config).get(_READING)


def keep(answers: Answers, folder: Path) -> None:
    """Writes the answers, whole or not at all."""
    folder.mkdir(parents=True, exist_ok=True)
    part = folder / f"{FILE}.part"
    part.write_text(answers.model_dump_json(indent=1) + "\n", encoding="utf-8")
    part.replace(folder / FILE)


def ask(config: RunConfig, loaded: Loaded, article: Article, seed: int, entities: str, stances: str | None) -> Answers:
    """The answers of the heads named `entities` and `stances` for an article."""
    (found,) = scored_entities(loaded, entities, [article.text])
    return Answers(
        settings=settings_of(config),
        inputs=digest_of(config),
        doc=article.record.doc,
        seed=seed,
        entities=as_entities(found, article.text),
        stances=_stances(loaded, stances, article) if stances else (),
    )


def as_entities(found: Sequence[Scored], text: str) -> tuple[Entity, ...]:
    """Predicted spans as a record's entities, without clusters."""
    return tuple(
        Entity(
            id=f"T{number}",
            type=one.entity.type,
            start=one.entity.span.start,
            end=one.entity.span.end,
            surface=one.entity.span.of(text),
            score=min(1.0, one.score),
        )
        for number, one in enumerate(found, 1)
    )


def _stances(loaded: Loaded, head: str, article: Article) -> tuple[StanceAnswer, ...]:
    asked = list(asked_of(article))
    pairs = [one.pair for one in asked]
    order = [loaded.model.config.named_heads[head].labels.index(label) for label in STANCES]
    rows = pair_probs(loaded, head, pairs, calibrated=False)[:, order].tolist()
    return tuple(
        StanceAnswer(
            cluster=one.stance.target,
            target=one.pair.target,
            scope=one.stance.scope,
            gold=one.stance.label,
            probabilities=tuple(row),
        )
        for one, row in zip(asked, rows, strict=True)
        if one.stance.scope != "article"
    )


def record_of(article: Article, entities: Sequence[Entity], meta: dict[str, Any]) -> Record:
    """A record of held-out entities, fit for `rasid evaluate`. Its clusters are no resolution: one for each type and
    normalised surface."""
    names = {
        (entity.type, normalise(entity.surface)): entity.surface
        for entity in reversed(entities)
        if entity.type not in VALUES
    }
    ids = {key: f"C{number}" for number, key in enumerate(reversed(names), 1)}
    return Record(
        doc=article.record.doc,
        sha256=article.record.sha256,
        meta=meta,
        entities=tuple(e.model_copy(update={"cluster": ids.get((e.type, normalise(e.surface)))}) for e in entities),
        clusters=tuple(Cluster(id=ids[key], name=names[key], type=key[0]) for key in ids),
    )


def lines(records: Sequence[Record]) -> str:
    """Records as JSONL."""
    return "".join(f"{record.to_json()}\n" for record in records)


def stance_lines(answers: Sequence[Answers]) -> str:
    """Held-out passage stances as JSONL: doc, seed, target, scope, gold, raw probabilities by label."""
    rows = [
        {"doc": each.doc, "seed": each.seed, "cluster": one.cluster, "target": one.target, "scope": one.scope}
        | {"gold": one.gold, "probabilities": dict(zip(STANCES, one.probabilities, strict=True))}
        for each in answers
        for one in each.stances
    ]
    return "".join(f"{json.dumps(row, ensure_ascii=False)}\n" for row in rows)

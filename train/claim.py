"""Claims: what a run folder was begun with, so that a run that goes on there is the same run.

A claim holds the parts of the config that decide what is learnt, and the encoder's weights by their hash: finished work
is used again only where both are still the same.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rasid.errors import ConfigError, DataError
from rasid.model import WEIGHTS, revision_of, shipped_models

from .config import RunConfig

CLAIM = "claim.json"
# Where a run stands and what is scored of it changes nothing in what is learnt.
_APART = frozenset({"output", "evaluation", "data", "seeds", "few_shot", "cross_validation", "card"})


def encoder_revision(encoder: str) -> str | None:
    """sha256 of the weights of an encoder given by folder or shipped name; None for one of the hub."""
    folder = Path(encoder) if Path(encoder).is_dir() else shipped_models().get(encoder)
    return revision_of(folder) if folder and (folder / WEIGHTS).is_file() else None


def _differences(old: Any, new: Any, where: str = "") -> Iterator[str]:
    if isinstance(old, dict) and isinstance(new, dict):
        for key in sorted({*old, *new}):
            yield from _differences(old.get(key), new.get(key), f"{where}.{key}".lstrip("."))
    elif old != new:
        yield where


def claim(folder: Path, config: RunConfig, afresh: bool = False) -> None:
    """Claims a folder for a config, or checks that it was claimed for the same, unless it is begun `afresh`. Raises
    ConfigError naming what differs."""
    # Departures from defaults only, so that a key which a later version adds does not disown a run.
    departures = config.model_dump(mode="json", exclude_defaults=True)
    apart = _APART - {"evaluation"} if config.early_stopping else _APART
    tree = {key: value for key, value in departures.items() if key not in apart}
    for source in tree.get("sources", {}).values():
        source.pop("licence", None)
    mine = {"config": tree, "encoder": encoder_revision(config.encoder)}
    path = folder / CLAIM
    if afresh or not path.is_file():
        _write(path, json.dumps(mine, ensure_ascii=False, indent=1) + "\n")
        return
    try:
        theirs = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path}: cannot be read ({error}); choose another --output") from None
    for difference in _differences(theirs, mine):
        what = "the encoder's weights" if difference == "encoder" else difference.removeprefix("config.")
        raise ConfigError(f"{folder}: begun with another value of {what}; choose another --output")


def _write(path: Path, text: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise DataError(f"{path}: cannot be written ({error.strerror})") from None

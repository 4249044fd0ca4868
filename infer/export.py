"""`rasid export`: a model's heads in the formats of other tools."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import torch

from rasid.errors import ConfigError, DataError, nearest

from .articles import Article
from .engine import Engine, open_engine
from .readers import read
from .views import View, read_all, write_views

_SEEDS = Path("seeds")  # read where no texts are named and the folder is there


def run_export(args: argparse.Namespace) -> int:
    """`rasid export`: 0. Raises ConfigError, DataError and ModelError for what cannot be exported."""
    engine = open_engine(args.model, torch.device("cpu"))
    heads = _chosen(engine, args.head)
    folder = _fresh(Path(args.output), args.overwrite)
    articles = _articles(args.texts)
    for view in write_views(engine, heads, read_all(engine, articles), folder):
        print(_line(view, folder))
    return 0


def _chosen(engine: Engine, wanted: Sequence[str]) -> list[str]:
    heads = list(engine.loaded.model.config.named_heads)
    for name in wanted:
        if name not in heads:
            raise ConfigError(f"--head {name}: no such head{nearest(name, heads)}")
    return list(dict.fromkeys(wanted)) or heads


def _fresh(folder: Path, overwrite: bool) -> Path:
    """The folder, made. Raises DataError where something is in it already."""
    if folder.exists() and not folder.is_dir():
        raise DataError(f"{folder}: is a file; --output takes a folder")
    if folder.is_dir() and any(folder.iterdir()) and not overwrite:
        raise DataError(f"{folder}: is there already; --overwrite writes into it")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(f"{folder}: cannot be made ({error.strerror or error})") from None
    return folder


def _articles(named: Sequence[str]) -> list[Article]:
    """The articles of the inputs, all in memory; of none when none are named and there is no folder of seeds."""
    inputs = list(named) or ([str(_SEEDS)] if _SEEDS.is_dir() else [])
    items = list(read(inputs))
    articles = [item for item in items if isinstance(item, Article)]
    if named and not articles:
        raise DataError(f"--texts {' '.join(named)}: no article in it")
    return articles


def _line(view: View, folder: Path) -> str:
    """What was written, and how far it agrees with the model, on one line."""
    line = f"{view.head} -> {folder / view.head} ({view.task}, {view.how})"
    if view.spans:
        line += f"; {view.spans.equal} of {view.spans.records} outermost entities equal, F1 {view.spans.f1:.3f}"
    if view.labels:
        labels = view.labels
        line += f"; {labels.equal} of {labels.examples} labels equal (the commonest alone: {labels.commonest})"
    return line

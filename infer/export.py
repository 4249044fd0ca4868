"""`rasid export`: a model's heads in the formats of other tools."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import torch

from rasid.annotations import Annotated, load_annotations
from rasid.errors import ConfigError, DataError, nearest
from rasid.model import find_model, shipped_models

from .articles import Article
from .cpu import this_cpu
from .engine import Engine, open_engine
from .exported import FOLDER, GraphInfo
from .onnxexport import Order, export_onnx, own_folder
from .readers import read
from .views import View, read_all, write_views

_GOLD = Path("annotations")  # judges int8 where no other is named and the folder is there
_SEEDS = Path("seeds")  # read where no texts are named and the folder is there


def run_export(args: argparse.Namespace) -> int:
    """`rasid export`: 0. Raises ConfigError, DataError and ModelError for what cannot be exported."""
    return _to_onnx(args) if args.to == "onnx" else _to_transformers(args)


def _to_transformers(args: argparse.Namespace) -> int:
    if args.output is None:
        raise ConfigError("--to transformers needs --output DIR, a folder for the heads' folders")
    engine = open_engine(args.model, torch.device("cpu"))
    heads = _chosen(engine, args.head)
    folder = _fresh(Path(args.output), args.overwrite)
    articles = _articles(args.texts)
    for view in write_views(engine, heads, read_all(engine, articles), folder):
        print(_line(view, folder))
    return 0


def _to_onnx(args: argparse.Namespace) -> int:
    if args.head:
        raise ConfigError("--head: an ONNX graph has all heads of its model; run those you need")
    gold = _gold(args) if args.precision == "int8" else []
    if args.output is None and find_model(args.model) in shipped_models().values():
        raise ConfigError(f"{args.model} is part of rasid and stays as it is; --output DIR takes a copy with the graph")
    folder = own_folder(args.model, _fresh(args.output, args.overwrite) if args.output else None)
    info = export_onnx(Order(args.model, folder, args.precision, str(args.dev or _GOLD), gold, args.accept_loss))
    for line in _graph_lines(info, args.precision, folder):
        print(line)
    advice = this_cpu().advice
    if args.precision == "int8" and advice:
        print(f"rasid: warning: {advice}", file=sys.stderr)
    return 0


def _gold(args: argparse.Namespace) -> list[Annotated]:
    """The annotated articles that int8 is judged by. Raises ConfigError where there are none."""
    if args.dev is None and not _GOLD.is_dir():
        raise ConfigError("int8 is judged by annotated articles: --dev RECORDS, with --seeds for their texts")
    return load_annotations(args.dev or _GOLD, args.seeds)


def _graph_lines(info: GraphInfo, precision: str, folder: Path) -> Iterator[str]:
    """What was written and what was measured."""
    yield f"{folder / FOLDER / info.file}: {precision}, heads {', '.join(info.heads)}, opset {info.opset}"
    yield f"largest difference of a probability from torch's on random windows: {info.off:.1e}"
    if info.dev:
        dev = info.dev
        line = f"on {dev.gold}, {dev.articles} articles: entity F1 {dev.entities:.4f}, torch {dev.torch_entities:.4f}"
        if dev.stances is not None:
            line += f"; stances right {dev.stances:.4f}, torch {dev.torch_stances:.4f}"
        yield line
    if info.speed:
        speed = info.speed
        spread, where = f"{speed.low:.2f} to {speed.high:.2f}", f"{speed.threads} threads of {speed.cpu}"
        yield f"{speed.ratio:.2f} times as fast as torch ({spread}; {where})"


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

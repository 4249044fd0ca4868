"""Adds an ONNX graph to a model folder, checks it against torch, and measures what it costs and gains there.

A graph that is not torch's equal is never left behind: fp32 must agree to `TOLERANCE`, int8 may lose at most half a
point of F1 on annotated articles unless its maker accepts more. What was found is in onnx/export.json.
"""

from __future__ import annotations

import shutil
import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from rasid.annotations import Annotated
from rasid.clustermetrics import stance_pairs
from rasid.encoding import PASSAGE, Batch, Window, pad
from rasid.errors import ModelError, RasidError
from rasid.metrics import article_units, span_scores
from rasid.model import Loaded, find_model
from rasid.network import Floats, Network, Precision, TorchNetwork, Wanted
from rasid.records import Record
from rasid.scoring import of_states

from .articles import Article
from .cpu import this_cpu
from .engine import Engine, open_engine
from .exported import ALLOWED_LOSS, Dev, Exported, GraphInfo, Speed, graph_file, read_exported, write_exported
from .onnxgraph import OPSET, write_graph
from .onnxnetwork import OnnxNetwork
from .predictor import predict
from .quantised import SCHEME, quantise

TOLERANCE = 1e-4  # of probabilities in fp32, on random windows
_KEPT = ("config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json", "README.md")
_ROUNDS = 7  # of torch and graph in turns
_ROWS = 8  # windows of a round, full ones
_MOST_PIECES = 512  # of such a window


@dataclass(frozen=True)
class Order:
    """What is to be exported: a model, where its graph goes, and what int8 is judged by."""

    model: str
    folder: Path
    precision: Precision
    gold: str
    articles: Sequence[Annotated]
    accept_loss: bool = False


def own_folder(model: str, output: Path | None) -> Path:
    """The model folder that gets the graph: the model's own, or `output`, to which the model is copied first."""
    source = find_model(model)
    if output is None or output.resolve() == source.resolve():
        return source
    output.mkdir(parents=True, exist_ok=True)
    for name in _KEPT:
        if (source / name).is_file():
            shutil.copyfile(source / name, output / name)
    return output


def export_onnx(order: Order) -> GraphInfo:
    """Writes the graph and says what it is. Raises ModelError for one that is not torch's equal, RasidError for an int8
    one that loses too much; neither is left in the folder."""
    engine = open_engine(str(order.folder), torch.device("cpu"))
    loaded = engine.loaded
    target = graph_file(order.folder, order.precision)
    earlier = read_exported(order.folder, loaded.revision)
    target.parent.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix="_") as work:
        made = _make(loaded, order.precision, Path(work) / target.name)
        network = OnnxNetwork(made, order.precision, _kinds(loaded))
        info = _described(order, engine, network)
        for file in Path(work).iterdir():  # weights too large for one file lie beside the graph
            file.replace(target.parent / file.name)
    write_exported(order.folder, Exported(revision=loaded.revision, graphs=earlier.graphs | {order.precision: info}))
    return info


def _make(loaded: Loaded, precision: Precision, path: Path) -> Path:
    """The graph at `path`; an int8 one is made from an fp32 one that is not kept."""
    heads = list(loaded.model.config.named_heads)
    if precision == "fp32":
        write_graph(loaded, heads, path)
        return path
    with tempfile.TemporaryDirectory() as work:
        exact = Path(work) / "exact.onnx"
        write_graph(loaded, heads, exact)
        quantise(exact, path)
    return path


def _described(order: Order, engine: Engine, network: Network) -> GraphInfo:
    """What is measured of a graph. Raises ModelError and RasidError for one that is not to be kept."""
    import onnxruntime

    int8 = order.precision == "int8"
    off = _largest_difference(engine.loaded, network)
    if not int8 and off > TOLERANCE:
        raise ModelError(f"{order.model}: the graph's probabilities are {off:.1e} off torch's; it was not kept")
    dev = _compared(order, engine, network) if int8 else None
    if dev and dev.loss > ALLOWED_LOSS and not order.accept_loss:
        raise RasidError(
            f"{order.model}: int8 loses {100 * dev.loss:.2f} points of entity F1 on {dev.gold} "
            f"({dev.torch_entities:.3f} to {dev.entities:.3f}), more than {100 * ALLOWED_LOSS:g}; it was not kept, "
            "--accept-loss keeps it"
        )
    return GraphInfo(
        file=graph_file(order.folder, order.precision).name,
        opset=OPSET,
        onnxruntime=onnxruntime.__version__,
        torch=torch.__version__,
        heads=tuple(engine.loaded.model.config.named_heads),
        scheme=SCHEME if int8 else "",
        off=off,
        dev=dev,
        speed=_speed(engine.loaded, network),
        accepted_loss=bool(dev and dev.loss > ALLOWED_LOSS),
    )


def _kinds(loaded: Loaded) -> dict[str, str]:
    return {name: head.kind for name, head in loaded.model.config.named_heads.items()}


def _compared(order: Order, engine: Engine, network: Network) -> Dev:
    """F1 of entities and accuracy of stances, of torch and of the graph, on the same articles."""
    texts = [Article(each.record.doc, each.text) for each in order.articles]
    gold = [each.record for each in order.articles]
    torch_found = predict(engine, texts)
    found = predict(replace(engine, loaded=replace(engine.loaded, network=network)), texts)
    return Dev(
        gold=order.gold,
        articles=len(gold),
        torch_entities=_entity_f1(gold, torch_found),
        entities=_entity_f1(gold, found),
        torch_stances=_stance_accuracy(gold, torch_found),
        stances=_stance_accuracy(gold, found),
    )


def _entity_f1(gold: Sequence[Record], found: Sequence[Record]) -> float:
    return span_scores(article_units(gold, found)).micro.f1


def _stance_accuracy(gold: Sequence[Record], found: Sequence[Record]) -> float | None:
    """Over the author's stances that the gold has; one that is not found is wrong. None where the gold has none."""
    pairs = [pair for one, other in zip(gold, found, strict=True) for pair in stance_pairs(one, other)]
    judged = [pair for pair in pairs if pair.gold is not None]
    return sum(pair.gold == pair.predicted for pair in judged) / len(judged) if judged else None


def _largest_difference(loaded: Loaded, network: Network) -> float:
    """Of a probability, over all heads, on random windows of several lengths."""
    exact = TorchNetwork(loaded.model)
    draw = np.random.default_rng(0)
    worst = 0.0
    for head, kind in _kinds(loaded).items():
        for length in (7, 33, loaded.model.config.window):
            rows = [_random_window(loaded, each, draw) for each in (length, length // 2 + 1)]
            batch = pad([_pair_window(row) for row in rows] if kind == "pair" else rows, 0)
            for one, other in _compared_answers(loaded, head, kind, batch, (exact, network)):
                worst = max(worst, float(np.abs(one - other).max()))
    return worst


def _compared_answers(
    loaded: Loaded, head: str, kind: str, batch: Batch, networks: tuple[Network, Network]
) -> Iterator[list[Floats]]:
    """What each of the two says by a head: probabilities, and of a `pair` head also those of mentions in place."""
    counted = batch.index >= 0
    if kind == "text":
        logits = [each.read(batch, counted, Wanted(text_heads=[head])).labels[head] for each in networks]
        yield [torch.from_numpy(each).softmax(dim=-1).numpy() for each in logits]
        return
    yield [np.exp(each.log_probs(head, batch)) for each in networks]
    if kind == "pair":
        found = [each.read(batch, counted, Wanted(states=True)).states for each in networks]
        yield [of_states(loaded, head, each[:, :2]) for each in found if each is not None]


def _random_window(loaded: Loaded, length: int, draw: np.random.Generator) -> Window:
    """A window of random pieces: words of one piece or two, and every third piece of no word."""
    vocabulary = loaded.model.config.encoder_config().vocab_size
    ids = tuple(int(each) for each in draw.integers(0, vocabulary, length))
    index = tuple(-1 if place % 3 == 2 else place // 3 for place in range(length))
    return Window(ids, index, 0, max(2, max(index) + 1), 0, max(index) + 1)


def _pair_window(window: Window) -> Window:
    """A random window as a `pair` head reads it alone: two groups."""
    return replace(window, index=tuple(min(group, PASSAGE) for group in window.index), count=2, core_end=2)


def _speed(loaded: Loaded, network: Network) -> Speed | None:
    """The graph beside torch, in turns on full windows of random pieces; None for a model without a `tokens` head."""
    head = loaded.head("tokens")
    if head is None:
        return None
    draw = np.random.default_rng(0)
    length = min(loaded.model.config.window, _MOST_PIECES)
    batch = pad([_random_window(loaded, length, draw) for _ in range(_ROWS)], 0)
    exact = TorchNetwork(loaded.model)
    ratios = [_seconds(exact, head, batch) / _seconds(network, head, batch) for _ in range(_ROUNDS + 1)][1:]
    return Speed(
        ratio=round(statistics.median(ratios), 2),
        low=round(min(ratios), 2),
        high=round(max(ratios), 2),
        threads=torch.get_num_threads(),
        cpu=this_cpu().name,
    )


def _seconds(network: Network, head: str, batch: Batch) -> float:
    begun = time.perf_counter()
    network.log_probs(head, batch)
    return time.perf_counter() - begun

"""The ways to run a model on a CPU, timed in turns on the same windows: one table (docs/decisions/0016-engines.md).

    python scripts/engine_speed.py --model news --threads 2 --rounds 9
    python scripts/engine_speed.py --shape base --threads 2 --rounds 5

The entity pass alone: windows in, log probabilities of every word and type out. Windows are those of `seeds/`; a shape
has random weights, and its windows random pieces. Every round runs all engines, in the other order than
the last, and a ratio is taken round by round against torch; `--clock cpu` counts the process's CPU time in place of the
wall's, which is less disturbed on a busy machine and, with more than one thread, counts waiting as work. Engines that
are not installed are left out and named.
"""

from __future__ import annotations

import argparse
import copy
import importlib
import statistics
import tempfile
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from transformers import BertConfig

from rasid.encoding import Batch, Window, pad, windows
from rasid.infer.cpu import this_cpu
from rasid.infer.onnxgraph import write_graph
from rasid.infer.onnxnetwork import OnnxNetwork
from rasid.infer.quantised import quantise
from rasid.labels import WOJOOD
from rasid.model import Head, Loaded, RasidConfig, RasidModel, load_model, load_tokenizer, shipped_models
from rasid.network import Floats, Precision, TorchNetwork
from rasid.records import read_exact
from rasid.tables import table
from rasid.text import words

Run = Callable[[Batch], Floats]
_BATCH = 2048  # padded pieces


@dataclass(frozen=True)
class Subject:
    """An engine ready to run."""

    name: str
    run: Run


@dataclass(frozen=True)
class Row:
    """What was measured of an engine, beside torch's own."""

    name: str
    ratio: str
    speed: float  # pieces per second, padding left out
    off: float
    equal: float


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="news", help="a model folder or name (default: news)")
    parser.add_argument("--shape", choices=("tiny", "base"), help="a BERT of random weights, in place of --model")
    parser.add_argument("--windows", type=int, default=24, help="in the workload (default: 24)")
    parser.add_argument("--rounds", type=int, default=7, help="of all engines (default: 7)")
    parser.add_argument("--threads", type=int, default=1, help="of every engine (default: 1)")
    parser.add_argument("--clock", choices=("wall", "cpu"), default="wall", help="what is counted (default: wall)")
    parser.add_argument("--only", nargs="+", metavar="ENGINE", help="these engines beside torch (default: all)")
    parser.add_argument("--output", type=Path, metavar="FILE.md", help="where to write the table too")
    return parser.parse_args()


def shaped(shape: str) -> Loaded:
    """A BERT of random weights with the entity head of 21 types."""
    size = {"tiny": (2, 32, 2, 64), "base": (12, 768, 12, 3072)}[shape]
    names = ("num_hidden_layers", "hidden_size", "num_attention_heads", "intermediate_size")
    config = BertConfig(vocab_size=32_000 if shape == "base" else 500, **dict(zip(names, size, strict=True)))
    head = Head(kind="tokens", labels=WOJOOD, nested=True).model_dump(mode="json")
    torch.manual_seed(0)
    tree = {**config.to_diff_dict(), "model_type": "bert"}
    model = RasidModel(RasidConfig(encoder=tree, heads={"entities": head}))
    return Loaded(model.eval(), load_tokenizer(shipped_models()["news"]), f"BERT {shape}", "")


def seed_windows(loaded: Loaded) -> list[Window]:
    """The windows that the articles of `seeds/` are read in."""
    config, found = loaded.model.config, []
    for file in sorted((Path(__file__).parents[1] / "seeds").glob("*.txt")):
        text = read_exact(file)
        found += windows(loaded.tokenizer, [word.of(text) for word in words(text)], config.window, config.overlap)
    return found


def workload(loaded: Loaded, count: int, random: bool) -> list[Batch]:
    """So many of the seeds' windows, in turn, longest first, in batches; `random` fills them with random pieces."""
    seeds = seed_windows(loaded)
    rows = sorted((seeds[number % len(seeds)] for number in range(count)), key=lambda row: -len(row.ids))
    if random:
        draw = np.random.default_rng(0)
        vocabulary = loaded.model.config.encoder_config().vocab_size
        rows = [replace(row, ids=tuple(int(n) for n in draw.integers(0, vocabulary, len(row.ids)))) for row in rows]
    each = max(1, _BATCH // len(rows[0].ids))
    return [pad(rows[start : start + each], 0) for start in range(0, len(rows), each)]


def engines(loaded: Loaded, folder: Path, threads: int) -> dict[str, Callable[[], Run]]:
    """What makes each engine, torch first; graphs are written to `folder`."""
    head = loaded.head("tokens") or "entities"
    exact, small = folder / "model.onnx", folder / "model.int8.onnx"
    write_graph(loaded, [head], exact)
    quantise(exact, small)

    def onnx(path: Path, precision: Precision) -> Run:
        network = OnnxNetwork(path, precision, {head: "tokens"})
        return lambda batch: network.log_probs(head, batch)

    def otherwise(unsigned: bool) -> Run:
        path = folder / f"{unsigned}.onnx"
        _quantise_otherwise(exact, path, unsigned)
        return onnx(path, "int8")

    return {
        "torch": lambda: _torch(loaded.model, head),
        "torch compiled": lambda: _torch(_compiled(loaded.model), head),
        "torch dynamic int8": lambda: _torch(_dynamic(loaded.model), head),
        "onnx fp32": lambda: onnx(exact, "fp32"),
        "onnx int8": lambda: onnx(small, "int8"),
        "onnx int8, 8-bit weights": lambda: otherwise(False),
        "onnx int8, unsigned weights": lambda: otherwise(True),
        "openvino fp32": lambda: _openvino(exact, threads),
        "openvino int8": lambda: _openvino(small, threads),
    }


def _torch(model: RasidModel, head: str) -> Run:
    network = TorchNetwork(model)
    return lambda batch: network.log_probs(head, batch)


def _compiled(model: RasidModel) -> RasidModel:
    """A copy whose encoder is compiled, shapes free."""
    copied = copy.deepcopy(model)
    copied.encoder.forward = torch.compile(copied.encoder.forward, dynamic=True)
    return copied


def _dynamic(model: RasidModel) -> RasidModel:
    """A copy with torch's own dynamic int8 in the encoder's linear layers."""
    copied = copy.deepcopy(model)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        copied.encoder = torch.ao.quantization.quantize_dynamic(copied.encoder, {torch.nn.Linear}, dtype=torch.qint8)
    return copied


def _quantise_otherwise(source: Path, path: Path, unsigned: bool) -> None:
    """Schemes that were not taken: weights of 8 bits with a sign, whose products saturate, and without."""
    from onnxruntime.quantization import QuantType, quantize_dynamic

    kind = QuantType.QUInt8 if unsigned else QuantType.QInt8
    quantize_dynamic(str(source), str(path), op_types_to_quantize=["MatMul"], per_channel=True, weight_type=kind)


def _openvino(path: Path, threads: int) -> Run:
    openvino = importlib.import_module("openvino")  # in no extra: it is not what Rasid runs on
    options = {"INFERENCE_NUM_THREADS": threads, "INFERENCE_PRECISION_HINT": "f32"}
    model = openvino.Core().compile_model(str(path), "CPU", options)
    request = model.create_infer_request()
    names = [name for each in model.inputs for name in each.get_names()]

    def run(batch: Batch) -> Floats:
        feed = {
            "input_ids": batch.input_ids.numpy(),
            "attention_mask": batch.attention_mask.numpy(),
            "index": batch.index.numpy(),
            "groups": np.arange(batch.groups),
            "counted": np.zeros(batch.index.shape, dtype=bool),
        }
        found = request.infer({name: value for name, value in feed.items() if name in names})
        scores: Floats = np.array(found[model.output(0)])
        return scores

    return run


def compare(subjects: list[Subject], batches: list[Batch], rounds: int, clock: Callable[[], float]) -> list[Row]:
    """Each engine's row; the first engine is the measure. One round of all is not counted."""
    pieces = sum(int(batch.attention_mask.sum()) for batch in batches)
    exact = [subjects[0].run(batch) for batch in batches]
    agreed = {subject.name: _agreement(subject.run, batches, exact) for subject in subjects}
    times: dict[str, list[float]] = {subject.name: [] for subject in subjects}
    for number in range(rounds):
        for subject in subjects if number % 2 else reversed(subjects):
            begun = clock()
            for batch in batches:
                subject.run(batch)
            times[subject.name].append(clock() - begun)
    rows = []
    for subject in subjects:
        own = times[subject.name]
        ratios = [base / mine for base, mine in zip(times[subjects[0].name], own, strict=True)]
        ratio = f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"
        rows.append(Row(subject.name, ratio, pieces / statistics.median(own), *agreed[subject.name]))
    return rows


def _agreement(run: Run, batches: list[Batch], exact: list[Floats]) -> tuple[float, float]:
    """The largest difference of a probability, and the share of equal labels among those that are not Outside."""
    worst, equal, total = 0.0, 0, 0
    for batch, wanted in zip(batches, exact, strict=True):
        found = run(batch)
        present = torch.zeros(found.shape[:2], dtype=torch.bool)
        rows, places = (batch.index >= 0).nonzero(as_tuple=True)
        present[rows, batch.index[rows, places]] = True
        mask = present.numpy()
        worst = max(worst, float(np.abs(np.exp(found) - np.exp(wanted))[mask].max()))
        labels, own = wanted[mask].argmax(axis=-1), found[mask].argmax(axis=-1)
        said = (labels > 0) | (own > 0)
        equal, total = equal + int((labels == own)[said].sum()), total + int(said.sum())
    return worst, equal / max(1, total)


def main() -> None:
    args = parse()
    torch.set_num_threads(args.threads)
    loaded = shaped(args.shape) if args.shape else load_model(args.model)
    batches = workload(loaded, args.windows, random=bool(args.shape))
    clock = time.perf_counter if args.clock == "wall" else time.process_time
    subjects = []
    with tempfile.TemporaryDirectory() as folder:
        for name, make in engines(loaded, Path(folder), args.threads).items():
            try:
                if name == "torch" or not args.only or name in args.only:
                    subjects.append(Subject(name, make()))
            except ImportError as error:
                print(f"{name}: left out, {error.name} is not installed")
        rows = compare(subjects, batches, args.rounds, clock)
    header = ["engine", "times torch", "pieces/s", "largest difference", "labels equal"]
    cells = [[r.name, r.ratio, f"{r.speed:,.0f}", f"{r.off:.1e}", f"{r.equal:.2%}"] for r in rows]
    about = (
        f"{loaded.name}, {args.windows} windows, {args.rounds} rounds, {args.threads} threads of {this_cpu().name}, "
    )
    shown = f"{about}{args.clock} clock\n\n{table(header, cells)}\n"
    print(shown, end="")
    if args.output:
        args.output.write_text(shown, encoding="utf-8")


if __name__ == "__main__":
    main()

"""The contenders of a benchmark, each in a process of its own that waits, reads the workload when told, and says what
it took: Rasid's engines, and what people write with transformers' pipelines.

    python -m rasid.infer.contenders SPEC.json

reads one word from each line of standard input and answers each with a line of JSON: `warm`, `run`, and `answers` for
what the last run said. The pipelines are given the very
pairs of target and passage that Rasid asks about, which somebody has to find, at no cost; and they answer with what
the pipeline returns, which is less than a record.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
from transformers import pipeline

from rasid.errors import ModelError
from rasid.model import load_model, outline_model
from rasid.network import network_of
from rasid.records import Record
from rasid.scoring import Pair, ReadText

from .articles import Article
from .engine import Engine, open_engine
from .engines import choose
from .meter import Cost, Meter, Metered, matmul_peak
from .plain import blank_classifier, token_classifier
from .predictor import predict
from .sameness import Answers
from .workload import articles

REFERENCE = "pipelines"
_AT_ONCE = 16  # rows of the pipelines' batches, as people set it
_CHUNK = 64  # articles, as `rasid infer` reads them
_STATUS = Path("/proc/self/status")
_KIB = 1024 if sys.platform != "darwin" else 1  # ru_maxrss


@dataclass(frozen=True, slots=True)
class Spec:
    """What one contender is to do."""

    kind: str  # REFERENCE, or an engine and a precision: torch-fp32
    model: str
    plain: str  # folder of the pipelines' two models
    pairs: str  # file of the pairs that the pipelines are given
    count: int
    seed: int
    threads: int
    device: str
    batch_tokens: int


@dataclass(frozen=True, slots=True)
class Run:
    """One reading of the workload. `peak` is the operations a second of the machine's own float32 matrix product,
    measured just before and after; `memory` the process's greatest so far, in bytes."""

    seconds: float
    inside: float
    pieces: int
    padded: int
    operations: int
    batches: int
    peak: float
    memory: int


def _run(meter: Meter, read: Callable[[], None]) -> Run:
    peak = matmul_peak()
    meter.clear()
    began = time.perf_counter()
    read()
    seconds = time.perf_counter() - began
    peak = max(peak, matmul_peak())
    return Run(seconds, meter.seconds, meter.pieces, meter.padded, meter.operations, meter.batches, peak, _memory())


def _memory() -> int:
    """The greatest resident memory so far, in bytes. Linux's ru_maxrss is no less than that of the process which
    started this one, so its own figure is read where the system gives it."""
    if _STATUS.is_file():
        lines = _STATUS.read_text(encoding="utf-8").splitlines()
        own = next((line for line in lines if line.startswith("VmHWM:")), None)
        if own is not None:
            return int(own.split()[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * _KIB


class Rasid:
    """An engine that writes records."""

    def __init__(self, spec: Spec, texts: Sequence[Article]) -> None:
        name, _, precision = spec.kind.partition("-")
        choice = choose(name, precision or "auto", torch.device(spec.device), spec.model)
        self._engine = open_engine(spec.model, torch.device(spec.device), spec.batch_tokens, choice=choice)
        shape = outline_model(spec.model).model if name == "onnx" else self._engine.loaded.model
        self.meter = Meter(Cost.of(shape.encoder, shape.config.encoder_config()))
        loaded = self._engine.loaded
        self._engine.loaded = replace(loaded, network=Metered(network_of(loaded), self.meter))
        self._texts = texts
        self.records: list[Record] = []

    def answers(self) -> list[Answers]:
        """What was said at the last reading, article by article."""
        return [Answers.of(record) for record in self.records]

    def read(self) -> None:
        self.records = []
        for start in range(0, len(self._texts), _CHUNK):
            found = predict(self._engine, self._texts[start : start + _CHUNK])
            "\n".join(record.to_json() for record in found)
            self.records += found

    def warm(self, spec: Spec) -> dict[str, Any]:
        """Reads all once; writes down what it asked about, for the pipelines."""
        asked: list[Pair] = []
        engine, scores = self._engine, Engine.stance_scores

        def heard(pairs: Sequence[Pair], known: Mapping[str, ReadText] | None = None) -> Any:
            asked.extend(pairs)
            return scores(engine, pairs, known)

        engine.stance_scores = heard  # type: ignore[method-assign]
        self.read()
        del engine.stance_scores
        rows = [[pair.target, pair.passage] for pair in asked]
        Path(spec.pairs).write_text(json.dumps(rows, ensure_ascii=False), encoding="utf-8")
        entities = sum(len(record.entities) for record in self.records)
        again = sum(not (engine.reads_in_place and pair.placed) for pair in asked)
        return {"entities": entities, "pairs": len(rows), "alone": again}


class Pipelines:
    """`pipeline("token-classification")` over the articles, then `pipeline("text-classification")` over the pairs."""

    def __init__(self, spec: Spec, texts: Sequence[Article]) -> None:
        config = outline_model(spec.model).model.config
        device, folder = spec.device, Path(spec.plain)
        self._tokens = pipeline(
            "token-classification",
            model=str(folder / "tokens"),
            aggregation_strategy="first",
            batch_size=_AT_ONCE,
            stride=config.overlap,
            device=device,
        )
        self._texts = pipeline("text-classification", model=str(folder / "pairs"), batch_size=_AT_ONCE, device=device)
        self._articles = [article.text for article in texts]
        rows = json.loads(Path(spec.pairs).read_text(encoding="utf-8"))
        self._pairs = [{"text": target, "text_pair": passage} for target, passage in rows]
        self._found: list[Any] = []
        model = self._tokens.model
        self.meter = Meter(Cost.of(model.base_model, model.config))
        self.meter.watch(model)
        self.meter.watch(self._texts.model)

    def answers(self) -> list[Answers]:
        """The entities of the last reading; the text classifier has learnt nothing, and has nothing to say."""
        return [Answers.of_pipeline(found) for found in self._found]

    def read(self) -> None:
        self._both(self._articles, self._pairs)

    def _both(self, texts: Sequence[str], pairs: Sequence[dict[str, str]]) -> None:
        self._found = list(self._tokens(list(texts)))
        if pairs:
            list(self._texts(list(pairs), truncation=True))

    def warm(self, spec: Spec) -> dict[str, Any]:
        self._both(self._articles[:2], self._pairs[:2])
        return {}


def write_plain(model: str, folder: Path) -> None:
    """The pipelines' models: the entity head as `rasid export --to transformers` writes it, and the encoder under a
    text classifier that has learnt nothing. It costs what a fitted one costs, and what it says is not looked at."""
    loaded = load_model(model)
    config = loaded.model.config
    entities, stance = loaded.head("tokens"), loaded.head("pair")
    if entities is None or stance is None:
        raise ModelError(f"{model}: `rasid bench` needs a model with entities and stance")
    labels = config.named_heads[stance].labels
    for name, made, size in (
        ("tokens", token_classifier(loaded, entities), config.window),
        ("pairs", blank_classifier(loaded, labels), config.pair_window),
    ):
        made.save_pretrained(folder / name)
        loaded.tokenizer.model_max_length = size
        loaded.tokenizer.save_pretrained(folder / name)


def _answers(spec: Spec, told: Iterator[str]) -> Iterator[dict[str, Any]]:
    torch.set_num_threads(spec.threads)
    texts = list(articles(spec.count, spec.seed))
    contender = Pipelines(spec, texts) if spec.kind == REFERENCE else Rasid(spec, texts)
    for word in told:
        if word.strip() == "warm":
            yield contender.warm(spec)
        elif word.strip() == "answers":
            yield {"answers": [answers.tree() for answers in contender.answers()]}
        else:
            yield asdict(_run(contender.meter, contender.read))


def main() -> None:
    spec = Spec(**json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")))
    for answer in _answers(spec, sys.stdin):
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()

"""The engine: a loaded model on its device, asked for labels of words and articles, and for stances, of many
articles at once.

Batching by length under a token budget is `rasid.scoring`'s; what is added here is the choice of device, the
choice of heads, and smaller batches when a GPU's memory is full. It knows nothing of offsets, records or
files.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from rasid.calibration import NOTHING, Calibration
from rasid.decode import WordSpan
from rasid.encoding import Batch
from rasid.errors import ConfigError, ModelError, nearest
from rasid.evidence import article_spans
from rasid.labels import STANCES, Inventory
from rasid.model import BIO, Head, Loaded, find_model, load_model, outline_model
from rasid.network import Heard, Network, TorchNetwork, Wanted, halved, network_of
from rasid.scoring import Pair, ReadText, pair_probs
from rasid.textscoring import Reading, read_articles
from rasid.thresholds import check_threshold

from .aliases import NO_ALIASES, AliasTable
from .doubt import Doubt, doubts
from .engines import TORCH, Choice
from .faults import is_full

Floats = NDArray[np.float32]
DEVICES = ("auto", "cpu", "cuda")
BATCH_TOKENS = 8192  # padded pieces of one batch
_ONE_WINDOW = 1  # a budget that no window keeps: each is a batch of its own
# Where the user names no budget. A batch of this size stays in a CPU's cache between two layers, and less fills two
# cores no better (docs/decisions/0018-batching.md). It is not tried out anew for each job: timings differ from run to
# run on a shared machine, and records would differ with them in their last digit. A GPU's is tried out.
_CPU_TOKENS, _GPU_TOKENS, _MOST_TOKENS = 2048, 8192, 131_072
_FASTER = 1.05  # tokens a second gained by twice the batch; less is not worth the memory
ResultT = TypeVar("ResultT")


def choose_device(name: str) -> torch.device:
    """`auto` is CUDA where present, else the CPU. Raises ConfigError for an unknown or absent device."""
    if name not in DEVICES:
        raise ConfigError(f"unknown device {name!r}{nearest(name, DEVICES)}")
    if name == "cuda" and not torch.cuda.is_available():
        raise ConfigError("device cuda: no CUDA device is available; choose cpu or auto")
    return torch.device("cuda" if name != "cpu" and torch.cuda.is_available() else "cpu")


def usual_tokens(device: torch.device) -> int:
    """The budget of a device that has not been tried out."""
    return _GPU_TOKENS if device.type == "cuda" else _CPU_TOKENS


def tuned_tokens(engine: Engine, device: torch.device, clock: Callable[[], float] = time.perf_counter) -> int:
    """The budget at which a GPU reads fastest: doubled for as long as that gains, on full windows, a second or two."""
    best, rate = usual_tokens(device), 0.0
    size = engine.loaded.model.config.window
    tokens = best
    while device.type == "cuda" and tokens <= _MOST_TOKENS:
        batch = full_batch(tokens // size, size)
        try:
            engine.read_batch(batch)  # what is compiled or allocated at a first time does not count
            began = clock()
            engine.read_batch(batch)
        except RuntimeError as error:
            if not is_full(error):
                raise
            torch.cuda.empty_cache()
            break
        found = tokens / (clock() - began)
        if found < _FASTER * rate:
            break
        best, rate, tokens = tokens, found, 2 * tokens
    return best


def full_batch(rows: int, size: int) -> Batch:
    """A batch without padding, of one piece again and again; each is a word."""
    ids = torch.ones((max(1, rows), size), dtype=torch.long)
    return Batch(ids, torch.ones_like(ids), torch.arange(size).expand_as(ids).contiguous(), size)


def describe(device: torch.device) -> str:
    """The device in words, for the line that a job begins with."""
    if device.type == "cuda":
        return f"cuda ({torch.cuda.get_device_name(device)})"
    return f"{device.type} ({torch.get_num_threads()} threads)"


class Counted:
    """A network that counts the sub-words it reads, padding left out."""

    def __init__(self, network: Network) -> None:
        self._network = network
        self.count = 0

    @property
    def label(self) -> str:
        return self._network.label

    def log_probs(self, head: str, batch: Batch) -> Floats:
        self.count += int(batch.attention_mask.sum())
        return self._network.log_probs(head, batch)

    def read(self, batch: Batch, counted: Tensor, wanted: Wanted) -> Heard:
        self.count += int(batch.attention_mask.sum())
        return self._network.read(batch, counted, wanted)


@dataclass
class Engine:
    """A model with the heads it answers by: None, or no `label_heads`, for what it does not read."""

    loaded: Loaded
    entity_head: str | None
    stance_head: str | None
    batch_tokens: int = BATCH_TOKENS  # lowered, for good, where the device's memory holds less
    label_heads: tuple[str, ...] = ()
    least_score: float = 0.0  # entities that score less stay out of the records
    least_side: float = 0.0  # sides that are less likely are not taken, whatever the model's own least is
    repair: bool = True  # cut words glued by a lost space, unless the model was trained without
    aliases: AliasTable = NO_ALIASES  # names that the user vouches for
    targets: tuple[str, ...] = ()  # of stances, beside those found in an article

    @property
    def label(self) -> str:
        """What runs the model, and how exactly: `torch fp32`."""
        return network_of(self.loaded).label

    def count_tokens(self) -> Counted:
        """From now on the sub-words that are read are counted by what this returns."""
        counted = Counted(network_of(self.loaded))
        self.loaded = replace(self.loaded, network=counted)
        return counted

    def head(self, name: str) -> Head:
        head: Head = self.loaded.model.config.named_heads[name]
        return head

    @property
    def inventory(self) -> Inventory:
        return self.head(self.entity_head).inventory if self.entity_head else Inventory("none", ())

    def word_scores(self, texts: Sequence[Sequence[str]]) -> list[Floats]:
        """BIO log probabilities of each text's words: one (words, types, 3) array per text."""
        head = self.entity_head
        if head is None:
            return [np.empty((len(words), 0, BIO), dtype=np.float32) for words in texts]
        return self._within_memory(lambda tokens: read_articles(self.loaded, texts, head, (), tokens)).words

    def spans(self, words: Sequence[str], scores: Floats) -> list[WordSpan]:
        """The spans of one text from its words and their `word_scores`, each with the probability that it is right."""
        if self.entity_head is None:
            return []
        head = self.head(self.entity_head)
        found = article_spans(scores, words, head.inventory, head.lift, head.pooling)
        calibration = self.loaded.model.config.calibration_of(self.entity_head)
        sure = calibration.spans(np.array([span.score for span in found], dtype=np.float64))
        return [replace(span, score=float(score)) for span, score in zip(found, sure, strict=True)]

    def doubts(self, texts: Sequence[Sequence[str]]) -> list[Doubt]:
        """How unsure the model is of each text's words, and what about; needs an `entity_head`."""
        head = str(self.entity_head)
        return self._within_memory(lambda tokens: doubts(self.loaded, head, texts, tokens))

    @property
    def stance_calibration(self) -> Calibration:
        """How sure a side has to be, and how articles' probabilities come from passages'."""
        own = self.loaded.model.config.calibration_of(self.stance_head) if self.stance_head else NOTHING
        return own.model_copy(update={"least": max(own.least, self.least_side)})

    @property
    def reads_in_place(self) -> bool:
        """Whether stances are read off the states that the articles' words have in the entity pass."""
        return bool(self.loaded.model.config.in_place and self.stance_head and self.entity_head)

    def read(self, texts: Sequence[Sequence[str]]) -> Reading:
        """The scores of each text's words (as `word_scores`) and, in the same pass, of each article's labels, and the
        words' states where stances are read off them."""
        how = (self.entity_head, self.label_heads)
        return self._within_memory(
            lambda tokens: read_articles(self.loaded, texts, *how, tokens, keep_states=self.reads_in_place)
        )

    def read_batch(self, batch: Batch) -> Heard:
        """What the network says of a batch that stands for any."""
        nothing = torch.zeros_like(batch.index, dtype=torch.bool)
        wanted = Wanted(self.entity_head, self.label_heads, self.reads_in_place)
        return network_of(self.loaded).read(batch, nothing, wanted)

    def stance_scores(self, pairs: Sequence[Pair], known: Mapping[str, ReadText] | None = None) -> Floats:
        """Probabilities (pairs, 3) in the order of `rasid.labels.STANCES`; `known` is that of `pair_probs`."""
        head = self.stance_head
        if head is None or not pairs:
            return np.empty((0, len(STANCES)), dtype=np.float32)
        order = [self.loaded.model.config.named_heads[head].labels.index(label) for label in STANCES]
        return self._within_memory(lambda tokens: pair_probs(self.loaded, head, pairs, tokens, known=known))[:, order]

    def _within_memory(self, run: Callable[[int], ResultT]) -> ResultT:
        """`run` with the token budget, which is halved for as long as the device's memory does not hold the batch,
        down to one window at a time. Raises what the device raised when that is too much."""
        while True:
            try:
                return run(self.batch_tokens)
            except RuntimeError as error:
                if not is_full(error) or self.batch_tokens == _ONE_WINDOW:
                    raise
            # Outside `except`, so that the failed batch is freed before the next is tried.
            config = self.loaded.model.config
            half = self.batch_tokens // 2
            self.batch_tokens = half if half > max(config.window, config.pair_window) else _ONE_WINDOW
            torch.cuda.empty_cache()


def open_engine(
    model: str,
    device: torch.device,
    batch_tokens: int = BATCH_TOKENS,
    least_score: float = 0.0,
    choice: Choice = TORCH,
) -> Engine:
    """The engine of a model folder or shipped model. Raises ModelError when no head of it speaks of articles."""
    if batch_tokens < 1:
        raise ConfigError(f"batch tokens: a number above 0 is needed, got {batch_tokens}")
    check_threshold(least_score)
    loaded = _load(model, device, choice)
    heads = loaded.model.config.named_heads
    entity_head = loaded.head("tokens")
    label_heads = tuple(name for name, head in heads.items() if head.kind == "text")
    if entity_head is None and not label_heads:
        names = ", ".join(heads) or "none"
        raise ModelError(f"{model}: no head of kind tokens or text, so neither entities nor labels; its heads: {names}")
    stance_heads = [name for name, head in heads.items() if head.kind == "pair" and set(head.labels) == set(STANCES)]
    return Engine(
        loaded, entity_head, stance_heads[0] if stance_heads else None, batch_tokens, label_heads, least_score
    )


def _load(model: str, device: torch.device, choice: Choice) -> Loaded:
    """The model with what runs it."""
    if choice.engine == "onnx":
        from .onnxnetwork import with_onnx

        return with_onnx(outline_model(model), find_model(model), choice.precision)
    loaded = load_model(model, device)
    return replace(loaded, network=TorchNetwork(halved(loaded.model, choice.precision), choice.precision))

"""Pretrains a compact encoder: tokenizer, packed text, skip-gram warm start, then masked language modelling.

Everything lives in one run folder, and every stage that is already there is skipped, so a killed run goes on where its
last checkpoint stands. Masks and block order are functions of (seed, step); the learning rate is a function of the
share of the budget spent, in minutes of training or in tokens. One process, one device.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import math
import time
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import torch
import torch.nn.functional as F
from pydantic import model_validator
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer
from torch import Tensor, nn
from tqdm import tqdm
from transformers import ModernBertConfig, ModernBertForMaskedLM

from rasid.config import Section, dump_config, load_config

from .blocks import Blocks
from .corpus import Source, articles, open_packed, pack, paragraphs_of
from .masking import IGNORED, Masked, WordMasker
from .tokenizer import save_tokenizer, train_tokenizer
from .warmstart import WarmStart, skipgram_embeddings


class TextSection(Section):
    folder: Path
    sources: list[Source]


class Shape(Section):
    """A ModernBERT-type encoder (Warner et al. 2024: rotary positions, GeGLU, pre-norm); all layers attend globally."""

    layers: int = 6
    hidden: int = 256
    heads: int = 4
    intermediate: int = 512
    positions: int = 1024


class Budget(Section):
    """How long to train: minutes of training on this machine, or tokens. Exactly one."""

    minutes: float | None = None
    tokens: int | None = None

    @model_validator(mode="after")
    def _one(self) -> Budget:
        if (self.minutes is None) == (self.tokens is None):
            raise ValueError("give either minutes or tokens")
        return self


class PretrainConfig(Section):
    """`rasid pretrain` configs."""

    text: TextSection
    output: Path
    budget: Budget
    vocabulary: int = 16_000
    tokenizer_share: float = 0.3  # of the mix's articles, to train the tokenizer on
    encoder: Shape = Shape()
    warm_start: WarmStart | None = WarmStart()
    sequence_length: int = 64
    batch_size: int = 64
    mask_rate: float = 0.25
    learning_rate: float = 1.5e-3
    warmup: float = 0.03  # share of the budget
    weight_decay: float = 0.01
    clip: float = 1.0
    precision: Literal["auto", "bf16", "fp32"] = "auto"
    compile: bool = True
    held_out: int = 512  # sequences never trained on
    checkpoint_minutes: float = 5.0
    pause_minutes: float | None = None  # stop after this long with a checkpoint; run again to go on
    threads: int | None = None
    seed: int = 1


@dataclass
class Progress:
    """Where a run stands; saved with every checkpoint."""

    step: int = 0
    tokens: int = 0
    minutes: float = 0.0

    def share(self, budget: Budget) -> float:
        spent = self.minutes / budget.minutes if budget.minutes else self.tokens / (budget.tokens or 1)
        return min(1.0, spent)


def learning_rate(config: PretrainConfig, share: float) -> float:
    """Linear rise over the warm-up share of the budget, then linear fall to zero."""
    if share < config.warmup:
        return config.learning_rate * max(share / config.warmup, 1e-3)
    return config.learning_rate * (1.0 - share) / (1.0 - config.warmup)


def keep_freed_memory() -> None:
    """Asks glibc to keep freed pages: large tensors otherwise fault every page in anew at each step (1.2x slower)."""
    try:
        libc = ctypes.CDLL("libc.so.6")
    except OSError:
        return  # not glibc: only speed is lost
    m_trim_threshold, m_mmap_max = -1, -4
    libc.mallopt(m_mmap_max, 0)
    libc.mallopt(m_trim_threshold, 2**31 - 1)


def _prepare_tokenizer(config: PretrainConfig) -> Tokenizer:
    path = config.output / "tokenizer.json"
    if path.is_file():
        return Tokenizer.from_file(str(path))
    print(f"training a tokenizer of {config.vocabulary} pieces", flush=True)
    sources = [s.model_copy(update={"share": s.share * config.tokenizer_share}) for s in config.text.sources]
    tokenizer = train_tokenizer(paragraphs_of(articles(config.text.folder, sources)), config.vocabulary)
    save_tokenizer(tokenizer, config.output, config.encoder.positions)
    return tokenizer


def _new_model(config: PretrainConfig, tokenizer: Tokenizer) -> ModernBertForMaskedLM:
    shape = config.encoder
    torch.manual_seed(config.seed)
    encoder = ModernBertConfig(  # type: ignore[call-arg]
        vocab_size=tokenizer.get_vocab_size(),
        hidden_size=shape.hidden,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads,
        intermediate_size=shape.intermediate,
        max_position_embeddings=shape.positions,
        layer_types=["full_attention"] * shape.layers,
        pad_token_id=0,
        cls_token_id=2,
        sep_token_id=3,
        bos_token_id=2,
        eos_token_id=3,
        attn_implementation="sdpa" if torch.cuda.is_available() else "eager",
    )
    return ModernBertForMaskedLM(encoder)


@dataclass(frozen=True)
class _Speed:
    """What the device offers: where tensors go and how matrix products are computed."""

    device: torch.device
    bf16: bool

    def autocast(self) -> AbstractContextManager[Any]:
        return torch.autocast(self.device.type, torch.bfloat16) if self.bf16 else nullcontext()


def _speed(config: PretrainConfig) -> _Speed:
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if config.precision == "auto":
        # bf16 pays on a GPU and on CPUs whose matrix unit takes it (AMX); elsewhere it is emulated and slower.
        flags = Path("/proc/cpuinfo").read_text() if Path("/proc/cpuinfo").exists() else ""
        return _Speed(device, device.type == "cuda" or "amx_bf16" in flags)
    return _Speed(device, config.precision == "bf16")


class Pretraining:
    """One run: model, optimiser and progress, with `train` as the loop."""

    def __init__(self, config: PretrainConfig, tokenizer: Tokenizer) -> None:
        self.config = config
        self.speed = _speed(config)
        ids = open_packed(config.output / "tokens.bin", tokenizer.get_vocab_size())
        self.blocks = Blocks(ids, config.sequence_length, config.held_out, config.seed)
        self.masker = WordMasker.of(tokenizer, config.mask_rate)
        self.model = _new_model(config, tokenizer)
        self.progress = Progress()
        self.folder = config.output / "checkpoint"
        resumed = (self.folder / "progress.json").is_file()
        if not resumed and config.warm_start:
            print("skip-gram warm start", flush=True)
            size = (tokenizer.get_vocab_size(), config.encoder.hidden)
            vectors = skipgram_embeddings(ids, *size, config.warm_start, config.seed)
            self.model.model.embeddings.tok_embeddings.weight.data.copy_(vectors)
        nn.Module.to(self.model, self.speed.device)
        self.optimizer = self._optimizer()
        if resumed:
            self._load()
        encoder = self.model.model
        self.encode = torch.compile(encoder) if config.compile else encoder

    def _optimizer(self) -> torch.optim.AdamW:
        matrices = [p for p in self.model.parameters() if p.ndim > 1]
        vectors = [p for p in self.model.parameters() if p.ndim <= 1]
        groups: list[dict[str, Any]] = [{"params": matrices}, {"params": vectors, "weight_decay": 0.0}]
        decay, rate = self.config.weight_decay, self.config.learning_rate
        return torch.optim.AdamW(groups, lr=rate, betas=(0.9, 0.98), weight_decay=decay, fused=True)

    def loss(self, masked: Masked) -> Tensor:
        """Mean cross entropy over masked positions, in nats; logits are computed for those positions only."""
        inputs, labels = masked.inputs.to(self.speed.device), masked.labels.to(self.speed.device).view(-1)
        with self.speed.autocast():
            hidden = self.encode(input_ids=inputs)[0]
            chosen = labels != IGNORED
            logits = self.model.decoder(self.model.head(hidden.view(-1, hidden.shape[-1])[chosen]))
            return F.cross_entropy(logits, labels[chosen])

    def masked(self, ids: Tensor, key: int) -> Masked:
        return self.masker(ids, torch.Generator().manual_seed(self.config.seed * 2**32 + key))

    def step(self) -> float:
        """One update; returns its loss."""
        rate = learning_rate(self.config, self.progress.share(self.config.budget))
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        ids = self.blocks.batch(self.progress.step, self.config.batch_size)
        loss = self.loss(self.masked(ids, self.progress.step))
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.config.clip)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        self.progress.step += 1
        self.progress.tokens += ids.numel()
        return loss.item()

    @torch.no_grad()
    def held_out_loss(self) -> float:
        """Mean masked-LM loss over the held-out blocks, masks the same at every call."""
        self.model.eval()
        losses = []
        size = self.config.batch_size
        for start in range(0, len(self.blocks.held_out) - size + 1, size):
            ids = self.blocks.read(self.blocks.held_out[start : start + size])
            losses.append(self.loss(self.masked(ids, 2**31 + start)).item())
        self.model.train()
        return math.fsum(losses) / len(losses) if losses else math.nan

    def train(self) -> None:
        """Runs until the budget is spent or `pause_minutes` have passed; always ends with a checkpoint."""
        budget, begun, before = self.config.budget, time.monotonic(), self.progress.minutes
        saved, running = before, math.nan
        self.model.train()
        with tqdm(total=100, unit="%", bar_format="{l_bar}{bar}| {elapsed} {postfix}") as bar:
            while self.progress.share(budget) < 1.0:
                loss = self.step()
                running = loss if math.isnan(running) else 0.98 * running + 0.02 * loss
                self.progress.minutes = before + (time.monotonic() - begun) / 60
                if self.progress.step % 20 == 0:
                    bar.n = round(100 * self.progress.share(budget), 1)
                    bar.set_postfix_str(f"step {self.progress.step} loss {running:.3f}")
                if self.progress.minutes - saved >= self.config.checkpoint_minutes:
                    self.save(running)
                    saved = self.progress.minutes
                if self.config.pause_minutes and self.progress.minutes - before >= self.config.pause_minutes:
                    break
        self.save(running)

    def save(self, running: float) -> None:
        """Writes a checkpoint (whole, then renamed) and a line of the loss curve."""
        held_out = self.held_out_loss()
        line = {**asdict(self.progress), "loss": round(running, 4), "held_out": round(held_out, 4)}
        with (self.config.output / "curve.jsonl").open("a") as curve:
            curve.write(json.dumps(line) + "\n")
        print(json.dumps(line), flush=True)
        partial = self.folder.with_name("checkpoint.part")
        partial.mkdir(exist_ok=True)
        save_file(self._tensors(), partial / "state.safetensors")
        (partial / "progress.json").write_text(json.dumps(asdict(self.progress)))
        if self.folder.exists():
            old = self.folder.rename(self.folder.with_name("checkpoint.old"))
            partial.rename(self.folder)
            for file in old.iterdir():
                file.unlink()
            old.rmdir()
        else:
            partial.rename(self.folder)

    def _tensors(self) -> dict[str, Tensor]:
        tensors = {f"model.{name}": p.detach() for name, p in self.model.named_parameters()}
        for name, parameter in self.model.named_parameters():
            for key, value in self.optimizer.state[parameter].items():
                tensors[f"optimizer.{name}.{key}"] = value
        return tensors

    def _load(self) -> None:
        tensors = load_file(self.folder / "state.safetensors", device=str(self.speed.device))
        for name, parameter in self.model.named_parameters():
            parameter.data.copy_(tensors[f"model.{name}"])
            prefix = f"optimizer.{name}."
            state = {key.removeprefix(prefix): value for key, value in tensors.items() if key.startswith(prefix)}
            if state:
                state["step"] = state["step"].cpu()
                self.optimizer.state[parameter] = state
        self.progress = Progress(**json.loads((self.folder / "progress.json").read_text()))
        print(f"resumed at step {self.progress.step}, {self.progress.minutes:.1f} minutes", flush=True)


def export_encoder(run: Pretraining, folder: Path) -> None:
    """Writes the trained encoder as a folder that `AutoModel` and `AutoModelForMaskedLM` load."""
    run.model.config._attn_implementation = "sdpa"
    run.model.save_pretrained(folder)


def draw_curve(folder: Path) -> None:
    """`curve.png`: held-out loss against tokens; skipped with a line when matplotlib is missing."""
    try:
        import matplotlib
    except ImportError:
        print("curve.png not drawn: pip install 'rasid[pretrain]' for matplotlib", flush=True)
        return
    matplotlib.use("Agg")
    from matplotlib import pyplot

    rows = [json.loads(line) for line in (folder / "curve.jsonl").read_text().splitlines()]
    figure, axes = pyplot.subplots(figsize=(6, 4))
    tokens = [row["tokens"] / 1e6 for row in rows]
    axes.plot(tokens, [row["loss"] for row in rows], label="training (running mean)")
    axes.plot(tokens, [row["held_out"] for row in rows], label="held out")
    axes.set(xlabel="tokens seen (millions)", ylabel="masked-LM loss (nats)")
    axes.grid(alpha=0.3)
    axes.legend()
    figure.savefig(folder / "curve.png", dpi=120, bbox_inches="tight")


def pretrain(config: PretrainConfig) -> Path:
    """The whole command: returns the folder of the trained encoder, or of the run when it paused."""
    keep_freed_memory()
    if config.threads:
        torch.set_num_threads(config.threads)
    config.output.mkdir(parents=True, exist_ok=True)
    dump_config(config, config.output / "config.yaml")
    tokenizer = _prepare_tokenizer(config)
    packed = config.output / "tokens.bin"
    if not packed.is_file():
        print(f"{pack(config.text.folder, config.text.sources, tokenizer, packed)} tokens packed", flush=True)
    run = Pretraining(config, tokenizer)
    run.train()
    draw_curve(config.output)
    if run.progress.share(config.budget) < 1.0:
        print(f"paused at {run.progress.minutes:.1f} minutes; run the same command to go on", flush=True)
        return config.output
    final = config.output / "encoder"
    export_encoder(run, final)
    save_tokenizer(tokenizer, final, config.encoder.positions)
    return final


def run_pretrain(args: argparse.Namespace) -> int:
    """`rasid pretrain CONFIG [--set key=value ...]`: prints the folder that was written."""
    print(pretrain(load_config(PretrainConfig, args.config, args.set)))
    return 0

"""Pretrains a compact encoder: tokenizer, packed text, warm start from counts, then masked language modelling.

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
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer
from torch import Tensor
from tqdm import tqdm

from rasid.config import Section, dump_config, load_config

from .blocks import Blocks
from .corpus import Ids, Text, articles, open_packed, pack, paragraphs_of
from .masking import Masked, WordMasker
from .objectives import Shape, decoder_of, new_objective
from .schedule import Budget, Progress, Rate, Stage, stage_at
from .tokenizer import save_tokenizer, train_tokenizer
from .warmstart import WarmStart, log_frequencies, static_embeddings


class PretrainConfig(Section):
    """`rasid pretrain` configs."""

    text: Text
    output: Path
    budget: Budget
    vocabulary: int = 16_000
    tokenizer_share: float = 0.3  # of the mix's articles, to train the tokenizer on
    folded: bool = True  # whether the tokenizer takes the forms of alef, ya, ta-marbuta, kaf and of quotes for one
    encoder: Shape = Shape()
    warm_start: WarmStart | None = WarmStart()
    objective: Literal["mlm", "rtd"] = "mlm"
    stages: tuple[Stage, ...] = (Stage(),)
    batch_tokens: int = 4096  # of an update, special tokens included
    mask_rate: float = 0.25
    masking: Literal["word", "piece"] = "word"
    learning_rate: Rate = Rate()
    weight_decay: float = 0.01
    clip: float = 1.0
    precision: Literal["auto", "bf16", "fp32"] = "auto"
    compile: bool = True
    held_out: int = 512  # sequences never trained on
    checkpoint_minutes: float = 5.0
    pause_minutes: float | None = None  # stop after this long with a checkpoint; run again to go on
    threads: int | None = None
    seed: int = 1


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
    mix = config.text.shared(config.tokenizer_share)
    tokenizer = train_tokenizer(paragraphs_of(articles(mix)), config.vocabulary, config.folded)
    save_tokenizer(tokenizer, config.output, config.encoder.positions)
    return tokenizer


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
    """One run: objective, optimiser and progress, with `train` as the loop."""

    def __init__(self, config: PretrainConfig, tokenizer: Tokenizer) -> None:
        self.config = config
        self.speed = _speed(config)
        vocabulary = tokenizer.get_vocab_size()
        ids = open_packed(config.output / "tokens.bin", vocabulary)
        self.blocks = {stage.length: Blocks(ids, stage.length, config.held_out, config.seed) for stage in config.stages}
        self.masker = WordMasker.of(tokenizer, config.mask_rate, config.masking == "word").to(self.speed.device)
        torch.manual_seed(config.seed)
        self.objective = new_objective(config.objective, config.encoder, vocabulary)
        self.progress = Progress()
        self.folder = config.output / "checkpoint"
        resumed = (self.folder / "progress.json").is_file()
        if not resumed and config.warm_start:
            self._warm_start(ids, config.warm_start)
        self.objective.to(self.speed.device)
        self.optimizer = self._optimizer()
        if resumed:
            self._load()
        if config.compile:
            self.objective.compile_encoders()

    def _warm_start(self, ids: Ids, options: WarmStart) -> None:
        print("warm start: counting pairs of pieces", flush=True)
        decoder = decoder_of(self.objective.kept)
        vocabulary, size = decoder.out_features, decoder.in_features
        decoder.weight.data.copy_(static_embeddings(ids, vocabulary, size, options, self.config.seed))
        decoder.bias.data.copy_(log_frequencies(ids, vocabulary))

    def _optimizer(self) -> torch.optim.AdamW:
        matrices = [p for p in self.objective.parameters() if p.ndim > 1]
        vectors = [p for p in self.objective.parameters() if p.ndim <= 1]
        groups: list[dict[str, Any]] = [{"params": matrices}, {"params": vectors, "weight_decay": 0.0}]
        decay, rate = self.config.weight_decay, self.config.learning_rate.peak
        return torch.optim.AdamW(groups, lr=rate, betas=(0.9, 0.98), weight_decay=decay, fused=True)

    def _batch(self, length: int, key: int, ids: Tensor) -> Masked:
        """`ids` on the device with masks drawn for (seed, key)."""
        generator = torch.Generator(self.speed.device).manual_seed(self.config.seed * 2**32 + key)
        return self.masker(ids.to(self.speed.device, non_blocking=True), generator)

    def step(self) -> Tensor:
        """One update; returns its loss, not yet waited for."""
        share = self.progress.share(self.config.budget)
        for group in self.optimizer.param_groups:
            group["lr"] = self.config.learning_rate.at(share)
        length = stage_at(self.config.stages, share).length
        ids = self.blocks[length].batch(self.progress.step, self.config.batch_tokens // length)
        with self.speed.autocast():
            loss: Tensor = self.objective(self._batch(length, self.progress.step, ids))
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.objective.parameters(), self.config.clip)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        self.progress.step += 1
        self.progress.tokens += ids.numel()
        return loss.detach()

    @torch.no_grad()
    def held_out_loss(self) -> float:
        """Mean masked-LM loss over the held-out blocks of the last stage's length, masks the same at every call."""
        self.objective.eval()
        length = self.config.stages[-1].length
        blocks, size = self.blocks[length], max(1, 4096 // length)
        losses = []
        for start in range(0, len(blocks.held_out), size):
            masked = self._batch(length, 2**31 + start, blocks.read(blocks.held_out[start : start + size]))
            with self.speed.autocast():
                losses.append(self.objective(masked).item())
        self.objective.train()
        return math.fsum(losses) / len(losses) if losses else math.nan

    def train(self) -> None:
        """Runs until the budget is spent or `pause_minutes` have passed; always ends with a checkpoint."""
        budget, begun, before = self.config.budget, time.monotonic(), self.progress.minutes
        saved, running = before, math.nan
        self.objective.train()
        with tqdm(total=100, unit="%", bar_format="{l_bar}{bar}| {elapsed} {postfix}") as bar:
            while self.progress.share(budget) < 1.0:
                loss = self.step()
                self.progress.minutes = before + (time.monotonic() - begun) / 60
                if self.progress.step % 20 == 0 or math.isnan(running):  # asking for the loss waits for the device
                    running = loss.item() if math.isnan(running) else 0.7 * running + 0.3 * loss.item()
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
        tensors = {f"model.{name}": p.detach() for name, p in self.objective.named_parameters()}
        for name, parameter in self.objective.named_parameters():
            for key, value in self.optimizer.state[parameter].items():
                tensors[f"optimizer.{name}.{key}"] = value
        return tensors

    def _load(self) -> None:
        tensors = load_file(self.folder / "state.safetensors", device=str(self.speed.device))
        for name, parameter in self.objective.named_parameters():
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
    kept = run.objective.kept
    kept.config._attn_implementation = "sdpa"
    kept.save_pretrained(folder)


def draw_curve(folder: Path) -> None:
    """`curve.png`: held-out loss against tokens; skipped with a line when matplotlib is missing."""
    try:
        import matplotlib
    except ImportError:
        print("curve.png not drawn: pip install 'rasid[plots]' for matplotlib", flush=True)
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
    pyplot.close(figure)


def prepare(config: PretrainConfig) -> Tokenizer:
    """The part that needs the text and no GPU: tokenizer and packed ids in the run folder, unless they are there."""
    config.output.mkdir(parents=True, exist_ok=True)
    dump_config(config, config.output / "config.yaml")
    tokenizer = _prepare_tokenizer(config)
    packed = config.output / "tokens.bin"
    if not packed.is_file():
        print(f"{pack(config.text, tokenizer, packed)} tokens packed", flush=True)
    return tokenizer


def pretrain(config: PretrainConfig) -> Path:
    """The whole command: returns the folder of the trained encoder, or of the run when it paused."""
    if config.threads:
        torch.set_num_threads(config.threads)
    tokenizer = prepare(config)
    run = Pretraining(config, tokenizer)
    keep_freed_memory()
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
    """`rasid pretrain CONFIG [--set key=value ...] [--prepare-only]`: prints the folder that was written."""
    config = load_config(PretrainConfig, args.config, args.set)
    if args.prepare_only:
        prepare(config)
    print(config.output if args.prepare_only else pretrain(config))
    return 0

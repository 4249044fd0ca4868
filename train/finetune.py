"""Fine-tunes one encoder with its heads on all sources of a run config, through transformers' own Trainer.

The run folder holds the resolved config, the checkpoints (a killed run goes on with `--resume`), the log and metrics,
and the finished model folder. Loss: cross entropy over BIO labels summed over types and averaged over words, or over
classes averaged over pairs or articles (binary for several labels); a batch belongs to one head.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.data import DataLoader
from transformers import PreTrainedTokenizerFast, Trainer, TrainingArguments

from rasid.card import write_card
from rasid.config import dump_config
from rasid.errors import ConfigError
from rasid.labels import INVENTORIES
from rasid.model import (
    Head,
    Loaded,
    RasidModel,
    new_model,
    revision_of,
    save_model,
)
from rasid.pretrained import Encoder, find_encoder
from rasid.provenance import code_commit, versions

from .batching import BatchSampler, Collator, Rows
from .calibrate import as_metrics, calibrate
from .config import RunConfig, Source
from .evaluation import predict_labels, score_articles, score_pairs, score_texts
from .features import Row, article_rows, pair_rows, text_rows
from .labelled import Labelled, labelled_articles, read_labelled
from .layers import depths
from .masking import IGNORED
from .reporting import check_reports, report_final, settle_reports
from .sources import GoldPair, GoldText, mapped, read_pairs, read_texts


@dataclass(frozen=True)
class Material:
    """Everything a run learns from: rows of all sources with their repeats, and the heads they feed."""

    rows: list[Row]
    repeats: list[float]
    heads: dict[str, Head]


def loss_of(logits: Tensor, labels: Tensor) -> Tensor:
    """Cross entropy; BIO logits (B, W, T, 3) are summed over types and averaged over the words that have labels.

    Logits (B, targets, classes) are those of a `pair` head. Of several labels (B, classes) each is a question of its
    own.
    """
    if logits.ndim == 3:  # a passage's targets, as many as the row with most has
        return F.cross_entropy(logits.flatten(0, 1), labels.flatten(), ignore_index=IGNORED)
    if labels.ndim == 2:
        return F.binary_cross_entropy_with_logits(logits, labels.to(logits.dtype))
    if logits.ndim == 2:
        return F.cross_entropy(logits, labels)
    total = F.cross_entropy(
        logits.reshape(-1, logits.shape[-1]), labels.reshape(-1), ignore_index=IGNORED, reduction="sum"
    )
    return total / (labels != IGNORED).any(dim=-1).sum().clamp(min=1)


class MultiTaskTrainer(Trainer):
    """Trainer with batches of one head each, heads on a learning rate of their own, and our scores at evaluation."""

    def __init__(
        self, config: RunConfig, loaded: Loaded, material: Material, exams: dict[str, Exam], **kwargs: Any
    ) -> None:
        super().__init__(model=loaded.model, processing_class=loaded.tokenizer, **kwargs)
        if config.word_dropout and loaded.tokenizer.mask_token_id is None:
            raise ConfigError(f"word_dropout: the tokenizer of {config.encoder} has no mask token; set it to 0")
        self._config = config
        self._loaded = loaded
        self._rows = Rows(material.rows)
        self._sampler = BatchSampler(material.rows, material.repeats, config.batch_tokens, self.args.seed)
        self._exams = exams

    def get_train_dataloader(self) -> DataLoader[Row]:
        loader: DataLoader[Row] = DataLoader(self._rows, batch_sampler=self._sampler, collate_fn=self.data_collator)
        # accelerate's loader tells the sampler which epoch it is, and shares batches out among processes.
        prepared: DataLoader[Row] = self.accelerator.prepare(loader)
        return prepared

    def compute_loss(self, model: nn.Module, inputs: dict[str, Any], *args: Any, **kwargs: Any) -> Tensor:
        labels = inputs.pop("labels")
        if self._config.word_dropout and labels.ndim == 3:
            inputs["input_ids"] = self._without_words(inputs)
        return loss_of(model(**inputs).float(), labels)

    def _without_words(self, inputs: dict[str, Any]) -> Tensor:
        """The ids with whole words hidden: what a name stands among has to tell its type where its letters cannot."""
        ids: Tensor = inputs["input_ids"]
        index: Tensor = inputs["index"]
        hidden = torch.rand(len(ids), inputs["groups"], device=ids.device) < self._config.word_dropout
        chosen = hidden.gather(1, index.clamp(min=0)) & (index >= 0)
        return torch.where(chosen, int(self._loaded.tokenizer.mask_token_id), ids)

    def create_optimizer(self, model: nn.Module | None = None) -> torch.optim.Optimizer:
        if self.optimizer is None:
            groups = parameter_groups(self._loaded.model, self.args.learning_rate, self._config)
            decay, betas = self.args.weight_decay, (self.args.adam_beta1, self.args.adam_beta2)
            self.optimizer = torch.optim.AdamW(groups, lr=self.args.learning_rate, weight_decay=decay, betas=betas)
        return self.optimizer

    def evaluate(self, *args: Any, metric_key_prefix: str = "eval", **kwargs: Any) -> dict[str, float]:
        nn.Module.eval(self._loaded.model)
        metrics = {
            f"{metric_key_prefix}_{name}_{key}": value
            for name, exam in self._exams.items()
            for key, value in exam.score(self._loaded).items()
        }
        self._loaded.model.train()
        self.log(metrics)
        self.control = self.callback_handler.on_evaluate(self.args, self.state, self.control, metrics)
        return metrics


@dataclass(frozen=True)
class Exam:
    """A held-out set for one head."""

    head: str
    texts: Sequence[GoldText] = ()
    pairs: Sequence[GoldPair] = ()
    articles: Sequence[Labelled] = ()

    def labels(self, loaded: Loaded) -> list[tuple[str, ...]]:
        """What the model says of each of the articles."""
        return predict_labels(loaded, self.head, [article.text for article in self.articles])

    def score(self, loaded: Loaded, labels: Sequence[tuple[str, ...]] | None = None) -> dict[str, float]:
        """`labels`: what the model says of the articles, where that is known already."""
        if self.articles:
            return score_articles(self.articles, self.labels(loaded) if labels is None else labels)
        if self.texts:
            return score_texts(loaded, self.head, self.texts)
        return score_pairs(loaded, self.head, self.pairs)


def parameter_groups(model: RasidModel, rate: float, config: RunConfig) -> list[dict[str, Any]]:
    """Heads learn at `head_learning_rate`; layers at `rate`, times `layer_decay` for each layer below the top."""
    prefix = "encoder."
    deep = depths([name.removeprefix(prefix) for name, _ in model.named_parameters() if name.startswith(prefix)])
    groups: dict[tuple[float, bool], list[nn.Parameter]] = {}
    for name, parameter in model.named_parameters():
        below = deep.top - deep.of.get(name.removeprefix(prefix), deep.top)
        own = config.head_learning_rate if name.startswith("heads.") else rate * config.layer_decay**below
        groups.setdefault((own, parameter.ndim > 1), []).append(parameter)
    return [
        {"params": parameters, "lr": own} | ({} if matrix else {"weight_decay": 0.0})
        for (own, matrix), parameters in groups.items()
    ]


def _labels(config: RunConfig, name: str) -> tuple[str, ...]:
    section = config.heads[name]
    if section.inventory is not None:
        return INVENTORIES[section.inventory].types
    if section.labels == "data":
        sources = [source for source in config.sources.values() if source.head == name]
        if section.kind == "text":
            return tuple(sorted({label for s in sources for g in labelled_articles(s) for label in g.labels}))
        return tuple(sorted({e.type for s in sources for g in read_texts(s) for e in mapped(g, s).entities}))
    return section.labels or ()


def resolve_heads(config: RunConfig) -> dict[str, Head]:
    """The heads with their labels; those that ask for `labels: data` are given what their sources hold."""
    heads = {}
    for name, section in config.heads.items():
        nested = INVENTORIES[section.inventory].nested if section.inventory else section.nested
        labels = _labels(config, name)
        heads[name] = Head(
            kind=section.kind,
            labels=labels,
            nested=nested,
            multilabel=section.multilabel,
            lift=section.lift,
            pooling=section.pooling,
        )
    return heads


def gather(config: RunConfig, tokenizer: PreTrainedTokenizerFast) -> Material:
    """Reads every source into rows."""
    heads = resolve_heads(config)
    rows: list[Row] = []
    repeats: list[float] = []
    for source in config.sources.values():
        head = heads[source.head]
        if head.kind == "tokens":
            texts = read_texts(source)
            own = text_rows(texts, source, head, tokenizer, config.window, config.overlap, config.repair)
        elif head.kind == "text":
            articles = read_labelled(source, head.labels, head.multilabel)
            own = article_rows(articles, source, head, tokenizer, config.window, config.article_windows, config.repair)
        else:
            own = _stance_rows(source, head, tokenizer, config, blind=False)
            hidden = _stance_rows(source, head, tokenizer, config, blind=True) if source.masked else []
            rows += own + hidden
            repeats += [source.repeat * (1 - source.masked)] * len(own) + [source.repeat * source.masked] * len(hidden)
            continue
        rows += own
        repeats += [source.repeat] * len(own)
    if not rows:
        raise ConfigError("sources: no training data in any of them")
    return Material(rows, repeats, heads)


def _stance_rows(
    source: Source, head: Head, tokenizer: PreTrainedTokenizerFast, config: RunConfig, blind: bool
) -> list[Row]:
    pairs = read_pairs(source, head.labels)
    return pair_rows(pairs, source, head, tokenizer, config.pair_window, config.together, blind)


def build_model(config: RunConfig, heads: dict[str, Head]) -> RasidModel:
    """The config's encoder with heads on it."""
    sizes = (config.window, config.overlap, config.dropout, config.pair_window)
    model = new_model(encoder_of(config), heads, *sizes, encoder_dropout=config.encoder_dropout)
    model.config.repair = config.repair
    model.config.together, model.config.wording = config.together, config.wording
    model.config.aggregation = config.aggregation
    return model


def exam(source: Source, head: Head) -> Exam:
    if head.kind == "pair":
        return Exam(source.head, pairs=read_pairs(source, head.labels))
    if head.kind == "text":
        return Exam(source.head, articles=read_labelled(source, head.labels, head.multilabel))
    return Exam(source.head, texts=[mapped(gold, source) for gold in read_texts(source)])


def training_arguments(config: RunConfig, output: Path) -> TrainingArguments:
    """`training:` over our defaults: no reports to anyone, quiet, reproducible, bf16 where the device has it."""
    bf16 = {"bf16": True, "fp32": False, "auto": _has_bf16()}[config.precision]
    defaults: dict[str, Any] = {
        "output_dir": str(output / "checkpoints"),
        "num_train_epochs": 5,
        "learning_rate": 5e-4,
        "warmup_steps": 0.1,
        "weight_decay": 0.01,
        "lr_scheduler_type": "linear",
        "logging_steps": 50,
        "save_strategy": "epoch",
        "save_total_limit": 2,
        "eval_strategy": "epoch" if config.evaluation else "no",
        "report_to": "none",
        "project": "rasid",
        "run_name": output.name,
        "seed": 1,
        "bf16": bf16,
        "use_cpu": not torch.cuda.is_available(),
        "remove_unused_columns": False,
        "label_names": ["labels"],
        "dataloader_pin_memory": torch.cuda.is_available(),
    }
    try:
        arguments = TrainingArguments(**(defaults | config.training))
    except (TypeError, ValueError) as error:
        raise ConfigError(f"training: {str(error).splitlines()[0]}") from None
    check_reports(arguments)
    return arguments


def _has_bf16() -> bool:
    """CUDA, or a CPU with bf16 matrix units; emulated bf16 is slower than fp32."""
    flags = Path("/proc/cpuinfo")
    return torch.cuda.is_available() or (flags.exists() and "amx_bf16" in flags.read_text())


def encoder_of(config: RunConfig) -> Encoder:
    """The encoder that a config names, on this machine."""
    return find_encoder(config.encoder, config.revision, config.preprocessing)


def pinned(config: RunConfig) -> RunConfig:
    """The config with the encoder's revision resolved to a commit, and its preprocessing to a name: what all parts of a
    run share, and what is saved with it."""
    encoder = encoder_of(config)
    resolved = {"revision": encoder.commit} if encoder.commit else {}
    named = {"preprocessing": encoder.chain} if encoder.chain != "none" else {}
    return config.model_copy(update=resolved | named)


@dataclass(frozen=True)
class Result:
    """A finished run: the model in memory, its metrics, seconds spent training, and what it says of the articles of
    each evaluation set that has some."""

    loaded: Loaded
    metrics: dict[str, float]
    seconds: float
    labels: dict[str, list[tuple[str, ...]]] = field(default_factory=dict)


def fit(config: RunConfig, output: Path, resume: bool = False) -> Result:
    """Trains in memory, with checkpoints under `output`; saving the finished model is `save`'s business."""
    arguments = training_arguments(config, output)
    torch.manual_seed(arguments.seed)
    tokenizer = encoder_of(config).tokenizer()
    material = gather(config, tokenizer)
    model = build_model(config, material.heads)
    exams = {name: exam(source, material.heads[source.head]) for name, source in config.evaluation.items()}
    loaded = Loaded(model, tokenizer, output.name, "")
    trainer = MultiTaskTrainer(
        config=config,
        loaded=loaded,
        material=material,
        exams=exams,
        args=arguments,
        train_dataset=Rows(material.rows),
        eval_dataset=Rows(material.rows) if exams else None,  # unread: `evaluate` takes the exams instead
        data_collator=Collator(int(tokenizer.pad_token_id or 0)),
    )
    settle_reports(trainer, output)
    begun = time.monotonic()
    trainer.train(resume_from_checkpoint=_last_checkpoint(arguments) if resume else None)
    seconds = time.monotonic() - begun
    nn.Module.eval(model)
    labels = {name: e.labels(loaded) for name, e in exams.items() if e.articles}
    scores = {name: e.score(loaded, labels.get(name)) for name, e in exams.items()}
    metrics = {f"{name}_{key}": value for name, own in scores.items() for key, value in own.items()}
    metrics |= as_metrics(calibrate(loaded, config))
    report_final(trainer, metrics)
    return Result(loaded, metrics, seconds, labels)


def _last_checkpoint(arguments: TrainingArguments) -> str | None:
    from transformers.trainer_utils import get_last_checkpoint

    folder = arguments.output_dir
    return get_last_checkpoint(folder) if folder and Path(folder).is_dir() else None


def save(result: Result, config: RunConfig, output: Path) -> None:
    """Writes the model folder (heads with `ship: false` dropped, weights compressed by default), run.yaml and card."""
    model = result.loaded.model
    shipped = {name: head for name, head in model.config.heads.items() if config.heads[name].ship}
    model.config.heads = shipped
    model.config.calibration = {name: own for name, own in model.config.calibration.items() if name in shipped}
    model.heads = nn.ModuleDict({name: module for name, module in model.heads.items() if name in shipped})
    save_model(result.loaded, output, config.compress)
    dump_config(config, output / "run.yaml")
    metrics = {"metrics": result.metrics, "seconds": round(result.seconds, 1), "revision": revision_of(output)}
    metrics |= {"commit": code_commit(), "versions": versions()}
    (output / "metrics.json").write_text(json.dumps(metrics, indent=1) + "\n", encoding="utf-8")
    write_card(output)

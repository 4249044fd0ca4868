"""Fine-tunes one encoder with its heads on all sources of a run config, through transformers' own Trainer.

The run folder holds the resolved config, what the run is made of (training.json), the checkpoints (a killed run goes
on with `--resume`), the log (history.jsonl), the metrics, and the finished model folder. Loss: cross entropy over BIO
labels summed over types and averaged over words, or over classes averaged over pairs or articles (binary for several
labels); a batch belongs to one head. Under `accelerate launch` every process reads the sources; the first alone scores
the finished model, writes and speaks.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import nn
from transformers import PreTrainedTokenizerFast, TrainerState, TrainingArguments
from transformers.utils.logging import disable_progress_bar

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

from .adapters import add_adapters, merge_adapters
from .batching import BatchSampler, Collator, Rows
from .calibrate import as_metrics, calibrate
from .checkpoints import (
    CHECKPOINTS,
    Checkpoint,
    Layout,
    add_fact,
    check_layout,
    last_checkpoint,
    sweep_torn,
    write_facts,
)
from .config import RunConfig, Source
from .exam import Exam, exam
from .features import Row, article_rows, pair_rows, placed_rows, text_rows
from .labelled import labelled_articles, read_labelled
from .lexicalfit import fit_lexical, learnt_from
from .losses import HeadLoss, head_loss, label_counts, label_weights
from .processes import meet, processes
from .reporting import check_reports, report_final, settle_reports
from .sampling import account, tempered
from .sources import mapped, read_pairs, read_texts
from .trainer import MultiTaskTrainer, chance

HISTORY = "history.jsonl"


@dataclass(frozen=True)
class Material:
    """Everything a run learns from: rows of all sources with their repeats and their sources' names, and the heads they
    feed."""

    rows: list[Row]
    repeats: list[float]
    sources: list[str]
    heads: dict[str, Head]

    def counts(self, name: str) -> list[float]:
        """How often an epoch meets each label of a head."""
        own = [(row, repeat) for row, repeat in zip(self.rows, self.repeats, strict=True) if row.head == name]
        return label_counts([row for row, _ in own], [repeat for _, repeat in own], self.heads[name])

    def losses(self, config: RunConfig) -> dict[str, HeadLoss]:
        """The loss of each head."""
        return {name: head_loss(name, config.heads[name].loss, h, self.counts(name)) for name, h in self.heads.items()}


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
            lexical=learnt_from(config, name, labels) if section.lexical else None,
        )
    return heads


def gather(config: RunConfig, tokenizer: PreTrainedTokenizerFast) -> Material:
    """Reads every source into rows."""
    heads = resolve_heads(config)
    rows: list[Row] = []
    repeats: list[float] = []
    names: list[str] = []
    for name, source in config.sources.items():
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
            names += [name] * len(own + hidden)
            continue
        rows += own
        repeats += [source.repeat] * len(own)
        names += [name] * len(own)
    if not rows:
        raise ConfigError("sources: no training data in any of them")
    return Material(rows, tempered(repeats, names, config.sampling_temperature), names, heads)


def _stance_rows(
    source: Source, head: Head, tokenizer: PreTrainedTokenizerFast, config: RunConfig, blind: bool
) -> list[Row]:
    if blind and tokenizer.mask_token_id is None:
        raise ConfigError(f"masked: the tokenizer of {config.encoder} has no mask token; leave it out of the sources")
    pairs = read_pairs(source, head.labels)
    placed = [gold for gold in pairs if config.in_place and gold.pair.placed]
    alone = [gold for gold in pairs if not (config.in_place and gold.pair.placed)]
    sizes = (config.window, config.overlap, config.repair)
    return [
        *placed_rows(placed, source, head, tokenizer, *sizes, blind),
        *pair_rows(alone, source, head, tokenizer, config.pair_window, blind, config.contrast),
    ]


def build_model(config: RunConfig, heads: dict[str, Head]) -> RasidModel:
    """The config's encoder with heads on it."""
    sizes = (config.window, config.reading_overlap, config.dropout, config.pair_window)
    model = new_model(encoder_of(config), heads, *sizes, encoder_dropout=config.encoder_dropout, layers=config.layers)
    model.config.repair = config.repair
    model.config.in_place, model.config.wording = config.in_place, config.wording
    model.config.aggregation, model.config.contrast = config.aggregation, config.contrast
    fit_lexical(model, config)
    if config.lora:
        add_adapters(model, config.lora)
    return model


def training_arguments(config: RunConfig, output: Path) -> TrainingArguments:
    """`training:` over our defaults: no reports to anyone, quiet, reproducible, bf16 where the device has it."""
    bf16 = {"bf16": True, "fp32": False, "auto": _has_bf16()}[config.precision]
    defaults: dict[str, Any] = {
        "output_dir": str(output / CHECKPOINTS),
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
        "gradient_accumulation_steps": _accumulation(config),
        # A batch runs one head, and BERT has a pooler that nothing reads.
        "ddp_find_unused_parameters": True,
        "restore_callback_states_from_checkpoint": True,
    }
    if config.early_stopping:
        defaults |= _stopping(config)
    try:
        arguments = TrainingArguments(**(defaults | config.training))
    except (TypeError, ValueError) as error:
        raise ConfigError(f"training: {str(error).splitlines()[0]}") from None
    check_reports(arguments)
    arguments._n_gpu = min(1, arguments.n_gpu)  # several GPUs are for several processes; torch's DataParallel is not
    return arguments


def _accumulation(config: RunConfig) -> int:
    """Batches of an update that each process takes one after another."""
    if config.batches_per_update is None:
        return 1
    count = processes().count
    each, over = divmod(config.batches_per_update, count)
    if over:
        what = f"{config.batches_per_update} batches cannot be shared out evenly among {count} processes"
        raise ConfigError(f"batches_per_update: {what}; start a number of processes that divides them")
    return each


def _stopping(config: RunConfig) -> dict[str, Any]:
    """Training arguments with which the best checkpoint by the config's metric is kept, and taken in the end."""
    section = config.early_stopping
    if section is None or config.training.get("save_strategy") == "no":
        raise ConfigError("early_stopping keeps checkpoints; take training.save_strategy: no out")
    return {
        "load_best_model_at_end": True,
        "metric_for_best_model": section.metric,
        "greater_is_better": section.goal == "max",
        "save_strategy": config.training.get("eval_strategy", "epoch"),
        "save_steps": config.training.get("eval_steps", 500),
    }


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
    """Trains in memory, with checkpoints under `output`; saving the finished model is `save`'s business.

    Of several processes only the first has metrics. Raises ConfigError where a run that is resumed would go on as
    another."""
    arguments = training_arguments(config, output)
    layout = Layout(processes().count, arguments.gradient_accumulation_steps, bool(arguments.bf16))
    torch.manual_seed(arguments.seed)
    tokenizer = encoder_of(config).tokenizer()
    material = gather(config, tokenizer)
    model = build_model(config, material.heads)
    checkpoint = _ready(output, layout) if resume else None
    exams = {name: exam(source, material.heads[source.head]) for name, source in config.evaluation.items()}
    sampler = BatchSampler(
        material.rows, material.repeats, config.batch_tokens, chance(arguments), per_update=layout.per_update
    )
    trainer = MultiTaskTrainer(
        config=config,
        loaded=Loaded(model, tokenizer, output.name, ""),
        rows=Rows(material.rows),
        sampler=sampler,
        losses=material.losses(config),
        exams=exams,
        args=arguments,
        data_collator=Collator(int(tokenizer.pad_token_id or 0)),
    )
    settle_reports(trainer, output)
    disable_progress_bar()  # of every checkpoint that is written; the encoder is here by now
    if processes().first:
        _record(config, output, layout, material, sampler, model, checkpoint)
    begun = time.monotonic()
    _train(trainer, checkpoint)
    seconds = time.monotonic() - begun
    finished = Loaded(_whole(trainer, model, config, material.heads), tokenizer, output.name, "")
    if not processes().first:
        return Result(finished, {}, seconds)
    _record_end(output, trainer.state, config)
    result = _scored(finished, exams, config, seconds)
    report_final(trainer, result.metrics)
    return result


def _ready(output: Path, layout: Layout) -> Checkpoint | None:
    """Where a resumed run goes on."""
    check_layout(output, layout)
    if processes().first:
        sweep_torn(output)
    meet()
    return last_checkpoint(output)


def _train(trainer: MultiTaskTrainer, checkpoint: Checkpoint | None) -> None:
    if checkpoint is None or not checkpoint.out_of_patience():
        trainer.train(resume_from_checkpoint=str(checkpoint.folder) if checkpoint else None)
        return
    trainer.state = TrainerState.load_from_json(str(checkpoint.folder / "trainer_state.json"))
    trainer._load_best_model()


def _whole(trainer: MultiTaskTrainer, model: RasidModel, config: RunConfig, heads: dict[str, Head]) -> RasidModel:
    """The trained model in one piece, without adapters."""
    if trainer.is_fsdp_enabled:
        weights = trainer.accelerator.get_state_dict(trainer.model)  # all processes take part; the first has them
        model = build_model(config, heads)
        if processes().first:
            model.load_state_dict(weights)
        nn.Module.to(model, trainer.args.device)
    if config.lora:
        merge_adapters(model)
    nn.Module.eval(model)
    return model


def _scored(loaded: Loaded, exams: dict[str, Exam], config: RunConfig, seconds: float) -> Result:
    answers = {name: one.answers(loaded, one.items) for name, one in exams.items()}
    scores = {name: one.score(loaded, answers[name]) for name, one in exams.items()}
    metrics = {f"{name}_{key}": value for name, own in scores.items() for key, value in own.items()}
    metrics |= as_metrics(calibrate(loaded, config))
    return Result(loaded, metrics, seconds, {name: list(answers[name]) for name, e in exams.items() if e.articles})


def _record(
    config: RunConfig,
    output: Path,
    layout: Layout,
    material: Material,
    sampler: BatchSampler,
    model: RasidModel,
    checkpoint: Checkpoint | None,
) -> None:
    """Writes what the run is made of, and says how much of the model learns where that is not all of it."""
    trainable = sum(p.numel() for p in model.parameters() if p.requires_grad)
    parameters = sum(p.numel() for p in model.parameters())
    weights = {
        name: label_weights(name, config.heads[name].loss, head, material.counts(name))
        for name, head in material.heads.items()
    }
    if config.lora:
        share = f"{trainable / parameters:.1%}"
        print(f"lora: {trainable:,} of {parameters:,} parameters are trained ({share})", flush=True)
    write_facts(
        output,
        layout,
        resumed_at=checkpoint.step if checkpoint else None,
        parameters={"all": parameters, "trainable": trainable},
        sampling={"temperature": config.sampling_temperature} | account(sampler, material.sources, material.repeats),
        label_weights={name: own for name, own in weights.items() if own},
    )


def _record_end(output: Path, state: TrainerState, config: RunConfig) -> None:
    """Adds where training ended, and writes the log: what was logged at which step, without the clock's figures."""
    facts: dict[str, Any] = {"steps": state.global_step, "epochs": round(float(state.epoch or 0), 4)}
    if config.early_stopping:
        best = {"metric": config.early_stopping.metric, "best": state.best_metric, "step": state.best_global_step}
        facts["early_stopping"] = best | {"stopped": state.global_step < state.max_steps}
    add_fact(output, ended=facts)
    lines = [line for line in state.log_history if "train_runtime" not in line]
    (output / HISTORY).write_text("\n".join(json.dumps(line) for line in lines) + "\n", encoding="utf-8")


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

"""`rasid train`: reads a config and hands it to fine-tuning, cross-validation or a dry run."""

from __future__ import annotations

import argparse

from .batching import BatchSampler, Collator
from .checkpoints import begin
from .claim import claim
from .config import RunConfig, load_run_config
from .crossval import run_cross_validation
from .fewshot import run_few_shot
from .finetune import build_model, encoder_of, fit, gather, pinned, save, training_arguments
from .folds import run_pair_folds
from .processes import only_one, processes
from .seeds import run_seeds
from .textfloor import compare


def dry_run(config: RunConfig) -> None:
    """Takes the whole way but the training: reads every source, builds the model, runs one batch forward and back."""
    training_arguments(config, config.output)
    tokenizer = encoder_of(config).tokenizer()
    material = gather(config, tokenizer)
    model = build_model(config, material.heads)
    sampler = BatchSampler(material.rows, material.repeats, config.batch_tokens, 1)
    collate = Collator(int(tokenizer.pad_token_id or 0))
    losses = material.losses(config)
    seen: set[str] = set()
    for numbers in sampler:
        batch = collate([material.rows[n] for n in numbers])
        if batch["head"] not in seen:
            seen.add(batch["head"])
            labels = batch.pop("labels")
            losses[batch["head"]].mean(model(**batch), labels).backward()
    parameters = sum(p.numel() for p in model.parameters())
    print(f"{len(material.rows)} rows, {len(sampler)} batches an epoch, {parameters / 1e6:.1f} M parameters")
    for name, head in material.heads.items():
        count = sum(row.head == name for row in material.rows)
        print(f"  {name}: {head.kind}, {len(head.labels)} labels, {count} rows")


def with_seeds(config: RunConfig, count: int | None) -> RunConfig:
    """The config with the seeds 1 to `count` for whatever it runs over seeds; as it is when `count` is None."""
    if count is None:
        return config
    seeds = {"seeds": tuple(range(1, count + 1))}
    for name in ("cross_validation", "few_shot"):
        section = getattr(config, name)
        if section:
            return config.model_copy(update={name: section.model_copy(update=seeds)})
    return config.model_copy(update=seeds)


def run_train(args: argparse.Namespace) -> int:
    """`rasid train`: one model, one for each of several seeds, a cross-validation or a few-shot curve, as the config
    asks."""
    overrides = [*args.set, *([f"output={args.output}"] if args.output else [])]
    config = with_seeds(load_run_config(args.config, overrides), getattr(args, "seeds", None))
    config = pinned(config)
    if args.dry_run:
        dry_run(config)
        return 0
    if config.cross_validation:
        only_one("a cross-validation")
        return run_pair_folds(config) if config.cross_validation.pairs else run_cross_validation(config)
    if config.few_shot:
        only_one("a few-shot curve")
        return run_few_shot(config)
    if config.seeds or config.data.test:
        return run_seeds(config)
    return run_once(config, args.resume)


def run_once(config: RunConfig, resume: bool) -> int:
    """One model, written and reported by the first process."""
    first = processes().first
    if first:
        begin(config.output, resume)
        claim(config.output, config, afresh=not resume)
    result = fit(config, config.output, resume)
    if not first:
        return 0
    save(result, config, config.output)
    for name, value in result.metrics.items():
        print(f"{name} {value:.4f}")
    if config.text_floor:
        page = compare(config, result.loaded, result.labels)
        (config.output / "labels.md").write_text(f"{page}\n", encoding="utf-8")
        print(page)
    print(f"model -> {config.output} ({result.seconds:.0f} s of training)")
    return 0

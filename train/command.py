"""`rasid train`: reads a config and hands it to fine-tuning, cross-validation or a dry run."""

from __future__ import annotations

import argparse

from rasid.errors import ModelError

from .batching import BatchSampler, Collator
from .config import RunConfig, load_run_config
from .crossval import run_cross_validation
from .finetune import build_model, encoder_tokenizer, fit, gather, loss_of, save


def dry_run(config: RunConfig) -> None:
    """Takes the whole way but the training: reads every source, builds the model, runs one batch forward and back."""
    tokenizer = encoder_tokenizer(config.encoder)
    material = gather(config, tokenizer)
    model = build_model(config, material.heads)
    sampler = BatchSampler(material.rows, material.repeats, config.batch_tokens, 1)
    collate = Collator(int(tokenizer.pad_token_id or 0))
    seen: set[str] = set()
    for numbers in sampler:
        batch = collate([material.rows[n] for n in numbers])
        if batch["head"] not in seen:
            seen.add(batch["head"])
            labels = batch.pop("labels")
            loss_of(model(**batch), labels).backward()
    parameters = sum(p.numel() for p in model.parameters())
    print(f"{len(material.rows)} rows, {len(sampler)} batches an epoch, {parameters / 1e6:.1f} M parameters")
    for name, head in material.heads.items():
        count = sum(row.head == name for row in material.rows)
        print(f"  {name}: {head.kind}, {len(head.labels)} labels, {count} rows")


def run_train(args: argparse.Namespace) -> int:
    """`rasid train`: one model, or a cross-validation when the config asks for one."""
    overrides = [*args.set, *([f"output={args.output}"] if args.output else [])]
    config = load_run_config(args.config, overrides)
    if args.dry_run:
        dry_run(config)
        return 0
    if config.cross_validation:
        return run_cross_validation(config)
    if (config.output / "model.safetensors").exists() and args.resume:
        raise ModelError(f"{config.output}: this run is finished; choose another --output to train again")
    config.output.mkdir(parents=True, exist_ok=True)
    result = fit(config, config.output, args.resume)
    save(result, config, config.output)
    for name, value in result.metrics.items():
        print(f"{name} {value:.4f}")
    print(f"model -> {config.output} ({result.seconds:.0f} s of training)")
    return 0

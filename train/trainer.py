"""transformers' Trainer for several heads: what an update is, and that it is the same however it is shared out.

An update takes `per_update` batches that follow one another in the epoch's order; processes and gradient accumulation
share them out. Its loss: each head's share of the batches, times the mean over all its items (words, pairs, articles)
in them. Whatever is drawn at random for a batch comes from a seed of its own, made of the run's seed and the batch's
number, so neither a resumed run nor another number of processes draws anything else. Reads no files.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.distributed.fsdp import FSDPModule
from torch.utils.data import DataLoader
from transformers import EarlyStoppingCallback, Trainer, TrainerCallback, TrainingArguments
from transformers.trainer_callback import ExportableState

from rasid.errors import ConfigError
from rasid.model import Loaded, RasidModel

from .batching import BatchSampler, Rows
from .config import RunConfig
from .exam import Exam
from .features import Row
from .layers import depths
from .losses import HeadLoss, items_of
from .processes import processes, shared


class Curve(TrainerCallback, ExportableState):
    """The loss since the last line of the log, kept in checkpoints so that a resumed run's log goes on in the middle
    of a line."""

    def __init__(self) -> None:
        self.pending = 0.0  # summed over the steps since
        self.logged = 0  # the step of the last line

    def state(self) -> dict[str, Any]:
        return {"args": {}, "attributes": {"pending": self.pending, "logged": self.logged}}


def chance(args: TrainingArguments) -> int:
    """The seed of the batches' order and of what is drawn for each: `data_seed`, and `seed` where there is none."""
    return int(args.seed if args.data_seed is None else args.data_seed)


class MultiTaskTrainer(Trainer):
    """Trainer with batches of one head each, heads on a learning rate of their own, and our scores at evaluation."""

    def __init__(
        self,
        config: RunConfig,
        loaded: Loaded,
        rows: Rows,
        sampler: BatchSampler,
        losses: Mapping[str, HeadLoss],
        exams: Mapping[str, Exam],
        **kwargs: Any,
    ) -> None:
        super().__init__(
            model=loaded.model,
            processing_class=loaded.tokenizer,
            train_dataset=rows,
            eval_dataset=rows if exams else None,  # unread: `evaluate` takes the exams instead
            **kwargs,
        )
        if config.word_dropout and loaded.tokenizer.mask_token_id is None:
            raise ConfigError(f"word_dropout: the tokenizer of {config.encoder} has no mask token; set it to 0")
        self.loss_is_scaled_for_ga = True  # by a batch's share of its update
        self._config = config
        self._loaded = loaded
        self._rows = rows
        self._sampler = sampler
        self._losses = losses
        self._exams = exams
        self._here = processes()
        self._begun = False
        self._idle: tuple[str, ...] = ()  # heads of no batch of the update, in any process
        loaded.model.all_heads = self.is_fsdp_enabled
        self.add_callback(Curve())
        if config.early_stopping:
            self.add_callback(EarlyStoppingCallback(config.early_stopping.patience, config.early_stopping.least))

    @property
    def _curve(self) -> Curve:
        return next(one for one in self.callback_handler.callbacks if isinstance(one, Curve))

    @property
    def _per_update(self) -> int:
        return int(self.args.gradient_accumulation_steps) * self._here.count

    def get_train_dataloader(self) -> DataLoader[Row]:
        loader: DataLoader[Row] = DataLoader(self._rows, batch_sampler=self._sampler, collate_fn=self.data_collator)
        prepared: DataLoader[Row] = self.accelerator.prepare(loader)  # each process sees every count-th batch
        return prepared

    def _run_epoch(self, *args: Any, **kwargs: Any) -> None:
        # Said here because in the middle of a resumed epoch nobody else does, when there are several processes.
        self._sampler.set_epoch(kwargs["epoch"])
        if not self._begun:
            self._begun = True
            self._tr_loss += self._curve.pending
            self._globalstep_last_logged = self._curve.logged
        super()._run_epoch(*args, **kwargs)  # type: ignore[no-untyped-call]

    def _save_checkpoint(self, model: nn.Module, trial: Any) -> None:
        pending = self.accelerator.reduce(self._tr_loss.detach().clone(), reduction="mean")
        curve = self._curve
        curve.pending, curve.logged = float(pending), self._globalstep_last_logged
        super()._save_checkpoint(model, trial)

    def _save_rng_state(self, output_dir: str) -> None:
        """Nothing: what is random for a batch depends on its number alone."""

    def _load_rng_state(self, checkpoint: str | None) -> None:
        """Nothing, as above."""

    def get_batch_samples(
        self, epoch_iterator: Iterator[Any], num_batches: int, device: torch.device
    ) -> tuple[list[dict[str, Any]], None]:
        """This process's batches of the next update, each with its number and its share of the update's loss."""
        batches, _ = super().get_batch_samples(epoch_iterator, num_batches, device)
        first = self.state.global_step * self._per_update + self._here.number
        for place, (batch, share) in enumerate(zip(batches, self._shares(batches), strict=True)):
            batch |= {"share": share, "number": first + place * self._here.count}
        return batches, None

    def _shares(self, batches: list[dict[str, Any]]) -> list[float]:
        """Of each batch: its head's part of all batches of the update, times its own part of the head's items."""
        names = list(self._losses)
        places = [names.index(batch["head"]) for batch in batches]
        items = [max(1, items_of(batch["labels"])) for batch in batches]
        sums = torch.zeros(len(names), 2, device=self.args.device)  # batches and items, by head
        for place, count in zip(places, items, strict=True):
            sums[place] += torch.tensor([1.0, count], device=self.args.device)
        whole = self.accelerator.reduce(sums, reduction="sum").tolist()
        self._idle = tuple(name for name, (count, _) in zip(names, whole, strict=True) if not count)
        total = sum(count for count, _ in whole)
        return [whole[p][0] / total * count / whole[p][1] for p, count in zip(places, items, strict=True)]

    def compute_loss(self, model: nn.Module, inputs: dict[str, Any], *args: Any, **kwargs: Any) -> Tensor:
        labels, share, number = (inputs.pop(name) for name in ("labels", "share", "number"))
        torch.manual_seed(int(np.random.SeedSequence((chance(self.args), number)).generate_state(1)[0]))
        if self._config.word_dropout and labels.ndim == 3:
            inputs["input_ids"] = self._without_words(inputs)
        loss = self._losses[inputs["head"]].mean(model(**inputs).float(), labels)
        part: float = share * self._here.count  # gradients are averaged over the processes
        return loss * part

    def _clip_grad_norm(self, model: nn.Module) -> Any:
        if self.is_fsdp_enabled:  # the optimizer would move heads along their old ways for gradients of nought
            for name in self._idle:
                for parameter in self._loaded.model.heads[name].parameters():
                    parameter.grad = None
        return super()._clip_grad_norm(model)  # type: ignore[no-untyped-call]

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
            for key, value in exam.score(self._loaded, self._answers(exam)).items()
        }
        self._loaded.model.train()
        self.log(metrics)
        self.control = self.callback_handler.on_evaluate(self.args, self.state, self.control, metrics)
        return metrics

    def _answers(self, exam: Exam) -> list[Any]:
        """Answers to all items. Processes share them out, unless the model is: then all must run it together."""
        if self.is_fsdp_enabled:
            with unsharded(self._loaded.model):
                return list(exam.answers(self._loaded, exam.items))
        return shared(exam.items, lambda items: exam.answers(self._loaded, items))


@contextmanager
def unsharded(model: nn.Module) -> Iterator[None]:
    """A model that FSDP shards, with the weights of its outermost shard in every process: scoring calls heads and
    embeddings by themselves, where no hook of FSDP's gathers them."""
    outermost = cast(FSDPModule, model)
    outermost.unshard()
    try:
        yield
    finally:
        outermost.reshard()


def parameter_groups(model: RasidModel, rate: float, config: RunConfig) -> list[dict[str, Any]]:
    """Heads learn at `head_learning_rate`; layers at `rate`, times `layer_decay` for each layer below the top. What is
    frozen is in no group."""
    prefix = "encoder."
    deep = depths([name.removeprefix(prefix) for name, _ in model.named_parameters() if name.startswith(prefix)])
    groups: dict[tuple[float, bool], list[nn.Parameter]] = {}
    for name, parameter in model.named_parameters():
        if not parameter.requires_grad:
            continue
        below = deep.top - deep.of.get(name.removeprefix(prefix), deep.top)
        own = config.head_learning_rate if name.startswith("heads.") else rate * config.layer_decay**below
        groups.setdefault((own, parameter.ndim > 1), []).append(parameter)
    return [
        {"params": parameters, "lr": own} | ({} if matrix else {"weight_decay": 0.0})
        for (own, matrix), parameters in groups.items()
    ]

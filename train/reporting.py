"""Where a run's figures go besides its own log: transformers' `report_to` integrations, none unless a config names one.

TensorBoard's files lie in the run folder under `tensorboard/`; other integrations keep theirs where they always do, and
read their own environment variables. What is reported it does not know.
"""

from __future__ import annotations

import os
from pathlib import Path

from transformers import Trainer, TrainingArguments
from transformers.integrations.integration_utils import (
    INTEGRATION_TO_CALLBACK,
    TensorBoardCallback,
    get_available_reporting_integrations,
)

from rasid.errors import ConfigError, nearest

_TENSORBOARD_FOLDER = "TENSORBOARD_LOGGING_DIR"  # transformers' own variable; what a user has set stands
_EXTRAS = frozenset({"tensorboard"})  # that rasid names


def check_reports(arguments: TrainingArguments) -> None:
    """Raises ConfigError for an integration that transformers does not know, or whose package is not installed."""
    for name in arguments.report_to or ():
        if name not in INTEGRATION_TO_CALLBACK:
            raise ConfigError(f"training.report_to: unknown integration {name!r}"
                              f"{nearest(name, INTEGRATION_TO_CALLBACK)}")  # fmt: skip
        if name not in get_available_reporting_integrations():
            package = "'rasid[tensorboard]'" if name in _EXTRAS else name
            raise ConfigError(f"training.report_to: {name} is not installed; pip install {package}, or report to none")


def settle_reports(trainer: Trainer, output: Path) -> None:
    """Puts TensorBoard's files into the run folder: its default is among the checkpoints, which do not stay."""
    for callback in trainer.callback_handler.callbacks:
        if isinstance(callback, TensorBoardCallback) and _TENSORBOARD_FOLDER not in os.environ:
            callback.logging_dir = str(output / "tensorboard")


def report_final(trainer: Trainer, metrics: dict[str, float]) -> None:
    """Sends the figures of the finished model, which are taken after training has ended, to whoever gets the others."""
    if trainer.args.report_to and metrics:
        trainer.log({f"eval_{name}": value for name, value in metrics.items()})

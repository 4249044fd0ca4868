"""The commands that train: train, sweep, calibrate, lexical, pretrain, robustness."""

from __future__ import annotations

from pathlib import Path

from rasid.options import Commands, Parser, add_draws, add_run_config, command, positive


def _add_train(commands: Commands[Parser]) -> None:
    parser = command(
        commands,
        "train",
        "rasid.train.command:run_train",
        "fine-tune an encoder, or cross-validate, as a config says",
        "rasid train configs/seeds.yaml --set training.seed=2 --output my-model",
    )
    add_run_config(parser)
    parser.add_argument("--output", type=Path, metavar="DIR", help="run folder, in place of the config's own")
    parser.add_argument(
        "--dry-run", action="store_true", help="check config, data and model, take one step, save nothing"
    )
    parser.add_argument("--resume", action="store_true", help="go on from the run folder's last checkpoint")
    parser.add_argument(
        "--seeds",
        type=positive,
        metavar="N",
        help="run seeds 1 to N and report mean and spread; finished seeds are not trained again",
    )


def _add_sweep(commands: Commands[Parser]) -> None:
    parser = command(
        commands,
        "sweep",
        "rasid.train.sweep:run_sweep",
        "train a config with many settings and choose among them on a dev set; run again to go on",
        "rasid sweep sweep.yaml --output runs/sweep",
    )
    add_run_config(parser)
    parser.add_argument("--output", type=Path, metavar="DIR", help="the sweep's folder, in place of the file's own")


def _add_calibrate(commands: Commands[Parser]) -> None:
    parser = command(
        commands,
        "calibrate",
        "rasid.train.calibrate:run_calibrate",
        "make a model's scores probabilities, by a cross-validation of its settings or on its dev parts",
        "rasid calibrate runs/news runs/news-cv",
    )
    parser.add_argument("model", metavar="NAME|DIR", help="the model whose config.json is to be changed")
    parser.add_argument(
        "run", type=Path, metavar="RUN|CONFIG", help="a cross-validation's folder, or a .yaml config with evaluation"
    )


def _add_lexical(commands: Commands[Parser]) -> None:
    parser = command(
        commands,
        "lexical",
        "rasid.train.lexicalfit:run_lexical",
        "fit the lexical part of a finished model's stance head, which takes seconds",
        "RASID_DATA=/data rasid lexical my-model configs/news.yaml",
    )
    parser.add_argument("model", metavar="NAME|DIR", help="the model whose folder is to be changed")
    parser.add_argument("run", metavar="CONFIG", help="a run config whose stance head has lexical: true")


def _add_pretrain(commands: Commands[Parser]) -> None:
    parser = command(
        commands,
        "pretrain",
        "rasid.train.pretrain:run_pretrain",
        "train a tokenizer and a compact encoder from raw text; run again to go on",
        "RASID_DATA=/data rasid pretrain configs/pretrain-compact.yaml",
    )
    add_run_config(parser)
    parser.add_argument(
        "--prepare-only", action="store_true", help="train the tokenizer and pack the text, then stop (needs no GPU)"
    )


def _add_robustness(commands: Commands[Parser]) -> None:
    parser = command(
        commands,
        "robustness",
        "rasid.train.robustness:run_robustness",
        "score a model on perturbed spellings of a config's evaluation sets",
        "rasid robustness configs/anercorp.yaml --model runs/anercorp/seed-1 --report report",
    )
    add_run_config(parser)
    parser.add_argument("--model", required=True, metavar="NAME|DIR", help="a shipped model or a model folder")
    parser.add_argument("--on", metavar="NAME", help="one evaluation set of the config (default: all with entities)")
    parser.add_argument("--head", metavar="NAME", help="the model's head to read with, where it is not the config's")
    add_draws(parser)
    parser.add_argument("--report", type=Path, metavar="DIR", help="where to write the tables, besides stdout")


COMMANDS = (
    _add_train,
    _add_sweep,
    _add_calibrate,
    _add_lexical,
    _add_pretrain,
    _add_robustness,
)

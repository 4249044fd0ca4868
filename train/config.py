"""The training room's run config: an encoder, named heads, the data sources that feed them, and what to score.

Defaults stand here; files in `configs/` hold departures only. `training:` is handed to transformers' TrainingArguments.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, model_validator

from rasid.config import Section, load_config
from rasid.errors import nearest
from rasid.labels import INVENTORIES
from rasid.preprocessing import Chain

from .sections import EarlyStopping, Lora, LossSection

Reader = Literal["annotations", "annotated-stances", "conll", "wojood", "wikifane", "pairs", "labelled"]


FoldBy = Literal["rows", "claim", "target", "given"]

# What each kind of head is scored on; a run prints them after the set's name. `tokens`: the first for nested heads and
# data without tokens, the others for flat tokenised data.
MEASURES = {
    "tokens": ("span_f1", "strict_f1", "lenient_f1"),
    "pair": ("macro_f1", "accuracy"),
    "text": ("accuracy", "macro_f1"),
}


class HeadSection(Section):
    """A head. Entity types come from a named inventory, a list, or (labels: data) the sources that feed it."""

    kind: Literal["tokens", "pair", "text"]
    inventory: str | None = None
    labels: tuple[str, ...] | Literal["data"] | None = None
    nested: bool = False
    multilabel: bool = False  # of a `text` head: an article may have several of the labels, or none
    lift: float = Field(default=0.0, allow_inf_nan=False)  # of a `tokens` head: nats on Begin and Inside when read
    pooling: float = Field(
        default=0.0, ge=0, allow_inf_nan=False
    )  # of a `tokens` head: weight of a name's other places
    lexical: bool = False  # of a `pair` head: a linear model over words beside the encoder, see `rasid.lexical`
    ship: bool = True  # heads that only teach the encoder are dropped from the saved model
    loss: LossSection = LossSection()

    @model_validator(mode="after")
    def _named_or_listed(self) -> HeadSection:
        if (self.inventory is None) == (self.labels is None):
            raise ValueError("give either inventory or labels")
        if self.inventory is not None and self.inventory not in INVENTORIES:
            raise ValueError(f"unknown inventory {self.inventory!r}{nearest(self.inventory, INVENTORIES)}")
        if self.multilabel and self.kind != "text":
            raise ValueError("multilabel is for heads of kind text")
        if (self.lift or self.pooling) and self.kind != "tokens":
            raise ValueError("lift and pooling are for heads of kind tokens")
        if self.lexical and self.kind != "pair":
            raise ValueError("lexical is for heads of kind pair")
        return self


class Blocks(Section):
    """A fixed split of a corpus without documents: sentences in blocks of `size`; every `every`-th block, from block
    `offset`, is the dev part. Whole blocks keep neighbouring sentences of one article on one side."""

    size: int = 40
    every: int = 10
    offset: int = 9

    def is_dev(self, sentence: int) -> bool:
        return (sentence // self.size) % self.every == self.offset


class Columns(Section):
    """Which column of a CSV file, or field of a JSON line, holds what, for the `labelled` reader.

    Several labels are a list, or one string with a `separator`. With a `pattern` its group finds the label inside the
    column's string, such as `:(\\w+)/` in ids that name the section.
    """

    id: str = "id"
    text: str = "text"
    label: str = "label"
    separator: str | None = Field(default=None, min_length=1)
    pattern: str | None = None

    @model_validator(mode="after")
    def _one_group(self) -> Columns:
        try:
            groups = re.compile(self.pattern).groups if self.pattern is not None else 1
        except re.error as error:
            raise ValueError(f"pattern {self.pattern!r}: {error}") from None
        if groups != 1:
            raise ValueError(f"pattern {self.pattern!r}: one group is needed, around the label; it has {groups}")
        return self


class Fold(Section):
    """A part of a set of pairs: all folds but `number`, or (`held`) that fold alone. See `rasid.train.folds.assign`."""

    by: FoldBy
    count: int = Field(default=5, ge=2)  # of folds; the data decide for `target` and `given`
    number: int = Field(default=0, ge=0)  # counted from 0
    held: bool = False
    seed: int = 0


class Source(Section):
    """One data set feeding one head.

    `map` renames labels to the head's; labels it leaves out are unknown to the head (with `partial`, the loss is
    taken on mapped types only) or dropped. `repeat` is how often an epoch goes through the source.
    """

    head: str
    reader: Reader
    path: Path
    licence: str | None = None  # of the data, for the model's card
    texts: Path | None = None  # the raw articles, for the annotations readers
    part: Literal["all", "train", "dev"] = "all"  # with `blocks`
    blocks: Blocks | None = None
    join: int | None = Field(default=None, ge=1)  # for the conll reader: words of neighbouring sentences read together
    map: dict[str, str] | None = None
    partial: bool = False
    repeat: float = 1.0
    only: tuple[str, ...] | None = None  # documents, for the annotations readers
    without: tuple[str, ...] = ()
    targets: dict[str, str] | None = None  # for the pairs reader: what to call targets instead
    nearest: int | None = Field(default=None, ge=1)  # for the pairs reader: passages kept of a long text
    fold: Fold | None = None  # for the pairs reader: a part of the set
    holders: Literal["author", "all"] = "author"  # for annotated-stances: learn from what quoted speakers say as well
    unrelated: float = Field(default=0.0, ge=0.0, le=1.0)  # for the pairs reader: share of `none` pairs made up
    masked: float = Field(default=0.0, ge=0.0, le=1.0)  # for stances: share of rows that do not see targets' names
    columns: Columns = Columns()  # for the labelled reader, and:
    ids: tuple[float, float] = (0.0, 1.0)  # the articles whose id hashes into [low, high)

    @model_validator(mode="after")
    def _ids_are_a_range(self) -> Source:
        low, high = self.ids
        if not 0.0 <= low < high <= 1.0:
            raise ValueError(f"ids: expected 0 <= low < high <= 1, got {low} and {high}")
        if self.reader != "labelled" and (self.ids != (0.0, 1.0) or self.columns != Columns()):
            raise ValueError("ids and columns are for the labelled reader")
        return self

    @model_validator(mode="after")
    def _for_sentences(self) -> Source:
        if self.join is not None and self.reader != "conll":
            raise ValueError("join is for the conll reader")
        return self

    @model_validator(mode="after")
    def _for_pairs(self) -> Source:
        if self.reader != "pairs" and (self.targets or self.nearest or self.fold):
            raise ValueError("targets, nearest and fold are for the pairs reader")
        return self

    @model_validator(mode="after")
    def _part_needs_blocks(self) -> Source:
        if (self.part == "all") != (self.blocks is None):
            raise ValueError("part: train or dev needs blocks, and blocks need a part")
        if self.partial and self.map is None:
            raise ValueError("partial needs a map from the source's labels to the head's")
        return self


class PairFolds(Section):
    """Cross-validation over the pairs of one source."""

    source: str
    by: FoldBy
    count: int = Field(default=5, ge=2)
    seed: int = 0  # of the split, not of training
    only: tuple[int, ...] | None = None  # run these folds alone


class CrossValidation(Section):
    """Leave-one-article-out over the documents of the annotations sources, or (`pairs`) the folds of a set of pairs."""

    seeds: tuple[int, ...] = (1, 2, 3)
    entities: str = "entities"  # the head scored on entities
    stances: str | None = "stance"
    pairs: PairFolds | None = None
    keep_models: bool = False  # save every fold's model folder; its answers are kept in any case
    ask_again: bool = False  # ask the models that were kept once more, where what they say is read otherwise by now


class Data(Section):
    """Data that is given at the command line and stands in no config: `--set data.test=FILE`.

    The file is scored once, when training is done, and chooses nothing. It is read like the evaluation set `like`,
    which must be named where there are several.
    """

    test: Path | None = None
    like: str | None = None


class FewShot(Section):
    """A few-shot curve: every article in turn is held out, and training sees `sizes` of the others.

    Of the sets of articles that a size allows, `draws` are drawn (fewer where there are fewer). Epochs are multiplied
    so that every size takes as many steps as the largest. `beside` names folders of other such runs to show as well.
    """

    sizes: tuple[int, ...] = Field(default=(1, 2, 4), min_length=1)
    draws: int = Field(default=3, ge=1)
    seeds: tuple[int, ...] = Field(default=(1,), min_length=1)
    head: str = "entities"
    label: str | None = None  # of this run's curve; the encoder's name when there is none
    beside: tuple[Path, ...] = ()


class CardSection(Section):
    """What a model's card says that no file can tell: the licence of the weights (a hub identifier such as apache-2.0),
    and limits, a sentence each."""

    licence: str = "other"
    limits: tuple[str, ...] = ()


class RunConfig(Section):
    """`rasid train` configs."""

    encoder: str  # a folder, the name of a model that ships, or a hub id
    revision: str | None = None  # of a hub encoder: commit, branch or tag; the run's own config names the commit
    # What its authors do to a text before its tokenizer, by their names: see `rasid.preprocessing`.
    preprocessing: Literal["auto"] | Chain = "auto"
    output: Path
    heads: dict[str, HeadSection]
    sources: dict[str, Source]
    evaluation: dict[str, Source] = Field(default_factory=dict)
    cross_validation: CrossValidation | None = None
    # A cross-validation's folder or calibration.json, made with the same settings: its fit is taken. Without one, heads
    # are calibrated on their `evaluation` sets.
    calibration: Path | None = None
    few_shot: FewShot | None = None
    seeds: tuple[int, ...] = ()  # a run for each, and a report with mean and spread
    data: Data = Data()
    card: CardSection = CardSection()
    window: int = 192  # pieces
    overlap: int = 64  # pieces that neighbouring windows share in training
    reading_overlap: int = 16  # and when the model is run: more costs time and gains nothing (docs/decisions/0032)
    pair_window: int = 384
    in_place: bool = False  # stances towards what an article mentions are read off the article, see `rasid.scoring`
    contrast: bool = False  # claims are judged by the words that they and the text do not share
    aggregation: Literal["mean", "mean-odds", "strongest", "noisy-or", "two-strongest"] = "mean"  # passages to article
    wording: bool = False  # loaded words near a target's mentions weigh in, see `rasid.loaded`
    article_windows: int = Field(default=8, ge=1)  # of one article in training, at most; inference reads all
    text_floor: bool = False  # set a TF-IDF + linear classifier, trained on the same articles, beside the `text` heads
    dropout: float = Field(default=0.1, ge=0.0, lt=1.0)  # of the heads' input
    encoder_dropout: float | None = Field(default=0.1, ge=0.0, lt=1.0)  # inside the encoder; null leaves it its own
    layers: int | None = Field(default=None, ge=1)  # the encoder's first ones, all by default: fewer are faster
    word_dropout: float = Field(default=0.0, ge=0.0, lt=1.0)  # share of words that `tokens` heads read as [MASK]
    repair: bool = True  # glued words cut, split ones joined, in training and by whoever runs the model
    batch_tokens: int = 2048  # padded pieces of a training batch
    # Batches of one update, shared out among processes and accumulation. Without it: processes times
    # training.gradient_accumulation_steps.
    batches_per_update: int | None = Field(default=None, ge=1)
    sampling_temperature: float = Field(default=1.0, gt=0.0)  # sources' parts go as size ** (1 / this)
    head_learning_rate: float = 1e-3  # heads start from nothing and learn faster than the encoder
    layer_decay: float = 1.0
    lora: Lora | None = None
    early_stopping: EarlyStopping | None = None
    precision: Literal["auto", "bf16", "fp32"] = "auto"
    compress: bool = True  # save weights as fp16, embeddings as int8 by row
    training: dict[str, Any] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _heads_exist(self) -> RunConfig:
        for group in (self.sources, self.evaluation):
            for name, source in group.items():
                if source.head not in self.heads:
                    raise ValueError(f"source {name}: unknown head {source.head!r}{nearest(source.head, self.heads)}")
        folds = self.cross_validation.pairs if self.cross_validation else None
        if folds is not None and folds.source not in self.sources:
            near = nearest(folds.source, self.sources)
            raise ValueError(f"cross_validation.pairs: unknown source {folds.source!r}{near}")
        idle = set(self.heads) - {source.head for source in self.sources.values()}
        if idle:
            raise ValueError(f"no source feeds head {sorted(idle)[0]!r}")
        return self

    @model_validator(mode="after")
    def _windows_overlap_by_half_at_most(self) -> RunConfig:
        for key in ("overlap", "reading_overlap"):
            if not 0 <= getattr(self, key) <= (self.window - 2) // 2:
                raise ValueError(f"{key}: from 0 to {(self.window - 2) // 2}, half of a window of {self.window} pieces")
        return self

    @model_validator(mode="after")
    def _one_size_of_updates(self) -> RunConfig:
        if self.batches_per_update and "gradient_accumulation_steps" in self.training:
            raise ValueError("give either batches_per_update or training.gradient_accumulation_steps")
        return self

    @model_validator(mode="after")
    def _stops_on_a_set_of_its_own(self) -> RunConfig:
        if self.early_stopping is None:
            return self
        if self.cross_validation or self.few_shot:
            raise ValueError(
                "early_stopping needs a dev set, which a fold does not have; set training.num_train_epochs"
            )
        metric = self.early_stopping.metric
        known = [f"{name}_{m}" for name, s in self.evaluation.items() for m in MEASURES[self.heads[s.head].kind]]
        if metric not in known:
            raise ValueError(f"early_stopping.metric: unknown metric {metric!r}{nearest(metric, known)}")
        return self

    @model_validator(mode="after")
    def _test_is_read_like_an_evaluation_set(self) -> RunConfig:
        if self.data.test is None:
            return self
        if not self.evaluation:
            raise ValueError("data.test: the config has no evaluation set that says how the file is read")
        if self.data.like is None and len(self.evaluation) > 1:
            raise ValueError(f"data.test: set data.like to the set it is read like: {', '.join(self.evaluation)}")
        if self.data.like is not None and self.data.like not in self.evaluation:
            raise ValueError(f"data.like: unknown set {self.data.like!r}{nearest(self.data.like, self.evaluation)}")
        return self

    @model_validator(mode="after")
    def _dev_articles_feed_nothing(self) -> RunConfig:
        for name, judge in self.evaluation.items():
            for other, source in self.sources.items():
                apart = judge.ids[1] <= source.ids[0] or source.ids[1] <= judge.ids[0]
                if judge.reader == source.reader == "labelled" and judge.path == source.path and not apart:
                    raise ValueError(f"evaluation {name}: its ids overlap those of source {other}; {judge.path}")
        return self


def load_run_config(name: str, overrides: list[str] | None = None) -> RunConfig:
    """A run config by path or shipped name with `--set` departures. Raises ConfigError."""
    return load_config(RunConfig, name, overrides)

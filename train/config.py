"""The training room's run config: an encoder, named heads, the data sources that feed them, and what to score.

Defaults stand here; files in `configs/` hold departures only. `training:` is handed to transformers' TrainingArguments.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import Field, model_validator

from rasid.config import Section, load_config
from rasid.errors import nearest
from rasid.labels import INVENTORIES

Reader = Literal["annotations", "annotated-stances", "conll", "wojood", "wikifane", "pairs"]


class HeadSection(Section):
    """A head. Entity types come from a named inventory, a list, or (labels: data) the sources that feed it."""

    kind: Literal["tokens", "pair"]
    inventory: str | None = None
    labels: tuple[str, ...] | Literal["data"] | None = None
    nested: bool = False
    ship: bool = True  # heads that only teach the encoder are dropped from the saved model

    @model_validator(mode="after")
    def _named_or_listed(self) -> HeadSection:
        if (self.inventory is None) == (self.labels is None):
            raise ValueError("give either inventory or labels")
        if self.inventory is not None and self.inventory not in INVENTORIES:
            raise ValueError(f"unknown inventory {self.inventory!r}{nearest(self.inventory, INVENTORIES)}")
        return self


class Blocks(Section):
    """A fixed split of a corpus without documents: sentences in blocks of `size`; every `every`-th block, from block
    `offset`, is the dev part. Whole blocks keep neighbouring sentences of one article on one side."""

    size: int = 40
    every: int = 10
    offset: int = 9

    def is_dev(self, sentence: int) -> bool:
        return (sentence // self.size) % self.every == self.offset


class Source(Section):
    """One data set feeding one head.

    `map` renames labels to the head's; labels it leaves out are unknown to the head (with `partial`, the loss is
    taken on mapped types only) or dropped. `repeat` is how often an epoch goes through the source.
    """

    head: str
    reader: Reader
    path: Path
    texts: Path | None = None  # the raw articles, for the annotations readers
    part: Literal["all", "train", "dev"] = "all"  # with `blocks`
    blocks: Blocks | None = None
    map: dict[str, str] | None = None
    partial: bool = False
    repeat: float = 1.0
    only: tuple[str, ...] | None = None  # documents, for the annotations readers
    without: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _part_needs_blocks(self) -> Source:
        if (self.part == "all") != (self.blocks is None):
            raise ValueError("part: train or dev needs blocks, and blocks need a part")
        if self.partial and self.map is None:
            raise ValueError("partial needs a map from the source's labels to the head's")
        return self


class CrossValidation(Section):
    """Leave-one-article-out over the documents of the annotations sources."""

    seeds: tuple[int, ...] = (1, 2, 3)
    entities: str = "entities"  # the head scored on entities
    stances: str | None = "stance"


class RunConfig(Section):
    """`rasid train` configs."""

    encoder: str
    output: Path
    heads: dict[str, HeadSection]
    sources: dict[str, Source]
    evaluation: dict[str, Source] = Field(default_factory=dict)
    cross_validation: CrossValidation | None = None
    window: int = 192
    overlap: int = 64
    pair_window: int = 384
    dropout: float = 0.1
    batch_tokens: int = 2048  # padded pieces of a training batch
    head_learning_rate: float = 1e-3  # heads start from nothing and learn faster than the encoder
    layer_decay: float = 1.0
    precision: Literal["auto", "bf16", "fp32"] = "auto"
    compress: bool = True  # save weights as fp16, embeddings as int8 by row
    training: dict[str, Any] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _heads_exist(self) -> RunConfig:
        for group in (self.sources, self.evaluation):
            for name, source in group.items():
                if source.head not in self.heads:
                    raise ValueError(f"source {name}: unknown head {source.head!r}{nearest(source.head, self.heads)}")
        idle = set(self.heads) - {source.head for source in self.sources.values()}
        if idle:
            raise ValueError(f"no source feeds head {sorted(idle)[0]!r}")
        return self


def load_run_config(name: str, overrides: list[str] | None = None) -> RunConfig:
    """A run config by path or shipped name with `--set` departures. Raises ConfigError."""
    return load_config(RunConfig, name, overrides)

"""One encoder with named heads, saved as a plain folder: config.json, model.safetensors, tokenizer.json.

Heads: `tokens` gives every word a BIO label for each type of an inventory (types are independent, so spans of different
types may nest); `pair` reads the stance of a passage towards a target; `text` gives a whole article one label of an
inventory, or several. The module knows tensors and folders; words, windows and labels stand in `rasid.encoding` and
`rasid.decode`.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import torch
from pydantic import Field
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn
from transformers import AutoConfig, AutoModel, PreTrainedConfig, PreTrainedModel, PreTrainedTokenizerFast

from rasid.aggregation import MEAN
from rasid.calibration import NOTHING, Calibration
from rasid.config import Section
from rasid.encoding import SLOTS, TARGET
from rasid.errors import ModelError, nearest
from rasid.labels import Inventory
from rasid.lexical import BUCKETS, Learnt, Lexical
from rasid.pretrained import Encoder, find_encoder, is_ours, positions_of
from rasid.pretrained import shipped_models as shipped_models
from rasid.storage import read_weights, write_weights
from rasid.tokenizing import has_tokenizer
from rasid.tokenizing import load_tokenizer as load_tokenizer

if TYPE_CHECKING:
    from rasid.network import Network

BIO = 3  # labels of one type: 0 outside, 1 begin, 2 inside
OUTSIDE, BEGIN, INSIDE = range(BIO)
WEIGHTS = "model.safetensors"
SHARDED = "model.safetensors.index.json"  # what a large encoder has in its place


class Head(Section):
    """What a head predicts: `labels` are entity types (tokens) or classes (pair, text).

    `nested`, `lift` and `pooling` are for `tokens` heads, the latter two how their scores are read (`rasid.evidence`).
    A `text` head with `multilabel` gives any number of its labels, none as well. `lexical`, of a `pair` head, says what
    its lexical part was fitted on (`rasid.lexical`); None for a head without one.
    """

    kind: Literal["tokens", "pair", "text"]
    labels: tuple[str, ...]
    nested: bool = False
    multilabel: bool = False
    lift: float = Field(default=0.0, allow_inf_nan=False)
    pooling: float = Field(default=0.0, ge=0, allow_inf_nan=False)
    lexical: Learnt | None = None

    def predicts_like(self, other: Head | None) -> bool:
        """Whether the two have the same outputs, so that one may go on from the other's weights."""
        how: dict[str, Any] = {"lift": 0.0, "pooling": 0.0, "lexical": None}
        return other is not None and self.model_copy(update=how) == other.model_copy(update=how)

    @property
    def inventory(self) -> Inventory:
        return Inventory("head", self.labels, self.nested)


class RasidConfig(PreTrainedConfig):
    """config.json of a Rasid model: the encoder's own config, the heads by name, how long texts are cut, and how the
    heads' scores become probabilities (a folder without that gives them raw)."""

    model_type = "rasid"

    def __init__(
        self,
        encoder: dict[str, Any] | None = None,
        heads: dict[str, Any] | None = None,
        dropout: float = 0.1,
        window: int = 192,
        overlap: int = 64,
        pair_window: int = 384,
        in_place: bool = False,
        contrast: bool = False,
        wording: bool = False,
        aggregation: str = MEAN,
        calibration: dict[str, Any] | None = None,
        repair: bool = True,
        base: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        self.encoder = encoder or {}
        self.heads = heads or {}
        self.dropout = dropout
        self.window = window  # pieces of one window, special tokens included
        self.overlap = overlap  # pieces that neighbouring windows share
        self.pair_window = pair_window  # pieces of a target and its passage; a longer passage is read in parts
        self.in_place = in_place  # whether stances towards what is mentioned are read off the article, `rasid.scoring`
        self.contrast = contrast  # whether claims are judged by what the passage does not share, see `rasid.contrast`
        self.wording = wording  # whether loaded words near a target's mentions weigh in, see `rasid.loaded`
        self.aggregation = aggregation  # of passages to an article's stance, see `rasid.aggregation`
        self.calibration = calibration or {}  # by head
        self.repair = repair  # whether glued words are cut and split ones joined, see `rasid.repair`
        self.base = base or {}  # what it was made from: the encoder's name, commit or sha256, and preprocessing
        super().__init__(**kwargs)

    @property
    def named_heads(self) -> dict[str, Head]:
        return {name: Head.model_validate(head) for name, head in self.heads.items()}

    def calibration_of(self, head: str) -> Calibration:
        """How a head's scores become probabilities. Raises ValueError (pydantic) for numbers that cannot be."""
        found = self.calibration.get(head)
        return Calibration.model_validate(found) if found else NOTHING

    def encoder_config(self) -> PreTrainedConfig:
        tree = dict(self.encoder)
        return AutoConfig.for_model(tree.pop("model_type"), **tree)


class TokensHead(nn.Module):
    """BIO logits for every word and type: (batch, words, types, 3)."""

    def __init__(self, size: int, labels: int, dropout: float) -> None:
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        self.output = nn.Linear(size, labels * BIO)
        self._labels = labels

    def forward(self, words: Tensor) -> Tensor:
        logits: Tensor = self.output(self.dropout(words))
        return logits.view(*words.shape[:2], self._labels, BIO)


class LexicalTable(nn.Module):
    """Where a `pair` head keeps the weights of its lexical part. It is no layer: `rasid.scoring` reads it, and the
    encoder's training leaves it as it is."""

    weight: Tensor
    bias: Tensor

    def __init__(self, labels: int) -> None:
        super().__init__()
        self.register_buffer("weight", torch.zeros(labels, BUCKETS))
        self.register_buffer("bias", torch.zeros(labels))


class PairHead(nn.Module):
    """Class logits (..., classes) from the mean states (..., hidden) of target and passage, their difference and their
    product (the sentence-pair features of InferSent, Conneau et al. 2017)."""

    def __init__(self, size: int, labels: int, dropout: float, lexical: bool = False) -> None:
        super().__init__()
        self.hidden = nn.Linear(4 * size, size)
        self.dropout = nn.Dropout(dropout)
        self.output = nn.Linear(size, labels)
        self.lexical = LexicalTable(labels) if lexical else None

    def forward(self, target: Tensor, passage: Tensor) -> Tensor:
        features = torch.cat([target, passage, (target - passage).abs(), target * passage], dim=-1)
        logits: Tensor = self.output(self.dropout(nn.functional.gelu(self.hidden(self.dropout(features)))))
        return logits


class TextHead(nn.Module):
    """Class logits (articles, classes) from the mean state of an article's pieces, all its windows taken together."""

    def __init__(self, size: int, labels: int, dropout: float) -> None:
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        self.output = nn.Linear(size, labels)

    def forward(self, articles: Tensor) -> Tensor:
        logits: Tensor = self.output(self.dropout(articles))
        return logits


def pool(states: Tensor, index: Tensor, groups: int) -> Tensor:
    """Mean state of each group of pieces, (B, groups, H): states (B, L, H), index (B, L) in 0..groups-1 or -1 for none.

    A group without a piece gives zeros.
    """
    total, count = _totals(states, index, groups)
    return total / count.clamp(min=1.0)


def _totals(states: Tensor, index: Tensor, groups: int) -> tuple[Tensor, Tensor]:
    """The sum of the states of each group of pieces, (B, groups, H), and how many they are, (B, groups, 1)."""
    batch, _, size = states.shape
    slots = torch.where(index < 0, groups, index)
    total = states.new_zeros(batch, groups + 1, size)
    total = total.scatter_add(1, slots.unsqueeze(-1).expand(-1, -1, size), states)
    count = states.new_zeros(batch, groups + 1).scatter_add(1, slots, torch.ones_like(slots, dtype=states.dtype))
    return total[:, :groups], count[:, :groups].unsqueeze(-1)


def targets_and_passages(states: Tensor, index: Tensor, groups: int) -> tuple[Tensor, Tensor]:
    """Mean states of targets, and for each that of its passage's other pieces, mentions of other targets among them, so
    that no answer hangs on what else is asked: both (B, H) of windows with one target and passage, else (B, groups, H).
    """
    total, count = _totals(states, index, groups)
    slots = SLOTS if groups > 2 else groups
    whole, size = (each.unflatten(1, (-1, slots)).sum(2, keepdim=True) for each in (total, count))
    others = whole.expand(-1, -1, slots, -1).flatten(1, 2) - total
    left = size.expand(-1, -1, slots, -1).flatten(1, 2) - count
    targets, passages = total / count.clamp(min=1.0), others / left.clamp(min=1.0)
    return (targets, passages) if groups > 2 else (targets[:, TARGET], passages[:, TARGET])


def _new_head(head: Head, size: int, dropout: float) -> nn.Module:
    if head.kind == "pair":
        return PairHead(size, len(head.labels), dropout, head.lexical is not None)
    return (TokensHead if head.kind == "tokens" else TextHead)(size, len(head.labels), dropout)


class RasidModel(PreTrainedModel):
    """An `AutoModel` encoder and its heads; one head is run per call."""

    config_class = RasidConfig
    base_model_prefix = "encoder"
    supports_gradient_checkpointing = True
    _supports_sdpa = True

    def __init__(self, config: RasidConfig) -> None:
        super().__init__(config)
        encoder_config = config.encoder_config()
        self.encoder = AutoModel.from_config(encoder_config, dtype=torch.float32)
        if getattr(self.encoder, "pooler", None) is not None:
            self.encoder.pooler = None  # of BERT and its kin: no head reads it, and it would never be trained
        size = encoder_config.hidden_size
        self.heads = nn.ModuleDict(
            {name: _new_head(head, size, config.dropout) for name, head in config.named_heads.items()}
        )
        # Whether a step of one head takes the others along, with nought: processes that hold a part of the weights each
        # must all have gradients of the same ones.
        self.all_heads = False
        self.post_init()  # type: ignore[no-untyped-call]
        self._no_split_modules = self._layers()

    def _layers(self) -> list[str]:
        """Classes of modules that FSDP shards as one: the encoder's, less those that hold the input embeddings, which
        it shards on their own."""
        embeddings = self.encoder.get_input_embeddings()
        outer = {type(module).__name__ for module in self.encoder.modules() if embeddings in module.children()}
        return sorted(set(self._no_split_modules or ()) - outer)

    def states(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """Encoder states (batch, pieces, hidden), in the precision of the heads: these may be more exact, since they
        count pieces."""
        output: Tensor = self.encoder(input_ids=input_ids, attention_mask=attention_mask)[0]
        return output.to(next(self.heads.parameters(), output).dtype)

    def forward(self, head: str, input_ids: Tensor, attention_mask: Tensor, index: Tensor, groups: int) -> Tensor:
        """Logits of one head.

        input_ids, attention_mask: (B, L). index: (B, L), -1 on special tokens and padding; for a `tokens` head the word
        number of each piece; for a `pair` head 0 on the target and 1 on the passage, or the groups of
        `rasid.encoding.grouped`; for a `text` head the number of the article that the window is of. groups: words in
        the longest row; for a `pair` head 2, or those of the row with most passages; articles for a `text` head.
        Returns (B, groups, types, 3); (B, classes), or (B, groups, classes), which mean something where a group is a
        target's; for a `text` head (groups, classes).
        """
        logits = self._logits(head, input_ids, attention_mask, index, groups)
        if self.all_heads:
            logits = logits + 0.0 * torch.stack([parameter.sum() for parameter in self.heads.parameters()]).sum()
        return logits

    def _logits(self, head: str, input_ids: Tensor, attention_mask: Tensor, index: Tensor, groups: int) -> Tensor:
        states, module = self.states(input_ids, attention_mask), self.heads[head]
        if isinstance(module, TextHead):  # in float32: an article has more pieces than bf16 can count, 256
            articles: Tensor = module(pool(states.float().flatten(0, 1)[None], index.flatten()[None], groups)[0])
            return articles
        if isinstance(module, PairHead):
            stances: Tensor = module(*targets_and_passages(states, index, groups))
            return stances
        logits: Tensor = module(pool(states, index, groups))
        return logits


@dataclass(frozen=True)
class Loaded:
    """A model ready to run, with its tokenizer and provenance."""

    model: RasidModel
    tokenizer: PreTrainedTokenizerFast
    name: str
    revision: str  # sha256 of the weights file
    network: Network | None = None  # what runs it in place of torch, see `rasid.network`

    def lexical(self, head: str) -> Lexical | None:
        """The lexical part of a `pair` head, or None."""
        module, learnt = self.model.heads[head], self.model.config.named_heads[head].lexical
        if not isinstance(module, PairHead) or module.lexical is None or learnt is None:
            return None
        weight, bias = (each.float().cpu().numpy() for each in (module.lexical.weight, module.lexical.bias))
        return Lexical(weight, bias, learnt)

    def head(self, kind: str) -> str | None:
        """Name of the first head of a kind, or None."""
        return next((name for name, head in self.model.config.named_heads.items() if head.kind == kind), None)


def find_model(name: str) -> Path:
    """A model folder by path or by the name of a shipped model. Raises ModelError when there is neither."""
    path = Path(name)
    if path.is_dir():
        return path
    shipped = shipped_models()
    if name in shipped:
        return shipped[name]
    raise ModelError(f"{name}: no such model folder{nearest(name, shipped) if shipped else ''}")


def check_folder(folder: Path, model_type: str | None = "rasid") -> dict[str, Any]:
    """The folder's config.json, after checking that the folder is whole, holds safetensors and is of `model_type`."""
    config = folder / "config.json"
    if not config.is_file():
        raise ModelError(f"{folder}: not a model folder, config.json is missing")
    try:
        tree: dict[str, Any] = json.loads(config.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ModelError(f"{config}: not valid JSON ({error})") from None
    if model_type and tree.get("model_type") != model_type:
        found = tree.get("model_type")
        raise ModelError(f"{folder}: a {found!r} model, expected {model_type!r}; train one with `rasid train`")
    _check_weights(folder, sharded=model_type is None)
    if not (folder / "tokenizer.json").is_file() and (model_type or not has_tokenizer(folder)):
        raise ModelError(f"{folder}: tokenizer.json is missing; only fast tokenizers keep offsets")
    return tree


def _check_weights(folder: Path, sharded: bool) -> None:
    """Raises ModelError where a folder has no sound safetensors; an encoder's may be `sharded`."""
    weights = folder / WEIGHTS
    if sharded and (folder / SHARDED).is_file():
        return
    if not weights.is_file():
        pickles = sorted(p.name for p in folder.iterdir() if p.suffix in {".bin", ".pt", ".pth", ".pkl", ".ckpt"})
        why = f"; {pickles[0]} is a pickle and is never loaded, convert it to safetensors" if pickles else ""
        raise ModelError(f"{folder}: {WEIGHTS} is missing{why}")
    try:
        with safe_open(weights, framework="pt") as tensors:
            list(tensors.keys())
    except SafetensorError as error:
        raise ModelError(f"{weights}: damaged or truncated ({error})") from None


def revision_of(folder: Path) -> str:
    """sha256 of the folder's weights, the identity of a model in its records."""
    with (folder / WEIGHTS).open("rb") as weights:
        return hashlib.file_digest(weights, "sha256").hexdigest()


def _read_model(folder: Path) -> RasidModel:
    """The model of a folder that holds a Rasid model, in float32. Raises ModelError when its files do not agree."""
    check_folder(folder)
    try:
        model = RasidModel(RasidConfig.from_pretrained(folder, local_files_only=True))
        weights = read_weights(folder / WEIGHTS)
        missing = sorted(model.state_dict().keys() - weights.keys())
        if missing:
            raise ValueError(f"no weights for {missing[0]}")
        model.load_state_dict(weights)
        for name in model.config.calibration:
            model.config.calibration_of(name)
    except (RuntimeError, ValueError, KeyError, TypeError) as error:
        raise ModelError(f"{folder}: weights and config.json do not fit each other ({_brief(error)})") from None
    return model


def load_model(name: str, device: str | torch.device = "cpu") -> Loaded:
    """A Rasid model by path or shipped name, in float32 and eval mode. Raises ModelError for anything else."""
    folder = find_model(name)
    model = _read_model(folder)
    _check_reading(folder, model.config)
    nn.Module.to(model, device)
    nn.Module.eval(model)
    return Loaded(model, load_tokenizer(folder), folder.resolve().name, revision_of(folder))


def outline_model(name: str) -> Loaded:
    """A model as `load_model` gives it, without its weights: for engines that have weights of their own. Its `pair`
    heads it has, since no engine puts the states of mentions through them."""
    folder = find_model(name)
    check_folder(folder)
    try:
        config = RasidConfig.from_pretrained(folder, local_files_only=True)
        _check_reading(folder, config)
        with torch.device("meta"):
            model = RasidModel(config)
        _read_pair_heads(model, folder / WEIGHTS)
    except (RuntimeError, ValueError, KeyError, TypeError, SafetensorError) as error:
        raise ModelError(f"{folder}: config.json is not one of a model ({_brief(error)})") from None
    nn.Module.eval(model)
    return Loaded(model, load_tokenizer(folder), folder.resolve().name, revision_of(folder))


def _check_reading(folder: Path, config: PreTrainedConfig) -> None:
    """Raises ModelError for a model of an earlier reading, whose stances would come out as what it has not learnt."""
    if getattr(config, "together", False):
        raise ModelError(
            f"{folder}: learnt to read a passage once for all its targets (together: true), which has given way to "
            "in_place; train it anew"
        )


def _read_pair_heads(model: RasidModel, weights: Path) -> None:
    """Fills the `pair` heads of a model without weights."""
    with safe_open(weights, framework="pt") as tensors:
        for name, module in model.heads.items():
            if isinstance(module, PairHead):
                own = {key: tensors.get_tensor(f"heads.{name}.{key}").float() for key in module.state_dict()}
                module.load_state_dict(own, assign=True)


def save_model(loaded: Loaded, folder: Path, compress: bool) -> None:
    """Writes the folder that `load_model` reads; compressed weights are a quarter as large (see `rasid.storage`)."""
    folder.mkdir(parents=True, exist_ok=True)
    loaded.model.config.save_pretrained(folder)
    embeddings = loaded.model.encoder.get_input_embeddings().weight
    write_weights(loaded.model, folder / WEIGHTS, embeddings if compress else None)
    loaded.tokenizer.save_pretrained(folder)


def _brief(error: Exception) -> str:
    """A library's message on one line, cut to 200 characters."""
    return " ".join(str(error).split())[:200]


def new_model(
    encoder: str | Encoder,
    heads: dict[str, Head],
    window: int,
    overlap: int,
    dropout: float,
    pair_window: int = 384,
    encoder_dropout: float | None = None,
    layers: int | None = None,
) -> RasidModel:
    """Heads on a pretrained encoder: a folder, a shipped model's name, or a hub id (cached or online).

    Going on from a Rasid model, a head of the same name, kind and labels keeps what it has learnt. `encoder_dropout`
    replaces the encoder's own rates, which a compact encoder has at 0 for pretraining's sake. Of its layers the first
    `layers` are taken, all by default (Sajjad et al. 2023, arXiv 2004.03844).
    """
    source = encoder if isinstance(encoder, Encoder) else find_encoder(encoder)
    check_folder(source.folder, model_type=None)
    earlier = _read_model(source.folder) if is_ours(source.folder) else None
    pretrained = earlier.encoder if earlier else _pretrained(source)
    if layers is not None:
        _keep_layers(source.name, pretrained, layers)
    _check_lengths(source.name, pretrained.config, heads, window, pair_window)
    rates = {} if encoder_dropout is None else dict.fromkeys(_dropout_keys(pretrained.config), encoder_dropout)
    config = RasidConfig(
        encoder=pretrained.config.to_diff_dict() | {"model_type": pretrained.config.model_type} | rates,
        heads={name: head.model_dump(mode="json") for name, head in heads.items()},
        window=window,
        overlap=overlap,
        pair_window=pair_window,
        dropout=dropout,
        base=source.provenance(),
    )
    model = RasidModel(config)
    model.encoder.load_state_dict(_needed(pretrained))
    known = earlier.config.named_heads if earlier else {}
    for name, head in heads.items():
        if earlier and head.predicts_like(known.get(name)):
            # A lexical part is fitted anew, on what this run learns from.
            learnt = {key: value for key, value in earlier.heads[name].state_dict().items() if "lexical" not in key}
            model.heads[name].load_state_dict(learnt, strict=False)
    return model


def _keep_layers(name: str, encoder: PreTrainedModel, layers: int) -> None:
    """Drops all layers of an encoder but the first ones, from the encoder itself and from its config."""
    config = encoder.config
    if layers > config.num_hidden_layers:
        raise ModelError(f"layers: {layers} are asked of encoder {name}, which has {config.num_hidden_layers}")
    for module in list(encoder.modules()):
        for child, stack in module.named_children():
            if isinstance(stack, nn.ModuleList) and len(stack) == config.num_hidden_layers:
                setattr(module, child, stack[:layers])
    if getattr(config, "layer_types", None):  # ModernBERT's: which layers look at all of a window
        config.layer_types = config.layer_types[:layers]
    config.num_hidden_layers = layers


def _needed(encoder: PreTrainedModel) -> dict[str, Tensor]:
    """A pretrained encoder's weights without its pooler's, which `RasidModel` has not."""
    return {name: value for name, value in encoder.state_dict().items() if not name.startswith("pooler.")}


def _check_lengths(name: str, config: PreTrainedConfig, heads: dict[str, Head], window: int, pair_window: int) -> None:
    """Raises ModelError where a head would read more pieces at once than the encoder has positions."""
    positions = positions_of(config)
    kinds = {head.kind for head in heads.values()}
    for key, size, used in (("window", window, kinds - {"pair"}), ("pair_window", pair_window, kinds & {"pair"})):
        if used and positions is not None and size > positions:
            raise ModelError(f"{key}: {size} pieces are more than the {positions} positions of encoder {name}")


def _dropout_keys(config: PreTrainedConfig) -> list[str]:
    """Names of the dropout rates in an encoder's config; `classifier_dropout` is of a head that we do not use."""
    keys = (key for key in config.to_dict() if "dropout" in key and not key.startswith("classifier"))
    return [key for key in keys if isinstance(getattr(config, key), float | int)]


def _pretrained(source: Encoder) -> PreTrainedModel:
    """A plain encoder from its folder: safetensors only, no code of its own."""
    options = {"dtype": torch.float32, "use_safetensors": True, "local_files_only": True, "trust_remote_code": False}
    try:
        encoder: PreTrainedModel = AutoModel.from_pretrained(source.folder, **options)
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        raise ModelError(f"encoder {source.name}: cannot be loaded ({_brief(error)})") from None
    return encoder


AutoConfig.register("rasid", RasidConfig)

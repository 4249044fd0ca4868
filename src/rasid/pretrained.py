"""Where an encoder is, and what it asks for: a folder, a model that ships, or a hub id pinned to a commit.

It knows the Arabic encoders in use by name: which preprocessing their authors prescribe, and which of them cannot keep
offsets. Weights, heads and windows stand in `rasid.model`.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from transformers import PreTrainedConfig, PreTrainedTokenizerFast

from rasid.errors import ModelError, nearest
from rasid.hub import fetch, is_hub_id
from rasid.tokenizing import load_tokenizer

AUTO = "auto"
# What the authors prescribe, by hub id or the last part of a folder's path. The sources stand in `configs/` and in
# `rasid.preprocessing`.
PRESCRIBED = {
    "aubmindlab/bert-base-arabertv01": "arabert",
    "aubmindlab/bert-base-arabertv02": "arabert",
    "aubmindlab/bert-large-arabertv02": "arabert",
    "aubmindlab/bert-base-arabertv02-twitter": "arabert-twitter",
    "aubmindlab/bert-large-arabertv02-twitter": "arabert-twitter",
    "aubmindlab/araelectra-base-discriminator": "arabert",
    "aubmindlab/araelectra-base-generator": "arabert",
    "CAMeL-Lab/bert-base-arabic-camelbert-msa": "camelbert",
    "CAMeL-Lab/bert-base-arabic-camelbert-mix": "camelbert",
    "CAMeL-Lab/bert-base-arabic-camelbert-da": "camelbert",
    "CAMeL-Lab/bert-base-arabic-camelbert-ca": "camelbert",
    "U4RASD/NeoAraBERT": "neoarabert",
    "U4RASD/NeoAraBERT_MSA": "neoarabert",
    "U4RASD/NeoAraBERT_DA": "neoarabert",
}
# Read text that Farasa has cut into stems and clitics, each a word of its own; and what to take instead.
SEGMENTED = {
    "aubmindlab/bert-base-arabert": "aubmindlab/bert-base-arabertv02",
    "aubmindlab/bert-large-arabert": "aubmindlab/bert-large-arabertv02",
    "aubmindlab/bert-base-arabertv2": "aubmindlab/bert-base-arabertv02",
    "aubmindlab/bert-large-arabertv2": "aubmindlab/bert-large-arabertv02",
}
# Families that count positions from the padding id on, and so have fewer than their table has rows.
_OFFSET = frozenset(
    {
        "roberta",
        "xlm-roberta",
        "xlm-roberta-xl",
        "camembert",
        "roberta-prelayernorm",
        "data2vec-text",
        "mpnet",
        "xmod",
        "longformer",
    }
)
_CLITICS = {"ال+", "+ها"}  # entries of a vocabulary that was learnt from such text


@dataclass(frozen=True)
class Encoder:
    """An encoder on this machine. `commit`: of the hub, None for a folder; `chain`: the preprocessing in force."""

    name: str  # as the config has it
    folder: Path
    commit: str | None
    chain: str

    def tokenizer(self) -> PreTrainedTokenizerFast:
        """Its tokenizer with the preprocessing inside; that of a Rasid model has it inside already."""
        return load_tokenizer(self.folder, "none" if is_ours(self.folder) else self.chain)

    def provenance(self) -> dict[str, Any]:
        """What a model made from it says of its origin: the name, the commit or the weights' sha256, and theirs."""
        named = {"commit": self.commit} if self.commit else {"sha256": weights_hash(self.folder)}
        earlier = read_json(self.folder / "config.json").get("base")
        return {"encoder": self.name, **named, "preprocessing": self.chain} | ({"base": earlier} if earlier else {})


def shipped_models() -> dict[str, Path]:
    """Name to folder of the models that ship with the package (installed or in the checkout)."""
    folders = (Path(__file__).parent / "models", Path(__file__).parents[2] / "models")
    found = (path for folder in folders if folder.is_dir() for path in sorted(folder.iterdir()))
    return {path.name: path for path in found if (path / "config.json").is_file()}


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object, or an empty one where there is no such file or none that can be read."""
    try:
        tree = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return tree if isinstance(tree, dict) else {}


def is_ours(folder: Path) -> bool:
    """Whether a folder holds a Rasid model."""
    return read_json(folder / "config.json").get("model_type") == "rasid"


def weights_hash(folder: Path) -> str:
    """sha256 of a folder's safetensors; of several files, of their hashes in name order."""
    hashes = []
    for path in sorted(folder.glob("*.safetensors")):
        with path.open("rb") as weights:
            hashes.append(hashlib.file_digest(weights, "sha256").hexdigest())
    return hashes[0] if len(hashes) == 1 else hashlib.sha256("\n".join(hashes).encode()).hexdigest()


def find_encoder(name: str, revision: str | None = None, preprocessing: str = AUTO) -> Encoder:
    """An encoder by folder, shipped name or hub id; `revision` pins one of the hub. Raises ModelError, in one line,
    for one that is not there, cannot be had, or cannot keep offsets."""
    _refuse_segmented(name)
    folder = Path(name) if Path(name).is_dir() else shipped_models().get(name)
    if folder is not None:
        if revision is not None:
            raise ModelError(f"encoder {name}: a folder has no revision; leave {revision!r} out")
        commit = None
    elif is_hub_id(name):
        snapshot = fetch(name, revision)
        folder, commit = snapshot.folder, snapshot.commit
    else:
        raise ModelError(f"encoder {name}: no such folder{nearest(name, shipped_models())}")
    chain = _chain_of(name, folder, preprocessing)
    if preprocessing == AUTO and chain == "none":
        _refuse_segmented_vocabulary(name, folder)
    return Encoder(name, folder, commit, chain)


def _chain_of(name: str, folder: Path, preprocessing: str) -> str:
    """The preprocessing in force: the one asked for, the authors' own, or that a Rasid model was made with."""
    if is_ours(folder):
        made_with = str(read_json(folder / "config.json").get("base", {}).get("preprocessing", "none"))
        if preprocessing not in (AUTO, made_with):
            raise ModelError(
                f"encoder {name}: made with preprocessing {made_with!r}, which cannot become {preprocessing!r}"
            )
        return made_with
    if preprocessing != AUTO:
        return preprocessing
    known = PRESCRIBED | {identity.rpartition("/")[2]: chain for identity, chain in PRESCRIBED.items()}
    return known.get(name) or known.get(folder.resolve().name) or "none"


def _refuse_segmented(name: str) -> None:
    by_name = {identity.rpartition("/")[2]: instead for identity, instead in SEGMENTED.items()}
    instead = SEGMENTED.get(name) or by_name.get(Path(name).name)
    if instead:
        raise ModelError(_segmented(name, instead))


def _refuse_segmented_vocabulary(name: str, folder: Path) -> None:
    vocabulary = read_json(folder / "tokenizer.json").get("model", {}).get("vocab", {})
    if isinstance(vocabulary, dict) and vocabulary.keys() >= _CLITICS:
        raise ModelError(_segmented(name, "aubmindlab/bert-base-arabertv02"))


def _segmented(name: str, instead: str) -> str:
    return (
        f"encoder {name}: reads text that Farasa has segmented (و+ ال+ كتاب), which loses the offsets into the article;"
        f" take {instead}, which reads words whole"
    )


def positions_of(config: PreTrainedConfig) -> int | None:
    """How many pieces an encoder can read at once, special tokens included; None where its config sets no limit."""
    rows = getattr(config, "max_position_embeddings", None)
    if not isinstance(rows, int) or rows <= 0:
        return None
    return rows - int(config.pad_token_id or 0) - 1 if config.model_type in _OFFSET else rows

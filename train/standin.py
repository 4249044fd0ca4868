"""Stand-ins for encoders: the right architecture and the right kind of tokenizer, a few thousand random weights.

They let a config be checked from its data to a saved model where the encoder itself cannot be had: in tests, in CI, on
a machine that is offline. A stand-in has learnt nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import AutoConfig, AutoModel, PreTrainedTokenizerFast

from rasid.errors import nearest
from rasid.neoarabert import register

from .tokenizer import train_wordpiece

_BERT = {"pad_token": "[PAD]", "unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]", "mask_token": "[MASK]"}
_ROBERTA = {"cls_token": "<s>", "pad_token": "<pad>", "sep_token": "</s>", "unk_token": "<unk>", "mask_token": "<mask>"}
_ROBERTA |= {"bos_token": "<s>", "eos_token": "</s>"}
_SHAPE = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 48}
_POSITIONS = 512
# Architecture by family; of families with one architecture the tokenizers differ.
FAMILIES = {
    "bert": "bert",  # WordPiece that keeps letters as they are: AraBERT, CAMeLBERT
    "bert-uncased": "bert",  # WordPiece with strip_accents: ARBERT, MARBERT
    "electra": "electra",
    "roberta": "roberta",  # byte-level BPE
    "roberta-spaced": "roberta",  # the same with add_prefix_space
    "xlm-roberta": "xlm-roberta",  # SentencePiece Unigram, NFKC
    "deberta-v2": "deberta-v2",
    "modernbert": "modernbert",  # byte-level BPE, rotary positions
    "neoarabert": "neoarabert",
}


def _wordpiece(texts: Sequence[str], size: int, strip_accents: bool) -> Tokenizer:
    normalizer = normalizers.BertNormalizer(strip_accents=strip_accents, lowercase=strip_accents)
    return _framed(train_wordpiece(texts, size, normalizer), "[CLS]", "[SEP]")


def _unigram(texts: Sequence[str], size: int, special: dict[str, str]) -> Tokenizer:
    tokenizer = Tokenizer(models.Unigram())
    spaces = normalizers.Replace(" {2,}", " ")
    tokenizer.normalizer = normalizers.Sequence([normalizers.Nmt(), normalizers.NFKC(), spaces])
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    names = list(dict.fromkeys(special.values()))
    unknown = special["unk_token"]
    options: dict[str, Any] = {"special_tokens": names, "unk_token": unknown, "show_progress": False}
    tokenizer.train_from_iterator(texts, trainers.UnigramTrainer(vocab_size=size, **options))
    return _framed(tokenizer, special["cls_token"], special["sep_token"])


def _byte_level(texts: Sequence[str], size: int, special: dict[str, str], spaced: bool) -> Tokenizer:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=spaced)
    tokenizer.decoder = decoders.ByteLevel()
    names, alphabet = list(dict.fromkeys(special.values())), pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=size, special_tokens=names, initial_alphabet=alphabet, show_progress=False)
    tokenizer.train_from_iterator(texts, trainer)
    opening, closing = special["cls_token"], special["sep_token"]
    return _framed(tokenizer, opening, closing)


def _framed(tokenizer: Tokenizer, opening: str, closing: str) -> Tokenizer:
    numbers = [(token, tokenizer.token_to_id(token)) for token in (opening, closing)]
    single, pair = f"{opening} $A {closing}", f"{opening} $A {closing} $B {closing}"
    tokenizer.post_processor = processors.TemplateProcessing(single=single, pair=pair, special_tokens=numbers)
    return tokenizer


def _tokenizer(family: str, texts: Sequence[str], size: int) -> PreTrainedTokenizerFast:
    special = _ROBERTA if "roberta" in family else _BERT
    if family in ("xlm-roberta", "deberta-v2"):
        made = _unigram(texts, size, special)
    elif family in ("roberta", "roberta-spaced", "modernbert"):
        made = _byte_level(texts, size, special, spaced=family == "roberta-spaced")
    else:
        made = _wordpiece(texts, size, strip_accents=family == "bert-uncased")
    return PreTrainedTokenizerFast(tokenizer_object=made, model_max_length=_POSITIONS, **special)


def make_stand_in(family: str, folder: Path, texts: Sequence[str], vocabulary: int = 400) -> Path:
    """Writes an encoder folder of a family, its tokenizer trained on `texts`, and returns it. Raises ValueError for a
    family that is not known."""
    if family not in FAMILIES:
        raise ValueError(f"unknown family {family!r}{nearest(family, FAMILIES)}")
    register()
    tokenizer = _tokenizer(family, texts, vocabulary)
    architecture = FAMILIES[family]
    own: dict[str, Any] = {"max_position_embeddings": _POSITIONS, "vocab_size": len(tokenizer)}
    if architecture.endswith("roberta"):
        own["max_position_embeddings"] += int(tokenizer.pad_token_id or 0) + 1
    if architecture == "electra":
        own["embedding_size"] = 16
    if architecture == "deberta-v2":
        own |= {"relative_attention": True, "position_biased_input": False, "pos_att_type": ["p2c", "c2p"]}
        own |= {"share_att_key": True, "norm_rel_ebd": "layer_norm", "position_buckets": 16}
    special = {f"{name}_token_id": getattr(tokenizer, f"{name}_token_id") for name in ("pad", "cls", "sep")}
    framed = {"bos_token_id": tokenizer.cls_token_id, "eos_token_id": tokenizer.sep_token_id}
    torch.manual_seed(0)
    config = AutoConfig.for_model(architecture, **_SHAPE, **own, **special, **framed)
    AutoModel.from_config(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder

"""The tokenizer of an encoder, as its `tokenizer.json` says and not as its class would have it.

Whatever it is loaded from, what comes out is one kind: a fast tokenizer that keeps offsets, opens and closes a
sequence, and reads back from the model folder exactly as it was. It knows nothing of words and windows.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, cast

from tokenizers import Tokenizer
from transformers import PreTrainedTokenizerFast

from rasid.errors import ModelError
from rasid.preprocessing import mark_word_starts, put_in_front

_SPECIAL = ("bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token")
_SLOW = {"vocab.txt", "vocab.json", "sentencepiece.bpe.model", "spiece.model", "tokenizer.model", "spm.model"}
_ENDLESS = 10**9  # what stands for "no limit" in tokenizer_config.json is far above it


def load_tokenizer(source: str | Path, chain: str = "none") -> PreTrainedTokenizerFast:
    """The fast tokenizer of a folder, with a chain of `rasid.preprocessing` in front. Raises ModelError when there is
    none, or none that keeps offsets."""
    folder = Path(source)
    try:
        loaded = _loaded(folder)
        backend: Tokenizer = mark_word_starts(Tokenizer.from_str(loaded.backend_tokenizer.to_str()))
        put_in_front(backend, chain)
    except ModelError:
        raise
    except Exception as error:  # the tokenizers library raises bare Exceptions for a file it cannot read
        raise ModelError(f"{source}: no tokenizer could be loaded ({' '.join(str(error).split())[:200]})") from None
    return _complete(loaded, backend, source)


def _loaded(folder: Path) -> PreTrainedTokenizerFast:
    """From tokenizer.json where there is one; else what transformers makes of older files.

    A class such as BertTokenizer builds its own normaliser and reads only the vocabulary of tokenizer.json.
    """
    from transformers import AutoTokenizer

    if (folder / "tokenizer.json").is_file():
        own = PreTrainedTokenizerFast.from_pretrained(folder, local_files_only=True)
        if own.cls_token_id is not None or own.bos_token_id is not None:
            return cast(PreTrainedTokenizerFast, own)
    if _has_own_code(folder):
        raise ModelError(f"{folder}: its tokenizer is code of its own, which is never run; a tokenizer.json is needed")
    found = AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    if not found.is_fast:
        raise ModelError(f"{folder}: its tokenizer is a slow one, which loses offsets; a tokenizer.json is needed")
    return cast(PreTrainedTokenizerFast, found)


def _has_own_code(folder: Path) -> bool:
    config = folder / "tokenizer_config.json"
    return config.is_file() and "auto_map" in json.loads(config.read_text(encoding="utf-8"))


def has_tokenizer(folder: Path) -> bool:
    """Whether a folder has files that a fast tokenizer can be made of."""
    return (folder / "tokenizer.json").is_file() or any((folder / name).is_file() for name in _SLOW)


def _complete(loaded: PreTrainedTokenizerFast, backend: Tokenizer, source: str | Path) -> PreTrainedTokenizerFast:
    """The backend with the special tokens of the one it comes from. Raises ModelError where a needed one is missing."""
    special = {name: getattr(loaded, name) for name in _SPECIAL if getattr(loaded, name, None) is not None}
    length: Any = loaded.model_max_length
    limit = {"model_max_length": int(length)} if length and length < _ENDLESS else {}
    # token types are 0 throughout, and no model of ours asks for them
    inputs = ["input_ids", "attention_mask"]
    made = PreTrainedTokenizerFast(tokenizer_object=backend, model_input_names=inputs, **special, **limit)
    opening, closing = made.cls_token or made.bos_token, made.sep_token or made.eos_token
    if opening is None or closing is None:
        missing = "opens" if opening is None else "closes"
        raise ModelError(
            f"{source}: its tokenizer has no token that {missing} a sequence (CLS and SEP, or BOS and EOS)"
        )
    return made

"""Shared fixtures: a tiny encoder and a tiny model, made once per test run on the CPU in about a second."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")

import pytest
import torch
from transformers import ModernBertConfig, ModernBertForMaskedLM

from rasid.labels import SALIENT, STANCES, WOJOOD
from rasid.model import OUTSIDE, Head, Loaded, load_tokenizer, new_model, save_model
from rasid.train.standin import make_stand_in
from rasid.train.tokenizer import save_tokenizer, train_tokenizer

SENTENCES = (
    "أعلنت وزارة الصحة في مدينة الميناء افتتاح مستشفى جديد قرب النهر يوم الأحد الماضي.",
    "وقال رئيس البلدية سامر الحداد إن المشروع كلف مليوني دولار وسيخدم ثلاثين ألف نسمة.",
    "وانتقد اتحاد الصيادين تأخر الحكومة في توزيع المساعدات على القرى الساحلية.",
    "في المقابل أشادت صحيفة المرفأ بجهود الجيش الوطني وبالتحالف الدولي في إزالة الألغام.",
    "ووصل وفد من الأمم المتحدة إلى العاصمة لبحث الهدنة مع قوات سوريا الديمقراطية وتركيا.",
    "وكتبت الصحيفة أن واشنطن والولايات المتحدة لم تعلنا موقفا من المؤتمر في 12 مارس 2019.",
)


@pytest.fixture(scope="session")
def sentences() -> tuple[str, ...]:
    """The sentences that the tiny encoder's tokenizer was trained on."""
    return SENTENCES


@pytest.fixture(scope="session")
def tiny_encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An encoder folder: 2 layers of 32, random weights, a tokenizer trained on SENTENCES."""
    folder = tmp_path_factory.mktemp("encoder")
    tokenizer = train_tokenizer(iter(SENTENCES * 6), 500)
    torch.manual_seed(0)
    config = ModernBertConfig(
        vocab_size=tokenizer.get_vocab_size(),
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=2,
        num_attention_heads=2,
        max_position_embeddings=512,
        layer_types=["full_attention"] * 2,
        pad_token_id=0,
        cls_token_id=2,
        sep_token_id=3,
        bos_token_id=2,
        eos_token_id=3,
    )
    ModernBertForMaskedLM(config).save_pretrained(folder)
    save_tokenizer(tokenizer, folder, 512)
    return folder


@pytest.fixture(scope="session")
def tiny_model(tiny_encoder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A saved Rasid model: heads `entities` (21 nested types) and `stance`, untrained but not uniform.

    The entity head's weights are spread so that spans of all types and lengths occur, many of them nested.
    """
    folder = tmp_path_factory.mktemp("models") / "tiny"
    heads = {
        "entities": Head(kind="tokens", labels=WOJOOD, nested=True),
        "stance": Head(kind="pair", labels=STANCES),
    }
    torch.manual_seed(1)
    model = new_model(str(tiny_encoder), heads, window=64, overlap=20, dropout=0.1)
    with torch.no_grad():
        output = model.heads["entities"].output
        output.weight.normal_(std=0.5)
        output.bias.view(-1, 3)[:, OUTSIDE] = 4.5
        for label in SALIENT:  # often enough for stances to have targets
            output.bias.view(-1, 3)[WOJOOD.index(label), OUTSIDE] = 1.0
        model.heads["stance"].output.weight.normal_(std=3.0)
    model.config.in_place = True
    save_model(Loaded(model, load_tokenizer(tiny_encoder), "tiny", ""), folder, compress=False)
    return folder


@pytest.fixture(scope="session")
def stand_in(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The folder of a tiny encoder of a family of `rasid.train.standin`, made once."""
    folders: dict[str, Path] = {}

    def folder_of(family: str) -> Path:
        if family not in folders:
            folders[family] = make_stand_in(family, tmp_path_factory.mktemp("standins") / family, SENTENCES * 6)
        return folders[family]

    return folder_of

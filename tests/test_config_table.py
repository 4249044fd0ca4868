"""Every shipped config is taken the whole way in miniature, and docs/configs.md says what came of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from rasid.config import shipped_configs

from .test_stance_scripts import script  # type: ignore[import-not-found]

ROOT = Path(__file__).parents[1]


def test_every_config_runs_and_the_page_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    table = script("scripts/config_table.py")
    shown = table.page()
    for name in shipped_configs():
        assert f"| {name} " in shown
    assert shown == (ROOT / "docs/configs.md").read_text(encoding="utf-8"), (
        "run `python scripts/config_table.py --output docs/configs.md`"
    )


@pytest.mark.parametrize(
    ("encoder", "family"),
    [
        ("aubmindlab/bert-base-arabertv02", "bert"),
        ("aubmindlab/araelectra-base-discriminator", "electra"),
        ("UBC-NLP/MARBERTv2", "bert-uncased"),
        ("NAMAA-Space/AraModernBert-Base-V1.0", "modernbert"),
        ("compact", "modernbert"),
    ],
)
def test_the_family_goes_by_the_name(encoder: str, family: str) -> None:
    assert script("scripts/config_table.py").family_of(encoder) == family

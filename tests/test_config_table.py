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


def test_tokenizer_families_runs(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(ROOT)
    families = script("scripts/tokenizer_families.py")
    monkeypatch.setattr("sys.argv", ["tokenizer_families.py", "--vocabulary", "800"])
    monkeypatch.setattr(families, "FAMILIES", {"bert": "bert", "roberta": "roberta"})
    families.main()
    shown = capsys.readouterr().out
    (bert,) = [line.split("|") for line in shown.splitlines() if line.startswith("| bert ")]
    (roberta,) = [line.split("|") for line in shown.splitlines() if line.startswith("| roberta ")]
    assert int(bert[3]) < 10 < 700 < int(roberta[3])  # nearly every mention stands behind a space
    assert int(bert[2]) == int(roberta[2]) == 810
    last = shown.splitlines()[-1].split()
    words_, by_class, as_written = int(last[0]), int(last[4]), int(last[9])
    assert by_class == words_ > 2000
    assert as_written == 0

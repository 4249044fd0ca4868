"""Every shipped config, taken the whole way in miniature: loaded, dry-run, one training step, saved, read again.

    python scripts/config_table.py --output docs/configs.md

The encoder is a stand-in of the right family (`rasid.train.standin`), the public sets are a handful of made sentences
in their formats, and of the five articles the shortest is read. It says that a config runs, and nothing of what it is
worth.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from rasid.config import apply_overrides, load_config, read_tree, shipped_configs
from rasid.model import load_model
from rasid.tables import table
from rasid.train.command import dry_run
from rasid.train.config import Source, load_run_config
from rasid.train.finetune import encoder_of, fit, save
from rasid.train.pretrain import PretrainConfig, pretrain
from rasid.train.standin import make_stand_in

# Families of encoders by the start of a name; `compact` and what is pretrained here are ModernBERT.
FAMILIES = {
    "aubmindlab/araelectra": "electra",
    "aubmindlab/": "bert",
    "CAMeL-Lab/": "bert",
    "UBC-NLP/": "bert-uncased",
    "U4RASD/": "neoarabert",
}
SENTENCE = (("زار", "O"), ("سامر", "B-{}"), ("الحداد", "I-{}"), ("الميناء", "B-{}"), (".", "O"))
PROSE = (
    "زار سامر الحداد الميناء يوم الأحد. وقال إن المشروع كلف مليوني دولار.\nوانتقد اتحاد الصيادين تأخر الحكومة.",
    "أشادت صحيفة المرفأ بجهود الجيش في إزالة الألغام. ووصل وفد من الأمم المتحدة إلى العاصمة لبحث الهدنة.",
)
CORPUS = "تحدث المزارعون عن موسم الزيتون في القرى الجبلية، وقالوا إن المطر تأخر كثيرا."
HEADER = ("config", "encoder", "stand-in (preprocessing)", "heads", "data", "dry run", "one step")


@dataclass(frozen=True)
class Line:
    """One config's line of the table."""

    name: str
    encoder: str
    family: str
    heads: str
    data: str
    dry_run: str
    step: str

    def cells(self) -> tuple[str, ...]:
        return (self.name, f"`{self.encoder}`", self.family, self.heads, self.data, self.dry_run, self.step)


def _tagged(path: Path, types: Sequence[str], sentences: int, separator: str = "\t") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = []
    for number in range(sentences):
        kind = types[number % len(types)]
        lines += [f"{word}{separator}{tag.format(kind)}" for word, tag in SENTENCE] + [""]
    path.write_text("\n".join(lines), encoding="utf-8")


def _rows(path: Path, rows: Sequence[dict[str, Any]]) -> None:
    """JSON lines, compressed where the name says so."""
    import zstandard

    path.parent.mkdir(parents=True, exist_ok=True)
    data = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()
    path.write_bytes(zstandard.compress(data) if path.suffix == ".zst" else data)


def make_data(folder: Path) -> None:
    """A folder like that which RASID_DATA names, with made sentences in the formats of the public sets."""
    ner, stance = folder / "ner", folder / "stance"
    _tagged(ner / "anercorp/train.tsv", ("PERS", "LOC", "ORG", "MISC"), 400)
    for part in ("train", "dev"):
        _tagged(ner / f"aqmar/{part}.tsv", ("PER", "LOC", "ORG", "MIS"), 8)
        labels = ("agree", "disagree", "other")
        _rows(stance / f"ans/{part}.jsonl", [_claim(n, labels[n % 3]) for n in range(12)])
    for part in ("train", "val"):
        _tagged(ner / f"wojood-sample/{part}.txt", ("PERS", "GPE"), 8, " ")
    _tagged(ner / "wikifane/all.tsv", ("PER_Politician", "LOC_City"), 8)
    for file, labels in (
        ("austr/folds1-4.jsonl", ("agree", "disagree", "other")),
        ("unified-fc/folds1-4.jsonl.zst", ("agree", "disagree", "discuss", "unrelated")),
    ):
        rows = [_claim(n, labels[n % len(labels)]) | {"fold": 1 + n % 4} for n in range(24)]
        _rows(stance / file, rows)
    mawqif = [_claim(n, ("favor", "against", "none")[n % 3]) for n in range(18)]
    targets = ("Covid Vaccine", "Digital Transformation", "Women empowerment")
    _rows(stance / "mawqif/train.jsonl", [row | {"target": targets[n % 3]} for n, row in enumerate(mawqif)])
    sections = ("Culture", "Finance", "Medical", "Politics", "Religion", "Sports", "Tech")
    _rows(
        folder / "text/news-alkhaleej.jsonl.zst",
        [{"id": f"alkhaleej:{sections[n % 7]}/{n}", "text": PROSE[n % 2]} for n in range(420)],
    )
    for file in _shards():
        if not (folder / "text" / file).is_file():
            _rows(folder / "text" / file, [{"id": str(n), "text": f"{CORPUS} {n}"} for n in range(12)])


def _claim(number: int, stance: str) -> dict[str, Any]:
    return {"claim": f"افتتاح الميناء {number % 6}", "text": PROSE[number % 2], "stance": stance}


def _shards() -> list[str]:
    tree = yaml.safe_load(shipped_configs()["pretrain-compact"].read_text(encoding="utf-8"))
    return [source["file"] for source in tree["text"]["sources"]]


def family_of(encoder: str) -> str:
    return next((family for start, family in FAMILIES.items() if encoder.startswith(start)), "modernbert")


def _needs(path: Path) -> str:
    """Whether a config, with what it extends, reads the public sets."""
    return "RASID_DATA" if "${RASID_DATA}" in json.dumps(read_tree(path)) else "the five articles"


def run_line(name: str, path: Path, folder: Path) -> Line:
    """A fine-tuning config's line; its run goes to `folder`."""
    config = load_run_config(str(path))
    family = family_of(config.encoder)
    encoder = folder.parent / "encoders" / family  # made once for all configs of a family
    if not encoder.is_dir():
        texts = [file.read_text(encoding="utf-8") for file in sorted(Path("seeds").glob("*.txt"))]
        make_stand_in(family, encoder, texts, vocabulary=1000)
    small = {"max_steps": 1, "save_strategy": "no", "eval_strategy": "no", "disable_tqdm": True}
    sources = {name: _shortest(source) for name, source in config.sources.items()}
    one = config.model_copy(
        update={
            "sources": sources,
            "encoder": str(encoder),
            "revision": None,
            "training": config.training | small,
            "precision": "fp32",
        }
    )
    with contextlib.redirect_stdout(io.StringIO()):
        dry_run(one)  # how many rows it counts hangs on the stand-in's tokenizer, which no two trainings make alike
        result = fit(one, folder / "run")
    save(result, one, folder / "run")
    kinds = {head: section.kind for head, section in one.heads.items() if section.ship}
    if kinds:
        read = load_model(str(folder / "run")).model.config.named_heads
        kinds = {head: section.kind for head, section in read.items()}
    chain = encoder_of(one).chain
    shown = family if chain == "none" else f"{family} ({chain})"
    heads = ", ".join(f"{head} ({section.kind})" for head, section in one.heads.items())
    step = f"taken, saved, read again with {len(kinds)}" if kinds else "taken, saved"
    return Line(name, config.encoder, shown, heads, _needs(path), "taken", step)


def _shortest(source: Source) -> Source:
    """A source of annotated articles cut down to one."""
    own = source.reader in ("annotations", "annotated-stances")
    return source.model_copy(update={"only": ("price-of-victory",)}) if own else source


def pretrain_line(name: str, path: Path, folder: Path) -> Line:
    """A pretraining config's line."""
    tree = read_tree(path)
    departures = [
        f"output={folder / 'run'}",
        "budget={tokens: 256}",
        "vocabulary=300",
        "tokenizer_share=1.0",
        "encoder={layers: 1, hidden: 32, heads: 2, intermediate: 32, positions: 64}",
        "warm_start=null",
        "stages=[{length: 16}]",
        "batch_tokens=64",
        "held_out=4",
        "compile=false",
        "precision=fp32",
        "pause_minutes=null",
    ]
    own = folder / "config.yaml"
    own.write_text(yaml.safe_dump(apply_overrides(tree, departures), allow_unicode=True), encoding="utf-8")
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        pretrain(load_config(PretrainConfig, str(own)))
    return Line(name, "none", "modernbert", "masked LM", _needs(path), "text packed", "taken, saved")


def config_table(names: Sequence[str] | None = None) -> str:
    """The table of the named configs, or of all."""
    lines = []
    before = os.environ.get("RASID_DATA")
    with tempfile.TemporaryDirectory() as scratch:
        os.environ["RASID_DATA"] = f"{scratch}/data"
        try:
            make_data(Path(scratch) / "data")
            for name, path in sorted(shipped_configs().items()):
                if names is None or name in names:
                    folder = Path(scratch) / name
                    folder.mkdir()
                    pretraining = "budget" in read_tree(path)
                    lines.append((pretrain_line if pretraining else run_line)(name, path, folder))
        finally:
            os.environ.pop("RASID_DATA")
            if before is not None:
                os.environ["RASID_DATA"] = before
    return table(HEADER, [line.cells() for line in lines])


def page() -> str:
    """docs/configs.md."""
    about = " ".join((__doc__ or "").split("\n\n")[2].split())
    how = (
        "Every config in `configs/`, taken the whole way in miniature by `scripts/config_table.py`, and in CI as well."
    )
    return f"# Configs\n\n{how}\n{about}\n\n{config_table()}\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, metavar="FILE", help="where to write the page (default: print it)")
    output = parser.parse_args().output
    text = page()
    if output is None:
        print(text, end="")
    else:
        output.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()

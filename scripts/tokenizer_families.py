"""What pieces a mention has by family of tokenizer, and what a tokenizer's class does to preprocessing (decision 0014).

    python scripts/tokenizer_families.py

The tokenizers are trained on the five articles, 4,000 entries each; the mentions are those of the gold. A second table
counts words with a fatha on every letter that read otherwise after a tokenizer was saved, when it is loaded by its
class and when it is loaded as its tokenizer.json says.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path

from transformers import AutoTokenizer, BertTokenizer, PreTrainedTokenizerFast

from rasid.annotations import Annotated, load_annotations
from rasid.encoding import piece_ids
from rasid.tables import table
from rasid.text import words
from rasid.tokenizing import load_tokenizer
from rasid.train.standin import FAMILIES, make_stand_in

FATHA = "\u064e"


def lost(tokenizer: PreTrainedTokenizerFast, gold: list[Annotated]) -> list[int]:
    """Mentions; those whose first piece begins before them; those that all pieces of begin before them."""
    mentions = first = whole = 0
    for each in gold:
        encoding = tokenizer(each.text, add_special_tokens=False, return_offsets_mapping=True, verbose=False)
        for entity in each.record.entities:
            over = [(s, e) for s, e in encoding["offset_mapping"] if s < entity.end and entity.start < e]
            inside = [place for place in over if entity.start <= place[0]]
            mentions += 1
            first += len(inside) < len(over)
            whole += not inside
    return [mentions, first, whole]


def changed(folder: Path, gold: list[Annotated]) -> list[int]:
    """Words with harakat; those read otherwise after loading by class; those after loading as tokenizer.json says."""
    vocabulary = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))["model"]["vocab"]
    made = BertTokenizer(vocab=vocabulary, do_lower_case=False)
    made.backend_tokenizer.normalizer = load_tokenizer(folder, "camelbert").backend_tokenizer.normalizer
    made.save_pretrained(folder / "saved")
    plain = [word.of(each.text) for each in gold for word in words(each.text)]
    vowelled = [FATHA.join(word) for word in plain if len(word) > 2 and word.isalpha()]
    before = piece_ids(made, vowelled)
    by_class = piece_ids(AutoTokenizer.from_pretrained(folder / "saved"), vowelled)
    as_written = piece_ids(load_tokenizer(folder / "saved"), vowelled)
    differ = [sum(old != new for old, new in zip(before, after, strict=True)) for after in (by_class, as_written)]
    return [len(vowelled), *differ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gold", type=Path, default=Path("annotations"), metavar="DIR", help="default: annotations")
    parser.add_argument("--texts", type=Path, default=Path("seeds"), metavar="DIR", help="default: seeds")
    parser.add_argument("--vocabulary", type=int, default=4000, metavar="N", help="of each tokenizer (default: 4000)")
    args = parser.parse_args()
    gold = load_annotations(args.gold, args.texts)
    rows = []
    with tempfile.TemporaryDirectory() as scratch:
        for family in FAMILIES:
            texts = [each.text for each in gold]
            folder = make_stand_in(family, Path(scratch) / family, texts, args.vocabulary)
            rows.append([family, *map(str, lost(load_tokenizer(folder), gold))])
        header = ["tokenizer of", "mentions", "first piece begins before", "all pieces begin before"]
        print(table(header, rows))
        counts = changed(Path(scratch) / "bert", gold)
    print(f"\n{counts[0]} words with harakat: {counts[1]} read otherwise by class, {counts[2]} as tokenizer.json says")


if __name__ == "__main__":
    main()

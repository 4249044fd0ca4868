"""The readers on the public sets themselves: sizes as their authors give them. Skipped where RASID_DATA is not set."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from rasid.config import find_config
from rasid.labels import INVENTORIES
from rasid.train.config import load_run_config
from rasid.train.sources import read_pairs, read_texts

DATA = os.environ.get("RASID_DATA")
pytestmark = pytest.mark.skipif(
    not DATA or not (Path(DATA) / "ner").is_dir(), reason="RASID_DATA does not name the folder of the public sets"
)


def test_anercorp_falls_apart_into_train_and_dev() -> None:
    config = load_run_config(str(find_config("anercorp")))
    own = {"train": config.sources["train"], "dev": config.evaluation["dev"]}
    train, dev = (read_texts(source.model_copy(update={"join": None})) for source in own.values())
    assert len(train) + len(dev) == 3973
    assert sum(len(gold.tokens or ()) for gold in train + dev) == 125_102
    assert not {gold.doc for gold in train} & {gold.doc for gold in dev}
    assert {e.type for gold in train for e in gold.entities} == set(INVENTORIES["anercorp"].types)
    for name, source in own.items():  # read among neighbours, the same words in the same order
        joined = [token.of(gold.text) for gold in read_texts(source) for token in gold.tokens or ()]
        apart = [token.of(gold.text) for gold in (train if name == "train" else dev) for token in gold.tokens or ()]
        assert joined == apart


def test_wojood_nested_tags_give_the_published_counts() -> None:
    config = load_run_config(str(find_config("intermediate")))
    train, val = read_texts(config.sources["wojood"]), read_texts(config.evaluation["wojood"])
    assert (len(train), len(val)) == (1114, 158)
    assert sum(len(gold.tokens or ()) for gold in train) == 18_887
    types = {e.type for gold in train + val for e in gold.entities}
    assert types <= set(INVENTORIES["wojood"].types)
    for gold in train + val:
        places = {(e.span.start, e.span.end, e.type) for e in gold.entities}
        assert len(places) == len(gold.entities)


def test_ans_labels_become_ours() -> None:
    config = load_run_config(str(find_config("intermediate")))
    labels = ("favor", "against", "none")
    assert len(read_pairs(config.sources["ans"], labels)) == 2652
    assert len(read_pairs(config.evaluation["ans"], labels)) == 755


def test_wikifane_has_no_loose_clitics_left() -> None:
    config = load_run_config(str(find_config("intermediate")))
    texts = read_texts(config.sources["wikifane"])
    assert len(texts) == 15_763
    loose = [
        gold.text[token.end + 1 : token.end + 2]
        for gold in texts
        for token in gold.tokens or ()
        if token.of(gold.text) == "و"
    ]
    # 33,425 in the file. What is left stands before digits, Latin and punctuation, but for names that begin with it.
    assert len(loose) < 700
    assert sum("\u0621" <= letter <= "\u064a" for letter in loose) < 150

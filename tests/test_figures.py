"""Figures: chunks and rows against seqeval and scikit-learn, seen and unseen, means over runs, units."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path
from statistics import mean, stdev

import pytest

from rasid.matching import surface_key
from rasid.metrics import conll_scores
from rasid.model import Head
from rasid.text import Span
from rasid.train.config import Blocks, Source
from rasid.train.evaluation import judge_texts, token_tags
from rasid.train.figures import (
    Figure,
    Units,
    chunks,
    label_figures,
    mean_figure,
    settled,
    text_figures,
    units_of,
)
from rasid.train.sources import GoldText, Typed, spans_of

TYPES = ("PERS", "LOC")


def sentence(tags: list[str], number: int = 0) -> GoldText:
    """Tokens of two letters joined by spaces, with these tags."""
    words = [chr(0x0628 + i % 20) + "ت" for i in range(len(tags))]
    tokens = [Span(3 * i, 3 * i + 2) for i in range(len(tags))]
    places = spans_of([(tag,) for tag in tags])
    entities = tuple(Typed(Span(tokens[a].start, tokens[b - 1].end), kind) for a, b, kind in places)
    return GoldText(f"dev:{number}", " ".join(words), entities, tuple(tokens), tuple(tags))


def random_tags(generator: random.Random) -> list[str]:
    """Tags of any kind, stray I- among them."""
    labels = ["O", "O", *(f"{edge}-{kind}" for edge in "BI" for kind in TYPES)]
    return [generator.choice(labels) for _ in range(generator.randint(1, 12))]


def found(figures: list[Figure], measure: str, part: str) -> Figure:
    return next(each for each in figures if (each.measure, each.part) == (measure, part))


def test_micro_and_type_figures_are_seqevals() -> None:
    generator = random.Random(5)
    gold = [sentence(random_tags(generator), n) for n in range(60)]
    predicted = []
    for each in gold:  # predictions are spans, so their tags are well formed
        guess = sentence([tag if generator.random() < 0.8 else "O" for tag in each.tags or ()])
        predicted.append(list(guess.entities))
    tags = [token_tags(g.tokens or (), p) for g, p in zip(gold, predicted, strict=True)]
    oracle = conll_scores([list(g.tags or ()) for g in gold], tags)
    figures = text_figures([settled(g) for g in gold], predicted, False, units_of([g.doc for g in gold], SOURCE), ())
    assert found(figures, "strict", "all").value == pytest.approx(oracle.strict.f1)
    assert found(figures, "strict", "all").support == oracle.strict.support
    assert found(figures, "lenient", "all").value == pytest.approx(oracle.lenient.f1)
    assert oracle.strict.support < oracle.lenient.support  # stray I- tags count leniently only
    for kind in TYPES:
        assert found(figures, "strict", kind).value == pytest.approx(oracle.by_type[kind].f1)


SOURCE = Source(head="h", reader="conll", path=Path("dev.tsv"))


def test_sentences_that_are_read_together_are_scored_one_by_one() -> None:
    """Figures of texts of several sentences are those of the sentences alone, whatever the tags at the seams."""
    generator = random.Random(6)
    own = [random_tags(generator) for _ in range(60)]
    gold = []
    for n in range(0, 60, 3):
        tags = [tag for each in own[n : n + 3] for tag in each]
        starts = (0, len(own[n]), len(own[n]) + len(own[n + 1]))
        gold.append(replace(sentence(tags, n), starts=starts))
    predicted = [[entity for entity in each.entities if generator.random() < 0.7] for each in gold]
    units = units_of([g.doc for g in gold], SOURCE)
    figures = text_figures(gold, predicted, False, units, ())
    scores = judge_texts(Head(kind="tokens", labels=TYPES), gold, predicted)
    tags = [token_tags(g.tokens or (), p) for g, p in zip(gold, predicted, strict=True)]
    oracle = conll_scores(own, [s for g, each in zip(gold, tags, strict=True) for s in g.by_sentence(each)])
    for measure, expected in (("strict", oracle.strict), ("lenient", oracle.lenient)):
        assert found(figures, measure, "all").value == pytest.approx(expected.f1)
        assert found(figures, measure, "all").support == expected.support
        assert scores[f"{measure}_f1"] == pytest.approx(expected.f1)


def test_strict_reads_iob2_to_the_letter() -> None:
    each = sentence(["I-PERS", "O", "B-LOC", "I-PERS"])
    tokens, tags = each.tokens or (), each.tags or ()
    assert chunks(tokens, tags, strict=True) == {Typed(Span(6, 8), "LOC")}
    assert len(chunks(tokens, tags, strict=False)) == 3
    assert chunks(tokens[:1], ["O"], strict=True) == frozenset()


def test_seen_and_unseen_mentions_are_told_apart_by_normalised_surface() -> None:
    text = "زار أحمد القاهرة وإربد"
    gold = GoldText("a", text, (Typed(Span(4, 8), "PERS"), Typed(Span(9, 16), "LOC"), Typed(Span(17, 22), "LOC")))
    known = {surface_key("احمـد"), surface_key("القاهره")}
    predicted = [Typed(Span(4, 8), "PERS"), Typed(Span(17, 22), "LOC"), Typed(Span(0, 3), "LOC")]
    figures = text_figures([gold], [predicted], True, Units("articles", ["a"]), known)
    assert {each.measure for each in figures} == {"nested"}
    assert found(figures, "nested", "seen").rows == [[1, 1, 2]]
    assert found(figures, "nested", "unseen").rows == [[1, 2, 1]]
    assert found(figures, "nested", "all").value == pytest.approx(2 * 2 / 6)


def test_gold_spans_are_settled_on_whole_words() -> None:
    text = "قال ( سامر ) نعم"
    gold = GoldText("a", text, (Typed(Span(4, 12), "PERS"),))
    assert settled(gold).entities == (Typed(Span(6, 10), "PERS"),)


def test_macro_and_accuracy_are_scikit_learns() -> None:
    from sklearn.metrics import accuracy_score, f1_score

    generator = random.Random(2)
    labels = ["favor", "against", "none"]
    gold, answers = ([generator.choice(labels) for _ in range(80)] for _ in range(2))
    figures = label_figures(
        [(g,) for g in gold], [(a,) for a in answers], labels[:2], Units("articles", [str(i // 4) for i in range(80)])
    )
    assert len(figures[0].rows) == 20
    assert figures[0].value == pytest.approx(f1_score(gold, answers, labels=labels[:2], average="macro"))
    assert figures[1].value == pytest.approx(accuracy_score(gold, answers))


def test_several_labels_must_all_be_right() -> None:
    gold = [("a", "b"), ("a",), ()]
    answers = [("b", "a"), ("a", "b"), ()]
    figures = label_figures(gold, answers, ["a", "b"], Units("texts", ["0", "1", "2"]))
    assert figures[1].value == pytest.approx(2 / 3)
    assert figures[0].value == pytest.approx((1.0 + 2 / 3) / 2)


def test_units_are_blocks_articles_or_sentences() -> None:
    blocks = SOURCE.model_copy(update={"part": "dev", "blocks": Blocks(size=40, every=10, offset=9)})
    units = units_of(["train:360", "train:399", "train:760"], blocks)
    assert (units.kind, units.of, units.count) == ("blocks of 40 sentences", ["9", "9", "19"], 2)
    assert units_of(["dev:3", "dev:4"], SOURCE).count == 2
    joined = SOURCE.model_copy(update={"join": 150})
    assert units_of(["dev:0", "dev:4"], joined).kind == "runs of sentences of up to 150 words"
    annotated = SOURCE.model_copy(update={"reader": "annotations"})
    assert units_of(["one", "two"], annotated).kind == "articles"


def figure(counts: list[list[int]]) -> Figure:
    return Figure("strict", "all", counts, lambda row: 2 * row[0] / (row[1] + row[2]), sum(row[2] for row in counts))


def test_a_mean_has_its_sample_spread_and_an_interval_of_the_mean() -> None:
    generator = random.Random(4)
    runs = []
    for _ in range(3):
        golds = [10 + n % 5 for n in range(50)]
        runs.append(figure([[generator.randint(gold // 2, gold), gold, gold] for gold in golds]))
    found = mean_figure(runs)
    values = [run.value for run in runs]
    assert found.by_run == tuple(values)
    assert (found.mean, found.spread) == (pytest.approx(mean(values)), pytest.approx(stdev(values)))
    assert found.low < found.mean < found.high
    alone = mean_figure(runs[:1])
    assert alone.spread is None
    assert alone.high - alone.low > found.high - found.low  # averaging over runs takes chance out
    same = mean_figure([runs[0]] * 3)
    assert (same.low, same.high) == pytest.approx((alone.low, alone.high))
    assert str(found) == f"{found.mean:.3f} ± {found.spread:.3f}"

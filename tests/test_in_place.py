"""Stances read off the states of the entity pass: which words count, and answers that hang on nothing else."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from rasid.encoding import PASSAGE, SLOTS, TARGET, Window, grouped, pad, windows
from rasid.errors import ModelError
from rasid.infer.articles import Article
from rasid.infer.engine import choose_device, open_engine
from rasid.infer.predictor import predict
from rasid.labels import STANCES
from rasid.model import Head, Loaded, load_model, save_model
from rasid.naming import renamed
from rasid.network import Wanted, network_of
from rasid.places import Place, words_in
from rasid.repair import read_words
from rasid.scoring import Pair, pair_probs
from rasid.text import Span, words
from rasid.textscoring import read_articles
from rasid.train.batching import Collator
from rasid.train.config import Source
from rasid.train.features import Row, pair_rows, placed_rows
from rasid.train.losses import loss_of
from rasid.train.masking import IGNORED
from rasid.train.sources import GoldPair

FIRST = "وصل وفد من الأمم المتحدة إلى العاصمة لبحث الهدنة مع تركيا."
SECOND = "وانتقد اتحاد الصيادين تركيا وتأخر الحكومة."
TEXT = f"{FIRST}\n\n{SECOND}"
SOURCE = Source(head="stance", reader="annotated-stances", path=Path("x"))
HEAD = Head(kind="pair", labels=STANCES)


def asked(passage: str, name: str, text: str = TEXT) -> Pair:
    """The question about a name in a passage of a text."""
    start = passage.index(name)
    return Pair(name, passage, (Span(start, start + len(name)),), Place(text, text.index(passage)))


PAIRS = [
    asked(FIRST, "الأمم المتحدة"),
    asked(FIRST, "تركيا"),
    asked(SECOND, "تركيا"),
    asked(SECOND, "اتحاد الصيادين"),
]


@pytest.fixture
def loaded(tiny_model: Path) -> Loaded:
    found = load_model(str(tiny_model))
    assert found.model.config.in_place
    return found


def by_hand(loaded: Loaded, pair: Pair) -> np.ndarray:
    """Probabilities of a pair whose article fits one window, from torch alone."""
    assert pair.place is not None
    cut = words(pair.place.text)
    (window,) = windows(loaded.tokenizer, [word.of(pair.place.text) for word in cut], 512, 20)
    with torch.inference_mode():
        ids = torch.tensor([window.ids])
        states = loaded.model.states(ids, torch.ones_like(ids))[0]
        mentions = [Span(m.start + pair.place.start, m.end + pair.place.start) for m in pair.mentions]
        passage = Span(pair.place.start, pair.place.start + len(pair.passage))
        target, others = [], []
        for state, word in zip(states, window.index, strict=True):
            if word >= 0 and cut[word].overlaps(passage):
                (target if any(cut[word].overlaps(m) for m in mentions) else others).append(state)
        logits = loaded.model.heads["stance"](torch.stack(target).mean(0), torch.stack(others).mean(0))
        found: np.ndarray = logits.softmax(-1).numpy()
        return found


def test_the_head_is_given_the_mentions_and_the_passages_other_words(loaded: Loaded) -> None:
    loaded.model.config.window, loaded.model.config.repair = 512, False
    found = pair_probs(loaded, "stance", PAIRS)
    for pair, probabilities in zip(PAIRS, found, strict=True):
        np.testing.assert_allclose(probabilities, by_hand(loaded, pair), atol=1e-5)
    assert len({tuple(row.round(3)) for row in found}) == len(PAIRS)  # of two passages with one name too


def test_an_answer_hangs_on_its_article_and_on_no_other_question(loaded: Loaded) -> None:
    whole = pair_probs(loaded, "stance", PAIRS)
    other = [asked(FIRST, "تركيا", f"{FIRST}\n\nنص آخر عن أمر آخر.")]
    crowd = [*other, *reversed(PAIRS), Pair("قطر", FIRST)]
    again = pair_probs(loaded, "stance", crowd, tokens=64)
    np.testing.assert_allclose(again[1:5][::-1], whole, atol=1e-5)
    for number, pair in enumerate(PAIRS):
        np.testing.assert_allclose(pair_probs(loaded, "stance", [pair])[0], whole[number], atol=1e-5)
    assert not np.allclose(again[0], whole[1], atol=1e-4)  # the same passage, in another article


def test_what_has_no_mention_or_no_place_is_read_alone(loaded: Loaded) -> None:
    pairs = [Pair("قطر", FIRST, (), Place(TEXT, 0)), replace(PAIRS[1], place=None)]
    placed = pair_probs(loaded, "stance", [*pairs, PAIRS[1]])
    loaded.model.config.in_place = False
    alone = pair_probs(loaded, "stance", [*pairs, PAIRS[1]])
    np.testing.assert_array_equal(placed[:2], alone[:2])
    assert not np.allclose(placed[2], alone[2], atol=1e-4)
    np.testing.assert_allclose(alone[1], alone[2], atol=1e-6)


def test_a_long_passage_is_pooled_across_windows(loaded: Loaded) -> None:
    """States are those of the windows in which words are labelled, and every word counts once."""
    passage = " ".join([SECOND] * 16)
    text = f"{FIRST}\n\n{passage}"
    cut = read_words(text)
    own = [word.of(text) for word in cut]
    config = loaded.model.config
    assert len(windows(loaded.tokenizer, own, config.window, config.overlap)) > 2
    (states,) = read_articles(loaded, [own], None, (), keep_states=True).states
    assert states is not None
    place = words_in(cut, Place(text, text.index(passage)), len(passage), ())
    assert place.passage.stop == len(cut)
    target = [place.passage[3], place.passage[-1]]
    sums, counts = states.sums(place.passage, target)
    for found, count, numbers in zip(sums, counts, (target, sorted({*place.passage} - {*target})), strict=True):
        np.testing.assert_allclose(
            found, (states.means[numbers] * states.pieces[numbers, None]).sum(0), rtol=1e-3, atol=1e-3
        )
        assert count == states.pieces[numbers].sum()
    assert not states.sums(range(0), ())[0].any()
    assert np.isfinite(pair_probs(loaded, "stance", [asked(passage, "تركيا", text)])).all()


@given(st.text(alphabet="اب و.\n🙂\u064b", max_size=60), st.data())
def test_words_are_those_that_a_passage_touches(text: str, data: st.DataObject) -> None:
    cut = words(text)
    start = data.draw(st.integers(0, len(text)))
    length = data.draw(st.integers(0, len(text) - start))
    mention = Span(*sorted(data.draw(st.tuples(st.integers(0, length), st.integers(0, length)))))
    found = words_in(cut, Place(text, start), length, (mention,))
    whole, part = Span(start, start + length), Span(start + mention.start, start + mention.end)
    assert list(found.passage) == [n for n, word in enumerate(cut) if word.overlaps(whole)]
    assert list(found.target) == [n for n, word in enumerate(cut) if word.overlaps(part)]


def test_in_a_job_the_encoder_reads_nothing_twice(tiny_model: Path, sentences: tuple[str, ...]) -> None:
    engine = open_engine(str(tiny_model), choose_device("cpu"))
    counted = engine.count_tokens()
    article = Article("a", "\n\n".join(sentences * 4))
    (record,) = predict(engine, [article])
    assert len(record.stances) > 10
    assert any(stance.holder != "author" for stance in record.stances)
    own = [word.of(article.text) for word in read_words(article.text)]
    config = engine.loaded.model.config
    rows = windows(engine.loaded.tokenizer, own, config.window, config.overlap)
    assert counted.count == sum(len(row.ids) for row in rows)
    engine.targets = ("وزارة الصحة افتتحت مستشفى جديد",)  # a claim is read for itself
    predict(engine, [article])
    assert counted.count > 2 * sum(len(row.ids) for row in rows)


def test_equal_texts_in_one_batch(tiny_model: Path, sentences: tuple[str, ...]) -> None:
    engine = open_engine(str(tiny_model), choose_device("cpu"))
    articles = [Article(doc, "\n\n".join(sentences * 4)) for doc in ("a", "b")]
    one, other = predict(engine, articles)
    assert one.stances == other.stances
    assert one.stances


def test_a_text_too_long_to_keep_is_read_again_window_by_window(
    tiny_model: Path, sentences: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = open_engine(str(tiny_model), choose_device("cpu"))
    articles = [Article("a", "\n\n".join(sentences * 4)), Article("b", sentences[0])]
    kept = predict(engine, articles)
    monkeypatch.setattr("rasid.textscoring.MOST_WORDS", 100)
    again = predict(engine, articles)
    assert [(s.target, s.scope, s.label, s.holder) for s in kept[0].stances] == [
        (s.target, s.scope, s.label, s.holder) for s in again[0].stances
    ]
    assert kept[0].stances
    scores = zip(kept[0].stances, again[0].stances, strict=True)
    assert all(abs((one.score or 0) - (other.score or 0)) <= 1.01e-4 for one, other in scores)
    assert kept[1].entities == again[1].entities


def test_states_are_given_where_they_are_asked_for(loaded: Loaded) -> None:
    row = windows(loaded.tokenizer, ["وصل", "وفد"], 64, 20)[0]
    batch = pad([row], 0)
    network, nothing = network_of(loaded), torch.zeros_like(batch.index, dtype=torch.bool)
    assert network.read(batch, nothing, Wanted("entities")).states is None
    heard = network.read(batch, nothing, Wanted(states=True))
    assert heard.words is None
    assert heard.states is not None
    assert heard.states.shape == (1, 2, 32)


def labelled(pairs: list[Pair], labels: tuple[str, ...]) -> list[GoldPair]:
    return [GoldPair(pair, label, "g") for pair, label in zip(pairs, labels, strict=True)]


def test_a_window_is_learnt_from_once_for_all_its_passages(loaded: Loaded) -> None:
    gold = labelled(PAIRS, ("favor", "against", "none", "none"))
    (row,) = placed_rows(gold, SOURCE, HEAD, loaded.tokenizer, 128, 20)
    assert row.window.count == 2 * SLOTS
    assert row.labels[[TARGET, 2, SLOTS, SLOTS + 2]].tolist() == [0, 1, 2, 2]
    assert (row.labels != IGNORED).sum() == 4
    assert {-1, TARGET, PASSAGE, 2, SLOTS, SLOTS + PASSAGE, SLOTS + 2} == set(row.window.index)


def test_training_reads_as_scoring_does(loaded: Loaded) -> None:
    loaded.model.config.window = 128
    gold = labelled(PAIRS, ("favor", "against", "none", "none"))
    rows = placed_rows(gold, SOURCE, HEAD, loaded.tokenizer, 128, 20)
    batch = Collator(0)([*rows, Row("stance", *_alone(loaded))])
    labels = batch.pop("labels")
    with torch.inference_mode():
        logits = loaded.model(**batch)
    learnt = logits[0].softmax(-1)[labels[0] != IGNORED]
    np.testing.assert_allclose(learnt.numpy(), pair_probs(loaded, "stance", PAIRS), atol=1e-5)
    alone = logits[1].softmax(-1)[labels[1] != IGNORED]
    np.testing.assert_allclose(alone.numpy(), pair_probs(loaded, "stance", [Pair("قطر", FIRST)]), atol=1e-5)
    costs = [-logits[0, slot].log_softmax(-1)[label] for slot, label in ((0, 0), (2, 1), (SLOTS, 2), (SLOTS + 2, 2))]
    costs.append(-logits[1, 0].log_softmax(-1)[1])
    assert loss_of(logits, labels).item() == pytest.approx(float(sum(costs)) / 5, abs=1e-5)


def _alone(loaded: Loaded) -> tuple[Window, np.ndarray]:
    (row,) = pair_rows([GoldPair(Pair("قطر", FIRST), "against", "g")], SOURCE, HEAD, loaded.tokenizer, 128)
    return row.window, row.labels


def test_passages_that_share_words_are_of_different_rows(loaded: Loaded) -> None:
    """A quoted speaker's words lie inside the author's passage."""
    words_of_a_speaker = SECOND[SECOND.index("تركيا") :]
    pairs = [PAIRS[2], asked(words_of_a_speaker, "تركيا")]
    rows = placed_rows(labelled(pairs, ("none", "against")), SOURCE, HEAD, loaded.tokenizer, 128, 20)
    assert [row.window.count for row in rows] == [SLOTS, SLOTS]
    assert rows[0].window.ids == rows[1].window.ids
    assert [row.labels[TARGET] for row in rows] == [2, 1]


def test_more_targets_than_a_window_has_slots_for(loaded: Loaded) -> None:
    passage = " ".join(f"بلد{n}" for n in range(SLOTS + 3))
    pairs = [asked(passage, f"بلد{n}", passage) for n in range(SLOTS + 3)]
    labels = tuple(STANCES[n % 3] for n in range(len(pairs)))
    rows = placed_rows(labelled(pairs, labels), SOURCE, HEAD, loaded.tokenizer, 200, 20, repair=False)
    found = [label for row in rows for label in row.labels[row.labels != IGNORED].tolist()]
    assert len(rows) > 1
    assert found == [STANCES.index(label) for label in labels]


def test_a_question_is_learnt_where_a_mention_stands_in_the_core(loaded: Loaded) -> None:
    text = f"{FIRST}\n\n" + "كلمة أخرى هنا. " * 60 + f"\n\n{SECOND}"
    pairs = [asked(FIRST, "تركيا", text), asked(SECOND, "تركيا", text)]
    rows = placed_rows(labelled(pairs, ("favor", "against")), SOURCE, HEAD, loaded.tokenizer, 64, 20)
    assert [row.labels[TARGET] for row in rows] == [0, 1]
    assert rows[0].window.ids != rows[1].window.ids


def test_blind_rows_see_no_name_but_what_judges(loaded: Loaded) -> None:
    passage = "هاجم التنظيم المتشدد تركيا"
    pair = asked(passage, "التنظيم المتشدد", passage)
    mask = loaded.tokenizer.mask_token_id
    (seen,) = placed_rows(labelled([pair], ("against",)), SOURCE, HEAD, loaded.tokenizer, 64, 20)
    (blind,) = placed_rows(labelled([pair], ("against",)), SOURCE, HEAD, loaded.tokenizer, 64, 20, blind=True)
    judging = [word.of(passage) for word in words(passage)].index("المتشدد")
    (window,) = windows(loaded.tokenizer, [word.of(passage) for word in words(passage)], 64, 20)
    for before, after, group, word in zip(
        seen.window.ids, blind.window.ids, blind.window.index, window.index, strict=True
    ):
        assert after == (mask if group == TARGET and word != judging else before)
    assert mask in blind.window.ids


def test_blind_rows_of_several_passages_hide_their_targets_alone(loaded: Loaded) -> None:
    gold = labelled(PAIRS, ("favor", "against", "none", "none"))
    (seen,) = placed_rows(gold, SOURCE, HEAD, loaded.tokenizer, 128, 20)
    (blind,) = placed_rows(gold, SOURCE, HEAD, loaded.tokenizer, 128, 20, blind=True)
    targets = {TARGET, 2, SLOTS, SLOTS + 2}
    assert targets <= set(blind.window.index)
    for before, after, group in zip(seen.window.ids, blind.window.ids, blind.window.index, strict=True):
        assert after == (loaded.tokenizer.mask_token_id if group in targets else before)


def test_a_word_of_two_targets_is_the_first_ones() -> None:
    window = windows_of(3)
    made = grouped(window, [(range(3), [(0, 1), (1, 2)])])
    assert made.index == (-1, TARGET, TARGET, 2, -1)


def windows_of(count: int) -> Window:
    return Window((2, *range(10, 10 + count), 3), (-1, *range(count), -1), 0, count, 0, count)


def test_an_exchanged_name_is_read_in_its_article() -> None:
    """What `scripts/stance_bias.py` asks: the article with another name in it."""
    (swapped, other) = renamed(PAIRS[2:], {0: "النرويج"})
    assert swapped.place is not None
    assert swapped.place.text == TEXT.replace(SECOND, SECOND.replace("تركيا", "النرويج"))
    assert other.place == swapped.place
    start = swapped.place.start
    assert swapped.place.text[start : start + len(swapped.passage)] == swapped.passage


def test_a_model_of_the_reading_that_was_given_up_is_refused(tiny_model: Path, tmp_path: Path) -> None:
    loaded = load_model(str(tiny_model))
    loaded.model.config.together = True
    save_model(loaded, tmp_path, compress=False)
    with pytest.raises(ModelError, match="in_place; train it anew"):
        load_model(str(tmp_path))

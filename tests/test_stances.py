"""Stance: targets, passages, and what the passages' labels add up to."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from rasid.infer.clusters import resolve
from rasid.infer.mentions import Mention
from rasid.infer.stances import Question, article_verdict, evidence, passage_verdict, questions, stances, standing
from rasid.text import Span

TEXT = (
    "الرئيسية | تركيا\nتخطى إلى المحتوى\n"
    "أعلن مدير المرصد في بلدة الشاطئ أن قوات سوريا الديمقراطية وصلت.\n\n"
    "ونفى المرصد أن تكون سوريا قد طلبت ذلك، وزار سامر الشاطئ.\n\n"
    "ولم يعلق أحد على زيارة الشاطئ."
)
MARKS = (
    *(("تركيا", "GPE"), ("مدير المرصد", "OCC"), ("المرصد", "ORG"), ("بلدة الشاطئ", "GPE")),
    *(("قوات سوريا الديمقراطية", "ORG"), ("سوريا", "GPE"), ("المرصد", "ORG"), ("سوريا", "GPE")),
    *(("سامر", "PERS"), ("الشاطئ", "GPE"), ("الشاطئ", "GPE")),
)


def mentions_of(text: str, marks: tuple[tuple[str, str], ...]) -> list[Mention]:
    found, position = [], 0
    for surface, kind in marks:
        start = text.index(surface, position)
        found.append(Mention(start, start + len(surface), kind, surface))
        position = start + 1
    return found


def test_targets_and_the_passages_that_mention_them() -> None:
    mentions = mentions_of(TEXT, MARKS)
    asked = questions(TEXT, mentions, resolve(TEXT, mentions))
    first, second = TEXT.index("أعلن"), TEXT.index("ونفى")
    # Turkey stands in page furniture only; Syria once by itself; Samer once; the town is a place.
    assert [(q.name, q.passage.start) for q in asked] == [
        ("المرصد", first),
        ("المرصد", second),
        ("قوات سوريا الديمقراطية", first),
    ]
    assert all(q.passage.of(TEXT).endswith(".") for q in asked)


def test_a_part_of_a_name_does_not_stand_for_itself_but_part_of_a_title_does() -> None:
    mentions = mentions_of(TEXT, MARKS)
    inside = {m.surface for m, stands in zip(mentions, standing(mentions), strict=True) if not stands}
    assert inside == {"سوريا"}
    assert standing(mentions)[2] is True  # المرصد in مدير المرصد


def test_no_mentions_no_questions() -> None:
    assert questions("نص", [], resolve("نص", [])) == []


def test_endless_text_is_read_around_each_mention() -> None:
    filler = "كلمة " * 2000
    text = f"{filler}داعش {filler}داعش{' كلمة' * 3}"
    mentions = mentions_of(text, (("داعش", "ORG"), ("داعش", "ORG")))
    asked = questions(text, mentions, resolve(text, mentions))
    assert len(asked) == 2
    for question, mention in zip(asked, mentions, strict=True):
        assert question.passage.contains(mention.span)
        assert len(question.passage) <= 710
        assert set(question.passage.of(text).split()) == {"كلمة", "داعش"}


def test_every_mention_in_endless_text_is_read_once() -> None:
    text = "كلمة داعش " * 400
    mentions = mentions_of(text, (("داعش", "ORG"),) * 400)
    places = [question.passage for question in questions(text, mentions, resolve(text, mentions))]
    assert all(sum(place.contains(mention.span) for place in places) == 1 for mention in mentions)
    assert all(one.end <= other.start for one, other in pairwise(places))


def test_endless_text_without_a_space() -> None:
    text = "،" * 5000 + "داعش" + "،" * 5000
    mentions = mentions_of(text, (("داعش", "ORG"),))
    (question,) = questions(text, mentions, resolve(text, mentions))
    assert len(question.passage) == 704


@pytest.mark.parametrize(
    ("rows", "label", "score"),
    [
        ([[0.6, 0.1, 0.3]], "favor", 0.6),
        ([[0.1, 0.5, 0.4], [0.1, 0.1, 0.8]], "none", 0.6),
        ([[0.1, 0.9, 0.0], [0.2, 0.2, 0.6]], "against", 0.55),
        ([[0.4, 0.2, 0.4]], "none", 0.4),
        ([[0.5, 0.5, 0.0]], "favor", 0.5),
    ],
)
def test_the_article_takes_the_mean_of_its_passages(rows: list[list[float]], label: str, score: float) -> None:
    verdict = article_verdict(np.array(rows))
    assert verdict.label == label
    assert verdict.score == pytest.approx(score)


def test_a_passage_in_doubt_is_none() -> None:
    assert passage_verdict(np.array([0.4, 0.2, 0.4])).label == "none"


def test_evidence_is_the_surest_passages_of_the_article_label() -> None:
    asked = [Question("C2", "x", Span(10 * n, 10 * n + 5)) for n in range(5)]
    probabilities = np.array([[0, 0.6, 0.4], [0, 0.9, 0.1], [0, 0.2, 0.8], [0, 0.7, 0.3], [0, 0.8, 0.2]])
    article, *passages = stances(asked, probabilities)
    assert (article.target, article.scope, article.label, article.holder) == (
        "C2",
        "article",
        "against",
        "author",
    )
    assert article.score == 0.64
    assert article.evidence == ((10, 15), (40, 45), (30, 35))
    assert [(s.scope, s.label, s.score, s.evidence) for s in passages[:3]] == [
        ((0, 5), "against", 0.6, None),
        ((10, 15), "against", 0.9, None),
        ((20, 25), "none", 0.8, None),
    ]


def test_no_stance_has_no_evidence() -> None:
    article, _ = stances([Question("C1", "x", Span(0, 5))], np.array([[0.1, 0.1, 0.8]]))
    assert article.label == "none"
    assert article.evidence is None


def test_an_article_side_that_no_passage_takes_alone_still_shows_where_it_leans() -> None:
    asked = [Question("C1", "داعش", Span(0, 5)), Question("C1", "داعش", Span(6, 9))]
    leaning = np.array([[0.36, 0.31, 0.33], [0.0, 0.49, 0.51]], dtype=np.float32)
    assert evidence("against", asked, leaning) == (Span(6, 9),)

"""Scores of article labels: against scikit-learn, with missing answers, and read out of records."""

from __future__ import annotations

import random

import pytest
from sklearn.metrics import accuracy_score, f1_score
from sklearn.preprocessing import MultiLabelBinarizer

from rasid.labelmetrics import HEADER, label_rows, label_scores, record_label_scores
from rasid.records import Label, Record

NAMES = ("رياضة", "صحة", "فن", "مال")


def test_one_label_each_agrees_with_scikit_learn() -> None:
    draw = random.Random(1)
    gold = [draw.choice(NAMES) for _ in range(200)]
    predicted = [right if draw.random() < 0.7 else draw.choice(NAMES[:3]) for right in gold]
    scores = label_scores([[g] for g in gold], [[p] for p in predicted])
    assert scores.accuracy.value == pytest.approx(accuracy_score(gold, predicted))
    assert scores.macro_f1.value == pytest.approx(f1_score(gold, predicted, average="macro"))
    assert scores.accuracy.low < scores.accuracy.value < scores.accuracy.high
    assert (scores.support, scores.missed) == (200, 0)


def test_several_labels_each_agree_with_scikit_learn() -> None:
    draw = random.Random(2)
    gold = [draw.sample(NAMES, draw.randrange(4)) for _ in range(200)]
    predicted = [right if draw.random() < 0.5 else draw.sample(NAMES, draw.randrange(4)) for right in gold]
    scores = label_scores(gold, predicted)
    matrix = MultiLabelBinarizer(classes=NAMES).fit([])
    left, right = matrix.transform(gold), matrix.transform(predicted)
    assert scores.accuracy.value == pytest.approx(accuracy_score(left, right))
    assert scores.macro_f1.value == pytest.approx(f1_score(left, right, average="macro"))


def test_no_answer_is_wrong_even_where_there_is_nothing_to_say() -> None:
    scores = label_scores([["صحة"], []], [None, None])
    assert (scores.accuracy.value, scores.macro_f1.value, scores.missed) == (0.0, 0.0, 2)
    assert label_scores([[]], [[]]).accuracy.value == 1.0
    assert label_scores([], []).accuracy.value == 0.0


def _record(doc: str, **labels: Label | tuple[Label, ...]) -> Record:
    return Record(doc=doc, sha256="0", labels=labels)


def test_records_are_scored_by_name_where_the_gold_judges() -> None:
    sport, health = Label(label="رياضة"), Label(label="صحة", score=0.9)
    gold = [_record("a", topic=sport), _record("b", topic=health, tags=(sport, health)), _record("c")]
    predicted = [_record("a", topic=sport), _record("b", tags=(health, sport)), _record("c", topic=sport)]
    scores = record_label_scores(gold, predicted)
    assert list(scores) == ["tags", "topic"]
    assert (scores["tags"].accuracy.value, scores["tags"].support) == (1.0, 1)
    assert (scores["topic"].accuracy.value, scores["topic"].support, scores["topic"].missed) == (0.5, 2, 1)
    rows = label_rows(scores)
    assert rows[0][:2] == ["tags", "1.000"]
    assert all(len(row) == len(HEADER) for row in rows)

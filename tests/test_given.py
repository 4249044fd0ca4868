"""Given targets and quoted holders: what is asked, and what a record says of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from rasid.errors import ConfigError
from rasid.infer.clusters import resolve
from rasid.infer.engine import choose_device, open_engine
from rasid.infer.given import check_targets, given, told
from rasid.infer.holders import quoted
from rasid.infer.mentions import Mention
from rasid.infer.predictor import predict
from rasid.infer.readers import Article
from rasid.infer.stances import questions
from rasid.records import faults, parse_record
from rasid.text import Span

TEXT = (
    "قال سامر الحداد إن شركة نوفا خدعت الناس. وعملت شركة نوفا في المدينة سنين.\n\n"
    "وكانت شركة نوفا قد وعدت بمستشفى جديد، مؤكدة أنها تفي بما تقول.\n\n"
    "وفي المساء هطل المطر."
)
MARKS = (("سامر الحداد", "PERS"), ("شركة نوفا", "ORG"), ("شركة نوفا", "ORG"), ("شركة نوفا", "ORG"))


def mentions_of(text: str) -> list[Mention]:
    found, position = [], 0
    for surface, kind in MARKS:
        start = text.index(surface, position)
        found.append(Mention(start, start + len(surface), kind, surface))
        position = start + 1
    return found


def test_a_speaker_is_asked_about_his_own_words() -> None:
    mentions = mentions_of(TEXT)
    resolution = resolve(TEXT, mentions)
    asked = questions(TEXT, mentions, resolution)
    (question,) = quoted(TEXT, asked, mentions, resolution)
    names = {cluster.id: cluster.name for cluster in resolution.clusters}
    assert names[question.holder] == "سامر الحداد"
    assert question.read.of(TEXT) == "إن شركة نوفا خدعت الناس"
    assert [place.of(question.read.of(TEXT)) for place in question.mentions] == ["شركة نوفا"]
    assert question.passage.contains(question.read)


def test_a_target_of_the_article_is_its_cluster_and_another_asks_the_passages_that_speak_of_it() -> None:
    mentions = mentions_of(TEXT)
    resolution = resolve(TEXT, mentions)
    found = given(TEXT, ("سامر الحداد", "نوفا وعدت بمستشفى", "القمر والنجوم"), resolution)
    assert {c.name for c in resolution.clusters if c.id in found.known} == {"سامر الحداد"}
    assert [(c.name, c.type, c.given) for c in found.clusters] == [
        ("نوفا وعدت بمستشفى", "TARGET", True),
        ("القمر والنجوم", "TARGET", True),
    ]
    assert [question.passage.of(TEXT)[:5] for question in found.questions] == ["وكانت"]
    asked = questions(TEXT, mentions, resolution, found.known)
    assert found.known <= {question.target for question in asked}


def test_a_target_that_no_passage_speaks_of_is_none_without_a_score() -> None:
    mentions = mentions_of(TEXT)
    found = given(TEXT, ("القمر والنجوم",), resolve(TEXT, mentions))
    (stance,) = told((), found.clusters)
    assert (stance.label, stance.score, stance.scope) == ("none", None, "article")


@pytest.mark.parametrize(("targets", "message"), [(["..."], "is needed"), (["قطر", " قطر "], "given twice")])
def test_targets_that_cannot_be(targets: list[str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        check_targets(targets)


@pytest.mark.parametrize("in_place", [False, True])
def test_records_with_given_targets_are_sound_and_the_rest_does_not_hang_on_them(
    tiny_model: Path, sentences: tuple[str, ...], in_place: bool
) -> None:
    engine = open_engine(str(tiny_model), choose_device("cpu"))
    engine.loaded.model.config.in_place = engine.loaded.model.config.wording = in_place
    article = Article("a", "\n\n".join(sentences))
    (plain,) = predict(engine, [article])
    engine.targets = ("وزارة الصحة افتتحت مستشفى جديد", "القمر")
    (more,) = predict(engine, [article])
    assert faults(more, article.text) == []
    assert parse_record(more.to_json(), "x") == more
    free = {cluster.id for cluster in more.clusters if cluster.given}
    assert len(free) == 2
    assert [c for c in more.clusters if not c.given] == list(plain.clusters)
    kept = [s for s in more.stances if s.target not in free]
    assert [(s.target, s.scope, s.label, s.holder) for s in kept] == [
        (s.target, s.scope, s.label, s.holder) for s in plain.stances
    ]
    assert all(Span(*s.scope).end <= len(article.text) for s in more.stances if s.scope != "article")

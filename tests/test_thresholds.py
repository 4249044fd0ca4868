"""Least scores: what is left stays a sound record, and the table is what brute force says."""

from __future__ import annotations

import pytest

from rasid.errors import ConfigError
from rasid.records import Cluster, Entity, Record, Stance, faults, sha256_of
from rasid.thresholds import at_least, check_threshold, threshold_rows, what_thresholds_buy

TEXT = "قالت نور إن هالة تنتقد البلدية."


def entity(surface: str, label: str, score: float | None, cluster: str | None) -> Entity:
    start = TEXT.index(surface)
    where = {"start": start, "end": start + len(surface), "surface": surface}
    return Entity(id=f"T{start}", type=label, cluster=cluster, score=score, **where)


def record(*entities: Entity) -> Record:
    clusters = tuple(Cluster(id=e.cluster, name=e.surface, type=e.type) for e in entities if e.cluster)
    stances = (
        Stance(target="C3", scope="article", label="against", holder="C1", score=0.9),
        Stance(target="C3", scope="article", label="none", holder="C2", score=0.8),
        Stance(target="C3", scope="article", label="none", holder="author", score=0.8),
        Stance(target="C1", scope="article", label="none", holder="author", score=0.8),
    )
    known = {cluster.id for cluster in clusters}
    kept = tuple(s for s in stances if s.target in known and s.holder in known | {"author"})
    return Record(doc="d", sha256=sha256_of(TEXT), entities=entities, clusters=clusters, stances=kept)


WHOLE = record(entity("نور", "PERS", 0.3, "C1"), entity("هالة", "PERS", 0.4, "C2"), entity("البلدية", "ORG", 0.9, "C3"))


def test_nothing_is_lost_below_every_score() -> None:
    assert at_least(WHOLE, 0.3) is WHOLE
    bare = record(entity("نور", "PERS", None, "C1"))
    assert at_least(bare, 0.99) is bare


def test_what_hangs_on_a_lost_entity_goes_with_it() -> None:
    assert faults(WHOLE, TEXT) == []
    cut = at_least(WHOLE, 0.5)
    assert [each.surface for each in cut.entities] == ["البلدية"]
    assert [each.id for each in cut.clusters] == ["C3"]
    # Two speakers are lost: the first of their stances is left, under `other`.
    assert [(s.label, s.holder) for s in cut.stances] == [("against", "other"), ("none", "author")]
    assert faults(cut, TEXT) == []
    assert at_least(WHOLE, 1.0).stances == ()


def test_the_table_against_brute_force() -> None:
    gold = record(entity("نور", "PERS", None, "C1"), entity("البلدية", "ORG", None, "C3"))
    rows = what_thresholds_buy([gold], [WHOLE], (0.35, 0.0, 0.95, 0.35))
    assert [row.least for row in rows] == [0.0, 0.35, 0.95]
    assert [(row.spans, row.kept) for row in rows] == [(3, 1.0), (2, pytest.approx(2 / 3)), (0, 0.0)]
    assert [row.precision for row in rows] == pytest.approx([2 / 3, 1 / 2, 0.0])
    assert [row.recall for row in rows] == pytest.approx([1.0, 1 / 2, 0.0])
    assert [row.f1 for row in rows] == pytest.approx([4 / 5, 1 / 2, 0.0])
    assert threshold_rows(rows)[1] == ["0.35", "0.500", "0.500", "0.500", "2", "0.667"]


@pytest.mark.parametrize("wrong", [-0.1, 1.01, float("nan")])
def test_a_threshold_is_a_probability(wrong: float) -> None:
    with pytest.raises(ConfigError, match="a score is between 0 and 1"):
        check_threshold(wrong)

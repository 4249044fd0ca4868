"""Metrics against naive re-implementations on small random cases, and against seqeval and scikit-learn."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from seqeval.metrics import f1_score as seqeval_f1
from seqeval.scheme import IOB2
from sklearn.metrics import accuracy_score, cohen_kappa_score, f1_score

from rasid.clustermetrics import (
    Mentions,
    StancePair,
    add_rows,
    align_clusters,
    alpha,
    b3_by_mention,
    b3_row,
    ceaf_row,
    cluster_score,
    cluster_scores,
    clusters_of,
    confusion,
    kappa,
    muc_row,
    restrict,
    stance_accuracy,
    stance_f1,
    stance_pairs,
    without_singletons,
)
from rasid.labels import STANCES, StanceLabel
from rasid.metrics import (
    Unit,
    article_units,
    conll_scores,
    iob2,
    outermost,
    seen_scores,
    span_estimate,
    span_f1,
    span_row,
    span_scores,
    split_unit,
)
from rasid.records import Cluster, Entity, Record, Stance
from rasid.text import Span

TYPES = ("ORG", "GPE", "PERS")
QUICK = settings(deadline=None, max_examples=120)


def spans_of(rows: Iterable[tuple[int, int, str, str]]) -> tuple[Entity, ...]:
    """Entities from (start, end, type, cluster), those that cross or stand twice left out."""
    kept: list[Entity] = []
    for start, end, label, cluster in rows:
        span = Span(start, end)
        twice = any(each.span == span and each.type == label for each in kept)
        if not twice and not any(span.crosses(each.span) for each in kept):
            surface = f"s{start}-{end}"
            kept.append(Entity(id=f"T{len(kept)}", type=label, start=start, end=end, surface=surface, cluster=cluster))
    return tuple(kept)


def record(entities: tuple[Entity, ...], stances: tuple[Stance, ...] = (), doc: str = "a") -> Record:
    names = sorted({each.cluster for each in entities if each.cluster})
    clusters = tuple(Cluster(id=name, name=name, type="ORG") for name in names)
    return Record(doc=doc, sha256="0", entities=entities, clusters=clusters, stances=stances)


ENTITIES = st.lists(
    st.tuples(st.integers(0, 8), st.integers(1, 5), st.sampled_from(TYPES), st.sampled_from("ABC")),
    max_size=8,
).map(lambda rows: spans_of((start, start + length, label, name) for start, length, label, name in rows))
PAIRS = st.lists(st.tuples(ENTITIES, ENTITIES), min_size=1, max_size=3)


def naive_prf(gold: Sequence[object], predicted: Sequence[object]) -> tuple[float, float, float]:
    hits = sum(1 for item in predicted if item in gold)
    precision = hits / len(predicted) if predicted else 0.0
    recall = hits / len(gold) if gold else 0.0
    return precision, recall, 2 * precision * recall / (precision + recall) if precision + recall else 0.0


@given(PAIRS)
@QUICK
def test_span_scores_are_those_of_a_naive_count(pairs: list[tuple[tuple[Entity, ...], ...]]) -> None:
    scores = span_scores([Unit(gold, predicted) for gold, predicted in pairs])

    def told(side: int, wanted: str | None = None) -> list[tuple[int, int, int, str]]:
        return [
            (doc, each.start, each.end, each.type)
            for doc, pair in enumerate(pairs)
            for each in pair[side]
            if wanted in (None, each.type)
        ]

    micro = scores.micro
    assert (micro.precision, micro.recall, micro.f1) == pytest.approx(naive_prf(told(0), told(1)))
    assert micro.support == len(told(0))
    types = {item[3] for item in told(0) + told(1)}
    assert set(scores.by_type) == types
    by_type = [naive_prf(told(0, label), told(1, label)) for label in scores.by_type]
    assert [(s.precision, s.recall, s.f1) for s in scores.by_type.values()] == [pytest.approx(each) for each in by_type]
    assert scores.macro == pytest.approx(sum(each[2] for each in by_type) / len(types) if types else 0.0)


@given(ENTITIES)
@QUICK
def test_outermost_keeps_what_no_longer_span_holds(entities: tuple[Entity, ...]) -> None:
    kept = {each.id for each in outermost(entities)}
    for entity in entities:
        inside = any(
            other.start <= entity.start
            and entity.end <= other.end
            and (other.end - other.start) > (entity.end - entity.start)
            for other in entities
        )
        assert (entity.id in kept) == (not inside)


def test_views_differ_only_in_what_is_nested() -> None:
    gold = record(spans_of([(0, 9, "ORG", "A"), (2, 4, "GPE", "B")]))
    predicted = record(spans_of([(0, 9, "ORG", "A"), (5, 6, "GPE", "B")]))
    assert span_scores(article_units([gold], [predicted])).micro.f1 == 0.5
    assert span_scores(article_units([gold], [predicted], "outermost")).micro.f1 == 1.0


def test_boundaries_alone_forgive_the_type() -> None:
    unit = Unit(spans_of([(0, 2, "ORG", "A")]), spans_of([(0, 2, "GPE", "A")]))
    assert span_f1(span_row(unit)) == 0.0
    assert span_f1(span_row(unit, typed=False)) == 1.0


def test_articles_that_are_not_aligned_are_refused() -> None:
    with pytest.raises(ValueError, match="not aligned"):
        article_units([record(())], [record((), doc="b")])
    with pytest.raises(ValueError, match="shorter"):
        article_units([record(())], [])


@given(PAIRS)
@QUICK
def test_split_by_passage_loses_no_entity(pairs: list[tuple[tuple[Entity, ...], ...]]) -> None:
    unit = Unit(*pairs[0])
    parts = split_unit(unit, [Span(1, 3), Span(4, 8)])
    assert len(parts) == 3
    assert sorted(e.id for part in parts for e in part.gold) == sorted(e.id for e in unit.gold)
    assert all(1 <= each.start < 3 for each in parts[0].predicted)
    assert all(4 <= each.start < 8 for each in parts[1].predicted)
    assert all(each.start in (0, 3) or each.start >= 8 for each in parts[2].predicted)


def test_estimate_passes_its_seed_on_and_has_no_units_at_nought() -> None:
    spans = [spans_of((k, k + 1, "ORG", "A") for k in range(n % 7 + 1)) for n in range(40)]
    units = [Unit(each, each[: number % 5]) for number, each in enumerate(spans)]
    assert len({span_estimate(units, seed=seed) for seed in range(5)}) > 1
    assert span_estimate([]).value == 0.0


def test_seen_and_unseen_surfaces_are_scored_apart() -> None:
    gold = spans_of([(0, 1, "ORG", "A"), (2, 3, "ORG", "A"), (4, 5, "GPE", "B")])
    predicted = spans_of([(0, 1, "ORG", "A"), (4, 5, "ORG", "B"), (6, 7, "ORG", "C")])
    found = seen_scores([Unit(gold, predicted)], {"s0-1", "s2-3"})
    assert (found.seen.precision, found.seen.recall, found.seen.support) == (1.0, 0.5, 2)
    assert (found.unseen.precision, found.unseen.recall, found.unseen.support) == (0.0, 0.0, 1)


WORDS = [Span(n * 2, n * 2 + 1) for n in range(7)]


@given(st.lists(st.tuples(st.integers(0, 6), st.integers(1, 3), st.sampled_from(TYPES)), max_size=5))
@QUICK
def test_flat_spans_score_as_seqeval_scores_their_tags(rows: list[tuple[int, int, str]]) -> None:
    """Strict span F1 and seqeval's strict F1 agree wherever spans do not nest."""
    entities = [
        (WORDS[first].start, WORDS[min(first + length, 7) - 1].end, label, "A") for first, length, label in rows
    ]
    sides = []
    for side in (entities[::2], entities[1::2]):
        flat = [each for each in spans_of(side) if each in outermost(spans_of(side))]
        ranges = {each.span for each in flat}
        sides.append(tuple(next(each for each in flat if each.span == span) for span in ranges))
    tags = [[iob2(WORDS, side)] for side in sides]
    found = conll_scores(tags[0], tags[1])
    expected = span_scores([Unit(sides[0], sides[1])])
    assert found.strict == expected.micro
    assert found.by_type == expected.by_type
    assert found.lenient == expected.micro


def test_iob2_of_nested_glued_and_punctuated_words() -> None:
    words = [Span(0, 4), Span(5, 10), Span(10, 11), Span(12, 20)]
    entities = spans_of([(0, 10, "ORG", "A"), (5, 10, "GPE", "B"), (12, 16, "GPE", "B"), (16, 20, "GPE", "C")])
    assert iob2(words, entities) == ["B-ORG", "I-ORG", "O", "B-GPE"]
    assert iob2([], entities) == []
    assert iob2([Span(0, 4), Span(4, 6)], spans_of([(4, 6, "ORG", "A")])) == ["O", "B-ORG"]


TAGS = st.sampled_from(["O", "B-ORG", "I-ORG", "B-GPE", "I-GPE"])
SENTENCES = st.lists(st.lists(st.tuples(TAGS, TAGS), max_size=6), min_size=1, max_size=4)


@given(SENTENCES)
@QUICK
def test_conll_scores_are_seqevals_on_any_tags(sentences: list[list[tuple[str, str]]]) -> None:
    gold = [[pair[0] for pair in sentence] for sentence in sentences]
    predicted = [[pair[1] for pair in sentence] for sentence in sentences]
    found = conll_scores(gold, predicted)
    lenient = seqeval_f1(gold, predicted, zero_division=0)
    assert found.lenient.f1 == pytest.approx(lenient)
    tags = {tag for sentence in gold + predicted for tag in sentence}
    strict = 0.0
    if tags & {"B-ORG", "B-GPE"}:
        strict = seqeval_f1(gold, predicted, mode="strict", scheme=IOB2, zero_division=0)
    assert found.strict.f1 == pytest.approx(strict)
    assert found.strict.support == sum(tag[0] == "B" for sentence in gold for tag in sentence)


def test_strict_and_lenient_differ_on_a_loose_tag() -> None:
    found = conll_scores([["B-ORG", "I-ORG", "O"]], [["I-ORG", "I-ORG", "O"]])
    assert (found.strict.f1, found.lenient.f1) == (0.0, 1.0)
    with pytest.raises(ValueError, match="not aligned"):
        conll_scores([["O"]], [["O", "O"]])


PARTITIONS = st.lists(st.integers(-1, 3), min_size=8, max_size=8)


def partition(labels: Sequence[int]) -> list[Mentions]:
    """Clusters of the mentions 0..7, label -1 leaving a mention out."""
    groups: dict[int, set[tuple[int, int]]] = {}
    for number, label in enumerate(labels):
        if label >= 0:
            groups.setdefault(label, set()).add((number, number + 1))
    return [frozenset(group) for group in groups.values()]


def naive_b3(left: list[Mentions], right: list[Mentions]) -> float:
    """B-cubed by cluster pairs (Pradhan et al. 2014): sum of |K and R|^2 / |K|, over all mentions of K."""
    total = sum(len(group) for group in left)
    return sum(len(k & r) ** 2 / len(k) for k in left for r in right) / total if total else 0.0


def naive_ceaf(gold: list[Mentions], predicted: list[Mentions]) -> float:
    small, large = sorted((gold, predicted), key=len)
    return max(
        (
            sum(2 * len(a & b) / (len(a) + len(b)) for a, b in zip(small, chosen, strict=True))
            for chosen in itertools.permutations(large, len(small))
        ),
        default=0.0,
    )


def naive_muc(left: list[Mentions], right: list[Mentions]) -> tuple[int, int]:
    """Links of `left` kept by `right`, by counting connected parts under same-cluster pairs."""
    kept = total = 0
    for group in left:
        parts: list[set[tuple[int, int]]] = []
        for mention in sorted(group):
            home = next((p for p in parts if any(mention in r and p & r for r in right)), None)
            if home is None:
                parts.append({mention})
            else:
                home.add(mention)
        kept, total = kept + len(group) - len(parts), total + len(group) - 1
    return kept, total


@given(PARTITIONS, PARTITIONS)
@QUICK
def test_cluster_scores_are_those_of_naive_formulas(left: list[int], right: list[int]) -> None:
    gold, predicted = partition(left), partition(right)
    b3 = cluster_score(b3_row(gold, predicted))
    assert b3.precision == pytest.approx(naive_b3(predicted, gold))
    assert b3.recall == pytest.approx(naive_b3(gold, predicted))
    assert add_rows(b3_by_mention(gold, predicted).values(), 4) == pytest.approx(b3_row(gold, predicted))
    ceaf = ceaf_row(gold, predicted)
    assert list(ceaf) == pytest.approx([naive_ceaf(gold, predicted), len(predicted)] * 1 + [ceaf[0], len(gold)])
    assert muc_row(gold, predicted) == (*naive_muc(predicted, gold), *naive_muc(gold, predicted))


def test_cluster_scores_of_the_worked_example() -> None:
    """Gold {1,2,3}, {4,5,6,7}; predicted {1,2}, {3,4}, {6,7,8,9}: the example of Pradhan et al. 2014."""

    def group(*numbers: int) -> Mentions:
        return frozenset((number, number + 1) for number in numbers)

    gold = [group(1, 2, 3), group(4, 5, 6, 7)]
    predicted = [group(1, 2), group(3, 4), group(6, 7, 8, 9)]
    muc = cluster_score(muc_row(gold, predicted))
    assert (muc.recall, muc.precision) == pytest.approx((2 / 5, 2 / 5))
    b3 = cluster_score(b3_row(gold, predicted))
    assert (round(b3.recall, 2), round(b3.precision, 2)) == (0.42, 0.50)
    ceaf = cluster_score(ceaf_row(gold, predicted))
    assert (round(ceaf.recall, 2), round(ceaf.precision, 2)) == (0.65, 0.43)


@given(ENTITIES)
@QUICK
def test_a_record_scores_full_marks_against_itself(entities: tuple[Entity, ...]) -> None:
    found = record(entities)
    scores = cluster_scores([found], [found])
    full = 1.0 if entities else 0.0
    assert (scores.b3.f1, scores.ceaf.f1) == (full, full)
    assert scores.muc.f1 == float(any(len(group) > 1 for group in clusters_of(found).values()))
    alignment = align_clusters(found, found)
    assert alignment == {name: name for name in {each.cluster for each in entities}}


def test_restrict_drops_what_is_left_empty() -> None:
    groups = [frozenset({(0, 1), (2, 3)}), frozenset({(4, 5)})]
    assert restrict(groups, {(0, 1)}) == [frozenset({(0, 1)})]


def test_clusters_align_by_mentions_and_not_by_names_or_nested_strays() -> None:
    gold = record(spans_of([(0, 22, "ORG", "C1"), (5, 10, "GPE", "C2"), (30, 33, "ORG", "C1")]))
    predicted = record(spans_of([(0, 22, "ORG", "C2"), (30, 34, "ORG", "C2"), (40, 44, "GPE", "C1")]))
    assert align_clusters(gold, predicted) == {"C1": "C2"}
    assert align_clusters(gold, record(())) == {}


def brute_alignment(gold: Record, predicted: Record) -> float:
    """The best total overlap over every one-to-one assignment."""

    def overlap(name: str, other: str) -> float:
        total = 0.0
        for one in (set(range(e.start, e.end)) for e in gold.entities if e.cluster == name):
            for two in (set(range(e.start, e.end)) for e in predicted.entities if e.cluster == other):
                share = len(one & two) / len(one | two)
                total += share if share >= 0.5 else 0.0
        return total

    left = sorted({e.cluster or "" for e in gold.entities})
    right: list[str | None] = [*sorted({e.cluster or "" for e in predicted.entities}), *[None] * len(left)]
    return max(
        sum(overlap(a, b) for a, b in zip(left, chosen, strict=True) if b)
        for chosen in itertools.permutations(right, len(left))
    )


@given(ENTITIES, ENTITIES)
@QUICK
def test_alignment_is_the_best_of_all(left: tuple[Entity, ...], right: tuple[Entity, ...]) -> None:
    gold, predicted = record(left), record(right)
    found = align_clusters(gold, predicted)
    assert len(set(found.values())) == len(found)
    chosen = 0.0
    for name, other in found.items():
        parts = [tuple(e for e in side if e.cluster == key) for side, key in ((left, name), (right, other))]
        single = brute_alignment(record(parts[0]), record(parts[1]))
        assert single > 0
        chosen += single
    assert chosen == pytest.approx(brute_alignment(gold, predicted))


def test_stance_pairs_take_the_union_over_aligned_targets() -> None:
    gold = record(
        spans_of([(0, 3, "ORG", "C1"), (5, 8, "ORG", "C2"), (9, 12, "GPE", "C3")]),
        (
            Stance(target="C1", scope="article", label="against"),
            Stance(target="C1", scope=(0, 9), label="favor"),
            Stance(target="C1", scope=(0, 9), label="against", holder="other"),
            Stance(target="C2", scope="article", label="none"),
        ),
    )
    predicted = record(
        spans_of([(0, 3, "ORG", "C2"), (5, 8, "ORG", "C7"), (20, 25, "ORG", "C1")]),
        (
            Stance(target="C2", scope="article", label="favor"),
            Stance(target="C7", scope=(0, 9), label="against"),
            Stance(target="C1", scope="article", label="against"),
        ),
    )
    assert stance_pairs(gold, predicted) == [
        StancePair("C1", "C2", "article", "against", "favor"),
        StancePair("C1", "C2", (0, 9), "favor", None),
        StancePair("C2", "C7", "article", "none", None),
        StancePair("C2", "C7", (0, 9), None, "against"),
        StancePair(None, "C1", "article", None, "against"),
    ]


LABELS = st.lists(st.tuples(st.sampled_from(STANCES), st.sampled_from(STANCES)), min_size=1, max_size=12)


@given(LABELS)
@QUICK
def test_stance_scores_are_those_of_scikit_learn(labels: list[tuple[str, str]]) -> None:
    cells = confusion(StancePair("C1", "C1", "article", a, b) for a, b in labels)  # type: ignore[arg-type]
    gold, predicted = zip(*labels, strict=True)
    present = sorted({"favor", "against"} & {*gold, *predicted})
    expected = f1_score(gold, predicted, labels=present, average="macro", zero_division=0) if present else 0.0
    assert stance_f1(cells) == pytest.approx(expected)
    assert stance_accuracy(cells) == pytest.approx(accuracy_score(gold, predicted))
    if len({*gold, *predicted}) > 1:
        assert kappa(cells) == pytest.approx(cohen_kappa_score(gold, predicted))
    else:
        assert kappa(cells) == 1.0


def test_a_missing_stance_counts_as_none() -> None:
    cells = confusion([StancePair("C1", None, "article", "against", None)])
    assert stance_f1(cells) == 0.0
    assert stance_accuracy(cells) == 0.0
    assert stance_accuracy(confusion([StancePair("C1", None, "article", "none", None)])) == 1.0
    assert kappa([0] * 9) == 0.0


@given(PAIRS)
@QUICK
def test_scores_without_singletons_are_those_of_records_without_them(
    pairs: list[tuple[tuple[Entity, ...], ...]],
) -> None:
    def stripped(entities: tuple[Entity, ...]) -> Record:
        kept = {m for group in clusters_of(record(entities)).values() if len(group) > 1 for m in group}
        return record(tuple(each for each in entities if (each.start, each.end) in kept))

    gold, predicted = ([record(pair[side]) for pair in pairs] for side in (0, 1))
    bare_gold, bare_predicted = ([stripped(pair[side]) for pair in pairs] for side in (0, 1))
    assert cluster_scores(gold, predicted, singletons=False) == cluster_scores(bare_gold, bare_predicted)


def test_a_singleton_is_a_cluster_of_one_mention() -> None:
    two, one = frozenset({(0, 1), (2, 3)}), frozenset({(4, 5)})
    assert without_singletons([two, one]) == [two]


@given(pairs=st.lists(st.tuples(st.sampled_from(STANCES), st.sampled_from(STANCES)), min_size=1, max_size=12))
def test_alpha_is_one_less_disagreement_observed_over_expected(pairs: list[tuple[StanceLabel, StanceLabel]]) -> None:
    cells = confusion(StancePair("C1", "C1", (n, n + 1), *pair) for n, pair in enumerate(pairs))
    values = [label for pair in pairs for label in pair]
    unlike = [one != other for one, other in itertools.combinations(values, 2)]
    observed = sum(one != other for one, other in pairs) / len(pairs)
    expected = sum(unlike) / len(unlike)
    assert alpha(cells) == pytest.approx(1 - observed / expected if expected else 1.0)


def test_alpha_of_a_worked_example() -> None:
    # Two coders, ten items, one label each of two: Krippendorff (2011), "Computing Krippendorff's Alpha-Reliability".
    coders = ("0100000000", "1110010100")
    labels = {"0": STANCES[0], "1": STANCES[1]}
    items = enumerate(zip(*coders, strict=True))
    pairs = [StancePair("C1", "C1", (n, n + 1), labels[one], labels[other]) for n, (one, other) in items]
    assert alpha(confusion(pairs)) == pytest.approx(0.095, abs=0.0005)
    assert alpha([0] * 9) == 0.0

"""The choice of articles: by doubt, by what is new, under a budget; checked against the rule written out."""

from __future__ import annotations

import numpy as np
import pytest

from rasid.infer.acquisition import STRATEGIES, Candidate, Strategy, choose

EAST, NORTH, WEST, SOUTH = (np.array(v, dtype=np.float32) for v in ((1, 0), (0, 1), (-1, 0), (0, -1)))


def candidate(words: int, nats: float, state: np.ndarray = EAST, draw: float = 0.0) -> Candidate:
    return Candidate(words, nats, state, draw)


def numbers(
    candidates: list[Candidate], budget: int, strategy: str, annotated: tuple[np.ndarray, ...] = ()
) -> list[int]:
    return [pick.number for pick in choose(candidates, annotated, budget, strategy)]  # type: ignore[arg-type]


def test_doubt_counts_by_the_word_and_scraps_do_not_come_first() -> None:
    long, short, scrap = candidate(480, 100.0, EAST), candidate(80, 25.0, NORTH), candidate(3, 2.0, WEST)
    # 100 / 500 = 0.2, 25 / 100 = 0.25, 2 / 23 = 0.087; by the bare word the scrap's 0.67 would be the most.
    assert numbers([long, short, scrap], 1000, "uncertainty") == [1, 0, 2]


def test_the_budget_holds_and_is_filled_with_what_fits() -> None:
    crowd = [candidate(60, 9.0), candidate(50, 6.0, NORTH), candidate(40, 1.0, WEST)]
    picks = choose(crowd, [], 100, "uncertainty")
    assert [pick.number for pick in picks] == [0, 2]  # the second no longer fits, the third does
    assert choose(crowd, [], 39, "both") == []
    assert choose([], [EAST], 100, "both") == []


def test_a_near_copy_is_chosen_last() -> None:
    crowd = [candidate(100, 30.0, EAST), candidate(100, 29.0, EAST * 2), candidate(100, 10.0, WEST)]
    assert numbers(crowd, 300, "uncertainty") == [0, 1, 2]
    picks = choose(crowd, [], 300, "both")
    assert [pick.number for pick in picks] == [0, 2, 1]
    assert picks[0].novelty == 1.0
    assert picks[0].nearest is None
    assert picks[2].novelty == pytest.approx(0.0, abs=1e-9)
    assert picks[2].nearest == 0


def test_what_is_annotated_already_is_not_new() -> None:
    crowd = [candidate(100, 30.0, EAST), candidate(100, 20.0, WEST)]
    assert numbers(crowd, 100, "both") == [0]
    picks = choose(crowd, [EAST, NORTH, SOUTH], 100, "both")
    assert [pick.number for pick in picks] == [1]
    assert choose(crowd, [EAST, NORTH, SOUTH], 200, "diversity")[1].nearest == 2  # the first after two candidates


def test_chance_goes_by_the_draw_alone() -> None:
    crowd = [candidate(10, 50.0, draw=0.9), candidate(10, 1.0, draw=0.1), candidate(10, 1.0, draw=0.5)]
    assert numbers(crowd, 30, "random") == [1, 2, 0]


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_greedy_choice_is_the_rule_written_out(strategy: Strategy) -> None:
    random = np.random.default_rng(3)
    states = random.normal(size=(14, 5))
    crowd = [
        candidate(int(random.integers(20, 200)), float(random.uniform(1, 40)), state, float(random.random()))
        for state in states[:11]
    ]
    annotated = list(states[11:])
    centred = states - states.mean(axis=0)
    units = [vector / np.linalg.norm(vector) for vector in centred]
    done, left, expected = [11, 12, 13], 700, []
    while True:
        rows = []
        for number, one in enumerate(crowd):
            if number in done or one.words > left:
                continue
            novelty = min(1 - float(units[number] @ units[other]) for other in done)
            base = {"random": 1 - one.draw, "diversity": 1.0}.get(strategy, one.nats / (one.words + 20))
            rows.append((base * (novelty if strategy in ("both", "diversity") else 1.0), -number))
        if not rows:
            break
        number = -max(rows)[1]
        expected.append(number)
        done.append(number)
        left -= crowd[number].words
    assert numbers(crowd, 700, strategy, tuple(annotated)) == expected
    assert len(expected) > 3

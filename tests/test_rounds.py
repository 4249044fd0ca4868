"""Where a command of several trainings stands."""

from __future__ import annotations

import pytest

from rasid.train import rounds
from rasid.train.rounds import Rounds, spoken


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """A clock that stands at the list's last number."""
    times = [0.0]
    monkeypatch.setattr(rounds.time, "monotonic", lambda: times[-1])
    return times


def test_the_rest_is_foretold_from_what_was_trained_and_not_from_what_was_found(
    clock: list[float], capsys: pytest.CaptureFixture[str]
) -> None:
    counted = Rounds(5)
    counted.found("a")
    for name, seconds in {"b": 100.0, "c": 300.0}.items():
        with counted.training(name):
            clock.append(clock[-1] + seconds)
    said = capsys.readouterr().out.splitlines()
    assert said[0] == "[1/5] a: found, not trained again"
    assert said[1] == "[2/5] b: 2 min, the rest 5 min at most"
    assert said[2] == "[3/5] c: 5 min, the rest 7 min at most"  # two rounds of 200 s


def test_the_last_round_foretells_nothing(clock: list[float], capsys: pytest.CaptureFixture[str]) -> None:
    counted = Rounds(1)
    with counted.training("only"):
        clock.append(12.0)
    assert capsys.readouterr().out == "[1/1] only: 12 s\n"


def test_a_round_that_fails_does_not_count(clock: list[float], capsys: pytest.CaptureFixture[str]) -> None:
    counted = Rounds(2)
    with pytest.raises(ValueError, match="torn"), counted.training("a"):
        raise ValueError("torn")
    counted.found("b")
    assert capsys.readouterr().out == "[1/2] b: found, not trained again\n"


@pytest.mark.parametrize(
    ("seconds", "words"), [(89.0, "89 s"), (90.0, "2 min"), (5340.0, "89 min"), (5400.0, "1 h 30 min")]
)
def test_times_are_read_as_one_says_them(seconds: float, words: str) -> None:
    assert spoken(seconds) == words

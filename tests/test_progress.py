"""Progress: rates and time left, the bar, JSON lines, and nothing where nothing was asked for."""

from __future__ import annotations

import json

import pytest

from rasid.infer import progress
from rasid.infer.progress import Bar, Count, JsonLines, Silent, open_progress, pace


def test_rates_are_those_since_the_work_began() -> None:
    start, now = Count(100, 1, 0, 1000), Count(300, 3, 50_000, 3000)
    got = pace(start, now, 11_000, 10.0)
    assert (got.articles_per_second, got.tokens_per_second) == (20, 5000)
    assert (got.share, got.seconds_left) == (0.2727, 40)
    assert (got.articles, got.rejected, got.tokens, got.seconds) == (300, 3, 50_000, 10)


def test_without_a_total_there_is_no_time_left() -> None:
    got = pace(Count(), Count(10, 0, 5, 1000), None, 2.0)
    assert (got.share, got.seconds_left) == (None, None)
    assert pace(Count(), Count(), 100, 0.0).seconds_left is None


def test_json_lines(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    shown = JsonLines()
    shown.say("start", "model m, device cpu", model="m")
    shown.begin(Count(), 1000)
    monkeypatch.setattr(progress, "_EVERY", 1e9)
    shown.show(Count(1))  # the last one is long ago
    shown.show(Count(2))
    shown.end(Count(3, 1, 30, 1000))
    said = capsys.readouterr()
    assert said.out == ""
    events = [json.loads(line) for line in said.err.splitlines()]
    assert [event["event"] for event in events] == ["start", "progress", "end"]
    assert events[0] == {"event": "start", "message": "model m, device cpu", "model": "m"}
    assert {"articles": 3, "rejected": 1, "tokens": 30, "share": 1.0}.items() <= events[-1].items()


def test_the_bar(capsys: pytest.CaptureFixture[str]) -> None:
    for total in (1000, None):
        bar = Bar()
        bar.say("start", "model m, device cpu")
        bar.begin(Count(articles=5, bytes=200), total)
        bar.show(Count(7, 0, 10, 600))
        bar.end(Count(1234, 2, 20, 1000))
        said = capsys.readouterr().err
        assert said.startswith("rasid: model m, device cpu\n")
        assert ("| 1,234 articles, " if total else "infer: 1,234 articles, ") in said
        assert " articles/s, " in said
        assert " tokens/s, 2 rejected" in said
        assert ("100%" in said) == (total is not None)


def test_silence_is_for_progress_and_not_for_faults(capsys: pytest.CaptureFixture[str]) -> None:
    silent = Silent()
    silent.say("start", "model m")
    silent.begin(Count(), 5)
    silent.show(Count(1))
    silent.end(Count(2))
    silent.say("fault", "the disk is full")
    assert capsys.readouterr().err == "rasid: the disk is full\n"


def test_what_is_asked_for_is_shown() -> None:
    assert isinstance(open_progress(None, quiet=False), Bar)
    assert isinstance(open_progress(None, quiet=True), Silent)
    assert isinstance(open_progress("json", quiet=True), JsonLines)
    assert isinstance(open_progress("bar", quiet=True), Bar)

"""`rasid annotations select`: what is chosen, why, what is left out, and that it does not hang on the inputs' order."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rasid.cli import main
from rasid.infer.acquisition import Candidate
from rasid.infer.articles import Article
from rasid.infer.select import Pool, Reader, Seen
from rasid.records import Record, sha256_of


@pytest.fixture
def backlog(tmp_path: Path, sentences: tuple[str, ...]) -> Path:
    path = tmp_path / "backlog.jsonl"
    rows = [{"id": f"a{n}", "text": text, "date": f"2019-03-0{n + 1}"} for n, text in enumerate(sentences)]
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return path


def select(*arguments: object) -> int:
    return main(["annotations", "select", *map(str, arguments)])


def chosen(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_reasons_stand_beside_each_article(
    backlog: Path, tiny_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], sentences: tuple[str, ...]
) -> None:
    output = tmp_path / "next.jsonl"
    assert select(backlog, "--model", tiny_model, "--words", 45, "--output", output) == 0
    rows = chosen(output)
    assert [row["select"]["rank"] for row in rows] == list(range(1, len(rows) + 1))
    assert 2 <= len(rows) <= 3
    assert sum(row["select"]["words"] for row in rows) <= 45
    for row in rows:
        number = int(row["doc"][1:])
        assert row["text"] == sentences[number]
        assert row["date"] == f"2019-03-0{number + 1}"
        assert row["select"]["strategy"] == "both"
        assert row["select"]["score"] == pytest.approx(row["select"]["doubt"] * row["select"]["novelty"], abs=1e-3)
        assert all(word in row["text"] for word in row["select"]["unsure"])
        assert len(row["select"]["unsure"]) == 5
    assert rows[0]["select"]["nearest"] is None
    assert rows[1]["select"]["nearest"] == rows[0]["doc"]
    assert f"{len(rows)} of 6 articles chosen" in capsys.readouterr().out


def test_what_is_annotated_is_not_chosen_again(
    backlog: Path, tiny_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], sentences: tuple[str, ...]
) -> None:
    done = tmp_path / "annotations"
    done.mkdir()
    for doc, text in (("a0", "نص آخر"), ("other", sentences[1])):  # one is known by its id, one by its text
        record = Record(doc=doc, sha256=sha256_of(text))
        (done / f"{doc}.json").write_text(record.to_json(), encoding="utf-8")
    twice = tmp_path / "twice.jsonl"
    twice.write_text(json.dumps({"id": "copy", "text": sentences[2]}) + "\n" + '{"id": "e", "text": " "}\n')
    output = tmp_path / "next.jsonl"
    options = ("--model", tiny_model, "--words", 1000, "--output", output, "--annotated", done)
    assert select(backlog, twice, *options) == 0
    assert {row["doc"] for row in chosen(output)} == {"a2", "a3", "a4", "a5"}
    assert chosen(output)[0]["select"]["nearest"] in {"a0", "a1"}
    told = capsys.readouterr().out
    assert "2 annotated already, 1 with the text of another, 1 without a word" in told


@pytest.mark.parametrize("strategy", ["both", "uncertainty", "diversity", "random"])
def test_the_order_of_the_inputs_does_not_matter(
    strategy: str, backlog: Path, tiny_model: Path, tmp_path: Path, sentences: tuple[str, ...]
) -> None:
    lines = backlog.read_text(encoding="utf-8").splitlines(keepends=True)
    turned = tmp_path / "turned.jsonl"
    turned.write_text("".join(reversed(lines)), encoding="utf-8")
    found = []
    for source in (backlog, turned):
        options = ("--model", tiny_model, "--words", 40, "--output", tmp_path / "next.jsonl", "--strategy", strategy)
        assert select(source, *options) == 0
        found.append([row["doc"] for row in chosen(tmp_path / "next.jsonl")])
    assert found[0] == found[1]


def test_chance_needs_no_model_and_goes_by_the_seed(backlog: Path, tmp_path: Path) -> None:
    orders = set()
    for seed in range(1, 6):
        output = tmp_path / "next.jsonl"
        options = ("--words", 1000, "--strategy", "random", "--seed", seed, "--model", "no-such-model")
        assert select(backlog, *options, "--output", output) == 0
        rows = chosen(output)
        assert set(rows[0]["select"]) == {"rank", "strategy", "words"}
        orders.add(tuple(row["doc"] for row in rows))
    assert len(orders) > 1


def test_mistakes_are_one_line(
    backlog: Path, tiny_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "next.jsonl"
    asked = ("--model", tiny_model, "--output", output)
    for arguments, message in (
        ((backlog, *asked, "--words", 3), "nothing to choose from: 6 articles read, 6 longer than the budget"),
        ((tmp_path / "none.txt", *asked, "--words", 9), "none.txt: no such file or folder"),
        ((backlog, *asked, "--words", 9, "--annotated", tmp_path / "none"), "none: no such folder or file of annot"),
        ((backlog, "--words", 9, "--output", backlog), "would overwrite the input"),
        ((backlog, "--words", 9, "--output", tmp_path), "is a folder; --output is a file"),
    ):
        assert select(*arguments) == 2
        assert message in capsys.readouterr().err
    assert not output.exists()


def test_the_pool_keeps_the_foremost_within_its_room() -> None:
    pool = Pool("uncertainty", room=300)
    for number in range(50):
        nats = float((number * 7) % 50)
        candidate = Candidate(100, nats, np.zeros(1))
        pool.add(Seen(Article(f"a{number}", ""), f"{number:03}", candidate, ()))
    assert [seen.candidate.nats for seen in pool.ranked()] == [49.0, 48.0, 47.0]
    assert pool.words == 300


def test_a_reader_without_a_model_knows_lengths() -> None:
    (seen,) = Reader(None, 1).read([Article("a", "وصل الوفد.")], ["0"])
    assert (seen.candidate.words, seen.candidate.nats, seen.unsure) == (3, 0.0, ())

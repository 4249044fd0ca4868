"""Jobs: files in, records out, in order, with rejects beside them; and `rasid infer` as a whole."""

from __future__ import annotations

import argparse
import io
import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from rasid import __version__
from rasid.cli import make_parser
from rasid.errors import ConfigError, DataError, ModelError, RasidError
from rasid.infer import job, predictor
from rasid.infer.engine import Engine
from rasid.infer.job import predict_texts, run_infer, stream_texts
from rasid.infer.outputs import beside
from rasid.infer.readers import Article, read
from rasid.infer.writers import file_name
from rasid.model import revision_of
from rasid.records import Record, faults, read_records


@pytest.fixture
def articles(tmp_path: Path, sentences: Sequence[str]) -> Path:
    """A folder of four articles."""
    folder = tmp_path / "articles"
    folder.mkdir()
    for number in range(4):
        (folder / f"a{number}.txt").write_text("\n\n".join(sentences[number:] * 2), encoding="utf-8", newline="")
    return folder


def arguments(model: Path | str, output: Path, *inputs: Path | str, **others: Any) -> argparse.Namespace:
    given = ["infer", "-", "--output", str(output), "--model", str(model), "--device", "cpu", "--batch-tokens", "2048"]
    args = make_parser().parse_args([*given, "--quiet"])
    return argparse.Namespace(**{**vars(args), "inputs": [*inputs], "output": output, **others})


def read_lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_a_folder_to_one_file(tiny_model: Path, articles: Path, tmp_path: Path) -> None:
    output = tmp_path / "out" / "records.jsonl"
    assert run_infer(arguments(tiny_model, output, articles)) == 0
    records = [record for _, record in read_records(output)]
    assert [record.doc for record in records] == ["a0", "a1", "a2", "a3"]
    for record in records:
        text = (articles / f"{record.doc}.txt").read_text(encoding="utf-8")
        assert faults(record, text) == []
        assert record.entities
        assert record.warnings == ()
        assert record.model is not None
        assert record.model.model_dump() == {
            "name": "tiny",
            "revision": revision_of(tiny_model),
            "rasid": __version__,
            "engine": "torch fp32",
        }
    assert any(record.stances for record in records)
    assert names(output.parent) == {"records.jsonl"}


def test_a_folder_to_a_folder(tiny_model: Path, articles: Path, tmp_path: Path) -> None:
    output = tmp_path / "records"
    assert run_infer(arguments(tiny_model, output, str(articles))) == 0
    assert names(output) == {f"a{number}.json" for number in range(4)}
    assert [record.doc for _, record in read_records(output)] == ["a0", "a1", "a2", "a3"]


def test_file_and_folder_hold_the_same_records(tiny_model: Path, articles: Path, tmp_path: Path) -> None:
    run_infer(arguments(tiny_model, tmp_path / "r", articles))
    run_infer(arguments(tiny_model, tmp_path / "r.jsonl", articles))
    assert [r for _, r in read_records(tmp_path / "r")] == [r for _, r in read_records(tmp_path / "r.jsonl")]


def test_small_chunks_change_nothing(
    tiny_model: Path, articles: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_infer(arguments(tiny_model, tmp_path / "one.jsonl", articles))
    monkeypatch.setattr(job, "_CHUNK_CHARACTERS", 300)
    run_infer(arguments(tiny_model, tmp_path / "many.jsonl", articles))
    spans = [
        [[(e["start"], e["end"], e["type"], e["cluster"]) for e in line["entities"]] for line in read_lines(path)]
        for path in (tmp_path / "one.jsonl", tmp_path / "many.jsonl")
    ]
    assert spans[0] == spans[1]


def test_chunks_are_bounded_and_complete() -> None:
    items = [Article(str(n), "x" * size) for n, size in enumerate([10, 300_000, 10, 150_000, 60_000, *[1] * 100])]
    chunks = list(job._chunks(items))
    assert [len(chunk) for chunk in chunks] == [1, 1, 2, 64, 37]
    assert [item for chunk in chunks for item in chunk] == items


def test_standard_input(tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = '{"id": "x", "text": "وصل وفد", "outlet": "المرفأ"}\n'.encode()
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(data)))
    assert run_infer(arguments(tiny_model, tmp_path / "r.jsonl", "-")) == 0
    (line,) = read_lines(tmp_path / "r.jsonl")
    assert (line["doc"], line["meta"]) == ("x", {"outlet": "المرفأ"})


def test_rejects_stand_beside_and_vanish_when_there_are_none(
    tiny_model: Path, articles: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (articles / "a1.txt").write_bytes(b"")
    (articles / "z.jsonl").write_text('{"id": "a0", "text": "x"}\n{\n')
    output, rejects = tmp_path / "r.jsonl", tmp_path / "r.rejects.jsonl"
    assert run_infer(arguments(tiny_model, output, articles, quiet=False)) == 0
    assert [line["doc"] for line in read_lines(output)] == ["a0", "a2", "a3"]
    lines = read_lines(rejects)
    assert [line["where"] for line in lines] == [
        str(articles / "a1.txt"),
        f"{articles / 'z.jsonl'}:1",
        f"{articles / 'z.jsonl'}:2",
    ]
    assert lines[0]["reason"] == "empty file"
    said = capsys.readouterr()
    assert said.out == f"3 records -> {output}; 3 rejected -> {rejects}\n"
    assert "device cpu (" in said.err
    assert "articles/s" in said.err
    run_infer(arguments(tiny_model, output, articles / "a0.txt", overwrite=True))
    assert names(tmp_path) == {"articles", "r.jsonl"}
    assert capsys.readouterr().err == ""


def test_an_article_that_fails_is_rejected_alone(
    tiny_model: Path, articles: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = predictor.predict

    def brittle(engine: Engine, some: Sequence[Article]) -> list[Record]:
        if any(article.doc == "a2" for article in some):
            raise RuntimeError("shape mismatch\nmore")
        return real(engine, some)

    monkeypatch.setattr(predictor, "predict", brittle)
    assert run_infer(arguments(tiny_model, tmp_path / "r.jsonl", articles)) == 0
    assert [line["doc"] for line in read_lines(tmp_path / "r.jsonl")] == ["a0", "a1", "a3"]
    assert read_lines(tmp_path / "r.rejects.jsonl") == [
        {"where": str(articles / "a2.txt"), "reason": "RuntimeError: shape mismatch"}
    ]


def test_warnings(tiny_model: Path) -> None:
    texts = [("mark", "\ufeffوصل وفد"), ("blank", " \n\t"), ("mark alone", "\ufeff\n"), ("dots", "... !")]
    records = predict_texts(texts, str(tiny_model))
    assert [record.warnings for record in records] == [
        ("byte order mark at the start",),
        ("empty text",),
        ("byte order mark at the start", "empty text"),
        ("no letter or digit in the text",),
    ]
    assert [len(record.entities) for record in records[1:]] == [0, 0, 0]


def test_no_texts_no_records(tiny_model: Path) -> None:
    assert predict_texts([], str(tiny_model)) == []


def test_a_stream_of_texts_is_read_as_it_is_asked_for(
    tiny_model: Path, sentences: Sequence[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(job, "_CHUNK_ARTICLES", 2)
    taken: list[str] = []

    def texts() -> Iterator[tuple[str, str]]:
        for number, sentence in enumerate(sentences):
            taken.append(str(number))
            yield str(number), sentence

    records = stream_texts(texts(), str(tiny_model))
    assert next(records).doc == "0"
    assert taken == ["0", "1", "2"]
    assert [record.doc for record in records] == ["1", "2", "3", "4", "5"]


# -- what stops a job -------------------------------------------------------------------------------


def refused(args: argparse.Namespace, kind: type[RasidError] = DataError) -> str:
    with pytest.raises(kind) as caught:
        run_infer(args)
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_nothing_that_can_be_read(tiny_model: Path, tmp_path: Path) -> None:
    output = tmp_path / "r.jsonl"
    missing = tmp_path / "none.txt"
    assert refused(arguments(tiny_model, output, missing)) == f"{missing}: no such file or folder"
    message = refused(arguments(tiny_model, output, missing, missing))
    assert message.endswith(f"(and 1 more, see {tmp_path / 'r.rejects.jsonl'})")
    assert names(tmp_path) == {"r.rejects.jsonl"}
    assert "no input" in refused(arguments(tiny_model, output))


def test_an_earlier_output_outlives_a_failure(tiny_model: Path, tmp_path: Path) -> None:
    output = tmp_path / "r.jsonl"
    output.write_text("earlier")
    refused(arguments(tiny_model, output, tmp_path / "none.txt", overwrite=True))
    refused(arguments(tmp_path / "no-model", output, tmp_path / "none.txt", overwrite=True), ModelError)
    assert output.read_text() == "earlier"
    assert not (tmp_path / "r.jsonl.part").exists()


def test_an_interruption_leaves_what_was_done(
    tiny_model: Path, articles: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = predictor.predict

    def interrupted(engine: Engine, some: Sequence[Article]) -> list[Record]:
        if some[0].doc == "a2":
            raise KeyboardInterrupt
        return real(engine, some)

    monkeypatch.setattr(predictor, "predict", interrupted)
    monkeypatch.setattr(job, "_CHUNK_ARTICLES", 1)
    monkeypatch.setattr(job, "_COMMIT_SECONDS", 0)
    with pytest.raises(KeyboardInterrupt):
        run_infer(arguments(tiny_model, tmp_path / "r.jsonl", articles))
    assert names(tmp_path) == {"articles", "r.jsonl.part", "r.journal"}
    assert [line["doc"] for line in read_lines(tmp_path / "r.jsonl.part")] == ["a0", "a1"]


def test_the_output_spares_the_inputs(articles: Path, tmp_path: Path) -> None:
    source = tmp_path / "source.jsonl"
    source.write_text('{"text": "x"}\n')
    model = "no model is opened before the output is settled"
    assert "would overwrite the input" in refused(arguments(model, source, source))
    rejects = tmp_path / "x.rejects.jsonl"
    rejects.write_text('{"text": "x"}\n')
    assert "would overwrite the input" in refused(arguments(model, tmp_path / "x.jsonl", rejects))
    assert "lies in the input folder" in refused(arguments(model, articles / "r.jsonl", articles))
    assert "lies in the input folder" in refused(arguments(model, articles / "records", articles))
    assert "would overwrite the input" in refused(arguments(model, articles, articles))
    (articles / "one.json").write_text('{"text": "x"}')
    assert "holds the input" in refused(arguments(model, articles, articles / "one.json"))
    assert source.read_text() == '{"text": "x"}\n'


def test_outputs_that_cannot_be(articles: Path, tmp_path: Path) -> None:
    model = "no model is opened before the output is settled"
    blocked = tmp_path / "file"
    blocked.touch()
    assert "cannot be written (" in refused(arguments(model, blocked / "r.jsonl", articles))
    assert "cannot be written (" in refused(arguments(model, blocked / "r", articles))
    assert "cannot be written (" in refused(arguments(model, blocked, articles))
    message = refused(arguments(model, tmp_path / "r.csv", articles))
    assert "a .jsonl or .parquet file or a folder, not a .csv file" in message
    (tmp_path / "r.jsonl").mkdir()
    assert "is a folder" in refused(arguments(model, tmp_path / "r.jsonl", articles))
    for options, reason in [
        ({"format": "xml"}, "unknown format 'xml'"),
        ({"format": "parquet"}, "does not go with a .jsonl file"),
        ({"part_size": 5}, "--part-size needs a folder"),
        ({"resume": True, "overwrite": True}, "give one of them"),
    ]:
        assert reason in refused(arguments(model, tmp_path / "x.jsonl", articles, **options), ConfigError)
    message = refused(arguments(model, tmp_path / "x", articles, format="json", part_size=5), ConfigError)
    assert "takes no --part-size" in message
    assert names(tmp_path) == {"articles", "file", "r.jsonl"}


@pytest.mark.parametrize("name", [".", "../out", "deeper/.."])
def test_a_folder_named_by_dots_has_its_rejects_beside_it(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "out" / "deeper").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "out")
    assert beside(Path(name), "rejects.jsonl").resolve() == tmp_path / "out.rejects.jsonl"


def test_the_root_is_no_output(articles: Path) -> None:
    assert "give another --output" in refused(arguments("no model is opened", Path("/"), articles))


def test_the_deepest_fields_that_are_read_can_be_written(tmp_path: Path) -> None:
    deepest = 99  # the line itself is a level
    (tmp_path / "a.jsonl").write_text('{"text": "x", "deep": ' + "[" * deepest + "]" * deepest + "}")
    (article,) = read([str(tmp_path / "a.jsonl")])
    assert isinstance(article, Article)
    record = Record(doc=article.doc, sha256="0", meta=article.meta)
    assert json.loads(record.to_json())["meta"] == article.meta


def test_other_mistakes(tiny_model: Path, articles: Path, tmp_path: Path) -> None:
    output = tmp_path / "r.jsonl"
    assert "unknown device" in refused(arguments(tiny_model, output, articles, device="tpu"), ConfigError)
    assert "above 0" in refused(arguments(tiny_model, output, articles, batch_tokens=0), ConfigError)
    with pytest.raises(DataError, match=r"^d: lone surrogate U\+D800 at character 1$"):
        predict_texts([("d", "a\ud800")], str(tiny_model))


@pytest.mark.parametrize(
    ("doc", "name"),
    [("a-1.b", "a-1.b"), ("وكالة المرفأ", "وكالة المرفأ-"), ("../x", "_._x-"), ("a/b", "a_b-"), ("", "")],
)
def test_ids_as_file_names(doc: str, name: str) -> None:
    made = file_name(doc)
    assert made.startswith(name.replace(" ", "_"))
    assert "/" not in made
    assert not made.startswith(".")


def test_file_names_of_different_ids_differ() -> None:
    ids = ["a/b", "a_b", "a\\b", "ط" * 300, "ط" * 301, "a b"]
    made = {file_name(doc) for doc in ids}
    assert len(made) == len(ids)
    assert max(len(name.encode()) for name in made) < 200


# -- the command line -------------------------------------------------------------------------------


def run_module(module: str, *options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", module, *options],
        cwd=Path(__file__).parents[1],
        capture_output=True,
        text=True,
        check=False,
    )


def test_as_a_module(tiny_model: Path, articles: Path, tmp_path: Path) -> None:
    output = tmp_path / "r.jsonl"
    options = ("--output", str(output), "--model", str(tiny_model), "--device", "cpu")
    result = run_module("rasid.infer", str(articles), *options)
    assert result.returncode == 0, result.stderr
    assert result.stdout == f"4 records -> {output}; 0 rejected\n"
    assert len(read_lines(output)) == 4


def test_as_a_module_of_the_checkout() -> None:
    result = run_module("infer", "--help")
    assert result.returncode == 0, result.stderr
    assert result.stdout.startswith("usage: rasid infer ")

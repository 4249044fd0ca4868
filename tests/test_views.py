"""Plain views: pipelines read them, and every difference between what they say and the records has a named cause."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import venv
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import pipeline

from rasid.cli import main
from rasid.encoding import windows
from rasid.evidence import figures_told, lifted, pooled
from rasid.infer.articles import Article
from rasid.infer.engine import Engine, open_engine
from rasid.infer.plain import token_classifier
from rasid.infer.predictor import predict
from rasid.infer.views import entity_pipeline, outermost, pipeline_spans, read_all, stance_examples
from rasid.records import read_exact
from rasid.repair import read_words
from rasid.text import Span, passages, words

ROOT = Path(__file__).parents[1]
CPU = torch.device("cpu")
_PASSAGES = int(os.environ.get("RASID_PASSAGES", "6"))  # of each seed
Found = set[tuple[int, int, str]]


@pytest.fixture(scope="module")
def texts(tmp_path_factory: pytest.TempPathFactory, sentences: Sequence[str]) -> Path:
    folder = tmp_path_factory.mktemp("texts")
    for number in range(4):
        # Said three times: a stance is asked towards names that come back.
        (folder / f"a{number}.txt").write_text(" ".join(sentences[number:] * 3) + "\n", encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def exported(tiny_model: Path, texts: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("plain") / "tiny"
    args = ["export", str(tiny_model), "--to", "transformers", "--output", str(folder), "--texts", str(texts)]
    assert main(args) == 0
    return folder


def test_pipelines_read_every_folder(exported: Path, sentences: Sequence[str]) -> None:
    entities = pipeline("token-classification", str(exported / "entities"), aggregation_strategy="first")
    for one in entities(sentences[0]):
        assert sentences[0][one["start"] : one["end"]].strip()
    stances: Any = pipeline("text-classification", str(exported / "stance"))
    (answer,) = stances([{"text": "تركيا", "text_pair": sentences[4]}])
    assert answer["label"] in {"favor", "against", "none"}


_READER = """
import json, sys
sys.modules["rasid"] = None  # importing it fails
from transformers import pipeline
folder, sentence = sys.argv[1:]
entities = pipeline("token-classification", folder + "/entities", aggregation_strategy="first", stride=20)
stances = pipeline("text-classification", folder + "/stance")
found = [[one["start"], one["end"], one["entity_group"]] for one in entities(sentence)]
print(json.dumps([found, stances({"text": "تركيا", "text_pair": sentence})["label"]]))
"""


def by_transformers_alone(python: str, folder: Path, sentence: str) -> Any:
    """What a process says of a sentence that has transformers and no Rasid."""
    shown = subprocess.run(
        [python, "-c", _READER, str(folder), sentence],
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=300,
        cwd=folder,
        env={**os.environ, "HF_HUB_OFFLINE": "1", "PYTHONIOENCODING": "utf-8"},
    )
    assert shown.returncode == 0, shown.stderr
    return json.loads(shown.stdout.splitlines()[-1])


def answers(folder: Path, sentence: str) -> list[Any]:
    found = entity_pipeline(folder / "entities", 20)(sentence)
    stance = pipeline("text-classification", str(folder / "stance"))({"text": "تركيا", "text_pair": sentence})
    return [[[one["start"], one["end"], one["entity_group"]] for one in found], stance["label"]]


def test_the_folders_need_no_rasid(exported: Path, sentences: Sequence[str]) -> None:
    found = by_transformers_alone(sys.executable, exported, sentences[0])
    assert found == answers(exported, sentences[0])
    assert found[0]


@pytest.mark.skipif("RASID_SLOW" not in os.environ, reason="installs torch and transformers; RASID_SLOW=1 runs it")
def test_a_clean_environment_reads_the_folders(exported: Path, sentences: Sequence[str], tmp_path: Path) -> None:
    """RASID_CLEAN_PYTHON names the interpreter of an environment that is there already."""
    python = os.environ.get("RASID_CLEAN_PYTHON")
    if python is None:
        venv.create(tmp_path / "clean", with_pip=True)
        python = str(next((tmp_path / "clean").glob("*/python")))
        pins = ["-c", str(ROOT / "constraints.txt"), "torch", "transformers"]
        if subprocess.run([python, "-m", "pip", "install", "--quiet", *pins], timeout=1800).returncode:
            pytest.skip("torch and transformers cannot be installed here")
    assert subprocess.run([python, "-c", "import rasid"], capture_output=True, cwd=tmp_path).returncode != 0
    assert by_transformers_alone(python, exported, sentences[0]) == answers(exported, sentences[0])


def test_the_summary_says_what_is_exact_and_what_is_fitted(exported: Path) -> None:
    tree = json.loads((exported / "export.json").read_text(encoding="utf-8"))
    entities, stance = tree["views"]
    assert (entities["head"], entities["task"], entities["how"]) == ("entities", "token-classification", "exact")
    assert entities["spans"]["records"] > 0
    assert (stance["head"], stance["task"], stance["how"]) == ("stance", "text-classification", "fitted")
    assert 0 < stance["labels"]["examples"] < 100
    assert tree["articles"] == 4
    assert len(tree["model"]["revision"]) == 64


def test_what_is_there_is_not_touched(exported: Path, tiny_model: Path, tmp_path: Path, capsys: Any) -> None:
    given = ["export", str(tiny_model), "--to", "transformers"]
    assert main([*given, "--output", str(exported)]) == 2
    assert "is there already; --overwrite" in capsys.readouterr().err
    assert main(given) == 2
    assert "needs --output DIR" in capsys.readouterr().err
    assert main([*given, "--output", str(tmp_path / "new"), "--head", "entity"]) == 2
    assert "did you mean 'entities'?" in capsys.readouterr().err
    assert main([*given, "--output", str(tmp_path / "new"), "--texts", str(tmp_path)]) == 2
    assert "no article in it" in capsys.readouterr().err


def test_a_view_that_has_to_be_fitted_is_left_out_without_texts(
    tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["export", str(tiny_model), "--to", "transformers", "--output", "plain"]) == 0
    assert "stance: not written; a pair head has to be fitted on texts" in capsys.readouterr().out
    assert (tmp_path / "plain/entities/config.json").is_file()
    assert not (tmp_path / "plain/stance").exists()


def test_examples_are_the_author_stances_of_the_records(tiny_model: Path, texts: Path) -> None:
    engine = open_engine(str(tiny_model), CPU)
    read = read_all(engine, [Article("a", read_exact(texts / "a0.txt")), Article("b", read_exact(texts / "a1.txt"))])
    examples = list(stance_examples(read))
    own = [s for each in read for s in each.record.stances if s.scope != "article" and s.holder == "author"]
    assert [(e.label, e.score) for e in examples] == [(s.label, s.score) for s in own]
    assert {e.article for e in examples} == {0, 1}
    assert all(e.pair in read[e.article].article.text for e in examples)


# The differences between the pipeline's entities and the records'. Each step changes one thing; what a step changes
# lies at a word where that thing is found; and the last step is what the pipeline gives. Passages fit one window, so
# windows play no part.


@dataclass(frozen=True)
class Labelled:
    """Words with the label of each, as one softmax gives it."""

    words: list[Span]
    labels: list[str]

    def spans(self) -> Found:
        """As the pipeline groups labels: I-X goes on after B-X or I-X, all else begins anew."""
        found: list[tuple[int, int, str]] = []
        previous = "O"
        for word, label in zip(self.words, self.labels, strict=True):
            mark, kind = label[:1], label[2:]
            if mark == "I" and previous[2:] == kind and found and previous != "O":
                found[-1] = (found[-1][0], word.end, kind)
            elif label != "O":
                found.append((word.start, word.end, kind))
            previous = label
        return set(found)


class Steps:
    """The ways from a passage's record to what the pipeline says of it."""

    def __init__(self, engine: Engine, view: Any, names: dict[int, str], text: str) -> None:
        self.engine, self.text = engine, text
        self.words = words(text)
        config, tokenizer = engine.loaded.model.config, engine.loaded.tokenizer
        given = [word.of(text) for word in self.words]
        (self.window,) = windows(tokenizer, given, config.window, config.overlap)
        self.scores = engine.word_scores([given])[0]
        head = engine.head("entities")
        told = figures_told(lifted(self.scores, head.lift), given, head.inventory)
        self.decided = pooled(told, given, head.inventory, head.pooling).argmax(axis=2)
        self._view, self._names, self._tokenizer = view, names, tokenizer
        self.pieces = np.asarray(self.window.index)
        self.logits = self._logits(self.window.ids)

    def _logits(self, ids: Sequence[int]) -> Any:
        given = torch.tensor([list(ids)])
        with torch.inference_mode():
            return self._view(input_ids=given, attention_mask=torch.ones_like(given)).logits[0].numpy()

    def record(self, repair: bool) -> Found:
        (record,) = predict(replace(self.engine, repair=repair), [Article("a", self.text)])
        return outermost(record)

    def one_softmax(self) -> Labelled:
        """The model's own scores of words, as one softmax; no path that is constrained, no spans that nest."""
        odds = (self.scores[:, :, 1:] - self.scores[:, :, :1]).reshape(len(self.words), -1)
        best = np.where(odds.max(axis=1) > 0, odds.argmax(axis=1) + 1, 0)
        return Labelled(self.words, [self._names[int(each)] for each in best])

    def first_piece(self) -> Labelled:
        """The label of each word's first piece, in place of the mean of its pieces."""
        first = [int(np.flatnonzero(self.pieces == n)[0]) for n in range(len(self.words))]
        return Labelled(self.words, [self._names[int(self.logits[place].argmax())] for place in first])

    def own_words(self) -> Labelled:
        """Words as the pipeline makes them: a piece goes on the word before it when its length is not its slice's."""
        batch = self._tokenizer(self.text, return_offsets_mapping=True)
        logits = self._logits(batch["input_ids"])
        made: list[Span] = []
        labels: list[str] = []
        for place, (start, end) in enumerate(batch["offset_mapping"]):
            number = batch["input_ids"][place]
            if number in (self._tokenizer.cls_token_id, self._tokenizer.sep_token_id):
                continue
            piece = self._tokenizer.convert_ids_to_tokens(number)
            goes_on = len(piece) != end - start and number != self._tokenizer.unk_token_id
            if goes_on and made:
                made[-1] = Span(made[-1].start, end)
            else:
                made.append(Span(start, end))
                labels.append(self._names[int(logits[place].argmax())])
        return Labelled(made, labels)

    def chain(self) -> list[Found]:
        """What is found, from the record to the pipeline."""
        views = [self.one_softmax(), self.first_piece(), self.own_words()]
        return [self.record(True), self.record(False), *(view.spans() for view in views)]

    def causes(self) -> dict[str, Callable[[int], bool]]:
        """By step of the chain, whether a word gives it something to change."""
        whole = {(word.start, word.end) for word in read_words(self.text, True)}
        made = {(word.start, word.end) for word in self.own_words().words}
        ends = [(word.start, word.end) for word in self.words]
        return {
            "repair": lambda n: ends[n] not in whole,
            "nesting": self.two_types,
            "first piece": self.split,
            "words": lambda n: ends[n] not in made,
        }

    def two_types(self, n: int) -> bool:
        """Whether a word has more than one type, a label that a path may not have there, or one that the scores do not
        give as they are, which is how the softmax has them: by lift, by a figure's form, by the name's other places."""
        likeliest = self.scores[n].argmax(axis=1)
        opens_inside = (likeliest == 2) & ((self.scores[n - 1].argmax(axis=1) == 0) if n else True)
        return bool((likeliest > 0).sum() > 1 or opens_inside.any() or (self.decided[n] != likeliest).any())

    def split(self, n: int) -> bool:
        """Whether a word has more than one piece."""
        return int((self.pieces == n).sum()) > 1

    def touches(self, span: tuple[int, int, str], is_cause: Callable[[int], bool]) -> bool:
        """Whether the cause is found at a word of the span, or beside it: a neighbour may have taken it in."""
        inside = [n for n, word in enumerate(self.words) if word.start < span[1] and span[0] < word.end]
        near = range(max(0, inside[0] - 1), min(len(self.words), inside[-1] + 2))
        return any(is_cause(n) for n in near)


@pytest.fixture(scope="module")
def news() -> Engine:
    return open_engine("news", CPU)


def test_every_difference_from_the_records_has_a_named_cause(news: Engine, tmp_path: Path) -> None:
    view = token_classifier(news.loaded, "entities")
    view.save_pretrained(tmp_path)
    news.loaded.tokenizer.save_pretrained(tmp_path)
    reads = entity_pipeline(tmp_path, 64)
    counts = Counter[str]()
    for file in sorted((ROOT / "seeds").glob("*.txt")):
        text = read_exact(file)
        for unit in passages(text)[:_PASSAGES]:
            steps = Steps(news, view, view.config.id2label, unit.of(text))
            chain = steps.chain()
            assert chain[-1] == pipeline_spans(reads, steps.text)  # nothing else is different
            for (name, cause), before, after in zip(steps.causes().items(), chain[:-1], chain[1:], strict=True):
                for span in before ^ after:
                    assert steps.touches(span, cause), (name, span, steps.text[span[0] : span[1]])
                counts[name] += len(before ^ after)
            counts["record"] += len(chain[0])
            counts["equal"] += len(chain[0] & chain[-1])
    print(dict(counts))  # the table of docs/decisions/0017-export-views.md, with more passages
    assert counts["equal"] > 0.8 * counts["record"] > 100
    assert counts["nesting"] > counts["first piece"] + counts["words"] + counts["repair"]

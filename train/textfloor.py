"""The floor of a `text` head: TF-IDF of words and a linear classifier, in one table with the model.

Both learn from the same articles. The table has three rows of each: all articles of the evaluation source, the long
ones, and those that share little with what was learnt from: newspapers print the same paragraph twice, and a split by
article alone rewards a good memory.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rasid.labelmetrics import label_scores, numbers
from rasid.model import Head, Loaded
from rasid.normalizer import normalise
from rasid.tables import table

from .config import RunConfig
from .exclusion import words_of
from .labelled import Labelled, read_labelled

LONG = 400  # words; about where an encoder with room for 512 pieces would begin to cut
RUN = 10  # words in a row that make two articles share text
FAMILIAR = 0.2  # share of an article's runs found in training from which it counts as known

_HEADER = ("dev articles", "number", "accuracy", "low", "high", "macro-F1", "low", "high")
Answers = Sequence[tuple[str, ...]]


@dataclass(frozen=True)
class TextFloor:
    """Normalised words seen twice or more, sublinear TF-IDF, a linear support vector machine, one against the rest."""

    labels: tuple[str, ...]
    multilabel: bool
    _pipeline: Any  # of scikit-learn

    @classmethod
    def learn(cls, articles: Sequence[Labelled], head: Head) -> TextFloor:
        from sklearn.feature_extraction.text import TfidfVectorizer
        from sklearn.multiclass import OneVsRestClassifier
        from sklearn.pipeline import make_pipeline
        from sklearn.svm import LinearSVC

        words = TfidfVectorizer(preprocessor=normalise, token_pattern=r"[^\W\d_]+", sublinear_tf=True, min_df=2)
        machine = LinearSVC(random_state=0)
        pipeline = make_pipeline(words, OneVsRestClassifier(machine) if head.multilabel else machine)
        pipeline.fit([article.text for article in articles], _answers(articles, head))
        return cls(head.labels, head.multilabel, pipeline)

    def predict(self, texts: Sequence[str]) -> list[tuple[str, ...]]:
        found = self._pipeline.predict(texts)
        if not self.multilabel:
            return [(str(label),) for label in found]
        return [tuple(label for label, given in zip(self.labels, row, strict=True) if given) for row in found]


def _answers(articles: Sequence[Labelled], head: Head) -> list[Any]:
    """What scikit-learn is to learn: a label for each article, or 0 and 1 for each label."""
    if not head.multilabel:
        return [article.labels[0] for article in articles]
    return [[int(label in article.labels) for label in head.labels] for article in articles]


def shared_runs(texts: Sequence[str], known: Sequence[str]) -> list[float]:
    """The share of each text's runs of `RUN` words that stand in any of the `known` texts; 0.0 where it has no run."""
    own = [set(_runs(text)) for text in texts]
    wanted = set().union(*own)
    found = {run for text in known for run in _runs(text) if run in wanted}
    return [len(runs & found) / len(runs) if runs else 0.0 for runs in own]


def _runs(text: str) -> Iterator[int]:
    """Hashes of every `RUN` words in a row, normalised, digits and marks left out."""
    words = words_of(text)
    return (hash(tuple(words[at : at + RUN])) for at in range(len(words) - RUN + 1))


def _read(config: RunConfig, name: str, head: Head) -> list[Labelled]:
    """The articles that feed a head."""
    sources = [source for source in config.sources.values() if source.head == name]
    return [gold for source in sources for gold in read_labelled(source, head.labels, head.multilabel)]


def compare(config: RunConfig, loaded: Loaded, answers: Mapping[str, Answers]) -> str:
    """The tables of the evaluation sources that the model has `answers` for: the model, and the floor that learnt from
    the same articles."""
    pages = []
    for name, found in answers.items():
        source = config.evaluation[name]
        head = loaded.model.config.named_heads.get(source.head)
        if head is not None:
            learnt = _read(config, source.head, head)
            gold = read_labelled(source, head.labels, head.multilabel)
            texts = [article.text for article in gold]
            systems = {loaded.name: found, "TF-IDF + linear": TextFloor.learn(learnt, head).predict(texts)}
            title = f"{source.head}, {name}: learnt from {len(learnt)} articles; intervals are 95 %, over articles."
            pages.append(f"{title}\n\n{_table(gold, systems, shared_runs(texts, [a.text for a in learnt]))}")
    return "\n\n".join(pages)


def _table(gold: Sequence[Labelled], systems: Mapping[str, Answers], shares: Sequence[float]) -> str:
    lengths = [len(article.text.split()) for article in gold]
    parts: dict[str, Callable[[int], bool]] = {
        "all": lambda i: True,
        f"over {LONG} words": lambda i: lengths[i] > LONG,
        f"under {FAMILIAR:.0%} shared with training": lambda i: shares[i] < FAMILIAR,
    }
    rows = []
    for system, answers in systems.items():
        for part, belongs in parts.items():
            kept = [i for i in range(len(gold)) if belongs(i)]
            scores = label_scores([gold[i].labels for i in kept], [answers[i] for i in kept])
            rows.append([f"{system}: {part}", str(len(kept)), *numbers(scores)])
    return table(_HEADER, rows)

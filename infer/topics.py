"""What an article as a whole is: the probabilities of a model's `text` heads to the labels of its record.

The module never runs a model. A text without a letter or a digit is given no label: there is nothing to judge it by.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rasid.model import Head
from rasid.records import Label
from rasid.textscoring import Floats, Reading, chosen

from .engine import Engine
from .stances import rounded

Labels = Mapping[str, Label | tuple[Label, ...]]


def article_labels(engine: Engine, texts: Sequence[str], reading: Reading) -> list[Labels]:
    """Each text's labels by head; `reading` is what the engine read in these texts."""
    heads = {name: engine.head(name) for name in reading.labels}
    return [
        {name: _label(heads[name], rows[number]) for name, rows in reading.labels.items() if _says_something(text)}
        for number, text in enumerate(texts)
    ]


def _label(head: Head, probabilities: Floats) -> Label | tuple[Label, ...]:
    """One label; a tuple of them, which may be empty, where the head gives several."""
    found = tuple(Label(label=one.label, score=rounded(one.score)) for one in chosen(head, probabilities))
    return found if head.multilabel else found[0]


def _says_something(text: str) -> bool:
    return any(character.isalnum() for character in text)

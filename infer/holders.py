"""Holders: whose stance it is. Adds to the author's questions those to the speakers that a passage quotes.

Who speaks, and which words are his, is found by the rules of `rasid.speech`; a speaker is asked about a target only
where his words mention it. The module runs no model.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from rasid.speech import OTHER, Named, Voice, voices
from rasid.text import Span

from .clusters import Resolution
from .mentions import Mention
from .stances import Question


def quoted(text: str, asked: Sequence[Question], mentions: Sequence[Mention], resolution: Resolution) -> list[Question]:
    """Questions to quoted speakers, in the order of the author's (`asked`): one for each target, passage and speaker,
    about the first of the speaker's words in the passage that mention the target."""
    named = [Named(m.span, m.type, c) for m, c in zip(mentions, resolution.of, strict=True) if c]
    heard: dict[Span, list[Voice]] = {}
    last, place = OTHER, -1
    for passage in sorted({question.passage for question in asked}):
        # A verb without a subject goes on with the speaker of the passage right before, not of one further up.
        before = last if 0 <= passage.start - place <= _NEXT else OTHER
        heard[passage] = voices(text, passage, named, before)
        last, place = (heard[passage][-1].holder if heard[passage] else OTHER), passage.end
    return [found for question in asked for found in _of(question, heard[question.passage])]


_NEXT = 3  # characters between a passage and the next


def _of(question: Question, heard: Sequence[Voice]) -> Iterator[Question]:
    seen = {question.target}  # what a body says of itself is no stance of another's
    for voice in heard:
        inside = _inside(question, voice.content)
        if inside and voice.holder not in seen:
            seen.add(voice.holder)
            yield replace(question, holder=voice.holder, words=voice.content, mentions=inside)


def _inside(question: Question, content: Span) -> tuple[Span, ...]:
    """The target's mentions in a speaker's words, counted from their start."""
    shift = question.passage.start - content.start
    moved = (Span(mention.start + shift, mention.end + shift) for mention in question.mentions)
    return tuple(mention for mention in moved if mention.start >= 0 and mention.end <= len(content))

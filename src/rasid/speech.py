"""Reported speech: which stretches of a text are somebody's words, and where the speaker is named, by rules.

A sentence is searched for cues: verbs of saying (قال, أكد, ويقول), participles that go on with the last speaker
(مؤكدا, مشيرا إلى), sources (وفقا لـ, بحسب, على لسان, نقلت ... عن), and a verb after a closed quotation. What comes
out are offsets into the untouched text. The module sees words and marks, not meaning: it knows nothing of entities
(`voices` is told them), of models or of stance, and a quotation without a cue is nobody's.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import regex

from rasid.normalizer import normalise
from rasid.text import Span, paragraphs, sentences, words

AUTHOR, OTHER = "author", "other"
_SUBJECT = 14  # words after a verb that opens nothing in which its subject is looked for
_SPEAKERS = frozenset(("PERS", "ORG", "GPE", "WEBSITE"))
_REACH = 30  # words between a verb and its أن, colon or quotation mark


def _forms(*rows: str) -> frozenset[str]:
    return frozenset(normalise(word) for row in rows for word in row.split())


def _past(*rows: str) -> Iterator[str]:
    """Feminine and plural of third-person pasts: قال, قالت, قالوا; of a final weak letter, رأى, رأت, رأوا."""
    for verb in _forms(*rows):
        stem = verb[:-1] if verb[-1] in "يا" else verb
        yield from (verb, stem + "ت", stem + "وا", stem + "تا", verb + "ا")
        weak = stem + "ا" if verb[-1] in "يا" else stem
        yield from (weak + "ه", weak + "ها", stem + "ته", stem + "تها")  # ما كشفه, ما نفته


def _present(*rows: str) -> Iterator[str]:
    for verb in _forms(*rows):
        stem = verb[:-1] if verb[-1] in "يا" else verb
        yield from (verb, "ت" + verb[1:], stem + "ون")


# What these verbs govern is speech only with a complement: أن, a colon or a quotation.
_SAY = frozenset(
    (
        *_past("قال أكد أعلن أضاف أوضح ذكر أفاد صرح شدد اعتبر رأى حذر أشار لفت كشف نفى روى زعم ادعى تابع أعرب"),
        *_past("نوه رد علق أقر اعترف تعهد توعد هدد رجح توقع جدد شرح استبعد تساءل خلص أبلغ أورد كتب ألمح لخص"),
        *_past("جزم حكى وثق استطرد ختم أردف احتج برر نصح نبه طمأن"),
        *_present("يقول يؤكد يعلن يضيف يوضح يذكر يفيد يصرح يشدد يعتبر يرى يحذر يشير يلفت يكشف ينفي يروي يزعم يدعي"),
        *_present("يتابع يعرب يعبر ينوه يرد يعلق يقر يعترف يتعهد يتوعد يهدد يرجح يتوقع يجدد يشرح يستبعد يتساءل يخلص"),
        *_present("يبلغ يورد يكتب يجزم يحكي يظن يعتقد يخشى يقدر يصر ينبه ينصح يبرر"),
    )
)
_VIEW = normalise("رأى")  # which رأي is as well: a heading such as رأي: says nothing
# What these govern is an attitude by itself: اتهم, انتقد, طالب.
_JUDGE = frozenset(
    (
        *_past("اتهم انتقد ندد دان أدان شكك استنكر أشاد رحب هاجم وصف ناشد طالب دعا حيا اعترض سخر أثنى امتدح"),
        *_present("يتهم ينتقد يندد يدين يشكك يستنكر يشيد يرحب يهاجم يصف يناشد يطالب يدعو يحيي يعترض يسخر يثني يمتدح"),
    )
)
# These only name a speaker; عبر by itself is a preposition.
_EXPRESS = frozenset((*_past("أعرب تحدث"), *_present("يعرب يتحدث"), "عبرت", "عبروا", "تعبر", "يعبر"))
_CLAIMS = _SAY | _JUDGE
_NAMES_SPEAKER = _SAY | _EXPRESS
_GOING_ON = _forms(
    "مؤكدا مؤكدة مشيرا مشيرة مضيفا مضيفة قائلا قائلة موضحا موضحة لافتا لافتة معتبرا معتبرة محذرا محذرة مرجحا مرجحة",
    "داعيا داعية واصفا واصفة مذكرا مذكرة منتقدا منتقدة مستشهدا مستشهدة متهما متهمة مشددا مشددة كاشفا كاشفة نافيا نافية",
    "مطالبا مطالبة معربا معربة زاعما زاعمة مبينا مبينة متسائلا متسائلة مستنكرا مستنكرة محملا محملة منوها منوهة",
)
_SOURCES = _forms("بحسب حسب وفق وفقا طبقا")
_SOURCE_PHRASES = tuple(tuple(normalise(p).split()) for p in ("على لسان", "على حد", "في نظر", "في رأي", "نقلا عن"))
_AFTER_HADD = _forms("قول قوله قولها تعبير تعبيره تعبيرها وصف وصفه وصفها زعم زعمه زعمها قولهم وصفهم تعبيرهم")
# What follows وفق without being anybody's word.
_NO_SOURCE = _forms(
    "قانون القانون لقانون للقانون اتفاق الاتفاق لاتفاق للاتفاق اتفاقية الاتفاقية لاتفاقية قرار القرار لقرار",
    "خطة الخطة لخطة جدول لجدول معايير لمعايير نظام لنظام دستور الدستور للدستور ميثاق لميثاق شروط لشروط ما",
    "المواصفات أحكام لأحكام الأصول للأصول مبدأ لمبدأ نتائج الحاجة المنطقة العمر الوزن",
)
_THAT = _forms(
    "أن إن بأن بإن أنه إنه أنها إنها أنهم إنهم بأنه بأنها بأنهم أننا إننا إني أنني إنني كأن قوله قولها قولهم"
)
_CLAIMS_OR_THAT = _CLAIMS | _THAT
_LEAVE = _forms("فيما بينما حين")  # begin a clause that is not the speaker's any more
_SWITCH = _LEAVE | _forms("لكن غير كما حيث إذ وهو وهي")  # may begin one
_BEFORE_SPEAKER = _forms("أما لكن غير أن إن فيما بينما في حين كما كان كانت قد إذ حيث هو هي ما")
_OPEN, _CLOSE = frozenset('“«"„'), frozenset('”»"‟')
_QUOTATION_MARK = regex.compile("[" + "".join(sorted(_OPEN | _CLOSE)) + "]")
_STOPS = frozenset("،,؛;:.()؟?!-–—")
_RELAY = _forms("نقل نقلت ينقل تنقل")
# Words that have to be looked at: a sentence without any, and without a quotation, reports nothing.
_CUES = _GOING_ON | _CLAIMS | _EXPRESS | _SOURCES | _RELAY | {phrase[0] for phrase in _SOURCE_PHRASES}
_RELATIVE = _forms("ما الذي التي")
_AFTER_QUOTATION = frozenset((*"،,:", *_forms("بهذه الكلمات العبارة العبارات هكذا بهذا")))
_NOT_A_NAME = _forms(
    "في من على عن إلى مع خلال أمام وسط بعد قبل عند ب ل لدى أثناء ضمن عبر منذ حول بشأن حتى و أو ثم إثر عقب أمس",
    "اليوم الخميس الجمعة السبت الأحد الاثنين الإثنين الثلاثاء الأربعاء هذا هذه ذلك تلك أيضا بدوره بدورها لاحقا",
)


@dataclass(frozen=True, slots=True)
class Speech:
    """A stretch of reported speech. `speaker` is where its speaker is named, None where the last one goes on; the
    cue (and the speaker, when it is named with the cue) stands outside `content`."""

    speaker: Span | None
    content: Span
    direct: bool  # in quotation marks


@dataclass(frozen=True, slots=True)
class Named:
    """A mention that may be a speaker: its place, entity type and cluster."""

    span: Span
    type: str
    cluster: str


@dataclass(frozen=True, slots=True)
class Voice:
    """A stretch of text that a holder speaks: a cluster id, or `other` for a speaker that no cluster stands for."""

    holder: str
    content: Span
    direct: bool


@dataclass(frozen=True)
class _Sentence:
    """Words of one sentence: places, their normal forms, and the same without a leading و or ف."""

    text: str
    cut: tuple[Span, ...]
    keys: tuple[str, ...]
    bare: tuple[str, ...]
    quotes: tuple[range, ...]  # word numbers inside each pair of quotation marks, marks included

    def span(self, start: int, end: int) -> Span | None:
        """Characters of the words [start, end), separators at both ends left out; None when none is left."""
        while start < end and self.keys[start] in _STOPS:
            start += 1
        while end > start and self.keys[end - 1] in _STOPS:
            end -= 1
        return Span(self.cut[start].start, self.cut[end - 1].end) if start < end else None

    def quote_at(self, number: int) -> range | None:
        """The quotation that a word stands in."""
        return next((quote for quote in self.quotes if number in quote), None)


def quotations(text: str, within: Span) -> list[Span]:
    """Stretches between quotation marks, marks included, that close inside `within`: “ ”, « » and " "."""
    found: list[Span] = []
    start: int | None = None
    for place in (match.start() for match in _QUOTATION_MARK.finditer(text, within.start, within.end)):
        mark = text[place]
        if start is None and mark in _OPEN:
            start = place
        elif start is not None and mark in _CLOSE and (mark != '"' or text[start] == '"'):
            found.append(Span(start, place + 1))
            start = None
    return found


def _units(text: str, within: Span, quoted: Sequence[Span]) -> list[Span]:
    """Sentences; those that a quotation runs through are one."""
    units: list[Span] = []
    for paragraph in paragraphs(text):
        if not paragraph.overlaps(within):
            continue
        block = Span(max(paragraph.start, within.start), min(paragraph.end, within.end))
        for sentence in sentences(text, block):
            if units and any(quote.start < units[-1].end and quote.end > sentence.start for quote in quoted):
                units[-1] = Span(units[-1].start, sentence.end)
            else:
                units.append(sentence)
    return units


def _sentence(text: str, unit: Span, quoted: Sequence[Span]) -> _Sentence:
    cut = tuple(Span(unit.start + w.start, unit.start + w.end) for w in words(unit.of(text)))
    surfaces = (text[word.start : word.end] for word in cut)
    keys = tuple(normalise(surface) if surface[0].isalnum() else surface for surface in surfaces)
    bare = tuple(key[1:] if key[:1] in "وف" and len(key) > 3 else key for key in keys)
    inside = (
        [number for number, word in enumerate(cut) if quote.contains(word)] for quote in quoted if quote.overlaps(unit)
    )
    return _Sentence(text, cut, keys, bare, tuple(range(n[0], n[-1] + 1) for n in inside if n))


def speeches(text: str, within: Span) -> list[Speech]:
    """Reported speech in a passage, in the order of its cues."""
    quoted = quotations(text, within)
    found: list[Speech] = []
    for unit in _units(text, within, quoted):
        found += _of_sentence(_sentence(text, unit, quoted))
    return found


def _of_sentence(sentence: _Sentence) -> list[Speech]:
    found: list[Speech] = []
    if not sentence.quotes and _CUES.isdisjoint(sentence.keys) and _CUES.isdisjoint(sentence.bare):
        return found
    position = 0
    waiting: Span | None = None  # named by a verb that opened nothing: وأعربت فلانة عن قلقها، مؤكدة أن
    while position < len(sentence.cut):
        quote = sentence.quote_at(position)
        if quote is not None:
            found += _after_quotation(sentence, quote, found)
            position = quote.stop
            continue
        speech = _at(sentence, position) if _is(sentence, position, _CUES) else None
        if speech is not None:
            found.append(speech if speech.speaker is not None else replace(speech, speaker=waiting))
            waiting = None
        elif _is(sentence, position, _NAMES_SPEAKER):
            waiting = _subject_before(sentence, position) or _speaker_after(sentence, position + 1, None)
        position += 1
    return found


def _is(sentence: _Sentence, number: int, forms: frozenset[str]) -> bool:
    return sentence.keys[number] in forms or sentence.bare[number] in forms


def _at(sentence: _Sentence, number: int) -> Speech | None:
    """The speech that the word `number` brings in, if it is a cue."""
    if _is(sentence, number, _GOING_ON):
        return _participle(sentence, number)
    if _is(sentence, number, _CLAIMS):
        return _verb(sentence, number)
    if _is(sentence, number, _SOURCES):
        return _source(sentence, number, number + 1)
    for phrase in _SOURCE_PHRASES:
        here = (sentence.bare[number], *sentence.keys[number + 1 : number + len(phrase)])
        if here == phrase:
            start = number + len(phrase)
            if phrase[1] == normalise("حد") and start < len(sentence.keys) and sentence.keys[start] in _AFTER_HADD:
                start += 1
            return _source(sentence, number, start)
    if sentence.bare[number] in _RELAY:
        return _relayed(sentence, number)
    return None


def _complement(sentence: _Sentence, start: int) -> int | None:
    """The first word from `start` on that opens what is said: أن and its like, a colon, a quotation."""
    for number in range(start, min(len(sentence.keys), start + _REACH)):
        quote = sentence.quote_at(number)
        if sentence.keys[number] == ":" or sentence.keys[number] in _THAT:
            return number
        if quote is not None and number == quote.start and len(quote) > 4 and not _is_name(sentence, quote, start):
            return number
        if number > start and (_is(sentence, number, _GOING_ON) or _is(sentence, number, _SAY)):
            return None  # another verb's complement
    return None


def _is_name(sentence: _Sentence, quote: range, start: int) -> bool:
    """Whether a quotation right after a verb is its subject's name: أفاد «مرصد السهل لحقوق الإنسان» بأن."""
    ahead = sentence.keys[quote.stop : quote.stop + 3]
    return quote.start == start and any(key in _THAT for key in ahead)


def _end(sentence: _Sentence, start: int) -> int:
    """Where speech that begins at `start` ends: its sentence's end, or before a clause that hands over to another."""
    number = start
    while number < len(sentence.keys):
        quote = sentence.quote_at(number)
        if quote is not None:
            number = quote.stop
            continue
        if number > start and _hands_over(sentence, number):
            return number
        number += 1
    return len(sentence.keys)


def _hands_over(sentence: _Sentence, number: int) -> bool:
    """Whether a new speaker or the author takes the word here: ، فيما قال, ؛ وقال, ، وهو ما نفاه."""
    before = sentence.keys[number - 1]
    if before not in "،؛,;." and sentence.keys[number] not in _SWITCH:
        return False
    ahead = range(number, min(number + 4, len(sentence.keys)))
    if sentence.keys[number] in _SWITCH:
        verb = any(_is(sentence, n, _CLAIMS) for n in ahead)
        return verb or (sentence.keys[number] in _LEAVE and before in "،؛,;")
    return sentence.keys[number][0] in "وف" and sentence.bare[number] in _CLAIMS


def _content(sentence: _Sentence, start: int) -> tuple[Span | None, bool]:
    first = start + 1 if start < len(sentence.keys) and sentence.keys[start] == ":" else start
    quote = sentence.quote_at(first) if first < len(sentence.keys) else None
    return sentence.span(first, _end(sentence, first)), quote is not None and quote.start == first


def _verb(sentence: _Sentence, number: int) -> Speech | None:
    """قال X إن ...: what is said begins at its opening. Of a verb that judges (اتهم X Y) all that follows is X's, X's
    name included, because words alone do not tell where the subject ends and the object begins."""
    judges = _is(sentence, number, _JUDGE)
    opening = _complement(sentence, number + 1)
    if (opening is None and not judges) or (sentence.keys[number] == _VIEW and sentence.keys[opening or 0] == ":"):
        return None
    start = number + 1 if judges or opening is None else opening
    content, direct = _content(sentence, start)
    speaker = _subject_before(sentence, number) or _speaker_after(sentence, number + 1, opening)
    return Speech(speaker, content, direct) if content is not None else None


def _speaker_after(sentence: _Sentence, start: int, opening: int | None) -> Span | None:
    """The words between a verb and what it opens, or as far as a name may stand. None when the verb has no subject of
    its own (وأضاف أن)."""
    end = min(start + _SUBJECT, len(sentence.keys)) if opening is None else opening
    if start >= end or sentence.keys[start] in _NOT_A_NAME:
        return None
    return sentence.span(start, end)


def _subject_before(sentence: _Sentence, number: int) -> Span | None:
    """A subject that stands before its verb: أما خالد العساف، وهو معلم، فروى أن; دبلوماسي غربي قال إن."""
    start = number
    if number > 0 and sentence.bare[number - 1] in _RELATIVE:
        return None  # ما كشفه X
    while start > 0 and not _breaks(sentence, start - 1, number):
        start -= 1
    while start < number and _is(sentence, start, _BEFORE_SPEAKER):
        start += 1
    plain = sentence.keys[number] == sentence.bare[number]
    topic = start > 0 and sentence.bare[start - 1] == normalise("أما")
    if start >= number or not (plain or topic) or _is(sentence, start, _NOT_A_NAME):
        return None
    return sentence.span(start, number)


def _breaks(sentence: _Sentence, number: int, verb: int) -> bool:
    """Whether a subject before `verb` cannot reach back over this word. Commas are passed only under أما."""
    topic = normalise("أما") in sentence.bare[:verb]
    key = sentence.keys[number]
    if not topic and (key in _CLOSE or key in _SWITCH):
        return True
    if sentence.bare[number] in _CLAIMS_OR_THAT:
        return True
    return key in _STOPS and not (topic and key in "،,")


def _participle(sentence: _Sentence, number: int) -> Speech | None:
    start = number + 1
    if start < len(sentence.keys) and sentence.keys[start] == normalise("إلى"):
        start += 1
    content, direct = _content(sentence, start)
    return Speech(None, content, direct) if content is not None else None


def _source(sentence: _Sentence, cue: int, start: int) -> Speech | None:
    """بحسب X: what X said is the clause before the cue, or after it when the cue begins the sentence."""
    if sentence.keys[start : start + 1] == (normalise("ما"),) and start + 1 < len(sentence.keys):
        start += 2 if _is(sentence, start + 1, _SAY) else 0  # وفق ما ذكر X
    if start >= len(sentence.keys) or sentence.keys[start] in _NO_SOURCE:
        return None
    inner = next(
        (n for n in range(start, len(sentence.keys)) if sentence.keys[n] in "،؛,;.:" or sentence.keys[n] in _THAT),
        len(sentence.keys),
    )
    first = sum(key not in _OPEN for key in sentence.keys[:cue]) == 0
    after, before = (inner, len(sentence.keys)), (_clause_start(sentence, cue), cue)
    verbal = inner < len(sentence.keys) and sentence.keys[inner] in _THAT
    content = sentence.span(*(after if first or verbal else before))
    own = sentence.keys[start - 1] in _AFTER_HADD and sentence.keys[start - 1][-1] in "هم"
    speaker = None if own else sentence.span(start, inner)
    return Speech(speaker, content, False) if content is not None else None


def _clause_start(sentence: _Sentence, cue: int) -> int:
    for number in range(cue - 1, 0, -1):
        if sentence.keys[number] in _SWITCH and sentence.keys[number - 1] in "،؛,;":
            return number + 1
    return 0


def _relayed(sentence: _Sentence, number: int) -> Speech | None:
    """نقلت X عن Y أن: the words are Y's."""
    ahead = range(number + 1, min(number + 12, len(sentence.keys)))
    source = next((n for n in ahead if sentence.keys[n] == "عن"), None)
    opening = _complement(sentence, source + 1) if source is not None else None
    if source is None or opening is None:
        return None
    content, direct = _content(sentence, opening)
    speaker = sentence.span(source + 1, opening)
    return Speech(speaker, content, direct) if content is not None else None


def _after_quotation(sentence: _Sentence, quote: range, found: Sequence[Speech]) -> Iterator[Speech]:
    """“...”، قال X: a verb right after a quotation that nothing brought in."""
    place = Span(sentence.cut[quote.start].start, sentence.cut[quote.stop - 1].end)
    if len(quote) <= 4 or any(speech.content.overlaps(place) for speech in found):
        return
    number = quote.stop
    while number < len(sentence.keys) and sentence.keys[number] in _AFTER_QUOTATION:
        number += 1
    if number < len(sentence.keys) and _is(sentence, number, _SAY) and _complement(sentence, number + 1) is None:
        yield Speech(_speaker_after(sentence, number + 1, None), place, True)


def voices(text: str, within: Span, named: Sequence[Named], before: str = OTHER) -> list[Voice]:
    """Who speaks what in a passage. `named` are the text's mentions in text order; `before` is the holder of the last
    speech before the passage, which a verb without a subject goes on with."""
    found: list[Voice] = []
    last = before
    for speech in speeches(text, within):
        if speech.speaker is not None and not _is_manner(text, speech.speaker, named):
            last = _holder(text, speech.speaker, named)
        found.append(Voice(last, speech.content, speech.direct))
    return found


def _is_manner(text: str, speaker: Span, named: Sequence[Named]) -> bool:
    """Whether the words after a verb say how and not who: ويضيف بنبرة مريرة."""
    begins_like_it = normalise(speaker.of(text))[:1] == "ب"
    return begins_like_it and not any(speaker.contains(mention.span) for mention in named)


def _holder(text: str, speaker: Span, named: Sequence[Named]) -> str:
    """The cluster that a speaker's words name: what they begin with, else the first person in them."""
    inside = [mention for mention in named if speaker.contains(mention.span)]
    begin = next((place for place in range(speaker.start, speaker.end) if text[place].isalnum()), speaker.start)
    first = next((m for m in inside if m.span.start <= begin and m.type in _SPEAKERS), None)
    person = next((mention for mention in inside if mention.type == "PERS"), None)
    speaking = first or person
    return speaking.cluster if speaking is not None else OTHER

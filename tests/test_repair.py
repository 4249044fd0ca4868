"""Words glued by a lost space: cut where two words meet, and nowhere else; offsets never move."""

from __future__ import annotations

import itertools
import json
import lzma
import os
import random
from dataclasses import replace
from pathlib import Path

import pytest
import regex
from hypothesis import example, given
from hypothesis import strategies as st

from rasid.cli import main
from rasid.encoding import piece_ids
from rasid.infer.articles import Article
from rasid.infer.engine import Engine
from rasid.infer.predictor import predict
from rasid.model import Loaded, load_model, save_model
from rasid.perturb import perturb
from rasid.records import faults, read_records
from rasid.repair import read_whole, read_words, undodged
from rasid.text import words
from rasid.train.config import Source
from rasid.train.evaluation import predict_entities
from rasid.train.features import text_rows
from rasid.train.sources import GoldText
from rasid.wordforms import Wordforms, parse_wordforms, wordforms

ROOT = Path(__file__).parents[1]
CONTROL = regex.compile(r"[\u00AD\u061C\u180E\u200B-\u200F\u202A-\u202E\u2060-\u2064\u2066-\u206F\uFEFF]")
PIECES = st.sampled_from(
    [
        *(
            "سوريا",
            "والعراق",
            "العراق",
            "دير",
            "الزور",
            "الولايات",
            "المتحدة",
            "مخيم",
            "في",
            "من",
            "أن",
            "تركيا",
            "قسد",
        ),
        *(
            " ",
            "\n",
            "ـ",
            "َ",
            "ّ",
            "\u200c",
            "\u200f",
            "“",
            "”",
            ".",
            "،",
            "3",
            "٪",
            "A",
            "ة",
            "ى",
            "😀",
            "ﺍﻟ",
            "*",
            "_",
        ),
    ]
)
TEXTS = st.one_of(st.text(max_size=60), st.lists(PIECES, max_size=25).map("".join))


def surfaces(text: str, repair: bool = True) -> list[str]:
    return [span.of(text) for span in read_words(text, repair)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("سورياوالعراق", ["سوريا", "والعراق"]),
        ("العراقوسوريا", ["العراق", "وسوريا"]),
        ("الولاياتالمتحدة", ["الولايات", "المتحدة"]),
        ("ديرالزور", ["دير", "الزور"]),
        ("مخيمالهول", ["مخيم", "الهول"]),
        ("محافظة الحسكةفي رحلة", ["محافظة", "الحسكة", "في", "رحلة"]),
        ("تعتبر تركياأن ذلك", ["تعتبر", "تركيا", "أن", "ذلك"]),
        ("الجامعةالعربية", ["الجامعة", "العربية"]),
        ("أعلنتوزارةالخارجية", ["أعلنت", "وزارة", "الخارجية"]),
        ("سُورِيَاوَالعِراق", ["سُورِيَا", "وَالعِراق"]),  # marks stay with their letters
        ("سوريـــاوالعراق", ["سوريـــا", "والعراق"]),
        ("سوريا\u200cوالعراق", ["سوريا", "والعراق"]),  # a control at the cut is in neither word
        ("سو\u200fرياوالعراق", ["سو\u200fريا", "والعراق"]),
        ("“سورياوالعراق”.", ["“", "سوريا", "والعراق", "”", "."]),
    ],
)
def test_glued_words_are_cut_where_two_words_meet(text: str, expected: list[str]) -> None:
    assert surfaces(text) == expected


@pytest.mark.parametrize(
    "word",
    [
        *("والعراق", "بالباغوز", "وسيكتبونها", "ومنعوهم", "عبدالله", "أفغانستان", "فاستقبلناهم", "المستشفيات"),
        *("شىء", "مبادىء", "لايزال", "ماكان", "قسد", "في", "", "ـــ", "الألغـ,ام", "قت*لى", "المتفجـ.ـرات", "Reuters"),
        *(
            "سورياوالعراق2019",
            "كوالالمبور",
            "نيويورك",
            "ستراسبورغ",
            "الديمقراطيين",
            "غورينسكي",
            "سولبرغ",
            "ا" * 100_000,
        ),
    ],
)
def test_other_words_stay_whole(word: str) -> None:
    assert surfaces(word) == ([word] if word else [])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("لـ“قسد”", ["لـ", "“", "قسد", "”"]),
        ("و«داعش»في", ["و", "«", "داعش", "»", "في"]),
        ("بـ‘النصر’", ["بـ", "‘", "النصر", "’"]),
        ("انفجرت الألغـ,ام", ["انفجرت", "الألغـ,ام"]),
        ("قتـ.لى وجرحى", ["قتـ.لى", "وجرحى"]),
        ("انتهت الحرب.وقال", ["انتهت", "الحرب", ".", "وقال"]),  # a bare full stop is a lost space, no dodge
    ],
)
def test_quotes_glued_to_words_come_off_and_dodged_words_stay_together(text: str, expected: list[str]) -> None:
    assert surfaces(text) == expected


def test_without_repair_the_words_are_those_of_the_text() -> None:
    assert surfaces("سورياوالعراق في", repair=False) == ["سورياوالعراق", "في"]


@given(TEXTS)
@example("سوريا\u200c\u200fوالعراق\u200f")
@example("ةةةةةة")
def test_a_cut_moves_nothing_and_loses_nothing(text: str) -> None:
    whole, cut = words(text), read_words(text)
    assert read_words(text, repair=False) == whole
    assert all(a.end <= b.start for a, b in itertools.pairwise(cut))
    assert {word.start for word in whole} <= {part.start for part in cut}
    assert {word.end for word in whole} <= {part.end for part in cut}
    for word in whole:
        parts = [part for part in cut if word.contains(part)]
        held = {place for part in parts for place in range(part.start, part.end)}
        left = set(range(word.start, word.end)) - held
        assert all(CONTROL.match(text[place]) for place in left)
        assert len(parts) == 1 or all(not CONTROL.match(part.of(text)[-1]) for part in parts)


@given(TEXTS)
def test_what_was_cut_is_not_cut_again(text: str) -> None:
    """So that a text read twice, or a part of it, is cut alike."""
    for part in read_words(text):
        assert len(read_words(part.of(text))) == 1


def a_list() -> Wordforms:
    """Two common words, a rare short one and a stump."""
    return parse_wordforms(["total 1000000", "26 سوريا والعراق في", "8 ورد البر"])


def test_a_word_is_cut_by_what_the_list_says() -> None:
    forms = a_list()
    assert forms.cuts("سورياوالعراق") == (5,)
    assert forms.cuts("سورياوالعراقفي") == (5, 12)
    assert forms.cuts("سوريامجهول") == ()  # the second half is no word
    assert forms.cuts("سورياورد") == ()  # three letters, and not common
    assert forms.cuts("سورياالبر") == ()  # an article with two letters
    assert forms.cuts("سوريا") == ()


def test_a_listed_word_is_never_cut() -> None:
    forms = parse_wordforms(["total 1000000", "26 سوريا والعراق", "2 سورياوالعراق"])
    assert forms.cuts("سورياوالعراق") == ()


def test_letters_that_never_meet_inside_a_word_let_a_rare_part_stand() -> None:
    forms = parse_wordforms(["total 1000000", "26 مدينة في", "8 حلب"])
    assert forms.cuts("مدينةحلب") == (5,)  # nothing follows a ta marbuta in a word
    assert forms.cuts("حلبمدينة") == ()


def test_the_list_is_read_once_and_is_large_and_clean() -> None:
    forms = wordforms()
    assert forms is wordforms()
    assert len(forms.shares) > 100_000
    assert all(
        regex.fullmatch(r"[\u0621-\u064A]+", form) for form in random.Random(0).sample(sorted(forms.shares), 2000)
    )
    assert 0.8 < sum(10**share for share in forms.shares.values()) < 1.2  # a distribution over running words


def test_every_glued_word_of_the_annotated_articles_is_cut_where_its_names_end() -> None:
    places = cut = 0
    for file in sorted((ROOT / "annotations").glob("*.json")):
        record = json.loads(file.read_text(encoding="utf-8"))
        text = (ROOT / "seeds" / f"{record['doc']}.txt").read_bytes().decode()
        inside = {place for word in words(text) for place in range(word.start + 1, word.end)}
        asked = {place for e in record["entities"] for place in (e["start"], e["end"])} & inside
        got = {place for part in read_words(text) for place in (part.start, part.end)}
        places += len(asked)
        cut += len(asked & got)
    assert places >= 4
    assert cut == places


def glued(sentences: list[list[str]], rate: float, seed: int) -> tuple[list[list[str]], list[str]]:
    """Runs of words that lost the space between them at `rate`, and the words that lost none."""
    chance, letters = random.Random(seed), regex.compile(r"[\u0621-\u064A]+")
    runs: list[list[str]] = []
    for sentence in sentences:
        runs.append(sentence[:1])
        for left, right in itertools.pairwise(sentence):
            if letters.fullmatch(left) and letters.fullmatch(right) and chance.random() < rate:
                runs[-1].append(right)
            else:
                runs.append([right])
    return [run for run in runs if len(run) > 1], [
        run[0] for run in runs if len(run) == 1 and letters.fullmatch(run[0])
    ]


@pytest.mark.skipif("RASID_DATA" not in os.environ, reason="RASID_DATA, the folder of public sets, is not set")
def test_lost_spaces_of_public_text_are_found_and_clean_words_left_whole() -> None:
    """The dev blocks of ANERcorp (configs/anercorp.yaml); the figures of docs/decisions with some room."""
    from rasid.train.sources import tagged_sentences

    path = Path(os.environ["RASID_DATA"]) / "ner/anercorp/train.tsv"
    dev = [[t.word for t in s] for n, s in enumerate(tagged_sentences(path, "\t")) if n // 40 % 10 == 9]
    runs, whole = glued(dev, 0.05, seed=1)
    asked = found = right = 0
    for run in runs:
        ends = {sum(map(len, run[:n])) for n in range(1, len(run))}
        got = {part.start for part in read_words("".join(run))[1:]}
        asked, found, right = asked + len(ends), found + len(got), right + len(ends & got)
    assert asked > 300
    assert right / asked > 0.70
    assert right / found > 0.97
    assert sum(len(read_words(word)) > 1 for word in whole) / len(whole) < 0.001


def test_the_list_is_made_by_its_script(tmp_path: Path) -> None:
    import subprocess
    import sys

    shard = tmp_path / "shard.jsonl"
    rows = [{"id": str(n), "text": "قال في سوريا، وقال في العِراق" + (" نادر" if n == 1 else "")} for n in range(40)]
    shard.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    output = tmp_path / "forms.txt.xz"
    script = [sys.executable, str(ROOT / "scripts/count_wordforms.py"), str(shard), "--output", str(output)]
    subprocess.run(script, check=True, capture_output=True)
    with lzma.open(output, "rt", encoding="utf-8") as lines:
        forms = parse_wordforms(lines)
    assert set(forms.shares) == {"قال", "في", "سوريا", "وقال", "العراق"}
    assert 10 ** forms.shares["في"] == pytest.approx(2 / 6, rel=0.2)


GLUED = "وصل وفد من الأمم المتحدة إلى سورياوالعراق، ثم التقى سامرالحداد في الولاياتالمتحدة وتركيا."


@pytest.fixture(scope="module")
def loaded(tiny_model: Path) -> Loaded:
    return load_model(str(tiny_model))


@pytest.mark.parametrize("repair", [True, False])
def test_training_scoring_and_inference_cut_alike(loaded: Loaded, repair: bool) -> None:
    config = loaded.model.config
    gold = GoldText("a", GLUED, ())
    source = Source(head="entities", reader="annotations", path=Path("unused"))
    head = config.named_heads["entities"]
    rows = text_rows([gold], source, head, loaded.tokenizer, config.window, config.overlap, repair)
    cut = read_words(GLUED, repair)
    assert sum(row.window.core_end - row.window.core_start for row in rows) == len(cut)
    assert len(cut) - len(words(GLUED)) == (3 if repair else 0)
    engine = replace(open_engine_of(loaded), repair=repair)
    (record,) = predict(engine, [Article("a", GLUED)])
    assert faults(record, GLUED) == []
    assert {e.start for e in record.entities} <= {word.start for word in cut}
    config.repair = repair
    try:
        (scored,) = predict_entities(loaded, "entities", [GLUED])
    finally:
        config.repair = True
    assert {(e.type, e.start, e.end) for e in record.entities} == {(e.type, e.span.start, e.span.end) for e in scored}
    assert (
        any(e.start in {part.start for part in cut} - {w.start for w in words(GLUED)} for e in record.entities)
        == repair
    )


def open_engine_of(loaded: Loaded) -> Engine:
    return Engine(loaded, "entities", None)


def test_a_model_keeps_how_it_was_trained(loaded: Loaded, tmp_path: Path) -> None:
    assert load_model("news").model.config.repair  # made before there was a choice
    loaded.model.config.repair = False
    try:
        save_model(loaded, tmp_path, compress=False)
    finally:
        loaded.model.config.repair = True
    without = load_model(str(tmp_path))
    assert without.model.config.repair is False
    (record,) = predict(open_engine_of(without), [Article("a", GLUED)])
    inside = {place for word in words(GLUED) for place in range(word.start + 1, word.end)}
    assert not inside & {place for e in record.entities for place in (e.start, e.end)}


def test_the_command_line_can_leave_words_whole(tiny_model: Path, tmp_path: Path) -> None:
    article = tmp_path / "a.txt"
    article.write_text(GLUED, encoding="utf-8")
    inside = {place for word in words(GLUED) for place in range(word.start + 1, word.end)}
    ends = []
    for name, options in (("with", []), ("without", ["--no-repair"])):
        output = tmp_path / f"{name}.jsonl"
        command = ["infer", str(article), "--output", str(output), "--model", str(tiny_model), "--quiet", *options]
        assert main(command) == 0
        (record,) = [record for _, record in read_records(output)]
        ends.append({place for e in record.entities for place in (e.start, e.end)})
    assert inside & ends[0]
    assert not inside & ends[1]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("قتل د.اعش المدنيين في غ.زة", ["قتل", "د.اعش", "المدنيين", "في", "غ.زة"]),
        ("الاحت.لال", ["الاحت.لال"]),
        ("م.قا.ومة", ["م.قا.ومة"]),
        ("قِت.لى", ["قِت.لى"]),
        ("الأ/ميركي", ["الأ/ميركي"]),
        ("الخيام,والبرد", ["الخيام", ",", "والبرد"]),  # a lost space
        ("قال.وأضاف", ["قال", ".", "وأضاف"]),
        ("مارس/آذار", ["مارس", "/", "آذار"]),
        ("و/أو", ["و", "/", "أو"]),
        ("كي-مون", ["كي", "-", "مون"]),
        ("في.لم", ["في", ".", "لم"]),  # فيلم is a word, and so are the two
        ("د.أحمد", ["د", ".", "أحمد"]),
        ("أ.حمد", ["أ", ".", "حمد"]),  # a title, though أحمد is a word
        ("أ.ف.ب", ["أ", ".", "ف", ".", "ب"]),
        ("ق.م", ["ق", ".", "م"]),  # before our era, though قم is a town
        ("د. اعش", ["د", ".", "اعش"]),
        ("غ..زة", ["غ", ".", ".", "زة"]),
        ("3.5", ["3.5"]),
        ("غ.زة،والضفة", ["غ.زة", "،", "والضفة"]),
    ],
)
def test_a_bare_mark_inside_a_word(text: str, expected: list[str]) -> None:
    assert surfaces(text) == expected
    assert surfaces(text, repair=False) == [word.of(text) for word in words(text)]


def test_what_a_split_word_says() -> None:
    assert [undodged(word) for word in surfaces("د.اعش في غ.زة، 3.5")] == ["داعش", "في", "غزة", "،", "3.5"]
    assert read_whole("د.اعش في غ.زة، أ.ف.ب") == "داعش في غزة، أ.ف.ب"


def test_a_split_word_is_the_same_to_the_model(tiny_model: Path) -> None:
    loaded = load_model(str(tiny_model))
    plain, split = "وصل وفد إلى مدينة الميناء قرب غزة.", "وصل و.فد إلى مدي.نة المي-ناء قرب غ.زة."
    pieces = [piece_ids(loaded.tokenizer, [word.of(text) for word in read_words(text)]) for text in (plain, split)]
    assert pieces[0] == pieces[1]
    records = [predict(Engine(loaded, "entities", "stance"), [Article("a", text)])[0] for text in (plain, split)]
    assert records[0].entities
    assert [e.type for e in records[0].entities] == [e.type for e in records[1].entities]
    assert [e.name for e in records[0].entities] == [e.name for e in records[1].entities]
    assert not faults(records[1], split)


@pytest.mark.skipif("RASID_DATA" not in os.environ, reason="RASID_DATA, the folder of public sets, is not set")
def test_marks_inside_words_of_public_text_are_found_and_those_between_words_left() -> None:
    """The dev blocks of ANERcorp with a bare mark in every tenth word; the figures of docs/decisions with some room."""
    from rasid.train.sources import tagged_sentences

    path = Path(os.environ["RASID_DATA"]) / "ner/anercorp/train.tsv"
    dev = [[t.word for t in s] for n, s in enumerate(tagged_sentences(path, "\t")) if n // 40 % 10 == 9]
    text = " ".join(word for sentence in dev for word in sentence)
    assert not any(undodged(word.of(text)) != word.of(text) for word in read_words(text))
    split = perturb("bare_marks", text, 1)
    added = len(split.text) - len(text)
    whole = sum(len(word.of(split.text)) - len(undodged(word.of(split.text))) for word in read_words(split.text))
    assert added > 500
    assert whole / added > 0.85

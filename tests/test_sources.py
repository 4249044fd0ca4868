"""Readers: token formats to text with spans, nested tags, clitics, fixed splits, labels that heads do not know."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from rasid.errors import DataError
from rasid.model import Head
from rasid.train.config import Blocks, Source
from rasid.train.evaluation import judge_texts
from rasid.train.sources import (
    TaggedToken,
    mapped,
    read_pairs,
    read_texts,
    rejoin_clitics,
    spans_of,
    tagged_sentences,
)


def _tokens(*pairs: str) -> list[TaggedToken]:
    return [TaggedToken(word, tuple(tags.split())) for word, tags in (pair.split("/") for pair in pairs)]


def test_conll_becomes_text_with_exact_spans(tmp_path: Path) -> None:
    file = tmp_path / "a.tsv"
    file.write_text("زار\tO\nسامر\tB-PERS\nالحداد\tI-PERS\nالميناء\tB-LOC\n.\tO\n\nعاد\tO\n", encoding="utf-8")
    first, second = read_texts(Source(head="h", reader="conll", path=file))
    assert first.text == "زار سامر الحداد الميناء ."
    assert [(e.span.of(first.text), e.type) for e in first.entities] == [("سامر الحداد", "PERS"), ("الميناء", "LOC")]
    assert [t.of(first.text) for t in first.tokens or ()] == ["زار", "سامر", "الحداد", "الميناء", "."]
    assert second.text == "عاد"


@pytest.mark.parametrize("line", ["كلمة", "كلمة\tX-PER", "كلمة\tB_PER"])
def test_a_line_without_iob2_tags_is_named(tmp_path: Path, line: str) -> None:
    file = tmp_path / "a.tsv"
    file.write_text(f"زار\tO\n{line}\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"a\.tsv:2: expected a word and IOB2 tags"):
        list(tagged_sentences(file, "\t"))


def test_missing_and_undecodable_files_are_one_line(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot be read"):
        list(tagged_sentences(tmp_path / "none.tsv", "\t"))
    (tmp_path / "b.tsv").write_bytes("زار\tO".encode("cp1256"))
    with pytest.raises(DataError, match="not UTF-8"):
        list(tagged_sentences(tmp_path / "b.tsv", "\t"))


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        (["B-A", "I-A", "O"], [(0, 2, "A")]),
        (["B-A", "B-A"], [(0, 1, "A"), (1, 2, "A")]),
        (["I-A", "I-A"], [(0, 2, "A")]),  # a stray I- opens a span
        (["B-A B-B", "I-B I-A", "I-A"], [(0, 3, "A"), (0, 2, "B")]),  # column order says nothing
        (["B-A", "I-A B-A", "I-A I-A", "I-A"], [(0, 4, "A"), (1, 3, "A")]),  # one type inside itself
    ],
)
def test_several_tags_a_token(tags: list[str], expected: list[tuple[int, int, str]]) -> None:
    assert spans_of([tuple(tag.split()) if tag != "O" else () for tag in tags]) == expected


def test_clitics_go_back_on_their_words() -> None:
    first = _tokens("و/O", "ل/O", "البلاد/O", "و/O", "تقع/O", "عاصمة/O", "ها/O")
    split = first + _tokens("ل/O", "السودان/B-Nation", "،/O", "و/O")
    joined = rejoin_clitics(split)
    assert [t.word for t in joined] == ["وللبلاد", "وتقع", "عاصمتها", "للسودان", "،", "و"]
    assert joined[3].tags == ("B-Nation",)


def test_clitics_stay_where_nothing_can_carry_them() -> None:
    assert [t.word for t in rejoin_clitics(_tokens("و/O", "2019/O", "ه/O"))] == ["و", "2019", "ه"]


def test_a_fixed_split_parts_whole_blocks_and_loses_nothing(tmp_path: Path) -> None:
    file = tmp_path / "a.tsv"
    file.write_text("\n\n".join(f"س{i}\tO" for i in range(25)), encoding="utf-8")
    blocks = Blocks(size=2, every=3, offset=2)
    parts = {}
    for part in ("train", "dev"):
        source = Source(head="h", reader="conll", path=file, part=part, blocks=blocks)
        parts[part] = [gold.text for gold in read_texts(source)]
    assert parts["dev"] == [f"س{i}" for i in (4, 5, 10, 11, 16, 17, 22, 23)]
    assert sorted(parts["train"] + parts["dev"]) == sorted(f"س{i}" for i in range(25))


JOINED = "زار\tO\nسامر\tB-PER\n\nالحداد\tI-PER\nعاد\tO\n\nالميناء\tB-LOC\n\nس\tO\nص\tO\nع\tO\nغ\tO\nف\tO\n"


def test_neighbours_are_joined_up_to_so_many_words(tmp_path: Path) -> None:
    file = tmp_path / "a.tsv"
    file.write_text(JOINED, encoding="utf-8")
    first, second = read_texts(Source(head="h", reader="conll", path=file, join=5))
    assert (first.text, second.text) == ("زار سامر الحداد عاد الميناء", "س ص ع غ ف")
    assert (first.starts, second.starts) == ((0, 2, 4), (0,))
    # A span never goes on into the next sentence, whatever the tags say.
    assert [e.span.of(first.text) for e in first.entities] == ["سامر", "الحداد", "الميناء"]
    assert first.by_sentence(first.tags or ()) == [["O", "B-PER"], ["I-PER", "O"], ["B-LOC"]]


def test_joining_changes_neither_tokens_nor_what_is_scored(tmp_path: Path) -> None:
    file = tmp_path / "a.tsv"
    file.write_text(JOINED, encoding="utf-8")
    head = Head(kind="tokens", labels=("PER", "LOC"))
    for join in (None, 1, 3, 5, 100):
        golds = read_texts(Source(head="h", reader="conll", path=file, join=join))
        assert [t.of(gold.text) for gold in golds for t in gold.tokens or ()] == JOINED.split()[::2]
        persons = [[e for e in gold.entities if e.type == "PER"] for gold in golds]
        assert judge_texts(head, golds, persons)["lenient_f1"] == pytest.approx(2 * 2 / (2 + 3))


def test_sentences_of_several_blocks_are_not_joined(tmp_path: Path) -> None:
    file = tmp_path / "a.tsv"
    file.write_text("\n\n".join(f"س{i}\tO" for i in range(12)), encoding="utf-8")
    blocks = Blocks(size=2, every=3, offset=1)
    dev = read_texts(Source(head="h", reader="conll", path=file, part="dev", blocks=blocks, join=100))
    assert [gold.text for gold in dev] == ["س2 س3", "س8 س9"]
    with pytest.raises(ValueError, match="join is for the conll reader"):
        Source(head="h", reader="wojood", path=file, join=5)


def test_pairs_and_their_label_map(tmp_path: Path) -> None:
    file = tmp_path / "p.jsonl"
    row = {"claim": "الهدنة صامدة", "text": "خرقت الهدنة", "stance": "disagree"}
    file.write_text(json.dumps(row, ensure_ascii=False) + "\n", encoding="utf-8")
    labels = ("favor", "against", "none")
    source = Source(head="s", reader="pairs", path=file, map={"disagree": "against"})
    assert [(p.pair.target, p.label) for p in read_pairs(source, labels)] == [("الهدنة صامدة", "against")]
    with pytest.raises(DataError, match=r"unknown label 'disagree'.*map"):
        read_pairs(source.model_copy(update={"map": None}), labels)


def test_a_broken_pair_line_is_named(tmp_path: Path) -> None:
    file = tmp_path / "p.jsonl"
    file.write_text('{"claim": "x"}\n', encoding="utf-8")
    with pytest.raises(DataError, match=r"p\.jsonl:1: expected claim or target"):
        read_pairs(Source(head="s", reader="pairs", path=file), ("favor",))


def test_mapping_drops_what_the_map_leaves_out(tmp_path: Path) -> None:
    file = tmp_path / "a.tsv"
    file.write_text("سامر\tB-PER\nالميناء\tB-LOC\n", encoding="utf-8")
    source = Source(head="h", reader="conll", path=file, map={"PER": "PERS"})
    (gold,) = read_texts(source)
    assert [e.type for e in mapped(gold, source).entities] == ["PERS"]


def test_tags_are_kept_as_printed_stray_ones_too(tmp_path: Path) -> None:
    file = tmp_path / "a.tsv"
    file.write_text("سامر\tI-PER\nزار\tO\nالميناء\tB-LOC\n", encoding="utf-8")
    source = Source(head="h", reader="conll", path=file, map={"PER": "PERS"})
    (gold,) = read_texts(source)
    assert gold.tags == ("I-PER", "O", "B-LOC")
    assert [e.type for e in gold.entities] == ["PER", "LOC"]
    assert mapped(gold, source).tags == ("I-PERS", "O", "O")

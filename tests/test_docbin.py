"""spaCy's DocBin: tokens that no span falls between, groups that spaCy's own parts read, and files of its making."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from rasid.errors import DataError
from rasid.exchange import Article
from rasid.formats import Imported, read_format, write_files, write_format
from rasid.records import Cluster, Entity, Record, sha256_of

spacy = pytest.importorskip("spacy", reason="spaCy comes with the extra `spacy`")
tokens = pytest.importorskip("spacy.tokens")

TEXT = " 😀  قوات سورياالديمقراطية\r\n تراجعت في سوريا. "


def entity(name: str, kind: str, surface: str, cluster: str, after: int = 0) -> Entity:
    start = TEXT.index(surface, after)
    return Entity(id=name, type=kind, start=start, end=start + len(surface), surface=surface, cluster=cluster)


ENTITIES = (
    entity("T1", "ORG", "قوات سورياالديمقراطية", "C1"),
    entity("T2", "GPE", "سوريا", "C2"),
    entity("T3", "GPE", "سوريا", "C2", TEXT.index("في")),
)
CLUSTERS = (Cluster(id="C1", name="قسد", type="ORG"), Cluster(id="C2", name="سوريا", type="GPE"))
ARTICLE = Article(Record(doc="one", sha256=sha256_of(TEXT), entities=ENTITIES, clusters=CLUSTERS), TEXT)


def written(tmp_path: Path) -> Path:
    write_files(tmp_path, write_format("spacy", [ARTICLE]).files)
    return tmp_path / "articles.spacy"


def docs(path: Path) -> list[Any]:
    return list(tokens.DocBin().from_disk(path).get_docs(spacy.blank("ar").vocab))


def saved(tmp_path: Path, *made: Any) -> Path:
    path = tmp_path / "changed.spacy"
    tokens.DocBin(docs=made, store_user_data=True).to_disk(path)
    return path


def test_spacy_sees_the_text_untouched_and_every_span(tmp_path: Path) -> None:
    (doc,) = docs(written(tmp_path))
    assert doc.text == TEXT
    assert [(s.start_char, s.end_char, s.label_, s.id_) for s in doc.spans["sc"]] == [
        (e.start, e.end, e.type, e.id) for e in ENTITIES
    ]
    assert [span.id_ or span.text for span in doc.ents] == [ENTITIES[0].surface, ENTITIES[2].surface]
    assert [span.id_ for span in doc.spans["coref_clusters_1"]] == ["T2", "T3"]
    assert doc.user_data["doc"] == "one"


def test_a_word_is_cut_where_a_span_begins_or_ends_inside_it(tmp_path: Path) -> None:
    (doc,) = docs(written(tmp_path))
    assert [token.text_with_ws for token in doc] == [
        *(" ", "😀 ", " ", "قوات ", "سوريا", "الديمقراطية", "\r\n ", "تراجعت ", "في ", "سوريا", ". ")
    ]


def test_the_same_records_give_the_same_bytes() -> None:
    assert write_format("spacy", [ARTICLE]).files == write_format("spacy", [ARTICLE]).files


def test_what_was_changed_in_spacy_wins(tmp_path: Path) -> None:
    (doc,) = docs(written(tmp_path))
    fresh = tokens.Span(doc, 7, 8, label="EVENT")
    doc.spans["sc"] = [doc.spans["sc"][0], doc.spans["sc"][1], doc.spans["sc"][2], fresh]
    doc.spans["ruler"] = [fresh]
    doc.spans["coref_clusters_1"] = [doc.spans["sc"][0], doc.spans["sc"][2], doc[0:1]]
    found = read_format("spacy", saved(tmp_path, doc), None)
    record = found.articles[0].record
    assert [(e.id, e.type, e.cluster) for e in record.entities] == [
        *(("T1", "ORG", "C1"), ("T2", "GPE", "C2"), ("T3", "GPE", "C1"), ("T4", "EVENT", "C3"))
    ]
    assert found.left == {"spans in the group 'ruler'": 1, "coreferent spans that are no entity": 1}


def test_without_groups_the_entities_are_read_and_clusters_kept(tmp_path: Path) -> None:
    (doc,) = docs(written(tmp_path))
    doc.spans.clear()
    record = read_format("spacy", saved(tmp_path, doc), None).articles[0].record
    assert [(e.start, e.end) for e in record.entities] == [(e.start, e.end) for e in (ENTITIES[0], ENTITIES[2])]


def of_spacy(words: list[str], *spans: tuple[int, int, str]) -> Any:
    """A document as converters make them: words without their spaces, entities, nothing else."""
    doc = tokens.Doc(spacy.blank("ar").vocab, words=words)
    doc.set_ents([tokens.Span(doc, start, end, label=label) for start, end, label in spans])
    return doc


def read_of_spacy(tmp_path: Path, doc: Any, raw: str) -> Imported:
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts" / "changed-1.txt").write_bytes(raw.encode())
    return read_format("spacy", saved(tmp_path, doc), tmp_path / "texts")


def test_tokens_are_found_again_in_the_raw_text(tmp_path: Path) -> None:
    doc = of_spacy(["في", "«", "سوريا", "»", "."], (2, 3, "GPE"))
    raw = "في  «سوريا».\r\n"
    found = read_of_spacy(tmp_path, doc, raw)
    assert found.articles[0].text == raw
    assert [(e.start, e.surface) for e in found.articles[0].record.entities] == [(5, "سوريا")]
    assert "its tokens were found again in" in found.notes[0]


def test_tokens_of_another_text_are_refused(tmp_path: Path) -> None:
    doc = of_spacy(["في", "مصر"], (1, 2, "GPE"))
    with pytest.raises(DataError, match=r"doc 1 \(changed-1\), token 2: the text of 'changed-1' goes on 'سوريا' at 3"):
        read_of_spacy(tmp_path, doc, "في سوريا")


def test_a_span_that_begins_in_white_space_is_told(tmp_path: Path) -> None:
    doc = of_spacy(["في", " ", "سوريا"], (1, 3, "GPE"))
    with pytest.raises(DataError, match=r"doc 1 \(changed-1\), span 1: entity T1 .* white space at its ends"):
        read_format("spacy", saved(tmp_path, doc), None)


@pytest.mark.parametrize("content", [b"", b"no DocBin", b"x\x9c\x03\x00\x00\x00\x00\x01"])
def test_a_file_that_is_none_is_one_line(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "bad.spacy").write_bytes(content)
    with pytest.raises(DataError, match=r"bad\.spacy: not a DocBin of spaCy \("):
        read_format("spacy", tmp_path / "bad.spacy", None)


def test_without_spacy_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "spacy.tokens", None)
    with pytest.raises(DataError, match=r"pip install 'rasid\[spacy\]'"):
        write_format("spacy", [ARTICLE])

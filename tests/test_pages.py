"""The report pages as text: the figures are those of the other reports, and nothing of an article is markup."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from rasid.annotations import Annotated
from rasid.cli import main
from rasid.compare import compare
from rasid.comparisonpage import Run, comparison_page
from rasid.counts import count
from rasid.embed import hash_source
from rasid.evaluate import evaluate
from rasid.evaluationpage import evaluation_page
from rasid.listing import MOST
from rasid.mistakes import Mistake, all_mistakes
from rasid.records import Cluster, Entity, Label, ModelInfo, Record, sha256_of
from rasid.thresholds import at_least

HOSTILE = "</script><script>alert(1)</script><img src=x onerror=alert(2)>\u2028\u202e\u2069"


class Page(HTMLParser):
    """Elements that a page has, and the blocks that a browser would run or apply."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.blocks: list[tuple[str, dict[str, str], str]] = []
        self._inside: str | None = None
        self.text = ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = {name: value or "" for name, value in attrs}
        self.elements.append((tag, named))
        self._inside = tag if tag in ("script", "style") else None
        if self._inside:
            self.blocks.append((tag, named, ""))

    def handle_endtag(self, tag: str) -> None:
        self._inside = None if tag == self._inside else self._inside

    def handle_data(self, data: str) -> None:
        if self._inside:
            tag, named, before = self.blocks[-1]
            self.blocks[-1] = (tag, named, before + data)
        else:
            self.text += data

    @property
    def data(self) -> dict[str, Any]:
        (found,) = [text for _, named, text in self.blocks if named.get("type") == "application/json"]
        return dict(json.loads(found))

    def scripts(self) -> list[str]:
        return [text for tag, named, text in self.blocks if tag == "script" and "type" not in named]


def article(doc: str, before: str = "زار الوفد ") -> Annotated:
    text = f"{before}دمشق ثم مجلس الأمن."
    entities = []
    for number, (surface, label) in enumerate((("دمشق", "GPE"), ("مجلس الأمن", "ORG"))):
        start = text.index(surface)
        place = {"start": start, "end": start + len(surface), "surface": surface}
        entities.append(Entity(id=f"T{number}", type=label, cluster=f"C{number}", **place))
    clusters = tuple(Cluster(id=e.cluster or "", name=e.surface, type=e.type) for e in entities)
    record = Record(doc=doc, sha256=sha256_of(text), entities=tuple(entities), clusters=clusters)
    return Annotated(record=record, text=text)


def answer(gold: Annotated, label: str = "LOC", **parts: Any) -> Record:
    """A prediction that gives the first entity another type and finds the second."""
    first, second = gold.record.entities
    changed = first.model_copy(update={"type": label, "score": 0.75}), second.model_copy(update={"score": 0.9})
    return gold.record.model_copy(update={"entities": changed, **parts})


def page_of(gold: list[Annotated], predicted: list[Record], wrong: list[Mistake] | None = None) -> Page:
    found = evaluate(gold, predicted)
    listed = all_mistakes(gold, predicted) if wrong is None else wrong
    return Page(evaluation_page(found, [each.record for each in gold], predicted, listed, "errors.jsonl"))


def test_the_figures_are_those_of_the_evaluation() -> None:
    gold = [article(f"d{n}") for n in range(4)]
    predicted = [answer(each) if n else each.record for n, each in enumerate(gold)]
    found, page = evaluate(gold, predicted), page_of(gold, predicted)
    for each in (found.entities["nested"].f1, found.clusters.f1["muc"], found.groups["GPE"].f1):
        assert f"{each.value:.3f}" in page.text
        assert f"{each.low:.3f} to {each.high:.3f}" in page.text
    assert f"ECE {found.scores['entities'].ece.value:.3f}" in page.text
    assert "only 4 articles" in page.text


def test_every_mistake_is_in_the_page_with_both_sides_in_its_text() -> None:
    gold = [article("d0"), article("d1")]
    data = page_of(gold, [answer(gold[0]), gold[1].record]).data
    (row,) = data["rows"]
    doc, facets, start, text, (left, right), score = row
    assert data["docs"][doc] == "d0"
    assert [f["values"][v] for f, v in zip(data["facets"], facets, strict=True)] == ["wrong type", "GPE", "LOC"]
    assert (start, text, score) == (0, gold[0].text, 0.75)
    for line, own in ((left, "GPE"), (right, "LOC")):
        named = [(text[mark[0] : mark[1]], data["types"][mark[2]], mark[3]) for mark in line]
        assert named == [("دمشق", own, 1), ("مجلس الأمن", "ORG", 0)]


@pytest.mark.parametrize("hostile", [HOSTILE, "<!--<script>", "]]>\x00&quot;"])
def test_nothing_of_an_article_is_markup(hostile: str) -> None:
    gold = [article(f"{hostile}-{n}", f"{hostile} ") for n in range(2)]
    model = ModelInfo(name=hostile, revision="0" * 64, rasid=hostile)
    label = {hostile: Label(label=hostile)}
    gold = [Annotated(record=each.record.model_copy(update={"labels": label}), text=each.text) for each in gold]
    predicted = [answer(each, hostile, model=model, labels=label) for each in gold]
    page = page_of(gold, predicted)
    plain = page_of([article("a"), article("b")], [answer(article("a")), answer(article("b"))])
    extra = {"img", "b", "iframe"} & {tag for tag, _ in page.elements}
    assert not extra
    assert len(page.scripts()) == len(plain.scripts()) == 1
    assert page.scripts() == plain.scripts()
    assert not [name for _, named in page.elements for name in named if name.startswith("on")]
    assert page.data["docs"] == [each.record.doc for each in gold]
    assert {row[3] for row in page.data["rows"]} == {each.excerpt.text for each in all_mistakes(gold, predicted)}
    assert not set(page.text) & set("\u2028\u202e\u2069\x00")


def test_the_page_asks_for_nothing_and_its_policy_names_what_it_runs() -> None:
    page = page_of([article("d")], [answer(article("d"))])
    (policy,) = [named["content"] for _, named in page.elements if named.get("http-equiv")]
    assert policy.startswith("default-src 'none'; ")
    (style,) = [text for tag, _, text in page.blocks if tag == "style"]
    for name, block in (("style", style), ("script", page.scripts()[0])):
        assert f"{name}-src '{hash_source(block)}'" in policy
    for tag, named in page.elements:
        assert not {"src", "srcset", "style", "action"} & named.keys(), tag
        assert named.get("href", "#").startswith("#")
    assert not re.search(r"url\(|@import|https?:|fetch\(|XMLHttpRequest|innerHTML", style + page.scripts()[0])


def test_a_long_list_is_thinned_and_the_page_says_so() -> None:
    gold = [article("d")]
    predicted = [answer(gold[0])]
    wrong = all_mistakes(gold, predicted) * (MOST + 5)
    page = page_of(gold, predicted, wrong)
    assert len(page.data["rows"]) == MOST
    assert "This page holds 20,000 of 20,005" in page.text
    assert "errors.jsonl" in page.text


def test_without_a_mistake_the_page_says_none() -> None:
    page = page_of([article("d")], [article("d").record])
    assert page.data["rows"] == []
    assert "none" in page.text


def test_a_comparison_shows_what_was_won_and_lost_in_the_text() -> None:
    gold = [article(f"d{n}") for n in range(3)]
    runs = [[answer(gold[0]), gold[1].record, answer(gold[2])], [gold[0].record, answer(gold[1]), answer(gold[2])]]
    found = compare(*(count([each.record for each in gold], run) for run in runs))
    sides = [Run(name, all_mistakes(gold, run)) for name, run in zip(("<a>", "b"), runs, strict=True)]
    page = Page(comparison_page(found, *sides))
    data = page.data
    rows = [[f["values"][v] for f, v in zip(data["facets"], row[1], strict=True)] for row in data["rows"]]
    assert rows == [["won", "GPE", "wrong type", "right"], ["lost", "GPE", "right", "wrong type"]]
    first = [[data["types"][mark[2]] for mark in line] for line in data["rows"][0][4]]
    assert first == [["GPE"], ["LOC"], ["GPE"]]
    assert "Base is <a>, new is b" in page.text
    each = found.figures["entities, nested, strict"]
    assert f"{100 * each.low:+.1f} to {100 * each.high:+.1f}" in page.text
    assert page.text.count("p 1.000") == 0


def test_a_comparison_without_lists_says_how_to_get_them() -> None:
    gold = [article("d")]
    counts = count([gold[0].record], [answer(gold[0])])
    page = Page(comparison_page(compare(counts, counts), Run("old", None), Run("new", [])))
    assert "No list of errors in old," in page.text
    assert all(named.get("type") != "application/json" for _, named, _ in page.blocks)


def test_the_commands_write_the_pages(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    gold, texts = tmp_path / "gold", tmp_path / "texts"
    gold.mkdir()
    texts.mkdir()
    articles = [article(f"d{n}") for n in range(3)]
    for each in articles:
        (gold / f"{each.record.doc}.json").write_text(each.record.to_json(), encoding="utf-8")
        (texts / f"{each.record.doc}.txt").write_text(each.text, encoding="utf-8")
    for name, run in (("a", [answer(each) for each in articles]), ("b", [each.record for each in articles])):
        (tmp_path / f"{name}.jsonl").write_text("".join(f"{one.to_json()}\n" for one in run), encoding="utf-8")
        words = ["evaluate", "--predictions", f"{tmp_path}/{name}.jsonl", "--gold", str(gold), "--seeds", str(texts)]
        assert main([*words, "--report", f"{tmp_path}/{name}"]) == 0
        page = Page((tmp_path / name / "report.html").read_text(encoding="utf-8"))
        lines = (tmp_path / name / "errors.jsonl").read_text(encoding="utf-8").splitlines()
        assert len(page.data["rows"]) == len(lines) == (3 if name == "a" else 0)
    assert main(["compare", f"{tmp_path}/a", f"{tmp_path}/b", "--output", f"{tmp_path}/c"]) == 0
    reports = (tmp_path / "c" / "comparison.html").read_text(encoding="utf-8")
    options = ["--gold", str(gold), "--seeds", str(texts), "--output", f"{tmp_path}/d"]
    assert main(["compare", f"{tmp_path}/a.jsonl", f"{tmp_path}/b.jsonl", *options]) == 0
    records = (tmp_path / "d" / "comparison.html").read_text(encoding="utf-8")
    assert Page(reports).data == Page(records).data
    assert len(Page(reports).data["rows"]) == 3


def test_entities_below_the_least_score_are_not_in_the_page() -> None:
    gold = [article("d")]
    found = evaluate(gold, [answer(gold[0])], least=0.8)
    predicted = [at_least(answer(gold[0]), 0.8)]
    page = Page(evaluation_page(found, [gold[0].record], predicted, all_mistakes(gold, predicted), "errors.jsonl"))
    (row,) = page.data["rows"]
    assert [page.data["types"][mark[2]] for mark in row[4][1]] == ["ORG"]
    assert "Entities that score below 0.8 are left out." in page.text

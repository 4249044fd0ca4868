"""The gold folder and its commands, on two small articles; every mistake is one line that says where."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rasid.agreement import TwoPasses, agreement
from rasid.annotations import load_annotations, run_agreement, run_import, run_stats
from rasid.errors import DataError
from rasid.guidelines import check, depths
from rasid.inline import read_inline
from rasid.records import Record, parse_record, sha256_of
from rasid.validation import run_validate

ROOT = Path(__file__).parents[1]
INLINES = {
    "one": (
        "تخطى إلى المحتوى\r\n"
        "⟦ORG:C1 داعش⟧ يتراجع في ⟦GPE:C2 الباغوز⟧.\n"
        "⟦ORG:C3 قوات ⟦GPE:C4 سوريا⟧ الديمقراطية⟧ (⟦ORG:C3 قسد⟧) تتقدم ⟦DATE السبت⟧.\n"
        "وقالت ⟦GPE:C5 تركيا⟧ إنها تراقب ⟦GPE:C4 سوريا⟧⟦GPE:C6 والعراق⟧.\n"
    ),
    "two": "⟦ORG:C1 الأمم المتحدة⟧ تحذر.\nوطالبت ⟦ORG:C1 الأمم المتحدة⟧ بتحقيق.\n",
}
SHEETS = {
    "one": """clusters:
  C1: {name: داعش, type: ORG}
  C2: {name: الباغوز, type: GPE}
  C3: {name: قوات سوريا الديمقراطية, type: ORG}
  C4: {name: سوريا, type: GPE}
  C5: {name: تركيا, type: GPE}
  C6: {name: العراق, type: GPE}
stances:
  - {target: C1, scope: article, label: against}
  - {target: C1, scope: P1, label: against}
  - {target: C3, scope: article, label: none}
  - {target: C3, scope: P2, label: favor}
  - {target: C5, scope: article, label: none}
  - {target: C5, scope: P3, label: none}
  - {target: C3, scope: P3, label: against, holder: C5}
""",
    "two": """clusters:
  C1: {name: الأمم المتحدة, type: ORG}
stances:
  - {target: C1, scope: article, label: none}
  - {target: C1, scope: P1, label: none}
  - {target: C1, scope: P2, label: none}
""",
}


def raw_of(inline: str) -> str:
    for header in ("⟦ORG:C1 ", "⟦ORG:C3 ", *(f"⟦GPE:C{n} " for n in range(1, 9)), "⟦DATE ", "⟧"):
        inline = inline.replace(header, "")
    return inline


@pytest.fixture
def seeds(tmp_path: Path) -> Path:
    folder = tmp_path / "seeds"
    folder.mkdir()
    articles = []
    for doc, inline in INLINES.items():
        (folder / f"{doc}.txt").write_bytes(raw_of(inline).encode())
        articles.append({"file": f"{doc}.txt", "sha256": sha256_of(raw_of(inline)), "words": 1})
    (folder / "manifest.json").write_text(json.dumps({"articles": articles}), encoding="utf-8")
    return folder


@pytest.fixture
def gold(tmp_path: Path, seeds: Path) -> Path:
    return imported(tmp_path, seeds, "gold")


def imported(
    tmp_path: Path,
    seeds: Path,
    name: str,
    edit: Callable[[str], str] = str,
    sheet: Callable[[str], str] = str,
) -> Path:
    """A gold folder made by `import` from the inlines above, after an edit of article one."""
    source = tmp_path / f"{name}-inline"
    source.mkdir()
    for doc in INLINES:
        inline = edit(INLINES[doc]) if doc == "one" else INLINES[doc]
        (source / f"{doc}.inline.txt").write_bytes(inline.encode())
        yaml = sheet(SHEETS[doc]) if doc == "one" else SHEETS[doc]
        (source / f"{doc}.yaml").write_text(yaml, encoding="utf-8")
    output = tmp_path / name
    assert run_import(argparse.Namespace(source=source, seeds=seeds, output=output, format="inline", units=None)) == 0
    return output


def rewrite(path: Path, change: Callable[[dict[str, Any]], object]) -> None:
    tree = json.loads(path.read_text(encoding="utf-8"))
    change(tree)
    path.write_text(json.dumps(tree, ensure_ascii=False), encoding="utf-8")


def validate(folder: Path, seeds: Path) -> int:
    return run_validate(argparse.Namespace(folder=folder, seeds=seeds, fix=False, write=False))


def test_import_and_load_keep_offsets_into_the_untouched_text(gold: Path, seeds: Path) -> None:
    loaded = load_annotations(gold, seeds)
    assert [each.record.doc for each in loaded] == ["one", "two"]
    assert "\r\n" in loaded[0].text
    for article in loaded:
        assert article.record.entities
        for entity in article.record.entities:
            assert article.text[entity.start : entity.end] == entity.surface


def test_import_writes_nothing_when_one_article_is_at_fault(tmp_path: Path, seeds: Path) -> None:
    with pytest.raises(DataError, match=r"one\.inline\.txt:2: text differs"):
        imported(tmp_path, seeds, "bad", lambda inline: inline.replace("يتراجع", "تراجع"))
    assert not (tmp_path / "bad").exists()
    empty = argparse.Namespace(source=tmp_path, seeds=seeds, output=tmp_path / "out", format="inline", units=None)
    with pytest.raises(DataError, match=r"no \*\.inline\.txt files"):
        run_import(empty)


def test_validate_passes_the_sound_folder(gold: Path, seeds: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert validate(gold, seeds) == 0
    assert capsys.readouterr().out == "2 articles, 0 errors, 0 warnings\n"


def entity_change(**fields: Any) -> Callable[[dict[str, Any]], object]:
    return lambda tree: tree["entities"][0].update(fields)


def add_crossing(tree: dict[str, Any]) -> None:
    first = tree["entities"][0]
    text = raw_of(INLINES["one"])
    start, end = first["start"] + 2, first["end"] + 3
    tree["entities"].append({**first, "id": "T99", "start": start, "end": end, "surface": text[start:end]})


BAD_RECORDS: dict[str, Callable[[dict[str, Any]], object]] = {
    "offsets out of range, the text has": entity_change(end=4000),
    "the text there reads 'داعش'": entity_change(surface="داعس"),
    "and T99 cross": add_crossing,
    "unknown type 'ORGG'; known: PERS, NORP": entity_change(type="ORGG"),
    "sha256 is not that of the text": lambda tree: tree.update(sha256="0" * 64),
    "entities.0.start: field required": lambda tree: tree["entities"][0].pop("start"),
    "entities.0.start: input should be greater": entity_change(start=-1),
    "doc: field required": lambda tree: tree.pop("doc"),
    "stances.0.label": lambda tree: tree["stances"][0].update(label="pro"),
    "cluster 'C77' is not defined": lambda tree: tree["entities"][2].update(cluster="C77"),
}


@pytest.mark.parametrize("expected", BAD_RECORDS)
def test_bad_records_are_one_line_on_load_and_errors_in_validate(
    gold: Path, seeds: Path, expected: str, capsys: pytest.CaptureFixture[str]
) -> None:
    rewrite(gold / "one.json", BAD_RECORDS[expected])
    with pytest.raises(DataError) as caught:
        load_annotations(gold, seeds)
    message = str(caught.value)
    assert message.startswith(f"{gold / 'one.json'}: ")
    assert expected in message
    assert "\n" not in message
    assert validate(gold, seeds) == 1
    errors = [line for line in capsys.readouterr().out.splitlines() if line.startswith("error: ")]
    assert any(expected in line for line in errors)


def test_broken_json_is_one_line_and_does_not_hide_other_faults(
    gold: Path, seeds: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (gold / "one.json").write_text('{"doc": "one",', encoding="utf-8")
    with pytest.raises(DataError, match=r"one\.json: not a record: invalid json"):
        load_annotations(gold, seeds)
    rewrite(gold / "two.json", lambda tree: tree["stances"].pop(0))
    assert validate(gold, seeds) == 1
    out = capsys.readouterr().out
    assert "invalid json" in out
    assert "two.json:1: target C1 'الأمم المتحدة': no article stance" in out


def test_a_folder_that_is_none_or_holds_a_doc_twice(gold: Path, seeds: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such folder"):
        load_annotations(tmp_path / "none", seeds)
    with pytest.raises(DataError, match="no folder with"):
        validate(tmp_path / "none", seeds)
    (gold / "other.json").write_bytes((gold / "one.json").read_bytes())
    with pytest.raises(DataError, match=r"other\.json: doc 'one' stands twice"):
        load_annotations(gold, seeds)
    rewrite(gold / "other.json", lambda tree: tree.update(doc="onee"))
    with pytest.raises(DataError, match=r"no text onee\.txt for doc 'onee'; did you mean 'one'\?"):
        load_annotations(gold, seeds)
    rewrite(gold / "other.json", lambda tree: tree.update(doc="../seeds/one"))
    with pytest.raises(DataError, match="no text"):
        load_annotations(gold, seeds)


def test_a_doc_longer_than_any_file_name_is_one_line(gold: Path, seeds: Path) -> None:
    rewrite(gold / "one.json", lambda tree: tree.update(doc="x" * 400))
    with pytest.raises(DataError, match=r"no text x+\.txt"):
        load_annotations(gold, seeds)


def test_import_into_a_folder_that_cannot_be_made_is_one_line(tmp_path: Path, seeds: Path) -> None:
    (tmp_path / "taken").touch()
    with pytest.raises(DataError, match=r"taken: cannot be written \("):
        imported(tmp_path, seeds, "taken")


def test_validate_holds_the_folder_to_the_manifest(gold: Path, seeds: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = "مقال ثالث.\n"
    (seeds / "three.txt").write_text(text, encoding="utf-8")
    rewrite(seeds / "manifest.json", lambda tree: tree["articles"].append({"file": "three.txt", "sha256": "0"}))
    assert validate(gold, seeds) == 1
    out = capsys.readouterr().out
    assert f"{gold}: no annotation of three" in out
    assert "three: the text's sha256 is" in out
    (seeds / "three.txt").unlink()
    assert validate(gold, seeds) == 1
    out = capsys.readouterr().out
    assert "three: " in out
    assert "no text three.txt" in out
    assert f"{gold}: no annotation of three" in out
    rewrite(seeds / "manifest.json", lambda tree: tree["articles"].__delitem__(slice(1, None)))
    assert validate(gold, seeds) == 1
    assert "two is annotated, and" in capsys.readouterr().out
    rewrite(seeds / "manifest.json", lambda tree: tree["articles"][0].pop("sha256"))
    with pytest.raises(DataError, match=r"manifest\.json: not a manifest: articles\.0\.sha256: field required"):
        validate(gold, seeds)


def read(tmp_path: Path, inline: str, sheet: str) -> tuple[Record, str]:
    raw = raw_of(inline)
    (tmp_path / "x.inline.txt").write_bytes(inline.encode())
    (tmp_path / "x.yaml").write_text(sheet, encoding="utf-8")
    return read_inline(tmp_path / "x.inline.txt", tmp_path / "x.yaml", raw, "x"), raw


RULES = [
    ("  - {target: C1, scope: article, label: against}\n", "", "errors", "C1 'داعش': no article stance"),
    ("  - {target: C1, scope: P1, label: against}\n", "", "errors", "C1 'داعش': named in P1"),
    (
        "{target: C1, scope: P1, label: against}",
        "{target: C1, scope: [17, 20], label: against}",
        "errors",
        "not a",
    ),
    (
        "article, label: against}",
        "article, label: against, holder: other}",
        "errors",
        "C1 'داعش': no article",
    ),
    ("label: favor}", "label: favor, evidence: [[17, 20]]}", "errors", "[17, 20) is not a passage"),
    (
        "{target: C5, scope: P3, label: none}",
        "{target: C5, scope: P3, label: none, holder: C1}",
        "errors",
        "in P3",
    ),
    (
        "C6: {name: العراق, type: GPE}",
        "C6: {name: العراق, type: LOC}",
        "warnings",
        "GPE in cluster C6, which is LOC",
    ),
    (
        "  - {target: C5, scope: article",
        "  - {target: C4, scope: article, label: none}\n  - {target: C4, scope: P3, label: none}\n"
        "  - {target: C5, scope: article",
        "warnings",
        "C4 'سوريا': named in P2 inside a longer name only",
    ),
]


@pytest.mark.parametrize(("old", "new", "kind", "expected"), RULES)
def test_stance_and_cluster_rules(tmp_path: Path, old: str, new: str, kind: str, expected: str) -> None:
    assert SHEETS["one"].count(old) == 1
    found = check(*read(tmp_path, INLINES["one"], SHEETS["one"].replace(old, new)))
    assert any(expected in line for line in getattr(found, kind)), found
    other = found.warnings if kind == "errors" else found.errors
    assert other == ()


def test_a_country_named_twice_is_a_warning_and_an_organisation_an_error(tmp_path: Path) -> None:
    sheet = "clusters:\n  C1: {{name: س, type: {}}}\n"
    gpe = check(*read(tmp_path, "⟦GPE:C1 مصر⟧ ثم ⟦GPE:C1 مصر⟧", sheet.format("GPE")))
    org = check(*read(tmp_path, "⟦ORG:C1 رويترز⟧ ثم ⟦ORG:C1 رويترز⟧", sheet.format("ORG")))
    once = check(*read(tmp_path, "⟦ORG:C1 رويترز⟧ ثم", sheet.format("ORG")))
    turkey = check(*read(tmp_path, "⟦GPE:C1 وتركيا⟧ ثم", sheet.format("GPE")))
    assert (len(gpe.errors), len(gpe.warnings)) == (0, 1)
    assert "only if it serves as a place" in gpe.warnings[0]
    assert (len(org.errors), len(org.warnings)) == (1, 0)
    assert (once.errors, once.warnings) == ((), ())
    assert len(turkey.errors) == 1


def test_nesting_is_held_to_three_levels(tmp_path: Path) -> None:
    deep = "⟦ORG:C1 أ ⟦ORG:C1 ب ⟦ORG:C1 ج ⟦GPE:C2 د⟧⟧⟧⟧ ⟦GPE:C2 د⟧"
    sheet = "clusters:\n  C1: {name: أ, type: ORG}\n  C2: {name: د, type: LOC}\n"
    record, text = read(tmp_path, deep, sheet)
    assert list(depths(record.entities).values()) == [1, 2, 3, 4, 1]
    assert any("nested 4 deep, at most 3" in line for line in check(record, text).errors)


def test_ends_inside_a_word_are_warned_of_unless_another_name_meets_them(tmp_path: Path) -> None:
    sheet = "clusters:\n  C4: {name: سوريا, type: GPE}\n  C6: {name: العراق, type: GPE}\n"
    met = check(*read(tmp_path, "⟦GPE:C4 سوريا⟧⟦GPE:C6 والعراق⟧ و⟦GPE:C4 سوريا⟧في", sheet))
    found = [line for line in met.warnings if "glued" in line]
    assert len(found) == 2
    assert "starts inside the word 'وسوريافي'" in found[0]
    assert "ends inside the word 'وسوريافي'" in found[1]


def test_stats_count_what_is_there(gold: Path, seeds: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_stats(argparse.Namespace(folder=gold, seeds=seeds)) == 0
    rows = {
        cells[1]: cells[2:-1]
        for line in capsys.readouterr().out.splitlines()
        if len(cells := [cell.strip() for cell in line.split("|")]) > 2
    }
    assert rows["GPE"] == ["5", "4", "1", "0", "4"]
    assert rows["ORG"] == ["5", "5", "0", "0", "3"]
    assert rows["all"] == ["11", "10", "1", "0", "7"]
    assert rows["author, article"] == ["0", "1", "3"]
    assert rows["author, passage"] == ["1", "1", "3"]
    assert rows["quoted, passage"] == ["0", "1", "0"]


def passes(first: Path, second: Path, seeds: Path) -> list[TwoPasses]:
    pairs = zip(load_annotations(first, seeds), load_annotations(second, seeds), strict=True)
    return [TwoPasses(one.record, other.record, one.text) for one, other in pairs]


def test_a_pass_agrees_with_itself_whatever_its_ids(tmp_path: Path, gold: Path, seeds: Path) -> None:
    def swap(text: str) -> str:
        return text.replace("C1", "C8").replace("C3", "C1").replace("C8", "C3")

    renamed = imported(tmp_path, seeds, "renamed", swap, swap)
    found = agreement(passes(gold, renamed, seeds))
    assert found.disagreements == ()
    assert {line.estimate.value for line in found.lines} == {1.0}
    assert {line.name for line in found.lines} >= {
        "spans F1, all",
        "spans F1, outermost",
        "spans F1, boundaries only",
        "spans F1, GPE",
        "clusters B3 F1, shared mentions",
        "stance kappa, all",
    }


def test_two_mentions_on_one_range_agree_with_themselves(tmp_path: Path) -> None:
    sheet = "clusters:\n  C1: {name: لبنان, type: GPE}\n  C3: {name: حكومة لبنان, type: ORG}\n"
    record, text = read(tmp_path, "⟦GPE:C1 ⟦ORG:C3 لبنان⟧⟧ ينفي", sheet)
    assert agreement([TwoPasses(record, record, text)]).disagreements == ()


def test_disagreements_are_measured_and_listed(
    tmp_path: Path, gold: Path, seeds: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def edit(inline: str) -> str:
        inline = inline.replace("⟦GPE:C2 الباغوز⟧", "⟦LOC:C2 الباغوز⟧").replace("⟦GPE:C4 سوريا⟧ ", "سوريا ")
        return inline.replace("⟦ORG:C3 قسد⟧", "⟦ORG:C7 قسد⟧")

    def sheet(yaml: str) -> str:
        yaml = yaml.replace("scope: P2, label: favor", "scope: P2, label: against")
        return yaml.replace("stances:", "  C7: {name: قسد, type: ORG}\nstances:")

    other = imported(tmp_path, seeds, "other", edit, sheet)
    found = agreement(passes(gold, other, seeds))
    values = {line.name: line.estimate.value for line in found.lines}
    # 11 spans against 10, 9 the same; without types 10; C4 nested is what the second pass leaves out.
    assert values["spans F1, all"] == pytest.approx(2 * 9 / 21)
    assert values["spans F1, boundaries only"] == pytest.approx(2 * 10 / 21)
    assert values["spans F1, outermost"] == pytest.approx(0.9)
    # 9 shared mentions with clusters; the two of C3 are apart in the second: recall (7 + 0.5 + 0.5) / 9.
    assert values["clusters B3 F1, shared mentions"] == pytest.approx(2 * 1 * (8 / 9) / (1 + 8 / 9))
    assert values["stance kappa, articles"] == 1.0
    assert values["stance kappa, passages"] < 1.0
    alone = {line.name: line.estimate for line in agreement(passes(gold, other, seeds)[:1]).lines}
    for name in ("spans F1, all", "clusters B3 F1, shared mentions", "stance kappa, passages"):
        assert alone[name].low < alone[name].high, "the units of one article must be its passages"
    capsys.readouterr()
    args = argparse.Namespace(first=gold, second=other, seeds=seeds, list=True, html=None, seed=0)
    assert run_agreement(args) == 0
    out = capsys.readouterr().out
    assert out.startswith("| measure")
    assert "2 articles, 4 disagreements; 95 % intervals over passages" in out
    start = raw_of(INLINES["one"]).index("الباغوز")
    assert f"one P1 [{start}, {start + 7}) 'الباغوز': first GPE, second LOC" in out
    assert "'سوريا': first GPE, second -" in out
    assert "'قسد': cluster first C3 'قوات سوريا الديمقراطية', second C7 'قسد'" in out
    assert "stance towards C3 'قوات سوريا الديمقراطية': first favor, second against" in out


def test_agreement_needs_the_same_articles(tmp_path: Path, gold: Path, seeds: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "one.json").write_bytes((gold / "one.json").read_bytes())
    with pytest.raises(DataError, match="no annotation of two, which the other pass has"):
        run_agreement(argparse.Namespace(first=gold, second=other, seeds=seeds, list=False, html=None, seed=0))


def test_agreement_is_seeded(tmp_path: Path, gold: Path, seeds: Path) -> None:
    rewrite(gold / "two.json", lambda tree: tree["entities"].pop())
    other = imported(tmp_path, seeds, "other")
    assert agreement(passes(gold, other, seeds), 1) == agreement(passes(gold, other, seeds), 1)


GOLD = sorted((ROOT / "annotations").glob("*.json"))


def test_the_shipped_gold_is_valid() -> None:
    assert validate(ROOT / "annotations", ROOT / "seeds") == 0


@pytest.mark.parametrize("path", GOLD, ids=lambda path: path.stem)
def test_the_shipped_gold_is_written_as_import_writes_it(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert parse_record(text, str(path)).to_json(indent=1) + "\n" == text

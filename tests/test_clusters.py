"""Alias resolution, on sentences and articles of our own."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from rasid.annotations import load_annotations
from rasid.clustermetrics import cluster_scores
from rasid.infer.clusters import resolve
from rasid.infer.mentions import Mention
from rasid.labels import VALUES
from rasid.records import Record

Groups = dict[str, list[str]]
ROOT = Path(__file__).parents[1]
UTF8 = {"PYTHONIOENCODING": "utf-8"}


def mark(text: str, marks: list[tuple[str, str]]) -> list[Mention]:
    """Mentions by surface and type, each beginning after the one before it; `x|y` is y where it follows x."""
    found, position = [], 0
    for place, kind in marks:
        context, _, surface = place.rpartition("|")
        start = text.index(context + surface, position) + len(context)
        found.append(Mention(start, start + len(surface), kind, surface))
        position = start + 1
    return sorted(found, key=lambda m: (m.start, -m.end))


def groups(text: str, *marks: tuple[str, str]) -> Groups:
    """Surfaces of each cluster, by the cluster's name."""
    mentions = mark(text, list(marks))
    resolution = resolve(text, mentions)
    names = {cluster.id: cluster.name for cluster in resolution.clusters}
    found: Groups = {name: [] for name in names.values()}
    for mention, cluster in zip(mentions, resolution.of, strict=True):
        if cluster:
            found[names[cluster]].append(mention.surface)
    return found


def test_equal_names_join_whatever_the_article_and_the_proclitic() -> None:
    text = "من الشاطئية إلى شاطئية، ثم بالشاطئية"
    found = groups(text, ("الشاطئية", "GPE"), ("إلى |شاطئية", "GPE"), ("بالشاطئية", "GPE"))
    assert found == {"الشاطئية": ["الشاطئية", "شاطئية", "بالشاطئية"]}


def test_a_lost_space_does_not_part_two_names() -> None:
    text = "في دير الزور وريف ديرالزور"
    assert groups(text, ("دير الزور", "GPE"), ("ديرالزور", "GPE")) == {"دير الزور": ["دير الزور", "ديرالزور"]}


def test_types_are_never_mixed() -> None:
    text = "فاز الميناء في الميناء"
    assert resolve(text, mark(text, [("الميناء", "ORG"), ("الميناء", "GPE")])).of == ("C1", "C2")


def test_values_have_no_cluster() -> None:
    text = "في عام 2019 دفعت خمسة ملايين"
    resolution = resolve(text, mark(text, [("عام 2019", "DATE"), ("خمسة ملايين", "CARDINAL")]))
    assert resolution.clusters == ()
    assert resolution.of == (None, None)


def test_spelling_variants_join() -> None:
    text = "في قامشلي ثم القامشلو، وعاد محمود سلمان ثم محمود سليمان وقال سلمان وسليمان"
    found = groups(
        text,
        *(("قامشلي", "GPE"), ("القامشلو", "GPE"), ("محمود سلمان", "PERS"), ("محمود سليمان", "PERS")),
    )
    assert list(found.values()) == [["قامشلي", "القامشلو"], ["محمود سلمان", "محمود سليمان"]]
    assert len(groups(text, ("وقال |سلمان", "PERS"), ("سليمان", "PERS"))) == 2


def test_a_short_name_goes_to_the_full_one() -> None:
    text = "قال نوري الشحاذة إن ترامب وافق. وأضاف الشحاذة أن دونالد ترامب عاد"
    found = groups(
        text,
        *(
            ("نوري الشحاذة", "PERS"),
            ("إن |ترامب", "PERS"),
            ("وأضاف |الشحاذة", "PERS"),
            ("دونالد ترامب", "PERS"),
        ),
    )
    assert found == {"نوري الشحاذة": ["نوري الشحاذة", "الشحاذة"], "دونالد ترامب": ["ترامب", "دونالد ترامب"]}


def test_a_name_that_two_men_share_goes_to_the_nearest_before_it() -> None:
    text = "سامر الحداد وصل. ثم الحداد تكلم. ونادر الحداد صمت. ثم الحداد خرج"
    marks = [("سامر الحداد", "PERS"), ("ثم |الحداد", "PERS"), ("نادر الحداد", "PERS"), ("ثم |الحداد", "PERS")]
    assert resolve(text, mark(text, marks)).of == ("C1", "C1", "C2", "C2")


def test_a_class_noun_is_part_of_the_long_form() -> None:
    text = "شبكة المنارة الإخبارية قالت للمنارة إن قرية النخيل خالية والنخيل بعيدة"
    found = groups(
        text,
        ("شبكة المنارة الإخبارية", "ORG"),
        ("للمنارة", "ORG"),
        ("قرية النخيل", "GPE"),
        ("والنخيل", "GPE"),
    )
    assert found == {
        "شبكة المنارة الإخبارية": ["شبكة المنارة الإخبارية", "للمنارة"],
        "قرية النخيل": ["قرية النخيل", "والنخيل"],
    }


def test_the_side_of_a_country_is_not_the_country() -> None:
    text = "في شرق الساحل، ثم في الشرق وفي الساحل"
    assert len(groups(text, ("شرق الساحل", "LOC"), ("الشرق", "LOC"), ("وفي |الساحل", "LOC"))) == 3


def test_apposition_joins_bodies_but_not_places() -> None:
    text = "قوى الأمن الداخلي (الأسايش) في المرفأ (سوريا)"
    found = groups(text, ("قوى الأمن الداخلي", "ORG"), ("الأسايش", "ORG"), ("المرفأ", "GPE"), ("سوريا", "GPE"))
    assert found["قوى الأمن الداخلي"] == ["قوى الأمن الداخلي", "الأسايش"]
    assert len(found) == 3


def test_known_names() -> None:
    text = "هاجم داعش وقيل تنظيم الدولة ثم الدولة الإسلامية، وردت قسد و قوات سوريا الديمقراطية"
    found = groups(
        text,
        *(("داعش", "ORG"), ("تنظيم الدولة", "ORG"), ("الدولة الإسلامية", "ORG")),
        *(("قسد", "ORG"), ("قوات سوريا الديمقراطية", "ORG"), ("سوريا", "GPE")),
    )
    assert found["داعش"] == ["داعش", "تنظيم الدولة", "الدولة الإسلامية"]
    assert found["قوات سوريا الديمقراطية"] == ["قسد", "قوات سوريا الديمقراطية"]
    assert found["سوريا"] == ["سوريا"]


def test_a_capital_that_acts_is_its_state_and_one_that_lies_somewhere_is_a_city() -> None:
    text = "نفت واشنطن وأكدت الولايات المتحدة. وفي موسكو، قال خبير إن روسيا تنتظر"
    found = groups(text, ("واشنطن", "GPE"), ("الولايات المتحدة", "GPE"), ("موسكو", "GPE"), ("روسيا", "GPE"))
    assert found == {
        "الولايات المتحدة": ["واشنطن", "الولايات المتحدة"],
        "موسكو": ["موسكو"],
        "روسيا": ["روسيا"],
    }


@pytest.mark.parametrize(("surface", "clusters"), [("بأنقرة", 2), ("وبأنقرة", 2), ("وأنقرة", 1)])
def test_a_capital_with_a_particle_of_place_is_a_city(surface: str, clusters: int) -> None:
    assert len(groups(f"قالت تركيا {surface} ذلك", ("تركيا", "GPE"), (surface, "GPE"))) == clusters


def test_a_capital_in_a_dateline_is_a_city() -> None:
    text = "أنقرة - مراسلنا\nقالت تركيا"
    assert len(groups(text, ("أنقرة", "GPE"), ("تركيا", "GPE"))) == 2


@pytest.mark.parametrize("alone", ["التنظيم", "التنظيم المتشدد"])
def test_a_class_noun_on_its_own_goes_to_the_nearest_of_its_class(alone: str) -> None:
    text = f"مقاتلو تنظيم “الفجر” وحزب العمل، ثم {alone} والحزب"
    found = groups(text, ("الفجر", "ORG"), ("حزب العمل", "ORG"), (alone, "ORG"), ("والحزب", "ORG"))
    assert found == {"الفجر": ["الفجر", alone], "حزب العمل": ["حزب العمل", "والحزب"]}


def test_a_class_noun_before_its_thing_and_one_without_any() -> None:
    text = "القوات تتقدم، وقال بيان إن قوات الساحل دخلت المخيم والمخيم هادئ"
    found = groups(text, ("القوات", "ORG"), ("قوات الساحل", "ORG"), ("المخيم", "FAC"), ("والمخيم", "FAC"))
    assert found == {"قوات الساحل": ["القوات", "قوات الساحل"], "المخيم": ["المخيم", "والمخيم"]}


def test_the_coalition_is_the_one_that_the_article_names() -> None:
    other = "أعلن التحالف العربي الهدنة ورحب التحالف بها"
    assert list(groups(other, ("التحالف العربي", "ORG"), ("ورحب |التحالف", "ORG"))) == ["التحالف العربي"]
    alone = "رحب التحالف بالهدنة"
    assert list(groups(alone, ("التحالف", "ORG"))) == ["التحالف الدولي"]


def test_clusters_are_numbered_by_first_mention() -> None:
    text = "سامر ثم نادر ثم سامر"
    mentions = mark(text, [("سامر", "PERS"), ("نادر", "PERS"), ("سامر", "PERS")])
    assert resolve(text, mentions).of == ("C1", "C2", "C1")


def test_many_names_take_little_time() -> None:
    words = [f"{a}{b}{c}{d}ان" for a in "بتثجحخد" for b in "رزسشصضط" for c in "عغفقكلم" for d in "نهوي"]
    text = " ".join(words)
    marks, position = [], 0
    for word in words:
        marks.append(Mention(position, position + len(word), "GPE", word))
        position += len(word) + 1
    assert len(resolve(text, marks).of) == len(words)


# -- states, towns, posts ---------------------------------------------------------------------------


def test_any_capital_that_acts_is_its_state_where_the_article_names_it() -> None:
    text = "نفت بيروت ذلك، وقال لبنان إنه ينتظر. وأكدت صوفيا ذلك"
    found = groups(text, ("بيروت", "GPE"), ("لبنان", "GPE"), ("صوفيا", "GPE"))
    assert found == {"لبنان": ["بيروت", "لبنان"], "صوفيا": ["صوفيا"]}


def test_a_capital_beside_one_that_is_a_place_is_a_place() -> None:
    text = "زار مدينتي بيروت وبغداد. وقالت لبنان والعراق"
    assert len(groups(text, ("بيروت", "GPE"), ("وبغداد", "GPE"), ("لبنان", "GPE"), ("والعراق", "GPE"))) == 4


@pytest.mark.parametrize(
    ("between", "state"),
    [
        (("تركي", "NORP"), "تركيا"),
        (("العراق", "GPE"), "العراق"),
        (("مصري", "NORP"), "مصر"),
    ],
)
def test_their_country_is_the_state_spoken_of_last(between: tuple[str, str], state: str) -> None:
    text = f"زار العراق ومصر وتركيا. ثم قال {between[0]} إن بلاده تنتظر"
    marks = [
        ("العراق", "GPE"),
        ("ومصر", "GPE"),
        ("وتركيا", "GPE"),
        (f"قال |{between[0]}", between[1]),
        ("بلاده", "GPE"),
    ]
    assert "بلاده" in groups(text, *marks)[state]


def test_a_village_without_a_name_is_the_one_that_the_article_is_about() -> None:
    text = "في النخلة ثم النخلة، وسقط حاجز في الوردية، وعادت القرية هادئة"
    found = groups(text, ("النخلة", "GPE"), ("ثم |النخلة", "GPE"), ("الوردية", "GPE"), ("القرية", "GPE"))
    assert found == {"النخلة": ["النخلة", "النخلة", "القرية"], "الوردية": ["الوردية"]}
    once = "في النخلة وفي الوردية عادت القرية هادئة"
    assert len(groups(once, ("النخلة", "GPE"), ("الوردية", "GPE"), ("القرية", "GPE"))) == 3


@pytest.mark.parametrize(("after", "clusters"), [(" نفسه ذلك", 1), ("، سامر", 1), (" سامر", 2)])
def test_a_post_told_again_and_a_title_before_a_name(after: str, clusters: int) -> None:
    text = f"قال ضابط في الجمارك إنه رآهم. وأضاف الضابط{after}"
    marks = [("ضابط في الجمارك", "OCC"), ("وأضاف |الضابط", "OCC"), *([("سامر", "PERS")] if "سامر" in after else [])]
    of = resolve(text, mark(text, marks)).of
    assert len(set(of[:2])) == clusters


def test_a_name_ends_short_only_where_it_has_no_arabic_noun() -> None:
    text = "فاز ماميلودي صن داونز ثم خسر صن داونز. وقال البيت الأبيض ثم الأبيض"
    found = groups(
        text,
        *(("ماميلودي صن داونز", "ORG"), ("خسر |صن داونز", "ORG")),
        *(("البيت الأبيض", "ORG"), ("ثم |الأبيض", "ORG")),
    )
    assert len(found) == 3
    assert found["ماميلودي صن داونز"] == ["ماميلودي صن داونز", "صن داونز"]


def test_a_body_is_not_the_one_that_its_name_holds() -> None:
    text = "قالت مفوضية إيكواس ثم قالت إيكواس"
    assert len(groups(text, ("مفوضية إيكواس", "ORG"), ("إيكواس", "ORG"), ("قالت |إيكواس", "ORG"))) == 2


# -- names inside names -----------------------------------------------------------------------------


def test_names_around_one_thing_are_one_name() -> None:
    text = "في محيط الشاطئية ثم محيط قرية الشاطئية ثم محيط النخلة"
    found = groups(
        text,
        *(("محيط الشاطئية", "LOC"), ("الشاطئية", "GPE"), ("محيط قرية الشاطئية", "LOC"), ("قرية الشاطئية", "GPE")),
        *(("محيط النخلة", "LOC"), ("النخلة", "GPE")),
    )
    assert found["محيط قرية الشاطئية"] == ["محيط الشاطئية", "محيط قرية الشاطئية"]
    assert found["محيط النخلة"] == ["محيط النخلة"]


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("مدير المرصد", "مدير مرصد البحر"),
        ("المدير الفني للمرصد", "المدير الفني لمرصد البحر"),
        ("مدير المرصد في الجنوب", "مدير المرصد في الجنوب"),
    ],
)
def test_a_post_is_named_after_the_body_and_not_after_its_class(said: str, told: str) -> None:
    text = f"أعلن مرصد البحر ذلك. وقال {said} إن"
    inner = "للمرصد" if "للمرصد" in said else "المرصد"
    assert told in groups(text, ("مرصد البحر", "ORG"), (said, "OCC"), (inner, "ORG"))


def test_a_name_that_stands_for_itself_inside_itself_ends() -> None:
    text = "مجلس المجلس"
    mentions = [Mention(0, 11, "ORG", text), Mention(5, 11, "ORG", "المجلس")]
    assert resolve(text, mentions).of == ("C1", "C1")


def test_mentions_have_names_of_their_own() -> None:
    text = "في العراق وبالعراق عام 2019"
    names = resolve(text, mark(text, [("العراق", "GPE"), ("وبالعراق", "GPE"), ("عام 2019", "DATE")])).names
    assert names == ("العراق", "العراق", None)


# -- on whole articles ------------------------------------------------------------------------------


def resolved(record: Record, text: str) -> Record:
    ordered = sorted(record.entities, key=lambda entity: (entity.start, -entity.end))
    found = resolve(text, [Mention(each.start, each.end, each.type, each.surface) for each in ordered])
    entities = [each.model_copy(update={"cluster": of}) for each, of in zip(ordered, found.of, strict=True)]
    return record.model_copy(update={"entities": tuple(entities), "clusters": found.clusters})


@pytest.mark.parametrize(
    ("gold", "texts", "all_b3", "shared_b3"),
    [("annotations", "seeds", 0.98, 0.96), ("tests/data/articles", "tests/data/articles", 0.97, 0.95)],
)
def test_the_clusters_of_annotated_articles(gold: str, texts: str, all_b3: float, shared_b3: float) -> None:
    """Floors a point below what docs/decisions/0011 reports, on gold mentions."""
    articles = load_annotations(ROOT / gold, ROOT / texts)
    records = [each.record for each in articles]
    found = [resolved(each.record, each.text) for each in articles]
    assert all((each.cluster is None) == (each.type in VALUES) for record in found for each in record.entities)
    assert cluster_scores(records, found).b3.f1 >= all_b3
    assert cluster_scores(records, found, singletons=False).b3.f1 >= shared_b3


def test_the_script_that_scores_clusters() -> None:
    words = [sys.executable, ROOT / "scripts/cluster_scores.py", ROOT / "annotations", "--texts", ROOT / "seeds"]
    shown = subprocess.run(words, capture_output=True, text=True, timeout=120, env={**os.environ, **UTF8})
    assert shown.returncode == 0, shown.stderr
    assert re.search(r"^5 articles; same name: 0\.\d{3}$", shown.stdout, re.MULTILINE)
    rows = {
        tuple(cells[:2]): cells[2:] for line in shown.stdout.splitlines() if len(cells := line[1:-1].split("|")) == 8
    }
    found = {(name.strip(), kept.strip()): float(cells[2]) for (name, kept), cells in rows.items() if "0." in cells[2]}
    assert set(found) == {(name, kept) for name in ("rules", "equal names") for kept in ("yes", "no")}
    assert all(found["rules", kept] > found["equal names", kept] for kept in ("yes", "no"))


def test_the_script_tells_a_mistake_in_one_line(tmp_path: Path) -> None:
    words = [sys.executable, ROOT / "scripts/cluster_scores.py", tmp_path / "none"]
    shown = subprocess.run(words, capture_output=True, text=True, timeout=120, env={**os.environ, **UTF8})
    assert (shown.returncode, shown.stderr.count("\n")) == (2, 1)

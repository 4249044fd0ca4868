"""Names and alias resolution, on sentences of our own."""

from __future__ import annotations

import pytest

from rasid.infer.clusters import resolve, same_but_spelling
from rasid.infer.mentions import Mention
from rasid.infer.names import canonical, clean, key, people

Groups = dict[str, list[str]]


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


# -- names ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("surface", "name"),
    [
        ("بالباغوز", "الباغوز"),
        ("والعراق", "العراق"),
        ("وبالعراق", "العراق"),
        ("للعراق", "العراق"),
        ("وللعراق", "العراق"),
        ("للبنان", "لبنان"),
        ("وفرنسا", "فرنسا"),
        ("ببلدة الشاطئ", "بلدة الشاطئ"),
        ("والولايات المتحدة", "الولايات المتحدة"),
        ("بغـــداد", "بغداد"),
        ("الشاط\u200fئ", "الشاطئ"),
        *((name, name) for name in ("بغداد", "لبنان", "فرنسا", "كندا", "ولاية الساحل", "كاليفورنيا", "بالي", "وادي")),
    ],
)
def test_places_lose_proclitics_and_nothing_else(surface: str, name: str) -> None:
    assert canonical(surface, "GPE", ()) == name


@pytest.mark.parametrize(
    ("surface", "name"),
    [
        ("للتحالف", "التحالف"),
        ("لقوات الساحل", "قوات الساحل"),
        *((name, name) for name in ("وزارة الصحة", "وكالة المرفأ", "وكالتها", "كتيبة النهر", "لواء البحر", "فصيل")),
    ],
)
def test_bodies(surface: str, name: str) -> None:
    assert canonical(surface, "ORG", ()) == name


def test_a_letter_goes_only_when_the_rest_is_known() -> None:
    assert canonical("لواشطة", "GPE", ()) == "لواشطة"
    assert canonical("لواشطة", "GPE", {key("واشطة")}) == "واشطة"
    assert canonical("وترامب", "PERS", ()) == "وترامب"
    assert canonical("وترامب", "PERS", {key("ترامب")}) == "ترامب"


def test_a_family_name_keeps_what_only_looks_like_an_article() -> None:
    assert canonical("كالدويل", "PERS", ()) == "كالدويل"
    assert canonical("والحداد", "PERS", {key("الحداد")}) == "الحداد"


def test_clean_drops_what_is_not_letters_of_the_name() -> None:
    assert clean("الألغـ,ام") == "الألغام"
    assert clean("مَرْكَز \n البحوث") == "مركز البحوث"


@pytest.mark.parametrize(
    ("surface", "name"),
    [
        ("السوريين", "سوري"),
        ("الأمريكية", "أمريكي"),
        ("تركي", "تركي"),
        ("الأكراد", "الأكراد"),
        ("عربي", "عربي"),
    ],
)
def test_peoples_in_the_singular(surface: str, name: str) -> None:
    assert people(surface) == name


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("امريكا", "اميركا", True),
        ("قامشلي", "قامشلو", True),
        ("غرينلاند", "جرينلاند", True),
        ("تلغرام", "تليغرام", True),
        ("بولندا", "هولندا", False),
        ("غامبيا", "زامبيا", False),
        ("سوري", "سورى", False),  # too short to tell
        ("قرار2170", "قرار2171", False),
        ("بيروت", "بيروت", False),
    ],
)
def test_spelling_variants(one: str, other: str, same: bool) -> None:
    assert same_but_spelling(one, other) is same
    assert same_but_spelling(other, one) is same


# -- clusters ---------------------------------------------------------------------------------------


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

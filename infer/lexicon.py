"""The small word lists that alias resolution rests on: class nouns, epithets, and things with names of their
own making.

Plain data, in the spelling of the press; look-ups go by `rasid.normalizer.normalise`. Add to it freely: nothing
outside this room depends on what stands here. The names of the five standing targets are `rasid.targets`'.
"""

from __future__ import annotations

from dataclasses import dataclass

from rasid.targets import COALITION, DAESH, SDF, TURKEY, UNITED_STATES


def _words(*rows: str) -> tuple[str, ...]:
    return tuple(word for row in rows for word in row.split())


# Nouns that say what a named thing is. One of them, definite and alone (التنظيم, القرية), stands for a thing
# named before; indefinite before a name (تنظيم داعش, قرية الباغوز) it is part of the name's long form.
CLASS_NOUNS = _words(
    # bodies
    "تنظيم حزب جماعة حركة جبهة هيئة منظمة مؤسسة جمعية شبكة مرصد مركز معهد جامعة كلية مجلس لجنة حكومة وزارة",
    "إدارة رئاسة قيادة جيش قوات قوة وحدات وحدة شرطة كتيبة كتائب لواء ألوية فصيل فصائل فوج فرقة ميليشيا",
    "ميليشيات حشد تحالف ائتلاف اتحاد نقابة محكمة سفارة قنصلية شركة مجموعة بنك مصرف صندوق نادي فريق منتخب",
    "صحيفة جريدة مجلة وكالة قناة إذاعة موقع برلمان كتلة تيار رابطة مفوضية برنامج",
    # places
    "مدينة بلدة قرية محافظة ولاية إقليم قضاء ناحية مقاطعة منطقة إمارة مملكة جمهورية دولة حي",
    "نهر بحيرة بحر خليج جبل جبال تلة وادي صحراء بادية جزيرة سهل واحة مضيق حدود",
    "مخيم حقل قاعدة معبر مطار ميناء سد جسر طريق شارع ساحة ميدان جامع مسجد كنيسة مستشفى مدرسة سجن قصر مصفاة",
    "معمل سوق",
    # events, laws, things
    "معركة حرب حملة عملية مؤتمر قمة بطولة كأس مهرجان ثورة انتفاضة مجزرة اتفاقية اتفاق معاهدة قانون",
    "قرار ميثاق لغة صاروخ تطبيق",
)

# Class nouns of settlements and districts: what is called so is a place, not a party (stance rule 1).
SETTLEMENTS = _words("مدينة بلدة قرية محافظة قضاء ناحية حي")

# Those of them that may stand for a town or village which the article never calls so.
HOMES = ("مدينة", "بلدة", "قرية")

# Adjectives that judge or point and name nothing: with them a class noun still stands for a thing named
# elsewhere.
EPITHETS = _words(
    "المتشدد المتشددة المتطرف المتطرفة الإرهابي الإرهابية الدموي الدموية الجهادي الجهادية التكفيري",
    "التكفيرية الإجرامي الإجرامية المسلح المسلحة المحظور المحظورة المذكور المذكورة المحاصر المحاصرة",
    "المنكوب المنكوبة الصغير الصغيرة نفسه نفسها ذاته ذاتها",
)

# Plurals of peoples that do not show their singular.
PLURALS = {
    "أتراك": "تركي",
    "أكراد": "كردي",
    "كرد": "كردي",
    "عرب": "عربي",
    "أعراب": "عربي",
    "روس": "روسي",
    "ألمان": "ألماني",
    "أفغان": "أفغاني",
    "أمريكان": "أمريكي",
    "إنجليز": "إنجليزي",
    "إنكليز": "إنكليزي",
    "يهود": "يهودي",
    "أرمن": "أرمني",
    "سريان": "سرياني",
    "شيشان": "شيشاني",
    "تركمان": "تركماني",
    "يونان": "يوناني",
    "أفارقة": "أفريقي",
    "مغاربة": "مغربي",
}


@dataclass(frozen=True)
class Known:
    """A thing with several names. `name` is the one its cluster bears in every article.

    `names` mean it always; `weak` names only when the article names no other candidate; `capital` means it
    unless a preposition or a dateline makes it the city; `heads` are the class nouns that may stand for it.
    """

    name: str
    type: str
    names: tuple[str, ...] = ()
    weak: tuple[str, ...] = ()
    capital: str | None = None
    heads: tuple[str, ...] = ()


KNOWN = (
    Known(DAESH.name, DAESH.type, DAESH.names, heads=("تنظيم",)),
    Known(SDF.name, SDF.type, SDF.names, heads=("قوات",)),
    Known(COALITION.name, COALITION.type, COALITION.names, weak=("التحالف", "قوات التحالف"), heads=("تحالف",)),
    Known(UNITED_STATES.name, UNITED_STATES.type, UNITED_STATES.names, capital="واشنطن"),
    Known(TURKEY.name, TURKEY.type, TURKEY.names, capital="أنقرة"),
    Known("روسيا", "GPE", ("روسيا الاتحادية", "الاتحاد الروسي"), capital="موسكو"),
    Known("سوريا", "GPE", ("سورية", "الجمهورية العربية السورية")),
    Known("نهر الفرات", "LOC", ("الفرات",), heads=("نهر",)),
    Known("نهر دجلة", "LOC", ("دجلة",), heads=("نهر",)),
    Known("نهر النيل", "LOC", ("النيل",), heads=("نهر",)),
    Known("السعودية", "GPE", ("المملكة العربية السعودية", "العربية السعودية")),
    Known("الإمارات", "GPE", ("الإمارات العربية المتحدة", "دولة الإمارات", "دولة الإمارات العربية المتحدة")),
    Known("بريطانيا", "GPE", ("المملكة المتحدة", "بريطانيا العظمى")),
    Known("الأمم المتحدة", "ORG", ("هيئة الأمم المتحدة", "منظمة الأمم المتحدة", "UN")),
    Known("الاتحاد الأوروبي", "ORG", ("EU",)),
    Known("حلف شمال الأطلسي", "ORG", ("الناتو", "حلف الناتو", "حلف الأطلسي", "NATO")),
    Known("جامعة الدول العربية", "ORG", ("الجامعة العربية",)),
    Known("الاتحاد الدولي لكرة القدم", "ORG", ("الفيفا", "فيفا", "FIFA")),
    Known("منظمة الصحة العالمية", "ORG", ("الصحة العالمية", "WHO")),
    Known("أوبك", "ORG", ("منظمة أوبك", "منظمة الدول المصدرة للنفط", "منظمة البلدان المصدرة للبترول", "OPEC")),
    Known("وزارة الدفاع الأمريكية", "ORG", ("البنتاغون", "وزارة الدفاع الأميركية", "البنتاجون")),
    Known("وكالة الاستخبارات المركزية", "ORG", ("سي آي إيه", "وكالة المخابرات المركزية", "CIA")),
    Known("حزب العمال الكردستاني", "ORG", ("بي كا كا", "PKK"), heads=("حزب",)),
    Known("وحدات حماية الشعب", "ORG", ("وحدات حماية الشعب الكردية", "YPG"), heads=("وحدات",)),
    Known(
        "حماس",
        "ORG",
        ("حركة حماس", "حركة المقاومة الإسلامية", "حركة المقاومة الإسلامية حماس"),
        heads=("حركة",),
    ),
    Known("الحشد الشعبي", "ORG", ("هيئة الحشد الشعبي", "قوات الحشد الشعبي", "الحشد")),
)

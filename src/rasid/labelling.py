"""What an annotation tool must be told before articles go into it: Label Studio's configuration, doccano's labels.

Both are made from the inventory, in the colours of `rasid render`. Knows the names of fields that `labelstudio` and
`doccano` read and write, and nothing of records.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable
from pathlib import Path
from xml.etree import ElementTree as Tree

from rasid.exchange import COREF
from rasid.labels import SALIENT, STANCES, Inventory, inventory
from rasid.labelstudio import FROM, HOLDER, STANCE, TO
from rasid.palette import OTHER, PALETTE
from rasid.records import write_exact

_KEYS = "1234567890qwertyuiopasdfghjklzxcvbnm"  # one key a type, in the inventory's order
_HELP = {
    STANCE["passage"]: "موقف الفقرة من هذا الهدف · stance of this passage towards the target",
    STANCE["article"]: "موقف المقال من هذا الهدف · stance of the whole article, on one mention of the target",
    HOLDER: "صاحب الموقف (الكاتب إن تُرك) · whose stance; empty: the author's; a named speaker: link Holder",
}


def _colour(label: str) -> str:
    return PALETTE.get(label, OTHER)[0]


def _choices(view: Tree.Element, name: str, values: Iterable[str], targets: str) -> None:
    """A question that is asked of each mention that may be a target."""
    asked = Tree.SubElement(
        view, "View", {"visibleWhen": "region-selected", "whenTagName": FROM, "whenLabelValue": targets}
    )
    Tree.SubElement(asked, "Header", {"value": _HELP[name], "size": "5"})
    shape = {"name": name, "toName": TO, "perRegion": "true", "choice": "single", "showInline": "true"}
    question = Tree.SubElement(asked, "Choices", shape)
    for value in values:
        Tree.SubElement(question, "Choice", {"value": value})


def labelstudio_config(types: Inventory) -> str:
    """The labelling configuration, as XML: types in colour, `Coref` and `Holder` links, and stance on each target.

    Spans may nest without being told so; `granularity` lets them begin and end inside a word.
    """
    root = Tree.Element("View")
    relations = Tree.SubElement(root, "Relations")
    for value in (COREF, HOLDER.capitalize()):
        Tree.SubElement(relations, "Relation", {"value": value})
    labels = Tree.SubElement(root, "Labels", {"name": FROM, "toName": TO, "showInline": "true"})
    for number, label in enumerate(types.types):
        shape = {"value": label, "background": _colour(label)}
        if number < len(_KEYS):
            shape["hotkey"] = _KEYS[number]
        Tree.SubElement(labels, "Label", shape)
    right = Tree.SubElement(root, "View", {"style": "direction: rtl; text-align: right; line-height: 2.2"})
    Tree.SubElement(right, "Text", {"name": TO, "value": f"${TO}", "granularity": "symbol"})
    targets = ",".join(label for label in types.types if label in SALIENT)
    if targets:
        _choices(root, STANCE["passage"], STANCES, targets)
        _choices(root, STANCE["article"], STANCES, targets)
        _choices(root, HOLDER, ("author", "other"), targets)
    Tree.indent(root)
    return Tree.tostring(root, encoding="unicode") + "\n"


def doccano_labels(types: Inventory) -> str:
    """The span types for doccano's page Labels, import: a JSON list with a colour and a key each."""
    rows = [
        {"text": label, "suffixKey": key, "backgroundColor": _colour(label), "textColor": "#ffffff"}
        for label, key in zip(types.types, [*_KEYS, *([None] * len(types.types))], strict=False)
    ]
    return json.dumps(rows, ensure_ascii=False, indent=1) + "\n"


MAKERS = {"labelstudio": labelstudio_config, "doccano": doccano_labels}


def run_labelling(args: argparse.Namespace) -> int:
    """`rasid annotations labelling-config`: prints it, or writes `args.output`."""
    made = MAKERS[args.format](inventory(args.inventory))
    if args.output is None:
        print(made, end="")
        return 0
    output: Path = args.output
    write_exact(output, made)
    print(f"{output}: {args.format}, inventory {args.inventory}")
    return 0

"""A planted regression: the fold models of one seed with the head of some types set to nought, read anew and gated.

    python scripts/planted_regression.py runs/gate --seed 1 --types ORG --baseline docs/reports/seeds-cv

The weights and the bias of the types' labels are zeroed, so that begin, inside and outside are equally likely for every
word. Prints for each type the gates that fail; exit code 1 when one was not caught at all.
"""

from __future__ import annotations

import argparse
import re
import sys
import tempfile
from pathlib import Path

import torch

from rasid.annotations import load_annotations
from rasid.counts import count
from rasid.errors import DataError, RasidError
from rasid.gate import Gate, load_gate
from rasid.gatecommand import read_baseline
from rasid.gating import Evidence, failed, judge
from rasid.infer.job import predict_texts
from rasid.model import load_model, save_model
from rasid.passagecounts import count_passages


def zero(folder: Path, label: str, output: Path, head: str = "entities") -> None:
    """Saves the model of a folder with the labels of one type zeroed, in the entity head's last layer."""
    loaded = load_model(str(folder))
    labels = loaded.model.config.named_heads[head].labels
    if label not in labels:
        raise DataError(f"{folder}: head {head!r} does not know {label!r}; known: {', '.join(labels)}")
    layer = loaded.model.heads[head].output
    rows = slice(3 * labels.index(label), 3 * labels.index(label) + 3)
    with torch.no_grad():
        layer.weight[rows] = 0
        layer.bias[rows] = 0
    save_model(loaded, output, compress=False)


def main() -> int:
    parser = argparse.ArgumentParser(description="Zeroes one type's head in a seed's fold models and gates the result.")
    parser.add_argument("run", type=Path, help="run folder of the cross-validation, with its models")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--types", nargs="+", default=["ORG"])
    parser.add_argument("--gate", type=Path, default=Path("gate.yaml"))
    parser.add_argument("--baseline", type=Path, required=True, help="the stored report")
    parser.add_argument("--gold", type=Path, default=Path("annotations"))
    parser.add_argument("--texts", type=Path, default=Path("seeds"))
    args = parser.parse_args()
    gold = load_annotations(args.gold, args.texts)
    gate, baseline = load_gate(args.gate), read_baseline(args.baseline)
    regressions = Gate(regressions=gate.regressions)
    missed = False
    for label in args.types:
        predicted = []
        with tempfile.TemporaryDirectory() as name:
            for article in gold:
                fold = args.run / f"fold-{article.record.doc}-{args.seed}"
                planted = Path(name) / re.sub(r"\W", "-", fold.name)
                zero(fold, label, planted)
                predicted += predict_texts([(article.record.doc, article.text)], str(planted))
        counts = count([each.record for each in gold], predicted)
        found = failed(judge(regressions, Evidence([counts], [count_passages(gold, predicted)]), baseline, "gate"))
        missed |= not found
        print(f"{label} zeroed: {len(found)} gates failed", flush=True)
        for each in found:
            print(f"  {each.line}")
    return int(missed)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except RasidError as error:
        sys.exit(f"planted_regression: {error}")

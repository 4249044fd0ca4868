"""Held-out predictions: every article read, as `rasid infer` reads it, by the fold's model that has not seen it.

    rasid train configs/seeds-cv.yaml --set cross_validation.keep_models=true
    python scripts/held_out.py runs/seeds-cv --output docs/reports/seeds-cv/held-out

Writes seed-N.jsonl for each seed whose folds are all there: records with clusters, stances and calibrated scores, as
`rasid evaluate --predictions` takes them.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections import defaultdict
from pathlib import Path

from rasid.errors import DataError, RasidError
from rasid.infer.job import predict_texts
from rasid.records import Record, read_exact, write_exact

_FOLD = re.compile(r"fold-(?P<doc>.+)-(?P<seed>\d+)")


def folds(run: Path) -> dict[int, dict[str, Path]]:
    """Model folders of a cross-validation by seed and article. Raises DataError where no model was kept."""
    found: defaultdict[int, dict[str, Path]] = defaultdict(dict)
    for folder in sorted(run.glob("fold-*")):
        named = _FOLD.fullmatch(folder.name)
        if named and (folder / "model.safetensors").is_file():
            found[int(named["seed"])][named["doc"]] = folder
    if not found:
        raise DataError(f"{run}: no fold with a model; train with --set cross_validation.keep_models=true")
    return dict(found)


def read(folder: Path, doc: str, text: str) -> Record:
    """One article by one model."""
    (record,) = predict_texts([(doc, text)], str(folder))
    return record


def main() -> int:
    parser = argparse.ArgumentParser(description="Held-out predictions of a cross-validation, seed by seed.")
    parser.add_argument("run", type=Path, help="run folder of the cross-validation, with its models")
    parser.add_argument("--texts", type=Path, default=Path("seeds"), help="folder of <doc>.txt (default: seeds)")
    parser.add_argument("--output", type=Path, required=True)
    args = parser.parse_args()
    by_seed = folds(args.run)
    docs = {doc for own in by_seed.values() for doc in own}
    args.output.mkdir(parents=True, exist_ok=True)
    for seed, own in sorted(by_seed.items()):
        if missing := sorted(docs - own.keys()):
            print(f"seed {seed}: left out, no model for {', '.join(missing)}", file=sys.stderr)
            continue
        records = [read(own[doc], doc, read_exact(args.texts / f"{doc}.txt")) for doc in sorted(own)]
        lines = "".join(f"{record.to_json()}\n" for record in records)
        write_exact(args.output / f"seed-{seed}.jsonl", lines)
        print(json.dumps({"seed": seed, "entities": sum(len(record.entities) for record in records)}))
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except RasidError as error:
        sys.exit(f"held_out: {error}")

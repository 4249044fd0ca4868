"""Scores alias resolution: the CoNLL scores of the rules and of equal names, with and without singletons.

    python scripts/cluster_scores.py annotations --texts seeds
    python scripts/cluster_scores.py tests/data/articles --model news

The mentions are the gold's own, so that nothing but their clusters is scored; with `--model` a model finds them, and
what it misses counts against the clusters too. `same name` is the share of gold clusters whose counterpart bears the
gold's own name.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from rasid.annotations import load_annotations
from rasid.clustermetrics import align_clusters, cluster_scores
from rasid.errors import RasidError
from rasid.infer.clusters import resolve
from rasid.infer.mentions import Mention
from rasid.infer.names import key
from rasid.metrics import ratio
from rasid.records import Cluster, Entity, Record
from rasid.tables import table


def regrouped(record: Record, clusters: Sequence[Cluster], of: Sequence[str | None]) -> Record:
    """A record with other clusters; `of` are those of its entities in text order."""
    entities = [one.model_copy(update={"cluster": each}) for one, each in zip(in_order(record), of, strict=True)]
    return record.model_copy(update={"entities": tuple(entities), "clusters": tuple(clusters)})


def in_order(record: Record) -> list[Entity]:
    return sorted(record.entities, key=lambda entity: (entity.start, -entity.end))


def by_rules(record: Record, text: str) -> Record:
    """A record's own mentions, in the clusters that `rasid infer` would give them."""
    found = resolve(text, [Mention(each.start, each.end, each.type, each.surface) for each in in_order(record)])
    return regrouped(record, found.clusters, found.of)


def by_name(record: Record) -> Record:
    """A record's own mentions, those of one type and one spelling (letters folded) together."""
    ids: dict[tuple[str, str], Cluster] = {}
    of: list[str | None] = []
    for each in in_order(record):
        same = (each.type, key(each.surface))
        if each.cluster is not None:
            ids.setdefault(same, Cluster(id=f"C{len(ids) + 1}", name=each.surface, type=each.type))
        of.append(None if each.cluster is None else ids[same].id)
    return regrouped(record, list(ids.values()), of)


def same_names(gold: Sequence[Record], found: Sequence[Record]) -> float:
    """Share of the gold clusters with a counterpart whose counterpart has the same name."""
    same = total = 0
    for left, right in zip(gold, found, strict=True):
        names, others = ({each.id: each.name for each in one.clusters} for one in (left, right))
        pairs = align_clusters(left, right)
        same += sum(names[one] == others[other] for one, other in pairs.items())
        total += len(pairs)
    return ratio(same, total)


def row(name: str, gold: Sequence[Record], found: Sequence[Record], singletons: bool) -> list[str]:
    """Cells of one line of the table."""
    scores = cluster_scores(gold, found, singletons)
    numbers = (scores.b3.precision, scores.b3.recall, scores.b3.f1, scores.ceaf.f1, scores.muc.f1, scores.conll)
    return [name, "yes" if singletons else "no", *(f"{each:.3f}" for each in numbers)]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("gold", type=Path, metavar="GOLD", help="folder of gold records")
    parser.add_argument("--texts", type=Path, metavar="DIR", help="folder of <doc>.txt (default: the gold's own)")
    parser.add_argument("--doc", action="append", metavar="NAME", help="only this article; may be repeated")
    parser.add_argument("--model", metavar="NAME|DIR", help="let a model find the mentions")
    args = parser.parse_args()
    try:
        articles = load_annotations(args.gold, args.texts or args.gold)
        articles = [each for each in articles if not args.doc or each.record.doc in args.doc]
        gold = [each.record for each in articles]
        if args.model:
            from rasid.infer.job import predict_texts  # pulls in torch, which gold mentions do not need

            rules = predict_texts([(each.record.doc, each.text) for each in articles], args.model)
        else:
            rules = [by_rules(each.record, each.text) for each in articles]
    except RasidError as error:
        print(error, file=sys.stderr)
        return 2
    equal = [by_name(record) for record in (rules if args.model else gold)]
    header = ["clusters", "singletons", "B3 P", "B3 R", "B3 F1", "CEAF-e F1", "MUC F1", "mean F1"]
    rows = [
        row(*each, kept) for each in (("rules", gold, rules), ("equal names", gold, equal)) for kept in (True, False)
    ]
    print(f"{len(gold)} articles; same name: {same_names(gold, rules):.3f}\n\n{table(header, rows)}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

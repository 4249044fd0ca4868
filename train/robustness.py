"""`rasid robustness`: the robustness table of a model on the evaluation sets of a run config.

For token-tagged sets the text is the tokens joined by spaces, and the tokens move with it: each keeps its gold tag, and
takes its predicted one from the span that lies over its new place.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from rasid.errors import ConfigError, ModelError, nearest
from rasid.model import Loaded
from rasid.perturb import PERTURBATIONS, Perturbed, perturb
from rasid.slices import Counts, Robustness, summarise, summed, touched, write_slices
from rasid.uncertainty import Row

from .config import RunConfig, Source, load_run_config
from .evaluation import predict_entities
from .figures import finished_model, measures_of, settled, sides_of, summed_by_unit, units_of
from .sources import GoldText, Typed, mapped, read_texts


def moved_gold(gold: GoldText, perturbed: Perturbed) -> GoldText:
    """A settled text under a perturbation: its spans and tokens at their new places, with their own characters."""
    entities = tuple(Typed(perturbed.move(entity.span), entity.type) for entity in gold.entities)
    tokens = None if gold.tokens is None else tuple(perturbed.move(token) for token in gold.tokens)
    kept = tuple(entity for entity in entities if len(entity.span))
    return replace(gold, text=perturbed.text, entities=kept, tokens=tokens)


def _rows(loaded: Loaded, head: str, gold: Sequence[GoldText], measures: Sequence[str]) -> dict[str, list[Row]]:
    """[correct, predicted, gold] of every text under every measure, after one reading."""
    predicted = predict_entities(loaded, head, [each.text for each in gold])
    return {
        measure: [sides_of(g, p, measure).row(lambda *_: True) for g, p in zip(gold, predicted, strict=True)]
        for measure in measures
    }


def robustness(
    loaded: Loaded, head: str, gold: Sequence[GoldText], source: Source, seeds: Sequence[int]
) -> list[Robustness]:
    """A table for each measure of a held-out set, read with a `tokens` head of the model."""
    gold = [settled(each) for each in gold]
    measures = measures_of(loaded.model.config.named_heads[head].nested, gold)
    units = units_of([each.doc for each in gold], source)
    clean = _rows(loaded, head, gold, measures)
    texts, spans = [each.text for each in gold], [[e.span for e in each.entities] for each in gold]
    found: dict[str, list[dict[str, list[Row]]]] = {}
    shares: dict[str, float] = {}
    for name in PERTURBATIONS:
        versions = [[perturb(name, text, seed) for text in texts] for seed in seeds]
        shares[name] = sum(touched(texts, spans, version) for version in versions) / len(versions)
        moved = [[moved_gold(g, p) for g, p in zip(gold, version, strict=True)] for version in versions]
        found[name] = [_rows(loaded, head, each, measures) for each in moved]
    tables = []
    for measure in measures:
        counts = {
            name: Counts(summed([summed_by_unit(each[measure], units.of) for each in readings]), shares[name])
            for name, readings in found.items()
        }
        own = summed_by_unit(clean[measure], units.of)
        tables.append(summarise(measure, units.kind, own, counts, seeds))
    return tables


def fitting_head(loaded: Loaded, name: str, gold: Sequence[GoldText], where: str) -> str:
    """`name`, once it is known that the model has this head and that it knows the gold's types. Raises ModelError."""
    heads = loaded.model.config.named_heads
    if name not in heads or heads[name].kind != "tokens":
        known = [each for each, head in heads.items() if head.kind == "tokens"]
        raise ModelError(f"{loaded.name}: no entity head {name!r}{nearest(name, known)}; name one with --head")
    types = {entity.type for each in gold for entity in each.entities}
    strange = sorted(types - set(heads[name].labels))
    if strange:
        found = f"head {name!r} does not know the type {strange[0]!r} of {where}"
        raise ModelError(f"{loaded.name}: {found}; it has {', '.join(heads[name].labels)}")
    return name


def _sets(config: RunConfig, wanted: str | None) -> dict[str, Source]:
    """The evaluation sets with entities, or the one that is wanted."""
    sets = {name: s for name, s in config.evaluation.items() if config.heads[s.head].kind == "tokens"}
    if not sets:
        raise ConfigError("evaluation: the config has no evaluation set with entities")
    if wanted is None:
        return sets
    if wanted not in sets:
        raise ConfigError(f"--on {wanted}: no such evaluation set with entities{nearest(wanted, sets)}")
    return {wanted: sets[wanted]}


def run_robustness(args: argparse.Namespace) -> int:
    """`rasid robustness`: prints the tables and, with `--report`, writes them."""
    config = load_run_config(args.config, args.set)
    sets = _sets(config, args.on)
    loaded = finished_model(args.model)
    for name, source in sets.items():
        gold = [mapped(each, source) for each in read_texts(source)]
        head = fitting_head(loaded, args.head or source.head, gold, str(source.path))
        tables = robustness(loaded, head, gold, source, range(args.draws))
        print("\n\n".join([f"## {name}", *(each.render() for each in tables)]), flush=True)
        if args.report:
            write_slices(tables, Path(args.report) / name if len(sets) > 1 else Path(args.report))
    return 0

"""`rasid annotations preannotate`: articles with a model's predictions, as a file that an annotation tool imports."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

from rasid.exchange import Article as Predicted
from rasid.formats import left_out
from rasid.preannotation import preannotations

from .articles import Article, Columns, Reject
from .engine import choose_device, open_engine
from .intake import Intake
from .predictor import predict_each
from .writers import file_name


def run_preannotate(args: argparse.Namespace) -> int:
    """Writes `args.output` and tells what went into it. Raises DataError when no input gave an article."""
    output = Path(args.output)
    columns = Columns(args.text_column, args.id_column)
    intake = Intake([str(name) for name in args.inputs], columns, output)
    engine = open_engine(args.model, choose_device(args.device), args.batch_tokens, args.min_score)
    with preannotations(output, args.format, args.units) as written:
        entities = 0
        for chunk in intake:
            articles = chunk if args.format == "records" else [_nameable(article) for article in chunk]
            for article, result in zip(articles, predict_each(engine, articles), strict=True):
                if isinstance(result, Reject):
                    intake.reject(result)
                    continue
                written.add(Predicted(result, article.text))
                entities += len(result.entities)
        rejected = intake.close()
    left = left_out(f"format {args.format}", written.left)
    if left:
        print(f"note: {left}")
    print(f"{written.count} articles, {entities} entities of {engine.loaded.name} -> {output}{rejected}")
    return 0


def _nameable(article: Article) -> Article:
    """The article under an id that can name a file, as the records that come back from a tool are files; its own id
    is kept in `meta`."""
    name = file_name(article.doc)
    return article if name == article.doc else replace(article, doc=name, meta={**article.meta, "id": article.doc})

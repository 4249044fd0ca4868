"""The card of a model folder: what it is, what it was made from, how it scores, how it is run.

Written when a run is saved and again by `rasid card`, from the files in the folder alone; a card that somebody has
taken over (its mark is gone) is left as it is. It knows the hub's metadata, and nothing of the hub.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from jinja2 import Environment, StrictUndefined

from rasid.errors import ModelError
from rasid.model import Head, RasidConfig, check_folder, find_model, revision_of
from rasid.pretrained import read_json
from rasid.scorecard import METRICS, Figure, figures_of
from rasid.tables import table

CARD = "README.md"
MARK = "<!-- written by `rasid card`; delete this line and the card is yours, and is no more overwritten -->"
RUN = "run.yaml"
_UNSTATED = "not stated"
_TEMPLATE = """\
# {{ name }}

A [Rasid](https://pypi.org/project/rasid/) model for Arabic: {{ summary }}.

{{ heads }}

## How to use

With `pip install rasid`, and this repository in a folder `{{ name }}`:

```console
$ rasid infer articles/ --model {{ name }} --output records.jsonl
```

From Python:

```python
{{ usage }}
```

## Scores

{{ scores }}

## Data

{{ data }}

## Limits

{% for limit in limits -%}
- {{ limit }}
{% endfor %}
## How it was made

{% for line in made -%}
- {{ line }}
{% endfor %}{% if config %}
The config, defaults included:

```yaml
{{ config }}```
{% endif %}"""
_LOAD = "from rasid.model import load_model\nfrom rasid.text import words\n\nloaded = load_model({name!r})\n"
_ENTITIES = """\
import torch

from rasid.infer.engine import open_engine
from rasid.infer.predictor import predict
from rasid.infer.readers import Article

engine = open_engine({name!r}, torch.device("cpu"))
(record,) = predict(engine, [Article("a", "زار الوفد مدينة الميناء.")])
print(record.to_json())"""
_PAIRS = """\
from rasid.model import load_model
from rasid.scoring import Pair, pair_probs

loaded = load_model({name!r})
print(pair_probs(loaded, {head!r}, [Pair("الميناء", "زار الوفد مدينة الميناء.")]))  # {labels}"""
_TEXTS = """\
from rasid.model import load_model
from rasid.text import words
from rasid.textscoring import read_articles

loaded, text = load_model({name!r}), "زار الوفد مدينة الميناء."
print(read_articles(loaded, [[word.of(text) for word in words(text)]], None, [{head!r}]).labels)  # {labels}"""
_KINDS = {
    "tokens": "named entities with exact offsets",
    "pair": "the stance of a text towards a target",
    "text": "labels of whole articles",
}
_LIMITS = (
    "It learnt from the data named above and from what its encoder saw; on other kinds of text it will be worse.",
    "Its scores are those of the sets named above. They say nothing of a text of yours: annotate some, and run"
    " `rasid evaluate`.",
)


@dataclass(frozen=True)
class Origin:
    """What a run left beside its model: the config, the commit and the versions; empty where there is none."""

    run: dict[str, Any]
    metrics: dict[str, Any]

    @classmethod
    def of(cls, folder: Path) -> Origin:
        path = folder / RUN
        run = yaml.safe_load(path.read_text(encoding="utf-8")) if path.is_file() else {}
        return cls(run or {}, read_json(folder / METRICS))


def make_card(folder: Path, report: Path | None = None) -> str:
    """The card of a Rasid model folder, metadata and all. Raises ModelError for any other folder."""
    check_folder(folder)
    config = RasidConfig.from_pretrained(folder, local_files_only=True)
    origin, revision = Origin.of(folder), revision_of(folder)
    figures = figures_of(folder, revision, report)
    name = folder.resolve().name
    heads = config.named_heads
    own = origin.run.get("card") or {}
    page = Environment(undefined=StrictUndefined, keep_trailing_newline=True).from_string(_TEMPLATE)
    body = page.render(
        name=name,
        summary=", ".join(dict.fromkeys(_KINDS[head.kind] for head in heads.values())),
        heads=_heads_table(heads),
        usage=_usage(name, heads),
        scores=_scores(figures),
        data=_data(origin.run),
        limits=[*own.get("limits", ()), *_LIMITS],
        made=list(_made(config, origin, revision)),
        config=_without_machine(yaml.safe_dump(origin.run, allow_unicode=True, sort_keys=False)) if origin.run else "",
    )
    metadata = _metadata(name, config, own, figures)
    front = yaml.safe_dump(metadata, allow_unicode=True, sort_keys=False, width=1000)
    return f"---\n{front}---\n\n{MARK}\n\n{body}"


def _metadata(name: str, config: RasidConfig, own: dict[str, Any], figures: Sequence[Figure]) -> dict[str, Any]:
    kinds = {head.kind for head in config.named_heads.values()}
    found: dict[str, Any] = {
        "language": ["ar"],
        "license": own.get("licence") or "other",
        "library_name": "rasid",
        "pipeline_tag": "token-classification" if "tokens" in kinds else "text-classification",
        "tags": [
            "arabic",
            *(["named-entity-recognition"] if "tokens" in kinds else []),
            *(["stance"] if "pair" in kinds else []),
        ],
    }
    hub = _hub_base(config.base)
    if hub:
        found |= {"base_model": hub["encoder"], "base_model_relation": "finetune"}
    if figures:
        found["model-index"] = [{"name": name, "results": list(_results(figures))}]
    return found


def _hub_base(base: dict[str, Any]) -> dict[str, Any] | None:
    """The hub encoder that a model goes back to, if it does."""
    if base.get("commit"):
        return base
    return _hub_base(base["base"]) if base.get("base") else None


def _results(figures: Sequence[Figure]) -> Iterator[dict[str, Any]]:
    """One result for each set and task, in the hub's form; intervals stand under `args`, which is free."""
    for dataset, task in dict.fromkeys((figure.dataset, figure.task) for figure in figures):
        metrics = []
        for figure in (f for f in figures if (f.dataset, f.task) == (dataset, task)):
            metric: dict[str, Any] = {"type": "accuracy" if figure.measure == "accuracy" else "f1"}
            metric |= {"name": figure.measure, "value": round(figure.value, 4)}
            if figure.low is not None and figure.high is not None:
                metric["args"] = {"interval_95": [round(figure.low, 4), round(figure.high, 4)], "runs": figure.runs}
            metrics.append(metric)
        slug = "".join(c if c.isalnum() else "-" for c in dataset.lower()).strip("-")
        yield {"task": {"type": task}, "dataset": {"name": dataset, "type": slug}, "metrics": metrics}


def _heads_table(heads: dict[str, Head]) -> str:
    rows = [[name, head.kind, str(len(head.labels)), ", ".join(head.labels)] for name, head in heads.items()]
    return table(["head", "kind", "labels", "which"], rows)


def _usage(name: str, heads: dict[str, Head]) -> str:
    for kind, snippet in (("tokens", _ENTITIES), ("pair", _PAIRS), ("text", _TEXTS)):
        for head, section in heads.items():
            if section.kind == kind:
                return snippet.format(name=name, head=head, labels=", ".join(section.labels))
    return _LOAD.format(name=name)


def _scores(figures: Sequence[Figure]) -> str:
    if not figures:
        return "None were measured yet: `rasid evaluate --report DIR` first, then `rasid card --report DIR`."
    rows = []
    for figure in figures:
        interval = "" if figure.low is None else f"{figure.low:.3f} to {figure.high:.3f}"
        spread = "" if figure.spread is None else f" ± {figure.spread:.3f}"
        rows.append([figure.dataset, figure.measure, f"{figure.value:.3f}{spread}", interval, str(figure.runs)])
    shown = table(["set", "measure", "value", "95 % interval", "runs"], rows)
    with_interval = any(figure.low is not None for figure in figures)
    how = "Intervals are 95 % bootstrap intervals." if with_interval else "One run, no intervals."
    spread = (
        " A spread is the standard deviation over training runs." if any(f.spread is not None for f in figures) else ""
    )
    return f"{shown}\n\n{how}{spread}"


def _data(run: dict[str, Any]) -> str:
    """The sources of the run with their licences, and what it was scored on."""
    sections = [("trained on", run.get("sources") or {}), ("scored on", run.get("evaluation") or {})]
    rows = []
    for use, sources in sections:
        for name, source in sources.items():
            file = Path(str(source["path"]))
            shown = "/".join(file.parts[-2:]) if file.suffix else file.name
            rows.append([name, use, source["head"], shown, _licence(source) or _UNSTATED])
    if not rows:
        return "The folder does not say (no run.yaml in it)."
    unstated = " Where no licence is stated, ask the set's owners before the model is used." if _unstated(run) else ""
    shown = table(["source", "use", "head", "file", "licence"], rows)
    return f"{shown}\n\nIts encoder has learnt from more: see its card.{unstated}"


def _unstated(run: dict[str, Any]) -> list[str]:
    return [name for name, source in (run.get("sources") or {}).items() if not _licence(source)]


def _licence(source: dict[str, Any]) -> str | None:
    """A source's licence: as the config states it, or as the data card beside the data does."""
    if source.get("licence"):
        return str(source["licence"])
    path = Path(str(source["path"]))
    beside = (path if path.is_dir() else path.parent) / CARD
    parts = beside.read_text(encoding="utf-8").split("---\n", 2) if beside.is_file() else []
    if len(parts) < 3 or parts[0].strip():
        return None
    try:
        tree = yaml.safe_load(parts[1])
    except yaml.YAMLError:
        return None
    return str(tree["license"]) if isinstance(tree, dict) and tree.get("license") else None


def _made(config: RasidConfig, origin: Origin, revision: str) -> Iterator[str]:
    base = config.base
    if base:
        pin = f"commit `{base['commit']}`" if base.get("commit") else f"weights sha256 `{base.get('sha256')}`"
        chain = base.get("preprocessing", "none")
        yield f"Encoder: `{_without_machine(str(base['encoder']))}`, {pin}, preprocessing `{chain}`"
    yield f"Weights: sha256 of `model.safetensors` `{revision}`"
    if origin.metrics.get("commit"):
        yield f"Checkout it was trained in: commit `{origin.metrics['commit']}`"
    if origin.metrics.get("versions"):
        yield "Versions: " + ", ".join(f"{name} {number}" for name, number in origin.metrics["versions"].items())
    if origin.metrics.get("seconds"):
        yield f"Training time: {origin.metrics['seconds']} s"


def _without_machine(text: str) -> str:
    """A text without the paths of this machine: what RASID_DATA and the home folder name is called by these names."""
    for place, name in (
        (os.environ.get("RASID_DATA"), "${RASID_DATA}"),
        (str(Path.cwd()), "."),
        (str(Path.home()), "~"),
    ):
        if place and len(place) > 1:
            text = text.replace(place.rstrip("/"), name)
    return text


def write_card(folder: Path, report: Path | None = None, overwrite: bool = False) -> bool:
    """Writes the card of a model folder; false where a card of somebody's own stands, which is kept."""
    path = folder / CARD
    if path.is_file() and MARK not in path.read_text(encoding="utf-8") and not overwrite:
        return False
    path.write_text(make_card(folder, report), encoding="utf-8")
    return True


def run_card(args: argparse.Namespace) -> int:
    """`rasid card`: writes README.md in a model folder."""
    folder = find_model(args.model)
    if not write_card(folder, args.report, args.overwrite):
        raise ModelError(f"{folder / CARD}: written by hand; --overwrite replaces it")
    for name in _unstated(Origin.of(folder).run):
        print(f"source {name}: no licence stated; set sources.{name}.licence in the config")
    print(f"card -> {folder / CARD}")
    return 0


def metadata_of(card: str) -> dict[str, Any]:
    """The YAML at the head of a card. Raises ModelError where there is none."""
    parts = card.split("---\n", 2)
    tree = yaml.safe_load(parts[1]) if len(parts) == 3 and not parts[0].strip() else None
    if not isinstance(tree, dict):
        raise ModelError(f"{CARD}: no metadata at its head; write one with `rasid card`")
    return tree

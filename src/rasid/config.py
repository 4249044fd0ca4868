"""Run configs: YAML, parsed once at the door into nested pydantic models that inner code never re-checks.

Defaults stand in code and files hold departures only. Unknown keys fail with the nearest known name; `--set a.b=value`
departs from the file; `${RASID_DATA}` and other environment variables are expanded in strings that name paths.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from rasid.errors import ConfigError, nearest


class Section(BaseModel):
    """Base of every config section: unknown keys are refused, values are frozen once read."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class _Loader(yaml.SafeLoader):
    """YAML, in which 3e-4 is a number without a point too, as in YAML 1.2."""


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"[-+]?\d+(\.\d*)?[eE][-+]?\d+$"), list("-+0123456789")
)
ConfigT = TypeVar("ConfigT", bound=Section)
_VARIABLE = re.compile(r"\$\{(\w+)\}")
SHIPPED = Path(__file__).parent / "configs"


def shipped_configs() -> dict[str, Path]:
    """Name to path of the configs that ship with the package (installed or in the checkout)."""
    folders = (SHIPPED, Path(__file__).parents[2] / "configs")
    return {path.stem: path for folder in folders if folder.is_dir() for path in sorted(folder.glob("*.yaml"))}


def find_config(name: str) -> Path:
    """A config file by path, or by the bare name of a shipped one. Raises ConfigError when there is neither."""
    path = Path(name)
    if path.is_file():
        return path
    known = shipped_configs()
    if path.stem in known and path.parent.name in ("", "configs"):
        return known[path.stem]
    raise ConfigError(f"{name}: no such config file{nearest(path.stem, known)}")


def _expand(value: Any, where: str) -> Any:
    if isinstance(value, dict):
        return {key: _expand(item, f"{where}.{key}".lstrip(".")) for key, item in value.items()}
    if isinstance(value, list):
        return [_expand(item, f"{where}[{i}]") for i, item in enumerate(value)]
    if not isinstance(value, str):
        return value

    def replace(match: re.Match[str]) -> str:
        name = match.group(1)
        if name not in os.environ:
            raise ConfigError(f"{where}: environment variable {name} is not set; export {name}=<folder> first")
        return os.environ[name]

    return _VARIABLE.sub(replace, value)


def _place(node: list[Any], part: str, item: str) -> int:
    """The index that a part of an override's key names in a list."""
    if part.isdecimal() and int(part) < len(node):
        return int(part)
    raise ConfigError(f"--set {item}: {part!r} is no place in a list of {len(node)}, counted from 0")


def _override_value(text: str, item: str) -> Any:
    try:
        return yaml.load(text, _Loader)
    except yaml.YAMLError as error:
        problem = getattr(error, "problem", error)
        raise ConfigError(f"--set {item}: the value is not valid YAML ({problem})") from None


def apply_overrides(tree: dict[str, Any], overrides: list[str]) -> dict[str, Any]:
    """Sets `a.b=value` departures (value in YAML) in a config tree, in place, and returns it."""
    for item in overrides:
        key, sign, value = item.partition("=")
        if not sign or not key:
            raise ConfigError(f"--set {item}: expected key=value, such as --set training.seed=1")
        node: Any = tree
        *parents, last = key.split(".")
        for part in parents:
            node = node[_place(node, part, item)] if isinstance(node, list) else node.setdefault(part, {})
            if not isinstance(node, dict | list):
                raise ConfigError(f"--set {item}: {part!r} is a value, not a section")
        node[_place(node, last, item) if isinstance(node, list) else last] = _override_value(value, item)
    return tree


def _fields_at(cls: type[BaseModel], location: tuple[int | str, ...]) -> list[str]:
    """Names of the fields that the section holding `location` knows, for the `did you mean` of an unknown key."""
    node: Any = cls
    for part in location[:-1]:
        if isinstance(node, type) and issubclass(node, BaseModel) and part in node.model_fields:
            node = _section_of(node.model_fields[str(part)].annotation) or node
    return list(node.model_fields) if isinstance(node, type) and issubclass(node, BaseModel) else []


def _section_of(annotation: Any) -> type[BaseModel] | None:
    """The pydantic model inside an annotation such as `dict[str, Head] | None`, if there is exactly one."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    found = [_section_of(argument) for argument in getattr(annotation, "__args__", ())]
    models = [model for model in found if model is not None]
    return models[0] if len(models) == 1 else None


def _explain(error: ValidationError, cls: type[BaseModel], source: str) -> str:
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden":
        name = str(first["loc"][-1])
        return f"{source}: unknown key {where!r}{nearest(name, _fields_at(cls, first['loc']))}"
    message = first["msg"].removeprefix("Value error, ")
    if first["type"] == "missing":
        return f"{source}: {where}: required, and missing"
    return f"{source}: {where}: {message[0].lower()}{message[1:]}, got {first['input']!r}"[:400]


def parse_config(cls: type[ConfigT], tree: Any, source: str) -> ConfigT:
    """A config tree as a frozen `cls`. Raises ConfigError in one line that names the key and what is allowed."""
    if not isinstance(tree, dict):
        raise ConfigError(f"{source}: a config is a mapping of keys to values, got {type(tree).__name__}")
    try:
        expanded = _expand(tree, "")
    except ConfigError as error:
        raise ConfigError(f"{source}: {error}") from None
    try:
        return cls.model_validate(expanded)
    except ValidationError as error:
        raise ConfigError(_explain(error, cls, source)) from None


def merged(base: dict[str, Any], departures: dict[str, Any]) -> dict[str, Any]:
    """`base` with `departures` over it: sections are merged key by key, values and lists replaced."""
    tree = dict(base)
    for key, value in departures.items():
        both = isinstance(value, dict) and isinstance(tree.get(key), dict)
        tree[key] = merged(tree[key], value) if both else value
    return tree


def read_tree(path: Path, seen: tuple[Path, ...] = ()) -> dict[str, Any]:
    """The YAML mapping in a file over that of the file its `extends:` names (beside it, or shipped), unparsed.

    Raises ConfigError with file and line.
    """
    tree = _read_mapping(path)
    if "extends" not in tree:
        return tree
    base = _base(path, str(tree.pop("extends")))
    if base in (*seen, path):
        raise ConfigError(f"{path}: extends {base.name}, which extends it in turn")
    return merged(read_tree(base, (*seen, path)), tree)


def _base(path: Path, name: str) -> Path:
    """The config that `extends: name` in a file means: the one beside it, else a shipped one."""
    beside = path.parent / name
    return beside if beside.is_file() else shipped_configs().get(Path(name).stem, beside)


def _read_mapping(path: Path) -> dict[str, Any]:
    try:
        tree = yaml.load(path.read_text(encoding="utf-8"), _Loader)
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: not UTF-8 ({error.reason} at byte {error.start})") from None
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror})") from None
    except yaml.YAMLError as error:
        line = getattr(getattr(error, "problem_mark", None), "line", 0) + 1
        raise ConfigError(f"{path}:{line}: not valid YAML ({getattr(error, 'problem', error)})") from None
    if not isinstance(tree, dict):
        raise ConfigError(f"{path}: a config is a mapping of keys to values, got {type(tree).__name__}")
    return tree


def load_config(cls: type[ConfigT], name: str, overrides: list[str] | None = None) -> ConfigT:
    """Reads a config by path or shipped name, applies `--set` departures, and checks all of it at once."""
    path = find_config(name)
    return parse_config(cls, apply_overrides(read_tree(path), overrides or []), str(path))


def dump_config(config: Section, path: Path) -> None:
    """Writes the resolved config, defaults included, beside the run it describes."""
    text = yaml.safe_dump(config.model_dump(mode="json"), allow_unicode=True, sort_keys=False)
    path.write_text(text, encoding="utf-8")

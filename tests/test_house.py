"""The house: who opens which room, what is packaged, how long functions are; what is documented runs."""

from __future__ import annotations

import ast
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
import yaml

from rasid.cli import make_parser
from rasid.config import load_config, shipped_configs
from rasid.records import json_schema
from rasid.schemas import report_schema

ROOT = Path(__file__).parents[1]
ROOMS = {
    "src/rasid": "rasid",
    "train": "rasid.train",
    "infer": "rasid.infer",
    "configs": "rasid.configs",
    "models": "rasid.models",
}
# Who may open the rooms: shared code does so inside a function only, and only here.
LAZY_DOORS = {"src/rasid/evaluate.py": {"rasid.infer.job"}}
HEAVY = {"torch", "transformers", "tokenizers", "datasets", "numpy", "scipy", "pydantic", "yaml", "regex"}
# Modules that are not called like the distribution they come from, or that come with one that is named.
DISTRIBUTIONS = {"yaml": "pyyaml", "huggingface_hub": "transformers", "sklearn": "scikit-learn"}
# Modules that import what an extra brings, and say so in one sentence where it is missing.
WITH_EXTRAS = {
    *("docbin.py", "pretrain.py", "warmstart.py", "fewshot.py", "reliability.py"),
    *("adapters.py", "proposals.py", "active_learning.py", "raying.py"),
    *("gelus.py", "onnxgraph.py", "onnxnetwork.py", "onnxexport.py", "quantised.py", "engine_speed.py"),
}


def sources(*folders: str) -> list[Path]:
    return sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def imports(node: ast.AST) -> Iterator[str]:
    """Names of imported modules, relative ones with their dots."""
    for child in ast.walk(node):
        if isinstance(child, ast.Import):
            yield from (alias.name for alias in child.names)
        elif isinstance(child, ast.ImportFrom):
            module = "." * child.level + (child.module or "")
            yield module
            if module == "rasid":  # `from rasid import train` opens a room too
                yield from (f"rasid.{alias.name}" for alias in child.names)


def module_level_imports(path: Path) -> set[str]:
    found: set[str] = set()
    for statement in tree_of(path).body:
        if not isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            found.update(imports(statement))
    return found


def opens(name: str, room: str) -> bool:
    return name == room or name.startswith(f"{room}.")


def project() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


# Doors


@pytest.mark.parametrize(("room", "other"), [("train", "infer"), ("infer", "train")])
def test_the_rooms_never_open_each_other(room: str, other: str) -> None:
    for path in sources(room):
        for name in imports(tree_of(path)):
            assert not opens(name, f"rasid.{other}"), f"{path}: {name}"
            assert not opens(name, f"rasid.{room}"), f"{path}: {name}; siblings are imported relatively"
            assert not opens(name, room), f"{path}: {name}"
            assert not opens(name, other), f"{path}: {name}"
            assert not name.startswith(".."), f"{path}: {name}; shared code is imported absolutely"


def test_shared_ground_opens_no_room_but_lazily() -> None:
    for path in sources("src/rasid"):
        where = path.relative_to(ROOT).as_posix()
        found = {name for name in imports(tree_of(path)) if re.match(r"rasid\.(train|infer)\b", name)}
        assert found <= LAZY_DOORS.get(where, set()), where
        assert not found & module_level_imports(path), f"{where}: opened before it is needed"
        assert not any(name.startswith(".") for name in imports(tree_of(path))), where


def test_nobody_opens_a_room_by_its_folder_name() -> None:
    for path in sources("src", "tests", "scripts", "train", "infer", "configs", "models"):
        bare = {name.split(".")[0] for name in imports(tree_of(path)) if not name.startswith(".")}
        assert not bare & {"train", "infer", "configs", "models", "src"}, path


def test_the_command_line_imports_nothing_heavy() -> None:
    arguments = sorted(path.name for path in (ROOT / "src/rasid").glob("*commands.py"))
    known = {"rasid", "rasid.cli", "rasid.errors", "rasid.main", "rasid.__version__", "rasid.options"}
    known |= {f"rasid.{name.removesuffix('.py')}" for name in arguments}
    for name in ("cli.py", "__init__.py", "__main__.py", "errors.py", "options.py", *arguments):
        found = module_level_imports(ROOT / "src/rasid" / name)
        assert not {module.split(".")[0] for module in found} & HEAVY, name
        opened = {module for module in found if opens(module, "rasid")}
        assert {".".join(module.split(".")[:2]) for module in opened} <= known, name


# Packaging


def test_the_package_list_matches_the_folders() -> None:
    setuptools = project()["tool"]["setuptools"]
    assert setuptools["package-dir"] == {name: folder for folder, name in ROOMS.items()}
    assert setuptools["packages"] == list(ROOMS.values())
    for folder in ROOMS:
        assert (ROOT / folder / "__init__.py").is_file(), folder
    # A folder with code inside a room would be left out of the wheel.
    nested = {path.parent for path in sources(*ROOMS)} - {ROOT / folder for folder in ROOMS}
    assert not nested


def test_everything_in_a_room_that_is_not_code_is_package_data() -> None:
    patterns = project()["tool"]["setuptools"]["package-data"]
    for folder, package in ROOMS.items():
        data = {path for pattern in patterns.get(package, []) for path in (ROOT / folder).glob(pattern)}
        for path in (ROOT / folder).rglob("*"):
            if path.is_file() and path.suffix not in {".py", ".pyc"}:
                assert path in data, f"{path} would not be in the wheel"


def test_the_sdist_carries_seeds_and_annotations_and_the_wheel_does_not() -> None:
    manifest = (ROOT / "MANIFEST.in").read_text(encoding="utf-8").splitlines()
    assert {"graft annotations", "graft seeds"} <= set(manifest)
    assert not any(word in name for name in project()["tool"]["setuptools"]["packages"] for word in ("seeds", "annot"))


def canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def requirements(*, extras: bool) -> set[str]:
    """Names of the distributions that pyproject.toml asks for."""
    meta = project()["project"]
    lists = [meta["dependencies"], *(meta["optional-dependencies"].values() if extras else ())]
    return {canonical(re.split(r"[^\w.-]", line)[0]) for one in lists for line in one}


def test_every_dependency_is_pinned_and_the_environment_obeys() -> None:
    pins = {}
    for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            name, sign, number = line.partition("==")
            assert sign, f"constraints.txt: {line!r} is no exact version"
            pins[canonical(name)] = number
    assert requirements(extras=True) <= pins.keys()
    for name in ("torch", "transformers", "tokenizers"):
        assert version(name).split("+")[0] == pins[name]


def test_what_is_imported_is_asked_for() -> None:
    for path in sources("src", "train", "infer", "scripts"):
        names = {name.split(".")[0] for name in imports(tree_of(path)) if not name.startswith(".")}
        foreign = {DISTRIBUTIONS.get(n, n) for n in names - {"rasid"} if n not in sys.stdlib_module_names}
        asked = requirements(extras=path.name in WITH_EXTRAS)
        assert {canonical(name) for name in foreign} <= asked, path


def test_the_licence_is_apache() -> None:
    text = (ROOT / "LICENSE").read_text(encoding="utf-8")
    assert "Apache License" in text
    assert "END OF TERMS AND CONDITIONS" in text
    assert project()["project"]["license"] == "Apache-2.0"


def test_the_shipped_schema_is_the_one_in_force() -> None:
    shipped = json.loads((ROOT / "src/rasid/record.schema.json").read_text(encoding="utf-8"))
    assert shipped == json_schema(), "run `rasid schema > src/rasid/record.schema.json`"


def test_the_shipped_schema_of_a_report_is_the_one_in_force() -> None:
    shipped = json.loads((ROOT / "src/rasid/report.schema.json").read_text(encoding="utf-8"))
    assert shipped == report_schema(), "run `rasid schema report > src/rasid/report.schema.json`"


# Code


def functions(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def test_functions_are_short() -> None:
    lengths = {
        f"{path.relative_to(ROOT)}:{node.lineno} {node.name}": (node.end_lineno or 0) - node.lineno + 1
        for path in sources("src", "train", "infer", "scripts", "configs", "models")
        for node in functions(path)
    }
    assert len(lengths) > 100
    longest = {name: length for name, length in lengths.items() if length > 80}
    assert not longest
    assert sorted(lengths.values())[int(0.9 * len(lengths))] <= 35


def test_every_module_says_what_it_is() -> None:
    for path in sources("src", "train", "infer", "scripts", "configs", "models", "tests"):
        assert ast.get_docstring(tree_of(path)), path


def test_no_assertion_stands_for_a_users_mistake() -> None:
    for path in sources("src", "train", "infer"):
        assert not any(isinstance(node, ast.Assert) for node in ast.walk(tree_of(path))), path


# Configs, commands, scripts


@pytest.mark.parametrize("name", sorted(shipped_configs()))
def test_every_shipped_config_loads(name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from rasid.train.config import load_run_config
    from rasid.train.pretrain import PretrainConfig

    monkeypatch.setenv("RASID_DATA", str(tmp_path))
    path = shipped_configs()[name]
    if "budget" in yaml.safe_load(path.read_text(encoding="utf-8")):
        assert load_config(PretrainConfig, name).output
    else:
        assert load_run_config(str(path)).heads


def console_lines() -> list[str]:
    """Commands in the ```console fences of README and CONTRIBUTING, continuation lines joined."""
    found = []
    for page in ("README.md", "CONTRIBUTING.md"):
        text = (ROOT / page).read_text(encoding="utf-8")
        for fence in re.findall(r"```console\n(.*?)```", text, re.DOTALL):
            lines = fence.replace("\\\n", " ").splitlines()
            found += [line.removeprefix("$ ") for line in lines if line.startswith("$ ")]
    return found


def test_the_readme_shows_commands() -> None:
    shown = " ".join(console_lines())
    for command in ("make demo", "make test", "rasid infer", "rasid train", "rasid evaluate", "rasid render"):
        assert command in shown


@pytest.mark.parametrize("line", console_lines())
def test_a_documented_command_parses(line: str) -> None:
    words = shlex.split(line, comments=True)
    while "=" in words[0]:  # VARIABLE=value in front
        words = words[1:]
    for sign in (">", "|", "<"):
        words = words[: words.index(sign)] if sign in words else words
    if words[0] == "cat":  # a pipe into rasid: what stands after it
        words = shlex.split(line.partition("|")[2])
    program, *rest = words
    if program == "rasid":
        if "--version" not in rest and "--help" not in rest:
            assert make_parser().parse_args(rest).door
    elif program == "make":
        goals = [word for word in rest if "=" not in word]
        assert subprocess.run(["make", "--dry-run", *goals], cwd=ROOT, capture_output=True).returncode == 0
    elif program == "python" and rest[0].endswith(".py"):
        assert (ROOT / rest[0]).is_file()
    else:
        assert program in {"pip", "python", "git", ".venv/bin/pre-commit", ".venv/bin/pip"}, line


def test_the_file_tree_in_the_readme_names_what_is_there() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    (tree,) = re.findall(r"```tree\n(.*?)```", text, re.DOTALL)
    named = re.findall(r"^\s*([\w./-]+)", tree, re.MULTILINE)
    assert len(named) > 15
    folder = Path()
    for line in tree.splitlines():
        name = line.split()[0]
        folder = folder if line.startswith(" ") else Path()
        assert (ROOT / folder / name).exists() or (ROOT / name).exists(), line
        if name.endswith("/") and not line.startswith(" "):
            folder = Path(name)


def _run_script(*arguments: object) -> str:
    shown = subprocess.run(
        [sys.executable, *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, "HF_HUB_OFFLINE": "1", "PYTHONIOENCODING": "utf-8"},
    )
    assert shown.returncode == 0, shown.stderr
    return shown.stdout


def test_batch_infer_runs(tiny_model: Path, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes("وصل وفد من الأمم المتحدة إلى العاصمة.\r\nثم غادر.".encode())
    output = tmp_path / "records.jsonl"
    printed = _run_script(ROOT / "scripts/batch_infer.py", tmp_path, "--model", tiny_model, "--output", output)
    assert printed.startswith("1 articles, ")
    assert output.read_text(encoding="utf-8").count("\n") == 1


def test_pretraining_speed_runs() -> None:
    shape = ("--vocabulary", 50, "--layers", 1, "--hidden", 64, "--length", 8, "--batch", 2, "--steps", 2)
    printed = _run_script(ROOT / "scripts/pretraining_speed.py", "--keep-memory", "--attention", "eager", *shape)
    assert re.search(r"1 x 64, vocabulary 50, fp32 eager memory kept, compiled False: \d+ tokens/s", printed)


def test_size_speed_runs(tiny_model: Path, tmp_path: Path) -> None:
    run = tmp_path / "run" / "seed-1"
    shutil.copytree(tiny_model, run)
    figures = [
        {"measure": "strict", "part": "all", "mean": 0.5, "spread": 0.01},
        {"measure": "strict", "part": "ORG", "mean": 0.4, "spread": 0.01},
    ]
    (run.parent / "report.json").write_text(json.dumps({"sets": [{"name": "dev", "figures": figures}]}))
    output = tmp_path / "table.md"
    options = ("--articles", 2, "--rounds", 2, "--cores", 1, "--output", output)
    printed = _run_script(ROOT / "scripts/size_speed.py", run, tiny_model, *options)
    assert output.read_text(encoding="utf-8") == printed
    assert printed.startswith("2 articles, ")
    header, _, first, second = [line.split(" | ") for line in printed.splitlines()[2:]]
    assert [header[0].strip("| "), header[-1].strip(" |")] == ["model", "dev strict"]
    assert first[-1].strip(" |") == "0.500 ± 0.010"
    assert second[-1].strip(" |") == ""
    assert first[5].strip() == "1.00 (1.00 to 1.00)"
    assert float(first[1]) == pytest.approx(sum(f.stat().st_size for f in tiny_model.iterdir()) / 1e6, abs=0.06)
    assert all(float(row[3].split()[0]) > 0 for row in (first, second))


def test_training_speed_runs(tiny_encoder: Path, tmp_path: Path) -> None:
    sentence = "زار\tO\nسامر\tB-PERS\nالحداد\tI-PERS\nالميناء\tB-LOC\n.\tO\n"
    short = "وصل\tO\nالوفد\tO\n"
    (tmp_path / "set.tsv").write_text("\n".join([sentence, short, sentence * 4] * 6), encoding="utf-8")
    options = ("--file", tmp_path / "set.tsv", "--encoder", tiny_encoder, "--rounds", 1, "--size", 4)
    printed = _run_script(ROOT / "scripts/training_speed.py", *options)
    found = re.findall(r"^(.+): (\d+) useful pieces/s, padding ([\d.]+)%, ratio ([\d.]+) ", printed, re.MULTILINE)
    assert [name for name, *_ in found] == ["run_ner", "rasid, random order", "rasid"]
    padding = [float(share) for _, _, share, _ in found]
    assert padding[2] < min(padding[:2])
    assert all(float(ratio) > 0.1 for *_, ratio in found)


def test_training_memory_runs(tiny_encoder: Path) -> None:
    options = ("--encoder", tiny_encoder, "--steps", 30, "--every", 1, "--most", 1.5)
    printed = _run_script(ROOT / "scripts/training_memory.py", *options)
    assert re.search(r"30 steps, 27 looks .*\nslope -?[\d.]+ \+/- [\d.]+ KiB a step, growth [01]\.\d+", printed)


def test_engine_speed_runs(tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime", reason="needs the onnx extra")
    pytest.importorskip("onnxscript", reason="needs the onnx extra")
    given = ("--shape", "tiny", "--windows", 2, "--rounds", 1, "--only", "onnx fp32", "--output", tmp_path / "t.md")
    printed = _run_script(ROOT / "scripts/engine_speed.py", *given)
    assert (tmp_path / "t.md").read_text(encoding="utf-8") in printed
    first, second = [[cell.strip() for cell in row.split("|")[1:-1]] for row in printed.splitlines()[-2:]]
    assert first[:2] == ["torch", "1.00 (1.00 to 1.00)"]
    assert second[0] == "onnx fp32"
    assert float(second[3]) < 1e-4
    assert second[4] == "100.00%"


def test_python_share_runs(tiny_model: Path) -> None:
    printed = _run_script(ROOT / "scripts/python_share.py", ROOT / "seeds", "--model", tiny_model)
    assert re.search(
        r"first reading: .*\nsecond reading: .* outside the model \(0\.\d+\), [\d.]+ ms an article\n", printed
    )


def test_every_script_is_run() -> None:
    tests = "".join(path.read_text(encoding="utf-8") for path in sources("tests"))
    for path in sources("scripts"):
        assert f'"scripts/{path.name}"' in tests, f"no test runs {path.name}"


# The maintainers' tools


def test_ci_runs_make_test() -> None:
    script = ROOT / ".ci" / "run"
    assert os.access(script, os.X_OK)
    text = script.read_text(encoding="utf-8")
    assert "set -euo pipefail" in text
    assert "make test" in text
    workflow = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text(encoding="utf-8"))
    assert ".ci/run" in [step.get("run") for step in workflow["jobs"]["test"]["steps"]]


def test_make_test_runs_every_check() -> None:
    shown = subprocess.run(["make", "--dry-run", "--always-make", "test"], cwd=ROOT, capture_output=True, text=True)
    assert shown.returncode == 0, shown.stderr
    for command in ("ruff check", "ruff format --check", "mypy", "rasid annotations validate", "pytest"):
        assert command in shown.stdout
    assert "--constraint constraints.txt" in shown.stdout


def test_the_hooks_are_those_that_ci_runs() -> None:
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))["repos"][0]["hooks"]
    assert {hook["id"] for hook in hooks} == {"ruff-check", "ruff-format", "mypy", "annotations"}
    assert all(hook["entry"].startswith(".venv/bin/") for hook in hooks)


def test_the_changelog_keeps_its_form() -> None:
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    headings = re.findall(r"^## (.*)$", text, re.MULTILINE)
    assert headings[0] == "[Unreleased]"
    assert all(re.fullmatch(r"\[\d+\.\d+\.\d+\] - \d{4}-\d{2}-\d{2}", heading) for heading in headings[1:])
    kinds = set(re.findall(r"^### (.*)$", text, re.MULTILINE))
    assert kinds <= {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}

"""`rasid annotations validate`: every fault of a folder of records, with the line it stands on, and its remedies.

A folder of `<doc>.json` is held to the raw texts, to the guidelines, and to `manifest.json` beside the texts where
there is one. `--fix` shows the mechanical remedies as a diff, `--write` makes them.
"""

from __future__ import annotations

import argparse
import difflib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ValidationError

from rasid.annotations import seed_text
from rasid.errors import DataError
from rasid.fixes import Fixed, fix
from rasid.guidelines import check
from rasid.jsonplaces import Path as Place
from rasid.jsonplaces import line_of, places
from rasid.records import Record, faults, read_exact, sha256_of, write_exact

MANIFEST = "manifest.json"
_SUBJECT = re.compile(r"(entity|entities|cluster|stance|target|labels|entity id|given target) (\S+)")


class _Seed(BaseModel):
    file: str
    sha256: str


class _Manifest(BaseModel):
    articles: list[_Seed]


@dataclass(frozen=True, slots=True)
class Report:
    """What was found in one file; `sha256` is the record's, None when unreadable. `fixed` is what could be mended."""

    path: Path
    doc: str
    sha256: str | None
    errors: tuple[str, ...]
    warnings: tuple[str, ...] = ()
    source: str = ""
    fixed: Fixed | None = None

    @property
    def mendable(self) -> bool:
        return self.fixed is not None and self.fixed.source != self.source


def _json_files(folder: Path) -> list[Path]:
    files = sorted(folder.glob("*.json")) if folder.is_dir() else []
    if not files:
        raise DataError(f"{folder}: no folder with .json annotations; make one with rasid annotations import")
    return files


def _read_manifest(seeds: Path) -> dict[str, str] | None:
    """Doc to sha256 of every article that is to be annotated; None where nobody wrote a manifest."""
    path = seeds / MANIFEST
    if not path.is_file():
        return None
    try:
        manifest = _Manifest.model_validate_json(read_exact(path))
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"])
        raise DataError(f"{path}: not a manifest: {field}: {first['msg'].lower()}") from None
    return {each.file.removesuffix(".txt"): each.sha256 for each in manifest.articles}


def _place(record: Record, told: str) -> Place:
    """The part of the record that a sentence of `faults` or `check` speaks of."""
    if told.startswith("sha256"):
        return ("sha256",)
    match = _SUBJECT.match(told)
    kind, name = (match[1], match[2].rstrip(":")) if match else ("", "")
    if kind == "stance":
        return ("stances", int(name) - 1)
    if kind == "labels":
        return ("labels", name)
    if kind in ("entity", "entities"):
        name = told.split()[2] if told.startswith("entity id ") else name
        numbers = [n for n, entity in enumerate(record.entities) if entity.id == name]
        # Of two that are alike the second is too many.
        return ("entities", numbers[-1 if "twice" in told or "is used" in told else 0]) if numbers else ()
    name = told.split()[2] if told.startswith("given target ") else name
    numbers = [n for n, cluster in enumerate(record.clusters) if cluster.id == name]
    return ("clusters", numbers[-1 if "is defined" in told else 0]) if numbers else ()


def _unreadable(path: Path, source: str, error: ValidationError) -> Report:
    """Every field that is not as a record has it; one message where the file is no JSON."""
    errors = error.errors()
    found = {} if errors[0]["type"] == "json_invalid" else places(source)
    lines = []
    for each in errors:
        name = ".".join(str(part) for part in each["loc"])
        inside = re.search(r"line (\d+)", each["msg"]) if not found else None
        line = int(inside[1]) if inside else line_of(source, found, each["loc"])
        lines.append(f"{path}:{line}: not a record: {name + ': ' if name else ''}{each['msg'].lower()}")
    return Report(path, path.stem, None, tuple(lines))


def report_on(path: Path, seeds: Path) -> Report:
    """What is wrong with one file, and with it mended as far as that goes."""
    try:
        source = read_exact(path)
        record = Record.model_validate_json(source)
        text = seed_text(seeds, record.doc)
    except ValidationError as error:
        return _unreadable(path, source, error)
    except DataError as error:
        told = str(error) if str(error).startswith(str(path)) else f"{path}: {error}"
        return Report(path, path.stem, None, (told,))
    found = places(source)

    def located(sentences: Iterable[str]) -> tuple[str, ...]:
        return tuple(f"{path}:{line_of(source, found, _place(record, each))}: {each}" for each in sentences)

    errors = faults(record, text)
    warnings: tuple[str, ...] = ()
    if record.doc != path.stem:
        errors.insert(0, f"the file is called {path.name} and its doc {record.doc!r}; {record.doc}.json is allowed")
    if not errors:
        against = check(record, text)
        errors, warnings = list(against.errors), located(against.warnings)
    return Report(path, record.doc, record.sha256, located(errors), warnings, source, fix(source, record, text))


def _completeness(reports: list[Report], manifest: dict[str, str], seeds: Path, folder: Path) -> Iterator[str]:
    hashes = {report.doc: report.sha256 for report in reports}
    for doc, expected in manifest.items():
        try:
            actual = sha256_of(seed_text(seeds, doc))
        except DataError as error:
            yield f"{seeds / MANIFEST}: {doc}: {error}"
        else:
            if actual != expected:
                yield f"{seeds / MANIFEST}: {doc}: the text's sha256 is {actual}, the manifest has {expected}"
        if doc not in hashes:
            yield f"{folder}: no annotation of {doc}, which {seeds / MANIFEST} names"
        elif hashes[doc] not in (expected, None):
            yield f"{folder}: {doc}: sha256 {hashes[doc]} is not the manifest's {expected}"
    for doc in hashes.keys() - manifest.keys():
        yield f"{folder}: {doc} is annotated, and {seeds / MANIFEST} does not name it"


def _diff(report: Report, after: str) -> str:
    """Unified, a line of context: what `patch` takes."""
    before, now = (text.splitlines(keepends=True) for text in (report.source, after))
    lines = difflib.unified_diff(before, now, f"{report.path}", f"{report.path}", n=1)
    return "".join(line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in lines)


def _mend(reports: list[Report], write: bool) -> None:
    """Prints the diff of every file that can be mended, and what cannot; writes where told to."""
    count = 0
    for report in reports:
        if report.fixed is None:
            continue
        if report.mendable:
            print(_diff(report, report.fixed.source), end="")
            if write:
                write_exact(report.path, report.fixed.source)
        count += len(report.fixed.done)
        for told in report.fixed.done:
            print(f"{'fixed' if write else 'would fix'}: {report.path}: {told}")
        for told in report.fixed.refused:
            print(f"not fixed: {report.path}: {told}")
    files = sum(report.mendable for report in reports)
    rest = "" if write or not files else "; nothing is written without --write"
    print(f"{count} fixes in {files} files{rest}")


def run_validate(args: argparse.Namespace) -> int:
    """Checks `args.folder` against `args.seeds` and prints every fault; 1 when there is an error.

    With `args.fix` the remedies come first, as a diff; with `args.write` what is printed is how things stand after.
    """
    if args.write and not args.fix:
        raise DataError("--write: it says where the remedies of --fix go; give both, --fix alone shows them")
    folder, seeds = Path(args.folder), Path(args.seeds)
    manifest = _read_manifest(seeds)
    reports = [report_on(path, seeds) for path in _json_files(folder)]
    if args.fix:
        _mend(reports, args.write)
        if args.write:
            reports = [report_on(report.path, seeds) for report in reports]
    errors = [line for report in reports for line in report.errors]
    errors += _completeness(reports, manifest, seeds, folder) if manifest is not None else ()
    warnings = [line for report in reports for line in report.warnings]
    for kind, lines in (("error", errors), ("warning", warnings)):
        for line in lines:
            print(f"{kind}: {line}")
    print(f"{len(reports)} articles, {len(errors)} errors, {len(warnings)} warnings")
    return 1 if errors else 0

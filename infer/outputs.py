"""Outputs: what an `--output` asks for, the names of all files that a job makes, and what may not be written over.

It looks at the disk and writes nothing there but the folders that an output needs.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from rasid.errors import ConfigError, DataError, nearest

from .files import STDIN

Format = Literal["jsonl", "json", "parquet"]
PART_SIZE = 10_000  # records of one part where --part-size does not say
_ENDINGS: dict[str, Format] = {".jsonl": "jsonl", ".parquet": "parquet"}
_PART = re.compile(r"part-(\d{5,})\.(jsonl|parquet)")
_SPOOL = re.compile(r"_part-(\d{5,})\.jsonl\.part")


@dataclass(frozen=True, slots=True)
class Output:
    """One file (`part_size` None), a folder of numbered parts, or a folder of a file per article (`json`).

    `out.jsonl`, `out.parquet` and the folder `out` share their rejects, journal and lock: `out.rejects.jsonl` and so
    on, beside them.
    """

    path: Path
    format: Format
    part_size: int | None

    @property
    def is_folder(self) -> bool:
        return self.format == "json" or self.part_size is not None

    @property
    def rejects(self) -> Path:
        return self._beside("rejects.jsonl")

    @property
    def journal(self) -> Path:
        return self._beside("journal")

    @property
    def lock(self) -> Path:
        return self._beside("lock")

    def _beside(self, ending: str) -> Path:
        return beside(self.path, ending)

    def part(self, number: int) -> Path:
        """Where part `number` appears when it is whole."""
        return self.path / f"part-{number:05}.{self.format}" if self.part_size else self.path

    def spool(self, number: int) -> Path:
        """Where the lines of part `number` stand until then; readers of folders pass over names that begin so."""
        if self.part_size:
            return self.path / f"_part-{number:05}.jsonl.part"
        return self.path.with_name(f"{self.path.stem}.jsonl.part")

    def number_of(self, spool: Path) -> int:
        match = _SPOOL.fullmatch(spool.name)
        return int(match[1]) if match and self.part_size else 0

    def spools(self) -> list[Path]:
        """The spools that are there, in order."""
        if not self.part_size:
            return [path for path in (self.spool(0),) if path.exists()]
        return self._matching(_SPOOL)

    def parts(self) -> list[Path]:
        """The numbered parts that are there, in order."""
        return self._matching(_PART)

    def _matching(self, pattern: re.Pattern[str]) -> list[Path]:
        found = [path for path in self.path.iterdir() if pattern.fullmatch(path.name)] if self.path.is_dir() else []
        return sorted(found, key=lambda path: (len(path.name), path.name))

    def exists(self) -> bool:
        """Whether records stand where this output would put its own."""
        if self.format == "json":
            return self.path.is_dir() and any(path.suffix == ".json" for path in self.path.iterdir())
        return bool(self.parts()) if self.part_size else self.path.exists()


def plan(path: Path, form: str | None, part_size: int | None, inputs: Sequence[str]) -> Output:
    """The output that `--output`, `--format` and `--part-size` ask for.

    A file ends in .jsonl or .parquet. A folder holds a .json file per article, or numbered parts where a part size or
    a format other than json is given.

    Raises ConfigError for a format that does not go with the path, DataError for an output that would overwrite an
    input or lie in an input folder, where the next run would take it for an article.
    """
    if form is not None and form not in get_args(Format):
        raise ConfigError(f"unknown format {form!r}{nearest(form, get_args(Format))}")
    output = _plan_file(path, form, part_size) if path.suffix in _ENDINGS else _plan_folder(path, form, part_size)
    spare_inputs(output, inputs)
    return output


def _plan_file(path: Path, form: str | None, part_size: int | None) -> Output:
    made = _ENDINGS[path.suffix]
    if path.is_dir():
        raise DataError(f"{path}: is a folder; an --output that ends in {path.suffix} is a file")
    if form not in (None, made):
        raise ConfigError(f"{path}: --format {form} does not go with a {path.suffix} file")
    if part_size is not None:
        raise ConfigError(f"{path}: --part-size needs a folder as --output, not a {path.suffix} file")
    return Output(path, made, None)


def _plan_folder(path: Path, form: str | None, part_size: int | None) -> Output:
    if path.suffix and not path.is_dir():
        raise DataError(f"{path}: --output is a .jsonl or .parquet file or a folder, not a {path.suffix} file")
    if form == "json" and part_size is not None:
        raise ConfigError(f"{path}: --format json writes a file per article, so it takes no --part-size")
    if form in (None, "json") and part_size is None:
        return Output(path, "json", None)
    return Output(path, "parquet" if form == "parquet" else "jsonl", part_size or PART_SIZE)


def prepare(output: Output) -> None:
    """Makes the folders of an output. Raises DataError when it cannot be written there."""
    folder = output.path if output.is_folder else output.path.parent
    probe = folder / "_rasid.part"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe.touch()  # a folder that takes no file is found out before the model runs
        probe.unlink()
    except OSError as error:
        raise DataError(f"{output.path}: cannot be written ({error.strerror or error})") from None


def beside(output: Path, ending: str) -> Path:
    """`out.<ending>` beside `out.jsonl`, `out.parquet` or the folder `out`. Raises DataError for `/`."""
    if output.name in ("", ".."):  # the folder `.` has a name too, and so has `a/..`
        output = output.resolve()
    if not output.name:
        raise DataError(f"{output}: has no folder around it for the rejects; give another --output")
    stem = output.stem if output.suffix in _ENDINGS else output.name
    return output.with_name(f"{stem}.{ending}")


def spare_inputs(output: Output, inputs: Sequence[str]) -> None:
    written = [output.path.resolve(), output.rejects.resolve()]
    for name in inputs:
        given = Path(name).resolve()
        if name == STDIN or not given.exists():
            continue
        if given in written:
            raise DataError(f"{output.path}: would overwrite the input {name}; give another --output")
        if given.is_dir() and any(path.is_relative_to(given) for path in written):
            raise DataError(f"{output.path}: lies in the input folder {name}; give an --output outside it")
        if output.is_folder and given.parent == written[0]:
            raise DataError(f"{output.path}: holds the input {name}; give another --output")

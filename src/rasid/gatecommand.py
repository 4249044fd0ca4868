"""The gates of `rasid evaluate`: its options read at the door, the verdicts printed and written, the exit code.

What the limits are stands in `gate`, what is judged how in `gating`.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rasid.counts import read_counts
from rasid.errors import ConfigError
from rasid.gate import Gate, load_gate
from rasid.gating import Baseline, Evidence, Verdict, failed, judge, render, to_json
from rasid.junit import write_junit
from rasid.passagecounts import PASSAGES_FILE, read_passages
from rasid.records import write_exact

GATES_FILE = "gates.json"
FAILED = 1  # exit code of a report that does not keep its gates; 2 is a user's mistake


@dataclass(frozen=True, slots=True)
class Gating:
    """A gate file, the baseline that it is held against, and where the verdicts go."""

    gate: Gate
    source: str
    baseline: Baseline | None
    junit: Path | None

    def verdicts(self, evidence: Evidence) -> tuple[Verdict, ...]:
        return judge(self.gate, evidence, self.baseline, self.source)

    def finish(self, verdicts: Sequence[Verdict], report: Path | None, seconds: float) -> int:
        """Prints the table, and on stderr a line for each gate that failed; writes gates.json and the JUnit file."""
        print(f"\n{render(verdicts)}")
        for each in failed(verdicts):
            print(f"rasid: {each.line}", file=sys.stderr)
        if report:
            write_exact(report / GATES_FILE, f"{to_json(verdicts)}\n")
        if self.junit:
            write_junit(verdicts, self.junit, seconds)
        return FAILED if failed(verdicts) else 0


def read_gating(args: argparse.Namespace) -> Gating | None:
    """The gates that `args` ask for, read before anything is scored; None where there are none. Raises RasidError."""
    path, folder, junit = (getattr(args, name, None) for name in ("gate", "baseline", "junit"))
    if path is None:
        for option, given in (("--baseline", folder), ("--junit", junit)):
            if given is not None:
                raise ConfigError(f"{option} is for gates: give --gate FILE as well (rasid compare tests two reports)")
        return None
    gate = load_gate(path)
    if gate.slices and not getattr(args, "slices", False):
        raise ConfigError(f"{path}: slices: nothing is read in other spellings without --slices (and --model)")
    if gate.needs_baseline and not folder:
        raise ConfigError(f"{path}: regressions and minimum.detectable need a baseline: give --baseline DIR, a folder "
                          "that `rasid evaluate --report` wrote")  # fmt: skip
    return Gating(gate, str(path), read_baseline(folder) if folder else None, junit)


def read_baseline(folder: Path) -> Baseline:
    """The counts of a stored report, with those by passage where it has them. Raises DataError."""
    passages = read_passages(folder) if (folder / PASSAGES_FILE).is_file() else None
    return Baseline(read_counts(folder), passages)

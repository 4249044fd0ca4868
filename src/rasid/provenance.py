"""What a run was made with: the commit of the checkout it ran in, and the versions that matter.

Nothing here knows what a run does.
"""

from __future__ import annotations

import subprocess
from importlib.metadata import version
from pathlib import Path

from rasid import __version__

_LIBRARIES = ("torch", "transformers", "tokenizers")


def code_commit(folder: Path | None = None) -> str | None:
    """The git commit of a checkout, with `+changes` where files differ from it; None outside of one."""
    commit = _git(folder, "rev-parse", "HEAD")
    if not commit:
        return None
    return f"{commit}+changes" if _git(folder, "status", "--porcelain", "--untracked-files=no") else commit


def _git(folder: Path | None, *arguments: str) -> str:
    try:
        shown = subprocess.run(["git", *arguments], cwd=folder, capture_output=True, text=True, timeout=20, check=True)
    except (OSError, subprocess.SubprocessError):
        return ""
    return shown.stdout.strip()


def versions() -> dict[str, str]:
    """Rasid's version and those of the libraries that a model's numbers hang on."""
    return {"rasid": __version__, **{name: version(name) for name in _LIBRARIES}}

"""An encoder on the model hub: fetched once, pinned to a commit, and from there on a folder like any other.

Only what a run needs is fetched: configs, tokenizer files and safetensors. No pickle and no code comes over, and
nothing but this module asks the network for anything. What an encoder is good for it does not know.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from rasid.errors import ModelError

_FILES = ["*.json", "*.txt", "*.safetensors", "*.model"]
_WEIGHTS = ("model.safetensors", "model.safetensors.index.json")
_HUB_ID = re.compile(r"[\w][\w.-]*(/[\w.-]+)?")
_TOKEN = "run `hf auth login`, or set HF_TOKEN"


@dataclass(frozen=True)
class Snapshot:
    """The files of a hub repository at one commit, on this machine."""

    folder: Path
    commit: str  # 40 hexadecimal digits


def is_hub_id(name: str) -> bool:
    """Whether `name` may be a repository of the hub: `owner/name`, or a bare name. Paths that begin with . or / are
    none."""
    return bool(_HUB_ID.fullmatch(name))


def fetch(name: str, revision: str | None = None) -> Snapshot:
    """The snapshot of a hub encoder, from the cache where it is there. `revision` is a commit, a branch or a tag;
    without one the main branch is taken as it stands. Raises ModelError, in one line, for whatever stands in the way.
    """
    from huggingface_hub import constants, errors, snapshot_download

    where = f"encoder {name}"
    try:
        folder = Path(snapshot_download(name, revision=revision, allow_patterns=_FILES, ignore_patterns=["*/*"]))
    except errors.GatedRepoError:
        page = f"{constants.ENDPOINT}/{name}"
        raise ModelError(f"{where}: gated; accept its terms at {page}, then {_TOKEN}") from None
    except errors.RevisionNotFoundError:
        raise ModelError(f"{where}: no revision {revision!r}; its branches and commits are on its hub page") from None
    except errors.RepositoryNotFoundError:
        raise ModelError(
            f"{where}: no such folder, and no such model on the hub (or a private one: {_TOKEN})"
        ) from None
    except (errors.HFValidationError, errors.HfHubHTTPError, OSError, ValueError) as error:
        raise ModelError(f"{where}: {_unreached(name, revision, error)}") from None
    if not any((folder / file).is_file() for file in _WEIGHTS):
        raise ModelError(f"{where}: {_no_weights(folder)}")
    return Snapshot(folder, folder.name)


def _unreached(name: str, revision: str | None, error: Exception) -> str:
    """Why nothing was fetched: not asked for (offline), or not reached."""
    from huggingface_hub import constants, errors

    wanted = f"{name} at {revision}" if revision else name
    command = f"hf download {name}{f' --revision {revision}' if revision else ''}"
    if constants.is_offline_mode():
        return f"offline, and {wanted} is not in the cache; run `{command}` while online, or name a folder"
    missing = (errors.LocalEntryNotFoundError, errors.IncompleteSnapshotError, ConnectionError)
    if isinstance(error, missing) or "onnect" in str(error):
        return f"the hub cannot be reached, and {wanted} is not in the cache; run `{command}` while online"
    return f"cannot be fetched ({' '.join(str(error).split())[:200]})"


def _no_weights(folder: Path) -> str:
    """An old repository holds pickles only; the hub's conversion bot offers safetensors as a pull request."""
    if not (folder / "config.json").is_file():
        return f"no model: config.json is missing at commit {folder.name[:12]}"
    return (
        f"no safetensors at commit {folder.name[:12]}, and pickles are never loaded; take a revision that has them"
        " (the hub's conversion bot opens pull requests: `revision: refs/pr/1`), or convert them"
    )

"""Ranks: the processes that `torchrun` or `accelerate launch` starts with one command line, as one job on one machine.

Rank 0 is the job: it reads, writes and resumes. The others are workers, which connect to it by a socket in a folder
of the user's own. No process group is made, so no rank waits for the slowest; a rank that dies is missed by rank 0.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from multiprocessing.connection import Client
from pathlib import Path

import torch

from rasid.errors import ConfigError

from .worker import serve

_PATIENCE = 300.0  # seconds that a worker waits for rank 0 to be there
_POLL = 0.2


@dataclass(frozen=True, slots=True)
class Launch:
    """Which of how many ranks this process is, and where they meet."""

    rank: int
    local_rank: int
    size: int
    socket: Path

    def device(self, wanted: torch.device) -> str:
        """This rank's own: GPUs are dealt out by local rank."""
        return f"cuda:{self.local_rank % torch.cuda.device_count()}" if wanted.type == "cuda" else "cpu"


def launched(environment: Mapping[str, str] = os.environ) -> Launch | None:
    """The launch that this process is part of; None where it was started alone. Raises ConfigError for one over
    several machines, for which there is `--runner ray`."""
    size = int(environment.get("WORLD_SIZE", "1"))
    if size == 1 or "RANK" not in environment:
        return None
    if int(environment.get("LOCAL_WORLD_SIZE", size)) != size:
        raise ConfigError("ranks on several machines: `rasid infer` is launched on one; for more give --runner ray")
    names = ("MASTER_ADDR", "MASTER_PORT", "TORCHELASTIC_RUN_ID")
    key = hashlib.sha256("|".join(environment.get(name, "") for name in names).encode()).hexdigest()[:16]
    folder = Path(tempfile.gettempdir()) / f"rasid-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    if folder.stat().st_uid != os.getuid():
        raise ConfigError(f"{folder}: belongs to another user; set TMPDIR to a folder of your own")
    return Launch(int(environment["RANK"]), int(environment.get("LOCAL_RANK", 0)), size, folder / f"{key}.socket")


def work_for(launch: Launch, wanted: torch.device, patience: float = _PATIENCE) -> int:
    """What a rank other than 0 does until rank 0 has done. Raises ConfigError when rank 0 is not there."""
    until = time.monotonic() + patience
    while time.monotonic() < until:
        try:
            connection = Client(str(launch.socket), family="AF_UNIX")
        except (FileNotFoundError, ConnectionRefusedError):
            time.sleep(_POLL)
            continue
        with connection:
            serve(connection, launch.device(wanted))
        return 0
    raise ConfigError(f"rank {launch.rank}: rank 0 was not there within {patience:.0f} seconds")

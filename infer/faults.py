"""Faults: what can end a job on its way, told apart from what is wrong with one article, and signals to stop.

A full memory, a failed device, a full disk: none is the article's fault, so the job stops with all that is
committed and can be resumed. The module knows nothing of records or journals.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

import torch

from rasid.errors import RasidError

STOPPED = 75  # EX_TEMPFAIL of sysexits.h: nothing is lost, run again with --resume
_SIGNALS = (signal.SIGTERM, signal.SIGINT)
_DEVICE_WORDS = ("CUDA error", "cuDNN error", "CUBLAS_STATUS", "CUDNN_STATUS", "CUDA driver error")
_FULL_WORDS = ("CUDA out of memory", "can't allocate memory", "CUBLAS_STATUS_ALLOC_FAILED")


class JobError(RasidError):
    """What stops a job on its way without being anybody's mistake; what is committed stays."""


class DeviceError(JobError):
    """The device failed, or has no memory for even one window."""


class DiskError(JobError):
    """A file of the job could not be written: mostly, the disk is full."""


class FullError(RuntimeError):
    """A memory is full, told by a library that has no exception of its own for it."""


def is_full(error: BaseException) -> bool:
    """Whether the error says that the device's memory does not hold the batch (the CPU's own allocator too)."""
    return isinstance(error, torch.OutOfMemoryError | FullError) or (
        isinstance(error, RuntimeError) and any(words in str(error) for words in _FULL_WORDS)
    )


def is_device_fault(error: BaseException) -> bool:
    """Whether the device failed and not the article: the next article would fail on it too."""
    broken = getattr(torch, "AcceleratorError", ())  # torch 2.8 and later
    return (
        is_full(error)
        or isinstance(error, broken)
        or (isinstance(error, RuntimeError) and any(words in str(error) for words in _DEVICE_WORDS))
    )


def first_line(error: BaseException) -> str:
    """`Type: message`, the message's first line, cut to 300 characters."""
    lines = str(error).splitlines() or [""]
    return f"{type(error).__name__}: {lines[0][:300]}"


class Stopped(BaseException):
    """SIGTERM or SIGINT arrived, and this is a good moment to stop."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.name = signal.Signals(number).name
        self.code = 128 + number  # as shells report it


class Stops:
    """SIGTERM and SIGINT as `Stopped`, raised where work can stop at once, and after the work where it cannot.

    A second signal does what it would do without us. Outside the main thread, where Python takes no handlers,
    signals are left as they are.
    """

    def __init__(self) -> None:
        self._number: int | None = None
        self._busy = False

    def _heard(self, number: int, _: FrameType | None) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        self._number = number
        if not self._busy:
            raise Stopped(number)

    @contextmanager
    def heard(self) -> Iterator[None]:
        """While inside, signals are heard; afterwards they do what they did before."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {number: signal.signal(number, self._heard) for number in _SIGNALS}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def finishing(self) -> None:
        """From now on a first signal is too late: what is left to do is done in a moment."""
        self._busy = True

    @contextmanager
    def deferred(self) -> Iterator[None]:
        """Work that is finished first. Raises Stopped at its end when a signal came meanwhile."""
        self._busy = True
        try:
            yield
        finally:
            self._busy = False
        if self._number is not None:
            raise Stopped(self._number)

"""What the CPU can do with small integers: the instructions that decide whether int8 pays, and whether it is right.

Without VNNI (or Arm's dot products) an 8-bit product of unsigned by signed numbers is summed in pairs in 16 bits and
saturates (onnxruntime issues 6004, 5849, 14642). Weights of 7 bits cannot: the export uses them. Asks the
operating system only; where it does not say, nothing is assumed.
"""

from __future__ import annotations

import platform
import subprocess
from dataclasses import dataclass
from functools import cache
from pathlib import Path

_LINUX = Path("/proc/cpuinfo")
_KNOWN = ("avx2", "avx512f", "avx512_vnni", "avx_vnni", "amx_int8", "asimddp", "i8mm")
_DOTS = frozenset({"avx512_vnni", "avx_vnni", "amx_int8", "asimddp", "i8mm"})
# Names of other systems for the same: macOS's sysctl.
_DARWIN = {"hw.optional.arm.FEAT_DotProd": "asimddp", "hw.optional.arm.FEAT_I8MM": "i8mm"}
_DARWIN_INTEL = {"avx2": "avx2", "avx512f": "avx512f", "avx512vnni": "avx512_vnni"}
_PF_AVX2, _PF_AVX512F = 40, 41  # of Windows' IsProcessorFeaturePresent; it does not tell of VNNI


@dataclass(frozen=True, slots=True)
class Cpu:
    """A CPU's name and those of its instructions that matter here; `told` is false where the system does not say."""

    name: str
    instructions: tuple[str, ...]
    told: bool = True

    @property
    def dots(self) -> bool:
        """Whether it multiplies and sums 8-bit numbers at once, in 32 bits."""
        return bool(_DOTS & set(self.instructions))

    @property
    def advice(self) -> str | None:
        """One sentence where int8 may not pay here; None where it does, or nothing is known."""
        if self.dots or not self.told:
            return None
        have = ", ".join(self.instructions) or "none of them"
        return (
            f"this CPU ({have}) has no VNNI, AMX or dot-product instruction: int8 gains less than elsewhere, and its"
            " 8-bit products would saturate, so weights are kept to 7 bits"
        )


@cache
def this_cpu() -> Cpu:
    """The CPU that the process runs on."""
    system = platform.system()
    if system == "Linux" and _LINUX.is_file():
        return from_cpuinfo(_LINUX.read_text(encoding="utf-8", errors="replace"))
    if system == "Darwin":
        return from_sysctl(_sysctl())
    if system == "Windows":
        return _windows()
    return Cpu(platform.machine(), (), told=False)


def from_cpuinfo(text: str) -> Cpu:
    """Of Linux's /proc/cpuinfo: the first processor's; cores of several kinds all have what the first has."""
    fields: dict[str, str] = {}
    for line in text.splitlines():
        name, _, value = line.partition(":")
        fields.setdefault(name.strip(), value.strip())
    flags = set((fields.get("flags") or fields.get("Features") or "").split())
    name = fields.get("model name") or platform.machine()
    return Cpu(name, tuple(each for each in _KNOWN if each in flags), told=bool(flags))


def from_sysctl(text: str) -> Cpu:
    """Of macOS's `sysctl -a`: Apple's own chips, and Intel's, whose leaf 7 features name AVX2 and VNNI."""
    fields = dict(line.split(": ", 1) for line in text.splitlines() if ": " in line)
    found = {name for key, name in _DARWIN.items() if fields.get(key) == "1"}
    leaf = fields.get("machdep.cpu.leaf7_features", "").lower().split()
    found |= {
        name for flag, name in (("avx2", "avx2"), ("avx512f", "avx512f"), ("avx512vnni", "avx512_vnni")) if flag in leaf
    }
    name = fields.get("machdep.cpu.brand_string", platform.machine())
    return Cpu(name, tuple(each for each in _KNOWN if each in found), told=bool(fields))


def _sysctl() -> str:
    try:
        shown = subprocess.run(["sysctl", "-a"], capture_output=True, text=True, timeout=5)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return shown.stdout


def _windows() -> Cpu:
    """Windows tells of AVX2 and AVX-512 and not of VNNI: with AVX-512 nothing is claimed."""
    import ctypes

    present = ctypes.windll.kernel32.IsProcessorFeaturePresent  # type: ignore[attr-defined,unused-ignore]
    found = tuple(n for n, code in (("avx2", _PF_AVX2), ("avx512f", _PF_AVX512F)) if present(code))
    return Cpu(platform.processor(), found, told="avx512f" not in found and platform.machine() == "AMD64")

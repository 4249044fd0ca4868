"""CPU instructions are read from what each system says, and int8 is advised against where it does not pay."""

from __future__ import annotations

import pytest

from rasid.infer.cpu import Cpu, from_cpuinfo, from_sysctl, this_cpu

EPYC = "processor\t: 0\nmodel name\t: AMD EPYC 7B13\nflags\t\t: fpu sse4_2 avx avx2\n\nprocessor\t: 1\nflags\t: fpu\n"
XEON = "model name\t: Intel(R) Xeon(R)\nflags\t\t: avx2 avx512f avx512_vnni amx_tile amx_int8 amx_bf16\n"
GRAVITON = "processor\t: 0\nFeatures\t: fp asimd asimddp i8mm bf16\nCPU implementer\t: 0x41\n"
APPLE = "machdep.cpu.brand_string: Apple M2\nhw.optional.arm.FEAT_DotProd: 1\nhw.optional.arm.FEAT_I8MM: 0\n"
MAC = "machdep.cpu.brand_string: Intel(R) Core(TM) i7\nmachdep.cpu.leaf7_features: RDWRFSGS AVX2 AVX512F\n"


@pytest.mark.parametrize(
    ("cpu", "name", "instructions", "dots"),
    [
        (from_cpuinfo(EPYC), "AMD EPYC 7B13", ("avx2",), False),
        (from_cpuinfo(XEON), "Intel(R) Xeon(R)", ("avx2", "avx512f", "avx512_vnni", "amx_int8"), True),
        (from_sysctl(APPLE), "Apple M2", ("asimddp",), True),
        (from_sysctl(MAC), "Intel(R) Core(TM) i7", ("avx2", "avx512f"), False),
    ],
)
def test_instructions_are_read(cpu: Cpu, name: str, instructions: tuple[str, ...], dots: bool) -> None:
    assert (cpu.name, cpu.instructions, cpu.dots, cpu.told) == (name, instructions, dots, True)


def test_arm_on_linux_has_features_and_no_name() -> None:
    cpu = from_cpuinfo(GRAVITON)
    assert cpu.instructions == ("asimddp", "i8mm")
    assert cpu.dots
    assert cpu.name


def test_advice_is_one_sentence_and_given_only_where_it_holds() -> None:
    advice = from_cpuinfo(EPYC).advice
    assert advice is not None
    assert "(avx2) has no VNNI" in advice
    assert "saturate" in advice
    assert "\n" not in advice
    assert from_cpuinfo(XEON).advice is None
    assert from_cpuinfo("").advice is None  # nothing is told, so nothing is claimed
    assert from_sysctl("").advice is None


def test_this_cpu_has_a_name() -> None:
    assert this_cpu().name
    assert this_cpu() is this_cpu()

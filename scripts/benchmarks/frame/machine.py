"""The processor, its instructions and its load; which variants it cannot measure."""

from __future__ import annotations

import importlib.metadata
import importlib.util
from collections.abc import Iterable
from pathlib import Path

from kaffect.processor import (
    BFLOAT16_FLAGS,
    processor_flags,
    processor_kind,
    processor_name,
    processors,
)

ROOT = Path(__file__).resolve().parents[3]
INSTRUCTIONS = ("avx2", "fma", "avx512f", "avx512_vnni", "avx512_bf16", "avx512_fp16", "amx_bf16")
HOW_TO_GET = {
    "torch": "PyTorch is not installed: pip install torch==2.13.0",
    "ray": "Ray is not installed: pip install 'kaffect[ray]'",
}


def kind_here() -> str:
    """The kind of processor, as `kaffect.processor` names it."""
    return processor_kind(processor_flags())


def machine(count: int | None = None) -> str:
    """By which results are kept: such as "AMD EPYC, avx512_bf16 without AMX, 2 processors"."""
    kinds = {"avx512_bf16": "avx512_bf16 without AMX", "plain": "no bfloat16 instructions"}
    kind = kind_here()
    count = count or processors()
    name = processor_name()
    return f"{name}, {kinds.get(kind, kind)}, {count} processor{'s' if count > 1 else ''}"


def instructions() -> list[str]:
    """Those of `INSTRUCTIONS` that the processor has."""
    flags = processor_flags()
    return [name for name in INSTRUCTIONS if name in flags]


def missing(needs: Iterable[str], mib: float = 0.0) -> str:
    """Why a variant with these needs, and so much memory, is left out here, or nothing."""
    if free_mib() < mib:
        return f"it takes about {mib:.0f} MiB of memory, {free_mib():.0f} MiB are free"
    for need in needs:
        if need in HOW_TO_GET and importlib.util.find_spec(need) is None:
            return HOW_TO_GET[need]
        if need == "bfloat16" and kind_here() == "plain":
            return f"the processor has none of {', '.join(BFLOAT16_FLAGS)}"
    return ""


def free_mib() -> float:
    """Memory that can be had without swapping."""
    for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines():
        if line.startswith("MemAvailable"):
            return int(line.split()[1]) / 1024
    return 0.0


def versions() -> dict[str, str]:
    """Of the libraries that are compared."""
    found = {}
    for name in ("tensorflow", "keras", "torch"):
        if importlib.util.find_spec(name) is not None:
            found[name] = importlib.metadata.version(name)
    return found

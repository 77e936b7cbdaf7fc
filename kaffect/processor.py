"""What this machine's processor is, and which instructions it has (mixed precision, records)."""

from __future__ import annotations

import os
import platform
from pathlib import Path

CPUINFO = "/proc/cpuinfo"

# What Linux calls the instructions that multiply bfloat16 matrices or vectors; the faster first.
BFLOAT16_FLAGS = ("amx_bf16", "avx512_bf16")


def processor_flags(path: str | Path = CPUINFO) -> frozenset[str]:
    """The feature flags of the first processor, or none where the system does not list them."""
    return frozenset(_field("flags", path).split())


def processor_name(path: str | Path = CPUINFO) -> str:
    """The name of the first processor; where the system does not tell, its architecture."""
    return _field("model name", path) or platform.machine() or "unknown"


def processors() -> int:
    """The processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def processor_kind(flags: frozenset[str]) -> str:
    """The fastest of `BFLOAT16_FLAGS` among the flags of a processor, or "plain"."""
    return next((flag for flag in BFLOAT16_FLAGS if flag in flags), "plain")


def _field(name: str, path: str | Path) -> str:
    try:
        text = Path(path).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    values = (line.partition(":")[2].strip() for line in text.splitlines() if line.startswith(name))
    return next(values, "")

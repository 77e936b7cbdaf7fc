"""Which instructions the processor has (mixed precision; not in the paper)."""

from __future__ import annotations

from pathlib import Path

# What Linux calls the instructions that multiply bfloat16 matrices or vectors; the faster first.
BFLOAT16_FLAGS = ("amx_bf16", "avx512_bf16")


def processor_flags(path: str | Path = "/proc/cpuinfo") -> frozenset[str]:
    """The feature flags of the first processor, or none where the system does not list them."""
    try:
        text = Path(path).read_text(encoding="ascii", errors="replace")
    except OSError:
        return frozenset()
    for line in text.splitlines():
        if line.startswith("flags"):
            return frozenset(line.partition(":")[2].split())
    return frozenset()


def processor_kind(flags: frozenset[str]) -> str:
    """The fastest of `BFLOAT16_FLAGS` among the flags of a processor, or "plain"."""
    return next((flag for flag in BFLOAT16_FLAGS if flag in flags), "plain")

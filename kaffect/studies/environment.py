"""On what a row was trained (Section V): versions, processor and threads, for its record."""

from __future__ import annotations

import os
import platform
from importlib import metadata
from pathlib import Path

from kaffect.studies.engine import processors

_PACKAGES = ("tensorflow", "keras", "numpy", "opencv-python")


def environment(cpuinfo: str | Path = "/proc/cpuinfo") -> dict[str, str | int]:
    """Versions by package, `python`, `system`, `processor`, `processors` and `threads`."""
    found: dict[str, str | int] = {"python": platform.python_version()}
    for name in _PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = "unknown"
    threads = os.environ.get("TF_NUM_INTRAOP_THREADS", "")
    return {
        **found,
        "system": f"{platform.system()} {platform.machine()}",
        "processor": processor(cpuinfo),
        "processors": processors(),
        "threads": int(threads) if threads.isdecimal() else processors(),
    }


def processor(cpuinfo: str | Path = "/proc/cpuinfo") -> str:
    """Its name, as far as the system tells."""
    try:
        lines = Path(cpuinfo).read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names and names[0] else platform.machine() or "unknown"

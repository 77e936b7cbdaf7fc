"""On what a row was trained (Section V): versions, processor and threads, for its record."""

from __future__ import annotations

import os
import platform
from importlib import metadata
from pathlib import Path

from kaffect.processor import CPUINFO, processor_name, processors

_PACKAGES = ("tensorflow", "keras", "numpy", "opencv-python")


def environment(cpuinfo: str | Path = CPUINFO) -> dict[str, str | int]:
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
        "processor": processor_name(cpuinfo),
        "processors": processors(),
        "threads": int(threads) if threads.isdecimal() else processors(),
    }

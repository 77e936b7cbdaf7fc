"""Pictures that a run left in its folder (Sections V-A and V-B), found again for the report."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kaffect.errors import DatasetError
from kaffect.files import safe_join
from kaffect.studies.stored_sums import ORIGIN

# In the folder of a run.
ATTENTION = "attention.png"
SAMPLES = "samples/step-*.png"
_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_MOST = 16 * 2**20  # bytes of one picture


def picture_of_run(record: Mapping[str, Any], name: str = ATTENTION) -> bytes | None:
    """A PNG of the run's folder; None where there is none."""
    folder = _folder(record)
    return None if folder is None else _png(folder / name)


def generated_faces(record: Mapping[str, Any]) -> bytes | None:
    """The newest grid of a GAN's faces; None where there is none."""
    folder = _folder(record)
    grids = sorted(folder.glob(SAMPLES)) if folder is not None else []
    return _png(grids[-1]) if grids else None


def _folder(record: Mapping[str, Any]) -> Path | None:
    """Of the run; None where its results are kept without it."""
    if "folder" not in record:
        return None
    try:
        return safe_join(record[ORIGIN], str(record["folder"]))
    except DatasetError:
        return None


def _png(path: Path) -> bytes | None:
    if not path.is_file() or path.stat().st_size > _MOST:
        return None
    data = path.read_bytes()
    return data if data.startswith(_SIGNATURE) else None

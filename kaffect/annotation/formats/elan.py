"""Labels as ELAN's .eaf files, and back (Section III-B): a tier for each row.

Times are whole milliseconds: a range of frames begins at the millisecond nearest to its
first frame and ends where the next frame begins, which tells the frames apart at 30 a
second. Valence and arousal are tiers whose annotations are numbers.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from kaffect.annotation.labels import UNSET, Arrays, Codes
from kaffect.data.video.resample import FPS
from kaffect.errors import ConfigError, DatasetError
from kaffect.files import write_bytes
from kaffect.labels import VALENCE_AROUSAL

MAX_BYTES = 256 << 20


def _pympi() -> Any:
    try:
        import pympi
    except ImportError as error:
        raise ConfigError(
            "ELAN files need the package pympi-ling. "
            "Install it with: pip install 'kaffect[annotate]'"
        ) from error
    return pympi


def _milliseconds(frame: int) -> int:
    return round(frame * 1000 / FPS)


def _runs(values: np.ndarray) -> list[tuple[int, int, float]]:
    """(first, last, value) of each run of equal numbers; NaN is left out."""
    same = (values[1:] == values[:-1]) | (np.isnan(values[1:]) & np.isnan(values[:-1]))
    firsts = np.concatenate([[0], np.flatnonzero(~same) + 1]).tolist() if len(values) else []
    lasts = [*(first - 1 for first in firsts[1:]), len(values) - 1]
    return [(f, t, v) for f, t in zip(firsts, lasts) if not np.isnan(v := float(values[f]))]


def write_eaf(path: Path, film: Path, arrays: Arrays, codes: Codes, annotator: str) -> None:
    """Write the labels of one video; `film` is what ELAN plays."""
    eaf = _pympi().Elan.Eaf(author=annotator)
    eaf.remove_tier("default")
    eaf.add_linked_file(str(film), mimetype="video/mp4")
    for row, values in arrays.rows.items():
        eaf.add_tier(row, part=annotator)
        for first, last, word in codes.runs(row, values):
            eaf.add_annotation(row, _milliseconds(first), _milliseconds(last + 1), word)
    for column, name in enumerate(VALENCE_AROUSAL):
        eaf.add_tier(name, part=annotator)
        for first, last, value in _runs(arrays.va[:, column]):
            start, end = _milliseconds(first), _milliseconds(last + 1)
            eaf.add_annotation(name, start, end, repr(round(value, 6)))
    write_bytes(path, _text(eaf))


def _text(eaf: Any) -> bytes:
    """The XML of pympi, which writes to a path of its own only."""
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "labels.eaf"
        _pympi().Elan.to_eaf(str(path), eaf)
        return path.read_bytes()


def read_eaf(path: Path, frames: int, codes: Codes) -> Arrays:
    """Labels of the tiers that are named as our rows; other tiers are left alone.

    Raises:
        DatasetError: not an .eaf file, or a value or time that does not fit.
    """
    eaf = _open(path)
    arrays = Arrays(codes.words, frames)
    for tier in eaf.get_tier_names():
        if tier not in codes.words and tier not in VALENCE_AROUSAL:
            continue
        for start, end, word, *_ in eaf.get_annotation_data_for_tier(tier):
            first, last = round(start * FPS / 1000), round(end * FPS / 1000) - 1
            if not 0 <= first <= last < frames:
                raise DatasetError(
                    f"{path}: tier {tier}: {start} to {end} ms lies outside of the video, which "
                    f"has {frames} frames, or is shorter than one"
                )
            if tier in VALENCE_AROUSAL:
                arrays.va[first : last + 1, VALENCE_AROUSAL.index(tier)] = _number(path, word)
            elif word in codes.words[tier]:
                arrays.rows[tier][first : last + 1] = codes.code(tier, word)
            else:
                accepted = ", ".join(codes.words[tier])
                raise DatasetError(
                    f"{path}: tier {tier}: expected one of {accepted}. Received: {word[:40]!r}"
                )
    if np.isnan(arrays.va).all() and all((v == UNSET).all() for v in arrays.rows.values()):
        raise DatasetError(f"{path}: no tier has a label. Expected tiers {', '.join(codes.words)}")
    return arrays


def _open(path: Path) -> Any:
    try:
        data = path.read_bytes()
        if len(data) > MAX_BYTES or b"<!DOCTYPE" in data or b"<!ENTITY" in data:
            raise DatasetError(f"{path}: too large, or declares a document type")
    except OSError as error:
        raise DatasetError(f"{path}: cannot be read: {error.strerror}") from error
    eaf = _pympi().Elan.Eaf
    try:
        return eaf(str(path))
    except Exception as error:  # pympi raises plain ones for a file that it cannot parse
        raise DatasetError(f"{path}: cannot be read as an ELAN file: {error!r}") from error


def _number(path: Path, word: str) -> float:
    try:
        value = float(word)
    except ValueError:
        value = np.nan
    if not -1 <= value <= 1:
        raise DatasetError(f"{path}: expected a number from -1 to 1. Received: {word[:40]!r}")
    return value

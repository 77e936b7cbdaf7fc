"""A prepared folder as the data of a run, accepted only if its settings are the run's.

Serves the researcher who prepares once, perhaps on another machine, and trains many times.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from kaffect.config.preparation import Preparation
from kaffect.data.prepared.records import PreparedData
from kaffect.data.video.resample import FPS
from kaffect.errors import ConfigError
from kaffect.files import MANIFEST, sha256


def is_prepared(data: Path) -> bool:
    """Whether `data` is a prepared folder and not a data tree."""
    return (data / MANIFEST).is_file()


def open_prepared(root: Path, wanted: Preparation, image_size: int) -> PreparedData:
    """Open a prepared folder for a run.

    Where its tracks had box files or were face pictures, no detector was asked, and any is
    accepted.

    Args:
        wanted: the run's settings of the preparation.
        image_size: side of the face crops in pixels.

    Raises:
        DatasetError: not a prepared data set, or damaged.
        ConfigError: it was prepared in another way; says what is to be asked for.
    """
    prepared = PreparedData.open(root)
    for what, asked, found, remedy in _compared(prepared, wanted, image_size):
        if asked != found:
            raise ConfigError(
                f"--data {root}: was prepared with another {what} than this run asks for. "
                f"Expected {asked}. Received: {found} ({remedy})"
            )
    return prepared


def _compared(
    prepared: PreparedData, wanted: Preparation, image_size: int
) -> Iterator[tuple[str, object, object, str]]:
    """What is compared: its name, what was asked for, what is there, and what to do."""
    again = "prepare the tree again, or give the tree itself"
    settings = prepared.manifest["settings"]
    yield (
        "size of pictures",
        image_size,
        prepared.crop_rule.image_size,
        f"kaffect data prepare --image-size {image_size} gives what it needs",
    )
    if prepared.fps is None:  # a list of stills, which has no faces to find
        return
    yield "rate", f"{FPS} frames a second", f"{prepared.fps} frames a second", again
    found = "none" if prepared.crop_rule.mode == "paper" else prepared.crop_rule.mode
    yield "alignment", wanted.align, found, f"--align {found} takes them"
    if prepared.detector is not None:
        name = prepared.detector["name"]
        yield "face detector", wanted.detector, name, f"--detector {name} takes them"
        if wanted.detector_model is not None:
            model = prepared.detector.get("model_sha256")
            yield "model file", sha256(Path(wanted.detector_model)), model, again
    tolerance = settings["length_tolerance"]
    yield (
        "length tolerance",
        wanted.length_tolerance,
        tolerance,
        f"--length-tolerance {tolerance} takes them" if tolerance is not None else again,
    )

"""Labelled single images -> the same prepared form as videos (for sets like AffectNet or FER).

Each picture is one frame of a track `stills-<split>`, so that readers of prepared videos read
these as well.
"""

from __future__ import annotations

import io
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from PIL import Image

from kaffect.data.prepared.examples import encode_frame, encode_image
from kaffect.data.prepared.settings import PrepareSettings
from kaffect.data.prepared.shards import describe, read_description, write_prepared
from kaffect.data.prepared.stills import Stills, StillSet, read_stills
from kaffect.data.prepared.video_job import TrackJob
from kaffect.data.tree import Track
from kaffect.errors import DatasetError
from kaffect.faces.crops import CropRule
from kaffect.files import (
    atomic_directory,
    atomic_write,
    home,
    sha256,
    stable_hash,
    writer_lock,
)
from kaffect.labels import LABEL_COLUMNS
from kaffect.progress import ProgressDisplay

# Far more than a face needs.
MOST_PIXELS = 64_000_000


def prepare_stills(
    stills: StillSet | str | Path,
    out_dir: str | Path | None = None,
    *,
    image_size: int = 112,
    encoding: str = "jpeg",
    workers: int = 2,
    shard_frames: int = 16384,
    progress: bool = True,
) -> Path:
    """Prepare a list of labelled images, or return the folder where that has been done already.

    The centre square of each picture is resized; a grey picture becomes three equal channels.

    Args:
        stills: the list or its path (`read_stills`).
        out_dir: where to; by default a folder of `$KAFFECT_HOME/prepared` that is named by a hash
            of the list, its pictures and the settings. Of two processes as in `prepare_tree`.
        image_size, encoding, shard_frames: as in `prepare_tree`.
        workers: pictures that are decoded at a time.
        progress: whether to show it, with the time that is left.

    Returns:
        The folder; open it with `kaffect.data.prepared.records.PreparedData.open`.

    Raises:
        AnnotationError, DatasetError: of the list, or a picture that cannot be decoded.
    """
    if not isinstance(stills, StillSet):
        stills = read_stills(stills)
    settings = PrepareSettings(
        CropRule(image_size=image_size), encoding=encoding, shard_frames=shard_frames
    )
    digest = _digest(stills)
    path = home() / "prepared" / stable_hash([digest, _described(settings)])
    out = Path(out_dir) if out_dir is not None else path
    if _is_prepared(out, settings, digest):
        return out
    # A folder of the cache is everybody's: the second to come waits and then finds it made.
    with writer_lock(out, "the prepared data set", wait=out_dir is None):
        if not _is_prepared(out, settings, digest):
            _write(stills, settings, digest, out, workers, progress)
    return out


def _described(settings: PrepareSettings) -> dict[str, Any]:
    """The settings as the manifest has them; pictures of a list have no frame rate."""
    return {**settings.to_dict(), "fps": None}


def _digest(stills: StillSet) -> str:
    """A hash of the contents: the list with its splits, and every picture's bytes."""
    pictures = [
        [split, str(path.relative_to(stills.root.resolve())), sha256(path)]
        for split, part in stills.splits.items()
        for path in part.paths
    ]
    return stable_hash([sha256(stills.path), stills.space.name, pictures])


def _is_prepared(out: Path, settings: PrepareSettings, digest: str) -> bool:
    manifest = read_description(out)
    return (
        manifest is not None
        and manifest.get("settings") == _described(settings)
        and manifest.get("data_hash") == digest
    )


def _write(
    stills: StillSet,
    settings: PrepareSettings,
    digest: str,
    out: Path,
    workers: int,
    progress: bool,
) -> None:
    parts = out.with_name(out.name + ".parts")
    parts.mkdir(parents=True, exist_ok=True)
    total = sum(len(part) for part in stills.splits.values())
    jobs = []
    with ProgressDisplay(total, "preparing stills", "picture", show=progress) as shown:
        for split, part in stills.splits.items():
            track = Track(
                name=f"stills-{split}",
                split=split,
                video=stills.path,
                annotations={task: stills.path for task in part.tasks},
                boxes=None,
            )
            job = TrackJob(track, {}, len(stills.space.action_units), parts / split)
            _write_part(job, part, settings, workers, shown)
            jobs.append(job)
    described = describe(
        _described(settings), stills.space, digest, synthetic=False, missing=stills.notes
    )
    with atomic_directory(out) as folder:
        write_prepared(folder, jobs, settings.shard_frames, described)
    shutil.rmtree(parts)


def _write_part(
    job: TrackJob, part: Stills, settings: PrepareSettings, workers: int, shown: ProgressDisplay
) -> None:
    """The records and columns of one split, as `write_tracks` leaves those of a track."""
    lengths = np.zeros(len(part), np.int32)
    labels = {name: getattr(part, name) for name in LABEL_COLUMNS}

    def picture(path: Path) -> bytes:
        return encode_image(settings.rule.apply(_read(path), None), settings.encoding)

    with ThreadPoolExecutor(max(1, workers)) as pool, atomic_write(job.records, "wb") as out:
        for place, image in enumerate(pool.map(picture, part.paths)):
            record = encode_frame(
                image,
                job.track.name,
                place,
                None,
                source=place + 1,
                has_face=True,
                labels={name: values[place] for name, values in labels.items()},
            )
            out.write(record)
            lengths[place] = len(record)
            shown.update()
    numbers = np.arange(len(part), dtype=np.int32)
    labelled = np.flatnonzero(part.labelled())
    columns = {
        **labels,
        "source_frame": numbers + 1,
        "has_face": np.ones(len(part), bool),
        "length": lengths,
        "source_row": labelled,
        "source_number": numbers[labelled] + 1,
        "source_seconds": np.zeros(len(labelled), np.float32),
        "source_frames": np.array(len(part)),
        **{f"source_{name}": values[labelled] for name, values in labels.items()},
    }
    with atomic_write(job.columns, "wb") as handle:
        np.savez(handle, **columns)


def _read(path: Path) -> np.ndarray:
    """Read a picture [height, width, 3] uint8 RGB; rejects a damaged or huge one."""
    try:
        data = path.read_bytes()
        _check_size(path, data)
        image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    except (OSError, cv2.error) as error:
        raise DatasetError(f"{path}: cannot be read: {error}") from error
    if image is None:
        raise DatasetError(f"{path}: not a picture that OpenCV can decode")
    return cv2.cvtColor(image, cv2.COLOR_BGR2RGB)


def _check_size(path: Path, data: bytes) -> None:
    """Reject a huge picture by its header, before its pixels are in memory."""
    most = f"{path}: too large. Expected at most {MOST_PIXELS} pixels"
    try:
        with Image.open(io.BytesIO(data)) as image:
            width, height = image.size
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise DatasetError(f"{most}. Received: more") from error
    except Exception as error:  # pillow raises many kinds on damaged headers; all mean the same
        raise DatasetError(f"{path}: not a picture: its header cannot be read") from error
    if width * height > MOST_PIXELS:
        raise DatasetError(f"{most}. Received: {width} x {height}")

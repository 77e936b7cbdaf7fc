"""Counts what a data tree holds (paper Section II, Tables I, III and IV, Figures 2 to 4).

A part is what the paper calls one: the tracks that have Action Unit labels, those with
expression labels, those with valence/arousal, or all. Labels are read, video headers
are opened, and no frame is decoded.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from kaffect.data.annotations.files import Annotation
from kaffect.data.discovery import recording
from kaffect.data.tree import SYNTHETIC, DataTree, Track
from kaffect.data.video.face_folders import FaceFolder
from kaffect.data.video.media import open_media
from kaffect.data.video.resample import FPS
from kaffect.errors import ArtifactError, VideoError
from kaffect.files import read_json
from kaffect.labels import SPLITS

PARTS = ("au", "expression", "va", "all")
BINS = 20  # of each side of the VA plane, as in the histograms of Figures 2 and 4
# As written, 0.1 and not 0.1 + 9e-17: annotators use whole tenths, which must fall to the right.
EDGES = np.arange(-BINS // 2, BINS // 2 + 1) / (BINS // 2)
NOT_GIVEN = "not given"


@dataclass(frozen=True)
class VideoFacts:
    """What the header of a video file says; None where it has no entry."""

    seconds: float | None
    size: tuple[int, int] | None


@dataclass
class Part:
    """Counts of one part.

    Attributes:
        frames: label lines; videos, subjects and genders: as far as known.
        unknown: tracks without a subject; annotators: how many, None where unknown.
        lengths: seconds; sizes: (width, height); formats: suffixes, one entry a video.
        units: Action Unit -> split -> active frames; expressions: class -> split -> frames.
        labelled: task -> split -> labelled frames; active: frames with at least one unit.
        together: [units, units] frames in which both are active.
        plane: [BINS, BINS] frames by valence (first axis) and arousal, from -1 to 1.
    """

    name: str
    annotators: int | None
    frames: int = 0
    videos: dict[str, VideoFacts] = field(default_factory=dict)
    subjects: dict[str, str | None] = field(default_factory=dict)
    unknown: int = 0
    units: dict[str, Counter[str]] = field(default_factory=dict)
    expressions: dict[str, Counter[str]] = field(default_factory=dict)
    labelled: dict[str, Counter[str]] = field(default_factory=dict)
    tracks: Counter[str] = field(default_factory=Counter)
    active: int = 0
    together: np.ndarray | None = None
    plane: np.ndarray = field(default_factory=lambda: np.zeros((BINS, BINS), np.int64))

    def add(self, track: Track, labels: dict[str, Annotation], video: VideoFacts) -> None:
        """Count one track."""
        self.frames += max((len(annotation) for annotation in labels.values()), default=0)
        self.videos[recording(track.video)] = video
        self.tracks[track.split] += 1
        if track.subject is None:
            self.unknown += 1
        else:
            self.subjects.setdefault(track.subject, track.gender)
        for task, annotation in labels.items():
            values = annotation.values[annotation.valid]
            self.labelled.setdefault(task, Counter())[track.split] += len(values)
            {"va": self._va, "expression": self._expression, "au": self._units}[task](
                values, annotation, track.split
            )

    def _va(self, values: np.ndarray, annotation: Annotation, split: str) -> None:
        found = np.histogram2d(values[:, 0], values[:, 1], bins=(EDGES, EDGES))[0]
        self.plane += found.astype(np.int64)

    def _expression(self, values: np.ndarray, annotation: Annotation, split: str) -> None:
        counts = np.bincount(values[:, 0], minlength=len(annotation.columns))
        for name, count in zip(annotation.columns, counts.tolist()):
            self.expressions.setdefault(name, Counter())[split] += count

    def _units(self, values: np.ndarray, annotation: Annotation, split: str) -> None:
        for name, count in zip(annotation.columns, values.sum(axis=0, dtype=np.int64).tolist()):
            self.units.setdefault(name, Counter())[split] += count
        self.active += int(values.any(axis=1).sum())
        pairs = values.T.astype(np.int64) @ values
        self.together = pairs if self.together is None else self.together + pairs

    @property
    def formats(self) -> tuple[str, ...]:
        return tuple(sorted({Path(name).suffix[1:].upper() or "pictures" for name in self.videos}))

    def attributes(self) -> dict[str, str]:
        """The rows of Tables I and IV."""
        return {
            "No of frames": f"{self.frames:,}",
            "No of videos": str(len(self.videos)),
            "No of subjects": self._people(),
            "No of annotators": NOT_GIVEN if self.annotators is None else str(self.annotators),
            "Length of videos": self._length(),
            "Video format": ", ".join(self.formats) or NOT_GIVEN,
            "Mean Image Resolution": self._resolution(),
        }

    def _people(self) -> str:
        if not self.subjects:
            return NOT_GIVEN
        genders = Counter(gender for gender in self.subjects.values() if gender)
        said = "; ".join(f"{count} {gender}" for gender, count in sorted(genders.items())[::-1])
        silent = len(self.subjects) - sum(genders.values())
        if silent:
            said = f"{said}; {silent} gender {NOT_GIVEN}" if said else f"gender {NOT_GIVEN}"
        more = f"; {self.unknown} tracks without a name" if self.unknown else ""
        return f"{len(self.subjects)} ({said}){more}"

    def _length(self) -> str:
        known = [video.seconds for video in self.videos.values() if video.seconds is not None]
        return f"{in_words(min(known))} - {in_words(max(known))}" if known else NOT_GIVEN

    def _resolution(self) -> str:
        sizes = [video.size for video in self.videos.values() if video.size is not None]
        if not sizes:
            return NOT_GIVEN
        width, height = np.mean(sizes, axis=0)
        return f"{width:.0f} x {height:.0f}"

    def to_dict(self) -> dict[str, Any]:
        """All counts, JSON-able."""
        return {
            "part": self.name,
            "attributes": self.attributes(),
            "labelled": {task: dict(counts) for task, counts in self.labelled.items()},
            "tracks": dict(self.tracks),
            "action units": {name: dict(counts) for name, counts in self.units.items()},
            "frames with an action unit": self.active,
            "expressions": {name: dict(counts) for name, counts in self.expressions.items()},
            "together": None if self.together is None else self.together.tolist(),
            "plane": self.plane.tolist(),
        }


@dataclass(frozen=True)
class Statistics:
    """A tree's parts; `name` is how reports call the tree."""

    name: str
    synthetic: bool
    parts: dict[str, Part]
    missing: tuple[str, ...]

    @property
    def splits(self) -> tuple[str, ...]:
        return tuple(split for split in SPLITS if self.parts["all"].tracks[split])

    @property
    def kind(self) -> str:
        """The head of its column."""
        if self.synthetic:
            return self.name if "synthetic" in self.name else f"{self.name} (synthetic)"
        return f"{self.name} (real)"


def describe(tree: DataTree, name: str | None = None) -> Statistics:
    """Read all labels and video headers of `tree`.

    Raises:
        AnnotationError: with path and line.
    """
    annotators = known_annotators(tree)
    parts = {part: Part(part, annotators) for part in PARTS}
    headers: dict[Path, VideoFacts] = {}
    for track in tree.tracks:
        labels = track.labels()
        if track.video not in headers:
            headers[track.video] = video_facts(track.video, track.rate)
        for part in ("all", *labels):
            parts[part].add(track, labels, headers[track.video])
    return Statistics(name or tree.root.resolve().name, tree.synthetic, parts, tree.missing)


def known_annotators(tree: DataTree) -> int | None:
    """How many people labelled the tree, where a file states it; the largest number of any task."""
    for name, task_key in (("agreement.json", "tasks"), (SYNTHETIC, "annotators")):
        path = tree.root / name
        if not path.is_file() or path.is_symlink():
            continue
        try:
            found = read_json(path)
        except ArtifactError:
            continue
        value = found.get(task_key) if isinstance(found, dict) else None
        if isinstance(value, dict):
            counts = [len(task.get("annotators", ())) for task in value.values()]
            return max(counts, default=0) or None
        if isinstance(value, int):
            return value
    return None


def video_facts(path: Path, rate: Fraction = Fraction(FPS)) -> VideoFacts:
    """Length and upright picture size by the header; a damaged file gives nothing.

    Args:
        rate: of a folder of pictures, which is as long as its last number says.
    """
    if path.is_dir():
        try:
            folder = FaceFolder(path, rate)
            last = max(folder.files)
            height, width = folder.picture(last).shape[:2]
        except VideoError:
            return VideoFacts(None, None)
        return VideoFacts(float(last / rate), (width, height))
    import av

    try:
        with open_media(path) as container:
            stream = container.streams.video[0]
            seconds = None
            if stream.duration is not None and stream.time_base is not None:
                seconds = float(stream.duration * stream.time_base)
            elif container.duration is not None:
                seconds = container.duration / av.time_base
            size = (stream.codec_context.width, stream.codec_context.height)
            return VideoFacts(seconds, size if min(size) > 0 else None)
    except (av.error.FFmpegError, OSError, IndexError):
        return VideoFacts(None, None)


def in_words(seconds: float) -> str:
    """'16 mins 21 secs', as the paper writes it."""
    whole = round(seconds)
    minutes, rest = divmod(whole, 60)
    said = [f"{minutes} mins"] * (minutes > 0) + [f"{rest} secs"] * (rest > 0 or not minutes)
    return " ".join(said)


def shares(counts: Iterable[int]) -> list[float]:
    """Each count over their sum; zeros where there is nothing."""
    values = list(counts)
    total = sum(values)
    return [value / total if total else 0.0 for value in values]

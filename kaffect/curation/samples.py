"""Random frames of a tree or of prepared data, with their labels (paper Table II, Figure 1).

"Draw random frames and look whether label and picture fit", the check by eye of the second
study, finds what no count does: a shift, a wrong crop, swapped columns.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from kaffect.data.annotations.files import Annotation
from kaffect.data.prepared.records import FrameIndex, PreparedData
from kaffect.data.tree import DataTree, Track
from kaffect.data.video.face_folders import FaceFolder, picture_files
from kaffect.data.video.resample import VideoReader
from kaffect.errors import ConfigError, DatasetError, VideoError, expected_received
from kaffect.faces.crops import CropRule, read_boxes
from kaffect.files import MANIFEST
from kaffect.labels import TASKS

# Frames a second, enough that a video of any rate shows each of its frames.
EVERY_FRAME = 1000


@dataclass(frozen=True, eq=False)
class Sample:
    """One frame with what is annotated of it; None where a label is missing.

    Attributes:
        frame: 1-based number in the source video.
        image: [size, size, 3] uint8 RGB, empty until it is read.
        expression: the class name; units: names of the active Action Units.
    """

    track: str
    frame: int
    valence_arousal: tuple[float, float] | None
    expression: str | None
    units: tuple[str, ...] | None
    image: np.ndarray

    def caption(self) -> str:
        """Up to four short lines."""
        lines = [f"{self.track} #{self.frame}"]
        if self.valence_arousal is not None:
            lines.append("V {:+.2f}  A {:+.2f}".format(*self.valence_arousal))
        if self.expression is not None:
            lines.append(self.expression)
        if self.units is not None:
            numbers = " ".join(unit.removeprefix("AU") for unit in self.units)
            lines.append(f"AU {numbers}" if numbers else "no AU")
        return "\n".join(lines)


@dataclass(frozen=True, eq=False)
class LabelledFrames:
    """All labels of one track, and which of its frames may be shown."""

    track: Track
    labels: dict[str, Annotation]
    frames: np.ndarray

    @classmethod
    def of(cls, track: Track, needs: Sequence[str] = ()) -> LabelledFrames:
        """Frames with a face box (where there are boxes) and a label of each task in `needs`,
        or of any task."""
        labels = track.labels()
        length = max((len(annotation) for annotation in labels.values()), default=0)
        wanted = np.zeros((len(labels), length), bool)
        for row, (task, annotation) in enumerate(labels.items()):
            wanted[row, : len(annotation)] = annotation.valid
        kept = wanted.any(axis=0) if length else np.zeros(0, bool)
        for task in needs:
            place = list(labels).index(task) if task in labels else None
            kept = kept & wanted[place] if place is not None else np.zeros(length, bool)
        if track.video.is_dir() and kept.any():
            kept &= np.isin(np.arange(1, length + 1), list(picture_files(track.video)))
        if track.boxes is not None and kept.any():
            boxes = np.fromiter(read_boxes(track.boxes), np.int64)
            kept &= np.isin(np.arange(1, length + 1), boxes)
        return cls(track, labels, np.flatnonzero(kept) + 1)

    def sample(self, frame: int) -> Sample:
        """The labels of a frame (1-based), without its picture."""

        def value(task: str) -> np.ndarray | None:
            found = self.labels.get(task)
            if found is None or frame > len(found) or not found.valid[frame - 1]:
                return None
            row: np.ndarray = found.values[frame - 1]
            return row

        va, expression, units = value("va"), value("expression"), value("au")
        return Sample(
            self.track.name,
            frame,
            None if va is None else (float(va[0]), float(va[1])),
            None if expression is None else self.labels["expression"].columns[int(expression[0])],
            None if units is None else tuple(
                name for name, on in zip(self.labels["au"].columns, units.tolist()) if on
            ),
            np.zeros((0, 0, 3), np.uint8),
        )  # fmt: skip


def draw(
    tree: DataTree, count: int, seed: int, needs: Sequence[str] = (), splits: Sequence[str] = ()
) -> list[Sample]:
    """Random labelled frames without pictures, evenly from all tracks.

    Args:
        needs: tasks that each frame must have a label of.
        splits: only these; all where empty.

    Raises:
        DatasetError: no such frame.
    """
    rng = np.random.default_rng(seed)
    tracks = [track for track in tree.tracks if not splits or track.split in splits]
    tracks = [tracks[i] for i in rng.permutation(len(tracks))]
    usable = [found for track in tracks if len((found := LabelledFrames.of(track, needs)).frames)]
    if not usable:
        what = " and ".join(needs) or "any"
        raise DatasetError(f"{tree.root}: no frame with a face and a label of {what}")
    samples = []
    for number in range(count):
        found = usable[number % len(usable)]
        samples.append(found.sample(int(rng.choice(found.frames))))
    return samples


def with_pictures(tree: DataTree, samples: Sequence[Sample], size: int = 96) -> list[Sample]:
    """The samples with their face crops, in the same order; each video is read once.

    Raises:
        VideoError: a video that does not decode, or ends before a wanted frame.
    """
    tracks = {track.name: track for track in tree.tracks}
    rule = CropRule(image_size=size)
    wanted: dict[Path, list[int]] = defaultdict(list)
    for place, sample in enumerate(samples):
        wanted[tracks[sample.track].video].append(place)
    pictures: dict[int, np.ndarray] = {}
    for video, places in wanted.items():
        crops = {
            place: _crop(rule, tracks[samples[place].track], samples[place]) for place in places
        }
        left = set(places)
        if video.is_dir():
            folder = FaceFolder(video)
            pictures |= {p: crops[p](folder.picture(samples[p].frame)) for p in places}
            continue
        for frame in VideoReader(video, EVERY_FRAME):
            for place in [p for p in left if samples[p].frame == frame.source]:
                pictures[place] = crops[place](frame.image)
                left.remove(place)
            if not left:
                break
        if left:
            first = min(samples[place].frame for place in left)
            raise VideoError(f"{video}: holds no frame {first}, although a label line says so")
    return [replace(sample, image=pictures[place]) for place, sample in enumerate(samples)]


def _crop(rule: CropRule, track: Track, sample: Sample) -> Callable[[np.ndarray], np.ndarray]:
    box = read_boxes(track.boxes).get(sample.frame) if track.boxes is not None else None
    return lambda image: rule.apply(image, box)


def varied(samples: Sequence[Sample], count: int) -> list[Sample]:
    """The samples with the greatest variety of Action Units and places in the VA plane."""
    left, chosen = list(samples), list[Sample]()
    units: set[str] = set()
    while left and len(chosen) < count:
        best = max(left, key=lambda s: _news(s, units, chosen))
        left.remove(best)
        chosen.append(best)
        units |= set(best.units or ())
    return chosen


def _news(sample: Sample, units: set[str], chosen: Sequence[Sample]) -> float:
    """How much a sample adds to those chosen."""
    far = 1.0
    if sample.valence_arousal is not None:
        here = np.array(sample.valence_arousal)
        others = [np.array(s.valence_arousal) for s in chosen if s.valence_arousal is not None]
        far = min((float(np.hypot(*(here - other))) for other in others), default=2.0)
    same_person = any(s.track == sample.track for s in chosen)
    return len(set(sample.units or ()) - units) + far - 2 * same_person


def over_the_plane(samples: Sequence[Sample], cells: int) -> list[Sample]:
    """One sample for each cell of the VA plane that has any, the one nearest to its middle."""
    best: dict[tuple[int, int], tuple[float, Sample]] = {}
    for sample in samples:
        if sample.valence_arousal is None:
            continue
        place = (np.array(sample.valence_arousal) + 1) / 2 * cells
        cell = np.minimum(place.astype(int), cells - 1)
        off = float(np.hypot(*(place - cell - 0.5)))
        key = (int(cell[0]), int(cell[1]))
        if key not in best or off < best[key][0]:
            best[key] = (off, sample)
    return [best[key][1] for key in sorted(best)]


def shown_samples(
    data: Path, count: int, seed: int, split: str | None = None, task: str | None = None
) -> tuple[str, list[Sample]]:
    """The name of the data, and `count` random frames with faces and labels.

    Args:
        data: a data tree, or a folder that `prepare_tree` made; of the latter the pictures are
            those that a network sees.
        task: whose annotation and sets alone count, of a tree.

    Raises:
        DatasetError, AnnotationError, VideoError: the data cannot be read.
        ConfigError: a task, of prepared data.
    """
    if (data / MANIFEST).is_file():
        if task is not None:
            raise ConfigError(expected_received("--task", "a data tree", f"{data}, prepared"))
        return _prepared_samples(PreparedData.open(data), count, seed, split)
    tree = DataTree.open(data, (task,) if task else TASKS)
    samples = draw(tree, count, seed, splits=(split,) if split else ())
    return _name(data, tree.synthetic), with_pictures(tree, samples)


def _name(data: Path, synthetic: bool) -> str:
    return f"{data.resolve().name} ({'synthetic' if synthetic else 'real'})"


def _prepared_samples(
    prepared: PreparedData, count: int, seed: int, split: str | None
) -> tuple[str, list[Sample]]:
    if split is not None and split not in prepared.splits:
        raise DatasetError(expected_received("--split", prepared.splits, split))
    rng = np.random.default_rng(seed)
    indices = [prepared.split(name) for name in ([split] if split else prepared.splits)]
    rows = [_labelled_rows(index) for index in indices]
    total = sum(map(len, rows))
    if not total:
        raise DatasetError(f"{prepared.root}: no frame with a face and a label")
    chosen = np.sort(rng.choice(total, min(count, total), replace=False))
    samples, start = [], 0
    for index, own in zip(indices, rows):
        here = chosen[(chosen >= start) & (chosen < start + len(own))] - start
        samples += _read_samples(index, own[here])
        start += len(own)
    return _name(prepared.root, prepared.synthetic), samples


def _labelled_rows(index: FrameIndex) -> np.ndarray:
    rows = index.rows
    kept: np.ndarray = rows[index.labelled(rows) & index.has_face[rows]]
    return kept


def _read_samples(index: FrameIndex, rows: np.ndarray) -> list[Sample]:
    from kaffect.data.prepared.examples import parse_images

    if not len(rows):
        return []
    data, space = index.data, index.data.label_space
    records = index.reader.read(rows)
    images = parse_images(records, data.encoding, data.crop_rule.image_size).numpy()
    return [
        Sample(
            index.tracks[index.track[row]],
            int(index.source_frame[row]),
            (
                (float(index.valence_arousal[row][0]), float(index.valence_arousal[row][1]))
                if index.va_valid[row]
                else None
            ),
            space.expressions[index.expression[row]] if index.expression_valid[row] else None,
            (
                tuple(n for n, on in zip(space.action_units, index.action_units[row]) if on)
                if index.au_valid[row]
                else None
            ),
            image,
        )
        for row, image in zip(rows.tolist(), images)
    ]

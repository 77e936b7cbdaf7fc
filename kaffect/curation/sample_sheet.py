"""Random frames of a tree or of prepared data: what the labels say beside what is seen.

The check by eye of the second study: if a label is shifted or a crop is wrong, it shows here.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from kaffect.curation.samples import Sample, draw, with_pictures
from kaffect.data.prepared.records import FrameIndex, PreparedData
from kaffect.data.tree import DataTree
from kaffect.errors import DatasetError, expected_received
from kaffect.files import MANIFEST


def shown_samples(
    data: Path, count: int, seed: int, split: str | None = None
) -> tuple[str, list[Sample]]:
    """What the data are called, and `count` random frames with faces and labels.

    Args:
        data: a data tree, or a folder that `prepare_tree` made; of the latter the pictures are
            those that a network sees.

    Raises:
        DatasetError, AnnotationError, VideoError: the data cannot be read.
    """
    if (data / MANIFEST).is_file():
        return _prepared(PreparedData.open(data), count, seed, split)
    tree = DataTree.open(data)
    samples = draw(tree, count, seed, splits=(split,) if split else ())
    return _name(data, tree.synthetic), with_pictures(tree, samples)


def _name(data: Path, synthetic: bool) -> str:
    return f"{data.resolve().name} ({'synthetic' if synthetic else 'real'})"


def _prepared(
    prepared: PreparedData, count: int, seed: int, split: str | None
) -> tuple[str, list[Sample]]:
    if split is not None and split not in prepared.splits:
        raise DatasetError(expected_received("--split", prepared.splits, split))
    rng = np.random.default_rng(seed)
    indices = [prepared.split(name) for name in ([split] if split else prepared.splits)]
    rows = [_labelled(index) for index in indices]
    total = sum(map(len, rows))
    if not total:
        raise DatasetError(f"{prepared.root}: no frame with a face and a label")
    chosen = np.sort(rng.choice(total, min(count, total), replace=False))
    samples, start = [], 0
    for index, own in zip(indices, rows):
        here = chosen[(chosen >= start) & (chosen < start + len(own))] - start
        samples += _read(index, own[here])
        start += len(own)
    return _name(prepared.root, prepared.synthetic), samples


def _labelled(index: FrameIndex) -> np.ndarray:
    rows = index.rows
    kept: np.ndarray = rows[index.labelled(rows) & index.has_face[rows]]
    return kept


def _read(index: FrameIndex, rows: np.ndarray) -> list[Sample]:
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

"""Every kind of file and folder that is replaced or added to: how it is written and read back.

For the tests that let writing fail: at each step, for want of room, and beside another process.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

import cv2
import numpy as np
import tensorflow as tf

from kaffect.annotation.log import open_log, read_log
from kaffect.config import RecognitionConfig
from kaffect.data.batches import features
from kaffect.data.prepared.prepare_stills import prepare_stills
from kaffect.data.prepared.records import PreparedData
from kaffect.faces.crops import CropRule
from kaffect.faces.video_faces import VideoFaces
from kaffect.files import read_json, write_json
from kaffect.labels import AFF_WILD
from kaffect.serving.stream_state import StreamState
from kaffect.studies.image_grids import read_image, write_image
from kaffect.studies.results import append_record, read_records
from kaffect.synthetic import SyntheticConfig, write_tree
from kaffect.training.checkpoints import CheckpointFolder
from kaffect.training.runs import RunDescription


@dataclass(frozen=True)
class Writer:
    """`write(root, version)` writes below `root` what `read(root)` gives back, as text.

    Where there is nothing to read, or only a cache to be made again, `read` gives 'nothing'.
    """

    write: Callable[[Path, int], object]
    read: Callable[[Path], str]


class _Owner:
    """Variables as a network has them."""

    def __init__(self, version: int) -> None:
        values = np.random.default_rng(version).normal(size=(40, 50)).astype(np.float32)
        self.variables = [_Variable("kernel", values), _Variable("bias", values[0])]


class _Variable:
    def __init__(self, path: str, value: np.ndarray) -> None:
        self.path, self.shape, self.dtype = path, value.shape, "float32"
        self.value = tf.Variable(value)


def _save_checkpoint(root: Path, version: int) -> None:
    CheckpointFolder(root).save(version, {"encoder": _Owner(version)}, {"v": version}, best=True)


def _read_checkpoint(root: Path) -> str:
    folder, owner = CheckpointFolder(root), _Owner(0)
    step = folder.last()
    if step is None:
        return "nothing"
    state = folder.restore(step, {"encoder": owner})
    return repr((step, folder.best(), state, owner.variables[0].value.numpy().sum()))


def _save_run(root: Path, version: int) -> None:
    RunDescription(
        "recognition", RecognitionConfig(), AFF_WILD, CropRule(), 30, {"name": f"data {version}"}
    ).write(root)


def _save_stills(root: Path, version: int) -> None:
    """Two pictures, which are another data set with each version."""
    source = root.with_name(f"source {version}")
    listed = source / "faces.csv"
    if not listed.exists():
        source.mkdir()
        for number in range(2):
            picture = np.full((40, 40), 90 * number + version, np.uint8)
            cv2.imwrite(str(source / f"{number}.png"), picture)
        rows = "0.png,Anger,train\n1.png,Happiness,validation\n"
        listed.write_text(f"path,expression,split\n{rows}")
    prepare_stills(listed, root / "data", image_size=32, progress=False)


def _read_prepared(root: Path) -> str:
    if not (root / "data").exists():
        return "nothing"
    return str(PreparedData.open(root / "data").hash)


def _features(root: Path, version: int | None) -> Any:
    """Cached features of six frames, which are made once; `None` only looks for them."""
    index: Any = mock.Mock(
        data=mock.Mock(hash="0"), rows=np.arange(6), track=np.zeros(6), __len__=lambda _: 6
    )
    index.name = "test"
    store = features.FeatureStore(root)

    def encode(images: Any) -> np.ndarray:
        if version is None:
            raise LookupError
        return np.full((6, 5), version, np.float32)

    with mock.patch.object(
        features, "evaluation_frames", lambda *_, **__: [{"row": tf.range(6), "images": None}]
    ):
        return np.array(store.get_or_compute(index, encode, "key", progress=False))


def _read_features(root: Path) -> str:
    try:
        return str(_features(root, None).tolist())
    except LookupError:
        return "nothing"


def _faces(version: int) -> VideoFaces:
    numbers = np.arange(6, dtype=np.float32) + version
    return VideoFaces(
        person=np.zeros(6, np.int32), frame=np.arange(6, dtype=np.int32),
        box=np.repeat(numbers[:, None], 4, 1), landmarks=np.repeat(numbers[:, None, None], 5, 1),
        detected=np.ones(6, np.int8), size=np.array([64, 48], np.int32),
        looks=np.zeros((1, 4), np.float32),
    )  # fmt: skip


def _save_stream(root: Path, version: int) -> None:
    values = {"hidden_0": np.full((1, 8), version, np.float32)}
    StreamState(values, 3, 1.5, "0123456789abcdef").save(root / "state.npz")


def _read_stream(root: Path) -> str:
    return str(StreamState.load(root / "state.npz").arrays["hidden_0"].tolist())


def _log(root: Path, version: int) -> None:
    with open_log(root, "project", "anna") as log:
        # Each event is appended once: what failed is sent again. Its time would not always be of
        # the same length.
        events = [{"id": str(n), "at": 0.5, "text": "x" * 50} for n in range(3 * version)]
        log.append(events)


def _read_log(root: Path) -> str:
    if not (root / "log.jsonl").exists():
        return "nothing"
    return repr([event["id"] for event in read_log(root / "log.jsonl", "project").events])


def _save_tree(root: Path, version: int) -> None:
    config = SyntheticConfig(
        expression_videos=(1, 0, 0), au_videos=(0, 0, 0), seconds=0.5, sizes=((96, 96),),
        seed=version,
    )  # fmt: skip
    write_tree(root / "tree", config, processes=1, progress=False)


def _text(name: str) -> Callable[[Path], str]:
    return lambda root: (root / name).read_text() if (root / name).exists() else "nothing"


def _or_nothing(name: str, read: Callable[[Path], Any]) -> Callable[[Path], str]:
    return lambda root: str(read(root / name)) if (root / name).exists() else "nothing"


WRITERS = {
    "checkpoint": Writer(_save_checkpoint, _read_checkpoint),
    "run": Writer(_save_run, _or_nothing("run.json", lambda p: RunDescription.read(p.parent))),
    "sealed JSON": Writer(
        lambda root, v: write_json(root / "x.json", {"v": [v] * 20}, sealed=True),
        _or_nothing("x.json", read_json),
    ),
    "prepared pictures": Writer(_save_stills, _read_prepared),
    # Made once and never again: the first version is that there are none.
    "features": Writer(
        lambda root, v: _features(root, v) if v > 1 else root.mkdir(), _read_features
    ),
    "faces of a video": Writer(
        lambda root, v: _faces(v).save(root / "faces.npz"),
        _or_nothing("faces.npz", lambda p: VideoFaces.load(p).box.tolist()),
    ),
    "stream state": Writer(
        _save_stream, _or_nothing("state.npz", lambda p: _read_stream(p.parent))
    ),
    "results": Writer(
        lambda root, v: append_record(root / "table_xi.jsonl", {"v": v, "text": "x" * 80}),
        lambda root: json.dumps(list(read_records(root / "table_xi.jsonl"))),
    ),
    "annotation log": Writer(_log, _read_log),
    "rendered tree": Writer(_save_tree, _text("tree/synthetic.json")),
    "picture": Writer(
        lambda root, v: write_image(root / "grid.png", np.full((8, 8, 3), v, np.uint8)),
        _or_nothing("grid.png", lambda p: read_image(p).sum()),
    ),
}  # fmt: skip

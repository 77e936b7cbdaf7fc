"""Data tree -> TFRecord shards with frame index and manifest (paper Section III, all of it).

One record for each 30-fps frame of each track. The folder is complete or absent, its
bytes depend on the tree and the settings only, and what an interrupted run has
decoded is used again.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from kaffect.data.prepared.preparation import Preparation, Runner, label_space, run_in_threads
from kaffect.data.prepared.settings import DEFAULT_DETECTOR, PrepareSettings
from kaffect.data.prepared.shards import KIND
from kaffect.data.tree import DataTree
from kaffect.errors import ArtifactError, DatasetError
from kaffect.faces import TrackerConfig
from kaffect.faces.crops import CropRule
from kaffect.files import MANIFEST, home, read_json, stable_hash, writer_lock

__all__ = ["PrepareSettings", "label_space", "prepare_tree", "prepared_path"]


def prepare_tree(
    tree: DataTree | str | Path,
    out_dir: str | Path | None = None,
    *,
    image_size: int = 96,
    align: str = "none",
    detector: str | None = DEFAULT_DETECTOR,
    detector_model: str | Path | None = None,
    tracker: TrackerConfig | None = None,
    fps: int = 30,
    encoding: str = "jpeg",
    reencode: bool = False,
    keep_going: bool = False,
    workers: int = 2,
    shard_frames: int = 16384,
    length_tolerance: int | None = None,
    progress: bool = True,
    runner: Runner = run_in_threads,
) -> Path:
    """Prepare a data tree, or give the folder where that has been done already.

    Args:
        tree: the tree or its folder.
        out_dir: where to; by default a folder of `$KAFFECT_HOME/prepared` that is named
            by a hash of the tree's files and the settings.
        align: 'none': the face box as it is, as in the paper; '5-point': turned and scaled
            by eyes, nose and mouth.
        detector: 'mtcnn', 'haar' or 'mediapipe' finds the faces of tracks without a file
            in `boxes/`; 'none' (or None): they get the centre square of the frame.
        detector_model: model file, for 'mediapipe'.
        tracker: how people are followed between detections.
        reencode: also store each video as MP4 at `fps` frames a second (Section III-A).
        keep_going: leave out videos that cannot be prepared; the manifest lists them.
        workers: videos that are decoded at a time (threads; OpenCV and the decoders
            release the interpreter lock).
        length_tolerance: frames by which a video and its annotation may differ; None: the
            larger of 3 and 0.5 % of the annotation.
        progress: whether to show it, with the time that is left.
        runner: does the videos; `kaffect.data.prepared.beam.beam_runner()` for many machines.

    Returns:
        The folder; open it with `kaffect.data.prepared.records.PreparedData.open`.

    Raises:
        AnnotationError, VideoError, DatasetError: bad input, in the order in which it is
            met; annotation text is read before any video.
        ConfigError: settings that are not accepted, or a detector that is not installed.
    """
    if not isinstance(tree, DataTree):
        tree = DataTree.open(tree)
    settings = PrepareSettings(
        rule=CropRule(mode="paper" if align == "none" else align, image_size=image_size),
        fps=fps,
        encoding=encoding,
        shard_frames=shard_frames,
        length_tolerance=length_tolerance,
        detector=detector,
        detector_model=Path(detector_model) if detector_model is not None else None,
        tracker=tracker or TrackerConfig(),
        reencode=reencode,
    ).for_tree(tree)
    out = Path(out_dir) if out_dir is not None else prepared_path(tree, settings)
    if _is_prepared(out, tree, settings, keep_going):
        return out
    with writer_lock(out, "the prepared data set"):
        if _is_prepared(out, tree, settings, keep_going):  # another run made it in the meantime
            return out
        _remove_unfinished(out)
        Preparation(tree, settings, out, workers, progress, keep_going, runner).run()
    return out


def prepared_path(tree: DataTree, settings: PrepareSettings) -> Path:
    """Where the cache keeps `tree` prepared with `settings`."""
    return home() / "prepared" / stable_hash([tree.hash(), settings.to_dict()])


def _is_prepared(out: Path, tree: DataTree, settings: PrepareSettings, keep_going: bool) -> bool:
    if not out.exists():
        return False
    try:
        manifest = read_json(out / MANIFEST)
    except ArtifactError:
        manifest = None
    if not isinstance(manifest, dict) or manifest.get("kind") != KIND:
        if out.is_dir() and not any(out.iterdir()):
            return False
        raise DatasetError(
            f"{out}: exists and is not a prepared data set; nothing was written. Expected a new "
            "folder, an empty one, or one that was prepared before"
        )
    if manifest.get("skipped") and not keep_going:
        return False  # what is bad must be told
    return bool(
        manifest.get("settings") == settings.to_dict() and manifest.get("data_hash") == tree.hash()
    )


def _remove_unfinished(out: Path) -> None:
    """Delete what a killed run left of this very folder; the parts stay, they are used again."""
    for leftover in out.parent.glob(f".unfinished-{out.name}-*"):
        shutil.rmtree(leftover, ignore_errors=True)

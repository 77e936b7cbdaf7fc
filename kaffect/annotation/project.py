"""A project folder: videos to annotate, who annotates them, in which order (Section III-B, III-C).

    project.json                  id, label space, seed, names of the videos
    videos/<name>.mp4, .json      copies at 30 frames a second and their manifests
    annotators/<name>/log.jsonl   one log for each annotator, the truth

Videos are added and never removed; a name stands for one video for ever.
"""

from __future__ import annotations

import re
import secrets
import unicodedata
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from kaffect.annotation.log import FILE, LogText, read_log
from kaffect.data.discovery import VIDEO_SUFFIXES
from kaffect.errors import ArtifactError, ConfigError, DatasetError, expected_received
from kaffect.files import read_json, safe_join, write_json, writer_lock
from kaffect.labels import LABEL_SPACES, TASKS, LabelSpace

PROJECT = "project.json"
_ANNOTATOR = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]{0,39}")
MAX_VIDEOS = 10_000


@dataclass(frozen=True)
class Project:
    """A project as `project.json` says.

    Attributes:
        id: random; a log belongs to the project whose id it has.
        seed: of the annotators' orders and the trial's target.
        videos: names, in the order in which they were added.
        sources: name -> the video file it was made from.
    """

    root: Path
    id: str
    space: LabelSpace
    seed: int
    videos: tuple[str, ...]
    sources: dict[str, Path]

    @property
    def copies(self) -> Path:
        return self.root / "videos"

    @property
    def annotators(self) -> tuple[str, ...]:
        """Everybody who has a log."""
        found = (self.root / "annotators").glob(f"*/{FILE}")
        return tuple(sorted(path.parent.name for path in found))

    def folder_of(self, annotator: str) -> Path:
        return safe_join(self.root, "annotators", annotator_name(annotator))

    def read_log(self, annotator: str) -> LogText:
        """Raises: DatasetError: no log, or one of another project."""
        return read_log(self.folder_of(annotator) / FILE, self.id)

    def order(self, annotator: str) -> list[int]:
        """Places in `videos` in this annotator's own random order.

        Each video has its own random number, so that videos added later do not change the
        order of the others.
        """
        draw = [
            np.random.default_rng([self.seed, zlib.crc32(annotator.encode()), place]).random()
            for place in range(len(self.videos))
        ]
        return np.argsort(draw, kind="stable").tolist()


def annotator_name(name: str) -> str:
    """The name, if it may name a folder.

    Raises:
        ConfigError: it may not.
    """
    if not _ANNOTATOR.fullmatch(name) or ".." in name:
        raise ConfigError(
            expected_received("--annotator", "1 to 40 letters, digits, '_', '-' or '.'", name)
        )
    return name


def parse_tasks(text: str) -> tuple[str, ...]:
    """Tasks of a list such as 'va,au'.

    Raises:
        ConfigError: none, or one that does not exist.
    """
    tasks = tuple(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))
    unknown = [task for task in tasks if task not in TASKS]
    if unknown or not tasks:
        raise ConfigError(expected_received("--tasks", TASKS, ",".join(unknown)))
    return tuple(task for task in TASKS if task in tasks)


def find_videos(folder: Path) -> dict[str, Path]:
    """The videos of a folder, or the one video file, by name.

    Raises:
        DatasetError: no such folder, no video in it, or two with one name.
    """
    if folder.is_file():
        return {_video_name(folder): folder}
    if not folder.is_dir():
        raise DatasetError(f"{folder}: no such folder or video")
    found: dict[str, Path] = {}
    for path in sorted(folder.iterdir()):
        if path.suffix.lower() in VIDEO_SUFFIXES and path.is_file():
            other = found.setdefault(_video_name(path), path)
            if other != path:
                raise DatasetError(f"{path}: a second video of that name; see {other}")
    if not found:
        raise DatasetError(f"{folder}: holds no video. Expected {', '.join(VIDEO_SUFFIXES)} files")
    return found


def _video_name(path: Path) -> str:
    """The file's name without suffix; it names label files and folders, so it must be tame."""
    name = path.stem
    odd = any(unicodedata.category(letter).startswith("C") for letter in name)
    if odd or ".." in name or name.startswith((".", "@")) or set(name) & set('<>:"/\\|?*&'):
        raise DatasetError(
            f"{str(path)!r}: a name that cannot be used for label files: no '..', no control "
            "characters, none of < > : \" / \\ | ? * &, no '.' or '@' at the start. Rename it"
        )
    return name


def open_project(
    root: str | Path, videos: Path | None = None, label_space: str | None = None
) -> Project:
    """Open a project; where `videos` is given, make it or add new videos to it.

    Raises:
        DatasetError: no videos, no project, or one that is damaged.
        ConfigError: another label space than the project has.
    """
    root = Path(root)
    if videos is None:
        return _read(root, label_space)
    found = find_videos(videos)
    with writer_lock(root / PROJECT, "the project", wait=True):
        if not (root / PROJECT).exists():
            if root.is_dir() and any(p.name != f"{PROJECT}.lock" for p in root.iterdir()):
                raise DatasetError(f"{root}: a folder with other files, and not a project")
            facts = {"format": 1, "id": secrets.token_hex(8), "seed": secrets.randbits(32),
                     "label space": label_space or "aff-wild", "videos": []}  # fmt: skip
            write_json(root / PROJECT, facts)
        project = _read(root, label_space)
        known = {name: str(path) for name, path in project.sources.items()}
        all_videos = known | {name: str(path.resolve()) for name, path in found.items()}
        if len(all_videos) > MAX_VIDEOS:
            received = len(all_videos)
            raise DatasetError(expected_received(f"{root}: videos", MAX_VIDEOS, received))
        if all_videos != known:
            entries = [{"name": name, "source": path} for name, path in all_videos.items()]
            write_json(root / PROJECT, {**_facts(root), "videos": entries})
            project = _read(root, label_space)
    return project


def _facts(root: Path) -> dict[str, Any]:
    facts = read_json(root / PROJECT)
    wanted = {"format", "id", "seed", "label space", "videos"}
    if not isinstance(facts, dict) or set(facts) != wanted or facts["format"] != 1:
        raise DatasetError(f"{root / PROJECT}: not a project of this version of the tool")
    return facts


def _read(root: Path, label_space: str | None) -> Project:
    if not (root / PROJECT).is_file():
        raise DatasetError(f"{root}: not a project: it has no {PROJECT}")
    try:
        facts = _facts(root)
        space = LABEL_SPACES[facts["label space"]]
        sources = {entry["name"]: Path(entry["source"]) for entry in facts["videos"]}
        project = Project(
            root, str(facts["id"]), space, int(facts["seed"]), tuple(sources), sources
        )
    except (ArtifactError, KeyError, TypeError, ValueError) as error:
        raise DatasetError(f"{root / PROJECT}: damaged: {error}") from error
    for name in project.videos:
        safe_join(project.copies, f"{name}.mp4")
    if label_space is not None and label_space != space.name:
        raise ConfigError(
            expected_received(f"{root}: the project's label space", space.name, label_space)
        )
    return project

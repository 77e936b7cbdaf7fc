"""A ready project of drawn faces, to try the tool at once: `kaffect annotate --demo`.

Three of the embedded synthetic videos. The logs of three simulated experts are in it, so
that `--review` has something to show; the merged labels stand as a proposal beside the
visitor's own.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

from kaffect.annotation.copies import Copy, make_copies, open_copy
from kaffect.annotation.export import events_of
from kaffect.annotation.formats.trees import read_tree
from kaffect.annotation.labels import AnnotatorLabels
from kaffect.annotation.log import open_log
from kaffect.annotation.project import Project, open_project
from kaffect.files import atomic_directory, home, writer_lock
from kaffect.labels import TASKS
from kaffect.synthetic import SyntheticConfig, write_tree

VIDEOS = 3
VISITOR = "visitor"


def demo_project(say: Callable[[str], None]) -> Project:
    """The project in the cache of `$KAFFECT_HOME`; made the first time."""
    root = home() / "annotate-demo"
    with writer_lock(root, "the demo", wait=True):
        if not root.exists():
            say("rendering drawn faces (once)")
            with atomic_directory(root) as folder:
                _make(folder)
    # The videos lie elsewhere than when the project was made.
    return open_project(root / "project", root / "videos")


def _make(folder: Path) -> None:
    config = SyntheticConfig(
        expression_videos=(VIDEOS + 1, 0, 0), au_videos=(VIDEOS + 1, 0, 0), seconds=8.0,
        joint_share=1.0, sizes=((480, 360),),
    )  # fmt: skip
    tree = write_tree(folder / "data", config, processes=1, progress=False)
    names = [
        path for path in sorted((tree / "videos").iterdir()) if _tasks_of(tree, path.stem) == 3
    ]
    for path in names[:VIDEOS]:
        (folder / "videos").mkdir(exist_ok=True)
        shutil.copyfile(path, folder / "videos" / path.name)
    project = open_project(folder / "project", folder / "videos")
    make_copies(project, lambda text: None)
    copies = {name: open_copy(project, name) for name in project.videos}
    for expert in sorted((tree / "annotators").iterdir()):
        _write(project, copies, expert.name, expert, 1)
    _write(project, copies, VISITOR, tree, 0)


def _tasks_of(tree: Path, video: str) -> int:
    """How many tasks a video has labels for, under its own name."""
    return len(list((tree / "annotations").glob(f"*/*/{video}.txt")))


def _write(
    project: Project, copies: dict[str, Copy], annotator: str, tree: Path, number: int
) -> None:
    frames = {name: copy.frames for name, copy in copies.items()}
    labels = AnnotatorLabels(project.space, frames)
    events = []
    for video, arrays in read_tree(tree, copies, labels.codes).items():
        events += events_of(labels, arrays, video, number, "drawn example")
        done = {"kind": "done", "video": video, "pass": 1, "done": True}
        events += [{**done, "task": task} for task in TASKS] if number else []
    with open_log(project.folder_of(annotator), project.id, annotator) as log:
        log.append(events)

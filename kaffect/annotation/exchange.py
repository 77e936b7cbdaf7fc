"""Labels to and from files of other tools, by their names (paper Section III-B)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from kaffect.annotation.copies import Copy, open_copy
from kaffect.annotation.export import ExportSettings, events_of, put_video, replay_all
from kaffect.annotation.formats.elan import read_eaf, write_eaf
from kaffect.annotation.formats.label_studio import from_task, read_tasks, to_task
from kaffect.annotation.formats.predictions import read_predictions
from kaffect.annotation.formats.trees import read_tree
from kaffect.annotation.labels import AnnotatorLabels, Arrays
from kaffect.annotation.log import LogWriter
from kaffect.annotation.project import Project
from kaffect.errors import ConfigError, DatasetError, expected_received
from kaffect.files import atomic_directory, sha256, write_json

PROPOSAL = 0


def export_files(out: Path, project: Project, settings: ExportSettings, kind: str) -> None:
    """Write `out`/<annotator>/<video>.eaf, or `out`/<annotator>.json for Label Studio.

    Raises:
        ConfigError: `out` exists, or nobody has such a name.
    """
    if out.exists():
        raise ConfigError(f"{out}: exists already; name a folder that does not")
    everybody = replay_all(project)
    people = [settings.annotator] if settings.annotator else list(everybody)
    if not people or any(name not in everybody for name in people):
        raise ConfigError(expected_received("--annotator", tuple(everybody), settings.annotator))
    with atomic_directory(out) as folder:
        for name in project.videos:
            put_video(folder, project, name)
        for annotator in people:
            labels = everybody[annotator]
            tasks = []
            for video in project.videos:
                number = settings.number or labels.latest_pass(video)
                arrays = labels.arrays(video, number)
                if kind == "elan":
                    film = Path("..") / "videos" / f"{video}.mp4"
                    path = folder / annotator / f"{video}.eaf"
                    write_eaf(path, film, arrays, labels.codes, annotator)
                else:
                    tasks.append(to_task(f"videos/{video}.mp4", arrays, labels.codes))
            if tasks:
                write_json(folder / f"{annotator}.json", tasks)


def read_labels(path: Path, project: Project, labels: AnnotatorLabels) -> dict[str, Arrays]:
    """Video -> labels of a data tree, an .eaf file (named as its video) or a .json export.

    Raises:
        DatasetError: the file is none of them, or of no video of the project.
    """
    copies = {name: open_copy(project, name) for name in project.videos}
    if path.is_dir():
        return read_tree(path, copies, labels.codes)
    if path.suffix == ".eaf":
        copy = _copy_of(path, copies)
        return {copy.name: read_eaf(path, copy.frames, labels.codes)}
    if path.suffix == ".json":
        tasks = {name: task for name, task in read_tasks(path).items() if name in copies}
        if not tasks:
            raise DatasetError(f"{path}: has labels of no video of this project")
        return {
            name: from_task(path, task, copies[name].frames, labels.codes)
            for name, task in tasks.items()
        }
    raise DatasetError(
        f"{path}: cannot be imported. Expected a data tree, an .eaf file or a Label Studio .json"
    )


def _copy_of(path: Path, copies: dict[str, Copy]) -> Copy:
    if path.stem not in copies:
        raise DatasetError(
            f"{path}: no video of this project has that name. Expected one of "
            f"{', '.join(sorted(copies)[:8])}"
        )
    return copies[path.stem]


def import_into(log: LogWriter, project: Project, labels: AnnotatorLabels, path: Path) -> int:
    """Append the labels of a file to the log, as steps that can be undone; give the videos.

    A `.csv` of `kaffect predict` becomes a proposal. A file that was imported already, byte
    for byte, is not imported twice.
    """
    events, videos = import_events(project, labels, path)
    labels.apply(log.append(events))
    return videos


def import_events(
    project: Project, labels: AnnotatorLabels, path: Path
) -> tuple[list[dict[str, Any]], int]:
    """The events by which `import_into` takes a file into a log, and the number of videos."""
    if path.suffix == ".csv":
        copies = {name: open_copy(project, name) for name in project.videos}
        copy = _copy_of(path, copies)
        found, number = {copy.name: read_predictions(path, copy, labels.codes)}, PROPOSAL
    else:
        found, number = read_labels(path, project, labels), 1
    mark = sha256(path)[:24] if path.is_file() else None
    events = []
    for video, arrays in found.items():
        for event in events_of(labels, arrays, video, number, path.name):
            if mark is not None:
                event["id"] = f"import-{mark}-{number}-{video}-{event['kind']}"
            events.append(event)
    return events, len(found)

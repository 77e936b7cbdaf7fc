"""Checks a data tree for faults that would spoil training unnoticed (paper Sections II and III).

Reads all annotation text; videos are decoded on demand only. One file is held in
memory at a time. `kaffect.curation.anomalies.KINDS` lists the faults.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from kaffect.curation.anomalies import Anomaly, Findings
from kaffect.curation.check_text import (
    LENGTH_TOLERANCE,
    FileSummary,
    check_label_file,
    check_list_file,
)
from kaffect.data.discovery import (
    LIST,
    VIDEO_SUFFIXES,
    LabelFile,
    box_file,
    find_label_files,
    find_videos,
    folders,
    recording,
    video_of,
)
from kaffect.data.subjects import SUBJECTS, Subject, read_subjects, subject_of
from kaffect.data.track_labels import beyond_video, open_list
from kaffect.errors import AnnotationError, DatasetError
from kaffect.faces.crops import read_boxes
from kaffect.files import safe_join, sha256
from kaffect.labels import VALENCE_AROUSAL


@dataclass(frozen=True)
class CheckReport:
    """What was checked and found.

    Attributes:
        anomalies: sorted by file and line.
        counts: files, tracks, videos, lines (label lines read), frames (decoded).
    """

    root: Path
    anomalies: tuple[Anomaly, ...]
    counts: dict[str, int]


@dataclass
class _Track:
    """What is known of one track during the check."""

    name: str
    video: Path | None
    summaries: list[FileSummary] = field(default_factory=list)

    @property
    def lines(self) -> int:
        return max(summary.lines for summary in self.summaries)


def check_tree(
    root: str | Path, decode: bool = False, partition: Mapping[str, str] | None = None
) -> CheckReport:
    """Check a tree for every kind of anomaly; never raises for what it finds.

    Args:
        decode: decode every video as well: frames are counted, boxes compared with
            picture sizes, and pictures of different splits with each other.
    """
    root = Path(root)
    findings = Findings(root)
    files = find_label_files(root, findings.report)
    if not files:
        return CheckReport(root, tuple(findings.sorted()), {"files": 0})
    videos = find_videos(root, findings.report)
    tracks = _read_files(files, videos, findings)
    if partition is not None:
        for track in tracks.values():
            split = partition.get(track.name, "none")
            track.summaries = [replace(s, split=split) for s in track.summaries]
    _check_stray(root, files, findings)
    _check_classes(tracks.values(), findings)
    _check_copies(tracks.values(), findings)
    _check_video_copies(videos, findings)
    for track in tracks.values():
        _check_track(track, videos, findings)
        _check_boxes(root, track, findings)
    subjects = _subjects(root, findings)
    _check_names(root, tracks, videos, subjects, findings)
    _check_splits(tracks.values(), subjects, findings)
    counts = {
        "files": len(files),
        "tracks": len(tracks),
        "videos": len(videos),
        "lines": sum(s.rows for track in tracks.values() for s in track.summaries),
    }
    if decode:
        from kaffect.curation.check_video import check_videos

        counts["frames"] = check_videos(
            root,
            [
                (t.name, t.video, {s.split for s in t.summaries}, t.lines, _whole(t))
                for t in tracks.values()
                if t.video is not None
            ],
            findings,
        )
    return CheckReport(root, tuple(findings.sorted()), counts)


def _whole(track: _Track) -> bool:
    """Whether the annotation has a line for every frame; a list file may not."""
    return any(summary.task != LIST for summary in track.summaries)


def _read_files(
    files: list[LabelFile], videos: dict[str, Path], findings: Findings
) -> dict[str, _Track]:
    tracks: dict[str, _Track] = {}
    for file in files:
        if file.task == LIST:
            summaries = check_list_file(file, findings)
        else:
            summaries = {file.path.stem: check_label_file(file, findings)}
        for name, summary in summaries.items():
            track = tracks.setdefault(name, _Track(name, video_of(name, videos)))
            track.summaries.append(summary)
    return dict(sorted(tracks.items()))


def _check_stray(root: Path, files: list[LabelFile], findings: Findings) -> None:
    known = {file.path for file in files}
    for folder in folders(root):
        if "annotations" in folder.name.lower() and not folder.is_symlink():
            for path in sorted(folder.rglob("*.txt")):
                if path not in known and not path.is_symlink():
                    findings.add("stray", path, None, "no layout has an annotation file here")


def _check_classes(tracks: Iterable[_Track], findings: Findings) -> None:
    first: dict[str, FileSummary] = {}
    for track in tracks:
        for summary in track.summaries:
            other = first.setdefault(summary.task, summary)
            if summary.columns and other.columns and summary.columns != other.columns:
                findings.add(
                    "label-space", summary.path, None, f"{len(summary.columns)} classes, but "
                    f"{findings.name(other.path)} has {len(other.columns)}"
                )  # fmt: skip


def _check_copies(tracks: Iterable[_Track], findings: Findings) -> None:
    first: dict[tuple[str, bytes], FileSummary] = {}
    for track in tracks:
        for summary in track.summaries:
            if summary.digest is None:
                continue
            other = first.setdefault((summary.task, summary.digest), summary)
            if other.path != summary.path:
                findings.add(
                    "same-labels", summary.path, None, "the same lines as "
                    f"{findings.name(other.path)}"
                )  # fmt: skip


def _check_video_copies(videos: dict[str, Path], findings: Findings) -> None:
    sizes: dict[int, list[Path]] = defaultdict(list)
    for path in (p for p in videos.values() if p.is_file()):
        sizes[path.stat().st_size].append(path)
    for paths in sizes.values():
        first: dict[str, Path] = {}
        for path in paths if len(paths) > 1 else ():
            other = first.setdefault(sha256(path), path)
            if other != path:
                name = findings.name(other)
                findings.add("same-video", path, None, f"the same bytes as {name}")


def _check_track(track: _Track, videos: dict[str, Path], findings: Findings) -> None:
    summaries = track.summaries
    if track.video is None:
        message = (
            f"no video for this track; looked for cropped_aligned/{track.name}/ and "
            f"videos/{track.name} with {', '.join(VIDEO_SUFFIXES)}"
        )
        findings.add("no-video", summaries[0].path, None, message)
    longest = max(summaries, key=lambda s: s.lines)
    seen: dict[tuple[str, str], Path] = {}
    for summary in summaries:
        other = seen.setdefault((summary.task, summary.split), summary.path)
        if other != summary.path:
            message = f"a second annotation of this task; see {findings.name(other)}"
            findings.add("second-file", summary.path, None, message)
        missing = longest.lines - summary.lines
        if summary.lines and LIST not in (summary.task, longest.task):
            if missing > LENGTH_TOLERANCE:
                findings.add(
                    "length", summary.path, summary.lines, f"lines for {summary.lines} frames, "
                    f"but {findings.name(longest.path)} has {longest.lines}"
                )  # fmt: skip
        if summary.task == LIST and track.video is not None:
            error = beyond_video(open_list(summary.path), track.name, track.video)
            if error is not None:
                findings.report(error.kind, summary.path, error)
    parts = {s.task: s for s in summaries if s.task in VALENCE_AROUSAL}
    if len(parts) == 1:
        (part,) = parts.values()
        other_task = VALENCE_AROUSAL[1 - VALENCE_AROUSAL.index(part.task)]
        findings.add("unpaired", part.path, None, f"no file for {other_task} of this track")


def _check_boxes(root: Path, track: _Track, findings: Findings) -> None:
    path = box_file(root, track.name, findings.report)
    if path is None:
        return
    try:
        boxes = read_boxes(path)
    except AnnotationError as error:
        findings.report("boxes", path, error)
        return
    last = max(boxes, default=0)
    if _whole(track) and last > track.lines + LENGTH_TOLERANCE:
        message = f"a box for frame {last}, but the annotation has lines for {track.lines}"
        findings.add("boxes", path, list(boxes).index(last) + 2, message)


def _subjects(root: Path, findings: Findings) -> dict[str, Subject]:
    path = root / SUBJECTS
    try:
        safe_join(root, path.name)
    except DatasetError as error:
        findings.report("outside", path, error)
        return {}
    try:
        return read_subjects(path) if path.is_file() else {}
    except AnnotationError as error:
        findings.report("subjects", path, error)
        return {}


def _check_names(
    root: Path,
    tracks: dict[str, _Track],
    videos: dict[str, Path],
    subjects: dict[str, Subject],
    findings: Findings,
) -> None:
    known = set(tracks) | set(videos)
    for name in sorted(set(subjects) - known):
        message = f"names {name!r}, and there is no such track or video"
        findings.add("no-track", root / SUBJECTS, None, message)
    for track in tracks.values() if subjects else ():
        if subject_of(track.name, track.video, subjects) is None:
            message = f"subjects.csv does not say who is seen in {track.name!r}"
            findings.add("no-subject", track.summaries[0].path, None, message)
    boxes = root / "boxes"
    for path in sorted(boxes.glob("*.csv")) if boxes.is_dir() else ():
        if path.stem not in tracks:
            findings.add("no-track", path, None, "no annotation has a track of this name")


def _check_splits(
    tracks: Iterable[_Track], subjects: dict[str, Subject], findings: Findings
) -> None:
    """A track, a video and a person are in one split only, whatever the task."""
    for track in tracks:
        _one_split("track", track.name, [(s, track.name) for s in track.summaries], findings)
    groups: dict[tuple[str, str], list[tuple[FileSummary, str]]] = defaultdict(list)
    for track in tracks:
        files = [(summary, track.name) for summary in track.summaries]
        if track.video is not None:
            groups["video", recording(track.video)] += files
        person = subject_of(track.name, track.video, subjects)
        if person is not None:
            groups["subject", person.name] += files
    for (kind, name), files in sorted(groups.items()):
        if len({track for _, track in files}) > 1:
            _one_split(kind, name, files, findings)


def _one_split(
    kind: str, name: str, files: list[tuple[FileSummary, str]], findings: Findings
) -> None:
    first = files[0][0]
    for summary, track in files:
        if summary.split != first.split:
            message = (
                f"{kind} {name!r} is in {summary.split} here and in {first.split} in "
                f"{findings.name(first.path)}"
            )
            findings.add(f"split-of-{kind}", summary.path, None, message)
            return

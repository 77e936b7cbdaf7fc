"""The people in a data tree, and whether one is in two splits (paper Section II-D).

`subjects.csv` has the columns `video,subject` and optionally `gender`; a video may be
named with or without its suffix, or by the name of a track.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from kaffect.data.annotations.numbers import read_text
from kaffect.data.discovery import VIDEO_SUFFIXES, recording_stem
from kaffect.errors import AnnotationError, expected_received

SUBJECTS = "subjects.csv"
_HEADERS = (("video", "subject"), ("video", "subject", "gender"))


@dataclass(frozen=True)
class Subject:
    """A person, by the name that `subjects.csv` gives; `gender` as written, or None."""

    name: str
    gender: str | None = None


def read_subjects(path: str | Path) -> dict[str, Subject]:
    """Video or track name, without suffix, -> person.

    Raises:
        AnnotationError: with path and line: a wrong header or number of fields, an empty
            field, or a name given twice with different people.
    """
    path = Path(path)
    lines = read_text(path).removesuffix(b"\n").split(b"\n")
    try:
        header, *rows = [line.decode("utf-8") for line in lines]
    except UnicodeDecodeError as error:
        raise AnnotationError(path, None, f"not UTF-8 text: {error.reason}") from error
    columns = tuple(name.strip() for name in header.split(","))
    if columns not in _HEADERS:
        accepted = {",".join(names) for names in _HEADERS}
        raise AnnotationError(path, 1, expected_received("wrong header", accepted, header))
    found: dict[str, Subject] = {}
    for line, row in enumerate(rows, 2):
        fields = [text.strip() for text in row.split(",")]
        if len(fields) != len(columns):
            raise AnnotationError(
                path, line, expected_received("wrong number of fields", header, row[:60])
            )
        if not fields[0] or not fields[1]:
            raise AnnotationError(path, line, f"empty video or subject. Received: {row[:60]!r}")
        name = _without_suffix(fields[0])
        subject = Subject(fields[1], fields[2] if len(fields) > 2 and fields[2] else None)
        if found.setdefault(name, subject).name != subject.name:
            raise AnnotationError(
                path, line, f"{name!r} is given twice, as {found[name].name!r} and as "
                f"{subject.name!r}; where two people are seen name the tracks (_left, _right)"
            )  # fmt: skip
    return found


def subject_of(track: str, video: Path | None, subjects: Mapping[str, Subject]) -> Subject | None:
    """The person of a track, by its own name first, then by that of its video; None if unknown."""
    if track in subjects or video is None:
        return subjects.get(track)
    return subjects.get(recording_stem(video))


def _without_suffix(name: str) -> str:
    path = PurePosixPath(name)
    return path.stem if path.suffix.lower() in VIDEO_SUFFIXES else path.name


def leaks(tracks: Iterable[tuple[str, str, str, str | None]]) -> list[str]:
    """One sentence for each video or person in two splits; empty for a sound partition.

    Args:
        tracks: (track, split, video, subject or None) of each.
    """
    places: dict[tuple[str, str], dict[str, str]] = defaultdict(dict)
    for track, split, video, subject in tracks:
        places["video", video].setdefault(split, track)
        if subject is not None:
            places["subject", subject].setdefault(split, track)
    return [
        f"{kind} {name!r} is in " + " and in ".join(f"{s} ({t})" for s, t in sorted(where.items()))
        for (kind, name), where in sorted(places.items())
        if len(where) > 1
    ]

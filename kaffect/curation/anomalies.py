"""The written list of what `kaffect data check` looks for in a data tree (paper Sections II, III).

`docs/data_check.md` explains each kind to the user; a test holds both lists together.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kaffect.errors import AnnotationError, KaffectError

KINDS: dict[str, str] = {
    # One file.
    "unreadable": "a file that cannot be read as text, or is too large",
    "empty": "an annotation file without a line for any frame",
    "header": "a first line that is no header of any release",
    "task": "a header of another task than the folder's",
    "fields": "a line with too many or too few fields, or a blank line before the end",
    "number": "a field that is not a decimal number",
    "range": "a number outside of the label space",
    "mixed-mark": "frames with a mark (-5, -1) in one field and a label in another",
    "no-labels": "a file in which no frame has a label",
    "constant": "valence or arousal that never changes over 100 or more labelled frames",
    "image-name": "a row of a list file whose image is not folder/number.jpg",
    "repeated": "a list file that names an image more than once",
    "conflict": "a list file that labels an image twice and differently",
    "past-end": "a row of a list file for a frame that its video cannot have",
    # Files of one track.
    "length": "annotations of one track whose numbers of lines differ by more than one",
    "unpaired": "original Aff-Wild with a valence file and no arousal file, or the reverse",
    "second-file": "two annotation files for the same task of one track",
    "no-video": "an annotation without a video",
    "second-video": "two video files of one name",
    "boxes": "a box file that cannot be read, or one for a frame past the last label",
    "no-track": "a box file, or a line of subjects.csv, for a track that is not there",
    "subjects": "subjects.csv cannot be read",
    "no-subject": "a track that subjects.csv does not name",
    # The whole tree.
    "tree": "no folder, or a folder without annotations",
    "outside": "a link that leads out of the tree",
    "stray": "a text file in an annotation folder that no layout claims, so that nobody reads it",
    "label-space": "files of one task with different classes",
    "same-labels": "two annotation files with the same 100 or more lines",
    "split-of-track": "a track in different splits for different tasks",
    "split-of-video": "a video in two splits",
    "split-of-subject": "a person in two splits",
    "same-video": "two video files with the same bytes",
    # With --decode.
    "video": "a video that cannot be read",
    "time-stamps": "a video whose time stamps are missing, repeat or run backwards",
    "damaged-frames": "a video with frames that cannot be decoded",
    "frame-count": "a video whose header claims other than its decoded frames",
    "video-length": "a video whose decoded frames do not fit its annotation",
    "box-outside": "a face box that lies outside of its frame",
    "same-frames": "the same pictures in videos of two splits",
}


@dataclass(frozen=True, order=True)
class Anomaly:
    """One finding.

    Attributes:
        file: below the tree's root, with escapes for characters that do not print.
        line: 1-based; of a whole file or folder 1.
        kind: a key of `KINDS`.
    """

    file: str
    line: int
    kind: str
    message: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.kind}: {self.message}"

    def to_dict(self) -> dict[str, Any]:
        return {
            "file": self.file, "line": self.line, "kind": self.kind, "message": self.message,
        }  # fmt: skip


class Findings:
    """Collects anomalies below one root.

    Args:
        most: findings that are listed for one file and kind; the rest is counted.
    """

    def __init__(self, root: Path, most: int = 20) -> None:
        self.root = root
        self._most = most
        self._found: list[Anomaly] = []
        self._counts: dict[tuple[Path, str], int] = {}

    def add(self, kind: str, path: Path, line: int | None, message: str) -> None:
        """Note a finding of `kind` in `path`."""
        if kind not in KINDS:
            raise KeyError(kind)
        count = self._counts[path, kind] = self._counts.get((path, kind), 0) + 1
        if count <= self._most:
            text = printable(message.replace(f"{self.root}/", ""))
            self._found.append(Anomaly(self.name(path), line or 1, kind, text))

    def report(self, kind: str, path: Path, error: KaffectError) -> None:
        """Note an error in `path`; an `AnnotationError` brings its own path and line."""
        if isinstance(error, AnnotationError):
            self.add(kind, error.path, error.line, error.problem)
        else:
            self.add(kind, path, None, str(error).removeprefix(f"{path}: "))

    def name(self, path: Path) -> str:
        """`path` below the root, on one line."""
        inside = path.relative_to(self.root) if path.is_relative_to(self.root) else path
        return printable(inside.as_posix())

    def sorted(self) -> list[Anomaly]:
        """All findings by file and line, with one more line for a file that has too many."""
        more = [
            Anomaly(self.name(path), 1, kind, f"{count - self._most} more lines of this kind")
            for (path, kind), count in self._counts.items()
            if count > self._most
        ]
        return sorted(self._found) + sorted(more)


def printable(text: str) -> str:
    """`text` with escapes where it would break a line, move the cursor or not encode."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape", "surrogatepass").decode()
                   for c in text)  # fmt: skip

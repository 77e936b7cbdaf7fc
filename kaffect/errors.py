"""The errors that a user can cause: what, where, what is accepted and what arrived.

Command-line entries print the message of a `KaffectError` on one line and exit
with code 2; a traceback is shown only with `--debug`.
"""

from __future__ import annotations

from pathlib import Path


class KaffectError(Exception):
    """Base of every error that is the input's fault and not a bug."""


class AnnotationError(KaffectError):
    """An annotation file that cannot be read as one.

    Args:
        path: the file.
        line: 1-based line number, or `None` where the whole file is meant.
        problem: what is wrong, what is accepted, what was received.
        kind: the name of this fault in the list of `kaffect data check` (docs/data_check.md).
    """

    def __init__(
        self, path: str | Path, line: int | None, problem: str, kind: str = "unreadable"
    ) -> None:
        self.path = Path(path)
        self.line = line
        self.problem = problem
        self.kind = kind
        place = f"{path}:{line}" if line is not None else f"{path}"
        super().__init__(f"{place}: {problem}")


class DatasetError(KaffectError):
    """A data tree or a prepared data set that is incomplete, damaged or not one."""


class VideoError(KaffectError):
    """A video that is missing, does not decode, or does not fit its annotation."""


class ConfigError(KaffectError):
    """A setting, a table name or a combination of flags that is not accepted."""


class ArtifactError(KaffectError):
    """A weights file, checkpoint or export that is damaged or of another kind."""


class StorageError(ArtifactError, OSError):
    """A disk that is full, or a file that may not grow; nothing half-written is left."""


class TrainingDiverged(KaffectError):
    """A loss or gradient that is not finite; the last good checkpoint is kept."""


def expected_received(what: str, expected: object, received: object) -> str:
    """The house template of an error text.

    >>> expected_received("Unknown table", ("X", "XI"), "XII")
    "Unknown table. Expected one of 'X', 'XI'. Received: 'XII'"
    """
    if isinstance(expected, (tuple, list, set, frozenset)):
        accepted = "one of " + ", ".join(repr(item) for item in sorted(expected, key=str))
    else:
        accepted = str(expected)
    return f"{what}. Expected {accepted}. Received: {received!r}"

"""Rows of a table that have no result: why, for the report and for the exit code.

Serves the researcher: one row that cannot run takes no other row with it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from kaffect.errors import (
    ArtifactError,
    ConfigError,
    DatasetError,
    KaffectError,
    TrainingDiverged,
)

# What may happen to one row and says nothing of the next.
RECOVERABLE_ERRORS = (ArtifactError, DatasetError, TrainingDiverged)


class StartError(ArtifactError):
    """The weights that a row starts from cannot be read or do not fit its network."""


class RowError(ConfigError):
    """The settings of a row are not accepted, before anything is run.

    Attributes:
        label: of the row; settings: the dotted names that the message speaks of.
    """

    def __init__(self, message: str, label: str, settings: Sequence[str]) -> None:
        super().__init__(message)
        self.label, self.settings = label, tuple(settings)


@dataclass(frozen=True)
class Problem:
    """Why a row has no result with one seed.

    Attributes:
        kind: 'not run' or, where training began, 'failed'.
        fault: whether the command's exit code tells; data without a row's labels are no fault.
    """

    row: int
    seed: int
    kind: str
    reason: str
    fault: bool

    @staticmethod
    def of(row: int, seed: int, error: KaffectError) -> Problem:
        """What one of `RECOVERABLE_ERRORS` means for a row."""
        begun = not isinstance(error, (StartError, DatasetError))
        kind = "failed" if begun else "not run"
        return Problem(row, seed, kind, str(error), not isinstance(error, DatasetError))


def explain(problems: Sequence[Problem]) -> list[str]:
    """One line for each reason: 'rows 1, 2: not run: ...'; seeds where there are several."""
    found: dict[tuple[str, str], list[str]] = {}
    several = len({problem.seed for problem in problems}) > 1
    for problem in problems:
        name = f"{problem.row} (seed {problem.seed})" if several else f"{problem.row}"
        found.setdefault((problem.kind, problem.reason), []).append(name)
    return [
        f"row{'s' if len(names) > 1 else ''} {', '.join(names)}: {kind}: {reason}"
        for (kind, reason), names in found.items()
    ]


def raise_faults(problems: Sequence[Problem]) -> None:
    """End the command with an error if rows failed, after the others have run.

    Raises:
        KaffectError: says which rows, and why.
    """
    faults = [problem for problem in problems if problem.fault]
    if faults:
        raise KaffectError("; ".join(explain(faults)))

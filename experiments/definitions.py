"""What an experiment is: rows of settings, the paper's figures to stand beside, cost and command.

Serves the researcher who reproduces a table: a table file holds data only, and
everything that runs it is elsewhere.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any, Protocol

from kaffect.config import LossConfig, RunConfig


class AnyRow(Protocol):
    """What every row of a recognition table offers, wherever its settings come from."""

    @property
    def label(self) -> str: ...

    @property
    def settings(self) -> dict[str, Any]: ...

    def configure(self, base: RunConfig, seed: int) -> RunConfig: ...


@dataclass(frozen=True)
class Row:
    """One line of a table: the settings in which it differs from the others.

    Attributes:
        label: short name in reports.
        loss: Equation 6 for this row.
        learning_rate: of Adam.
    """

    label: str
    loss: LossConfig
    learning_rate: float

    def configure(self, base: RunConfig, seed: int) -> RunConfig:
        """The whole configuration of this row on top of a profile's."""
        train = dataclasses.replace(base.train, learning_rate=self.learning_rate, seed=seed)
        return dataclasses.replace(base, loss=self.loss, train=train)

    @property
    def settings(self) -> dict[str, Any]:
        """What a report and TensorBoard's HParams show of this row."""
        return {
            "va_loss": self.loss.va_loss,
            "expression_loss": self.loss.expression_loss,
            "alpha": self.loss.alpha,
            "beta": self.loss.beta,
            "learning_rate": self.learning_rate,
        }


@dataclass(frozen=True)
class Table:
    """A table of the paper as an experiment.

    Attributes:
        name: as on the command line, in Roman numerals as the paper prints it.
        title: what it compares.
        section: where the paper speaks of it.
        rows: in the paper's order; `--row N` counts from 1.
        expected: the figure that the paper reports for its best row.
        cost: what each profile takes, as measured.
    """

    name: str
    title: str
    section: str
    rows: tuple[AnyRow, ...]
    expected: str
    cost: str

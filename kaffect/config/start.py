"""The run that a training starts from, as settings of every study (`--start RUN`).

For the user who goes on from a network of his own on other data. Not in the paper.
"""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic.dataclasses import dataclass

from kaffect.config.base import LATER, STRICT, Settings
from kaffect.errors import ConfigError, expected_received


@dataclass(frozen=True, config=STRICT)
class Start(Settings):
    """Whose layers a training takes over where their names and shapes fit, before it begins.

    Attributes:
        run: path of a run or an export; None: the initial weights are the network's own.
        content: its hash, as `kaffect.studies.starting.content_of` gives it; what is found at the
            path has to have it.
    """

    PART: ClassVar[str] = "start"

    run: Annotated[str | None, LATER] = None
    content: Annotated[str, LATER] = ""

    def check(self) -> None:
        if bool(self.content) != bool(self.run):
            expected = "both, as --start RUN sets them, or neither"
            received = (self.run, self.content)
            raise ConfigError(expected_received("start.run and start.content", expected, received))

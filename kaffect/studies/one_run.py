"""One results folder is one run: all its rows share data, profile and settings of the command.

Serves the researcher who compares rows: what a row of the table does not set itself is the same
in every row of a folder, whenever that row was trained.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from kaffect.errors import ConfigError
from kaffect.files import read_json
from kaffect.studies.plan import Plan, Training
from kaffect.studies.results import read_records, results_file
from kaffect.training.checkpoints import IDENTITY, CheckpointFolder, differences

CHECKPOINTS = "checkpoints"
# Differences that a message names.
_MOST = 5
_NAME = re.compile(r"(?:(?P<variant>.+)-)?row-(?P<row>[0-9]+)-seed-(?P<seed>[0-9]+)")
# The path of a file or run says nothing of its content, which an identity has.
_PATHS = ("model.weights", "prepare.detector_model", "start.run")


def require_one_run(
    plan: Plan,
    folder: Path,
    data_hash: str,
    identity: Callable[[Any], Mapping[str, Any]],
) -> None:
    """Reject a folder with rows that this command would have run otherwise; writes nothing.

    Rows that the command trains itself are left out: how those may go on is for their own
    checkpoints to say.

    Args:
        data_hash: of the prepared data.
        identity: configuration -> all that decides its numbers (`Source.identity`).

    Raises:
        ConfigError: names the row and what differs.
    """
    own = {training.name for training in plan.trainings()}
    heads = {"profile": plan.profile.name, "data_hash": data_hash}
    newest: dict[str, dict[str, Any]] = {}
    for record in read_records(results_file(folder, plan.table.name)):
        differing = differences({key: record[key] for key in heads if key in record}, heads)
        _require(folder, f"row {record['row']}", differing)
        newest[Path(str(record.get("folder"))).name] = record
    for name, stated in _stated(folder):
        training = _training(plan, name)
        if name not in own and training is not None:
            _require(folder, training, differences(stated, identity(training.config)))
    for name, line in newest.items():
        training = _training(plan, name)
        if name not in own and training is not None:
            mine = training.config.to_dict()
            _require(folder, training, differences(line["config"], mine, free=_PATHS))


def _stated(folder: Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Name and identity of each training that has a checkpoint in `folder`."""
    for path in sorted((folder / CHECKPOINTS).glob(f"*/{IDENTITY}")):
        if CheckpointFolder(path.parent).last() is not None:
            yield path.parent.name, read_json(path)


def _training(plan: Plan, name: str) -> Training | None:
    """The training of that name, as this command would run it; None where it has no say."""
    match = _NAME.fullmatch(name)
    variant = (match["variant"] or "") if match else ""
    if match is None or variant not in plan.study.variants:
        return None
    number = int(match["row"])
    if not 1 <= number <= len(plan.table.rows) or plan.lacks_weights(plan.table.rows[number - 1]):
        return None
    return plan.training(number, plan.table.rows[number - 1], int(match["seed"]), variant)


def _require(folder: Path, of: Training | str, differing: list[str]) -> None:
    if differing:
        what = "; ".join(differing[:_MOST])
        what += f"; and {len(differing) - _MOST} more" if len(differing) > _MOST else ""
        which = of if isinstance(of, str) else f"row {of.number}, seed {of.seed}"
        raise ConfigError(
            f"{folder}: holds {which}, which was run otherwise; rows in one folder share data, "
            f"profile and settings. {what}. Repeat what it was run with, or name another --out"
        )

"""`kaffect train --table NAME --dry-run > FILE`, then `--config FILE`: the same training."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from kaffect import cli
from kaffect.studies.experiment import PROFILE_NAMES
from kaffect.studies.finding import tables
from kaffect.studies.registry import TRAINED

NAMES = [name for name, table in tables().items() if table.study in TRAINED]


def settings(capsys: pytest.CaptureFixture, *arguments: object) -> dict:
    assert cli.main(["train", *map(str, arguments), "--dry-run"]) == 0
    found: dict = json.loads(capsys.readouterr().out)
    return found


@pytest.mark.parametrize("profile", PROFILE_NAMES)
@pytest.mark.parametrize("name", NAMES)
def test_settings_survive_the_way_through_a_file(
    name: str, profile: str, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    file = tmp_path / "mine.json"
    rows = tables()[name].rows  # type: ignore[attr-defined]
    for row in (3, len(rows)):
        of_row = settings(capsys, "--table", name, "--row", row, "--profile", profile)
        file.write_text(json.dumps(of_row))
        assert settings(capsys, "--config", file, "--profile", profile) == of_row
        # The profile of the second command is of the embedded data alone.
        assert settings(capsys, "--config", file, "--profile", "smoke") == of_row


def test_a_row_that_needs_weights_says_so(capsys: pytest.CaptureFixture) -> None:
    assert cli.main(["train", "--table", "A5", "--row", "1", "--dry-run"]) == 2
    assert "table A5, row 1 needs --weights FILE" in capsys.readouterr().err


def test_the_paper_profile_keeps_its_epochs(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    found = settings(capsys, "--table", "XI", "--row", 2, "--profile", "paper")
    assert (found["train"]["epochs"], found["train"]["steps"]) == (60, 0)


def test_a_file_of_settings_is_checked(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    file = tmp_path / "mine.json"
    for text, said in (
        ('{"study": "gann"}', "study. Expected one of 'framewise', 'gan', 'recognition'"),
        ('{"loss": {"va": "ccd"}}', "Invalid value for loss.va. Expected one of 'ccc', 'mse'"),
        ('{"study": "gan", "train": {"stepps": 3}}', "train: unknown setting"),
        ("[1]", "expected a JSON object of settings"),
    ):
        file.write_text(text)
        assert cli.main(["train", "--config", str(file), "--dry-run"]) == 2
        error = capsys.readouterr().err
        assert said in error and str(file) in error and error.count("\n") == 1

"""What all tables' command lines share: flags mean the same everywhere."""

from __future__ import annotations

import argparse
from pathlib import Path

import pytest

from kaffect.errors import ConfigError
from kaffect.studies.finding import find_trained
from kaffect.studies.plan import chosen_rows, profile_name, require_data

IX = find_trained("IX")


def test_rows_keep_their_number() -> None:
    assert chosen_rows(IX, None) == tuple(enumerate(IX.rows, start=1))
    assert chosen_rows(IX, 3) == ((3, IX.rows[2]),)


@pytest.mark.parametrize("wanted", [0, 6, -1])
def test_a_row_that_is_not_there(wanted: int) -> None:
    with pytest.raises(ConfigError, match=f"table IX has rows 1 to 5. Received: {wanted}"):
        chosen_rows(IX, wanted)


def test_profile_follows_the_data(tmp_path: Path) -> None:
    assert profile_name(argparse.Namespace(profile=None, data=None)) == "demo"
    assert profile_name(argparse.Namespace(profile=None, data=tmp_path)) == "paper"
    assert profile_name(argparse.Namespace(profile="smoke", data=tmp_path)) == "smoke"


def test_data_must_be_a_folder(tmp_path: Path) -> None:
    assert require_data(None) is None and require_data(tmp_path) == tmp_path
    (tmp_path / "file").touch()
    for name in ("file", "absent"):
        with pytest.raises(ConfigError, match=f"{name}: expected a folder"):
            require_data(tmp_path / name)

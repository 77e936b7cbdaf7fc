"""Small projects with videos whose frames are numbered."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest

from kaffect.annotation.project import Project
from tests.annotation import bar_codes
from tests.annotation.pages import project_of


@pytest.fixture(scope="session")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`double.mp4`, 60 frames a second; `film.mp4`, 23.976; 45 frames each."""
    folder = tmp_path_factory.mktemp("clips")
    bar_codes.write_clip(folder / "double.mp4", bar_codes.steady(Fraction(60), 45))
    bar_codes.write_clip(folder / "film.mp4", bar_codes.steady(bar_codes.RATES["film"], 45))
    return folder


@pytest.fixture
def project(clips: Path, tmp_path: Path) -> Project:
    return project_of(clips, tmp_path / "project")

"""What cannot be read: one line, exit code 2, and no file or only complete ones."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from kaffect.cli import main
from kaffect.files import home
from tests.faces.heads import head


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """The line of a command that fails."""
    capsys.readouterr()
    assert main([*arguments]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ")
    return line


def tiny_face() -> np.ndarray:
    """A face of ten pixels, brow to chin, before an even wall."""
    image, box = head(0)
    size = round(len(image) * 10 / (box[2] - box[0]))
    wall = np.full((120, 160, 3), 120, np.uint8)
    wall[40 : 40 + size, 60 : 60 + size] = cv2.resize(
        image, (size, size), interpolation=cv2.INTER_AREA
    )
    return wall


@pytest.mark.parametrize("kind", ["no face", "ten pixels"])
def test_a_picture_in_which_no_face_is_found(
    kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    image = np.full((120, 160, 3), 90, np.uint8) if kind == "no face" else tiny_face()
    cv2.imwrite(str(tmp_path / "face.png"), image)
    line = refused(
        capsys, "predict", str(tmp_path / "face.png"), "--out", str(tmp_path / "out"), "--json"
    )
    assert "face.png: no face was found by 'haar'" in line and "20 pixels" in line
    assert not list(tmp_path.glob("out/*"))


def test_a_folder_that_is_no_model(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cv2.imwrite(str(tmp_path / "face.png"), tiny_face())
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "notes.txt").write_text("nothing here")
    flags = ("--model", str(folder), "--out", str(tmp_path / "out"))
    assert "not an exported model" in refused(capsys, "predict", str(tmp_path / "face.png"), *flags)
    assert "no finished run" in refused(capsys, "evaluate", str(folder))
    assert not (tmp_path / "out").exists() and len(list(folder.iterdir())) == 1


def test_a_list_with_a_class_that_nothing_knows(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cv2.imwrite(str(tmp_path / "face.png"), tiny_face())
    path = tmp_path / "faces.csv"
    path.write_text("path,expression,split\nface.png,Anger,train\nface.png,Boredom,validation\n")
    command = ("train", "--task", "expression", "--data", str(path), "--out", str(tmp_path / "out"))
    line = refused(capsys, *command)
    assert "faces.csv:3: expression: expected one of" in line and "'Boredom'" in line
    assert not (tmp_path / "out").exists()
    assert not [p for p in home().rglob("*") if p.is_file() and p.suffix != ".lock"]

"""What is written from a log: a tree that passes the check, other formats and back again."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kaffect.annotation.copies import open_copy
from kaffect.annotation.exchange import export_files, import_into
from kaffect.annotation.export import ExportSettings, export_tree, replay_all
from kaffect.annotation.log import open_log
from kaffect.annotation.project import Project
from kaffect.annotation.session import Session
from kaffect.cli import main
from kaffect.data import read_annotations
from kaffect.errors import ConfigError, DatasetError
from kaffect.labels import TASKS


def write(project: Project, annotator: str, *events: dict[str, Any]) -> None:
    with open_log(project.folder_of(annotator), project.id, annotator) as log:
        session = Session(project, log, annotator, TASKS)
        start = len(log.text.events)
        session.write([
            {"id": f"s-{start + n}", "video": "film", "pass": 1, **event}
            for n, event in enumerate(events)
        ])  # fmt: skip


def put(*ranges: list[Any], **more: Any) -> dict[str, Any]:
    return {"kind": "label", "set": list(ranges), **more}


def done(task: str) -> dict[str, Any]:
    return {"kind": "done", "task": task, "done": True}


FRAMES = 56  # of the copy of film.mp4: 45 / 23.976 s
WORK = (
    put(["AU1", 10, 19, "present"], ["AU12", 15, 29, "present"], ["AU4", 40, 41, "cannot tell"]),
    put(["expression", 0, 9, "Neutral"], ["expression", 10, 29, "Happiness"],
        ["expression", 30, 35, "cannot tell"]),
    put(["face", 50, 52, "no face"]),
    {"kind": "take", "take": "t1", "device": "keys", "mode": "bounded", "speed": 0.5,
     "dimensions": ["valence", "arousal"]},
    {"kind": "samples", "take": "t1",
     "samples": [[n / 60, n // 2, n / 112, -0.25, 1.0] for n in range(112)]},
    {"kind": "take-end", "take": "t1", "end": FRAMES / 30},
    done("au"),
)  # fmt: skip


def lines(path: Path) -> list[str]:
    return path.read_text().splitlines()


def test_a_tree_that_passes_the_check(project: Project, tmp_path: Path) -> None:
    assert open_copy(project, "film").frames == FRAMES
    write(project, "anna", *WORK)
    out = tmp_path / "tree"
    flags = ["annotate", "--project", str(project.root), "--annotator", "anna"]
    assert main([*flags, "--export", str(out)]) == 0
    assert main(["data", "check", str(out), "--decode"]) == 0
    au = read_annotations(out / "annotations/AU_Set/Training_Set/film.txt")
    assert au.values[:, 0].tolist()[:40] == [0] * 10 + [1] * 10 + [0] * 20
    assert np.flatnonzero(au.values[:, 4] == 1).tolist() == list(range(15, 30))
    assert np.flatnonzero(~au.valid).tolist() == [40, 41, 50, 51, 52]
    classes = read_annotations(out / "annotations/EXPR_Set/Training_Set/film.txt")
    assert classes.values[:, 0].tolist() == [0] * 10 + [4] * 20 + [-1] * 26
    va = read_annotations(out / "annotations/VA_Set/Training_Set/film.txt")
    assert np.flatnonzero(~va.valid).tolist() == [50, 51, 52]
    # Held positions: frame k has samples 2k and 2k + 1, each for half of it.
    expected = (2 * np.arange(FRAMES) + 0.5) / 112
    np.testing.assert_allclose(va.values[va.valid, 0], expected[va.valid], atol=1e-3)
    assert (va.values[va.valid, 1] == -0.25).all()
    assert sorted(p.name for p in (out / "videos").iterdir()) == ["film.mp4"]
    same = "Training_Set/film.txt"
    assert lines(out / "annotators/anna/AU_Set" / same) == lines(out / "annotations/AU_Set" / same)


def test_source_frames_that_nobody_saw_are_marked(project: Project, tmp_path: Path) -> None:
    frames = open_copy(project, "double").frames
    ranges = (["expression", 0, 9, "Fear"], ["expression", 10, frames - 1, "Anger"])
    write(project, "anna", put(*ranges, video="double"))
    out = tmp_path / "tree"
    export_tree(out, project, ExportSettings("anna", source_frames=True))
    assert main(["data", "check", str(out), "--decode"]) == 0
    classes = read_annotations(out / "annotations/EXPR_Set/Training_Set/double.txt")
    assert len(classes) == 45, "a line for each frame of the source"
    assert classes.values[:24, 0].tolist() == [3, -1] * 10 + [1, -1] * 2


def test_units_are_written_once_the_video_is_finished(project: Project, tmp_path: Path) -> None:
    write(project, "anna", put(["AU1", 0, 9, "present"]), put(["expression", 0, 9, "Fear"]))
    notes = export_tree(tmp_path / "a", project, ExportSettings("anna"))
    assert len(notes) == 1 and "not marked as finished" in notes[0]
    assert not (tmp_path / "a/annotations/AU_Set").exists()
    write(project, "anna", done("au"), {**done("au"), "done": False})
    export_tree(tmp_path / "b", project, ExportSettings("anna"))
    assert not (tmp_path / "b/annotations/AU_Set").exists()


def test_passes_are_exported_apart(project: Project, tmp_path: Path) -> None:
    write(project, "anna", put(["expression", 0, 9, "Fear"]), {"kind": "pass", "pass": 2},
          put(["expression", 5, 9, "Surprise"], **{"pass": 2}))  # fmt: skip
    found = {}
    for number in (None, 1, 2):
        export_tree(tmp_path / f"p{number}", project, ExportSettings("anna", number))
        path = tmp_path / f"p{number}/annotations/EXPR_Set/Training_Set/film.txt"
        found[number] = read_annotations(path).values[:10, 0].tolist()
    assert found[1] == [3] * 10 and found[2] == found[None] == [3] * 5 + [6] * 5


def test_experts_are_merged(project: Project, tmp_path: Path) -> None:
    for name, last in (("anna", 19), ("ben", 14), ("carl", 24)):
        write(project, name, put(["AU1", 10, last, "present"]), done("au"))
    export_tree(tmp_path / "out", project, ExportSettings())
    assert not (tmp_path / "out/annotations").exists()
    merged = tmp_path / "merged"
    flags = ["--out", str(merged), "--videos", str(tmp_path / "out/videos")]
    assert main(["data", "merge-annotators", str(tmp_path / "out/annotators"), *flags]) == 0
    assert main(["data", "check", str(merged), "--decode"]) == 0
    au = read_annotations(merged / "annotations/AU_Set/Training_Set/film.txt")
    assert np.flatnonzero(au.values[:, 0]).tolist() == list(range(10, 15)), "what all agree on"


def state(project: Project, annotator: str) -> dict[str, Any]:
    labels = replay_all(project)[annotator]
    found: dict[str, Any] = {}
    for video in project.videos:
        arrays = labels.arrays(video, 1)
        rows = {row: labels.codes.runs(row, v) for row, v in arrays.rows.items()}
        found[video] = (rows, np.round(arrays.va, 6).tolist())
    return json.loads(json.dumps(found))


def take_in(project: Project, annotator: str, path: Path) -> int:
    with open_log(project.folder_of(annotator), project.id, annotator) as log:
        session = Session(project, log, annotator, TASKS)
        return import_into(log, project, session.labels, path)


@pytest.mark.parametrize("kind", ["elan", "label-studio"])
def test_a_round_trip_gives_equal_labels(project: Project, tmp_path: Path, kind: str) -> None:
    write(project, "anna", *WORK, put(["AU1", 0, 0, "absent"], ["AU2", 55, 55, "present"]))
    export_files(tmp_path / "out", project, ExportSettings("anna"), kind)
    path = tmp_path / "out" / ("anna/film.eaf" if kind == "elan" else "anna.json")
    take_in(project, "ben", path)
    before, after = state(project, "anna"), state(project, "ben")
    assert json.dumps(before) == json.dumps(after)
    assert any(before["film"][0].values())
    count = len(project.read_log("ben").events)
    take_in(project, "ben", path)
    assert len(project.read_log("ben").events) == count, "not twice"


@pytest.mark.parametrize("source_frames", [False, True])
def test_a_tree_comes_back(project: Project, tmp_path: Path, source_frames: bool) -> None:
    write(project, "anna", *WORK)
    export_tree(tmp_path / "a", project, ExportSettings("anna", None, source_frames))
    take_in(project, "ben", tmp_path / "a")
    write(project, "ben", done("au"))
    export_tree(tmp_path / "b", project, ExportSettings("ben", None, source_frames))
    for task in ("VA_Set", "EXPR_Set"):
        path = f"annotations/{task}/Training_Set/film.txt"
        assert lines(tmp_path / "a" / path) == lines(tmp_path / "b" / path)


def test_a_prediction_is_a_proposal_and_nobodys_label(project: Project, tmp_path: Path) -> None:
    table = tmp_path / "film.csv"
    rows = [f"{n},{n / 24:.3f},1,1,0.25,-0.5,{0.9 if n < 20 else 0.1},Happiness"
            for n in range(1, 46)]  # fmt: skip
    rows += [f"{n},{n / 24:.3f},1,2,0,0,0.5,Anger" for n in range(1, 10)]
    rows += ["46,2,0,,,,,"]
    table.write_text("frame,time,face,person,valence,arousal,AU1,expression\n" + "\n".join(rows))
    assert take_in(project, "anna", table) == 1
    labels = replay_all(project)["anna"]
    proposal, own = labels.arrays("film", 0), labels.arrays("film", 1)
    sources = open_copy(project, "film").sources
    assert proposal.rows["AU1"].tolist() == (sources < 20).astype(int).tolist()
    assert set(proposal.rows["expression"].tolist()) == {4} and (proposal.va == [0.25, -0.5]).all()
    assert all((values == -1).all() for values in own.rows.values()) and np.isnan(own.va).all()
    with pytest.raises(DatasetError, match="no frame has a label"):
        export_tree(tmp_path / "out", project, ExportSettings("anna"))
    assert not (tmp_path / "out").exists()


BAD = {
    "film.eaf": ["no xml", "<a/>", '<!DOCTYPE x [<!ENTITY a "b">]><ANNOTATION_DOCUMENT/>'],
    "film.json": ["{", "[]", '{"a": 1}', '[{"data": {"video": "film.mp4"}, "annotations": []}]',
                  '[{"data": {"video": "film.mp4"}, "annotations": [{"result": [{"type": '
                  '"timelinelabels", "value": {"ranges": [{"start": 0, "end": 9}], '
                  '"timelinelabels": ["AU1: present"]}}]}]}]'],
    "film.csv": ["a,b\n1,2\n", "frame,face,person,AU1\n99,1,1,0.5\n",
                 "frame,face,person,AU1\n1,1,1,nan\n", "frame,face,person\n1,0,\n"],
    "other.csv": ["frame,face,person,AU1\n1,1,1,0.5\n"],
    "film.txt": ["x"],
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_bad_files_change_nothing(project: Project, tmp_path: Path, name: str) -> None:
    for text in BAD[name]:
        path = tmp_path / name
        path.write_text(text)
        with pytest.raises(DatasetError) as caught:
            take_in(project, "anna", path)
        assert name in str(caught.value) and "\n" not in str(caught.value)
    assert project.read_log("anna").events == []


def test_exports_say_what_is_wrong(project: Project, tmp_path: Path) -> None:
    write(project, "anna", put(["expression", 0, 9, "Fear"]))
    with pytest.raises(ConfigError, match="'ben' has no log here, but anna"):
        export_tree(tmp_path / "x", project, ExportSettings("ben"))
    (tmp_path / "there").mkdir()
    with pytest.raises(ConfigError, match="exists already"):
        export_tree(tmp_path / "there", project, ExportSettings("anna"))
    other = Project(project.root, project.id, project.space, 1, project.videos,
                    {name: tmp_path / "gone.mp4" for name in project.videos})  # fmt: skip
    with pytest.raises(Exception, match="is not the video that was annotated"):
        export_tree(tmp_path / "x", other, ExportSettings("anna", source_frames=True))
    shutil.copytree(project.root, tmp_path / "stolen")
    log = tmp_path / "stolen/annotators/anna/log.jsonl"
    facts = (tmp_path / "stolen/project.json").read_text()
    (tmp_path / "stolen/project.json").write_text(facts.replace(project.id, "0" * 16))
    flags = ["annotate", "--project", str(tmp_path / "stolen"), "--export", str(tmp_path / "y")]
    before = log.read_bytes()
    assert main(flags) == 2 and log.read_bytes() == before

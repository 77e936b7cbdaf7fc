"""What a table takes of a user's tree, and what it says it left out."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from experiments.run import main as run_main
from experiments.run import parser
from kaffect.cli import main
from kaffect.config.preparation import Preparation
from kaffect.curation.split_tree import split_tree, write_split
from kaffect.data.annotations.submissions import read_submission
from kaffect.data.tree import DataTree
from kaffect.errors import DatasetError, VideoError
from kaffect.files import writer_lock
from kaffect.studies import sources
from kaffect.studies.finding import find_trained
from kaffect.studies.plan import make_plan
from kaffect.studies.recognition import SMOKE
from kaffect.studies.sources import open_planned, open_source
from tests.data.drawing import draw, write_boxes, write_labels, write_video


def small_tree(root: Path) -> Path:
    """Two videos of 12 frames with boxes, so that no detector is asked."""
    (root / "boxes").mkdir(parents=True)
    for name, split in (("a", "Training"), ("b", "Validation")):
        write_video(root / f"videos/{name}.mp4", map(draw, range(12)))
        write_labels(root, "VA", split, name, [f"{n / 20},0.5" for n in range(12)])
        write_boxes(root, name, range(12))
    return root


def test_a_bad_video_can_be_left_out_and_is_named(tmp_path: Path) -> None:
    root = small_tree(tmp_path / "tree")
    write_labels(root, "VA", "Training", "c", ["0,0"] * 30)
    write_video(root / "videos/c.mp4", map(draw, range(12)))
    write_boxes(root, "c", range(12))
    with pytest.raises(VideoError, match=r"c\.mp4: does not fit .* 12 .* 30.*--keep-going"):
        open_source(root, SMOKE, "all")
    source = open_source(root, SMOKE, "all", keep_going=True)
    assert len(source.split("train")) == 12
    (note,) = [text for text in source.notes if text.startswith("left out: c.mp4: ")]
    assert "12 frames were decoded" in note and str(root) not in note
    source = open_source(root, SMOKE, "all", prepare=Preparation(length_tolerance=18))
    assert source.split("train").tracks == ("a", "c")
    assert not [text for text in source.notes if text.startswith("left out")]


def two_partitions(root: Path) -> Path:
    """`a` trains valence and arousal and validates expressions; `b` the reverse."""
    small_tree(root)
    for name, split in (("a", "Validation"), ("b", "Training")):
        write_labels(root, "EXPR", split, name, [str(n % 7) for n in range(12)])
    return root


def test_a_table_of_one_task_uses_the_sets_of_that_task(tmp_path: Path) -> None:
    root = two_partitions(tmp_path / "tree")
    expected = r"2 of 2 tracks: 'a' is in .*VA_Set.*'b' is in .*`kaffect data split`"
    with pytest.raises(DatasetError, match=expected):
        open_source(root, SMOKE, "all")
    with pytest.raises(DatasetError, match=expected):
        open_source(root, SMOKE, "expression", tasks=("va", "expression"))
    data = ["--data", str(root)]
    for table, train in (("A1", "b"), ("A3", "a")):
        plan = make_plan(find_trained(table), parser().parse_args(["--table", table, *data]))
        assert len(plan.tasks) == 1
        source = open_source(root, SMOKE, "all", tasks=plan.tasks)
        assert source.split("train").tracks == (train,)
        assert any("have different sets" in note for note in source.notes)
    joint = make_plan(find_trained("A4"), parser().parse_args(["--table", "A4", *data]))
    assert set(joint.tasks) == {"va", "expression", "au"}
    write_split(split_tree(root, (1, 1)), tmp_path / "one")
    DataTree.open(tmp_path / "one")
    assert main(["data", "prepare", str(root), "--out", str(tmp_path / "x")]) == 2
    assert main(["data", "prepare", str(root), "--out", str(tmp_path / "x"), "--task", "va"]) == 0


def test_rows_of_one_task_use_its_sets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Table IX learns valence and arousal, Action Units, or both."""
    root = small_tree(tmp_path / "tree")
    for name, split in (("a", "Validation"), ("b", "Training")):
        write_labels(root, "AU", split, name, [f"{n % 2},0,0,0,0,0,0,1" for n in range(12)])
    monkeypatch.chdir(tmp_path)
    words = ["--table", "IX", "--profile", "smoke", "--data", "tree"]
    assert run_main(words) == 2
    told = capsys.readouterr().err
    assert told.count("\n") == 1 and "where N is one of 1 (va), 2 (va), 3 (au)\n" in told
    assert not (tmp_path / "runs").exists()
    for row, train in (("1", "a"), ("3", "b")):
        plan = make_plan(find_trained("IX"), parser().parse_args([*words, "--row", row]))
        assert open_planned(plan, "au", 32).split("train").tracks == (train,)
    capsys.readouterr()
    assert run_main(["--table", "III", "--data", "tree"]) == 2
    assert "--task" in capsys.readouterr().err
    assert run_main(["--table", "III", "--data", "tree", "--task", "au"]) == 0
    assert "active in 24 of 24 labelled frames" in capsys.readouterr().out
    shown = ["data", "show", "tree", "--out", "x.png", "--count", "2"]
    assert main(shown) == 2 and main([*shown, "--task", "va"]) == 0


def test_one_process_renders_the_embedded_data(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KAFFECT_HOME", str(tmp_path))
    made = []

    def render(root: Path, *arguments: object, **more: object) -> None:
        with pytest.raises(DatasetError, match="the tree is being written by process"):
            with writer_lock(root, "the tree"):
                pass
        root.mkdir()
        (root / "synthetic.json").touch()
        made.append(root)

    monkeypatch.setattr(sources, "write_tree", render)
    assert [sources.embedded_tree(SMOKE), sources.embedded_tree(SMOKE)] == 2 * made


def test_a_name_with_test_in_it_hides_no_note(tmp_path: Path) -> None:
    root = small_tree(tmp_path / "tree")
    (root / "subjects.csv").write_text("video,subject\na,p\nb,q\ntest-clip,r\n")
    assert any("test-clip" in note for note in open_source(root, SMOKE, "all").notes)


def test_a_test_set_without_labels_is_predicted_and_not_scored(tmp_path: Path) -> None:
    root = small_tree(tmp_path / "tree")
    write_video(root / "videos/c.mp4", map(draw, range(12)))
    write_boxes(root, "c", range(12))
    write_labels(root, "VA", "Test", "c", ["-5,-5"] * 12)
    out = tmp_path / "out"
    words = ["--table", "A3", "--row", "1", "--profile", "smoke", "--data", str(root)]
    assert run_main([*words, "--out", str(out)]) == 0
    records = [json.loads(line) for line in (out / "table_a3.jsonl").read_text().splitlines()]
    row = next(record for record in records if record["row"] == 1)
    assert row["scored_split"] == "validation" and "ccc_valence" in row["metrics"]
    report = (out / "table_a3.md").read_text()
    assert "the test set has no label of va" in report
    assert "predictions for the test set are in the folder submissions" in report
    (path,) = (out / "submissions").glob("row-01-seed-0-test-va.txt")
    assert read_submission(path, "va", {"c": 12}).values.shape == (12, 2)
    write_labels(root, "VA", "Test", "c", ["-5,-5"] * 11 + ["0.5,0.5"])
    labelled = open_source(root, SMOKE, "all", tasks=("va",))
    assert labelled.scored_split == "test" and not labelled.predicted_only
    assert open_source(root, SMOKE, "all", tasks=("au",)).scored_split == "validation"

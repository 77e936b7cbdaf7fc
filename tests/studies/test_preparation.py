"""How a tree is prepared is a setting of the run: flags, `--set`, prepared folders, evaluation."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from experiments.run import parser
from kaffect import cli
from kaffect.config import CONFIGURATIONS, FramewiseConfig
from kaffect.data.prepared.records import PreparedData
from kaffect.errors import ConfigError, DatasetError
from kaffect.faces.crops import CropRule
from kaffect.labels import AFF_WILD2
from kaffect.studies.evaluate import open_data
from kaffect.studies.experiment import Row
from kaffect.studies.finding import find_trained, tables
from kaffect.studies.plan import Plan, make_plan
from kaffect.studies.registry import TRAINED
from kaffect.studies.sources import Source, open_planned
from kaffect.training.runs import RunDescription
from tests.data.drawing import draw, write_labels, write_video

FRAMES = 12
SIZE = 32  # of the smoke profile of A1 to A5


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Two videos of bars, in which no detector finds a face, and no boxes."""
    root = tmp_path / "tree"
    for name, split in (("a", "Training"), ("b", "Validation")):
        write_video(root / f"videos/{name}.mp4", map(draw, range(FRAMES)))
        write_labels(root, "VA", split, name, [f"{n / 20},0.5" for n in range(FRAMES)])
    return root


def plan_of(*words: str, table: str = "A3") -> Plan:
    arguments = ["--table", table, "--profile", "smoke", *words]
    return make_plan(find_trained(table), parser().parse_args(arguments))


def opened(data: Path, *words: str) -> Source:
    return open_planned(plan_of("--data", str(data), *words), "all", SIZE)


def prepared(tree: Path, out: Path, *words: str) -> Path:
    size = ("--image-size", str(SIZE))
    assert cli.main(["data", "prepare", str(tree), "--out", str(out), *size, *words]) == 0
    return out


@pytest.mark.parametrize("table", [n for n, t in tables().items() if t.study in TRAINED])
def test_flags_stand_for_settings(table: str) -> None:
    flags = ("--length-tolerance", "7", "--detector", "mtcnn", "--align", "5-point")
    plan = plan_of(*flags, table=table)
    names = ("prepare.length_tolerance=7", "prepare.detector=mtcnn", "prepare.align=5-point")
    same = plan_of(*(word for name in names for word in ("--set", name)), table=table)
    for training, other in zip(plan.trainings(), same.trainings(), strict=True):
        found = training.config.prepare
        assert (found.length_tolerance, found.align) == (7, "5-point")
        assert training.config == other.config
    note = plan.notes(plan.variants[0])[-1]
    assert "prepare.align '5-point' instead of 'none'" in note


def test_the_detector_of_the_run_prepares_the_tree(tree: Path) -> None:
    haar, none = opened(tree, "--detector", "haar"), opened(tree, "--set", "prepare.detector=none")
    assert haar.prepared.detector is not None and haar.prepared.detector["name"] == "haar"
    assert not haar.split("train").has_face.any()
    assert none.prepared.detector is None
    assert none.split("train").has_face.all()  # the centre of each frame


def test_a_prepared_folder_is_taken(tree: Path, tmp_path: Path) -> None:
    folder = prepared(tree, tmp_path / "ready", "--detector", "haar", "--length-tolerance", "2")
    flags = ("--detector", "haar", "--length-tolerance", "2")
    source = opened(folder, *flags)
    assert source.prepared.root == folder and source.kind == "real"
    assert source.name == "ready (validation set)"
    assert source.prepared.hash == opened(tree, *flags).prepared.hash
    assert source.split("train").tracks == ("a",)


def test_a_folder_prepared_otherwise_is_refused(tree: Path, tmp_path: Path) -> None:
    folder = prepared(tree, tmp_path / "ready", "--detector", "haar")
    for words, expected in (
        ((), "face detector .*Expected mtcnn. Received: haar .--detector haar takes them"),
        (("--align", "5-point"), "alignment .*Expected 5-point. Received: none .--align none"),
        (
            ("--detector", "haar", "--length-tolerance", "9"),
            "length tolerance .*Expected 9. Received: None",
        ),
    ):
        with pytest.raises(ConfigError, match=expected) as error:
            opened(folder, *words)
        assert "\n" not in str(error.value)
    with pytest.raises(ConfigError, match="size of pictures .*Expected 48. Received: 32"):
        open_planned(plan_of("--data", str(folder)), "all", 48)
    (folder / "manifest.json").write_text("{}")
    with pytest.raises(DatasetError, match="manifest"):
        opened(folder)


def test_bad_combinations_are_told_before_anything_is_done(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="landmarks.*'mtcnn'. Received: 'haar'"):
        plan_of("--align", "5-point", "--detector", "haar")


def test_rows_share_their_data() -> None:
    plan = plan_of()
    rows = ((1, Row("x", "x", {})), (2, Row("y", "y", {"prepare.align": "5-point"})))
    with pytest.raises(ConfigError, match="row 1.*'none'.*row 2.*'5-point'"):
        replace(plan, rows=rows).preparation()


@pytest.mark.parametrize("kind", CONFIGURATIONS)
def test_a_model_file_is_known_by_its_contents(kind: str, tmp_path: Path) -> None:
    hashes = []
    for name, contents in (("a", b"1"), ("b", b"1"), ("c", b"2")):
        (tmp_path / name).write_bytes(contents)
        changes = {"prepare.detector_model": str(tmp_path / name)}
        hashes.append(CONFIGURATIONS[kind]().changed(changes).hash())
    assert hashes[0] == hashes[1] != hashes[2]


def test_evaluation_prepares_as_the_run_was(tree: Path) -> None:
    config = FramewiseConfig().changed({"prepare.detector": "haar"})
    run = RunDescription("framewise", config, AFF_WILD2, CropRule(image_size=SIZE), 30, {})
    data = open_data(tree, run)
    assert data.detector is not None and data.detector["name"] == "haar"
    other = replace(config.prepare, detector="none")
    assert open_data(tree, run, other).detector is None
    assert open_data(data.root, run).hash == data.hash
    assert isinstance(data, PreparedData)

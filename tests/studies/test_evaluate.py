"""`kaffect evaluate` of each kind of network on other data: labels are matched by their names.

The figures are worked out anew with NumPy and scikit-learn, from the list of pictures as it was
written and the raw outputs of the network.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from sklearn.metrics import accuracy_score, f1_score

from kaffect import cli
from kaffect.config import FramewiseConfig
from kaffect.data.prepared.prepare_stills import prepare_stills
from kaffect.data.prepared.records import PreparedData
from kaffect.errors import DatasetError
from kaffect.labels import ACTION_UNITS_8, AFF_WILD2, EXPRESSIONS_7, EXPRESSIONS_8
from kaffect.studies.answers import answers_of
from kaffect.studies.evaluate import evaluate_run, open_data
from kaffect.training.framewise import build_framewise
from kaffect.training.runs import Run, describe, load_run

PICTURES = 40
UNITS = ("AU12", "AU7", "AU1")  # not in the networks' order, and one that they do not know
# Each with another tenth of the cells empty.
HEADER = ("path", "valence", "arousal", "expression", *UNITS, "split")


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A list of noise in random greys, labelled at random; the first two pictures are no test."""
    folder, rng = tmp_path_factory.mktemp("pictures"), np.random.default_rng(3)
    with open(folder / "faces.csv", "w", newline="") as handle:
        writer = csv.writer(handle)
        writer.writerow(HEADER)
        for number in range(PICTURES + 2):
            low, high = sorted(rng.integers(0, 256, 2).tolist())
            image = rng.integers(low, high + 1, (48, 48, 3)).astype(np.uint8)
            cv2.imwrite(str(folder / f"{number:02d}.png"), image)
            va = ["", ""] if number % 10 == 3 else [f"{v:.3f}" for v in rng.uniform(-1, 1, 2)]
            expression = "" if number % 10 == 5 else EXPRESSIONS_8[rng.integers(8)]
            units = [""] * 3 if number % 10 == 7 else rng.integers(0, 2, 3).tolist()
            split = ("train", "validation")[number] if number < 2 else "test"
            writer.writerow([f"{number:02d}.png", *va, expression, *units, split])
    return folder / "faces.csv"


def labels(path: Path) -> list[dict[str, str]]:
    """The pictures of the test split as they were written."""
    with open(path, newline="") as handle:
        return [row for row in csv.DictReader(handle) if row["split"] == "test"]


def ccc(true: np.ndarray, found: np.ndarray) -> float:
    """Lin's concordance, from its definition."""
    gap = true.mean() - found.mean()
    covariance = np.mean((true - true.mean()) * (found - found.mean()))
    return float(2 * covariance / (true.var() + found.var() + gap**2))


def expected(
    rows: list[dict[str, str]],
    raw: Mapping[str, np.ndarray],
    tasks: tuple[str, ...],
    classes: tuple[str, ...],
    units: tuple[str, ...],
    thresholds: Mapping[str, float],
) -> dict[str, float]:
    """Metrics of raw outputs [pictures, outputs], whose names are `classes` and `units`."""
    found = {}
    if "va" in tasks:
        known = np.array([row["valence"] != "" for row in rows])
        for column, name in enumerate(("valence", "arousal")):
            true = np.array([float(row[name]) for row in rows if row[name]], np.float32)
            values = raw["valence_arousal"][known, column].astype(float)
            found[f"ccc_{name}"] = ccc(true.astype(float), values)
    if "expression" in tasks:
        common = [name for name in classes if name in EXPRESSIONS_8]
        places = [classes.index(name) for name in common]
        known = [i for i, row in enumerate(rows) if row["expression"] in common]
        true = [common.index(rows[i]["expression"]) for i in known]
        said = raw["expression_logits"][known][:, places].argmax(axis=1)
        found["accuracy"] = float(accuracy_score(true, said))
        found["f1_macro"] = float(f1_score(true, said, average="macro", zero_division=0))
    if "au" in tasks:
        common = [name for name in units if name in UNITS]
        known = [i for i, row in enumerate(rows) if row["AU1"]]
        true = np.array([[int(rows[i][name]) for name in common] for i in known])
        cuts = [thresholds.get(name, 0.0) for name in common]
        logits = raw["action_unit_logits"][known][:, [units.index(name) for name in common]]
        said = (logits.astype(float) > cuts).astype(int)
        found["au_f1_macro"] = float(f1_score(true, said, average="macro", zero_division=0))
        found["au_accuracy"] = float(np.mean(true == said))
    return found


def evaluated(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    capsys.readouterr()
    assert cli.main(["evaluate", *arguments, "--json"]) == 0
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


ONLY_OTHER = {"data": ["Other"], "network": []}
OTHER_UNITS = {
    "data": ["AU7"],
    "network": [name for name in ACTION_UNITS_8 if name not in UNITS],
}
KINDS = {
    "recognition": ("finished", "row-02-seed-0", {"expressions": ONLY_OTHER}),
    "gan": (
        "finished_gan_table",
        "configuration-1-row-05-seed-0",
        {"action_units": OTHER_UNITS},
    ),
    "framewise": (
        "finished_framewise",
        "row-09-seed-0",
        {"expressions": ONLY_OTHER, "action_units": OTHER_UNITS},
    ),
}


@pytest.mark.parametrize("kind", KINDS)
def test_pictures_with_other_labels(
    kind: str,
    pictures: Path,
    request: pytest.FixtureRequest,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    fixture, name, missing = KINDS[kind]
    folder = request.getfixturevalue(fixture)[1] / "checkpoints" / name
    run = load_run(folder)
    prepared = open_data(pictures, run.description)
    index = prepared.split("test")
    assert len(index.rows) == PICTURES
    raw = answers_of(run, index)
    if "action_unit_logits" in raw:  # cut in the middle, so that both answers occur
        middle = np.median(raw["action_unit_logits"].astype(float), axis=0).tolist()
        thresholds = dict(zip(ACTION_UNITS_8, middle, strict=True))
        run = replace(run, description=replace(run.description, thresholds=thresholds))
    found = evaluate_run(run, prepared, "test")
    tasks = run.description.config.loss.tasks
    given = run.description.thresholds
    wanted = expected(labels(pictures), raw, tasks, EXPRESSIONS_7, ACTION_UNITS_8, given)
    assert {key: found.metrics[key] for key in wanted} == pytest.approx(wanted, abs=1e-5)
    assert found.not_scored == missing and len(wanted) == 2 * len(tasks)
    if kind == "framewise":
        assert "f1_other" not in found.metrics and "f1_au7" not in found.metrics
        assert {"f1_au1", "f1_au12"} <= found.metrics.keys()
    # The command says the same of the run as it is stored.
    table = tmp_path / "predictions.csv"
    told = evaluated(capsys, str(folder), "--data", str(pictures), "--predictions", str(table))
    assert told.keys() >= {"metrics", "split", "data", "data_kind", "precision", "not_scored"}
    assert told["not_scored"] == missing and told["split"] == "test"
    assert told["data_kind"] == "real" and told["data"] == str(prepared.root)
    stored = load_run(folder).description.thresholds
    again = expected(labels(pictures), raw, tasks, EXPRESSIONS_7, ACTION_UNITS_8, stored)
    assert {key: told["metrics"][key] for key in again} == pytest.approx(again, abs=1e-5)
    with open(table, newline="") as handle:
        rows = list(csv.DictReader(handle))
    require_predictions(rows, raw, tasks, stored)


def require_predictions(
    rows: list[dict[str, str]],
    raw: Mapping[str, np.ndarray],
    tasks: tuple[str, ...],
    thresholds: Mapping[str, float],
) -> None:
    """One line for each picture, in the order of the list, of what both sides know."""
    columns = ["track", "frame", "time"]
    if "va" in tasks:
        columns += ["valence", "arousal"]
        written = [[float(row["valence"]), float(row["arousal"])] for row in rows]
        np.testing.assert_allclose(written, np.clip(raw["valence_arousal"], -1, 1), atol=1e-6)
    if "expression" in tasks:
        columns.append("expression")
        numbers = raw["expression_logits"].argmax(axis=1)
        assert [row["expression"] for row in rows] == [EXPRESSIONS_7[n] for n in numbers]
    if "au" in tasks:
        columns += ["AU1", "AU12"]
        for unit in ("AU1", "AU12"):
            logits = raw["action_unit_logits"][:, ACTION_UNITS_8.index(unit)].astype(float)
            present = (logits > thresholds.get(unit, 0.0)).astype(int)
            assert [int(row[unit]) for row in rows] == present.tolist()
    assert list(rows[0]) == columns and len(rows) == PICTURES
    assert [int(row["frame"]) for row in rows] == list(range(1, PICTURES + 1))


def test_a_class_that_only_the_network_knows_is_not_answered(
    tmp_path: Path, pictures: Path
) -> None:
    """The best of the other classes counts; here Other would be said of every picture."""
    text = pictures.read_text().replace("Other", "")
    for image in pictures.parent.glob("*.png"):
        (tmp_path / image.name).write_bytes(image.read_bytes())
    (tmp_path / "seven.csv").write_text(text)
    prepared = PreparedData.open(prepare_stills(tmp_path / "seven.csv", image_size=32))
    settings = {"model.image_size": 32, "model.width": 0.0625, "loss.tasks": ["expression"]}
    config = FramewiseConfig().changed({**settings, "train.precision": "float32"})
    network = build_framewise(config, AFF_WILD2)
    bias = next(v for v in network.variables if v.shape == (8,) and "bias" in v.path)
    bias.assign([0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 99.0])
    described = describe(config, prepared, {"name": "seven", "kind": "real"})
    described = replace(described, label_space=AFF_WILD2)
    run = Run(network, described, tmp_path, 0, "float32")
    found = evaluate_run(run, prepared, "test")
    raw = answers_of(run, prepared.split("test"))
    assert set(raw["expression_logits"].argmax(axis=1)) == {7}
    rows = labels(tmp_path / "seven.csv")
    known = [i for i, row in enumerate(rows) if row["expression"]]
    true = [EXPRESSIONS_7.index(rows[i]["expression"]) for i in known]
    said = raw["expression_logits"][known][:, :7].argmax(axis=1)
    assert found.metrics["accuracy"] == pytest.approx(accuracy_score(true, said))
    assert found.not_scored == {"expressions": {"data": [], "network": ["Other"]}}
    with pytest.raises(DatasetError, match="no such split"):
        evaluate_run(run, prepared, "none")

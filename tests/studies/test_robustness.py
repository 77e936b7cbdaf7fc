"""What changed pictures cost, against labels, pictures and intervals worked out apart."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from sklearn.metrics import accuracy_score

from kaffect import cli
from kaffect.config import FramewiseConfig
from kaffect.data.batches.perturbations import PERTURBATIONS, PERTURBATIONS_HASH
from kaffect.data.prepared.prepare_stills import prepare_stills
from kaffect.data.prepared.records import PreparedData
from kaffect.labels import AFF_WILD2, EXPRESSIONS_8
from kaffect.metrics import paired_interval
from kaffect.studies import robustness
from kaffect.studies.evaluate import evaluate_run
from kaffect.studies.robustness import Drop, Robustness, measure_robustness
from kaffect.training.framewise import build_framewise
from kaffect.training.runs import Run, describe

from .half_bright import pictures_of, write_half_bright


@pytest.fixture(scope="module")
def half_bright(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_half_bright(tmp_path_factory.mktemp("half"))


def test_drops_and_intervals_over_single_pictures(
    half_bright: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A network of random weights; mirrored, every picture shows the other class."""
    settings = {"model.image_size": 32, "model.width": 0.0625, "loss.tasks": ["expression"]}
    config = FramewiseConfig().changed({**settings, "train.precision": "float32"})
    network = build_framewise(config, AFF_WILD2)
    prepared = PreparedData.open(prepare_stills(half_bright, image_size=32))
    described = replace(
        describe(config, prepared, {"name": "half", "kind": "real"}), label_space=AFF_WILD2
    )
    run = Run(network, described, prepared.root, 0, "float32")
    some = PERTURBATIONS[::3]
    monkeypatch.setattr(robustness, "PERTURBATIONS", some)
    clean = evaluate_run(run, prepared, "test")
    found = measure_robustness(run, prepared, "test", clean)
    assert list(found.drops) == [each.name for each in some] and len(some) == 5
    assert found.as_json()["set"] == PERTURBATIONS_HASH
    index = prepared.split("test")
    images, true = pictures_of(index), np.asarray(index.scoring().expression)
    columns = [EXPRESSIONS_8.index(name) for name in prepared.label_space.expressions]

    def said(pictures: np.ndarray) -> np.ndarray:
        logits = network(tf.constant(pictures), training=False)["expression_logits"].numpy()
        return logits[:, columns].argmax(axis=1)

    before = said(images)
    for each in some:
        after = said(each.apply(images))
        drop = found.drops[each.name]["accuracy"]
        assert drop.score == pytest.approx(accuracy_score(true, after))
        assert drop.drop == pytest.approx(np.mean(before == true) - np.mean(after == true))
        _, low, high = paired_interval(true, before, after, np.arange(len(true)), "accuracy")
        assert drop.interval == pytest.approx((low, high))
    assert any(drops["accuracy"].drop for drops in found.drops.values())


def test_the_command_gives_drops_with_their_intervals(
    half_bright: Path,
    finished_framewise: tuple[Path, Path],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(robustness, "PERTURBATIONS", PERTURBATIONS[-2:])
    folder = finished_framewise[1] / "checkpoints" / "row-09-seed-0"
    command = ["evaluate", str(folder), "--data", str(half_bright), "--robustness", "--json"]
    assert cli.main(command) == 0
    told = json.loads(capsys.readouterr().out)
    drops = told["robustness"]["perturbations"]
    assert set(drops) == {"grey", "mirrored"} and told["robustness"]["set"] == PERTURBATIONS_HASH
    for metrics in drops.values():
        assert {"accuracy", "ccc_valence", "au_f1_macro"} <= metrics.keys()
        for metric, drop in metrics.items():
            assert drop["drop"] == pytest.approx(told["metrics"][metric] - drop["score"])
            low, high = drop["interval"]
            assert low <= drop["drop"] <= high


def test_the_table_names_the_set_and_gives_each_drop_with_its_interval() -> None:
    drops = {
        "dark": {"accuracy": Drop(0.5, 0.25, (0.1, 0.4)), "mse_valence": Drop(1.0, -0.5, None)},
        "crop 10 % down": {
            "accuracy": Drop(0.8, -0.05, None),
            "mse_valence": Drop(0.5, 0.0, None),
        },
    }
    head, dark, crop = Robustness(drops, "abc").lines()
    assert head.split() == ["accuracy"]
    assert dark.split() == ["dark", "+0.250", "[+0.100,", "+0.400]"]
    assert crop.split() == ["crop", "10", "%", "down", "-0.050"]
    assert len(head) == len(dark) == len(crop)

"""HParams, precision-recall curves and the profile of a few updates, as TensorBoard reads them."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from sklearn.metrics import precision_score, recall_score
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams import plugin_data_pb2

from kaffect.training import profiling
from kaffect.training.profiling import SKIPPED, StepProfile
from kaffect.training.summaries import CURVE_POINTS, RunSummaries, state_hparams


def read(folder: Path) -> EventAccumulator:
    events = EventAccumulator(str(folder), {"tensors": 0})
    events.Reload()
    return events


def test_hparams_compare_by_the_scored_split(tmp_path: Path) -> None:
    settings: dict[str, list[Any]] = {"row": [1, 2], "seed": [0, 1], "loss.va": ["ccc", "mse"]}
    state_hparams(tmp_path, settings, ["test/ccc_valence", "test/accuracy"])
    found = read(tmp_path).SummaryMetadata("_hparams_/experiment").plugin_data.content
    experiment = plugin_data_pb2.HParamsPluginData.FromString(found).experiment
    assert [m.name.tag for m in experiment.metric_infos] == ["test/ccc_valence", "test/accuracy"]
    values = {
        info.name: [v.string_value or v.number_value for v in info.domain_discrete.values]
        for info in experiment.hparam_infos
    }
    assert values == {"row": [1, 2], "seed": [0, 1], "loss.va": ["ccc", "mse"]}


def test_a_precision_recall_curve_is_scikit_learns(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    labels, shares = generator.random(300) < 0.3, generator.random(300)
    summaries = RunSummaries(tmp_path, {"row": 1})
    summaries.precision_recall(7, "Happiness", labels, shares)
    summaries.close()
    (event,) = read(tmp_path).Tensors("precision_recall/Happiness/pr_curves")
    assert event.step == 7
    *_, precision, recall = tf.make_ndarray(event.tensor_proto)
    for place in (10, 50, 80):
        said = shares >= place / (CURVE_POINTS - 1)
        assert precision[place] == pytest.approx(precision_score(labels, said), abs=1e-6)
        assert recall[place] == pytest.approx(recall_score(labels, said), abs=1e-6)


@pytest.mark.parametrize(("steps", "batches", "profiled"), [(3, 20, 3), (10, 6, 4), (5, 2, 0)])
def test_a_profile_leaves_out_first_updates_and_validation(
    steps: int, batches: int, profiled: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    profiler = SimpleNamespace(
        start=lambda folder: said.append(f"start {folder}"), stop=lambda: said.append("stop")
    )
    fake = SimpleNamespace(profiler=SimpleNamespace(experimental=profiler))
    monkeypatch.setattr(profiling, "tf", fake)
    profile = StepProfile(tmp_path, steps)
    for interval in range(2):
        for batch in range(batches):
            before = len(said)
            profile.on_train_batch_begin(batch)
            assert len(said) == before or interval * batches + batch >= SKIPPED
            profile.on_train_batch_end(batch)
        profile.on_train_end()
        assert said.count("start " + str(tmp_path)) == said.count("stop"), "not while it validates"
    assert said.count("stop") == 1
    assert profile.profiled == (profiled or min(steps, batches))

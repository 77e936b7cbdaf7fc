"""Inside one run of Tables A1 to A5: epochs to convergence, the plateau, the frames, histograms."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from kaffect.config import FramewiseConfig
from kaffect.data.batches.warp import Warp
from kaffect.data.prepared.prepare_stills import prepare_stills
from kaffect.data.prepared.records import PreparedData
from kaffect.labels import AFF_WILD2
from kaffect.studies.framewise.pictures import histograms
from kaffect.studies.framewise.study import FrameTraining
from kaffect.training.loop import Progress, Schedule
from scripts.benchmarks import resnet


def progress(scores: Sequence[float], every: int = 10) -> Progress:
    """A run with a validation pass of each of these scores, every so many steps."""
    best = int(np.argmax(scores))
    history = [
        {"step": (i + 1) * every, "train": {}, "validation": {"score": score, "loss": 1.0}}
        for i, score in enumerate(scores)
    ]
    step = len(scores) * every
    return Progress(step, (best + 1) * every, scores[best], 0, 1.0, history)


@pytest.mark.parametrize("scaled", [False, True])
@pytest.mark.parametrize(
    "schedule,expected", [("plateau", [0.8, 0.8, 0.8, 0.4, 0.4]), ("constant", [0.8] * 5)]
)
def test_the_plateau_sets_the_rate_before_each_interval(
    schedule: str, expected: list[float], scaled: bool
) -> None:
    """From the validation losses of all passes so far, also behind float16's loss scaling."""
    inner = keras.optimizers.SGD(0.8)
    optimizer = keras.optimizers.LossScaleOptimizer(inner) if scaled else inner
    config = FramewiseConfig().changed({
        "train.schedule": schedule, "train.learning_rate": 0.8,
        "train.plateau_factor": 0.5, "train.plateau_patience": 1,
    })  # fmt: skip
    row: Any = SimpleNamespace(config=config, trainer=SimpleNamespace(optimizer=optimizer))
    losses, rates = [2.0, 1.0, 1.5, 1.2, 0.5], []
    for count in range(5):
        passes = [{"validation": {"loss": loss}} for loss in losses[: count + (count > 2)]]
        FrameTraining.before(row, Progress(history=passes))
        rates.append(float(np.asarray(inner.learning_rate)))
    assert rates == pytest.approx(expected)


# --- frames that are scored ----------------------------------------------------------------------


def test_a_row_is_scored_on_the_frames_that_follow_its_own(stills: Path, tmp_path: Path) -> None:
    """Of 32 training pictures ten are trained on, the next six validated and scored on."""
    prepared = PreparedData.open(prepare_stills(stills, tmp_path / "out", image_size=32))
    source: Any = SimpleNamespace(prepared=prepared, split=prepared.split, scored_split="test")
    config = FramewiseConfig().changed({
        "model.image_size": 32, "model.width": 0.0625, "loss.tasks": ["expression"],
        "data.subset": "first", "data.scored": "next",
        "data.train_share": 10 / 32, "data.validation_share": 6 / 32,
    })  # fmt: skip
    training: Any = SimpleNamespace(config=config, number=7, name="row")
    strategy = tf.distribute.get_strategy()
    row = FrameTraining(training, source, strategy, tmp_path, None)
    row.schedule = Schedule(2, 1)
    scored = row.score(progress([0.1, 0.2], every=1))
    train = prepared.split("train")
    assert len(train) == 32
    assert row.seen.tolist() == train.rows[:10].tolist()
    assert scored.index.name == scored.split == "train"
    assert scored.index.rows.tolist() == train.rows[10:16].tolist()
    assert row.validation.rows.tolist() == train.rows[10:16].tolist()
    assert scored.extra["frames"] == {"train": 10, "validation": 6}
    assert scored.extra["epochs_to_95_percent"] == 2.0 and scored.metrics["p_expr"] <= 2 / 8
    (note,) = scored.extra["notes"]
    assert "row 7" in note and "the 6 training frames" in note


# --- pictures ------------------------------------------------------------------------------------


def labelled(rows: list[int], expression: list[int], seen: list[bool]) -> SimpleNamespace:
    """Frames whose Action Units follow the expression: class k has the unit of number k."""
    units = np.zeros((len(expression), 12), np.int8)
    units[range(len(expression)), expression] = 1
    valid = np.array(seen)
    return SimpleNamespace(
        rows=np.array(rows), expression=np.array(expression), expression_valid=valid,
        action_units=units, au_valid=valid[::-1], data=SimpleNamespace(label_space=AFF_WILD2),
    )  # fmt: skip


def test_histograms_count_the_labelled_frames_that_are_used() -> None:
    train = labelled([0, 1, 2, 3, 4, 5], [0, 0, 4, 7, 4, 4], [True, True, True, True, False, True])
    validation = labelled([1, 2], [3, 1, 1, 1], [True, True, False, True])
    run: Any = SimpleNamespace(
        config=FramewiseConfig(), seen=np.array([0, 2, 3, 4, 5]), validation=validation,
        source=SimpleNamespace(split={"train": train}.__getitem__),
    )  # fmt: skip
    figures = histograms(run)
    assert set(figures) == {"expressions", "units"}

    def counts(name: str) -> list[int]:
        return [int(text.get_text()) for text in figures[name].axes[0].texts]

    # Row 1 is not trained on, row 4 has no expression; of validation row 2 has none.
    assert counts("expressions") == [1, 0, 0, 0, 2, 0, 0, 1] + [0, 1, 0, 0, 0, 0, 0, 0]
    # Masks the other way round: row 1 of training and of validation have no units.
    assert counts("units") == [1, 0, 0, 0, 3, 0, 0, 1, 0, 0, 0, 0] + [0, 1] + [0] * 10
    ticks = [text.get_text() for text in figures["units"].axes[0].get_xticklabels()]
    assert ticks == list(AFF_WILD2.action_units)
    run.config = FramewiseConfig().changed({"loss.tasks": ["va"]})
    assert histograms(run) == {}


# --- speed ---------------------------------------------------------------------------------------


def test_the_benchmark_times_the_whole_augmentation_of_the_sound_recipe() -> None:
    assert resnet.sound_augmentation() == Warp(
        flip=True, rotation=10.0, zoom=0.08, shift=0.05, brightness=20, contrast=0.2
    )

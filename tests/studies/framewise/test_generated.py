"""Generated faces beside few real ones (Table IX-E): whose labels they know, and how many."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest
import tensorflow as tf

from kaffect.config import FramewiseConfig
from kaffect.data.batches.pipeline import evaluation_frames
from kaffect.data.prepared.prepare_stills import prepare_stills
from kaffect.data.prepared.records import PreparedData
from kaffect.errors import ConfigError
from kaffect.labels import ACTION_UNITS_8
from kaffect.studies.framewise import generated
from kaffect.studies.framewise.study import FrameTraining

CONFIG = FramewiseConfig().changed({
    "model.image_size": 32, "model.width": 0.0625, "model.preprocessing": "paper",
    "loss.tasks": ["va", "au"], "data.batch": 8, "data.flip": False, "data.rotation": 0.0,
    "data.train_share": 0.25, "generated.count": 5, "generated.share": 0.25,
    "generated.width": 0.05, "generated.steps": 4, "train.steps": 2, "train.precision": "float32",
})  # fmt: skip


@pytest.fixture
def source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Sixty noisy pictures with valence, arousal and units; half of them train."""
    monkeypatch.setenv("KAFFECT_HOME", str(tmp_path / "home"))
    rng, lines = np.random.default_rng(0), [
        f"path,valence,arousal,{','.join(ACTION_UNITS_8)},split"
    ]
    for number in range(60):
        cv2.imwrite(str(tmp_path / f"{number}.png"), rng.integers(0, 255, (40, 40), np.uint8))
        units = ",".join(str(int(v)) for v in rng.random(8) < 0.5)
        split = ("train", "train", "validation", "test")[number % 4]
        lines.append(f"{number}.png,{number / 60:.2f},{-number / 60:.2f},{units},{split}")
    (tmp_path / "faces.csv").write_text("\n".join(lines) + "\n")
    prepared = PreparedData.open(prepare_stills(tmp_path / "faces.csv", image_size=32))
    return SimpleNamespace(prepared=prepared, split=prepared.split, partition="all")


def test_faces_are_drawn_once_and_all_train(source: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[dict[str, Any]] = []

    class Batches(generated.GanBatches):
        def __init__(self, *arguments: Any, **named: Any) -> None:
            asked.append(named)
            super().__init__(*arguments, **named)

    monkeypatch.setattr(generated, "GanBatches", Batches)
    faces = generated.generated_faces(CONFIG, source)
    assert len(faces) == 5 and faces.name == "train"
    assert faces.va_valid.all() and faces.au_valid.all() and not faces.expression_valid.any()
    assert np.abs(faces.valence_arousal).max() <= 1

    known = generated.labelled_frames(CONFIG, source)
    assert len(known) == 8 and asked[0]["labelled"].tolist() == known.tolist()

    def again(*arguments: Any) -> None:
        raise AssertionError("the GAN was trained again")

    monkeypatch.setattr(generated, "_trained", again)
    assert generated.generated_faces(CONFIG, source).data.hash == faces.data.hash


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("train.seed", 1),
        ("generated.count", 6),
        ("generated.steps", 6),
        ("data.train_share", 0.5),
        ("loss.tasks", ["va"]),
    ],
)
def test_what_the_faces_depend_on(source: Any, setting: str, value: Any) -> None:
    other = CONFIG.changed({setting: value})
    assert generated.faces_key(other, source) != generated.faces_key(CONFIG, source)


def test_rows_of_one_seed_share_their_faces(source: Any) -> None:
    other = CONFIG.changed({"data.flip": True, "train.learning_rate": 0.5, "generated.share": 0.1})
    assert generated.faces_key(other, source) == generated.faces_key(CONFIG, source)


def test_each_batch_has_its_part_of_generated_faces(source: Any, tmp_path: Path) -> None:
    training: Any = SimpleNamespace(config=CONFIG, number=4, name="row")
    row = FrameTraining(training, source, tf.distribute.get_strategy(), tmp_path, None)
    assert row.generated is not None
    drawn = next(iter(evaluation_frames(row.generated, batch=5)))["images"].numpy()
    real = next(iter(evaluation_frames(source.split("train"), batch=30)))["images"].numpy()[
        row.seen
    ]
    for element in row.batches(3, 2):
        pictures = element["images"].numpy()
        assert len(pictures) == len(element["valence_arousal"]) == 8
        for place, picture in enumerate(pictures):
            known = drawn if place >= 6 else real
            assert (known == picture).all(axis=(1, 2, 3)).any(), place


@pytest.mark.parametrize(
    "changes",
    [
        {"data.mixing": "mixup"},
        {"data.balanced": True},
        {"loss.tasks": ["va", "expression"]},
    ],
)
def test_what_generated_faces_do_not_go_with(changes: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="generated.count.*Received: "):
        CONFIG.changed(changes)
    assert CONFIG.changed({**changes, "generated.count": 0})

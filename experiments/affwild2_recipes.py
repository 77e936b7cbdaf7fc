"""The study's recipes and ours, as settings that the rows of Tables A1 to A5 share."""

from __future__ import annotations

from typing import Any

Settings = dict[str, Any]

# What the study states: sections 1.9 (VA), 1.10 (expressions), 1.11 (units), 1.11.1 (joint).
STUDY_VA: Settings = {
    "loss.tasks": ["va"],
    "loss.va": "mse",
    "model.extra_normalization": True,
    "train.optimizer": "adam",
    "train.learning_rate": 1e-3,
    "train.schedule": "plateau",
    "data.train_share": 0.8,
}
STUDY_EXPRESSION: Settings = {
    "loss.tasks": ["expression"],
    "loss.class_weights": "balanced",
    "train.optimizer": "sgd",
    "train.learning_rate": 1e-2,
    "train.schedule": "constant",
}
STUDY_AU: Settings = {
    "loss.tasks": ["au"],
    "loss.positive_weights": "balanced",
    "train.optimizer": "adam",
    "train.learning_rate": 1e-3,
    "train.schedule": "plateau",
}
STUDY_JOINT: Settings = {
    "loss.tasks": ["va", "expression", "au"],
    "loss.va": "mse",
    "loss.au": "mse",
    "train.optimizer": "adam",
    "train.learning_rate": 1e-3,
    "train.schedule": "constant",
    "data.labels": "complete",
}
# "A subset of the dataset is created for faster testing and debugging": how small, and taken how,
# is not said. The first frames of the list are those of a few videos.
FIRST_FRAMES: Settings = {"data.subset": "first", "data.train_share": 0.05}
RANDOM_FRAMES: Settings = {"data.subset": "random", "data.train_share": 0.05}

# Training as it is done now: not in the study.
SOUND: Settings = {
    "loss.tasks": ["va", "expression", "au"],
    "loss.va": "ccc",
    "loss.positive_weights": "balanced",
    "data.labels": "any",
    "data.zoom": 0.08,
    "data.shift": 0.05,
    "data.brightness": 20,
    "data.contrast": 0.2,
    "train.optimizer": "adamw",
    "train.learning_rate": 2e-3,
    "train.weight_decay": 0.05,
    "train.schedule": "cosine",
    "train.warmup": 30,
}


def only(task: str) -> Settings:
    """The sound recipe for one task, on the same pictures as the joint network."""
    return {**SOUND, "loss.tasks": [task]}

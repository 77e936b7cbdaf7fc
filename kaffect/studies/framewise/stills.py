"""Settings of `kaffect train --task`: a training on a list of still pictures of faces.

For the user with small, perhaps grey pictures, such as FER2013's 48x48. Found on them and listed
with their source in `experiments/reference/DECISIONS_STILLS.md`; docs/real_faces.md has the scores.
"""

from __future__ import annotations

from typing import Any

from kaffect.labels import ACTION_UNITS_12, EXPRESSIONS_8

Settings = dict[str, Any]

# The network is the project's own (`kaffect.studies.own_model`), so that `--start` fills it.
NETWORK: Settings = {
    "model.backbone": "resnet18",
    "model.image_size": 64,
    "model.width": 0.22,
    "model.stem": "imagenet",
    "model.preprocessing": "grey",
    "model.dropout": 0.2,
    "model.mirrored": True,
}
PICTURES: Settings = {
    "data.batch": 64,
    "data.rotation": 12.0,
    "data.zoom": 0.1,
    "data.shift": 0.06,
    "data.brightness": 20.0,
    "data.contrast": 0.2,
    "data.erase": 0.3,
}
OPTIMISATION: Settings = {
    "train.optimizer": "adamw",
    "train.learning_rate": 2e-3,
    "train.weight_decay": 0.05,
    "train.schedule": "cosine",
    "train.warmup": 100,
    "train.ema": 0.998,
}
LOSSES: dict[str, Settings] = {
    "va": {"loss.va": "ccc"},
    "expression": {"loss.class_weights": "root", "loss.label_smoothing": 0.1},
    "au": {"loss.positive_weights": "balanced", "train.thresholds": "validation"},
}
# Pictures that a training sees, whatever their number: more passes over fewer pictures.
SEEN = 800_000
FEWEST, MOST = 10, 150

METRICS: dict[str, tuple[str, ...]] = {
    "va": ("ccc_valence", "ccc_arousal"),
    "expression": ("accuracy", "f1_macro", *(f"f1_{name.lower()}" for name in EXPRESSIONS_8)),
    "au": ("au_f1_macro", "au_accuracy", *(f"f1_{name.lower()}" for name in ACTION_UNITS_12)),
}


def epochs_for(pictures: int) -> int:
    """Passes over so many labelled training pictures: `SEEN` pictures, `FEWEST` to `MOST` passes.

    >>> [epochs_for(n) for n in (50, 10_800, 300_000)]
    [150, 74, 10]
    """
    return min(max(round(SEEN / max(pictures, 1)), FEWEST), MOST)


def still_settings(task: str, pictures: int) -> Settings:
    """All settings of a training on stills that differ from the study's.

    Args:
        task: 'va', 'expression' or 'au'.
        pictures: with a label of the task, in the training split.
    """
    return {
        **NETWORK,
        **PICTURES,
        **OPTIMISATION,
        **LOSSES[task],
        "loss.tasks": [task],
        "train.epochs": epochs_for(pictures),
    }

"""A finished training on single frames as one folder that says what it is (second study).

Beside the checkpoints it holds `frames.json`: configuration, labels, crop rule, data,
metrics and the thresholds of Action Units.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras

from kaffect.config import from_dict
from kaffect.data.prepared.records import PreparedData
from kaffect.errors import ArtifactError, KaffectError
from kaffect.files import read_json, write_json
from kaffect.labels import LabelSpace
from kaffect.models import affect_resnet18, layers_compute_in
from kaffect.training.checkpoints import CheckpointFolder
from kaffect.training.determinism import derived_seed
from kaffect.training.frames_config import FrameConfig
from kaffect.training.precision import precision_here, recorded

FRAMES = "frames.json"
KIND = "frame run"


def build_frame_network(
    config: FrameConfig, space: LabelSpace, *, policy: str | None = None
) -> keras.Model:
    """ResNet-18 with a head for each task that `config` trains.

    Args:
        policy: dtype policy to compute in; None: the configuration's precision.
    """
    tasks = config.loss.tasks
    with layers_compute_in(policy or precision_here(config.train.precision)):
        return affect_resnet18(
            valence_arousal="va" in tasks,
            expressions=len(space.expressions) if "expression" in tasks else 0,
            action_units=len(space.action_units) if "au" in tasks else 0,
            seed=derived_seed(config.train.seed, "resnet"),
            **vars(config.model),
        )


def describe_frame_run(folder: Path, prepared: PreparedData, record: Mapping[str, Any]) -> None:
    """Write what `kaffect export` must know beside the checkpoints in `folder`."""
    space = prepared.label_space
    write_json(
        folder / FRAMES,
        {
            "kind": KIND,
            "config": record["config"],
            "label_space": {
                "name": space.name,
                "expressions": list(space.expressions),
                "action_units": list(space.action_units),
            },
            "crop_rule": prepared.crop_rule.to_dict(),
            "fps": prepared.fps,
            **{
                name: dict(zip(space.action_units, record[name]))
                for name in ("thresholds", "logit_thresholds")
                if name in record
            },
            "data": {
                "name": record["data_name"],
                "kind": record["data_kind"],
                "hash": record["data_hash"],
            },
            "metrics": {
                "validation": record["validation"],
                record["scored_split"]: record["metrics"],
            },
            "notes": record["notes"],
            "commit": record["commit"],
        },
        sealed=True,
    )


def load_frame_run(
    folder: Path, which: str = "best", policy: str | None = None
) -> tuple[keras.Model, FrameConfig, dict[str, Any]]:
    """Network, settings and description of the run in `folder`.

    Args:
        which: checkpoint, "best" on validation or "last".
        policy: dtype policy to compute in; None: the run's own, which gives its scores again.

    Raises:
        ArtifactError: not a described run of single frames, or without a complete checkpoint.
    """
    values = read_json(folder / FRAMES)
    if not isinstance(values, dict) or values.get("kind") != KIND:
        raise ArtifactError(f"{folder / FRAMES}: not the description of a run of single frames")
    try:
        config = from_dict(FrameConfig, values["config"], str(folder / FRAMES))
        space = LabelSpace(
            values["label_space"]["name"],
            tuple(values["label_space"]["expressions"]),
            tuple(values["label_space"]["action_units"]),
        )
    except (KeyError, TypeError, KaffectError) as error:
        raise ArtifactError(f"{folder / FRAMES}: not the description of a run: {error}") from error
    checkpoints = CheckpointFolder(folder)
    step = checkpoints.best() if which == "best" else checkpoints.last()
    if step is None:
        raise ArtifactError(f"{folder}: expected a trained network. Received: no checkpoint")
    # Weights come from the checkpoint; a weights file of the training need not be there.
    bare = dataclasses.replace(config, model=dataclasses.replace(config.model, weights=None))
    network = build_frame_network(bare, space, policy=policy or recorded(config))
    checkpoints.restore(step, {"network": network}, only=True)
    return network, config, {**values, "label_space": space, "step": step}

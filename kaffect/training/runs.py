"""A finished training as one folder that says what it is: what export and evaluation start from.

Beside the checkpoints of `CheckpointFolder` it holds `run.json`: configuration,
labels, crop rule, data and metrics; the fixed CNN's weights lie near by.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import keras

from kaffect.config import RunConfig, from_dict
from kaffect.data.prepared.records import PreparedData
from kaffect.errors import ArtifactError, ConfigError, KaffectError, expected_received
from kaffect.faces.crops import CropRule
from kaffect.files import read_json, safe_join, write_json
from kaffect.labels import LabelSpace
from kaffect.models import join
from kaffect.training.checkpoints import CheckpointFolder
from kaffect.training.networks import build_encoder, build_network
from kaffect.training.precision import recorded

RUN = "run.json"
KIND = "recognition run"
_ENCODERS = "encoders"


@dataclass(frozen=True)
class RunDescription:
    """What a run is, beside its weights.

    Attributes:
        config: all settings.
        label_space, crop_rule, fps: of the data that it was trained on.
        data: name, kind and hash of these data.
        metrics: split -> metric -> value, of the checkpoint that validation chose.
        notes: deviations and origin of the CNN, in sentences.
        encoder: folder of the fixed CNN's weights, relative to the run's; None end to end.
        commit: of this software.
    """

    config: RunConfig
    label_space: LabelSpace
    crop_rule: CropRule
    fps: int
    data: Mapping[str, Any]
    metrics: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    encoder: str | None = None
    commit: str = ""

    def write(self, folder: Path) -> None:
        """Put it beside the checkpoints in `folder`."""
        write_json(folder / RUN, {"kind": KIND, **dataclasses.asdict(self)}, sealed=True)

    @classmethod
    def read(cls, folder: str | Path) -> RunDescription:
        """Read it.

        Raises:
            ArtifactError: `folder` is not a described run.
        """
        path = Path(folder) / RUN
        values = read_json(path)
        if not isinstance(values, dict) or values.pop("kind", None) != KIND:
            raise ArtifactError(f"{path}: not the description of a recognition run")
        try:
            space = values["label_space"]
            values["label_space"] = LabelSpace(
                space["name"], tuple(space["expressions"]), tuple(space["action_units"])
            )
            values["crop_rule"] = CropRule.from_dict(values["crop_rule"])
            values["config"] = from_dict(RunConfig, values["config"], str(path))
            return cls(**{**values, "notes": tuple(values["notes"])})
        except (KeyError, TypeError, KaffectError) as error:
            raise ArtifactError(f"{path}: not the description of a run: {error}") from error


def describe(
    config: RunConfig, prepared: PreparedData, data: Mapping[str, Any], **more: Any
) -> RunDescription:
    """A description with what `prepared` says of itself; `more` are its other attributes."""
    return RunDescription(
        config=config,
        label_space=prepared.label_space,
        crop_rule=prepared.crop_rule,
        fps=prepared.fps,
        data={**data, "hash": prepared.hash},
        **more,
    )


def save_encoder(results: Path, seed: int, network: keras.Model, origin: str) -> Path:
    """Keep the fixed CNN of one seed below a results folder; give its folder."""
    folder = results / _ENCODERS / f"seed-{seed}"
    CheckpointFolder(folder).save(0, {"encoder": network}, {"origin": origin})
    return folder


@dataclass(frozen=True)
class Run:
    """A finished run, loaded: images [batch, time, h, w, 3] uint8 -> logits.

    Attributes:
        encoder, trained: the fixed CNN and the sequence network behind it; `encoder` is None
            where the whole network was trained end to end.
        precision: dtype policy that they compute in.
    """

    encoder: keras.Model | None
    trained: keras.Model
    description: RunDescription
    folder: Path
    step: int
    precision: str

    @property
    def network(self) -> keras.Model:
        """Images to outputs, in one model."""
        if self.encoder is None:
            return self.trained
        return join(self.encoder, self.trained, self.trained.input_shape[1])


def load_run(folder: str | Path, which: str = "best", policy: str | None = None) -> Run:
    """The network of the run in `folder`, as trained, for sequences of any length.

    Args:
        folder: of its checkpoints, with `run.json`.
        which: "best" on validation or "last".
        policy: dtype policy to compute in; None: the run's own, which gives its scores again.

    Raises:
        ArtifactError: not a complete run, damaged, or without its CNN.
    """
    folder = Path(folder)
    description = RunDescription.read(folder)
    if which not in ("best", "last"):
        raise ConfigError(expected_received("Unknown checkpoint", ("best", "last"), which))
    checkpoints = CheckpointFolder(folder)
    step = checkpoints.best() if which == "best" else checkpoints.last()
    if step is None:
        raise ArtifactError(f"{folder}: expected a trained network. Received: no checkpoint")
    # Weights come from the checkpoint; a weights file of the training need not be there.
    model = dataclasses.replace(description.config.model, weights=None)
    config = dataclasses.replace(description.config, model=model)
    policy = policy or recorded(config)
    trained = build_network(config, description.label_space, any_length=True, policy=policy)
    checkpoints.restore(step, {"network": trained}, only=True)
    encoder = None
    if config.train.cnn == "fixed":
        encoder = build_encoder(config, policy=policy)
        _restore_encoder(folder, description, encoder)
    return Run(encoder, trained, description, folder, step, policy)


def _restore_encoder(folder: Path, description: RunDescription, encoder: keras.Model) -> None:
    if description.encoder is None:
        raise ArtifactError(f"{folder / RUN}: does not say where the weights of its CNN are")
    # Two folders up is the results folder, which a run never leaves.
    results = folder.resolve().parent.parent
    where = safe_join(results, str((folder.resolve() / description.encoder).resolve()))
    if not where.is_dir():
        raise ArtifactError(f"{where}: missing. It holds the CNN of {folder}, which needs it")
    CheckpointFolder(where).restore(0, {"encoder": encoder})

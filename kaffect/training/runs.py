"""The folder of a trained network, which export, evaluation and prediction start from.

Beside the checkpoints of `CheckpointFolder` it holds `run.json`, in every study the same:
configuration, labels, detector and crop rule, data and, once it is scored, metrics and thresholds.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import keras

from kaffect.config import CONFIGURATIONS, Settings
from kaffect.data.prepared.records import PreparedData
from kaffect.errors import ArtifactError, ConfigError, KaffectError, expected_received
from kaffect.faces.crops import CropRule
from kaffect.files import read_json, safe_join, stable_hash, write_json
from kaffect.labels import LabelSpace
from kaffect.models import join
from kaffect.training.checkpoints import CheckpointFolder, weights_hash
from kaffect.training.framewise import build_framewise
from kaffect.training.gan import GanTrainer
from kaffect.training.networks import build_encoder, build_network
from kaffect.training.precision import recorded

RUN = "run.json"
SCHEMA = 2
_ENCODERS = "encoders"
# What earlier versions wrote in the place of `run.json`.
_EARLIER = ("gan.json", "frames.json")
WHICH = ("best", "last")


@dataclass(frozen=True)
class RunDescription:
    """The description of a run (`run.json`), which lies beside its weights.

    Attributes:
        kind: its study, a key of `CONFIGURATIONS`.
        config: all settings.
        label_space, crop_rule: of the data that it was trained on; fps: frames a second of their
            videos, None of single pictures.
        data: name, kind and hash of these data.
        metrics: split -> metric -> value, of the checkpoint that validation chose.
        thresholds: Action Unit -> logit from which it counts as present; empty: 0.
        notes: deviations and origin of the weights, in sentences.
        encoder: folder of the fixed CNN's weights, relative to the run's; None: there is none.
        profile: how much work it was, where known.
        commit: of this software.
        detector: of the faces that it was trained on, as `PreparedData.detector`; None too in
            runs of versions that did not record it.
    """

    kind: str
    config: Any
    label_space: LabelSpace
    crop_rule: CropRule
    fps: int | None
    data: Mapping[str, Any]
    metrics: Mapping[str, Mapping[str, float | None]] = field(default_factory=dict)
    thresholds: Mapping[str, float] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    encoder: str | None = None
    profile: str = ""
    commit: str = ""
    detector: Mapping[str, Any] | None = None

    @property
    def score(self) -> float:
        """On validation; the lowest where the run was not finished."""
        found = self.metrics.get("validation", {}).get("score")
        return float("-inf") if found is None else found

    def write(self, folder: Path) -> None:
        """Write it beside the checkpoints in `folder`."""
        values = dataclasses.asdict(self)
        write_json(folder / RUN, {"schema": SCHEMA, **values}, sealed=True)

    @classmethod
    def read(cls, folder: str | Path) -> RunDescription:
        """Read it.

        Raises:
            ArtifactError: `folder` is not a described run, or one of an earlier version.
        """
        path = Path(folder) / RUN
        reject_earlier(Path(folder))
        values = read_json(path)
        if not isinstance(values, dict) or values.get("kind") not in CONFIGURATIONS:
            raise ArtifactError(f"{path}: not the description of a run")
        try:
            config = CONFIGURATIONS[values["kind"]].from_dict(values["config"])
            values |= {
                "config": config,
                "label_space": LabelSpace.from_dict(values["label_space"]),
                "crop_rule": CropRule.from_dict(values["crop_rule"]),
                "notes": tuple(values["notes"]),
            }
            del values["schema"]
            return cls(**values)
        except (KeyError, TypeError, KaffectError) as error:
            raise ArtifactError(f"{path}: not the description of a run: {error}") from error


def reject_earlier(folder: Path) -> None:
    """Raise `ArtifactError` where `folder` holds a run of an earlier version."""
    path = folder / RUN
    if path.is_file():
        # What lies beside it may be left over from an earlier run in the same folder.
        values = read_json(path)
        old = isinstance(values, dict) and "kind" in values and values.get("schema", 1) != SCHEMA
        earlier = [RUN] if old else []
    else:
        earlier = [name for name in _EARLIER if (folder / name).is_file()]
    if earlier:
        raise ArtifactError(
            f"{folder / earlier[0]}: a run of an earlier version of kaffect; export it with the "
            "version that trained it, or train it again"
        )


def describe(
    config: Settings, prepared: PreparedData, data: Mapping[str, Any], **more: Any
) -> RunDescription:
    """A description with what `prepared` says of itself; `more` are its other attributes."""
    kind = next(name for name, found in CONFIGURATIONS.items() if isinstance(config, found))
    return RunDescription(
        kind=kind,
        config=config,
        label_space=prepared.label_space,
        crop_rule=prepared.crop_rule,
        fps=prepared.fps,
        detector=prepared.detector,
        data={**data, "hash": prepared.hash},
        **more,
    )


def is_run(folder: Path) -> bool:
    """Whether `folder` holds a run, of an earlier version too."""
    return any((folder / name).is_file() for name in (RUN, *_EARLIER))


def runs_below(folder: Path) -> Iterator[Path]:
    """The runs of a results folder."""
    yield from (path.parent for path in sorted(folder.glob(f"*/*/{RUN}")))


def find_run(path: Path, row: int | None = None, seed: int | None = None) -> Path:
    """The run that `path` means: itself, or of a results folder the one best on validation.

    Args:
        row, seed: narrow the choice in a results folder.

    Raises:
        ArtifactError: there is none.
    """
    if is_run(path):
        return path
    wanted = [f"row-{row:02d}-"] if row is not None else []
    wanted += [f"seed-{seed}-"] if seed is not None else []
    found = {
        folder: RunDescription.read(folder).score
        for folder in runs_below(path)
        if all(part in f"{folder.name}-" for part in wanted)
    }
    if not found:
        what = f"row {row}, seed {seed} of " if wanted else ""
        raise ArtifactError(
            f"{path}: no finished run. Expected {what}a results folder of experiments/run.py, or "
            f"a folder with {RUN}"
        )
    return max(found, key=lambda folder: found[folder])


def content_hash(folder: Path, which: str = "best") -> str:
    """A hash of all that an export of the run is made from: description and weights."""
    described, checkpoints = RunDescription.read(folder), CheckpointFolder(folder)
    step = checkpoints.best() if which == "best" else checkpoints.last()
    if step is None:
        raise ArtifactError(f"{folder}: expected a trained network. Received: no checkpoint")
    parts: list[Any] = [dataclasses.asdict(described), checkpoints.content(step)]
    if described.encoder is not None:
        parts.append(CheckpointFolder(folder / described.encoder).content(0))
    return stable_hash(parts)


def save_encoder(results: Path, network: keras.Model, origin: str) -> Path:
    """Save a fixed CNN in a results folder, under a hash of its weights; return its folder.

    A CNN that is there already is left alone: other weights have another folder.
    """
    folder = results / _ENCODERS / weights_hash(network)
    checkpoints = CheckpointFolder(folder)
    if checkpoints.last() is None:
        checkpoints.save(0, {"encoder": network}, {"origin": origin})
    return folder


@dataclass(frozen=True)
class SequenceNetworks:
    """VGGFACE-GRU-attention, loaded: images [batch, time, h, w, 3] uint8 -> logits.

    Attributes:
        encoder, trained: the fixed CNN and the sequence network behind it; `encoder` is None
            where the whole network was trained end to end.
    """

    encoder: keras.Model | None
    trained: keras.Model

    @property
    def whole(self) -> keras.Model:
        """Images to outputs, in one model."""
        if self.encoder is None:
            return self.trained
        return join(self.encoder, self.trained, self.trained.input_shape[1])


@dataclass(frozen=True)
class Run:
    """A run, loaded.

    Attributes:
        networks: `SequenceNetworks` of recognition, a network of single frames
            (framewise), or a `GanTrainer`.
        step: of the checkpoint; precision: dtype policy that the networks compute in.
    """

    networks: Any
    description: RunDescription
    folder: Path
    step: int
    precision: str


def load_run(folder: str | Path, which: str = "best", policy: str | None = None) -> Run:
    """The networks of the run in `folder`, as trained; those of sequences take any length.

    Args:
        folder: of its checkpoints, with `run.json`.
        which: "best" on validation or "last".
        policy: dtype policy to compute in; None: the run's own, which gives its scores again.

    Raises:
        ArtifactError: not a complete run, damaged, or without its CNN.
    """
    folder = Path(folder)
    description = RunDescription.read(folder)
    if which not in WHICH:
        raise ConfigError(expected_received("Unknown checkpoint", WHICH, which))
    checkpoints = CheckpointFolder(folder)
    step = checkpoints.best() if which == "best" else checkpoints.last()
    if step is None:
        raise ArtifactError(f"{folder}: expected a trained network. Received: no checkpoint")
    policy = policy or recorded(description.config)
    load = {"recognition": _sequences, "framewise": _framewise, "gan": _gan}[description.kind]
    return Run(load(checkpoints, step, description, policy), description, folder, step, policy)


def _sequences(
    checkpoints: CheckpointFolder, step: int, description: RunDescription, policy: str
) -> SequenceNetworks:
    config = _without_file(description.config)
    trained = build_network(config, description.label_space, any_length=True, policy=policy)
    checkpoints.restore(step, {"network": trained}, only=True)
    if config.train.cnn != "fixed":
        return SequenceNetworks(None, trained)
    encoder = build_encoder(config, policy=policy)
    _restore_encoder(checkpoints.root, description, encoder)
    return SequenceNetworks(encoder, trained)


def _framewise(
    checkpoints: CheckpointFolder, step: int, description: RunDescription, policy: str
) -> keras.Model:
    config = _without_file(description.config)
    network = build_framewise(config, description.label_space, policy=policy)
    checkpoints.restore(step, {"network": network}, only=True)
    return network


def _gan(
    checkpoints: CheckpointFolder, step: int, description: RunDescription, policy: str
) -> GanTrainer:
    """The optimisers are new: only those of float16 have a loss scale, so they may not fit."""
    trainer = GanTrainer(description.config, description.label_space, policy)
    objects = {name: o for name, o in trainer.saved.items() if not name.endswith("_optimizer")}
    checkpoints.restore(step, objects, only=True)
    return trainer


def load_gan(folder: str | Path, which: str = "last", policy: str | None = None) -> GanTrainer:
    """The networks of the GAN in `folder`, as trained; arguments as of `load_run`.

    Raises:
        ArtifactError: `folder` holds no GAN or no complete checkpoint.
    """
    folder = Path(folder)
    if not is_run(folder):
        found = ", ".join(map(str, runs_below(folder))) or "none there, and none below it"
        accepted = f"the folder of one trained GAN, with a {RUN}"
        raise ArtifactError(f"{folder}: expected {accepted}. Received: {found}")
    kind = RunDescription.read(folder).kind
    if kind != "gan":
        raise ArtifactError(f"{folder}: expected a trained GAN. Received: a run of study {kind}")
    trainer: GanTrainer = load_run(folder, which, policy).networks
    return trainer


def _without_file(config: Any) -> Any:
    """Weights come from the checkpoint; a weights file of the training need not be there."""
    return dataclasses.replace(config, model=dataclasses.replace(config.model, weights=None))


def _restore_encoder(folder: Path, description: RunDescription, encoder: keras.Model) -> None:
    if description.encoder is None:
        raise ArtifactError(f"{folder / RUN}: does not say where the weights of its CNN are")
    # Two folders up is the results folder, which a run never leaves.
    results = folder.resolve().parent.parent
    where = safe_join(results, str((folder.resolve() / description.encoder).resolve()))
    if not where.is_dir():
        raise ArtifactError(f"{where}: missing. It holds the CNN of {folder}, which needs it")
    CheckpointFolder(where).restore(0, {"encoder": encoder})
    expected = Path(description.encoder).name
    # Earlier versions named these folders by the seed, which says nothing of the weights.
    if not expected.startswith("seed-") and weights_hash(encoder) != expected:
        what = f"{where}: not the CNN that {folder} was trained behind. Hash of its weights"
        raise ArtifactError(expected_received(what, expected, weights_hash(encoder)))

"""Settings of the second study: ResNet-18 on single frames, one task or several.

The defaults are the study's own where it states one. Frozen, written whole beside each result.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import Any

from kaffect.config import PRECISIONS, THRESHOLDS, from_dict
from kaffect.errors import ConfigError, expected_received
from kaffect.files import stable_hash
from kaffect.labels import TASKS
from kaffect.settings import require_one_of, require_positive, require_range, types_of

STEMS = ("imagenet", "no_pool", "small")
PREPROCESSINGS = ("paper", "imagenet")
VA_LOSSES = ("mse", "ccc")
AU_LOSSES = ("cross_entropy", "mse")
BALANCE = ("none", "balanced")
WEIGHTINGS = ("fixed", "uncertainty")
LABELS = ("own", "any", "complete")
SUBSETS = ("random", "first")
SCORED = ("all", "next")
MIXINGS = ("none", "mixup", "mixaugment")
OPTIMIZERS = ("adam", "sgd", "adamw")
SCHEDULES = ("constant", "plateau", "cosine")


@dataclass(frozen=True)
class FrameModel:
    """ResNet-18; attributes as of `affect_resnet18`."""

    image_size: int = 112
    width: float = 1.0
    stem: str = "imagenet"
    extra_normalization: bool = False
    dropout: float = 0.0
    preprocessing: str = "imagenet"
    weights: str | None = None

    def __post_init__(self) -> None:
        require_one_of("model.stem", self.stem, STEMS)
        require_one_of("model.preprocessing", self.preprocessing, PREPROCESSINGS)
        require_range("model.image_size", self.image_size, 8, 1024)
        require_range("model.width", self.width, 0.01, 8)
        require_range("model.dropout", self.dropout, 0, 0.95)


@dataclass(frozen=True)
class FrameLosses:
    """What is minimised: a weighted sum of the losses of `tasks`.

    Attributes:
        va: 'mse' (the study) or 'ccc' (1 - CCC of the batch); expressions have cross entropy.
        au: 'cross_entropy' over units, or 'mse' of the probabilities (the study's joint network).
        class_weights, positive_weights: 'balanced' counts rare expressions and units more.
        weighting: 'fixed' takes `va_weight`, `expression_weight`, `au_weight`; 'uncertainty'
            learns the weights (Kendall et al. 2018).
        label_smoothing: of the expressions.
        masked: a missing label has no loss; without masks it counts as 0, Neutral, no unit.
    """

    tasks: tuple[str, ...] = TASKS
    va: str = "mse"
    au: str = "cross_entropy"
    class_weights: str = "none"
    positive_weights: str = "none"
    weighting: str = "fixed"
    va_weight: float = 1.0
    expression_weight: float = 1.0
    au_weight: float = 1.0
    label_smoothing: float = 0.0
    masked: bool = True

    def __post_init__(self) -> None:
        if not self.tasks or set(self.tasks) - set(TASKS) or len(set(self.tasks)) < len(self.tasks):
            raise ConfigError(
                expected_received("loss.tasks", f"some of {TASKS}, each once", self.tasks)
            )
        require_one_of("loss.va", self.va, VA_LOSSES)
        require_one_of("loss.au", self.au, AU_LOSSES)
        require_one_of("loss.class_weights", self.class_weights, BALANCE)
        require_one_of("loss.positive_weights", self.positive_weights, BALANCE)
        require_one_of("loss.weighting", self.weighting, WEIGHTINGS)
        require_range("loss.label_smoothing", self.label_smoothing, 0, 0.9)
        for task in TASKS:
            require_range(f"loss.{task}_weight", self.weight(task), 0)

    def weight(self, task: str) -> float:
        """The fixed weight of a task."""
        value: float = getattr(self, f"{task}_weight")
        return value


@dataclass(frozen=True)
class FrameData:
    """Which frames are seen, and how they are changed.

    Attributes:
        labels: frames with a label of a trained task ('own'), of any task ('any': every row of a
            table then sees the same pictures), or of all three tasks ('complete').
        train_share, validation_share: parts of the frames that are used (the study's subsets).
        subset: 'random' frames, or the 'first' of the list, which come from few videos.
        scored: 'all' frames of the scored split; or the 'next' ones: the training list's own, that
            follow the first ones trained on. They are `validation_share` of the list, and are
            validated on as well (what the study's figures suggest).
        balanced: every batch has equal parts for each trained task.
        flip ... erase: of `kaffect.data.batches.warp.Warp`.
        mixing, mixing_alpha: of `kaffect.data.batches.mixing`.
    """

    batch: int = 64
    labels: str = "own"
    train_share: float = 1.0
    validation_share: float = 1.0
    subset: str = "random"
    balanced: bool = False
    flip: bool = True
    rotation: float = 10.0
    zoom: float = 0.0
    shift: float = 0.0
    brightness: float = 0.0
    contrast: float = 0.0
    erase: float = 0.0
    mixing: str = "none"
    mixing_alpha: float = 0.2
    scored: str = "all"

    def __post_init__(self) -> None:
        require_one_of("data.labels", self.labels, LABELS)
        require_one_of("data.subset", self.subset, SUBSETS)
        require_one_of("data.mixing", self.mixing, MIXINGS)
        require_one_of("data.scored", self.scored, SCORED)
        require_range("data.batch", self.batch, 1)
        require_range("data.rotation", self.rotation, 0, 180)
        require_range("data.mixing_alpha", self.mixing_alpha, 1e-3)
        if self.scored == "next" and (self.subset != "first" or self.train_share >= 1):
            what = "data.scored 'next'"
            expected = "data.subset 'first' and data.train_share below 1"
            raise ConfigError(expected_received(what, expected, (self.subset, self.train_share)))
        for name in ("zoom", "shift", "contrast", "erase"):
            require_range(f"data.{name}", getattr(self, name), 0, 1)
        for name in ("train_share", "validation_share"):
            require_range(f"data.{name}", getattr(self, name), 1e-9, 1)


@dataclass(frozen=True)
class FrameTraining:
    """Optimisation.

    Attributes:
        epochs: passes over the chosen frames; validation is looked at after each.
        steps: where above 0, so many updates instead, in `epochs` equal parts.
        schedule: 'constant', 'plateau' (a tenth after `plateau_patience` looks without a smaller
            validation loss) or 'cosine' (to 0 at the end, after `warmup` rising steps).
        momentum: of SGD; weight_decay: of SGD and AdamW, on kernels only.
        adam_epsilon: of Adam and AdamW; 1e-8 as in PyTorch (Keras would take 1e-7).
        thresholds: of Action Units: probability 'half', or those of the best F1 on 'validation'.
        patience: stop after so many looks without a better score; 0 never stops early.
    """

    optimizer: str = "adam"
    learning_rate: float = 1e-3
    momentum: float = 0.9
    weight_decay: float = 0.0
    adam_epsilon: float = 1e-8
    schedule: str = "constant"
    warmup: int = 0
    plateau_factor: float = 0.1
    plateau_patience: int = 2
    epochs: int = 10
    steps: int = 0
    patience: int = 0
    thresholds: str = "half"
    seed: int = 0
    precision: str = "auto"

    def __post_init__(self) -> None:
        require_one_of("train.optimizer", self.optimizer, OPTIMIZERS)
        require_one_of("train.schedule", self.schedule, SCHEDULES)
        require_one_of("train.thresholds", self.thresholds, THRESHOLDS)
        require_one_of("train.precision", self.precision, PRECISIONS)
        require_range("train.learning_rate", self.learning_rate, 1e-12)
        require_positive("train.adam_epsilon", self.adam_epsilon)
        require_range("train.momentum", self.momentum, 0, 1)
        require_range("train.plateau_factor", self.plateau_factor, 0, 1)
        require_range("train.epochs", self.epochs, 1)
        for name in ("steps", "warmup", "patience", "weight_decay", "plateau_patience"):
            require_range(f"train.{name}", getattr(self, name), 0)


@dataclass(frozen=True)
class FrameConfig:
    """One row of Tables A1 to A5 with one seed: everything that decides its numbers."""

    model: FrameModel = field(default_factory=FrameModel)
    loss: FrameLosses = field(default_factory=FrameLosses)
    data: FrameData = field(default_factory=FrameData)
    train: FrameTraining = field(default_factory=FrameTraining)

    def to_dict(self) -> dict[str, Any]:
        """A JSON-able copy."""
        return dataclasses.asdict(self)

    def hash(self) -> str:
        """A short name of this configuration, the same in every process."""
        values = self.to_dict()
        if self.data.scored == "all":
            del values["data"]["scored"]  # younger than results on record: they keep their name
        train = self.train
        if train.optimizer == "sgd" and not (train.schedule == "cosine" and train.warmup):
            del values["train"]["adam_epsilon"]  # also younger, and of no effect here
        return stable_hash(values)

    @classmethod
    def parts(cls) -> dict[str, type]:
        """Name and dataclass of its parts: what `parse_setting` reads settings for."""
        return dict(types_of(cls))

    def changed(self, settings: dict[str, Any]) -> FrameConfig:
        """A copy with dotted settings changed, such as {"train.epochs": 3}.

        Raises:
            ConfigError: an unknown name or a value that is not accepted.
        """
        values = self.to_dict()
        for name, value in settings.items():
            part, _, key = name.partition(".")
            if not isinstance(values.get(part), dict) or key not in values[part]:
                known = sorted(f"{p}.{k}" for p, inner in values.items() for k in inner)
                raise ConfigError(expected_received("Unknown setting", ", ".join(known), name))
            values[part][key] = value
        return from_dict(FrameConfig, values, "settings")

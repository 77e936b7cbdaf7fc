"""Every setting of a run as frozen data (paper Section IV-C.2 and what it leaves open).

A configuration is built from literals, never mutated, and written whole beside
each result; `from_dict` refuses unknown keys, so that a misspelt setting cannot
pass silently. The paper's values are the defaults.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from kaffect.errors import ConfigError, expected_received
from kaffect.files import stable_hash
from kaffect.settings import (
    require_one_of,
    require_positive,
    require_range,
    require_type,
    types_of,
)

VA_LOSSES = ("ccc", "mse")
EXPRESSION_LOSSES = ("cross_entropy", "mse_before_softmax", "mse_after_softmax")
IMPLEMENTATIONS = ("fused", "cell")
# Of Action Units: probability 0.5, or those of the best F1 on validation.
THRESHOLDS = ("half", "validation")
PRECISIONS = ("auto", "float32", "mixed_bfloat16", "mixed_float16")
# "run" is the precision that the network was trained and scored in.
EXPORT_PRECISIONS = ("run", *PRECISIONS[1:])
PRECISION_VARIABLE = "KAFFECT_PRECISION"
BORDERS = ("video", "legacy")
SELECTIONS = ("all", "paper")
CNN_REGIMES = ("fixed", "end_to_end")

Config = TypeVar("Config")


@dataclass(frozen=True)
class ModelConfig:
    """VGGFACE-GRU-attention (Section IV-B, Figure 5).

    Attributes:
        width: factor on the channel numbers of the 13 convolutions; 1 is the paper.
        fc_units: units of the fully connected layer behind them; 4096 in the paper.
        gru_units: units of the stacked GRU layers.
        attention_length: how many of the last outputs the attention sees.
        mask_zero_slots: leave the empty slots at the start out of the softmax
            (the original counts them).
        dropout: rate behind the fully connected layer.
        implementation: of the recurrence: 'fused', or 'cell' step by step.
        jit_compile: let XLA compile the training loops of 'fused'.
        preprocessing: colour order and mean of the input, as the weights expect it.
        weights: path of a keras-vggface `notop` file, or None for He initialisation.
    """

    width: float = 1.0
    fc_units: int = 4096
    gru_units: tuple[int, ...] = (128, 128)
    attention_length: int = 32
    mask_zero_slots: bool = False
    dropout: float = 0.5
    implementation: str = "fused"
    jit_compile: bool = False
    preprocessing: str = "paper"
    weights: str | None = None

    def __post_init__(self) -> None:
        require_one_of("model.implementation", self.implementation, IMPLEMENTATIONS)
        require_one_of("model.preprocessing", self.preprocessing, ("paper", "vggface"))
        require_positive("model.width", self.width)
        require_positive("model.fc_units", self.fc_units)
        require_range("model.dropout", self.dropout, 0, 1, open_end=True)


@dataclass(frozen=True)
class LossConfig:
    """Equation 6: alpha * L_VA + beta * L_expression, and what each part is (Section IV-C.2)."""

    va_loss: str = "ccc"
    expression_loss: str = "cross_entropy"
    alpha: float = 0.5
    beta: float = 0.5

    def __post_init__(self) -> None:
        require_one_of("loss.va_loss", self.va_loss, VA_LOSSES)
        require_one_of("loss.expression_loss", self.expression_loss, EXPRESSION_LOSSES)
        for name in ("alpha", "beta"):
            require_range(f"loss.{name}", getattr(self, name), 0, 1)
        if self.alpha == self.beta == 0:
            raise ConfigError("loss.alpha and loss.beta are both 0: nothing would be trained")

    @property
    def tasks(self) -> tuple[str, ...]:
        """The tasks that carry weight: a subset of ('va', 'expression')."""
        pairs = (("va", self.alpha), ("expression", self.beta))
        return tuple(task for task, weight in pairs if weight > 0)


@dataclass(frozen=True)
class DataConfig:
    """Which frames, cut how (Sections II-D and III).

    Attributes:
        partition: whose split is used: the videos 'expression' or 'au' annotate.
        sequences: sequences in a batch; sequence_length: frames in each (10 x 80 = 800).
        borders: 'video' pads and masks the tail; 'legacy' is the authors' chunking.
        select: 'all' keeps unlabelled frames, masked; 'paper' drops them (Section II-D).
    """

    partition: str = "expression"
    sequences: int = 10
    sequence_length: int = 80
    borders: str = "video"
    select: str = "all"
    image_size: int = 96
    fps: int = 30

    def __post_init__(self) -> None:
        require_one_of("data.partition", self.partition, ("expression", "au", "va", "all"))
        require_one_of("data.borders", self.borders, BORDERS)
        require_one_of("data.select", self.select, SELECTIONS)
        for name in ("sequences", "sequence_length", "image_size", "fps"):
            require_positive(f"data.{name}", getattr(self, name))


@dataclass(frozen=True)
class PretrainConfig:
    """Training of the CNN on single frames before it is fixed (not in the paper; see DECISIONS).

    Attributes:
        steps: updates; 0 leaves the CNN as it is initialised or loaded.
        dropout: rate behind the fully connected layer in this training.
        evaluate_every: steps between two looks at the validation frames.
        patience: stop after so many looks without a better score; 0 never stops early.
        warmup: steps in which the learning rate rises to its value, before it falls along
            half a cosine to 0 at the last step.
        partition: whose training videos are used; 'all' takes those of every task.
    """

    steps: int = 0
    batch: int = 64
    learning_rate: float = 1e-4
    dropout: float = 0.5
    evaluate_every: int = 200
    patience: int = 0
    warmup: int = 50
    partition: str = "all"

    def __post_init__(self) -> None:
        for name in ("steps", "warmup", "patience"):
            if getattr(self, name) < 0:
                value = getattr(self, name)
                raise ConfigError(
                    expected_received(f"Invalid value for pretrain.{name}", "0 or more", value)
                )
        require_range("pretrain.dropout", self.dropout, 0, 1, open_end=True)
        for name in ("batch", "learning_rate", "evaluate_every"):
            require_positive(f"pretrain.{name}", getattr(self, name))


@dataclass(frozen=True)
class TrainConfig:
    """Optimisation (Section IV-C.2; steps, patience and precision are not in the paper).

    Attributes:
        cnn: 'fixed' trains the RNN, attention and output layers on cached features;
            'end_to_end' trains everything.
        adam_epsilon: 1e-8 as in TensorFlow 1 (Keras would take 1e-7).
        steps: most updates; evaluate_every: updates between two looks at the validation set.
        patience: stop after so many looks without a better score; 0 never stops early.
        seed: initial weights, data order and dropout.
    """

    learning_rate: float = 1e-3
    adam_epsilon: float = 1e-8
    cnn: str = "fixed"
    steps: int = 5000
    evaluate_every: int = 250
    patience: int = 8
    seed: int = 0
    precision: str = "auto"

    def __post_init__(self) -> None:
        require_one_of("train.cnn", self.cnn, CNN_REGIMES)
        require_one_of("train.precision", self.precision, PRECISIONS)
        for name in ("learning_rate", "adam_epsilon", "steps", "evaluate_every"):
            require_positive(f"train.{name}", getattr(self, name))


@dataclass(frozen=True)
class RunConfig:
    """One row of a table with one seed: everything that decides its numbers."""

    data: DataConfig = field(default_factory=DataConfig)
    model: ModelConfig = field(default_factory=ModelConfig)
    loss: LossConfig = field(default_factory=LossConfig)
    pretrain: PretrainConfig = field(default_factory=PretrainConfig)
    train: TrainConfig = field(default_factory=TrainConfig)

    def to_dict(self) -> dict[str, Any]:
        """A JSON-able copy."""
        return dataclasses.asdict(self)

    def hash(self) -> str:
        """A short name of this configuration, the same in every process."""
        return stable_hash(self.to_dict())


def automatic_precision(environment: Mapping[str, str]) -> str | None:
    """What KAFFECT_PRECISION says that the precision "auto" is; None where it is not set.

    Raises:
        ConfigError: it is no precision.
    """
    value = environment.get(PRECISION_VARIABLE)
    if value:
        require_one_of(PRECISION_VARIABLE, value, PRECISIONS[1:])
    return value or None


def from_dict(kind: type[Config], values: dict[str, Any], where: str = "configuration") -> Config:
    """Build the frozen dataclass `kind`; the inverse of `dataclasses.asdict`, through JSON too.

    Raises:
        ConfigError: an unknown key, a value of another type than the field has, or one that the
            dataclass refuses.
    """
    types = dict(types_of(kind))
    arguments: dict[str, Any] = {}
    for key, value in values.items():
        name = f"{where}.{key}"
        if key not in types:
            raise ConfigError(expected_received(f"{where}: unknown setting", tuple(types), key))
        if dataclasses.is_dataclass(types[key]):
            if not isinstance(value, dict):
                raise ConfigError(expected_received(name, "an object of settings", value))
            arguments[key] = from_dict(types[key], value, name)
        else:
            arguments[key] = require_type(name, types[key], value)
    try:
        return kind(**arguments)
    except TypeError as error:
        raise ConfigError(f"{where}: {error}") from error

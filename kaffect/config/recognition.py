"""Settings of VGGFACE-GRU-attention on sequences (paper Section IV-C.2, Tables X and XI)."""

from __future__ import annotations

from dataclasses import field
from typing import Annotated, ClassVar, Literal, get_args

from pydantic import Field
from pydantic.dataclasses import dataclass

from kaffect.config.base import LATER, STRICT, Count, Positive, PositiveCount, Rate, Settings, Share
from kaffect.config.choices import Precision, Selected, VaLoss
from kaffect.config.preparation import Preparation
from kaffect.config.start import Start
from kaffect.errors import ConfigError, expected_received

Implementation = Literal["fused", "cell"]
CnnRegime = Literal["fixed", "end_to_end"]
IMPLEMENTATIONS: tuple[str, ...] = get_args(Implementation)
CNN_REGIMES: tuple[str, ...] = get_args(CnnRegime)


@dataclass(frozen=True, config=STRICT)
class RecognitionModel(Settings):
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
        preprocessing: colour order and mean of the input; `--weights` brings that of its file.
        weights: path of a keras-vggface `notop` file or of an AffWildNet checkpoint, or None for
            He initialisation.
        start: which layers an AffWildNet checkpoint fills: those of the 'cnn', or 'all', the
            recurrent ones too.
    """

    PART: ClassVar[str] = "model"

    width: Positive = 1.0
    fc_units: PositiveCount = 4096
    gru_units: Annotated[tuple[PositiveCount, ...], Field(strict=False)] = (128, 128)
    attention_length: PositiveCount = 32
    mask_zero_slots: bool = False
    dropout: Rate = 0.5
    implementation: Implementation = "fused"
    jit_compile: bool = False
    preprocessing: Literal["paper", "vggface"] = "paper"
    weights: str | None = None
    start: Literal["cnn", "all"] = "cnn"


@dataclass(frozen=True, config=STRICT)
class RecognitionLoss(Settings):
    """Equation 6: alpha * L_VA + beta * L_expression, and what each part is (Section IV-C.2).

    Attributes:
        va, expression: which loss each task has.
        va_weight: alpha; expression_weight: beta.
    """

    PART: ClassVar[str] = "loss"

    va: VaLoss = "ccc"
    expression: Literal["cross_entropy", "mse_before_softmax", "mse_after_softmax"] = (
        "cross_entropy"
    )
    va_weight: Share = 0.5
    expression_weight: Share = 0.5

    def check(self) -> None:
        if not self.tasks:
            raise ConfigError(
                "loss.va_weight and loss.expression_weight are both 0: nothing would be trained"
            )

    @property
    def tasks(self) -> tuple[str, ...]:
        """The tasks that carry weight: a subset of ('va', 'expression')."""
        pairs = (("va", self.va_weight), ("expression", self.expression_weight))
        return tuple(task for task, weight in pairs if weight > 0)


@dataclass(frozen=True, config=STRICT)
class RecognitionData(Settings):
    """Which frames, cut how (Sections II-D and III).

    Attributes:
        partition: whose split is used: the videos 'expression' or 'au' annotate.
        sequences: sequences in a batch; sequence_length: frames in each (10 x 80 = 800).
        borders: 'video' pads and masks the tail; 'legacy' is the authors' chunking.
        select: 'all' keeps unlabelled frames, masked; 'paper' keeps the faces with the label
            of the partition's own task (Section II-D).
        scored: 'all' scores every annotated frame; 'paper' those that Section II-D keeps.
        seed: of the choice that 'paper' makes among frames without an active Action Unit.
    """

    PART: ClassVar[str] = "data"

    partition: Literal["expression", "au", "va", "all"] = "expression"
    sequences: PositiveCount = 10
    sequence_length: PositiveCount = 80
    borders: Literal["video", "legacy"] = "video"
    select: Selected = "all"
    scored: Selected = "all"
    seed: Count = 0
    image_size: PositiveCount = 96


@dataclass(frozen=True, config=STRICT)
class Pretraining(Settings):
    """Training of the CNN on single frames before it is fixed (not in the paper; see DECISIONS).

    Attributes:
        layers: 'missing': those that the weights file does not fill, which without a file are
            all; 'all': the filled ones too.
        epochs: passes over the training frames; a validation pass follows each (but not before
            10 and not after 1000 steps). 0 leaves the CNN as it is initialised or loaded.
        steps: where above 0, so many updates instead.
        dropout: rate behind the fully connected layer in this training.
        evaluate_every: of `steps`, between two validation passes.
        patience: stop after so many validation passes without a better score; 0 never does.
        warmup: steps in which the learning rate rises to its value, before it falls along
            half a cosine to 0 at the last step.
        partition: whose training videos are used; 'all' takes those of every task.
    """

    PART: ClassVar[str] = "pretrain"

    layers: Literal["missing", "all"] = "missing"
    epochs: Count = 0
    steps: Count = 0
    batch: PositiveCount = 64
    learning_rate: Positive = 1e-4
    dropout: Rate = 0.5
    evaluate_every: PositiveCount = 200
    patience: Count = 0
    warmup: Count = 50
    partition: Literal["expression", "au", "va", "all"] = "all"

    @property
    def trains(self) -> bool:
        """Whether there is any such training."""
        return self.steps > 0 or self.epochs > 0


@dataclass(frozen=True, config=STRICT)
class RecognitionTraining(Settings):
    """Optimisation (Section IV-C.2; epochs, patience and precision are not in the paper).

    Attributes:
        cnn: 'fixed' trains the RNN, attention and output layers on cached features;
            'end_to_end' trains everything.
        adam_epsilon: 1e-8 as in TensorFlow 1 (Keras would take 1e-7).
        epochs: passes over the training sequences; a validation pass follows each (but not
            before 10 and not after 250 steps).
        steps: where above 0, so many updates instead, in `epochs` equal parts.
        patience: stop after so many validation passes without a better score; 0 never does.
        recompute: with 'end_to_end', frames whose activations of the CNN are kept at a time; those
            of the others are computed again for the gradient. Needs less memory and about a third
            more time; 0 keeps all.
        seed: initial weights, data order and dropout.
    """

    PART: ClassVar[str] = "train"

    learning_rate: Positive = 1e-3
    adam_epsilon: Positive = 1e-8
    cnn: CnnRegime = "fixed"
    recompute: Annotated[Count, LATER] = 0
    epochs: PositiveCount = 60
    steps: Count = 0
    patience: Count = 6
    seed: Count = 0
    precision: Precision = "auto"

    def check(self) -> None:
        if self.recompute and self.cnn == "fixed":
            what = "train.recompute of a CNN that is not trained (train.cnn)"
            raise ConfigError(expected_received(what, "0", self.recompute))


@dataclass(frozen=True, config=STRICT)
class RecognitionConfig(Settings):
    """One row of Table X or XI with one seed: everything that decides its numbers."""

    prepare: Preparation = field(default_factory=Preparation)
    start: Start = field(default_factory=Start)
    data: RecognitionData = field(default_factory=RecognitionData)
    model: RecognitionModel = field(default_factory=RecognitionModel)
    loss: RecognitionLoss = field(default_factory=RecognitionLoss)
    pretrain: Pretraining = field(default_factory=Pretraining)
    train: RecognitionTraining = field(default_factory=RecognitionTraining)

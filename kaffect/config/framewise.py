"""Settings of the framewise study: ResNet-18 on single frames, one task or several (A1 to A5).

The defaults are those of the dissertation "Multi-Task Learning for Affect Analysis" where it
states one.
"""

from __future__ import annotations

from dataclasses import field
from typing import Annotated, Any, ClassVar, Literal, get_args

from annotated_types import Ge, Gt, Le, Lt
from pydantic import Field
from pydantic.dataclasses import dataclass

from kaffect.config.base import (
    LATER,
    STRICT,
    Count,
    NotNegative,
    Positive,
    PositiveCount,
    Rate,
    Settings,
    Share,
)
from kaffect.config.choices import Precision, Task, Thresholds, VaLoss
from kaffect.config.preparation import Preparation
from kaffect.config.start import Start
from kaffect.errors import ConfigError, expected_received

Balance = Literal["none", "balanced"]
ClassBalance = Literal["none", "balanced", "root"]
_TITLES = {
    "resnet18": "ResNet-18",
    "mobilenet_v2": "MobileNetV2",
    "vggface": "VGG-Face",
    "small": "small CNN",
}
PartOfAll = Annotated[float, Ge(1e-9), Le(1)]


@dataclass(frozen=True, config=STRICT)
class FramewiseModel(Settings):
    """The network of single frames; attributes as of `affect_network` and `affect_resnet18`.

    Attributes:
        backbone: a name of `kaffect.models.BACKBONES`; the study's is ResNet-18.
        stem, extra_normalization: of ResNet-18 alone.
        mirrored: answers are the mean of the picture's and of its mirror image's.
    """

    PART: ClassVar[str] = "model"

    backbone: Literal["resnet18", "mobilenet_v2", "vggface", "small"] = "resnet18"
    image_size: Annotated[int, Ge(8), Le(1024)] = 112
    width: Annotated[float, Ge(0.01), Le(8)] = 1.0
    stem: Literal["imagenet", "no_pool", "small"] = "imagenet"
    extra_normalization: bool = False
    dropout: Annotated[float, Ge(0), Le(0.95)] = 0.0
    preprocessing: Literal["paper", "imagenet", "grey"] = "imagenet"
    weights: str | None = None
    mirrored: Annotated[bool, LATER] = False

    def check(self) -> None:
        if self.backbone != "resnet18" and (self.stem != "imagenet" or self.extra_normalization):
            what = f"model.stem and model.extra_normalization of {self.backbone}"
            expected = "'imagenet' and False; ResNet-18 alone has others"
            raise ConfigError(
                expected_received(what, expected, (self.stem, self.extra_normalization))
            )

    @property
    def title(self) -> str:
        """Of the backbone, in cards and reports."""
        return _TITLES[self.backbone]

    @property
    def network(self) -> dict[str, Any]:
        """Arguments of `kaffect.models.affect_network`."""
        found = self.to_dict()
        if self.backbone != "resnet18":
            del found["stem"], found["extra_normalization"]
        return found


@dataclass(frozen=True, config=STRICT)
class FramewiseLoss(Settings):
    """What is minimised: a weighted sum of the losses of `tasks`.

    Attributes:
        va: 'mse' (the study) or 'ccc' (1 - CCC of the batch); expressions have cross entropy.
        au: 'cross_entropy' over units, or 'mse' of the probabilities (the study's joint network).
        class_weights, positive_weights: 'balanced' counts rare expressions and units more; of
            expressions 'root' takes the square roots of these weights.
        weighting: 'fixed' takes `va_weight`, `expression_weight`, `au_weight`; 'uncertainty'
            learns the weights (Kendall et al. 2018).
        label_smoothing: of the expressions.
        masked: a missing label has no loss; without masks it counts as 0, Neutral, no unit.
    """

    PART: ClassVar[str] = "loss"

    tasks: Annotated[tuple[Task, ...], Field(strict=False)] = ("va", "expression", "au")
    va: VaLoss = "mse"
    au: Literal["cross_entropy", "mse"] = "cross_entropy"
    class_weights: ClassBalance = "none"
    positive_weights: Balance = "none"
    weighting: Literal["fixed", "uncertainty"] = "fixed"
    va_weight: NotNegative = 1.0
    expression_weight: NotNegative = 1.0
    au_weight: NotNegative = 1.0
    label_smoothing: Annotated[float, Ge(0), Le(0.9)] = 0.0
    masked: bool = True

    def check(self) -> None:
        if not self.tasks or len(set(self.tasks)) < len(self.tasks):
            raise ConfigError(
                expected_received("loss.tasks", f"some of {get_args(Task)}, each once", self.tasks)
            )

    def weight(self, task: str) -> float:
        """The fixed weight of a task."""
        value: float = getattr(self, f"{task}_weight")
        return value


@dataclass(frozen=True, config=STRICT)
class FramewiseData(Settings):
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

    PART: ClassVar[str] = "data"

    batch: PositiveCount = 64
    labels: Literal["own", "any", "complete"] = "own"
    train_share: PartOfAll = 1.0
    validation_share: PartOfAll = 1.0
    subset: Literal["random", "first"] = "random"
    balanced: bool = False
    flip: bool = True
    rotation: Annotated[float, Ge(0), Le(180)] = 10.0
    zoom: Share = 0.0
    shift: Share = 0.0
    brightness: NotNegative = 0.0
    contrast: Share = 0.0
    erase: Share = 0.0
    mixing: Literal["none", "mixup", "mixaugment"] = "none"
    mixing_alpha: Annotated[float, Ge(1e-3)] = 0.2
    scored: Literal["all", "next"] = "all"

    def check(self) -> None:
        if self.scored == "next" and (self.subset != "first" or self.train_share >= 1):
            what = "data.scored 'next'"
            expected = "data.subset 'first' and data.train_share below 1"
            raise ConfigError(expected_received(what, expected, (self.subset, self.train_share)))


@dataclass(frozen=True, config=STRICT)
class FramewiseGenerated(Settings):
    """Generated faces beside the real ones (the paper's "enrichment"; Table IX-E).

    A GAN of the paper's first configuration is trained on the same labelled frames, with all other
    training faces as its unlabelled ones; its discriminator labels what its generator draws.

    Attributes:
        count: generated faces; 0: none.
        share: part of each batch that they are.
        width, steps, rate: of that GAN: factor on its channels, updates of either network, learning
            rate of both; the rest is as in the demo profile of Table IX.
    """

    PART: ClassVar[str] = "generated"

    count: Annotated[Count, LATER] = 0
    share: Annotated[float, Gt(0), Lt(1), LATER] = 0.5
    width: Annotated[Positive, LATER] = 0.5
    steps: Annotated[PositiveCount, LATER] = 3000
    rate: Annotated[Positive, LATER] = 1e-3


@dataclass(frozen=True, config=STRICT)
class FramewiseTraining(Settings):
    """Optimisation.

    Attributes:
        schedule: 'constant', 'plateau' (a tenth after `plateau_patience` validation passes without
            a smaller validation loss) or 'cosine' (to 0 at the end, after `warmup` rising steps).
        momentum: of SGD; weight_decay: of SGD and AdamW, on kernels only.
        adam_epsilon: of Adam and AdamW; 1e-8 as in PyTorch (Keras would take 1e-7).
        epochs: passes over the chosen frames; a validation pass follows each.
        steps: where above 0, so many updates instead, in `epochs` equal parts.
        patience: stop after so many validation passes without a better score; 0 never does.
        thresholds: of Action Units: probability 'half', or those of the best F1 on 'validation'.
        seed: initial weights, data order and dropout.
        ema: decay of the moving average of the weights that is validated and kept; 0: the
            weights themselves.
    """

    PART: ClassVar[str] = "train"

    optimizer: Literal["adam", "sgd", "adamw"] = "adam"
    learning_rate: Annotated[float, Ge(1e-12)] = 1e-3
    momentum: Share = 0.9
    weight_decay: NotNegative = 0.0
    adam_epsilon: Positive = 1e-8
    schedule: Literal["constant", "plateau", "cosine"] = "constant"
    warmup: Count = 0
    plateau_factor: Share = 0.1
    plateau_patience: Count = 2
    epochs: PositiveCount = 10
    steps: Count = 0
    patience: Count = 0
    thresholds: Thresholds = "half"
    seed: Count = 0
    precision: Precision = "auto"
    ema: Annotated[Rate, LATER] = 0.0


@dataclass(frozen=True, config=STRICT)
class FramewiseConfig(Settings):
    """One row of Tables A1 to A5 with one seed: everything that decides its numbers."""

    model: FramewiseModel = field(default_factory=FramewiseModel)
    loss: FramewiseLoss = field(default_factory=FramewiseLoss)
    prepare: Preparation = field(default_factory=Preparation)
    start: Start = field(default_factory=Start)
    data: FramewiseData = field(default_factory=FramewiseData)
    generated: FramewiseGenerated = field(default_factory=FramewiseGenerated)
    train: FramewiseTraining = field(default_factory=FramewiseTraining)

    def check(self) -> None:
        if not self.generated.count:
            return
        if self.data.mixing != "none" or self.data.balanced:
            what = "data.mixing and data.balanced beside generated.count"
            received = (self.data.mixing, self.data.balanced)
            raise ConfigError(expected_received(what, "'none' and False", received))
        if "expression" in self.loss.tasks:
            what = "loss.tasks beside generated.count (no GAN labels expressions)"
            raise ConfigError(expected_received(what, "'va', 'au' or both", self.loss.tasks))

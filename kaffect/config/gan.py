"""Settings of the semi-supervised GANs (paper Section IV-C.1, Table IX)."""

from __future__ import annotations

import math
from dataclasses import field
from typing import Annotated, ClassVar, Literal

from pydantic import Field
from pydantic.dataclasses import dataclass

from kaffect.config.base import STRICT, Count, NotNegative, Positive, PositiveCount, Rate, Settings
from kaffect.config.choices import Precision, Selected, Thresholds, VaLoss
from kaffect.config.preparation import Preparation
from kaffect.config.start import Start
from kaffect.errors import ConfigError, expected_received

# One letter for each update of a round: D the discriminator, G the generator.
# "paper": more generator updates, as the sentence begins and the ancestor code does.
# "literal": as the sentence ends ("the discriminator was updated five times before").
ROUNDS = {("paper", 1): "DGGGGG", ("paper", 2): "DGG"} | {
    ("literal", 1): "DDDDDG",
    ("literal", 2): "DDG",
}
IMAGE_SIZES = {1: 32, 2: 96}


@dataclass(frozen=True, config=STRICT)
class GanModel(Settings):
    """Both networks.

    Attributes:
        configuration: 1 (Tables V, VI; 32x32) or 2 (Tables VII, VIII; 96x96).
        kernel: filter size of configuration 2, 5 or 7.
        style: order of the layers in configuration 1, see `ssgan_generator`.
        width: factor on all channel numbers; 1 is the paper's networks.
    """

    PART: ClassVar[str] = "model"

    configuration: Literal[1, 2] = 1
    kernel: Literal[5, 7] = 5
    style: Literal["paper", "ssgan"] = "paper"
    width: Positive = 1.0

    def check(self) -> None:
        if self.configuration == 2 and self.style != "paper":
            what = "Invalid value for model.style of configuration 2"
            raise ConfigError(expected_received(what, ("paper",), self.style))
        if self.configuration == 1 and self.kernel != 5:
            what = "Invalid value for model.kernel of configuration 1"
            raise ConfigError(
                expected_received(what, "5; configuration 2 has other filters", self.kernel)
            )

    @property
    def image_size(self) -> int:
        """Side of the faces in pixels."""
        return IMAGE_SIZES[self.configuration]

    @property
    def name(self) -> str:
        """In names of files: "configuration-1", "configuration-2-kernel-7"."""
        kernel = f"-kernel-{self.kernel}" if self.configuration == 2 else ""
        return f"configuration-{self.configuration}{kernel}"

    @property
    def title(self) -> str:
        """In reports: "configuration 2 (96x96, 7x7 filters)"."""
        filters = f", {self.kernel}x{self.kernel} filters" if self.configuration == 2 else ""
        return f"configuration {self.configuration} ({self.image_size}x{self.image_size}{filters})"


@dataclass(frozen=True, config=STRICT)
class GanLoss(Settings):
    """What is minimised (Eq. 1-3).

    Attributes:
        tasks: what the discriminator estimates beside "fake" (Table IX's rows).
        va: loss of valence and arousal.
        smoothing, non_saturating: see `kaffect.losses.gan`.
        reconstruction_start, reconstruction_steps: of w_r in Eq. 2; the steps are not in the paper.
    """

    PART: ClassVar[str] = "loss"

    tasks: Annotated[tuple[Literal["va", "au"], ...], Field(strict=False)] = ("va", "au")
    va: VaLoss = "mse"
    smoothing: Literal["paper", "per_class"] = "paper"
    non_saturating: bool = False
    reconstruction_start: NotNegative = 1.0
    reconstruction_steps: PositiveCount = 1500

    def check(self) -> None:
        if not self.tasks or len(set(self.tasks)) < len(self.tasks):
            what = "loss.tasks: what a discriminator estimates"
            raise ConfigError(expected_received(what, "'va', 'au' or both, each once", self.tasks))


@dataclass(frozen=True, config=STRICT)
class GanData(Settings):
    """Which faces the networks see.

    Attributes:
        batch: faces in a batch.
        unlabelled: share of a batch that comes from unlabelled videos.
        flip: half of the training pictures are mirrored (not in the paper).
        select: 'all' trains on every face with a label; 'paper' on those that Section II-D.1
            keeps.
        scored: 'all' scores every annotated frame; 'paper' those that Section II-D.1 keeps.
        seed: of the choice that 'paper' makes among frames without an active Action Unit.
    """

    PART: ClassVar[str] = "data"

    batch: PositiveCount = 64
    unlabelled: Rate = 0.25
    flip: bool = True
    select: Selected = "all"
    scored: Selected = "all"
    seed: Count = 0


@dataclass(frozen=True, config=STRICT)
class GanTraining(Settings):
    """Optimisation; what the paper does not say stands beside each setting.

    Attributes:
        rounds: "paper", "literal", or the updates of a round in letters, such as "DGG".
        generator_rate, discriminator_rate: of Adam, 1e-4 and 1e-5.
        adam_epsilon: 1e-8 as in TensorFlow 1 (not in the paper).
        clip: limit of each network's gradient; clip_by: of its global 'norm', or of each
            'value'.
        statistics: what the discriminator's moving statistics, with which it is evaluated, follow:
            "real" images, or "all" (then mostly generated ones, as there are more of them).
        ema: decay of the average of the generator's weights (not in the paper).
        discriminator_ema: decay of an average of the discriminator's weights, with which it is
            scored; 0 scores the trained weights themselves, as the paper does.
        thresholds: of Action Units: probability 'half', or those of the best F1 on 'validation'.
        steps: updates of either network; evaluate_every: updates between two validation passes.
        seed: initial weights, data order, latent vectors and dropout.
    """

    PART: ClassVar[str] = "train"

    rounds: str = "paper"
    generator_rate: Positive = 1e-4
    discriminator_rate: Positive = 1e-5
    beta_1: Rate = 0.5
    beta_2: Rate = 0.999
    adam_epsilon: Positive = 1e-8
    clip: Positive = 20.0
    clip_by: Literal["norm", "value"] = "norm"
    statistics: Literal["real", "all"] = "real"
    ema: Rate = 0.999
    discriminator_ema: Rate = 0.0
    thresholds: Thresholds = "half"
    steps: PositiveCount = 60_000
    evaluate_every: PositiveCount = 3_000
    seed: Count = 0
    precision: Precision = "auto"

    def check(self) -> None:
        if self.rounds not in ("paper", "literal") and set(self.rounds) != {"D", "G"}:
            accepted = "'paper', 'literal' or letters D and G"
            raise ConfigError(expected_received("train.rounds", accepted, self.rounds))


@dataclass(frozen=True, config=STRICT)
class GanQuality(Settings):
    """How generated faces are compared with real ones (FID and its like; not in the paper).

    Attributes:
        faces: how many of each are compared; 0 leaves the comparison out.
        feature_steps: updates of the network whose features are compared.
    """

    PART: ClassVar[str] = "quality"

    faces: Count = 2000
    feature_steps: PositiveCount = 600


@dataclass(frozen=True, config=STRICT)
class GanConfig(Settings):
    """One row of Table IX with one seed: everything that decides its numbers."""

    model: GanModel = field(default_factory=GanModel)
    loss: GanLoss = field(default_factory=GanLoss)
    prepare: Preparation = field(default_factory=Preparation)
    start: Start = field(default_factory=Start)
    data: GanData = field(default_factory=GanData)
    train: GanTraining = field(default_factory=GanTraining)
    quality: GanQuality = field(default_factory=GanQuality)

    @property
    def updates(self) -> str:
        """The updates of one round, in order: "DGGGGG" is one of D, then five of G."""
        rounds = self.train.rounds
        return ROUNDS.get((rounds, self.model.configuration), rounds)

    def in_rounds(self, steps: int) -> int:
        """`steps` rounded up to whole rounds of the schedule."""
        size = len(self.updates)
        return math.ceil(steps / size) * size

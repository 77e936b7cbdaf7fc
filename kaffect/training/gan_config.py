"""Every setting of a GAN run as frozen data (paper Section IV-C.1 and what it leaves open)."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kaffect.config import PRECISIONS, THRESHOLDS, VA_LOSSES, from_dict
from kaffect.errors import ConfigError, expected_received
from kaffect.files import stable_hash
from kaffect.labels import LABEL_SPACES
from kaffect.settings import require_one_of, require_positive, require_range

if TYPE_CHECKING:
    from kaffect.losses import Heads

# One letter for each update of a round: D the discriminator, G the generator.
# "paper": more generator updates, as the sentence begins and the ancestor code does.
# "literal": as the sentence ends ("the discriminator was updated five times before").
SCHEDULES = {("paper", 1): "DGGGGG", ("paper", 2): "DGG"} | {
    ("literal", 1): "DDDDDG",
    ("literal", 2): "DDG",
}
IMAGE_SIZES = {1: 32, 2: 96}


@dataclass(frozen=True)
class GanConfig:
    """One GAN run. The defaults are the paper's; what it does not say stands beside each setting.

    Attributes:
        configuration: 1 (Tables V, VI; 32x32) or 2 (Tables VII, VIII; 96x96).
        kernel: filter size of configuration 2, 5 or 7.
        style: order of the layers in configuration 1, see `ssgan_generator`.
        width: factor on all channel numbers; 1 is the paper's networks.
        valence_arousal, action_units: which heads the discriminator has (Table IX's rows).
        label_space: whose Action Units those are.
        va_loss: "ccc" or "mse".
        schedule: "paper", "literal", or the updates of a round in letters, such as "DGG".
        generator_rate, discriminator_rate: of Adam, 1e-4 and 1e-5.
        adam_epsilon: 1e-8 as in TensorFlow 1 (not in the paper).
        clip: global norm of each network's gradient.
        reconstruction_start, reconstruction_steps: of w_r in Eq. 2; the steps are not in the paper.
        smoothing, non_saturating: see `kaffect.losses.gan`.
        statistics: what the discriminator's moving statistics, with which it is evaluated, follow:
            "real" images, or "all" (then mostly generated ones, as there are more of them).
        ema: decay of the average of the generator's weights (not in the paper).
        discriminator_ema: decay of an average of the discriminator's weights, with which it is
            scored; 0 scores the trained weights themselves, as the paper does.
        thresholds: of Action Units: probability 'half', or those of the best F1 on 'validation'.
        unlabelled: share of a batch that comes from unlabelled videos.
        mirror: half of the training pictures are mirrored (not in the paper).
        steps: updates of either network; evaluate_every: updates between two looks.
    """

    configuration: int = 1
    kernel: int = 5
    style: str = "paper"
    width: float = 1.0
    valence_arousal: bool = True
    action_units: int = 8
    label_space: str = "aff-wild"
    va_loss: str = "mse"
    batch: int = 64
    schedule: str = "paper"
    generator_rate: float = 1e-4
    discriminator_rate: float = 1e-5
    beta_1: float = 0.5
    beta_2: float = 0.999
    adam_epsilon: float = 1e-8
    clip: float = 20.0
    reconstruction_start: float = 1.0
    reconstruction_steps: int = 1500
    smoothing: str = "paper"
    non_saturating: bool = False
    statistics: str = "real"
    ema: float = 0.999
    discriminator_ema: float = 0.0
    thresholds: str = "half"
    unlabelled: float = 0.25
    mirror: bool = True
    steps: int = 60_000
    evaluate_every: int = 3_000
    seed: int = 0
    precision: str = "auto"

    def __post_init__(self) -> None:
        require_one_of("gan.label_space", self.label_space, tuple(LABEL_SPACES))
        units = len(LABEL_SPACES[self.label_space].action_units)
        for name, accepted in (
            ("configuration", (1, 2)),
            ("kernel", (5, 7)),
            ("style", ("paper",) if self.configuration == 2 else ("paper", "ssgan")),
            ("va_loss", VA_LOSSES),
            ("smoothing", ("paper", "per_class")),
            ("statistics", ("real", "all")),
            ("thresholds", THRESHOLDS),
            ("precision", PRECISIONS),
            ("action_units", (0, units)),
        ):
            require_one_of(f"gan.{name}", getattr(self, name), accepted)
        if not self.valence_arousal and not self.action_units:
            raise ConfigError("gan: a discriminator needs valence_arousal, action_units or both")
        for name in (
            "width", "batch", "generator_rate", "discriminator_rate", "adam_epsilon", "clip",
            "reconstruction_steps", "steps", "evaluate_every",
        ):  # fmt: skip
            require_positive(f"gan.{name}", getattr(self, name))
        for name in ("ema", "discriminator_ema", "unlabelled", "beta_1", "beta_2"):
            require_range(f"gan.{name}", getattr(self, name), 0, 1, open_end=True)
        if set(self.updates) != {"D", "G"}:
            raise ConfigError(
                expected_received(
                    "gan.schedule", "'paper', 'literal' or letters D and G", self.schedule
                )
            )

    @property
    def updates(self) -> str:
        """The updates of one round, in order: "DGGGGG" is one of D, then five of G."""
        return SCHEDULES.get((self.schedule, self.configuration), self.schedule)

    @property
    def heads(self) -> Heads:
        """The outputs of the discriminator, as the losses know them."""
        # Here, so that describing a run needs no TensorFlow.
        from kaffect.losses import Heads

        return Heads(self.valence_arousal, self.action_units)

    @property
    def tasks(self) -> tuple[str, ...]:
        """Of 'va' and 'au', those that the discriminator is trained for."""
        pairs = (("va", self.valence_arousal), ("au", bool(self.action_units)))
        return tuple(task for task, wanted in pairs if wanted)

    @property
    def unit_names(self) -> tuple[str, ...]:
        """Names of the Action Unit outputs, in order."""
        return LABEL_SPACES[self.label_space].action_units if self.action_units else ()

    @property
    def image_size(self) -> int:
        return IMAGE_SIZES[self.configuration]

    @property
    def name(self) -> str:
        """Of the networks in names of files: "configuration-1", "configuration-2-kernel-7"."""
        kernel = f"-kernel-{self.kernel}" if self.configuration == 2 else ""
        return f"configuration-{self.configuration}{kernel}"

    @property
    def title(self) -> str:
        """Of the networks in reports: "configuration 2 (96x96, 7x7 filters)"."""
        filters = f", {self.kernel}x{self.kernel} filters" if self.configuration == 2 else ""
        return f"configuration {self.configuration} ({self.image_size}x{self.image_size}{filters})"

    def in_rounds(self, steps: int) -> int:
        """`steps` rounded up to whole rounds of the schedule."""
        size = len(self.updates)
        return math.ceil(steps / size) * size

    def to_dict(self) -> dict[str, Any]:
        """A JSON-able copy."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any], where: str = "gan") -> GanConfig:
        """The inverse of `to_dict`; unknown keys are refused."""
        return from_dict(cls, values, where)

    def hash(self) -> str:
        """A short name of this configuration, the same in every process."""
        return stable_hash(self.to_dict())

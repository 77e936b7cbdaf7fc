"""How much work a run is: smoke (does it run), demo (does it learn), paper (does it reproduce).

The same rows run in every profile; only sizes differ. What a profile changes of
the paper's network stands in `deviations` and is printed above its table.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from kaffect.config import ModelConfig, PretrainConfig


@dataclass(frozen=True)
class Profile:
    """Sizes of one profile.

    Attributes:
        synthetic: settings of the embedded data (`SyntheticConfig`).
        model: the network; `pretrain`: training of the CNN on single frames.
        steps, evaluate_every, patience: as in `TrainConfig`.
        epochs: where set, steps are that many passes over the training windows
            and a look follows each pass, but not before 10 and not after 250 steps.
    """

    name: str
    model: ModelConfig
    pretrain: PretrainConfig
    steps: int
    evaluate_every: int
    patience: int
    epochs: int | None = None
    synthetic: dict[str, Any] = field(default_factory=dict)
    deviations: tuple[str, ...] = ()


# Compiling takes about 3 s for each loss and saves a third of every later step.
_NARROW = ModelConfig(width=0.25, fc_units=1024, jit_compile=True)
_NARROW_NOTE = "VGG-Face at a quarter of its width and FC 1024 instead of 4096"
_PRETRAIN_NOTE = "CNN trained on single frames first, then fixed"

SMOKE = Profile(
    name="smoke",
    model=ModelConfig(width=0.125, fc_units=64),
    pretrain=PretrainConfig(steps=4, batch=32, learning_rate=3e-4, evaluate_every=4),
    steps=4,
    evaluate_every=4,
    patience=0,
    synthetic={"profile": "smoke"},
    deviations=("smoke profile: shows that it runs, its figures mean nothing",),
)
DEMO = Profile(
    name="demo",
    model=_NARROW,
    # Half the rate and dropout 0.5 left some seeds' CNN at half of the others' validation score.
    pretrain=PretrainConfig(
        steps=720, batch=32, learning_rate=8e-4, dropout=0.2, evaluate_every=240
    ),
    steps=90,
    evaluate_every=30,
    patience=0,
    synthetic={"profile": "demo"},
    deviations=(_NARROW_NOTE, _PRETRAIN_NOTE),
)
PAPER = Profile(
    name="paper",
    model=ModelConfig(),
    pretrain=PretrainConfig(),
    steps=1,
    evaluate_every=1,
    patience=6,
    epochs=60,
    synthetic={"profile": "paper"},
)
PROFILES = {profile.name: profile for profile in (SMOKE, DEMO, PAPER)}

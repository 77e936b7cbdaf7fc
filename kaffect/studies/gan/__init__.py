"""Table IX, Figures 6 and 7: GANs that estimate and generate (paper Section V-A).

Settings and profiles; what trains them is in `study`. Importing this loads no TensorFlow.
"""

from __future__ import annotations

from kaffect.config.gan import GanConfig
from kaffect.studies.experiment import RUN_TABLE, Profile, TrainedStudy
from kaffect.studies.options import PREPARATION, RUN

# The paper does not say which configuration Table IX is of: a variant for each.
ONE, TWO, SEVEN = "configuration-1", "configuration-2", "configuration-2-kernel-7"
VARIANTS = {
    ONE: {"model.configuration": 1},
    TWO: {"model.configuration": 2},
    SEVEN: {"model.configuration": 2, "model.kernel": 7},
}

_SMOKE_TWO = {
    "model.width": 0.05,
    "train.steps": 6,
    "train.evaluate_every": 3,
    "data.batch": 8,
}
_DEMO_TWO = {
    "model.width": 0.25,
    "data.batch": 32,
    "train.generator_rate": 5e-4,
    "train.discriminator_rate": 1e-3,
    "train.ema": 0.99,
    "train.discriminator_ema": 0.98,
    "train.thresholds": "validation",
    "train.steps": 9000,
    "train.evaluate_every": 600,
}

SMOKE = Profile(
    name="smoke",
    variants=(ONE,),
    variant_changes={
        ONE: {
            "model.width": 0.1,
            "train.steps": 12,
            "train.evaluate_every": 6,
            "data.batch": 16,
            "train.thresholds": "validation",
        },
        TWO: _SMOKE_TWO,
        SEVEN: _SMOKE_TWO,
    },
    changes={"quality.faces": 16, "quality.feature_steps": 4},
    synthetic={"profile": "smoke"},
    deviations=("smoke profile: shows that it runs, its figures mean nothing",),
)
DEMO = Profile(
    name="demo",
    seeds=3,
    variants=(ONE,),
    variant_changes={
        ONE: {
            "model.width": 0.5,
            "data.batch": 32,
            "train.rounds": "DG",
            "train.generator_rate": 1e-3,
            "train.discriminator_rate": 1e-3,
            "train.discriminator_ema": 0.98,
            "train.thresholds": "validation",
            "train.steps": 3000,
            "train.evaluate_every": 500,
        },
        TWO: _DEMO_TWO,
        SEVEN: _DEMO_TWO,
    },
    changes={"quality.faces": 1000},
    synthetic={"profile": "demo"},
)
PAPER = Profile(name="paper", variants=(ONE, TWO), synthetic={"profile": "paper"})


def head_notes(config: GanConfig) -> tuple[str, ...]:
    """Notes above Table IX about the training pictures, where a run departs from the paper."""
    data, notes = config.data, []
    if data.unlabelled:
        notes.append(
            f"{100 * data.unlabelled:g} % of each batch are faces without labels, from training "
            "videos of the expression set where there are any (--set data.unlabelled=0: none)"
        )
    if data.flip:
        notes.append("half of the training pictures are mirrored (--set data.flip=false: none)")
    return tuple(notes)


STUDY = TrainedStudy(
    name="gan",
    run=RUN_TABLE,
    flags=(*RUN, "configuration", "kernel"),
    config=GanConfig,
    profiles={profile.name: profile for profile in (SMOKE, DEMO, PAPER)},
    adapter="kaffect.studies.gan.study:Gan",
    partition="au",
    settings_of_flags={**PREPARATION, "precision": "train.precision"},
    variants=VARIANTS,
    head_notes=head_notes,
)

"""Tables A1 to A5: ResNet-18 on single frames, after "Multi-Task Learning for Affect Analysis".

Settings and profiles; what trains them is in `study`. Importing this loads no TensorFlow.
"""

from __future__ import annotations

from kaffect.config.framewise import FramewiseConfig
from kaffect.studies.experiment import RUN_TABLE, Profile, TrainedStudy
from kaffect.studies.options import PREPARATION, RUN

# Most videos of Aff-Wild2 have all three annotations; of its multi-task release 37 % of the frames.
_SYNTHETIC = {"label_space": "aff-wild2", "joint_share": 0.4}

SMOKE = Profile(
    name="smoke",
    changes={
        "model.image_size": 32,
        "model.width": 0.0625,
        "data.batch": 16,
        "generated.width": 0.1,
        "generated.steps": 12,
        "train.steps": 4,
        "train.epochs": 2,
    },
    synthetic={"profile": "smoke", **_SYNTHETIC},
    deviations=("smoke profile: shows that it runs, its figures mean nothing",),
)
DEMO = Profile(
    name="demo",
    seeds=3,
    changes={
        "model.image_size": 48,
        "model.width": 0.25,
        "train.steps": 300,
        "train.epochs": 5,
    },
    synthetic={"profile": "demo", **_SYNTHETIC},
    deviations=(
        "demo profile: ResNet-18 at a quarter of its width, on 48x48 pixels",
        "demo profile: 300 updates of 64 pictures in every row (an 'epoch' is 60 of them)",
    ),
)
PAPER = Profile(name="paper", synthetic={"profile": "paper", **_SYNTHETIC})

STUDY = TrainedStudy(
    name="framewise",
    run=RUN_TABLE,
    flags=(*RUN, "weights", "criteria"),
    config=FramewiseConfig,
    profiles={profile.name: profile for profile in (SMOKE, DEMO, PAPER)},
    adapter="kaffect.studies.framewise.study:Framewise",
    partition="all",
    settings_of_flags={**PREPARATION, "precision": "train.precision"},
    publication="study",
    paper_data="Aff-Wild2",
    runs="The study reports single runs on Aff-Wild2's validation set, of an epoch not named.",
    criterion="P_VA + P_EXPR + P_AU",
    synthetic_name="synthetic Aff-Wild2",
    states_weights=True,
)

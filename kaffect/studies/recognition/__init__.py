"""Tables X and XI: valence/arousal and expressions of sequences (paper Section V-B).

Settings and profiles; what trains them is in `study`. Importing this loads no TensorFlow.
"""

from __future__ import annotations

from kaffect.config.recognition import RecognitionConfig
from kaffect.studies.experiment import RUN_TABLE, Profile, TrainedStudy
from kaffect.studies.options import PREPARATION, RUN
from kaffect.studies.recognition.start import head_notes, with_weights

# Compiling takes about 3 s for each loss and saves a third of every later step.
_NARROW = {"model.width": 0.25, "model.fc_units": 1024, "model.jit_compile": True}

SMOKE = Profile(
    name="smoke",
    changes={
        "model.width": 0.125,
        "model.fc_units": 64,
        "pretrain.steps": 4,
        "pretrain.batch": 32,
        "pretrain.learning_rate": 3e-4,
        "pretrain.evaluate_every": 4,
        "train.steps": 4,
        "train.epochs": 1,
        "train.patience": 0,
    },
    synthetic={"profile": "smoke"},
    deviations=("smoke profile: shows that it runs, its figures mean nothing",),
)
DEMO = Profile(
    name="demo",
    seeds=3,
    changes={
        **_NARROW,
        # Half the rate and dropout 0.5 left some seeds' CNN at half of the others' score.
        "pretrain.steps": 720,
        "pretrain.batch": 32,
        "pretrain.learning_rate": 8e-4,
        "pretrain.dropout": 0.2,
        "pretrain.evaluate_every": 240,
        # 90 leave arousal 0.07 lower; 450 add nothing.
        "train.steps": 270,
        "train.epochs": 3,
        "train.patience": 0,
    },
    synthetic={"profile": "demo"},
    deviations=(
        "VGG-Face at a quarter of its width and FC 1024 instead of 4096",
        "CNN trained on single frames first, then fixed",
    ),
)
PAPER = Profile(name="paper", synthetic={"profile": "paper"})

STUDY = TrainedStudy(
    name="recognition",
    run=RUN_TABLE,
    flags=(*RUN, "implementation", "cnn", "weights"),
    config=RecognitionConfig,
    profiles={profile.name: profile for profile in (SMOKE, DEMO, PAPER)},
    adapter="kaffect.studies.recognition.study:Recognition",
    partition="expression",
    settings_of_flags={
        **PREPARATION,
        "precision": "train.precision",
        "implementation": "model.implementation",
        "cnn": "train.cnn",
    },
    with_weights=with_weights,
    head_notes=head_notes,
)

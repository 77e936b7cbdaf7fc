"""Table A2: Action Units alone, F1 of every unit (second study, section 1.11 and its Table 2).

Study: mean 0.4003 over 12 units. Command: python experiments/run.py --table A2
"""

from kaffect.labels import ACTION_UNITS_12
from kaffect.studies.experiment import Row, Table
from kaffect.studies.framewise.recipes import SOUND, STUDY_AU

OURS = {**SOUND, "loss.tasks": ["au"], "data.labels": "own"}

TABLE = Table(
    study="framewise",
    name="A2",
    title="Action Units with ResNet-18: F1 of every unit",
    section="1.11",
    rows=(
        Row("the study: positive weights, Adam", "study", STUDY_AU),
        Row(
            "without positive weights",
            "no pos. weights",
            {**STUDY_AU, "loss.positive_weights": "none"},
        ),
        Row(
            "MSE of probabilities",
            "MSE",
            {**STUDY_AU, "loss.positive_weights": "none", "loss.au": "mse"},
        ),
        Row("AdamW, cosine, more augmentation", "AdamW, cosine", OURS),
        Row(
            "the same, thresholds from validation",
            "+ thresholds",
            {**OURS, "train.thresholds": "validation"},
        ),
    ),
    metrics=("p_au", *(f"f1_{name.lower()}" for name in ACTION_UNITS_12), "au_accuracy", "epochs"),
    expected="mean F1 0.4003 (Aff-Wild2, validation set)",
    cost="demo: about 70 processor seconds a row (MixAugment: twice); paper: Aff-Wild2 and a GPU",
    row_minutes={"smoke": 0.2, "demo": 1.2},
)

"""Table A2: Action Units alone, F1 of every unit (second study, section 1.11 and its Table 2).

Study: mean 0.4003 over 12 units. Command: python experiments/run.py --table A2
"""

from experiments.affwild2_definitions import FrameRow, FrameTable
from experiments.affwild2_recipes import SOUND, STUDY_AU
from kaffect.labels import ACTION_UNITS_12

OURS = {**SOUND, "loss.tasks": ["au"], "data.labels": "own"}

TABLE = FrameTable(
    name="A2",
    title="Action Units with ResNet-18: F1 of every unit",
    section="1.11",
    rows=(
        FrameRow("the study: positive weights, Adam", "study", STUDY_AU),
        FrameRow(
            "without positive weights",
            "no pos. weights",
            {**STUDY_AU, "loss.positive_weights": "none"},
        ),
        FrameRow(
            "MSE of probabilities",
            "MSE",
            {**STUDY_AU, "loss.positive_weights": "none", "loss.au": "mse"},
        ),
        FrameRow("AdamW, cosine, more augmentation", "AdamW, cosine", OURS),
        FrameRow(
            "the same, thresholds from validation",
            "+ thresholds",
            {**OURS, "train.thresholds": "validation"},
        ),
    ),
    metrics=("p_au", *(f"f1_{name.lower()}" for name in ACTION_UNITS_12), "au_accuracy", "epochs"),
    expected="mean F1 0.4003 (Aff-Wild2, validation set)",
    cost="demo: about 70 processor seconds a row (MixAugment: twice); paper: Aff-Wild2 and a GPU",
)

"""Table A1: expressions alone, F1 of every class (second study, section 1.10 and its Table 1).

Study: mean 0.2035 over 8 classes. Command: python experiments/run.py --table A1
"""

from experiments.affwild2_definitions import FrameRow, FrameTable
from experiments.affwild2_recipes import SOUND, STUDY_EXPRESSION
from kaffect.labels import EXPRESSIONS_8

OURS = {**SOUND, "loss.tasks": ["expression"], "data.labels": "own"}

TABLE = FrameTable(
    name="A1",
    title="Expressions with ResNet-18: F1 of every class",
    section="1.10",
    rows=(
        FrameRow("the study: class weights, SGD", "study", STUDY_EXPRESSION),
        FrameRow(
            "without class weights",
            "no class weights",
            {**STUDY_EXPRESSION, "loss.class_weights": "none"},
        ),
        FrameRow("AdamW, cosine, more augmentation", "AdamW, cosine", OURS),
        FrameRow(
            "the same with label smoothing 0.1",
            "+ smoothing",
            {**OURS, "loss.label_smoothing": 0.1},
        ),
        FrameRow("the same with MixAugment", "+ MixAugment", {**OURS, "data.mixing": "mixaugment"}),
    ),
    metrics=("p_expr", *(f"f1_{name.lower()}" for name in EXPRESSIONS_8), "accuracy", "epochs"),
    expected="mean F1 0.2035 (Aff-Wild2, validation set)",
    cost="demo: about 70 processor seconds a row (MixAugment: twice); paper: Aff-Wild2 and a GPU",
)

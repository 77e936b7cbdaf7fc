"""Table A1: expressions alone, F1 of every class (second study, section 1.10 and its Table 1).

Study: mean 0.2035 over 8 classes. Command: python experiments/run.py --table A1
"""

from kaffect.labels import EXPRESSIONS_8
from kaffect.studies.experiment import Row, Table
from kaffect.studies.framewise.recipes import SOUND, STUDY_EXPRESSION

OURS = {**SOUND, "loss.tasks": ["expression"], "data.labels": "own"}

TABLE = Table(
    study="framewise",
    name="A1",
    title="Expressions with ResNet-18: F1 of every class",
    section="1.10",
    rows=(
        Row("the study: class weights, SGD", "study", STUDY_EXPRESSION),
        Row(
            "without class weights",
            "no class weights",
            {**STUDY_EXPRESSION, "loss.class_weights": "none"},
        ),
        Row("AdamW, cosine, more augmentation", "AdamW, cosine", OURS),
        Row(
            "the same with label smoothing 0.1",
            "+ smoothing",
            {**OURS, "loss.label_smoothing": 0.1},
        ),
        Row("the same with MixAugment", "+ MixAugment", {**OURS, "data.mixing": "mixaugment"}),
    ),
    metrics=("p_expr", *(f"f1_{name.lower()}" for name in EXPRESSIONS_8), "accuracy", "epochs"),
    expected="mean F1 0.2035 (Aff-Wild2, validation set)",
    cost="demo: about 70 processor seconds a row (MixAugment: twice); paper: Aff-Wild2 and a GPU",
    row_minutes={"smoke": 0.2, "demo": 1.2},
)

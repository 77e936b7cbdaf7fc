"""Table A4: three tasks in one network, what makes it collapse and what does not (section 1.11.1).

Study: CCC 0.0274, expression F1 0.2208, AU F1 0.0865. Rows 1 to 7 walk from its recipe to a
sound one; rows 8 to 12 add to that; rows 13 to 15 are the networks of one task, on the same
pictures as row 8. What came later stands below, so that rows keep their numbers: 16 to 21
are the single steps between rows 4 and 6 and between 7 and 8, 22 validates and scores the
study's recipe on a few frames of the first videos, 23 to 26 weigh the tasks and vary the
precision.
Command: python experiments/run.py --table A4
"""

from kaffect.studies.experiment import Row, Table
from kaffect.studies.framewise.recipes import (
    EQUAL_SOUND,
    EQUAL_STUDY,
    FIRST_FRAMES,
    NEXT_SCORED,
    RANDOM_FRAMES,
    SOUND,
    STEPS,
    STUDY_JOINT,
    Settings,
    only,
)

_MASKED = {**STUDY_JOINT, "data.labels": "any"}
_PLAIN_UNITS = {**_MASKED, "loss.au": "cross_entropy"}
_UNITS = {**_PLAIN_UNITS, "loss.positive_weights": "balanced"}
_CCC = {**_UNITS, "loss.va": "ccc"}


def _steps() -> tuple[Row, ...]:
    """From row 7 on one change more in each row, and one less than row 8."""
    rows, changes = [], Settings(_CCC)
    for number, (label, short, step) in enumerate(STEPS):
        changes = {**changes, **step}
        label = f"between 7 and 8: {'and ' if number else ''}{label}"
        rows.append(Row(label, f"7-8: {short}", changes))
    return tuple(rows)


TABLE = Table(
    study="framewise",
    name="A4",
    title="Valence/arousal, expressions and Action Units in one ResNet-18",
    section="1.11.1",
    rows=(
        Row(
            "the study: CE + MSE + MSE, Adam, the first frames",
            "study",
            {**STUDY_JOINT, **FIRST_FRAMES},
        ),
        Row("as many frames, at random", "random frames", {**STUDY_JOINT, **RANDOM_FRAMES}),
        Row("all frames with all three labels", "all complete", STUDY_JOINT),
        Row("all frames, missing labels masked", "masks", _MASKED),
        Row("all frames, missing labels as zeros", "no masks", {**_MASKED, "loss.masked": False}),
        Row("masks, weighted BCE instead of MSE for units", "masks, BCE", _UNITS),
        Row("masks, BCE, CCC instead of MSE for VA", "masks, BCE, CCC", _CCC),
        Row("the same, AdamW, cosine, more augmentation", "sound", SOUND),
        Row(
            "sound, learned task weights",
            "+ uncertainty",
            {**SOUND, "loss.weighting": "uncertainty"},
        ),
        Row(
            "sound, equal parts of the batch for each task",
            "+ balanced",
            {**SOUND, "data.balanced": True},
        ),
        Row(
            "sound, AU thresholds from validation",
            "+ thresholds",
            {**SOUND, "train.thresholds": "validation"},
        ),
        Row("sound, MixAugment", "+ MixAugment", {**SOUND, "data.mixing": "mixaugment"}),
        Row("sound, only valence and arousal", "only VA", only("va")),
        Row("sound, only expressions", "only EXPR", only("expression")),
        Row("sound, only Action Units", "only AU", only("au")),
        Row("between 4 and 6: BCE, not weighted", "4-6: BCE", _PLAIN_UNITS),
        *_steps(),
        Row(
            "row 1, validated and scored on the next few frames",
            "1, next frames",
            {**STUDY_JOINT, **FIRST_FRAMES, **NEXT_SCORED},
        ),
        Row(
            "row 4, fixed task weights for equal parts",
            "4, task weights",
            {**_MASKED, **EQUAL_STUDY},
        ),
        Row(
            "sound, fixed task weights for equal parts", "+ task weights", {**SOUND, **EQUAL_SOUND}
        ),
        Row("sound, float32", "+ float32", {**SOUND, "train.precision": "float32"}),
        Row(
            "sound, mixed precision (bfloat16)",
            "+ bfloat16",
            {**SOUND, "train.precision": "mixed_bfloat16"},
        ),
    ),
    metrics=("p_va", "p_expr", "p_au", "p_mtl", "loss_va", "loss_expr", "loss_au", "epochs"),
    expected="CCC 0.0274, expression F1 0.2208, AU F1 0.0865 (Aff-Wild2, validation set)",
    cost="demo: about 70 processor seconds a row (MixAugment: twice); paper: Aff-Wild2 and a GPU",
    row_minutes={"smoke": 0.2, "demo": 1.2},
)

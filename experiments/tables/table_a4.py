"""Table A4: three tasks in one network, what makes it collapse and what does not (section 1.11.1).

Study: CCC 0.0274, expression F1 0.2208, AU F1 0.0865. Rows 1 to 7 walk from its recipe to a
sound one, one change at a time; rows 8 to 12 add to that; rows 13 to 15 are the networks of
one task, on the same pictures as row 8. Command: python experiments/run.py --table A4
"""

from experiments.affwild2_definitions import FrameRow, FrameTable
from experiments.affwild2_recipes import FIRST_FRAMES, RANDOM_FRAMES, SOUND, STUDY_JOINT, only

_MASKED = {**STUDY_JOINT, "data.labels": "any"}
_UNITS = {**_MASKED, "loss.au": "cross_entropy", "loss.positive_weights": "balanced"}

TABLE = FrameTable(
    name="A4",
    title="Valence/arousal, expressions and Action Units in one ResNet-18",
    section="1.11.1",
    rows=(
        FrameRow(
            "the study: CE + MSE + MSE, Adam, the first frames",
            "study",
            {**STUDY_JOINT, **FIRST_FRAMES},
        ),
        FrameRow("as many frames, at random", "random frames", {**STUDY_JOINT, **RANDOM_FRAMES}),
        FrameRow("all frames with all three labels", "all complete", STUDY_JOINT),
        FrameRow("all frames, missing labels masked", "masks", _MASKED),
        FrameRow(
            "all frames, missing labels as zeros", "no masks", {**_MASKED, "loss.masked": False}
        ),
        FrameRow("masks, weighted BCE instead of MSE for units", "masks, BCE", _UNITS),
        FrameRow("masks, BCE, CCC instead of MSE for VA", "masks, BCE, CCC",
                 {**_UNITS, "loss.va": "ccc"}),
        FrameRow("the same, AdamW, cosine, more augmentation", "sound", SOUND),
        FrameRow("sound, learned task weights", "+ uncertainty",
                 {**SOUND, "loss.weighting": "uncertainty"}),
        FrameRow("sound, equal parts of the batch for each task", "+ balanced",
                 {**SOUND, "data.balanced": True}),
        FrameRow("sound, AU thresholds from validation", "+ thresholds",
                 {**SOUND, "train.thresholds": "validation"}),
        FrameRow("sound, MixAugment", "+ MixAugment", {**SOUND, "data.mixing": "mixaugment"}),
        FrameRow("sound, only valence and arousal", "only VA", only("va")),
        FrameRow("sound, only expressions", "only EXPR", only("expression")),
        FrameRow("sound, only Action Units", "only AU", only("au")),
    ),
    metrics=("p_va", "p_expr", "p_au", "p_mtl", "epochs"),
    expected="CCC 0.0274, expression F1 0.2208, AU F1 0.0865 (Aff-Wild2, validation set)",
    cost="demo: about 70 processor seconds a row (MixAugment: twice); paper: Aff-Wild2 and a GPU",
)  # fmt: skip

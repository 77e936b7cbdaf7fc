"""Table A3: valence and arousal alone (second study, section 1.9).

Study: CCC 0.1652 and 0.3299, mean 0.2476. Command: python experiments/run.py --table A3
"""

from kaffect.studies.experiment import Row, Table
from kaffect.studies.framewise.recipes import SOUND, STUDY_VA

OURS = {**SOUND, "loss.tasks": ["va"], "data.labels": "own"}

TABLE = Table(
    study="framewise",
    name="A3",
    title="Valence and arousal with ResNet-18",
    section="1.9",
    rows=(
        Row("the study: MSE, Adam, plateau, extra BN", "study", STUDY_VA),
        Row(
            "without the extra normalisations",
            "no extra BN",
            {**STUDY_VA, "model.extra_normalization": False},
        ),
        Row("CCC loss instead of MSE", "CCC loss", {**STUDY_VA, "loss.va": "ccc"}),
        Row("all training frames", "all frames", {**STUDY_VA, "data.train_share": 1.0}),
        Row("CCC loss, AdamW, cosine, more augmentation", "AdamW, cosine", OURS),
    ),
    metrics=("p_va", "ccc_valence", "ccc_arousal", "epochs"),
    expected="CCC 0.1652 (valence), 0.3299 (arousal), mean 0.2476 (Aff-Wild2, validation set)",
    cost="demo: about 70 processor seconds a row (MixAugment: twice); paper: Aff-Wild2 and a GPU",
    row_minutes={"smoke": 0.2, "demo": 1.2},
)

"""Table IX-E, ours: does a generator enrich a small data set? (the paper's conclusion).

The paper says that "enrichment of the above datasets was achieved" and shows no figure. Every row
trains the same network on the same few labelled frames; rows differ in what stands beside them.
The GAN of rows 4 and 5 knows the labels of these frames alone (all other training faces are its
unlabelled ones). Differences are from row 1. Other numbers of frames: --set data.train_share=0.1.
Command: python experiments/run.py --table IX-E
"""

from kaffect.studies.experiment import Row, Table

_NET = {"model.image_size": 32, "model.stem": "no_pool"}
_SOUND = {
    "loss.tasks": ["va", "au"],
    "loss.va": "ccc",
    "train.optimizer": "adamw",
    "train.learning_rate": 2e-3,
    "train.weight_decay": 0.05,
    "train.schedule": "cosine",
    "train.warmup": 30,
    "data.train_share": 0.02,
    "data.rotation": 0,
}
_REAL = {**_NET, **_SOUND, "data.flip": False}
_FLIPPED = {**_REAL, "data.flip": True}
_GENERATED = {"generated.count": 2000}

TABLE = Table(
    study="framewise",
    name="IX-E",
    title="Few labelled faces, alone or beside flipped, mixed or generated ones",
    section="VI",
    rows=(
        Row("few real faces", "few real", _REAL),
        Row("few real faces, half of them mirrored", "flipped", _FLIPPED),
        Row("few real faces, MixAugment", "mixed", {**_REAL, "data.mixing": "mixaugment"}),
        Row("few real faces and 2000 generated ones", "generated", {**_REAL, **_GENERATED}),
        Row(
            "few real faces and 2000 generated ones, half of all mirrored",
            "flipped, generated",
            {**_FLIPPED, **_GENERATED},
        ),
        Row("all real faces", "all real", {**_REAL, "data.train_share": 1.0}),
    ),
    against=1,
    metrics=("ccc_valence", "ccc_arousal", "p_va", "p_au"),
    expected='"enrichment of the above datasets was achieved" (no figure)',
    cost="demo: 4 processor minutes for each seed's GAN, about 1 for each row",
    row_minutes={"smoke": 0.2, "demo": 1.8},
)

"""Table A5: initialisation, augmentation and losses of the joint network (sections 1.3 to 1.5).

The study names these variations as its aim and prints no figures of them. Rows with
pre-trained weights run with --weights FILE (torchvision's ResNet-18 as .npz or
.safetensors). Command: python experiments/run.py --table A5
"""

from experiments.affwild2_definitions import FrameRow, FrameTable
from experiments.affwild2_recipes import SOUND

_PLAIN = {"data.zoom": 0.0, "data.shift": 0.0, "data.brightness": 0, "data.contrast": 0.0}

TABLE = FrameTable(
    name="A5",
    title="Initialisation, augmentation and losses of the joint ResNet-18",
    section="1.3",
    rows=(
        FrameRow("ImageNet weights", "ImageNet weights", SOUND, needs_weights=True),
        FrameRow("ImageNet weights and extra normalisations", "ImageNet, extra BN",
                 {**SOUND, "model.extra_normalization": True}, needs_weights=True),
        FrameRow("He initialisation", "He", SOUND),
        FrameRow("He, extra normalisations", "He, extra BN",
                 {**SOUND, "model.extra_normalization": True}),
        FrameRow("no augmentation", "no augmentation",
                 {**SOUND, **_PLAIN, "data.flip": False, "data.rotation": 0}),
        FrameRow("flip only", "flip only", {**SOUND, **_PLAIN, "data.rotation": 0}),
        FrameRow("flip and rotation (the study)", "flip, rotation", {**SOUND, **_PLAIN}),
        FrameRow("MixUp", "MixUp", {**SOUND, "data.mixing": "mixup"}),
        FrameRow("MSE instead of CCC", "MSE", {**SOUND, "loss.va": "mse"}),
        FrameRow("no weights of classes and units", "no pos. weights",
                 {**SOUND, "loss.positive_weights": "none"}),
        FrameRow("class weights too", "class weights",
                 {**SOUND, "loss.class_weights": "balanced"}),
        FrameRow("SGD instead of AdamW", "SGD, cosine",
                 {**SOUND, "train.optimizer": "sgd", "train.learning_rate": 0.05,
                  "train.weight_decay": 5e-4}),
    ),
    metrics=("p_va", "p_expr", "p_au", "p_mtl", "epochs"),
    expected="none printed",
    cost="demo: about 70 processor seconds a row (MixAugment: twice); paper: Aff-Wild2 and a GPU",
)  # fmt: skip

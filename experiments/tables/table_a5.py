"""Table A5: initialisation, augmentation, losses, architecture (sections 1.3 to 1.5).

The study names these variations as its aim and prints no figures of them. Rows with
pre-trained weights run with --weights FILE (torchvision's ResNet-18 as .npz or
.safetensors); the others start from He initialisation, so that row 3 is beside row 1 and
the rows below it are beside row 3. Command: python experiments/run.py --table A5
"""

from kaffect.studies.experiment import Changes, Row, Table
from kaffect.studies.framewise.recipes import SOUND

_EXTRA = {"model.extra_normalization": True}
_PLAIN = {"data.zoom": 0.0, "data.shift": 0.0, "data.brightness": 0, "data.contrast": 0.0}


def _he(label: str, short: str, changes: Changes) -> Row:
    return Row(label, short, {**SOUND, **changes}, start="none")


TABLE = Table(
    study="framewise",
    name="A5",
    title="Initialisation, augmentation, losses and architecture of the joint network",
    section="1.3",
    rows=(
        Row("ImageNet weights", "ImageNet weights", SOUND, start="needed"),
        Row(
            "ImageNet weights and extra normalisations",
            "ImageNet, extra BN",
            {**SOUND, **_EXTRA},
            start="needed",
        ),
        _he("He initialisation", "He", {}),
        _he("He, extra normalisations", "He, extra BN", _EXTRA),
        _he(
            "no augmentation", "no augmentation", {**_PLAIN, "data.flip": False, "data.rotation": 0}
        ),
        _he("flip only", "flip only", {**_PLAIN, "data.rotation": 0}),
        _he("flip and rotation (the study)", "flip, rotation", _PLAIN),
        _he("MixUp", "MixUp", {"data.mixing": "mixup"}),
        _he("MSE instead of CCC", "MSE", {"loss.va": "mse"}),
        _he(
            "no weights of classes and units", "no pos. weights", {"loss.positive_weights": "none"}
        ),
        _he("class weights too", "class weights", {"loss.class_weights": "balanced"}),
        _he(
            "SGD instead of AdamW",
            "SGD, cosine",
            {"train.optimizer": "sgd", "train.learning_rate": 0.05, "train.weight_decay": 5e-4},
        ),
        _he("MobileNetV2 instead of ResNet-18", "MobileNetV2", {"model.backbone": "mobilenet_v2"}),
    ),
    metrics=("p_va", "p_expr", "p_au", "p_mtl", "epochs"),
    expected="none printed",
    cost="demo: about 70 processor seconds a row (MixAugment: twice); paper: Aff-Wild2 and a GPU",
    row_minutes={"smoke": 0.2, "demo": 1.2},
)

"""Tiny checkpoints and exports as this version writes them; later versions must read them.

`python -m tests.golden_artefacts DIR [KIND...]` writes one archive for each kind; those in
`tests/golden/artefacts` are of an earlier commit and are not made anew when code changes,
unless a format is given up on purpose. Weights are drawn with a seed; no real face is in them.
"""

from __future__ import annotations

import sys
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from kaffect.config import FramewiseConfig, GanConfig, RecognitionConfig
from kaffect.faces.crops import CropRule
from kaffect.files import atomic_write
from kaffect.labels import AFF_WILD, AFF_WILD2
from kaffect.models import ssgan_generator, vggface_gru_attention
from kaffect.serving.export import export_generator, export_model
from kaffect.serving.facts import Facts
from kaffect.serving.golden import golden_pictures
from kaffect.serving.stream_state import StreamState
from kaffect.training.checkpoints import CheckpointFolder
from kaffect.training.framewise import build_framewise
from kaffect.training.gan import GanTrainer
from kaffect.training.networks import build_encoder, build_network
from kaffect.training.runs import RunDescription, save_encoder

Arrays = dict[str, np.ndarray]
DRAWN = {"name": "drawn", "kind": "synthetic"}
RECOGNITION = RecognitionConfig().changed({
    "data.image_size": 32, "data.sequence_length": 4, "model.width": 1 / 32, "model.fc_units": 8,
    "model.gru_units": (5, 4), "model.attention_length": 3, "train.precision": "float32",
})  # fmt: skip
FRAMEWISE = FramewiseConfig().changed(
    {"model.image_size": 32, "model.width": 1 / 64, "train.precision": "float32"}
)
GAN = GanConfig().changed({
    "model.width": 1 / 32, "loss.tasks": ("va",), "train.seed": 4, "train.precision": "float32",
})  # fmt: skip


def draw(model: Any, scale: float = 0.3) -> Any:
    """Weights that no initialiser gives."""
    rng = np.random.default_rng(0)
    for variable in model.trainable_variables:
        variable.assign(rng.normal(0, scale, variable.shape))
    return model


def sequence_export(root: Path) -> Arrays:
    network = draw(
        vggface_gru_attention(
            None, image_size=32, width=1 / 64, fc_units=6, gru_units=(5, 4), attention_length=3,
            preprocessing="paper",
        )
    )  # fmt: skip
    export_model(network, root / "affect" / "1", Facts("A tiny network"), reset_every=6)
    return {}


def generator_export(root: Path) -> Arrays:
    generator = draw(ssgan_generator(width=1 / 32), 0.05)
    export_generator(generator, root / "faces" / "1", Facts("A tiny generator"))
    return {}


def recognition_run(root: Path, config: RecognitionConfig = RECOGNITION) -> Arrays:
    """A run with a fixed CNN: checkpoint, description and encoder, in a results folder."""
    encoder, network = draw(build_encoder(config)), draw(build_network(config, AFF_WILD2))
    folder = root / "checkpoints" / "row-01-seed-0"
    kept = save_encoder(root, encoder, "drawn")
    CheckpointFolder(folder).save(3, {"network": network}, {"best_step": 3}, best=True)
    RunDescription(
        "recognition", config, AFF_WILD2, CropRule(image_size=32), 30, DRAWN,
        metrics={"validation": {"score": 0.5}}, notes=("drawn",),
        encoder=f"../../encoders/{kept.name}",
    ).write(folder)  # fmt: skip
    outputs = network(encoder(golden_pictures((4,), 32)).numpy()[np.newaxis])
    return {name: np.asarray(value) for name, value in outputs.items()}


def framewise_run(root: Path, config: FramewiseConfig = FRAMEWISE) -> Arrays:
    """A run on single frames."""
    network = draw(build_framewise(config, AFF_WILD2), 0.05)
    CheckpointFolder(root).save(5, {"network": network}, {}, best=True)
    cuts = np.linspace(-1.5, 40.5, len(AFF_WILD2.action_units))
    RunDescription(
        "framewise", config, AFF_WILD2, CropRule(image_size=32), None, DRAWN,
        metrics={"validation": {"score": 1.0, "none": None}, "test": {"au_f1": 0.5}},
        thresholds=dict(zip(AFF_WILD2.action_units, cuts.tolist())),
    ).write(root)  # fmt: skip
    outputs = network(golden_pictures((4,), 32), training=False)
    return {name: np.asarray(value) for name, value in outputs.items()}


def gan_run(root: Path, config: GanConfig = GAN) -> Arrays:
    """A GAN's checkpoint: networks, optimisers and the average."""
    trainer = GanTrainer(config, AFF_WILD)
    draw(trainer.generator, 0.05)
    draw(trainer.discriminator, 0.05)
    CheckpointFolder(root).save(6, trainer.saved, {}, best=True)
    RunDescription(
        "gan", config, AFF_WILD, CropRule(image_size=96), 30, DRAWN,
        metrics={"validation": {"score": 0.1}},
    ).write(root)  # fmt: skip
    z = np.random.default_rng(1).uniform(-1, 1, (2, 100)).astype(np.float32)
    return {"faces": np.asarray(trainer.generator(z, training=False))}


def stream_state(root: Path) -> Arrays:
    hidden = np.linspace(-1, 1, 8, dtype=np.float32)[np.newaxis]
    StreamState({"hidden_0": hidden}, 3, 1.5, "0123456789abcdef").save(root / "state.npz")
    return {"hidden_0": hidden}


KINDS: dict[str, Callable[[Path], Arrays]] = {
    make.__name__: make
    for make in (
        sequence_export, generator_export, recognition_run, framewise_run, gan_run, stream_state,
    )
}  # fmt: skip


def write_archive(kind: str, target: Path) -> None:
    """Write one kind with what it answers into `target`/KIND.zip."""
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        expected = KINDS[kind](root)
        with atomic_write(root / "expected.npz", "wb") as handle:
            np.savez_compressed(handle, **expected)  # type: ignore[arg-type]
        with atomic_write(target / f"{kind}.zip", "wb") as handle:
            with zipfile.ZipFile(handle, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
                for path in sorted(p for p in root.rglob("*") if p.is_file()):
                    member = zipfile.ZipInfo(path.relative_to(root).as_posix())
                    member.compress_type = zipfile.ZIP_DEFLATED
                    archive.writestr(member, path.read_bytes(), compresslevel=9)


if __name__ == "__main__":
    for each in sys.argv[2:] or KINDS:
        write_archive(each, Path(sys.argv[1]))

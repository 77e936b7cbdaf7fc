"""Reference numbers of packages that cannot live beside Keras 3 (Sections IV-B and IV-D).

keras-vggface: features and preprocessing of VGG-Face and the layout of its weights file.
tensorflow-addons: F1 scores and additive attention. README.md beside this file has the steps.

    python scripts/reference/regenerate.py                # compute and compare; writes nothing
    python scripts/reference/regenerate.py --write        # write files that do not exist yet
    python scripts/reference/regenerate.py --regenerate   # replace the committed numbers
"""

from __future__ import annotations

import argparse
import io
import json
import os
import sys
import tempfile
import warnings
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
warnings.filterwarnings("ignore")  # both packages announce their end of life

import numpy as np  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(Path(__file__).parent)]

from kaffect import files  # noqa: E402
from kaffect.errors import ArtifactError, KaffectError  # noqa: E402

GOLDEN = ROOT / "tests" / "golden"
VGGFACE_SEED = 1000
TOLERANCE = 1e-5  # relative to the largest value of an array


def vggface(golden: Path) -> dict[str, Any]:
    """What keras-vggface computes with the recipe's weights, and the layout of its weights file."""
    import h5py
    import keras
    import shim

    shim.install()
    from keras_vggface.utils import preprocess_input
    from keras_vggface.vggface import VGGFace

    model = VGGFace(model="vgg16", include_top=False, weights=None, input_shape=(96, 96, 3))
    convolutions = [layer for layer in model.layers if layer.get_weights()]
    for i, layer in enumerate(convolutions):
        rng = np.random.default_rng(VGGFACE_SEED + i)
        shape = layer.get_weights()[0].shape
        kernel = rng.standard_normal(shape) * np.sqrt(2 / np.prod(shape[:3]))
        bias = rng.standard_normal(shape[-1]) * 0.05
        layer.set_weights([kernel.astype("float32"), bias.astype("float32")])
    inputs = stored(golden / "vggface" / "vgg16_features.npz", "inputs", (2, 96, 96, 3))
    pools = [layer.output for layer in model.layers if layer.name.startswith("pool")]
    values = keras.Model(model.input, pools).predict(inputs, verbose=0)
    features = {
        "inputs": inputs,
        "pool5": values[-1],
        "pool_means": np.array([v.mean() for v in values], "float32"),
        "pool_stds": np.array([v.std() for v in values], "float32"),
        "seed": np.array(VGGFACE_SEED),
    }
    rgb = stored(golden / "vggface" / "preprocess_version1.npz", "rgb", (1, 6, 7, 3))
    preprocessed = {"rgb": rgb, "output": preprocess_input(rgb.copy(), version=1)}
    with tempfile.TemporaryDirectory() as folder:
        model.save_weights(f"{folder}/weights.h5")
        with h5py.File(f"{folder}/weights.h5", "r") as file:
            layout = layout_of(file)
    return {
        "vggface/vgg16_features.npz": features,
        "vggface/preprocess_version1.npz": preprocessed,
        "vggface/h5_layout.json": layout,
    }


def stored(path: Path, key: str, shape: tuple[int, ...]) -> np.ndarray:
    """The committed inputs, so that outputs can be compared; new ones where there are none."""
    if path.is_file():
        with np.load(path) as data:
            return data[key]
    return np.random.default_rng(0).uniform(0, 255, shape).astype("float32")


def layout_of(file: Any) -> dict[str, Any]:
    attributes = {}
    for name, value in file.attrs.items():
        attributes[name] = [str(v) for v in value] if np.ndim(value) else str(value)
    datasets: list[Any] = []

    def note(name: str, item: Any) -> None:
        if hasattr(item, "shape"):
            datasets.append([name, list(item.shape)])

    file.visititems(note)
    return {"attrs": attributes, "datasets": datasets}


def f1_scores() -> dict[str, Any]:
    """F1 of tensorflow-addons for class numbers (one class absent in `rare`) and Action Units."""
    import tensorflow_addons as tfa

    arrays: dict[str, Any] = {}
    for i, name in enumerate(("usual", "rare")):
        rng = np.random.default_rng(2000 + i)
        true = rng.choice(7, 300, p=[0.3, 0.1, 0.1, 0.05, 0.25, 0.1, 0.1])
        pred = np.where(rng.random(300) < 0.6, true, rng.integers(0, 7, 300))
        if name == "rare":
            true, pred = (np.where(a == 3, 0, a) for a in (true, pred))
        arrays[f"{name}/true"], arrays[f"{name}/pred"] = true, pred
        for average in ("macro", "weighted"):
            metric = tfa.metrics.F1Score(num_classes=7, average=average)
            metric.update_state(np.eye(7, dtype="float32")[true], np.eye(7, dtype="float32")[pred])
            arrays[f"{name}/{average}"] = metric.result().numpy()
    rng = np.random.default_rng(2010)
    true = (rng.random((200, 8)) < [0.24, 0.14, 0.22, 0.27, 0.25, 0.04, 0.05, 0.1]).astype("int64")
    probability = np.clip(0.5 * true + rng.random((200, 8)) * 0.7, 0, 1).astype("float32")
    arrays["units/true"], arrays["units/probability"] = true, probability
    for average in (None, "macro", "weighted"):
        metric = tfa.metrics.F1Score(num_classes=8, average=average, threshold=0.5)
        metric.update_state(true.astype("float32"), probability)
        arrays[f"units/{average or 'each'}"] = metric.result().numpy()
    return {"addons/f1.npz": arrays}


def additive_attention() -> dict[str, Any]:
    """Scores of tensorflow-addons' Bahdanau attention, softmax weights over the memory."""
    import tensorflow_addons as tfa

    rng = np.random.default_rng(3000)
    units, slots, query_size = 6, 5, 9
    arrays = {
        "memory": rng.standard_normal((3, slots, units)),
        "query": rng.standard_normal((3, query_size)),
        "memory_kernel": rng.standard_normal((units, units)),
        "query_kernel": rng.standard_normal((query_size, units)),
        "attention_v": rng.standard_normal(units),
    }
    arrays = {name: value.astype("float32") for name, value in arrays.items()}
    mechanism = tfa.seq2seq.BahdanauAttention(units)
    mechanism.setup_memory(arrays["memory"])
    state = mechanism.initial_alignments(3, "float32")
    mechanism([arrays["query"], state])
    mechanism.memory_layer.set_weights([arrays["memory_kernel"]])
    mechanism.query_layer.set_weights([arrays["query_kernel"]])
    mechanism.attention_v.assign(arrays["attention_v"])
    mechanism.setup_memory(arrays["memory"])
    alignments, _ = mechanism([arrays["query"], state])
    return {"addons/additive_attention.npz": {**arrays, "alignments": alignments.numpy()}}


def distance(path: Path, value: dict[str, Any]) -> float | None:
    """Largest difference to the file, relative to each array's largest value; None: no file."""
    if not path.is_file():
        return None
    if path.suffix == ".json":
        same = json.loads(path.read_text()) == value
        return 0.0 if same else float("inf")
    with np.load(path) as data:
        if set(data.files) != set(value):
            return float("inf")
        return max(_gap(data[name], np.asarray(array)) for name, array in value.items())


def _gap(old: np.ndarray, new: np.ndarray) -> float:
    if old.shape != new.shape:
        return float("inf")
    scale = float(np.abs(old).max()) or 1.0
    return float(np.abs(old.astype("float64") - new).max()) / scale


def write(path: Path, value: dict[str, Any]) -> None:
    if path.suffix == ".json":
        files.write_text(path, json.dumps(value, indent=1))
        return
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **value)
    files.write_bytes(path, buffer.getvalue())


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--golden", type=Path, default=GOLDEN, help="folder of the numbers")
    parser.add_argument("--write", action="store_true", help="write files that are not there yet")
    parser.add_argument("--regenerate", action="store_true", help="replace files that are there")
    options = parser.parse_args()
    computed = {**vggface(options.golden), **f1_scores(), **additive_attention()}
    gaps = {name: distance(options.golden / name, value) for name, value in computed.items()}
    for name, gap in gaps.items():
        verdict = "missing" if gap is None else "agrees" if gap <= TOLERANCE else "DIFFERS"
        print(f"{name}: {verdict}" + ("" if gap is None else f" (largest difference {gap:.1e})"))
    if options.write and not options.regenerate and any(g is not None for g in gaps.values()):
        there = [name for name, gap in gaps.items() if gap is not None]
        print(f"not overwritten without --regenerate: {', '.join(there)}")
    for name, value in computed.items():
        if options.regenerate or (options.write and gaps[name] is None):
            write(options.golden / name, value)
            print(f"written: {options.golden / name}")
    if options.regenerate:
        return 0
    differ = [name for name, gap in gaps.items() if gap is not None and gap > TOLERANCE]
    if differ:
        raise ArtifactError(f"not the committed numbers: {', '.join(differ)}")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KaffectError as error:
        sys.exit(f"{error}")

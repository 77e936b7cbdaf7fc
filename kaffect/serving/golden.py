"""Golden inputs with outputs: an export that answers otherwise somewhere is noticed there.

The outputs are computed by the Keras network before the export, not by the graph that
is exported, so that they also prove the parity of both.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from kaffect.archives import read_npz, require_kinds
from kaffect.errors import ArtifactError
from kaffect.files import atomic_write

GOLDEN = "assets.extra/golden.npz"
# Relative to the largest value of an output, and absolute: rounding of another processor.
TOLERANCE = {"float32": 1e-5}
HALF_TOLERANCE = 3e-2
_MOST_BYTES = 256 * 2**20

Arrays = dict[str, np.ndarray]


def golden_pictures(shape: tuple[int, ...], size: int, seed: int = 0) -> np.ndarray:
    """[*shape, size, size, 3] uint8: coarse coloured squares, which compress well."""
    squares = 6
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (*shape, squares, squares, 3), dtype=np.uint8)
    side = -(-size // squares)
    return np.repeat(np.repeat(coarse, side, -3), side, -2)[..., :size, :size, :]


def write_golden(folder: Path, inputs: Arrays, outputs: Arrays) -> None:
    """Keep both in the unfinished export `folder`."""
    named = {f"input/{k}": v for k, v in inputs.items()}
    named |= {f"output/{k}": np.asarray(v) for k, v in outputs.items()}
    with atomic_write(folder / GOLDEN, "wb") as handle:
        np.savez_compressed(handle, **named)  # type: ignore[arg-type]


def read_golden(folder: Path) -> tuple[Arrays, Arrays]:
    """Inputs and outputs of the export in `folder`."""
    path = folder / GOLDEN
    arrays = read_npz(
        path, "golden numbers", _MOST_BYTES, lambda headers: require_kinds(headers, "fui")
    )
    inputs = {k.removeprefix("input/"): v for k, v in arrays.items() if k.startswith("input/")}
    outputs = {k.removeprefix("output/"): v for k, v in arrays.items() if k.startswith("output/")}
    return inputs, outputs


def check_golden(
    run: Callable[..., Arrays], manifest: Mapping[str, Any], inputs: Arrays, outputs: Arrays
) -> dict[str, float]:
    """Feed the golden inputs to every signature.

    Args:
        run: (signature, **inputs) -> outputs.

    Returns:
        Signature -> largest difference, relative to the largest value of each output.

    Raises:
        ArtifactError: a difference above the tolerance of the export's precision.
    """
    found = {}
    for name in manifest["signatures"]:
        found[name] = difference_of(name, run, manifest, inputs, outputs)
    tolerance = tolerance_of(manifest)
    for name, difference in found.items():
        # Written so that NaN fails too.
        if not difference <= tolerance:
            raise ArtifactError(
                f"signature {name} does not give its golden outputs. Expected a difference of at "
                f"most {tolerance:g}. Received: {difference:g}"
            )
    return found


def tolerance_of(manifest: Mapping[str, Any]) -> float:
    """How far an export may be from its golden outputs."""
    return TOLERANCE.get(manifest["precision"], HALF_TOLERANCE)


def difference_of(
    signature: str,
    run: Callable[..., Arrays],
    manifest: Mapping[str, Any],
    inputs: Arrays,
    outputs: Arrays,
) -> float:
    """Largest relative difference of one signature's answers; infinite where one is unknown."""
    answers = _ANSWERS[manifest["kind"], signature](run, inputs, manifest)
    return max(_difference(answers[k], outputs.get(k)) for k in answers)


def _difference(found: np.ndarray, expected: np.ndarray | None) -> float:
    if expected is None or found.shape != expected.shape:
        return float("inf")
    found, expected = found.astype(np.float64), expected.astype(np.float64)
    scale = max(1.0, float(np.abs(expected).max(initial=0.0)))
    return float(np.abs(found - expected).max(initial=0.0)) / scale


def _png(pictures: np.ndarray) -> np.ndarray:
    flat = pictures.reshape(-1, *pictures.shape[-3:])
    files = [tf.io.encode_png(picture).numpy() for picture in flat]
    return np.array(files, object).reshape(pictures.shape[:-3])


def _default(run: Any, inputs: Arrays, manifest: Any) -> Arrays:
    return run("serving_default", **inputs)


def _encoded(run: Any, inputs: Arrays, manifest: Any) -> Arrays:
    return run("serve_jpeg", images=_png(inputs["images"]))


def _encode_frames(run: Any, inputs: Arrays, manifest: Any) -> Arrays:
    return run("encode", images=inputs["images"])


def _encode_sequences(run: Any, inputs: Arrays, manifest: Any) -> Arrays:
    images = inputs["images"]
    features = run("encode", images=images.reshape(-1, *images.shape[2:]))["features"]
    return {"features": features.reshape(*images.shape[:2], -1)}


def _stream(run: Any, inputs: Arrays, manifest: Any) -> Arrays:
    images = inputs["images"]
    state, steps = zero_state(manifest, len(images)), []
    for t in range(images.shape[1]):
        answer = run("serve_stream", images=images[:, t], **state)
        state = {name: answer.pop(name) for name in state}
        steps.append(answer)
    return {name: np.stack([step[name] for step in steps], 1) for name in steps[0]}


def _features(run: Any, inputs: Arrays, manifest: Any) -> Arrays:
    features = _encode_sequences(run, inputs, manifest)["features"]
    state = zero_state(manifest, len(features))
    answers = run("serve_features", features=features, **state)
    return {name: value for name, value in answers.items() if name not in state}


def _generated_png(run: Any, inputs: Arrays, manifest: Any) -> Arrays:
    files = run("serve_png", **inputs)["images_bytes"]
    return {"images": np.stack([tf.io.decode_png(file).numpy() for file in files])}


_ANSWERS: dict[tuple[str, str], Callable[[Any, Arrays, Any], Arrays]] = {
    ("sequences", "serving_default"): _default,
    ("sequences", "serve_jpeg"): _encoded,
    ("sequences", "serve_stream"): _stream,
    ("sequences", "serve_features"): _features,
    ("sequences", "encode"): _encode_sequences,
    ("frames", "serving_default"): _default,
    ("frames", "serve_jpeg"): _encoded,
    ("frames", "encode"): _encode_frames,
    ("generator", "serving_default"): _default,
    ("generator", "serve_png"): _generated_png,
}


def zero_state(manifest: Mapping[str, Any], batch: int) -> Arrays:
    """The state before the first frame of `batch` streams, by name."""
    inputs = manifest["signatures"]["serve_stream"]["inputs"]
    return {
        name: np.zeros((batch, *tensor["shape"][1:]), np.float32)
        for name, tensor in inputs.items()
        if name.startswith("state_")
    }

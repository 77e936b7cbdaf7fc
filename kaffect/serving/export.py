"""Networks as SavedModels that TF Serving takes and that need no further explanation."""

from __future__ import annotations

import platform
from collections.abc import Callable, Collection, Iterable, Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from kaffect import __version__
from kaffect.errors import ConfigError, expected_received
from kaffect.files import atomic_directory, write_manifest, write_text
from kaffect.losses import Heads
from kaffect.models.gan_layers import LATENT
from kaffect.serving.card import CARD, model_card
from kaffect.serving.facts import Facts
from kaffect.serving.gan_graph import DiscriminatorGraph, GeneratorGraph
from kaffect.serving.golden import golden_pictures, write_golden
from kaffect.serving.half_weights import read_in_half
from kaffect.serving.loading import ARTIFACT, SCHEMA, check_export
from kaffect.serving.mobile import check_tflite, write_tflite
from kaffect.serving.onnx_model import check_onnx, require_onnx, write_onnx
from kaffect.serving.outputs import columns, served_outputs
from kaffect.serving.recognition_graph import RESET_EVERY, FrameGraph, SequenceGraph
from kaffect.training.gan_images import normalise, to_pixels

# Writes more files into the unfinished export: (folder, manifest without its files).
Extra = Callable[[Path, Mapping[str, Any]], None]
Arrays = dict[str, np.ndarray]
_GOLDEN_SHAPE = (2, 5)


def export_model(
    model: keras.Model,
    out: str | Path,
    facts: Facts,
    *,
    outputs: Collection[str] | None = None,
    reset_every: int = RESET_EVERY,
    precision: str = "float32",
    tflite: bool = False,
    onnx: bool = False,
    extras: Iterable[Extra] = (),
) -> Path:
    """Export a recognition network.

    Args:
        model: of consecutive frames, with the layers `frame_encoder` and `sequence_head` (from
            `vggface_gru_attention`, `join` or `load_affwildnet`), or of single pictures:
            [batch, h, w, 3] -> dict of logits (`frame_classifier`, a ResNet with heads).
        out: folder NAME/VERSION; must not exist.
        facts: what a user must know.
        outputs: names of the model's outputs to serve; all by default.
        reset_every: frames after which `serving_default` starts anew.
        precision: under which policy the model was built, for the record.
        tflite: write a TensorFlow Lite file for one frame at a time too (float32 only).
        onnx: write an ONNX file for one frame at a time too (float32 only; needs tf2onnx).
        extras: write more files into the export before it is sealed.

    Returns:
        `out`, checked: loaded again and compared with the Keras network.

    Raises:
        ConfigError: a name, version or network that is not accepted.
        ArtifactError: the exported graph does not compute what the network does.
    """
    layers = {layer.name: layer for layer in model.layers}
    if {"frame_encoder", "sequence_head"} <= set(layers):
        encoder, head = layers["frame_encoder"], layers["sequence_head"]
        graph: Any = SequenceGraph(encoder, head, outputs, reset_every)
        golden = _sequence_golden(graph, encoder, head)
        more = {"kind": "sequences", "reset_every": reset_every}
    else:
        graph = FrameGraph(model, outputs)
        golden = _frame_golden(graph, model)
        more = {"kind": "frames"}
    more |= {"picture_shape": list(graph.picture_shape), "precision": precision}
    one_frame = tuple(name for name, on in (("tflite", tflite), ("onnx", onnx)) if on)
    if one_frame and precision != "float32":
        what = "Precision with TensorFlow Lite or ONNX"
        raise ConfigError(expected_received(what, "float32", precision))
    if onnx:
        require_onnx()
    return _write(graph, Path(out), facts, more, golden, extras, one_frame)


def export_generator(
    generator: keras.Model,
    out: str | Path,
    facts: Facts,
    *,
    precision: str = "float32",
    extras: Iterable[Extra] = (),
) -> Path:
    """Export a generator, [batch, 100] -> faces in [-1, 1]; see `export_model`."""
    z = np.random.default_rng(0).uniform(-1, 1, (4, LATENT)).astype(np.float32)
    golden = {"latents": z}, {"images": to_pixels(generator(z, training=False))}
    more = {"kind": "generator", "precision": precision}
    return _write(GeneratorGraph(generator), Path(out), facts, more, golden, extras)


def export_discriminator(
    discriminator: keras.Model,
    heads: Heads,
    out: str | Path,
    facts: Facts,
    *,
    picture_size: int = 96,
    precision: str = "float32",
    extras: Iterable[Extra] = (),
) -> Path:
    """Export a discriminator, faces in [-1, 1] -> logits; see `export_model`."""
    graph = DiscriminatorGraph(discriminator, heads, picture_size)
    images = golden_pictures((4,), picture_size)
    logits = heads.split(discriminator(normalise(images, graph.size), training=False))
    expected = {"fake_probability": tf.sigmoid(logits["fake"])[:, tf.newaxis].numpy()}
    if heads.valence_arousal:
        expected["valence_arousal"] = logits["valence_arousal"].numpy()
    if heads.action_units:
        expected["action_unit_probabilities"] = tf.sigmoid(logits["action_units"]).numpy()
        expected["action_unit_logits"] = logits["action_units"].numpy()
    features = graph.features(normalise(images, graph.size), training=False)
    expected["features"] = np.asarray(tf.cast(features, tf.float32))
    more = {
        "kind": "frames",
        "picture_shape": list(graph.picture_shape),
        "precision": precision,
    }
    return _write(graph, Path(out), facts, more, ({"images": images}, expected), extras)


def _sequence_golden(
    graph: SequenceGraph, encoder: keras.Model, head: keras.Model
) -> tuple[Arrays, Arrays]:
    # Not longer than a sequence: the outputs below are those of one.
    shape = (_GOLDEN_SHAPE[0], min(_GOLDEN_SHAPE[1], graph.reset_every))
    images = golden_pictures(shape, graph.picture_shape[0])
    pixels = graph.prepare(tf.constant(images.reshape(-1, *graph.picture_shape)))
    features = tf.cast(encoder(pixels, training=False), tf.float32)
    features = tf.reshape(features, [*shape, -1])
    return {"images": images}, _expected(graph, head(features, training=False), features)


def _frame_golden(graph: FrameGraph, model: keras.Model) -> tuple[Arrays, Arrays]:
    images = golden_pictures((4,), graph.picture_shape[0])
    pixels = graph.prepare(tf.constant(images))
    features = None if graph.features is None else graph.features(pixels, training=False)
    return {"images": images}, _expected(graph, model(pixels, training=False), features)


def _expected(graph: Any, logits: Mapping[str, Any], features: Any) -> Arrays:
    served = served_outputs({name: logits[name] for name in graph.wanted})
    if features is not None:
        served["features"] = tf.cast(features, tf.float32)
    return {name: np.asarray(value) for name, value in served.items()}


def _write(
    graph: Any,
    out: Path,
    facts: Facts,
    more: dict[str, Any],
    golden: tuple[Arrays, Arrays],
    extras: Iterable[Extra],
    one_frame: Collection[str] = (),
) -> Path:
    _require_version(out)
    with atomic_directory(out, replace=False) as folder:
        traced, parameters = save_graph(graph, folder)
        manifest = _manifest(graph, traced, out, facts, more)
        if "tflite" in one_frame:
            path = write_tflite(graph, parameters, folder)
            check_tflite(path, manifest, *golden)
        if "onnx" in one_frame:
            check_onnx(write_onnx(graph, folder), manifest, *golden)
        write_golden(folder, *golden)
        write_text(folder / CARD, model_card(facts, manifest))
        for extra in extras:
            extra(folder, manifest)
        write_manifest(folder, manifest)
        check_export(folder)
    return out


def _manifest(
    graph: Any, traced: Mapping[str, Any], out: Path, facts: Facts, more: Mapping[str, Any]
) -> dict[str, Any]:
    return {
        "schema": SCHEMA,
        "artifact": ARTIFACT,
        "name": out.parent.name,
        "version": int(out.name),
        **more,
        "signatures": {
            name: _described(specs, traced[name]) for name, (_, specs) in graph.endpoints().items()
        },
        "columns": {name: list(names) for name, names in columns(facts.label_space).items()},
        "facts": facts.to_dict(),
        "made_with": {
            "kaffect": __version__,
            "tensorflow": tf.__version__,
            "keras": keras.__version__,
            "python": platform.python_version(),
        },
    }


def save_graph(graph: Any, folder: Path) -> tuple[dict[str, Any], list[tf.Variable]]:
    """Write a graph of `recognition_graph` or `gan_graph` as a SavedModel, and nothing else.

    Returns:
        Signature name -> concrete function, and all variables that they read.
    """
    with read_in_half(graph.networks()) as copies:
        traced = {
            # Loops and conditions are written out: AutoGraph would only cost time.
            name: tf.function(function, autograph=False).get_concrete_function(**specs)
            for name, (function, specs) in graph.endpoints().items()
        }
    servable = tf.Module()
    # Only the variables: no part of Keras is needed where it is served.
    servable.parameters = _variables(traced.values())
    tf.saved_model.save(servable, str(folder), signatures=traced)
    del copies  # until here nothing else holds them
    return traced, list(servable.parameters)


def _require_version(out: Path) -> None:
    if not out.name.isdigit() or not out.name.isascii() or int(out.name) < 1:
        what = f"{out}: TF Serving looks for NAME/VERSION. Version"
        raise ConfigError(expected_received(what, "a whole number from 1", out.name))
    if not out.parent.name:
        raise ConfigError(f"{out}: expected NAME/VERSION. Received: a version without a name")
    if out.exists():
        raise ConfigError(f"{out}: exists already, and a version is never changed; take the next")


def _variables(functions: Iterable[Any]) -> list[tf.Variable]:
    """Each variable that the functions read, once."""
    found = {id(v): v for f in functions for v in f.graph.variables}
    return list(found.values())


def _described(specs: Mapping[str, tf.TensorSpec], function: Any) -> dict[str, Any]:
    def tensor(spec: Any) -> dict[str, Any]:
        return {"dtype": spec.dtype.name, "shape": spec.shape.as_list()}

    return {
        "inputs": {name: tensor(spec) for name, spec in specs.items()},
        "outputs": {name: tensor(value) for name, value in function.structured_outputs.items()},
    }

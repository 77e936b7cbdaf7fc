"""Every kind of export, tiny; `python -m tests.serving.export_kinds` rewrites the allowlist.

The allowlist of operations (`kaffect/serving/allowed_operations.json`) is what these
graphs hold in all precisions, and nothing else.
"""

from __future__ import annotations

import contextlib
import json
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import keras
from tensorflow.core.protobuf import saved_model_pb2

from kaffect.files import write_text
from kaffect.losses import Heads
from kaffect.models import (
    affect_network,
    dcgan_discriminator,
    dcgan_generator,
    frame_classifier,
    frame_encoder,
    join,
    layers_compute_in,
    ssgan_discriminator,
    ssgan_generator,
    vggface_gru_attention,
)
from kaffect.serving.export import save_graph
from kaffect.serving.gan_graph import DiscriminatorGraph, GeneratorGraph
from kaffect.serving.recognition_graph import FrameGraph, SequenceGraph
from kaffect.serving.scan_operations import attribute_items, table
from kaffect.serving.scan_saver import saver_functions

ALLOWLIST = Path(__file__).parents[2] / "kaffect" / "serving" / "allowed_operations.json"
POLICIES = ("float32", "mixed_bfloat16", "mixed_float16")
NARROW = {"width": 1 / 64, "fc_units": 12, "gru_units": (8, 6), "attention_length": 5}


def affwildnet(recurrent: bool) -> keras.Model:
    """The shape of the released networks with few units."""
    inputs = keras.Input((None, 10), name="features")
    x = keras.layers.Dropout(0.5)(inputs)
    if recurrent:
        for k in range(2):
            x, _ = keras.layers.GRU(
                6, return_sequences=True, return_state=True, reset_after=False, name=f"gru_{k}"
            )(x)
    else:
        x = keras.layers.Dense(7, activation="relu", name="fc7")(x)
    outputs = {"valence_arousal": keras.layers.Dense(2, name="valence_arousal")(x)}
    head = keras.Model(inputs, outputs, name="sequence_head")
    return join(frame_encoder(width=1 / 64, fc_units=10, seed=1), head, None)


def _sequences(model: keras.Model) -> SequenceGraph:
    return SequenceGraph(model.get_layer("frame_encoder"), model.get_layer("sequence_head"))


def _frames(**settings: Any) -> FrameGraph:
    return FrameGraph(affect_network(image_size=32, width=1 / 16, seed=1, **settings))


def _classifier() -> FrameGraph:
    encoder = frame_encoder(image_size=32, width=1 / 32, fc_units=9, seed=2)
    return FrameGraph(frame_classifier(encoder, seed=3))


KINDS: dict[str, Callable[[], Any]] = {
    "sequences": lambda: _sequences(
        vggface_gru_attention(None, preprocessing="paper", seed=1, **NARROW)
    ),
    "sequences, masked": lambda: _sequences(
        vggface_gru_attention(None, preprocessing="vggface", mask_zero_slots=True, seed=1, **NARROW)
    ),
    "imported, recurrent": lambda: _sequences(affwildnet(True)),
    "imported, framewise": lambda: _sequences(affwildnet(False)),
    "classifier": _classifier,
    "resnet": _frames,
    "resnet, another stem": lambda: _frames(stem="no_pool", preprocessing=None),
    "resnet, grey": lambda: _frames(preprocessing="grey"),
    "resnet, small": lambda: _frames(stem="small", extra_normalization=True),
    "mobilenet": lambda: _frames(backbone="mobilenet_v2"),
    "dcgan generator": lambda: GeneratorGraph(dcgan_generator(5, width=1 / 64, seed=1)),
    "dcgan discriminator": lambda: DiscriminatorGraph(
        dcgan_discriminator(7, 11, width=1 / 64, seed=1), Heads(True, 8)
    ),
    "ssgan generator": lambda: GeneratorGraph(ssgan_generator("ssgan", width=1 / 16, seed=1)),
    "ssgan discriminator": lambda: DiscriminatorGraph(
        ssgan_discriminator(3, "paper", width=1 / 16, seed=1), Heads(True, 0)
    ),
}


def save_kind(kind: str, folder: Path, policy: str = "float32") -> None:
    """Write the SavedModel of one kind, without the rest of an export."""
    with layers_compute_in(policy):
        save_graph(KINDS[kind](), folder)


def read_graph(folder: Path) -> Any:
    """`saved_model.pb` of an export."""
    saved = saved_model_pb2.SavedModel()
    saved.ParseFromString((folder / "saved_model.pb").read_bytes())
    return saved


def found_in(folder: Path) -> Iterator[tuple[str, str, str, str, Any]]:
    """(part, operation, attribute, kind, value) of everything in the graph of an export."""
    graph = read_graph(folder).meta_graphs[0]
    parts = {name: part for part, name in saver_functions(graph).items()}
    yield from _attributes("main", graph.graph_def.node)
    for function in graph.graph_def.library.function:
        yield from _attributes(parts.get(function.signature.name, "compute"), function.node_def)
        yield from _values("function", "function", function.attr)
        for argument in function.arg_attr.values():
            yield from _values("function", "argument", argument.attr)


def _attributes(part: str, nodes: Any) -> Iterator[tuple[str, str, str, str, Any]]:
    for node in nodes:
        yield part, node.op, "", "", None
        yield from _values(part, node.op, node.attr)


def _values(part: str, owner: str, values: Any) -> Iterator[tuple[str, str, str, str, Any]]:
    for name, value in values.items():
        items = list(attribute_items(value)) or [("empty", None)]
        yield from ((part, owner, name, kind, item) for kind, item in items)


def exports(root: Path) -> Iterator[Path]:
    """Folders of every kind in every precision, written below `root`."""
    for policy in POLICIES:
        for kind in KINDS:
            folder = root / policy / kind
            save_kind(kind, folder, policy)
            yield folder


def allowlist_of(folders: Any) -> dict[str, Any]:
    """The allowlist that lets in exactly these exports."""
    return table(found for folder in folders for found in found_in(folder))


def main() -> None:
    """Write the allowlist anew."""
    with contextlib.ExitStack() as stack:
        root = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        found = allowlist_of(exports(root))
    write_text(ALLOWLIST, _as_lines(found))


def _as_lines(allowed: dict[str, Any]) -> str:
    """JSON with a line for each operation."""
    parts = []
    for part, operations in sorted(allowed.items()):
        lines = [
            f"  {json.dumps(operation)}: {json.dumps(rules, sort_keys=True)}"
            for operation, rules in sorted(operations.items())
        ]
        parts.append(f' "{part}": {{\n' + ",\n".join(lines) + "\n }")
    return "{\n" + ",\n".join(parts) + "\n}\n"


if __name__ == "__main__":
    main()

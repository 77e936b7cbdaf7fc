"""A SavedModel is a program: what it could do is read from the file before it is loaded.

Refuses everything that reads or writes files, runs Python, opens connections or
does work while it is being loaded. Only what exports of this software need is let in.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from google.protobuf.message import DecodeError
from tensorflow.core.framework import types_pb2
from tensorflow.core.protobuf import saved_model_pb2
from tensorflow.python.framework import op_def_registry

from kaffect.errors import ArtifactError

# Operations with state or strings that an export needs; none touches anything outside of it.
_ACCEPTED = frozenset({
    "Assert", "Case", "DecodeBmp", "DecodeGif", "DecodeImage", "DecodeJpeg", "DecodePng",
    "DecodeWebP", "EncodePng", "If", "PartitionedCall", "Placeholder", "ReadVariableOp",
    "StatefulPartitionedCall", "StatelessCase", "StatelessIf", "StatelessWhile",
    "StringLength", "VarHandleOp", "While",
})  # fmt: skip
# Without declared state and strings, but Python all the same.
_REFUSED = frozenset({"EagerPyFunc", "PyFunc", "PyFuncStateless", "XlaHostCompute"})
# Objects that only hold others, functions or numbers; resources and assets would be
# initialised by code of the file.
_OBJECTS = frozenset({"user_object", "function", "bare_concrete_function", "variable", "constant"})
_USER_OBJECTS = ("_generic_user_object", "trackable_", "signature_map", "tf_module", "")


def scan(folder: Path) -> None:
    """Raise `ArtifactError` where the SavedModel in `folder` could do more than compute."""
    path = folder / "saved_model.pb"
    saved = saved_model_pb2.SavedModel()
    try:
        saved.ParseFromString(path.read_bytes())
    except (OSError, DecodeError) as error:
        raise ArtifactError(f"{path}: cannot be read as a SavedModel: {error}") from error
    if len(saved.meta_graphs) != 1:
        raise ArtifactError(f"{path}: expected one graph. Received: {len(saved.meta_graphs)}")
    graph = saved.meta_graphs[0]
    for node in graph.object_graph_def.nodes:
        kind = node.WhichOneof("kind")
        own = kind != "user_object" or node.user_object.identifier.startswith(_USER_OBJECTS[:-1])
        if kind not in _OBJECTS or not own:
            shown = node.user_object.identifier if kind == "user_object" else kind
            raise ArtifactError(f"{path}: refused: it holds an object of the kind {shown}")
    for operation in sorted(_reachable_operations(graph)):
        if not _harmless(operation):
            raise ArtifactError(f"{path}: refused: its graph contains the operation {operation}")


def _harmless(operation: str) -> bool:
    if operation in _ACCEPTED:
        return True
    definition = op_def_registry.get(operation)
    if operation in _REFUSED or definition is None or definition.is_stateful:
        return False
    arguments = [*definition.input_arg, *definition.output_arg]
    return all(argument.type != types_pb2.DT_STRING for argument in arguments)


def _reachable_operations(graph: Any) -> set[str]:
    """Every operation that a signature or an object's function can run.

    The functions that save and restore variables are part of each SavedModel; loading does
    not run them, and nothing else may.
    """
    functions = {f.signature.name: f for f in graph.graph_def.library.function}
    nodes = {node.name: node for node in graph.graph_def.node}
    found: set[str] = set()
    waiting: list[str] = []
    seen: set[str] = set()

    def take(operations: Iterable[Any]) -> None:
        for node in operations:
            found.add(node.op)
            waiting.extend(_called(node))

    roots = [
        tensor.name.split(":")[0]
        for signature in graph.signature_def.values()
        for tensor in signature.outputs.values()
    ]
    take(_upstream(nodes, roots))
    for node in graph.object_graph_def.nodes:
        waiting.extend(node.function.concrete_functions)
        waiting.append(node.bare_concrete_function.concrete_function_name)
    while waiting:
        name = waiting.pop()
        if name in functions and name not in seen:
            seen.add(name)
            take(functions[name].node_def)
    return found


def _upstream(nodes: dict[str, Any], names: list[str]) -> Iterator[Any]:
    seen: set[str] = set()
    waiting = list(names)
    while waiting:
        name = waiting.pop()
        if name in nodes and name not in seen:
            seen.add(name)
            yield nodes[name]
            waiting.extend(i.removeprefix("^").split(":")[0] for i in nodes[name].input)


def _called(node: Any) -> Iterator[str]:
    for value in node.attr.values():
        if value.func.name:
            yield value.func.name
        for function in value.list.func:
            yield function.name
    # A call by name, without a function attribute.
    yield node.op

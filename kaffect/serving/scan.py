"""A SavedModel is a program: what it could do is read from its files before it is loaded.

Only what exports of this software need is let in: files, graph, functions, operations,
attributes, objects and collections; `allowed_operations.json` lists the operations.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from google.protobuf.message import DecodeError, Message
from tensorflow.core.framework import types_pb2
from tensorflow.core.protobuf import saved_model_pb2

from kaffect.errors import ArtifactError
from kaffect.serving.scan_operations import (
    allowlist,
    attribute_problem,
    called,
    calls_itself,
    problem_of,
)
from kaffect.serving.scan_saver import saver_functions, saver_problem

GRAPH = "saved_model.pb"
# Beside the graph; TensorFlow would also read other spellings of it and a folder `debug`.
_FILES = {
    "manifest.json", "MODEL_CARD.md", GRAPH, "fingerprint.pb", "variables/variables.index",
    "variables/variables.data-00000-of-00001", "assets.extra/golden.npz",
    "assets.extra/one_frame.tflite", "assets.extra/one_frame.onnx",
    "assets.extra/tf_serving_warmup_requests",
}  # fmt: skip
_LARGEST_GRAPH = 256 * 2**20

_INIT = "__saved_model_init_op"
_COLLECTION = "saved_model_main_op"
_META_GRAPH = {
    "meta_info_def", "graph_def", "saver_def", "collection_def", "signature_def",
    "object_graph_def",
}  # fmt: skip
_META_INFO = {
    "stripped_op_list", "tags", "tensorflow_version", "tensorflow_git_version",
    "stripped_default_attrs",
}  # fmt: skip
_FUNCTION = {"signature", "node_def", "ret", "attr", "arg_attr", "control_ret"}
_SIGNATURE = {"name", "input_arg", "output_arg", "is_stateful", "control_output"}
# Kind of an object -> the fields that it may have.
_OBJECTS = {
    "user_object": {"identifier", "version"},
    "variable": {"name", "dtype", "shape", "trainable"},
    "bare_concrete_function": {
        "concrete_function_name", "argument_keywords", "allowed_positional_arguments",
        "function_spec",
    },
}  # fmt: skip
_USER_OBJECTS = {"_generic_user_object", "trackable_list_wrapper", "signature_map"}
_CONCRETE = {"bound_inputs", "canonicalized_input_signature", "output_signature"}
# In descriptions of arguments: plain values and tensors, no classes that would be looked up.
_STRUCTURES = {
    "none_value", "float64_value", "int64_value", "string_value", "bool_value",
    "tensor_shape_value", "tensor_dtype_value", "tensor_spec_value", "list_value",
    "tuple_value", "dict_value", "named_tuple_value",
}  # fmt: skip


def scan(folder: Path) -> None:
    """Raise `ArtifactError` where the SavedModel in `folder` could do more than compute."""
    for path in folder.rglob("*"):
        name = path.relative_to(folder).as_posix()
        if path.is_symlink() or not path.is_dir() and name not in _FILES:
            raise ArtifactError(f"{path}: refused: no file of an export")
    path = folder / GRAPH
    saved = saved_model_pb2.SavedModel()
    try:
        size = path.stat().st_size
        if size > _LARGEST_GRAPH:
            raise ArtifactError(f"{path}: refused: {size} bytes; at most {_LARGEST_GRAPH}")
        saved.ParseFromString(path.read_bytes())
    except (OSError, DecodeError) as error:
        raise ArtifactError(f"{path}: cannot be read as a SavedModel: {error}") from error
    if len(saved.meta_graphs) != 1:
        raise ArtifactError(f"{path}: expected one graph. Received: {len(saved.meta_graphs)}")
    for problem in _problems(saved.meta_graphs[0]):
        raise ArtifactError(f"{path}: refused: its graph {problem}")


def _problems(graph: Any) -> Iterator[str]:
    yield from _unknown(graph, _META_GRAPH, "")
    # Without it TensorFlow would run the graph's initialisation while it loads it.
    for name in ("object_graph_def", "saver_def", "graph_def"):
        if not graph.HasField(name):
            yield f"lacks its {name}"
    yield from _unknown(graph.meta_info_def, _META_INFO, "meta_info_def.")
    yield from _unknown(graph.graph_def, {"node", "library", "versions"}, "graph_def.")
    yield from _unknown(graph.graph_def.library, {"function"}, "library.")
    yield from _functions(graph)
    yield from _objects(graph)
    yield from _initialisation(graph)
    yield from _signatures(graph)


def _unknown(message: Message, known: set[str], prefix: str) -> Iterator[str]:
    for field, _ in message.ListFields():
        if field.name not in known:
            yield f"has {prefix}{field.name}"


def _initialisation(graph: Any) -> Iterator[str]:
    """What is run when the graph is loaded: nothing, in an export."""
    nodes = {node.name: node for node in graph.graph_def.node}
    run = []
    for name, collection in graph.collection_def.items():
        if name != _COLLECTION or collection.WhichOneof("kind") != "node_list":
            yield f"has the collection {name!r}"
        run += collection.node_list.value
    run += [tensor.name for tensor in graph.signature_def[_INIT].outputs.values()]
    for name in run:
        node = nodes.get(name)
        if node is None or node.op != "NoOp" or node.input:
            yield f"runs {name!r} while it is loaded"


def _signatures(graph: Any) -> Iterator[str]:
    for name, signature in graph.signature_def.items():
        where = f"signature {name!r}: "
        yield from _unknown(signature, {"inputs", "outputs", "method_name"}, where)
        for tensor in [*signature.inputs.values(), *signature.outputs.values()]:
            yield from _unknown(tensor, {"name", "dtype", "tensor_shape"}, where)


def _functions(graph: Any) -> Iterator[str]:
    functions = {f.signature.name: f for f in graph.graph_def.library.function}
    if len(functions) != len(graph.graph_def.library.function):
        yield "has two functions of one name"
    saver = saver_functions(graph)
    if not saver:
        yield "saves or restores its variables in another way than exports do"
    parts = {name: part for part, name in saver.items()}
    yield from _operations(graph, parts)
    for name, function in functions.items():
        part = parts.get(name, "compute")
        yield from _function(function, part)
        if part != "compute":
            problem = saver_problem(function, part)
            if problem:
                yield f"has a function {name} of another structure: {problem}"
    for node in graph.graph_def.node:
        yield from _problem(node, "main")
    nodes = [*graph.graph_def.node, *(n for f in functions.values() for n in f.node_def)]
    calls = [callee for node in nodes for callee in called(node)]
    for callee in {*calls} - functions.keys():
        yield f"calls {callee!r}, which it does not have"
    for name in parts:
        if calls.count(name) != 1:
            yield f"calls the saver's function {name} from elsewhere"
    circle = calls_itself(functions)
    if circle is not None:
        yield f"has functions that call each other in a circle, seen from {circle!r}"


def _operations(graph: Any, parts: Mapping[str, str]) -> Iterator[str]:
    """Foreign operations, before anything else about nodes: they say most."""
    found = {("main", node.op) for node in graph.graph_def.node}
    for function in graph.graph_def.library.function:
        part = parts.get(function.signature.name, "compute")
        found |= {(part, node.op) for node in function.node_def}
    for part, operation in sorted(found):
        if operation not in allowlist()[part]:
            yield f"contains the operation {operation!r} (in the part {part!r})"


def _problem(node: Any, part: str) -> Iterator[str]:
    problem = problem_of(node, part)
    if problem is not None:
        yield f"{problem} (in the part {part!r}, node {node.name!r})"


def _function(function: Any, part: str) -> Iterator[str]:
    name = function.signature.name
    yield from _unknown(function, _FUNCTION, f"function {name!r}: ")
    yield from _unknown(function.signature, _SIGNATURE, f"function {name!r}: ")
    for argument in [*function.signature.input_arg, *function.signature.output_arg]:
        yield from _unknown(argument, {"name", "type", "handle_data"}, f"function {name!r}: ")
    problems = [attribute_problem("function", function.attr, allowlist()["function"]["function"])]
    for argument in function.arg_attr.values():
        rules = allowlist()["function"]["argument"]
        problems.append(attribute_problem("argument", argument.attr, rules))
    yield from filter(None, problems)
    for node in function.node_def:
        yield from _problem(node, part)


def _objects(graph: Any) -> Iterator[str]:
    objects = graph.object_graph_def
    functions = {f.signature.name for f in graph.graph_def.library.function}
    functions -= {*saver_functions(graph).values()}
    yield from _unknown(objects, {"nodes", "concrete_functions"}, "object_graph_def.")
    for node in objects.nodes:
        kind = node.WhichOneof("kind")
        if kind not in _OBJECTS:
            yield f"holds an object of the kind {kind}"
            continue
        yield from _unknown(node, {"children", kind}, "an object with ")
        yield from _unknown(getattr(node, kind), _OBJECTS[kind], f"an object {kind} with ")
        if any(not 0 <= child.node_id < len(objects.nodes) for child in node.children):
            yield "holds an object that refers to one that it does not have"
        if kind == "user_object" and node.user_object.identifier not in _USER_OBJECTS:
            yield f"holds an object of the kind {node.user_object.identifier!r}"
        if kind == "variable" and node.variable.dtype not in _VARIABLES:
            yield f"holds a variable of the type {node.variable.dtype}"
        if kind == "bare_concrete_function":
            bare = node.bare_concrete_function
            if bare.concrete_function_name not in objects.concrete_functions:
                yield f"holds a function {bare.concrete_function_name!r} that it does not describe"
            spec = bare.function_spec
            yield from _unknown(spec, {"fullargspec", "input_signature"}, "a function with ")
            yield from _structure(spec.fullargspec)
            yield from _structure(spec.input_signature)
    for name, concrete in objects.concrete_functions.items():
        if name not in functions:
            yield f"describes a function {name!r} that it does not have"
        yield from _unknown(concrete, _CONCRETE, "a function with ")
        if any(not 0 <= place < len(objects.nodes) for place in concrete.bound_inputs):
            yield f"has a function {name!r} that reads an object that is not there"
        elif any(not objects.nodes[p].HasField("variable") for p in concrete.bound_inputs):
            yield f"has a function {name!r} that reads something else than variables"
        yield from _structure(concrete.canonicalized_input_signature)
        yield from _structure(concrete.output_signature)


_VARIABLES = (types_pb2.DT_FLOAT, types_pb2.DT_BFLOAT16, types_pb2.DT_HALF)


def _structure(value: Any) -> Iterator[str]:
    """What is not plain in the description of arguments."""
    kind = value.WhichOneof("kind")
    if kind is None:
        return
    if kind not in _STRUCTURES:
        yield f"describes an argument of the kind {kind}"
    elif kind in ("list_value", "tuple_value"):
        for item in getattr(value, kind).values:
            yield from _structure(item)
    elif kind == "dict_value":
        for item in value.dict_value.fields.values():
            yield from _structure(item)
    elif kind == "named_tuple_value":
        if value.named_tuple_value.name != "FullArgSpec":
            yield f"describes an argument of the kind {value.named_tuple_value.name!r}"
        for pair in value.named_tuple_value.values:
            yield from _structure(pair.value)

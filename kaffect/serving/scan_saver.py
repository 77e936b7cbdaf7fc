"""The functions that save and restore an export's variables: the only ones that touch files.

TF Serving calls them with the folder of the export. They are accepted in one structure
only: they read and write at the path that they are given, and nowhere else.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from tensorflow.core.framework import types_pb2

# Deeper than the structures below; a function's nodes may refer to each other in circles.
_DEEPEST = 12
_FILE = (
    "ShardedFilename(StringJoin(path, Select(StaticRegexFullMatch(path), '.part', '_temp/part')), "
    "0, 1)"
)
_RESTORED = "RestoreV2(path, texts, texts)"
# Operation -> how often it occurs (None: for each variable), what its first inputs are
# computed from, and what each of the others may be.
_STRUCTURE: dict[str, dict[str, tuple[int | None, list[str], set[str]]]] = {
    "save": {
        "SaveV2": (1, [_FILE, "texts", "texts"], {"ReadVariableOp(variable)", "text"}),
        "MergeV2Checkpoints": (1, [f"Pack({_FILE})", "path"], set()),
    },
    "restore": {
        "RestoreV2": (1, ["path", "texts", "texts"], set()),
        "AssignVariableOp": (None, ["variable", _RESTORED], set()),
    },
}


def saver_functions(graph: Any) -> dict[str, str]:
    """ "save" and "restore" -> the function that the graph's saver calls; none where it differs.

    Both must be called with the path that the saver is given, the variables, and (for saving)
    the description of the objects.
    """
    nodes = {node.name: node for node in graph.graph_def.node}
    saver = graph.saver_def
    found: dict[str, str] = {}
    path = saver.filename_tensor_name.removesuffix(":0")
    names = (saver.save_tensor_name.removesuffix(":0"), saver.restore_op_name)
    for part, name in zip(_STRUCTURE, names, strict=True):
        node = nodes.get(name)
        if node is None or node.op != "StatefulPartitionedCall" or path not in nodes:
            return {}
        given = [nodes[i].op if i in nodes else "" for i in node.input]
        called = node.attr["f"].func.name
        wanted = ["Placeholder", *(["VarHandleOp"] * (len(given) - 1))]
        if part == "save" and len(given) > 1:
            wanted[-1] = "Const"
        if list(node.input[:1]) != [path] or given != wanted or called in found.values():
            return {}
        found[part] = called
    return found


def saver_problem(function: Any, part: str) -> str | None:
    """What in the function differs from how it is always built; None where nothing does."""
    structure = _STRUCTURE[part]
    expressions = _Expressions(function)
    for operation, (times, first, others) in structure.items():
        nodes = [node for node in function.node_def if node.op == operation]
        if times is not None and len(nodes) != times:
            return f"{len(nodes)} operations {operation}, expected {times}"
        for node in nodes:
            found = [expressions.of(i) for i in node.input if not i.startswith("^")]
            if found[: len(first)] != first or not set(found[len(first) :]) <= others:
                return f"an operation {operation} at another path or of other values"
    return None


class _Expressions:
    """What the inputs of a function's nodes are computed from, written as expressions."""

    def __init__(self, function: Any) -> None:
        self._nodes: Mapping[str, Any] = {node.name: node for node in function.node_def}
        self._arguments = {
            argument.name: _argument(place, argument.type)
            for place, argument in enumerate(function.signature.input_arg)
        }

    def of(self, reference: str, depth: int = 0) -> str:
        """The expression of `argument` or `node:output:number`."""
        name = reference.split(":")[0]
        if name in self._arguments:
            return self._arguments[name]
        node = self._nodes.get(name)
        if node is None or depth > _DEEPEST:
            return "unknown"
        if node.op == "Const":
            return _constant(node.attr["value"].tensor)
        inputs = [self.of(i, depth + 1) for i in _data(node)]
        return inputs[0] if node.op == "Identity" and inputs else f"{node.op}({', '.join(inputs)})"


def _argument(place: int, kind: int) -> str:
    if kind == types_pb2.DT_STRING:
        return "text" if place else "path"
    return "variable" if kind == types_pb2.DT_RESOURCE else "unknown"


def _data(node: Any) -> Iterator[str]:
    return (i for i in node.input if not i.startswith("^"))


def _constant(tensor: Any) -> str:
    if tensor.tensor_shape.dim:
        return "texts" if tensor.dtype == types_pb2.DT_STRING else "unknown"
    values = [*tensor.string_val, *tensor.int_val]
    if len(values) != 1 or tensor.tensor_content:
        return "unknown"
    (value,) = values
    return repr(value.decode("utf-8", "replace")) if isinstance(value, bytes) else repr(value)

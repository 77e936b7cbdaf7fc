"""Which operations an export may hold, and with which attributes: an allowlist kept as data.

`allowed_operations.json` has four parts: `main`, the graph around the functions;
`compute`, the functions of signatures; `save` and `restore`, the saver's two functions,
whose structure `scan_saver` checks too. What is not in it is refused.
`python -m tests.serving.export_kinds` writes it anew from exports of every kind.
"""

from __future__ import annotations

import functools
import json
import math
from collections.abc import Iterable, Iterator, Mapping
from importlib import resources
from typing import Any

from google.protobuf.message import DecodeError, Message
from tensorflow.core.framework import types_pb2
from tensorflow.core.protobuf import config_pb2

PARTS = ("main", "compute", "save", "restore")
# Names of nodes and variables.
_LONGEST_NAME = 1000
# Values that a constant may expand to; those of exports have a few hundred.
_LARGEST_CONSTANT = 2**20
# Where TensorFlow itself places the saver's nodes; all others are placed nowhere.
_DEVICES = ("", "/device:CPU:0", "/device:CPU:*")
_NODE_FIELDS = {"name", "op", "input", "device", "attr", "experimental_type"}
# How a call is to be executed: how many devices and threads the exporting machine had.
_CONFIG = {
    "device_count", "intra_op_parallelism_threads", "inter_op_parallelism_threads",
    "allow_soft_placement", "gpu_options.allow_growth", "pluggable_device_options.allow_growth",
}  # fmt: skip

# Attribute -> its rule: a list of the values that are accepted (of a list, each element), or
# a word for what cannot be listed (see `_WORDS`).
Rules = Mapping[str, Any]


@functools.cache
def allowlist() -> Mapping[str, Any]:
    """The contents of `allowed_operations.json`."""
    text = resources.files("kaffect.serving").joinpath("allowed_operations.json").read_text("utf-8")
    found: Mapping[str, Any] = json.loads(text)
    return found


def problem_of(node: Any, part: str) -> str | None:
    """What forbids the node in this part of an export, in words; None where nothing does."""
    operations: Mapping[str, Rules] = allowlist()[part]
    if node.op not in operations:
        return f"contains the operation {node.op!r}"
    unknown = {field.name for field, _ in node.ListFields()} - _NODE_FIELDS
    if unknown:
        return f"has an operation {node.op} with {', '.join(sorted(unknown))}"
    if node.device not in (_DEVICES if part != "compute" else ("",)):
        return f"places an operation {node.op} on the device {node.device!r}"
    # TensorFlow would end the process where a constant is of another type than it says.
    if node.op == "Const" and node.attr["value"].tensor.dtype != node.attr["dtype"].type:
        return "has an operation Const of another dtype than its value"
    return attribute_problem(f"operation {node.op}", node.attr, operations[node.op])


def attribute_problem(owner: str, attributes: Mapping[str, Any], rules: Rules) -> str | None:
    """As `problem_of`, for the attributes of one operation, function or argument."""
    for name, value in attributes.items():
        if name not in rules:
            return f"has the {owner} with the attribute {name!r}"
        if not _accepted(rules[name], value):
            return f"has the {owner} with a value of {name!r} that is not accepted"
    return None


def _accepted(rule: Any, value: Any) -> bool:
    return all(_accepted_item(rule, kind, item) for kind, item in attribute_items(value))


def attribute_items(value: Any) -> Iterator[tuple[str, Any]]:
    """Kind and contents of an attribute's value, of a list those of each element."""
    kind = value.WhichOneof("value")
    if kind != "list":
        yield (kind or "nothing"), (getattr(value, kind) if kind else None)
        return
    for field, items in value.list.ListFields():
        for item in items:
            yield field.name, item


def plain(kind: str, item: Any) -> Any:
    """An attribute's value as JSON has it: types by name, bytes as text."""
    if kind == "type":
        return types_pb2.DataType.Name(item) if item in types_pb2.DataType.values() else item
    return item.decode("utf-8", "backslashreplace") if kind == "s" else item


def _accepted_item(rule: Any, kind: str, item: Any) -> bool:
    if isinstance(rule, str):
        return bool(_WORDS[rule](kind, item))
    value = plain(kind, item) if kind in ("type", "s", "b", "i", "f") else None
    # True is 1 in Python, but not here.
    return any(value == other and type(value) is type(other) for other in rule)


def _function(kind: str, item: Any) -> bool:
    return kind == "func" and not item.attr


def _tensor(kind: str, item: Any) -> bool:
    if kind != "tensor" or item.variant_val or item.resource_handle_val:
        return False
    sizes = [dimension.size for dimension in item.tensor_shape.dim]
    return min(sizes, default=0) >= 0 and math.prod(sizes) <= _LARGEST_CONSTANT


def _config(kind: str, item: Any) -> bool:
    if kind != "s":
        return False
    try:
        config = config_pb2.ConfigProto.FromString(item)
    except DecodeError:
        return False
    return set(_leaves(config)) <= _CONFIG


def _leaves(message: Message, prefix: str = "") -> Iterator[str]:
    """Dotted names of the fields that are set; messages without any are passed over."""
    for field, value in message.ListFields():
        if isinstance(value, Message):
            yield from _leaves(value, f"{prefix}{field.name}.")
        else:
            yield prefix + field.name


_WORDS = {
    "any shape": lambda kind, item: kind == "shape",
    "any number": lambda kind, item: kind in ("i", "f"),
    "any name": lambda kind, item: kind == "s" and len(item) <= _LONGEST_NAME,
    "any constant": _tensor,
    "a function": _function,
    "an execution": _config,
}


def called(node: Any) -> Iterator[str]:
    """Names of the functions that a node calls."""
    for value in node.attr.values():
        for kind, item in attribute_items(value):
            if kind == "func":
                yield item.name


def calls_itself(functions: Mapping[str, Any]) -> str | None:
    """A function whose calls lead back to a function before; None where there is none."""
    waiting = {
        name: {callee for node in function.node_def for callee in called(node)}
        for name, function in functions.items()
    }
    # Take away what calls nothing that is still there; what remains goes round in circles.
    while waiting:
        finished = {name for name, callees in waiting.items() if not callees & waiting.keys()}
        if not finished:
            return min(waiting)
        for name in finished:
            del waiting[name]
    return None


def table(found: Iterable[tuple[str, str, str, str, Any]]) -> dict[str, Any]:
    """The allowlist of what was found in exports: (part, operation, attribute, kind, value)."""
    parts: dict[str, Any] = {}
    for part, operation, attribute, kind, item in found:
        rules = parts.setdefault(part, {}).setdefault(operation, {})
        if not attribute:
            continue
        word = _word(attribute, kind)
        if word is not None:
            rules[attribute] = word
        elif kind != "empty":
            values = rules.setdefault(attribute, [])
            if plain(kind, item) not in values:
                values.append(plain(kind, item))
        else:
            rules.setdefault(attribute, [])
    for rules in (r for operations in parts.values() for r in operations.values()):
        for attribute, values in rules.items():
            if isinstance(values, list):
                rules[attribute] = sorted(values, key=str)
    return parts


# Of these attributes numbers and names depend on the size of the network.
_FREE_NUMBERS = {
    "N", "_num_original_outputs", "_read_only_resource_inputs", "begin_mask", "ellipsis_mask",
    "end_mask", "epsilon", "new_axis_mask", "num_split", "shrink_axis_mask",
}  # fmt: skip
_FREE_NAMES = {"shared_name", "debug_name", "_user_specified_name"}


def _word(attribute: str, kind: str) -> str | None:
    if attribute == "config_proto":
        return "an execution"
    if attribute in _FREE_NUMBERS:
        return "any number"
    if attribute in _FREE_NAMES:
        return "any name"
    return {"shape": "any shape", "tensor": "any constant", "func": "a function"}.get(kind)

"""Random changes of an export's graph: each must be refused, or change no output.

Run as a program it tries a range of changes and writes a line for each; a change that
ends the process or never returns is then seen by whoever started it.
"""

from __future__ import annotations

import random
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from kaffect.errors import ArtifactError
from kaffect.serving.loading import Export, check_loaded, load_export
from kaffect.serving.scan import scan
from tests.serving.export_kinds import read_graph
from tests.serving.hostile_exports import add_node, seal_again, write_graph

Change = Callable[[Any, random.Random], None]
_OPERATIONS = sorted(name for name in dir(tf.raw_ops) if name[0].isupper())
_WORDS = ("", "x", "/tmp/x", "^saver_filename", "NoOp", "DT_FLOAT", "VALID", "a" * 3000)


def _nodes(graph: Any) -> list[Any]:
    functions = graph.graph_def.library.function
    return [*graph.graph_def.node, *(n for f in functions for n in f.node_def)]


def _function(graph: Any, rng: random.Random) -> Any:
    return rng.choice(graph.graph_def.library.function)


def _operation(graph: Any, rng: random.Random) -> None:
    rng.choice(_nodes(graph)).op = _any_operation(rng)


def _known_operation(graph: Any, rng: random.Random) -> None:
    nodes = _nodes(graph)
    rng.choice(nodes).op = rng.choice(nodes).op


def _any_operation(rng: random.Random) -> str:
    return str(rng.choice(_OPERATIONS))


def _new_node(graph: Any, rng: random.Random) -> None:
    nodes = rng.choice([graph.graph_def.node, _function(graph, rng).node_def])
    new = add_node(nodes, _any_operation(rng), f"^{rng.choice(nodes).name}")
    rng.choice(nodes).input.append(f"^{new.name}")


def _lost_node(graph: Any, rng: random.Random) -> None:
    nodes = rng.choice([graph.graph_def.node, _function(graph, rng).node_def])
    del nodes[rng.randrange(len(nodes))]


def _lost_function(graph: Any, rng: random.Random) -> None:
    functions = graph.graph_def.library.function
    del functions[rng.randrange(len(functions))]


def _attribute(graph: Any, rng: random.Random) -> None:
    node = rng.choice([n for n in _nodes(graph) if n.attr])
    _change_value(node.attr[rng.choice(sorted(node.attr))], graph, rng)


def _change_value(value: Any, graph: Any, rng: random.Random) -> None:
    kind = value.WhichOneof("value")
    if kind == "type":
        value.type = rng.randrange(30)
    elif kind == "i":
        value.i = rng.choice([0, -1, 1, 2, 7, 2**40])
    elif kind == "b":
        value.b = not value.b
    elif kind == "f":
        value.f = rng.choice([0.0, -1.0, float("nan"), 1e30])
    elif kind == "s":
        value.s = rng.choice(_WORDS).encode()
    elif kind == "func":
        value.func.name = _function(graph, rng).signature.name
    elif kind == "tensor":
        _change_tensor(value.tensor, rng)
    elif kind == "shape":
        value.shape.dim.add(size=rng.choice([-1, 0, 3, 2**40]))
    elif kind == "list" and value.list.type:
        value.list.type[rng.randrange(len(value.list.type))] = rng.randrange(30)
    else:
        value.Clear()


def _change_tensor(tensor: Any, rng: random.Random) -> None:
    if tensor.tensor_content:
        data = bytearray(tensor.tensor_content)
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
        tensor.tensor_content = bytes(data)
    elif tensor.int_val:
        tensor.int_val[0] = rng.choice([-1, 0, 1, 2, 1000])
    elif tensor.float_val:
        tensor.float_val[0] += rng.choice([-1.0, 0.5, 1e6])
    else:
        tensor.dtype = rng.randrange(30)


def _lost_attribute(graph: Any, rng: random.Random) -> None:
    node = rng.choice([n for n in _nodes(graph) if n.attr])
    del node.attr[rng.choice(sorted(node.attr))]


def _moved_attribute(graph: Any, rng: random.Random) -> None:
    first, second = (rng.choice([n for n in _nodes(graph) if n.attr]) for _ in range(2))
    name = rng.choice(sorted(first.attr))
    second.attr[name].CopyFrom(first.attr[name])


def _input(graph: Any, rng: random.Random) -> None:
    function = _function(graph, rng)
    node = rng.choice([n for n in function.node_def if n.input] or graph.graph_def.node)
    names = [f"{n.name}:output:0" for n in function.node_def]
    names += [argument.name for argument in function.signature.input_arg]
    if node.input:
        node.input[rng.randrange(len(node.input))] = rng.choice(names)


def _returned(graph: Any, rng: random.Random) -> None:
    function = _function(graph, rng)
    for name in rng.sample(sorted(function.ret), min(1, len(function.ret))):
        function.ret[name] = f"{rng.choice(function.node_def).name}:output:0"


def _function_attribute(graph: Any, rng: random.Random) -> None:
    names = ("api_implements", "_noinline", "_XlaMustCompile", "forward_function_name")
    _function(graph, rng).attr[rng.choice(names)].s = b"x"


def _device(graph: Any, rng: random.Random) -> None:
    rng.choice(_nodes(graph)).device = rng.choice(["/device:CPU:0", "/device:GPU:0", "/job:a"])


def _object(graph: Any, rng: random.Random) -> None:
    node = rng.choice(graph.object_graph_def.nodes)
    if node.children and rng.random() < 0.5:
        rng.choice(node.children).node_id = rng.randrange(-1, len(graph.object_graph_def.nodes) + 1)
    elif node.HasField("variable"):
        node.variable.shape.dim.add(size=rng.choice([-1, 1, 5, 2**40]))
    elif node.HasField("user_object"):
        node.user_object.identifier = rng.choice(["signature_map", "_tf_keras_layer", "x"])
    else:
        node.bare_concrete_function.concrete_function_name = _function(graph, rng).signature.name


def _bound(graph: Any, rng: random.Random) -> None:
    functions = graph.object_graph_def.concrete_functions
    bound = functions[rng.choice(sorted(functions))].bound_inputs
    bound[rng.randrange(len(bound))] = rng.randrange(-1, len(graph.object_graph_def.nodes) + 1)


def _signature(graph: Any, rng: random.Random) -> None:
    signature = graph.signature_def[rng.choice(sorted(graph.signature_def))]
    tensors = rng.choice([signature.inputs, signature.outputs])
    if tensors:
        tensor = tensors[rng.choice(sorted(tensors))]
        tensor.name = rng.choice([n.name for n in graph.graph_def.node])


def _collection(graph: Any, rng: random.Random) -> None:
    name = rng.choice(["saved_model_main_op", "legacy_init_op", "saved_model_assets", "x"])
    graph.collection_def[name].node_list.value.append(rng.choice(graph.graph_def.node).name)


def _saver(graph: Any, rng: random.Random) -> None:
    name = rng.choice(["filename_tensor_name", "save_tensor_name", "restore_op_name"])
    setattr(graph.saver_def, name, rng.choice(graph.graph_def.node).name + ":0")


def _lost_field(graph: Any, rng: random.Random) -> None:
    graph.ClearField(rng.choice([field.name for field, _ in graph.ListFields()]))


CHANGES: tuple[Change, ...] = (
    _operation, _known_operation, _new_node, _lost_node, _lost_function, _attribute, _attribute,
    _lost_attribute, _moved_attribute, _input, _input, _returned, _function_attribute, _device,
    _object, _bound, _signature, _collection, _saver, _lost_field,
)  # fmt: skip


def mutate(source: Path, target: Path, seed: int) -> str:
    """Write a changed copy of the export `source`; give the name of the change."""
    rng = random.Random(seed)
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(source, target)
    if rng.random() < 0.1:
        path = target / "saved_model.pb"
        data = bytearray(path.read_bytes())
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
        path.write_bytes(bytes(data))
        seal_again(target)
        return "bit"
    saved = read_graph(target)
    change = rng.choice(CHANGES)
    change(saved.meta_graphs[0], rng)
    write_graph(target, saved)
    return change.__name__


def outcome(folder: Path, expected: dict[str, np.ndarray]) -> str:
    """'refused by ...', 'equal' or 'DIFFERENT' for a changed generator."""
    try:
        scan(folder)
    except ArtifactError:
        return "refused by the scan"
    try:
        export = load_export(folder)
        check_loaded(export)
    except ArtifactError:
        return "refused by loading or by its golden numbers"
    found = answers(export)
    equal = found.keys() == expected.keys() and all(
        np.array_equal(found[name], wanted) for name, wanted in expected.items()
    )
    return "equal" if equal else "DIFFERENT"


def answers(export: Export) -> dict[str, np.ndarray]:
    """What a generator answers to vectors that are not its golden ones, by signature."""
    latents = np.random.default_rng(1).uniform(-1, 1, (3, 100)).astype(np.float32)
    return {
        name: next(iter(export.run(name, latents=latents).values())) for name in export.signatures
    }


def main(source: Path, target: Path, first: int, last: int) -> None:
    expected = answers(load_export(source))
    for seed in range(first, last):
        print(seed, mutate(source, target, seed), end=" ", flush=True)
        print(outcome(target, expected), flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]))

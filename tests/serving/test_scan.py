"""An export can only compute: whatever else a graph could do is refused before it is loaded."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import zipfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from kaffect.cli import main
from kaffect.errors import ArtifactError
from kaffect.serving.loading import check_export, load_export
from kaffect.serving.scan import scan
from tests.serving import export_kinds, hostile_exports
from tests.serving.hostile_exports import (
    ATTACKS,
    add_node,
    attribute,
    function,
    rewrite,
    text,
    write_file,
)
from tests.serving.mutated_graphs import answers, mutate, outcome


@pytest.fixture
def copy(frame_export: Path, tmp_path: Path) -> Path:
    """A copy of an export that a test may change."""
    return Path(shutil.copytree(frame_export, tmp_path / "copy" / "3"))


def refused(folder: Path, match: str = "refused") -> None:
    with pytest.raises(ArtifactError, match=match) as caught:
        load_export(folder)
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize("name", ATTACKS)
def test_attacks_are_refused_before_anything_is_loaded(
    copy: Path, tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    canary = tmp_path / "canary"
    rewrite(copy, lambda graph: ATTACKS[name](graph, canary))
    monkeypatch.setattr(tf.saved_model, "load", lambda *_: pytest.fail("it was loaded"))
    refused(copy)
    assert not canary.exists()
    assert main(["export", "--check", str(copy)]) == 2


def test_the_first_attack_works_where_nothing_is_checked(copy: Path, tmp_path: Path) -> None:
    """The corpus must be able to do harm, or the tests above would prove nothing."""
    canary = tmp_path / "canary"
    rewrite(copy, lambda graph: hostile_exports.loaded_the_old_way(graph, canary))
    tf.saved_model.load(str(copy))
    assert canary.read_text() == "caught"


def in_a_loop(graph: Any, path: Path) -> None:
    write_file(function(graph, "while_body").node_def, path)


def in_a_branch(graph: Any, path: Path) -> None:
    write_file(function(graph, "cond_true").node_def, path)


def in_an_unused_function(graph: Any, path: Path) -> None:
    other = graph.graph_def.library.function.add()
    other.signature.name = "unused"
    write_file(other.node_def, path)


def around_the_functions(graph: Any, path: Path) -> None:
    write_file(graph.graph_def.node, path)


def while_restoring(graph: Any, path: Path) -> None:
    write_file(function(graph, "traced_restore").node_def, path)


def restoring_from_elsewhere(graph: Any, path: Path) -> None:
    nodes = function(graph, "traced_restore").node_def
    restore = next(node for node in nodes if node.op == "RestoreV2")
    restore.input[0] = text(nodes, str(path))


def restoring_once_more(graph: Any, path: Path) -> None:
    nodes = function(graph, "traced_restore").node_def
    restore = next(node for node in nodes if node.op == "RestoreV2")
    nodes.add().CopyFrom(restore)
    nodes[-1].name = "second"


def saving_elsewhere(graph: Any, path: Path) -> None:
    nodes = function(graph, "traced_save").node_def
    merge = next(node for node in nodes if node.op == "MergeV2Checkpoints")
    merge.input[1] = text(nodes, str(path))


def calling_the_saver(graph: Any, path: Path) -> None:
    call = next(n for n in graph.graph_def.node if n.op == "StatefulPartitionedCall")
    call.attr["f"].func.name = function(graph, "traced_restore").signature.name


def a_saver_with_a_fixed_path(graph: Any, path: Path) -> None:
    nodes = {node.name: node for node in graph.graph_def.node}
    fixed = add_node(
        graph.graph_def.node, "Const", dtype=tf.string, value=np.array(str(path), object)
    )
    nodes[graph.saver_def.restore_op_name].input[0] = fixed.name


def saving_inside_a_signature(graph: Any, path: Path) -> None:
    wrapper = function(graph, "signature_wrapper")
    saved = next(n for n in function(graph, "traced_save").node_def if n.op == "SaveV2")
    wrapper.node_def.add().CopyFrom(saved)


def another_collection(graph: Any, path: Path) -> None:
    graph.collection_def["asset_filepaths"].node_list.value.append("NoOp")


def an_initialisation(graph: Any, path: Path) -> None:
    call = next(n for n in graph.graph_def.node if n.op == "StatefulPartitionedCall")
    graph.collection_def["saved_model_main_op"].node_list.value[0] = call.name


def an_initialisation_with_inputs(graph: Any, path: Path) -> None:
    next(n for n in graph.graph_def.node if n.op == "NoOp").input.append("^saver_filename")


def an_initialising_signature(graph: Any, path: Path) -> None:
    call = next(n for n in graph.graph_def.node if n.op == "StatefulPartitionedCall")
    output = graph.signature_def["__saved_model_init_op"].outputs["__saved_model_init_op"]
    output.name = call.name


def an_asset(graph: Any, path: Path) -> None:
    graph.asset_file_def.add(filename=str(path))


def a_restoring_object(graph: Any, path: Path) -> None:
    variable = next(n for n in graph.object_graph_def.nodes if n.HasField("variable"))
    variable.saveable_objects["x"].restore_function = 1


def a_resource(graph: Any, path: Path) -> None:
    graph.object_graph_def.nodes.add().resource.device = ""


def a_foreign_object(graph: Any, path: Path) -> None:
    graph.object_graph_def.nodes[0].user_object.identifier = "_tf_keras_model"


def a_class_among_the_arguments(graph: Any, path: Path) -> None:
    concrete = next(iter(graph.object_graph_def.concrete_functions.values()))
    concrete.output_signature.type_spec_value.type_spec_class_name = "x"


def a_function_of_its_own(graph: Any, path: Path) -> None:
    body = function(graph, "while_body")
    loop = next(n for f in graph.graph_def.library.function for n in f.node_def if "While" in n.op)
    body.node_def.add().CopyFrom(loop)
    body.node_def[-1].attr["body"].func.name = body.signature.name


def two_functions_of_one_name(graph: Any, path: Path) -> None:
    other = graph.graph_def.library.function.add()
    other.signature.name = function(graph, "while_body").signature.name
    write_file(other.node_def, path)


def a_gradient(graph: Any, path: Path) -> None:
    graph.graph_def.library.gradient.add(function_name="x", gradient_func="y")


def another_device(graph: Any, path: Path) -> None:
    function(graph, "while_body").node_def[0].device = "/job:other/device:CPU:0"


PLACES = (
    in_a_loop, in_a_branch, in_an_unused_function, around_the_functions, while_restoring,
    restoring_from_elsewhere, restoring_once_more, saving_elsewhere, calling_the_saver,
    a_saver_with_a_fixed_path, saving_inside_a_signature, another_collection, an_initialisation,
    an_initialisation_with_inputs, an_initialising_signature, an_asset, a_restoring_object,
    a_resource, a_foreign_object, a_class_among_the_arguments, a_function_of_its_own,
    two_functions_of_one_name, a_gradient, another_device,
)  # fmt: skip


@pytest.mark.parametrize("place", PLACES, ids=lambda place: place.__name__)
def test_forbidden_things_are_found_everywhere(
    copy: Path, tmp_path: Path, place: Callable[[Any, Path], None]
) -> None:
    rewrite(copy, lambda graph: place(graph, tmp_path / "canary"))
    with pytest.raises(ArtifactError, match="refused"):
        scan(copy)


ATTRIBUTES = [
    ("Conv2D", "T", tf.float64),
    ("Conv2D", "padding", "EXPLICIT"),
    ("Conv2D", "_kernel", "MyKernel"),
    ("DecodeImage", "channels", 0),
    ("VarHandleOp", "container", "shared"),
    ("VarHandleOp", "dtype", tf.string),
    ("VarHandleOp", "shared_name", "x" * 2000),
    ("StatefulPartitionedCall", "executor_type", "SINGLE_THREADED_EXECUTOR"),
    ("StatefulPartitionedCall", "config_proto", "not a configuration"),
    (
        "StatefulPartitionedCall",
        "config_proto",
        tf.compat.v1.ConfigProto(session_inter_op_thread_pool=[{}])
        .SerializeToString()
        .decode("latin1"),
    ),
    ("StatelessWhile", "parallel_iterations", 1000000),
    ("Const", "dtype", tf.variant),
    ("Identity", "T", True),
]


@pytest.mark.parametrize(("operation", "name", "value"), ATTRIBUTES)
def test_forbidden_attributes_of_accepted_operations(
    copy: Path, operation: str, name: str, value: Any
) -> None:
    def edit(graph: Any) -> None:
        functions = graph.graph_def.library.function
        nodes = [*graph.graph_def.node, *(n for f in functions for n in f.node_def)]
        node = next(n for n in nodes if n.op == operation)
        node.attr[name].CopyFrom(attribute(value))

    rewrite(copy, edit)
    with pytest.raises(ArtifactError, match=f"refused: .*{operation}.*{name}"):
        scan(copy)


def test_a_constant_that_would_fill_the_memory(copy: Path) -> None:
    def edit(graph: Any) -> None:
        nodes = function(graph, "while_body").node_def
        constant = next(node for node in nodes if node.op == "Const").attr["value"].tensor
        del constant.tensor_shape.dim[:]
        constant.tensor_shape.dim.add(size=2**40)

    rewrite(copy, edit)
    refused(copy, "value of 'value' that is not accepted")


def test_a_constant_of_another_type_does_not_end_the_process(copy: Path) -> None:
    def edit(graph: Any) -> None:
        nodes = function(graph, "while_body").node_def
        constant = next(node for node in nodes if node.op == "Const").attr["value"].tensor
        constant.dtype = tf.qint8.as_datatype_enum

    rewrite(copy, edit)
    refused(copy, "of another dtype than its value")


@pytest.mark.parametrize(
    "name", ["saved_model.pbtxt", "debug/saved_model_debug_info.pb", "saved_model.cpb"]
)
def test_other_files_that_tensorflow_would_read(copy: Path, name: str) -> None:
    (copy / name).parent.mkdir(exist_ok=True)
    (copy / name).write_bytes(b"")
    rewrite(copy, lambda graph: None)
    refused(copy, "no file of an export")


def test_a_link_out_of_the_export(copy: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (copy / "debug").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ArtifactError, match="no file of an export"):
        scan(copy)


def test_other_signatures_than_the_manifest_says(copy: Path) -> None:
    def edit(graph: Any) -> None:
        signature = graph.object_graph_def.concrete_functions
        name = next(n for n in signature if "signature_wrapper" in n)
        fields = signature[name].output_signature.dict_value.fields
        for key in list(fields):
            fields[key].tensor_spec_value.dtype = tf.float16.as_datatype_enum

    rewrite(copy, edit)
    with pytest.raises(ArtifactError):
        load_export(copy)


def test_what_cannot_be_loaded_is_no_traceback(copy: Path) -> None:
    def edit(graph: Any) -> None:
        wrapper = function(graph, "signature_wrapper")
        for key in wrapper.ret:
            wrapper.ret[key] = "nowhere:0"

    rewrite(copy, edit)
    refused(copy, "cannot be loaded")


def test_unchanged_exports_are_accepted(
    copy: Path, sequence_export: Any, capsys: pytest.CaptureFixture
) -> None:
    """The edits above are what is refused, not their writing back."""
    rewrite(copy, lambda graph: None)
    assert check_export(copy)
    scan(sequence_export.folder)
    assert main(["export", "--check", str(copy)]) == 0


@pytest.fixture
def generator(golden: Path, tmp_path: Path) -> Path:
    """A small generator's export with a loop and encoded pictures; the same bytes each time."""
    with zipfile.ZipFile(golden / "artefacts" / "generator_export.zip") as archive:
        archive.extractall(tmp_path)
    return tmp_path / "faces" / "1"


def test_changed_graphs_are_refused_or_answer_the_same(generator: Path, tmp_path: Path) -> None:
    expected = answers(load_export(generator))
    outcomes: Counter[str] = Counter()
    for seed in range(200):
        change = mutate(generator, tmp_path / "changed", seed)
        outcomes[outcome(tmp_path / "changed", expected)] += 1
        assert "DIFFERENT" not in outcomes, (seed, change)
    # Neither is everything refused, nor does the scan alone see what changes a number.
    assert min(outcomes.values()) >= 20 and len(outcomes) == 3, outcomes


@pytest.mark.nightly
def test_two_thousand_changed_graphs(generator: Path, tmp_path: Path, record_property: Any) -> None:
    """In another process: none ends it, and none runs on without end."""
    command = [sys.executable, "-m", "tests.serving.mutated_graphs", str(generator)]
    command += [str(tmp_path / "changed"), "1000", "3000"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=3000, check=True)
    lines = done.stdout.splitlines()
    for outcome_, count in Counter(line.split(" ", 2)[2] for line in lines).items():
        record_property(outcome_, count)
    assert len(lines) == 2000 and not [line for line in lines if line.endswith("DIFFERENT")]


def _stored() -> dict[str, Any]:
    return dict(json.loads(export_kinds.ALLOWLIST.read_text()))


# These and the two exports that other tests share hold every operation.
_BETWEEN_THEM = (
    "sequences, masked", "imported, recurrent", "resnet", "resnet, grey", "mobilenet",
    "ssgan generator", "ssgan discriminator",
)  # fmt: skip


def test_the_allowlist_has_what_exports_need_and_no_operation_beside(
    frame_export: Path, sequence_export: Any, tmp_path: Path
) -> None:
    folders = [frame_export, sequence_export.folder]
    for kind in _BETWEEN_THEM:
        export_kinds.save_kind(kind, tmp_path / kind)
        folders.append(tmp_path / kind)
        scan(tmp_path / kind)
    found, stored = export_kinds.allowlist_of(folders), _stored()
    assert found.keys() == stored.keys()
    for part, operations in stored.items():
        assert found[part].keys() == operations.keys(), part


@pytest.mark.nightly
def test_the_allowlist_is_what_all_kinds_in_all_precisions_need(tmp_path: Path) -> None:
    folders = list(export_kinds.exports(tmp_path))
    assert len(folders) == 3 * len(export_kinds.KINDS)
    for folder in folders:
        scan(folder)
    assert export_kinds.allowlist_of(folders) == _stored()


def test_no_operation_of_the_allowlist_reaches_outside() -> None:
    """By what TensorFlow says of them: state and strings only where it is known why."""
    from tensorflow.python.framework import op_def_registry

    reasons = {
        "DecodeImage", "EncodePng", "StringLength",  # pictures in memory
        "ReadVariableOp", "StatefulPartitionedCall", "While",  # variables, calls
    }  # fmt: skip
    for operation in _stored()["compute"]:
        definition = op_def_registry.get(operation)
        arguments = [*definition.input_arg, *definition.output_arg]
        strings = any(a.type == tf.string.as_datatype_enum for a in arguments)
        assert not (definition.is_stateful or strings) or operation in reasons, operation
    files = {"SaveV2", "RestoreV2", "MergeV2Checkpoints"}
    everything = {(part, op) for part, found in _stored().items() for op in found}
    assert {part for part, op in everything if op in files} == {"save", "restore"}
    assert not any("File" in op and op != "ShardedFilename" for _, op in everything)

"""Every array that a public function of losses, metrics and models takes has its shape stated."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "kaffect"
FILES = [p for name in ("losses", "metrics", "models") for p in (PACKAGE / name).glob("*.py")]
ARRAY = re.compile(r"\b(Tensor|ArrayLike|NDArray|ndarray|Floats|Matrix)\b")
# Keras calls these; the class says what goes in and out.
PROTOCOL = ("call", "build", "compute_output_shape", "compute_output_spec", "update_state")
SHAPE = re.compile(r"\[[^\]]*\]|[Ss]calar|same shape|as in `")


def array_functions(tree: ast.Module) -> Iterator[tuple[str, ast.FunctionDef, list[str]]]:
    """Public functions and methods with the names of their array arguments."""
    owners = [("", tree), *((n.name + ".", n) for n in tree.body if isinstance(n, ast.ClassDef))]
    for prefix, owner in owners:
        for node in owner.body:
            if not isinstance(node, ast.FunctionDef) or node.name in PROTOCOL:
                continue
            if node.name.startswith("_") or prefix.startswith("_"):
                continue
            arguments = [*node.args.args, *node.args.kwonlyargs]
            arrays = [a.arg for a in arguments if a.annotation and _is_array(a.annotation)]
            if arrays:
                yield prefix + node.name, node, arrays


def _is_array(annotation: ast.expr) -> bool:
    text = ast.unparse(annotation)
    # Weights by name have the shapes of their network.
    return bool(ARRAY.search(text)) and "Mapping[str, np.ndarray]" not in text


def without_shape(node: ast.FunctionDef, arrays: list[str]) -> list[str]:
    """The arrays of which `Args:` says no shape."""
    text = ast.get_docstring(node) or ""
    entries = re.split(r"\n    (?=[\w, ]+: )", text.partition("Args:")[2].partition("\n\n")[0])
    stated = {
        name.strip()
        for entry in entries
        for name in entry.partition(":")[0].split(",")
        if SHAPE.search(entry.partition(":")[2])
    }
    return [name for name in arrays if name not in stated]


@pytest.mark.parametrize("path", FILES, ids=lambda p: f"{p.parent.name}/{p.stem}")
def test_arrays_have_their_shape_stated(path: Path) -> None:
    missing = {
        name: lacking
        for name, node, arrays in array_functions(ast.parse(path.read_text()))
        if (lacking := without_shape(node, arrays))
    }
    assert not missing


def test_the_rule_can_fail() -> None:
    source = '''
def f(x: Tensor, y: Tensor, n: int) -> None:
    """One.

    Args:
        x: [n], all of them.
        y: the others.
    """
'''
    ((name, node, arrays),) = array_functions(ast.parse(source))
    assert (name, arrays, without_shape(node, arrays)) == ("f", ["x", "y"], ["y"])

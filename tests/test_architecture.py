"""Rules that hold for the whole tree: who writes, who may import what, what is never called."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SOURCES = sorted([*ROOT.glob("kaffect/**/*.py"), *ROOT.glob("experiments/**/*.py")])
NO_TENSORFLOW = ("kaffect", "kaffect.labels", "kaffect.errors", "kaffect.config", "kaffect.files",
                 "kaffect.progress", "kaffect.data.annotations.files", "kaffect.metrics",
                 "kaffect.cli", "kaffect.cli.annotate", "kaffect.annotation.server",
                 "kaffect.entry", "kaffect.synthetic.tree", "kaffect.studies.report",
                 "kaffect.studies.command", "kaffect.studies.finding",
                 "kaffect.serving.server.json_process")  # fmt: skip


# These write into a folder that kaffect.files renames into place when it is complete.
INSIDE_AN_ATOMIC_FOLDER = {
    "kaffect/faces/video_faces.py",
    "kaffect/data/prepared/prepare_stills.py",
    "kaffect/data/prepared/shards.py",
    "kaffect/synthetic/tree.py",
    "kaffect/data/prepared/video_job.py",
    "kaffect/serving/golden.py",
    "kaffect/serving/stream_state.py",
}


def _calls(source: str) -> Iterator[tuple[str, ast.Call]]:
    """Every call in `source` with the dotted name of what is called."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call):
            yield ast.unparse(node.func), node


def forbidden(source: str) -> list[str]:
    """Calls that no file of the project may make."""
    found = []
    for name, call in _calls(source):
        keywords = {k.arg: ast.unparse(k.value) for k in call.keywords}
        if name.split(".")[0] in ("pickle", "cPickle", "dill", "marshal", "shelve"):
            found.append(name)
        if keywords.get("allow_pickle") == "True" or keywords.get("safe_mode") == "False":
            found.append(f"{name}(unsafe)")
        if name in ("eval", "exec", "os.system") or name.endswith("layers.Lambda"):
            found.append(name)
        if name.endswith("ignore_errors") or keywords.get("deterministic") == "False":
            found.append(f"{name}(drops or reorders records)")
    return found


def writes(source: str) -> list[str]:
    """Calls that write a file without kaffect.files."""
    found = []
    for name, call in _calls(source):
        if name.endswith((".write_text", ".write_bytes")) and not name.startswith("files."):
            found.append(name)
        if name in ("open", "os.open"):
            mode = ast.unparse(call.args[1]) if len(call.args) > 1 else "'r'"
            if any(letter in mode for letter in "wax+"):
                found.append(f"{name}({mode})")
        if name in (
            "np.save",
            "np.savez",
            "np.savez_compressed",
            "numpy.save",
            "cv2.imwrite",
            "json.dump",
        ):
            found.append(name)
    return found


def test_the_rules_can_fail() -> None:
    assert forbidden("import pickle\npickle.loads(x)\nnp.load(p, allow_pickle=True)") != []
    assert forbidden("keras.layers.Lambda(f)\nds.map(f, deterministic=False)") != []
    assert writes("open(p, 'w')\nPath(p).write_text('x')\nnp.save(p, x)") != []
    assert not writes("open(p)\nopen(p, 'rb')\nfiles.write_text(p, x)")


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: str(p.relative_to(ROOT)))
def test_a_file_keeps_the_rules(path: Path) -> None:
    source = path.read_text()
    assert forbidden(source) == []
    name = path.relative_to(ROOT).as_posix()
    if (
        name not in ("kaffect/files.py", "kaffect/appending.py")
        and name not in INSIDE_AN_ATOMIC_FOLDER
    ):
        assert writes(source) == []
    assert len(source.splitlines()) <= 500, "look for a second idea in this file"
    assert ast.get_docstring(ast.parse(source)) or not source.strip(), "say what it serves"


@pytest.mark.parametrize("module", NO_TENSORFLOW)
def test_light_modules_do_not_load_tensorflow(module: str) -> None:
    code = f"import sys, {module}; assert 'tensorflow' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)


def test_nothing_is_named_utils() -> None:
    assert [p for p in SOURCES if p.stem in ("utils", "util", "helpers", "misc")] == []

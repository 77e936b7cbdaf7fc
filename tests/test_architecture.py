"""Rules that hold for the whole tree: who writes, who may import what, what is never called."""

from __future__ import annotations

import ast
import re
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


# Drawing from these depends on what was drawn before, or on nothing that is written down.
_GLOBAL_RANDOM = re.compile(
    r"random\.(random|randint|randrange|choice|choices|shuffle|sample|uniform|gauss|seed)"
    r"|(np|numpy)\.random\.(?!default_rng|Generator|SeedSequence|PCG64|BitGenerator)\w+"
    r"|tf\.random\.(normal|uniform|shuffle|truncated_normal|categorical|set_seed)"
    r"|tf\.image\.random_\w+|uuid\.uuid[14]|keras\.utils\.set_random_seed"
)


def unseeded(source: str) -> list[str]:
    """Calls that draw numbers without a seed of their own, and loops in the order of a set."""
    found = []
    for name, call in _calls(source):
        bare = name.endswith(("random.default_rng", "random.Random")) or name == "Random"
        if _GLOBAL_RANDOM.fullmatch(name) or (bare and not call.args and not call.keywords):
            found.append(name)
        if name.endswith(".shuffle") and name.startswith("tf.data"):
            found.append(name)
    for node in ast.walk(ast.parse(source)):
        loops = isinstance(node, (ast.For, ast.comprehension))
        if loops and isinstance(node.iter, (ast.Set, ast.SetComp)):  # type: ignore[attr-defined]
            found.append(f"for ... in {ast.unparse(node.iter)}")  # type: ignore[attr-defined]
        if loops and isinstance(node.iter, ast.Call):  # type: ignore[attr-defined]
            if ast.unparse(node.iter.func) in ("set", "frozenset"):  # type: ignore[attr-defined]
                found.append(f"for ... in {ast.unparse(node.iter)}")  # type: ignore[attr-defined]
    return found


# The only readers of whole models and of archives of arrays.
LOADERS = {
    "tf.saved_model.load": {"kaffect/serving/loading.py"},
    "keras.models.load_model": set(),
    "keras.saving.load_model": set(),
    "h5py.File": {"kaffect/models/vggface_weights.py"},
    "safe_open": {"kaffect/models/torchvision_weights.py"},
}


def loaders(source: str, name: str) -> list[str]:
    """Calls of loaders that are made elsewhere."""
    return [call for call, _ in _calls(source) if call in LOADERS and name not in LOADERS[call]]


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
    assert unseeded("np.random.rand(3)") and unseeded("random.shuffle(x)")
    assert unseeded("np.random.default_rng()") and unseeded("tf.random.uniform([2])")
    assert unseeded("for a in {1, 2}: pass") and unseeded("[a for a in set(x)]")
    assert not unseeded("np.random.default_rng(3)\nfor a in sorted(set(x)): pass")
    assert loaders("tf.saved_model.load(p)", "kaffect/cli/export.py")
    assert not writes("open(p)\nopen(p, 'rb')\nfiles.write_text(p, x)")


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: str(p.relative_to(ROOT)))
def test_a_file_keeps_the_rules(path: Path) -> None:
    source = path.read_text()
    assert forbidden(source) == []
    assert unseeded(source) == []
    name = path.relative_to(ROOT).as_posix()
    if (
        name not in ("kaffect/files.py", "kaffect/appending.py")
        and name not in INSIDE_AN_ATOMIC_FOLDER
    ):
        assert writes(source) == []
    assert loaders(source, name) == []
    assert len(source.splitlines()) <= 500, "look for a second idea in this file"
    assert ast.get_docstring(ast.parse(source)) or not source.strip(), "say what it serves"


@pytest.mark.parametrize("module", NO_TENSORFLOW)
def test_light_modules_do_not_load_tensorflow(module: str) -> None:
    code = f"import sys, {module}; assert 'tensorflow' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)


def test_nothing_is_named_utils() -> None:
    assert [p for p in SOURCES if p.stem in ("utils", "util", "helpers", "misc")] == []

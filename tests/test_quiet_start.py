"""A quiet start: TensorFlow's noise is held back, every other line on descriptor 2 is passed on."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from kaffect.quiet_start import is_noise

ROOT = Path(__file__).parent.parent
ABSL = "{} 00:00:1795676005.994769    8632 {}] {}"
OLDER = "2025-11-30 03:28:12.776942: {} {}] {}"
FACTORY = "Unable to register {} factory: Attempting to register factory for plugin {} when one has"
NOISE = [
    "WARNING: All log messages before absl::InitializeLog() is called are written to STDERR",
    ABSL.format("I0000", "port.cc:153", "oneDNN custom operations are on."),
    ABSL.format("I0000", "cudart_stub.cc:31", "Could not find cuda drivers on your machine"),
    OLDER.format(
        "I", "tensorflow/core/platform/cpu_feature_guard.cc:210", "This TensorFlow binary"
    ),
    "To enable the following instructions: AVX2 FMA, in other operations, rebuild TensorFlow with "
    "the appropriate compiler flags.",
    OLDER.format("E", "external/cuda/cuda_fft.cc:485", FACTORY.format("cuFFT", "cuFFT")),
    ABSL.format("E0000", "cuda_dnn.cc:8579", FACTORY.format("cuDNN", "cuDNN")),
    ABSL.format(
        "W0000",
        "computation_placer.cc:177",
        "computation placer already registered. Please check linkage and avoid linking",
    ),
    OLDER.format(
        "W", "tf2tensorrt/utils/py_utils.cc:38", "TF-TRT Warning: Could not find TensorRT"
    ),
]
TELLING = [
    OLDER.format("W", "tensorflow/core/gpu_device.cc:2343", "Cannot dlopen some GPU libraries."),
    ABSL.format("E0000", "cuda_platform.cc:52", "failed call to cuInit: CUDA error"),
    ABSL.format("F0000", "logging.cc:62", "Check failed: ret == 0 (11 vs. 0) Thread creation"),
    "ImportError: libstdc++.so.6: version `GLIBCXX_3.4.29' not found",
    "The TensorFlow library was compiled to use AVX instructions",
    "I have no number",
    "",
]

# Stands in the place of TensorFlow: writes as its C++ code does, then does what it is told.
PACKAGE = """
import os, signal, sys, time
def write(text): os.write(2, text.encode())
write({noise!r} + "\\nfirst unknown line\\n" + {noise!r} + "\\n")
print("second, from Python", file=sys.stderr)
write("third, ")
write("in two parts\\n")
what = sys.argv[1]
if what == "fails": raise ImportError("no such thing")
if what == "is interrupted":
    # Tests in the background of a shell may have been started with the signal ignored.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    time.sleep(0.3)  # the filter runs by now
    try:
        os.killpg(0, signal.SIGINT)
        signal.pause()
    finally:
        time.sleep(0.3)  # the filter has seen the signal too by now
        write("gives way\\n")
if what == "crashes": write("last words\\n"); os.abort()
if what == "starts a process":
    import subprocess
    sleeper = subprocess.Popen(["sleep", "60"])
write("no end of line: ")
"""
PROGRAM = """
import argparse, os, sys
from kaffect.entry import run_command
parser = argparse.ArgumentParser()
parser.add_argument("what")
parser.add_argument("--debug", action="store_true")
def command(options):
    print("before", file=sys.stderr)
    try:
        import tensorflow
        if sys.argv[1] == "starts a process":
            tensorflow.sleeper.kill()
            tensorflow.sleeper.wait()
    finally:
        os.write(2, b"after\\n")
    import tensorflow as again
before = os.fstat(2)
found = list(sys.meta_path)
try:
    code = run_command(parser, None, command, interrupted="kept")
except ImportError as error:
    code = f"failed: {error}"
assert (os.fstat(2).st_dev, os.fstat(2).st_ino) == (before.st_dev, before.st_ino)
assert sys.meta_path == found
print(code)
"""
UNKNOWN = ["before", "first unknown line", "second, from Python", "third, in two parts"]


def start(folder: Path, *what: str) -> subprocess.CompletedProcess[str]:
    """Run `PROGRAM`, with `PACKAGE` as its TensorFlow, which does `what`."""
    (folder / "tensorflow.py").write_text(PACKAGE.format(noise="\n".join(NOISE)))
    return subprocess.run(
        [sys.executable, "-c", PROGRAM, *what],
        env={**os.environ, "PYTHONPATH": f"{folder}{os.pathsep}{ROOT}"},
        capture_output=True,
        text=True,
        timeout=50,
        start_new_session=True,
    )


@pytest.mark.parametrize("line", NOISE)
def test_known_noise(line: str) -> None:
    assert is_noise(line.encode() + b"\n")


@pytest.mark.parametrize("line", TELLING)
def test_what_may_tell_something_is_no_noise(line: str) -> None:
    assert not is_noise(line.encode() + b"\n")


@pytest.mark.parametrize(
    "what,end,output",
    [
        ("works", ["no end of line: after"], "0"),
        ("starts a process", ["no end of line: after"], "0"),
        ("fails", ["after"], "failed: no such thing"),
        ("is interrupted", ["gives way", "after", "", "interrupted: kept"], "130"),
    ],
)
def test_unknown_lines_are_passed_on_in_order(
    tmp_path: Path, what: str, end: list[str], output: str
) -> None:
    """However the import ends; the descriptor is then what it was."""
    done = start(tmp_path, what)
    assert done.stderr.splitlines() == UNKNOWN + end
    assert done.stdout.strip() == output


def test_a_crash_keeps_its_message(tmp_path: Path) -> None:
    done = start(tmp_path, "crashes")
    assert done.returncode == -6
    assert done.stderr.splitlines() == [*UNKNOWN, "last words"]


def test_debug_shows_everything(tmp_path: Path) -> None:
    lines = start(tmp_path, "works", "--debug").stderr.splitlines()
    assert lines == [UNKNOWN[0], *NOISE, UNKNOWN[1], *NOISE, *UNKNOWN[2:], "no end of line: after"]


def test_the_real_tensorflow_is_quiet_and_deterministic() -> None:
    """From the import over the first device and operation to the first compiled function."""
    program = (
        "from experiments import run\n"
        "assert run.main(['--table', 'V']) == 0\n"
        "import tensorflow as tf\n"
        "tf.config.list_logical_devices()\n"
        "compiled = tf.function(lambda x: tf.sin(x) * 2, jit_compile=True)\n"
        "print(float(compiled(tf.constant(0.0))))\n"
        # Under determinism TensorFlow refuses a random number without a seed.
        "try:\n    tf.random.uniform([1])\n"
        "except RuntimeError as error:\n    print('determinism' in str(error))\n"
    )
    ours = ("TF_CPP_MIN_LOG_LEVEL", "TF_DETERMINISTIC_OPS")
    environment = {k: v for k, v in os.environ.items() if k not in ours}
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**environment, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[-2:] == ["0.0", "True"]


@pytest.mark.parametrize(
    "command",
    [
        ["experiments/run.py", "--table", "XI", "--dry-run"],
        ["experiments/run.py", "--help"],
        ["-m", "kaffect.cli", "--help"],
        ["-m", "kaffect.cli", "train", "--table", "XI", "--row", "2", "--dry-run"],
    ],
)
def test_a_reader_that_stops_is_no_mistake(command: list[str]) -> None:
    """As `| head` does; here nobody reads from the beginning."""
    # Python's usual buffers: what is short is written at the end.
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONUNBUFFERED"}
    reader, writer = os.pipe()
    os.close(reader)
    try:
        done = subprocess.run(
            [sys.executable, *command],
            cwd=ROOT,
            env=environment,
            stdout=writer,
            stderr=subprocess.PIPE,
            text=True,
        )
    finally:
        os.close(writer)
    assert (done.returncode, done.stderr) == (0, "")

"""A start without the lines that TensorFlow writes to the terminal while it is imported.

Serves the entry points, `kaffect` and `experiments/run.py`, and nothing else may import it. The
lines come from C++ code, which writes them to file descriptor 2 before it reads any setting. So
that descriptor is a pipe during the import, and a small process at its other end passes on every
line that is not known noise, in order and at once. It is a process of its own so that the last
message of an import that crashes is passed on as well.
"""

from __future__ import annotations

import contextlib
import importlib.abc
import importlib.util
import os
import re
import signal
import sys
from collections.abc import Iterator, Sequence
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import NoReturn

# How a line of the two logs begins; the letter is its level, (I)nformation to (F)atal.
_ABSL, _OLDER = rb"%b\d{4} [\d:.]+ +\d+ [\w.]+:\d+\] ", rb"[\d-]{10} [\d:.]+: %b [\w./-]+:\d+\] "
_MISTAKEN = (
    # Written with every TensorFlow for GPUs, at levels that they do not deserve.
    rb"Unable to register cu(DNN|FFT|BLAS) factory: Attempting to register factory for plugin",
    rb"computation placer already registered\. Please check linkage",
    rb"TF-TRT Warning: Could not find TensorRT",
)
_NOISE = re.compile(
    b"|".join(
        [
            rb"WARNING: All log messages before absl::InitializeLog\(\) is called are written to",
            rb"To enable the following instructions: .* rebuild TensorFlow with the appropriate",
            *(form % b"I" for form in (_ABSL, _OLDER)),
            *(form % b"[WE]" + b"(?:" + b"|".join(_MISTAKEN) + b")" for form in (_ABSL, _OLDER)),
        ]
    )
)
_END = b"\0the import has ended\0"


def is_noise(line: bytes) -> bool:
    """Whether a line of standard error tells a user nothing."""
    return _NOISE.match(line) is not None


@contextlib.contextmanager
def quiet_tensorflow() -> Iterator[None]:
    """Whenever TensorFlow is first imported in this block, hold its noise back.

    Where the system has no `fork` (Windows), or no standard error is open, nothing is held back.
    """
    finder = _Finder()
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        with contextlib.suppress(ValueError):
            sys.meta_path.remove(finder)


class _Finder(importlib.abc.MetaPathFinder):
    """Finds the package tensorflow, once, with a loader that holds its noise back."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname != "tensorflow":
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(fullname)
        if spec is not None and spec.loader is not None:
            _hold_while_loading(spec.loader)
        return spec


def _hold_while_loading(loader: importlib.abc.Loader) -> None:
    """Make `loader` execute its module, once, with standard error held back."""
    execute = loader.exec_module

    def exec_module(module: ModuleType) -> None:
        del loader.exec_module  # type: ignore[method-assign]
        with noise_held_back():
            execute(module)

    loader.exec_module = exec_module  # type: ignore[method-assign]


@contextlib.contextmanager
def noise_held_back() -> Iterator[None]:
    """Descriptor 2 is a filter's input in this block, and what it was before after it."""
    try:
        terminal = os.dup(2)
    except OSError:  # closed: there is nobody to tell anything
        yield
        return
    try:
        if hasattr(os, "fork"):
            with _filtered(terminal):
                yield
        else:
            yield
    finally:
        os.close(terminal)


@contextlib.contextmanager
def _filtered(terminal: int) -> Iterator[None]:
    _flush()
    reader, writer = os.pipe()
    child = _start_filter(reader, writer, terminal)
    os.close(reader)
    os.dup2(writer, 2)
    os.close(writer)
    try:
        yield
    finally:
        _flush()
        # A mark and not only the end of the pipe: a process started meanwhile may hold it open.
        with contextlib.suppress(OSError):
            os.write(2, _END)
        os.dup2(terminal, 2)
        os.waitpid(child, 0)  # what is written from here on comes after what was held


def _flush() -> None:
    if sys.stderr is not None:
        sys.stderr.flush()


def _start_filter(reader: int, writer: int, terminal: int) -> int:
    """The number of a new process that passes on from `reader` to `terminal`."""
    # Ctrl-C goes to both processes; the filter ends with its input and must not see it.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    child = os.fork()
    if child == 0:
        _filter(reader, writer, terminal)
    signal.pthread_sigmask(signal.SIG_SETMASK, before)
    return child


def _filter(reader: int, writer: int, terminal: int) -> NoReturn:
    """In the child process: pass lines on until the mark or the end of the pipe."""
    try:
        os.close(writer)
        waiting, ended = b"", False
        while not ended:
            data = os.read(reader, 1 << 16)
            waiting, mark, _ = (waiting + data).partition(_END)
            ended = bool(mark) or not data
            *lines, rest = waiting.split(b"\n")
            _pass_on(terminal, [line + b"\n" for line in lines] + [rest] * ended)
            waiting = rest
    finally:
        os._exit(0)


def _pass_on(terminal: int, lines: list[bytes]) -> None:
    text = b"".join(line for line in lines if not is_noise(line))
    while text:
        text = text[os.write(terminal, text) :]

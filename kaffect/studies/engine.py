"""Where the jobs of a table are trained: here one after the other, or on Ray's workers (Section V).

Importing this loads neither TensorFlow nor Ray.
"""

from __future__ import annotations

import argparse
import importlib.util
import secrets
import socket
from collections.abc import Iterable
from dataclasses import dataclass

from kaffect.errors import ConfigError, expected_received
from kaffect.studies.options import is_given, spelt

# Engine -> "module:function" that trains the jobs of a table; None: this process does.
ENGINES: dict[str, str | None] = {"local": None, "ray": "kaffect.studies.ray_engine:run_jobs"}
# Flags that say something to Ray alone.
RAY_FLAGS = ("address", "workers")
_SECONDS = 5.0


@dataclass(frozen=True)
class Engine:
    """What trains the jobs of a table.

    Attributes:
        name: a key of `ENGINES`.
        address: of a running Ray cluster, "HOST:PORT", "ray://HOST:PORT" or "auto"; None: Ray is
            started on this machine.
        workers: jobs at a time; None: as many as the processors allow.
        threads: of TensorFlow, for each job; None: all processors here, one of each worker's.
    """

    name: str = "local"
    address: str | None = None
    workers: int | None = None
    threads: int | None = None

    @property
    def run(self) -> str:
        """ "module:function" of an engine that is not this process."""
        return ENGINES[self.name] or ""


LOCAL = Engine()


def engine_of(options: argparse.Namespace) -> Engine:
    """The engine that the command line asks for, checked before anything is written.

    Raises:
        ConfigError: an unknown engine, a flag of another one, a number below 1, Ray is not
            installed, or nothing answers at the address.
    """
    name = options.engine
    if name not in ENGINES:
        raise ConfigError(expected_received("--engine", tuple(ENGINES), name))
    if name == "local":
        _reject(options, RAY_FLAGS)
    for flag in ("workers", "threads"):
        value = getattr(options, flag)
        if value is not None and value < 1:
            raise ConfigError(expected_received(f"--{flag}", "1 or more", value))
    if name == "ray":
        require_ray()
        if options.address not in (None, "auto"):
            require_answer(options.address)
    return Engine(name, options.address, options.workers, options.threads)


def _reject(options: argparse.Namespace, flags: Iterable[str]) -> None:
    for flag in flags:
        if is_given(options, flag):
            raise ConfigError(f"{spelt(flag)}: goes with --engine ray")


def require_ray() -> None:
    """Raise `ConfigError` where Ray is not installed."""
    if importlib.util.find_spec("ray") is None:
        raise ConfigError("--engine ray: Ray is not installed; pip install 'kaffect[ray]'")


def require_answer(address: str) -> None:
    """Raise `ConfigError` where nothing listens at `address`, which Ray would wait a minute for."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if not (host and port.isdecimal() and 0 < int(port) < 65536):
        accepted = "auto, HOST:PORT or ray://HOST:PORT"
        raise ConfigError(expected_received("--address", accepted, address))
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=_SECONDS).close()
    except OSError as error:
        raise ConfigError(f"--address {address}: no Ray cluster answers there: {error}") from error


def process_variables(engine: Engine) -> dict[str, str]:
    """Environment variables that an entry point must set before TensorFlow or Ray is imported.

    A Ray of this machine alone listens on all its addresses, and whoever reaches it may run
    code: a token of this run keeps others out. Ray would also report its use over the network,
    and give its workers the lowest priority.
    """
    found = thread_variables(engine.threads) if engine.threads else {}
    if engine.name == "ray":
        found |= {"RAY_USAGE_STATS_ENABLED": "0", "RAY_worker_niceness": "0"}
        if engine.address is None:
            found |= {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
    return found


def thread_variables(threads: int) -> dict[str, str]:
    """Environment variables that hold TensorFlow to so many threads, in a process that starts."""
    names = ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "OMP_NUM_THREADS")
    return dict.fromkeys(names, str(threads))

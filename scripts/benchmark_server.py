"""How fast `kaffect serve` answers 1, 8 and 32 clients, and whether its memory stays.

A server process is started with an export (a narrow network of the paper's shape by
default, so that the server and not the network is measured), asked by asyncio
clients of this process over loopback. All of it shares the cores of one machine.

    python scripts/benchmark_server.py
    python scripts/benchmark_server.py --models saved_models --model affect --seconds 10
    python scripts/benchmark_server.py --abuse      # what good clients feel during attacks
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import contextlib
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import aiohttp  # noqa: E402
import cv2  # noqa: E402
import grpc  # noqa: E402
import numpy as np  # noqa: E402
import tensorflow as tf  # noqa: E402
from server_attacks import ATTACKS  # noqa: E402
from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc  # noqa: E402

CLIENTS = (1, 8, 32)
Ask = Callable[[], Awaitable[None]]
# Seconds; a good client that waits longer has met a fault, and the measurement ends.
_PATIENCE = 120.0
_TIMEOUT = aiohttp.ClientTimeout(_PATIENCE)


def export_narrow(root: Path, width: float) -> str:
    """Export the network of Figure 5 with untrained weights; give its name."""
    from kaffect.models import vggface_gru_attention
    from kaffect.serving.export import export_model
    from kaffect.serving.facts import Facts

    network = vggface_gru_attention(None, preprocessing="paper", seed=1, width=width)
    export_model(network, root / "affect" / "1", Facts("Untrained, for timing"))
    return "affect"


@contextlib.contextmanager
def served(root: Path) -> Iterator[tuple[int, int]]:
    """A server process; gives its ports."""
    command = [sys.executable, "-m", "kaffect.cli", "serve", "--models", str(root)]
    process = subprocess.Popen(
        [*command, "--rest-port", "0", "--grpc-port", "0"], stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        for line in process.stdout:
            if found := re.search(r"REST http://.*:(\d+)/v1.*gRPC .*:(\d+);", line):
                yield int(found[1]), int(found[2])
                return
        raise SystemExit("the server did not start")
    finally:
        process.terminate()
        process.wait(30)


async def load(ask: Ask, clients: int, seconds: float) -> list[float]:
    """Milliseconds of each answer while `clients` ask without pause."""
    times: list[float] = []
    end = time.perf_counter() + seconds

    async def client() -> None:
        while (start := time.perf_counter()) < end:
            await ask()
            times.append(1000 * (time.perf_counter() - start))

    await asyncio.gather(*(client() for _ in range(clients)))
    return times


def rest_ask(session: aiohttp.ClientSession, port: int, model: str) -> Ask:
    crop = np.random.default_rng(0).integers(0, 255, (96, 96, 3), np.uint8)
    picture = cv2.imencode(".jpg", crop)[1]
    row = [{"b64": base64.b64encode(picture.tobytes()).decode()}]
    body = {"signature_name": "serve_jpeg", "instances": [row]}

    async def ask() -> None:
        url = f"http://127.0.0.1:{port}/v1/models/{model}:predict"
        async with session.post(url, json=body, timeout=_TIMEOUT) as answer:
            if answer.status != 200:
                raise SystemExit(f"{answer.status}: {await answer.text()}")
            await answer.read()

    return ask


def grpc_ask(channel: grpc.aio.Channel, model: str) -> Ask:
    stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
    request = predict_pb2.PredictRequest()
    request.model_spec.name = model
    crop = np.random.default_rng(0).integers(0, 255, (1, 1, 96, 96, 3), np.uint8)
    request.inputs["images"].CopyFrom(tf.make_tensor_proto(crop))

    async def ask() -> None:
        await stub.Predict(request, timeout=_PATIENCE)

    return ask


async def resident(session: aiohttp.ClientSession, port: int) -> float:
    """Resident memory of the server in MB."""
    async with session.get(f"http://127.0.0.1:{port}/metrics") as answer:
        page = await answer.text()
    found = re.search(r"^process_resident_memory_bytes (\S+)", page, re.MULTILINE)
    return float(found[1]) / 1e6 if found else float("nan")


async def measure(options: argparse.Namespace, rest: int, grpc_port: int, model: str) -> None:
    async with aiohttp.ClientSession() as session:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{grpc_port}") as channel:
            asks = {"REST, a JPEG": rest_ask(session, rest, model)}
            asks["gRPC, pixels"] = grpc_ask(channel, model)
            print("one frame a request       clients   p50 ms   p99 ms   requests/s")
            for name, ask in asks.items():
                await load(ask, 32, min(2.0, options.seconds))
                for clients in CLIENTS:
                    times = await load(ask, clients, options.seconds)
                    p50, p99 = np.percentile(times, (50, 99))
                    rate = len(times) / options.seconds
                    print(f"{name:<25} {clients:7d} {p50:8.1f} {p99:8.1f} {rate:12.0f}", flush=True)
            await drift(options, session, rest, list(asks.values()))


async def drift(
    options: argparse.Namespace, session: aiohttp.ClientSession, port: int, asks: list[Ask]
) -> None:
    """Print how much memory grows over many good requests of 8 clients."""
    before = await resident(session, port)
    left = options.requests

    async def client(number: int) -> None:
        nonlocal left
        while left > 0:
            left -= 1
            await asks[number % 2]()

    await asyncio.gather(*(client(number) for number in range(8)))
    after = await resident(session, port)
    change = after / before - 1
    print(f"memory: {before:.0f} MB, after {options.requests} requests {after:.0f} MB", end=" ")
    print(f"({change:+.1%}; target below 5 %)")


async def polite(ask: Ask, seconds: float) -> list[float]:
    """Milliseconds of each answer to one client that asks 50 times a second at the most."""
    times: list[float] = []
    end = time.perf_counter() + seconds
    while (start := time.perf_counter()) < end:
        await ask()
        took = time.perf_counter() - start
        times.append(1000 * took)
        await asyncio.sleep(max(0.0, 0.02 - took))
    return times


@contextlib.contextmanager
def attacked(name: str, model: str, ports: tuple[int, int]) -> Iterator[None]:
    """While an attack goes on, in a process of its own."""
    script = str(Path(__file__).with_name("server_attacks.py"))
    process = subprocess.Popen([sys.executable, script, name, model, *map(str, ports)])
    try:
        yield
        if process.poll() is not None:
            raise SystemExit(f"the attack {name} ended by itself")
    finally:
        process.kill()
        process.wait(30)


async def abuse(
    options: argparse.Namespace, ports: tuple[int, int], model: str
) -> dict[str, float]:
    """Print p99 of good clients, quiet and during each attack: the median of the ratios.

    Returns:
        Those ratios and the drift of memory, by name.
    """
    figures = {}
    async with aiohttp.ClientSession() as session:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{ports[1]}") as channel:
            asks = {"REST": rest_ask(session, ports[0], model), "gRPC": grpc_ask(channel, model)}
            for ask in asks.values():
                await polite(ask, 2.0)
            print("p99 ms, quiet and attacked; ratio: median of", options.rounds, "rounds")
            for name in (options.attacks or ATTACKS) if options.rounds else ():
                for protocol, ask in asks.items():
                    ratio = await one_attack(options, name, model, ports, protocol, ask)
                    figures[f"p99 ratio, {name}, {protocol}"] = round(ratio, 2)
            drift = await drift_under_abuse(options, model, ports, session, list(asks.values()))
    requests = f"{options.requests} requests under abuse"
    return {**figures, f"memory after {requests}": round(drift, 4)}


async def drift_under_abuse(
    options: argparse.Namespace,
    model: str,
    ports: tuple[int, int],
    session: aiohttp.ClientSession,
    asks: list[Ask],
) -> float:
    """Print how memory grows over good requests during all attacks, from the second pass on."""
    names = options.attacks or list(ATTACKS)
    held = []
    for _ in range(2):
        for name in names:
            left = options.requests // len(names)

            async def client(number: int) -> None:
                nonlocal left
                while left > 0:
                    left -= 1
                    await asks[number % 2]()

            with attacked(name, model, ports):
                await asyncio.gather(*(client(number) for number in range(8)))
            print(f"memory: {await resident(session, ports[0]):.0f} MB after {name}", flush=True)
        await asyncio.sleep(5)
        held.append(await resident(session, ports[0]))
    change = held[1] / held[0] - 1
    print(f"memory: {held[0]:.0f} MB after {options.requests} requests under all attacks,", end=" ")
    print(f"{held[1]:.0f} MB after as many more ({change:+.1%}; target below 5 %)")
    return float(change)


async def one_attack(
    options: argparse.Namespace,
    name: str,
    model: str,
    ports: tuple[int, int],
    protocol: str,
    ask: Ask,
) -> float:
    """Print p99 and the median of the ratios; give that."""
    rounds = []
    for _ in range(options.rounds):
        await asyncio.sleep(3)  # for what the last attack left
        quiet = np.percentile(await polite(ask, options.seconds), 99)
        with attacked(name, model, ports):
            await asyncio.sleep(3)
            rounds.append((quiet, np.percentile(await polite(ask, options.seconds), 99)))
    quiet, loud = np.median(rounds, axis=0)
    ratio = float(np.median([b / a for a, b in rounds]))
    print(f"{name:<18} {protocol}  {quiet:7.1f} {loud:7.1f}   x {ratio:.2f}", flush=True)
    return ratio


def main() -> int:
    parser = argparse.ArgumentParser(
        description=(__doc__ or "").splitlines()[0],
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--models", type=Path, help="folder of exports (default: export one)")
    parser.add_argument("--model", help="which of them (default: the first)")
    parser.add_argument("--width", type=float, default=1 / 16, help="of the network to export")
    parser.add_argument("--seconds", type=float, default=5.0, help="of each measurement")
    parser.add_argument("--requests", type=int, default=10_000, help="for the drift of memory")
    parser.add_argument("--abuse", action="store_true", help="measure good clients under attack")
    parser.add_argument("--attacks", nargs="*", choices=list(ATTACKS), help="(default: all)")
    parser.add_argument("--rounds", type=int, default=5, help="of each attack")
    parser.add_argument("--json", type=Path, help="with --abuse: write the figures there")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root = options.models or Path(folder)
        if options.models is None:
            model = export_narrow(root, options.width)
        else:
            model = options.model or sorted(p.name for p in root.iterdir() if p.is_dir())[0]
        with served(root) as (rest, grpc_port):
            if options.abuse:
                figures = asyncio.run(abuse(options, (rest, grpc_port), model))
                if options.json:
                    options.json.write_text(json.dumps(figures) + "\n")
            else:
                asyncio.run(measure(options, rest, grpc_port, model))
    return 0


if __name__ == "__main__":
    sys.exit(main())

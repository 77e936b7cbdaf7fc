"""Clients that try to stop `kaffect serve`: silent, deaf, greedy or many.

For `benchmark_server.py --abuse`, which runs each in a process of its own while it measures
what good clients feel. They come from another address of this machine (127.0.0.2) where
that can be chosen, and go on until they are ended.

    python scripts/server_attacks.py NAME MODEL REST_PORT GRPC_PORT
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import struct
import sys
import threading
import time
import zlib
from collections.abc import Callable
from socket import SO_RCVBUF, SOL_SOCKET, socket

ADDRESS = "127.0.0.2"
PREDICT = "/tensorflow.serving.PredictionService/Predict"
MEBIBYTE = 1 << 20
Ports = tuple[int, int]


def connect(port: int, receive: int | None = None) -> socket:
    connection = socket()
    if receive is not None:
        connection.setsockopt(SOL_SOCKET, SO_RCVBUF, receive)
    connection.settimeout(30)
    connection.bind((ADDRESS, 0))
    connection.connect(("127.0.0.1", port))
    return connection


def post(model: str, body: bytes) -> bytes:
    head = f"POST /v1/models/{model}:predict HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
    head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


def send_all(port: int, request: bytes) -> None:
    """Send and read the answer; a refusal is no error here."""
    with contextlib.suppress(OSError), connect(port) as connection:
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            connection.sendall(request)
        while connection.recv(65536):
            pass


def again_and_again(count: int, port: int, request: bytes) -> None:
    """`count` threads that send a request for ever, 50 times a second at the most."""

    def loop() -> None:
        while True:
            send_all(port, request)
            time.sleep(0.02)

    for _ in range(count):
        threading.Thread(target=loop, daemon=True).start()
    threading.Event().wait()


def png(width: int, height: int, text_bytes: int = 0) -> bytes:
    """A black picture, with a text chunk that inflates to so many bytes."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        checksum = zlib.crc32(kind + data)
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", checksum)

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    pixels = zlib.compress(b"\0" * height * (3 * width + 1), 9)
    text = chunk(b"zTXt", b"a\0\0" + zlib.compress(b"a" * text_bytes, 9)) if text_bytes else b""
    parts = (chunk(b"IHDR", header), text, chunk(b"IDAT", pixels), chunk(b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def images(model: str, files: list[bytes]) -> bytes:
    rows = [[{"b64": base64.b64encode(file).decode()}] for file in files]
    return post(model, json.dumps({"signature_name": "serve_jpeg", "instances": rows}).encode())


def silent_calls(model: str, ports: Ports) -> None:
    """128 gRPC calls that send nothing, begun anew as soon as they end."""
    import grpc

    async def call(channel: grpc.aio.Channel) -> None:
        while True:
            with contextlib.suppress(grpc.RpcError, asyncio.CancelledError):
                await channel.stream_unary(PREDICT)().code()
            await asyncio.sleep(0.05)

    async def run() -> None:
        options = [("grpc.use_local_subchannel_pool", 1)]
        address = f"127.0.0.1:{ports[1]}"
        channels = [grpc.aio.insecure_channel(address, options) for _ in range(4)]
        await asyncio.gather(*(call(channels[i % 4]) for i in range(128)))

    asyncio.run(run())


def text_in_pictures(model: str, ports: Ports) -> None:
    """Tiny PNGs with 8 MB of text each."""
    again_and_again(4, ports[0], images(model, [png(8, 8, 8_000_000)] * 60))


def many_pixels(model: str, ports: Ports) -> None:
    """64 pictures of 4 megapixels in one message."""
    again_and_again(4, ports[0], images(model, [png(2000, 2000)] * 64))


def no_reading(model: str, ports: Ports) -> None:
    """Pipelined requests whose answers nobody reads."""
    request = b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n" * 100

    def loop() -> None:
        while True:
            with contextlib.suppress(OSError), connect(ports[0], receive=4096) as connection:
                while True:
                    connection.sendall(request)
            time.sleep(0.02)

    for _ in range(6):
        threading.Thread(target=loop, daemon=True).start()
    threading.Event().wait()


def large_json(model: str, ports: Ports) -> None:
    """Six clients with good bodies of 15 MiB."""
    numbers = b"[" + b",".join([b"0.5"] * (15 * MEBIBYTE // 4)) + b"]"
    again_and_again(6, ports[0], post(model, b'{"instances": [' + numbers + b"]}"))


def slow_bodies(model: str, ports: Ports) -> None:
    """100 bodies that do not come."""
    request = post(model, b"")[:-4].replace(b"Content-Length: 0", b"Content-Length: 999")
    again_and_again(100, ports[0], request + b"\r\n\r\n")


def connections(model: str, ports: Ports) -> None:
    """600 connections to both ports that send nothing."""
    held: list[socket] = []
    while True:
        with contextlib.suppress(OSError):
            held.append(connect(ports[len(held) % 2]))
        if len(held) > 600:
            held.pop(0).close()
            time.sleep(0.01)


ATTACKS: dict[str, Callable[[str, Ports], None]] = {
    attack.__name__: attack
    for attack in (
        silent_calls,
        text_in_pictures,
        many_pixels,
        no_reading,
        large_json,
        slow_bodies,
        connections,
    )
}


if __name__ == "__main__":
    ATTACKS[sys.argv[1]](sys.argv[2], (int(sys.argv[3]), int(sys.argv[4])))

"""Large JSON bodies are parsed in a process of their own, one at a time.

Serves the engineer: parsing 15 MiB holds Python's interpreter for hundreds of milliseconds
and twenty times the memory. Here neither is the server's; other requests are answered
meanwhile. The process loads no TensorFlow and gets nothing but bodies and tensor specifications.
"""

from __future__ import annotations

import asyncio
import os
import struct
import sys
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import orjson

from kaffect.serving.server import json_tensors
from kaffect.serving.server.json_tensors import Body
from kaffect.serving.server.limits import RequestError
from kaffect.serving.server.servable import Arrays, Servable, Signature, TensorSpec

# Length of a header of JSON, and of what follows it.
_LENGTHS = struct.Struct("<QQ")
_ROOT = str(Path(__file__).parents[3])
# What is copied at a time: copying 15 MiB at once would keep other requests waiting.
_PIECE = 1 << 16


class JsonProcess:
    """Parses bodies; the process is started with the first, and anew should it have ended."""

    def __init__(self) -> None:
        self._process: asyncio.subprocess.Process | None = None

    async def decode(
        self, body: list[Body], servable: Servable
    ) -> tuple[Signature, Arrays, int | None]:
        """As `json_tensors.decode`; called for one body at a time.

        Raises:
            RequestError: it is no such request, or the process ended over it.
        """
        process = await self._running()
        assert process.stdin is not None and process.stdout is not None
        specs = {name: _described(signature) for name, signature in servable.signatures.items()}
        header = orjson.dumps(specs)
        data = body.pop()
        try:
            process.stdin.write(_LENGTHS.pack(len(header), len(data)) + header)
            for start in range(0, len(data), _PIECE):
                process.stdin.write(data[start : start + _PIECE])
                await process.stdin.drain()
            del data
            sizes = _LENGTHS.unpack(await process.stdout.readexactly(_LENGTHS.size))
            answer = orjson.loads(await process.stdout.readexactly(sizes[0]))
            content = await _read(process.stdout, sizes[1])
        except (OSError, asyncio.IncompleteReadError) as error:
            await self.close()
            raise RequestError(
                "RESOURCE_EXHAUSTED", "The body could not be parsed: it takes too much memory"
            ) from error
        except BaseException:  # in the middle of a body nothing else can be asked
            await self.close()
            raise
        if "error" in answer:
            raise RequestError(*answer["error"])
        arrays = _unpacked(answer["arrays"], content)
        return servable.signature(answer["signature"]), arrays, answer["rows"]

    async def _running(self) -> asyncio.subprocess.Process:
        if self._process is None or self._process.returncode is not None:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "kaffect.serving.server.json_process",
                stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
                env={**os.environ, "PYTHONPATH": os.pathsep.join([_ROOT, *sys.path])},
                start_new_session=True,  # Ctrl-C is the server's to handle
            )  # fmt: skip
        return self._process

    async def close(self) -> None:
        """End the process."""
        process, self._process = self._process, None
        if process is not None and process.returncode is None:
            process.kill()
            await process.wait()


async def _read(stream: asyncio.StreamReader, size: int) -> bytearray:
    """As `readexactly`, piece by piece."""
    content = bytearray()
    while len(content) < size:
        piece = await stream.read(min(_PIECE, size - len(content)))
        if not piece:
            raise asyncio.IncompleteReadError(b"", size)
        content += piece
    return content


def _described(signature: Signature) -> dict[str, Any]:
    return {
        name: [spec.dtype.str if not spec.is_string else "O", spec.shape]
        for name, spec in signature.inputs.items()
    }


def _packed(arrays: Arrays) -> tuple[list[Any], list[bytes]]:
    """Name, dtype, shape and number of bytes of each array (of each string), and all bytes."""
    described, parts = [], []
    for name, array in arrays.items():
        pieces = list(array.flat) if array.dtype == object else [np.ascontiguousarray(array).data]
        sizes = [len(piece) if isinstance(piece, bytes) else piece.nbytes for piece in pieces]
        kind = "O" if array.dtype == object else array.dtype.str
        described.append([name, kind, array.shape, sizes])
        parts += [bytes(piece) for piece in pieces]
    return described, parts


def _unpacked(described: list[Any], content: bytearray) -> Arrays:
    arrays, place = {}, 0
    view = memoryview(content)
    for name, kind, shape, sizes in described:
        if kind == "O":
            array = np.empty(len(sizes), object)
            for index, size in enumerate(sizes):
                array[index] = bytes(view[place : place + size])
                place += size
        else:
            array = np.frombuffer(content, kind, int(np.prod(shape)), place)
            place += sizes[0]
        arrays[name] = array.reshape(shape)
    return arrays


def serve(incoming: BinaryIO, outgoing: BinaryIO) -> None:
    """What the process does: parse bodies until there are no more."""
    while lengths := incoming.read(_LENGTHS.size):
        header, size = _LENGTHS.unpack(lengths)
        signatures = {
            name: Signature(
                name, {k: TensorSpec(k, np.dtype(d), tuple(s)) for k, (d, s) in inputs.items()},
                {}, lambda arrays: arrays,
            )
            for name, inputs in orjson.loads(incoming.read(header)).items()
        }  # fmt: skip
        try:
            body: list[Body] = [incoming.read(size)]
            signature, arrays, rows = json_tensors.decode(body, Servable("", 0, signatures))
            described, parts = _packed(arrays)
            answer = {"signature": signature.name, "rows": rows, "arrays": described}
        except RequestError as error:
            answer, parts = {"error": [error.code, error.reason, error.status]}, []
        except MemoryError:
            reason = "The body could not be parsed: it takes too much memory"
            answer, parts = {"error": ["RESOURCE_EXHAUSTED", reason, 429]}, []
        head = orjson.dumps(answer)
        outgoing.write(_LENGTHS.pack(len(head), sum(map(len, parts))) + head + b"".join(parts))
        outgoing.flush()


if __name__ == "__main__":
    os.nice(5)  # the models go first
    serve(sys.stdin.buffer, sys.stdout.buffer)

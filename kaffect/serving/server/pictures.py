"""Encoded pictures before they are decoded: size by the header alone, and nothing else inside.

Serves the engineer: no decoder is asked how large a picture is, because decoders read
more than the size (text chunks that inflate to megabytes). What goes to the decoder has
only the parts that pixels are made of.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from kaffect.serving.server.limits import Limits, RequestError, invalid

_PNG = b"\x89PNG\r\n\x1a\n"
# PNG specification, sections 11.2 and 11.3.1: the critical chunks and transparency.
_PNG_PARTS = {b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND"}
_MOST_PNG_CHUNKS = 10_000
_MOST_JPEG_SEGMENTS = 500
# A progressive JPEG repeats the work on all of its pixels with every scan; usual are 10.
_MOST_JPEG_SCANS = 40
_SOF = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}  # ITU-T T.81, table B.1


@dataclass(frozen=True)
class Picture:
    """A picture by its header; `data` is what may be decoded."""

    width: int
    height: int
    data: bytes

    @property
    def pixels(self) -> int:
        return self.width * self.height


def read_picture(name: str, data: bytes, limits: Limits) -> Picture:
    """Size and plain data of a JPEG or PNG file.

    Args:
        name: of the input, for messages.

    Raises:
        RequestError: another format, damaged before its pixels, or beyond the limits.
    """
    if len(data) > limits.image_bytes:
        raise invalid(f"An image of input {name!r} is longer than {limits.image_bytes} bytes")
    try:
        if data.startswith(_PNG):
            picture = _png(data)
        elif data.startswith(b"\xff\xd8\xff"):
            picture = _jpeg(data)
        else:
            raise ValueError("neither PNG nor JPEG")
    except (ValueError, IndexError, struct.error) as error:
        raise _other(name) from error
    if not 0 < picture.pixels <= limits.image_pixels:
        raise invalid(
            f"An image of input {name!r} has {picture.width}x{picture.height} pixels; "
            f"at most {limits.image_pixels} are accepted here"
        )
    return picture


def _other(name: str) -> RequestError:
    return invalid(f"Input {name!r} takes JPEG or PNG images. Received: another")


def _png(data: bytes) -> Picture:
    """Walk over the chunks (length, type, data, checksum) and keep those of the pixels."""
    kept, place, seen = [_PNG], len(_PNG), 0
    kind = b""
    while kind != b"IEND":
        length, kind = struct.unpack_from(">I4s", data, place)
        end = place + 12 + length
        seen += 1
        if end > len(data) or seen > _MOST_PNG_CHUNKS or (seen == 1) != (kind == b"IHDR"):
            raise ValueError("no PNG")
        if kind in _PNG_PARTS:
            kept.append(data[place:end])
        place = end
    width, height = struct.unpack_from(">II", data, len(_PNG) + 8)
    return Picture(width, height, b"".join(kept))


def _jpeg(data: bytes) -> Picture:
    """Walk over the segments (marker, length, data) up to the frame header."""
    if data.count(b"\xff\xda") > _MOST_JPEG_SCANS:
        raise ValueError("too many scans")
    place = 2
    for _ in range(_MOST_JPEG_SEGMENTS):
        if data[place] != 0xFF:
            raise ValueError("no marker")
        while data[place] == 0xFF:  # fill bytes
            place += 1
        kind, (length,) = data[place], struct.unpack_from(">H", data, place + 1)
        if kind in _SOF:
            height, width = struct.unpack_from(">HH", data, place + 4)
            return Picture(width, height, data)
        if length < 2 or not 0xC0 <= kind <= 0xFE or 0xD0 <= kind <= 0xDA:
            raise ValueError("no segment that may stand before the frame header")
        place += 1 + length
    raise ValueError("too many segments")

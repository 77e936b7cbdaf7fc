"""Pictures are judged by their header alone, and the decoder gets nothing but their pixels."""

from __future__ import annotations

import base64
import io
import json
import struct
import zlib
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from kaffect.serving.server.limits import Limits, RequestError
from kaffect.serving.server.pictures import read_picture
from tests.serving.server import hostile, served

MARK = b"\x89PNG\r\n\x1a\n"


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def encoded(kind: str, mode: str = "RGB", size: tuple[int, int] = (12, 8), **options: Any) -> bytes:
    rng = np.random.default_rng(0)
    colours = Image.fromarray(rng.integers(0, 256, (size[1], size[0], 4), np.uint8), "RGBA")
    out = io.BytesIO()
    (colours.convert("RGB").convert(mode) if mode != "RGBA" else colours).save(out, kind, **options)
    return out.getvalue()


def with_text(png: bytes, count: int = 1, size: int = 100_000) -> bytes:
    """The PNG with compressed text, colour profile and notes before its pixels."""
    place = len(MARK) + 25
    text = chunk(b"zTXt", b"note\0\0" + zlib.compress(b"a" * size))
    profile = chunk(b"iCCP", b"profile\0\0" + zlib.compress(b"b" * size))
    note = chunk(b"iTXt", b"note\0\1\0\0\0" + zlib.compress(b"c" * size))
    return png[:place] + profile + (text + note) * count + png[place:]


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "LA", "P", "1", "I;16"])
def test_a_png_loses_nothing_but_its_notes(mode: str) -> None:
    """The same pixels by an independent decoder, with and without what is left out."""
    png = with_text(encoded("PNG", mode) if mode != "I;16" else encoded("PNG", "L"), 3)
    picture = read_picture("x", png, Limits())
    assert (picture.width, picture.height, picture.pixels) == (12, 8, 96)
    assert not any(kind in picture.data for kind in (b"zTXt", b"iTXt", b"iCCP"))
    before = np.array(Image.open(io.BytesIO(png)).convert("RGBA"))
    assert (np.array(Image.open(io.BytesIO(picture.data)).convert("RGBA")) == before).all()
    found = cv2.imdecode(np.frombuffer(picture.data, np.uint8), cv2.IMREAD_COLOR)
    assert found.shape == (8, 12, 3)


def test_a_picture_with_text_is_answered_and_its_text_not_inflated(
    server: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Reading the size once inflated each text chunk, on the event loop."""
    inflated: list[int] = []
    inflate = PngImagePlugin._safe_zlib_decompress
    monkeypatch.setattr(
        PngImagePlugin, "_safe_zlib_decompress", lambda s: inflated.append(len(s)) or inflate(s)
    )
    image = hostile.image(with_text(served.picture(255), 4))
    status, _, body = hostile.exchange(server.rest_port, image)
    assert status == 200 and inflated == []
    assert json.loads(body)["predictions"][0]["valence_arousal"] == pytest.approx([2, -2])


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"exif": b"Exif\0\0" + b"x" * 99}])
def test_a_jpeg_by_its_frame_header(options: dict[str, Any]) -> None:
    data = encoded("JPEG", **options)
    picture = read_picture("x", data, Limits())
    assert (picture.width, picture.height) == (12, 8) and picture.data == data


def jpeg_before_the_frame(segments: bytes) -> bytes:
    data = encoded("JPEG")
    return data[:2] + segments + data[2:]


BAD = {
    "many scans": encoded("JPEG") + b"\xff\xda" * 41,
    "many segments": jpeg_before_the_frame(b"\xff\xe5\0\2" * 1000),
    "a segment of length 0": jpeg_before_the_frame(b"\xff\xe5\0\0"),
    "no marker after a segment": jpeg_before_the_frame(b"\xff\xe5\0\3xx"),
    "scan before the frame": jpeg_before_the_frame(b"\xff\xda\0\2"),
    "segment beyond the end": encoded("JPEG")[:20] + b"\xff\xe5\xff\xff",
    "no IHDR first": MARK + chunk(b"tEXt", b"a\0b") + encoded("PNG")[len(MARK) :],
    "two IHDR": encoded("PNG")[:33] + encoded("PNG")[8:33] + encoded("PNG")[33:],
    "many chunks": encoded("PNG")[:33] + chunk(b"tEXt", b"") * 10_000 + encoded("PNG")[33:],
    "chunk beyond the end": encoded("PNG")[:33] + b"\xff\xff\xff\xffIDAT",
    "no end": encoded("PNG")[:-12],
    "only a mark": MARK,
}


@pytest.mark.parametrize("name", BAD)
def test_other_files_are_refused(name: str) -> None:
    with pytest.raises(RequestError, match="takes JPEG or PNG"):
        read_picture("x", BAD[name], Limits())


def test_every_cut_of_a_good_file_is_refused_or_has_its_size() -> None:
    for kind in ("PNG", "JPEG"):
        data = with_text(encoded(kind)) if kind == "PNG" else encoded(kind)
        for end in range(len(data)):
            try:
                picture = read_picture("x", data[:end], Limits())
            except RequestError:
                continue
            assert kind == "JPEG" and (picture.width, picture.height) == (12, 8)


def test_the_pixels_of_a_request_are_bounded_together(server: Any) -> None:
    """Each of these images is within the limit for one, and a megapixel takes 4 KB."""
    rows = [{"b64": base64.b64encode(hostile.png_claiming(256, 256)).decode()}] * 16
    limits = server.engine.limits
    assert 16 * 256 * 256 > limits.request_pixels >= limits.image_pixels
    request = hostile.predict({"signature_name": "serve_jpeg", "instances": rows})
    status, _, body = hostile.exchange(server.rest_port, request)
    assert status == 400 and b"pixels together" in body

"""Tiny data trees: drawn videos whose pictures carry their own frame number as a bar code."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np

from kaffect.files import sha256
from kaffect.labels import ACTION_UNITS_12

WIDTH, HEIGHT, BITS = 64, 48, 8
FACELESS = (20, 21, 22)  # source frames of track a, from 0
HEADERS = {
    "VA": "valence,arousal",
    "EXPR": "Neutral,Anger,Disgust,Fear,Happiness,Sadness,Surprise",
    "AU": "AU1,AU2,AU4,AU6,AU12,AU15,AU20,AU25",
}
LIST_HEADER = "image,valence,arousal,expression," + ",".join(ACTION_UNITS_12)


def draw(number: int, width: int = WIDTH, height: int = HEIGHT) -> np.ndarray:
    """A grey picture with `number` as vertical bars, lowest bit on the left."""
    image = np.full((height, width, 3), 90, np.uint8)
    for bit in range(BITS):
        left, right = bit * width // BITS, (bit + 1) * width // BITS
        image[:, left:right] = 220 if number >> bit & 1 else 30
    return image


def read_number(image: np.ndarray) -> int:
    """The number that `draw` painted."""
    width = image.shape[1]
    middles = [(2 * bit + 1) * width // (2 * BITS) for bit in range(BITS)]
    return sum(int(image[:, m - 1 : m + 1].mean() > 125) << bit for bit, m in enumerate(middles))


def write_video(
    path: Path,
    images: Iterable[np.ndarray],
    rate: Fraction | int = 30,
    times: Sequence[Fraction] | None = None,
    codec: str = "mpeg4",
    pixels: str = "yuv420p",
    reordered: int = 0,
) -> Path:
    """Encode pictures; `times` in seconds where the rate is not constant.

    Args:
        reordered: B-frames in a row, which are stored behind frames that are shown later.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    base = Fraction(1, 15360) if times is not None else 1 / Fraction(rate)
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=Fraction(rate))
        stream.pix_fmt = pixels
        stream.bit_rate = 4_000_000
        stream.codec_context.time_base = base
        if reordered:
            stream.codec_context.max_b_frames = reordered
        for number, image in enumerate(images):
            if number == 0:
                stream.height, stream.width = image.shape[:2]
            frame = av.VideoFrame.from_ndarray(image, format="rgb24").reformat(format=pixels)
            frame.time_base = base
            frame.pts = number if times is None else round(times[number] / base)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def damaged(
    path: Path,
    packets: Sequence[int],
    codec: str,
    reordered: int = 0,
    frames: Iterable[int] = range(40),
) -> Path:
    """A video of numbered pictures in which the content of some packets, from 0, is noise."""
    pixels = "yuvj420p" if codec == "mjpeg" else "yuv420p"
    write_video(path, map(draw, frames), codec=codec, pixels=pixels, reordered=reordered)
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        places = [(p.pos, p.size) for p in container.demux(stream) if p.size]
    data, rng = bytearray(path.read_bytes()), np.random.default_rng(5)
    for number in packets:
        start, size = places[number]
        data[start : start + size] = rng.integers(0, 255, size, np.uint8).tobytes()
    path.write_bytes(data)
    return path


def write_labels(root: Path, task: str, split: str, track: str, lines: Iterable[str]) -> Path:
    """An annotation file in the ABAW-1 layout."""
    path = root / "annotations" / f"{task}_Set" / f"{split}_Set" / f"{track}.txt"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join([HEADERS[task], *lines]) + "\n")
    return path


def write_boxes(root: Path, track: str, frames: Iterable[int]) -> Path:
    """Say that the whole picture is a face in these frames, counted from 0, of one track."""
    boxes = (f"{n + 1},0,0,{WIDTH},{HEIGHT}" for n in frames)
    path = root / "boxes" / f"{track}.csv"
    path.write_text("\n".join(["frame,left,top,right,bottom", *boxes]) + "\n")
    return path


def build_tree(root: Path) -> Path:
    """Four videos: 30, 24 and 60 fps, two people in one, frames without face, missing labels.

    The labels of source frame n (0-based) are valence n / 200, expression n % 7 and
    AU1 = n % 2; every tenth frame has no valence, every seventh no expression.
    """
    plan = [
        ("a", "Training", Fraction(30), 50, ("a",)),
        ("b", "Training", Fraction(24000, 1001), 40, ("b_left", "b_right")),
        ("c", "Validation", Fraction(60), 62, ("c",)),
        ("d", "Test", Fraction(30), 33, ("d",)),
    ]
    rows = ["video,subject"]
    for video, split, rate, frames, tracks in plan:
        write_video(root / "videos" / f"{video}.mp4", map(draw, range(frames)), rate)
        for track in tracks:
            va = ("-5,-5" if n % 10 == 9 else f"{n / 200},-0.5" for n in range(frames))
            write_labels(root, "VA", split, track, va)
            classes = (str(-1 if n % 7 == 6 else n % 7) for n in range(frames))
            write_labels(root, "EXPR", split, track, classes)
            if track != "a":
                units = (f"{n % 2},0,0,0,1,0,0,0" for n in range(frames))
                write_labels(root, "AU", split, track, units)
            rows.append(f"{track},person_{track}")
    (root / "boxes").mkdir()
    for track, frames in (("a", 50), ("b_left", 40), ("c", 62)):
        seen = (n for n in range(frames) if track != "a" or n not in FACELESS)
        write_boxes(root, track, seen)
    (root / "subjects.csv").write_text("\n".join(rows) + "\n")
    return root


def put(root: Path, name: str, lines: Iterable[str]) -> Path:
    """Write a text file of these lines."""
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n")
    return path


def video(root: Path, name: str) -> None:
    """A file that has the name of a video and nothing else of one."""
    put(root, f"videos/{name}", [name])


def list_row(track: str, frame: int, value: float, expression: int = 1) -> str:
    """A row of a multi-task list file."""
    return f"{track}/{frame:05d}.jpg,{value},0,{expression}" + ",0" * 12


def original(root: Path, track: str, valence: list[str], arousal: list[str], split: str) -> None:
    """The two files of a track in the layout of original Aff-Wild."""
    put(root, f"annotations/{split}/valence/{track}.txt", valence)
    put(root, f"annotations/{split}/arousal/{track}.txt", arousal)


def write_faces(root: Path, track: str, frames: Iterable[int], shift: int = -1) -> Path:
    """Pictures 112x112 of these frames, from 1; each shows its number plus `shift`."""
    folder = root / "cropped_aligned" / track
    folder.mkdir(parents=True, exist_ok=True)
    for frame in frames:
        image = draw(frame + shift, 112, 112)
        cv2.imwrite(str(folder / f"{frame:05d}.jpg"), image, [cv2.IMWRITE_JPEG_QUALITY, 95])
    return folder


def overwrite(path: Path, tag: bytes, offset: int, value: int) -> None:
    """Write a 32-bit number behind a tag of the file's header."""
    data = bytearray(path.read_bytes())
    start = data.index(tag) + offset
    data[start : start + 4] = struct.pack("<I", value)
    path.write_bytes(data)


def contents(folder: Path) -> dict[str, str]:
    """Name -> SHA-256 of every file below `folder`."""
    return {p.relative_to(folder).as_posix(): sha256(p) for p in folder.rglob("*") if p.is_file()}

"""Clips in which every source frame shows its own number as black and white bars."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np

BITS = 12
WIDTH, HEIGHT = 16 * BITS, 64


def picture(number: int) -> np.ndarray:
    """[64, 192, 3] uint8: bars of 16 pixels, the highest bit first."""
    bits = [(number >> place) & 1 for place in reversed(range(BITS))]
    row = np.repeat(np.array(bits, np.uint8) * 255, 16)
    return np.broadcast_to(row[None, :, None], (HEIGHT, WIDTH, 3)).copy()


def write_clip(path: Path, times: list[Fraction]) -> Path:
    """An MP4 whose frame i, numbered from 1, is shown at `times[i - 1]` seconds."""
    with av.open(str(path), "w", format="mp4") as out:
        stream = out.add_stream("libx264", rate=30)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        stream.time_base = stream.codec_context.time_base = Fraction(1, 60000)
        stream.options = {"preset": "veryfast", "crf": "16"}
        for number, time in enumerate(times, 1):
            frame = av.VideoFrame.from_ndarray(picture(number), format="rgb24")
            frame.time_base = Fraction(1, 60000)
            frame.pts = round(time * 60000)
            out.mux(stream.encode(frame))
        out.mux(stream.encode())
    return path


def steady(rate: Fraction, frames: int) -> list[Fraction]:
    return [number / rate for number in range(frames)]


def variable(frames: int, seed: int = 1) -> list[Fraction]:
    """Intervals of 1/90 to 1/12 of a second."""
    draw = np.random.default_rng(seed).integers(11, 84, frames)
    return [Fraction(int(t), 1000) for t in np.cumsum(draw) - draw[0]]


RATES = {
    "film": Fraction(24000, 1001),
    "ntsc": Fraction(30000, 1001),
    "exact": Fraction(30),
    "double": Fraction(60),
}

# JavaScript: the number that a video element shows.
READ = """(() => {
  const video = document.querySelector('video'), canvas = document.createElement('canvas');
  canvas.width = %d; canvas.height = %d;
  const context = canvas.getContext('2d');
  context.drawImage(video, 0, 0);
  let number = 0;
  for (let bit = 0; bit < %d; bit += 1) {
    const pixel = context.getImageData(16 * bit + 8, %d, 1, 1).data;
    number = 2 * number + (pixel[0] > 127 ? 1 : 0);
  }
  return number;
})()""" % (WIDTH, HEIGHT, BITS, HEIGHT // 2)

"""Draws the contact sheets of synthetic Aff-Wild: what the embedded data look like.

    python scripts/contact_sheet.py [--out docs/images] [--seed 0]

Four PNGs: people, Action Units, expressions, and a strip of one video over time.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import cv2
import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from kaffect.files import write_bytes  # noqa: E402
from kaffect.labels import ACTION_UNIT_NAMES, EXPRESSIONS_7  # noqa: E402
from kaffect.synthetic import (  # noqa: E402
    SyntheticConfig,
    Track,
    VideoPlan,
    make_plan,
    render_video,
    simulate_video,
)
from kaffect.synthetic.canvas import Image  # noqa: E402
from kaffect.synthetic.people import sample_person  # noqa: E402
from kaffect.synthetic.portrait import portrait  # noqa: E402
from kaffect.synthetic.prototypes import DRAWN_UNITS, REACTIONS  # noqa: E402

_BAND = 18  # pixels of the caption below a cell


def captioned(image: Image, text: str) -> Image:
    """`image` over a dark band with `text`."""
    band = np.full((_BAND, image.shape[1], 3), 24, np.uint8)
    cv2.putText(band, text, (3, 13), 0, 0.36, (235, 235, 235), 1, cv2.LINE_AA)
    return np.vstack([image, band])


def grid(cells: list[Image], columns: int) -> Image:
    """Cells of one size in rows of `columns`; the last row is filled with black."""
    blank = np.zeros_like(cells[0])
    cells = cells + [blank] * (-len(cells) % columns)
    return np.vstack([np.hstack(cells[k : k + columns]) for k in range(0, len(cells), columns)])


def people_sheet(config: SyntheticConfig) -> Image:
    """One frame of each of 30 videos, where the reaction is strongest."""
    cells = []
    for video in [v for v in make_plan(config) if v.size[0] > v.size[1]][:30]:
        track = simulate_video(video)[0]
        usable = track.affect.strength * track.motion.present * (track.state.lids > 0.7)
        frame = _frame(video, int(np.argmax(usable)))
        cut = (frame.shape[1] - frame.shape[0] * 4 // 3) // 2
        frame = frame[:, max(0, cut) : frame.shape[1] - max(0, cut)]
        cells.append(cv2.resize(frame, (152, 114), interpolation=cv2.INTER_AREA))
    return grid(cells, 6)


def _frame(video: VideoPlan, number: int) -> Image:
    """Frame `number` of a video; `step` skips those before it."""
    frames = render_video(video, step=max(1, number))
    first = next(frames)
    return first if number == 0 else next(frames)


def unit_sheet(seed: int) -> Image:
    """The still face and each unit alone at full intensity, for two people."""
    cells = []
    for gender in ("female", "male"):
        person = sample_person(np.random.default_rng(seed + 40 + (gender == "male")), gender)
        cells.append(captioned(portrait(person, {}), "no unit"))
        for name in DRAWN_UNITS:
            units = {name: 1.0, "AU25": 1.0} if name == "AU26" else {name: 1.0}
            text = f"{name} {ACTION_UNIT_NAMES[name]}"
            cells.append(captioned(portrait(person, units), text))
        cells.append(np.zeros_like(cells[0]))
    return grid(cells, 6)


def expression_sheet(seed: int) -> Image:
    """The seven expressions of six people at full strength."""
    rows = []
    for number in range(6):
        gender = "female" if number % 2 else "male"
        person = sample_person(np.random.default_rng(seed + 100 + number), gender)
        for name in EXPRESSIONS_7:
            reaction = REACTIONS[name]
            extra = {unit: v for unit, (share, v) in reaction.sometimes.items() if share > 0.35}
            yaw = 0.3 * np.sin(number * 2.1)
            image = portrait(person, {**reaction.always, **extra}, pose=(yaw, 0.05, 0.0))
            rows.append(captioned(image, name))
    return grid(rows, 7)


def strip_sheet(config: SyntheticConfig) -> Image:
    """Face crops of two videos, two a second, with what the annotators say."""
    videos = [v for v in make_plan(config) if v.task == "expression" and len(v.tracks) == 1]
    cells: list[Image] = []
    for video in sorted(videos, key=lambda v: -v.frames / v.fps)[:3]:
        (track,) = simulate_video(video)
        step = round(float(video.fps) * 0.5)
        row = [
            captioned(_crop(frame, track, number), _labels(track, number))
            for number, frame in zip(range(0, video.frames, step), render_video(video, step))
        ]
        cells += row[:14]
    return grid(cells, 7)


def _crop(frame: Image, track: Track, number: int) -> Image:
    if np.isnan(track.boxes[number, 0]):
        return np.full((112, 112, 3), 60, np.uint8)
    left, top, right, bottom = np.rint(track.boxes[number]).astype(int)
    return cv2.resize(frame[top:bottom, left:right], (112, 112), interpolation=cv2.INTER_AREA)


def _labels(track: Track, number: int) -> str:
    valence, arousal = track.labels.valence_arousal[number]
    kind = int(track.labels.expression[number])
    name = track.video.config.space.expressions[kind][:9] if kind >= 0 else "-"
    name = name[:7]
    return f"{name} {valence:+.1f} {arousal:+.1f}" if valence >= -1 else f"{name} no VA"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("docs/images"))
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    config = SyntheticConfig(seed=arguments.seed)
    sheets = {
        "synthetic_people": people_sheet(config),
        "synthetic_action_units": unit_sheet(arguments.seed),
        "synthetic_expressions": expression_sheet(arguments.seed),
        "synthetic_strip": strip_sheet(config),
    }
    for name, image in sheets.items():
        # 5 bits a channel: nobody sees it in a contact sheet, and the PNG is half as large.
        coarse = np.minimum((image.astype(np.uint16) + 4) // 8 * 8, 255).astype(np.uint8)
        flags = [cv2.IMWRITE_PNG_COMPRESSION, 9]
        _, data = cv2.imencode(".png", cv2.cvtColor(coarse, cv2.COLOR_RGB2BGR), flags)
        write_bytes(arguments.out / f"{name}.png", data.tobytes())
        print(
            f"{arguments.out / name}.png  {image.shape[1]}x{image.shape[0]}  {len(data) // 1000} kB"
        )


if __name__ == "__main__":
    main()

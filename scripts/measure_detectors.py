"""How well and how fast the detectors and the tracker find faces (paper Section III-E).

Compares them with boxes checked by eye on clips that are not part of the project:
`tests/golden/clip_boxes.csv` names clips and frames. Prints, for each detector, the
share of the checked boxes that are met with IoU >= 0.5, boxes where there is no face
(`false`), and frames a second of decoding, detection and tracking together.

    python scripts/measure_detectors.py CLIPS_DIR [--detector haar mtcnn] [--clips]
"""

from __future__ import annotations

import argparse
import csv
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from kaffect.data.video.resample import VideoReader
from kaffect.faces import create_detector, overlap
from kaffect.faces.video_faces import find_faces

TRUTH = Path(__file__).parents[1] / "tests" / "golden" / "clip_boxes.csv"
Box = tuple[float, float, float, float]
Checked = dict[int, list[tuple[str, Box]]]


def read_truth(path: Path) -> dict[str, Checked]:
    """Clip -> frame (1-based) -> [(kind, box)]; kind 'face', or 'partial': may be found or not."""
    clips: dict[str, Checked] = defaultdict(dict)
    with open(path, newline="") as handle:
        for row in csv.DictReader(handle):
            boxes = clips[row["clip"]].setdefault(int(row["frame"]), [])
            if row["kind"] != "none":
                left, top, right, bottom = (
                    float(row[k]) for k in ("left", "top", "right", "bottom")
                )
                boxes.append((row["kind"], (left, top, right, bottom)))
    return clips


def source_frames(path: Path) -> Iterator[tuple[int, np.ndarray]]:
    """Number and picture of each source frame that the 30-fps video shows."""
    last = 0
    for frame in VideoReader(path):
        if frame.source != last:
            last = frame.source
            yield last, frame.image


def score(truth: list[tuple[str, Box]], found: list[Box]) -> tuple[int, int, int]:
    """(met, checked, false) of one frame."""
    met, used = 0, set()
    for kind, box in truth:
        shares = [overlap(box, other) for other in found]
        least = 0.5 if kind == "face" else 0.05
        if shares and max(shares) >= least:
            met += kind == "face"
            used.add(int(np.argmax(shares)))
    return met, sum(kind == "face" for kind, _ in truth), len(found) - len(used)


def measure(clips: Path, name: str, truth: dict[str, Checked], each: bool) -> None:
    detector = create_detector(name)
    detector.detect([np.zeros((64, 64, 3), np.uint8)])
    total = np.zeros(3, int)
    frames_read = seconds = 0.0
    people: dict[str, int] = {}
    for clip, checked in sorted(truth.items()):
        started = time.perf_counter()
        faces = find_faces(source_frames(clips / clip), detector)
        seconds += time.perf_counter() - started
        frames_read += sum(1 for _ in source_frames(clips / clip))
        found = {n: [tuple(box) for box in faces.box[faces.frame == n]] for n in checked}
        people[clip] = faces.people
        result = np.sum([score(boxes, found[n]) for n, boxes in checked.items()], axis=0)
        total += result
        if each:
            met, boxes, false = result.tolist()
            print(f"  {clip:55} met {met}/{boxes} false {false} people {people[clip]}")
    met, boxes, false = total.tolist()
    print(
        f"{name}: {met}/{boxes} boxes met ({met / boxes:.1%}), {false} false, "
        f"{frames_read / seconds:.0f} frames/s on {cv2.getNumThreads()} thread(s)"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("clips", type=Path)
    parser.add_argument("--detector", nargs="+", default=["haar", "mtcnn"])
    parser.add_argument("--clips", dest="each", action="store_true", help="a line for each clip")
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    cv2.setNumThreads(options.threads)
    for name in options.detector:
        measure(options.clips, name, read_truth(TRUTH), options.each)


if __name__ == "__main__":
    main()

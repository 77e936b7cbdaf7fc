"""Chooses the strength of `kaffect predict --smooth` on rendered validation videos.

    python scripts/measure_smoothing.py [--videos 12] [--model DIR]

Reads the true boxes of the validation videos of synthetic Aff-Wild's demo profile with the
project's own network, smooths what it says with several time constants and scores it against the
labels: mean CCC of valence and arousal, macro F1 of the expressions, and their sum, by which the
strength is chosen.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from kaffect.faces import TrackedFace  # noqa: E402
from kaffect.metrics import expression_scores, va_scores  # noqa: E402
from kaffect.serving.own_model import OWN_MODEL  # noqa: E402
from kaffect.serving.predict.people import FaceAnswer, FrameAnswer  # noqa: E402
from kaffect.serving.predict.smoothing import Smoother  # noqa: E402
from kaffect.serving.predict.sources import SourceFrame  # noqa: E402
from kaffect.serving.predictor import MAX_GAP, Predictor  # noqa: E402
from kaffect.synthetic.config import SyntheticConfig  # noqa: E402
from kaffect.synthetic.plan import make_plan  # noqa: E402
from kaffect.synthetic.render import Track, render_video, simulate_video  # noqa: E402

STRENGTHS = (0.0, 0.05, 0.1, 0.2, 0.3, 0.5, 0.8, 1.2)
_NOTHING = np.zeros((1, 1, 3), np.uint8)


def answers_of(predictor: Predictor, tracks: tuple[Track, ...]) -> list[FrameAnswer]:
    """What the network says of every person of a video, frame after frame."""
    rule, found = predictor.facts.crop_rule, []
    for number, image in enumerate(render_video(tracks[0].video)):
        here = [k for k, track in enumerate(tracks) if np.isfinite(track.boxes[number]).all()]
        crops = [rule.apply(image, tracks[k].boxes[number]) for k in here]
        faces: list[FaceAnswer] = []
        if crops:
            outputs = predictor.predict_frames(np.stack(crops))
            for place, person in enumerate(here):
                face = TrackedFace(person, (0.0, 0.0, 1.0, 1.0), 1.0, None, True)
                faces.append(FaceAnswer(face, {n: v[place] for n, v in outputs.items()}))
        time = float(tracks[0].times[number])
        frame = SourceFrame(number, time, _NOTHING, True, ((number + 1, time),))
        found.append(FrameAnswer(frame, tuple(faces)))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--videos", type=int, default=12)
    parser.add_argument("--model", type=Path, default=OWN_MODEL)
    arguments = parser.parse_args()
    predictor = Predictor.from_saved_model(arguments.model)
    plan = make_plan(SyntheticConfig.profile("demo"))
    videos = [video for video in plan if video.split == "validation"]
    read = []
    for video in videos[: arguments.videos]:
        tracks = simulate_video(video)
        read.append((tracks, answers_of(predictor, tracks)))
        print(f"\rvideo {len(read)}", end="", flush=True)
    print("\nseconds  mean CCC  macro F1  sum")
    for seconds in STRENGTHS:
        ccc, f1 = scores(predictor, [(t, Smoother(seconds, MAX_GAP)(plain)) for t, plain in read])
        print(f"{seconds:7.2f}  {ccc:8.3f}  {f1:8.3f}  {ccc + f1:.3f}")


def scores(
    predictor: Predictor, videos: list[tuple[tuple[Track, ...], Iterator[FrameAnswer]]]
) -> tuple[float, float]:
    """Mean CCC, and macro F1 among the classes that network and labels share."""
    known = predictor.facts.label_space.expressions
    va, va_said, classes, classes_said = [], [], [], []
    for tracks, answers in videos:
        names = tracks[0].video.config.space.expressions
        columns = [known.index(name) for name in names]
        for answer in answers:
            for face in answer.faces:
                labels, number = tracks[face.face.person].labels, answer.frame.number
                va.append(labels.valence_arousal[number])
                va_said.append(face.outputs["valence_arousal"])
                classes.append(labels.expression[number])
                classes_said.append(face.outputs["expression_probabilities"][columns].argmax())
    true, said = np.array(va), np.array(classes)
    found = va_scores(true, np.array(va_said), (true > -2).all(axis=1))
    f1 = expression_scores(said, np.array(classes_said), said >= 0, classes=len(names))["f1_macro"]
    return (found["ccc_valence"] + found["ccc_arousal"]) / 2, f1


if __name__ == "__main__":
    main()

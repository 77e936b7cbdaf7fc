"""Single pictures of random people with every label known: more varied than reality.

Serves the training of the project's own network (`scripts/train_own_model`): a network that has
seen faces of every shape, light, camera and cover meets real ones as one more kind. What would
harm the videos of synthetic Aff-Wild (heavy occlusion, extreme shapes) is here alone.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from kaffect.labels import AFF_WILD2
from kaffect.synthetic.canvas import Image, fill, fixed, line
from kaffect.synthetic.people import Person, sample_person
from kaffect.synthetic.plan import derived_seed
from kaffect.synthetic.portrait import Sitting, draw_person
from kaffect.synthetic.prototypes import (
    DRAWN_UNITS,
    REACTIONS,
    UNIT_COLUMN,
    UNIT_THRESHOLDS,
    Reaction,
)
from kaffect.synthetic.relief import Lamp
from kaffect.synthetic.scene import background

# A box from above the brows to below the chin, as detectors give it: half its side and how far
# its centre lies below the eyes, in face units.
_HALF, _BELOW = 1.2, 0.35
_EXPRESSIONS = AFF_WILD2.expressions
_UNITS = AFF_WILD2.action_units
# How often people show what: not measured, but disgust is rarer than a smile everywhere.
_SHARES = {
    "Neutral": 0.20, "Anger": 0.13, "Disgust": 0.06, "Fear": 0.12, "Happiness": 0.19,
    "Sadness": 0.14, "Surprise": 0.11, "Other": 0.05,
}  # fmt: skip


@dataclass(frozen=True)
class RandomFace:
    """One picture and what it shows.

    Attributes:
        image: [side, side, 3] uint8 RGB, about what a detector's box holds.
        expression: class, as `AFF_WILD2.expressions`.
        valence_arousal: [2] in [-1, 1].
        action_units: [12] 0 or 1, as `AFF_WILD2.action_units`.
    """

    image: Image
    expression: int
    valence_arousal: NDArray[np.float32]
    action_units: NDArray[np.uint8]


def random_face(seed: int, number: int, side: int = 96) -> RandomFace:
    """Picture `number` of the endless series of `seed`: a person whom no other picture shows."""
    rng = np.random.default_rng(derived_seed(seed, "random face", number))
    expression = int(rng.choice(len(_EXPRESSIONS), p=list(_SHARES.values())))
    units, valence_arousal = _random_units(rng, _EXPRESSIONS[expression])
    person = _random_person(rng)
    image = _draw(rng, person, units, float(valence_arousal[1]), side)
    marked = [float(units[UNIT_COLUMN[n]] >= UNIT_THRESHOLDS[n]) for n in _UNITS]
    return RandomFace(
        image, expression, valence_arousal.astype(np.float32), np.array(marked, np.uint8)
    )


def _random_units(
    rng: np.random.Generator, expression: str
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Intensities [16] of a face that shows `expression`, and its valence and arousal [2]."""
    units = np.zeros(len(DRAWN_UNITS))
    if expression == "Other":
        chosen = rng.choice(len(_SPONTANEOUS), int(rng.integers(1, 3)), replace=False)
        reactions = [_SPONTANEOUS[int(k)] for k in chosen]
    else:
        reactions = [REACTIONS[expression]]
    felt = np.zeros(2)
    for reaction in reactions:
        strength = float(rng.uniform(0.5, 1.1))
        felt += strength * np.array(reaction.valence_arousal)
        for name, value in _shown(rng, reaction).items():
            value = value * strength**0.8 * float(rng.uniform(0.7, 1.15))
            units[UNIT_COLUMN[name]] = max(units[UNIT_COLUMN[name]], value)
    # What a face does beside it: weak stray units, speech.
    stray = rng.random(len(units)) < 0.12
    units = np.maximum(units, stray * rng.uniform(0, 0.3, len(units)))
    if rng.random() < 0.15:
        units[UNIT_COLUMN["AU25"]] = max(units[UNIT_COLUMN["AU25"]], float(rng.uniform(0.3, 0.8)))
    felt = felt + rng.normal(0, 0.06, 2)
    return np.clip(units, 0, 1), np.clip(felt, -0.95, 0.95)


_SPONTANEOUS = tuple(r for r in REACTIONS.values() if r.name == "Other")


def _shown(rng: np.random.Generator, reaction: Reaction) -> dict[str, float]:
    """Units of a reaction this time: sometimes one of the prototype's is missing."""
    shown = {
        name: value
        for name, value in reaction.always.items()
        if len(reaction.always) == 1 or rng.random() < 0.93
    }
    for name, share in reaction.shares("expression").items():
        if rng.random() < share:
            shown[name] = reaction.sometimes[name][1]
    for together in _VARIANTS.get(reaction.name, ()):
        if rng.random() < together[0]:
            shown.update({n: max(v, shown.get(n, 0.0)) for n, v in together[1].items()})
    return shown


# How expressions vary beyond their prototypes: share of the time, and units.
_VARIANTS: dict[str, tuple[tuple[float, dict[str, float]], ...]] = {
    "Anger": ((0.25, {"AU10": 0.7, "AU25": 0.9, "AU26": 0.8}), (0.3, {"AU9": 0.4})),
    "Disgust": ((0.3, {"AU6": 0.7}), (0.2, {"AU25": 0.8, "AU26": 0.5})),
    "Fear": ((0.35, {"AU25": 0.9, "AU26": 1.0}),),
    "Happiness": ((0.5, {"AU25": 1.0}), (0.3, {"AU25": 1.0, "AU26": 0.6})),
    "Sadness": ((0.15, {"AU25": 0.6, "AU20": 0.5, "AU7": 0.7}), (0.2, {"AU7": 0.6})),
    "Surprise": ((0.4, {"AU25": 0.9, "AU26": 1.0}),),
}


def _random_person(rng: np.random.Generator) -> Person:
    """A person of `sample_person`, pushed further from the average."""
    person = sample_person(rng, "male" if rng.random() < 0.5 else "female")

    def stretched(*names: str, by: float) -> dict[str, float]:
        return {n: getattr(person, n) * float(np.exp(rng.normal(0, by))) for n in names}

    changes: dict[str, object] = {
        **stretched("face_width", "jaw_width", "chin", "eye_spacing", "nose_length", by=0.05),
        **stretched("mouth_y", "expressiveness", by=0.04),
        **stretched("chin_width", "eye_width", "mouth_width", by=0.08),
        **stretched("eye_height", "nose_width", "nose_height", by=0.13),
        **stretched("brow_thickness", "lip_upper", "lip_lower", by=0.25),
        "brow_height": person.brow_height + float(rng.normal(0, 0.03)),
        "brow_tilt": person.brow_tilt + float(rng.normal(0, 0.02)),
        "mouth_corner": person.mouth_corner + float(rng.normal(0, 0.015)),
        "asymmetry": float(np.exp(rng.normal(0, 0.2))),
        "jaw": float(rng.uniform(0.7, 1.5)),
        "unit_gain": tuple(float(g) for g in np.exp(rng.normal(0, 0.12, len(DRAWN_UNITS)))),
        "gloss": float(rng.uniform(0, 0.45)) * float(rng.random() < 0.6),
        "fringe": bool(rng.random() < 0.25),
        "glasses": person.glasses if rng.random() < 0.6 else "none",
    }
    if rng.random() < 0.3:
        changes["brow_colour"] = tuple(
            0.5 * a + 0.5 * b for a, b in zip(person.brow_colour, person.skin)
        )
    return replace(person, **changes)  # type: ignore[arg-type]


def _draw(
    rng: np.random.Generator,
    person: Person,
    units: NDArray[np.float64],
    arousal: float,
    side: int,
) -> Image:
    scale = side / (2 * _HALF) * float(np.exp(rng.normal(0, 0.09)))
    pose = rng.normal(0, 1, 3) * (0.28, 0.15, 0.14)
    limits = np.array([0.75, 0.4, 0.5])
    pose = limits * np.tanh(pose / limits)
    middle = np.array([side / 2, side / 2 - _BELOW * scale]) + rng.normal(0, 0.06, 2) * scale
    # The box is around the turned face: what is near the camera moves with the head.
    middle = middle - 0.35 * scale * np.array([np.sin(pose[0]), -np.sin(pose[1])])
    roll = pose[2]
    middle = middle + _BELOW * scale * np.array([np.sin(roll), 1 - np.cos(roll)])
    lids = float(np.clip(rng.normal(1 + 0.3 * arousal, 0.12), 0.6, 1.4))
    squeezed = max(units[UNIT_COLUMN[name]] for name in ("AU6", "AU7", "AU9"))
    if rng.random() < 0.04 + 0.2 * squeezed:
        lids = float(rng.uniform(0, 0.5))
    gaze = rng.normal(0, 0.5, 2) if rng.random() < 0.6 else rng.normal(0, 0.12, 2)
    gaze = np.clip(gaze, -1, 1)
    lamp = Lamp(
        (float(rng.uniform(-1, 1)), float(rng.uniform(-0.9, 0.5))), float(rng.uniform(0.0, 0.8))
    )
    frame = _place(rng, side)
    sitting = Sitting(pose, middle, scale, lids, (float(gaze[0]), float(gaze[1])))
    draw_person(frame, person, units, sitting, lamp, rng)
    _blemishes(rng, frame, middle, scale)
    if rng.random() < 0.2:
        _cover(rng, frame, person, middle, scale)
    return _exposed(rng, frame)


def _place(rng: np.random.Generator, side: int) -> Image:
    """What is behind a person: a plain wall, often white, or somewhere."""
    if rng.random() < 0.45:
        grey = float(rng.choice([252.0, 10.0, rng.uniform(0, 255)], p=[0.45, 0.15, 0.4]))
        colour = np.clip(grey + rng.normal(0, 8, 3), 0, 255)
        return np.full((side, side, 3), colour, np.uint8)
    place = background(rng, (side, side))
    top = (place.shape[0] - side) // 2
    return np.ascontiguousarray(place[top : top + side, top : top + side])


def _blemishes(
    rng: np.random.Generator, frame: Image, middle: NDArray[np.float64], scale: float
) -> None:
    """Soft dark and light spots on the face: shadows, moles, make-up, bad prints."""
    side = frame.shape[0]
    for _ in range(int(rng.poisson(2.0))):
        spot = rng.normal(0, (0.5, 0.55)) + (0, 0.4)
        place = np.clip(spot * scale + middle, 0, side - 1)
        reach = rng.uniform(0.05, 0.35, 2) * scale
        x = np.exp(-(((np.arange(side) - place[0]) / reach[0]) ** 2))
        y = np.exp(-(((np.arange(side) - place[1]) / reach[1]) ** 2))
        factor = 1 + float(rng.normal(0, 0.22)) * np.outer(y, x)[..., None]
        frame[:] = np.clip(frame * np.clip(factor, 0.4, 1.5), 0, 255).astype(np.uint8)


def _cover(
    rng: np.random.Generator,
    frame: Image,
    person: Person,
    middle: NDArray[np.float64],
    scale: float,
) -> None:
    """Something before the face: a hand or an arm, a strand of hair, an edge of anything."""
    kind = rng.choice(["arm", "hair", "edge"])
    side = 1.0 if rng.random() < 0.5 else -1.0
    if kind == "arm":
        start = np.array([side * rng.uniform(0.9, 1.6), rng.uniform(0.9, 2.0)])
        end = np.array([side * rng.uniform(0.45, 0.95), rng.uniform(-0.4, 1.5)])
        points = fixed(np.stack([start, end]) * scale + middle)
        colour = tuple(0.93 * c for c in person.skin)
        for shift in (0.0, 0.12, 0.24):
            offset = fixed(np.array([shift * scale, 0.08 * scale]))
            line(frame, points + offset, colour, 0.16 * scale)  # type: ignore[arg-type]
    elif kind == "hair":
        for _ in range(int(rng.integers(2, 9))):
            x = side * rng.uniform(0.2, 1.0)
            ends = [(x * 0.6, -1.4), (x, -0.4), (x + rng.normal(0, 0.15), rng.uniform(0, 1.2))]
            line(frame, fixed(np.array(ends) * scale + middle), person.hair, 0.06 * scale)
    else:
        angle, reach = float(rng.uniform(0, 2 * np.pi)), float(rng.uniform(0.85, 1.2))
        normal = np.array([np.cos(angle), np.sin(angle)])
        across = np.array([-normal[1], normal[0]])
        base = normal * reach + (0, 0.4)
        corners = [base + 3 * across, base - 3 * across, base - 3 * across + 3 * normal,
                   base + 3 * across + 3 * normal]  # fmt: skip
        shade = tuple(float(c) for c in rng.uniform(10, 245, 3))
        fill(frame, fixed(np.array(corners) * scale + middle), shade)  # type: ignore[arg-type]


_PRINTED = ("photo", "sample", "2026-11", "LIVE", "preview", "archive")


def _exposed(rng: np.random.Generator, frame: Image) -> Image:
    """Brightness, colour, contrast, blur and noise of a random camera."""
    height, width = frame.shape[:2]
    x, y = np.meshgrid(np.linspace(-1, 1, width), np.linspace(-1, 1, height))
    gain = 1 + rng.uniform(-0.3, 0.3) * x + rng.uniform(-0.3, 0.3) * y
    gain = gain * float(np.exp(rng.normal(0, 0.25)))
    if rng.random() < 0.1:  # printed on the picture
        grey = float(rng.uniform(90, 255))
        place = (int(rng.uniform(-0.3, 0.5) * width), int(rng.uniform(0.2, 1.0) * height))
        text, size = str(rng.choice(_PRINTED)), width * float(rng.uniform(0.004, 0.009))
        cv2.putText(frame, text, place, 0, size, (grey, grey, grey), 1, cv2.LINE_AA)
    image = (frame / 255.0) ** float(np.exp(rng.normal(0, 0.25)))
    image = image * gain[..., None] * (1 + rng.normal(0, 0.06, 3))
    image = image + rng.normal(0, 1, image.shape) * float(rng.choice([0.0, 0.01, 0.02, 0.04]))
    return np.clip(image * 255, 0, 255).astype(np.uint8)

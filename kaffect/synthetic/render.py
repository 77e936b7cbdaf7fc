"""From a plan to the labelled tracks and frames of synthetic Aff-Wild (paper Section II).

`simulate_tracks` gives what the annotation files hold and costs no drawing;
`render_frames` draws the video that a track belongs to.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from kaffect.synthetic.affect import Affect, Array, eye_opening, simulate_affect, smooth_noise
from kaffect.synthetic.annotators import Labels, annotate
from kaffect.synthetic.canvas import Image, fill, fixed, shaded
from kaffect.synthetic.config import SyntheticConfig
from kaffect.synthetic.curves import Curves, project
from kaffect.synthetic.folds import FOLDS
from kaffect.synthetic.geometry import FaceShape, State
from kaffect.synthetic.hair import beard_outline, static_curves
from kaffect.synthetic.motion import Motion, head_motion, sample_light
from kaffect.synthetic.paint import FacePainter, Look, Points
from kaffect.synthetic.people import Person, sample_person
from kaffect.synthetic.plan import TrackPlan, VideoPlan, derived_seed, make_plan
from kaffect.synthetic.relief import Lamp, map_points
from kaffect.synthetic.scene import MARGIN, Camera, Occluder, Torso, background

_CHUNK = 128  # frames whose curves are computed at once: bounds the memory of long videos
_BOX_CENTRE = np.array([[[0.0, 0.43, 0.35]]])
_BOX_SIDE = 2.32  # face units: from above the brows to below the chin
_AXES = np.array([[[0.0, 0.0, 0.5], [0.5, 0.0, 0.5], [0.0, 0.5, 0.5]]])


@dataclass(frozen=True)
class Track:
    """One person in one video, with the truth and the labels of each source frame.

    Attributes:
        times: [frames] seconds. boxes: [frames, 4] left, top, right, bottom in
            pixels, NaN where there is no face.
        covered: [frames] whether a hand or a microphone is before the face.
    """

    plan: TrackPlan
    video: VideoPlan
    person: Person
    times: Array
    affect: Affect
    state: State
    motion: Motion
    labels: Labels
    boxes: Array
    covered: NDArray[np.bool_]

    @property
    def name(self) -> str:
        return self.plan.name


def simulate_video(video: VideoPlan) -> tuple[Track, ...]:
    """The tracks of one video, left to right."""
    times = np.arange(video.frames) / float(video.fps)
    shake = np.random.default_rng(derived_seed(video.seed, "camera"))
    reach = float(shake.choice([0.0, 1.5, 4.0], p=[0.5, 0.3, 0.2])) * video.size[1] / 240
    camera = np.clip(smooth_noise(shake, times, 0.35, 2) * reach, 1 - MARGIN, MARGIN - 1)
    return tuple(_track(video, plan, times, camera) for plan in video.tracks)


def _track(video: VideoPlan, plan: TrackPlan, times: Array, camera: Array) -> Track:
    def rng(what: str) -> np.random.Generator:
        return np.random.default_rng(derived_seed(plan.seed, what))

    person = sample_person(rng("person"), plan.gender)
    affect = simulate_affect(rng("affect"), times, plan.episodes, person)
    arousal = affect.valence_arousal[:, 1]
    motion = head_motion(rng("head"), times, video.size, plan.place, arousal, camera)
    state = State(affect.units, eye_opening(rng("lids"), times, arousal), motion.gaze)
    labels = annotate(rng("annotators"), times, affect, video.config.space, motion.present)
    occluder = Occluder(rng("occluder"), times, person)
    covered = occluder.level > 0.02
    boxes = _boxes(rng("box"), times, motion, video.size)
    return Track(plan, video, person, times, affect, state, motion, labels, boxes, covered)


def _boxes(rng: np.random.Generator, times: Array, motion: Motion, size: tuple[int, int]) -> Array:
    """True boxes with a detector's habits: an offset and a scale of its own, and some wander."""
    points = np.broadcast_to(_BOX_CENTRE, (len(times), 1, 3))
    centre = project(points, motion.pose, motion.centre, motion.scale)[:, 0]
    side = _BOX_SIDE * motion.scale * (1 + float(rng.uniform(-0.06, 0.16)))
    side = side * (1 + 0.035 * smooth_noise(rng, times, 0.4)[:, 0])
    habit = rng.uniform(-0.09, 0.09, 2) + 0.025 * smooth_noise(rng, times, 0.3, 2)
    habit = np.clip(habit, -0.13, 0.13)
    centre = centre + habit * side[:, None]
    half = side[:, None] / 2
    boxes = np.concatenate([centre - half, centre + half], axis=1)
    boxes = np.clip(boxes, 0, np.tile(np.array(size, float), 2)).round(1)
    boxes[~motion.present] = np.nan
    return boxes


def simulate_tracks(config: SyntheticConfig) -> Iterator[Track]:
    """Every track of the data set in the order of the video numbers, without drawing."""
    for video in make_plan(config):
        yield from simulate_video(video)


def landmarks(track: Track) -> Curves:
    """Curves of the face in pixels, [frames, points, 2] each: where brows, lids, lips ... are."""
    curves = FaceShape(track.person, track.state).curves()
    motion = track.motion
    return {k: project(v, motion.pose, motion.centre, motion.scale) for k, v in curves.items()}


class _Actor:
    """One person as the renderer needs it: fixed outlines, and moving ones chunk by chunk."""

    def __init__(self, track: Track, lamp: Lamp) -> None:
        self.track = track
        skin = np.random.default_rng(derived_seed(track.plan.seed, "skin"))
        self.painter = FacePainter(track.person, lamp, skin)
        look = np.random.default_rng(derived_seed(track.plan.seed, "look"))
        self.static = static_curves(track.person, look)
        self.torso = Torso(track.person, look)
        occluding = np.random.default_rng(derived_seed(track.plan.seed, "occluder"))
        self.occluder = Occluder(occluding, track.times, track.person)
        self._start = -1

    def _load(self, start: int) -> None:
        track, motion = self.track, self.track.motion
        part = slice(start, start + _CHUNK)
        state = State(track.state.units[part], track.state.lids[part], track.state.gaze[part])
        shape = FaceShape(track.person, state)
        curves = shape.curves()
        self._drop = shape.drop[:, 0]
        self._folds = {name: map_points(curves[name]) for name in FOLDS}
        if track.person.beard != "none":
            curves["beard"] = beard_outline(track.person, curves["face"])
        frames = len(state.lids)
        for name, points in {**self.static, "axes": _AXES}.items():
            curves[name] = np.broadcast_to(points, (frames, *points.shape[1:]))
        pose, centre, scale = motion.pose[part], motion.centre[part], motion.scale[part]
        pixels = {k: project(v, pose, centre, scale) for k, v in curves.items()}
        axes = pixels.pop("axes")
        columns = [2 * (axes[:, 1] - axes[:, 0]), 2 * (axes[:, 2] - axes[:, 0]), axes[:, 0]]
        self._affine = np.stack(columns, axis=2)
        self._points = {k: fixed(v) for k, v in pixels.items()}
        self._start = start

    def draw(self, frame: Image, number: int) -> None:
        start = number - number % _CHUNK
        if start != self._start:
            self._load(start)
        k = number - start
        motion = self.track.motion
        centre, scale = motion.centre[number], float(motion.scale[number])
        points = {name: array[k] for name, array in self._points.items()}
        self.painter.behind(frame, points)
        self.torso.draw(frame, centre, scale)
        if abs(motion.pose[number, 0]) < 1.1:
            self.painter.face(frame, self._look(number, k, points))
        else:
            self._back_of_head(frame, centre, scale)
        self.occluder.draw(frame, number, centre, scale)

    def _look(self, number: int, k: int, points: Points) -> Look:
        """Frame `number`, the `k`-th of those that are loaded."""
        return Look(
            points=points,
            folds={name: array[k] for name, array in self._folds.items()},
            units=self.track.state.units[number],
            drop=float(self._drop[k]),
            pose=self.track.motion.pose[number],
            affine=self._affine[k],
            scale=float(self.track.motion.scale[number]),
        )

    def _back_of_head(self, frame: Image, centre: Array, scale: float) -> None:
        person = self.track.person
        angle = np.linspace(0, 2 * np.pi, 32, endpoint=False)
        outline = np.stack([1.02 * np.cos(angle), 1.35 * np.sin(angle) - 0.2], axis=1)
        colour = (
            shaded(person.skin, 0.85) if person.hair_style == "bald" else shaded(person.hair, 0.9)
        )
        fill(frame, fixed(outline * scale + centre), colour)


def render_video(video: VideoPlan, step: int = 1) -> Iterator[Image]:
    """Draw every `step`-th frame of a video: uint8 RGB [height, width, 3].

    The bytes of a frame depend on the plan alone, not on which other frames are drawn.
    """
    tracks = simulate_video(video)
    times = tracks[0].times
    rng = np.random.default_rng(derived_seed(video.seed, "scene"))
    light = sample_light(rng, times, video.size)
    place = background(rng, video.size)
    camera = Camera(rng, light, video.size)
    lamp = Lamp(light.direction, light.contrast)
    actors = [_Actor(track, lamp) for track in tracks]
    shake = np.random.default_rng(derived_seed(video.seed, "camera"))
    reach = float(shake.choice([0.0, 1.5, 4.0], p=[0.5, 0.3, 0.2])) * video.size[1] / 240
    offset = np.clip(smooth_noise(shake, times, 0.35, 2) * reach, 1 - MARGIN, MARGIN - 1)
    middle = np.array([place.shape[1] - 1, place.shape[0] - 1]) / 2
    for number in range(0, video.frames, step):
        x, y = middle - offset[number]
        frame = cv2.getRectSubPix(place, video.size, (float(x), float(y)))
        for actor in actors:
            actor.draw(frame, number)
        yield camera.expose(frame, number)


def render_frames(track: Track, step: int = 1) -> Iterator[Image]:
    """Draw the video that `track` belongs to: uint8 RGB frames [height, width, 3]."""
    return render_video(track.video, step)

"""Exported networks on face pictures in Python: whole sequences, or frame by frame."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from kaffect.errors import ArtifactError, ConfigError, expected_received
from kaffect.files import stable_hash
from kaffect.serving.facts import Facts
from kaffect.serving.golden import zero_state
from kaffect.serving.loading import Export, load_export
from kaffect.serving.outputs import LOGITS, MEANINGS
from kaffect.serving.stream_state import StreamState

Arrays = dict[str, np.ndarray]
# A longer pause within a stream starts it anew: what was seen before says little then.
MAX_GAP = 1.0


class Predictor:
    """A network of faces, as exported: `Predictor.from_saved_model("saved_models/NAME/1")`.

    Args:
        export: of a recognition network or a discriminator.

    Example:

    >>> predictor = Predictor.from_saved_model("saved_models/affect/1")
    >>> predictor.predict_frames(crops)["valence_arousal"].shape  # crops [200, 96, 96, 3]
    (200, 2)
    >>> for outputs in predictor.stream(crops):
    ...     print(predictor.named(outputs))
    """

    def __init__(self, export: Export) -> None:
        if export.kind not in ("sequences", "frames"):
            what = f"{export.folder}: a network that reads faces"
            raise ConfigError(expected_received(what, ("sequences", "frames"), export.kind))
        self.export = export
        self.facts: Facts = export.facts
        self.recurrent = export.kind == "sequences"
        size = export.picture_size
        self.picture_shape = (size, size, 3)
        self.identity = stable_hash(export.manifest["files"])

    @classmethod
    def from_saved_model(cls, path: str | Path) -> Predictor:
        """Load an export (NAME/VERSION, or NAME for its newest version), checked first.

        Raises:
            ArtifactError: not an unchanged export of this software.
        """
        return cls(load_export(path))

    @property
    def reset_every(self) -> int | None:
        """Frames after which a whole sequence starts anew; None where nothing is remembered."""
        return self.export.manifest["reset_every"] if self.recurrent else None

    @property
    def outputs(self) -> tuple[str, ...]:
        """Names of what it says of a frame, in the order of `MEANINGS`."""
        found = self.export.manifest["signatures"]["serving_default"]["outputs"]
        known = [name for name in MEANINGS if name in found]
        return (*known, *sorted(set(found) - set(known)))

    def predict_frames(self, frames: np.ndarray) -> Arrays:
        """Outputs for the consecutive face pictures of one person, or of several.

        Args:
            frames: [time, size, size, 3] or [batch, time, size, size, 3], uint8 RGB, cut out
                as `facts.crop_rule` says.

        Returns:
            Output -> [time, k] or [batch, time, k], float32.

        Raises:
            ConfigError: pictures of another shape or type.
        """
        frames = self._checked(frames, (4, 5))
        if not self.recurrent:
            flat = frames.reshape(-1, *self.picture_shape)
            answers = self.export.run("serving_default", images=flat)
            shape = frames.shape[:-3]
            return {name: v.reshape(*shape, *v.shape[1:]) for name, v in answers.items()}
        if frames.ndim == 5:
            return self.export.run("serving_default", images=frames)
        answers = self.export.run("serving_default", images=frames[np.newaxis])
        return {name: value[0] for name, value in answers.items()}

    def stream(
        self,
        frames: Iterable[np.ndarray] = (),
        *,
        state: StreamState | str | Path | None = None,
        reset_every: int | None = None,
        max_gap: float = MAX_GAP,
    ) -> Stream:
        """One person's face, picture by picture; see `Stream`.

        Args:
            frames: pictures; iterate over the result for their outputs.
            state: go on from there (from `Stream.state`, or a file of `Stream.save`).
            reset_every: start anew after so many frames; by default never.
            max_gap: seconds between two frames after which a stream starts anew.
        """
        if isinstance(state, (str, Path)):
            state = StreamState.load(state)
        return Stream(self, frames, state, reset_every, max_gap)

    def encode(self, frames: np.ndarray) -> np.ndarray:
        """Features [n, k] of face pictures [n, size, size, 3]."""
        return self.export.run("encode", images=self._checked(frames, (4,)))["features"]

    def step(self, frames: np.ndarray, state: Mapping[str, Any]) -> tuple[Arrays, dict[str, Any]]:
        """One frame [batch, size, size, 3] of several streams after `state`: outputs, state."""
        frames = self._checked(frames, (4,))
        if not self.recurrent:
            return self.export.run("serving_default", images=frames), {}
        return self._apart(self.export.run("serve_stream", images=frames, **state))

    def continue_features(
        self, features: np.ndarray, state: Mapping[str, Any]
    ) -> tuple[Arrays, dict[str, Any]]:
        """Features [batch, time, k] of consecutive frames after `state`: outputs, state then."""
        return self._apart(self.export.run("serve_features", features=features, **state))

    def zero_state(self, batch: int = 1) -> Arrays:
        """The state before the first frame."""
        return zero_state(self.export.manifest, batch) if self.recurrent else {}

    def named(self, outputs: Mapping[str, np.ndarray]) -> dict[str, float | str]:
        """The outputs of one frame [k] each, under the names of their columns.

        `valence`, `arousal`, each expression's and each Action Unit's probability, and
        `expression`, the name of the most probable one.
        """
        found: dict[str, float | str] = {}
        columns = self.export.manifest["columns"]
        for name in self.outputs:
            if name not in LOGITS and name in columns and name in outputs:
                found |= dict(zip(columns[name], map(float, outputs[name]), strict=True))
        if "expression_probabilities" in outputs:
            place = int(np.argmax(outputs["expression_probabilities"]))
            found["expression"] = columns["expression_probabilities"][place]
        return found

    def _apart(self, answers: Arrays) -> tuple[Arrays, dict[str, Any]]:
        state = {name: answers.pop(name) for name in tuple(answers) if name.startswith("state_")}
        return answers, state

    def _checked(self, frames: np.ndarray, ranks: tuple[int, ...]) -> np.ndarray:
        frames = np.asarray(frames)
        fits = frames.ndim in ranks and frames.shape[-3:] == self.picture_shape
        if not fits or frames.dtype != np.uint8 or 0 in frames.shape:
            shape = " or ".join(f"{r} dimensions" for r in ranks)
            wanted = f"uint8 RGB face pictures [..., {', '.join(map(str, self.picture_shape))}]"
            received = f"{list(frames.shape)} of {frames.dtype}"
            raise ConfigError(expected_received("Frames", f"{wanted} with {shape}", received))
        return frames


class Stream:
    """One person's face frame by frame; time and memory per frame do not grow.

    The state is carried on without end, unlike in a whole sequence, which starts anew
    every 80 frames; `reset_every=80` gives the same numbers as that.
    """

    def __init__(
        self,
        predictor: Predictor,
        frames: Iterable[np.ndarray],
        state: StreamState | None,
        reset_every: int | None,
        max_gap: float,
    ) -> None:
        if reset_every is not None and reset_every < 1 or not max_gap > 0:
            what = "reset_every and max_gap of a stream"
            raise ConfigError(expected_received(what, "positive numbers", (reset_every, max_gap)))
        self.predictor, self._frames = predictor, frames
        self.reset_every, self.max_gap = reset_every, max_gap
        self._state: Mapping[str, Any] = predictor.zero_state()
        self._since, self._time = 0, float("nan")
        if state is not None:
            self._restore(state)

    def __iter__(self) -> Iterator[Arrays]:
        return (self.step(frame) for frame in self._frames)

    def step(self, frame: np.ndarray, time: float | None = None) -> Arrays:
        """Outputs [k] each for the next picture [size, size, 3].

        Args:
            time: of the frame in seconds; a pause longer than `max_gap` since the frame before,
                or a time before it, starts the stream anew. Without times nothing does.
        """
        if time is not None:
            if not 0 <= time - self._time <= self.max_gap:  # also where there is none before
                self.reset()
            self._time = float(time)
        if self.reset_every is not None and self._since >= self.reset_every:
            self.reset()
        answers, self._state = self.predictor.step(np.asarray(frame)[np.newaxis], self._state)
        self._since += 1
        return {name: value[0] for name, value in answers.items()}

    def reset(self) -> None:
        """Forget everything that was seen."""
        self._state, self._since = self.predictor.zero_state(), 0

    @property
    def state(self) -> StreamState:
        """A copy of the state after the last frame."""
        arrays = {name: np.array(value) for name, value in self._state.items()}
        return StreamState(arrays, self._since, self._time, self.predictor.identity)

    def save(self, path: str | Path) -> None:
        """Write the state to a file; `Predictor.stream(state=path)` goes on from there."""
        self.state.save(path)

    def _restore(self, state: StreamState) -> None:
        if state.model != self.predictor.identity:
            raise ArtifactError(
                expected_received("State of another model", self.predictor.identity, state.model)
            )
        wanted = {name: value.shape for name, value in self.predictor.zero_state().items()}
        found = {name: value.shape for name, value in state.arrays.items()}
        if wanted != found:
            raise ArtifactError(expected_received("State of a stream", str(wanted), found))
        self._state = {name: np.array(value) for name, value in state.arrays.items()}
        self._since, self._time = state.since_reset, state.time

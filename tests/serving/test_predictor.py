"""Streams give what whole sequences give, and survive being saved and restored."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
import pytest

from kaffect.errors import ArtifactError, ConfigError
from kaffect.files import atomic_write
from kaffect.serving import Predictor
from kaffect.serving.golden import golden_pictures
from kaffect.serving.loading import Export


@pytest.fixture(scope="module")
def predictor(sequence_export: Export) -> Predictor:
    return Predictor.from_saved_model(sequence_export.folder.parent)


@pytest.fixture(scope="module")
def frames() -> np.ndarray:
    return golden_pictures((90,), 96, seed=3)


def va(outputs) -> np.ndarray:
    return np.stack([o["valence_arousal"] for o in outputs])


def test_a_stream_equals_the_network_over_the_whole_sequence(
    predictor: Predictor, sequence_network: keras.Model, frames: np.ndarray
) -> None:
    whole = sequence_network(frames[np.newaxis])
    outputs = list(predictor.stream(frames))
    np.testing.assert_allclose(va(outputs), whole["valence_arousal"][0], atol=1e-5)
    logits = np.stack([o["expression_logits"] for o in outputs])
    np.testing.assert_allclose(logits, whole["expression_logits"][0], atol=1e-5)
    assert not any(name.startswith("state_") for name in outputs[0])


def test_a_stream_that_starts_anew_equals_predict_frames(
    predictor: Predictor, frames: np.ndarray
) -> None:
    whole = predictor.predict_frames(frames)
    assert whole["valence_arousal"].shape == (90, 2)
    outputs = list(predictor.stream(frames, reset_every=predictor.reset_every))
    np.testing.assert_allclose(va(outputs), whole["valence_arousal"], atol=1e-5)
    assert np.abs(va(predictor.stream(frames))[80:] - whole["valence_arousal"][80:]).max() > 1e-4


@pytest.mark.parametrize("cut", [1, 3, 40])
def test_a_restored_stream_goes_on_bit_for_bit(
    predictor: Predictor, frames: np.ndarray, tmp_path: Path, cut: int
) -> None:
    stream = predictor.stream(max_gap=2)
    for k in range(cut):
        stream.step(frames[k], time=k / 30)
    stream.save(tmp_path / "state.npz")
    again = predictor.stream(state=tmp_path / "state.npz", max_gap=2)
    for k in range(cut, cut + 6):
        expected, found = stream.step(frames[k], k / 30), again.step(frames[k], k / 30)
        for name, value in expected.items():
            np.testing.assert_array_equal(found[name], value)


def test_the_state_does_not_grow(predictor: Predictor, frames: np.ndarray) -> None:
    stream = predictor.stream()
    sizes = set()
    for frame in frames[:12]:
        stream.step(frame)
        sizes.add(sum(value.size for value in stream.state.arrays.values()))
    assert len(sizes) == 1


def test_a_gap_starts_a_stream_anew(predictor: Predictor, frames: np.ndarray) -> None:
    def last(times: list[float], **settings) -> np.ndarray:
        stream = predictor.stream(**settings)
        for frame, time in zip(frames, times):
            answer = stream.step(frame, time)
        return answer["valence_arousal"]

    alone = predictor.stream().step(frames[2])["valence_arousal"]
    without = va(predictor.stream(frames[:3]))[-1]
    assert np.abs(alone - without).max() > 1e-4
    np.testing.assert_array_equal(last([0, 0.03, 0.06]), without)
    np.testing.assert_array_equal(last([0, 0.03, 1.03]), without)  # a gap of exactly one second
    np.testing.assert_array_equal(last([0, 0.03, 1.04]), alone)
    np.testing.assert_array_equal(last([0, 0.03, 1.04], max_gap=2.0), without)
    np.testing.assert_array_equal(last([5, 5.03, 2.0]), alone)  # time ran backwards


def test_a_damaged_or_foreign_state_is_refused(
    predictor: Predictor, frames: np.ndarray, frame_export: Path, tmp_path: Path
) -> None:
    stream = predictor.stream()
    stream.step(frames[0])
    stream.save(tmp_path / "state.npz")
    with pytest.raises(ArtifactError, match="another model"):
        Predictor.from_saved_model(frame_export).stream(state=tmp_path / "state.npz")
    data = (tmp_path / "state.npz").read_bytes()
    (tmp_path / "short.npz").write_bytes(data[: len(data) // 2])
    (tmp_path / "text.npz").write_text("hello")
    with atomic_write(tmp_path / "object.npz", "wb") as handle:
        np.savez(handle, schema=np.array([{"a": 1}], object))
    for name in ("short", "text", "object", "missing"):
        with pytest.raises(ArtifactError, match=f"{name}.npz"):
            predictor.stream(state=tmp_path / f"{name}.npz")


def test_outputs_by_name(predictor: Predictor, frames: np.ndarray) -> None:
    outputs = predictor.stream().step(frames[0])
    named = predictor.named(outputs)
    assert named["valence"] == pytest.approx(float(outputs["valence_arousal"][0]))
    place = int(np.argmax(outputs["expression_probabilities"]))
    assert named["expression"] == predictor.facts.label_space.expressions[place]
    assert named[str(named["expression"])] == max(
        value for name, value in named.items() if name in predictor.facts.label_space.expressions
    )


def test_a_network_of_single_frames(frame_export: Path) -> None:
    predictor = Predictor.from_saved_model(frame_export)
    pictures = golden_pictures((2, 3), 32)
    whole = predictor.predict_frames(pictures)
    assert whole["valence_arousal"].shape == (2, 3, 2)
    stream = predictor.stream(pictures[1])
    np.testing.assert_allclose(va(stream), whole["valence_arousal"][1], atol=1e-5)
    assert predictor.reset_every is None
    assert {"AU12", "Fear", "valence"} <= set(predictor.named(next(iter(stream))))


@pytest.mark.parametrize(
    "wrong",
    [np.zeros((3, 96, 96, 3), np.float32), np.zeros((3, 95, 96, 3), np.uint8),
     np.zeros((96, 96, 3), np.uint8), np.zeros((0, 96, 96, 3), np.uint8)],
)  # fmt: skip
def test_wrong_pictures_are_explained(predictor: Predictor, wrong: np.ndarray) -> None:
    with pytest.raises(ConfigError, match="uint8 RGB face pictures.*Received"):
        predictor.predict_frames(wrong)
    with pytest.raises(ConfigError, match="positive numbers"):
        predictor.stream(reset_every=0)

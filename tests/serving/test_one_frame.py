"""What decides whether a file for another run time is accepted."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from kaffect.errors import ArtifactError
from kaffect.serving.one_frame import check_one_frame, one_frame_specs

from .export_kinds import KINDS

MANIFEST = {"kind": "frames", "signatures": {"serving_default": {}}}


@pytest.mark.parametrize(("answer", "error"), [(2.0, 0.0), (2.02, 0.01), (np.nan, np.nan)])
def test_the_first_golden_picture_decides(answer: float, error: float) -> None:
    """Golden value 2, of the first picture: 2.02 is 1 % off."""
    images = np.zeros((3, 4, 4, 3), np.uint8)
    golden = {"images": images}, {"score": np.array([[2.0], [5.0], [7.0]], np.float32)}

    def run(images: np.ndarray) -> dict[str, np.ndarray]:
        assert images.shape == (1, 4, 4, 3)
        return {"score": np.array([[answer]], np.float32)}

    if error == 0.0:
        assert check_one_frame(Path("x/one.file"), run, MANIFEST, golden, 1e-3) == 0.0
        return
    with pytest.raises(ArtifactError, match="^one.file does not give the golden outputs"):
        check_one_frame(Path("x/one.file"), run, MANIFEST, golden, 1e-3)
    if np.isfinite(error):
        found = check_one_frame(Path("x/one.file"), run, MANIFEST, golden, 0.1)
        assert found == pytest.approx(error, rel=1e-4)


def test_one_stream_with_its_state_or_one_picture() -> None:
    specs = one_frame_specs(KINDS["sequences"]())
    assert set(specs) > {"images", "state_window"}
    assert {spec.shape[0] for spec in specs.values()} == {1}
    assert {name: spec.name for name, spec in specs.items()} == {name: name for name in specs}
    assert list(one_frame_specs(KINDS["classifier"]())) == ["images"]

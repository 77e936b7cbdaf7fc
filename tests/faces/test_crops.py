"""Face crops by box, without alignment (Section III-E)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from kaffect.errors import AnnotationError, ConfigError, VideoError
from kaffect.faces.crops import ALIGNED, CropRule, boxes_text, read_boxes, similarity

HEADER = "frame,left,top,right,bottom"


def ramp(height: int, width: int) -> np.ndarray:
    """Red grows to the right, green downwards; blue marks nothing."""
    image = np.zeros((height, width, 3), np.uint8)
    image[..., 0] = np.arange(width)[None]
    image[..., 1] = np.arange(height)[:, None]
    return image


def test_a_box_of_the_crop_size_is_copied() -> None:
    image = ramp(200, 220)
    crop = CropRule().apply(image, np.array([30, 40, 126, 136]))
    assert np.array_equal(crop, image[40:136, 30:126])


def test_shrinking_averages() -> None:
    """Exactly a quarter of the size: each pixel is the mean of sixteen."""
    image = np.random.default_rng(0).integers(0, 256, (384, 384, 3), dtype=np.uint8)
    crop = CropRule().apply(image, np.array([0, 0, 384, 384]))
    means = image.reshape(96, 4, 96, 4, 3).mean(axis=(1, 3))
    assert np.abs(crop - means).max() <= 0.51


def test_enlarging_interpolates_between_neighbours() -> None:
    image = ramp(100, 100)
    crop = CropRule().apply(image, np.array([10, 20, 34, 44]))
    assert crop.shape == (96, 96, 3)
    assert np.all(np.diff(crop[5, :, 0].astype(int)) >= 0)
    assert (crop[..., 0].min(), crop[..., 0].max()) == (10, 33)
    assert (crop[..., 1].min(), crop[..., 1].max()) == (20, 43)


def test_without_box_the_centre_square() -> None:
    image = ramp(96, 200)
    assert np.array_equal(CropRule().apply(image, None), image[:, 52:148])
    tall = ramp(200, 96)
    assert np.array_equal(CropRule().apply(tall, None), tall[52:148])


def test_a_box_over_the_border_is_cut_there() -> None:
    image = ramp(120, 160)
    crop = CropRule().apply(image, np.array([-30, -10, 66, 86]))
    assert crop[..., 0].max() == 65 and crop[..., 1].max() == 85
    assert crop[..., 0].min() == 0


def test_square_crops_are_not_stretched() -> None:
    """A box of 20 by 30: the square of 30 around its middle; at the border the edge is repeated."""
    image = ramp(60, 80)
    rule = CropRule("square", 30)
    assert np.array_equal(rule.apply(image, np.array([30, 20, 50, 50])), image[20:50, 25:55])
    at_edge = rule.apply(image, np.array([0, 20, 20, 50]))
    expected = np.pad(image[20:50, :25], ((0, 0), (5, 0), (0, 0)), mode="edge")
    assert np.array_equal(at_edge, expected)


def test_a_box_outside_of_the_frame_is_an_error() -> None:
    with pytest.raises(VideoError, match="outside the frame.*160x120.*Received: 160,0,200,50"):
        CropRule().apply(ramp(120, 160), np.array([160, 0, 200, 50]))


def test_blank_is_zero_for_the_network() -> None:
    assert np.all((CropRule().blank() - 128.0) / 128 == 0)


def test_the_rule_travels_as_data() -> None:
    rule = CropRule(image_size=48)
    assert CropRule.from_dict(rule.to_dict()) == rule
    for wrong in (
        {**rule.to_dict(), "margin": 0.2},
        {"mode": "paper"},
        {**rule.to_dict(), "mode": "x"},
    ):
        with pytest.raises(ConfigError):
            CropRule.from_dict(wrong)


def test_boxes_are_read(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text(f"{HEADER}\n7,1.5, 2,30.25,4e1\n3.0,0,0,10,10\n\n")
    boxes = read_boxes(path)
    assert sorted(boxes) == [3, 7]
    assert boxes[7].tolist() == [1.5, 2, 30.25, 40]
    path.write_text(f"{HEADER}\n")
    assert read_boxes(path) == {}


@pytest.mark.parametrize(
    "row",
    ["0,0,0,9,9", "1.5,0,0,9,9", "-1,0,0,9,9", "4,9,0,9,9", "4,0,9,9,1", "4,0,0,9", "4,0,0,9,9,9",
     "4,nan,0,9,9", "4,0,0,1e400,9", "", "2,0,0,5,5", "4,0,0,٩,9", "4,0,0,9" + "9" * 400 + ",9"],
    ids=ascii,
)  # fmt: skip
def test_bad_boxes_with_line(tmp_path: Path, row: str) -> None:
    path = tmp_path / "a.csv"
    path.write_text(f"{HEADER}\n2,0,0,9,9\n{row}\n5,0,0,9,9\n")
    with pytest.raises(AnnotationError) as caught:
        read_boxes(path)
    assert (caught.value.path, caught.value.line) == (path, 3)


def test_bad_header_of_boxes(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("frame,x,y,w,h\n1,0,0,9,9\n")
    with pytest.raises(AnnotationError, match="wrong header") as caught:
        read_boxes(path)
    assert caught.value.line == 1


def turned(
    points: np.ndarray, angle: float, scale: float, shift: tuple[float, float]
) -> np.ndarray:
    c, s = scale * np.cos(angle), scale * np.sin(angle)
    return points @ np.array([[c, s], [-s, c]]) + shift


def test_similarity_finds_a_known_turn() -> None:
    points = np.random.default_rng(0).normal(size=(5, 2))
    matrix = similarity(points, turned(points, 0.7, 2.5, (3, -4)))
    c, s = 2.5 * np.cos(0.7), 2.5 * np.sin(0.7)
    np.testing.assert_allclose(matrix, [[c, -s, 3], [s, c, -4]], atol=1e-12)


@pytest.mark.parametrize("angle,scale", [(0.0, 1.0), (0.6, 1.0), (-0.9, 0.5), (0.3, 3.3)])
def test_alignment_brings_landmarks_to_their_places(angle: float, scale: float) -> None:
    """Each landmark is a coloured blob; after alignment it is where `ALIGNED` says."""
    rule = CropRule(mode="5-point")
    marks = turned(ALIGNED * 96 - 48, angle, scale, (300, 260))
    image = np.zeros((520, 600, 3), np.uint8)
    ys, xs = np.mgrid[:520, :600]
    for number, (x, y) in enumerate(marks):
        near = (xs - x) ** 2 + (ys - y) ** 2 < (4 * scale) ** 2
        image[near] = [(255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 0), (0, 255, 255)][number]
    crop = rule.apply(image, np.array([0, 0, 9, 9]), marks).astype(int)
    colours = np.array([(255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 0), (0, 255, 255)])
    for colour, place in zip(colours, ALIGNED * 96 - 0.5):
        distance = np.abs(crop - colour).sum(axis=-1)
        found = np.argwhere(distance < 200).mean(axis=0)[::-1]
        assert np.abs(found - place).max() < 0.9


def test_alignment_without_landmarks_is_refused() -> None:
    rule = CropRule(mode="5-point")
    for points in (None, np.full((5, 2), np.nan)):
        with pytest.raises(ConfigError, match="needs the landmarks"):
            rule.apply(ramp(100, 100), np.array([0, 0, 50, 50]), points)
    assert CropRule.from_dict(rule.to_dict()) == rule


def test_a_written_box_file_is_read_back(tmp_path: Path) -> None:
    """To a tenth of a pixel; frames without a face have no row."""
    boxes = {1: [0.04, 10.0, 20.25, 30.96], 7: [-3.5, 0.0, 640.0, 480.0]}
    path = tmp_path / "boxes.csv"
    path.write_text(boxes_text(boxes.items()))
    read = read_boxes(path)
    assert list(read) == [1, 7]
    for frame, box in boxes.items():
        np.testing.assert_allclose(read[frame], box, atol=0.0501)
    path.write_text(boxes_text([]))
    assert read_boxes(path) == {}

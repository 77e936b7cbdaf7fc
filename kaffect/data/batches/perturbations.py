"""A fixed set of changes of face pictures, by which the robustness of networks is compared.

Not in the paper. The set never depends on a draw: the same picture always gives the same changed
one, and `PERTURBATIONS_HASH` names the set wherever a drop is reported.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass

import cv2
import numpy as np
import tensorflow as tf

from kaffect.data.batches.pipeline import Batch
from kaffect.files import stable_hash

# Raise it with every change of what a perturbation does to a pixel.
_VERSION = 1


@dataclass(frozen=True)
class Perturbation:
    """One change of a face picture.

    Attributes:
        name: as reports have it.
        kind: of the operation, a key of `_OPERATIONS`.
        amount: how much; what it means depends on the kind.
    """

    name: str
    kind: str
    amount: tuple[float, ...] = ()

    def apply(self, images: np.ndarray) -> np.ndarray:
        """Change pictures.

        Args:
            images: [n, size, size, 3] uint8 RGB.

        Returns:
            The same shape and type.
        """
        operation = _OPERATIONS[self.kind]
        changed = [operation(image, *self.amount) for image in images]
        return np.stack(changed) if changed else images


def _bar(image: np.ndarray, top: float, bottom: float) -> np.ndarray:
    """Black from one share of the height to another."""
    covered, height = image.copy(), len(image)
    covered[round(top * height) : round(bottom * height)] = 0
    return covered


def _light(image: np.ndarray, factor: float) -> np.ndarray:
    return np.clip(np.rint(image * np.float64(factor)), 0, 255).astype(np.uint8)


def _jpeg(image: np.ndarray, quality: float) -> np.ndarray:
    coded = cv2.imencode(".jpg", image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, int(quality)])[1]
    return np.ascontiguousarray(np.asarray(cv2.imdecode(coded, cv2.IMREAD_COLOR))[..., ::-1])


def _resolution(image: np.ndarray, share: float) -> np.ndarray:
    """Shrunk by averaging and enlarged again."""
    size = image.shape[1::-1]
    small = (max(1, round(size[0] * share)), max(1, round(size[1] * share)))
    shrunk = cv2.resize(image, small, interpolation=cv2.INTER_AREA)
    return cv2.resize(shrunk, size, interpolation=cv2.INTER_LINEAR)


def _crop(image: np.ndarray, side: float, right: float, down: float) -> np.ndarray:
    """The picture that a box `side` times as long, moved by shares of its side, would have given.

    A prepared picture ends at its border, whose pixels are repeated beyond it.
    """
    height, width = image.shape[:2]
    middle_x, middle_y = (width - 1) / 2, (height - 1) / 2
    matrix = np.array(
        [
            [side, 0, middle_x * (1 - side) + right * width],
            [0, side, middle_y * (1 - side) + down * height],
        ]
    )
    how = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return cv2.warpAffine(
        image, matrix, (width, height), flags=how, borderMode=cv2.BORDER_REPLICATE
    )


def _grey(image: np.ndarray) -> np.ndarray:
    return np.repeat(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)[..., None], 3, axis=-1)


def _mirror(image: np.ndarray) -> np.ndarray:
    return image[:, ::-1]


_OPERATIONS: dict[str, Callable[..., np.ndarray]] = {
    "bar": _bar,
    "light": _light,
    "jpeg": _jpeg,
    "resolution": _resolution,
    "crop": _crop,
    "grey": _grey,
    "mirror": _mirror,
}

# In the boxes of the detectors eyes, nose tip and mouth lie at 0.38, 0.56 and 0.76 of the height
# (medians over video frames of 16 real clips, haar and MTCNN alike); aligned, at 0.36, 0.56, 0.76.
PERTURBATIONS = (
    Perturbation("bar over the eyes", "bar", (0.27, 0.47)),
    Perturbation("bar over the nose", "bar", (0.47, 0.66)),
    Perturbation("bar over the mouth", "bar", (0.66, 0.86)),
    Perturbation("dark", "light", (0.25,)),
    Perturbation("bright", "light", (2.0,)),
    Perturbation("JPEG 20", "jpeg", (20,)),
    Perturbation("half resolution", "resolution", (0.5,)),
    Perturbation("crop 10 % larger", "crop", (1.1, 0.0, 0.0)),
    Perturbation("crop 10 % smaller", "crop", (1 / 1.1, 0.0, 0.0)),
    Perturbation("crop 10 % to the right", "crop", (1.0, 0.1, 0.0)),
    Perturbation("crop 10 % down", "crop", (1.0, 0.0, 0.1)),
    Perturbation("grey", "grey"),
    Perturbation("mirrored", "mirror"),
)
PERTURBATIONS_HASH = stable_hash([_VERSION, [asdict(each) for each in PERTURBATIONS]])


def perturbed(
    batches: tf.data.Dataset, perturbation: Perturbation, has_face: np.ndarray
) -> tf.data.Dataset:
    """Batches whose pictures of faces are changed.

    Args:
        batches: elements with 'images' uint8 [..., size, size, 3] and 'row' int64 [...].
        has_face: [rows of the split] bool. The picture that stands for "no face", and padding,
            stay as they are: no camera has taken them.
    """

    def change(images: np.ndarray, rows: np.ndarray) -> np.ndarray:
        seen = (rows >= 0) & has_face[np.maximum(rows, 0)]
        changed = images.copy()
        changed[seen] = perturbation.apply(images[seen])
        return changed

    def of_element(element: Batch) -> Batch:
        images = element["images"]
        found = tf.numpy_function(change, [images, element["row"]], tf.uint8, stateful=False)
        return {**element, "images": tf.ensure_shape(found, images.shape)}

    return batches.map(of_element, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)

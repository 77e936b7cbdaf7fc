"""One frame as a `tf.train.Example` (paper Section III: a face crop and what is annotated of it).

The bytes are written here without TensorFlow, so that the threads that decode videos
need not load it, and in a fixed order, so that the same frame gives the same bytes.
`parse_images` reads them back in a TensorFlow graph.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import cv2
import numpy as np

from kaffect.errors import ConfigError, expected_received
from kaffect.labels import LABEL_COLUMNS

if TYPE_CHECKING:
    import tensorflow as tf

ENCODINGS = ("jpeg", "png", "raw")
JPEG_QUALITY = 95
# Wire types of the protocol buffer format.
_LENGTH_DELIMITED = 2
Value = bytes | Sequence[int] | np.ndarray


def encode_image(image: np.ndarray, encoding: str) -> bytes:
    """Encode a picture.

    Args:
        image: [height, width, 3] uint8 RGB.
        encoding: 'jpeg' (quality 95), 'png' or 'raw'.

    Raises:
        ConfigError: another encoding.
    """
    if encoding == "raw":
        return np.ascontiguousarray(image).tobytes()
    if encoding == "png":
        suffix, settings = ".png", [cv2.IMWRITE_PNG_COMPRESSION, 1]
    elif encoding == "jpeg":
        suffix, settings = ".jpg", [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY]
    else:
        raise ConfigError(expected_received("Unknown image encoding", ENCODINGS, encoding))
    done, data = cv2.imencode(suffix, cv2.cvtColor(image, cv2.COLOR_RGB2BGR), settings)
    if not done:
        raise ConfigError(f"OpenCV could not write {encoding}")
    return data.tobytes()


def encode_example(features: Mapping[str, Value]) -> bytes:
    """Serialise a `tf.train.Example`; keys in sorted order.

    Args:
        features: name -> bytes, integers, or a float32 array.
    """
    entries = b"".join(
        _field(1, _field(1, name.encode()) + _field(2, _feature(features[name])))
        for name in sorted(features)
    )
    return _field(1, entries)


def encode_frame(
    image: bytes,
    track: str,
    number: int,
    fps: int | None,
    *,
    source: int,
    has_face: bool,
    labels: Mapping[str, np.ndarray],
) -> bytes:
    """The record of one frame.

    Args:
        image: as `encode_image` gives it.
        number: of the frame in its track, from 0; its time is `number` / `fps` seconds,
            or 0 where pictures have no rate.
        source: 1-based number of the source frame that it shows.
        labels: each of `LABEL_COLUMNS` for this frame: 'valence_arousal' [2] float32,
            'action_units' [units] of 0 and 1, the others single numbers.
    """
    features: dict[str, Value] = {
        "image": image,
        "track": track.encode(),
        "frame": [number],
        "time": np.array([number / fps if fps else 0.0], np.float32),
        "source_frame": [source],
        "has_face": [has_face],
    }
    for name in LABEL_COLUMNS:
        values = np.atleast_1d(labels[name])
        features[name] = values if values.dtype.kind == "f" else values.tolist()
    return encode_example(features)


def _varint(value: int) -> bytes:
    value &= (1 << 64) - 1
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return bytes(out)


def _field(number: int, payload: bytes) -> bytes:
    return bytes((number << 3 | _LENGTH_DELIMITED,)) + _varint(len(payload)) + payload


def _feature(value: Value) -> bytes:
    if isinstance(value, bytes):
        return _field(1, _field(1, value))
    if isinstance(value, np.ndarray):
        floats = value.astype("<f4", copy=False).tolist()
        return _field(2, _field(1, struct.pack(f"<{len(floats)}f", *floats)))
    return _field(3, _field(1, b"".join(_varint(int(v)) for v in value)))


def parse_images(records: tf.Tensor, encoding: str, image_size: int) -> tf.Tensor:
    """Pictures of serialised Examples, in a TensorFlow graph.

    Args:
        records: [n] string; an empty string gives a picture of "no face" (all 128).

    Returns:
        [n, image_size, image_size, 3] uint8 RGB.
    """
    import tensorflow as tf

    from kaffect.faces.crops import NO_FACE_VALUE

    shape = (image_size, image_size, 3)
    images = tf.io.parse_example(
        records, {"image": tf.io.FixedLenFeature([], tf.string, default_value="")}
    )["image"]

    def decode(data: tf.Tensor) -> tf.Tensor:
        if encoding == "raw":
            picture = tf.reshape(tf.io.decode_raw(data, tf.uint8), shape)
        elif encoding == "png":
            picture = tf.io.decode_png(data, channels=3)
        else:
            picture = tf.io.decode_jpeg(data, channels=3, dct_method="INTEGER_ACCURATE")
        return tf.ensure_shape(picture, shape)

    def blank() -> tf.Tensor:
        return tf.fill(shape, tf.constant(NO_FACE_VALUE, tf.uint8))

    return tf.map_fn(
        lambda data: tf.cond(tf.strings.length(data) > 0, lambda: decode(data), blank),
        images,
        fn_output_signature=tf.TensorSpec(shape, tf.uint8),
    )

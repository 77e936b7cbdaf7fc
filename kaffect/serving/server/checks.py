"""Is a request what the signature takes, and within the limits? Asked before anything is computed.

Serves the engineer: both protocols hand their arrays to `check_inputs`, so that
the same mistake gets the same words, and no shape or image header that a client
sends decides how much memory the server takes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from kaffect.serving.server.limits import Limits, invalid
from kaffect.serving.server.pictures import read_picture
from kaffect.serving.server.servable import Arrays, Signature, TensorSpec

# Bytes of a decoded pixel: three colours.
_PIXEL_BYTES = 3


def check_names(signature: Signature, names: set[str]) -> None:
    """Refuse a request that lacks an input or has one too many."""
    if names != set(signature.inputs):
        wanted = ", ".join(sorted(signature.inputs))
        missing = ", ".join(sorted(set(signature.inputs) - names)) or "none"
        raise invalid(
            f"Signature {signature.name!r} takes exactly the inputs {wanted}. "
            f"Missing: {missing}. Unknown: {len(names - set(signature.inputs))}"
        )


def check_shape(spec: TensorSpec, shape: Sequence[int], limits: Limits) -> None:
    """Refuse a shape that the signature does not take or that is beyond the limits.

    It is called on a shape alone, before memory for it is taken.
    """
    if len(shape) != len(spec.shape):
        raise invalid(f"Input {spec.name!r} is {spec}. Received: a tensor of rank {len(shape)}")
    for axis, (size, wanted) in enumerate(zip(shape, spec.shape, strict=True)):
        if wanted is not None and size != wanted:
            raise invalid(f"Input {spec.name!r} is {spec}. Received: {size} on axis {axis}")
        most = limits.batch if axis == 0 else limits.time
        if wanted is None and not 1 <= size <= most:
            raise invalid(
                f"Input {spec.name!r} is {spec}; axis {axis} must be 1 to {most} long here. "
                f"Received: {size}"
            )
    width = 1 if spec.is_string else spec.dtype.itemsize
    if math.prod(shape) * width > limits.tensor_bytes:
        raise invalid(f"Input {spec.name!r} holds more than {limits.tensor_bytes} bytes")


def check_inputs(signature: Signature, arrays: Arrays, limits: Limits) -> int:
    """Check names, dtypes, shapes, sizes, finite numbers and image headers.

    Encoded images are replaced in `arrays` by what of them may be decoded.

    Returns:
        The number of bytes of all inputs together, images as they will be when decoded.

    Raises:
        RequestError: with the first thing that is wrong.
    """
    check_names(signature, set(arrays))
    total = 0
    for name, array in arrays.items():
        spec = signature.inputs[name]
        if array.dtype != spec.dtype:
            raise invalid(f"Input {name!r} is {spec}. Received: another dtype")
        check_shape(spec, array.shape, limits)
        if spec.is_string:
            arrays[name], pixels = _plain_images(name, array, limits)
            total += pixels * _PIXEL_BYTES
        else:
            total += array.nbytes
            if array.dtype.kind == "f" and not np.isfinite(array).all():
                raise invalid(f"Input {name!r} holds a number that is not finite")
    if total > limits.tensor_bytes:
        raise invalid(f"The inputs hold more than {limits.tensor_bytes} bytes together")
    rows = {array.shape[0] for array in arrays.values()}
    if signature.joins_rows and len(rows) > 1:
        raise invalid("The inputs must have the same length on axis 0")
    return total


def _plain_images(name: str, array: np.ndarray, limits: Limits) -> tuple[np.ndarray, int]:
    """The images of an input as they may be decoded, and their pixels together.

    An empty string is accepted: the exported graphs read it as "no face here".
    """
    plain = np.empty(array.size, object)
    pixels = 0
    for index, data in enumerate(array.flat):
        plain[index] = data
        if data:
            picture = read_picture(name, data, limits)
            plain[index], pixels = picture.data, pixels + picture.pixels
        if pixels > limits.request_pixels:
            raise invalid(
                f"The images of input {name!r} have more than {limits.request_pixels} "
                "pixels together"
            )
    return plain.reshape(array.shape), pixels

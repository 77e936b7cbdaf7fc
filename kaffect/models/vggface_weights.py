"""Weights of VGG-Face as keras-vggface publishes them (Section IV-B: the CNN starts from VGG-Face).

Read with h5py into a network that the code defines: nothing of the file is run, and links out of
it are refused.
"""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import logging
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import h5py
import keras
import numpy as np

from kaffect import files
from kaffect.errors import ArtifactError, ConfigError

log = logging.getLogger(__name__)

NOTOP_FILE = "rcmalli_vggface_tf_notop_vgg16.h5"
NOTOP_URL = f"https://github.com/rcmalli/keras-vggface/releases/download/v2.0/{NOTOP_FILE}"

# The file has 58.9 MB; an answer far longer is another file.
_MOST_BYTES = 100 * 2**20
_CHUNK = 2**20


def load_vggface_weights(model: keras.Model, path: str | Path) -> None:
    """Set the convolutions of `model` from a keras-vggface `notop` file.

    Args:
        model: from `vggface_features`, or a model that contains it.
        path: an HDF5 file with the root attribute `layer_names` and in each layer's group the
            attribute `weight_names`. Both are read in order; how the file spells the names does
            not matter.

    Raises:
        ArtifactError: not such a file, a number of layers or a shape that does not fit, a value
            that is not finite, or data outside of the file. The model is unchanged then.
    """
    layers = _convolutions(model)
    try:
        with h5py.File(path, "r") as file:
            weights = _read(file, path)
            if len(weights) != len(layers):
                hint = " (a file with the top layers is another one)" * (len(weights) > len(layers))
                raise ArtifactError(
                    f"{path}: not the weights of VGG-Face without top layers. Expected "
                    f"{len(layers)} layers with weights. Received: {len(weights)}{hint}"
                )
            arrays = [
                _values(path, name, datasets, layer)
                for (name, datasets), layer in zip(weights, layers)
            ]
    except (OSError, KeyError, RuntimeError, ValueError) as error:
        raise ArtifactError(f"{path}: cannot be read as an HDF5 weights file: {error}") from error
    for layer, (kernel, bias) in zip(layers, arrays):
        layer.kernel.assign(kernel)
        layer.bias.assign(bias)
    log.info("VGG-Face weights read from %s", path)


def _convolutions(model: keras.Model) -> list[keras.layers.Conv2D]:
    """The network's convolutions in order; nested models are searched."""
    found = []
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            found += _convolutions(layer)
        elif isinstance(layer, keras.layers.Conv2D) and layer.name.startswith("conv"):
            found.append(layer)
    return found


def _names(attributes: Any, key: str, path: str | Path) -> list[str]:
    if key not in attributes:
        raise ArtifactError(f"{path}: not a Keras weights file: the attribute {key!r} is missing")
    return [n.decode() if isinstance(n, bytes) else str(n) for n in np.atleast_1d(attributes[key])]


def _read(file: h5py.File, path: str | Path) -> list[tuple[str, list[h5py.Dataset]]]:
    """Layers that have weights, in the file's order, each with its data sets."""
    weights = []
    for layer in _names(file.attrs, "layer_names", path):
        group = _inside(file, layer, path)
        if not isinstance(group, h5py.Group):
            raise ArtifactError(f"{path}: layer {layer!r} is not a group")
        names = _names(group.attrs, "weight_names", path)
        if names:
            weights.append((layer, [_inside(group, name, path) for name in names]))
    return weights


def _inside(group: h5py.Group, name: str, path: str | Path) -> Any:
    """What `name` stands for, if every step to it and its bytes lie in this file."""
    item: Any = group
    for part in name.split("/"):
        link = item.get(part, getlink=True) if isinstance(item, h5py.Group) else None
        if link is None:
            raise ArtifactError(f"{path}: {name!r} is missing in {group.name!r}")
        if not isinstance(link, h5py.HardLink):
            raise ArtifactError(f"{path}: {name!r} is a link to elsewhere; only own data is read")
        item = item[part]
    if isinstance(item, h5py.Dataset) and (item.external or item.is_virtual):
        raise ArtifactError(f"{path}: {name!r} keeps its data in another file; not accepted")
    return item


def _values(
    path: str | Path, name: str, datasets: list[Any], layer: keras.layers.Conv2D
) -> list[np.ndarray]:
    """Kernel and bias for `layer`; shapes are checked before anything is read."""
    expected = [tuple(layer.kernel.shape), tuple(layer.bias.shape)]
    received = [getattr(data, "shape", None) for data in datasets]
    if received != expected:
        raise ArtifactError(
            f"{path}: layer {name!r} does not fit {layer.name}. Expected shapes {expected}. "
            f"Received: {received}{width_hint(layer, received[0])}"
        )
    values = []
    for data in datasets:
        if data.dtype.kind != "f":
            raise ArtifactError(f"{path}: {data.name} holds {data.dtype}, not numbers with a point")
        value = data[()]
        if not np.isfinite(value).all():
            raise ArtifactError(f"{path}: {data.name} holds values that are not finite")
        values.append(value)
    return values


def width_hint(layer: keras.layers.Conv2D, received: tuple[int, ...] | None) -> str:
    """For an error text: the width at which a first convolution with the kernel `received` fits."""
    expected = tuple(layer.kernel.shape)
    if layer.name != "conv1_1" or received is None or received[:3] != expected[:3]:
        return ""
    return f" (the file is of a network with --set model.width={received[-1] / 64:g})"


def download_vggface_weights(
    sha256: str, path: str | Path | None = None, url: str = NOTOP_URL
) -> Path:
    """Fetch the `notop` file of keras-vggface, unless it is already there.

    Its publisher gives no checksum, so the user states the one of the file that he trusts.

    Args:
        sha256: hex digest that the file must have.
        path: where to put it; default `$KAFFECT_HOME/weights/rcmalli_vggface_tf_notop_vgg16.h5`.
        url: https, or http to this machine.

    Returns:
        The path. Nothing is at it, or what was there before, if anything goes wrong.

    Raises:
        ConfigError: `sha256` is not a digest or `url` is not accepted.
        ArtifactError: no connection, an answer too long, or another checksum.
    """
    digest = sha256.lower()
    if len(digest) != 64 or set(digest) - set("0123456789abcdef"):
        raise ConfigError(f"sha256 must be 64 hexadecimal digits. Received: {sha256!r}")
    _check_url(url)
    path = Path(path) if path is not None else files.home() / "weights" / NOTOP_FILE
    if path.is_file() and files.sha256(path) == digest:
        return path
    log.info("downloading %s", url)
    with files.atomic_write(path, "wb") as target:
        received = _fetch(url, target)
        if received != digest:
            raise ArtifactError(
                f"{url}: another file than the one trusted. Expected SHA-256 {digest}. "
                f"Received: {received}"
            )
    return path


def _check_url(url: str) -> None:
    parts = urllib.parse.urlsplit(url)
    local = parts.scheme == "http" and parts.hostname in ("127.0.0.1", "::1", "localhost")
    if parts.scheme != "https" and not local:
        raise ConfigError(f"weights are fetched by https only. Received: {url!r}")


class _Redirect(urllib.request.HTTPRedirectHandler):
    """A redirect must keep the rule of the first address."""

    def redirect_request(self, *args: Any) -> urllib.request.Request | None:
        _check_url(args[-1])
        return super().redirect_request(*args)


@contextlib.contextmanager
def _connection(url: str) -> Iterator[Any]:
    try:
        with urllib.request.build_opener(_Redirect).open(url, timeout=60) as answer:
            yield answer
    except (urllib.error.URLError, http.client.HTTPException, TimeoutError) as error:
        raise ArtifactError(f"{url}: cannot be downloaded: {error}") from error


def _fetch(url: str, target: IO[bytes]) -> str:
    """Copy the answer to `target` and give its SHA-256."""
    digest, size = hashlib.sha256(), 0
    with _connection(url) as answer:
        while chunk := answer.read(_CHUNK):
            size += len(chunk)
            if size > _MOST_BYTES:
                raise ArtifactError(f"{url}: longer than {_MOST_BYTES} bytes; not the file meant")
            digest.update(chunk)
            target.write(chunk)
        announced = answer.headers.get("Content-Length")
    if announced is not None and size != int(announced):
        problem = f"cannot be downloaded: the answer ended after {size} of {announced} bytes"
        raise ArtifactError(f"{url}: {problem}")
    return digest.hexdigest()

"""TF Serving's JSON for tensors: rows (`instances`) and columns (`inputs`), both ways.

Serves the engineer with a REST client. Numbers are converted level by level at
the speed of C, types are checked first (a bool is no number, "1" is none either,
2.5 is no pixel), and strings come as text or as {"b64": "..."}.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from itertools import chain
from typing import Any

import numpy as np
import orjson

from kaffect.serving.server.checks import check_names
from kaffect.serving.server.limits import invalid, shown
from kaffect.serving.server.servable import Arrays, Servable, Signature, TensorSpec

KNOWN_KEYS = {"signature_name", "instances", "inputs"}
DEPTH = 16
Body = bytes | bytearray


def parse(body: Body) -> dict[str, Any]:
    """The body of a predict request as an object with known keys only.

    Raises:
        RequestError: it is no such JSON (NaN, Infinity and deep nesting are none).
    """
    try:
        request = orjson.loads(body)
    except (orjson.JSONDecodeError, RecursionError) as error:
        raise invalid("The body is not JSON") from error
    if not isinstance(request, dict):
        raise invalid("The body must be a JSON object with 'instances' or 'inputs'")
    for key in request:
        if key not in KNOWN_KEYS:
            raise invalid(f"The body takes {sorted(KNOWN_KEYS)}. Received: {shown(key)}")
    if ("instances" in request) == ("inputs" in request):
        raise invalid("The body must have either 'instances' (rows) or 'inputs' (columns)")
    if not isinstance(request.get("signature_name", ""), str):
        raise invalid("'signature_name' must be a string")
    return request


def decode(body: list[Body], servable: Servable) -> tuple[Signature, Arrays, int | None]:
    """The signature, inputs and number of rows of a predict request; None for columns.

    Args:
        body: one body, which is taken out of the list, so that nobody keeps it: what was
            parsed takes many times the memory of the arrays that come of it.

    Raises:
        RequestError: it is no such request.
    """
    request = parse(body.pop())
    signature = servable.signature(request.get("signature_name", ""))
    rows = len(request["instances"]) if _is_rows(request) else None
    return signature, read_inputs(request, signature), rows


def _is_rows(request: dict[str, Any]) -> bool:
    return isinstance(request.get("instances"), list)


def read_inputs(request: dict[str, Any], signature: Signature) -> Arrays:
    """The tensors of a parsed request, by input name.

    Raises:
        RequestError: a value is not what the signature takes.
    """
    columns = _rows(request["instances"], signature) if "instances" in request else None
    if columns is None:
        columns = _columns(request["inputs"], signature)
    check_names(signature, set(columns))
    return {name: to_array(signature.inputs[name], value) for name, value in columns.items()}


def _is_b64(value: Any) -> bool:
    return isinstance(value, dict) and set(value) == {"b64"}


def _columns(value: Any, signature: Signature) -> dict[str, Any]:
    if isinstance(value, dict) and not _is_b64(value):
        return value
    return {_only_input(signature): value}


def _rows(rows: Any, signature: Signature) -> dict[str, Any]:
    if not isinstance(rows, list) or not rows:
        raise invalid("'instances' must be a list of at least one row")
    named = [isinstance(row, dict) and not _is_b64(row) for row in rows]
    if not any(named):
        return {_only_input(signature): rows}
    if not all(named):
        raise invalid("The rows of 'instances' must all be objects, or none")
    for row in rows:
        check_names(signature, set(row))
    return {name: [row[name] for row in rows] for name in signature.inputs}


def _only_input(signature: Signature) -> str:
    if len(signature.inputs) != 1:
        wanted = ", ".join(sorted(signature.inputs))
        raise invalid(f"Signature {signature.name!r} has several inputs; name them: {wanted}")
    return next(iter(signature.inputs))


def to_array(spec: TensorSpec, value: Any) -> np.ndarray:
    """A JSON value as an array of the dtype of `spec`; its shape is not checked here.

    Raises:
        RequestError: ragged lists, a type or a number that `spec` does not take.
    """
    shape: list[int] = []
    level = [value]
    while set(map(type, level)) == {list}:
        sizes = set(map(len, level))
        if len(sizes) != 1 or len(shape) == DEPTH:
            raise invalid(f"Input {spec.name!r} is {spec}. Received: lists of unequal length")
        shape.append(sizes.pop())
        level = list(chain.from_iterable(level))
        if not level:
            raise invalid(f"Input {spec.name!r} is {spec}. Received: an empty list")
    convert = _strings if spec.is_string else _numbers
    return convert(spec, level).reshape(shape)


# Kind of a NumPy dtype -> JSON types that it takes, and a dtype that holds all of their values.
_BY_KIND: dict[str, tuple[set[type], Any]] = {
    "b": ({bool}, np.bool_),
    "f": ({int, float}, np.float64),
    "i": ({int}, np.int64),
    "u": ({int}, np.int64),
}


def _numbers(spec: TensorSpec, values: list[Any]) -> np.ndarray:
    accepted, wide_dtype = _BY_KIND[spec.dtype.kind]
    if not set(map(type, values)) <= accepted:
        raise invalid(f"Input {spec.name!r} is {spec}. Received: a value of another type")
    try:
        wide = np.array(values, wide_dtype)
    except OverflowError as error:
        raise invalid(f"Input {spec.name!r} is {spec}. Received: a number beyond it") from error
    limits = np.iinfo(spec.dtype) if spec.dtype.kind in "iu" else None
    if limits and not (limits.min <= wide.min() and wide.max() <= limits.max):
        raise invalid(
            f"Input {spec.name!r} takes {limits.min} to {limits.max}. Received: a number beyond"
        )
    with np.errstate(over="ignore"):
        return wide.astype(spec.dtype)


def _strings(spec: TensorSpec, values: list[Any]) -> np.ndarray:
    out = np.empty(len(values), object)
    for index, value in enumerate(values):
        out[index] = _bytes(spec, value)
    return out


def _bytes(spec: TensorSpec, value: Any) -> bytes:
    if isinstance(value, str):
        return value.encode("utf-8", "surrogatepass")
    if _is_b64(value) and isinstance(value["b64"], str):
        try:
            return base64.b64decode(value["b64"], validate=True)
        except (binascii.Error, ValueError) as error:
            raise invalid(f"Input {spec.name!r}: not base64") from error
    raise invalid(f"Input {spec.name!r} takes strings or {{'b64': '...'}}. Received: another type")


def answer(outputs: Arrays, rows: int | None) -> bytes:
    """The body of an answer: `predictions` where rows were asked, else `outputs`.

    A signature with one output gives its value, with several an object of names;
    the values of an output whose name ends in `_bytes` are written as base64.
    """
    ready = {name: _writable(name, value) for name, value in outputs.items()}
    if rows is None:
        value: Any = next(iter(ready.values())) if len(ready) == 1 else ready
        return orjson.dumps({"outputs": value}, option=orjson.OPT_SERIALIZE_NUMPY)
    if any(np.ndim(v) == 0 or len(v) != rows for v in outputs.values()):
        raise invalid("This signature does not answer row by row; ask with 'inputs'")
    if len(ready) == 1:
        value = next(iter(ready.values()))
    else:
        value = [{name: column[row] for name, column in ready.items()} for row in range(rows)]
    return orjson.dumps({"predictions": value}, option=orjson.OPT_SERIALIZE_NUMPY)


def _writable(name: str, value: np.ndarray) -> Any:
    if value.dtype == object:
        write: Callable[[bytes], Any] = lambda raw: raw.decode("utf-8", "replace")  # noqa: E731
        if name.endswith("_bytes"):
            write = lambda raw: {"b64": base64.b64encode(raw).decode()}  # noqa: E731
        return np.frompyfunc(write, 1, 1)(value).tolist()
    if value.dtype.kind == "f" or value.dtype.name == "bfloat16":
        return np.ascontiguousarray(value, np.float64 if value.itemsize == 8 else np.float32)
    return np.ascontiguousarray(value)

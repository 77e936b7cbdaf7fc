"""Numbers in comma-separated text, for every annotation format (paper Section III-C).

`float` accepts `nan`, `inf`, `1_0` and Arabic digits; annotation text must not. A number
here is ASCII: `0.5`, `-1`, `.5`, `3.0` or `1e-05`, with spaces around it or without.
`parse_rows` reads a million lines a second and only detects that something is wrong;
`check_fields` reads one line and reports what.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from kaffect.errors import AnnotationError

MAX_LINES = 10_000_000
MAX_BYTES = 1 << 30
NUMBER = re.compile(r"[-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?")
# With these alone NumPy reads `NUMBER` and nothing else.
_CHARACTERS = b"0123456789-+.eE, \n"
_CHUNK = 1 << 22  # bytes of text that are parsed at once: bounds the memory


def read_text(path: Path) -> bytes:
    """The bytes of a text file with `\\n` line ends; a UTF-8 byte order mark is dropped.

    So are blank lines at the end; those elsewhere stay, because each line is a frame.

    Raises:
        AnnotationError: the file is missing, unreadable, too large, empty or not text.
    """
    try:
        size = path.stat().st_size
        if size > MAX_BYTES:
            raise AnnotationError(
                path, None, f"too large for annotation text. Expected at most {MAX_BYTES} bytes. "
                f"Received: {size}"
            )  # fmt: skip
        data = path.read_bytes()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise AnnotationError(path, None, f"cannot be read: {reason}") from error
    data = data.removeprefix(b"\xef\xbb\xbf")
    if b"\r\n" in data:
        data = data.replace(b"\r\n", b"\n")
    nul = data.find(b"\0")
    if nul >= 0:
        raise AnnotationError(path, line_of(data, nul), "not text: it holds a NUL byte")
    data = data.rstrip(b" \n")
    if not data:
        raise AnnotationError(path, 1, "the file is empty", kind="empty")
    return data + b"\n"


def line_of(data: bytes, position: int) -> int:
    """1-based number of the line that holds the byte at `position`."""
    return data.count(b"\n", 0, position) + 1


def shown(raw: bytes) -> str:
    """`raw` for a message: ASCII, escaped, at most 60 characters."""
    text = ascii(raw.decode("utf-8", "backslashreplace"))
    return text if len(text) <= 60 else text[:57] + "...'"


def header_of(line: bytes) -> bytes:
    """A header without the spaces around its fields."""
    return b",".join(field.strip(b" ") for field in line.split(b","))


def parse_rows(body: bytes, columns: int, labels: bool) -> np.ndarray | None:
    """Numbers of `body`, [rows, columns] float64, or None where a line is malformed.

    Args:
        body: lines that end in `\\n`.
        columns: fields in each line.
        labels: class numbers and the like: few lines differ, and each is parsed once.
    """
    parts = []
    start = 0
    while start < len(body):
        stop = body.find(b"\n", min(start + _CHUNK, len(body) - 1)) + 1
        part = _parse_chunk(body[start:stop], columns, labels)
        if part is None:
            return None
        parts.append(part)
        start = stop
    return np.concatenate(parts) if parts else None


def _parse_chunk(body: bytes, columns: int, labels: bool) -> np.ndarray | None:
    if body.translate(None, _CHARACTERS):
        return None
    lines = body.decode("ascii").removesuffix("\n").split("\n")
    read = list(dict.fromkeys(lines)) if labels else lines
    if not all(map(str.strip, read)):
        return None
    try:
        values = np.loadtxt(read, delimiter=",", comments=None, ndmin=2)
    except ValueError:
        return None
    if values.shape != (len(read), columns):
        return None
    if not labels:
        return values
    place = {line: row for row, line in enumerate(read)}
    return values[np.fromiter(map(place.__getitem__, lines), np.int64, len(lines))]


def write_number(value: float) -> str:
    """The shortest text without exponent that is read back as the same double."""
    text = repr(value)
    if "e" in text:
        text = np.format_float_positional(value, trim="-")
    return text.removesuffix(".0")


def check_fields(
    path: Path, line: int, fields: Sequence[bytes], names: Sequence[str]
) -> list[float]:
    """The numbers of one line. Slow; defines what `parse_rows` accepts.

    Raises:
        AnnotationError: a blank line, a wrong number of fields, or one that is not a number.
    """
    if len(fields) == 1 and not fields[0].strip(b" "):
        raise AnnotationError(
            path, line, "a blank line: each line is a frame, so that the labels behind it would "
            f"be shifted. Expected {','.join(names)}", kind="fields"
        )  # fmt: skip
    if len(fields) != len(names):
        text = shown(b",".join(fields))
        raise AnnotationError(
            path, line, f"wrong number of fields. Expected {len(names)} ({','.join(names)}). "
            f"Received {len(fields)}: {text}", kind="fields"
        )  # fmt: skip
    numbers = []
    for field, name in zip(fields, names):
        text = field.strip(b" ").decode("ascii", "replace")
        if not NUMBER.fullmatch(text):
            problem = f"{name}: not a number. Expected a decimal number. Received: {shown(field)}"
            raise AnnotationError(path, line, problem, kind="number")
        numbers.append(float(text))
    return numbers

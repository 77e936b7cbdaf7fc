"""Strict numbers in comma-separated text, for every annotation format (paper Section III-C).

`float` accepts `nan`, `inf`, `1_0` and Arabic digits; annotation text must not.
A number here is ASCII `-?digits(.digits)?`; a label is `-1` or one digit.
`parse_rows` reads a million lines a second and knows only good text;
`check_fields` reads one line and says what is wrong with it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from kaffect.errors import AnnotationError

MAX_LINES = 10_000_000
MAX_BYTES = 1 << 30
NUMBER = re.compile(r"-?[0-9]+(?:\.[0-9]+)?")
LABEL = re.compile(r"-1|[0-9]")

_DIGIT, _MINUS, _DOT, _COMMA, _NEWLINE, _OTHER = range(6)
_CLASSES = bytearray([_OTHER]) * 256
for _characters, _class in (
    (b"0123456789", _DIGIT), (b"-", _MINUS), (b".", _DOT), (b",", _COMMA), (b"\n", _NEWLINE),
):  # fmt: skip
    for _character in _characters:
        _CLASSES[_character] = _class
# Which class may follow which: together with "one dot a field" this is the grammar above.
_FOLLOWERS = {
    _DIGIT: (_DIGIT, _DOT, _COMMA, _NEWLINE),
    _MINUS: (_DIGIT,),
    _DOT: (_DIGIT,),
    _COMMA: (_DIGIT, _MINUS),
    _NEWLINE: (_DIGIT, _MINUS),
}
_WRONG_PAIR = bytearray(b"\1") * 256
for _class, _next in _FOLLOWERS.items():
    for _follower in _next:
        _WRONG_PAIR[_class * 8 + _follower] = 0
_CHUNK = 1 << 22  # bytes of text that are parsed at once: bounds the memory


def read_text(path: Path) -> bytes:
    """The bytes of a text file with `\\n` line ends; a UTF-8 byte order mark is dropped.

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
    if data.startswith(b"\xef\xbb\xbf"):
        data = data[3:]
    if not data:
        raise AnnotationError(path, 1, "the file is empty", kind="empty")
    if b"\r\n" in data:
        data = data.replace(b"\r\n", b"\n")
    nul = data.find(b"\0")
    if nul >= 0:
        raise AnnotationError(path, line_of(data, nul), "not text: it holds a NUL byte")
    return data if data.endswith(b"\n") else data + b"\n"


def line_of(data: bytes, position: int) -> int:
    """1-based number of the line that holds the byte at `position`."""
    return data.count(b"\n", 0, position) + 1


def shown(raw: bytes) -> str:
    """`raw` as it may stand in a message: ASCII, escaped, not longer than a line."""
    text = ascii(raw.decode("utf-8", "backslashreplace"))
    return text if len(text) <= 60 else text[:57] + "...'"


def parse_rows(body: bytes, columns: int, labels: bool) -> np.ndarray | None:
    """Numbers of `body`, [rows, columns], or None where anything in it is not as it must be.

    Args:
        body: lines that end in `\\n`.
        columns: fields in each line.
        labels: fields are `-1` or one digit (int8 result), else decimal numbers (float64).
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
    codes = np.frombuffer(body.translate(_CLASSES), np.uint8)
    if codes[0] not in (_DIGIT, _MINUS) or codes[-1] != _NEWLINE:
        return None
    pairs = codes[:-1] * np.uint8(8) + codes[1:]
    if b"\1" in pairs.tobytes().translate(_WRONG_PAIR):
        return None
    marks = np.flatnonzero(codes >= _DOT)
    marked = codes[marks]
    ends = marks[marked >= _COMMA]
    separators = codes[ends]
    if len(ends) % columns:
        return None
    separators = separators.reshape(-1, columns)
    if (separators[:, :-1] != _COMMA).any() or (separators[:, -1] != _NEWLINE).any():
        return None
    if labels:
        values = _parse_labels(body, ends)
        return None if values is None else values.reshape(-1, columns)
    if ((marked[:-1] == _DOT) & (marked[1:] == _DOT)).any():
        return None
    numbers = np.fromstring(body.replace(b"\n", b","), sep=",")
    return numbers.reshape(-1, columns) if len(numbers) == len(ends) else None


def _parse_labels(body: bytes, ends: np.ndarray) -> np.ndarray | None:
    raw = np.frombuffer(body, np.uint8)
    lengths = np.diff(ends, prepend=-1) - 1
    digit = raw[ends - 1].astype(np.int8) - np.int8(ord("0"))
    two = lengths == 2
    if (lengths > 2).any() or (digit[two] != 1).any() or (raw[ends[two] - 2] != ord("-")).any():
        return None
    digit[two] = -1
    return digit


def write_number(value: float) -> str:
    """The shortest text that is read back as the same double; the format has no exponents."""
    text = repr(value)
    if "e" in text:
        text = np.format_float_positional(value, trim="-")
    return text.removesuffix(".0")


def check_fields(
    path: Path, line: int, fields: Sequence[bytes], names: Sequence[str], labels: Sequence[bool]
) -> list[float]:
    """The numbers of one line, read slowly: the definition of what `parse_rows` accepts.

    Raises:
        AnnotationError: a wrong number of fields, or a field that is not a number.
    """
    if len(fields) != len(names):
        text = shown(b",".join(fields))
        raise AnnotationError(
            path, line, f"wrong number of fields. Expected {len(names)} ({','.join(names)}). "
            f"Received {len(fields)}: {text}", kind="fields"
        )  # fmt: skip
    numbers = []
    for field, name, label in zip(fields, names, labels):
        text = field.decode("ascii", "replace")
        if not (LABEL if label else NUMBER).fullmatch(text):
            kind = "a class or unit number (-1 or one digit)" if label else "a decimal number"
            problem = f"{name}: not a number. Expected {kind}. Received: {shown(field)}"
            raise AnnotationError(path, line, problem, kind="number")
        numbers.append(float(text))
    return numbers

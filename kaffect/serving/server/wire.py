"""Protocol-buffer messages before they are parsed: how many fields they have, at any depth.

Serves the engineer. A parser makes an object of each field: 15 MiB of empty ones kept a server
busy for a second and took 1.2 GB. A message that a client has reason to send has a few; its
numbers are one field, its pictures one each.
"""

from __future__ import annotations

from typing import Any

from kaffect.serving.server.limits import invalid

MOST_FIELDS = 4096
# Numbers of variable length are read one by one, at 7 ms for a MiB.
MOST_LISTED_BYTES = 1 << 22
_DEPTH = 32
_FIXED = {1: 8, 5: 4}  # wire types of eight and of four bytes
_LISTED = {"int_val", "int64_val", "bool_val", "half_val", "uint32_val", "uint64_val"}


def check_fields(data: bytes, kind: Any) -> None:
    """Walk over the fields of a message (Protocol Buffers, "Encoding").

    Args:
        kind: the message's descriptor.

    Raises:
        RequestError: too many fields, too long a list of numbers, or no such message.
    """
    _walk(memoryview(data), kind, MOST_FIELDS, _DEPTH)


def _walk(data: memoryview, kind: Any, left: int, depth: int) -> int:
    """Count the fields of `data` down from `left`; give what is left."""
    fields, place = kind.fields_by_number, 0
    while place < len(data):
        left -= 1
        if left < 0 or depth < 0:
            raise invalid(
                f"The message has more than {MOST_FIELDS} fields, or {_DEPTH} levels of them. "
                "Numbers are one field as 'tensor_content'"
            )
        tag, place = _varint(data, place)
        wire = tag & 7
        if wire == 0:
            _, place = _varint(data, place)
        elif wire == 2:
            size, place = _varint(data, place)
            field = fields.get(tag >> 3)
            if field is not None and field.message_type is not None:
                left = _walk(data[place : place + size], field.message_type, left, depth - 1)
            elif field is not None and field.name in _LISTED and size > MOST_LISTED_BYTES:
                raise invalid("A long list of numbers is accepted as 'tensor_content' only")
            place += size
        elif wire in _FIXED:
            place += _FIXED[wire]
        else:
            raise invalid("The bytes are no message")
    if place > len(data):
        raise invalid("The bytes are no message")
    return left


def _varint(data: memoryview, place: int) -> tuple[int, int]:
    """A number of variable length at `place`, and where it ends."""
    number = shift = 0
    while place < len(data) and shift < 70:
        byte = data[place]
        number |= (byte & 127) << shift
        place, shift = place + 1, shift + 7
        if byte < 128:
            return number, place
    raise invalid("The bytes are no message")

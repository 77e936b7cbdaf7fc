"""Small random damage of annotation text, for tests that readers notice it."""

from __future__ import annotations

import random

TOKENS = [
    b"nan", b"inf", b"-5", b"-1", b"1_0", b"\xd9\xa0", b"\xef\xbb\xbf", b"\r\n", b"\r", b"\n",
    b",", b"-", b".", b"e5", b"7", b"8", b"2", b"\0", b" ", b"\x85", b"\xe2\x80\xa8", b"1e400",
    b".0", b"e-05", b"\n\n", b", ", b"+",
    b"--", b"..", b"0.99999999999999999999", b"1.00000000000000000001",
]  # fmt: skip


def mutate(data: bytes, chance: random.Random) -> bytes:
    """One to three small changes of the bytes or lines of a file."""
    for _ in range(chance.randint(1, 3)):
        kind = chance.randrange(6)
        place = chance.randrange(len(data) + 1)
        if kind == 0:
            data = data[:place] + chance.choice(TOKENS) + data[place:]
        elif kind == 1:
            data = data[:place] + data[place + chance.randint(1, 4) :]
        elif kind == 2:
            data = data[:place] + bytes([chance.randrange(256)]) + data[place + 1 :]
        elif kind == 3:
            data = data[:place]
        else:
            lines = data.split(b"\n")
            first, second = (chance.randrange(len(lines)) for _ in "ab")
            if kind == 4:
                lines[first], lines[second] = lines[second], lines[first]
            else:
                lines.insert(first, lines[second])
            data = b"\n".join(lines)
    return data

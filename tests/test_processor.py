"""What the system says of its processor is read."""

from __future__ import annotations

import platform
from pathlib import Path

import pytest

from kaffect.processor import processor_flags, processor_kind, processor_name


def test_processor_flags_are_read(tmp_path: Path) -> None:
    listing = tmp_path / "cpuinfo"
    listing.write_text("processor\t: 0\nflags\t\t: fpu amx_bf16 avx2\nflags\t\t: other\n")
    assert processor_flags(listing) == {"fpu", "amx_bf16", "avx2"}
    assert processor_flags(tmp_path / "absent") == frozenset()


def test_the_name_is_that_of_the_first_processor(tmp_path: Path) -> None:
    listing = tmp_path / "cpuinfo"
    listing.write_text("processor : 0\nmodel name\t: Some Processor 9\nmodel name : other\n")
    assert processor_name(listing) == "Some Processor 9"
    assert processor_name(tmp_path / "absent") == (platform.machine() or "unknown")


@pytest.mark.parametrize(
    ("flags", "kind"),
    [
        ({"avx2", "avx512_bf16"}, "avx512_bf16"),
        ({"avx512_bf16", "amx_bf16"}, "amx_bf16"),
        ({"avx2"}, "plain"),
    ],
)
def test_the_fastest_instructions_name_the_kind(flags: set[str], kind: str) -> None:
    assert processor_kind(frozenset(flags)) == kind

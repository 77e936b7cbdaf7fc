"""What precision auto means on a machine, and which are refused."""

from __future__ import annotations

import pytest

from kaffect.config import RecognitionConfig
from kaffect.errors import ConfigError
from kaffect.training import precision

OLD_GPU, GPU = (5, 2), (8, 6)


AMX = frozenset({"avx2", "amx_bf16"})


PLAIN = frozenset({"avx2", "avx512f", "avx512_vnni"})


@pytest.mark.parametrize(
    ("requested", "gpus", "flags", "policy"),
    [
        ("auto", [GPU], PLAIN, "mixed_float16"),
        ("auto", [GPU, GPU], AMX, "mixed_float16"),
        ("auto", [GPU, OLD_GPU], AMX, "float32"),
        ("auto", [], AMX, "mixed_bfloat16"),
        ("auto", [], frozenset({"avx512_bf16"}), "mixed_bfloat16"),
        ("auto", [], PLAIN, "float32"),
        ("auto", [], frozenset(), "float32"),
        ("float32", [GPU], AMX, "float32"),
        ("mixed_float16", [], PLAIN, "mixed_float16"),
        ("mixed_bfloat16", [GPU], PLAIN, "mixed_bfloat16"),
    ],
)
def test_precision(
    requested: str, gpus: list[tuple[int, int]], flags: frozenset[str], policy: str
) -> None:
    found = precision.resolve_precision(requested, gpus=gpus, flags=flags, environment={})
    assert found == policy


def test_the_environment_says_what_auto_is() -> None:
    def resolve(requested: str, value: str) -> str:
        return precision.resolve_precision(
            requested, gpus=[], flags=AMX, environment={"KAFFECT_PRECISION": value}
        )

    assert resolve("auto", "float32") == "float32"
    assert resolve("auto", "mixed_float16") == "mixed_float16"
    assert resolve("auto", "") == "mixed_bfloat16"  # as if it were not set
    assert resolve("mixed_bfloat16", "float32") == "mixed_bfloat16"  # asked for by name


@pytest.mark.parametrize(
    ("requested", "gpus", "variable", "message"),
    [
        ("auto", [], "half", "KAFFECT_PRECISION. Expected one of 'float32'.*Received: 'half'"),
        ("auto", [], "auto", "KAFFECT_PRECISION. Expected one of 'float32'"),
        ("float8", [], "", "precision. Expected one of 'auto', 'float32'"),
        ("mixed_bfloat16", [(7, 5)], "", "mixed_bfloat16 on a GPU.*8.0 or more.*Received: '?7.5"),
        ("auto", [(7, 5)], "mixed_bfloat16", "mixed_bfloat16 on a GPU"),
        ("mixed_float16", [(5, 2)], "", "mixed_float16 on a GPU"),
    ],
)
def test_a_precision_that_is_unknown_or_cannot_be_computed(
    requested: str, gpus: list[tuple[int, int]], variable: str, message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        precision.resolve_precision(
            requested, gpus=gpus, flags=PLAIN, environment={"KAFFECT_PRECISION": variable}
        )


def test_a_run_is_loaded_in_the_precision_of_its_record(monkeypatch: pytest.MonkeyPatch) -> None:
    """The loader's own automatic choice never counts: a training records what auto meant."""
    monkeypatch.setenv("KAFFECT_PRECISION", "mixed_bfloat16")
    given = RecognitionConfig().changed({"train.precision": "mixed_float16"})
    assert precision.recorded(given) == "mixed_float16"
    assert precision.recorded(RecognitionConfig()) == "float32"

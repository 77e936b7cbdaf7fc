"""Settings of Tables X and XI: the paper's values, and the tasks that weights ask for."""

from __future__ import annotations

import pytest

from kaffect.config import RecognitionConfig
from kaffect.errors import ConfigError


def test_paper_defaults() -> None:
    run = RecognitionConfig()
    assert (run.data.sequences, run.data.sequence_length) == (10, 80)
    assert (run.model.fc_units, run.model.gru_units, run.model.attention_length) == (
        4096,
        (128, 128),
        32,
    )
    assert (run.loss.va_weight, run.loss.expression_weight) == (0.5, 0.5)
    assert run.train.adam_epsilon == 1e-8


def test_unknown_settings_are_refused_with_their_place() -> None:
    with pytest.raises(ConfigError, match=r"mine.json: loss.*unknown setting.*'aplha'"):
        RecognitionConfig.from_dict({"loss": {"aplha": 1.0}}, "mine.json")


def test_tasks_follow_the_weights() -> None:
    def tasks(va: float, expression: float) -> tuple[str, ...]:
        weights = {"loss.va_weight": va, "loss.expression_weight": expression}
        found: tuple[str, ...] = RecognitionConfig().changed(weights).loss.tasks
        return found

    assert tasks(1.0, 0.0) == ("va",)
    assert tasks(0.0, 1.0) == ("expression",)
    assert tasks(0.5, 0.5) == ("va", "expression")


def test_a_setting_that_came_later_leaves_earlier_runs_their_identity() -> None:
    plain = RecognitionConfig()
    hashed = plain.without_later(plain.identity())
    assert "recompute" in plain.to_dict()["train"] and "recompute" not in hashed["train"]
    whole = plain.changed({"train.cnn": "end_to_end"})
    parts = whole.changed({"train.recompute": 100})
    assert parts.identity()["train"]["recompute"] == 100 and parts.hash() != whole.hash()
    earlier = whole.to_dict()
    del earlier["train"]["recompute"]
    assert RecognitionConfig.from_dict(earlier) == whole
    with pytest.raises(ConfigError, match="a CNN that is not trained .* 0. Received: 5"):
        plain.changed({"train.recompute": 5})

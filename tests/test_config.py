"""kaffect.config: settings are closed, frozen and survive JSON."""

from __future__ import annotations

import dataclasses
import json

import pytest

from kaffect import config
from kaffect.errors import ConfigError


def test_paper_defaults() -> None:
    run = config.RunConfig()
    assert (run.data.sequences, run.data.sequence_length) == (10, 80)
    assert (run.model.fc_units, run.model.gru_units, run.model.attention_length) == (
        4096,
        (128, 128),
        32,
    )
    assert (run.loss.alpha, run.loss.beta) == (0.5, 0.5)
    assert run.train.adam_epsilon == 1e-8


def test_round_trip_through_json() -> None:
    run = dataclasses.replace(config.RunConfig(), loss=config.LossConfig(va_loss="mse", alpha=0.25))
    again = config.from_dict(config.RunConfig, json.loads(json.dumps(run.to_dict())))
    assert again == run
    assert again.hash() == run.hash()
    assert run.hash() != config.RunConfig().hash()


def test_unknown_settings_are_refused_with_their_place() -> None:
    with pytest.raises(ConfigError, match=r"configuration\.loss: unknown setting.*'aplha'"):
        config.from_dict(config.RunConfig, {"loss": {"aplha": 1.0}})


@pytest.mark.parametrize(
    ("kind", "values", "message"),
    [
        (config.LossConfig, {"va_loss": "CCC"}, "'ccc', 'mse'. Received: 'CCC'"),
        (config.LossConfig, {"alpha": 0.0, "beta": 0.0}, "nothing would be trained"),
        (config.LossConfig, {"alpha": 1.5}, "0 to 1. Received: 1.5"),
        (config.TrainConfig, {"learning_rate": 0.0}, "positive"),
        (config.TrainConfig, {"learning_rate": float("nan")}, "positive"),
        (config.ModelConfig, {"dropout": 1.0}, "0 or more, below 1"),
        (config.DataConfig, {"borders": "none"}, "'legacy', 'video'"),
    ],
)
def test_bad_values_are_refused(kind: type, values: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        kind(**values)


def test_tasks_follow_the_weights() -> None:
    assert config.LossConfig(alpha=1.0, beta=0.0).tasks == ("va",)
    assert config.LossConfig(alpha=0.0, beta=1.0).tasks == ("expression",)
    assert config.LossConfig().tasks == ("va", "expression")

"""The settings of the three studies: the publications' values, and combinations that make none."""

from __future__ import annotations

import json

import pytest

from kaffect.config import CONFIGURATIONS, FramewiseConfig, GanConfig, RecognitionConfig, Settings
from kaffect.errors import ConfigError


@pytest.mark.parametrize("kind", CONFIGURATIONS.values())
def test_round_trip_through_json(kind: type[Settings]) -> None:
    run = kind().changed({"loss.va": "ccc" if kind is not RecognitionConfig else "mse"})
    again = kind.from_dict(json.loads(json.dumps(run.to_dict())))
    assert again == run
    assert again.hash() == run.hash()
    assert run.hash() != kind().hash()


@pytest.mark.parametrize(
    ("kind", "values", "message"),
    [
        (RecognitionConfig, {"loss.va": "CCC"}, "'ccc', 'mse'. Received: 'CCC'"),
        (
            RecognitionConfig,
            {"loss.va_weight": 0.0, "loss.expression_weight": 0.0},
            "nothing would be trained",
        ),
        (RecognitionConfig, {"loss.va_weight": 1.5}, "0 to 1. Received: 1.5"),
        (RecognitionConfig, {"train.learning_rate": 0.0}, "positive"),
        (RecognitionConfig, {"train.learning_rate": float("nan")}, "positive"),
        (RecognitionConfig, {"model.dropout": 1.0}, "0 or more, below 1"),
        (RecognitionConfig, {"data.borders": "none"}, "'video', 'legacy'"),
        (GanConfig, {"loss.tasks": []}, "'va', 'au' or both, each once. Received: "),
        (GanConfig, {"loss.tasks": ["va", "va"]}, "each once. Received: "),
        (GanConfig, {"train.rounds": "DX"}, "letters D and G. Received: 'DX'"),
        (GanConfig, {"model.kernel": 7}, "5; configuration 2 has other filters. Received: 7"),
        (GanConfig, {"model.configuration": 2, "model.style": "ssgan"}, "Received: 'ssgan'"),
        (FramewiseConfig, {"loss.tasks": []}, "each once. Received: "),
        (FramewiseConfig, {"data.scored": "next"}, "data.subset 'first' and data.train_share"),
        (FramewiseConfig, {"model.image_size": 4}, "a whole number, 8 to 1024. Received: 4"),
    ],
)
def test_bad_values_are_refused(
    kind: type[Settings], values: dict[str, object], message: str
) -> None:
    with pytest.raises(ConfigError) as error:
        kind().changed(values)
    assert message in str(error.value) and "\n" not in str(error.value)

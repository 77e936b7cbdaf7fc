"""The settings of the three studies: the publications' values, and combinations that make none."""

from __future__ import annotations

import json

import pytest

from kaffect.config import CONFIGURATIONS, FramewiseConfig, GanConfig, RecognitionConfig, Settings
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


@pytest.mark.parametrize("kind", CONFIGURATIONS.values())
def test_round_trip_through_json(kind: type[Settings]) -> None:
    run = kind().changed({"loss.va": "ccc" if kind is not RecognitionConfig else "mse"})
    again = kind.from_dict(json.loads(json.dumps(run.to_dict())))
    assert again == run
    assert again.hash() == run.hash()
    assert run.hash() != kind().hash()


def test_unknown_settings_are_refused_with_their_place() -> None:
    with pytest.raises(ConfigError, match=r"mine.json: loss.*unknown setting.*'aplha'"):
        RecognitionConfig.from_dict({"loss": {"aplha": 1.0}}, "mine.json")


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


def test_tasks_follow_the_weights() -> None:
    def tasks(va: float, expression: float) -> tuple[str, ...]:
        weights = {"loss.va_weight": va, "loss.expression_weight": expression}
        found: tuple[str, ...] = RecognitionConfig().changed(weights).loss.tasks
        return found

    assert tasks(1.0, 0.0) == ("va",)
    assert tasks(0.0, 1.0) == ("expression",)
    assert tasks(0.5, 0.5) == ("va", "expression")

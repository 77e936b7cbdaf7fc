"""What a fixed CNN and its cached features are known by: nothing of it is listed by hand."""

from __future__ import annotations

import itertools

import pytest

from kaffect.config import RecognitionConfig
from kaffect.config.base import names_of
from kaffect.studies.recognition.encoding import encoder_settings
from kaffect.training.checkpoints import network_hash, weights_hash
from kaffect.training.networks import build_encoder

BEHIND = {f"train.{name}" for name in ("learning_rate", "epochs", "steps", "patience", "cnn")}
SMALL = {"model.width": 1 / 32, "model.fc_units": 4, "data.image_size": 32}
PRECISIONS = ("float32", "mixed_bfloat16", "mixed_float16")


def test_equal_weights_under_other_settings_are_other_features() -> None:
    config = RecognitionConfig().changed(SMALL)
    made = [
        build_encoder(config.changed({"model.preprocessing": preprocessing}), policy=policy)
        for preprocessing, policy in itertools.product(("paper", "vggface"), PRECISIONS)
    ]
    assert len({weights_hash(network) for network in made}) == 1
    assert len({network_hash(network) for network in made}) == len(made)
    # The same in another place of the process, so that it is found again.
    again = build_encoder(config.changed({"model.preprocessing": "paper"}), policy="float32")
    assert network_hash(again) == network_hash(made[0])


def test_a_trained_cnn_depends_on_every_setting_but_those_behind_it() -> None:
    def flat(part: object, prefix: str = "") -> set[str]:
        if not isinstance(part, dict):
            return {prefix[:-1]}
        return {name for key, value in part.items() for name in flat(value, f"{prefix}{key}.")}

    # Settings that are left out at their default have another value here.
    later = {"start.run": "runs/other", "start.content": "run:0", "train.recompute": 8}
    started = RecognitionConfig().changed({"train.cnn": "end_to_end", **later})
    known = {name for name in flat(encoder_settings(started))}
    left_out = {name for name in names_of(RecognitionConfig) if name not in known}
    # A path says nothing: the content of the run does.
    assert left_out == BEHIND | {"start.run"} | {
        n for n in names_of(RecognitionConfig) if n.startswith("loss.")
    }


@pytest.mark.parametrize("name, value", [("model.preprocessing", "vggface"), ("pretrain.steps", 9)])
def test_its_settings_are_those_of_the_run(name: str, value: object) -> None:
    config = RecognitionConfig()
    assert encoder_settings(config) != encoder_settings(config.changed({name: value}))
    other = config.changed({"train.learning_rate": 0.5, "loss.va": "mse"})
    assert encoder_settings(config) == encoder_settings(other)

"""Every setting of every study changes something: none is accepted and then forgotten.

First what the small tables that other tests run have read. What they have not, because it matters
under another setting only or is handed on with the rest, stands in `CHECKS` with the function that
uses it: there the setting must make a difference.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from types import SimpleNamespace
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from kaffect.config import CONFIGURATIONS, Settings
from kaffect.data.batches.mixing import mix
from kaffect.errors import KaffectError
from kaffect.labels import AFF_WILD, AFF_WILD2
from kaffect.studies import row
from kaffect.studies.finding import find_trained
from kaffect.studies.framewise.generated import gan_config, generated_in_batch
from kaffect.studies.framewise.study import Framewise
from kaffect.studies.plan import Plan
from kaffect.studies.recognition import study as recognition
from kaffect.studies.registry import TRAINED
from kaffect.training.framewise import FramewiseTrainer, build_framewise
from kaffect.training.gan import build_networks
from kaffect.training.pretraining import frame_schedule
from kaffect.training.schedules import make_optimizer, plateau_rate
from tests.studies.reads import settings_of
from tests.three_tasks import labels as labels_of
from tests.three_tasks import outputs as outputs_of

SMALL = {"model.image_size": 32, "model.width": 1 / 16}


@cache
def network(config: Any) -> str:
    """The layers of the network, or why there is none."""
    try:
        return build_framewise(config, AFF_WILD2).to_json()
    except KaffectError as error:
        return str(error)


def momentum(config: Any) -> float:
    weight = keras.Variable(np.ones(1))
    optimizer = make_optimizer(config.train, 10, "float32", [weight])
    for _ in range(2):
        optimizer.apply([tf.ones(1)], [weight])
    return float(weight[0])


def rate_after_five_bad_passes(config: Any) -> float:
    return plateau_rate(config.train, [1.0, 2.0, 2.0, 2.0, 2.0])


def mixture(config: Any) -> float:
    images = tf.zeros((2, 4, 4, 3), tf.uint8)
    data = config.data
    seed = tf.constant([1, 2])
    return float(mix({"images": images}, seed, data.mixing, data.mixing_alpha)["mix_share"])


def loss(config: Any) -> float:
    """Of random answers to random labels."""
    rng = np.random.default_rng(0)
    batch, outputs = labels_of(rng, (6,)), outputs_of(rng, (6,))
    identity = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    return float(FramewiseTrainer(identity, config.loss, {}).losses_of(batch, outputs)["loss"])


def filters(config: Any) -> str:
    return "".join(part.to_json() for part in build_networks(config, AFF_WILD))


def updates_of_the_cnn(config: Any) -> Any:
    return frame_schedule(config.pretrain, frames=5000)


# study: setting: (another value, what else must be set, what it changes).
Check = tuple[Any, dict[str, Any], Callable[[Any], Any]]
CHECKS: dict[str, dict[str, Check]] = {
    "framewise": {
        "model.image_size": (48, SMALL, network),
        "model.width": (0.125, SMALL, network),
        "model.backbone": ("small", SMALL, network),
        "model.stem": ("no_pool", SMALL, network),
        "model.extra_normalization": (True, SMALL, network),
        "model.dropout": (0.5, SMALL, network),
        "model.preprocessing": ("paper", SMALL, network),
        "model.mirrored": (True, SMALL, network),
        "model.weights": ("none.npz", SMALL, network),
        "loss.va_weight": (2.0, {}, loss),
        "loss.expression_weight": (2.0, {}, loss),
        "loss.au_weight": (2.0, {}, loss),
        "data.mixing_alpha": (5.0, {"data.mixing": "mixup"}, mixture),
        "generated.share": (0.2, {}, generated_in_batch),
        "generated.width": (0.2, {"loss.tasks": ["va"]}, gan_config),
        "generated.steps": (30, {"loss.tasks": ["va"]}, gan_config),
        "generated.rate": (1e-5, {"loss.tasks": ["va"]}, gan_config),
        "train.momentum": (0.5, {"train.optimizer": "sgd"}, momentum),
        "train.plateau_factor": (0.5, {"train.schedule": "plateau"}, rate_after_five_bad_passes),
        "train.plateau_patience": (0, {"train.schedule": "plateau"}, rate_after_five_bad_passes),
    },
    "recognition": {"pretrain.epochs": (7, {"pretrain.steps": 0}, updates_of_the_cnn)},
    "gan": {
        "model.kernel": (7, {"model.configuration": 2, "model.width": 1 / 64}, filters),
        "model.style": ("ssgan", {"model.width": 1 / 16}, filters),
    },
}


@pytest.mark.parametrize(
    ("study", "name"), [(study, name) for study, checks in CHECKS.items() for name in checks]
)
def test_a_setting_makes_a_difference(study: str, name: str) -> None:
    value, under, changed = CHECKS[study][name]
    before: Settings = CONFIGURATIONS[study]().changed(under)
    after = before.changed({name: value})
    assert changed(before) == changed(before), "the same settings do the same"
    assert changed(before) != changed(after)


@pytest.mark.parametrize(
    ("study", "table"),
    [
        ("framewise", "finished_framewise"),
        ("recognition", "finished"),
        ("gan", "finished_gan_table"),
    ],
)
def test_every_setting_is_used(
    study: str, table: str, request: pytest.FixtureRequest, reads: dict[str, set[str]]
) -> None:
    request.getfixturevalue(table)
    # Those of the preparation are handed on as one (tests/studies/test_preparation.py), and those
    # of the start are read together where there is one (tests/studies/test_starting.py).
    known = {name for name in settings_of(study) if name.startswith(("prepare.", "start."))}
    forgotten = settings_of(study) - known - reads[study] - set(CHECKS.get(study, ()))
    assert not forgotten, "settings that nobody reads"


@pytest.mark.parametrize(
    ("study", "adapter", "changes", "expected"),
    [
        ("framewise", Framewise, {"model.image_size": 64}, ("all", 64)),
        ("recognition", recognition.Recognition, {"data.image_size": 64}, ("expression", 64)),
        ("recognition", recognition.Recognition, {"data.partition": "au"}, ("au", 96)),
    ],
)
def test_videos_and_crops_are_those_of_the_settings(
    study: str,
    adapter: type[row.Adapter],
    changes: dict[str, Any],
    expected: tuple[str, int],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[tuple[str, int]] = []

    def open_planned(plan: Plan, partition: str, size: int) -> Any:
        asked.append((partition, size))
        return SimpleNamespace(scored_as=lambda data: None)

    for module in (row, recognition):
        monkeypatch.setattr(module, "open_planned", open_planned)
    table = find_trained({"framewise": "A1", "recognition": "XI"}[study])
    profile = TRAINED[study].profiles["paper"]
    plan = Plan(table, profile, None, ((1, table.rows[0]),), overrides=changes)
    adapter.open_source(plan)
    assert asked == [expected]

"""Nothing is left out: every layer, loss, network and metric of the package has its case here."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Iterator
from types import ModuleType
from typing import get_args, get_type_hints

import keras
import pytest

import kaffect.losses
import kaffect.metrics
import kaffect.models
import kaffect.training
from kaffect.config.framewise import FramewiseLoss, FramewiseModel
from kaffect.config.gan import GanLoss
from kaffect.config.recognition import RecognitionLoss
from kaffect.errors import ConfigError
from kaffect.losses import AU_LOSSES, EXPRESSION_LOSSES, LOSSES, VA_LOSSES, loss_function
from kaffect.metrics import METRICS
from kaffect.models import BACKBONES, backbone_builder
from tests.conformance import layers, losses, metrics, networks

# Layers that are not part of a network, with the reason.
NO_CASE_OF_LAYER = {
    "TaskUncertainty": "holds one variable of a trainer and is never called",
    "MeanOfMirrored": "takes no batch of odd length: tests/models/test_mirrored.py",
}
# Functions of kaffect.losses that are not losses.
NO_LOSSES = {
    "as_float", "as_mask", "zero_where_masked", "masked_mean",  # parts of losses
    "loss_function", "tasks_with_labels", "class_target", "reconstruction_weight",
    "concordance",  # Eq. 5 of each column; ccc_loss is made of it
}  # fmt: skip
# Functions of kaffect.models that give a model and have no case.
NO_CASE_OF_NETWORK = {
    "join": "what vggface_gru_attention is made of",
    "load_affwildnet": "only at full size: tests/models/test_affwildnet_import.py",
}


def modules(package: ModuleType) -> list[ModuleType]:
    names = [info.name for info in pkgutil.iter_modules(package.__path__)]
    return [importlib.import_module(f"{package.__name__}.{name}") for name in names]


def functions(package: ModuleType) -> Iterator[tuple[str, object]]:
    """Public functions, each where it is defined."""
    for module in modules(package):
        for name, value in inspect.getmembers(module, inspect.isfunction):
            if value.__module__ == module.__name__ and not name.startswith("_"):
                yield name, value


def test_every_layer_has_a_case() -> None:
    found = {
        value
        for package in (kaffect.models, kaffect.training)
        for module in modules(package)
        for _, value in inspect.getmembers(module, inspect.isclass)
        if issubclass(value, keras.layers.Layer) and not issubclass(value, keras.Model)
        if value.__module__.startswith("kaffect.") and value.__name__ not in NO_CASE_OF_LAYER
    }
    assert found == {type(case.build(1)) for case in layers.CASES.values()}


def test_every_loss_has_a_case() -> None:
    covered = {name for case in losses.CASES.values() for name in case.covers}
    assert {name for name, _ in functions(kaffect.losses)} == covered | NO_LOSSES


def test_every_network_has_a_case() -> None:
    found = {
        name
        for name, function in functions(kaffect.models)
        if function.__annotations__.get("return") == "keras.Model"
    }
    covered = {name for case in networks.CASES.values() for name in case().covers}
    assert found == covered | set(NO_CASE_OF_NETWORK)


def test_every_metric_has_an_oracle() -> None:
    assert set(metrics.ORACLES) == set(METRICS)
    scores = {
        name
        for name, function in functions(kaffect.metrics)
        if list(inspect.signature(function).parameters)[:2] == ["y_true", "y_pred"]
    }
    by_name = set(METRICS) | set(metrics.OTHERS)
    elsewhere = {
        "f1",  # f1_macro and f1_weighted
        "ccc_per_video", "cluster_sums", "clustered_interval", "sums_of",  # by video
        "va_scores", "expression_scores", "au_scores",  # METRICS under their names
    }  # fmt: skip
    assert scores - by_name == elsewhere


def choices_of(part: type, name: str) -> tuple[str, ...]:
    """What a setting accepts."""
    return get_args(get_type_hints(part)[name])


@pytest.mark.parametrize(
    ("choices", "registry"),
    [
        (choices_of(RecognitionLoss, "va"), VA_LOSSES),
        (choices_of(RecognitionLoss, "expression"), EXPRESSION_LOSSES),
        (choices_of(GanLoss, "va"), VA_LOSSES),
        (choices_of(FramewiseLoss, "va"), VA_LOSSES),
        (choices_of(FramewiseLoss, "au"), AU_LOSSES),
        (choices_of(FramewiseModel, "backbone"), BACKBONES),
    ],
)
def test_settings_offer_what_is_registered(choices: tuple[str, ...], registry: dict) -> None:
    assert set(choices) == set(registry)


@pytest.mark.parametrize("task", LOSSES)
def test_an_unknown_loss(task: str) -> None:
    accepted = ", ".join(repr(name) for name in sorted(LOSSES[task]))
    with pytest.raises(ConfigError, match=f"loss of {task}.*{accepted}.*'no such loss'"):
        loss_function(task, "no such loss")


def test_an_unknown_backbone() -> None:
    accepted = ", ".join(repr(name) for name in sorted(BACKBONES))
    with pytest.raises(ConfigError, match=f"{accepted}.*'no such backbone'"):
        backbone_builder("no such backbone")

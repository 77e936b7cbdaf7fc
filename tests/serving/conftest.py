"""Narrow networks of the same code as the paper's, exported once for all tests of serving."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keras
import pytest

from kaffect.models import frame_classifier, frame_encoder, vggface_gru_attention
from kaffect.serving.export import export_model
from kaffect.serving.facts import Facts
from kaffect.serving.loading import Export, load_export
from tests.serving.export_kinds import NARROW


@pytest.fixture(scope="session")
def sequence_network() -> keras.Model:
    """The network of Figure 5, narrow, for 96x96 pictures and any length."""
    return vggface_gru_attention(None, preprocessing="paper", seed=1, **NARROW)


@pytest.fixture(scope="session")
def sequence_export(sequence_network: keras.Model, tmp_path_factory) -> Export:
    """It, exported and loaded; sequences start anew every 80 frames."""
    out = tmp_path_factory.mktemp("models") / "narrow" / "1"
    facts = Facts("A narrow network", metrics={"validation": {"ccc_valence": 0.25}})
    return load_export(export_model(sequence_network, out, facts))


@pytest.fixture(scope="session")
def frame_network() -> keras.Model:
    """A network of single pictures of 32x32 with all three tasks, fed with floats."""
    encoder = frame_encoder(image_size=32, width=1 / 32, fc_units=9, seed=2)
    return frame_classifier(encoder, seed=3)


@pytest.fixture(scope="session")
def frame_export(frame_network: keras.Model, tmp_path_factory) -> Path:
    """The folder of its export."""
    out = tmp_path_factory.mktemp("models") / "frames" / "3"
    return export_model(frame_network, out, Facts("Single pictures"))


@pytest.fixture(scope="session")
def tiny_models(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Model `tiny` in the versions 1 and 2, for servers; the second answers twice as much."""
    from kaffect.serving.server.servable import Models
    from tests.serving.server import served

    root = tmp_path_factory.mktemp("served") / "tiny"
    return Models(
        served.tiny_servable(served.save_tiny(root / str(version), float(version)), version)
        for version in (1, 2)
    )


@pytest.fixture(scope="session")
def server(tiny_models: Any) -> Iterator[Any]:
    """A running server of the tiny models."""
    from tests.serving.server import served

    with served.running(tiny_models) as running:
        yield running

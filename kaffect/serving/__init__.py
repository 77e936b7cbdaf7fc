"""Using a trained network: export, loading, streams and predictions on video.

What is named here is imported on use, so that light parts of this package stay light.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kaffect.serving.export import export_discriminator, export_generator, export_model
    from kaffect.serving.facts import Facts
    from kaffect.serving.import_affwildnet import import_affwildnet
    from kaffect.serving.loading import Export, check_export, load_export
    from kaffect.serving.predict.run import read_faces
    from kaffect.serving.predictor import Predictor, Stream
    from kaffect.serving.run_export import export_run
    from kaffect.serving.stream_state import StreamState

# Name -> module.
_HOMES = {
    "Export": "loading",
    "Facts": "facts",
    "Predictor": "predictor",
    "Stream": "predictor",
    "StreamState": "stream_state",
    "check_export": "loading",
    "export_discriminator": "export",
    "export_generator": "export",
    "export_model": "export",
    "export_run": "run_export",
    "import_affwildnet": "import_affwildnet",
    "load_export": "loading",
    "read_faces": "predict.run",
}

__all__ = [
    "Export",
    "Facts",
    "Predictor",
    "Stream",
    "StreamState",
    "check_export",
    "export_discriminator",
    "export_generator",
    "export_model",
    "export_run",
    "import_affwildnet",
    "load_export",
    "read_faces",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)

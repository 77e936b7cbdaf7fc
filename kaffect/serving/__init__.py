"""Using a trained network: export, loading, streams and predictions on video."""

from __future__ import annotations

from kaffect.serving.export import export_discriminator, export_generator, export_model
from kaffect.serving.facts import Facts
from kaffect.serving.import_affwildnet import import_affwildnet
from kaffect.serving.loading import Export, check_export, load_export
from kaffect.serving.predict.run import read_faces
from kaffect.serving.predictor import Predictor, Stream
from kaffect.serving.run_export import export_run
from kaffect.serving.stream_state import StreamState

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

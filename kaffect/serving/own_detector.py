"""The face detector of a network: the one of its training data unless another one is asked for.

Serves whoever predicts on videos: a network reads faces well only in the boxes of the detector
that it was trained on (paper Section III-E).
"""

from __future__ import annotations

from pathlib import Path

from kaffect.errors import ConfigError
from kaffect.faces import FaceDetector, create_detector
from kaffect.faces.detector import in_words
from kaffect.serving.facts import Facts

# Of networks that do not say on whose boxes they were trained.
UNKNOWN = "haar"


def detector_of(
    facts: Facts, name: str | None = None, model: str | Path | None = None
) -> FaceDetector:
    """The detector for a network.

    Args:
        facts: of the network.
        name: as of `create_detector`; None: the network's own, or 'haar' where it states none.
        model: the model file of 'mediapipe'.

    Raises:
        ConfigError: an unknown detector, one that cannot be used here, or one without landmarks
            for a network of aligned faces.
    """
    own = facts.detector
    try:
        found = create_detector(name or (UNKNOWN if own is None else own["name"]), model)
    except ConfigError as error:
        if name is not None or own is None:
            raise
        raise ConfigError(
            f"this network was trained on faces found by {in_words(own)}: {error} "
            "(--detector NAME takes another one)"
        ) from error
    if facts.crop_rule.mode == "5-point" and not found.has_landmarks:
        raise ConfigError(
            "this network reads faces that are aligned by their landmarks. Expected the detector "
            f"'mtcnn'. Received: {found.name!r}, which gives none"
        )
    return found

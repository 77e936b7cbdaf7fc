"""What must be known of a model to use it: goes with every export, as JSON and as a model card."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from kaffect.data.video.resample import FPS
from kaffect.errors import ArtifactError, KaffectError
from kaffect.faces.crops import CropRule
from kaffect.labels import AFF_WILD, LabelSpace

INTENDED_USE = (
    "Research on affect in video. A face does not show what a person feels, and no output is a "
    "fact about a person. Not for decisions on people: hiring, credit, education, health, policing."
)
SYNTHETIC = "trained on synthetic faces: it shows that the code learns, and knows no real face"


@dataclass(frozen=True)
class Facts:
    """All that a user needs beside the weights.

    Attributes:
        title: one line.
        label_space: order of the classes and units.
        crop_rule: the picture of a face that the network was trained on.
        detector: of the faces that it was trained on: name, version, settings; None where it is
            not known, or none was needed (the data had boxes).
        fps: frames a second at which sequences were built.
        data: name, kind ('synthetic', 'rendered', 'real' or 'unknown') and hash of the training
            data; 'rendered' faces vary so that real ones can be read, 'synthetic' ones do not.
        metrics: split -> metric -> value; splits may be missing, values are never guessed.
        scored_in: precision in which the metrics were computed; "" where that is not known.
        action_unit_thresholds: name -> probability from which a unit counts as active.
        action_unit_logit_thresholds: the same as logits, where known: a probability is rounded
            to 1 behind a logit of 17 in float32.
        notes: deviations, origin of weights, anything a user should know first.
        intended_use, licence: in words.
        source: what it was made from: commit, configuration, step.
    """

    title: str
    label_space: LabelSpace = AFF_WILD
    crop_rule: CropRule = CropRule()
    detector: Mapping[str, Any] | None = None
    fps: int = FPS
    data: Mapping[str, Any] = field(default_factory=lambda: {"name": "unknown", "kind": "unknown"})
    metrics: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    scored_in: str = ""
    action_unit_thresholds: Mapping[str, float] = field(default_factory=dict)
    action_unit_logit_thresholds: Mapping[str, float] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    intended_use: str = INTENDED_USE
    licence: str = ""
    source: Mapping[str, Any] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """A JSON-able copy."""
        return {**asdict(self), "notes": list(self.notes)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any], where: str = "facts") -> Facts:
        """The inverse of `to_dict`, through JSON too.

        Raises:
            ArtifactError: something is missing or of another kind.
        """
        try:
            _require_detector(values.get("detector"))
            return cls(
                **{
                    **values,
                    "label_space": LabelSpace.from_dict(values["label_space"]),
                    "crop_rule": CropRule.from_dict(dict(values["crop_rule"])),
                    "notes": tuple(values["notes"]),
                }
            )
        except (KeyError, TypeError, KaffectError) as error:
            raise ArtifactError(f"{where}: not the description of a model: {error}") from error


def _require_detector(detector: Any) -> None:
    if detector is not None and not all(
        isinstance(detector[key], str) for key in ("name", "version")
    ):
        raise TypeError("'detector' needs a name and a version, in words")

"""Scores of the project's own network on rendered test people, and its export with a card."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import keras
import numpy as np

from kaffect.faces.crops import CropRule
from kaffect.labels import AFF_WILD2
from kaffect.metrics import clustered_interval
from kaffect.metrics.intervals import Interval
from kaffect.serving.export import export_model
from kaffect.serving.facts import Facts
from kaffect.studies.own_model.faces import Faces
from kaffect.studies.own_model.train import Batch, OwnModelSettings, predictions, scores_of

_LIMITS = (
    "It has never seen a real face. It knows what the renderer of kaffect draws: no child's skin, "
    "no profile, few hands; heads up to about 40 degrees to a side.",
    "It reads brightness alone, one picture at a time, and knows nothing of who is seen or when.",
    "Labels are what was drawn: prototypes of expressions with varied units. What real annotators "
    "would say of a real face is another question.",
)
LICENCE = (
    "Apache-2.0, as the project. No picture, label or weight of anybody else went into it, so "
    "that it may be used and passed on."
)


def export_own_model(
    network: keras.Model,
    out: Path,
    settings: OwnModelSettings,
    chosen: Mapping[str, Any],
    test: Faces,
    notes: Sequence[str] = (),
) -> Path:
    """Write the export.

    Args:
        out: folder NAME/VERSION; must not exist.
        chosen: scores on the rendered validation people.
        test: rendered people whom nothing was chosen on.
        notes: what was measured elsewhere, such as on real faces.
    """
    found = predictions(network, test, settings)
    facts = Facts(
        title="Own network of kaffect: valence and arousal, expressions, Action Units of one face",
        label_space=AFF_WILD2,
        crop_rule=CropRule("square", settings.image_size),
        data={
            "name": f"{settings.pictures} rendered people, one picture each",
            "kind": "rendered",
            "hash": settings.hash(),
        },
        metrics={
            "rendered validation people": _numbers(chosen),
            "rendered test people": _numbers(scores_of(found, test)),
        },
        scored_in="float32",
        action_unit_thresholds=dict.fromkeys(AFF_WILD2.action_units, 0.5),
        action_unit_logit_thresholds=dict.fromkeys(AFF_WILD2.action_units, 0.0),
        notes=(*notes, _intervals(found, test), *_LIMITS),
        licence=LICENCE,
        source={"command": "scripts/train_own_model", "config": asdict(settings)},
    )
    return export_model(network, out, facts)


def _numbers(scores: Mapping[str, Any]) -> dict[str, float]:
    return {name: float(v) for name, v in scores.items() if isinstance(v, (int, float))}


def _intervals(found: Batch, test: Faces) -> str:
    """The scores on rendered test people with 95 % intervals over people, in words."""
    people = np.arange(len(test))
    said = found["expression_logits"].argmax(1)
    units = (found["action_unit_logits"] > 0).astype(int)
    truth = test.action_units.astype(int)
    pairs = {
        "accuracy of eight expressions": (test.expression, said, "accuracy"),
        "their macro F1": (test.expression, said, "f1_macro"),
        "CCC of valence and arousal": (test.valence_arousal, found["valence_arousal"], "ccc"),
        "macro F1 of the units": (truth, units, "au_f1_macro"),
    }
    words = [
        f"{name} {_shown(clustered_interval(true, pred, people, metric))}"
        for name, (true, pred, metric) in pairs.items()
    ]
    return f"On {len(test)} rendered people that it was not trained on: {', '.join(words)}."


def _shown(interval: Interval) -> str:
    return f"{interval.estimate:.3f} (95 %: {interval.low:.3f} to {interval.high:.3f})"
